//! Makes text fit to be logged or quoted: paths and error bodies without secrets. Must not be
//! relied on to hide a value that a caller could have left out.

use std::borrow::Cow;

use url::Url;

/// What stands where a secret stood.
pub(super) const MASK: &str = "[secret]";
/// The most of a network's error body that is ever quoted.
pub const QUOTE_BYTES: usize = 2 * 1024;
/// Words of this many characters may be tokens. The longest numeric ids of networks are shorter.
const OPAQUE_CHARS: usize = 20;
/// What is shorter is no token; masking it would only spoil the network's words.
const SECRET_BYTES: usize = 6;

/// The path of `url` for a log line: no query, and no segment that looks like a token, because
/// some networks (Telegram, Discord and Slack webhooks) carry their secret in the path.
pub fn redact_path(url: &Url) -> String {
    let hidden = |segment| if is_opaque(segment) { MASK } else { segment };
    let segments: Vec<_> = url.path().split('/').map(hidden).collect();
    segments.join("/")
}

/// `text` for quoting: at most `max_bytes` (never over [`QUOTE_BYTES`]), in one line, without
/// control and bidi characters, the given secrets, values of fields that name a secret, what
/// follows `Bearer`, and long opaque words.
pub fn scrub(text: &str, max_bytes: usize, secrets: &[&str]) -> String {
    // Invisible characters go first: they could split a secret in two.
    let mut quote = without_words(&without_known(&printable(text), secrets));
    // The cut comes last: it could leave the first half of a secret that nothing recognizes.
    quote.truncate(quote.floor_char_boundary(max_bytes.min(QUOTE_BYTES)));
    quote
}

fn printable(text: &str) -> String {
    let shown = |c: char| match c {
        '\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}' => Some(' '),
        c if c.is_control() || is_invisible(c) => None,
        c => Some(c),
    };
    text.chars().filter_map(shown).collect()
}

/// Bidi marks, embeddings and isolates, zero-width characters, tags.
fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{061C}'
            | '\u{200B}'..='\u{200F}'
            | '\u{202A}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}'
            | '\u{FEFF}'
            | '\u{E0000}'..='\u{E007F}'
    )
}

/// One pass, the longest secret first, so that a mask is never looked into again.
fn without_known<'a>(text: &'a str, secrets: &[&str]) -> Cow<'a, str> {
    let mut secrets: Vec<&str> =
        secrets.iter().copied().filter(|s| s.len() >= SECRET_BYTES).collect();
    if secrets.is_empty() {
        return Cow::Borrowed(text);
    }
    secrets.sort_by_key(|s| std::cmp::Reverse(s.len()));
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars();
    loop {
        if let Some(after) = secrets.iter().find_map(|s| rest.as_str().strip_prefix(*s)) {
            out.push_str(MASK);
            rest = after.chars();
        } else if let Some(c) = rest.next() {
            out.push(c);
        } else {
            return Cow::Owned(out);
        }
    }
}

fn without_words(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let (other, from_word) = split_where(rest, is_word);
        out.push_str(other);
        let (word, after) = split_where(from_word, |c| !is_word(c));
        if is_opaque(word) {
            out.push_str(MASK);
            rest = after;
        } else {
            out.push_str(word);
            rest = after;
            if let Some((between, tail)) = skip_value(word, after) {
                out.push_str(between);
                out.push_str(MASK);
                rest = tail;
            }
        }
    }
    out
}

/// `text` before and from the first character that `is_next` holds for.
fn split_where(text: &str, is_next: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(is_next).unwrap_or(text.len()))
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_-.~+%".contains(c)
}

/// Whether `word` looks like a token: long, and with digits or in mixed case. Method names such as
/// `com.atproto.repo.createRecord` have neither digits nor mixed case without dots.
fn is_opaque(word: &str) -> bool {
    let has = |is: fn(&u8) -> bool| word.as_bytes().iter().any(is);
    let mixed = has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase) && !word.contains('.');
    word.len() >= OPAQUE_CHARS && (has(u8::is_ascii_digit) || (mixed && word.len() >= 24))
}

