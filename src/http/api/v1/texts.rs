//! Text of bounded length in bodies that have nothing else to check. Must not look at its words.

use crate::base::{Check, Problem, Secret, Wrong, limits};

pub const EMAIL: usize = limits::EMAIL_BYTES;
pub const PASSWORD: usize = 256;
pub const CODE: usize = 32;
pub const TOKEN: usize = 100;
pub const NAME: usize = limits::NAME_CHARS;

/// Holds each text to its number of characters.
pub fn short(texts: &[(&str, Option<&str>, usize)]) -> Result<(), Problem> {
    let mut check = Check::default();
    for (field, text, max) in texts {
        let actual = text.map_or(0, |text| text.chars().count());
        check.that(
            actual <= *max,
            *field,
            Wrong::TooLong { max: *max, actual, unit: "characters" },
        );
    }
    check.finish()
}

pub fn secret(text: String) -> Secret<String> {
    Secret::new(text)
}
