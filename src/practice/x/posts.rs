//! Posts: made, listed, deleted (networks.md 1.3). Must not show a text as it was sent: X shows it
//! with its own addresses, and escaped (networks.md 1.8).

use serde_json::{Map, Value, json};

use super::super::journal::{Effect, Moment};
use super::super::{Answer, Request};
use super::{Caller, Outcome, Query, Refusal, Server, body, only, text};
use crate::base::Timestamp;

pub(super) struct Post {
    pub id: u64,
    pub account: u64,
    pub at: Timestamp,
    pub text: String,
    pub parent: Option<u64>,
    pub media: Vec<u64>,
}

const MEMBERS: &[&str] = &[
    "text",
    "media",
    "reply",
    "reply_settings",
    "made_with_ai",
    "paid_partnership",
    "poll",
    "quote_tweet_id",
    "nullcast",
    "geo",
    "community_id",
    "for_super_followers_only",
    "direct_message_deep_link",
    "card_uri",
    "edit_options",
    "share_with_followers",
];
const SETTINGS: [&str; 4] = ["following", "mentionedUsers", "subscribers", "verified"];
/// networks.md 1.4.
const TEXT: (usize, usize) = (280, 25_000);

fn member(map: Option<&Value>, at: &str, known: &[&str]) -> Result<Map<String, Value>, Refusal> {
    match map {
        None => Ok(Map::new()),
        Some(Value::Object(map)) => only(map.clone(), at, known),
        Some(_) => Err(Refusal::invalid(at, "", "must be an object")),
    }
}

fn id(name: &str, value: &Value) -> Result<u64, Refusal> {
    let digits = value.as_str().filter(|text| text.bytes().all(|b| b.is_ascii_digit()));
    let shown = value.to_string();
    digits
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| Refusal::invalid(name, &shown, "does not match ^[0-9]{1,19}$"))
}

impl Server {
    pub(super) fn create(
        &mut self,
        m: &mut Moment<'_>,
        request: &Request,
        caller: &Caller,
    ) -> Outcome {
        Self::may(caller, "tweet.write")?;
        let body = body(request, MEMBERS)?;
        if self.settings.out_of_credits {
            let detail = "Your account does not have any credits to fulfill this request.";
            return Err(Refusal::new(402, "CreditsDepleted", detail).of_type("credits"));
        }
        if self.accounts.get(&caller.account).is_some_and(|account| account.suspended) {
            return Err(Refusal::forbidden("Your account is suspended and is not permitted here."));
        }
        let words = match body.get("text") {
            None => "",
            Some(Value::String(text)) => text,
            Some(_) => return Err(Refusal::invalid("text", "", "must be a string")),
        };
        if let Some(settings) = body.get("reply_settings") {
            let known = settings.as_str().is_some_and(|word| SETTINGS.contains(&word));
            let shown = settings.to_string();
            if !known {
                return Err(Refusal::invalid("reply_settings", &shown, "not one of the settings"));
            }
        }
        let media = self.media_of(m.now, &body, caller)?;
        if words.is_empty() && media.is_empty() {
            return Err(Refusal::invalid("text", "", "must not be empty"));
        }
        self.judge_text(words, caller)?;
        let parent = self.parent_of(&body, caller)?;
        self.judge_duplicate(m.now, (words, &media, parent), caller)?;
        Ok(self.put(m, words, (media, parent), (request, caller)))
    }

    fn put(
        &mut self,
        m: &mut Moment<'_>,
        words: &str,
        (media, parent): (Vec<u64>, Option<u64>),
        (request, caller): (&Request, &Caller),
    ) -> Answer {
        let new = self.next_id();
        self.attach(&media);
        let effect = Effect::StatusCreated {
            id: new.to_string(),
            text: words.to_owned(),
            in_reply_to_id: parent.map(|id| id.to_string()),
            idempotency_key: None,
            correlation: request.header("x-correlation-id").map(str::to_owned),
        };
        m.note(self.username(caller.account), effect);
        let text = words.to_owned();
        let post = Post { id: new, account: caller.account, at: m.now, text, parent, media };
        let (shown, _) = shown_text(&post);
        self.posts.insert(new, post);
        let data = json!({ "id": new.to_string(), "text": shown, "edit_history_tweet_ids": [new.to_string()] });
        Answer::json(201, &json!({ "data": data }))
    }

