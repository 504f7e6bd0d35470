//! API keys: shown once, stored as a hash, revoked at once; when each was last used, which must not hold
//! up or refuse who uses it; and that one was shown from where it is not good.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;

use super::access::{Whence, key_hash};
use super::closing::is_closed;
use super::idempotency::{recall, remember};
use super::members::known_channels;
use super::shown::{KeyShown, Page};
use super::{Access, Done, Services, no, not_found, refused, shown, trouble};
use crate::base::{KeyId, Net, Problem, Timestamp, Wrong};
use crate::domain::access::{Grants, HandOut, Key, Manage, Scope as KeyScope};
use crate::domain::event::{Actor, Event};
use crate::domain::workspace::check_name;
use crate::store::rows::{KeyHash, KeyUse};
use crate::store::{Error, Scope, Span, Tx, WriteError};

/// So that a key that leaked is recognized by scanners.
const PREFIX: &str = "ck_";
/// The use of a key is written down once in so long: reading is to stay reading.
const PRECISION: Duration = Duration::from_hours(1);
/// That one was shown from elsewhere is written down once in so long.
const ELSEWHERE: Duration = Duration::from_mins(10);
/// When it could not be, the next try comes after so long.
const AGAIN: Duration = Duration::from_mins(1);
/// Keys that are remembered; with more, those go of which it is to be written down anyway, or all.
const KEYS: usize = 4_096;

/// What of keys was written down lately.
#[derive(Default)]
pub(super) struct UsedKeys {
    used: Rests,
    elsewhere: Rests,
}

/// From when on the next time is written down of a key, by the monotonic clock. What is not known here
/// may be in the store.
#[derive(Default)]
struct Rests(Mutex<BTreeMap<KeyId, Duration>>);

impl Rests {
    /// Whether this time is to be written down, and none within a `rest`. Told once: others who come
    /// meanwhile need not.
    fn is_due(&self, key: KeyId, now: Duration, rest: Duration) -> bool {
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if keys.get(&key).is_some_and(|due| now < *due) {
            return false;
        }
        if keys.len() >= KEYS && !keys.contains_key(&key) {
            keys.retain(|_, due| now < *due);
            if keys.len() >= KEYS {
                keys.clear();
            }
        }
        keys.insert(key, now.saturating_add(rest));
        true
    }

    fn wait(&self, key: KeyId, until: Duration) {
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(due) = keys.get_mut(&key) {
            *due = until;
        }
    }
}

/// A key as a person asks for it.
#[derive(Clone, Debug)]
pub struct NewKey {
    pub name: String,
    pub scopes: BTreeSet<KeyScope>,
    pub expires_at: Option<Timestamp>,
    pub channels: Grants,
    /// Where it is good; anywhere if there are none.
    pub addresses: Vec<Net>,
}

impl Services {
    /// Makes a key; its secret is in the answer and nowhere else, so a repeated request is answered
    /// without it.
    pub async fn create_key(
        &self,
        access: Access<HandOut>,
        new: NewKey,
    ) -> Result<Done<KeyShown>, Problem> {
        let NewKey { name, scopes, expires_at, channels, addresses } = new;
        let name = check_name("name", &name)?;
        if scopes.is_empty() {
            return Err(Problem::field("scopes", Wrong::Empty));
        }
        if channels != Grants::All && scopes.contains(&KeyScope::Admin) {
            let why = "cannot be: who manages channels and keys could lift the limit";
            return Err(Problem::field("channels", Wrong::NotPossible { why }));
        }
        let now = self.now();
        if expires_at.is_some_and(|end| end <= now) {
            let why = "is in the past";
            return Err(Problem::field("expires_at", Wrong::NotPossible { why }));
        }
        let id = KeyId::new(now, self.rng.as_ref());
        let mut random = [0; 32];
        self.rng.fill(&mut random);
        let secret = format!("{PREFIX}{}", BASE64URL_NOPAD.encode(&random));
        let hash = key_hash(&secret);
        let (created_at, revoked_at) = (now, None);
        let key = Key { id, name, scopes, created_at, expires_at, revoked_at, channels, addresses };
        let data = handed_out(&key);
        let (services, room) = (self.clone(), self.room_for_more());
        let made = self
            .store
            .write(move |tx| {
                if let Some(id) = recall(tx, &access, now)? {
                    return replayed(tx, &access.scope, &id);
                }
                room.clone().map_err(WriteError::Refused)?;
                let workspace = access.workspace();
                known_channels(tx, &access.scope, "channels", &key.channels)?;
                tx.put(&access.scope, &id, &key)?;
                tx.put_global(&hash, &KeyHash { workspace, key: id })?;
                remember(tx, &access, now, &id.to_string())?;
                let event = access.event(&services, "key.created", &id.to_string());
                tx.append_event(&access.scope, Event { data: data.clone(), ..event })?;
                Ok(Done { value: shown::key(&key, None), replayed: false })
            })
            .await
            .map_err(refused)?;
        let key = (!made.replayed).then_some(secret);
        Ok(Done { value: KeyShown { key, ..made.value }, replayed: made.replayed })
    }

