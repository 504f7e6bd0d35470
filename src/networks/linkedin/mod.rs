//! LinkedIn: members and organizations, by its versioned API. Facts: networks.md 2. Must not send
//! the same words again after the ten minutes in which LinkedIn would tell that they are out.

mod api;
mod comments;
mod errors;
mod inbound;
mod media;
mod read_back;
mod token;

use std::time::Duration;

use async_trait::async_trait;
use http::Method;
use jiff::ToSpan as _;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::call::Answered;
use super::oauth::{Oauth, Proves, Refresh, has_scope};
use super::{
    Asks, Call, CallError, Connected, Facts, Grant, Host, Inbound, Network, PartCall, Prepared,
    Proof, Version, failure,
};
use crate::base::Timestamp;
use crate::domain::capability::{Capabilities, OptionSpec, Takes};
use crate::domain::channel::Account;
use crate::domain::connection::Offer;
use crate::domain::little_text::escaped;
use crate::domain::publish::{Outcome, ReadBack, Reading, Receipt, Source};
use crate::domain::text::Counter;
use crate::outbound::Response;

pub(super) struct LinkedIn;

const API: Host = Host { network: "linkedin", name: "api", url: "https://api.linkedin.com" };
/// Where people read posts, and permit applications.
const WEB: Host = Host { network: "linkedin", name: "web", url: "https://www.linkedin.com" };

/// networks.md 2.2: each is kept for a year at least; its end is known for some.
const VERSION: Version = Version {
    network: "linkedin",
    usual: "202607",
    ends: &[("202601", "2027-01-15"), ("202602", "2027-02-15"), ("202603", "2027-03-16")],
};

/// networks.md 2.1. What an application has no product for, LinkedIn does not let it ask for: the
/// operator leaves it out.
static OAUTH: Oauth = Oauth {
    authorize: (&WEB, "/oauth/v2/authorization"),
    token: (&WEB, "/oauth/v2/accessToken"),
    revoke: Some((&WEB, "/oauth/v2/revoke")),
    pkce: false,
    proves: Proves::InBody,
    publish: &["openid", "profile", "w_member_social"],
    more: &["w_organization_social", "rw_organization_admin", "r_organization_social"],
    insights: &["r_member_postAnalytics"],
    refresh: Refresh::Stays,
    dead: &[],
    console: "https://www.linkedin.com/developers/apps",
};

/// Organizations that are offered at a time.
const PAGES: usize = 50;

/// A fact: `member` or `organization`.
const KIND: &str = "kind";
const ORGANIZATION: &str = "organization";

/// networks.md 2.9: so long the same words of the same author are answered with the post that has
/// them already; a minute of it is left to clocks.
const KEY_MEMORY: Duration = Duration::from_mins(9);

const VISIBILITY: &str = "visibility";
const ARTICLE_URL: &str = "article_url";
const ARTICLE_TITLE: &str = "article_title";
const ARTICLE_DESCRIPTION: &str = "article_description";
const DOCUMENT_TITLE: &str = "document_title";

const OPTIONS: &[OptionSpec] = &[
    OptionSpec {
        name: VISIBILITY,
        about: "who sees it; of a member's posts only, `PUBLIC` when not given",
        takes: Takes::Choice(&["PUBLIC", "CONNECTIONS"]),
    },
    OptionSpec {
        name: ARTICLE_URL,
        about: "the address of an article under the text, when there are no media; needs \
                `article_title`. LinkedIn looks nothing up by itself",
        takes: Takes::Address,
    },
    OptionSpec { name: ARTICLE_TITLE, about: "the article's title", takes: Takes::Text(400) },
    OptionSpec {
        name: ARTICLE_DESCRIPTION,
        about: "the article's words below its title",
        takes: Takes::Text(4_000),
    },
    OptionSpec {
        name: DOCUMENT_TITLE,
        about: "what stands above a document; what it shows for those who do not see it, when not \
                given. The name of its file is told to nobody",
        takes: Takes::Text(media::TITLE),
    },
];

