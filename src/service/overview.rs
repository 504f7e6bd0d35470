//! What an operator sees over all workspaces at one moment: bounded lists for the console. Must not
//! decide or change anything but the note that somebody looks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::pauses::Pauses;
use super::plans::{PlanShown, plan_in};
use super::shown::{self, ChannelShown, DeliveryShown, Glance, WorkspaceShown};
use super::users::last_seen;
use super::{Services, approvals, refused, trouble};
use crate::base::{ChannelId, CorrelationId, Problem, Timestamp, WorkspaceId};
use crate::domain::access::{Grants, Member};
use crate::domain::channel::{Channel, ChannelState};
use crate::domain::delivery::Delivery;
use crate::domain::event::{Actor, Event};
use crate::domain::plan::Plans;
use crate::domain::post::Post;
use crate::domain::user::{Invitation, Proofs, User};
use crate::store::rows::{Attention, CalendarEntry, ChainedEvent};
use crate::store::{Backlog, Error, Operator, Scope, Span, View};

/// How much of each list is read.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    pub workspaces: usize,
    /// Of all workspaces together.
    pub channels: usize,
    pub deliveries: usize,
    pub events: usize,
    /// Of all workspaces together, with those who are invited.
    pub people: usize,
}

/// Something of the workspace with this slug.
#[derive(Clone, Debug)]
pub struct Of<T> {
    pub workspace: Arc<str>,
    pub it: T,
}

/// A delivery with the words of its post and the name of its channel.
#[derive(Clone, Debug)]
pub struct Waiting {
    pub delivery: DeliveryShown,
    pub texts: Vec<String>,
    pub channel: String,
    pub draft: bool,
    /// The post's, as these words are.
    pub revision: u64,
    /// Somebody did not let it out: it stays in until it is changed.
    pub declined: bool,
}

/// An event with its number in its workspace.
#[derive(Clone, Debug)]
pub struct Happened {
    pub number: u64,
    pub event: Event,
}

/// Somebody who belongs to a workspace, or whom it has invited.
#[derive(Clone, Debug)]
pub struct Person {
    /// The user's; the invitation's while nobody took it.
    pub id: String,
    pub email: String,
    pub name: String,
    pub role: &'static str,
    /// `active`, `suspended`, `disabled` (everywhere), `invited` or `expired`.
    pub state: &'static str,
    pub totp: bool,
    /// How many channels they see, if not all.
    pub channels: Option<usize>,
    /// When they joined, or were invited.
    pub since: Timestamp,
    /// When a session of theirs was last used, to the minute; those that are over are forgotten.
    pub seen: Option<Timestamp>,
}

/// All of it, as of one moment.
#[derive(Clone, Debug, Default)]
pub struct Overview {
    pub workspaces: Vec<WorkspaceShown>,
    /// There are more workspaces than were read.
    pub more_workspaces: bool,
    pub channels: Vec<Of<ChannelShown>>,
    pub plans: Vec<Of<PlanShown>>,
    pub people: Vec<Of<Person>>,
    /// Held, failed and partial.
    pub attention: Vec<Of<Waiting>>,
    /// What is looked at next, by time.
    pub queue: Vec<Of<Waiting>>,
    /// The newest last.
    pub events: Vec<Of<Happened>>,
    /// Numbers of the same moment, of everything and not only of what was read.
    pub backlog: Backlog,
    /// What is due, could go out and has not.
    pub overdue: u64,
    /// Posts that are due, and that nobody has let out.
    pub unapproved: u64,
}

/// Words of a post that are shown.
const TEXTS: usize = 8;
const TEXT_CHARS: usize = 1_000;

impl Services {
    /// Who reads this has been noted by [`Services::note_look`] in each workspace that it shows.
    pub async fn overview(&self, operator: Operator, bounds: Bounds) -> Result<Overview, Problem> {
        let (glance, plans) = (self.glance(), self.plans.get());
        let read = self.store.read(move |view| read(view, operator, bounds, (&glance, &plans)));
        read.await.map_err(trouble)
    }

