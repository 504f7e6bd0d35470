//! Attempts to sign in, counted by account, by address and by known device. In memory: a restart
//! forgives, which gives whoever waits for one six attempts more at an account and thirty-one from an
//! address, and a count on disk would let strangers write to it. Must not keep who tried what.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::base::{Code, Problem};
use crate::domain::user::{Bucket, Rule};

/// Whose attempts are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Whose {
    /// Half the SHA-256 of what was given as the e-mail, whether it is anybody's or not.
    Account([u8; 16]),
    Address(IpAddr),
    Device([u8; 16]),
}

impl Whose {
    fn rule(self) -> Rule {
        if matches!(self, Self::Address(_)) { Rule::ADDRESS } else { Rule::ACCOUNT }
    }
}

/// Kept at most; beyond it those go that were heard of least.
const MOST: usize = 16_384;

#[derive(Default)]
pub(super) struct Throttle {
    buckets: Mutex<BTreeMap<Whose, Bucket>>,
}

/// An attempt that is under way; unless it is told otherwise, a failure.
pub(super) struct Attempt<'a> {
    throttle: &'a Throttle,
    whose: Vec<Whose>,
    now: Duration,
    /// The account has failed so often that the next attempt has to wait.
    pub first_wait: bool,
}

impl Throttle {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Whose, Bucket>> {
        self.buckets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets whoever comes from a network wait as long as anybody does; known devices do not.
    pub fn hold(&self, network: IpAddr, now: Duration) {
        self.lock().entry(Whose::Address(network)).or_default().hold(Rule::ADDRESS, now);
    }

    /// Begins an attempt of which only the address is known.
    pub fn begin_from(
        &self,
        address: Option<IpAddr>,
        now: Duration,
    ) -> Result<Attempt<'_>, Problem> {
        self.begin_all(
            address.map(|address| Whose::Address(net(address))).into_iter().collect(),
            now,
        )
    }

    /// Begins an attempt, or says how long it has to wait. `device` is the mark of one that the
    /// account was used on: it is counted for itself, so that nobody can hold up its owner.
    pub fn begin(
        &self,
        account: &str,
        address: Option<IpAddr>,
        device: Option<[u8; 16]>,
        now: Duration,
    ) -> Result<Attempt<'_>, Problem> {
        let mut whose: Vec<Whose> = Vec::new();
        if let Some(mark) = device {
            whose.push(Whose::Device(mark));
        } else {
            whose.extend(address.map(|address| Whose::Address(net(address))));
            whose.push(Whose::Account(account_hash(account)));
        }
        self.begin_all(whose, now)
    }

    fn begin_all(&self, whose: Vec<Whose>, now: Duration) -> Result<Attempt<'_>, Problem> {
        let mut buckets = self.lock();
        let waits = whose.iter().filter_map(|one| buckets.get(one)?.wait(now));
        if let Some(longest) = waits.map(|wait| wait.0).max() {
            let seconds = longest.as_secs() + u64::from(longest.subsec_nanos() > 0);
            return Err(Problem::new(Code::TooManyAttempts).with("retry_after_seconds", seconds));
        }
        let mut first_wait = false;
        for one in &whose {
            let pace = buckets.entry(*one).or_default().begin(one.rule(), now);
            first_wait |= pace.first_wait && matches!(one, Whose::Account(_));
        }
        if buckets.len() > MOST {
            tidy(&mut buckets, now);
        }
        drop(buckets);
        Ok(Attempt { throttle: self, whose, now, first_wait })
    }
}

/// Removes what says nothing any more, and then whatever makes room for a while.
fn tidy(buckets: &mut BTreeMap<Whose, Bucket>, now: Duration) {
    buckets.retain(|_, bucket| !bucket.is_idle(now));
    let mut over = buckets.len().saturating_sub(MOST / 2);
    buckets.retain(|_, bucket| {
        let goes = over > 0 && bucket.wait(now).is_none();
        over -= usize::from(goes);
        !goes
    });
    if buckets.len() > MOST {
        // All of them wait: they begin anew, at the price of a hash for each attempt.
        buckets.clear();
    }
}

impl Attempt<'_> {
    /// It was not a failure, nor is it through.
    pub fn undo(&self) {
        let mut buckets = self.throttle.lock();
        for one in &self.whose {
            if let Some(bucket) = buckets.get_mut(one) {
                bucket.undo(one.rule(), self.now);
            }
        }
    }

    /// It was the right person. Their address is still what it was.
    pub fn succeed(&self) {
        let mut buckets = self.throttle.lock();
        for one in &self.whose {
            match (one, buckets.get_mut(one)) {
                (Whose::Address(_), Some(bucket)) => bucket.undo(one.rule(), self.now),
                (_, Some(bucket)) => bucket.clear(),
                (_, None) => {}
            }
        }
    }
}

/// Who has one address has its neighbours: a /24, or a /64 in IPv6.
pub(super) fn net(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(ip) => Ipv4Addr::from_bits(ip.to_bits() >> 8 << 8).into(),
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64).into(),
    }
}

/// Half the SHA-256 of what was given as the e-mail.
pub(super) fn account_hash(account: &str) -> [u8; 16] {
    let hash: [u8; 32] = Sha256::digest(account).into();
    let mut half = [0; 16];
    half.copy_from_slice(&hash[..16]);
    half
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: fn(u64) -> Duration = Duration::from_secs;

    fn ip(n: u32) -> IpAddr {
        Ipv4Addr::from_bits(n << 8).into()
    }

    #[test]
    fn an_account_is_held_up_and_its_devices_are_not() {
        let throttle = Throttle::default();
        for n in 0..6 {
            assert!(throttle.begin("ann", Some(ip(n)), None, S(0)).is_ok(), "{n}");
        }
        let problem = throttle.begin("ann", Some(ip(9)), None, S(0)).err().unwrap();
        assert_eq!(
            (problem.code, problem.params["retry_after_seconds"].as_str()),
            (Code::TooManyAttempts, "1")
        );
        assert!(throttle.begin("ben", Some(ip(9)), None, S(0)).is_ok());
        assert!(throttle.begin("ann", Some(ip(1)), Some([1; 16]), S(0)).is_ok());
        let attempt = throttle.begin("ann", Some(ip(9)), None, S(1)).unwrap();
        attempt.succeed();
        assert!((0..5).all(|_| throttle.begin("ann", Some(ip(9)), None, S(1)).is_ok()));
    }

    #[test]
    fn an_address_tries_many_accounts_and_waits() {
        let throttle = Throttle::default();
        let tried =
            (0..100).filter(|n| throttle.begin(&n.to_string(), Some(ip(1)), None, S(0)).is_ok());
        assert_eq!(tried.count(), 31);
        let neighbour = Some(Ipv4Addr::from_bits((1 << 8) + 77).into());
        assert!(throttle.begin("x", neighbour, None, S(0)).is_err());
        assert!(throttle.begin("x", Some(ip(2)), None, S(0)).is_ok());
    }

    #[test]
    fn memory_has_a_bound() {
        let throttle = Throttle::default();
        for n in 0..50_000 {
            drop(throttle.begin(&n.to_string(), Some(ip(n)), None, S(0)));
        }
        assert!(throttle.lock().len() <= MOST + 2);
    }
}
