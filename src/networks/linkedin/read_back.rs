//! Finding an organization's post in its list (networks.md 2.4, 7). Members' posts cannot be listed.
//! Must not call something absent that it could merely not see.

use std::time::Duration;

use http::Method;
use serde_json::Value;

use super::super::{Call, CallError, PartCall, failure};
use super::{api, author, receipt};
use crate::base::Timestamp;
use crate::domain::little_text::escaped;
use crate::domain::publish::{Reading, Source};

const PAGE: usize = 50;
/// How far LinkedIn's clock may be from ours.
pub(super) const SKEW: Duration = Duration::from_mins(10);

pub(super) async fn read_back(call: &Call<'_>, part: &PartCall<'_>, armed: Timestamp) -> Reading {
    let page = match ask(call).await {
        Ok(page) => page,
        // A token that may not list says nothing about the post.
        Err(CallError::Refused(failure)) => return Reading::Unavailable(failure),
        Err(error) => return error.into_reading(),
    };
    let unreadable = |what| Reading::Unavailable(failure("unreadable_answer", what, Some(200)));
    let Some(posts) = page["elements"].as_array() else { return unreadable("not a list") };
    let wanted = plain(&escaped(&part.draft.text));
    let mut found = Vec::new();
    let mut past = posts.len() < PAGE;
    for post in posts {
        let id = post["id"].as_str().filter(|id| api::is_post(id));
        let at = post["createdAt"].as_u64().map(Timestamp::from_millis);
        let (Some(id), Some(at)) = (id, at) else { return unreadable("no id or time") };
        if at < armed.minus(SKEW) {
            past = true;
        } else if plain(post["commentary"].as_str().unwrap_or_default()) == wanted
            && !part.known.iter().any(|known| known.remote_id == id)
        {
            found.push(id.to_owned());
        }
    }
    match (found.pop(), found.is_empty()) {
        (Some(urn), true) => Reading::Found(receipt(call, urn, Source::ReadBack)),
        (Some(_), false) => Reading::Ambiguous,
        (None, _) if past => Reading::Absent,
        (None, _) => {
            Reading::Unavailable(failure("listing_too_long", "too much was posted since", None))
        }
    }
}

async fn ask(call: &Call<'_>) -> Result<Value, CallError> {
    let author = author(call).ok_or(CallError::Missing("account"))?;
    let author = api::encoded(author);
    let path = format!("/rest/posts?q=author&author={author}&count={PAGE}&sortBy=CREATED");
    let mut request = api::request(call, Method::GET, &path, None)?;
    request.headers.insert("x-restli-method", http::HeaderValue::from_static("FINDER"));
    api::ask(call, request).await
}

/// Words as they are compared: how they are broken into lines does not count.
pub(super) fn words(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).collect()
}

/// Words without what LinkedIn writes in its own way: hashtags come back as
/// `{hashtag|\#|word}` (networks.md 2.9).
fn plain(text: &str) -> String {
    let text = text.replace("{hashtag|\\#|", "#").replace('}', "");
    text.chars().filter(|c| !c.is_whitespace() && *c != '\\' && *c != '}').collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashtags_and_escapes_are_the_same_in_both_forms() {
        let sent = escaped("We are #hiring (now) {x}");
        assert_eq!(plain("We are {hashtag|\\#|hiring} \\(now\\) \\{x\\}"), plain(&sent));
        assert_ne!(plain("We are \\(now\\)"), plain(&sent));
    }
}
