//! The record that a part becomes, under a key of our own (networks.md 10.3). Must not write it.

use data_encoding::BASE32_NOPAD;
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::super::{Call, CallError, PartCall, failure};
use super::facets::{Facet, Feature, detect};
use super::xrpc::{self, Host, RECORD_NOT_FOUND};
use super::{CARD_DESCRIPTION, CARD_TITLE, CARD_URL, LABEL, LANGUAGES, POSTS};
use crate::domain::capability::languages;
use crate::domain::publish::{Outcome, Receipt};

/// A record as its server has it.
pub(super) struct Found {
    pub uri: String,
    pub cid: String,
    pub text: String,
}

/// Handles of one part that are looked up; the rest stay plain words.
const MENTIONS: usize = 20;

/// The key of the record, the same for every attempt: a TID, which is 53 bits of microseconds and
/// 10 more. It lies in the minute in which the delivery was made; the 36 bits in which two parts
/// of one minute differ are of the part's key.
pub(super) fn key(part: &PartCall<'_>) -> String {
    const MINUTE: u64 = 60_000_000 * 1_024;
    let number = |bytes: &[u8]| bytes.iter().fold(0, |n: u64, byte| n << 8 | u64::from(*byte));
    // The id begins with the milliseconds of its making.
    let made = number(part.delivery.as_bytes().get(..6).unwrap_or_default());
    let seed = BASE32_NOPAD.decode(part.key.to_uppercase().as_bytes()).unwrap_or_default();
    let bits = number(seed.get(..8).unwrap_or_default());
    tid((made / 60_000).saturating_mul(MINUTE).saturating_add(bits % MINUTE))
}

/// 13 characters that sort as the number does.
fn tid(number: u64) -> String {
    const SYMBOLS: &[u8; 32] = b"234567abcdefghijklmnopqrstuvwxyz";
    let symbol = |place: u32| {
        let index = usize::try_from(number >> (place * 5) & 31).unwrap_or_default();
        SYMBOLS.get(index).map_or('2', |byte| char::from(*byte))
    };
    (0..13).rev().map(symbol).collect()
}

/// The record of a part. Asks who is mentioned and what is replied to; an error says what that
/// means for a write that has not been tried.
pub(super) async fn build(call: &Call<'_>, part: &PartCall<'_>) -> Result<Value, Outcome> {
    let text = part.draft.text.as_str();
    let mut record = json!({
        "$type": POSTS,
        "text": text,
        "createdAt": call.now.to_string(),
    });
    let facets = facets(call, text).await.map_err(untried)?;
    if !facets.is_empty() {
        record["facets"] = Value::Array(facets);
    }
    if let Some(codes) = part.text_option(LANGUAGES) {
        record["langs"] = languages(codes).collect();
    }
    if let Some(label) = part.text_option(LABEL) {
        record["labels"] = json!({
            "$type": "com.atproto.label.defs#selfLabels",
            "values": [{ "val": label }],
        });
    }
    if let (Some(root), Some(parent)) = (part.before.first(), part.before.last()) {
        record["reply"] = reply(call, root, parent).await?;
    } else if let Some(card) = card(part) {
        record["embed"] = card;
    }
    Ok(record)
}

/// Nothing was written: what an unanswered question means.
fn untried(error: CallError) -> Outcome {
    match error {
        CallError::Unauthorized(failure) => Outcome::Reconnect(failure),
        CallError::Unreachable(failure) => Outcome::Transient(failure),
        refused => Outcome::Refused(refused.into_failure()),
    }
}

async fn facets(call: &Call<'_>, text: &str) -> Result<Vec<Value>, CallError> {
    let mut left = MENTIONS;
    let mut features = Vec::new();
    for Facet { start, end, feature } in detect(text) {
        let ask = match feature {
            Feature::Mention(_) if left == 0 => continue,
            Feature::Mention(_) => {
                left -= 1;
                feature
            }
            other => other,
        };
        features.push(async move {
            let feature = match ask {
                Feature::Link(uri) => {
                    json!({ "$type": "app.bsky.richtext.facet#link", "uri": uri })
                }
                Feature::Tag(tag) => json!({ "$type": "app.bsky.richtext.facet#tag", "tag": tag }),
                Feature::Mention(handle) => match resolve(call, &handle).await? {
                    Some(did) => json!({ "$type": "app.bsky.richtext.facet#mention", "did": did }),
                    None => return Ok(None),
                },
            };
            let index = json!({ "byteStart": start, "byteEnd": end });
            Ok(Some(json!({ "index": index, "features": [feature] })))
        });
    }
    let found: Result<Vec<_>, CallError> = join_all(features).await.into_iter().collect();
    Ok(found?.into_iter().flatten().collect())
}

