//! Posts: made and listed (networks.md 2.4). Must not take a text as it is typed: what has a
//! meaning and is not escaped cuts it short, and the answer is still 201 (networks.md 2.8, 4).

use serde_json::{Value, json};
use url::form_urlencoded;

use super::super::journal::{Effect, Moment};
use super::super::{Answer, Request};
use super::{Outcome, Refusal, Server, body, only};
use crate::base::Timestamp;

pub(super) struct Post {
    pub author: String,
    pub at: Timestamp,
    /// As it was sent.
    commentary: String,
    /// As people see it.
    pub shown: String,
    content: Value,
}

const MEMBERS: &[&str] = &[
    "author",
    "commentary",
    "visibility",
    "distribution",
    "lifecycleState",
    "isReshareDisabledByAuthor",
    "content",
    "reshareContext",
];
/// networks.md 2.5: of what is sent, escapes included.
const TEXT: usize = 3_000;
const DAY_MS: u64 = 86_400_000;

/// What people see of a commentary: up to the first sign that has a meaning and makes no sense.
fn shown(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let after = rest.get(c.len_utf8()..).unwrap_or_default();
        match c {
            '\\' => {
                let Some(next) = after.chars().next() else { return out };
                out.push(next);
                rest = after.get(next.len_utf8()..).unwrap_or_default();
            }
            '@' if after.starts_with('[') => {
                let end = after.find("](urn:li:").zip(after.find(')'));
                let Some((name, close)) = end else { return out };
                out.push_str(after.get(1..name).unwrap_or_default());
                rest = after.get(close + 1..).unwrap_or_default();
            }
            '#' if after.starts_with(char::is_alphanumeric) => {
                out.push('#');
                rest = after;
            }
            '|' | '{' | '}' | '@' | '[' | ']' | '(' | ')' | '<' | '>' | '#' | '*' | '_' | '~' => {
                return out;
            }
            c => {
                out.push(c);
                rest = after;
            }
        }
    }
    out
}

impl Server {
    pub(super) fn create(&mut self, m: &mut Moment<'_>, request: &Request, token: &str) -> Outcome {
        let body = body(request)?;
        only(&body, MEMBERS)?;
        let text = |name: &str| body[name].as_str().unwrap_or_default();
        let author = text("author");
        self.may_write(token, author)?;
        let missing = |name: &str| {
            let why = format!("ERROR :: /{name} :: field is required but not found");
            Err(Refusal::input(422, "MISSING_FIELD", why))
        };
        if !matches!(text("visibility"), "PUBLIC" | "CONNECTIONS") {
            return missing("visibility");
        }
        if author.starts_with("urn:li:organization:") && text("visibility") != "PUBLIC" {
            return Err(Refusal::input(422, "INVALID_VISIBILITY", "pages post in public"));
        }
        if text("lifecycleState") != "PUBLISHED" {
            return missing("lifecycleState");
        }
        if body["distribution"]["feedDistribution"] != "MAIN_FEED" {
            return missing("distribution");
        }
        let commentary = text("commentary");
        if commentary.chars().count() > TEXT {
            // networks.md 2.9: length errors are 400.
            return Err(Refusal::input(400, "FIELD_LENGTH_TOO_LONG", "/commentary is too long"));
        }
        if commentary.is_empty() && body["content"].is_null() {
            return missing("commentary");
        }
        self.judge_content(m.now, (&body["content"], author))?;
        self.judge_duplicate(m.now, (author, commentary))?;
        self.count(m.now, author)?;
        let number = self.next();
        let is_media = body["content"]["media"].is_object();
        let kind = if is_media { "ugcPost" } else { "share" };
        let urn = format!("urn:li:{kind}:{number}");
        let effect = Effect::StatusCreated {
            id: urn.clone(),
            text: shown(commentary),
            in_reply_to_id: None,
            idempotency_key: None,
            correlation: request.header("x-correlation-id").map(str::to_owned),
        };
        m.note(author, effect);
        let post = Post {
            author: author.to_owned(),
            at: m.now,
            commentary: commentary.to_owned(),
            shown: shown(commentary),
            content: body["content"].clone(),
        };
        self.posts.insert(urn.clone(), post);
        // networks.md 2.8 (1): an empty body; and 2.9: the id may be encoded.
        let mut answer = Answer::json(201, &Value::Null);
        answer.body = bytes::Bytes::new();
        let id = if number.is_multiple_of(2) { urn } else { urn.replace(':', "%3A") };
        Ok(answer.with("x-restli-id", &id))
    }