    fn judge_text(&self, words: &str, caller: &Caller) -> Result<(), Refusal> {
        let premium = self.accounts.get(&caller.account).is_some_and(|account| account.premium);
        let most = if premium { TEXT.1 } else { TEXT.0 };
        if text::length(words) > most {
            // networks.md 1.8: told like this.
            return Err(Refusal::forbidden("You are not permitted to perform this action."));
        }
        let cashtag = |word: &str| {
            let tag = word.strip_prefix('$').unwrap_or_default();
            (1..=6).contains(&tag.len()) && tag.bytes().all(|b| b.is_ascii_uppercase())
        };
        // networks.md 1.4.
        if words.split_whitespace().filter(|word| cashtag(word)).count() > 1 {
            return Err(Refusal::forbidden("Your post can hold at most one cashtag."));
        }
        Ok(())
    }

    fn parent_of(
        &self,
        body: &Map<String, Value>,
        caller: &Caller,
    ) -> Result<Option<u64>, Refusal> {
        let known =
            ["in_reply_to_tweet_id", "exclude_reply_user_ids", "auto_populate_reply_metadata"];
        let reply = member(body.get("reply"), "$.reply", &known)?;
        let Some(parent) = reply.get("in_reply_to_tweet_id") else {
            if body.contains_key("reply") {
                return Err(Refusal::invalid("reply", "", "in_reply_to_tweet_id is missing"));
            }
            return Ok(None);
        };
        let parent = id("reply.in_reply_to_tweet_id", parent)?;
        // networks.md 1.8: 403, not 404.
        let gone = || {
            Refusal::forbidden(
                "You attempted to reply to a Tweet that is deleted or not visible to you.",
            )
        };
        let post = self.posts.get(&parent).ok_or_else(gone)?;
        // networks.md 1.7 (8): to others only when they mentioned the account.
        let name = format!("@{}", self.username(caller.account));
        let allowed = if post.account == caller.account {
            self.settings.self_replies
        } else {
            post.text.contains(&name)
        };
        if !allowed {
            return Err(Refusal::forbidden(
                "Reply to this conversation is not allowed because you have not been mentioned or \
                 otherwise engaged by the author of the post you are replying to.",
            ));
        }
        Ok(Some(parent))
    }

    fn media_of(
        &self,
        now: Timestamp,
        body: &Map<String, Value>,
        caller: &Caller,
    ) -> Result<Vec<u64>, Refusal> {
        if !body.contains_key("media") {
            return Ok(Vec::new());
        }
        let media = member(body.get("media"), "$.media", &["media_ids", "tagged_user_ids"])?;
        let bad = |why: &str| Refusal::invalid("media.media_ids", "", why);
        let ids = media.get("media_ids").and_then(Value::as_array).ok_or_else(|| bad("missing"))?;
        if !(1..=4).contains(&ids.len()) {
            return Err(bad("must have from 1 to 4 entries"));
        }
        let ids =
            ids.iter().map(|one| id("media.media_ids", one)).collect::<Result<Vec<_>, _>>()?;
        self.attachable(now, &ids, caller)?;
        Ok(ids)
    }

    fn judge_duplicate(
        &self,
        now: Timestamp,
        (words, media, parent): (&str, &[u64], Option<u64>),
        caller: &Caller,
    ) -> Result<(), Refusal> {
        let same = |post: &&Post| {
            post.account == caller.account
                && post.text == words
                && post.parent == parent
                && post.media.len() == media.len()
                && now.since(post.at) < self.settings.duplicate_window
        };
        match self.posts.values().find(same) {
            // networks.md 1.7 (5): without an id.
            Some(_) => Err(Refusal::forbidden(
                "You are not allowed to create a Tweet with duplicate content.",
            )),
            None => Ok(()),
        }
    }

    pub(super) fn delete(&mut self, m: &mut Moment<'_>, name: &str, caller: &Caller) -> Outcome {
        Self::may(caller, "tweet.write")?;
        let found = name.parse().ok().and_then(|id: u64| self.posts.get(&id));
        let id = found.filter(|post| post.account == caller.account).map(|post| post.id);
        let id = id.ok_or_else(|| Refusal::not_found("tweet", name))?;
        self.posts.remove(&id);
        let effect = Effect::StatusDeleted { id: id.to_string() };
        m.note(self.username(caller.account), effect);
        Ok(Answer::json(200, &json!({ "data": { "deleted": true } })))
    }

