//! The database.

use super::rule::between;
use super::section::section;

section! {
    /// `[store]`
    Store in "store" {
        /// Memory for pages of the database, in MiB.
        cache_mib: usize = 16, between(1, 4096), Restart;
    }
}
