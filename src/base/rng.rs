//! Randomness as a parameter. Must not be used for anything but ids, keys, nonces and jitter.

use std::sync::{Mutex, PoisonError};

/// A source of random bytes.
pub trait Rng: Send + Sync + 'static {
    fn fill(&self, buf: &mut [u8]);

    fn next_u64(&self) -> u64 {
        let mut b = [0; 8];
        self.fill(&mut b);
        u64::from_be_bytes(b)
    }
}

/// The operating system's source.
#[derive(Default)]
pub struct SystemRng(Mutex<Drawn>);

/// Bytes that were drawn ahead, for ids: a call of the system for each would cost more than all
/// else about them. Each byte is given out once and forgotten.
struct Drawn {
    bytes: [u8; 512],
    /// How many of them are left, from the front.
    left: usize,
}

impl Default for Drawn {
    fn default() -> Self {
        Self { bytes: [0; 512], left: 0 }
    }
}

/// Ids are no longer. Keys are, and never wait in memory.
const SHORT: usize = 16;

#[expect(
    clippy::expect_used,
    reason = "without randomness no id or nonce may be made; Linux answers once booted"
)]
fn draw(buf: &mut [u8]) {
    getrandom::fill(buf).expect("the operating system gives random bytes");
}

impl Rng for SystemRng {
    fn fill(&self, buf: &mut [u8]) {
        if buf.len() > SHORT {
            return draw(buf);
        }
        let mut drawn = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for byte in buf {
            if drawn.left == 0 {
                draw(&mut drawn.bytes);
                drawn.left = drawn.bytes.len();
            }
            drawn.left -= 1;
            let last = drawn.left;
            *byte = std::mem::take(&mut drawn.bytes[last]);
        }
    }
}

/// A reproducible stream (splitmix64) for simulations and tests; never for secrets.
pub struct SeededRng(Mutex<u64>);

impl SeededRng {
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(seed))
    }
}

impl Rng for SeededRng {
    fn fill(&self, buf: &mut [u8]) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for chunk in buf.chunks_mut(8) {
            *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut z = *state;
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            z ^= z >> 31;
            for (to, from) in chunk.iter_mut().zip(z.to_be_bytes()) {
                *to = from;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_drawn_ahead_is_given_out_once() {
        let rng = SystemRng::default();
        let ids: std::collections::BTreeSet<u64> = (0..1_000).map(|_| rng.next_u64()).collect();
        assert_eq!(ids.len(), 1_000);
        let left = rng.0.lock().unwrap().left;
        rng.fill(&mut [0; 32]);
        assert_eq!(rng.0.lock().unwrap().left, left, "a key is drawn when it is made");
    }

    #[test]
    fn a_seed_gives_the_same_stream() {
        let (a, b) = (SeededRng::new(7), SeededRng::new(7));
        assert_eq!(a.next_u64(), b.next_u64());
        assert_ne!(a.next_u64(), a.next_u64());
    }
}
