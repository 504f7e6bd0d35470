//! Weighted length, as X counts a text: twitter-text's configuration 3 (networks.md 1.4). Every
//! address counts the same, each emoji counts two, and most scripts beside Latin count two a
//! character. Must not shorten or change a text.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use idna::punycode;
use unicode_normalization::UnicodeNormalization as _;
use unicode_segmentation::UnicodeSegmentation as _;

/// Top-level domains as IANA lists them (2026-09-30): an address without a scheme counts as one
/// only if it ends in one of them.
/// The list has those of other scripts in their coded form; people write them plainly.
static DOMAINS: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
    let listed = include_str!("../../assets/domains.txt").lines();
    let plain = listed.clone().filter_map(|top| top.strip_prefix(CODED));
    let plain = plain.filter_map(punycode::decode_to_string);
    listed.map(str::to_owned).chain(plain).collect()
});
/// What a label begins with that stands for one of other letters.
const CODED: &str = "xn--";
/// Of a label, as it is coded; and of a whole address.
const LABEL: usize = 63;
const ADDRESS: usize = 4_096;

/// Code points that count one; all others count two.
const SINGLE: [(u32, u32); 4] = [(0, 4_351), (8_192, 8_205), (8_208, 8_223), (8_242, 8_247)];

/// The length of `text`, where each address counts `url`.
pub(super) fn weighted(text: &str, url: usize) -> usize {
    let text: String = text.nfc().collect();
    let mut length = 0;
    let mut at = 0;
    for (start, end) in addresses(&text) {
        length += plain(text.get(at..start).unwrap_or_default()) + url;
        at = end;
    }
    length + plain(text.get(at..).unwrap_or_default())
}

/// Whether a text holds what X makes a link of.
pub fn has_address(text: &str) -> bool {
    !addresses(text).is_empty()
}

fn plain(text: &str) -> usize {
    let cluster =
        |cluster: &str| if is_emoji(cluster) { 2 } else { cluster.chars().map(weight).sum() };
    text.graphemes(true).map(cluster).sum()
}

fn weight(c: char) -> usize {
    let single = SINGLE.iter().any(|(from, to)| (*from..=*to).contains(&u32::from(c)));
    if single { 1 } else { 2 }
}

/// A sign that has a plain form, too, is an emoji only where it says so.
fn is_emoji(cluster: &str) -> bool {
    let mut chars = cluster.chars();
    match (chars.next(), chars.next()) {
        (Some(c), None) if u32::from(c) <= 4_351 => false,
        (None, _) => false,
        _ => emojis::get(cluster).is_some(),
    }
}

/// Where the addresses of `text` begin and end, in bytes.
fn addresses(text: &str) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut from = 0;
    for (start, _) in text.char_indices() {
        if start < from || !may_begin(text, start) {
            continue;
        }
        if let Some((begin, end, right)) = address(text, start) {
            if right {
                found.push((begin, end));
            }
            from = end;
        }
    }
    found
}

fn before(text: &str, at: usize) -> Option<char> {
    text.get(..at)?.chars().next_back()
}

fn rest(text: &str, at: usize) -> &str {
    text.get(at..).unwrap_or_default()
}

fn may_begin(text: &str, at: usize) -> bool {
    before(text, at)
        .is_none_or(|c| !c.is_ascii_alphanumeric() && !"@\u{FF20}$#\u{FF03}".contains(c))
}

/// Where the address that begins here begins and ends, and whether there can be one so long. What is
/// too long is none, and nothing inside of it is.
fn address(text: &str, start: usize) -> Option<(usize, usize, bool)> {
    let after = rest(text, start);
    let scheme = ["https://", "http://"]
        .into_iter()
        .find(|scheme| after.get(..scheme.len()).is_some_and(|s| s.eq_ignore_ascii_case(scheme)));
    let host = start + scheme.map_or(0, str::len);
    let end = domain(text, host)?;
    let mut begin = start;
    if scheme.is_none() {
        if before(text, start).is_some_and(|c| "-_./".contains(c)) {
            return None;
        }
        // Only what is written in Latin letters is an address without a scheme.
        let own = text.get(host..end)?;
        let latin = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.' || is_accent(c);
        let skip = own.rfind(|c| !latin(c)).map_or(0, |at| {
            at + own.get(at..).and_then(|s| s.chars().next()).map_or(0, char::len_utf8)
        });
        let left = own.get(skip..)?;
        if left.starts_with('.') || !left.contains('.') {
            return None;
        }
        begin += skip;
    }
    let behind = behind_domain(text, end);
    let (domain, whole) = (text.get(host..end)?, text.get(start..behind)?);
    Some((begin, behind, is_possible(domain, whole, scheme.map_or("https://".len(), str::len))))
}

