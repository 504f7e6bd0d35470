//! The second factor: set up with a code, asked for at sign-in and by workspaces, lost and replaced.

use std::process::Command;
use std::time::Duration;

use carillon::base::Clock as _;
use http::Method;
use serde_json::json;
use support::Tool;

use super::super::harness::House;
use super::{ANN, PASSWORD, Person, code, sign_in, text, with_password};

const STEP: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_code_is_asked_for_and_good_once() {
    let house = House::new().await;
    let mut ann = Person::new(&house, ANN).await;
    let begun = ann.call(Method::POST, "/me/totp").send().await.json();
    assert!(text(&begun["address"]).starts_with("otpauth://totp/Carillon"), "{begun}");
    let before = ann.token.clone();
    // Begun is not set up.
    assert_eq!(with_password(&house, ANN, PASSWORD).await.status, 201);
    let wrong = ann.put("/me/totp", &json!({ "code": "000000" })).await;
    assert_eq!(wrong.said(), "422 invalid_field code");
    let (secret, codes) = ann.set_up_totp().await;
    assert_ne!(secret, text(&begun["secret"]), "begun anew, it is another");
    assert_ne!(ann.token, before, "and the session has a new token");
    assert_eq!(codes.len(), 10);
    assert_eq!(ann.get("/me").await.json()["totp"], true);

    let body = |code: &str| json!({ "email": ANN, "password": PASSWORD, "code": code });
    assert_eq!(with_password(&house, ANN, PASSWORD).await.said(), "401 code_needed");
    assert_eq!(
        with_password(&house, ANN, "wrong horse battery").await.said(),
        "401 sign_in_refused"
    );
    // The one that confirmed it is used up.
    assert_eq!(
        sign_in(&house, &body(&code(&house, &secret, 0))).await.said(),
        "401 sign_in_refused"
    );
    house.clock.advance(STEP);
    let fits = code(&house, &secret, 0);
    let (front, back) = fits.split_at(3);
    let with_space = format!("{front} {back}");
    assert_eq!(sign_in(&house, &body(&with_space)).await.status, 201);
    assert_eq!(sign_in(&house, &body(&fits)).await.said(), "401 sign_in_refused", "once");
    house.clock.advance(STEP * 3);
    // A telephone that is half a minute off; but never back.
    assert_eq!(sign_in(&house, &body(&code(&house, &secret, 1))).await.status, 201);
    assert_eq!(
        sign_in(&house, &body(&code(&house, &secret, 0))).await.said(),
        "401 sign_in_refused"
    );
    assert_eq!(
        sign_in(&house, &body(&code(&house, &secret, 3))).await.said(),
        "401 sign_in_refused"
    );
}

#[tokio::test]
async fn one_code_at_many_doors_opens_one() {
    let house = House::new().await;
    let mut ann = Person::new(&house, ANN).await;
    let (secret, codes) = ann.set_up_totp().await;
    house.clock.advance(STEP);
    for code in [code(&house, &secret, 0), codes[0].clone()] {
        let body =
            json!({ "email": ANN, "password": PASSWORD, "code": code, "device": ann.device });
        let all = futures_util::future::join_all((0..4).map(|_| sign_in(&house, &body))).await;
        assert_eq!(all.iter().filter(|answer| answer.status == 201).count(), 1, "{all:?}");
        house.clock.advance(STEP);
    }
}

#[tokio::test]
async fn recovery_codes_stand_in_once_each() {
    let house = House::new().await;
    let mut ann = Person::new(&house, ANN).await;
    let (_, codes) = ann.set_up_totp().await;
    let body = |code: &str| json!({ "email": ANN, "password": PASSWORD, "code": code });
    let entered = sign_in(&house, &body(&codes[3].to_uppercase())).await;
    assert_eq!(entered.status, 201, "{}", entered.text());
    assert_eq!(entered.json()["user"]["recovery_codes"], 9);
    assert_eq!(sign_in(&house, &body(&codes[3])).await.said(), "401 sign_in_refused");
    let renewed = ann.call(Method::POST, "/me/recovery-codes").send().await;
    assert_eq!(renewed.status, 200, "{}", renewed.text());
    let renewed = text(&renewed.json()["recovery_codes"][0]);
    assert_eq!(sign_in(&house, &body(&codes[4])).await.said(), "401 sign_in_refused");
    assert_eq!(sign_in(&house, &body(&renewed)).await.status, 201);
    // Lost altogether: an operator takes it off.
    let shown = house.verb(("user", "reset-totp"), None, json!({ "email": ANN })).await;
    assert_eq!((&shown["totp"], &shown["recovery_codes"]), (&json!(false), &json!(0)));
    assert_eq!(with_password(&house, ANN, PASSWORD).await.status, 201);
}

