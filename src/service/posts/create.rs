//! Writing a post: everything that it causes is one transaction.

use std::collections::BTreeSet;

use super::super::idempotency::{recall, remember};
use super::super::planning::{self, Channels, Ids};
use super::super::shown::{self, Glance, PostShown};
use super::super::{
    Access, Done, Services, approvals, media, no, refused, transition, trouble, usage,
};
use super::{NewPost, check_channels, live, resolve, save};
use crate::base::{FieldProblem, PostId, Problem, TargetId};
use crate::domain::access::{Right, Write};
use crate::domain::approval::Approval;
use crate::domain::delivery::Delivery;
use crate::domain::plan::Plans;
use crate::domain::post::{Post, Target};
use crate::domain::schedule::Schedule;
use crate::store::{Tx, WriteError};

/// All that a post causes, made before the transaction: the one writer has the least time, and may
/// run it twice. It goes there and back, so it is boxed: what is moved is small.
struct Planned {
    post: Post,
    deliveries: Vec<Delivery>,
}

impl Services {
    /// Schedules a post, or keeps a draft. A repeated request gives the post that the first made.
    pub async fn create_post(
        &self,
        access: Access<Write>,
        new: NewPost,
    ) -> Result<Done<PostShown>, Problem> {
        let glance = self.glance();
        match self.room_for_more().and_then(|()| self.plan(&access, new, &glance)) {
            Ok((planned, shown)) => self.insert_post(access, planned, shown, glance).await,
            Err(problem) => self.repeated(access, problem).await,
        }
    }

    /// What an earlier, equal request made; else `problem`. What was done must be told even when
    /// it could not be asked for anew, because its time has passed.
    pub(super) async fn repeated(
        &self,
        access: Access<Write>,
        problem: Problem,
    ) -> Result<Done<PostShown>, Problem> {
        if access.repeat.is_none() {
            return Err(problem);
        }
        let (now, glance) = (self.now(), self.glance());
        self.store
            .write(move |tx| match recall(tx, &access, now)? {
                Some(id) => replay(tx, &access, &id, &glance),
                None => no(problem.clone()),
            })
            .await
            .map_err(refused)
    }

    /// The post, what it causes, and how it will be shown.
    fn plan(
        &self,
        access: &Access<Write>,
        new: NewPost,
        glance: &Glance,
    ) -> Result<(Box<Planned>, PostShown), Problem> {
        check_channels(&new.channels)?;
        planning::check_tags(&new.tags)?;
        let mut post = self.compose(access, new)?;
        let scope = access.scope;
        let planned = self.store.read_now(|view| {
            let wanted: BTreeSet<_> = post.targets.iter().map(|t| t.channel).collect();
            let channels = planning::channels_of(view, &scope, wanted.into_iter())?;
            let assets = media::assets_of(view, &scope, &post)?;
            let warnings = match planning::check(&post, &channels, &assets) {
                Ok(warnings) => warnings,
                Err(problem) => return Ok(Err(problem)),
            };
            post.approval = approvals::written(view, access, (None, &post), post.created_at)?;
            let planned = match self.planned(post, &channels) {
                Ok(planned) => planned,
                Err(problem) => return Ok(Err(problem)),
            };
            let rows = (&planned.post, planned.deliveries.as_slice(), &channels);
            let shown = shown::post_with(view, &scope, rows, glance)?;
            Ok(Ok((Box::new(planned), with_warnings(shown, &warnings))))
        });
        planned.map_err(trouble)?
    }

    fn planned(&self, mut post: Post, channels: &Channels) -> Result<Planned, Problem> {
        let mut deliveries = Vec::with_capacity(post.targets.len());
        let due = post.schedule.as_ref().filter(|_| !post.draft).map(Schedule::due);
        let Some(due) = due else { return Ok(Planned { post, deliveries }) };
        for (i, target) in post.targets.iter().enumerate() {
            let ids = Ids::new(self, post.parts_for(target.channel).len());
            let channel = channels.get(&target.channel).ok_or_else(super::not_found)?;
            deliveries.push(planning::delivery(&post, i, channel, due, &ids)?);
        }
        for (target, delivery) in post.targets.iter_mut().zip(&deliveries) {
            target.delivery = Some(delivery.id);
        }
        Ok(Planned { post, deliveries })
    }