/// Whether each label of a domain, and the whole address, can be so long.
fn is_possible(domain: &str, whole: &str, scheme: usize) -> bool {
    let units = |text: &str| text.encode_utf16().count();
    let coded = |label: &str| match label.is_ascii() {
        true => Some(label.len()),
        // One that is long already only gets longer.
        false if label.chars().count() > LABEL => None,
        false => punycode::encode_str(label).map(|coded| CODED.len() + coded.len()),
    };
    let mut length = domain.matches('.').count();
    if domain.starts_with(CODED) {
        length = domain.len();
    } else {
        for label in domain.split('.') {
            match coded(label).filter(|length| (1..=LABEL).contains(length)) {
                Some(label) => length += label,
                None => return false,
            }
        }
    }
    scheme + units(whole) + length <= ADDRESS + units(domain)
}

fn is_accent(c: char) -> bool {
    matches!(c, '\u{C0}'..='\u{D6}' | '\u{D8}'..='\u{F6}' | '\u{F8}'..='\u{FF}' | '\u{100}'..='\u{24F}'
        | '\u{253}'..='\u{254}' | '\u{256}'..='\u{257}' | '\u{259}' | '\u{25B}' | '\u{263}'
        | '\u{268}' | '\u{26F}' | '\u{272}' | '\u{289}' | '\u{28B}' | '\u{2BB}'
        | '\u{300}'..='\u{36F}' | '\u{1E00}'..='\u{1EFF}')
}

fn in_label(c: char) -> bool {
    let mark = c.is_ascii_punctuation() && !"-_".contains(c);
    let other = matches!(c, '\u{FFFE}' | '\u{FEFF}' | '\u{FFFF}' | '\u{202A}'..='\u{202E}'
        | '\u{61C}' | '\u{200E}' | '\u{200F}' | '\u{2066}'..='\u{2069}' | '\u{FF01}'..='\u{FF0F}'
        | '\u{2010}'..='\u{2027}' | '\u{2030}'..='\u{205E}' | '\u{3001}'..='\u{3003}'
        | '\u{3008}'..='\u{3011}' | '\u{A1}' | '\u{A7}' | '\u{AB}' | '\u{B6}' | '\u{B7}' | '\u{BB}'
        | '\u{BF}');
    !mark && !other && !c.is_whitespace() && !c.is_control() && c != '\u{180E}'
}

/// The end of the longest domain that begins at `start`.
fn domain(text: &str, start: usize) -> Option<usize> {
    let mut end = None;
    let mut at = start;
    let mut labels: Vec<&str> = Vec::new();
    loop {
        let label = rest(text, at);
        let length = label.find(|c| !in_label(c)).unwrap_or(label.len());
        let label = label.get(..length).unwrap_or_default();
        if let Some(name) = labels.last().filter(|name| is_name(name))
            && let Some(top) = top_level(label, rest(text, at + length))
            && !name.is_empty()
        {
            end = Some(at + top);
        }
        let whole = !label.is_empty()
            && !label.starts_with(['-', '_'])
            && !label.ends_with(['-', '_'])
            && rest(text, at + length).starts_with('.');
        if !whole {
            return end;
        }
        labels.push(label);
        at += length + 1;
    }
}

/// The label right before the top-level domain has no underscores.
fn is_name(label: &str) -> bool {
    !label.contains('_')
}

/// How long the top-level domain is that `label` begins with.
fn top_level(label: &str, behind: &str) -> Option<usize> {
    let ends: Vec<usize> = label.char_indices().map(|(at, _)| at).chain([label.len()]).collect();
    ends.into_iter().rev().find(|end| {
        let (top, more) = label.split_at_checked(*end).unwrap_or_default();
        let next = more.chars().next().or_else(|| behind.chars().next());
        let ends = next.is_none_or(|c| !c.is_ascii_alphanumeric() && !"@+-".contains(c));
        let top = top.to_lowercase();
        ends && (top.starts_with(CODED) && top.len() > CODED.len() || DOMAINS.contains(&top))
    })
}

