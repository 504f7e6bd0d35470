//! Deliveries: looking at them, and deciding on those that are held.

use super::idempotency::{recall, remember};
use super::pauses::Pauses;
use super::posts::refusal_problem;
use super::shown::{self, DeliveryShown, Glance, Page, cursor_of};
use super::transition::{Change, Refused, transition};
use super::{Access, Done, Services, no, not_found, refused, trouble};
use crate::base::{Code, DeliveryId, Problem, limits};
use crate::domain::access::{Publish, Right};
use crate::domain::delivery::{Delivery, Note, NoteKind};
use crate::domain::publish::{Decision, Event, Moment, State};
use crate::store::rows::{Attention, Inflight};
use crate::store::{Error, Key, Scope, Span, Tx, View};

/// Which deliveries; newest first.
#[derive(Clone, Debug, Default)]
pub struct DeliveryFilter {
    pub state: Option<State>,
    pub limit: usize,
    pub cursor: Option<String>,
}

impl Services {
    pub async fn delivery<R: Right>(
        &self,
        access: &Access<R>,
        id: DeliveryId,
    ) -> Result<DeliveryShown, Problem> {
        let (scope, glance) = (access.scope, self.glance());
        let found = self.store.read(move |view| one(view, &scope, id, &glance)).await;
        found.map_err(trouble)?.ok_or_else(not_found)
    }

    pub async fn deliveries<R: Right>(
        &self,
        access: &Access<R>,
        filter: DeliveryFilter,
    ) -> Result<Page<DeliveryShown>, Problem> {
        let (scope, glance) = (access.scope, self.glance());
        let cursor = filter.cursor.as_deref().map(shown::cursor_key::<DeliveryId>).transpose()?;
        self.store
            .read(move |view| collect(view, &scope, &glance, &filter, cursor))
            .await
            .map_err(trouble)
    }

    /// A person's word on a held delivery.
    pub async fn resolve_delivery(
        &self,
        access: Access<Publish>,
        id: DeliveryId,
        decision: Decision,
    ) -> Result<Done<DeliveryShown>, Problem> {
        let glance = self.glance();
        let (now, epoch) = (glance.now, glance.epoch);
        let moment = Moment { now, epoch, dice: self.rng.next_u64() };
        let timing = self.timing.get();
        self.store
            .write(move |tx| {
                let replayed = recall(tx, &access, now)?.is_some();
                if !replayed {
                    let Some(row) = tx.get::<Delivery>(&access.scope, &id)? else {
                        return no(not_found());
                    };
                    let change = Change {
                        event: Event::Decide(decision.clone()),
                        moment,
                        actor: access.actor.clone(),
                        note: Some(decided(&row, &decision, moment)),
                    };
                    match transition(tx, &access.scope, id, &timing, &change)? {
                        Ok(_) => {}
                        Err(Refused::Missing) => return no(not_found()),
                        Err(Refused::Step(refusal)) => return no(refusal_problem(refusal)),
                        Err(
                            Refused::Lane | Refused::Paused | Refused::Approval | Refused::Channel,
                        ) => {
                            return no(Problem::new(Code::Internal));
                        }
                    }
                    remember(tx, &access, now, &id.to_string())?;
                }
                match one(&tx.view(), &access.scope, id, &glance)? {
                    Some(value) => Ok(Done { value, replayed }),
                    None => no(not_found()),
                }
            })
            .await
            .map_err(refused)
    }
}

impl Services {
    /// A person saw that a delivery failed, or failed in part: it stays what it is, and waits for
    /// nobody any more.
    pub async fn acknowledge_delivery(
        &self,
        access: Access<Publish>,
        id: DeliveryId,
    ) -> Result<Done<DeliveryShown>, Problem> {
        let (services, glance) = (self.clone(), self.glance());
        let acknowledge = move |tx: &mut Tx<'_>| {
            let replayed = recall(tx, &access, glance.now)?.is_some();
            let Some(row) = tx.get::<Delivery>(&access.scope, &id)? else {
                return no(not_found());
            };
            tx.may_write(&access.scope, &row)?;
            let state = row.flow.state();
            if !matches!(state, State::Failed | State::Partial) {
                return no(Problem::new(Code::NothingToAcknowledge));
            }
            let seen = Attention { state, acknowledged: true };
            if tx.get::<Attention>(&access.scope, &id)?.as_ref() != Some(&seen) {
                tx.put(&access.scope, &id, &seen)?;
                let event = access.event(&services, "delivery.acknowledged", &id.to_string());
                tx.append_event(&access.scope, event)?;
            }
            if !replayed {
                remember(tx, &access, glance.now, &id.to_string())?;
            }
            match one(&tx.view(), &access.scope, id, &glance)? {
                Some(value) => Ok(Done { value, replayed }),
                None => no(not_found()),
            }
        };
        self.store.write(acknowledge).await.map_err(refused)
    }
}

