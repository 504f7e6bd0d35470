//! How long a text is for X, written a second time: twitter-text's configuration 3 (networks.md
//! 1.4). Must not share a line with the client's counting.

use unicode_normalization::UnicodeNormalization as _;
use unicode_segmentation::UnicodeSegmentation as _;

/// A few endings are enough for practice.
const ENDINGS: [&str; 10] = ["com", "org", "net", "info", "co", "io", "dev", "app", "shop", "de"];

/// An address in a text: where it begins and ends in bytes.
pub(super) fn links(text: &str) -> Vec<(usize, usize)> {
    let mut links = Vec::new();
    let mut at = 0;
    for word in text.split_inclusive(char::is_whitespace) {
        let bare = word.trim_end();
        let open = bare.len() - bare.trim_start_matches(['(', '"', '\'']).len();
        let inner = bare.get(open..).unwrap_or_default();
        let inner = inner.trim_end_matches(['.', ',', '!', ';', ':', ')', '"', '\'', '?']);
        let has_scheme = inner.starts_with("http://") || inner.starts_with("https://");
        let host = inner.split("://").last().unwrap_or_default();
        let host = host.split(['/', '?', ':']).next().unwrap_or_default();
        let ends = host.rsplit_once('.').is_some_and(|(name, top)| {
            !name.is_empty() && !name.contains('@') && ENDINGS.contains(&top)
        });
        if ends && host.is_ascii() && (has_scheme || !inner.starts_with(['@', '#', '$'])) {
            links.push((at + open, at + open + inner.len()));
        }
        at += word.len();
    }
    links
}

pub(super) fn length(text: &str) -> usize {
    let text: String = text.nfc().collect();
    let links = links(&text);
    let mut length = links.len() * 23;
    for (at, cluster) in text.grapheme_indices(true) {
        if links.iter().any(|(begin, end)| (*begin..*end).contains(&at)) {
            continue;
        }
        let emoji = cluster.chars().any(
            |c| matches!(u32::from(c), 0x1_F000..=0x1_FAFF | 0x2600..=0x27BF | 0xFE0F | 0x20E3),
        );
        let weigh = |c: char| match u32::from(c) {
            0..=4351 | 8192..=8205 | 8208..=8223 | 8242..=8247 => 1,
            _ => 2,
        };
        length += if emoji { 2 } else { cluster.chars().map(weigh).sum() };
    }
    length
}
