//! All that can go wrong on the way: each is a page with words and a next step, nothing is kept, and
//! whoever may try again gets there.

use std::time::Duration;

use carillon::practice::{Act, Fault, Matcher};
use serde_json::json;
use url::Url;

use super::super::harness::{APP, House, X};
use super::super::suspicion::raised;
use super::super::users::pages::{Browser, check, fields};
use super::super::users::text;
use super::{ask_x, at_x, connected, go, kinds, new_link, sent_to, set_app};

const ACME: &str = "account=2244994945";

async fn reason(house: &House, id: &str) -> String {
    let shown = house.get(&format!("/connections/{id}")).await.json();
    format!("{} {}", text(&shown["state"]), shown["reason"].as_str().unwrap_or("-"))
}

/// The page says what is wrong; then it works after all.
async fn then_again(house: &House, browser: &mut Browser<'_>, page: &str, says: &[&str]) {
    let told = browser.get(page).await;
    check(&told);
    for word in says.iter().chain(&["Try again"]) {
        assert!(told.text().contains(word), "{word}: {}", told.text());
    }
    assert_eq!(house.get("/channels").await.json()["items"], json!([]), "nothing is kept");
    let away = browser.post(&format!("{page}/again"), "").await;
    let back = at_x(house, &sent_to(&away), "username=acme");
    let came = browser.get(&back).await;
    assert_eq!(came.header("location"), page);
    assert_eq!(browser.post(page, ACME).await.status, 303);
    assert_eq!(house.get("/channels").await.json()["items"][0]["handle"], "@acme");
}

#[tokio::test]
async fn who_says_no_is_believed_and_may_say_yes() {
    let house = House::new().await;
    set_app(&house).await;
    let (id, link) = new_link(&house, &json!({ "network": "x" })).await;
    let mut browser = Browser::new(&house);
    let page = go(&house, &mut browser, &link, "deny=1").await;
    assert_eq!(reason(&house, &id).await, "failed denied");
    then_again(&house, &mut browser, &page, &["You said no", "did not agree"]).await;
    assert_eq!(reason(&house, &id).await, "done -");
}

#[tokio::test]
async fn what_was_not_granted_is_told_at_once() {
    let house = House::new().await;
    set_app(&house).await;
    for only in ["tweet.read users.read media.write offline.access", "tweet.write"] {
        let (id, link) = new_link(&house, &json!({ "network": "x" })).await;
        let mut browser = Browser::new(&house);
        let answer = format!("username=acme&{}", fields(&[("only", only)]));
        let page = go(&house, &mut browser, &link, &answer).await;
        assert_eq!(reason(&house, &id).await, "failed scope_missing");
        let told = browser.get(&page).await;
        check(&told);
        assert!(told.text().contains("leave all of it switched on"), "{}", told.text());
        assert!(told.text().contains("Try again"));
    }
    assert_eq!(house.get("/channels").await.json()["items"], json!([]));
}

#[tokio::test]
async fn a_code_lives_thirty_seconds_and_a_state_fifteen_minutes() {
    let house = House::new().await;
    set_app(&house).await;
    let (id, link) = new_link(&house, &json!({ "network": "x" })).await;
    let mut browser = Browser::new(&house);
    let back = at_x(&house, &sent_to(&browser.post(&link, "").await), "username=acme");
    house.clock.advance(Duration::from_secs(30));
    let page = browser.get(&back).await.header("location").to_owned();
    assert_eq!(reason(&house, &id).await, "failed code_refused");
    then_again(&house, &mut browser, &page, &["too old or used already"]).await;

    let (id, link) = new_link(&house, &json!({ "network": "x" })).await;
    let mut browser = Browser::new(&house);
    let to = sent_to(&browser.post(&link, "").await);
    house.clock.advance(Duration::from_mins(15));
    let page = browser.get(&at_x(&house, &to, "username=acme")).await.header("location").to_owned();
    assert_eq!(reason(&house, &id).await, "failed expired");
    let told = browser.get(&page).await;
    assert!(told.text().contains("good for 15 minutes") && told.text().contains("Try again"));
    // And so does the question at the end.
    let away = browser.post(&format!("{page}/again"), "").await;
    browser.get(&at_x(&house, &sent_to(&away), "username=bakery")).await;
    assert!(browser.get(&page).await.text().contains("Connect @bakery"));
    house.clock.advance(Duration::from_mins(15));
    let late = browser.post(&page, "account=2244994946").await;
    assert_eq!(late.status, 409);
    assert!(late.text().contains("Try again"), "{}", late.text());
    // At last the link's own time is over: there is nothing to try any more.
    house.clock.advance(Duration::from_hours(24));
    let over = browser.get(&page).await;
    assert!(over.text().contains("Begin again") && !over.text().contains("<form"));
    assert_eq!(browser.post(&format!("{page}/again"), "").await.status, 409);
}

