//! Finding out whether a status exists, by the account's own listing. Must not call something
//! absent that it could merely not see.

use std::time::Duration;

use http::Method;
use serde_json::Value;

use super::super::{Call, PartCall, failure};
use super::web_url;
use crate::base::Timestamp;
use crate::domain::publish::{Reading, Receipt, Source};

const PAGE: usize = 40;
const PAGES: usize = 5;
/// How far the server's clock may be behind ours without our seeing it.
const SKEW: Duration = Duration::from_mins(5);

/// Reads back to the time of the oldest attempt in doubt.
pub(super) async fn read_back(call: &Call<'_>, part: &PartCall<'_>, armed: Timestamp) -> Reading {
    let Some(account) = call.account else {
        return Reading::Unavailable(failure("missing", "account", None));
    };
    // A listing is public: with a dead token it answers as for a stranger, and leaves out what a
    // stranger may not see. Only a listing for ourselves can prove absence.
    let me = match call.at("/api/v1/accounts/verify_credentials") {
        Ok(url) => call.ask_dated(call.request(Method::GET, url)).await,
        Err(error) => Err(error),
    };
    let behind = match me {
        // A clock of ours that is wrong must not hide what the server dates by its own.
        Ok((_, date)) => date.map_or(Duration::ZERO, |date| call.now.since(date)),
        Err(error) => return error.into_reading(),
    };
    let horizon = armed.minus(SKEW).minus(behind);
    let mut found = Vec::new();
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
            let known = part.known.iter().find(|known| known.remote_id == id);
            if created < horizon || known.is_some_and(|known| known.at < armed) {
                // It stands before the attempt, by the server's clock or by our own records. The
                // rest of the page is looked through all the same.
                past_horizon = true;
            } else if known.is_none() && is_this(status, part) {
                found.push((id.clone(), web_url(status.get("url"))));
            }
            max_id = id;
        }
        if past_horizon {
            return verdict(call, found);
        }
    }
    Reading::Unavailable(failure("listing_too_long", "too much was posted since", None))
}

fn verdict(call: &Call<'_>, mut found: Vec<(String, Option<String>)>) -> Reading {
    match (found.pop(), found.is_empty()) {
        (None, _) => Reading::Absent,
        (Some((remote_id, url)), true) => {
            Reading::Found(Receipt { remote_id, url, at: call.now, source: Source::ReadBack })
        }
        (Some(_), false) => Reading::Ambiguous,
    }
}

fn identity(status: &Value) -> Option<(String, Timestamp)> {
    let id = status.get("id")?.as_str()?;
    let plain = !id.is_empty() && id.len() <= 64 && id.chars().all(|c| c.is_ascii_alphanumeric());
    let created = Timestamp::parse(status.get("created_at")?.as_str()?)?;
    plain.then(|| (id.to_owned(), created))
}

/// The same words, with as many pictures, in the same place of a thread.
fn is_this(status: &Value, part: &PartCall<'_>) -> bool {
    let parent = status.get("in_reply_to_id").and_then(Value::as_str);
    let expected = part.before.last().map(|receipt| receipt.remote_id.as_str());
    let content = status.get("content").and_then(Value::as_str).unwrap_or_default();
    let pictures = status.get("media_attachments").and_then(Value::as_array).map_or(0, Vec::len);
    let pictures = pictures == part.media.len();
    pictures && parent == expected && essence(&text_of(content)) == essence(&part.draft.text)
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
        assert_eq!(essence("(@bob@h.example)."), essence("(@bob)."));
    }
}