    /// The workspace's keys, newest first.
    pub async fn keys(
        &self,
        access: &Access<Manage>,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page<KeyShown>, Problem> {
        let scope = access.scope;
        let after = cursor.map(shown::cursor_key::<KeyId>).transpose()?;
        let span = Span::last(limit).after(after.as_ref());
        let rows = self.store.read(move |view| {
            let keys = view.scan::<Key>(&scope, &span)?.into_iter();
            let with_use = |(id, key): (KeyId, Key)| {
                let used = view.get::<KeyUse>(&scope, &id)?;
                Ok::<_, Error>((id, key, used))
            };
            keys.map(with_use).collect::<Result<Vec<_>, Error>>()
        });
        let rows = rows.await.map_err(trouble)?;
        let next = rows.last().filter(|_| rows.len() == limit);
        let next = next.map(|(id, ..)| shown::cursor_of(id.as_bytes()));
        let items = rows.iter().map(|(_, key, used)| shown::key(key, *used)).collect();
        Ok(Page { items, next })
    }

    /// Revokes a key; the next request with it is refused. Doing it again changes nothing.
    pub async fn revoke_key(
        &self,
        access: Access<Manage>,
        id: KeyId,
    ) -> Result<Done<KeyShown>, Problem> {
        let (services, now) = (self.clone(), self.now());
        self.store
            .write(move |tx| {
                if let Some(id) = recall(tx, &access, now)? {
                    return replayed(tx, &access.scope, &id);
                }
                let Some(mut key) = tx.get::<Key>(&access.scope, &id)? else {
                    return no(not_found());
                };
                if key.revoked_at.is_none() {
                    key.revoked_at = Some(now);
                    tx.put(&access.scope, &id, &key)?;
                    let event = access.event(&services, "key.revoked", &id.to_string());
                    tx.append_event(&access.scope, event)?;
                }
                remember(tx, &access, now, &id.to_string())?;
                let used = tx.get::<KeyUse>(&access.scope, &id)?;
                Ok(Done { value: shown::key(&key, used), replayed: false })
            })
            .await
            .map_err(refused)
    }
}

impl Services {
    /// Notes that a live key was used. Trouble with that is only logged.
    pub(super) async fn note_key_use(&self, scope: Scope, id: KeyId) {
        let (at, used) = (self.clock.monotonic(), &self.people.used_keys.used);
        if self.store.is_rehearsal() || !used.is_due(id, at, PRECISION) {
            return;
        }
        let wait = match self.write_use(scope, id).await {
            Ok(wait) => wait,
            Err(problem) => {
                tracing::error!(%problem, key = %id, "the use of a key could not be noted");
                AGAIN
            }
        };
        used.wait(id, at.saturating_add(wait));
    }

    /// Notes that a live key was shown from where it is not good; not in a workspace that was deleted,
    /// where to ask is no attempt. Trouble with that is only logged: the answer stays that to an unknown
    /// key.
    pub(super) async fn note_elsewhere(&self, scope: Scope, id: KeyId, whence: Whence<'_>) {
        let (at, told) = (self.clock.monotonic(), &self.people.used_keys.elsewhere);
        if self.store.is_rehearsal() || !told.is_due(id, at, ELSEWHERE) {
            return;
        }
        // Where little can be written, what must not be lost comes first.
        if self.room_for_more().is_err() || !self.store.is_healthy() {
            told.wait(id, at.saturating_add(AGAIN));
            return;
        }
        let address = whence.address.map(|ip| ip.to_canonical().to_string());
        let event = Event {
            at: self.now(),
            actor: Actor::Key(id),
            kind: "key.elsewhere".to_owned(),
            subject: id.to_string(),
            data: address.map(|ip| ("address".to_owned(), ip)).into_iter().collect(),
            correlation: whence.correlation,
        };
        let noted = self.store.write(move |tx| {
            // Not where the workspace is being erased meanwhile: nothing would take it away again.
            if tx.get::<Key>(&scope, &id)?.is_some() && !is_closed(&tx.view(), &scope)? {
                tx.append_event(&scope, event.clone())?;
            }
            Ok::<_, WriteError<Problem>>(())
        });
        if let Err(problem) = noted.await.map_err(refused) {
            tracing::error!(%problem, key = %id, "that a key came from elsewhere could not be noted");
            told.wait(id, at.saturating_add(AGAIN));
        }
    }

