//! What X's refusals mean (networks.md 1.6 and 1.8), as one table: status and marker, our class and
//! stable code. Must not hold words for people; `advice` has them by code.

use serde_json::Value;

/// What a refusal is about; the words of networks.md.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// The account or its credential is refused.
    Auth,
    RateLimited,
    Duplicate,
    /// Our request is wrong.
    Validation,
    /// X, the account or the app forbids it.
    Policy,
    /// The installation's credits are used up.
    Billing,
    /// It may pass.
    Server,
}

/// One row: the first that fits counts.
#[derive(Debug)]
pub(super) struct Row {
    /// `None`: any.
    pub status: Option<u16>,
    /// What the body says, in lower case: the last part of a problem's type, or some of its words.
    pub marker: &'static str,
    pub class: Class,
    pub code: &'static str,
}

const fn row(status: u16, marker: &'static str, class: Class, code: &'static str) -> Row {
    Row { status: Some(status), marker, class, code }
}

/// Decides on the status first: bodies differ between X's own documents (networks.md 1.8).
#[rustfmt::skip]
pub(super) const TABLE: &[Row] = &[
    row(401, "", Class::Auth, "unauthorized"),
    row(402, "", Class::Billing, "credits_depleted"),
    row(403, "duplicate content", Class::Duplicate, "duplicate_content"),
    row(403, "unsupported-authentication", Class::Validation, "unsupported_authentication"),
    row(403, "client-forbidden", Class::Policy, "app_not_approved"),
    row(403, "oauth1-permissions", Class::Policy, "app_read_only"),
    row(403, "not-authorized-for-resource", Class::Policy, "not_authorized"),
    row(403, "cashtag", Class::Policy, "too_many_cashtags"),
    row(403, "suspended", Class::Auth, "account_checkpoint"),
    row(403, "locked", Class::Auth, "account_checkpoint"),
    row(403, "deleted or not visible", Class::Validation, "destination_gone"),
    row(403, "reply to this conversation", Class::Policy, "reply_not_allowed"),
    row(403, "reply", Class::Policy, "reply_not_allowed"),
    // Too long a text is told like this, too: no word about the account.
    row(403, "not permitted to perform this action", Class::Policy, "not_permitted"),
    row(403, "", Class::Policy, "policy"),
    row(404, "", Class::Validation, "destination_gone"),
    row(413, "", Class::Validation, "chunk_too_large"),
    row(429, "usage-capped", Class::RateLimited, "usage_capped"),
    row(429, "", Class::RateLimited, "rate_limited"),
    row(408, "", Class::Server, "network_error"),
    row(400, "", Class::Validation, "validation"),
];
const SERVER: Row = Row { status: None, marker: "", class: Class::Server, code: "network_error" };
const REDIRECT: Row =
    Row { status: None, marker: "", class: Class::Validation, code: "redirected" };
const OTHER: Row = Row { status: None, marker: "", class: Class::Validation, code: "validation" };

pub(super) fn judge(status: u16, told: &Told) -> &'static Row {
    let words = told.said().to_lowercase();
    let fits = |row: &&Row| row.status == Some(status) && words.contains(row.marker);
    TABLE.iter().find(fits).unwrap_or(match status {
        300..=399 => &REDIRECT,
        500.. => &SERVER,
        _ => &OTHER,
    })
}

/// Whether the account or its credential is refused, and not the request.
pub(super) fn is_about_the_account(code: &str) -> bool {
    TABLE.iter().any(|row| row.class == Class::Auth && row.code == code)
}

/// What a body says, in any of the four shapes that there are.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    /// The last part of the problem's type; hosts before it differ.
    kind: String,
    title: String,
    detail: String,
    /// Of the older shape.
    number: Option<i64>,
}

impl Told {
    pub(super) fn read(body: &[u8]) -> Self {
        let json: Value = serde_json::from_slice(body).unwrap_or_default();
        let own = Self::of(&json);
        // A problem says more than its parts, except where only the parts say something.
        let inner = json["errors"].get(0).map(Self::of).unwrap_or_default();
        let or = |own: String, inner: String| if own.is_empty() { inner } else { own };
        Self {
            kind: or(own.kind, inner.kind),
            title: or(own.title, inner.title),
            detail: match (own.detail.as_str(), inner.detail.as_str()) {
                ("", _) => inner.detail,
                (_, "") => own.detail,
                _ => format!("{} {}", own.detail, inner.detail),
            },
            number: own.number.or(inner.number),
        }
    }

