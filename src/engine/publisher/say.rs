//! What a run leaves behind for people: notes with the delivery, lines in the log.

use crate::base::Timestamp;
use crate::domain::delivery::{Delivery, Note, NoteKind};
use crate::domain::publish::{Event, Failure, Outcome, Reading};

fn note(
    delivery: &Delivery,
    kind: NoteKind,
    at: Timestamp,
    result: &str,
    failure: Option<&Failure>,
) -> Note {
    let index = delivery.flow.current().unwrap_or(0);
    Note {
        at,
        part: u32::try_from(index).unwrap_or(u32::MAX),
        attempt: delivery.flow.parts.get(index).map_or(0, |part| part.attempt),
        kind,
        result: result.to_owned(),
        code: failure.map(|f| f.code.clone()).unwrap_or_default(),
        detail: failure.map(|f| f.detail.clone()).unwrap_or_default(),
        status: failure.and_then(|f| f.status),
    }
}

/// The word of an outcome, as metrics and notes use it.
pub(super) fn word(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Done(_) => "done",
        Outcome::Transient(_) => "transient",
        Outcome::RateLimited { .. } => "rate_limited",
        Outcome::Refused(_) => "refused",
        Outcome::Reconnect(_) => "reconnect",
        Outcome::Billing(_) => "billing",
        Outcome::Exists(_) => "exists",
        Outcome::Lost(_) => "lost",
    }
}

fn failure_of(outcome: &Outcome) -> Option<&Failure> {
    match outcome {
        Outcome::Done(_) | Outcome::Exists(_) => None,
        Outcome::Transient(failure)
        | Outcome::RateLimited { failure, .. }
        | Outcome::Refused(failure)
        | Outcome::Reconnect(failure)
        | Outcome::Billing(failure)
        | Outcome::Lost(failure) => Some(failure),
    }
}

pub(super) fn answered(
    delivery: &Delivery,
    attempt: u32,
    outcome: &Outcome,
    at: Timestamp,
) -> Note {
    let said = note(delivery, NoteKind::Attempt, at, word(outcome), failure_of(outcome));
    Note { attempt, ..said }
}

/// Only what went wrong in preparing is worth a note.
pub(super) fn prepared(delivery: &Delivery, event: &Event, at: Timestamp) -> Option<Note> {
    match event {
        Event::Unprepared(outcome) => {
            Some(note(delivery, NoteKind::Prepare, at, word(outcome), failure_of(outcome)))
        }
        _ => None,
    }
}

pub(super) fn reading_word(reading: &Reading) -> &'static str {
    match reading {
        Reading::Found(_) => "found",
        Reading::Absent => "absent",
        Reading::Ambiguous => "ambiguous",
        Reading::Unavailable(_) => "unavailable",
        Reading::Reconnect(_) => "reconnect",
    }
}

pub(super) fn read(delivery: &Delivery, reading: &Reading, at: Timestamp) -> Note {
    let failure = match reading {
        Reading::Unavailable(failure) | Reading::Reconnect(failure) => Some(failure),
        Reading::Found(_) | Reading::Absent | Reading::Ambiguous => None,
    };
    note(delivery, NoteKind::Reading, at, reading_word(reading), failure)
}

pub(super) fn sending(delivery: &Delivery, attempt: u32) {
    tracing::info!(
        correlation_id = %delivery.correlation,
        delivery = %delivery.id,
        network = delivery.network,
        part = delivery.flow.current(),
        attempt,
        "armed; sending"
    );
}

pub(super) fn answer(delivery: &Delivery, note: &Note) {
    tracing::info!(
        correlation_id = %delivery.correlation,
        delivery = %delivery.id,
        network = delivery.network,
        part = note.part,
        attempt = note.attempt,
        kind = note.kind.word(),
        result = note.result,
        code = note.code,
        status = note.status,
        "the network answered"
    );
}