#[async_trait]
impl Network for LinkedIn {
    fn word(&self) -> &'static str {
        "linkedin"
    }

    fn title(&self) -> &'static str {
        "LinkedIn"
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
        let offer = |account, kind: &str| {
            let facts = Facts::from([(KIND.to_owned(), kind.to_owned())]);
            Offer { account, kind: kind.to_owned(), facts }
        };
        let mut offers = vec![offer(who(call, None).await?, "member")];
        for page in pages(call).await? {
            offers.push(offer(who(call, Some(&page)).await?, ORGANIZATION));
        }
        Ok(offers)
    }

    fn version(&self) -> Option<&'static Version> {
        Some(&VERSION)
    }

    fn capabilities(&self, _: &Facts) -> Capabilities {
        Capabilities {
            network: "linkedin",
            text_max: 3_000,
            text_bytes_max: None,
            counter: Counter::LittleText,
            parts_max: comments::PARTS,
            media_max: media::IMAGES,
            media: media::rules(),
            later: Some(comments::limits()),
            options: OPTIONS,
            counted: None,
            needs: Some((ARTICLE_URL, ARTICLE_TITLE)),
        }
    }

    /// The duplicate that names its post is as good as a key, for as long as LinkedIn looks for
    /// duplicates. After that, only an organization's posts can be listed. Nobody has said that it
    /// looks for those of comments.
    fn proof(&self, facts: &Facts, part: usize) -> Proof {
        let page = facts.get(KIND).is_some_and(|kind| kind == ORGANIZATION);
        let key_memory = (part == 0).then_some(KEY_MEMORY);
        Proof { key_memory, read_back: page.then_some(ReadBack::Listing) }
    }

    async fn connect(&self, call: &Call<'_>, grant: Grant<'_>) -> Result<Connected, CallError> {
        let Grant::Token(text) = grant else { return Err(CallError::Missing("token")) };
        let (credential, page) = token::pasted(text, call.now)?;
        let call = Call { credential: Some(&credential), ..*call };
        let account = who(&call, page.as_deref()).await?;
        let kind = if page.is_some() { ORGANIZATION } else { "member" };
        let facts = Facts::from([(KIND.to_owned(), kind.to_owned())]);
        Ok(Connected::Account { account, facts, credential: Some(credential) })
    }

    async fn identify(&self, call: &Call<'_>) -> Result<Account, CallError> {
        let urn = call.account.map(|account| account.remote_id.as_str());
        who(call, urn.filter(|urn| urn.starts_with("urn:li:organization:"))).await
    }

    /// networks.md 2.5: no header tells it; the counts of a day end at midnight.
    fn unsaid_reset(&self, now: Timestamp) -> Option<Timestamp> {
        Some(midnight(now))
    }

    async fn prepare(&self, call: &Call<'_>, part: &PartCall<'_>) -> Prepared {
        if part.index > 0 {
            return Prepared::Ready;
        }
        // Without words nothing would tell a second post from the first (networks.md 2.7).
        if part.draft.text.trim().is_empty() {
            let why = "LinkedIn tells a repeated post by its words, so each needs some";
            return Prepared::Wrong(Outcome::Refused(failure("text_required", why, None)));
        }
        media::prepare(call, part).await
    }

    fn waits_for(&self, noted: &[u8]) -> &'static str {
        media::waits_for(noted)
    }

    async fn commit(&self, call: &Call<'_>, part: &PartCall<'_>) -> Outcome {
        if part.index > 0 {
            return comments::commit(call, part).await;
        }
        let Some(author) = author(call) else {
            return Outcome::Refused(failure("missing", "account", None));
        };
        let body = post(call, part, author);
        let request = match api::request(call, Method::POST, "/rest/posts", Some(&body)) {
            Ok(request) => request,
            Err(error) => return api::unasked(error),
        };
        match call.commit(request).await {
            Answered::Never(outcome) => outcome,
            Answered::Whole(response) => outcome(call, part, &response),
        }
    }

    async fn read_back(&self, call: &Call<'_>, part: &PartCall<'_>, armed: Timestamp) -> Reading {
        if part.index > 0 {
            return comments::read_back(call, part, armed).await;
        }
        read_back::read_back(call, part, armed).await
    }
}

/// The next 00:00 UTC.
fn midnight(now: Timestamp) -> Timestamp {
    let day = now.to_jiff().to_zoned(TimeZone::UTC).date();
    let next = day.checked_add(1.day()).and_then(|day| day.to_zoned(TimeZone::UTC));
    let next = next.ok().and_then(|next| Timestamp::from_jiff(next.timestamp()));
    next.unwrap_or_else(|| now.plus(Duration::from_hours(24)))
}

