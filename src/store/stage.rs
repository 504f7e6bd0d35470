//! The stage: changes of scattered tables on their way there. Each batch notes them in one log row;
//! views see them in memory; the tables get them in slices, in key order, where one page takes many.
//! Must not be the only place that knows a change: the log row is in the batch that made it.

use std::ops::ControlFlow;
use std::sync::Arc;

use crate::base::limits;

use super::Error;
use super::changed::{Change, scan_over};
use super::key::Key as _;
use super::record::{self, DecodeError, Row as _};
use super::rows::Staged;
use super::run::Run;
use super::schema::Table;
use super::sieve::mark;
use super::source::OpenTables;
use super::tx::{Range, Read, Source, Span, View, Visit};

/// A log row is cut off about here, so that a long batch stays within the bound on values.
const LOG_ROW_BYTES: usize = 12 * 1024;
/// Log rows that a batch removes at most: about as many as a round of the stage leaves behind.
const TRIM: usize = 1_024;

/// What waits. A clone is cheap and does not change any more.
#[derive(Clone, Default)]
pub(super) struct Waiting {
    /// What moves to its tables now, and how many of it have.
    leaving: Arc<Run>,
    left: usize,
    /// What came since, oldest first. Runs of a size are merged, so that there are few.
    arriving: Vec<Arc<Run>>,
}

impl Waiting {
    pub(super) fn len(&self) -> usize {
        self.leaving.len() - self.left + self.arriving.iter().map(|run| run.len()).sum::<usize>()
    }

    fn push(&mut self, run: Run) {
        let mut run = Arc::new(run);
        while let Some(last) = self.arriving.pop_if(|last| last.len() < 2 * run.len()) {
            run = Arc::new(Run::merge(&last, &run));
        }
        self.arriving.push(run);
    }

    /// Everything that came is to leave, once all that was to leave has.
    fn turn(&mut self) {
        let mut runs = std::mem::take(&mut self.arriving).into_iter().rev();
        let newest = runs.next().unwrap_or_default();
        self.leaving = runs.fold(newest, |newer, older| Arc::new(Run::merge(&older, &newer)));
        self.left = 0;
    }

    /// Every run with the number of its first change that counts, oldest first.
    fn runs(&self) -> impl DoubleEndedIterator<Item = (&Run, usize)> {
        let arriving = self.arriving.iter().map(|run| (&**run, 0));
        std::iter::once((&*self.leaving, self.left)).chain(arriving)
    }
}

/// The changes of one range, from several runs, in its order.
struct Merged<'a> {
    /// Oldest first, with what is not passed yet.
    runs: Vec<(&'a Run, std::ops::Range<usize>)>,
    backwards: bool,
}

impl<'a> Iterator for Merged<'a> {
    type Item = Change<'a>;

    fn next(&mut self) -> Option<Change<'a>> {
        let backwards = self.backwards;
        let head = |run: &'a Run, left: &std::ops::Range<usize>| {
            if left.is_empty() {
                return None;
            }
            run.get(if backwards { left.end - 1 } else { left.start }).map(|(_, change)| change)
        };
        let mut found: Option<Change<'a>> = None;
        for (run, left) in &self.runs {
            if let Some((key, value)) = head(run, left)
                // Of equal keys, the newer: it comes later.
                && found.is_none_or(|(best, _)| if backwards { key >= best } else { key <= best })
            {
                found = Some((key, value));
            }
        }
        let (key, _) = found?;
        for (run, left) in &mut self.runs {
            if head(run, left).is_some_and(|(passed, _)| passed == key) {
                *left = if backwards { left.start..left.end - 1 } else { left.start + 1..left.end };
            }
        }
        found
    }
}

/// What waits, laid over the tables.
pub(super) struct Over<'a> {
    pub base: &'a dyn Source,
    pub waiting: &'a Waiting,
}

impl Source for Over<'_> {
    fn get(&self, table: Table, key: &[u8], read: Read<'_>) -> Result<(), Error> {
        if !table.row().scattered {
            return self.base.get(table, key, read);
        }
        let mark = mark(table, key);
        let mut runs = self.waiting.runs().rev().filter(|(run, _)| run.may_have(mark));
        match runs.find_map(|(run, from)| run.find(from, table, key)) {
            Some((_, put)) => put.into_iter().for_each(read),
            None => self.base.get(table, key, read)?,
        }
        Ok(())
    }

    fn scan(&self, table: Table, range: &Range, visit: Visit<'_>) -> Result<(), Error> {
        if range.is_empty() || !table.row().scattered {
            return self.base.scan(table, range, visit);
        }
        let runs = self.waiting.runs().map(|(run, from)| (run, run.within(from, table, range)));
        let runs = runs.filter(|(_, within)| !within.is_empty()).collect();
        let changes = Merged { runs, backwards: range.backwards };
        scan_over(self.base, table, range, changes, visit)
    }
}

/// The writer's side of it. A batch works on a clone, which counts when the batch is durable.
#[derive(Clone, Default)]
pub(super) struct Stage {
    pub waiting: Waiting,
    /// All that leaves came with this batch or an earlier one.
    turned: u64,
    /// Log rows up to this batch are not needed any more.
    settled: u64,
    /// Log rows up to this batch are removed.
    trimmed: u64,
}

impl Stage {
    /// What waits according to the log.
    pub(super) fn load(source: &dyn Source) -> Result<Self, Error> {
        let mut stage = Self::default();
        let mut after = None;
        loop {
            let page = View::new(source).scan_global::<Staged>(after.as_ref(), limits::PAGE_MAX)?;
            after = page.last().map(|(key, _)| *key);
            if after.is_none() {
                return Ok(stage);
            }
            for (_, row) in page {
                let corrupt =
                    Error::Corrupt { table: Table::Staged, cause: DecodeError::Malformed };
                stage.waiting.push(Run::from_bytes(row.run).ok_or(corrupt)?);
            }
        }
    }

    /// Writes the log rows of batch `batch`, which made `changes`, and moves rows on until no more
    /// than `keep` wait.
    pub(super) fn advance(
        &mut self,
        tables: &OpenTables<'_>,
        (batch, changes): (u64, &Run),
        keep: usize,
    ) -> Result<(), Error> {
        let run = Run::packed(changes);
        for (part, piece) in (0_u64..).zip(run.pieces(LOG_ROW_BYTES)) {
            let corrupt = |cause| Error::Corrupt { table: Staged::TABLE, cause };
            let value = record::encode(&Staged { run: piece.to_vec() }).map_err(corrupt)?;
            tables.put(Staged::TABLE, &(batch, part).to_bytes(), Some(&value))?;
        }
        if run.len() > 0 {
            self.waiting.push(run);
        }
        while self.waiting.len() > keep {
            self.settle(tables, batch, self.waiting.len() - keep)?;
        }
        self.trim(tables)
    }

    /// Puts the next `count` rows into their tables, or fewer where what leaves ends.
    fn settle(&mut self, tables: &OpenTables<'_>, batch: u64, count: usize) -> Result<(), Error> {
        let waiting = &mut self.waiting;
        if waiting.left == waiting.leaving.len() {
            waiting.turn();
            self.turned = batch;
        }
        let end = waiting.leaving.len().min(waiting.left + count);
        for n in waiting.left..end {
            if let Some((table, (key, put))) = waiting.leaving.get(n) {
                tables.put(table, key, put)?;
            }
        }
        waiting.left = end;
        if end == waiting.leaving.len() {
            self.settled = self.turned;
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
