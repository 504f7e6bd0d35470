//! Changes by table and key, laid over the rows that they change. Must not copy what it passes on.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use super::Error;
use super::schema::Table;
use super::tx::{Range, Source, Visit};

/// A changed row: `None` where it is deleted.
pub(super) type Change<'a> = (&'a [u8], Option<&'a [u8]>);

/// Changes waiting to be written: `None` deletes.
#[derive(Default)]
pub(super) struct Puts(BTreeMap<Table, BTreeMap<Vec<u8>, Option<Vec<u8>>>>);

impl Puts {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn insert(&mut self, table: Table, key: Vec<u8>, put: Option<Vec<u8>>) {
        self.0.entry(table).or_default().insert(key, put);
    }

    /// In the order of tables and keys.
    pub fn iter(&self) -> impl Iterator<Item = (Table, Change<'_>)> {
        self.0.iter().flat_map(|(table, rows)| {
            rows.iter().map(|(key, put)| (*table, (key.as_slice(), put.as_deref())))
        })
    }

    /// The tables, each with its changes in the order of keys.
    pub fn into_tables(self) -> impl Iterator<Item = (Table, BTreeMap<Vec<u8>, Option<Vec<u8>>>)> {
        self.0.into_iter()
    }

    /// What it does with this row, if it does anything.
    fn get(&self, table: Table, key: &[u8]) -> Option<&Option<Vec<u8>>> {
        self.0.get(&table)?.get(key)
    }
}

/// Rows as changes leave them.
pub(super) struct Changed<'a> {
    pub base: &'a dyn Source,
    pub puts: &'a Puts,
}

impl Source for Changed<'_> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        match self.puts.get(table, key) {
            Some(put) => Ok(put.clone()),
            None => self.base.get(table, key),
        }
    }

    fn scan(&self, table: Table, range: &Range, visit: Visit<'_>) -> Result<(), Error> {
        let rows = self.puts.0.get(&table).filter(|_| !range.is_empty());
        let Some(rows) = rows else {
            return self.base.scan(table, range, visit);
        };
        let rows = rows.range::<[u8], _>(range.bounds());
        let rows = rows.map(|(key, put)| (key.as_slice(), put.as_deref()));
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
