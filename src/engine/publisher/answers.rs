//! Answers of networks that the store could not take: kept, sealed, in a result slot until this
//! process or the next gives them to the store. Must not be the only way: a part whose answer is
//! lost is unknown, and looked for.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::base::{DeliveryId, Timestamp, WorkspaceId};
use crate::domain::delivery::{Delivery, Note};
use crate::domain::event::Actor;
use crate::domain::publish::{Event, Failure, Moment, Outcome};
use crate::service::{Change, Changed, Services, transition};
use crate::store::rows::TimerKey;
use crate::store::{Scope, Slot, WriteError};

/// What a slot is sealed for.
const PURPOSE: &str = "result slot";
/// Until the store is asked again to take what an earlier process left.
const AGAIN: Duration = Duration::from_secs(1);

/// As it is written. A released version never changes.
#[derive(Serialize, Deserialize)]
enum Kept {
    V1(Answer),
}

/// The answer to one commit. While it counts, the timer of its delivery stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Answer {
    due: Timestamp,
    workspace: WorkspaceId,
    delivery: DeliveryId,
    attempt: u32,
    epoch: u64,
    outcome: Outcome,
    note: Note,
}

/// Keeps an answer; other events can be found out again and are not kept. `None` when there is no
/// slot for it, which is in the log.
pub(super) fn keep(
    services: &Services,
    (scope, armed): (&Scope, &Delivery),
    event: &Event,
    note: Option<&Note>,
) -> Option<Slot> {
    let (Event::Answer { attempt, epoch, outcome }, Some(note)) = (event, note) else {
        return None;
    };
    let answer = Answer {
        due: armed.flow.wake?,
        workspace: scope.workspace(),
        delivery: armed.id,
        attempt: *attempt,
        epoch: *epoch,
        outcome: without_words(outcome),
        note: Note { detail: String::new(), ..note.clone() },
    };
    let kept = serde_json::to_vec(&Kept::V1(answer))
        .map_err(|error| error.to_string())
        .and_then(|text| {
            let sealed = services.vault.seal(services.rng.as_ref(), PURPOSE, &text);
            sealed.map_err(|error| error.to_string())
        })
        .and_then(|sealed| services.store.slots().keep(&sealed).map_err(|e| e.to_string()));
    match kept {
        Ok(slot) => {
            tracing::warn!(delivery = %armed.id, "the answer is kept in a result slot for now");
            Some(slot)
        }
        Err(error) => {
            tracing::error!(error, "the answer is in memory only");
            None
        }
    }
}

/// A slot has little room, and what a network says besides may be long.
fn without_words(outcome: &Outcome) -> Outcome {
    let mut outcome = outcome.clone();
    match &mut outcome {
        Outcome::Done(_) | Outcome::Exists(_) => {}
        Outcome::Transient(Failure { detail, .. })
        | Outcome::RateLimited { failure: Failure { detail, .. }, .. }
        | Outcome::Refused(Failure { detail, .. })
        | Outcome::Reconnect(Failure { detail, .. })
        | Outcome::Billing(Failure { detail, .. })
        | Outcome::Lost(Failure { detail, .. }) => detail.clear(),
    }
    outcome
}

/// Gives the store what an earlier process left in the slots; returns when the store has taken it
/// all, or at `stop`.
pub(in super::super) async fn replay(services: &Services, stop: &CancellationToken) {
    for (slot, sealed) in services.store.slots().all() {
        if let Some(answer) = opened(services, &sealed) {
            while let Err(problem) = give(services, &answer).await {
                tracing::error!(delivery = %answer.delivery, %problem, "not written yet");
                services.clock.sleep(AGAIN).await;
                if stop.is_cancelled() {
                    return;
                }
            }
        }
        services.store.slots().release(slot);
    }
}

fn opened(services: &Services, sealed: &[u8]) -> Option<Answer> {
    let opened = services.vault.open(PURPOSE, sealed);
    let read = opened
        .map_err(|error| error.to_string())
        .and_then(|text| serde_json::from_slice(text.reveal()).map_err(|error| error.to_string()));
    match read {
        Ok(Kept::V1(answer)) => Some(answer),
        Err(error) => {
            tracing::warn!(error, "a result slot was torn, or sealed by others; it is dropped");
            None
        }
    }
}

async fn give(services: &Services, answer: &Answer) -> Result<(), crate::base::Problem> {
    let moment = Moment {
        now: services.now(),
        epoch: services.store.epoch(),
        dice: services.rng.next_u64(),
    };
    let Answer { due, workspace, delivery, attempt, epoch, outcome, note } = answer.clone();
    let event = Event::Answer { attempt, epoch, outcome };
    let change = Change { event, moment, actor: Actor::System, note: Some(note) };
    let timing = services.timing.get();
    let given = services.store.write(move |tx| -> Result<Option<Changed>, WriteError<_>> {
        let timer = TimerKey::standing(&tx.view(), (due, workspace, delivery))?;
        let Some(TimerKey { scope, .. }) = timer else { return Ok(None) };
        Ok(Some(transition(tx, &scope, delivery, &timing, &change)?))
    });
    match given.await.map_err(crate::service::refused)? {
        Some(Ok((after, _))) => {
            let state = after.flow.state().word();
            tracing::info!(%delivery, state, "an answer from before the start was taken over");
            if after.flow.is_over() || after.flow.hold.is_some() {
                services.metrics.delivery(&after.network, state);
            }
        }
        Some(Err(_)) | None => {
            tracing::info!(%delivery, "an answer from before the start counts no more");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Id;
    use crate::domain::delivery::NoteKind;
    use crate::domain::publish::{Receipt, Source};

    /// What this version writes, every later one must read.
    #[test]
    fn the_first_version_is_read_for_ever() {
        let at = Timestamp::from_millis(1_800_000_000_000);
        let answer = Answer {
            due: at,
            workspace: Id::from_bytes([1; 16]),
            delivery: Id::from_bytes([2; 16]),
            attempt: 3,
            epoch: 4,
            outcome: Outcome::Done(Receipt {
                remote_id: "5".to_owned(),
                url: None,
                at,
                source: Source::Answer,
            }),
            note: Note {
                at,
                part: 0,
                attempt: 3,
                kind: NoteKind::Attempt,
                result: "done".to_owned(),
                code: String::new(),
                detail: String::new(),
                status: None,
            },
        };
        let golden = concat!(
            r#"{"V1":{"due":"2027-01-15T08:00:00.000Z","#,
            r#""workspace":"01010101-0101-0101-0101-010101010101","#,
            r#""delivery":"02020202-0202-0202-0202-020202020202","attempt":3,"epoch":4,"#,
            r#""outcome":{"Done":{"remote_id":"5","url":null,"at":"2027-01-15T08:00:00.000Z","#,
            r#""source":"answer"}},"note":{"at":"2027-01-15T08:00:00.000Z","part":0,"attempt":3,"#,
            r#""kind":"Attempt","result":"done","code":"","detail":"","status":null}}}"#,
        );
        assert_eq!(serde_json::to_string(&Kept::V1(answer.clone())).unwrap(), golden);
        let Kept::V1(read) = serde_json::from_str(golden).unwrap();
        assert_eq!(read, answer);
    }
}
