//! The practice Mastodon itself: every trap of networks.md 11.7 and every refusal. What is proved
//! here is the tool that the client's tests lean on.

use std::time::Duration;

use carillon::base::Timestamp;
use carillon::practice::mastodon::Settings;
use http::Method;
use serde_json::{Value, json};

use crate::twin::{HOST, START, Twin, error, header, id, open};

#[test]
fn a_status_is_published_and_read_back() {
    let mut twin = Twin::new();
    let first = twin.post(&json!({ "status": "  Hi <b>\nyou ", "spoiler_text": "cw" }));
    let (status, name) = (&first.1, id(&first));
    assert_eq!(status["content"], "<p>Hi &lt;b&gt;<br />you</p>");
    assert_eq!(status["url"], format!("https://practice-a.test/@ann/{name}"));
    assert_eq!((&status["sensitive"], &status["visibility"]), (&json!(true), &json!("public")));
    assert_eq!(status["created_at"], START.to_string());
    let reply = twin.post(&json!({ "status": "More", "in_reply_to_id": name }));
    assert_eq!(reply.1["in_reply_to_account_id"], "1");
    assert!(id(&reply).parse::<u64>().unwrap() > name.parse().unwrap());
    let read = twin.get(&format!("/api/v1/statuses/{name}"), "t-ben");
    assert_eq!(read.1["replies_count"], 1);
    let entry = &twin.world.journal()[0];
    assert_eq!((entry.account.as_str(), entry.host.as_str(), entry.at), ("ann", HOST, START));
    let account = twin.get("/api/v1/accounts/1", "t-ben").1;
    assert_eq!(account["statuses_count"], 2);
}

#[test]
fn tokens_are_checked_in_the_networks_own_words() {
    let mut twin = Twin::new();
    twin.world.add_account(HOST, "ann", "t-read", "read:statuses");
    let verify = "/api/v1/accounts/verify_credentials";
    let invalid = (401, "The access token is invalid".to_owned());
    assert_eq!(error(&twin.get(verify, "nobody")), invalid);
    assert_eq!(error(&open(&twin.call(Method::GET, verify, &[], ""))), invalid);
    let outside = (403, "This action is outside the authorized scopes".to_owned());
    assert_eq!(error(&twin.get(verify, "t-read")), outside);
    twin.world.mastodon(HOST).unwrap().revoke("t-ann");
    let answer = twin.publish("", &json!({ "status": "x" }));
    assert!(header(&answer, "www-authenticate").contains("invalid_token"));
    assert_eq!(error(&open(&answer)), (401, "The access token was revoked".to_owned()));
    assert_eq!(twin.created(), 0);
}

#[test]
fn what_is_wrong_with_a_status_is_refused() {
    let mut twin = Twin::new();
    twin.settings().max_characters = 30;
    let long = "https://a.example/".to_owned() + &"y".repeat(40);
    assert_eq!(twin.post(&json!({ "status": long })).0, 200);
    let too_long = "Text character limit of 30 exceeded";
    let (full, over) = ("x".repeat(29), "x".repeat(31));
    for (body, text) in [
        (json!({}), "Text can't be blank"),
        (json!({ "status": " \n" }), "Text can't be blank"),
        (json!({ "status": over }), too_long),
        (json!({ "status": full, "spoiler_text": "cw" }), too_long),
        (json!({ "status": "x", "visibility": "all" }), "Visibility is invalid"),
        (json!({ "status": "x", "language": "English" }), "Language is invalid"),
        (json!({ "status": "x", "stauts": "y" }), "Unknown parameter stauts"),
        (json!({ "status": ["x"] }), "status is invalid"),
    ] {
        let text = format!("Validation failed: {text}");
        assert_eq!(error(&twin.post(&body)), (422, text), "{body}");
    }
    let no_target = "The post you are trying to reply to does not appear to exist.";
    let no_media = "Media 7 not found or already attached to another post";
    for (body, status, text) in [
        (json!({ "status": "x", "in_reply_to_id": "7" }), 404, no_target),
        (json!({ "status": "x", "media_ids": ["7"] }), 422, no_media),
        (json!("x"), 400, "Error occurred while parsing request parameters"),
    ] {
        assert_eq!(error(&twin.post(&body)), (status, text.to_owned()), "{body}");
    }
    assert_eq!(twin.created(), 1);
    let found = error(&twin.get("/api/v1/nonsense", "t-ann"));
    assert_eq!(found, (404, "Not Found".to_owned()));
    let found = error(&twin.get("/api/v1/statuses/7", "t-ann"));
    assert_eq!(found, (404, "Record not found".to_owned()));
}

