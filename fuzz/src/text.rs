//! Counting text as networks do: never more than its characters, the same in pieces, and plain
//! text is counted alike by all.

use carillon::domain::text::Counter;

/// What an address counts in the check.
const URL: usize = 23;

pub fn check(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let text = text.as_ref();
    let chars = Counter::Chars.count(text);
    let graphemes = Counter::Graphemes.count(text);
    assert_eq!(chars, text.chars().count());
    assert!(graphemes <= chars && (graphemes == 0) == text.is_empty());
    let free = Counter::Mastodon { url: 0 }.count(text);
    let charged = Counter::Mastodon { url: URL }.count(text);
    assert!(free <= chars, "{free} of {chars}");
    assert_eq!((charged - free) % URL, 0, "every address counts the same");
    assert!((charged - free) / URL <= text.matches("://").count());
    if !text.contains('@') && !text.contains("://") {
        assert_eq!(charged, graphemes);
    }
    // A line that ends is counted for itself.
    let twice = format!("{text}\n{text}");
    assert_eq!(Counter::Chars.count(&twice), 2 * chars + 1);
    if !text.ends_with('\r') {
        assert_eq!(Counter::Graphemes.count(&twice), 2 * graphemes + 1, "{text:?}");
    }
}
