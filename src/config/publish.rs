//! How posts are published: deadlines, proof, retries, how much at a time.

use std::time::Duration;

use super::rule::{between, up_to};
use super::section::section;
use super::value::{hours, mins, secs};

section! {
    /// `[publish]`
    Publish in "publish" {
        /// Longest time for one call to a network, from connecting to the last byte.
        deadline: Duration = secs(30), up_to(mins(10)), Reload;
        /// Longest time that a request which was given up can still be applied by a network.
        late_window: Duration = secs(180), up_to(hours(6)), Reload;
        /// How far a network's reads may be behind its writes.
        read_lag: Duration = secs(60), up_to(hours(6)), Reload;
        /// Between the two negative readings that prove absence.
        second_look: Duration = secs(30), up_to(hours(1)), Reload;
        /// How long readings are tried before a person is asked.
        look_budget: Duration = hours(6), up_to(hours(7 * 24)), Reload;
        /// Wait before the second attempt; doubles with each further one.
        retry_base: Duration = secs(60), up_to(hours(1)), Reload;
        /// Attempts before a part fails; waiting for a rate limit uses none.
        attempts: u32 = 5, between(1, 20), Reload;
        /// A repeat with the same key waits this long beyond `late_window`: a network may not see the
        /// key sooner, and two requests that meet there both count.
        key_settle: Duration = secs(60), up_to(hours(1)), Reload;
        /// How late a part may still go out; later it is held as missed.
        grace: Duration = hours(1), up_to(hours(7 * 24)), Reload;
        /// Deliveries worked on at a time, for each server of a network.
        per_network: usize = 8, between(1, 256), Reload;
        /// Deliveries worked on at a time in all; one workspace or network alone gets half of it.
        total: usize = 64, between(1, 1024), Reload;
        /// How long a stop waits for calls under way; what remains is looked up at the next start.
        stop_wait: Duration = secs(25), up_to(mins(10)), Reload;
        /// Between posts of one channel that go out late.
        catch_up_spacing: Duration = secs(60), up_to(hours(1)), Reload;
    }
}