#[test]
fn a_form_says_the_same_as_json() {
    let mut twin = Twin::new();
    let headers =
        [("authorization", "Bearer t-ann"), ("content-type", "application/x-www-form-urlencoded")];
    let body = "status=a%26b&visibility=unlisted&sensitive=1&language=pt-BR";
    let found = open(&twin.call(Method::POST, "/api/v1/statuses", &headers, body));
    assert_eq!((found.0, &found.1["content"]), (200, &json!("<p>a&amp;b</p>")));
    assert_eq!((&found.1["sensitive"], &found.1["language"]), (&json!(true), &json!("pt-BR")));
}

#[test]
fn a_key_stands_for_its_status_for_an_hour() {
    let mut twin = Twin::new();
    let first = open(&twin.publish("k", &json!({ "status": "one" })));
    twin.after(Duration::from_mins(59));
    let again = open(&twin.publish("k", &json!({ "status": "another body" })));
    assert_eq!(id(&again), id(&first));
    assert_eq!(again.1["content"], "<p>one</p>");
    assert_eq!(twin.created(), 1);
    // Keys belong to an account.
    let headers = [("authorization", "Bearer t-ben"), ("idempotency-key", "k")];
    let body = "status=bens";
    assert_ne!(id(&open(&twin.call(Method::POST, "/api/v1/statuses", &headers, body))), id(&first));
    twin.after(Duration::from_mins(1));
    assert_ne!(id(&open(&twin.publish("k", &json!({ "status": "one" })))), id(&first));
    assert_eq!(twin.created(), 3);
}

#[test]
fn keys_can_be_unsettled_broken_unknown_or_of_a_deleted_status() {
    let mut twin = Twin::new();
    twin.settings().key_settles = Duration::from_secs(2);
    let first = id(&open(&twin.publish("k", &json!({ "status": "one" }))));
    twin.after(Duration::from_secs(1));
    let second = id(&open(&twin.publish("k", &json!({ "status": "one" }))));
    assert_ne!(first, second);
    twin.after(Duration::from_secs(2));
    assert_eq!(id(&open(&twin.publish("k", &json!({ "status": "one" })))), second);
    twin.settings().key_repeat_fails = true;
    assert_eq!(twin.publish("k", &json!({ "status": "one" })).status, 500);
    twin.settings().key_repeat_fails = false;
    let bearer = [("authorization", "Bearer t-ann")];
    let target = format!("/api/v1/statuses/{second}");
    let gone = open(&twin.call(Method::DELETE, &target, &bearer, ""));
    assert_eq!((gone.0, &gone.1["text"]), (200, &json!("one")));
    let repeated = open(&twin.publish("k", &json!({ "status": "one" })));
    assert_eq!(error(&repeated), (404, "Record not found".to_owned()));
    assert_eq!(twin.created(), 2);

    let mut compat = Twin::with(Settings::compat("https://practice-a.test"));
    let first = id(&open(&compat.publish("k", &json!({ "status": "one" }))));
    assert_ne!(id(&open(&compat.publish("k", &json!({ "status": "one" })))), first);
    assert_eq!(compat.get("/api/v2/instance", "").0, 404);
    assert_eq!(compat.get("/.well-known/oauth-authorization-server", "").0, 404);
    let v1 = compat.get("/api/v1/instance", "").1;
    assert_eq!(v1["configuration"]["statuses"]["max_characters"], 5_000);
}

