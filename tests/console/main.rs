//! The console: every screen as text, hostile texts through a terminal, random keys and sizes, whole
//! sessions on a pipe, and the real binary in tmux and behind sshd.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]
#![expect(clippy::disallowed_methods, reason = "the program under test lives in real time")]

mod desk;
mod figures;
mod hostile;
mod house;
mod keys;
mod outside;
mod random;
mod rig;
mod screens;
mod session;
mod tmux;
