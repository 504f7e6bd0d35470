//! How many posts of each month a workspace has, kept by the transactions that change it. A post
//! counts once, in the UTC month in which it is due, as long as any of its deliveries is scheduled,
//! under way, held or out; not as a draft, nor when it is cancelled or failed everywhere. Must not
//! be bypassed: whoever plans deliveries takes, `transition` gives back.

use super::no;
use crate::base::{Code, Problem, Timestamp};
use crate::domain::delivery::Delivery;
use crate::domain::plan::{Cap, Entitlement, Granted, Plans, month_of, month_word};
use crate::domain::post::Post;
use crate::domain::publish::State;
use crate::store::rows::Usage;
use crate::store::{Error, Scope, Tx, View, WriteError};

/// What the workspace may have.
pub(super) fn granted(view: &View<'_>, scope: &Scope, plans: &Plans) -> Result<Granted, Error> {
    Ok(plans.granted(view.get::<Entitlement>(scope, &())?.as_ref()))
}

/// Over a limit: which, how much it is, how much is used, and by which plan.
pub(super) fn over(limit: &'static str, (most, used): (Cap, u64), granted: &Granted) -> Problem {
    Problem::new(Code::PlanLimit)
        .with("limit", limit)
        .with("most", most.most().unwrap_or(u64::MAX))
        .with("used", used)
        .with("plan", granted.plan.word())
}

/// Whether a delivery makes its post count.
pub(super) fn counts(delivery: &Delivery) -> bool {
    !matches!(delivery.flow.state(), State::Cancelled | State::Failed)
}

/// Posts that count in the month that begins with `month`.
pub(super) fn posts_of(view: &View<'_>, scope: &Scope, month: Timestamp) -> Result<u64, Error> {
    Ok(view.get::<Usage>(scope, &month)?.map_or(0, |usage| usage.posts))
}

/// When the post is due, if it counts.
pub(super) fn counted(
    view: &View<'_>,
    scope: &Scope,
    post: &Post,
) -> Result<Option<Timestamp>, Error> {
    for id in post.targets.iter().filter_map(|target| target.delivery) {
        if let Some(delivery) = view.get::<Delivery>(scope, &id)?.filter(counts) {
            return Ok(Some(delivery.due));
        }
    }
    Ok(None)
}

/// Counts one more post that is due at `due`, if the plan has room for it.
pub(super) fn take(
    tx: &mut Tx<'_>,
    scope: &Scope,
    plans: &Plans,
    due: Timestamp,
) -> Result<(), WriteError<Problem>> {
    let month = month_of(due);
    let granted = granted(&tx.view(), scope, plans)?;
    let (used, most) = (posts_of(&tx.view(), scope, month)?, granted.limits.posts);
    if !most.has_room(used) {
        return no(over("posts_a_month", (most, used), &granted).with("month", month_word(month)));
    }
    Ok(tx.put(scope, &month, &Usage { posts: used + 1 })?)
}

/// What was due at `before` is due at `after` now: takes only where the month is another one.
pub(super) fn follow(
    tx: &mut Tx<'_>,
    scope: &Scope,
    plans: &Plans,
    (before, after): (Option<Timestamp>, Option<Timestamp>),
) -> Result<(), WriteError<Problem>> {
    if before.map(month_of) == after.map(month_of) {
        return Ok(());
    }
    if let Some(due) = before {
        less(tx, scope, due)?;
    }
    after.map_or(Ok(()), |due| take(tx, scope, plans, due))
}

/// A delivery that counted does so no more; neither does its post, unless another one still counts.
pub(super) fn give_back(tx: &mut Tx<'_>, scope: &Scope, gone: &Delivery) -> Result<(), Error> {
    let post = tx.get::<Post>(scope, &gone.post)?;
    // Its row is written already, and says that it does not count.
    if let Some(post) = post
        && counted(&tx.view(), scope, &post)?.is_some()
    {
        return Ok(());
    }
    less(tx, scope, gone.due)
}

fn less(tx: &mut Tx<'_>, scope: &Scope, due: Timestamp) -> Result<(), Error> {
    let month = month_of(due);
    match posts_of(&tx.view(), scope, month)? {
        0 | 1 => tx.delete::<Usage>(scope, &month),
        used => tx.put(scope, &month, &Usage { posts: used - 1 })?,
    }
    Ok(())
}