#[test]
fn a_list_lags_pages_and_hides_what_is_private() {
    let mut twin = Twin::new();
    let mut ids = Vec::new();
    for visibility in ["public", "private", "unlisted"] {
        let body = json!({ "status": "x", "visibility": visibility });
        ids.push(id(&twin.post(&body)));
    }
    let target = "/api/v1/accounts/1/statuses";
    let listed = |found: (u16, Value)| -> Vec<String> {
        let rows = found.1.as_array().unwrap().iter();
        rows.map(|s| s["id"].as_str().unwrap().to_owned()).collect()
    };
    let all = vec![ids[2].clone(), ids[1].clone(), ids[0].clone()];
    assert_eq!(listed(twin.get(target, "t-ann")), all);
    // An unknown token reads as a stranger does: 200, and less. A revoked one is told so.
    let public = vec![ids[2].clone(), ids[0].clone()];
    assert_eq!(listed(twin.get(target, "nobody")), public);
    let since = format!("{target}?since_id={}&limit=1", ids[0]);
    assert_eq!(listed(twin.get(&since, "t-ann")), vec![ids[2].clone()]);
    let min = format!("{target}?min_id={}&limit=1", ids[0]);
    assert_eq!(listed(twin.get(&min, "t-ann")), vec![ids[1].clone()]);
    let max = format!("{target}?max_id={}", ids[2]);
    assert_eq!(listed(twin.get(&max, "t-ann")), vec![ids[1].clone(), ids[0].clone()]);
    assert_eq!(twin.get(&format!("{target}?page=2"), "t-ann").0, 422);

    twin.settings().list_lag = Duration::from_secs(5);
    let late = id(&twin.post(&json!({ "status": "late" })));
    let found = twin.get(&format!("{target}?limit=1"), "t-ann");
    assert!(!listed(found).contains(&late));
    assert_eq!(twin.get(&format!("/api/v1/statuses/{late}"), "t-ann").0, 200);
    twin.after(Duration::from_secs(5));
    let found = twin.get(&format!("{target}?limit=1"), "t-ann");
    assert_eq!(listed(found), vec![late]);
}

#[test]
fn a_list_without_replies_keeps_an_accounts_own_thread() {
    let mut twin = Twin::new();
    let bearer = [("authorization", "Bearer t-ben")];
    let bens = id(&open(&twin.call(Method::POST, "/api/v1/statuses", &bearer, "status=hello")));
    let root = id(&twin.post(&json!({ "status": "1/2" })));
    twin.post(&json!({ "status": "2/2", "in_reply_to_id": root }));
    twin.post(&json!({ "status": "@ben hi", "in_reply_to_id": bens }));
    let found = twin.get("/api/v1/accounts/1/statuses?exclude_replies=true", "t-ann").1;
    let texts: Vec<_> = found.as_array().unwrap().iter().map(|s| s["content"].clone()).collect();
    assert_eq!(texts, [json!("<p>2/2</p>"), json!("<p>1/2</p>")]);
}

#[test]
fn an_edit_changes_only_what_it_names() {
    let mut twin = Twin::new();
    let name = id(&twin.post(&json!({ "status": "one", "spoiler_text": "cw" })));
    let target = format!("/api/v1/statuses/{name}");
    let edit = |twin: &mut Twin, token: &str, body: &str| {
        let bearer = format!("Bearer {token}");
        open(&twin.call(Method::PUT, &target, &[("authorization", &bearer)], body))
    };
    assert_eq!(edit(&mut twin, "t-ben", "status=two").0, 404);
    let edited = edit(&mut twin, "t-ann", "status=two");
    assert_eq!(
        (&edited.1["content"], &edited.1["spoiler_text"]),
        (&json!("<p>two</p>"), &json!("cw"))
    );
    assert!(edited.1["edited_at"].is_string());
    assert_eq!(edit(&mut twin, "t-ann", "visibility=public").0, 422);
    assert_eq!(twin.world.journal().len(), 2);
}

#[test]
fn requests_are_limited_and_the_reset_is_a_date() {
    let mut twin = Twin::new();
    twin.settings().requests_per_window = 2;
    let answer = twin.publish("", &json!({ "status": "x" }));
    assert_eq!(header(&answer, "x-ratelimit-limit"), "2");
    assert_eq!(header(&answer, "x-ratelimit-remaining"), "1");
    let reset = Timestamp::parse(header(&answer, "x-ratelimit-reset")).unwrap();
    assert!(header(&answer, "x-ratelimit-reset").ends_with(".000000Z"));
    assert!(reset > twin.now && reset <= twin.now.plus(Duration::from_mins(5)));
    assert_eq!(twin.post(&json!({ "status": "x" })).0, 200);
    let refused = twin.publish("", &json!({ "status": "x" }));
    assert_eq!(header(&refused, "x-ratelimit-remaining"), "0");
    assert_eq!(error(&open(&refused)), (429, "Too many requests".to_owned()));
    // Another account has its own window, and this one opens again.
    assert_eq!(twin.get("/api/v1/accounts/verify_credentials", "t-ben").0, 200);
    twin.now = reset;
    assert_eq!(twin.post(&json!({ "status": "x" })).0, 200);
    assert_eq!(twin.created(), 3);
}

