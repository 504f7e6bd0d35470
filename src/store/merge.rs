//! Changes laid over the rows that they change, in one order. Must not copy what it passes on.

use std::ops::{Bound, ControlFlow};

use super::Error;
use super::schema::Table;
use super::tx::{Range, Source, Visit};

/// A changed row: `None` where it is deleted.
pub(super) type Change<'a> = (&'a [u8], Option<&'a [u8]>);

/// Visits `range` of `base` as `changes` leave it. They are those of the range, in its order.
pub(super) fn scan_over<'a>(
    base: &dyn Source,
    table: Table,
    range: &Range,
    changes: impl Iterator<Item = Change<'a>>,
    visit: Visit<'_>,
) -> Result<(), Error> {
    let mut changes = changes.peekable();
    let mut stopped = false;
    let before = |a: &[u8], b: &[u8]| if range.backwards { a > b } else { a < b };
    base.scan(table, range, &mut |key, value| {
        while let Some((changed, put)) = changes.next_if(|(changed, _)| before(changed, key)) {
            if put.is_some_and(|put| visit(changed, put).is_break()) {
                stopped = true;
                return ControlFlow::Break(());
            }
        }
        let flow = match changes.next_if(|(changed, _)| *changed == key) {
            Some((_, Some(put))) => visit(key, put),
            Some((_, None)) => ControlFlow::Continue(()),
            None => visit(key, value),
        };
        stopped = flow.is_break();
        flow
    })?;
    for (changed, put) in changes {
        if stopped || put.is_some_and(|put| visit(changed, put).is_break()) {
            break;
        }
    }
    Ok(())
}

/// Whether the range ends before it begins, which neither redb nor an ordered map would take.
pub(super) fn is_empty<T: Ord + ?Sized>(from: Bound<&T>, to: Bound<&T>) -> bool {
    match (from, to) {
        (Bound::Included(a), Bound::Included(b)) => a > b,
        (Bound::Included(a) | Bound::Excluded(a), Bound::Included(b) | Bound::Excluded(b)) => {
            a >= b
        }
        _ => false,
    }
}
