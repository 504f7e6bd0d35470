//! What a jump of the wall clock means for deliveries that are being sent or looked for.

use crate::domain::event::Actor;
use crate::domain::publish::{Event, Moment};
use crate::engine::watch::{Jump, Mark};
use crate::service::{Change, Services, note_jump, transition};
use crate::store::{Error, WriteError, in_doubt};

/// Lets every doubt wait anew, and keeps the new mark, in one transaction: a jump counts for all or
/// not at all, and once. Returns how many there are.
pub(in super::super) async fn doubt_anew(
    services: &Services,
    jump: Jump,
    mark: Option<Mark>,
) -> Result<usize, Error> {
    let moment = Moment {
        now: services.now(),
        epoch: services.store.epoch(),
        dice: services.rng.next_u64(),
    };
    let event = Event::ClockJumped { back: jump.back() };
    let change = Change { event, moment, actor: Actor::System, note: None };
    let timing = services.timing.get();
    let written = services.store.write(move |tx| -> Result<usize, WriteError<Error>> {
        let mut moved = 0;
        for (scope, id) in in_doubt(&tx.view())? {
            // What nobody wonders about does not go by times.
            moved += usize::from(transition(tx, &scope, id, &timing, &change)?.is_ok());
        }
        if let Some(mark) = mark {
            mark.write(tx)?;
        }
        note_jump(tx, jump.word(), jump.size(), moment.now)?;
        Ok(moved)
    });
    written.await.map_err(|error| error.into_refusal(std::convert::identity))
}
