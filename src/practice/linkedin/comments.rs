//! Comments under posts: made, and listed for organizations (networks.md 2.4, 6). Must not read little
//! text in them: they are plain (networks.md 2.9).

use serde_json::{Value, json};
use url::form_urlencoded;

use super::super::journal::{Effect, Moment};
use super::super::{Answer, Request};
use super::{Outcome, Refusal, Server, body, only};
use crate::base::Timestamp;

pub(super) struct Comment {
    id: u64,
    pub actor: String,
    pub at: Timestamp,
    pub text: String,
    /// The URN of the post that it is under.
    pub post: String,
}

const MEMBERS: &[&str] = &["actor", "object", "message", "parentComment", "content"];
/// The longest that there is.
const TEXT: usize = 1_250;

impl Comment {
    pub fn urn(&self) -> String {
        // A comment is under what people see of a post, which has a number of its own.
        let number = self.post.rsplit(':').next().unwrap_or_default();
        format!("urn:li:comment:(urn:li:activity:{number},{})", self.id)
    }

    fn shown(&self) -> Value {
        json!({
            "actor": self.actor,
            "$URN": self.urn(),
            "commentUrn": self.urn(),
            "id": self.id.to_string(),
            "object": self.post,
            "created": { "actor": self.actor, "time": self.at.as_millis() },
            "message": { "text": self.text, "attributes": [] },
        })
    }
}

impl Server {
    pub(super) fn comment(
        &mut self,
        m: &mut Moment<'_>,
        request: &Request,
        (post, token): (&str, &str),
    ) -> Outcome {
        let body = body(request)?;
        only(&body, MEMBERS)?;
        only(&body["message"], &["text", "attributes"])?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (actor, words) = (text(&body["actor"]), text(&body["message"]["text"]));
        self.may_write(token, &actor)?;
        if !self.posts.contains_key(post) {
            return Err(Refusal::new(404, 0, "Could not find entity"));
        }
        if body["object"] != post {
            return Err(Refusal::input(400, "INVALID_URN", "object is another than in the path"));
        }
        if words.is_empty() || words.chars().count() > TEXT {
            return Err(Refusal::input(400, "FIELD_LENGTH_TOO_LONG", "/message/text"));
        }
        self.count(m.now, &actor)?;
        let comment = Comment {
            id: self.next(),
            actor: actor.clone(),
            at: m.now,
            text: words.clone(),
            post: post.to_owned(),
        };
        let effect = Effect::StatusCreated {
            id: comment.urn(),
            text: words,
            in_reply_to_id: Some(post.to_owned()),
            idempotency_key: None,
            correlation: request.header("x-correlation-id").map(str::to_owned),
        };
        m.note(&actor, effect);
        let answer = Answer::json(201, &comment.shown());
        let id = comment.id.to_string();
        self.comments.push(comment);
        Ok(answer.with("x-restli-id", &id))
    }

    /// networks.md 2.1: with a scope to read, which only organizations' have.
    pub(super) fn comments(
        &self,
        m: &Moment<'_>,
        request: &Request,
        (post, token): (&str, &str),
    ) -> Outcome {
        let scopes = self.tokens.get(token).map(|token| &token.scopes);
        if !scopes.is_some_and(|scopes| scopes.contains("r_organization_social")) {
            return Err(Refusal::denied());
        }
        let author = self.posts.get(post).map(|post| post.author.as_str()).unwrap_or_default();
        self.may_write(token, author)?;
        let count = form_urlencoded::parse(request.query.as_bytes())
            .find(|(name, _)| name == "count")
            .and_then(|(_, count)| count.parse().ok())
            .unwrap_or(10_usize);
        let listed = |comment: &&Comment| {
            comment.post == post && m.now >= comment.at.plus(self.settings.list_lag)
        };
        let newest = self.comments.iter().rev().filter(listed);
        let elements: Vec<Value> = newest.take(count.min(100)).map(Comment::shown).collect();
        Ok(Answer::json(200, &json!({ "elements": elements, "paging": { "start": 0 } })))
    }
}
