//! A run: changes in the order of tables and keys, packed. Must not take bytes from the disk without
//! checking them.

use std::cmp::Ordering;

use super::changed::Change;
use super::schema::Table;
use super::sieve::Sieve;
use super::tx::Range;

/// A value of this length is none: the row is deleted.
const DELETED: u32 = u32::MAX;
const HEAD: usize = 7;

/// Each change is: number of its table, length of the key (16 bits), of the value (32 bits, or
/// [`DELETED`]), key, value; big-endian.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Run {
    bytes: Vec<u8>,
    starts: Vec<u32>,
    /// Of a run that stays as it is.
    sieve: Sieve,
}

impl Run {
    /// The changes of `other`, one after the other also as bytes.
    pub fn packed(other: &Self) -> Self {
        let mut run = Self {
            bytes: Vec::with_capacity(other.bytes.len()),
            starts: Vec::with_capacity(other.len()),
            sieve: Sieve::default(),
        };
        other.iter().for_each(|(table, change)| run.push(table, change));
        run.sieved()
    }

    /// The run that these bytes are; `None` when they are not one.
    pub fn from_bytes(bytes: Vec<u8>) -> Option<Self> {
        let mut run = Self { bytes, ..Self::default() };
        let (mut start, mut starts, mut last) = (0, Vec::new(), None);
        while start < run.bytes.len() {
            let (table, (key, value)) = run.change_at(start)?;
            if last.is_some_and(|last| last >= (table, key)) {
                return None;
            }
            last = Some((table, key));
            starts.push(u32::try_from(start).ok()?);
            start += HEAD + key.len() + value.map_or(0, <[u8]>::len);
        }
        run.starts = starts;
        Some(run.sieved())
    }

    /// With a sieve of all that is in it.
    fn sieved(self) -> Self {
        let sieve = Sieve::of(self.len(), self.iter().map(|(table, (key, _))| (table, key)));
        Self { sieve, ..self }
    }

    pub fn len(&self) -> usize {
        self.starts.len()
    }

    /// Forgets all of it, and keeps the room.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.starts.clear();
    }

    /// In the order of tables and keys.
    pub fn iter(&self) -> impl Iterator<Item = (Table, Change<'_>)> {
        (0..self.len()).filter_map(|n| self.get(n))
    }

    /// Adds what comes after all that is in it. Keys and values are within the store's bounds.
    pub fn push(&mut self, table: Table, (key, value): Change<'_>) {
        let start = self.begin(table, key);
        self.fill(start, value);
        self.starts.push(long(start));
    }

    /// Puts a change in its place, and forgets what was to become of the row before. Its bytes come
    /// last all the same: only [`Run::packed`] of it may be written.
    pub fn insert(&mut self, table: Table, (key, value): Change<'_>) {
        let start = self.begin(table, key);
        self.fill(start, value);
        self.index(start, table, key);
    }

    /// Like [`Run::insert`], of a value that `write` adds to the bytes; how long it is. After an
    /// error nothing is changed.
    pub fn insert_with<E>(
        &mut self,
        table: Table,
        key: &[u8],
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        let start = self.begin(table, key);
        let from = self.bytes.len();
        if let Err(error) = write(&mut self.bytes) {
            self.bytes.truncate(start);
            return Err(error);
        }
        self.tell(start, long(self.bytes.len() - from));
        self.index(start, table, key);
        Ok(())
    }

    /// Adds all of a change but its value, which is told of as deleted; where it starts.
    fn begin(&mut self, table: Table, key: &[u8]) -> usize {
        // It does not know this one.
        self.sieve = Sieve::default();
        let start = self.bytes.len();
        let [k0, k1] = u16::try_from(key.len()).unwrap_or(u16::MAX).to_be_bytes();
        let [v0, v1, v2, v3] = DELETED.to_be_bytes();
        self.bytes.extend_from_slice(&[table.number(), k0, k1, v0, v1, v2, v3]);
        self.bytes.extend_from_slice(key);
        start
    }

    /// Adds the value of the change at `start`, which is the last one.
    fn fill(&mut self, start: usize, value: Option<&[u8]>) {
        if let Some(value) = value {
            self.tell(start, long(value.len()));
            self.bytes.extend_from_slice(value);
        }
    }

    /// How long the value of the change at `start` is.
    fn tell(&mut self, start: usize, length: u32) {
        if let Some(place) = self.bytes.get_mut(start + 3..start + HEAD) {
            place.copy_from_slice(&length.to_be_bytes());
        }
    }

    /// Names the change at `start` in its place.
    fn index(&mut self, start: usize, table: Table, key: &[u8]) {
        let n = self.partition(0, |t, k| (t, k) < (table, key));
        let same = self.get(n).is_some_and(|(t, (k, _))| (t, k) == (table, key));
        match self.starts.get_mut(n).filter(|_| same) {
            Some(place) => *place = long(start),
            None => self.starts.insert(n, long(start)),
        }
    }

    /// Change number `n`.
    pub fn get(&self, n: usize) -> Option<(Table, Change<'_>)> {
        let start = usize::try_from(*self.starts.get(n)?).ok()?;
        self.change_at(start)
    }

    fn change_at(&self, start: usize) -> Option<(Table, Change<'_>)> {
        let (head, rest) = self.bytes.get(start..)?.split_first_chunk::<HEAD>()?;
        let [table, k0, k1, v0, v1, v2, v3] = *head;
        let (key, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes([k0, k1])))?;
        let value = match u32::from_be_bytes([v0, v1, v2, v3]) {
            DELETED => None,
            length => Some(rest.get(..usize::try_from(length).ok()?)?),
        };
        Some((Table::of_number(table)?, (key, value)))
    }

    /// How many changes, from the first on, satisfy `is_before`.
    fn partition(&self, from: usize, is_before: impl Fn(Table, &[u8]) -> bool) -> usize {
        let (mut low, mut high) = (from, self.len());
        while low < high {
            let middle = low.midpoint(high);
            match self.get(middle) {
                Some((table, (key, _))) if is_before(table, key) => low = middle + 1,
                _ => high = middle,
            }
        }
        low
    }

    /// Whether it may do something with a row whose key has this mark.
    pub fn may_have(&self, mark: u64) -> bool {
        self.sieve.lets_through(mark)
    }

    /// What it does with this row, if it does anything; changes before number `from` do not count.
    pub fn find(&self, from: usize, table: Table, key: &[u8]) -> Option<Change<'_>> {
        let n = self.partition(from, |t, k| (t, k) < (table, key));
        let (found, change) = self.get(n)?;
        (found == table && change.0 == key).then_some(change)
    }

    /// The numbers of the changes of `table` in `range`; it is not empty.
    pub fn within(&self, from: usize, table: Table, range: &Range) -> std::ops::Range<usize> {
        use std::ops::Bound::{Excluded, Included, Unbounded};
        let (low, high) = range.bounds();
        let start = self.partition(from, |t, k| match t.cmp(&table) {
            Ordering::Equal => match low {
                Included(low) => k < low,
                Excluded(low) => k <= low,
                Unbounded => false,
            },
            other => other.is_lt(),
        });
        let end = self.partition(start, |t, k| match t.cmp(&table) {
            Ordering::Equal => match high {
                Included(high) => k <= high,
                Excluded(high) => k < high,
                Unbounded => true,
            },
            other => other.is_lt(),
        });
        start..end
    }

    /// Both; where they change the same row, `newer` is right.
    pub fn merge(older: &Self, newer: &Self) -> Self {
        let mut merged = Self {
            bytes: Vec::with_capacity(older.bytes.len() + newer.bytes.len()),
            starts: Vec::with_capacity(older.len() + newer.len()),
            sieve: Sieve::default(),
        };
        let (mut from_older, mut from_newer) = (0, 0);
        loop {
            let (old, new) = (older.get(from_older), newer.get(from_newer));
            let order = match (old, new) {
                (None, None) => return merged.sieved(),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some((left, (old, _))), Some((right, (new, _)))) => {
                    left.cmp(&right).then_with(|| old.cmp(new))
                }
            };
            from_older += usize::from(order.is_le());
            from_newer += usize::from(order.is_ge());
            if let Some((table, change)) = if order.is_lt() { old } else { new } {
                merged.push(table, change);
            }
        }
    }

    /// The same in pieces of about `bytes`.
    pub fn pieces(&self, bytes: usize) -> impl Iterator<Item = &[u8]> {
        let mut start = 0;
        std::iter::from_fn(move || {
            let rest = self.bytes.get(start..).filter(|rest| !rest.is_empty())?;
            let next = self.starts.partition_point(|at| (*at as usize) < start + bytes);
            let end = self.starts.get(next).map_or(self.bytes.len(), |at| *at as usize);
            let piece = rest.get(..end - start)?;
            start = end;
            Some(piece)
        })
    }
}

