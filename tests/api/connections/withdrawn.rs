//! What becomes of a grant when its channel is removed: it is given back at the network, unless another
//! channel lives by it; and what came of that is on record.

use carillon::base::CorrelationId;
use carillon::practice::{Act, Matcher};
use carillon::service::run_verb;
use carillon::store::Operator;
use http::Method;
use serde_json::{Map, Value, json};

use super::super::harness::{House, X};
use super::super::users::text;
use super::tokens::{fault, trades};
use super::{at_linkedin, connected, set_app};

/// What the removals came to, oldest first.
async fn results(house: &House) -> Vec<String> {
    house.services.renewals.settled().await;
    let told = house.events().into_iter().filter(|event| event.kind == "channel.grant_withdrawn");
    told.map(|event| {
        let code = event.data.get("code").map(|code| format!(" {code}")).unwrap_or_default();
        format!("{}{code}", event.data["result"])
    })
    .collect()
}

async fn remove(house: &House, channel: &str) {
    let gone = house.delete(&format!("/channels/{channel}")).await;
    assert_eq!(gone.status, 204, "{}", gone.text());
}

fn revocations(house: &House, path: &str) -> usize {
    let world = house.world.lock().unwrap();
    world.requests().filter(|request| request.path == path).count()
}

/// What the account of X has granted and not taken back.
fn grants(house: &House) -> usize {
    house.world.lock().unwrap().x(X).unwrap().authority.grants(2_244_994_945)
}

#[tokio::test]
async fn a_grant_is_given_back_once() {
    let house = House::new().await;
    set_app(&house).await;
    let channel = connected(&house, "acme").await;
    let before = trades(&house);
    assert_eq!(grants(&house), 1);
    remove(&house, &channel).await;
    assert_eq!(results(&house).await, ["revoked"]);
    assert_eq!(revocations(&house, "/2/oauth2/revoke"), 2, "both tokens");
    assert_eq!(trades(&house), before);
    assert_eq!(grants(&house), 0);
    // The account can be connected anew, and what it has granted then counts.
    let again = connected(&house, "acme").await;
    let tested = house.call(Method::POST, &format!("/channels/{again}/test")).send().await;
    assert_eq!(tested.status, 200, "{}", tested.text());
    // A dry run writes nothing, and calls nobody.
    let here = Some(house.workspace.as_str());
    let (args, rehearsal) = (json!({ "id": again }), house.services.rehearsal());
    let args: Map<String, Value> = serde_json::from_value(args).unwrap();
    let (operator, correlation) =
        (Operator::new(0), CorrelationId::new(house.services.rng.as_ref()));
    let done =
        run_verb(&rehearsal, operator, ("channel", "remove"), here, &args, correlation).await;
    assert_eq!(done.unwrap()["dry_run"], true);
    assert_eq!(results(&house).await, ["revoked"]);
    assert_eq!(grants(&house), 1);
}

#[tokio::test]
async fn a_network_that_does_not_take_it_back_is_on_record_and_keeps_nobody_waiting() {
    let house = House::new().await;
    set_app(&house).await;
    for (act, result) in [
        (Act::ErrorBefore { status: 503 }, "failed network_error"),
        (Act::DropBefore, "failed no_answer"),
        (Act::False401, "failed app_refused"),
    ] {
        let channel = connected(&house, "acme").await;
        for _ in 0..2 {
            fault(&house, Matcher::Token, act.clone());
        }
        remove(&house, &channel).await;
        assert_eq!(results(&house).await.last().unwrap(), result, "{act:?}");
        house.world.lock().unwrap().clear_faults();
    }
    // Without the application that it was given to, nobody can.
    let channel = connected(&house, "acme").await;
    house.verb(("app", "remove"), None, json!({ "network": "x" })).await;
    remove(&house, &channel).await;
    assert_eq!(results(&house).await.last().unwrap(), "failed app_missing");
    // What a person has pasted was never granted to us.
    let keys = "consumer:consumer-secret:9-token:token-secret";
    house.world.lock().unwrap().add_account(X, "pasted", keys, "").unwrap();
    let body = json!({ "network": "x", "name": "Four keys", "token": keys });
    let pasted = text(&house.post("/channels", &body).await.json()["id"]);
    let (told, asked) = (results(&house).await.len(), revocations(&house, "/2/oauth2/revoke"));
    remove(&house, &pasted).await;
    assert_eq!(results(&house).await.len(), told);
    assert_eq!(revocations(&house, "/2/oauth2/revoke"), asked);
}

/// One consent of LinkedIn's covers a member and their pages.
#[tokio::test]
async fn a_grant_that_another_channel_lives_by_is_kept_until_the_last_is_gone() {
    let house = House::new().await;
    let (_, shown) = at_linkedin(&house).await;
    let [first, second] = [0, 1].map(|n| text(&shown["channels"][n]));
    remove(&house, &first).await;
    assert_eq!(results(&house).await, ["shared"]);
    assert_eq!(revocations(&house, "/oauth/v2/revoke"), 0);
    let tested = house.call(Method::POST, &format!("/channels/{second}/test")).send().await;
    assert_eq!(tested.status, 200, "{}", tested.text());
    remove(&house, &second).await;
    assert_eq!(results(&house).await, ["shared", "revoked"]);
    assert_eq!(revocations(&house, "/oauth/v2/revoke"), 2);
}
