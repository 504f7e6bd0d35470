//! The wheel: what is due next, in order. Must not read a clock, start a thread or wait; the truth
//! is the timer table on disk, and this holds its next few minutes.
//!
//! It is one ordered set and not slots of ticks. Cancelling one of ten thousand entries that share
//! a millisecond, and taking the same entry twice, need an ordered set in any case; slots would be
//! a second index beside it. The 65,536 entries that it may hold go in within 10 ms and come out at
//! 40 ns each (measured on two cores, 2026-11); one durable commit takes longer than ten thousand
//! of them. In return the next due instant is exact, the order is total, a jump of the clock costs
//! only the entries that it makes due, and there is no horizon.

use std::collections::BTreeSet;

use crate::base::Timestamp;

#[cfg(test)]
mod model;

/// Entries of type `T`, each waiting for its instant. The caller bounds how many there are.
#[derive(Debug)]
pub struct Wheel<T> {
    waiting: BTreeSet<(Timestamp, T)>,
}

impl<T: Ord> Wheel<T> {
    pub const fn new() -> Self {
        Self { waiting: BTreeSet::new() }
    }

    /// Adds an entry, overdue or not; `false` when this entry already waits for this instant. The
    /// same entry may wait for several instants.
    pub fn insert(&mut self, due: Timestamp, entry: T) -> bool {
        self.waiting.insert((due, entry))
    }

    /// Takes an entry out; `false` when it does not wait for this instant.
    pub fn cancel(&mut self, due: Timestamp, entry: T) -> bool {
        self.waiting.remove(&(due, entry))
    }

    /// Takes out everything due at or before `now`, by due instant, then by entry. `now` may be
    /// earlier than at the last call: what was given out is gone, what waits goes on waiting.
    pub fn advance(&mut self, now: Timestamp) -> Vec<(Timestamp, T)> {
        let mut due = Vec::new();
        while self.next_due().is_some_and(|next| next <= now) {
            due.extend(self.waiting.pop_first());
        }
        due
    }

    /// The earliest instant that anything waits for, exactly.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.waiting.first().map(|(due, _)| *due)
    }

    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub fn clear(&mut self) {
        self.waiting.clear();
    }
}

impl<T: Ord> Default for Wheel<T> {
    fn default() -> Self {
        Self::new()
    }
}
