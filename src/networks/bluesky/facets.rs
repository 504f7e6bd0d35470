//! Finding links, mentions and tags in a text, by byte as the network wants them (networks.md
//! 10.3). Must not change the text or ask anybody whether a name exists.

use linkify::{LinkFinder, LinkKind};
use unicode_segmentation::UnicodeSegmentation;
use url::Url;

/// A stretch of a text, in bytes of UTF-8, that means more than its words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Facet {
    pub start: usize,
    pub end: usize,
    pub feature: Feature,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Feature {
    Link(String),
    /// A handle without its `@`, in lower case. It need not exist.
    Mention(String),
    /// Without its `#`.
    Tag(String),
}

/// The lexicon's limit for a tag, in graphemes; its limit in bytes is ten times that.
const TAG_MAX: usize = 64;

/// All facets in the order of the text; none overlaps another. Addresses count with their scheme
/// only: without it, the end of one sentence and the start of the next would look like a host.
pub(super) fn detect(text: &str) -> Vec<Facet> {
    let mut finder = LinkFinder::new();
    finder.kinds(&[LinkKind::Url]).url_must_have_scheme(true);
    let mut facets = Vec::new();
    for span in finder.spans(text) {
        if span.kind().is_some() {
            facets.extend(link(span.start(), span.as_str()));
        } else {
            words(text, span.start(), span.as_str(), &mut facets);
        }
    }
    facets
}

fn link(start: usize, text: &str) -> Option<Facet> {
    let url = Url::parse(text).ok()?;
    let web = matches!(url.scheme(), "http" | "https") && url.has_host();
    let feature = Feature::Link(text.to_owned());
    web.then_some(Facet { start, end: start + text.len(), feature })
}

/// Mentions and tags in `part`, which stands in `text` at `offset`.
fn words(text: &str, offset: usize, part: &str, facets: &mut Vec<Facet>) {
    let mut end = offset;
    for (at, mark) in part.char_indices().filter(|(_, c)| matches!(c, '@' | '#' | '\u{FF03}')) {
        let start = offset + at;
        let before = text.get(..start).and_then(|before| before.chars().next_back());
        let begins = match before {
            None => true,
            Some('(') => mark == '@',
            Some(c) => c.is_whitespace(),
        };
        let rest = part.get(at + mark.len_utf8()..).unwrap_or_default();
        let found = match mark {
            '@' => handle(rest),
            _ => tag(rest),
        };
        let Some((length, feature)) = found.filter(|_| begins && start >= end) else { continue };
        end = start + mark.len_utf8() + length;
        facets.push(Facet { start, end, feature });
    }
}

/// A handle at the start of `text`: a host name of at least two labels.
fn handle(text: &str) -> Option<(usize, Feature)> {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && !".-".contains(c));
    // A full stop or a hyphen behind it belongs to the sentence.
    let name = text.get(..end.unwrap_or(text.len()))?.trim_end_matches(['.', '-']);
    let label = |label: &str| {
        (1..=63).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-')
    };
    let (_, last) = name.rsplit_once('.')?;
    let fits = name.len() <= 253
        && name.split('.').all(label)
        && last.starts_with(|c: char| c.is_ascii_alphabetic());
    fits.then(|| (name.len(), Feature::Mention(name.to_ascii_lowercase())))
}

/// A tag at the start of `text`: to the next space, without the punctuation at its end.
fn tag(text: &str) -> Option<(usize, Feature)> {
    let ends = |c: char| {
        c.is_whitespace() || matches!(c, '\u{AD}' | '\u{2060}' | '\u{200A}'..='\u{200D}' | '#')
    };
    let word = text.get(..text.find(ends).unwrap_or(text.len()))?;
    let word = word.trim_end_matches(is_punctuation);
    let says_something = word.chars().any(|c| !c.is_ascii_digit() && !is_punctuation(c));
    let fits = says_something
        && !word.starts_with('\u{FE0F}')
        && word.graphemes(true).count() <= TAG_MAX
        && word.len() <= TAG_MAX * 10;
    fits.then(|| (word.len(), Feature::Tag(word.to_owned())))
}

fn is_punctuation(c: char) -> bool {
    c.is_ascii_punctuation()
        || matches!(
            c,
            '\u{2010}'..='\u{2027}' | '\u{2030}'..='\u{205E}' | '\u{3001}'..='\u{3003}'
                | '\u{3008}'..='\u{3011}' | '\u{FF01}' | '\u{FF0C}' | '\u{FF0E}' | '\u{FF1F}'
                | '\u{AB}' | '\u{BB}' | '\u{BF}' | '\u{A1}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each facet as `what:the words it covers`.
    fn found(text: &str) -> Vec<String> {
        let shown = |facet: Facet| {
            let words = text.get(facet.start..facet.end).unwrap();
            match facet.feature {
                Feature::Link(uri) => format!("{words}={uri}"),
                Feature::Mention(handle) => format!("{words}=>{handle}"),
                Feature::Tag(tag) => format!("{words}#{tag}"),
            }
        };
        detect(text).into_iter().map(shown).collect()
    }

    #[test]
    fn facets_are_found_by_byte_and_nothing_else_is() {
        let none: &[&str] = &[];
        for (text, expected) in [
            ("nothing here. Or there", none),
            (
                "\u{1F950} see https://e.example/\u{e4}.",
                &["https://e.example/\u{e4}=https://e.example/\u{e4}"],
            ),
            ("(https://e.example/a)", &["https://e.example/a=https://e.example/a"]),
            ("ftp://e.example e.example", none),
            ("\u{e4} @Bob.Example.org, hi", &["@Bob.Example.org=>bob.example.org"]),
            ("(@bob.test)", &["@bob.test=>bob.test"]),
            ("@bob @bob@example.org mail bob@e.example", none),
            ("@-a.b @a..b @a.1", none),
            ("#one two#three #four!", &["#one#one", "#four#four"]),
            ("#1 #2026 #1st #_ #\u{1F950}", &["#1st#1st", "#\u{1F950}#\u{1F950}"]),
            (
                "\u{FF03}\u{65E5}\u{672C}\u{3002}",
                &["\u{FF03}\u{65E5}\u{672C}\u{3002}#\u{65E5}\u{672C}\u{3002}"],
            ),
            (
                "https://e.example/#top @a.test",
                &["https://e.example/#top=https://e.example/#top", "@a.test=>a.test"],
            ),
            ("#a@b.test", &["#a@b.test#a@b.test"]),
        ] {
            // The ideographic full stop is punctuation here, too.
            let expected: Vec<String> =
                expected.iter().map(|e| e.replace('\u{3002}', "")).collect();
            assert_eq!(found(text), expected, "{text}");
        }
        assert_eq!(detect(&format!("#{}", "x".repeat(65))), []);
        assert_eq!(detect(&format!("#{}", "x".repeat(64))).len(), 1);
    }
}
