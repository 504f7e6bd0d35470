//! API keys: shown once, stored as a hash, revoked at once.

use std::collections::BTreeSet;

use data_encoding::BASE64URL_NOPAD;

use super::access::key_hash;
use super::shown::{KeyShown, Page};
use super::{Access, Services, no, not_found, refused, shown, trouble};
use crate::base::{KeyId, Problem, Timestamp, Wrong, limits};
use crate::domain::access::{Key, Manage, Scope as KeyScope};
use crate::domain::workspace::check_name;
use crate::store::Span;
use crate::store::rows::KeyHash;

/// So that a key that leaked is recognized by scanners.
const PREFIX: &str = "ck_";

impl Services {
    /// Makes a key; its secret is in the answer and nowhere else.
    pub async fn create_key(
        &self,
        access: Access<Manage>,
        name: &str,
        scopes: BTreeSet<KeyScope>,
        expires_at: Option<Timestamp>,
    ) -> Result<KeyShown, Problem> {
        let name = check_name("name", name)?;
        if scopes.is_empty() {
            return Err(Problem::field("scope", Wrong::TooFew { min: 1 }));
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
        let key = Key { id, name, scopes, created_at: now, expires_at, revoked_at: None };
        let services = self.clone();
        let made = self
            .store
            .write(move |tx| {
                let workspace = access.workspace();
                tx.put(&access.scope, &id, &key)?;
                tx.put_global(&hash, &KeyHash { workspace, key: id })?;
                let event = access.event(&services, "key.created", &id.to_string());
                tx.append_event(&access.scope, event)?;
                Ok(shown::key(&key))
            })
            .await
            .map_err(refused)?;
        Ok(KeyShown { key: Some(secret), ..made })
    }

    pub async fn keys(&self, access: &Access<Manage>) -> Result<Page<KeyShown>, Problem> {
        let scope = access.scope;
        let span = Span::last(limits::PAGE_MAX);
        let rows = self.store.read(move |view| view.scan::<Key>(&scope, &span)).await;
        let items = rows.map_err(trouble)?.iter().map(|(_, key)| shown::key(key)).collect();
        Ok(Page { items, next: None })
    }

    /// Revokes a key; the next request with it is refused. Doing it again changes nothing.
    pub async fn revoke_key(&self, access: Access<Manage>, id: KeyId) -> Result<KeyShown, Problem> {
        let (services, now) = (self.clone(), self.now());
        self.store
            .write(move |tx| {
                let Some(mut key) = tx.get::<Key>(&access.scope, &id)? else {
                    return no(not_found());
                };
                if key.revoked_at.is_none() {
                    key.revoked_at = Some(now);
                    tx.put(&access.scope, &id, &key)?;
                    let event = access.event(&services, "key.revoked", &id.to_string());
                    tx.append_event(&access.scope, event)?;
                }
                Ok(shown::key(&key))
            })
            .await
            .map_err(refused)
    }
}
