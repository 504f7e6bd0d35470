//! Finding out whether a post is out, by the account's own timeline (networks.md 1.6). Must not
//! call something absent that it could merely not see, or that X shows in another form.

use http::header::DATE;
use serde_json::Value;

use super::super::call::unanswered;
use super::super::{Call, CallError, PartCall, failure};
use super::{SKEW, api, id_of, is_id, receipt};
use crate::base::Timestamp;
use crate::domain::publish::{Reading, Source};
use crate::outbound::Response;

/// A call costs the same however much it brings; each post that it brings costs, too.
const PAGE: &str = "50";
const PAGES: usize = 4;
/// Words for the same thing: X's documents use both (networks.md 1.8).
const PARENTS: [&str; 2] = ["referenced_tweets", "referenced_posts"];

/// What the timeline has of the part.
#[derive(Default)]
struct Found {
    sure: Vec<String>,
    unsure: bool,
}

pub(super) async fn read_back(call: &Call<'_>, part: &PartCall<'_>, armed: Timestamp) -> Reading {
    let mut since = armed.minus(SKEW);
    let mut found = Found::default();
    let mut page_after: Option<String> = None;
    let mut corrected = false;
    let mut pages = 0;
    while pages < PAGES {
        let response = match ask(call, since, page_after.as_deref()).await {
            Ok(response) => response,
            Err(error) => return error.into_reading(),
        };
        // A clock of ours that is ahead must not hide what X dates by its own.
        let behind = date(&response).map(|date| call.now.since(date)).unwrap_or_default();
        if behind > SKEW / 2 && !corrected {
            (since, corrected, page_after) = (since.minus(behind), true, None);
            found = Found::default();
            continue;
        }
        pages += 1;
        let page = match api::answer(call, &response) {
            Ok(page) => page,
            Err(error) => return error.into_reading(),
        };
        if let Err(what) = look(&page, part, &mut found) {
            return Reading::Unavailable(failure("unreadable_answer", what, Some(200)));
        }
        match page["meta"]["next_token"].as_str() {
            Some(next) => page_after = Some(next.to_owned()),
            None => return verdict(call, found),
        }
    }
    Reading::Unavailable(failure("listing_too_long", "too much was posted since", None))
}

async fn ask(
    call: &Call<'_>,
    since: Timestamp,
    page_after: Option<&str>,
) -> Result<Response, CallError> {
    let account = call.account.map(|account| account.remote_id.as_str());
    let id = account.filter(|id| is_id(id)).ok_or(CallError::Missing("account"))?;
    // X takes no fractions; earlier is safe.
    let since = Timestamp::from_millis(since.as_millis() / 1_000 * 1_000).to_string();
    let since = since.replace(".000Z", "Z");
    let fields = "created_at,text,note_tweet,entities,attachments,referenced_tweets,author_id";
    let mut query = vec![
        ("max_results", PAGE),
        ("start_time", since.as_str()),
        ("exclude", "retweets"),
        ("tweet.fields", fields),
    ];
    if let Some(token) = page_after {
        query.push(("pagination_token", token));
    }
    let request = api::get(call, &format!("/2/users/{id}/tweets"), &query)?;
    api::send(call, request).await.map_err(unanswered)
}

fn date(response: &Response) -> Option<Timestamp> {
    let date = response.headers.get(DATE)?.to_str().ok()?;
    Timestamp::from_jiff(jiff::fmt::rfc2822::parse(date).ok()?.timestamp())
}