    /// How long the next uses need not be written down.
    async fn write_use(&self, scope: Scope, id: KeyId) -> Result<Duration, Problem> {
        let now = self.now();
        // Of before the start, or forgotten here.
        let known = self.store.read_now(|view| view.get::<KeyUse>(&scope, &id)).map_err(trouble)?;
        let known = known.filter(|known| known.at <= now);
        let rest = known.and_then(|known| PRECISION.checked_sub(now.since(known.at)));
        if let Some(rest) = rest.filter(|rest| !rest.is_zero()) {
            return Ok(rest);
        }
        // What is left of a full disk is for what matters more; and a write that fails makes the store
        // open its file anew, which would refuse meanwhile who only reads.
        if self.room_for_more().is_err() || !self.store.is_healthy() {
            return Ok(AGAIN);
        }
        let written = self.store.write(move |tx| {
            // Not where the workspace is being erased meanwhile: nothing would take it away again.
            if tx.get::<Key>(&scope, &id)?.is_some() {
                tx.put(&scope, &id, &KeyUse { at: now })?;
            }
            Ok::<_, WriteError<Problem>>(PRECISION)
        });
        written.await.map_err(refused)
    }
}

/// What the record of events says of a new key; without its secret, and without its name, which may
/// be a person's.
fn handed_out(key: &Key) -> BTreeMap<String, String> {
    let scopes: Vec<_> = key.scopes.iter().copied().map(KeyScope::word).collect();
    let mut data = BTreeMap::from([("scopes".to_owned(), scopes.join(","))]);
    if let Grants::Only(channels) = &key.channels {
        data.insert("channels".to_owned(), channels.len().to_string());
    }
    if !key.addresses.is_empty() {
        let nets: Vec<_> = key.addresses.iter().map(Net::to_string).collect();
        data.insert("addresses".to_owned(), nets.join(","));
    }
    data
}

fn replayed(tx: &Tx<'_>, scope: &Scope, id: &str) -> Result<Done<KeyShown>, WriteError<Problem>> {
    let id = id.parse().map_err(|_| WriteError::Refused(not_found()))?;
    let used = tx.get::<KeyUse>(scope, &id)?;
    match tx.get::<Key>(scope, &id)? {
        Some(key) => Ok(Done { value: shown::key(&key, used), replayed: true }),
        None => no(not_found()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_use_is_due_once_an_hour_or_when_it_is_tried_again() {
        let (used, minute) = (Rests::default(), Duration::from_mins(1));
        let due = |n, at| used.is_due(KeyId::from_bytes([n; 16]), at, PRECISION);
        assert!(due(1, minute) && due(2, minute));
        assert!(!due(1, minute) && !due(1, 60 * minute));
        assert!(due(1, 61 * minute) && !due(1, 120 * minute) && due(1, 121 * minute));
        used.wait(KeyId::from_bytes([1; 16]), 122 * minute);
        assert!(!due(1, 121 * minute) && due(1, 122 * minute));
    }

    #[test]
    fn memory_has_a_bound_and_those_go_first_that_rest() {
        let used = Rests::default();
        let key = |n: u32| {
            let mut bytes = [0; 16];
            bytes[..4].copy_from_slice(&n.to_be_bytes());
            KeyId::from_bytes(bytes)
        };
        let (early, late) = (Duration::ZERO, PRECISION);
        for n in 0..4_000 {
            assert!(used.is_due(key(n), early, PRECISION));
        }
        for n in 4_000..8_000 {
            assert!(used.is_due(key(n), late, PRECISION));
        }
        assert!(!used.is_due(key(4_000), late, PRECISION), "it was used since");
        for n in 8_000..20_000 {
            assert!(used.is_due(key(n), late, PRECISION));
        }
        assert!(used.0.lock().unwrap().len() <= KEYS);
    }
}
