//! Where servers are: a block of addresses, as `10.0.0.0/8` or a lone address; and whether nobody
//! listens on the way to one. Must not resolve names.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use url::{Host, Url};

/// All addresses that begin with the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Net {
    /// Zeroes follow the bits that all have.
    start: IpAddr,
    bits: u32,
}

impl Net {
    /// Where `ip` is; `bits` are no more than it has.
    fn of(ip: IpAddr, bits: u32) -> Self {
        let start = match ip {
            IpAddr::V4(ip) => {
                let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
                IpAddr::V4(Ipv4Addr::from_bits(ip.to_bits() & mask))
            }
            IpAddr::V6(ip) => {
                let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
                IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & mask))
            }
        };
        Self { start, bits }
    }

    /// An IPv4 address in an IPv6 coat counts as what it is.
    pub fn contains(self, ip: IpAddr) -> bool {
        let differ = match (self.start, ip.to_canonical()) {
            (IpAddr::V4(start), IpAddr::V4(ip)) => (start.to_bits() ^ ip.to_bits()).leading_zeros(),
            (IpAddr::V6(start), IpAddr::V6(ip)) => (start.to_bits() ^ ip.to_bits()).leading_zeros(),
            _ => return false,
        };
        differ >= self.bits
    }
}

impl FromStr for Net {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (ip, bits) = text.split_once('/').map_or((text, None), |(ip, n)| (ip, Some(n)));
        let start: IpAddr = ip.parse().map_err(|_| ())?;
        let all = if start.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(all), |bits| bits.parse().map_err(|_| ()))?;
        if bits > all {
            return Err(());
        }
        match start {
            // IPv4 in an IPv6 coat is what it is, too.
            IpAddr::V6(ip) if bits >= 96 => Ok(ip
                .to_ipv4_mapped()
                .map_or_else(|| Self::of(start, bits), |ip| Self::of(ip.into(), bits - 96))),
            _ => Ok(Self::of(start, bits)),
        }
    }
}

/// The one form of each: `10.0.0.0/8`, or a lone address.
impl fmt::Display for Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { start, bits } = self;
        let all = if start.is_ipv4() { 32 } else { 128 };
        if *bits == all { write!(f, "{start}") } else { write!(f, "{start}/{bits}") }
    }
}

impl Serialize for Net {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Net {
    /// Only what [`Serialize`] wrote: so each has one form in the store.
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        let net = text.parse().ok().filter(|net: &Self| net.to_string() == text);
        net.ok_or_else(|| de::Error::custom("this is no block of addresses"))
    }
}

/// Whether nobody can listen or answer in the place of who is there: TLS, or this machine.
pub fn is_private_way(url: &Url) -> bool {
    let here = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => return false,
    };
    url.scheme() == "https" || (url.scheme() == "http" && here)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_listens_to_tls_or_within_this_machine() {
        for (url, private) in [
            ("https://id.example.org/realms/a", true),
            ("http://127.0.0.1:9080", true),
            ("http://localhost:9080", true),
            ("http://[::1]:9080", true),
            ("http://id.example.org", false),
            ("http://localhost.example.org", false),
            ("ftp://127.0.0.1", false),
            ("file:///etc/passwd", false),
        ] {
            assert_eq!(is_private_way(&Url::parse(url).unwrap()), private, "{url}");
        }
    }

    #[test]
    fn blocks_hold_what_begins_alike() {
        for (net, ip, holds) in [
            ("10.0.0.0/8", "10.255.255.255", true),
            ("10.0.0.0/8", "11.0.0.0", false),
            ("10.0.0.0/8", "::ffff:10.1.2.3", true),
            ("192.168.1.7", "192.168.1.7", true),
            ("192.168.1.7", "192.168.1.6", false),
            ("0.0.0.0/0", "255.1.2.3", true),
            ("0.0.0.0/0", "::1", false),
            ("fc00::/7", "fdff::1", true),
            ("fc00::/7", "fe00::1", false),
            ("::/0", "2001::1", true),
            ("::ffff:10.0.0.0/104", "10.1.2.3", true),
            ("::ffff:10.0.0.0/104", "11.1.2.3", false),
            ("::ffff:192.168.1.7", "192.168.1.7", true),
        ] {
            let net: Net = net.parse().unwrap();
            assert_eq!(net.contains(ip.parse().unwrap()), holds, "{net:?} {ip}");
        }
        for text in ["", "10.0.0", "10.0.0.0/33", "::/129", "10.0.0.0/", "x/8", "10.0.0.0/-1"] {
            assert_eq!(text.parse::<Net>(), Err(()), "{text}");
        }
    }

    #[test]
    fn each_has_one_form_and_only_that_is_stored() {
        for (given, form) in [
            ("10.1.2.3/8", "10.0.0.0/8"),
            ("192.168.1.7/32", "192.168.1.7"),
            ("255.255.255.255/0", "0.0.0.0/0"),
            ("2001:DB8:0:0::ff/32", "2001:db8::/32"),
            ("2001:db8::1/128", "2001:db8::1"),
            ("ffff::/0", "::/0"),
            ("::ffff:10.1.2.3", "10.1.2.3"),
            ("::ffff:10.1.2.3/104", "10.0.0.0/8"),
            ("::ffff:0:0/96", "0.0.0.0/0"),
            ("::ffff:0:0/95", "::fffe:0:0/95"),
        ] {
            let net: Net = given.parse().unwrap();
            assert_eq!((net.to_string().as_str(), form.parse::<Net>()), (form, Ok(net)), "{given}");
            let stored = serde_json::to_string(&net).unwrap();
            assert_eq!(stored, format!("\"{form}\""), "{given}");
            assert_eq!(serde_json::from_str::<Net>(&stored).unwrap(), net, "{given}");
            let other = format!("\"{given}\"");
            assert_eq!(serde_json::from_str::<Net>(&other).is_ok(), given == form, "{given}");
        }
    }
}