#[tokio::test]
async fn an_answer_in_another_browser_is_good_for_nobody() {
    let house = House::new().await;
    set_app(&house).await;
    let (id, link) = new_link(&house, &json!({ "network": "x" })).await;
    let mut browser = Browser::new(&house);
    let to = sent_to(&browser.post(&link, "").await);
    let back = at_x(&house, &to, "username=acme");
    let mut other = Browser::new(&house);
    let told = other.get(&back).await;
    check(&told);
    assert_eq!(told.status, 400);
    assert!(told.text().contains("another browser") && told.text().contains("close this page"));
    assert_eq!(reason(&house, &id).await, "failed other_session");
    assert_eq!(kinds(&house, "connection.f").await, ["connection.failed"]);
    assert_eq!(raised(&house, &house.key).await, ["suspicious.foreign_answer"]);
    // The state is used up, also for whom it was.
    let page = browser.get(&back).await.header("location").to_owned();
    then_again(&house, &mut browser, &page, &["Another browser came back"]).await;
}

#[tokio::test]
async fn an_answer_is_taken_once() {
    let house = House::new().await;
    set_app(&house).await;
    let (_, link) = new_link(&house, &json!({ "network": "x" })).await;
    let mut browser = Browser::new(&house);
    let back = at_x(&house, &sent_to(&browser.post(&link, "").await), "username=acme");
    let page = browser.get(&back).await.header("location").to_owned();
    assert!(browser.get(&page).await.text().contains("Connect @acme"));
    // Reloading changes nothing, and asks X for nothing.
    let asked = house.world.lock().unwrap().requests().count();
    assert_eq!(browser.get(&back).await.header("location"), page);
    assert_eq!(house.world.lock().unwrap().requests().count(), asked);
    assert!(browser.get(&page).await.text().contains("Connect @acme"));
    let other = Browser::new(&house).get(&back).await;
    assert!(other.status == 400 && other.text().contains("answered already"), "{}", other.text());
    assert_eq!(kinds(&house, "connection.r").await, ["connection.replayed"]);
    assert_eq!(raised(&house, &house.key).await, ["suspicious.answer_replayed"]);
}

#[tokio::test]
async fn states_that_belong_to_nothing_lead_nowhere() {
    let house = House::new().await;
    set_app(&house).await;
    let (id, link) = new_link(&house, &json!({ "network": "x" })).await;
    let mut browser = Browser::new(&house);
    let back = at_x(&house, &sent_to(&browser.post(&link, "").await), "username=acme");
    let state = Url::parse(&format!("https://c.example{back}")).unwrap();
    let state: String =
        state.query_pairs().find(|(n, _)| n == "state").map(|(_, v)| v.into_owned()).unwrap();
    let mut other = state.clone();
    // The same connection, with another random number.
    let end = if state.get(80..82) == Some("AA") { "BB" } else { "AA" };
    other.replace_range(80..82, end);
    for query in [
        String::new(),
        "code=x".to_owned(),
        "state=&code=x".to_owned(),
        "state=x&code=x".to_owned(),
        format!("state={other}&code=x"),
        format!("error=access_denied&state={other}"),
    ] {
        let told = browser.get(&format!("/oauth/x/callback?{query}")).await;
        check(&told);
        assert_eq!(told.status, 400, "{query}");
        assert!(told.text().contains("belongs to nothing"), "{}", told.text());
        assert!(told.text().contains("Begin again"));
    }
    assert_eq!(reason(&house, &id).await, "away -", "none of them was its own");
    // The way back of another network is not this one's.
    let page = browser.get(&back.replace("/oauth/x/", "/oauth/mastodon/")).await;
    let page = page.header("location").to_owned();
    assert_eq!(reason(&house, &id).await, "failed other_network");
    then_again(&house, &mut browser, &page, &["Another network answered"]).await;
}

#[tokio::test]
async fn the_address_of_the_way_back_must_be_the_registered_one() {
    let house = House::new().await;
    set_app(&house).await;
    {
        let mut world = house.world.lock().unwrap();
        let other = "https://carillon.example/oauth/x/callback/";
        world.x(X).unwrap().authority.add_app(APP.0, APP.1, other);
    }
    let (id, link) = new_link(&house, &json!({ "network": "x" })).await;
    let mut browser = Browser::new(&house);
    let to = Url::parse(&sent_to(&browser.post(&link, "").await)).unwrap();
    let page = ask_x(&house, http::Method::GET, to.path(), to.query().unwrap(), "");
    assert_eq!(page.status, 400, "X says so, and sends nobody back");
    assert_eq!(reason(&house, &id).await, "away -");
    // What to register is what the operator is shown.
    let shown = house.verb(("app", "show"), None, json!({ "network": "x" })).await;
    let asked = to.query_pairs().find(|(name, _)| name == "redirect_uri").unwrap();
    assert_eq!(shown["redirect_uri"], asked.1.as_ref());
}

