//! More than can be served, offered to the real binary: it stays small, says so to whom it cannot
//! serve, still answers those who look after it, and posts go out on time. One test at a time runs.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test may fail loudly and talk"
)]
#![expect(clippy::disallowed_methods, reason = "the program under test lives in real time")]

mod crowd;
mod offer;
mod program;
mod slow;

use tokio::sync::{Mutex, MutexGuard};

static ALONE: Mutex<()> = Mutex::const_new(());

/// Held by each test: two of them would measure one another.
async fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().await
}
