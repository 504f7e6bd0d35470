//! The transitions. One function per event, each total over every phase.
//! Must not be split between callers: whatever moves a delivery goes through [`step`].

use super::{
    Decision, Doubt, Event, Failure, Flow, Hold, HoldReason, Moment, Next, Outcome, Part, Phase,
    Policy, Reading, Receipt, Refusal, Source, State, Wait,
};
use crate::base::{Timestamp, jitter, retry_wait};
use std::time::Duration;

type Stepped = Result<(Flow, Next), Refusal>;

/// The whole machine: the flow after `event`, and what to do once that flow is durable.
pub fn step(flow: &Flow, policy: &Policy, at: Moment, event: Event) -> Stepped {
    let mut flow = flow.clone();
    let next = match event {
        Event::Wake => wake(&mut flow, policy, at),
        Event::Ready => ready(&mut flow, policy, at),
        Event::NotReady { again, ticket } => not_ready(&mut flow, again, ticket),
        Event::Unprepared(outcome) => unprepared(&mut flow, policy, at, outcome),
        Event::Answer { attempt, epoch, outcome } => {
            answer(&mut flow, policy, at, (attempt, epoch), outcome)
        }
        Event::Reading { asked, reading } => read(&mut flow, policy, at, asked, reading),
        Event::Decide(decision) => decide(&mut flow, at, decision),
        Event::Cancel => cancel(&mut flow),
        Event::Resume(reason) => resume(&mut flow, at, reason),
        Event::ClockJumped { back } => doubt_anew(&mut flow, policy, at, back),
        Event::Restored => restored(&mut flow, at),
        Event::Move { due } => shift(&mut flow, due),
    }?;
    debug_assert!(flow.wake.is_none() == (flow.is_over() || flow.hold.is_some()));
    Ok((flow, next))
}

/// The part that can move on by itself, with its flow's other fields.
fn active(flow: &mut Flow) -> Result<usize, Refusal> {
    if flow.is_over() || flow.hold.is_some() {
        return Err(Refusal::Stale);
    }
    flow.current().ok_or(Refusal::Stale)
}

fn wake(flow: &mut Flow, policy: &Policy, at: Moment) -> Result<Next, Refusal> {
    let index = active(flow)?;
    if let Phase::Armed { epoch, at: armed } = flow.parts[index].phase {
        if epoch == at.epoch {
            return Err(Refusal::Stale);
        }
        // The process that armed it is gone, with or without having sent it: nobody can tell.
        lose(flow, index, policy, at, armed);
        return Ok(Next::Rest);
    }
    if flow.wake.is_some_and(|wake| wake > at.now) {
        return Err(Refusal::Stale);
    }
    if matches!(flow.parts[index].phase, Phase::Unknown { .. }) {
        return Ok(look(flow, index, policy, at));
    }
    Ok(if may_arm(flow, index, policy, at) { Next::Prepare } else { after_refused_arm(flow) })
}

/// Tests everything that stands between a part and its commit; on `false` the flow says why.
fn may_arm(flow: &mut Flow, index: usize, policy: &Policy, at: Moment) -> bool {
    let part = &mut flow.parts[index];
    if at.now.since(flow.due) > policy.grace {
        let tainted = part.doubt != Doubt::None;
        hold(flow, if tainted { HoldReason::OutcomeUnknown } else { HoldReason::Missed }, at);
        return false;
    }
    if let Doubt::Open { lost, .. } = part.doubt
        && !key_is_alive(part, policy, at.now)
    {
        // It was to be repeated under its key, and the key has died while it waited.
        part.phase = Phase::Unknown { absent: 0 };
        flow.wake = Some(lost.plus(policy.quiet()));
        return false;
    }
    true
}

fn after_refused_arm(flow: &Flow) -> Next {
    // An unknown part whose reading is due already is looked at by the next wake.
    debug_assert!(flow.hold.is_some() || flow.state() == State::Unknown);
    Next::Rest
}

