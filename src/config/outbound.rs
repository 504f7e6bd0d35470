//! Calls to other people's servers.

use std::time::Duration;

use url::Url;

use super::rule::{any, hosts, up_to};
use super::section::section;
use super::value::secs;

section! {
    /// `[outbound]`
    Outbound in "outbound" {
        /// Hosts (`host` or `host:port`) that members may name although they are private or local.
        allow: Vec<String> = Vec::new(), hosts(), Restart;
        /// Longest time until a connection stands.
        connect_timeout: Duration = secs(10), up_to(secs(60)), Restart;
        /// Where networks find the operator; sent with each call.
        operator_url: Option<Url> = None, any(), Restart;
    }
}
