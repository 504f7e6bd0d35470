//! What LinkedIn's refusals mean (networks.md 2.7), as one table: status and marker, our class and
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
    /// LinkedIn, the account or the app forbids it.
    Policy,
    Media,
    /// It may pass.
    Server,
}

/// One row: the first that fits counts.
#[derive(Debug)]
pub(super) struct Row {
    /// The least and the greatest status.
    pub status: (u16, u16),
    /// What the body says, in lower case.
    pub marker: &'static str,
    pub class: Class,
    pub code: &'static str,
}

const fn row(status: (u16, u16), marker: &'static str, class: Class, code: &'static str) -> Row {
    Row { status, marker, class, code }
}

#[rustfmt::skip]
pub(super) const TABLE: &[Row] = &[
    row((401, 401), "65601", Class::Auth, "token_revoked"),
    row((401, 401), "revoked_access_token", Class::Auth, "token_revoked"),
    row((401, 401), "65602", Class::Auth, "token_expired"),
    row((401, 401), "65600", Class::Auth, "token_invalid"),
    row((401, 401), "", Class::Auth, "unauthorized"),
    row((403, 403), "", Class::Policy, "scope_missing"),
    row((404, 404), "", Class::Validation, "destination_gone"),
    row((400, 422), "duplicate_post", Class::Duplicate, "duplicate_content"),
    row((400, 422), "content is a duplicate", Class::Duplicate, "duplicate_content"),
    row((400, 422), "media_asset_waiting_upload", Class::Media, "media_not_ready"),
    row((400, 422), "media_asset_processing_failed", Class::Media, "media_processing_failed"),
    row((426, 426), "", Class::Validation, "version_sunset"),
    row((400, 400), "nonexistent_version", Class::Validation, "version_sunset"),
    row((400, 400), "version", Class::Validation, "version_sunset"),
    row((429, 429), "", Class::RateLimited, "rate_limited"),
    row((408, 408), "", Class::Server, "network_error"),
    row((500, 599), "", Class::Server, "network_error"),
    row((300, 399), "", Class::Validation, "redirected"),
];
const OTHER: Row = row((400, 499), "", Class::Validation, "validation");

pub(super) fn judge(status: u16, told: &Told) -> &'static Row {
    let words = told.said().to_lowercase();
    let fits =
        |row: &&Row| (row.status.0..=row.status.1).contains(&status) && words.contains(row.marker);
    TABLE.iter().find(fits).unwrap_or(&OTHER)
}

/// Whether the account or its credential is refused, and not the request.
pub(super) fn is_about_the_account(code: &str) -> bool {
    TABLE.iter().any(|row| row.class == Class::Auth && row.code == code)
}

/// What a body says, in either of the two shapes that there are.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    message: String,
    code: String,
    number: Option<i64>,
    /// Code and description of what is wrong with the input.
    inputs: Vec<String>,
}

impl Told {
    pub(super) fn read(body: &[u8]) -> Self {
        let json: Value = serde_json::from_slice(body).unwrap_or_default();
        let text = |of: &Value, name: &str| of[name].as_str().unwrap_or_default().to_owned();
        let inputs = json["errorDetails"]["inputErrors"].as_array();
        let input = |of: &Value| format!("{} {}", text(of, "code"), text(of, "description"));
        Self {
            message: text(&json, "message"),
            code: text(&json, "code"),
            number: json["serviceErrorCode"].as_i64(),
            inputs: inputs.into_iter().flatten().take(4).map(input).collect(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// All of it in one line, with LinkedIn's own codes.
    pub(super) fn said(&self) -> String {
        let number = self.number.map(|n| n.to_string()).unwrap_or_default();
        let inputs = self.inputs.join("; ");
        let parts = [number.as_str(), &self.code, &self.message, &inputs];
        let said: Vec<&str> = parts.into_iter().filter(|part| !part.trim().is_empty()).collect();
        said.join(": ")
    }

    /// The post that is named as the first of two (networks.md 2.7).
    pub(super) fn names(&self) -> Option<String> {
        let said = self.said();
        let at = said.find("urn:li:")?;
        let urn = said.get(at..)?;
        let end = urn.find(|c: char| !c.is_ascii_alphanumeric() && c != ':').unwrap_or(urn.len());
        urn.get(..end).filter(|urn| super::api::is_post(urn)).map(str::to_owned)
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::next_step;
    use super::*;

    /// Each row of networks.md 2.7, in the bodies that were seen.
    #[test]
    fn every_row_of_the_handbook_has_its_class_and_code() {
        let old = |number: i64, message: &str| {
            format!(r#"{{"message":"{message}","serviceErrorCode":{number},"status":0}}"#)
        };
        let new = |code: &str, words: &str| {
            format!(
                r#"{{"message":"m","errorDetailType":"t","errorDetails":{{"inputErrors":
                [{{"code":"{code}","description":"{words}"}}]}},"status":0}}"#
            )
        };
        let twice = "Content is a duplicate of urn:li:share:7001.";
        for (status, body, class, code) in [
            (401, old(65_600, "Invalid access token"), Class::Auth, "token_invalid"),
            (
                401,
                old(65_601, "The token used in the request has been revoked"),
                Class::Auth,
                "token_revoked",
            ),
            (401, old(65_602, "expired"), Class::Auth, "token_expired"),
            (401, String::new(), Class::Auth, "unauthorized"),
            (
                403,
                old(100, "Not enough permissions to access: partnerApiPosts"),
                Class::Policy,
                "scope_missing",
            ),
            (404, old(0, "not found"), Class::Validation, "destination_gone"),
            (422, new("MEDIA_ASSET_WAITING_UPLOAD", ""), Class::Media, "media_not_ready"),
            (
                400,
                new("MEDIA_ASSET_PROCESSING_FAILED", ""),
                Class::Media,
                "media_processing_failed",
            ),
            (422, new("DUPLICATE_POST", twice), Class::Duplicate, "duplicate_content"),
            (422, new("FIELD_LENGTH_TOO_LONG", "too long"), Class::Validation, "validation"),
            (
                426,
                old(0, "Requested version 20251101 is not active"),
                Class::Validation,
                "version_sunset",
            ),
            (
                400,
                r#"{"code":"NONEXISTENT_VERSION"}"#.to_owned(),
                Class::Validation,
                "version_sunset",
            ),
            (429, String::new(), Class::RateLimited, "rate_limited"),
            (504, "<html>".to_owned(), Class::Server, "network_error"),
            (500, old(0, "Unable to obtain activity"), Class::Server, "network_error"),
        ] {
            let judged = judge(status, &Told::read(body.as_bytes()));
            assert_eq!((judged.class, judged.code), (class, code), "{status} {body}");
        }
        for row in TABLE.iter().chain([&OTHER]) {
            assert!(next_step(row.code).is_some(), "{} has no words for a person", row.code);
        }
        let told = Told::read(new("DUPLICATE_POST", twice).as_bytes());
        assert_eq!(told.names().as_deref(), Some("urn:li:share:7001"));
    }
}
