//! Taking a post back: cancelling what has not gone out, and deleting the post itself.

use super::super::idempotency::{recall, remember};
use super::super::shown::{self, PostShown};
use super::super::{Access, Done, Services, no, refused};
use super::change::cancel;
use super::{must, save, unchanged};
use crate::base::{Code, PostId, Problem};
use crate::domain::access::{Publish, Right, Write};
use crate::domain::publish::Moment;

impl Services {
    /// Cancels every delivery that has not gone out. 409 while one is being sent or in doubt, and
    /// when all are over; 412 when the post is not at the revision `seen`.
    pub async fn cancel_post(
        &self,
        access: Access<Publish>,
        id: PostId,
        seen: Option<u64>,
    ) -> Result<Done<PostShown>, Problem> {
        match self.take_back(access.again(), (id, seen), false).await? {
            Some(value) => Ok(Done { value, replayed: false }),
            None => Ok(Done { value: self.post(&access, id).await?, replayed: true }),
        }
    }

    /// Cancels it and takes it off every list; what its deliveries did stays on record.
    pub async fn delete_post(
        &self,
        access: Access<Write>,
        id: PostId,
        seen: Option<u64>,
    ) -> Result<Done<()>, Problem> {
        let replayed = self.take_back(access, (id, seen), true).await?.is_none();
        Ok(Done { value: (), replayed })
    }

    /// `None` when an earlier, equal request already did it.
    async fn take_back<R: Right>(
        &self,
        access: Access<R>,
        (id, seen): (PostId, Option<u64>),
        delete: bool,
    ) -> Result<Option<PostShown>, Problem> {
        let (services, glance, now) = (self.clone(), self.glance(), self.now());
        let moment = Moment { now, epoch: glance.epoch, dice: self.rng.next_u64() };
        self.store
            .write(move |tx| {
                if recall(tx, &access, now)?.is_some() {
                    return Ok(None);
                }
                let before = must(tx, &access, id)?;
                unchanged(&before, seen)?;
                let mut cancelled = 0;
                for delivery in before.targets.iter().filter_map(|t| t.delivery) {
                    cancelled += usize::from(cancel(tx, &services, &access, delivery, moment)?);
                }
                if cancelled == 0 && !delete {
                    return no(Problem::new(Code::NothingToCancel));
                }
                let mut after = before.clone();
                after.revision += 1;
                after.updated_at = now;
                after.deleted_at = delete.then_some(now);
                save(tx, &access, Some(&before), &after)?;
                remember(tx, &access, now, &id.to_string())?;
                let kind = if delete { "post.deleted" } else { "post.cancelled" };
                let event = access.event(&services, kind, &id.to_string());
                tx.append_event(&access.scope, event)?;
                shown::post(&tx.view(), &access.scope, &after, &glance)
                    .map(Some)
                    .map_err(Into::into)
            })
            .await
            .map_err(refused)
    }
}
