//! A run: changes in the order of tables and keys, packed and never changed. Must not take bytes
//! from the disk without checking them.

use std::cmp::Ordering;

use super::puts::Change;
use super::schema::Table;
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
}

impl Run {
    /// The run that these bytes are; `None` when they are not one.
    pub fn from_bytes(bytes: Vec<u8>) -> Option<Self> {
        let mut run = Self { bytes: Vec::new(), starts: Vec::new() };
        let (mut start, mut starts, mut last) = (0, Vec::new(), None);
        run.bytes = bytes;
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
        Some(run)
    }

    pub fn len(&self) -> usize {
        self.starts.len()
    }

    /// Adds what comes after all that is in it. Keys and values are within the store's bounds.
    pub fn push(&mut self, table: Table, (key, value): Change<'_>) {
        let short = |n: usize| u16::try_from(n).unwrap_or(u16::MAX);
        let long = |n: usize| u32::try_from(n).unwrap_or(DELETED);
        self.starts.push(long(self.bytes.len()));
        self.bytes.push(table.number());
        self.bytes.extend(short(key.len()).to_be_bytes());
        self.bytes.extend(value.map_or(DELETED, |value| long(value.len())).to_be_bytes());
        self.bytes.extend(key);
        self.bytes.extend(value.unwrap_or_default());
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
        };
        let (mut from_older, mut from_newer) = (0, 0);
        loop {
            let (old, new) = (older.get(from_older), newer.get(from_newer));
            let order = match (old, new) {
                (None, None) => return merged,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Rng as _, SeededRng};
    use crate::store::puts::Puts;

    fn packed(puts: &Puts) -> Run {
        let mut run = Run::default();
        puts.iter().for_each(|(table, change)| run.push(table, change));
        run
    }

    #[test]
    fn merging_is_making_the_changes_one_after_the_other() {
        let rng = SeededRng::new(1);
        let dice = |sides: u64| usize::try_from(rng.next_u64() % sides).unwrap();
        for _ in 0..200 {
            let (mut both, mut runs) = (Puts::default(), Vec::new());
            for _ in 0..2 {
                let mut puts = Puts::default();
                for _ in 0..dice(20) {
                    let table = [Table::Timers, Table::Calendar][dice(2)];
                    let key = vec![7; dice(6)];
                    let value = (dice(3) > 0).then(|| vec![3; dice(5)]);
                    both.insert(table, key.clone(), value.clone());
                    puts.insert(table, key, value);
                }
                runs.push(packed(&puts));
            }
            let merged = Run::merge(&runs[0], &runs[1]);
            assert_eq!(merged, packed(&both));
            assert_eq!(Run::from_bytes(merged.bytes.clone()), Some(merged.clone()));
            let pieces: Vec<Run> =
                merged.pieces(16).map(|piece| Run::from_bytes(piece.to_vec()).unwrap()).collect();
            let again = pieces.iter().fold(Run::default(), |all, piece| Run::merge(&all, piece));
            assert_eq!(again, merged);
        }
    }

    #[test]
    fn bytes_that_are_no_run_are_told() {
        let mut puts = Puts::default();
        puts.insert(Table::Timers, vec![1, 2], Some(vec![3]));
        puts.insert(Table::Timers, vec![4], None);
        let bytes = packed(&puts).bytes;
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
