//! Waits between tries, pure. Must not decide whether a try is allowed; `domain::publish` does.

use std::time::Duration;

/// `base * 2^(tries - 1)`, changed by up to 20 % either way. `tries` counts from 1; `dice` is a
/// random number.
pub fn retry_wait(base: Duration, tries: u32, dice: u64) -> Duration {
    let factor = 1_u32.checked_shl(tries.saturating_sub(1)).unwrap_or(u32::MAX);
    jitter(base.saturating_mul(factor), dice)
}

/// `d` changed by up to 20 % either way.
pub fn jitter(d: Duration, dice: u64) -> Duration {
    let ms = u64::try_from(d.as_millis()).unwrap_or(u64::MAX / 2);
    let spread = ms / 5;
    let offset = if spread == 0 { 0 } else { dice % (2 * spread + 1) };
    Duration::from_millis(ms - spread + offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_and_stay_within_a_fifth() {
        for (tries, seconds) in [(1, 60), (2, 120), (3, 240), (4, 480)] {
            for dice in [0, 1, 12_345, u64::MAX] {
                let wait = retry_wait(Duration::from_mins(1), tries, dice);
                assert!(wait >= Duration::from_secs(seconds * 4 / 5), "{wait:?}");
                assert!(wait <= Duration::from_secs(seconds * 6 / 5), "{wait:?}");
            }
        }
        assert_eq!(jitter(Duration::from_millis(3), 99), Duration::from_millis(3));
    }
}
