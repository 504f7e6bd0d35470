//! Refuses addresses that a member of a workspace must not reach through this machine: private,
//! local and reserved ones. Must not trust a name; its addresses are judged when connecting.

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use futures_util::future::BoxFuture;
use url::{Host, Url};

/// Turns a name into its addresses. A parameter, so that a test can change its answer.
pub type Lookup = Arc<dyn Fn(&str) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> + Send + Sync>;

/// The operating system's resolver.
pub fn system_lookup() -> Lookup {
    Arc::new(|name| {
        let name = name.to_owned();
        Box::pin(async move {
            let found = tokio::net::lookup_host((name, 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    })
}

/// The rules for addresses given by members of a workspace.
#[derive(Clone, Debug, Default)]
pub struct Guard {
    /// Hosts as [`host_text`] writes them, with the only port allowed, or any.
    allow: BTreeSet<(String, Option<u16>)>,
}

/// Why an address is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    Scheme,
    Userinfo,
    Port,
    Host,
    Address,
}

impl Refusal {
    pub fn why(self) -> &'static str {
        match self {
            Self::Scheme => "must begin with https://",
            Self::Userinfo => "must not hold a user name or password",
            Self::Port => "must use port 443 or 8443",
            Self::Host => "must name a host of at most 253 characters",
            Self::Address => "must not be a private, local or reserved address",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.why())
    }
}

impl std::error::Error for Refusal {}

/// An entry of `outbound.allow` that is neither `host` nor `host:port`.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is neither `host` nor `host:port`")]
pub struct BadEntry(String);

const PORTS: [u16; 2] = [443, 8443];
const HOST_CHARS: usize = 253;

impl Guard {
    /// `allow` lists hosts an operator trusts: `host` (any port) or `host:port`; an IPv6 address
    /// stands in brackets. They may be private, and may be called over plain http.
    pub fn new<'a>(allow: impl IntoIterator<Item = &'a str>) -> Result<Self, BadEntry> {
        let parse = |entry: &str| {
            let (host, port) = match entry.rsplit_once(':') {
                Some((host, port)) if !entry.ends_with(']') => (host, Some(port)),
                _ => (entry, None),
            };
            let port = port.map(str::parse).transpose().ok()?;
            if host.contains('*') {
                return None;
            }
            Some((host_text(&Host::parse(host).ok()?), port))
        };
        let entries = allow.into_iter();
        let allow = entries
            .map(|entry| parse(entry).ok_or_else(|| BadEntry(entry.to_owned())))
            .collect::<Result<_, _>>()?;
        Ok(Self { allow })
    }

    /// Whether the operator listed the host (and port) of `url`.
    pub fn is_listed(&self, url: &Url) -> bool {
        let Some(host) = url.host() else { return false };
        let host = host_text(&host);
        let port = url.port_or_known_default();
        self.allow.contains(&(host.clone(), None)) || self.allow.contains(&(host, port))
    }

    /// All that can be said without resolving a name: a name that passes here may still turn out
    /// to be refused when it is connected to.
    pub fn check_url(&self, url: &Url) -> Result<(), Refusal> {
        let listed = self.is_listed(url);
        if url.scheme() != "https" && !(listed && url.scheme() == "http") {
            return Err(Refusal::Scheme);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Refusal::Userinfo);
        }
        if listed {
            return Ok(());
        }
        if !url.port_or_known_default().is_some_and(|p| PORTS.contains(&p)) {
            return Err(Refusal::Port);
        }
        match url.host().ok_or(Refusal::Host)? {
            Host::Domain(name) if !is_name(name) => Err(Refusal::Host),
            Host::Ipv4(ip) if !is_public(ip.into()) => Err(Refusal::Address),
            Host::Ipv6(ip) if !is_public(ip.into()) => Err(Refusal::Address),
            _ => Ok(()),
        }
    }
}

/// Whether it can be resolved: one dot may end it. With more, an address would pass as a name.
fn is_name(host: &str) -> bool {
    let name = host.strip_suffix('.').unwrap_or(host);
    name.len() <= HOST_CHARS && !name.split('.').any(str::is_empty)
}

