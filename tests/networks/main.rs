//! Practice networks, and the network clients against them and against real servers. Each module is `cfg(test)`,
//! which tells clippy that the whole file is a test.

#[cfg(test)]
mod bluesky_servers;
#[cfg(test)]
mod bluesky_twin;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod independent_client;
#[cfg(test)]
mod mastodon_oauth;
#[cfg(test)]
mod mastodon_twin;
#[cfg(test)]
mod twin;
#[cfg(test)]
mod webhook;
#[cfg(test)]
mod weighted;