/// A place in a run, which a batch keeps far shorter than that.
fn long(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(DELETED)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Rng as _, SeededRng};

    #[test]
    fn merging_is_making_the_changes_one_after_the_other() {
        let rng = SeededRng::new(1);
        let dice = |sides: u64| usize::try_from(rng.next_u64() % sides).unwrap();
        for _ in 0..200 {
            let (mut both, mut runs) = (Run::default(), Vec::new());
            for _ in 0..2 {
                let mut puts = Run::default();
                for _ in 0..dice(20) {
                    let table = [Table::Timers, Table::Calendar][dice(2)];
                    let key = vec![7; dice(6)];
                    let value = (dice(3) > 0).then(|| vec![3; dice(5)]);
                    both.insert(table, (&key, value.as_deref()));
                    puts.insert(table, (&key, value.as_deref()));
                }
                runs.push(Run::packed(&puts));
            }
            let merged = Run::merge(&runs[0], &runs[1]);
            assert_eq!(merged, Run::packed(&both));
            assert_eq!(Run::from_bytes(merged.bytes.clone()), Some(merged.clone()));
            let pieces: Vec<Run> =
                merged.pieces(16).map(|piece| Run::from_bytes(piece.to_vec()).unwrap()).collect();
            let none = Run::packed(&Run::default());
            let again = pieces.iter().fold(none, |all, piece| Run::merge(&all, piece));
            assert_eq!(again, merged);
        }
    }

    #[test]
    fn bytes_that_are_no_run_are_told() {
        let mut puts = Run::default();
        puts.insert(Table::Timers, (&[4], None));
        puts.insert(Table::Timers, (&[1, 2], Some(&[3])));
        let bytes = Run::packed(&puts).bytes;
        assert_eq!(
            bytes,
            [[1, 0, 2, 0, 0, 0, 1].as_slice(), &[1, 2, 3], &[1, 0, 1], &[255; 4], &[4]].concat()
        );
        // Cut at a change, it is a shorter run.
        let whole = |n: &usize| [0, 10, bytes.len()].contains(n);
        for n in 0..=bytes.len() {
            assert_eq!(Run::from_bytes(bytes[..n].to_vec()).is_some(), whole(&n), "{n}");
        }
        let backwards = [&bytes[10..], &bytes[..10]].concat();
        assert_eq!(Run::from_bytes(backwards), None);
        assert_eq!(Run::from_bytes([&[255], &bytes[1..]].concat()), None);
    }
}
