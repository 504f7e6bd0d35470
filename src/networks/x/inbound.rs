//! Webhooks of X (docs.x.com, webhooks quickstart, read 2026-11): the key of their signatures is the
//! consumer secret of the app, which is not its OAuth 2 client secret.

use data_encoding::BASE64;
use serde_json::{Value, json};

use super::super::inbound::{Inbound, id, is_signature, signature};

/// In front of every signature.
const PREFIX: &str = "sha256=";
/// Longer than any that X sends.
const CHALLENGE_CHARS: usize = 128;

pub(super) static INBOUND: Inbound = Inbound {
    own_secret: true,
    challenge: "crc_token",
    header: "x-twitter-webhooks-signature",
    is_challenge,
    answer,
    is_signed,
    ids: |_| Vec::new(),
    revoked,
};

/// No JSON looks so: challenge and delivery are signed with one key, and nothing says which is which.
fn is_challenge(token: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_+/=-".contains(&byte);
    (1..=CHALLENGE_CHARS).contains(&token.len()) && token.bytes().all(plain)
}

fn answer(token: &str, secret: &[u8]) -> Value {
    let signature = BASE64.encode(&signature(secret, &[token.as_bytes()]));
    json!({ "response_token": format!("{PREFIX}{signature}") })
}

fn is_signed(header: &str, secret: &[u8], body: &[u8]) -> bool {
    let given = header.strip_prefix(PREFIX).and_then(|text| BASE64.decode(text.as_bytes()).ok());
    given.is_some_and(|given| is_signature(secret, &[body], &given))
}

/// Somebody has taken the app's access away on X's own pages.
fn revoked(body: &Value) -> Vec<String> {
    id(&body["user_event"]["revoke"]["source"]["user_id"]).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of RFC 4231, test case 2.
    const KEY: &[u8] = b"Jefe";
    const DATA: &[u8] = b"what do ya want for nothing?";
    const SIGNED: &str = "sha256=W9zBRr9gdU5qBCQmCJV1x1oAPwidJzmDnexYuWTsOEM=";

    #[test]
    fn a_body_is_signed_with_the_secret_and_nothing_else() {
        assert!(is_signed(SIGNED, KEY, DATA));
        let bare = SIGNED.trim_start_matches(PREFIX);
        let unpadded = SIGNED.trim_end_matches('=');
        let (longer, shorter) = (format!("{SIGNED}="), SIGNED.get(..SIGNED.len() - 4).unwrap());
        for bad in ["", PREFIX, bare, shorter, unpadded, &longer] {
            assert!(!is_signed(bad, KEY, DATA), "{bad}");
        }
        assert!(!is_signed(SIGNED, b"jefe", DATA) && !is_signed(SIGNED, KEY, b"what"));
        assert!(!is_signed(SIGNED, b"", b""));
    }

    #[test]
    fn only_what_looks_like_a_token_is_signed() {
        let longest = "x".repeat(CHALLENGE_CHARS);
        for good in ["a", "3f1b-9_+/=", &longest] {
            assert!(is_challenge(good), "{good}");
        }
        let longer = format!("{longest}x");
        let revoke = r#"{"user_event":{"revoke":{"source":{"user_id":"1"}}}}"#;
        for bad in ["", "{}", revoke, "[1]", "a b", "a\n", "\u{e9}", "a.b", "\"a\"", &longer] {
            assert!(!is_challenge(bad), "{bad}");
        }
        let said = answer("what", KEY);
        let said = said["response_token"].as_str().unwrap();
        assert!(is_signed(said, KEY, b"what"));
    }

    #[test]
    fn a_grant_that_is_gone_names_its_account() {
        let told = |user: Value| {
            revoked(&json!({ "user_event": { "revoke": {
                "date_time": "2026-11-22T09:00:00Z", "target": { "app_id": "7" },
                "source": { "user_id": user },
            } } }))
        };
        assert_eq!(told(json!("63046977")), ["63046977"]);
        assert_eq!(told(json!(63_046_977)), ["63046977"]);
        for nobody in [json!(""), json!(null), json!({}), json!(["1"])] {
            assert!(told(nobody).is_empty());
        }
        assert!(revoked(&json!({ "tweet_create_events": [] })).is_empty());
        assert!(revoked(&json!({ "user_event": "revoke" })).is_empty());
    }
}
