//! Counting text the way networks count it. Must not shorten or change a text.

use linkify::{LinkFinder, LinkKind};
use unicode_segmentation::UnicodeSegmentation;

/// How a network counts the length of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counter {
    /// Unicode scalar values.
    Chars,
    /// Extended grapheme clusters, as a reader counts.
    Graphemes,
    /// Mastodon: grapheme clusters, every http(s) address counts `url` characters, and of a
    /// remote mention only the local name counts (networks.md 11.4, read 2026-11).
    Mastodon { url: usize },
    /// LinkedIn: the characters of what is sent, with its escapes.
    LittleText,
    /// X: weighted, every address counts `url`.
    Weighted { url: usize },
}

impl Counter {
    pub fn count(self, text: &str) -> usize {
        match self {
            Self::Chars => text.chars().count(),
            Self::Graphemes => text.graphemes(true).count(),
            Self::Mastodon { url } => mastodon(text, url),
            Self::LittleText => super::little_text::length(text),
            Self::Weighted { url } => super::weighted::weighted(text, url),
        }
    }

    pub fn unit(self) -> &'static str {
        "characters"
    }
}

fn mastodon(text: &str, url_length: usize) -> usize {
    let mut finder = LinkFinder::new();
    finder.kinds(&[LinkKind::Url]).url_must_have_scheme(true);
    finder
        .spans(text)
        .map(|span| match span.kind() {
            Some(LinkKind::Url) if is_web(span.as_str()) => url_length,
            _ => graphemes_without_mention_hosts(span.as_str()),
        })
        .sum()
}

fn is_web(url: &str) -> bool {
    url.starts_with("http://") || url.starts_with("https://")
}

/// Grapheme clusters, leaving out the `@host` of each `@name@host`.
fn graphemes_without_mention_hosts(text: &str) -> usize {
    let mut left = text;
    let mut count = 0;
    while let Some(at) = left.find('@') {
        let (before, rest) = left.split_at(at);
        let begins_word =
            !before.chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '/');
        count += before.graphemes(true).count();
        let name = 1 + run(rest.get(1..).unwrap_or(""), |c| {
            c.is_ascii_alphanumeric() || "_.-".contains(c)
        });
        let (mention, after) = rest.split_at(name);
        count += mention.graphemes(true).count();
        left = after;
        if begins_word && name > 1 && after.starts_with('@') {
            let host =
                run(after.get(1..).unwrap_or(""), |c| c.is_alphanumeric() || "-.:".contains(c));
            // A full stop after the host ends the sentence, not the name.
            let host = after.get(1..=host).unwrap_or("").trim_end_matches(['.', ':', '-']).len();
            if host > 0 {
                left = after.get(1 + host..).unwrap_or("");
            }
        }
    }
    count + left.graphemes(true).count()
}

/// Bytes of the longest start of `text` whose characters all satisfy `of`.
fn run(text: &str, of: impl Fn(char) -> bool) -> usize {
    text.char_indices().find(|(_, c)| !of(*c)).map_or(text.len(), |(i, _)| i)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mastodon_counts_as_its_documentation_says() {
        let long = format!("see https://example.org/{}", "x".repeat(300));
        for (text, expected) in [
            ("", 0),
            ("hello", 5),
            ("caf\u{e9}", 4),
            ("cafe\u{301}", 4),
            ("\u{1F469}\u{200D}\u{1F680}", 1),
            (long.as_str(), 4 + 23),
            ("https://a.example b http://b.example", 23 + 3 + 23),
            ("ftp://example.org", 17),
            ("@bob@example.org hi", 4 + 3),
            ("hi @bob@example.org.", 3 + 4 + 1),
            ("@bob hi", 7),
            ("mail bob@example.org", 20),
            ("@", 1),
            ("@@", 2),
            ("@a@", 3),
        ] {
            assert_eq!(Counter::Mastodon { url: 23 }.count(text), expected, "{text}");
        }
        assert_eq!(Counter::Chars.count("caf\u{e9}"), 4);
        assert_eq!(Counter::Graphemes.count("cafe\u{301} \u{1F469}\u{200D}\u{1F680}"), 6);
    }
}