fn look(page: &Value, part: &PartCall<'_>, found: &mut Found) -> Result<(), &'static str> {
    let posts = match &page["data"] {
        Value::Array(posts) => posts.as_slice(),
        // Only a page that says that it is empty is empty.
        _ if page["meta"]["result_count"] == 0 => &[],
        _ => return Err("not a list"),
    };
    for post in posts {
        let id = post["id"].as_str().filter(|id| is_id(id)).ok_or("no id")?;
        let known = part.known.iter().any(|known| id_of(known) == Some(id));
        if known || !stands_where(post, part) {
            continue;
        }
        match likeness(post, part) {
            Likeness::Same => found.sure.push(id.to_owned()),
            Likeness::Near => found.unsure = true,
            Likeness::Other => {}
        }
    }
    Ok(())
}

fn verdict(call: &Call<'_>, mut found: Found) -> Reading {
    match (found.sure.pop(), found.unsure || !found.sure.is_empty()) {
        (None, false) => Reading::Absent,
        (Some(id), false) => Reading::Found(receipt(call, &id, Source::ReadBack)),
        (_, true) => Reading::Ambiguous,
    }
}

/// Whether a post replies to what the part replies to.
fn stands_where(post: &Value, part: &PartCall<'_>) -> bool {
    let references = PARENTS.iter().find_map(|name| post[name].as_array());
    let parent = references.and_then(|all| all.iter().find(|one| one["type"] == "replied_to"));
    let parent = parent.and_then(|one| one["id"].as_str());
    parent == part.before.last().and_then(id_of)
}

#[derive(Debug, PartialEq, Eq)]
enum Likeness {
    Same,
    /// The same words beside the addresses, which X rewrites.
    Near,
    Other,
}

fn likeness(post: &Value, part: &PartCall<'_>) -> Likeness {
    let media = post["attachments"]["media_keys"].as_array().map_or(0, Vec::len);
    if media != part.media.len() {
        return Likeness::Other;
    }
    // A long text is cut in `text`, and whole in its note.
    let note = &post["note_tweet"];
    let whole = if note["text"].is_string() { note } else { post };
    let shown = expanded(whole["text"].as_str().unwrap_or_default(), whole, post);
    let ours = part.draft.text.as_str();
    if essence(&shown) == essence(ours) {
        Likeness::Same
    } else if words(&shown) == words(ours) && !words(ours).is_empty() {
        Likeness::Near
    } else {
        Likeness::Other
    }
}

/// The text as it was sent: addresses instead of t.co's, without the one that stands for media, and
/// with its signs (networks.md 1.8).
fn expanded(text: &str, whole: &Value, post: &Value) -> String {
    let mut text = html_escape::decode_html_entities(text).into_owned();
    for of in [whole, post] {
        for url in of["entities"]["urls"].as_array().into_iter().flatten() {
            let (Some(short), Some(long)) = (url["url"].as_str(), url["expanded_url"].as_str())
            else {
                continue;
            };
            let media = url["media_key"].is_string() || is_media(long);
            text = text.replace(short, if media { "" } else { long });
        }
    }
    text
}

/// The address of a picture of a post: `https://x.com/u/status/1/photo/1`.
fn is_media(url: &str) -> bool {
    let mut parts = url.rsplit('/');
    let (number, kind) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    matches!(kind, "photo" | "video") && is_id(number) && url.contains("/status/")
}

/// What is left when the ways of writing it are taken away.
fn essence(text: &str) -> String {
    let text = text.replace("https://", "").replace("http://", "");
    text.chars().filter(|c| !c.is_whitespace() && *c != '/').collect()
}

/// The words that are no addresses.
fn words(text: &str) -> Vec<&str> {
    let plain = |word: &&str| !word.contains("://") && !word.trim_end_matches('.').contains('.');
    text.split_whitespace().filter(plain).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_text_is_known_in_every_form_that_x_shows_it_in() {
        let post = json!({
            "text": "Q&amp;A &lt;3 https://t.co/abc https://t.co/pic",
            "entities": { "urls": [
                { "url": "https://t.co/abc", "expanded_url": "http://example.com/" },
                { "url": "https://t.co/pic", "expanded_url": "https://x.com/a/status/1/photo/1" },
            ] },
        });
        let shown = expanded(post["text"].as_str().unwrap(), &post, &post);
        assert_eq!(essence(&shown), essence("Q&A <3 example.com"));
        assert_ne!(essence(&shown), essence("Q&A <3 example.org"));
        assert_eq!(words("see https://t.co/x now."), words("see example.com/a now."));
    }
}