pub(super) fn decided(row: &Delivery, decision: &Decision, moment: Moment) -> Note {
    let (result, detail) = match decision {
        Decision::ItIsThere { url } => ("it_is_there", url.clone().unwrap_or_default()),
        Decision::SendAgain | Decision::SendAt { .. } => ("send_again", String::new()),
        Decision::Drop => ("drop", String::new()),
    };
    let index = row.flow.current().unwrap_or(0);
    Note {
        at: moment.now,
        part: u32::try_from(index).unwrap_or(u32::MAX),
        attempt: row.flow.parts.get(index).map_or(0, |p| p.attempt),
        kind: NoteKind::Decision,
        result: result.to_owned(),
        code: String::new(),
        detail,
        status: None,
    }
}

fn one(
    view: &View<'_>,
    scope: &Scope,
    id: DeliveryId,
    glance: &Glance,
) -> Result<Option<DeliveryShown>, Error> {
    let Some(row) = view.get::<Delivery>(scope, &id)? else { return Ok(None) };
    let pauses = Pauses::read(view, scope)?;
    shown::delivery(view, scope, &pauses, (&row, None), glance).map(Some)
}

fn collect(
    view: &View<'_>,
    scope: &Scope,
    glance: &Glance,
    filter: &DeliveryFilter,
    mut cursor: Option<DeliveryId>,
) -> Result<Page<DeliveryShown>, Error> {
    let pauses = Pauses::read(view, scope)?;
    let mut items = Vec::new();
    let mut seen = 0;
    loop {
        let step = candidates(view, scope, filter, cursor)?;
        let last_step = step.len() < filter.limit;
        for (id, row) in step {
            seen += 1;
            cursor = Some(id);
            if let Some(row) = row
                && filter.state.is_none_or(|state| state == row.flow.state_in(glance.epoch))
            {
                items.push(shown::delivery(view, scope, &pauses, (&row, None), glance)?);
            }
            if items.len() >= filter.limit || seen >= limits::SCAN_MAX {
                return Ok(Page { items, next: cursor.map(|id| cursor_of(&id.to_bytes())) });
            }
        }
        if last_step {
            return Ok(Page { items, next: None });
        }
    }
}

/// The next few deliveries that may fit, through the smallest index that has them all; none for
/// those that are not to be seen.
fn candidates(
    view: &View<'_>,
    scope: &Scope,
    filter: &DeliveryFilter,
    cursor: Option<DeliveryId>,
) -> Result<Vec<(DeliveryId, Option<Delivery>)>, Error> {
    let span = Span::last(filter.limit).after(cursor.as_ref());
    let ids: Vec<DeliveryId> = match filter.state {
        Some(State::Held | State::Partial | State::Failed) => {
            view.scan::<Attention>(scope, &span)?.into_iter().map(|(id, _)| id).collect()
        }
        Some(State::Armed | State::Unknown) => {
            // Few at any time, and in order of their channels: sorted here.
            let rows = view.scan::<Inflight>(scope, &Span::first(limits::SCAN_MAX))?;
            let mut ids: Vec<_> = rows.into_iter().map(|((_, id), _)| id).collect();
            ids.sort_unstable_by(|a, b| b.cmp(a));
            ids.retain(|id| cursor.is_none_or(|cursor| *id < cursor));
            ids.truncate(filter.limit);
            ids
        }
        _ => {
            return view.page::<Delivery>(scope, &span);
        }
    };
    ids.into_iter().map(|id| Ok((id, view.get::<Delivery>(scope, &id)?))).collect()
}
