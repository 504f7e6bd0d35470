//! The same text in many workspaces: what spam looks like from here. Counted in memory for an hour, by hash; each
//! workspace is told that it is so, and none of which the others are. Must not hold anything up: a message
//! of one's own may be right in all of one's workspaces.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::shown::PostShown;
use super::{Services, refused};
use crate::base::{CorrelationId, PostId, Problem};
use crate::domain::event::{Actor, Event};
use crate::store::{Scope, WriteError};

/// Workspaces with one text. reliability-security.md B8.
const MANY: usize = 5;
const LATELY: Duration = Duration::from_hours(1);
/// Characters; many a shorter text is everybody's.
const SHORTEST: usize = 20;
/// Texts that are remembered; with more, those go that only one workspace has.
const TEXTS: usize = 4_096;

/// Texts that were scheduled lately, and where: each workspace once.
#[derive(Default)]
pub struct Echoes(Mutex<BTreeMap<[u8; 16], Vec<Echo>>>);

#[derive(Clone, Copy)]
struct Echo {
    at: Duration,
    scope: Scope,
    post: PostId,
    told: bool,
}

impl Echoes {
    /// Counts a text; those who are to be told now that it is one of many.
    fn note(&self, text: [u8; 16], echo: Echo) -> Vec<Echo> {
        let mut texts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let recent = |one: &Echo| echo.at.saturating_sub(one.at) < LATELY;
        if texts.len() >= TEXTS && !texts.contains_key(&text) {
            texts.retain(|_, of| of.len() > 1 && of.iter().any(recent));
            if texts.len() >= TEXTS / 2 {
                texts.clear();
            }
        }
        let of = texts.entry(text).or_default();
        of.retain(recent);
        let workspace = echo.scope.workspace();
        match of.iter_mut().find(|one| one.scope.workspace() == workspace) {
            Some(before) => *before = Echo { told: before.told, ..echo },
            None => of.push(echo),
        }
        if of.len() < MANY {
            return Vec::new();
        }
        let untold = of.iter_mut().filter(|one| !one.told);
        untold.map(|one| std::mem::replace(one, Echo { told: true, ..*one })).collect()
    }
}

/// Half the SHA-256 of a text as people read it; `None` when it is short.
fn print(text: &str) -> Option<[u8; 16]> {
    let mut plain = String::with_capacity(text.len() + 1);
    for word in text.split_whitespace() {
        let from = plain.len();
        if word.is_ascii() {
            plain.push_str(word);
            if let Some(word) = plain.get_mut(from..) {
                word.make_ascii_lowercase();
            }
        } else {
            plain.extend(word.chars().flat_map(char::to_lowercase));
        }
        plain.push('\0');
    }
    // No text has more characters than bytes.
    if plain.len() <= SHORTEST || plain.chars().count() <= SHORTEST {
        return None;
    }
    let hash: [u8; 32] = Sha256::digest(plain).into();
    hash.first_chunk().copied()
}

impl Services {
    /// Looks whether other workspaces have the text of a post that was just scheduled, too. What comes of it is
    /// told and nothing else, so trouble with telling is not the post's.
    pub(super) async fn listen_for_echoes(&self, scope: Scope, post: &PostShown) {
        let (Some(first), Ok(id)) = (post.parts.first(), post.id.parse()) else { return };
        let Some(text) = print(&first.text).filter(|_| !post.deliveries.is_empty()) else { return };
        let at = self.clock.monotonic();
        let told = self.echoes.note(text, Echo { at, scope, post: id, told: false });
        if told.is_empty() {
            return;
        }
        tracing::warn!(workspaces = told.len(), "many workspaces have the same text");
        let (now, correlation) = (self.now(), CorrelationId::new(self.rng.as_ref()));
        let written = self.store.write(move |tx| {
            for one in &told {
                let event = Event {
                    at: now,
                    actor: Actor::System,
                    kind: "post.echoed".to_owned(),
                    subject: one.post.to_string(),
                    data: BTreeMap::from([("workspaces".to_owned(), MANY.to_string())]),
                    correlation,
                };
                tx.append_event(&one.scope, event)?;
            }
            Ok::<_, WriteError<Problem>>(())
        });
        if let Err(problem) = written.await.map_err(refused) {
            tracing::error!(%problem, "it could not be told that a text is in many workspaces");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{SeededRng, Timestamp, WorkspaceId};

    const MINUTE: Duration = Duration::from_mins(1);

    fn echo(n: u8, at: Duration) -> Echo {
        let scope = Scope::for_tests(WorkspaceId::from_bytes([n; 16]));
        let post = PostId::new(Timestamp::from_millis(1), &SeededRng::new(n.into()));
        Echo { at, scope, post, told: false }
    }

    #[test]
    fn each_workspace_is_told_once_that_its_text_is_one_of_many() {
        let echoes = Echoes::default();
        let told = |n, at| echoes.note([1; 16], echo(n, at)).len();
        assert_eq!((1..=4).map(|n| told(n, MINUTE)).sum::<usize>(), 0);
        assert_eq!(told(4, MINUTE), 0, "one workspace is one, however often");
        assert_eq!(echoes.note([2; 16], echo(9, MINUTE)).len(), 0, "another text is another");
        assert_eq!((told(5, MINUTE), told(5, MINUTE), told(6, MINUTE)), (5, 0, 1));
        assert_eq!(told(7, 62 * MINUTE), 0, "the others are long ago");
    }

    #[test]
    fn memory_has_a_bound() {
        let echoes = Echoes::default();
        for n in 0..20_000_u32 {
            let mut text = [0; 16];
            text[..4].copy_from_slice(&n.to_be_bytes());
            echoes.note(text, echo(1, MINUTE));
            echoes.note(text, echo(2, MINUTE));
        }
        assert!(echoes.0.lock().unwrap().len() <= TEXTS);
    }
}
