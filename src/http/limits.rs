//! How much is taken at a time: requests in all, requests of one key, connections of one address.
//! Must not let anybody wait: who is too much is told so at once, and does not cost much.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};

use super::Settings;
use super::places::{Countries, Places};
use crate::base::Net;
use crate::service::Bearer;

/// Bounds of requests; one for all that a process serves.
pub struct Limits {
    places: Semaphore,
    /// The least time between two requests of a key, in the long run; zero for no limit.
    step: Duration,
    keys: Mutex<Keys>,
    looks: Mutex<Keys>,
    streams: Streams,
    pub(super) networks: Places,
    pub(super) countries: Countries,
}

/// Live streams, by the word of who reads them.
#[derive(Clone)]
struct Streams {
    open: Arc<Mutex<BTreeMap<String, usize>>>,
    all: usize,
    each: usize,
}

/// A place for one live stream; given back when it is dropped.
pub(super) struct Reader {
    open: Arc<Mutex<BTreeMap<String, usize>>>,
    who: String,
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.who) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.who);
            }
        }
    }
}

#[derive(Default)]
struct Keys {
    /// When a key that keeps its rate would be through with what it has asked already.
    busy_until: BTreeMap<Bearer, Duration>,
    /// So many rows, and those of the past are thrown away.
    sweep_at: usize,
}

/// What a key may ask at once after a rest: as much as in this time at its rate.
pub(super) const WINDOW: Duration = Duration::from_secs(1);
const SWEEP_AT: usize = 1_024;

impl Limits {
    pub fn new(settings: &Settings) -> Self {
        let step = WINDOW.checked_div(settings.key_rate).unwrap_or_default();
        let places = Semaphore::new(settings.requests.min(Semaphore::MAX_PERMITS));
        let (all, each) = (settings.streams, settings.streams_each);
        let streams = Streams { open: Arc::default(), all, each };
        let (keys, looks, networks) = (Mutex::default(), Mutex::default(), Places::default());
        Self { places, step, keys, looks, streams, networks, countries: Countries::default() }
    }

    /// A place for one live stream of `who`; the bound that is reached when there is none.
    pub(super) fn reader(&self, who: String) -> Result<Reader, usize> {
        let Streams { open, all, each } = &self.streams;
        let mut counts = open.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.values().sum::<usize>() >= *all {
            return Err(*all);
        }
        let count = counts.entry(who.clone()).or_default();
        if *count >= *each {
            return Err(*each);
        }
        *count += 1;
        Ok(Reader { open: Arc::clone(open), who })
    }

    /// A place for one request, while it is answered; `None` when all are taken.
    pub(super) fn place(&self) -> Option<SemaphorePermit<'_>> {
        self.places.try_acquire().ok()
    }

    /// Counts a request of `key`; whether it is within the key's rate. `now` is monotonic.
    pub(super) fn counts(&self, key: Bearer, now: Duration) -> bool {
        if self.step.is_zero() {
            return true;
        }
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        keys.counts(key, now, (self.step, WINDOW))
    }

    /// Counts a look over all workspaces on behalf of `key`; whether there is one more for it.
    pub(super) fn looks(&self, key: Bearer, now: Duration) -> bool {
        let mut looks = self.looks.lock().unwrap_or_else(PoisonError::into_inner);
        looks.counts(key, now, (Duration::from_secs(1), Duration::from_mins(1)))
    }
}

impl Keys {
    fn counts(&mut self, key: Bearer, now: Duration, (step, window): (Duration, Duration)) -> bool {
        let until = self.busy_until.get(&key).copied().unwrap_or_default().max(now) + step;
        let within = until <= now + window;
        if within && self.busy_until.insert(key, until).is_none() {
            self.sweep(now);
        }
        within
    }

    /// A key that rested may do what one may that is not known.
    fn sweep(&mut self, now: Duration) {
        if self.busy_until.len() >= self.sweep_at.max(SWEEP_AT) {
            self.busy_until.retain(|_, until| *until > now);
            self.sweep_at = self.busy_until.len() * 2;
        }
    }
}

/// The connections of each address; one for each listener.
#[derive(Clone)]
pub(super) struct Addresses {
    open: Arc<Mutex<BTreeMap<IpAddr, usize>>>,
    each: usize,
    proxies: Arc<[Net]>,
}

/// One connection that is counted; given back when it is dropped.
pub(super) struct Seat {
    open: Arc<Mutex<BTreeMap<IpAddr, usize>>>,
    of: Option<IpAddr>,
}

