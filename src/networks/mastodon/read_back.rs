//! Finding out whether a status exists, by the account's own listing. Must not call something
//! absent that it could merely not see.

use std::time::Duration;

use serde_json::Value;

use super::super::{Call, CallError, PartCall, failure};
use super::media::Ticket;
use super::web_url;
use crate::base::Timestamp;
use crate::domain::publish::{Reading, Receipt, Source};

const PAGE: usize = 40;
const PAGES: usize = 5;
/// How far the server's clock may be behind ours.
const SKEW: Duration = Duration::from_mins(5);

/// Reads back to the time of the oldest attempt in doubt.
pub(super) async fn read_back(call: &Call<'_>, part: &PartCall<'_>, armed: Timestamp) -> Reading {
    let Some(account) = call.account else {
        return Reading::Unavailable(failure("missing", "account", None));
    };
    // A listing is public: with a dead token it answers as for a stranger, and leaves out what a
    // stranger may not see. Only a listing for ourselves can prove absence.
    if let Err(error) = call.get("/api/v1/accounts/verify_credentials").await {
        return error.into_reading();
    }
    let horizon = armed.minus(SKEW);
    let mut found = Found::default();
    let mut max_id = String::new();
    for _ in 0..PAGES {
        let id = &account.remote_id;
        let mut path = format!("/api/v1/accounts/{id}/statuses?limit={PAGE}&exclude_reblogs=true");
        if !max_id.is_empty() {
            path.push_str("&max_id=");
            path.push_str(&max_id);
        }
        let page = match call.get(&path).await {
            Ok(page) => page,
            Err(error) => return error.into_reading(),
        };
        let Some(page) = page.as_array() else {
            return Reading::Unavailable(failure("unreadable_answer", "not a list", Some(200)));
        };
        let mut past_horizon = page.is_empty();
        for status in page {
            let Some((id, created)) = identity(status) else {
                return Reading::Unavailable(failure("unreadable_answer", "no id", Some(200)));
            };
            let url = web_url(status.get("url"));
            // Some servers list a status under another id than they answered.
            let same_url = |known: &Receipt| url.is_some() && known.url == url;
            let known = part.known.iter().find(|k| k.remote_id == id || same_url(k));
            if created < horizon || known.is_some_and(|known| known.at < armed) {
                // It stands before the attempt, by the server's clock or by our own records. The
                // rest of the page is looked through all the same.
                past_horizon = true;
            } else if known.is_none() && has_content(status, part) {
                match is_reply(call, status, part, &id).await {
                    Ok(Some(true)) => found.sure.push((id.clone(), url)),
                    Ok(Some(false)) => {}
                    Ok(None) => found.unsure = true,
                    Err(error) => return error.into_reading(),
                }
            }
            max_id = id;
        }
        if past_horizon {
            return verdict(call, found);
        }
    }
    Reading::Unavailable(failure("listing_too_long", "too much was posted since", None))
}

/// What the listing has of the part.
#[derive(Default)]
struct Found {
    sure: Vec<(String, Option<String>)>,
    unsure: bool,
}

fn verdict(call: &Call<'_>, mut found: Found) -> Reading {
    match (found.sure.pop(), found.unsure || !found.sure.is_empty()) {
        (None, false) => Reading::Absent,
        (Some((remote_id, url)), false) => {
            Reading::Found(Receipt { remote_id, url, at: call.now, source: Source::ReadBack })
        }
        (_, true) => Reading::Ambiguous,
    }
}

fn identity(status: &Value) -> Option<(String, Timestamp)> {
    let id = status.get("id")?.as_str()?;
    let plain = !id.is_empty() && id.len() <= 64 && id.chars().all(|c| c.is_ascii_alphanumeric());
    let created = Timestamp::parse(status.get("created_at")?.as_str()?)?;
    plain.then(|| (id.to_owned(), created))
}

/// The same words, with as many pictures.
fn has_content(status: &Value, part: &PartCall<'_>) -> bool {
    let text = |name: &str| status.get(name).and_then(Value::as_str).unwrap_or_default();
    let pictures = status.get("media_attachments").and_then(Value::as_array).map_or(0, Vec::len);
    let own = [text("url"), text("uri")];
    pictures == part.media.len() && same_words(text("content"), &part.draft.text, own)
}

