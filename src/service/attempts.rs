//! Attempts at what is not allowed, on record: where they came from, and where they were aimed at.
//! Must not let anybody fill the disk: of very many in a minute only some are written, with how
//! many they stand for.

use std::collections::BTreeMap;

use super::{Principal, Services, refused, trouble};
use crate::base::{
    AssetId, ChannelId, CorrelationId, DeliveryId, KeyId, Kind as _, PostId, Problem, WorkspaceId,
    kind,
};
use crate::domain::access::{Key, Read};
use crate::domain::channel::Channel;
use crate::domain::delivery::Delivery;
use crate::domain::event::{Actor, Event};
use crate::domain::media::Asset;
use crate::domain::post::Post;
use crate::domain::tally::Tally;
use crate::store::{Error, Scope, Tx, View};

/// What somebody tried who may not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Attempt {
    /// A workspace of others, or something in one, by its noun and id.
    CrossTenant { target: WorkspaceId, noun: &'static str, id: String },
    /// Something in their own workspace; what they lack.
    Denied { lacks: BTreeMap<String, String> },
}

impl Attempt {
    pub(super) fn denied<'a>(lacks: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let own = |(what, word): (&str, &str)| (what.to_owned(), word.to_owned());
        Self::Denied { lacks: lacks.into_iter().map(own).collect() }
    }

    pub(super) fn of_workspace(target: WorkspaceId) -> Self {
        Self::CrossTenant { target, noun: kind::Workspace::WORD, id: target.to_string() }
    }
}

impl Services {
    /// Writes down an attempt: in `home`, a workspace of who tried, and in the one that it was
    /// aimed at if that is another.
    pub(super) async fn note_attempt(
        &self,
        home: Option<Scope>,
        actor: Actor,
        attempt: Attempt,
        correlation: CorrelationId,
    ) -> Result<(), Problem> {
        let now = self.now();
        let event = move |kind: &str, subject: String, data| Event {
            at: now,
            actor: actor.clone(),
            kind: kind.to_owned(),
            subject,
            data,
            correlation,
        };
        let noted = self.store.write(move |tx| {
            match &attempt {
                Attempt::Denied { lacks } => {
                    let Some(home) = home else { return Ok(()) };
                    let subject = home.workspace().to_string();
                    let event = event("access.denied", subject, lacks.clone());
                    note(tx, &home, &event.actor.word(), event)?;
                }
                Attempt::CrossTenant { target, noun, id } => {
                    // Whose it is stays unsaid where it was asked.
                    let data = || BTreeMap::from([("noun".to_owned(), (*noun).to_owned())]);
                    if let Some(home) = home {
                        let event = event("access.cross_tenant", id.clone(), data());
                        note(tx, &home, &event.actor.word(), event)?;
                    }
                    if let Some(aimed) = Scope::aimed_at(&tx.view(), *target)? {
                        // However many they are, all strangers together have one count there.
                        note(tx, &aimed, "", event("access.probed", id.clone(), data()))?;
                    }
                }
            }
            Ok(())
        });
        noted.await.map_err(refused)
    }
}

impl Services {
    /// Somebody asked for something in a workspace of theirs, and it is not there: when it is in
    /// another, that was an attempt. Whether it was is only written down.
    pub async fn look_for_foreign(
        &self,
        principal: &Principal,
        workspace: WorkspaceId,
        (noun, id): (&str, &str),
        correlation: CorrelationId,
    ) -> Result<(), Problem> {
        let Some(thing) = Thing::named(noun, id) else { return Ok(()) };
        let found =
            self.store.read(move |view| Scope::holder(view, |scope| thing.is_in(view, scope)));
        let Some(holder) = found.await.map_err(trouble)? else { return Ok(()) };
        let target = holder.workspace();
        if target == workspace {
            return Ok(());
        }
        let still = self.still::<Read>(principal, workspace, correlation);
        let home = still.map(|access| access.scope);
        let attempt = Attempt::CrossTenant { target, noun: thing.noun(), id: id.to_owned() };
        self.note_attempt(home, principal.actor(), attempt, correlation).await
    }
}

