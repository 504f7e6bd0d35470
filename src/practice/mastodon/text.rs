//! Finds links, mentions and tags in a text, and counts it. Written on its own, not shared with
//! the client's counting, so that the two can disagree in a test.

use unicode_segmentation::UnicodeSegmentation;

/// A stretch of a text; the stretches of a text together are the text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Piece<'a> {
    Plain(&'a str),
    Url(&'a str),
    /// Without the leading `@`; `domain` is of another server.
    Mention {
        name: &'a str,
        domain: Option<&'a str>,
    },
    /// Without the leading `#`.
    Tag(&'a str),
}

/// networks.md 11.4: a link counts as `reserved_per_url`, the domain of a remote mention does not
/// count, the content warning does. The unit is the grapheme, as a person counts.
pub(super) fn length(spoiler: &str, text: &str, reserved_per_url: usize) -> usize {
    let mut counted = spoiler.to_owned();
    for piece in pieces(text) {
        match piece {
            Piece::Plain(plain) => counted.push_str(plain),
            Piece::Url(_) => counted.push_str(&"x".repeat(reserved_per_url)),
            Piece::Mention { name, .. } => counted.extend(["@", name]),
            Piece::Tag(tag) => counted.extend(["#", tag]),
        }
    }
    counted.graphemes(true).count()
}

pub(super) fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let (mut at, mut plain_from, mut before) = (0, 0, None);
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let found = entity(before, rest);
        let len = found.map_or_else(|| rest.chars().take(1).map(char::len_utf8).sum(), |f| f.1);
        if let Some((piece, _)) = found {
            pieces.extend(plain(text, plain_from, at));
            pieces.push(piece);
            plain_from = at + len;
        }
        at += len;
        before = rest.get(..len).and_then(|taken| taken.chars().next_back());
    }
    pieces.extend(plain(text, plain_from, at));
    pieces
}

fn plain(text: &str, from: usize, upto: usize) -> Option<Piece<'_>> {
    text.get(from..upto).filter(|p| !p.is_empty()).map(Piece::Plain)
}