fn key_is_alive(part: &Part, policy: &Policy, now: Timestamp) -> bool {
    match (policy.evidence.key, part.doubt) {
        (Some(key), Doubt::Open { armed, .. }) => {
            part.used < policy.attempts && now <= armed.plus(key.life)
        }
        _ => false,
    }
}

/// What an unknown part whose time has come does: repeat under its key, read, or ask a person.
fn look(flow: &mut Flow, index: usize, policy: &Policy, at: Moment) -> Next {
    let part = &flow.parts[index];
    let Doubt::Open { lost, .. } = part.doubt else {
        return Next::Rest;
    };
    if key_is_alive(part, policy, at.now) {
        return if may_arm(flow, index, policy, at) { Next::Prepare } else { Next::Rest };
    }
    if policy.evidence.read_back.is_none() {
        hold(flow, HoldReason::OutcomeUnknown, at);
        return Next::Rest;
    }
    let quiet_end = lost.plus(policy.quiet());
    if at.now < quiet_end {
        flow.wake = Some(quiet_end);
        return Next::Rest;
    }
    Next::ReadBack
}

fn ready(flow: &mut Flow, policy: &Policy, at: Moment) -> Result<Next, Refusal> {
    let index = active(flow)?;
    match flow.parts[index].phase {
        Phase::Waiting(_) | Phase::Preparing { .. } => {}
        Phase::Unknown { .. } if key_is_alive(&flow.parts[index], policy, at.now) => {}
        _ => return Err(Refusal::Stale),
    }
    if !may_arm(flow, index, policy, at) {
        return Ok(Next::Rest);
    }
    let part = &mut flow.parts[index];
    part.attempt += 1;
    part.phase = Phase::Armed { epoch: at.epoch, at: at.now };
    // The timer stays where it is, in the past, so that a restart finds the part at once.
    Ok(Next::Commit { attempt: part.attempt })
}

fn not_ready(flow: &mut Flow, again: Timestamp, ticket: Vec<u8>) -> Result<Next, Refusal> {
    let index = active(flow)?;
    let part = &mut flow.parts[index];
    match part.phase {
        Phase::Waiting(_) | Phase::Preparing { .. } => part.phase = Phase::Preparing { ticket },
        // Under a key: the repeat waits, the doubt stays.
        Phase::Unknown { .. } => {}
        _ => return Err(Refusal::Stale),
    }
    flow.wake = Some(again);
    Ok(Next::Rest)
}

fn unprepared(
    flow: &mut Flow,
    policy: &Policy,
    at: Moment,
    outcome: Outcome,
) -> Result<Next, Refusal> {
    let index = active(flow)?;
    match flow.parts[index].phase {
        Phase::Waiting(_) | Phase::Preparing { .. } | Phase::Unknown { .. } => {}
        _ => return Err(Refusal::Stale),
    }
    // Preparing is reversible, so a lost answer is no more than a passing fault.
    let outcome = match outcome {
        Outcome::Lost(failure) => Outcome::Transient(failure),
        Outcome::Done(_) | Outcome::Exists(_) => return Err(Refusal::Stale),
        other => other,
    };
    Ok(settle(flow, index, policy, at, outcome, at.now))
}

fn answer(
    flow: &mut Flow,
    policy: &Policy,
    at: Moment,
    (attempt, epoch): (u32, u64),
    outcome: Outcome,
) -> Result<Next, Refusal> {
    let index = flow.current().ok_or(Refusal::Stale)?;
    let part = &flow.parts[index];
    match part.phase {
        Phase::Armed { epoch: armed_in, at: armed }
            if armed_in == epoch && part.attempt == attempt =>
        {
            Ok(settle(flow, index, policy, at, outcome, armed))
        }
        _ => Err(Refusal::Stale),
    }
}