    /// The posts of an account, newest first.
    pub(super) fn timeline(
        &self,
        m: &Moment<'_>,
        request: &Request,
        (name, caller): (&str, &Caller),
    ) -> Outcome {
        Self::may(caller, "tweet.read")?;
        let known = [
            "max_results",
            "start_time",
            "end_time",
            "exclude",
            "tweet.fields",
            "pagination_token",
            "since_id",
            "until_id",
            "expansions",
        ];
        let query = Query::read(request, &known)?;
        let account = name.parse().ok().filter(|id| self.accounts.contains_key(id));
        let account: u64 = account.ok_or_else(|| Refusal::not_found("user", name))?;
        let number = |text: &str| text.parse().ok().filter(|n| (5..=100).contains(n));
        let most: usize = match query.get("max_results") {
            None => 10,
            Some(text) => number(text)
                .ok_or_else(|| Refusal::invalid("max_results", text, "must be from 5 to 100"))?,
        };
        let since = match query.get("start_time") {
            None => Timestamp::default(),
            Some(text) => moment(m.now, text)?,
        };
        let after: u64 =
            query.get("pagination_token").and_then(|t| t.parse().ok()).unwrap_or(u64::MAX);
        let listed = |post: &&Post| {
            post.account == account
                && post.at >= since
                && post.id < after
                && m.now >= post.at.plus(self.settings.list_lag)
        };
        let page: Vec<&Post> = self.posts.values().rev().filter(listed).take(most + 1).collect();
        let fields = query.list("tweet.fields");
        let data: Vec<Value> =
            page.iter().take(most).map(|post| Self::shown_post(post, &fields)).collect();
        let mut answer = json!({ "meta": { "result_count": data.len() } });
        if let (true, Some(last)) = (page.len() > most, page.get(most.saturating_sub(1))) {
            answer["meta"]["next_token"] = json!(last.id.to_string());
        }
        // Without posts there is no `data`.
        if !data.is_empty() {
            answer["data"] = Value::Array(data);
        }
        Ok(Answer::json(200, &answer))
    }

    fn shown_post(post: &Post, fields: &[&str]) -> Value {
        let (text, urls) = shown_text(post);
        let mut shown = json!({ "id": post.id.to_string(), "text": text });
        let wanted = |field: &str| fields.contains(&field);
        if wanted("created_at") {
            shown["created_at"] = json!(post.at.to_string());
        }
        if wanted("entities") && !urls.is_empty() {
            shown["entities"] = json!({ "urls": urls });
        }
        if let (true, Some(parent)) = (wanted("referenced_tweets"), post.parent) {
            shown["referenced_tweets"] =
                json!([{ "type": "replied_to", "id": parent.to_string() }]);
        }
        if wanted("attachments") && !post.media.is_empty() {
            let keys: Vec<String> = post.media.iter().map(|id| format!("3_{id}")).collect();
            shown["attachments"] = json!({ "media_keys": keys });
        }
        if wanted("author_id") {
            shown["author_id"] = json!(post.account.to_string());
        }
        shown
    }
}

/// RFC 3339 without fractions, not in the future.
fn moment(now: Timestamp, text: &str) -> Result<Timestamp, Refusal> {
    let bad = |why: &str| Refusal::invalid("start_time", text, why);
    let parsed = Timestamp::parse(text).filter(|_| text.len() == 20 && text.ends_with('Z'));
    let parsed = parsed.ok_or_else(|| bad("does not match the format YYYY-MM-DDTHH:mm:ssZ"))?;
    if parsed > now {
        return Err(bad("must be before end_time, which is now"));
    }
    Ok(parsed)
}

/// networks.md 1.8: escaped, with t.co for each address and one more for media.
fn shown_text(post: &Post) -> (String, Vec<Value>) {
    let mut shown = String::new();
    let mut urls = Vec::new();
    let mut at = 0;
    let escape = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    for (n, (begin, end)) in text::links(&post.text).into_iter().enumerate() {
        shown.push_str(&escape(post.text.get(at..begin).unwrap_or_default()));
        let long = post.text.get(begin..end).unwrap_or_default();
        let long = if long.contains("://") { long.to_owned() } else { format!("http://{long}") };
        let short = format!("https://t.co/{}x{n}", post.id);
        urls.push(json!({ "url": short, "expanded_url": long, "display_url": "x" }));
        shown.push_str(&short);
        at = end;
    }
    shown.push_str(&escape(post.text.get(at..).unwrap_or_default()));
    if let Some(first) = post.media.first() {
        let short = format!("https://t.co/{}m", post.id);
        let long = format!("https://x.com/i/status/{}/photo/1", post.id);
        urls.push(json!({ "url": short, "expanded_url": long, "media_key": format!("3_{first}") }));
        if !shown.is_empty() {
            shown.push(' ');
        }
        shown.push_str(&short);
    }
    (shown, urls)
}