/// What starts here, and how many bytes of `rest` it takes.
fn entity(before: Option<char>, rest: &str) -> Option<(Piece<'_>, usize)> {
    let not_after = |stops: &str| before.is_none_or(|b| !stops.contains(b));
    let not_in_word = before.is_none_or(|b| !is_word(b));
    match rest.chars().next()? {
        'h' | 'H' if not_in_word && not_after("@\u{ff20}$#\u{ff03}") => {
            let len = url_len(rest)?;
            Some((Piece::Url(rest.get(..len)?), len))
        }
        '@' if not_in_word && not_after("=/") => mention(rest),
        '#' if not_in_word && not_after("=/)") => {
            let tag = run(rest.get(1..)?, is_word);
            let names = tag.chars().any(|c| !c.is_numeric() && c != '_');
            names.then_some((Piece::Tag(tag), 1 + tag.len()))
        }
        _ => None,
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The longest start of `text` of such characters.
fn run(text: &str, good: impl Fn(char) -> bool) -> &str {
    let end = text.find(|c| !good(c)).unwrap_or(text.len());
    text.get(..end).unwrap_or(text)
}

fn mention(rest: &str) -> Option<(Piece<'_>, usize)> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let whole = run(rest.get(1..)?, |c| is_name(c) || c == '.' || c == '-');
    let name = whole.trim_end_matches(['.', '-']);
    if !name.starts_with(is_name) {
        return None;
    }
    let len = 1 + name.len();
    let domain = rest.get(len..)?.strip_prefix('@').map(|after| {
        run(after, |c| is_word(c) || c == '.' || c == '-').trim_end_matches(['.', '-'])
    });
    let domain = domain.filter(|d| d.chars().count() > 1);
    let len = len + domain.map_or(0, |d| 1 + d.len());
    Some((Piece::Mention { name, domain }, len))
}

/// A link needs its scheme and a name with a dot. The real program also looks the last label up
/// in the list of top-level domains; here any word will do, so that reserved names are links.
fn url_len(rest: &str) -> Option<usize> {
    let scheme = ["https://", "http://"].into_iter().find(|scheme| {
        rest.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    })?;
    let after = rest.get(scheme.len()..)?;
    let whole = run(after, |c| is_word(c) || c == '.' || c == '-');
    let host = whole.trim_end_matches(['.', '-']);
    let last = host.rsplit_once('.').filter(|_| host.split('.').all(|l| !l.is_empty()))?.1;
    let is_tld = last.starts_with("xn--") || last.chars().all(char::is_alphabetic);
    if !is_tld || last.chars().count() < 2 {
        return None;
    }
    let mut len = scheme.len() + host.len();
    if host.len() < whole.len() {
        return Some(len);
    }
    if let Some(port) = rest.get(len..)?.strip_prefix(':').map(|p| run(p, |c| c.is_ascii_digit()))
        && !port.is_empty()
    {
        len += 1 + port.len();
    }
    let tail = rest.get(len..)?;
    if tail.starts_with(['/', '?']) {
        len += trim_tail(run(tail, |c| !c.is_whitespace() && !"<>\"{}|\\^`".contains(c))).len();
    }
    Some(len)
}

/// A sentence's punctuation does not belong to its last link; a closing bracket does only if it
/// was opened inside.
fn trim_tail(tail: &str) -> &str {
    let mut tail = tail;
    while let Some(last) = tail.chars().next_back() {
        let opened = || tail.matches('(').count() >= tail.matches(')').count();
        if is_word(last) || "=#/+-&".contains(last) || (last == ')' && opened()) {
            break;
        }
        tail = tail.strip_suffix(last).unwrap_or("");
    }
    tail
}

#[cfg(test)]
mod tests {
    use super::*;

    fn len(text: &str) -> usize {
        length("", text, 23)
    }

    fn joined(text: &str) -> String {
        let mut back = String::new();
        for piece in pieces(text) {
            match piece {
                Piece::Plain(p) | Piece::Url(p) => back.push_str(p),
                Piece::Tag(t) => back.extend(["#", t]),
                Piece::Mention { name, domain } => {
                    back.extend(["@", name]);
                    back.extend(domain.into_iter().flat_map(|d| ["@", d]));
                }
            }
        }
        back
    }

    #[test]
    fn a_link_in_brackets_keeps_its_own() {
        let text = "Hi @ann, see (https://a.example/x_(y)). #tag1 @b@c.example.";
        assert_eq!(joined(text), text);
        assert!(pieces(text).contains(&Piece::Url("https://a.example/x_(y)")));
    }

    proptest::proptest! {
        #[test]
        fn the_pieces_are_the_text(text in "(https?://|[-@#a\u{e9}\u{1f468}1_.:/()? \n]){0,30}") {
            assert_eq!(joined(&text), text);
        }
    }

    #[test]
    fn links_end_where_a_reader_would_end_them() {
        for (text, link) in [
            ("https://a.example.", "https://a.example"),
            ("https://a.example/b?c=d&e, and", "https://a.example/b?c=d&e"),
            ("HTTP://A.EXAMPLE:8080/x!", "HTTP://A.EXAMPLE:8080/x"),
            ("https://a.example,https://b.example", "https://a.example"),
        ] {
            assert_eq!(pieces(text).first(), Some(&Piece::Url(link)), "{text}");
        }
        for text in ["https://localhost/x", "https://1.2.3.4/", "xhttps://a.example", "https://"] {
            assert_eq!(pieces(text), [Piece::Plain(text)]);
        }
    }

    #[test]
    fn counting_follows_the_network() {
        assert_eq!(len("abc"), 3);
        // One grapheme of five code points.
        assert_eq!(len("\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f466}"), 1);
        assert_eq!(len("https://a.example/"), 23);
        assert_eq!(len(&format!("x https://a.example/{}", "y".repeat(300))), 25);
        assert_eq!(len("@ann@social.example hi"), 7);
        assert_eq!(length("cw", "abc", 23), 5);
        assert_eq!(length("", "https://a.example/", 30), 30);
        // Not a link without a dot in its name, so it counts in full.
        assert_eq!(len("http://localhost/x"), 18);
    }
}