impl Addresses {
    pub fn new(settings: &Settings) -> Self {
        let proxies = Arc::clone(&settings.proxies);
        Self { open: Arc::default(), each: settings.connections_per_address, proxies }
    }

    /// `None` when the address has as many connections as it may.
    pub fn seat(&self, ip: IpAddr) -> Option<Seat> {
        if self.proxies.iter().any(|net| net.contains(ip)) {
            return Some(Seat { open: Arc::clone(&self.open), of: None });
        }
        let of = household(ip);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(of).or_default();
        if *count >= self.each {
            return None;
        }
        *count += 1;
        Some(Seat { open: Arc::clone(&self.open), of: Some(of) })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let Some(of) = self.of else { return };
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&of) {
            *count -= 1;
            if *count == 0 {
                open.remove(&of);
            }
        }
    }
}

/// Who has one IPv6 address has a whole block of them.
fn household(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.into(),
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{KeyId, SeededRng, Timestamp};

    const MS: fn(u64) -> Duration = Duration::from_millis;

    fn key(n: u64) -> Bearer {
        Bearer::Key(KeyId::new(Timestamp::from_millis(n), &SeededRng::new(n)))
    }

    #[test]
    fn a_key_gets_its_rate_and_what_a_second_saves_up() {
        let limits = Limits::new(&Settings { key_rate: 10, ..Settings::default() });
        let asked = |n: usize, now| (0..n).filter(|_| limits.counts(key(1), now)).count();
        assert_eq!(asked(50, MS(5_000)), 10);
        assert_eq!(asked(50, MS(5_099)), 0);
        assert_eq!(asked(50, MS(5_100)), 1);
        assert_eq!(asked(50, MS(5_500)), 4);
        assert_eq!(asked(50, MS(60_000)), 10);
        assert!(limits.counts(key(2), MS(60_000)), "others are not touched");
        let none = Limits::new(&Settings { key_rate: 0, ..Settings::default() });
        assert!((0..9_999).all(|_| none.counts(key(1), MS(1))));
    }

    #[test]
    fn keys_that_rest_take_no_memory() {
        let limits = Limits::new(&Settings { key_rate: 1, ..Settings::default() });
        for n in 0..50_000 {
            assert!(limits.counts(key(n), MS(n)));
        }
        assert!(limits.keys.lock().unwrap().busy_until.len() <= 2 * SWEEP_AT);
    }

    #[test]
    fn streams_are_bounded_for_each_and_for_all() {
        let settings = Settings { streams: 3, streams_each: 2, ..Settings::default() };
        let limits = Limits::new(&settings);
        let read = |who: &str| limits.reader(who.to_owned());
        let ann = [read("ann"), read("ann")];
        assert!(ann.iter().all(Result::is_ok));
        assert_eq!(read("ann").err(), Some(2));
        let bob = read("bob");
        assert!(bob.is_ok());
        assert_eq!(read("eve").err(), Some(3));
        drop((ann, bob));
        assert!(limits.streams.open.lock().unwrap().is_empty(), "nothing is left of who went");
        assert!(read("ann").is_ok());
    }

    #[test]
    fn places_are_given_back() {
        let limits = Limits::new(&Settings { requests: 2, ..Settings::default() });
        let (one, two) = (limits.place(), limits.place());
        assert!(one.is_some() && two.is_some() && limits.place().is_none());
        drop(one);
        assert!(limits.place().is_some());
    }

    #[test]
    fn an_address_has_so_many_connections_unless_it_is_a_proxy() {
        let settings = Settings { connections_per_address: 2, ..Settings::default() };
        let addresses = Addresses::new(&settings);
        let sit = |ip: &str| addresses.seat(ip.parse().unwrap());
        let seats = [sit("198.51.100.1"), sit("::ffff:198.51.100.1")];
        assert!(seats.iter().all(Option::is_some) && sit("198.51.100.1").is_none());
        assert!(sit("198.51.100.2").is_some(), "others are not touched");
        let block = [sit("2001:db8::1"), sit("2001:db8::2")];
        assert!(block.iter().all(Option::is_some) && sit("2001:db8::3").is_none());
        assert!(sit("2001:db8:0:1::1").is_some());
        drop((seats, block));
        assert!(sit("198.51.100.1").is_some());
        assert!(addresses.open.lock().unwrap().is_empty(), "nothing is left of who went");
        let proxies = ["127.0.0.1", "10.1.2.3", "172.17.0.2", "::1", "fd00::1"];
        for proxy in proxies {
            let many: Vec<_> = (0..9).map(|_| sit(proxy)).collect();
            assert!(many.iter().all(Option::is_some), "{proxy}");
        }
    }
}
