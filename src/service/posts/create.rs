//! Writing a post: everything that it causes is one transaction.

use std::collections::BTreeSet;

use super::super::idempotency::{recall, remember};
use super::super::planning::{self, Channels, Ids};
use super::super::shown::{self, Glance, PostShown};
use super::super::{Access, Done, Services, media, no, refused, transition, trouble};
use super::{NewPost, channel_of, check_channels, live, resolve, save};
use crate::base::{FieldProblem, PostId, Problem, TargetId};
use crate::domain::access::Write;
use crate::domain::post::{Post, Target};
use crate::domain::schedule::Schedule;
use crate::store::{Tx, WriteError};

/// A post that can be written as it is.
struct Planned {
    post: Post,
    channels: Channels,
    warnings: Vec<FieldProblem>,
    ids: Vec<Ids>,
}

impl Services {
    /// Schedules a post, or keeps a draft. A repeated request gives the post that the first made.
    pub async fn create_post(
        &self,
        access: Access<Write>,
        new: NewPost,
    ) -> Result<Done<PostShown>, Problem> {
        match self.room_for_more().and_then(|()| self.plan(&access, new)) {
            Ok(planned) => self.insert_post(access, planned).await,
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

    fn plan(&self, access: &Access<Write>, new: NewPost) -> Result<Planned, Problem> {
        check_channels(&new.channels)?;
        planning::check_tags(&new.tags)?;
        let post = self.compose(access, new)?;
        let scope = access.scope;
        let wanted: BTreeSet<_> = post.targets.iter().map(|t| t.channel).collect();
        let (channels, assets) = self
            .store
            .read_now(|view| {
                let channels = planning::channels_of(view, &scope, wanted.into_iter())?;
                Ok((channels, media::assets_of(view, &scope, &post)?))
            })
            .map_err(trouble)?;
        let warnings = planning::check(&post, &channels, &assets)?;
        let ids: Vec<Ids> = post
            .targets
            .iter()
            .map(|target| Ids::new(self, post.parts_for(target.channel).len()))
            .collect();
        Ok(Planned { post, channels, warnings, ids })
    }

    async fn insert_post(
        &self,
        access: Access<Write>,
        planned: Planned,
    ) -> Result<Done<PostShown>, Problem> {
        let Planned { post, channels, warnings, ids } = planned;
        let (services, glance) = (self.clone(), self.glance());
        self.store
            .write(move |tx| {
                let now = post.created_at;
                if let Some(id) = recall(tx, &access, now)? {
                    return replay(tx, &access, &id, &glance);
                }
                let post = insert(tx, &services, &access, (&post, &channels, &ids))?;
                remember(tx, &access, now, &post.id.to_string())?;
                let value = shown::post(&tx.view(), &access.scope, &post, &glance)?;
                Ok(Done { value: with_warnings(value, &warnings), replayed: false })
            })
            .await
            .map_err(refused)
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
        })
    }
}

fn insert(
    tx: &mut Tx<'_>,
    services: &Services,
    access: &Access<Write>,
    (post, channels, ids): (&Post, &Channels, &[Ids]),
) -> Result<Post, WriteError<Problem>> {
    let mut post = post.clone();
    let due = post.schedule.as_ref().filter(|_| !post.draft).map(Schedule::due);
    if let Some(due) = due {
        for (i, ids) in ids.iter().enumerate() {
            let channel = channel_of(channels, post.targets[i].channel)?;
            let delivery =
                planning::delivery(&post, i, channel, due, ids).map_err(WriteError::Refused)?;
            transition::save(tx, &access.scope, None, &delivery)?;
            post.targets[i].delivery = Some(delivery.id);
        }
    }
    save(tx, access, None, &post)?;
    let mut event = access.event(services, "post.created", &post.id.to_string());
    event.data.insert("deliveries".to_owned(), ids.len().to_string());
    tx.append_event(&access.scope, event)?;
    Ok(post)
}

pub(super) fn replay(
    tx: &Tx<'_>,
    access: &Access<Write>,
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
