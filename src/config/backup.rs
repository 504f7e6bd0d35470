//! Backups: for whom, where, how often, how many stay.

use std::path::PathBuf;
use std::time::Duration;

use super::rule::{any, between, recipients, up_to_if};
use super::section::section;
use super::value::hours;

section! {
    /// `[backup]`
    Backup in "backup" {
        /// Who can open backups: public keys of age identities that are kept elsewhere, as
        /// `age-keygen` makes them. Without one, no backup is made.
        recipients: Vec<String> = Vec::new(), recipients(), Restart;
        /// The folder of backups; without it, `backups` in the folder of the data. Another disk is
        /// wise.
        folder: Option<PathBuf> = None, any(), Restart;
        /// A bucket of S3 that gets each backup, too, under `backups/`; its server, region and key
        /// are those of `[s3]`. Another bucket than that of media is wise, and another place.
        bucket: Option<String> = None, any(), Restart;
        /// How many stay; the oldest goes when there are more.
        keep: usize = 14, between(1, 10_000), Restart;
        /// Makes one whenever the last is so old; without it, only when asked.
        every: Option<Duration> = None, up_to_if(hours(90 * 24)), Restart;
    }
}