#[test]
fn publishing_has_a_limit_whose_reset_is_hours_away() {
    let mut twin = Twin::new();
    twin.settings().statuses_per_window = 1;
    assert_eq!(twin.post(&json!({ "status": "x" })).0, 200);
    let refused = twin.publish("", &json!({ "status": "x" }));
    let reset = Timestamp::parse(header(&refused, "x-ratelimit-reset")).unwrap();
    assert_eq!((refused.status, header(&refused, "x-ratelimit-limit")), (429, "1"));
    assert_eq!(reset.as_millis() % (3 * 60 * 60 * 1_000), 0);
    let verify = "/api/v1/accounts/verify_credentials";
    assert_eq!(twin.get(verify, "t-ann").0, 200);
}

#[test]
fn deletions_have_a_limit_of_their_own() {
    let mut twin = Twin::new();
    let bearer = [("authorization", "Bearer t-ann")];
    for n in 0..31 {
        let answer = twin.call(Method::DELETE, "/api/v1/statuses/7", &bearer, "");
        assert_eq!(answer.status, if n < 30 { 404 } else { 429 });
        assert_eq!(header(&answer, "x-ratelimit-limit"), "30");
    }
    assert_eq!(twin.post(&json!({ "status": "x" })).0, 200);
}

fn upload(twin: &mut Twin, mime: &str) -> (u16, Value) {
    let kind = "multipart/form-data; boundary=xx";
    let headers = [("authorization", "Bearer t-ann"), ("content-type", kind)];
    let body = format!(
        "--xx\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\
         Content-Type: {mime}\r\n\r\nbytes\r\n--xx--\r\n"
    );
    open(&twin.call(Method::POST, "/api/v2/media", &headers, &body))
}

#[test]
fn media_is_processed_attached_once_and_then_gone() {
    let mut twin = Twin::new();
    let name = id(&upload(&mut twin, "image/png"));
    let target = format!("/api/v1/media/{name}");
    assert_eq!(twin.get(&target, "t-ann").0, 200);
    assert_eq!(twin.get(&target, "t-ben").0, 404);
    let posted = twin.post(&json!({ "media_ids": [name] }));
    assert_eq!(posted.1["media_attachments"][0]["id"], name);
    assert_eq!(twin.get(&target, "t-ann").0, 404);
    assert_eq!(twin.post(&json!({ "status": "x", "media_ids": [name] })).0, 422);

    twin.settings().media_processing = Duration::from_secs(3);
    let waiting = upload(&mut twin, "video/mp4");
    assert_eq!((waiting.0, &waiting.1["url"]), (202, &Value::Null));
    let name = waiting.1["id"].as_str().unwrap().to_owned();
    let target = format!("/api/v1/media/{name}");
    assert_eq!(twin.get(&target, "t-ann").0, 206);
    let early = error(&twin.post(&json!({ "status": "x", "media_ids": [name] })));
    assert!(early.0 == 422 && early.1.contains("have not finished processing"), "{early:?}");
    twin.after(Duration::from_secs(3));
    assert_eq!(twin.get(&target, "t-ann").0, 200);
    twin.settings().media_fails = true;
    assert_eq!(twin.get(&target, "t-ann").0, 422);
    assert_eq!(upload(&mut twin, "text/html").0, 422);
    assert_eq!(twin.form("/api/v2/media", "").0, 401);

    let mut compat = Twin::with(Settings::compat("https://practice-a.test"));
    let name = id(&upload(&mut compat, "image/png"));
    assert_eq!(compat.post(&json!({ "media_ids": [name] })).0, 200);
    assert_eq!(compat.post(&json!({ "media_ids": [name] })).0, 400);
}