/// Applies the outcome of a call. `armed` is when the call was armed.
fn settle(
    flow: &mut Flow,
    index: usize,
    policy: &Policy,
    at: Moment,
    outcome: Outcome,
    armed: Timestamp,
) -> Next {
    match outcome {
        Outcome::Done(receipt) | Outcome::Exists(Some(receipt)) => {
            return publish(flow, index, receipt);
        }
        // It exists, but which it is must be read.
        Outcome::Exists(None) | Outcome::Lost(_) => lose(flow, index, policy, at, armed),
        Outcome::Transient(failure) => retry(flow, index, policy, at, failure),
        Outcome::RateLimited { until, .. } => {
            flow.parts[index].phase = Phase::Waiting(Wait::RateLimit);
            flow.wake = Some(until.max(at.now));
        }
        Outcome::Refused(failure) => refuse(flow, index, policy, at, failure),
        Outcome::Reconnect(_) => {
            flow.parts[index].phase = Phase::Waiting(Wait::Due);
            hold(flow, HoldReason::ReconnectNeeded, at);
        }
        Outcome::Billing(_) => {
            flow.parts[index].phase = Phase::Waiting(Wait::Due);
            hold(flow, HoldReason::Billing, at);
        }
    }
    Next::Rest
}

fn publish(flow: &mut Flow, index: usize, receipt: Receipt) -> Next {
    let out_at = receipt.at;
    flow.parts[index].phase = Phase::Published(receipt);
    flow.hold = None;
    let Some(following) = flow.parts.get_mut(index + 1) else {
        flow.wake = None;
        return Next::Rest;
    };
    following.phase = Phase::Waiting(Wait::Due);
    flow.due = out_at.plus(following.delay);
    flow.wake = Some(flow.due);
    // The driver wakes it at once when there is no delay; there is nothing to do before that.
    Next::Rest
}

/// The part may be out: from now on only evidence moves it.
fn lose(flow: &mut Flow, index: usize, policy: &Policy, at: Moment, armed: Timestamp) {
    let part = &mut flow.parts[index];
    let oldest = match part.doubt {
        Doubt::Open { armed: oldest, .. } => oldest.min(armed),
        Doubt::None | Doubt::Absent => armed,
    };
    part.used += 1;
    part.doubt = Doubt::Open { armed: oldest, lost: at.now };
    part.phase = Phase::Unknown { absent: 0 };
    let wait = match policy.evidence.key {
        Some(key) if key_is_alive(part, policy, at.now) => key.settle.max(if part.used > 1 {
            retry_wait(policy.retry_base, part.used - 1, at.dice)
        } else {
            key.settle
        }),
        _ => policy.quiet(),
    };
    flow.wake = Some(at.now.plus(wait));
}

fn retry(flow: &mut Flow, index: usize, policy: &Policy, at: Moment, failure: Failure) {
    let part = &mut flow.parts[index];
    part.used += 1;
    if part.used >= policy.attempts {
        let used_up = Failure { code: "attempts_used_up".to_owned(), ..failure };
        refuse(flow, index, policy, at, used_up);
        return;
    }
    part.phase = Phase::Waiting(Wait::Retry);
    flow.wake = Some(at.now.plus(retry_wait(policy.retry_base, part.used, at.dice)));
}

/// How wrong a clock may have been that was set while nobody could see it.
const UNSEEN: Duration = Duration::from_hours(24);

