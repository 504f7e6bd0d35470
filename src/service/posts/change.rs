//! Changing a post: its deliveries follow in the same transaction, or nothing changes.

use std::collections::BTreeMap;

use super::super::idempotency::{recall, remember};
use super::super::planning::{self, Ids};
use super::super::shown::{self, PostShown};
use super::super::transition::{self, Change, Refused};
use super::super::{Access, Done, Services, approvals, media, no, refused, usage};
use super::create::{replay, with_warnings};
use super::{PostChange, channel_of, check_channels, must, resolve, save, unchanged};
use crate::base::{ChannelId, Code, PartId, PostId, Problem, TargetId, Timestamp, limits};
use crate::domain::access::{Right, Write};
use crate::domain::delivery::Delivery;
use crate::domain::post::{Post, Target};
use crate::domain::publish::{Event, Moment, Refusal};
use crate::domain::schedule::Schedule;
use crate::store::{Tx, WriteError};

/// Fresh ids for whatever the change may need, by channel.
type Fresh = BTreeMap<ChannelId, (TargetId, Ids)>;

impl Services {
    /// Changes a post. 409 while one of its deliveries is being sent or is over.
    pub async fn change_post(
        &self,
        access: Access<Write>,
        id: PostId,
        change: PostChange,
    ) -> Result<Done<PostShown>, Problem> {
        let now = self.now();
        let (schedule, fresh) = match self.plan_change(&access, id, &change, now).await {
            Ok(planned) => planned,
            Err(problem) => return self.repeated(access, problem).await,
        };
        let (services, glance) = (self.clone(), self.glance());
        let (dice, scope) = (self.rng.next_u64(), access.scope);
        let done = self
            .store
            .write(move |tx| {
                if let Some(id) = recall(tx, &access, now)? {
                    return replay(tx, &access, &id, &glance);
                }
                let before = must(tx, &access, id)?;
                unchanged(&before, change.revision)?;
                let mut after = merged(&before, &change, &fresh, now);
                after.schedule = schedule.clone().or(after.schedule);
                if (Post {
                    revision: before.revision,
                    updated_at: before.updated_at,
                    ..after.clone()
                }) == before
                {
                    remember(tx, &access, now, &id.to_string())?;
                    let value = shown::post(&tx.view(), &access.scope, &before, &glance)?;
                    return Ok(Done { value, replayed: false });
                }
                let wanted = after.targets.iter().map(|t| t.channel);
                let channels = planning::channels_of(&tx.view(), &access.scope, wanted)?;
                let assets = media::assets_of(&tx.view(), &access.scope, &after)?;
                let warnings =
                    planning::check(&after, &channels, &assets).map_err(WriteError::Refused)?;
                let both = (Some(&before), &after);
                after.approval = approvals::written(&tx.view(), &access, both, now)?;
                let moment = Moment { now, epoch: glance.epoch, dice };
                follow(tx, &services, &access, (&before, &mut after), (&channels, &fresh, moment))?;
                save(tx, &access, Some(&before), &after)?;
                remember(tx, &access, now, &id.to_string())?;
                let mut event = access.event(&services, "post.changed", &id.to_string());
                if before.schedule != after.schedule {
                    event.data = was(&before);
                }
                tx.append_event(&access.scope, event)?;
                approvals::follow(tx, &access, (Some(&before), &after), now)?;
                let value = shown::post(&tx.view(), &access.scope, &after, &glance)?;
                Ok(Done { value: with_warnings(value, &warnings), replayed: false })
            })
            .await
            .map_err(refused)?;
        self.listen_for_echoes(scope, &done.value).await;
        Ok(done)
    }

    /// The new time, and ids for every channel that the post will have, with as many parts as it
    /// can have.
    async fn plan_change(
        &self,
        access: &Access<Write>,
        id: PostId,
        change: &PostChange,
        now: Timestamp,
    ) -> Result<(Option<Schedule>, Fresh), Problem> {
        check_channels(change.channels.as_deref().unwrap_or_default())?;
        planning::check_tags(change.tags.as_deref().unwrap_or_default())?;
        let schedule = change.when.as_ref().map(|when| resolve(when, now)).transpose()?;
        let channels = if let Some(channels) = &change.channels {
            channels.clone()
        } else {
            let post = self.post(access, id).await?;
            post.targets.iter().filter_map(|t| t.channel.parse().ok()).collect()
        };
        let ids = |channel| {
            let target = TargetId::new(self.now(), self.rng.as_ref());
            (channel, (target, Ids::new(self, limits::PARTS_PER_POST)))
        };
        Ok((schedule, channels.into_iter().map(ids).collect()))
    }
}

/// Where a post that moves was, for whoever wants it back.
fn was(before: &Post) -> BTreeMap<String, String> {
    match &before.schedule {
        Some(Schedule::At { local, zone, .. }) => BTreeMap::from([
            ("was_at".to_owned(), local.clone()),
            ("was_zone".to_owned(), zone.clone()),
        ]),
        Some(Schedule::Now { .. }) | None => BTreeMap::new(),
    }
}

