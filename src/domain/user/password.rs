//! Which passwords are taken. Must not hash them; `service::users` does.

use crate::base::{Problem, Secret, Wrong};

/// Characters. No rule about their kinds: long is what counts (NIST SP 800-63B).
pub const PASSWORD_MIN: usize = 12;
const PASSWORD_MAX: usize = 256;

/// Passwords of at least so many characters that are in every list of leaked ones: those of
/// Django's list of 20,000 (BSD-3-Clause), which Royce Williams gathered.
const COMMON: &str = include_str!("../../../assets/passwords.txt");

/// Whether `password` may become the one of the person with this e-mail and name.
pub fn check_password(field: &str, password: &Secret<String>, own: &[&str]) -> Result<(), Problem> {
    let text = password.reveal();
    let actual = text.chars().count();
    if actual < PASSWORD_MIN {
        let expected = format!("at least {PASSWORD_MIN} characters long; a few words will do");
        return Err(Problem::field(field, Wrong::BadFormat { expected }));
    }
    if actual > PASSWORD_MAX {
        let too_long = Wrong::TooLong { max: PASSWORD_MAX, actual, unit: "characters" };
        return Err(Problem::field(field, too_long));
    }
    let lower = text.to_lowercase();
    if is_common(&lower) || is_pattern(&lower) || is_own(&lower, own) {
        let why = "is among the first that somebody would try; choose another";
        return Err(Problem::field(field, Wrong::NotPossible { why }));
    }
    Ok(())
}

fn is_common(lower: &str) -> bool {
    COMMON.lines().any(|common| common == lower)
}

/// A few characters over and over, or a run of the keyboard.
fn is_pattern(lower: &str) -> bool {
    const RUNS: [&str; 5] = [
        "012345678901234567890123456789",
        "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz",
        "qwertyuiopasdfghjklzxcvbnm",
        "qwertzuiopasdfghjklyxcvbnm",
        "azertyuiopqsdfghjklmwxcvbn",
    ];
    let chars: Vec<char> = lower.chars().collect();
    let repeats = |n: usize| chars.iter().zip(chars.iter().skip(n)).all(|(a, b)| a == b);
    let backwards: String = chars.iter().rev().collect();
    (1..=4).any(repeats) || RUNS.iter().any(|run| run.contains(lower) || run.contains(&backwards))
}

/// Little more than their own name, their address, or the name of this program.
fn is_own(lower: &str, own: &[&str]) -> bool {
    let words = own.iter().flat_map(|text| text.split(['@', ' ', '.', '-', '_', '+']));
    let words = words.chain(["carillon", "password", "passwort"]).map(str::to_lowercase);
    let mut left =
        own.iter().fold(lower.to_owned(), |left, text| left.replace(&text.to_lowercase(), ""));
    for word in words.filter(|word| word.chars().count() >= 3) {
        left = left.replace(&word, "");
    }
    left.chars().filter(|c| c.is_alphabetic()).count() < 3 && left.chars().count() < 8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(password: &str) -> bool {
        let own = ["ann.baker@example.org", "Ann Baker"];
        check_password("password", &Secret::new(password.to_owned()), &own).is_ok()
    }

    #[test]
    fn long_ones_are_taken_and_the_first_guesses_are_not() {
        for good in [
            "correct horse battery",
            "n3v3r-guess-this",
            "\u{1F40E}\u{1F50B} staple twelve",
            "zwei drei vier f\u{fc}nf",
        ] {
            assert!(taken(good), "{good}");
        }
        assert!(taken(&"long ".repeat(51)) && !taken(&"longer".repeat(43)));
        for bad in [
            "",
            "short",
            "eleven char",
            "password1234",
            "PassWord12345",
            "qwertyqwerty",
            "123456789012",
            "987654321098",
            "aaaaaaaaaaaaa",
            "abcabcabcabc",
            "qwertyuiopas",
            "annbaker1234",
            "Carillon2026!",
            "ann.baker@example.org",
            "ann.baker@example.org1",
            "carilloncarillon",
        ] {
            assert!(!taken(bad), "{bad}");
        }
    }

    #[test]
    fn every_line_of_the_list_could_be_one() {
        assert!(COMMON.lines().count() > 150);
        for line in COMMON.lines() {
            assert!(line.chars().count() >= PASSWORD_MIN && line == line.to_lowercase(), "{line}");
        }
    }
}
