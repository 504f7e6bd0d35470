//! What is not taken: answers that belong to nothing, tokens that are not right, and a provider that
//! cannot be used.

use std::net::SocketAddr;

use axum::body::Body;
use carillon::http::Peer;
use http::Request;
use serde_json::json;

use super::super::harness::{House, send};
use super::super::users::pages::{Browser, fields};
use super::super::users::{ANN, PASSWORD, with_password};
use super::provider::Twist;
use super::{account, away, by, in_at, settings, sign_in, somebody, with_ann};

#[tokio::test]
async fn a_token_that_is_not_right_lets_nobody_in() {
    let house = with_ann().await;
    let twists: [(&str, Twist); 12] = [
        ("another issuer", |it| it["iss"] = json!("https://other.example")),
        ("no issuer", |it| drop(it.as_object_mut().unwrap().remove("iss"))),
        ("for another client", |it| it["aud"] = json!("another")),
        ("given to another client", |it| it["azp"] = json!("another")),
        ("for several", |it| it["aud"] = json!(["carillon", "another"])),
        ("no nonce", |it| drop(it.as_object_mut().unwrap().remove("nonce"))),
        ("another nonce", |it| it["nonce"] = json!("another")),
        ("over", |it| it["exp"] = json!(it["iat"].as_u64().unwrap() - 61)),
        ("never over", |it| drop(it.as_object_mut().unwrap().remove("exp"))),
        ("of the future", |it| it["iat"] = json!(it["iat"].as_u64().unwrap() + 120)),
        ("for nobody", |it| it["sub"] = json!("")),
        ("for a number", |it| it["sub"] = json!(1)),
    ];
    let set = |twist| house.provider.lock().unwrap().twist = twist;
    for (what, twist) in twists {
        set(Some(twist));
        let mut browser = Browser::new(&house);
        let back = sign_in(&mut browser, &house, &somebody("1", ANN)).await;
        assert!(back.status == 403 && browser.session().is_none(), "{what}: {}", back.text());
        assert!(back.text().contains("could not be trusted"), "{what}: {}", back.text());
    }
    // Within a minute, clocks may differ; and several may be meant if it was given to us.
    let fine: [Twist; 2] = [
        |it| it["exp"] = json!(it["iat"].as_u64().unwrap() - 59),
        |it| (it["aud"], it["azp"]) = (json!(["carillon", "another"]), json!("carillon")),
    ];
    for twist in fine {
        set(Some(twist));
        in_at(&sign_in(&mut Browser::new(&house), &house, &somebody("1", ANN)).await, "/account");
    }
    set(None);
    for (forged, by_secret) in [(true, false), (false, true)] {
        {
            let mut provider = house.provider.lock().unwrap();
            (provider.forged, provider.by_secret) = (forged, by_secret);
        }
        let mut browser = Browser::new(&house);
        let back = sign_in(&mut browser, &house, &somebody("1", ANN)).await;
        assert!(back.status == 403 && browser.session().is_none(), "{}", back.text());
    }
}

#[tokio::test]
async fn an_answer_is_taken_once_and_in_the_browser_that_asked() {
    let house = with_ann().await;
    let mut browser = Browser::new(&house);
    let url = away(&browser.post("/sign-in/oidc", "").await);
    let back = house.provider.lock().unwrap().authorize(&url, &somebody("1", ANN));
    // Mallory lures Ann's browser to an answer of Mallory's, or has caught one of hers.
    let refused = Browser::new(&house).get(&back).await;
    assert!(
        refused.status == 403 && refused.text().contains("nothing that was begun in this browser")
    );
    let other = back.replace("state=", "state=x");
    let mut lured = browser.clone();
    assert_eq!(lured.get(&other).await.status, 403);
    let mixed = back.replace("iss=https%3A%2F%2Fid.example", "iss=https%3A%2F%2Fother.example");
    assert_ne!(mixed, back);
    let mixed = browser.clone().get(&mixed).await;
    assert!(mixed.text().contains("Another provider answered"), "{}", mixed.text());
    let unnamed = browser.clone().get(&back.replace("&iss=https%3A%2F%2Fid.example", "")).await;
    assert_eq!(unnamed.status, 403, "it always says who it is");
    let denied =
        format!("/sign-in/oidc/callback?error=access_denied&{}", back.split_once('?').unwrap().1);
    let denied = browser.clone().get(&denied).await;
    assert!(denied.text().contains("said no"), "{}", denied.text());
    // A stray answer does not end what was begun.
    assert_eq!(browser.get(&other).await.status, 403);
    let kept = browser.clone();
    in_at(&browser.get(&back).await, "/account");
    let anew = browser.get(&back).await;
    in_at(&anew, "/account");
    let again = kept.clone().get(&back).await;
    assert!(again.text().contains("does not know this answer"), "{}", again.text());
    // What a browser keeps is good for a quarter of an hour.
    let mut slow = Browser::new(&house);
    let url = away(&slow.post("/sign-in/oidc", "").await);
    let back = house.provider.lock().unwrap().authorize(&url, &somebody("1", ANN));
    house.clock.advance(std::time::Duration::from_mins(15));
    let late = slow.get(&back).await;
    assert!(late.text().contains("more than a quarter of an hour"), "{}", late.text());
    // No form of another site sends anybody there.
    let mut lured = Browser::new(&house);
    lured.site = Some("cross-site");
    assert_eq!(lured.post("/sign-in/oidc", "").await.status, 403);
}