/// The organizations that the member may post for, if that was granted (networks.md 2.1, 2.3).
async fn pages(call: &Call<'_>) -> Result<Vec<String>, CallError> {
    let granted = |scope| has_scope(call.credential, scope);
    if !granted("w_organization_social") || !granted("rw_organization_admin") {
        return Ok(Vec::new());
    }
    let path = "/rest/organizationAcls?q=roleAssignee&state=APPROVED&count=100";
    let answer = api::ask(call, api::request(call, Method::GET, path, None)?).await?;
    let may = |row: &&Value| {
        matches!(row["role"].as_str(), Some("ADMINISTRATOR" | "CONTENT_ADMINISTRATOR"))
    };
    let urn = |row: &Value| {
        let urn = row["organization"].as_str()?;
        let id = urn.strip_prefix("urn:li:organization:")?;
        (1..=20).contains(&id.len()).then_some(())?;
        id.bytes().all(|b| b.is_ascii_digit()).then(|| urn.to_owned())
    };
    let rows = answer["elements"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut pages: Vec<String> = rows.iter().filter(may).filter_map(urn).take(PAGES).collect();
    // One with both roles is there twice.
    pages.sort_unstable();
    pages.dedup();
    Ok(pages)
}

/// The member that the token is of, or the organization.
async fn who(call: &Call<'_>, page: Option<&str>) -> Result<Account, CallError> {
    let unreadable =
        || CallError::Refused(failure("unreadable_answer", "no name of the account", None));
    let web = call.hosts.base(&WEB);
    let Some(urn) = page else {
        let answer = api::ask(call, api::request(call, Method::GET, "/v2/userinfo", None)?).await?;
        let (sub, name) = (answer["sub"].as_str(), answer["name"].as_str());
        let sub = sub.filter(|sub| is_plain(sub)).ok_or_else(unreadable)?;
        return Ok(Account {
            remote_id: format!("urn:li:person:{sub}"),
            handle: short(name.ok_or_else(unreadable)?),
            url: None,
        });
    };
    let id = urn.rsplit(':').next().unwrap_or_default();
    let path = format!("/rest/organizations/{id}");
    let answer = api::ask(call, api::request(call, Method::GET, &path, None)?).await?;
    let name = answer["localizedName"].as_str().ok_or_else(unreadable)?;
    let vanity = answer["vanityName"].as_str().filter(|name| is_plain(name));
    Ok(Account {
        remote_id: urn.to_owned(),
        handle: short(name),
        url: vanity.map(|name| format!("{web}/company/{name}")),
    })
}

fn is_plain(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    (1..=100).contains(&text.len()) && text.chars().all(plain)
}

fn short(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(100).collect()
}

fn author<'a>(call: &Call<'a>) -> Option<&'a str> {
    call.account.map(|account| account.remote_id.as_str())
}

/// networks.md 2.4.
fn post(call: &Call<'_>, part: &PartCall<'_>, author: &str) -> Value {
    let member = author.starts_with("urn:li:person:");
    let visibility = part.text_option(VISIBILITY).filter(|_| member).unwrap_or("PUBLIC");
    let mut body = json!({
        "author": author,
        "commentary": escaped(&part.draft.text),
        "visibility": visibility,
        "distribution": {
            "feedDistribution": "MAIN_FEED",
            "targetEntities": [],
            "thirdPartyDistributionChannels": [],
        },
        "lifecycleState": "PUBLISHED",
        "isReshareDisabledByAuthor": false,
    });
    if let Some(content) = media::content(part, call.now).or_else(|| article(part)) {
        body["content"] = content;
    }
    body
}

fn article(part: &PartCall<'_>) -> Option<Value> {
    let (source, title) = (part.text_option(ARTICLE_URL)?, part.text_option(ARTICLE_TITLE)?);
    let mut article = json!({ "source": source, "title": title });
    if let Some(words) = part.text_option(ARTICLE_DESCRIPTION) {
        article["description"] = json!(words);
    }
    Some(json!({ "article": article }))
}

/// networks.md 2.7, with SPEC part 4's rule that 408 and 5xx after a commit are unknown.
fn outcome(call: &Call<'_>, part: &PartCall<'_>, response: &Response) -> Outcome {
    let failed = api::failed(call, response);
    match response.status {
        200..=299 => match api::made(&response.headers) {
            Some(urn) => Outcome::Done(receipt(call, urn, Source::Answer)),
            None => Outcome::Lost(failure("unreadable_answer", "no id", failed.status)),
        },
        408 | 500.. => Outcome::Lost(failed),
        // It names the post that has these words: an earlier attempt's, unless there was none.
        _ if failed.code == "duplicate_content" => {
            let named = errors::Told::read(&response.body).names();
            let ours = |urn: &String| {
                part.in_doubt && !part.known.iter().any(|known| known.remote_id == *urn)
            };
            match named.filter(ours) {
                Some(urn) => Outcome::Exists(Some(receipt(call, urn, Source::ReadBack))),
                None => Outcome::Refused(failed),
            }
        }
        _ => api::untried(call, response),
    }
}

fn receipt(call: &Call<'_>, urn: String, source: Source) -> Receipt {
    let url = format!("{}/feed/update/{urn}", call.hosts.base(&WEB));
    Receipt { remote_id: urn, url: Some(url), at: call.now, source }
}
