//! The real binary killed with `kill -9`, stopped, on disks that fill up and fail, and under clocks
//! that jump, while clients write and networks accept and hang up. Afterwards every acknowledged
//! post is there, and the journal rule holds for every part.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test may fail loudly and talk")]
#![expect(clippy::disallowed_methods, reason = "the program under test lives in real time")]

mod broken_off;
mod client;
mod clock;
mod failing;
mod faults;
mod full;
mod kills;
mod restore;
mod server;
mod sharing;
mod stop;
mod storm;
