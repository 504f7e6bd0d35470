//! Changes by table and key, laid over the rows that they change. Must not copy what it passes on.

use std::ops::ControlFlow;

use super::Error;
use super::run::Run;
use super::schema::Table;
use super::tx::{Range, Read, Source, Visit};

/// A changed row: `None` where it is deleted.
pub(super) type Change<'a> = (&'a [u8], Option<&'a [u8]>);

/// Rows as changes leave them.
pub(super) struct Changed<'a> {
    pub base: &'a dyn Source,
    pub puts: &'a Run,
}

impl Source for Changed<'_> {
    fn get(&self, table: Table, key: &[u8], read: Read<'_>) -> Result<(), Error> {
        match self.puts.find(0, table, key) {
            Some((_, put)) => put.into_iter().for_each(read),
            None => self.base.get(table, key, read)?,
        }
        Ok(())
    }

    fn scan(&self, table: Table, range: &Range, visit: Visit<'_>) -> Result<(), Error> {
        if range.is_empty() {
            return self.base.scan(table, range, visit);
        }
        let rows = self.puts.within(0, table, range);
        if rows.is_empty() {
            return self.base.scan(table, range, visit);
        }
        let rows = rows.filter_map(|n| self.puts.get(n)).map(|(_, change)| change);
        if range.backwards {
            scan_over(self.base, table, range, rows.rev(), visit)
        } else {
            scan_over(self.base, table, range, rows, visit)
        }
    }
}

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
