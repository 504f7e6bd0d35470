//! X, by its API v2: a bearer token, or the four keys of one's own app (OAuth 1.0a). Facts:
//! networks.md 1. Must not take "duplicate" for proof without having seen the post.

mod api;
mod errors;
mod inbound;
mod media;
mod oauth1;
mod read_back;

use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::call::{ACCESS_TOKEN, Answered};
use super::oauth::{Oauth, Proves, Refresh};
use super::{
    Asks, Call, CallError, Connected, Credential, Facts, Grant, Host, Inbound, Network, PartCall,
    Prepared, Proof, Told, failure,
};
use crate::domain::capability::{Capabilities, OptionSpec, Takes};
use crate::domain::channel::Account;
use crate::domain::connection::Offer;
use crate::domain::cost::{Charge, Prices};
use crate::domain::publish::{Outcome, ReadBack, Reading, Receipt, Source};
use crate::domain::text::Counter;
use crate::domain::weighted::has_address;
use crate::outbound::Response;

pub(super) struct X;

const API: Host = Host { network: "x", name: "api", url: "https://api.x.com" };
/// Where people read posts, and permit applications.
const WEB: Host = Host { network: "x", name: "web", url: "https://x.com" };

/// networks.md 1.1. A token lives two hours, so without `offline.access` there is no publishing; what
/// reads numbers needs nothing more.
static OAUTH: Oauth = Oauth {
    authorize: (&WEB, "/i/oauth2/authorize"),
    token: (&API, "/2/oauth2/token"),
    revoke: Some((&API, "/2/oauth2/revoke")),
    pkce: true,
    proves: Proves::ByBasic,
    publish: &["tweet.read", "tweet.write", "users.read", "media.write", "offline.access"],
    more: &[],
    insights: &[],
    refresh: Refresh::RotatesOnce,
    dead: &["invalid_request"],
    console: "https://developer.x.com/en/portal/dashboard",
};

/// What X says of the account's subscription when it is connected.
const SUBSCRIPTION: &str = "subscription_type";
/// Weighted characters of a post, and of one by a subscriber.
const TEXT: (usize, usize) = (280, 25_000);

const OPTIONS: &[OptionSpec] = &[
    OptionSpec {
        name: "reply_settings",
        about: "who may reply to the first part; everybody when not given",
        takes: Takes::Choice(&["following", "mentionedUsers", "subscribers", "verified"]),
    },
    OptionSpec {
        name: "made_with_ai",
        about: "says that its media were made by a machine",
        takes: Takes::Flag,
    },
    OptionSpec {
        name: "paid_partnership",
        about: "says that somebody pays for it",
        takes: Takes::Flag,
    },
];

#[async_trait]
impl Network for X {
    fn word(&self) -> &'static str {
        "x"
    }

    fn title(&self) -> &'static str {
        "X"
    }

    fn asks(&self) -> Asks {
        Asks { instance: false, identifier: false, token: true, url: false }
    }

    fn hosts(&self) -> &'static [Host] {
        &[API, WEB]
    }

    fn oauth(&self) -> Option<&'static Oauth> {
        Some(&OAUTH)
    }

    fn inbound(&self) -> Option<&'static Inbound> {
        Some(&inbound::INBOUND)
    }

    async fn offers(&self, call: &Call<'_>) -> Result<Vec<Offer>, CallError> {
        let (account, facts) = me(call).await?;
        Ok(vec![Offer { account, kind: String::new(), facts }])
    }

    fn capabilities(&self, facts: &Facts) -> Capabilities {
        let subscriber = facts.get(SUBSCRIPTION).is_some_and(|kind| kind != "None");
        Capabilities {
            network: "x",
            text_max: if subscriber { TEXT.1 } else { TEXT.0 },
            text_bytes_max: None,
            counter: Counter::Weighted { url: 23 },
            parts_max: 25,
            media_max: media::IMAGES,
            media: media::rules(),
            later: None,
            options: OPTIONS,
            counted: None,
            needs: None,
        }
    }

    /// There is no key: the account's own timeline is all the evidence.
    fn proof(&self, _: &Facts, _: usize) -> Proof {
        Proof { key_memory: None, read_back: Some(ReadBack::Listing) }
    }

    async fn connect(&self, call: &Call<'_>, grant: Grant<'_>) -> Result<Connected, CallError> {
        let Grant::Token(pasted) = grant else { return Err(CallError::Missing("token")) };
        let credential = credential(pasted)?;
        let call = Call { credential: Some(&credential), ..*call };
        let (account, facts) = me(&call).await?;
        Ok(Connected::Account { account, facts, credential: Some(credential) })
    }

    async fn identify(&self, call: &Call<'_>) -> Result<Account, CallError> {
        me(call).await.map(|(account, _)| account)
    }

    fn charge(&self, prices: &Prices, text: &str) -> Option<Charge> {
        let with_link = has_address(text);
        let micros = if with_link { prices.x_post_with_link } else { prices.x_post };
        Some(Charge { micros, with_link })
    }

    /// networks.md 1.4: 10,000 posts in 24 hours are counted for all users of one app.
    fn is_shared(&self, told: &Told) -> bool {
        told.of_app
    }

    async fn prepare(&self, call: &Call<'_>, part: &PartCall<'_>) -> Prepared {
        media::prepare(call, part).await
    }

    fn waits_for(&self, noted: &[u8]) -> &'static str {
        media::waits_for(noted)
    }

    async fn commit(&self, call: &Call<'_>, part: &PartCall<'_>) -> Outcome {
        let request = match api::post(call, "/2/tweets", Some(&post(call, part))) {
            Ok(request) => request,
            Err(error) => return api::unasked(error),
        };
        match call.commit(oauth1::authorized(call, request)).await {
            Answered::Never(outcome) => outcome,
            Answered::Whole(response) => outcome(call, part, &response).await,
        }
    }

    async fn read_back(
        &self,
        call: &Call<'_>,
        part: &PartCall<'_>,
        armed: crate::base::Timestamp,
    ) -> Reading {
        read_back::read_back(call, part, armed).await
    }
}

