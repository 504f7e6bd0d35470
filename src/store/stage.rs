//! The stage: changes of scattered tables on their way there. Each batch notes them in one log row;
//! views see them in memory; the tables get them in slices, in key order, where one page takes many.
//! Must not be the only place that knows a change: the log row is in the batch that made it.

use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};

use rpds::RedBlackTreeMapSync;

use crate::base::limits;

use super::Error;
use super::key::Key as _;
use super::merge::{is_empty, scan_over};
use super::record::{self, DecodeError, Row as _};
use super::rows::Staged;
use super::schema::Table;
use super::source::OpenTables;
use super::tx::{Range, Source, Span, View, Visit};

/// A log row is cut off about here, so that a long batch stays within the bound on values.
const LOG_ROW_BYTES: usize = 12 * 1024;
/// Log rows that a batch removes at most: more than it adds, so that they never pile up.
const TRIM: usize = 32;

type Bytes = Box<[u8]>;
type Sorted = RedBlackTreeMapSync<Bytes, Option<Bytes>>;

/// What waits, by table and key; `None` deletes. A clone is cheap and does not change any more.
#[derive(Clone, Default)]
pub(super) struct Waiting(BTreeMap<Table, Sorted>);

impl Waiting {
    pub(super) fn len(&self) -> usize {
        self.0.values().map(Sorted::size).sum()
    }

    fn put(&mut self, table: Table, key: &[u8], value: Option<&[u8]>) {
        let rows = self.0.entry(table).or_insert_with(Sorted::new_sync);
        rows.insert_mut(key.into(), value.map(Into::into));
    }

    /// The first `count` at or after `from`, in the order of tables and keys.
    fn slice(&self, from: Option<&Place>, count: usize) -> Vec<Place> {
        let mut found = Vec::with_capacity(count.min(self.len()));
        for (table, rows) in &self.0 {
            let start: Bound<&[u8]> = match from {
                Some((last, _)) if table < last => continue,
                Some((last, key)) if table == last => Bound::Excluded(key),
                _ => Bound::Unbounded,
            };
            let rows = rows.range::<[u8], _>((start, Bound::Unbounded));
            let left = count - found.len();
            found.extend(rows.take(left).map(|(key, _)| (*table, key.clone())));
            if found.len() == count {
                break;
            }
        }
        found
    }
}

type Place = (Table, Bytes);

/// What waits, laid over the tables.
pub(super) struct Over<'a> {
    pub base: &'a dyn Source,
    pub waiting: &'a Waiting,
}

impl Source for Over<'_> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        match self.waiting.0.get(&table).and_then(|rows| rows.get(key)) {
            Some(put) => Ok(put.as_ref().map(|put| put.to_vec())),
            None => self.base.get(table, key),
        }
    }

    fn scan(&self, table: Table, range: &Range, visit: Visit<'_>) -> Result<(), Error> {
        fn slice(bound: &Bound<Vec<u8>>) -> Bound<&[u8]> {
            bound.as_ref().map(Vec::as_slice)
        }
        let bounds = (slice(&range.from), slice(&range.to));
        let rows = self.waiting.0.get(&table).filter(|_| !is_empty(bounds.0, bounds.1));
        let Some(rows) = rows else {
            return self.base.scan(table, range, visit);
        };
        let rows = rows.range::<[u8], _>(bounds).map(|(key, put)| (&**key, put.as_deref()));
        if range.backwards {
            scan_over(self.base, table, range, rows.rev(), visit)
        } else {
            scan_over(self.base, table, range, rows, visit)
        }
    }
}

/// The writer's side of it. A batch works on a clone, which counts when the batch is durable.
#[derive(Clone, Default)]
pub(super) struct Stage {
    pub waiting: Waiting,
    /// What this batch changed: its log rows to be.
    noted: Vec<Staged>,
    /// Bytes of keys and rows in the last of them.
    noted_bytes: usize,
    /// Where the last slice ended; slices go round.
    cursor: Option<Place>,
    /// The batch that the round began after: when it ends, all up to there is in its table.
    round: u64,
    /// Log rows up to this batch are not needed any more.
    settled: u64,
    /// Log rows up to this batch are removed.
    trimmed: u64,
}

impl Stage {
    /// What waits according to the log, after batch number `batch`.
    pub(super) fn load(source: &dyn Source, batch: u64) -> Result<Self, Error> {
        let mut stage = Self { round: batch, ..Self::default() };
        let mut after = None;
        loop {
            let page = View::new(source).scan_global::<Staged>(after.as_ref(), limits::PAGE_MAX)?;
            for (_, row) in &page {
                let corrupt =
                    Error::Corrupt { table: Table::Staged, cause: DecodeError::Malformed };
                for (table, key, value) in row.changes().ok_or(corrupt)? {
                    stage.waiting.put(table, key, value);
                }
            }
            match page.into_iter().last() {
                Some((key, _)) => after = Some(key),
                None => return Ok(stage),
            }
        }
    }

    pub(super) fn put(&mut self, table: Table, key: &[u8], value: Option<&[u8]>) {
        self.waiting.put(table, key, value);
        if self.noted.is_empty() || self.noted_bytes > LOG_ROW_BYTES {
            self.noted.push(Staged::default());
            self.noted_bytes = 0;
        }
        if let Some(row) = self.noted.last_mut() {
            row.push(table, key, value);
        }
        self.noted_bytes += key.len() + value.map_or(0, <[u8]>::len);
    }

    /// Writes the log rows of batch `batch`, and moves rows on until no more than `keep` wait.
    pub(super) fn advance(
        &mut self,
        tables: &OpenTables<'_>,
        batch: u64,
        keep: usize,
    ) -> Result<(), Error> {
        for (part, row) in (0_u64..).zip(std::mem::take(&mut self.noted)) {
            let corrupt = |cause| Error::Corrupt { table: Staged::TABLE, cause };
            let value = record::encode(&row).map_err(corrupt)?;
            tables.put(Staged::TABLE, &(batch, part).to_bytes(), Some(&value))?;
        }
        while self.waiting.len() > keep {
            self.settle(tables, batch, self.waiting.len() - keep)?;
        }
        self.trim(tables)
    }

    /// Puts the next `count` rows into their tables; fewer at the end of a round.
    fn settle(&mut self, tables: &OpenTables<'_>, batch: u64, count: usize) -> Result<(), Error> {
        let slice = self.waiting.slice(self.cursor.as_ref(), count);
        for (table, key) in &slice {
            let Some(rows) = self.waiting.0.get_mut(table) else { continue };
            if let Some(put) = rows.get(key) {
                tables.put(*table, key, put.as_deref())?;
            }
            rows.remove_mut(key);
        }
        let ended = slice.len() < count;
        self.cursor = slice.into_iter().last().filter(|_| !ended);
        if ended {
            // Whatever waited when the round began has been passed.
            self.settled = self.round;
            self.round = batch;
        }
        Ok(())
    }

    fn trim(&mut self, tables: &OpenTables<'_>) -> Result<(), Error> {
        if self.trimmed >= self.settled {
            return Ok(());
        }
        let span = Span::first(TRIM).from(&self.trimmed).to(&(self.settled + 1));
        let mut over: Vec<Vec<u8>> = Vec::new();
        tables.scan(Table::Staged, &span.range(&[]), &mut |key, _| {
            over.push(key.to_vec());
            if over.len() < TRIM { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        for key in &over {
            tables.put(Table::Staged, key, None)?;
        }
        if over.len() < TRIM {
            self.trimmed = self.settled;
        }
        Ok(())
    }
}