/// Who has this handle. `None` when nobody has: then it is only words.
async fn resolve(call: &Call<'_>, handle: &str) -> Result<Option<String>, CallError> {
    let method = "com.atproto.identity.resolveHandle";
    let request = xrpc::public_query(call, Host::Own, method, &[("handle", handle)])?;
    match xrpc::ask(call, request).await {
        Ok(answer) => Ok(answer.get("did").and_then(Value::as_str).map(str::to_owned)),
        Err(CallError::Refused(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The link card, only of what the caller gives: no page is fetched for it.
fn card(part: &PartCall<'_>) -> Option<Value> {
    let text = |name| part.text_option(name).unwrap_or_default();
    let (uri, title) = (part.text_option(CARD_URL)?, part.text_option(CARD_TITLE)?);
    let external = json!({ "uri": uri, "title": title, "description": text(CARD_DESCRIPTION) });
    Some(json!({ "$type": "app.bsky.embed.external", "external": external }))
}

/// Both references are whole: an address alone would not say which version is meant.
async fn reply(call: &Call<'_>, root: &Receipt, parent: &Receipt) -> Result<Value, Outcome> {
    let first = reference(call, root).await?;
    let last = if root == parent { first.clone() } else { reference(call, parent).await? };
    Ok(json!({ "root": first, "parent": last }))
}

async fn reference(call: &Call<'_>, receipt: &Receipt) -> Result<Value, Outcome> {
    let unknown = |said: &str| Outcome::Refused(failure("parent_unknown", said, None));
    // A person who says where a part is gives an address of the app instead.
    let url = receipt.url.as_deref().unwrap_or_default();
    let address = Some(receipt.remote_id.as_str()).filter(|id| !id.is_empty()).unwrap_or(url);
    let key = address.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    if key.is_empty() {
        return Err(unknown("the part before has no address"));
    }
    match lookup(call, key).await {
        Ok(Some(found)) => Ok(json!({ "uri": found.uri, "cid": found.cid })),
        Ok(None) => Err(unknown("the part before is gone")),
        Err(error) => Err(untried(error)),
    }
}

/// The record under `key`, or `None` when there is none. Records are public: no token is sent, so
/// that a dead one cannot spoil the answer.
pub(super) async fn lookup(call: &Call<'_>, key: &str) -> Result<Option<Found>, CallError> {
    let account = call.account.ok_or(CallError::Missing("account"))?;
    let parameters = [("repo", account.remote_id.as_str()), ("collection", POSTS), ("rkey", key)];
    let request = xrpc::public_query(call, Host::Own, "com.atproto.repo.getRecord", &parameters)?;
    let answer = match xrpc::ask(call, request).await {
        Ok(answer) => answer,
        Err(CallError::Refused(said)) if said.code == RECORD_NOT_FOUND => return Ok(None),
        Err(error) => return Err(error),
    };
    let text = |value: &Value, name: &str| Some(value.get(name)?.as_str()?.to_owned());
    let found = || {
        let (uri, cid) = (text(&answer, "uri")?, text(&answer, "cid")?);
        let words = text(answer.get("value")?, "text")?;
        let this = uri.ends_with(&format!("/{key}"));
        this.then_some(Found { uri, cid, text: words })
    };
    match found() {
        Some(found) => Ok(Some(found)),
        None => {
            Err(CallError::Unreachable(failure("unreadable_answer", "no such record", Some(200))))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_become_keys_that_sort() {
        // The least, and two of the specification's examples.
        assert_eq!(tid(0), "2222222222222");
        assert_eq!(tid(31), "222222222222z");
        let mut before = tid(0);
        for n in 1..64 {
            let now = tid(n << 57);
            assert!(now > before && now.len() == 13, "{now}");
            before = now;
        }
    }
}