/// What a person pasted: the four keys of the app with colons between them, or a bearer token.
fn credential(pasted: &str) -> Result<Credential, CallError> {
    let keys: Vec<&str> = pasted.split(':').collect();
    let named = |names: &[&'static str]| {
        Credential::new(names.iter().copied().zip(keys.iter().map(|key| (*key).to_owned())))
    };
    match keys.as_slice() {
        keys if keys.iter().any(|key| key.is_empty()) => {}
        [_] => return Ok(named(&[ACCESS_TOKEN])),
        [_, _, _, _] => {
            let names = [
                oauth1::CONSUMER_KEY,
                oauth1::CONSUMER_SECRET,
                oauth1::TOKEN,
                oauth1::TOKEN_SECRET,
            ];
            return Ok(named(&names));
        }
        _ => {}
    }
    let how = "paste API_KEY:API_KEY_SECRET:ACCESS_TOKEN:ACCESS_TOKEN_SECRET in one line, or one \
               bearer token of a user";
    Err(CallError::Refused(failure("four_keys_needed", how, None)))
}

async fn me(call: &Call<'_>) -> Result<(Account, Facts), CallError> {
    let fields = [("user.fields", "id,name,username,verified_type,subscription_type")];
    let answer = api::ask(call, api::get(call, "/2/users/me", &fields)?).await?;
    let text = |name: &str| answer["data"][name].as_str();
    let (Some(id), Some(name)) =
        (text("id").filter(|id| is_id(id)), text("username").filter(|name| is_name(name)))
    else {
        return Err(CallError::Refused(failure("unreadable_answer", "no id or username", None)));
    };
    let account = Account {
        remote_id: id.to_owned(),
        handle: format!("@{name}"),
        url: Some(format!("{}/{name}", call.hosts.base(&WEB))),
    };
    let kind = text(SUBSCRIPTION).filter(|kind| kind.len() <= 32);
    let facts = kind.map(|kind| (SUBSCRIPTION.to_owned(), kind.to_owned()));
    Ok((account, facts.into_iter().collect()))
}

/// Ids go into addresses.
fn is_id(id: &str) -> bool {
    (1..=20).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_digit())
}

fn is_name(name: &str) -> bool {
    (1..=32).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// What is sent: unknown or idle fields are refused by X.
fn post(call: &Call<'_>, part: &PartCall<'_>) -> Value {
    let mut body = json!({});
    if !part.draft.text.is_empty() || part.media.is_empty() {
        body["text"] = json!(part.draft.text);
    }
    let ids = media::attached(part, call.now);
    if !ids.is_empty() {
        body["media"] = json!({ "media_ids": ids });
    }
    match part.before.last() {
        Some(parent) => {
            body["reply"] = json!({ "in_reply_to_tweet_id": id_of(parent).unwrap_or_default() });
        }
        None => {
            if let Some(who) = part.text_option("reply_settings") {
                body["reply_settings"] = json!(who);
            }
        }
    }
    for name in ["made_with_ai", "paid_partnership"] {
        if part.flag_option(name) {
            body[name] = json!(true);
        }
    }
    body
}

/// The id of a part that is out; of one that a person found, its address has it.
fn id_of(receipt: &Receipt) -> Option<&str> {
    let by_url = || receipt.url.as_deref()?.trim_end_matches('/').rsplit('/').next();
    let id = Some(receipt.remote_id.as_str()).filter(|id| !id.is_empty()).or_else(by_url)?;
    is_id(id).then_some(id)
}

/// networks.md 1.6, with SPEC part 4's rule that 408 and 5xx after a commit are unknown.
async fn outcome(call: &Call<'_>, part: &PartCall<'_>, response: &Response) -> Outcome {
    let failed = api::failed(call, response);
    match response.status {
        200..=299 => {
            let json: Value = serde_json::from_slice(&response.body).unwrap_or_default();
            let id = json["data"]["id"].as_str().filter(|id| is_id(id));
            let lost = failure("unreadable_answer", &failed.detail, failed.status);
            id.map_or(Outcome::Lost(lost), |id| Outcome::Done(receipt(call, id, Source::Answer)))
        }
        408 | 500.. => Outcome::Lost(failed),
        // The same words are out already. It has no id, so only the timeline says whether that is
        // this part: what an earlier attempt, or a person, has posted since it was due.
        403 if failed.code == "duplicate_content" => {
            match read_back::read_back(call, part, part.due).await {
                Reading::Found(receipt) => Outcome::Exists(Some(receipt)),
                _ => Outcome::Refused(failed),
            }
        }
        _ => api::untried(call, response),
    }
}

fn receipt(call: &Call<'_>, id: &str, source: Source) -> Receipt {
    let web = call.hosts.base(&WEB);
    let name = call.account.map(|account| account.handle.trim_start_matches('@'));
    let name = name.filter(|name| is_name(name)).unwrap_or("i");
    let url = format!("{web}/{name}/status/{id}");
    Receipt { remote_id: id.to_owned(), url: Some(url), at: call.now, source }
}

/// How far another clock may be from ours without our seeing it.
const SKEW: Duration = Duration::from_mins(5);
