//! Layouts: the number that a database carries, and the steps from each older one to the next.
//! Records have versions of their own; a step is for what those cannot do: other keys or tables.

use super::Error;
use super::record::DecodeError;
use super::schema::Table;

/// A row as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawRow {
    pub table: Table,
    pub key: Vec<u8>,
    pub value: Vec<u8>,
}

/// Turns one row of a layout into the rows of the next that come of it.
pub type Step = fn(RawRow, &mut Vec<RawRow>) -> Result<(), DecodeError>;

/// What a program reads and writes.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    oldest: u64,
    steps: &'static [Step],
}

impl Layout {
    /// That of this program. A released step stays as it is.
    pub const CURRENT: Self = Self::new(1, &[]);

    /// Reads layouts from `oldest` on; each step leads to the next, the last to the one it writes.
    pub const fn new(oldest: u64, steps: &'static [Step]) -> Self {
        Self { oldest, steps }
    }

    pub fn oldest(&self) -> u64 {
        self.oldest
    }

    /// The number of the layout that is written.
    pub fn schema(&self) -> u64 {
        self.oldest + u64::try_from(self.steps.len()).unwrap_or(u64::MAX)
    }

    /// Whether a database with this number can be read.
    pub fn check(&self, found: u64) -> Result<(), Error> {
        if found > self.schema() {
            return Err(Error::NewerSchema { found, known: self.schema() });
        }
        if found < self.oldest() {
            return Err(Error::OlderSchema { found, oldest: self.oldest() });
        }
        Ok(())
    }

    /// A row of layout `from`, which is not older than the oldest, in the present one.
    pub fn lift(&self, from: u64, row: RawRow) -> Result<Vec<RawRow>, DecodeError> {
        let done = usize::try_from(from.saturating_sub(self.oldest)).unwrap_or(usize::MAX);
        let mut rows = vec![row];
        for step in self.steps.iter().skip(done) {
            let mut next = Vec::with_capacity(rows.len());
            for row in rows {
                step(row, &mut next)?;
            }
            rows = next;
        }
        Ok(rows)
    }
}
