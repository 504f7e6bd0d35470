//! How long what is done with is kept.

use std::time::Duration;

use super::rule::lasts;
use super::section::section;
use super::value::hours;

section! {
    /// `[retention]`
    Retention in "retention" {
        /// Webhooks of networks, after they were handled. A repeat is known as long as the first one is kept.
        hooks: Duration = hours(30 * 24), lasts(hours(3 * 24), hours(10 * 365 * 24)), Restart;
    }
}
