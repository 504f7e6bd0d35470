//! Webhooks of LinkedIn (learn.microsoft.com, webhook validation, read 2026-11): the key of their
//! signatures is the client secret, and a challenge and a delivery are never signed alike.

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use serde_json::{Value, json};
use uuid::Uuid;

use super::super::inbound::{Inbound, id, is_signature, signature};

/// In front of a body when it is signed, and of some signatures.
const PREFIX: &str = "hmacsha256=";
/// Of one delivery; with more it is known by its body alone.
const IDS: usize = 64;

pub(super) static INBOUND: Inbound = Inbound {
    own_secret: false,
    challenge: "challengeCode",
    header: "x-li-signature",
    is_challenge,
    answer,
    is_signed,
    ids,
    revoked: |_| Vec::new(),
};

fn is_challenge(code: &str) -> bool {
    // The other forms of a UUID have other lengths.
    code.len() == 36 && Uuid::try_parse(code).is_ok()
}

fn answer(code: &str, secret: &[u8]) -> Value {
    let signature = HEXLOWER.encode(&signature(secret, &[code.as_bytes()]));
    json!({ "challengeCode": code, "challengeResponse": signature })
}

fn is_signed(header: &str, secret: &[u8], body: &[u8]) -> bool {
    let given = header.strip_prefix(PREFIX).unwrap_or(header);
    let given = HEXLOWER_PERMISSIVE.decode(given.as_bytes());
    given.is_ok_and(|given| is_signature(secret, &[PREFIX.as_bytes(), body], &given))
}

fn ids(body: &Value) -> Vec<String> {
    let several = body["notifications"].as_array().into_iter().flatten();
    let named = std::iter::once(body).chain(several).filter_map(|one| id(&one["notificationId"]));
    let ids: Vec<String> = named.take(IDS + 1).collect();
    if ids.len() > IDS { Vec::new() } else { ids }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODE: &str = "890e4665-4dfe-4ab1-b689-ed553bceeed0";
    /// Made with Python: HMAC-SHA-256 under `secret` of `hmacsha256={"a":1}`, and of the code.
    const SIGNED: &str = "f2d9a5026c4b83880f40f6453d1467f17be0e906ea8841d7ba8a4560f8220fd6";
    const ANSWERED: &str = "9585d359e64d6a2013e0cf377f702b7141313246286c6891f22e3bfcc3938f65";

    #[test]
    fn a_body_is_signed_behind_a_word_that_no_challenge_begins_with() {
        let body = br#"{"a":1}"#;
        for good in [SIGNED, &format!("{PREFIX}{SIGNED}"), &SIGNED.to_uppercase()] {
            assert!(is_signed(good, b"secret", body), "{good}");
        }
        for bad in
            ["", PREFIX, SIGNED.get(2..).unwrap(), &format!("{PREFIX}{PREFIX}{SIGNED}"), ANSWERED]
        {
            assert!(!is_signed(bad, b"secret", body), "{bad}");
        }
        assert!(!is_signed(SIGNED, b"secrets", body) && !is_signed(SIGNED, b"secret", b"{}"));
        assert!(!is_signed(ANSWERED, b"secret", CODE.as_bytes()), "the answer to a challenge");
    }

    #[test]
    fn a_challenge_is_a_uuid() {
        assert!(is_challenge(CODE));
        let said = answer(CODE, b"secret");
        assert_eq!(said, json!({ "challengeCode": CODE, "challengeResponse": ANSWERED }));
        let braced = format!("{{{CODE}}}");
        for bad in ["", "x", CODE.get(1..).unwrap(), &braced, &CODE.replace('-', "_"), r#"{"a":1}"#]
        {
            assert!(!is_challenge(bad), "{bad}");
        }
    }

    #[test]
    fn notifications_are_known_by_their_ids() {
        let told =
            json!({ "notifications": [{ "notificationId": 7 }, { "notificationId": "b" }, {}] });
        assert_eq!(ids(&told), ["7", "b"]);
        assert_eq!(ids(&json!({ "notificationId": "a" })), ["a"]);
        assert!(ids(&json!({ "notifications": "7" })).is_empty() && ids(&json!({})).is_empty());
        let many: Vec<Value> = (0..=IDS).map(|n| json!({ "notificationId": n })).collect();
        assert!(ids(&json!({ "notifications": many })).is_empty());
    }
}
