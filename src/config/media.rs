//! What is kept of uploads, and for how long.

use std::time::Duration;

use super::rule::{between, up_to};
use super::section::section;
use super::value::{hours, mins, secs};

section! {
    /// `[media]`
    Media in "media" {
        /// The largest file that is taken, in MiB.
        max_mib: usize = 512, between(1, 1024 * 1024), Restart;
        /// All files of one workspace together, in MiB.
        workspace_mib: usize = 10 * 1024, between(1, 1024 * 1024 * 1024), Restart;
        /// The largest picture that is taken, in millions of pixels; whatever it says, none that takes more
        /// than 512 MiB of memory to be looked at.
        max_megapixels: usize = 50, between(1, 1000), Restart;
        /// How long bytes stay after nothing needs them; a backup must be done within it.
        grace: Duration = hours(24), up_to(hours(90 * 24)), Restart;
        /// Fetching a file from an address ends when its server is silent for so long.
        fetch_idle: Duration = secs(15), up_to(mins(1)), Restart;
        /// And when all of it takes longer than this.
        fetch_total: Duration = mins(10), up_to(mins(50)), Restart;
        /// How long a file may take that is uploaded in stretches (tus).
        upload_life: Duration = hours(24), up_to(hours(30 * 24)), Restart;
    }
}