/// Times of the doubt are of another clock now. The quiet period begins again, so that no reading is
/// too early. What was armed is as long ago as it was, so that no key lives too long, and never
/// later than noted, so that a listing is read far enough back whichever clock was right. What waits
/// for a person goes by times again once it is resumed.
fn doubt_anew(
    flow: &mut Flow,
    policy: &Policy,
    at: Moment,
    back: Option<Duration>,
) -> Result<Next, Refusal> {
    if flow.is_over() {
        return Err(Refusal::Stale);
    }
    let index = flow.current().ok_or(Refusal::Stale)?;
    let part = &mut flow.parts[index];
    let earlier = |armed: Timestamp| match back {
        Some(back) => armed.minus(back),
        // By a clock that was ahead by nobody knows how much.
        None if armed > at.now => Timestamp::from_millis(0),
        None => armed.minus(UNSEEN),
    };
    let open = matches!(part.doubt, Doubt::Open { .. });
    if let Doubt::Open { armed, .. } = part.doubt {
        part.doubt = Doubt::Open { armed: earlier(armed), lost: at.now };
    }
    match &mut part.phase {
        Phase::Armed { at: armed, .. } => {
            *armed = earlier(*armed);
            // The timer stays in the past, so that a restart finds the part at once.
            flow.wake = flow.wake.map(|wake| wake.min(at.now));
        }
        Phase::Unknown { absent } => {
            *absent = 0;
            if flow.hold.is_none() {
                let settle = policy.evidence.key.map(|key| key.settle).unwrap_or_default();
                flow.wake = Some(at.now.plus(policy.quiet().max(settle)));
            }
        }
        // A repeat under its key that waits: the key's age is tested when it is armed.
        _ if open => {}
        _ => return Err(Refusal::Stale),
    }
    Ok(Next::Rest)
}

/// A clean refusal: a failure, unless an earlier attempt may have got through. Then it is read
/// back where that can be done, and no attempt is left for after that.
fn refuse(flow: &mut Flow, index: usize, policy: &Policy, at: Moment, failure: Failure) {
    let part = &mut flow.parts[index];
    match part.doubt {
        Doubt::None => {
            part.phase = Phase::Failed(failure);
            flow.wake = None;
        }
        Doubt::Open { lost, .. } if policy.evidence.read_back.is_some() => {
            part.used = part.used.max(policy.attempts);
            part.phase = Phase::Unknown { absent: 0 };
            flow.wake = Some(lost.plus(policy.quiet()).max(at.now));
        }
        Doubt::Open { .. } | Doubt::Absent => {
            part.phase = Phase::Waiting(Wait::Retry);
            hold(flow, HoldReason::OutcomeUnknown, at);
        }
    }
}

fn hold(flow: &mut Flow, reason: HoldReason, at: Moment) {
    flow.hold = Some(Hold { reason, since: at.now });
    flow.wake = None;
}

fn read(
    flow: &mut Flow,
    policy: &Policy,
    at: Moment,
    asked: Timestamp,
    reading: Reading,
) -> Result<Next, Refusal> {
    let index = active(flow)?;
    let part = &mut flow.parts[index];
    let (Phase::Unknown { absent }, Doubt::Open { lost, .. }) = (&part.phase, part.doubt) else {
        return Err(Refusal::Stale);
    };
    let absent = *absent;
    match reading {
        Reading::Found(receipt) => return Ok(publish(flow, index, receipt)),
        Reading::Ambiguous => hold(flow, HoldReason::OutcomeUnknown, at),
        Reading::Reconnect(_) => hold(flow, HoldReason::ReconnectNeeded, at),
        Reading::Unavailable(_) if at.now.since(lost) > policy.look_budget => {
            hold(flow, HoldReason::OutcomeUnknown, at);
        }
        // The longer it lasts, the rarer it is asked.
        Reading::Unavailable(_) => {
            let wait = policy.retry_base.max(at.now.since(lost) / 4);
            flow.wake = Some(at.now.plus(jitter(wait, at.dice)));
        }
        // Too early to prove anything.
        Reading::Absent if asked < lost.plus(policy.quiet()) => {
            flow.wake = Some(lost.plus(policy.quiet()).max(at.now));
        }
        Reading::Absent if absent == 0 => {
            part.phase = Phase::Unknown { absent: 1 };
            flow.wake = Some(at.now.plus(policy.second_look));
        }
        Reading::Absent => {
            part.doubt = Doubt::Absent;
            if part.used >= policy.attempts {
                part.phase = Phase::Waiting(Wait::Retry);
                hold(flow, HoldReason::OutcomeUnknown, at);
            } else {
                part.phase = Phase::Waiting(Wait::Retry);
                flow.wake = Some(at.now);
            }
        }
    }
    Ok(Next::Rest)
}

