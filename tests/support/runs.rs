//! Numbers of long runs that whoever starts the tests may set: the seed, and how much.

use std::env;

/// Sets the seed of the runs that draw by chance.
pub const SEED: &str = "CARILLON_SEED";
/// Sets how often the real binary is killed.
pub const KILLS: &str = "CARILLON_KILLS";
/// Sets how many crash images are made.
pub const IMAGES: &str = "CARILLON_IMAGES";

/// The number that variable `name` holds; without it, `usual`. Anything else fails the test.
pub fn number(name: &str, usual: u64) -> u64 {
    match env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")),
        Err(_) => usual,
    }
}

/// The seed of this run.
pub fn seed(usual: u64) -> u64 {
    number(SEED, usual)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_word_it_is_as_usual() {
        assert_eq!(number("CARILLON_NO_SUCH_NUMBER", 7), 7);
    }
}
