//! From which networks each key was used lately: one that comes from many at once has been passed on; and from
//! which countries whoever asks came until now, where a proxy of ours says so. Only in memory, and no
//! address leaves it. Must not refuse anybody.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::base::KeyId;
use crate::service::Bearer;

/// A network that was not used for so long is forgotten.
const LATELY: Duration = Duration::from_hours(1);
/// Of one key; more tell no more.
const MOST: usize = 8;
/// Keys that are remembered; with more, those that rest are forgotten.
const KEYS: usize = 4_096;

/// The networks of every key.
#[derive(Default)]
pub(super) struct Places(Mutex<BTreeMap<KeyId, BTreeMap<IpAddr, Duration>>>);

impl Places {
    /// Notes that a key was used from an address; whether it came from elsewhere until now. `now` is
    /// monotonic.
    pub fn is_another(&self, key: KeyId, ip: IpAddr, now: Duration) -> bool {
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let recent = |at: &Duration| now.saturating_sub(*at) < LATELY;
        if keys.len() >= KEYS && !keys.contains_key(&key) {
            keys.retain(|_, networks| networks.values().any(recent));
            if keys.len() >= KEYS {
                keys.clear();
            }
        }
        let networks = keys.entry(key).or_default();
        networks.retain(|_, at| recent(at));
        let network = network(ip);
        let room = networks.len() < MOST;
        if room || networks.contains_key(&network) {
            return networks.insert(network, now).is_none() && networks.len() > 1;
        }
        false
    }
}

/// Two letters, ISO 3166.
pub(super) type Country = [u8; 2];

/// The countries of everybody who asks, until the next start.
#[derive(Default)]
pub(super) struct Countries(Mutex<BTreeMap<Bearer, Vec<Country>>>);

impl Countries {
    /// Notes where somebody comes from; whether they always came from elsewhere until now.
    pub fn is_another(&self, who: Bearer, country: Country) -> bool {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= KEYS && !known.contains_key(&who) {
            known.clear();
        }
        let countries = known.entry(who).or_default();
        if countries.contains(&country) || countries.len() >= MOST {
            return false;
        }
        countries.push(country);
        countries.len() > 1
    }
}

/// What one household or office comes from: a /24, or a /48.
fn network(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(ip) => Ipv4Addr::from_bits(ip.to_bits() >> 8 << 8).into(),
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() >> 80 << 80).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_told_once_and_forgotten() {
        let (places, minute) = (Places::default(), Duration::from_mins(1));
        let key = |n| KeyId::from_bytes([n; 16]);
        let comes = |n, ip: &str, at| places.is_another(key(n), ip.parse().unwrap(), at);
        assert!(!comes(1, "192.0.2.1", minute), "where it lives");
        assert!(!comes(1, "192.0.2.200", minute) && !comes(2, "198.51.100.1", minute));
        assert!(comes(1, "198.51.100.1", minute) && !comes(1, "198.51.100.9", minute));
        assert!(comes(1, "2001:db8:1:2::3", minute) && !comes(1, "2001:db8:1:ff::3", minute));
        assert!(!comes(1, "::ffff:192.0.2.7", minute), "the same in another form");
        // After an hour elsewhere it lives there.
        assert!(comes(1, "203.0.113.1", 50 * minute));
        assert!(comes(1, "192.0.2.1", 100 * minute) && !comes(1, "203.0.113.1", 101 * minute));
        let many = (0..100).filter(|n| comes(3, &format!("10.0.{n}.1"), minute)).count();
        assert_eq!(many, MOST - 1);
    }

    #[test]
    fn a_country_is_new_once_and_the_first_is_home() {
        let countries = Countries::default();
        let of = |n| Bearer::Key(KeyId::from_bytes([n; 16]));
        assert!(!countries.is_another(of(1), *b"DE") && !countries.is_another(of(2), *b"FR"));
        assert!(countries.is_another(of(1), *b"FR") && !countries.is_another(of(1), *b"FR"));
        assert!(!countries.is_another(of(1), *b"DE"));
        for n in 0..10_000_u32 {
            let mut bytes = [0; 16];
            bytes[..4].copy_from_slice(&n.to_be_bytes());
            countries.is_another(Bearer::Key(KeyId::from_bytes(bytes)), *b"DE");
        }
        assert!(countries.0.lock().unwrap().len() <= KEYS);
    }

    #[test]
    fn memory_has_a_bound() {
        let places = Places::default();
        for n in 0..u32::try_from(KEYS * 3).unwrap() {
            let mut bytes = [0; 16];
            bytes[..4].copy_from_slice(&n.to_be_bytes());
            places.is_another(KeyId::from_bytes(bytes), IpAddr::from([10, 0, 0, 1]), LATELY);
        }
        assert!(places.0.lock().unwrap().len() <= KEYS);
    }
}