fn decide(flow: &mut Flow, at: Moment, decision: Decision) -> Result<Next, Refusal> {
    // Refused for good: it is certainly not there, so a person may only let it try again.
    let refused = !flow.cancelled
        && flow.current_part().is_some_and(|part| matches!(part.phase, Phase::Failed(_)));
    if flow.is_over() && !refused {
        return Err(Refusal::Finished);
    }
    if flow.hold.is_none()
        && (!refused || matches!(decision, Decision::ItIsThere { .. } | Decision::Drop))
    {
        return Err(Refusal::NotHeld);
    }
    let index = flow.current().ok_or(Refusal::Finished)?;
    match decision {
        Decision::ItIsThere { url } => {
            let receipt =
                Receipt { remote_id: String::new(), url, at: at.now, source: Source::Person };
            return Ok(publish(flow, index, receipt));
        }
        Decision::SendAgain => send_again(flow, index, at.now),
        Decision::SendAt { due } => send_again(flow, index, due),
        Decision::Drop => {
            flow.cancelled = true;
            flow.hold = None;
            flow.wake = None;
        }
    }
    Ok(Next::Rest)
}

fn send_again(flow: &mut Flow, index: usize, due: Timestamp) {
    let part = &mut flow.parts[index];
    if part.doubt != Doubt::None {
        part.doubt = Doubt::Absent;
    }
    part.used = 0;
    part.phase = Phase::Waiting(Wait::Due);
    flow.hold = None;
    flow.due = due;
    flow.wake = Some(due);
}

/// The part may be out, and no reading is trusted to say: a person decides. The doubt keeps it from
/// being edited, moved or cancelled as if nothing had been sent.
fn restored(flow: &mut Flow, at: Moment) -> Result<Next, Refusal> {
    if flow.is_over() {
        return Err(Refusal::Finished);
    }
    let index = flow.current().ok_or(Refusal::Finished)?;
    let part = &mut flow.parts[index];
    let armed = match (part.doubt, &part.phase) {
        (Doubt::Open { armed, .. }, _) => armed,
        (_, Phase::Armed { at: armed, .. }) => *armed,
        _ => flow.due.min(at.now),
    };
    part.doubt = Doubt::Open { armed, lost: at.now };
    part.phase = Phase::Waiting(Wait::Due);
    hold(flow, HoldReason::Restored, at);
    Ok(Next::Rest)
}

fn cancel(flow: &mut Flow) -> Result<Next, Refusal> {
    if flow.is_over() {
        return Err(Refusal::Finished);
    }
    // In doubt is as good as in flight: "cancelled" says that nothing is out there. A person who
    // knows better decides on the held delivery.
    let in_doubt = |p: &Part| matches!(p.doubt, Doubt::Open { .. });
    if flow.is_in_flight() || flow.current_part().is_some_and(in_doubt) {
        return Err(Refusal::InFlight);
    }
    flow.cancelled = true;
    flow.hold = None;
    flow.wake = None;
    Ok(Next::Rest)
}

fn resume(flow: &mut Flow, at: Moment, reason: HoldReason) -> Result<Next, Refusal> {
    if flow.hold.as_ref().map(|h| h.reason) != Some(reason) {
        return Err(Refusal::Stale);
    }
    let index = flow.current().ok_or(Refusal::Finished)?;
    flow.hold = None;
    flow.wake = Some(at.now);
    let part = &mut flow.parts[index];
    if matches!(part.doubt, Doubt::Open { .. }) {
        part.phase = Phase::Unknown { absent: 0 };
    }
    Ok(Next::Rest)
}

fn shift(flow: &mut Flow, due: Timestamp) -> Result<Next, Refusal> {
    flow.is_editable()?;
    let index = flow.current().ok_or(Refusal::Finished)?;
    // Held for being missed (or waiting to be retried): a new time is a new start.
    flow.hold = None;
    flow.parts[index].phase = Phase::Waiting(Wait::Due);
    flow.parts[index].used = 0;
    flow.due = due;
    flow.wake = Some(due);
    Ok(Next::Rest)
}
