//! The database.

use super::rule::between;
use super::section::section;
use crate::base::limits;

section! {
    /// `[store]`
    Store in "store" {
        /// Memory for pages of the database, in MiB.
        cache_mib: usize = 16, between(1, 4096), Restart;
        /// Changes that may wait for their tables. Fewer take less memory, and cost each post more
        /// bytes written.
        staged_rows: usize = limits::STAGED_ROWS, between(1, 1024 * 1024), Restart;
        /// Warns below so many MiB of free disk, or a tenth of the disk if that is less.
        space_low_mib: usize = 1024, between(0, 1024 * 1024), Reload;
        /// Takes in no more posts, media, channels and keys below so many MiB of free disk, or a
        /// twentieth of the disk if that is less.
        space_scarce_mib: usize = 256, between(0, 1024 * 1024), Reload;
        /// Sends nothing more below so many MiB of free disk, or a fortieth of the disk if that is
        /// less, and goes on by itself when there is room again.
        space_out_mib: usize = 128, between(0, 1024 * 1024), Reload;
    }
}
