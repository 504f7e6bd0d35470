//! Failed sign-ins by how they spread: one network that tries many accounts, one account that is tried from
//! many networks. In memory, for ten minutes, and accounts by a hash. Must not hold anybody up; `throttle` does.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::base::UserId;

/// Accounts that one network fails at. reliability-security.md B8.
pub(super) const ACCOUNTS: usize = 20;
/// Networks that fail at one account.
pub(super) const NETWORKS: usize = 10;
const LATELY: Duration = Duration::from_mins(10);
/// Networks, and accounts, that are remembered; with more, it begins anew.
const MOST: usize = 1_024;

#[derive(Default)]
pub(super) struct Spread {
    /// By network, the accounts.
    accounts: Mutex<Rows<IpAddr, [u8; 16]>>,
    /// By account, the networks.
    networks: Mutex<Rows<[u8; 16], IpAddr>>,
}

type Rows<K, V> = BTreeMap<K, BTreeMap<V, Seen>>;

#[derive(Clone, Copy)]
struct Seen {
    at: Duration,
    /// Whose account it is, if it is anybody's.
    user: Option<UserId>,
}

/// What one more failure came to.
pub(super) struct Found {
    /// The network has tried so many accounts; those of them that are somebody's.
    pub sprayed: Option<Vec<UserId>>,
    /// The account was tried from so many networks.
    pub gathered: bool,
}

impl Spread {
    /// Counts a failure at an account, by its hash: a password that was looked at. What was reached is
    /// counted anew from there.
    pub fn note(
        &self,
        network: IpAddr,
        (account, user): ([u8; 16], Option<UserId>),
        now: Duration,
    ) -> Found {
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        let tried = count(&mut accounts, (network, account), Seen { at: now, user }, ACCOUNTS);
        drop(accounts);
        let sprayed = tried.map(|tried| tried.into_values().filter_map(|one| one.user).collect());
        Found { sprayed, gathered: self.note_wait(network, account, now) }
    }

    /// Counts an attempt at an account that had to wait; whether the account was tried from so many
    /// networks. Nothing was learned by it, so that it does not count against its network: else
    /// whoever knocks while the network waits would make everybody there wait on.
    pub fn note_wait(&self, network: IpAddr, account: [u8; 16], now: Duration) -> bool {
        let mut networks = self.networks.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = Seen { at: now, user: None };
        count(&mut networks, (account, network), seen, NETWORKS).is_some()
    }
}

/// Those that were seen together, when they are `many`.
fn count<K: Ord + Copy, V: Ord + Copy>(
    rows: &mut Rows<K, V>,
    (key, value): (K, V),
    seen: Seen,
    many: usize,
) -> Option<BTreeMap<V, Seen>> {
    let recent = |one: &Seen| seen.at.saturating_sub(one.at) < LATELY;
    if rows.len() >= MOST && !rows.contains_key(&key) {
        rows.retain(|_, row| row.values().any(recent));
        if rows.len() >= MOST {
            rows.clear();
        }
    }
    let row = rows.entry(key).or_default();
    row.retain(|_, one| recent(one));
    row.insert(value, seen);
    if row.len() < many { None } else { rows.remove(&key) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    fn ip(n: u8) -> IpAddr {
        IpAddr::from([198, 51, n, 0])
    }

    fn account(n: u8) -> ([u8; 16], Option<UserId>) {
        // Every other one is somebody's.
        ([n; 16], n.is_multiple_of(2).then(|| UserId::from_bytes([n; 16])))
    }

    #[test]
    fn one_network_that_tries_many_accounts_is_told_with_whose_they_are() {
        let spread = Spread::default();
        let tries = |network, accounts: std::ops::Range<u8>, at| {
            let found = accounts.filter_map(|n| spread.note(ip(network), account(n), at).sprayed);
            found.collect::<Vec<_>>()
        };
        assert!(tries(1, 0..19, MINUTE).is_empty() && tries(1, 0..19, 2 * MINUTE).is_empty());
        assert!(tries(2, 0..19, MINUTE).is_empty(), "each for itself");
        let found = tries(1, 19..30, 3 * MINUTE);
        assert_eq!((found.len(), found[0].len()), (1, 10), "at the twentieth, and not with each");
        assert!(tries(2, 19..20, 12 * MINUTE).is_empty(), "the others are long ago");
    }

    #[test]
    fn one_account_that_is_tried_from_many_networks_is_told() {
        let spread = Spread::default();
        let from = |networks: std::ops::Range<u8>| {
            networks.filter(|n| spread.note(ip(*n), account(1), MINUTE).gathered).count()
        };
        assert_eq!((from(0..9), from(0..9), from(9..10), from(10..19)), (0, 0, 1, 0));
    }

    #[test]
    fn attempts_that_had_to_wait_count_for_their_account_and_not_against_their_network() {
        let spread = Spread::default();
        let fails = |accounts: std::ops::Range<u8>, at| {
            accounts.filter(|n| spread.note(ip(1), account(*n), at).sprayed.is_some()).count()
        };
        assert_eq!(fails(0..20, MINUTE), 1, "the network waits from here on");
        for n in 0..100 {
            assert!(!spread.note_wait(ip(1), account(n).0, 9 * MINUTE), "{n}: from one network");
        }
        assert_eq!(fails(100..119, 16 * MINUTE), 0, "and no longer than it has to");
        assert_eq!(fails(119..120, 16 * MINUTE), 1, "but for what was tried anew");
        let from = (0..10).filter(|n| spread.note_wait(ip(*n), account(200).0, MINUTE));
        assert_eq!(from.collect::<Vec<_>>(), [9]);
    }

    #[test]
    fn memory_has_a_bound() {
        let spread = Spread::default();
        for n in 0..5_000_u32 {
            let network = IpAddr::V4(std::net::Ipv4Addr::from_bits(n << 8));
            let mut account = [0; 16];
            account[..4].copy_from_slice(&n.to_be_bytes());
            drop(spread.note(network, (account, None), MINUTE).sprayed);
        }
        assert!(spread.accounts.lock().unwrap().len() <= MOST);
        assert!(spread.networks.lock().unwrap().len() <= MOST);
    }
}
