//! The HTTP server.

use std::time::Duration;

use super::rule::{between, up_to};
use super::section::section;
use super::value::{mins, secs};

section! {
    /// `[http]`
    Http in "http" {
        /// Longest time until a request's head is read.
        header_timeout: Duration = secs(5), up_to(mins(1)), Restart;
        /// Longest time until a request's body is read.
        body_timeout: Duration = secs(15), up_to(mins(10)), Restart;
        /// Longest time until a request is answered.
        request_timeout: Duration = secs(30), up_to(mins(10)), Restart;
        /// Open connections at a time.
        connections: usize = 1024, between(1, 65_536), Restart;
    }
}
