//! API keys: shown once, stored as a hash, revoked at once.

use std::collections::BTreeSet;

use data_encoding::BASE64URL_NOPAD;

use super::access::key_hash;
use super::idempotency::{recall, remember};
use super::members::known_channels;
use super::shown::{KeyShown, Page};
use super::{Access, Done, Services, no, not_found, refused, shown, trouble};
use crate::base::{KeyId, Problem, Timestamp, Wrong};
use crate::domain::access::{Grants, HandOut, Key, Manage, Scope as KeyScope};
use crate::domain::workspace::check_name;
use crate::store::rows::KeyHash;
use crate::store::{Scope, Span, Tx, WriteError};

/// So that a key that leaked is recognized by scanners.
const PREFIX: &str = "ck_";

/// A key as a person asks for it.
#[derive(Clone, Debug)]
pub struct NewKey {
    pub name: String,
    pub scopes: BTreeSet<KeyScope>,
    pub expires_at: Option<Timestamp>,
    pub channels: Grants,
}

impl Services {
    /// Makes a key; its secret is in the answer and nowhere else, so a repeated request is answered
    /// without it.
    pub async fn create_key(
        &self,
        access: Access<HandOut>,
        new: NewKey,
    ) -> Result<Done<KeyShown>, Problem> {
        let NewKey { name, scopes, expires_at, channels } = new;
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
        let key = Key { id, name, scopes, created_at: now, expires_at, revoked_at: None, channels };
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
                tx.append_event(&access.scope, event)?;
                Ok(Done { value: shown::key(&key), replayed: false })
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
        let rows = self.store.read(move |view| view.scan::<Key>(&scope, &span)).await;
        let rows = rows.map_err(trouble)?;
        let next = rows.last().filter(|_| rows.len() == limit);
        let next = next.map(|(id, _)| shown::cursor_of(id.as_bytes()));
        Ok(Page { items: rows.iter().map(|(_, key)| shown::key(key)).collect(), next })
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
                Ok(Done { value: shown::key(&key), replayed: false })
            })
            .await
            .map_err(refused)
    }
}

fn replayed(tx: &Tx<'_>, scope: &Scope, id: &str) -> Result<Done<KeyShown>, WriteError<Problem>> {
    let id = id.parse().map_err(|_| WriteError::Refused(not_found()))?;
    match tx.get::<Key>(scope, &id)? {
        Some(key) => Ok(Done { value: shown::key(&key), replayed: true }),
        None => no(not_found()),
    }
}