#[tokio::test]
async fn whoever_guesses_answers_has_to_wait() {
    let house = with_ann().await;
    let guess = async |address: &str| {
        let peer: SocketAddr = format!("{address}:4711").parse().unwrap();
        let path = "/sign-in/oidc/callback?code=guess&state=guess";
        let request = Request::get(path).extension(Peer::Tcp(peer));
        send(&house.router, request.body(Body::empty()).unwrap()).await.status
    };
    let mut said = Vec::new();
    for _ in 0..40 {
        said.push(guess("192.0.2.7").await);
    }
    assert_eq!((said[0], said[39], guess("198.51.100.7").await), (403, 429, 403), "{said:?}");
}

#[tokio::test]
async fn a_provider_that_cannot_be_used_is_told() {
    let house = House::vouched_for(settings()).await;
    account(&house, ANN).await;
    let mut browser = Browser::new(&house);
    house.provider.lock().unwrap().down = true;
    let down = browser.post("/sign-in/oidc", "").await;
    assert!(
        down.status == 502 && down.text().contains("cannot be used right now"),
        "{}",
        down.text()
    );
    in_at(&browser.sign_in().await, "/account");
    let mut browser = Browser::new(&house);
    house.provider.lock().unwrap().down = false;
    let asked = house.asked().len();
    assert_eq!(browser.post("/sign-in/oidc", "").await.status, 502);
    assert_eq!(house.asked().len(), asked, "it rests for a moment");
    house.clock.advance(std::time::Duration::from_secs(10));
    house.provider.lock().unwrap().issuer = "https://id.example/";
    assert_eq!(browser.post("/sign-in/oidc", "").await.status, 502, "it calls itself otherwise");
    house.provider.lock().unwrap().issuer = super::provider::ISSUER;
    house.clock.advance(std::time::Duration::from_secs(10));
    let url = away(&browser.post("/sign-in/oidc", "").await);
    let back = house.provider.lock().unwrap().authorize(&url, &somebody("1", ANN));
    house.provider.lock().unwrap().down = true;
    let down = browser.get(&back).await;
    assert_eq!(down.status, 502, "{}", down.text());
}

#[tokio::test]
async fn keys_may_change_and_are_not_asked_for_with_every_forgery() {
    let house = with_ann().await;
    let asked = || house.provider.lock().unwrap().keys_asked;
    assert_eq!(asked(), 1);
    house.clock.advance(std::time::Duration::from_mins(2));
    house.provider.lock().unwrap().rotate();
    in_at(&sign_in(&mut Browser::new(&house), &house, &somebody("1", ANN)).await, "/account");
    assert_eq!(asked(), 2);
    house.provider.lock().unwrap().rotate();
    for _ in 0..3 {
        let back = sign_in(&mut Browser::new(&house), &house, &somebody("1", ANN)).await;
        assert_eq!(back.status, 403, "asked for a moment ago");
    }
    assert_eq!(asked(), 2);
    house.clock.advance(std::time::Duration::from_mins(1));
    in_at(&sign_in(&mut Browser::new(&house), &house, &somebody("1", ANN)).await, "/account");
    assert_eq!(asked(), 3);
}

#[tokio::test]
async fn a_password_is_guessed_here_as_slowly_as_anywhere() {
    let house = House::vouched_for(settings()).await;
    account(&house, ANN).await;
    let mut browser = Browser::new(&house);
    by(&mut browser, &house, ("/sign-in/oidc", ""), &somebody("1", ANN)).await;
    let mut said = Vec::new();
    for _ in 0..8 {
        let guess = fields(&[("password", "a guess of many")]);
        said.push(browser.post("/sign-in/oidc/finish", &guess).await.status);
    }
    assert_eq!((said[0], said[7]), (422, 429), "{said:?}");
    house.clock.advance(std::time::Duration::from_mins(10));
    in_at(
        &browser.post("/sign-in/oidc/finish", &fields(&[("password", PASSWORD)])).await,
        "/account",
    );
}

#[tokio::test]
async fn nobody_keeps_others_out_by_failing() {
    let house = with_ann().await;
    let mut said = Vec::new();
    for _ in 0..8 {
        said.push(with_password(&house, ANN, "a guess of many").await.status);
    }
    assert_eq!(said.last(), Some(&429));
    in_at(&sign_in(&mut Browser::new(&house), &house, &somebody("1", ANN)).await, "/account");
}
