//! What a workspace may have and what it uses: looking at it, looking ahead, changing it. Must not
//! take anything away: what is over a limit stays, and only more of it is refused.

use serde::Serialize;
use utoipa::ToSchema;

use super::costs::{self, SpentShown};
use super::idempotency::{recall, remember};
use super::{Access, Done, Services, refused, trouble, usage};
use crate::base::{ChannelId, CorrelationId, Problem, Timestamp, limits};
use crate::domain::access::{Manage, Right};
use crate::domain::channel::{Channel, ChannelState};
use crate::domain::event::{Actor, Event};
use crate::domain::plan::{
    Cap, Entitlement, Feature, Granted, Overrides, Plans, month_after, month_before, month_of,
    month_word,
};
use crate::store::rows::Usage;
use crate::store::{Error, Scope, Span, Tx, View};

/// In each plan.
const ALWAYS: [&str; 2] = ["scheduling", "analytics"];

/// A workspace's plan and what it uses of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct PlanShown {
    /// `free`, `starter`, `pro` or `enterprise`.
    pub plan: String,
    /// Nobody gave it one; it has the installation's default.
    pub by_default: bool,
    pub channels: UseShown,
    /// This month and the next, by UTC. A post counts in the month in which it is due.
    pub posts_a_month: Vec<MonthShown>,
    pub features: Vec<String>,
    /// What networks ask for that let nobody post for nothing, this month and the last.
    pub spent: Vec<SpentShown>,
    /// What it has instead of what the plan says.
    pub overrides: OverridesShown,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct UseShown {
    pub used: u64,
    /// `null`: there is no limit.
    pub limit: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct MonthShown {
    /// Such as `2026-12`.
    pub month: String,
    pub used: u64,
    /// `null`: there is no limit.
    pub limit: Option<u64>,
}

/// Each `null` is as the plan says; a number may also be `unlimited`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct OverridesShown {
    pub channels: Option<String>,
    pub posts_a_month: Option<String>,
    pub evergreen: Option<bool>,
    pub rss_autopost: Option<bool>,
    pub ai: Option<bool>,
}

/// What another plan would mean. Nothing of it is taken away by the change: what is over stays and
/// goes out, and more is refused until it is under the limit again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct PlanPreview {
    pub plan: String,
    /// Whether anything would be over a limit, or a feature would go.
    pub cuts: bool,
    pub channels: UseShown,
    /// Beyond the limit, counted from the oldest.
    pub channels_over: Vec<ChannelOver>,
    /// Months from this one on with more posts than the plan has.
    pub months_over: Vec<MonthOver>,
    pub features_lost: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ChannelOver {
    #[schema(format = "uuid")]
    pub id: String,
    pub network: String,
    pub name: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct MonthOver {
    /// Such as `2026-12`.
    pub month: String,
    pub used: u64,
    pub limit: u64,
    pub over: u64,
}

impl Services {
    /// The workspace's plan, its limits, and what this month and the next use.
    pub async fn plan_of<R: Right>(&self, access: &Access<R>) -> Result<PlanShown, Problem> {
        let (scope, plans, now) = (access.scope, self.plans.get(), self.now());
        let read = move |view: &View<'_>| {
            let given = view.get::<Entitlement>(&scope, &())?;
            plan(view, &scope, given.as_ref(), (&plans.granted(given.as_ref()), now))
        };
        self.store.read(read).await.map_err(trouble)
    }

    /// What changing to this plan would cut.
    pub async fn preview_plan<R: Right>(
        &self,
        access: &Access<R>,
        given: Option<Entitlement>,
    ) -> Result<PlanPreview, Problem> {
        let (scope, plans, now) = (access.scope, self.plans.get(), self.now());
        let read = move |view: &View<'_>| {
            let has = usage::granted(view, &scope, &plans)?;
            preview(view, &scope, (&has, &plans.granted(given.as_ref())), now)
        };
        self.store.read(read).await.map_err(trouble)
    }

    /// Gives the workspace a plan; `None` takes back what it was given. Nothing that it has goes.
    pub async fn set_plan(
        &self,
        access: Access<Manage>,
        given: Option<Entitlement>,
    ) -> Result<Done<PlanShown>, Problem> {
        let (now, plans) = (self.now(), self.plans.get());
        self.store
            .write(move |tx| {
                let replayed = recall(tx, &access, now)?.is_some();
                if !replayed {
                    let by = (access.actor.clone(), access.correlation);
                    give(tx, &access.scope, &plans, given.as_ref(), (by, now))?;
                    remember(tx, &access, now, &access.workspace().to_string())?;
                }
                let counts = tx.get::<Entitlement>(&access.scope, &())?;
                let granted = plans.granted(counts.as_ref());
                let value = plan(&tx.view(), &access.scope, counts.as_ref(), (&granted, now))?;
                Ok(Done { value, replayed })
            })
            .await
            .map_err(refused)
    }
}

/// Gives a workspace a plan, with an event if it is another one than it has.
pub(super) fn give(
    tx: &mut Tx<'_>,
    scope: &Scope,
    plans: &Plans,
    given: Option<&Entitlement>,
    ((actor, correlation), at): ((Actor, CorrelationId), Timestamp),
) -> Result<(), Error> {
    let before = tx.get::<Entitlement>(scope, &())?;
    if before.as_ref() == given {
        return Ok(());
    }
    match given {
        Some(given) => tx.put(scope, &(), given)?,
        None => tx.delete::<Entitlement>(scope, &()),
    }
    let word = |given: Option<&Entitlement>| plans.granted(given).plan.word().to_owned();
    let data = [("before", word(before.as_ref())), ("plan", word(given))];
    let event = Event {
        at,
        actor,
        kind: "plan.changed".to_owned(),
        subject: scope.workspace().to_string(),
        data: data.map(|(name, plan)| (name.to_owned(), plan)).into(),
        correlation,
    };
    tx.append_event(scope, event)
}

