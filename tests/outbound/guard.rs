//! Addresses that members may not reach, as URLs, as addresses, and as answers of a resolver.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use carillon::outbound::guard::{Guard, Refusal, is_public};
use proptest::prelude::*;
use url::Url;

fn check(guard: &Guard, url: &str) -> Result<(), Refusal> {
    guard.check_url(&Url::parse(url).unwrap())
}

/// Hosts that the URL parser makes an address of. The first block passed another scheduler's
/// guard (reliability-security.md B9 point 5).
const DENIED_HOSTS: &[&str] = &[
    "[::ffff:127.0.0.1]",
    "[::ffff:169.254.169.254]",
    "[64:ff9b::7f00:1]",
    "[2002:7f00:1::]",
    "[fe90::1]",
    "[fec0::1]",
    "[::127.0.0.1]",
    "192.0.0.8",
    // Other spellings of 127.0.0.1 and 10.0.0.1.
    "0x7f.1",
    "2130706433",
    "127.1",
    "0177.0.0.1",
    "127.0.0.1.",
    "0x7f000001",
    "127.0.1",
    "017700000001",
    "%31%32%37.0.0.1",
    "１２７.０.０.１",
    "①②⑦.0.0.1",
    "0xA.1",
    // One of each range, and their ends.
    "0.0.0.0",
    "0.255.255.255",
    "10.0.0.0",
    "10.255.255.255",
    "100.64.0.0",
    "100.100.100.200",
    "100.127.255.255",
    "127.255.255.255",
    "168.63.129.16",
    "169.254.0.0",
    "169.254.169.254",
    "172.16.0.0",
    "172.31.255.255",
    "192.0.0.192",
    "192.0.2.1",
    "192.31.196.1",
    "192.52.193.1",
    "192.88.99.1",
    "192.168.0.1",
    "192.168.255.255",
    "192.175.48.1",
    "198.18.0.0",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.255",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "[::]",
    "[::1]",
    "[::ffff:10.0.0.1]",
    "[::ffff:0:10.0.0.1]",
    "[64:ff9b::169.254.169.254]",
    "[64:ff9b:1::1]",
    "[100::1]",
    "[100:0:0:1::1]",
    "[2001::1]",
    "[2001:0:7f00:1::]",
    "[2001:2::1]",
    "[2001:10::1]",
    "[2001:20::1]",
    "[2001:1ff:ffff::1]",
    "[2001:db8::1]",
    "[2002:a00:1::1]",
    "[2620:4f:8000::1]",
    "[3fff::1]",
    "[3fff:fff::1]",
    "[4000::1]",
    "[5f00::1]",
    "[fc00::1]",
    "[fd00:ec2::254]",
    "[fd20:ce::254]",
    "[fe80::1]",
    "[febf::1]",
    "[feff::1]",
    "[ff02::1]",
];

const PUBLIC_HOSTS: &[&str] = &[
    "1.1.1.1",
    "9.255.255.255",
    "11.0.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "126.255.255.255",
    "128.0.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "192.0.1.0",
    "192.167.255.255",
    "192.169.0.0",
    "198.17.255.255",
    "198.20.0.0",
    "223.255.255.255",
    "[::ffff:1.1.1.1]",
    "[64:ff9b::1.1.1.1]",
    "[2001:200::1]",
    "[2606:4700::1111]",
    "[2a00:1450:4001::1]",
    "example.com",
    "localhost.example.com",
];

#[test]
fn addresses_in_urls() {
    const { assert!(DENIED_HOSTS.len() >= 60) };
    let guard = Guard::default();
    for host in DENIED_HOSTS {
        let refusal = check(&guard, &format!("https://{host}/"));
        assert_eq!(refusal, Err(Refusal::Address), "{host}");
    }
    for host in PUBLIC_HOSTS {
        assert_eq!(check(&guard, &format!("https://{host}/")), Ok(()), "{host}");
    }
}

/// Broken on purpose: a guard that compares the text of a host with a list of prefixes, as many do.
#[test]
fn a_guard_that_reads_the_text_is_caught() {
    const PREFIXES: [&str; 7] =
        ["localhost", "127.", "10.", "192.168.", "169.254.", "0.0.0.0", "[::1]"];
    let passes = |host: &&&str| !PREFIXES.iter().any(|prefix| host.starts_with(prefix));
    let through = DENIED_HOSTS.iter().filter(passes).count();
    println!("{through} of {} pass a guard that reads the text", DENIED_HOSTS.len());
    assert!(through > DENIED_HOSTS.len() / 2);
}