/// The words are the same; some servers put the status's own address below them.
fn same_words(content: &str, words: &str, own: [&str; 2]) -> bool {
    let (shown, words) = (essence(&text_of(content)), essence(words));
    let Some(rest) = shown.strip_prefix(&words) else { return false };
    let is_address = |address: &&str| {
        let around = rest.replace(&essence(address), "");
        !address.is_empty() && around != rest && !around.chars().any(char::is_alphanumeric)
    };
    rest.is_empty() || own.iter().any(is_address)
}

/// Whether a status stands where the part belongs in its thread. `None` when the server does not
/// say: a listing may leave out what the status itself tells, and a parent may have been deleted.
async fn is_reply(
    call: &Call<'_>,
    status: &Value,
    part: &PartCall<'_>,
    id: &str,
) -> Result<Option<bool>, CallError> {
    let ticket = Ticket::read(part, call.now);
    let expected = ticket.replies_to(part);
    let parent = |status: &Value| status["in_reply_to_id"].as_str().map(str::to_owned);
    let mut listed = parent(status);
    if listed.is_none() && expected.is_some() {
        match call.get(&format!("/api/v1/statuses/{id}")).await {
            Ok(itself) => listed = parent(&itself),
            Err(CallError::Refused(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(match (listed, expected) {
        (None, Some(_)) => None,
        (listed, expected) => Some(listed.as_deref() == expected),
    })
}

/// The text of a status's HTML; entities resolved, tags dropped.
fn text_of(html: &str) -> String {
    let mut text = String::with_capacity(html.len());
    let mut in_tag = false;
    for c in html.chars() {
        match c {
            '<' => in_tag = true,
            '>' if in_tag => in_tag = false,
            c if !in_tag => text.push(c),
            _ => {}
        }
    }
    html_escape::decode_html_entities(&text).into_owned()
}

/// What is left when the ways of writing it are taken away: no white space, and mentions without
/// their host, which the server leaves out.
fn essence(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        let mut marks = word.match_indices('@');
        let second = match (marks.next(), marks.next()) {
            (Some((first, _)), Some((second, _))) if second > first + 1 => Some(second),
            _ => None,
        };
        match second.and_then(|at| word.split_at_checked(at)) {
            Some((name, host)) => {
                out.push_str(name);
                let end = host.trim_end_matches(|c: char| c.is_ascii_punctuation());
                out.push_str(host.get(end.len()..).unwrap_or_default());
            }
            None => out.push_str(word),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn html_and_words_have_one_essence() {
        for (html, words) in [
            ("<p>Hello &amp; welcome</p>", "Hello & welcome"),
            ("<p>one</p><p>two<br />three</p>", "one\n\ntwo\nthree"),
            (
                "<p>see <a href=\"https://example.org/a/very/long\"><span class=\"invisible\">\
                 https://</span><span class=\"ellipsis\">example.org/a/ve</span>\
                 <span class=\"invisible\">ry/long</span></a></p>",
                "see https://example.org/a/very/long",
            ),
            (
                "<p><span class=\"h-card\"><a href=\"https://h/@bob\">@<span>bob</span></a></span> \
                 hi</p>",
                "@bob@h.example hi",
            ),
            ("<p>1 &lt; 2</p>", "1 < 2"),
        ] {
            assert_eq!(essence(&text_of(html)), essence(words), "{html}");
        }
        assert_ne!(essence("a b c"), essence("a b d"));
        let own = ["https://h.example/notes/1", ""];
        let linked = "<p>Hi</p>\n<p>\u{1F517} <a href=\"x\">https://h.example/notes/1</a></p>";
        assert!(same_words(linked, "Hi", own) && same_words("<p>Hi</p>", "Hi", own));
        assert!(!same_words("<p>Hi you</p>", "Hi", own) && !same_words(linked, "H", own));
        assert!(!same_words(linked, "Hi", ["https://h.example/notes/2", ""]));
        assert_eq!(essence("(@bob@h.example)."), essence("(@bob)."));
    }
}