    /// Leaves an event in each of these workspaces: an operator looks at it now.
    pub async fn note_look(
        &self,
        operator: Operator,
        workspaces: Vec<WorkspaceId>,
        with: &'static str,
    ) -> Result<(), Problem> {
        let (now, correlation) = (self.now(), CorrelationId::new(self.rng.as_ref()));
        self.store
            .write(move |tx| {
                for workspace in &workspaces {
                    let event = Event {
                        at: now,
                        actor: operator.actor(),
                        kind: "operator.entered".to_owned(),
                        subject: workspace.to_string(),
                        data: BTreeMap::from([("verb".to_owned(), with.to_owned())]),
                        correlation,
                    };
                    operator.enter(tx, *workspace, event)?;
                }
                Ok(())
            })
            .await
            .map_err(refused)
    }

    /// Deliveries of posts that are due in `from..to`, in order of time, from every workspace.
    pub async fn due_between(
        &self,
        operator: Operator,
        (from, to): (Timestamp, Timestamp),
        limit: usize,
    ) -> Result<Vec<Of<Waiting>>, Problem> {
        let glance = self.glance();
        let read = self.store.read(move |view| {
            let mut found = Vec::new();
            for (workspace, scope) in operator.overlook(view, None, WORKSPACES)? {
                let mut reader = Reader::new(view, &glance, &workspace.slug, scope)?;
                let span = Span::first(limit).from(&from).to(&to);
                for ((_, post), _) in view.scan::<CalendarEntry>(&scope, &span)? {
                    let Some(post) = view.get::<Post>(&scope, &post)? else { continue };
                    for id in post.targets.iter().filter_map(|target| target.delivery) {
                        found.extend(reader.waiting(id)?);
                    }
                    if found.len() >= limit {
                        break;
                    }
                }
            }
            Ok(found)
        });
        let mut found = read.await.map_err(trouble)?;
        found.sort_by(|a, b| a.it.delivery.due.cmp(&b.it.delivery.due));
        Ok(found)
    }
}

/// Workspaces whose calendar is read.
const WORKSPACES: usize = 200;

fn read(
    view: &View<'_>,
    operator: Operator,
    bounds: Bounds,
    (glance, plans): (&Glance, &Plans),
) -> Result<Overview, Error> {
    let due = approvals::due(view, glance.now)?;
    let mut all = Overview {
        backlog: Backlog::read(view)?,
        overdue: due.late,
        unapproved: due.unapproved,
        ..Overview::default()
    };
    let entered = operator.overlook(view, None, bounds.workspaces)?;
    all.more_workspaces = entered.len() == bounds.workspaces;
    let events_each = (bounds.events / entered.len().max(1)).clamp(5, bounds.events.max(5));
    let mut readers = BTreeMap::new();
    for (workspace, scope) in &entered {
        let mut reader = Reader::new(view, glance, &workspace.slug, *scope)?;
        all.workspaces.push(shown::workspace(workspace));
        all.plans.push(reader.of(plan_in(view, scope, plans, glance.now)?));
        let room = bounds.channels.saturating_sub(all.channels.len());
        for (_, channel) in view.scan::<Channel>(scope, &Span::first(room))? {
            if !matches!(channel.state, ChannelState::Removed { .. }) {
                all.channels.push(reader.of(shown::channel(&channel)));
            }
        }
        let room = bounds.people.saturating_sub(all.people.len());
        all.people
            .extend(people(view, scope, room, glance.now)?.into_iter().map(|it| reader.of(it)));
        let room = bounds.deliveries.saturating_sub(all.attention.len());
        for (id, seen) in view.scan::<Attention>(scope, &Span::last(room))? {
            if !seen.acknowledged {
                all.attention.extend(reader.waiting(id)?);
            }
        }
        for (number, row) in view.scan::<ChainedEvent>(scope, &Span::last(events_each))? {
            all.events.push(reader.of(Happened { number, event: row.event }));
        }
        readers.insert(scope.workspace(), reader);
    }
    for timer in view.timers(None, Timestamp::MAX, bounds.deliveries)? {
        if let Some(reader) = readers.get_mut(&timer.scope.workspace()) {
            all.queue.extend(reader.waiting(timer.delivery())?);
        }
    }
    all.attention.sort_by(|a, b| b.it.delivery.due.cmp(&a.it.delivery.due));
    all.events.sort_by_key(|of| (of.it.event.at, of.it.number));
    let extra = all.events.len().saturating_sub(bounds.events);
    drop(all.events.drain(..extra));
    Ok(all)
}

