//! People with several accounts at the provider: after a refusal it is asked to let them choose, and leads on
//! to where they wanted to go.

use serde_json::json;

use super::{away, by, in_at, invitation, me, settings, sign_in, somebody, with_ann};
use crate::harness::{Answer, House};
use crate::users::pages::{Browser, check};
use crate::users::{ANN, account};

const CHOOSE: (&str, &str) = ("/sign-in/oidc", "choose=1");

fn prompted(house: &House) -> Option<String> {
    house.provider.lock().unwrap().prompted.clone()
}

/// A page that refuses whoever came, with the button for somebody else.
fn offers(page: &Answer) {
    check(page);
    let html = page.text();
    assert_eq!(page.status, 403, "{html}");
    assert!(html.contains("Choose another account at Acme &#60;ID&#62;"), "{html}");
    assert!(html.contains("name=\"choose\" value=\"1\""), "{html}");
}

#[tokio::test]
async fn whoever_is_refused_chooses_another_account_and_goes_where_they_wanted() {
    let house = with_ann().await;
    let mut browser = Browser::new(&house);
    let form = ("/sign-in/oidc", "next=/workspaces/x/connect");
    let page = by(&mut browser, &house, form, &somebody("7", "carl@example.org")).await;
    offers(&page);
    assert_eq!(prompted(&house), None, "the first time nobody has to choose");
    // Another wrong one, and then the right one.
    offers(&by(&mut browser, &house, CHOOSE, &somebody("8", "dora@example.org")).await);
    assert_eq!(prompted(&house).as_deref(), Some("select_account"));
    let back = by(&mut browser, &house, CHOOSE, &somebody("1", ANN)).await;
    in_at(&back, "/workspaces/x/connect");
    assert_eq!(me(&house, &browser).await["email"], ANN);
    // Somebody else who has the e-mail of an account here is as wrong.
    let mut heir = Browser::new(&house);
    offers(&sign_in(&mut heir, &house, &somebody("2", ANN)).await);
    in_at(&by(&mut heir, &house, CHOOSE, &somebody("1", ANN)).await, "/account");
}

#[tokio::test]
async fn an_invitation_is_still_meant_when_another_account_is_chosen() {
    let house = House::vouched_for(settings()).await;
    account(&house, ANN).await;
    let link = invitation(&house, "eva@example.org").await;
    let mut eva = Browser::new(&house);
    let page =
        by(&mut eva, &house, (&link, "with=provider"), &somebody("4", "fred@example.org")).await;
    offers(&page);
    assert!(!page.text().contains(link.rsplit('/').next().unwrap()), "no page repeats its link");
    let back = by(&mut eva, &house, CHOOSE, &somebody("5", "eva@example.org")).await;
    in_at(&back, "/account?done=joined");
}

#[tokio::test]
async fn what_a_provider_says_that_it_does_not_know_is_not_asked_of_it() {
    for (prompts, asked) in [
        (json!(["none", "login", "consent"]), "login"),
        (json!(["none", "login", "select_account"]), "select_account"),
        (json!("odd"), "select_account"),
    ] {
        let house = House::vouched_for(settings()).await;
        house.provider.lock().unwrap().prompts = Some(prompts);
        account(&house, ANN).await;
        let mut browser = Browser::new(&house);
        offers(&sign_in(&mut browser, &house, &somebody("4", "fred@example.org")).await);
        let url = away(&browser.post(CHOOSE.0, CHOOSE.1).await);
        assert!(url.contains(&format!("&prompt={asked}")), "{url}");
    }
}

/// Without what the browser kept, it is a sign-in like any other.
#[tokio::test]
async fn a_choice_that_nothing_is_kept_of_leads_to_the_account() {
    let house = with_ann().await;
    let back = by(&mut Browser::new(&house), &house, CHOOSE, &somebody("1", ANN)).await;
    in_at(&back, "/account");
    assert_eq!(prompted(&house).as_deref(), Some("select_account"));
}

/// An answer to nothing says nothing of whom.
#[tokio::test]
async fn other_refusals_offer_no_choice() {
    let house = House::vouched_for(settings()).await;
    let mut browser = Browser::new(&house);
    let page = browser.get("/sign-in/oidc/callback?state=x&code=y").await;
    assert!(page.status == 403 && !page.text().contains("Choose another"), "{}", page.text());
}
