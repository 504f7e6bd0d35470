//! The engine: the model checker over the publish state machine, and whole runs on a manual clock.
//! One binary, because linking is slow.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test may fail loudly and talk")]

mod approvals;
mod catch_up;
mod clock;
mod disk;
mod dump;
mod faults;
mod images;
mod linkedin;
mod media;
mod model;
mod preparing;
mod runs;
mod sessions;
mod sharing;
mod stage;
mod traffic;
mod workers;
mod x;