#[tokio::test]
async fn a_network_that_refuses_us_or_is_silent_is_told() {
    let house = House::new().await;
    set_app(&house).await;
    let wrong = json!({ "network": "x", "client-secret": "wrong" });
    house.verb(("app", "rotate"), None, wrong).await;
    let (id, link) = new_link(&house, &json!({ "network": "x" })).await;
    let mut browser = Browser::new(&house);
    let page = go(&house, &mut browser, &link, "username=acme").await;
    assert_eq!(reason(&house, &id).await, "failed app_refused");
    let app = house.verb(("app", "show"), None, json!({ "network": "x" })).await;
    assert_eq!(app["tested"], "refused", "{app}");
    assert!(browser.get(&page).await.text().contains("carillon app test x"));
    let right = json!({ "network": "x", "client-secret": APP.1 });
    house.verb(("app", "rotate"), None, right).await;
    then_again(&house, &mut browser, &page, &["X does not know us"]).await;

    for (on, act, word) in [
        (Matcher::Token, Act::DropBefore, "unreachable"),
        (Matcher::Token, Act::ErrorBefore { status: 503 }, "unreachable"),
        (Matcher::Token, Act::Html200, "network_refused"),
        (Matcher::Verify, Act::ErrorBefore { status: 500 }, "unreachable"),
        (Matcher::Verify, Act::GarbageJson, "network_refused"),
    ] {
        let (id, link) = new_link(&house, &json!({ "network": "x" })).await;
        let mut browser = Browser::new(&house);
        let back = at_x(&house, &sent_to(&browser.post(&link, "").await), "username=acme");
        let fault = Fault { on, host: None, times: 1, act: act.clone() };
        house.world.lock().unwrap().add_fault(fault);
        let page = browser.get(&back).await.header("location").to_owned();
        assert_eq!(reason(&house, &id).await, format!("failed {word}"), "{act:?}");
        let told = browser.get(&page).await;
        check(&told);
        assert!(told.text().contains("Try again"), "{}", told.text());
        house.world.lock().unwrap().clear_faults();
    }
}

#[tokio::test]
async fn a_channel_comes_back_as_the_same_account_only() {
    let house = House::new().await;
    set_app(&house).await;
    let channel = connected(&house, "acme").await;
    let (id, link) = new_link(&house, &json!({ "network": "x", "channel": channel })).await;
    let mut browser = Browser::new(&house);
    assert!(browser.get(&link).await.text().contains("Connect @acme on X again"));
    let page = go(&house, &mut browser, &link, "username=bakery").await;
    let asked = browser.get(&page).await.text();
    assert!(asked.contains("Connect @bakery") && asked.contains("to be @acme"), "{asked}");
    assert_eq!(browser.post(&page, "account=2244994946").await.status, 303);
    assert_eq!(reason(&house, &id).await, "failed other_account");
    let told = browser.get(&page).await;
    check(&told);
    assert!(told.text().contains("sign in as @acme") && told.text().contains("Try again"));
    let away = browser.post(&format!("{page}/again"), "").await;
    browser.get(&at_x(&house, &sent_to(&away), "username=acme")).await;
    assert_eq!(browser.post(&page, ACME).await.status, 303);
    let channels = house.get("/channels").await.json();
    assert_eq!(channels["items"].as_array().unwrap().len(), 1, "no second one: {channels}");
    assert_eq!(kinds(&house, "channel.").await, ["channel.added", "channel.reconnected"]);
    let missing = json!({ "network": "x", "channel": house.workspace });
    let missing = house.post("/connections", &missing).await;
    assert_eq!(missing.said(), "422 invalid_field channel");
}

#[tokio::test]
async fn the_plan_is_asked_when_it_is_saved() {
    let house = House::new().await;
    set_app(&house).await;
    let (_, link) = new_link(&house, &json!({ "network": "x" })).await;
    let mut browser = Browser::new(&house);
    let page = go(&house, &mut browser, &link, "username=acme").await;
    let here = Some(house.workspace.as_str());
    let none = json!({ "plan": "free", "channels": "0" });
    house.verb(("plan", "set"), here, none).await;
    let full = browser.post(&page, ACME).await;
    assert_eq!(full.status, 402, "{}", full.text());
    assert!(full.text().contains("plan has no room"), "{}", full.text());
    assert_eq!(house.get("/channels").await.json()["items"], json!([]));
    house.verb(("plan", "set"), here, json!({ "plan": "free" })).await;
    assert_eq!(browser.post(&page, ACME).await.status, 303);
}

#[tokio::test]
async fn forms_of_other_sites_are_not_taken() {
    let house = House::new().await;
    set_app(&house).await;
    let (id, link) = new_link(&house, &json!({ "network": "x" })).await;
    let mut browser = Browser::new(&house);
    browser.site = Some("cross-site");
    assert_eq!(browser.post(&link, "").await.status, 403);
    assert_eq!(reason(&house, &id).await, "open -");
    browser.site = Some("same-origin");
    let page = go(&house, &mut browser, &link, "username=acme").await;
    browser.site = Some("cross-site");
    assert_eq!(browser.post(&page, ACME).await.status, 403);
    assert_eq!(reason(&house, &id).await, "granted -");
}