/// One form per host: lower case (the URL parser's work), no trailing dot, no brackets.
fn host_text<S: AsRef<str>>(host: &Host<S>) -> String {
    match host {
        Host::Domain(name) => name.as_ref().trim_end_matches('.').to_owned(),
        Host::Ipv4(ip) => ip.to_string(),
        Host::Ipv6(ip) => ip.to_string(),
    }
}

/// The IANA IPv4 special-purpose registry (2026-11), multicast, and what cloud machines use to
/// hand out credentials outside of those.
const DENIED_V4: &[([u8; 4], u32)] = &[
    ([0, 0, 0, 0], 8),
    ([10, 0, 0, 0], 8),
    ([100, 64, 0, 0], 10),
    ([127, 0, 0, 0], 8),
    ([168, 63, 129, 16], 32), // Azure's host agent
    ([169, 254, 0, 0], 16),
    ([172, 16, 0, 0], 12),
    ([192, 0, 0, 0], 24),
    ([192, 0, 2, 0], 24),
    ([192, 31, 196, 0], 24),
    ([192, 52, 193, 0], 24),
    ([192, 88, 99, 0], 24),
    ([192, 168, 0, 0], 16),
    ([192, 175, 48, 0], 24),
    ([198, 18, 0, 0], 15),
    ([198, 51, 100, 0], 24),
    ([203, 0, 113, 0], 24),
    ([224, 0, 0, 0], 3), // multicast, reserved, broadcast
];

/// The only block of global unicast addresses; loopback, unique local, link-local, site-local,
/// multicast and the rest of the registry lie outside of it.
const GLOBAL_V6: (Ipv6Addr, u32) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

/// What the IANA IPv6 special-purpose registry (2026-11) takes from [`GLOBAL_V6`].
const DENIED_V6: &[(Ipv6Addr, u32)] = &[
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23), // Teredo, benchmarking, ORCHID ...
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16), // 6to4
    (Ipv6Addr::new(0x2620, 0x4f, 0x8000, 0, 0, 0, 0, 0), 48),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
];

/// Whether `ip` is an address of the public Internet.
pub fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        // Mapped addresses and NAT64 (how a machine without IPv4 reaches IPv4) are judged by the
        // IPv4 address inside. Other wrappings (compatible, 6to4, Teredo) are denied whole.
        IpAddr::V6(ip) => match ip.octets() {
            [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d]
            | [0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0, a, b, c, d] => {
                is_public_v4(Ipv4Addr::new(a, b, c, d))
            }
            _ => is_within_v6(ip, GLOBAL_V6) && !DENIED_V6.iter().any(|b| is_within_v6(ip, *b)),
        },
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let is_within = |(block, bits): &([u8; 4], u32)| {
        (ip.to_bits() ^ u32::from_be_bytes(*block)).leading_zeros() >= *bits
    };
    !DENIED_V4.iter().any(is_within)
}

fn is_within_v6(ip: Ipv6Addr, (block, bits): (Ipv6Addr, u32)) -> bool {
    (ip.to_bits() ^ block.to_bits()).leading_zeros() >= bits
}

/// The resolver of one HTTP client. Each connection asks it once and goes only to its answer, so
/// nothing can change between check and use. IP literals never come here.
pub(super) struct Resolver {
    pub(super) lookup: Lookup,
    pub(super) guarded: bool,
}

impl reqwest::dns::Resolve for Resolver {
    fn resolve(&self, name: reqwest::dns::Name) -> reqwest::dns::Resolving {
        let (found, guarded) = ((self.lookup)(name.as_str()), self.guarded);
        Box::pin(async move {
            let found = found.await?;
            // One private address among public ones is a trap, not a choice.
            if guarded && !found.iter().copied().all(is_public) {
                return Err(Refusal::Address.into());
            }
            let addresses: reqwest::dns::Addrs =
                Box::new(found.into_iter().map(|ip| SocketAddr::new(ip, 0)));
            Ok(addresses)
        })
    }
}