    fn of(json: &Value) -> Self {
        let text = |name: &str| json[name].as_str().unwrap_or_default().to_owned();
        let kind = text("type");
        let detail = Some(text("detail")).filter(|d| !d.is_empty());
        Self {
            kind: kind.rsplit('/').next().unwrap_or_default().to_owned(),
            title: text("title"),
            detail: detail.unwrap_or_else(|| text("message")),
            number: json["code"].as_i64(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// All of it in one line, with X's own codes.
    pub(super) fn said(&self) -> String {
        let number = self.number.map(|n| n.to_string()).unwrap_or_default();
        let parts = [self.kind.as_str(), &number, &self.title, &self.detail];
        let said: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        said.join(": ")
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::next_step;
    use super::*;

    /// Each row of networks.md 1.6, in the bodies that were seen.
    #[test]
    fn every_row_of_the_handbook_has_its_class_and_code() {
        let flat = |title: &str, detail: &str| {
            format!(r#"{{"title":"{title}","detail":"{detail}","type":"about:blank","status":0}}"#)
        };
        let typed = |host: &str, kind: &str| {
            format!(r#"{{"errors":[{{"type":"https://{host}/2/problems/{kind}","title":"x"}}]}}"#)
        };
        let dup = "You are not allowed to create a Tweet with duplicate content.";
        let long = "You are not permitted to perform this action.";
        let reply = "Reply to this conversation is not allowed because you have not been mentioned";
        for (status, body, class, code) in [
            (400, typed("api.x.com", "invalid-request"), Class::Validation, "validation"),
            (401, flat("Unauthorized", "Unauthorized"), Class::Auth, "unauthorized"),
            (402, flat("CreditsDepleted", "no credits"), Class::Billing, "credits_depleted"),
            (402, "{}".to_owned(), Class::Billing, "credits_depleted"),
            (403, flat("Forbidden", dup), Class::Duplicate, "duplicate_content"),
            (
                403,
                typed("api.twitter.com", "unsupported-authentication"),
                Class::Validation,
                "unsupported_authentication",
            ),
            (403, typed("api.x.com", "client-forbidden"), Class::Policy, "app_not_approved"),
            (403, typed("api.x.com", "oauth1-permissions"), Class::Policy, "app_read_only"),
            (
                403,
                typed("api.x.com", "not-authorized-for-resource"),
                Class::Policy,
                "not_authorized",
            ),
            (403, flat("Forbidden", long), Class::Policy, "not_permitted"),
            (403, flat("Forbidden", "only one cashtag"), Class::Policy, "too_many_cashtags"),
            (403, flat("Forbidden", reply), Class::Policy, "reply_not_allowed"),
            (
                403,
                flat("Forbidden", "reply to a Tweet that is deleted or not visible to you"),
                Class::Validation,
                "destination_gone",
            ),
            (403, flat("Forbidden", "account is suspended"), Class::Auth, "account_checkpoint"),
            (403, flat("Forbidden", "temporarily locked"), Class::Auth, "account_checkpoint"),
            (403, flat("Forbidden", "something else"), Class::Policy, "policy"),
            (404, typed("api.x.com", "resource-not-found"), Class::Validation, "destination_gone"),
            (413, String::new(), Class::Validation, "chunk_too_large"),
            (
                429,
                r#"{"errors":[{"code":88,"message":"Rate limit exceeded"}]}"#.to_owned(),
                Class::RateLimited,
                "rate_limited",
            ),
            (
                429,
                flat("Too Many Requests", "Too Many Requests"),
                Class::RateLimited,
                "rate_limited",
            ),
            (429, typed("api.x.com", "usage-capped"), Class::RateLimited, "usage_capped"),
            (503, "<html>Cloudflare</html>".to_owned(), Class::Server, "network_error"),
            (302, String::new(), Class::Validation, "redirected"),
            (
                422,
                r#"{"error":"Unprocessable Entity"}"#.to_owned(),
                Class::Validation,
                "validation",
            ),
        ] {
            let judged = judge(status, &Told::read(body.as_bytes()));
            assert_eq!((judged.class, judged.code), (class, code), "{status} {body}");
        }
    }

    #[test]
    fn every_code_has_words_for_a_person_and_keeps_those_of_x() {
        for row in TABLE.iter().chain([&SERVER, &REDIRECT, &OTHER]) {
            assert!(next_step(row.code).is_some(), "{} has no words for a person", row.code);
        }
        let told = Told::read(br#"{"errors":[{"code":88,"message":"Rate limit exceeded"}]}"#);
        assert_eq!(told.said(), "88: Rate limit exceeded");
    }
}