/// Channels that take up a place, oldest first, until `more` says that it has enough.
pub(super) fn each_channel(
    view: &View<'_>,
    scope: &Scope,
    mut more: impl FnMut(&Channel) -> bool,
) -> Result<(), Error> {
    let mut after: Option<ChannelId> = None;
    loop {
        let page =
            view.scan::<Channel>(scope, &Span::first(limits::PAGE_MAX).after(after.as_ref()))?;
        after = page.last().map(|(id, _)| *id);
        let there = |c: &&(ChannelId, Channel)| !matches!(c.1.state, ChannelState::Removed { .. });
        if after.is_none() || !page.iter().filter(there).all(|(_, channel)| more(channel)) {
            return Ok(());
        }
    }
}

/// Refuses one more channel where the plan has no room for it. Removed ones do not count.
pub(super) fn room_for_channel(
    view: &View<'_>,
    scope: &Scope,
    granted: &Granted,
) -> Result<Option<Problem>, Error> {
    let Some(most) = granted.limits.channels.most() else { return Ok(None) };
    let used = channels_of(view, scope)?;
    let over = || usage::over("channels", (Cap::AtMost(most), used), granted);
    Ok((used >= most).then(over))
}

fn channels_of(view: &View<'_>, scope: &Scope) -> Result<u64, Error> {
    let mut used = 0;
    each_channel(view, scope, |_| {
        used += 1;
        true
    })?;
    Ok(used)
}

fn features(has: impl Fn(Feature) -> bool) -> impl Iterator<Item = String> {
    Feature::ALL.into_iter().filter(move |one| has(*one)).map(|one| one.word().to_owned())
}

/// The plan of one workspace among all that an operator looks over.
pub(super) fn plan_in(
    view: &View<'_>,
    scope: &Scope,
    plans: &crate::domain::plan::Plans,
    now: Timestamp,
) -> Result<PlanShown, Error> {
    let given = view.get::<Entitlement>(scope, &())?;
    plan(view, scope, given.as_ref(), (&plans.granted(given.as_ref()), now))
}

fn plan(
    view: &View<'_>,
    scope: &Scope,
    given: Option<&Entitlement>,
    (granted, now): (&Granted, Timestamp),
) -> Result<PlanShown, Error> {
    let limits = &granted.limits;
    let this = month_of(now);
    let month = |month| {
        let used = usage::posts_of(view, scope, month)?;
        Ok(MonthShown { month: month_word(month), used, limit: limits.posts.most() })
    };
    let always = ALWAYS.into_iter().map(str::to_owned);
    Ok(PlanShown {
        plan: granted.plan.word().to_owned(),
        by_default: given.is_none(),
        channels: UseShown { used: channels_of(view, scope)?, limit: limits.channels.most() },
        posts_a_month: [this, month_after(this)]
            .into_iter()
            .map(month)
            .collect::<Result<_, _>>()?,
        features: always.chain(features(|one| limits.has(one))).collect(),
        spent: costs::since(view, scope, month_before(this))?,
        overrides: overrides(&given.map(|given| given.overrides).unwrap_or_default()),
    })
}

fn overrides(own: &Overrides) -> OverridesShown {
    let cap = |cap: Cap| cap.most().map_or_else(|| "unlimited".to_owned(), |n| n.to_string());
    OverridesShown {
        channels: own.channels.map(cap),
        posts_a_month: own.posts.map(cap),
        evergreen: own.evergreen,
        rss_autopost: own.rss_autopost,
        ai: own.ai,
    }
}

fn preview(
    view: &View<'_>,
    scope: &Scope,
    (has, would): (&Granted, &Granted),
    now: Timestamp,
) -> Result<PlanPreview, Error> {
    let (mut used, mut channels_over) = (0, Vec::new());
    each_channel(view, scope, |channel| {
        if !would.limits.channels.has_room(used) && channels_over.len() < limits::PAGE_MAX {
            channels_over.push(ChannelOver {
                id: channel.id.to_string(),
                network: channel.network.clone(),
                name: channel.name.clone(),
            });
        }
        used += 1;
        true
    })?;
    let mut months_over = Vec::new();
    // Nothing is scheduled more than ten years ahead.
    let months = view.scan::<Usage>(scope, &Span::first(limits::PAGE_MAX).from(&month_of(now)))?;
    for (month, Usage { posts }) in months {
        if let Some(limit) = would.limits.posts.most().filter(|most| posts > *most) {
            let month = month_word(month);
            months_over.push(MonthOver { month, used: posts, limit, over: posts - limit });
        }
    }
    let lost = |one| has.limits.has(one) && !would.limits.has(one);
    let features_lost: Vec<String> = features(lost).collect();
    Ok(PlanPreview {
        plan: would.plan.word().to_owned(),
        cuts: !(channels_over.is_empty() && months_over.is_empty() && features_lost.is_empty()),
        channels: UseShown { used, limit: would.limits.channels.most() },
        channels_over,
        months_over,
        features_lost,
    })
}