/// When `word` names a secret: what stands between it and the value, and the rest after the value.
fn skip_value<'a>(word: &str, after: &'a str) -> Option<(&'a str, &'a str)> {
    const NAMES: &[&str] = &[
        "token",
        "secret",
        "password",
        "passwd",
        "key",
        "signature",
        "assertion",
        "verifier",
        "authorization",
        "cookie",
        "code_challenge",
        "auth_code",
    ];
    let word = word.to_ascii_lowercase();
    let is_scheme = word == "bearer" || word == "basic";
    if !is_scheme && !NAMES.iter().any(|name| word.ends_with(name)) {
        return None;
    }
    let (between, value) = split_where(after, |c| !"\\\"':= ".contains(c));
    let quoted = between.contains(['"', '\'']);
    let is_pair = between.contains('=') || (quoted && between.contains(':'));
    if value.is_empty() || !(is_pair || (is_scheme && !between.is_empty())) {
        return None;
    }
    let is_end = |c: char| match between.chars().last() {
        Some(quote @ ('"' | '\'')) => c == quote || c == '\\',
        _ => c.is_whitespace() || "&,;\"'<>)}".contains(c),
    };
    let (_, tail) = split_where(value, is_end);
    Some((between, tail))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scrubbed(text: &str) -> String {
        scrub(text, 200, &["hunter2", "hunter2-longer"])
    }

    #[test]
    fn known_and_named_secrets_go_and_messages_stay() {
        for (text, quote) in [
            ("plain text, 190: stays", "plain text, 190: stays"),
            ("with hunter2 inside", "with [secret] inside"),
            ("hunter2-longer", "[secret]"),
            ("hun\u{200B}ter2", "[secret]"),
            ("Authorization: Bearer abc", "Authorization: Bearer [secret]"),
            ("?access_token=abc&x=1", "?access_token=[secret]&x=1"),
            (r#"{"client_secret": "a b c", "n": 1}"#, r#"{"client_secret": "[secret]", "n": 1}"#),
            (r#"{\"refresh_token\":\"ab\"}"#, r#"{\"refresh_token\":\"[secret]\"}"#),
            (r#"{"error":"invalid_token","code":190}"#, r#"{"error":"invalid_token","code":190}"#),
            ("Invalid token: expired", "Invalid token: expired"),
            ("at ya29.a0AfH6SMBx7-Zr_9", "at [secret]"),
            ("of urn:li:share:6844785523593134080", "of urn:li:share:6844785523593134080"),
            ("password=", "password="),
        ] {
            assert_eq!(scrubbed(text), quote);
        }
    }

    #[test]
    fn one_line_without_bidi_cut_at_a_character() {
        assert_eq!(scrubbed("a\r\nb\u{202E}c\u{1b}[31md\u{7f}"), "a  bc[31md");
        assert_eq!(scrub("ääää", 5, &[]), "ää");
        assert_eq!(scrub(&"x ".repeat(9_000), usize::MAX, &[]).len(), QUOTE_BYTES);
        assert_eq!(scrub("cut hunter2", 8, &["hunter2"]), "cut [sec");
    }

    #[test]
    fn paths_lose_tokens_and_keep_names() {
        for (url, path) in [
            ("https://h/2/tweets/1346889436626259968?a=b#c", "/2/tweets/1346889436626259968"),
            ("https://h/xrpc/com.atproto.repo.createRecord", "/xrpc/com.atproto.repo.createRecord"),
            (
                "https://h/bot110201543:AAHdqTcvCH1vGWJxfSeofSAs0K/sendMessage",
                "/[secret]/sendMessage",
            ),
            ("https://h/services/T0/B0/XXXXxxxxXXXXxxxxXXXXxxxx", "/services/T0/B0/[secret]"),
            ("https://u:p@h/", "/"),
        ] {
            assert_eq!(redact_path(&Url::parse(url).unwrap()), path);
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_quoted_within_bounds(text in ".{0,400}", max in 0_usize..300) {
            let quote = scrub(&text, max, &["abc", "é"]);
            proptest::prop_assert!(quote.len() <= max);
            proptest::prop_assert!(!quote.contains(char::is_control));
        }
    }
}
