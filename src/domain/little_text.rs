//! LinkedIn's "little text" (networks.md 2.5): what of a text must be escaped so that it is shown as
//! it was typed. An unescaped sign may cut a post short without a word. Must not shorten a text.

const RESERVED: &str = "|{}@[]()<>#\\*_~";

/// The text as it is sent: mentions `@[Name](urn:li:...)` and hashtags stay what they are, every
/// other sign with a meaning gets a backslash.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    let mut rest = text;
    let mut before: Option<char> = None;
    while let Some(c) = rest.chars().next() {
        if let Some(length) = mention(rest).or_else(|| hashtag(before, rest)) {
            let (whole, after) = rest.split_at(length);
            out.push_str(whole);
            before = whole.chars().next_back();
            rest = after;
            continue;
        }
        if RESERVED.contains(c) {
            out.push('\\');
        }
        out.push(c);
        before = Some(c);
        rest = rest.get(c.len_utf8()..).unwrap_or_default();
    }
    out
}

/// The length that LinkedIn measures: of what is sent.
pub(super) fn length(text: &str) -> usize {
    escaped(text).chars().count()
}

/// The length of the mention that `text` begins with.
fn mention(text: &str) -> Option<usize> {
    let inner = text.strip_prefix("@[")?;
    let end = inner.find(']')?;
    let (name, rest) = inner.split_at(end);
    let urn = rest.strip_prefix("](urn:li:")?;
    let close = urn.find(')')?;
    let id = urn.get(..close)?;
    let (kind, number) = id.split_once(':')?;
    let known = matches!(kind, "person" | "organization");
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    let fits = known && !number.is_empty() && number.chars().all(plain) && !name.is_empty();
    let clean = !name.contains(|c| RESERVED.contains(c));
    (fits && clean).then(|| 2 + end + "](urn:li:".len() + close + 1)
}

/// The length of the hashtag that `text` begins with: letters and digits, at the start of a word.
fn hashtag(before: Option<char>, text: &str) -> Option<usize> {
    if before.is_some_and(|c| !c.is_whitespace() && c != '(') {
        return None;
    }
    let tag = text.strip_prefix('#')?;
    let length = tag.find(|c: char| !c.is_alphanumeric()).unwrap_or(tag.len());
    let word = tag.get(..length)?;
    word.chars().any(char::is_alphabetic).then_some(1 + length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_a_meaning_is_escaped_unless_it_is_meant() {
        for (text, sent) in [
            ("plain, text. \u{e9}\u{1F950}", "plain, text. \u{e9}\u{1F950}"),
            (
                "a (b) [c] {d} <e> *f* _g_ ~h~ |i| \\j @k",
                "a \\(b\\) \\[c\\] \\{d\\} \\<e\\> \\*f\\* \\_g\\_ \\~h\\~ \\|i\\| \\\\j \\@k",
            ),
            ("#hiring now #1 a#b # x", "#hiring now \\#1 a\\#b \\# x"),
            ("#my_tag", "#my\\_tag"),
            ("hi @[Acme Ltd](urn:li:organization:42)!", "hi @[Acme Ltd](urn:li:organization:42)!"),
            ("@[x](urn:li:share:42)", "\\@\\[x\\]\\(urn:li:share:42\\)"),
            ("@[a_b](urn:li:person:q)", "\\@\\[a\\_b\\]\\(urn:li:person:q\\)"),
        ] {
            assert_eq!(escaped(text), sent, "{text}");
            assert_eq!(length(text), sent.chars().count());
        }
    }
}
