//! What networks ask for posts, and what a workspace has spent. Must not decide who pays.

use serde::{Deserialize, Serialize};

/// Millionths of a US dollar.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Micros(pub u64);

/// The settings of what posts cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prices {
    pub x_post: Micros,
    /// One that holds an address.
    pub x_post_with_link: Micros,
}

impl Default for Prices {
    /// networks.md 1.4: since 2026-04-20, for apps that pay as they go.
    fn default() -> Self {
        Self { x_post: Micros(15_000), x_post_with_link: Micros(200_000) }
    }
}

/// What was spent on one network in one month.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spent {
    pub posts: u64,
    /// Of them, those that hold an address.
    pub with_link: u64,
    pub micros: Micros,
}

/// What one post costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Charge {
    pub micros: Micros,
    pub with_link: bool,
}

impl Micros {
    /// Dollars with six decimals at most, such as `0.015`.
    pub fn parse(text: &str) -> Option<Self> {
        let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !digits(part) || part.len() > 6 || whole.len() > 6 {
            return None;
        }
        let whole: u64 = whole.parse().ok()?;
        let part: u64 = format!("{part:0<6}").parse().ok()?;
        Some(Self(whole * 1_000_000 + part))
    }

    /// As [`Micros::parse`] reads it, with two decimals at least.
    pub fn dollars(self) -> String {
        let text = format!("{}.{:06}", self.0 / 1_000_000, self.0 % 1_000_000);
        let least = text.len() - 4;
        let short = text.trim_end_matches('0');
        text.get(..short.len().max(least)).unwrap_or_default().to_owned()
    }
}

impl Spent {
    pub fn add(&mut self, charge: Charge) {
        self.posts = self.posts.saturating_add(1);
        self.with_link = self.with_link.saturating_add(u64::from(charge.with_link));
        self.micros = Micros(self.micros.0.saturating_add(charge.micros.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dollars_are_read_and_written_without_a_loss() {
        for (text, micros, shown) in [
            ("0.015", 15_000, "0.015"),
            ("0.2", 200_000, "0.20"),
            ("3", 3_000_000, "3.00"),
            ("0.000001", 1, "0.000001"),
        ] {
            let read = Micros::parse(text).unwrap();
            assert_eq!((read, read.dollars().as_str()), (Micros(micros), shown));
        }
        for text in ["", ".5", "-1", "1.", "0.0000001", "1e3", "$1", "1,5"] {
            assert_eq!(Micros::parse(text), None, "{text}");
        }
    }
}
