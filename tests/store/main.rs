//! The proof of the store: its key codec, its stored records, its writer, and what it keeps when
//! the disk fails or the power goes. One binary, because linking is slow.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test may fail loudly and talk"
)]

mod approvals;
mod connections;
mod crashes;
mod dump;
mod events;
mod faults;
mod files;
mod goldens;
mod hosts;
mod installation;
mod keys;
mod people;
mod records;
mod rig;
mod scans;
mod script;
mod stage;
mod upgrade;
mod writer;
