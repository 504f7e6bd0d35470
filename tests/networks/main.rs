//! Practice networks, and later the network clients against them. Each module is `cfg(test)`,
//! which tells clippy that the whole file is a test.

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
