//! Webhooks that networks send: checked, kept once, and handled afterwards. Must not trust what they
//! say: who is asked about it is the network itself.

mod handle;
mod refused;
mod shown;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tokio::sync::Notify;

use super::{Services, not_found, refused, trouble};
use crate::base::{Code, HookId, Problem, Timestamp};
use crate::domain::hook::Hook;
use crate::networks::{self, Inbound};
use crate::store::rows::{HookMark, WaitingHook};
use crate::store::{Error, View};

pub use shown::HookShown;

use refused::{Counts, Reason};

/// What is known of webhooks while the program runs, and for how long they are kept.
#[derive(Debug)]
pub struct Hooks {
    retention: Duration,
    /// Refused since that was last written down.
    refused: Mutex<Counts>,
    /// What a network did not answer about these, it is not asked again before; for as many as wait.
    asked: Mutex<BTreeMap<HookId, Timestamp>>,
    /// There is something to do.
    came: Notify,
}

impl Default for Hooks {
    fn default() -> Self {
        Self::new(Duration::from_hours(30 * 24))
    }
}

impl Hooks {
    /// Those that are handled are kept for so long.
    pub fn new(retention: Duration) -> Self {
        let (refused, asked) = (Mutex::default(), Mutex::default());
        Self { retention, refused, asked, came: Notify::new() }
    }

    /// Until one came, or was refused.
    pub async fn came(&self) {
        self.came.notified().await;
    }

    fn rests(&self, id: HookId, now: Timestamp) -> bool {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.get(&id).is_some_and(|again| now < *again)
    }

    /// Whether it is to be asked about again, and when.
    fn note_asked(&self, id: HookId, again: Option<Timestamp>) {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        match again {
            Some(at) => drop(asked.insert(id, at)),
            None => drop(asked.remove(&id)),
        }
    }

    fn counts<T>(&self, with: impl FnOnce(&mut Counts) -> T) -> T {
        with(&mut self.refused.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A network that sends webhooks; any other is as good as missing.
fn sender(word: &str) -> Result<(&'static str, &'static Inbound), Problem> {
    let network = networks::named(word);
    network.and_then(|it| Some((it.word(), it.inbound()?))).ok_or_else(not_found)
}

fn digest(network: &str, what: &[u8], bytes: &[u8]) -> [u8; 32] {
    let hash = Sha256::new().chain_update(network).chain_update([0]).chain_update(what);
    hash.chain_update([0]).chain_update(bytes).finalize().into()
}

/// By what a repeat is known.
struct Marks {
    body: [u8; 32],
    /// Of what the network calls the things in it.
    ids: Vec<[u8; 32]>,
}

impl Marks {
    fn of(network: &str, inbound: &Inbound, body: &[u8], json: &Value) -> Self {
        let ids = (inbound.ids)(json);
        let ids = ids.iter().map(|id| digest(network, b"id", id.as_bytes())).collect();
        Self { body: digest(network, b"body", body), ids }
    }

    /// Those that nobody had before; `None` when it is a repeat.
    fn unknown(&self, view: &View<'_>) -> Result<Option<Vec<[u8; 32]>>, Error> {
        let is_known = |mark| Ok::<_, Error>(view.get_global::<HookMark>(mark)?.is_some());
        if is_known(&self.body)? {
            return Ok(None);
        }
        let mut new = Vec::new();
        for id in &self.ids {
            if !is_known(id)? && !new.contains(id) {
                new.push(*id);
            }
        }
        if new.is_empty() && !self.ids.is_empty() {
            return Ok(None);
        }
        new.push(self.body);
        Ok(Some(new))
    }
}

impl Services {
    /// The header in which a network signs what it sends.
    pub fn hook_header(&self, network: &str) -> Result<&'static str, Problem> {
        sender(network).map(|(_, inbound)| inbound.header)
    }

    /// The answer to a network that asks whether this address is ours. `parameters` are those of the
    /// address.
    pub async fn answer_hook_challenge(
        &self,
        network: &str,
        parameters: &[(String, String)],
    ) -> Result<Value, Problem> {
        let (word, inbound) = sender(network)?;
        let mut given = parameters.iter().filter(|(name, _)| name == inbound.challenge);
        let bad = || Problem::new(Code::BadRequest).with("parameter", inbound.challenge);
        let Some((_, challenge)) = given.next() else { return Err(bad()) };
        if given.next().is_some() || !(inbound.is_challenge)(challenge) {
            self.note_refused_hook(word, Reason::Challenge);
            return Err(bad());
        }
        let Some(secret) = self.hook_secret(word, inbound).await? else {
            self.metrics.hook(word, "refused");
            tracing::warn!(network = word, "a challenge came, and no secret is set to answer it");
            return Err(Problem::new(Code::HookUnsigned));
        };
        Ok((inbound.answer)(challenge, secret.reveal()))
    }

    /// Keeps what a network sent. Once it is there, or was there already, the network may forget it.
    pub async fn take_hook(
        &self,
        network: &str,
        signature: Option<&str>,
        body: &[u8],
    ) -> Result<(), Problem> {
        let (word, inbound) = sender(network)?;
        let refuse = |reason| {
            self.note_refused_hook(word, reason);
            Problem::new(Code::HookUnsigned)
        };
        let signature = signature.ok_or_else(|| refuse(Reason::Unsigned))?;
        let secret = self.hook_secret(word, inbound).await?;
        let is_signed = |secret: &[u8]| (inbound.is_signed)(signature, secret, body);
        if !secret.is_some_and(|secret| is_signed(secret.reveal())) {
            return Err(refuse(Reason::Signature));
        }
        // Anything else was signed as the answer to a challenge, if at all.
        let json = serde_json::from_slice::<Value>(body).ok().filter(Value::is_object);
        let json = json.ok_or_else(|| refuse(Reason::Signature))?;
        let marks = Marks::of(word, inbound, body, &json);
        drop(json);
        self.keep_hook(word, body, marks).await
    }

    async fn keep_hook(
        &self,
        word: &'static str,
        body: &[u8],
        marks: Marks,
    ) -> Result<(), Problem> {
        // A repeat costs no commit.
        let marks = Arc::new(marks);
        let looked = Arc::clone(&marks);
        let new = self.store.read(move |view| looked.unknown(view)).await.map_err(trouble)?;
        if new.is_none() {
            self.metrics.hook(word, "replayed");
            return Ok(());
        }
        self.room_for_more()?;
        let (id, body) = (HookId::new(self.now(), self.rng.as_ref()), body.to_vec());
        let network = word.to_owned();
        let hook =
            Hook { network, received_at: self.now(), body, marks: Vec::new(), handled: None };
        let written = self.store.write(move |tx| {
            let Some(marks) = marks.unknown(&tx.view())? else { return Ok(false) };
            for mark in &marks {
                tx.put_global(mark, &HookMark { hook: id })?;
            }
            tx.put_global(&id, &Hook { marks, ..hook.clone() })?;
            tx.put_global(&id, &WaitingHook)?;
            Ok(true)
        });
        let is_new = written.await.map_err(refused)?;
        self.metrics.hook(word, if is_new { "accepted" } else { "replayed" });
        if is_new {
            self.hooks.came.notify_one();
            tracing::info!(network = word, hook = %id, "a webhook was kept");
        }
        Ok(())
    }
}
