//! Whether somebody must let a post out, and who may: what becomes of a post's approval when it is
//! written, when a rule of suspicion finds it, and when its time comes. Must not decide what a workspace
//! asks for; its rule does.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use utoipa::ToSchema;

use super::{Access, Services, refused, suspicion, trouble};
use crate::base::{AssetId, Check, Code, PostId, Problem, Timestamp, UserId, Wrong, limits};
use crate::domain::access::{Manage, Member, Proof, Read, Right, Role};
use crate::domain::approval::{Approval, ApprovalRule, begins};
use crate::domain::delivery::Delivery;
use crate::domain::event::{Actor, Event};
use crate::domain::post::Post;
use crate::domain::publish::State;
use crate::domain::user::{BurstAct, DoorRule};
use crate::store::rows::{AssetUse, TimerKey};
use crate::store::{Error, Scope, Span, Tx, View, WriteError};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ApprovalShown {
    /// asked, given or declined.
    pub state: &'static str,
    /// When that was.
    pub at: String,
    /// Why it is asked for: rule (the workspace's), grant (whoever wrote it may only draft there), changed
    /// (since somebody decided), or the rule of suspicion that stopped it.
    pub why: Option<String>,
    /// Who let it out, or did not.
    pub by: Option<String>,
    /// What they said when they did not.
    pub note: Option<String>,
}

/// Whose word a workspace asks for before posts go out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ApprovalRuleShown {
    /// off, `any_admin` or reviewers.
    pub rule: &'static str,
    /// Ids of the members who are asked, besides owners.
    pub reviewers: Vec<String>,
}

const RULE_CHANGED: &str = "workspace.approvals_changed";

impl Services {
    pub async fn approval_rule(&self, access: &Access<Read>) -> Result<ApprovalRuleShown, Problem> {
        let scope = access.scope;
        let rule = self.store.read(move |view| rule(view, &scope)).await.map_err(trouble)?;
        Ok(rule_shown(&rule))
    }