impl Services {
    /// A key was used from another network than those that it came from lately; which they are is not
    /// kept. Or somebody came from a country that they never came from.
    pub async fn note_place(
        &self,
        principal: &Principal,
        country: Option<&str>,
        correlation: CorrelationId,
    ) -> Result<(), Problem> {
        let Some(home) = self.store.read_now(|view| principal.home(view)).map_err(trouble)? else {
            return Ok(());
        };
        let actor = principal.actor();
        let event = Event {
            at: self.now(),
            subject: actor.word(),
            actor,
            kind: if country.is_some() { "access.new_country" } else { "access.new_place" }
                .to_owned(),
            data: country.map(|it| ("country".to_owned(), it.to_owned())).into_iter().collect(),
            correlation,
        };
        let noted = self.store.write(move |tx| Ok(tx.append_event(&home, event.clone())?));
        noted.await.map_err(refused)
    }

    /// Somebody who was let in was then refused for what they are: by the handle to the data, or by
    /// a rule of the use case.
    pub async fn note_denied(
        &self,
        principal: &Principal,
        workspace: WorkspaceId,
        problem: &Problem,
        correlation: CorrelationId,
    ) -> Result<(), Problem> {
        let still = self.still::<Read>(principal, workspace, correlation);
        let home = still.map(|access| access.scope);
        let denied = Attempt::denied(problem.params.iter().map(|(what, word)| (*what, &**word)));
        self.note_attempt(home, principal.actor(), denied, correlation).await
    }
}

/// Something that an address can name.
#[derive(Clone, Copy)]
enum Thing {
    Channel(ChannelId),
    Post(PostId),
    Delivery(DeliveryId),
    Asset(AssetId),
    Key(KeyId),
}

impl Thing {
    fn named(noun: &str, id: &str) -> Option<Self> {
        match noun {
            "channel" => id.parse().ok().map(Self::Channel),
            "post" => id.parse().ok().map(Self::Post),
            "delivery" => id.parse().ok().map(Self::Delivery),
            "asset" => id.parse().ok().map(Self::Asset),
            "key" => id.parse().ok().map(Self::Key),
            _ => None,
        }
    }

    fn noun(self) -> &'static str {
        match self {
            Self::Channel(_) => kind::Channel::WORD,
            Self::Post(_) => kind::Post::WORD,
            Self::Delivery(_) => kind::Delivery::WORD,
            Self::Asset(_) => kind::Asset::WORD,
            Self::Key(_) => kind::Key::WORD,
        }
    }

    fn is_in(self, view: &View<'_>, scope: &Scope) -> Result<bool, Error> {
        Ok(match self {
            Self::Channel(id) => view.get::<Channel>(scope, &id)?.is_some(),
            Self::Post(id) => view.get::<Post>(scope, &id)?.is_some(),
            Self::Delivery(id) => view.get::<Delivery>(scope, &id)?.is_some(),
            Self::Asset(id) => view.get::<Asset>(scope, &id)?.is_some(),
            Self::Key(id) => view.get::<Key>(scope, &id)?.is_some(),
        })
    }
}

/// Counts the event for `who`, and writes it unless there were very many in this minute.
fn note(tx: &mut Tx<'_>, scope: &Scope, who: &str, mut event: Event) -> Result<(), Error> {
    let key = format!("{}/{who}", event.kind);
    let mut tally = tx.get::<Tally>(scope, &key)?.unwrap_or_default();
    if let Some(times) = tally.note(event.at) {
        if times > 1 {
            event.data.insert("times".to_owned(), times.to_string());
        }
        tx.append_event(scope, event)?;
    }
    tx.put(scope, &key, &tally)
}