#[test]
fn the_rest_of_a_url() {
    let guard = Guard::default();
    let long = format!("https://{}example.com/", "a.".repeat(125));
    for (url, refusal) in [
        ("http://example.com/", Refusal::Scheme),
        ("ftp://example.com/", Refusal::Scheme),
        ("file:///etc/passwd", Refusal::Scheme),
        ("gopher://127.0.0.1/", Refusal::Scheme),
        ("data:text/plain,x", Refusal::Scheme),
        ("https://user@example.com/", Refusal::Userinfo),
        ("https://:secret@example.com/", Refusal::Userinfo),
        ("https://1.1.1.1@127.0.0.1/", Refusal::Userinfo),
        ("https://example.com:22/", Refusal::Port),
        ("https://example.com:80/", Refusal::Port),
        ("https://example.com:8080/", Refusal::Port),
        (&long, Refusal::Host),
    ] {
        assert_eq!(check(&guard, url), Err(refusal), "{url}");
    }
    assert_eq!(check(&guard, "https://example.com:8443/"), Ok(()));
}

#[test]
fn listed_hosts() {
    let list = ["Box.Internal", "127.0.0.1:8080", "[::1]", "[fd00::1]:9000", "plain:80"];
    let guard = Guard::new(list).unwrap();
    for url in [
        "https://box.internal/",
        "http://BOX.internal.:1234/",
        "http://127.0.0.1:8080/",
        "https://0x7f.1:8080/",
        "http://[::1]/",
        "http://[fd00:0::1]:9000/",
        "http://plain/",
    ] {
        assert_eq!(check(&guard, url), Ok(()), "{url}");
    }
    for (url, refusal) in [
        ("https://127.0.0.1/", Refusal::Address),
        ("http://127.0.0.1/", Refusal::Scheme),
        ("https://[fd00::1]/", Refusal::Address),
        ("https://plain:81/", Refusal::Port),
        ("https://user@box.internal/", Refusal::Userinfo),
        ("ftp://box.internal/", Refusal::Scheme),
        ("http://sub.box.internal/", Refusal::Scheme),
    ] {
        assert_eq!(check(&guard, url), Err(refusal), "{url}");
    }
    for entry in
        ["", ":80", "host:", "host:99999", "::1", "a b", "http://host", "*.host", "host/path"]
    {
        let refused = Guard::new([entry]).err().map(|e| e.to_string());
        let told = format!("`{entry}` is neither `host` nor `host:port`");
        assert_eq!(refused, Some(told));
    }
}

/// First address and length of denied ranges, written down apart from the guard's own table.
const RANGES_V4: &[(&str, u32)] = &[
    ("0.0.0.0", 8),
    ("10.0.0.0", 8),
    ("100.64.0.0", 10),
    ("127.0.0.0", 8),
    ("169.254.0.0", 16),
    ("172.16.0.0", 12),
    ("192.0.0.0", 24),
    ("192.0.2.0", 24),
    ("192.168.0.0", 16),
    ("198.18.0.0", 15),
    ("198.51.100.0", 24),
    ("203.0.113.0", 24),
    ("224.0.0.0", 4),
    ("240.0.0.0", 4),
];
const RANGES_V6: &[(&str, u32)] = &[
    ("::", 96),
    ("64:ff9b:1::", 48),
    ("100::", 64),
    ("2001::", 23),
    ("2001:db8::", 32),
    ("2002::", 16),
    ("3fff::", 20),
    ("5f00::", 16),
    ("fc00::", 7),
    ("fe80::", 10),
    ("fec0::", 10),
    ("ff00::", 8),
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn no_address_of_a_denied_v4_range_passes(
        (first, bits) in prop::sample::select(RANGES_V4),
        random: u32,
    ) {
        let first = first.parse::<Ipv4Addr>().unwrap();
        let ip = Ipv4Addr::from_bits(first.to_bits() | (random >> bits));
        prop_assert!(!is_public(IpAddr::V4(ip)), "{}", ip);
        prop_assert!(!is_public(IpAddr::V6(ip.to_ipv6_mapped())), "{}", ip);
        prop_assert!(!is_public(IpAddr::V6(ip.to_ipv6_compatible())), "{}", ip);
        let nat64 = Ipv6Addr::from_bits((0x64_ff9b << 96) | u128::from(ip.to_bits()));
        prop_assert!(!is_public(IpAddr::V6(nat64)), "{}", nat64);
        let refused = check(&Guard::default(), &format!("https://{ip}/"));
        prop_assert_eq!(refused, Err(Refusal::Address));
    }

    #[test]
    fn no_address_of_a_denied_v6_range_passes(
        (first, bits) in prop::sample::select(RANGES_V6),
        random: u128,
    ) {
        let first = first.parse::<Ipv6Addr>().unwrap();
        let ip = Ipv6Addr::from_bits(first.to_bits() | (random >> bits));
        prop_assert!(!is_public(IpAddr::V6(ip)), "{}", ip);
    }
}