#[tokio::test]
async fn taking_it_off_asks_for_a_fresh_proof_with_a_code() {
    let house = House::new().await;
    let mut ann = Person::new(&house, ANN).await;
    let (secret, _) = ann.set_up_totp().await;
    assert_eq!(ann.call(Method::POST, "/me/totp").send().await.said(), "409 totp_set");
    house.clock.advance(Duration::from_mins(11));
    assert_eq!(ann.delete("/me/totp").await.said(), "403 step_up_needed");
    let only_password = ann.post("/sessions/prove", &json!({ "password": PASSWORD })).await;
    assert_eq!(only_password.said(), "401 code_needed");
    let both = json!({ "password": PASSWORD, "code": code(&house, &secret, 0) });
    let ann = Person::of(&house, &ann.post("/sessions/prove", &both).await.json());
    assert_eq!(ann.delete("/me/totp").await.status, 204);
    assert_eq!(ann.delete("/me/totp").await.said(), "404 not_found");
    assert_eq!(with_password(&house, ANN, PASSWORD).await.status, 201);
}

#[tokio::test]
async fn a_workspace_keeps_out_who_has_none() {
    let house = House::new().await;
    let mut ann = Person::new(&house, ANN).await;
    let [(_, workspace)] = ann.workspaces().await.try_into().unwrap();
    let rule = format!("/workspaces/{workspace}/security");
    let required = json!({ "totp_required": true });
    assert_eq!(ann.put(&rule, &required).await.said(), "403 totp_needed", "not herself");
    ann.set_up_totp().await;
    assert_eq!(ann.put(&rule, &required).await.json()["totp_required"], true);
    let invite = json!({ "email": "ben@example.org", "role": "editor" });
    let invited = ann.post(&format!("/workspaces/{workspace}/invitations"), &invite).await.json();
    let accept = json!({
        "token": super::token_of(&invited["link"]), "name": "Ben", "password": PASSWORD,
    });
    let accept = house.bare(Method::POST, "/api/v1/invitations/accept").json(&accept).send().await;
    let mut ben = Person::of(&house, &accept.json()["opened"]);
    let kept_out = ben.get(&format!("/workspaces/{workspace}/posts")).await;
    assert_eq!(kept_out.said(), "403 totp_needed");
    assert!(text(&kept_out.json()["remedy"]).contains("/me/totp"));
    let own = ben.workspaces().await.into_iter().find(|(_, id)| *id != workspace).unwrap().1;
    assert_eq!(ben.get(&format!("/workspaces/{own}/posts")).await.status, 200, "only there");
    ben.set_up_totp().await;
    assert_eq!(ben.get(&format!("/workspaces/{workspace}/posts")).await.status, 200);
    // A key has no authenticator, and needs none.
    let key = house.new_key(&workspace, &["read"]).await;
    let path = format!("/api/v1/workspaces/{workspace}/posts");
    assert_eq!(house.bare(Method::GET, &path).key(&key).send().await.status, 200);
    let optional = json!({ "totp": "optional" });
    house.verb(("workspace", "security"), Some(&workspace), optional).await;
    let rules = json!({ "totp_required": false, "bursts": "tell", "pause_bursts": false });
    assert_eq!(ann.get(&rule).await.json(), rules);
}

/// Codes as another program makes them.
#[tokio::test]
async fn other_programs_make_the_same_codes() {
    let house = House::new().await;
    let mut ann = Person::new(&house, ANN).await;
    let (secret, _) = ann.set_up_totp().await;
    let mut programs: Vec<Box<dyn Fn(u64) -> Command>> = Vec::new();
    if Tool::PythonModule("pyotp").available_or_skip() {
        let secret = secret.clone();
        programs.push(Box::new(move |at| {
            let script = format!("import pyotp; print(pyotp.TOTP('{secret}').at({at}))");
            let mut command = Command::new("python3");
            command.args(["-c", &script]);
            command
        }));
    }
    if Tool::Program("oathtool").available_or_skip() {
        let secret = secret.clone();
        programs.push(Box::new(move |at| {
            let mut command = Command::new("oathtool");
            command.args(["--totp", "-b", &secret, "-N", &format!("@{at}")]);
            command
        }));
    }
    for program in programs {
        house.clock.advance(STEP * 2);
        let output = program(house.clock.now().as_millis() / 1_000).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        let body = json!({ "email": ANN, "password": PASSWORD, "code": said.trim() });
        let answer = sign_in(&house, &body).await;
        assert_eq!(answer.status, 201, "{said}: {}", answer.text());
    }
}
