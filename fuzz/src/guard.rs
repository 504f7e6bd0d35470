//! The guard of addresses: what it lets pass is https on a public port, without a password, and no
//! literal address that is private, whichever way it is spelt.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use carillon::outbound::guard::{Guard, is_public};
use url::{Host, Url};

pub fn check(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let guard = Guard::default();
    for text in [text.to_string(), format!("https://{text}"), format!("https://{text}/x")] {
        let Ok(url) = Url::parse(&text) else { continue };
        let verdict = guard.check_url(&url);
        // What is stored and read again is judged alike.
        let again = Url::parse(url.as_str()).unwrap_or_else(|e| panic!("{url}: {e}"));
        assert_eq!(guard.check_url(&again), verdict, "{url}");
        if verdict.is_err() {
            continue;
        }
        assert_eq!((url.scheme(), url.username(), url.password()), ("https", "", None), "{url}");
        assert!(matches!(url.port_or_known_default(), Some(443 | 8443)), "{url}");
        let address = match url.host() {
            Some(Host::Ipv4(ip)) => Some(IpAddr::V4(ip)),
            Some(Host::Ipv6(ip)) => Some(IpAddr::V6(ip)),
            // Whatever a resolver might take for an address without asking anybody.
            Some(Host::Domain(name)) => name.trim_end_matches('.').parse().ok(),
            None => panic!("{url} has no host"),
        };
        if let Some(ip) = address {
            assert!(is_public(ip) && !is_special(ip), "{url} is {ip}");
        }
        entries(&guard, &url);
    }
}

/// A host that an operator lists is listed, in the form that it was written.
fn entries(guard: &Guard, url: &Url) {
    assert!(!guard.is_listed(url));
    let Some(host) = url.host_str() else { return };
    if let Ok(listing) = Guard::new([host]) {
        assert!(listing.is_listed(url) && listing.check_url(url).is_ok(), "{url}");
    }
}

/// The standard library's own opinion, and how one address hides in another.
fn is_special(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => special_v4(ip),
        IpAddr::V6(ip) => special_v6(ip),
    }
}

fn special_v4(ip: Ipv4Addr) -> bool {
    ip.is_private()
        || ip.is_loopback()
        || ip.is_link_local()
        || ip.is_broadcast()
        || ip.is_documentation()
        || ip.is_unspecified()
        || ip.is_multicast()
}

fn special_v6(ip: Ipv6Addr) -> bool {
    let nat64 = matches!(ip.segments(), [0x64, 0xff9b, 0, 0, 0, 0, _, _]);
    let [.., a, b, c, d] = ip.octets();
    ip.is_loopback()
        || ip.is_unspecified()
        || ip.is_multicast()
        || ip.is_unique_local()
        || ip.is_unicast_link_local()
        || ip.to_ipv4_mapped().is_some_and(special_v4)
        || (nat64 && special_v4(Ipv4Addr::new(a, b, c, d)))
}