/// The post as it would be; targets that stay keep their ids.
fn merged(before: &Post, change: &PostChange, fresh: &Fresh, now: Timestamp) -> Post {
    let mut after = before.clone();
    after.revision += 1;
    after.updated_at = now;
    if let Some(parts) = &change.parts {
        after.parts.clone_from(parts);
    }
    if let Some(variants) = &change.variants {
        after.variants.clone_from(variants);
    }
    if let Some(tags) = &change.tags {
        after.tags = tags.iter().cloned().collect();
    }
    if let Some(channels) = &change.channels {
        let target = |channel: &ChannelId| {
            let kept = before.targets.iter().find(|t| t.channel == *channel).cloned();
            let made = fresh.get(channel).map(|(id, _)| *id);
            kept.or(made.map(|id| Target { id, channel: *channel, delivery: None }))
        };
        after.targets = channels.iter().filter_map(target).collect();
        after.variants.retain(|channel, _| channels.contains(channel) || change.variants.is_some());
    }
    after.draft = change.draft.unwrap_or(before.draft);
    if before.draft && !after.draft && matches!(after.schedule, Some(Schedule::Now { .. })) {
        // Now is when it stops being a draft, not when the draft was written.
        after.schedule = Some(Schedule::Now { due: now });
    }
    if after.parts != before.parts || after.variants != before.variants {
        after.content_revision += 1;
    }
    after
}

/// Brings the deliveries in line with the changed post.
fn follow(
    tx: &mut Tx<'_>,
    services: &Services,
    access: &Access<Write>,
    (before, after): (&Post, &mut Post),
    (channels, fresh, moment): (&planning::Channels, &Fresh, Moment),
) -> Result<(), WriteError<Problem>> {
    let due = after.schedule.as_ref().filter(|_| !after.draft).map(Schedule::due);
    let stays =
        |channel: ChannelId| due.is_some() && after.targets.iter().any(|t| t.channel == channel);
    for target in &before.targets {
        if let (Some(id), false) = (target.delivery, stays(target.channel)) {
            // What is out must not be lost sight of: it counts, and people want to find it.
            let stands = !cancel(tx, services, access, id, moment)?;
            if stands && tx.get::<Delivery>(&access.scope, &id)?.is_some_and(|d| usage::counts(&d))
            {
                return no(refusal_problem(Refusal::Finished));
            }
        }
    }
    let counted = usage::counted(&tx.view(), &access.scope, before)?;
    let reworded = after.content_revision != before.content_revision;
    let moved = before.schedule != after.schedule;
    for i in 0..after.targets.len() {
        let target = after.targets[i].clone();
        let Some(due) = due else {
            after.targets[i].delivery = None;
            continue;
        };
        let channel = channel_of(channels, target.channel)?;
        let existing = match target.delivery {
            Some(id) => tx.get::<Delivery>(&access.scope, &id)?,
            None => None,
        };
        // Another request put the channel in after ours was planned.
        let raced = || WriteError::Refused(Problem::new(Code::StaleRevision));
        let ids = fresh.get(&target.channel).map(|(_, ids)| ids).ok_or_else(raced)?;
        match existing {
            Some(delivery) if reworded || moved => {
                let replanned = replan(after, delivery, due, ids)?;
                let (old, new) = *replanned;
                transition::save(tx, &access.scope, Some(&old), &new)?;
            }
            Some(_) => {}
            None => {
                let delivery =
                    planning::delivery(after, i, channel, due, ids).map_err(WriteError::Refused)?;
                transition::save(tx, &access.scope, None, &delivery)?;
                after.targets[i].delivery = Some(delivery.id);
            }
        }
    }
    let counts = usage::counted(&tx.view(), &access.scope, after)?;
    usage::follow(tx, &access.scope, &services.plans.get(), (counted, counts))
}

/// The delivery before and after: the same id, a fresh flow of the new words at the new time.
fn replan(
    post: &Post,
    old: Delivery,
    due: Timestamp,
    ids: &Ids,
) -> Result<Box<(Delivery, Delivery)>, WriteError<Problem>> {
    old.flow.is_editable().map_err(|refusal| WriteError::Refused(refusal_problem(refusal)))?;
    let kept = old.flow.parts.iter().map(|part| part.id);
    let parts: Vec<PartId> = kept.chain(ids.parts().iter().copied()).collect();
    let mut new = old.clone();
    new.revision += 1;
    new.content_revision = post.content_revision;
    new.due = due;
    new.flow = planning::flow(post, old.channel, due, &parts);
    Ok(Box::new((old, new)))
}

/// Cancels one delivery, and says so; one that is over already stays as it is.
pub(super) fn cancel<R: Right>(
    tx: &mut Tx<'_>,
    services: &Services,
    access: &Access<R>,
    id: crate::base::DeliveryId,
    moment: Moment,
) -> Result<bool, WriteError<Problem>> {
    let change = Change { event: Event::Cancel, moment, actor: access.actor.clone(), note: None };
    match transition::transition(tx, &access.scope, id, &services.timing.get(), &change)? {
        Ok(_) => Ok(true),
        Err(Refused::Missing | Refused::Step(Refusal::Finished)) => Ok(false),
        Err(Refused::Step(refusal)) => no(refusal_problem(refusal)),
        Err(Refused::Lane | Refused::Paused | Refused::Approval | Refused::Channel) => {
            no(Problem::new(Code::Internal))
        }
    }
}

/// What a person is told when a delivery cannot follow.
pub(in crate::service) fn refusal_problem(refusal: Refusal) -> Problem {
    Problem::new(match refusal {
        Refusal::InFlight | Refusal::Stale => Code::DeliveryInFlight,
        Refusal::Finished => Code::DeliveryFinished,
        Refusal::NotHeld => Code::NotHeld,
    })
}
