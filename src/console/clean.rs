//! The one sanitizer of what is drawn: text from people and networks becomes plain, narrow, one
//! line. Must not be bypassed; `canvas` calls it for every text, whoever wrote it.

use std::fmt::Write as _;

use unicode_segmentation::UnicodeSegmentation as _;
use unicode_width::UnicodeWidthStr as _;

use crate::base::is_hidden;

/// Longer text is cut before it is looked at.
const BYTES: usize = 4 * 1024;
/// Marks on one letter; more would climb over the lines above.
const MARKS: usize = 2;

/// What stands for a character that does something instead of being seen.
pub const HIDDEN: &str = "\u{25A1}";

/// One line that can only be read, and whose width terminals agree on: no control, bidi and
/// invisible characters, emoji sequences reduced to their first, few marks on a letter.
pub fn clean(text: &str) -> String {
    let end = text.floor_char_boundary(text.len().min(BYTES));
    let (text, _) = text.split_at(end);
    if text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return text.to_owned();
    }
    let mut shown = String::with_capacity(text.len());
    for cluster in text.graphemes(true) {
        push(&mut shown, cluster);
    }
    shown
}

fn push(shown: &mut String, cluster: &str) {
    let mut chars = cluster.chars();
    let Some(first) = chars.next() else { return };
    if matches!(first, '\n' | '\r' | '\t') {
        shown.push(' ');
        return;
    }
    if is_hidden(first) || cluster.chars().any(|c| is_hidden(c) && c != '\u{200D}') {
        shown.push_str(HIDDEN);
        return;
    }
    let start = shown.len();
    shown.push(first);
    // A second regional indicator makes the flag; what is joined or varies is left out.
    let flag = |c: char| ('\u{1F1E6}'..='\u{1F1FF}').contains(&c);
    for c in chars.take_while(|c| *c != '\u{200D}').filter(|c| !is_variation(*c)).take(MARKS) {
        if flag(first) == flag(c) {
            shown.push(c);
        }
    }
    // Lone marks and the like have no place of their own.
    if shown.split_at(start).1.width() == 0 {
        shown.truncate(start);
        shown.push_str(HIDDEN);
    }
}

fn is_variation(c: char) -> bool {
    matches!(c, '\u{FE00}'..='\u{FE0F}' | '\u{20E3}' | '\u{1F3FB}'..='\u{1F3FF}' | '\u{E0100}'..='\u{E01EF}')
}

/// Writes more behind a text.
pub fn add(text: &mut String, more: std::fmt::Arguments<'_>) {
    let written = text.write_fmt(more);
    debug_assert!(written.is_ok(), "a text takes everything");
}

/// Columns of a clean text.
pub fn columns(text: &str) -> usize {
    text.width()
}

/// The beginning of a clean text that fits, with a mark where something is missing.
pub fn cut(text: &str, width: usize) -> String {
    if columns(text) <= width {
        return text.to_owned();
    }
    let mut shown = String::new();
    let mut left = width.saturating_sub(1);
    for cluster in text.graphemes(true) {
        let wide = cluster.width();
        if wide > left {
            break;
        }
        left -= wide;
        shown.push_str(cluster);
    }
    if width > 0 {
        shown.push('\u{2026}');
    }
    shown
}

/// Lines of at most `width` columns, broken at spaces where there are some.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let width = width.max(4);
    let mut lines = Vec::new();
    for paragraph in text.split('\n') {
        let mut line = String::new();
        for word in clean(paragraph).split_word_bounds() {
            if columns(&line) + columns(word) > width && !line.is_empty() {
                lines.push(std::mem::take(&mut line).trim_end().to_owned());
                if word.trim().is_empty() {
                    continue;
                }
            }
            if columns(word) <= width {
                line.push_str(word);
                continue;
            }
            for cluster in word.graphemes(true) {
                if columns(&line) + columns(cluster) > width {
                    lines.push(std::mem::take(&mut line));
                }
                line.push_str(cluster);
            }
        }
        lines.push(line.trim_end().to_owned());
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_acts_is_left() {
        for (text, shown) in [
            ("a\u{1b}[2Jb", "a\u{25A1}[2Jb"),
            ("\u{1b}]52;c;aGk=\u{7}", "\u{25A1}]52;c;aGk=\u{25A1}"),
            ("x\u{202e}evil\u{2066}", "x\u{25A1}evil\u{25A1}"),
            ("two\nlines\tand", "two lines and"),
            ("\u{9b}31m", "\u{25A1}31m"),
            ("a\u{200b}b", "a\u{25A1}b"),
            ("e\u{301}\u{302}\u{303}\u{304}", "e\u{301}\u{302}"),
            ("\u{301}", "\u{25A1}"),
            ("\u{1F469}\u{200D}\u{1F680}!", "\u{1F469}!"),
            ("\u{2615}\u{FE0F} 1\u{FE0F}\u{20E3}", "\u{2615} 1"),
            ("\u{1F1E9}\u{1F1EA}", "\u{1F1E9}\u{1F1EA}"),
            ("\u{1F44D}\u{1F3FD}", "\u{1F44D}"),
        ] {
            assert_eq!(clean(text), shown, "{text:?}");
        }
        assert!(clean(&"\u{e9}".repeat(9_000)).len() <= BYTES);
    }

    #[test]
    fn cut_and_wrap_keep_the_width() {
        assert_eq!(cut("bread and butter", 8), "bread a\u{2026}");
        assert_eq!(cut("\u{6f22}\u{5b57}\u{6f22}", 4), "\u{6f22}\u{2026}");
        assert_eq!(cut("abc", 0), "");
        assert_eq!(wrap("one two three", 8), ["one two", "three"]);
        assert_eq!(wrap("abcdefghij", 4), ["abcd", "efgh", "ij"]);
        assert_eq!(wrap("a\n\nb", 8), ["a", "", "b"]);
        for line in wrap(&"\u{6f22}".repeat(50), 7) {
            assert!(columns(&line) <= 7);
        }
    }
}