/// The end of an address whose domain ends at `end`: port, path and query belong to it.
fn behind_domain(text: &str, end: usize) -> usize {
    let mut end = end;
    if let Some(port) = rest(text, end).strip_prefix(':') {
        let digits = port.find(|c: char| !c.is_ascii_digit()).unwrap_or(port.len());
        if digits > 0 {
            end += 1 + digits;
        }
    }
    if rest(text, end).starts_with('/') {
        end += 1 + path(rest(text, end + 1));
    }
    if let Some(query) = rest(text, end).strip_prefix('?') {
        let within = |c: char| c.is_ascii_alphanumeric() || "!?*'@();:&=+$/%#[]-_.,~|".contains(c);
        let run = query.find(|c| !within(c)).unwrap_or(query.len());
        let ends = |c: char| c.is_ascii_alphanumeric() || "-_&=#/".contains(c);
        if let Some(last) = query.get(..run).and_then(|run| run.rfind(ends)) {
            end += 1 + last + 1;
        }
    }
    end
}

fn in_path(c: char) -> bool {
    c.is_ascii_alphanumeric()
        || "!*';:=+,.$/%#[]-\u{2013}_~@|&".contains(c)
        || is_accent(c)
        || matches!(c, '\u{400}'..='\u{4FF}')
}

/// How much of `text`, which follows the first slash, is a path: parentheses only in pairs, and no
/// punctuation at its end.
fn path(text: &str) -> usize {
    let mut good = 0;
    let mut at = 0;
    while let Some(c) = rest(text, at).chars().next() {
        if c == '(' {
            let Some(length) = parentheses(rest(text, at), 2) else { break };
            at += length;
            good = at;
            continue;
        }
        if !in_path(c) {
            break;
        }
        at += c.len_utf8();
        let ends = c.is_ascii_alphanumeric()
            || "+-=_#/".contains(c)
            || is_accent(c)
            || matches!(c, '\u{400}'..='\u{4FF}');
        if ends {
            good = at;
        }
    }
    good
}

/// The length of a pair of parentheses at the start of `text`, with at most `deep` of them inside
/// each other.
fn parentheses(text: &str, deep: usize) -> Option<usize> {
    let mut at = 1;
    loop {
        let c = rest(text, at).chars().next()?;
        match c {
            ')' => return (at > 1).then_some(at + 1),
            '(' if deep > 1 => at += parentheses(rest(text, at), deep - 1)?,
            c if in_path(c) => at += c.len_utf8(),
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Facts of twitter-text's conformance data (validate.yml, 2026); `tests/networks/weighted.rs`
    /// asks the library itself.
    #[test]
    fn texts_weigh_what_the_conformance_data_say() {
        for (text, expected) in [
            ("", 0),
            ("This is a test.", 15),
            ("http://test.com", 23),
            ("https://test.com", 23),
            ("test.com", 23),
            ("Test https://test.com test https://test.com test.com test", 86),
            ("\u{C800}\u{CC00}\u{CBFF}\u{CFFF}", 8),
            ("H\u{1F431}\u{263A}", 5),
            ("\u{1F469}\u{200D}\u{1F469}\u{200D}\u{1F467}\u{200D}\u{1F467}", 2),
            ("\u{A9} \u{A9}\u{FE0F}", 4),
            ("caf\u{e9} cafe\u{301}", 9),
            ("1 #\u{FE0F}\u{20E3}", 4),
            ("see example.com/a_(b)_c. And", 4 + 23 + 5),
            ("me@example.com", 14),
            ("a.b.c", 5),
            ("\u{306E}example.com", 25),
            ("https://x.org/?a=b&c=d, yes", 23 + 5),
            ("https://x.example/", 18),
            ("go to foo.co.jp/path?q=1!", 6 + 23 + 1),
            ("http://test_underscore.twitter.com/", 23),
        ] {
            assert_eq!(weighted(text, 23), expected, "{text}");
        }
        assert!(has_address("see t.co/x") && !has_address("3.14 and 1.e"));
    }
}