    async fn insert_post(
        &self,
        access: Access<Write>,
        planned: Box<Planned>,
        shown: PostShown,
        glance: Glance,
    ) -> Result<Done<PostShown>, Problem> {
        let (plans, scope) = (self.plans.clone(), access.scope);
        let earlier = self
            .store
            .write(move |tx| {
                let now = planned.post.created_at;
                if let Some(id) = recall(tx, &access, now)? {
                    return replay(tx, &access, &id, &glance).map(Some);
                }
                // The rule may be another by now, and so may the right of whoever approves by writing.
                let approval = approvals::written(&tx.view(), &access, (None, &planned.post), now)?;
                let stays = approval == planned.post.approval;
                let post = (!stays).then(|| Post { approval, ..planned.post.clone() });
                let post = post.as_ref().unwrap_or(&planned.post);
                insert(tx, &plans.get(), &access, (post, &planned.deliveries))?;
                remember(tx, &access, now, &post.id.to_string())?;
                if stays {
                    return Ok(None);
                }
                let value = shown::post(&tx.view(), &access.scope, post, &glance)?;
                Ok(Some(Done { value, replayed: false }))
            })
            .await
            .map_err(refused)?;
        if let Some(earlier) = earlier {
            return Ok(earlier);
        }
        self.listen_for_echoes(scope, &shown).await;
        Ok(Done { value: shown, replayed: false })
    }

    fn compose(&self, access: &Access<Write>, new: NewPost) -> Result<Post, Problem> {
        let (now, rng) = (self.now(), self.rng.as_ref());
        let target = |channel| Target { id: TargetId::new(now, rng), channel, delivery: None };
        Ok(Post {
            id: PostId::new(now, rng),
            revision: 1,
            content_revision: 1,
            created_at: now,
            updated_at: now,
            author: access.actor.clone(),
            correlation: access.correlation,
            schedule: new.when.as_ref().map(|when| resolve(when, now)).transpose()?,
            parts: new.parts,
            variants: new.variants,
            tags: new.tags.into_iter().collect(),
            draft: new.draft,
            deleted_at: None,
            targets: new.channels.into_iter().map(target).collect(),
            approval: Approval::Unneeded,
        })
    }
}

fn insert(
    tx: &mut Tx<'_>,
    plans: &Plans,
    access: &Access<Write>,
    (post, deliveries): (&Post, &[Delivery]),
) -> Result<(), WriteError<Problem>> {
    if let Some(first) = deliveries.first() {
        usage::take(tx, &access.scope, plans, first.due)?;
    }
    for delivery in deliveries {
        transition::save(tx, &access.scope, None, delivery)?;
    }
    save(tx, access, None, post)?;
    let mut event = access.event_at(post.created_at, "post.created", &post.id.to_string());
    event.data.insert("deliveries".to_owned(), deliveries.len().to_string());
    tx.append_event(&access.scope, event)?;
    Ok(approvals::follow(tx, access, (None, post), post.created_at)?)
}

pub(super) fn replay<R: Right>(
    tx: &Tx<'_>,
    access: &Access<R>,
    id: &str,
    glance: &Glance,
) -> Result<Done<PostShown>, WriteError<Problem>> {
    let missing = || WriteError::Refused(super::not_found());
    let id = id.parse().map_err(|_| missing())?;
    let post = live(&tx.view(), access, id)?.ok_or_else(missing)?;
    let value = shown::post(&tx.view(), &access.scope, &post, glance)?;
    Ok(Done { value, replayed: true })
}

pub(super) fn with_warnings(mut post: PostShown, warnings: &[FieldProblem]) -> PostShown {
    post.warnings = warnings.iter().map(shown::warning).collect();
    post
}
