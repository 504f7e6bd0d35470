//! The HTTP server.

use std::time::Duration;

use super::rule::{between, header, names, nets, up_to};
use super::section::section;
use super::value::{mins, secs};
use crate::base::limits;

section! {
    /// `[http]`
    Http in "http" {
        /// Longest time until a request's head is read.
        header_timeout: Duration = secs(5), up_to(mins(1)), Restart;
        /// Longest pause in a request's body.
        body_timeout: Duration = secs(15), up_to(mins(10)), Restart;
        /// Longest time until a request is answered.
        request_timeout: Duration = secs(30), up_to(mins(10)), Restart;
        /// Open connections at a time; one more waits.
        connections: usize = 1024, between(1, 65_536), Restart;
        /// Open connections of one address at a time (of a /64 in IPv6); one more is answered with
        /// 503 and closed.
        connections_per_address: usize = 64, between(1, 65_536), Restart;
        /// Addresses, or blocks such as 10.0.0.0/8, whose connections are not counted so: many
        /// people come from each when a reverse proxy is there. What they say in X-Forwarded-For is believed, also for
        /// keys that are limited to addresses: name your proxy alone where others in these networks reach this port.
        proxies: Vec<String> = limits::PROXIES.map(str::to_owned).into(), nets(), Restart;
        /// Hosts, without ports, that this server is asked for by, beside that of `server.public_url`;
        /// a request for another is refused with 421. While neither is set, any will do. Probes, the
        /// admin socket, and this machine by its own names are always answered.
        hosts: Vec<String> = Vec::new(), names(), Restart;
        /// A header in which `proxies` say from which country a request comes, such as CF-IPCountry.
        /// Then keys and people who make keys or change channels from a new one are told of.
        country_header: Option<String> = None, header(), Restart;
        /// Requests that are answered at a time, health and metrics not counted; one more is
        /// refused with 503.
        requests: usize = 512, between(1, 65_536), Restart;
        /// Requests a second of one API key; one more is refused with 429. 0: no limit.
        key_rate: u32 = 1000, between(0, 1_000_000), Restart;
    }
}