    /// Changes whose word is asked for from now on. What waits goes on to wait: nobody has seen it yet. A
    /// reviewer who is none is told in the field `list`.
    pub async fn change_approvals(
        &self,
        access: Access<Manage>,
        (after, list): (ApprovalRule, &'static str),
    ) -> Result<ApprovalRuleShown, Problem> {
        let services = self.clone();
        let written = self.store.write(move |tx| {
            let scope = access.scope;
            if let ApprovalRule::Reviewers(named) = &after {
                decide_posts(tx, &scope, (named, list))?;
            }
            let door = tx.get::<DoorRule>(&scope, &())?.unwrap_or_default();
            if door.approvals != ApprovalRule::Off {
                by_a_person(&access).map_err(WriteError::Refused)?;
            }
            if door.approvals != after {
                let subject = scope.workspace().to_string();
                let event = access.event(&services, RULE_CHANGED, &subject);
                tx.append_event(&scope, Event { data: told(&after), ..event })?;
                tx.put(&scope, &(), &DoorRule { approvals: after.clone(), ..door })?;
            }
            Ok(rule_shown(&after))
        });
        written.await.map_err(refused)
    }
}

/// Refuses whoever could let out by this what nobody has seen: a key, or somebody who has not proved a
/// moment ago who they are.
fn by_a_person<R: Right>(access: &Access<R>) -> Result<(), Problem> {
    match access.actor {
        Actor::Key(_) => Err(Problem::new(Code::PersonNeeded)),
        _ => access.proved(Proof::Own),
    }
}

/// Refuses reviewers who are no members, or who are let decide about no post.
fn decide_posts(
    tx: &Tx<'_>,
    scope: &Scope,
    (named, list): (&BTreeSet<UserId>, &str),
) -> Result<(), WriteError<Problem>> {
    let mut check = Check::default();
    for user in named {
        match tx.get::<Member>(scope, user)?.map(|member| member.role) {
            None => check.wrong(list, Wrong::NotFound),
            Some(Role::Viewer) => {
                let why = "has a viewer among them, who decides about no post";
                check.wrong(list, Wrong::NotPossible { why });
            }
            Some(_) => {}
        }
    }
    check.finish().map_err(WriteError::Refused)
}

fn rule_shown(rule: &ApprovalRule) -> ApprovalRuleShown {
    let reviewers = match rule {
        ApprovalRule::Reviewers(named) => named.iter().map(ToString::to_string).collect(),
        ApprovalRule::Off | ApprovalRule::AnyAdmin => Vec::new(),
    };
    ApprovalRuleShown { rule: rule.word(), reviewers }
}

/// What the event of a changed rule says of it.
fn told(rule: &ApprovalRule) -> BTreeMap<String, String> {
    let ApprovalRuleShown { rule, reviewers } = rule_shown(rule);
    [("rule".to_owned(), rule.to_owned()), ("reviewers".to_owned(), reviewers.join(","))].into()
}

/// Takes somebody off the reviewers whom the rule names: by what this event tells of they decide about no
/// post any more. Nobody takes their place. Where none is left owners decide, and not admins: nobody said
/// that those may.
pub(super) fn unname(
    tx: &mut Tx<'_>,
    scope: &Scope,
    user: UserId,
    of: &Event,
) -> Result<(), Error> {
    let Some(mut door) = tx.get::<DoorRule>(scope, &())? else { return Ok(()) };
    let ApprovalRule::Reviewers(named) = &mut door.approvals else { return Ok(()) };
    if !named.remove(&user) {
        return Ok(());
    }
    let event = Event {
        kind: RULE_CHANGED.to_owned(),
        subject: scope.workspace().to_string(),
        data: told(&door.approvals),
        ..of.clone()
    };
    tx.put(scope, &(), &door)?;
    tx.append_event(scope, event)
}

/// What the workspace asks for.
pub(super) fn rule(view: &View<'_>, scope: &Scope) -> Result<ApprovalRule, Error> {
    Ok(view.get::<DoorRule>(scope, &())?.unwrap_or_default().approvals)
}

/// Whether they let posts out. A key never does: whoever reads a post must be a person.
pub(super) fn is_approver(
    view: &View<'_>,
    scope: &Scope,
    (who, rule): (&Actor, &ApprovalRule),
) -> Result<bool, Error> {
    match who {
        Actor::Operator { .. } => Ok(true),
        Actor::User(user) => {
            Ok(view.get::<Member>(scope, user)?.is_some_and(|member| rule.trusts(&member)))
        }
        Actor::Key(_) | Actor::System | Actor::Host(_) => Ok(false),
    }
}

/// The approval of a post that somebody writes so. Where none is asked for this costs one read.
pub(super) fn written<R: Right>(
    view: &View<'_>,
    access: &Access<R>,
    (before, after): (Option<&Post>, &Post),
    now: Timestamp,
) -> Result<Approval, Error> {
    let was = before.map_or(Approval::Unneeded, |post| post.approval.clone());
    if after.draft {
        // Goes nowhere; but whatever was said of it counts again when it is scheduled.
        return Ok(was);
    }
    let newly = before.is_none_or(|before| before.draft);
    let same = |before: &Post| !newly && before.digest() == after.digest();
    let wide = !access.scope.is_held();
    if let Some(before) = before
        && wide
        && !grows(before, after)
        && is_out(view, &access.scope, before)?
    {
        // Nothing more comes of it that somebody could let out.
        return Ok(was);
    }
    match &was {
        // It was let out as it is, at whatever time.
        Approval::Given { digest, .. } if *digest == after.digest() => return Ok(was),
        Approval::Asked { .. } | Approval::Declined { .. } if before.is_some_and(same) => {
            return Ok(was);
        }
        _ => {}
    }
    let scope = &access.scope;
    let door = view.get::<DoorRule>(scope, &())?.unwrap_or_default();
    let rule = door.approvals;
    if door.bursts == BurstAct::Approve
        && !matches!(was, Approval::Asked { .. })
        && let Some(why) = suspicion::is_bursting(view, scope, &access.actor, now)?
    {
        // Before it is judged it could be out: it may be due now.
        return Ok(Approval::Asked { since: now, why });
    }
    let lack = if scope.is_held() {
        view.lack(scope, &Post { approval: Approval::Unneeded, ..after.clone() })?
    } else {
        None
    };
    let off = rule == ApprovalRule::Off;
    match lack {
        Some(lack) if off && newly => return Err(Error::OutOfReach(lack)),
        None if off && was == Approval::Unneeded => return Ok(was),
        _ => {}
    }
    if lack.is_none() && is_approver(view, scope, (&access.actor, &rule))? {
        return Ok(Approval::Given { by: access.actor.clone(), at: now, digest: after.digest() });
    }
    let word = match was {
        Approval::Asked { .. } => return Ok(was),
        _ if lack.is_some() => "grant",
        // Somebody's word was needed once, and is for what it has become.
        _ if off => "changed",
        _ => "rule",
    };
    Ok(Approval::Asked { since: now, why: word.to_owned() })
}

/// Whether a post goes to a channel that it did not go to.
fn grows(before: &Post, after: &Post) -> bool {
    let had = |channel| before.targets.iter().any(|target| target.channel == channel);
    after.targets.iter().any(|target| !had(target.channel))
}

/// What follows from a post's approval being another than it was: that somebody is asked is an event, and
/// what may go out by now is looked at.
pub(super) fn follow<R: Right>(
    tx: &mut Tx<'_>,
    access: &Access<R>,
    (before, after): (Option<&Post>, &Post),
    now: Timestamp,
) -> Result<(), Error> {
    if let Approval::Asked { why, .. } = &after.approval
        && !after.draft
        && before.is_none_or(|before| before.draft || before.approval != after.approval)
    {
        let mut event = access.event_at(now, "post.approval_asked", &after.id.to_string());
        event.data.insert("why".to_owned(), why.clone());
        tx.append_event(&access.scope, event)?;
    }
    match before {
        Some(before) if !before.may_go_out() && after.may_go_out() => {
            wake(tx, &access.scope, after)
        }
        _ => Ok(()),
    }
}

/// Puts the timers of a post again, for the scheduler to see: what is due of it was left where it is.
fn wake(tx: &mut Tx<'_>, scope: &Scope, post: &Post) -> Result<(), Error> {
    for id in post.targets.iter().filter_map(|target| target.delivery) {
        if let Some(at) = tx.get::<Delivery>(scope, &id)?.and_then(|row| row.flow.wake) {
            tx.put_timer(&TimerKey::of_delivery(at, *scope, id))?;
        }
    }
    Ok(())
}

/// Whether a delivery must not begin, because nobody has let its post out as it is now.
pub(super) fn keeps_in(view: &View<'_>, scope: &Scope, delivery: &Delivery) -> Result<bool, Error> {
    let post = if begins(&delivery.flow) { view.get::<Post>(scope, &delivery.post)? } else { None };
    Ok(post.is_some_and(|post| !post.may_go_out()))
}

/// Nothing is asked of drafts: they go nowhere.
pub(super) fn shown(scope: &Scope, post: &Post) -> Option<ApprovalShown> {
    let state = post.approval.word().filter(|_| !post.draft)?;
    let with = |at: &Timestamp, why: Option<&str>, by: Option<&Actor>, note: Option<&String>| {
        let (at, why, by) = (at.to_string(), why.map(str::to_owned), by.map(Actor::word));
        ApprovalShown { state, at, why, by, note: note.cloned() }
    };
    Some(match &post.approval {
        Approval::Unneeded => return None,
        Approval::Asked { since, why } => with(since, Some(why), None, None),
        // As good as asked for; a row that no use case writes.
        Approval::Given { at, .. } if !scope.is_held() && !post.may_go_out() => {
            ApprovalShown { state: "asked", ..with(at, Some("changed"), None, None) }
        }
        Approval::Given { by, at, .. } => with(at, None, Some(by), None),
        Approval::Declined { by, at, note } => with(at, None, Some(by), Some(note)),
    })
}

/// Whether it waits for approval, as whoever looks through `scope` sees it. Those who do not see all of a
/// post cannot tell whether it is still what was approved. The post need not be stored yet.
pub(super) fn waits(
    view: &View<'_>,
    scope: &Scope,
    (delivery, post): (&Delivery, Option<&Post>),
) -> Result<bool, Error> {
    let held = scope.is_held();
    let kept_in = |post: &Post| if held { post.approval.keeps_in() } else { !post.may_go_out() };
    Ok(begins(&delivery.flow)
        && match post {
            Some(post) => kept_in(post),
            None => view.get::<Post>(scope, &delivery.post)?.is_some_and(|post| kept_in(&post)),
        })
}

/// Whether something of a post has yet to begin.
pub(super) fn begins_any(view: &View<'_>, scope: &Scope, post: &Post) -> Result<bool, Error> {
    for id in post.targets.iter().filter_map(|target| target.delivery) {
        if view.get::<Delivery>(scope, &id)?.is_some_and(|row| begins(&row.flow)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether all of a post is out: then nothing more comes of it.
fn is_out(view: &View<'_>, scope: &Scope, post: &Post) -> Result<bool, Error> {
    for target in &post.targets {
        let row = target.delivery.map(|id| view.get::<Delivery>(scope, &id)).transpose()?;
        if row.flatten().is_none_or(|row| row.flow.state() != State::Published) {
            return Ok(false);
        }
    }
    Ok(!post.targets.is_empty() && !post.draft)
}

/// The words of an asset were changed, which readers of the posts that show it will read: what was let out
/// is asked for again, unless somebody did it who lets out all that the workspace has. They need not see the
/// posts themselves.
pub(super) fn reworded<R: Right>(
    tx: &mut Tx<'_>,
    access: &Access<R>,
    (asset, now): (AssetId, Timestamp),
) -> Result<(), Error> {
    let rule = rule(&tx.view(), &access.scope)?;
    let trusted = is_approver(&tx.view(), &access.scope, (&access.actor, &rule))?;
    if trusted && !access.scope.is_held() {
        return Ok(());
    }
    let Some(whole) = Scope::by_asset(&tx.view(), asset)? else { return Ok(()) };
    let mut after: Option<(AssetId, PostId)> = None;
    loop {
        let span = Span::first(limits::PAGE_MAX).under(&asset).after(after.as_ref());
        let page = tx.view().scan::<AssetUse>(&whole, &span)?;
        let Some((key, _)) = page.last() else { return Ok(()) };
        after = Some(*key);
        for ((_, id), _) in page {
            let Some(before) = tx.get::<Post>(&whole, &id)? else { continue };
            let given = matches!(before.approval, Approval::Given { .. });
            if given && !is_out(&tx.view(), &whole, &before)? {
                let approval = Approval::Asked { since: now, why: "changed".to_owned() };
                let after = Post { approval, revision: before.revision + 1, ..before.clone() };
                tx.put(&whole, &id, &after)?;
                follow(tx, access, (Some(&before), &after), now)?;
            }
        }
    }
}

/// A rule of suspicion asks for somebody's word on these posts: drafts, and those of which something has
/// yet to begin. Whether there was any.
pub(super) fn stop(
    tx: &mut Tx<'_>,
    scope: &Scope,
    (rule, posts): (&str, &BTreeSet<PostId>),
    of: &Event,
    now: Timestamp,
) -> Result<bool, Error> {
    let mut stopped = false;
    for id in posts {
        let Some(mut post) = tx.get::<Post>(scope, id)? else { continue };
        // One that was approved is known to somebody.
        if post.deleted_at.is_some() || post.approval != Approval::Unneeded {
            continue;
        }
        if !post.draft && !begins_any(&tx.view(), scope, &post)? {
            continue;
        }
        post.approval = Approval::Asked { since: now, why: rule.to_owned() };
        post.revision += 1;
        tx.put(scope, id, &post)?;
        if !post.draft {
            let event = Event {
                at: now,
                actor: Actor::System,
                kind: "post.approval_asked".to_owned(),
                subject: id.to_string(),
                data: [("why".to_owned(), rule.to_owned())].into(),
                correlation: of.correlation,
            };
            tx.append_event(scope, event)?;
        }
        stopped = true;
    }
    Ok(stopped)
}

/// What is due, for whoever counts it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Due {
    /// Deliveries that could go out. What waits for somebody's word is none: only a person moves it.
    pub late: u64,
    /// Posts that wait for somebody's word; not those that were declined.
    pub unapproved: u64,
}

/// Deliveries that are late, from which on no more are told apart.
const LOOKED_AT: u64 = 2_000;

pub(super) fn due(view: &View<'_>, now: Timestamp) -> Result<Due, Error> {
    let (mut late, mut posts) = (0, BTreeSet::new());
    for timer in view.timers(None, now, limits::SCAN_MAX)? {
        let row = if late < LOOKED_AT {
            view.get::<Delivery>(&timer.scope, &timer.delivery())?
        } else {
            None
        };
        let post = match row.filter(|row| begins(&row.flow)) {
            Some(row) => view.get::<Post>(&timer.scope, &row.post)?,
            None => None,
        };
        match post.map(|post| (post.id, post.approval)) {
            Some((id, Approval::Asked { .. })) => drop(posts.insert(id)),
            Some((_, Approval::Declined { .. })) => {}
            _ => late += 1,
        }
    }
    Ok(Due { late, unapproved: u64::try_from(posts.len()).unwrap_or(u64::MAX) })
}
