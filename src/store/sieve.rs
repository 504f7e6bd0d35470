//! A sieve: tells of most keys at once that they are not in a run. Must not say so of one that is.

use super::schema::Table;

/// Bits that a key has; with two of them set, it lets one of seventy through that is not there.
const BITS_PER_KEY: usize = 16;

/// Which of the bits are set, whose number is a power of two. Without bits it lets all through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sieve(Vec<u64>);

impl Sieve {
    /// One that these keys fall through.
    pub fn of<'a>(count: usize, keys: impl Iterator<Item = (Table, &'a [u8])>) -> Self {
        let words = (count * BITS_PER_KEY).next_power_of_two().div_ceil(64);
        let mut sieve = Self(vec![0; words]);
        for (table, key) in keys {
            for (word, bit) in sieve.bits(mark(table, key)) {
                if let Some(word) = sieve.0.get_mut(word) {
                    *word |= bit;
                }
            }
        }
        sieve
    }

    /// Whether a key with this mark may be there.
    pub fn lets_through(&self, mark: u64) -> bool {
        let set = |(word, bit)| self.0.get(word).is_none_or(|word| word & bit != 0);
        self.bits(mark).into_iter().all(set)
    }

    /// The two bits of a mark: words, and the bits in them.
    fn bits(&self, mark: u64) -> [(usize, u64); 2] {
        [mark, mark.rotate_right(32)].map(|half| {
            let word = usize::try_from(half >> 6 & 0x03ff_ffff).unwrap_or(0);
            (word & self.0.len().wrapping_sub(1), 1 << (half & 63))
        })
    }
}

/// What a sieve knows a key by. Scattered keys end in bytes that are as good as random.
pub(super) fn mark(table: Table, key: &[u8]) -> u64 {
    let tail = match key.last_chunk() {
        Some(tail) => u64::from_be_bytes(*tail),
        None => key.iter().fold(0, |tail, byte| tail << 8 | u64::from(*byte)),
    };
    // Fibonacci's multiplier: spreads what differs in a few low bits over the high ones.
    (tail ^ u64::from(table.number()) << 56).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_right(29)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Rng as _, SeededRng};

    #[test]
    fn what_is_there_falls_through_and_little_else() {
        let rng = SeededRng::new(1);
        for count in [0, 1, 3, 100, 5_000] {
            let keys: Vec<_> = (0..count).map(|_| rng.next_u64().to_be_bytes()).collect();
            let sieve = Sieve::of(count, keys.iter().map(|key| (Table::Timers, key.as_slice())));
            let through = |key: &[u8]| sieve.lets_through(mark(Table::Timers, key));
            assert!(keys.iter().all(|key| through(key)), "{count}");
            let others = (0..10_000).filter(|_| through(&rng.next_u64().to_be_bytes())).count();
            assert!(others < 300, "{count}: {others}");
            let near = keys.iter().map(|key| u64::from_be_bytes(*key) + 1);
            let near = near.filter(|key| through(&key.to_be_bytes())).count();
            assert!(near * 20 <= count, "{count}: {near}");
        }
        assert!(Sieve::default().lets_through(7));
        let short: [&[u8]; 3] = [&[], &[1], &[1, 2, 3]];
        let sieve = Sieve::of(3, short.iter().map(|key| (Table::Slugs, *key)));
        assert!(short.iter().all(|key| sieve.lets_through(mark(Table::Slugs, key))));
    }
}