/// Members, and whom somebody has invited and who has not come.
fn people(
    view: &View<'_>,
    scope: &Scope,
    room: usize,
    now: Timestamp,
) -> Result<Vec<Person>, Error> {
    let limited = |grants: &Grants| match grants {
        Grants::All => None,
        Grants::Only(channels) => Some(channels.len()),
    };
    let mut people = Vec::new();
    for (id, member) in view.scan::<Member>(scope, &Span::first(room))? {
        let user = view.get_global::<User>(&id)?;
        let totp = view.get_global::<Proofs>(&id)?.is_some_and(|proofs| proofs.has_totp());
        let state = match (&user, member.suspended_at) {
            (_, Some(_)) => "suspended",
            (Some(user), None) if user.disabled_at.is_some() => "disabled",
            (_, None) => "active",
        };
        let (email, name) = user.map(|user| (user.email, user.name)).unwrap_or_default();
        let (role, channels) = (member.role.word(), limited(&member.channels));
        let since = member.joined_at;
        let seen = last_seen(view, id)?;
        let id = id.to_string();
        people.push(Person { id, email, name, role, state, totp, channels, since, seen });
    }
    let left = Span::last(room.saturating_sub(people.len()));
    for (id, invitation) in view.scan::<Invitation>(scope, &left)? {
        let state = match invitation.state(now) {
            "open" => "invited",
            "expired" => "expired",
            _ => continue,
        };
        people.push(Person {
            id: id.to_string(),
            email: invitation.email,
            name: String::new(),
            role: invitation.role.word(),
            state,
            totp: false,
            channels: limited(&invitation.channels),
            since: invitation.created_at,
            seen: None,
        });
    }
    Ok(people)
}

/// Reads deliveries of one workspace, and remembers what many of them share.
struct Reader<'a> {
    view: &'a View<'a>,
    glance: &'a Glance,
    scope: Scope,
    slug: Arc<str>,
    pauses: Pauses,
    names: BTreeMap<ChannelId, String>,
}

impl<'a> Reader<'a> {
    fn new(
        view: &'a View<'a>,
        glance: &'a Glance,
        slug: &str,
        scope: Scope,
    ) -> Result<Self, Error> {
        let pauses = Pauses::read(view, &scope)?;
        Ok(Self { view, glance, scope, slug: slug.into(), pauses, names: BTreeMap::new() })
    }

    fn of<T>(&self, it: T) -> Of<T> {
        Of { workspace: Arc::clone(&self.slug), it }
    }

    fn waiting(&mut self, id: crate::base::DeliveryId) -> Result<Option<Of<Waiting>>, Error> {
        let Some(row) = self.view.get::<Delivery>(&self.scope, &id)? else { return Ok(None) };
        let post = self.view.get::<Post>(&self.scope, &row.post)?;
        let cut = |text: &str| text.chars().take(TEXT_CHARS).collect::<String>();
        let parts = |post: &Post| {
            let own = post.variants.get(&row.channel).and_then(|variant| variant.parts.as_ref());
            let parts = own.unwrap_or(&post.parts).iter().take(TEXTS);
            parts.map(|part| cut(&part.text)).collect()
        };
        let channel = if let Some(name) = self.names.get(&row.channel) {
            name.clone()
        } else {
            let channel = self.view.get::<Channel>(&self.scope, &row.channel)?;
            let name = channel.map(|channel| channel.name).unwrap_or_default();
            self.names.insert(row.channel, name.clone());
            name
        };
        let both = (&row, post.as_ref());
        let delivery = shown::delivery(self.view, &self.scope, &self.pauses, both, self.glance)?;
        let texts = post.as_ref().map(parts).unwrap_or_default();
        let declined = post.as_ref().is_some_and(|post| post.approval.word() == Some("declined"));
        let (draft, revision) = post.map_or((false, 0), |post| (post.draft, post.revision));
        Ok(Some(self.of(Waiting { delivery, texts, channel, draft, revision, declined })))
    }
}

/// Whether the operator with this uid did it.
pub fn is_by(event: &Event, operator: Operator) -> bool {
    matches!((&event.actor, operator.actor()), (Actor::Operator { uid }, Actor::Operator { uid: me }) if *uid == me)
}

impl Overview {
    /// Every workspace that something of is shown.
    pub fn shows(&self) -> BTreeSet<WorkspaceId> {
        self.workspaces.iter().filter_map(|workspace| workspace.id.parse().ok()).collect()
    }
}