    fn judge_content(
        &self,
        now: Timestamp,
        (content, author): (&Value, &str),
    ) -> Result<(), Refusal> {
        if content.is_null() {
            return Ok(());
        }
        let bad = |why: &str| Refusal::input(422, "INVALID_CONTENT", why);
        let kinds = content.as_object().ok_or_else(|| bad("not an object"))?;
        if kinds.len() != 1 {
            return Err(bad("one kind of content at a time"));
        }
        if let Some(media) = kinds.get("media") {
            only(media, &["id", "title", "altText"])?;
            let id = media["id"].as_str().unwrap_or_default();
            // What people see of a document before they open it.
            if id.starts_with("urn:li:document:") && !media["title"].is_string() {
                return Err(bad("a document needs a title"));
            }
            return self.attachable(now, (id, author));
        }
        if let Some(several) = kinds.get("multiImage") {
            let images = several["images"].as_array().ok_or_else(|| bad("no images"))?;
            if !(2..=20).contains(&images.len()) {
                return Err(bad("from 2 to 20 images"));
            }
            for image in images {
                only(image, &["id", "altText"])?;
                let id = image["id"].as_str().unwrap_or_default();
                if !id.starts_with("urn:li:image:") {
                    return Err(bad("images only"));
                }
                self.attachable(now, (id, author))?;
            }
            return Ok(());
        }
        match kinds.get("article") {
            Some(article) if article["source"].is_string() && article["title"].is_string() => {
                only(article, &["source", "title", "description", "thumbnail"])
            }
            _ => Err(bad("unknown kind of content")),
        }
    }

    /// networks.md 2.7, 2.9: the same words in ten minutes; the answer names the first.
    fn judge_duplicate(
        &self,
        now: Timestamp,
        (author, commentary): (&str, &str),
    ) -> Result<(), Refusal> {
        let window = self.settings.duplicate_window;
        let same = |post: &Post| {
            post.author == author && post.commentary == commentary && now.since(post.at) < window
        };
        let first = self.posts.iter().find(|(_, post)| same(post));
        match first.filter(|_| !commentary.is_empty()) {
            Some((urn, _)) => {
                let why = format!("Content is a duplicate of {urn}");
                Err(Refusal::input(422, "DUPLICATE_POST", why))
            }
            None => Ok(()),
        }
    }

    /// networks.md 2.5: by day, UTC.
    pub(super) fn count(&mut self, now: Timestamp, author: &str) -> Result<(), Refusal> {
        let day = now.as_millis() / DAY_MS;
        let count = self.counts.entry((author.to_owned(), day)).or_default();
        if *count >= self.settings.posts_per_day {
            let why = "Resource level throttle APPLICATION_AND_MEMBER DAY limit is reached";
            return Err(Refusal::new(429, 101, why));
        }
        *count += 1;
        Ok(())
    }

    /// networks.md 2.4: with a scope to read, which only organizations' posts have.
    pub(super) fn list(&self, m: &Moment<'_>, request: &Request, token: &str) -> Outcome {
        // networks.md 2.8 (3).
        let raw = request.query.split('&').find_map(|pair| pair.strip_prefix("author="));
        if raw.is_none_or(|raw| raw.contains(':')) {
            return Err(Refusal::new(400, 0, "Syntax exception in query parameters"));
        }
        let query: std::collections::BTreeMap<String, String> =
            form_urlencoded::parse(request.query.as_bytes()).into_owned().collect();
        let author = query.get("author").map(String::as_str).unwrap_or_default();
        let may = self.tokens.get(token).is_some_and(|of| {
            of.scopes.contains("r_organization_social") && author.contains("organization")
        });
        self.may_write(token, author)?;
        if !may || query.get("q").map(String::as_str) != Some("author") {
            return Err(Refusal::denied());
        }
        let count: usize = query.get("count").and_then(|n| n.parse().ok()).unwrap_or(10);
        let listed = |(_, post): &(&String, &Post)| {
            post.author == author && m.now >= post.at.plus(self.settings.list_lag)
        };
        let mut posts: Vec<_> = self.posts.iter().filter(listed).collect();
        posts.sort_by_key(|(_, post)| std::cmp::Reverse(post.at));
        let elements = posts.into_iter().take(count.min(100)).map(|(urn, post)| {
            json!({
                "id": urn,
                "author": post.author,
                "createdAt": post.at.as_millis(),
                // networks.md 2.9.
                "commentary": hashtags(&post.commentary),
                "content": post.content,
                "lifecycleState": "PUBLISHED",
            })
        });
        let elements: Vec<Value> = elements.collect();
        Ok(Answer::json(200, &json!({ "elements": elements, "paging": { "start": 0 } })))
    }

    /// The content of the newest post.
    pub fn newest(&self) -> Option<(&str, &Value)> {
        let newest = self.posts.values().max_by_key(|post| post.at)?;
        Some((&newest.commentary, &newest.content))
    }
}

/// Each hashtag in the form in which it is read back.
fn hashtags(text: &str) -> String {
    let word = |word: &str| match word.strip_prefix('#') {
        Some(tag) if tag.starts_with(char::is_alphanumeric) => {
            let end = tag.find(|c: char| !c.is_alphanumeric()).unwrap_or(tag.len());
            let (tag, rest) = tag.split_at(end);
            format!("{{hashtag|\\#|{tag}}}{rest}")
        }
        _ => word.to_owned(),
    };
    text.split(' ').map(word).collect::<Vec<_>>().join(" ")
}
