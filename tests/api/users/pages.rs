//! The pages: forms without a script, cookies, and what other sites cannot do with them.

use std::time::Duration;

use http::Method;
use serde_json::json;

use super::super::harness::{Answer, House};
use super::{ANN, PASSWORD, Person, account, code, text, token_of};

/// A browser: it keeps cookies, and says from where it posts.
#[derive(Clone)]
pub struct Browser<'h> {
    house: &'h House,
    cookies: Vec<(String, String)>,
    /// What it says of the page that a form was on.
    pub site: Option<&'static str>,
    pub origin: Option<&'static str>,
    /// What it calls itself.
    pub agent: Option<&'static str>,
}

pub fn fields(pairs: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

impl<'h> Browser<'h> {
    pub fn new(house: &'h House) -> Self {
        Self { house, cookies: Vec::new(), site: Some("same-origin"), origin: None, agent: None }
    }

    async fn send(&mut self, method: Method, path: &str, body: Option<&str>) -> Answer {
        let mut call = self.house.bare(method, path).header("host", "carillon.example");
        call = call.header("user-agent", self.agent.unwrap_or("Browser/1.0 <b>"));
        if let Some(body) = body {
            call = call.raw("application/x-www-form-urlencoded", body.to_owned());
            for (name, value) in [("sec-fetch-site", self.site), ("origin", self.origin)] {
                if let Some(value) = value {
                    call = call.header(name, value);
                }
            }
        }
        let cookies: Vec<_> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        if !cookies.is_empty() {
            call = call.header("cookie", &cookies.join("; "));
        }
        let answer = call.send().await;
        for set in answer.headers.get_all("set-cookie") {
            let (pair, _) = set.to_str().unwrap().split_once(';').unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            self.cookies.retain(|(known, _)| known != name);
            if !value.is_empty() {
                self.cookies.push((name.to_owned(), value.to_owned()));
            }
        }
        answer
    }

    pub async fn get(&mut self, path: &str) -> Answer {
        self.send(Method::GET, path, None).await
    }

    pub async fn post(&mut self, path: &str, form: &str) -> Answer {
        self.send(Method::POST, path, Some(form)).await
    }

    pub async fn sign_in(&mut self) -> Answer {
        self.post("/sign-in", &fields(&[("email", ANN), ("password", PASSWORD)])).await
    }

    pub fn session(&self) -> Option<String> {
        let found = self.cookies.iter().find(|(name, _)| name == "__Host-carillon_session");
        found.map(|(_, value)| value.clone())
    }
}

/// What every page must have.
pub fn check(page: &Answer) {
    let html = page.text();
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    let policy = page.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
    for piece in ["form-action 'self'", "frame-ancestors 'none'", "base-uri 'none'"] {
        assert!(policy.contains(piece) && !policy.contains("unsafe"), "{policy}");
    }
    assert_eq!(page.header("cache-control"), "no-store");
    assert_eq!(page.header("referrer-policy"), "same-origin");
    for bad in ["<script", "javascript:", " style=", " onclick", " onload", "http://", "https://"] {
        assert!(!html.contains(bad), "{bad} in {html}");
    }
    assert!(html.contains("<html lang=\"en\">") && html.contains("width=device-width"));
    assert_eq!(html.matches("<h1").count(), 1);
    // Each thing to fill in has its label, and each description is there.
    for input in html.split("<input ").skip(1).map(|rest| rest.split('>').next().unwrap()) {
        if input.contains("type=\"hidden\"") {
            continue;
        }
        let value = |name: &str| {
            let rest = input.split_once(&format!("{name}=\""))?.1;
            rest.split_once('"').map(|(value, _)| value.to_owned())
        };
        let id = value("id").unwrap();
        assert_eq!(html.matches(&format!("id=\"{id}\"")).count(), 1, "{id} twice");
        assert!(html.contains(&format!("<label for=\"{id}\">")), "{id}");
        assert!(value("autocomplete").is_some(), "{id}");
        for described in value("aria-describedby").unwrap_or_default().split_whitespace() {
            assert!(html.contains(&format!("id=\"{described}\"")), "{described}");
        }
        assert_eq!(input.contains("aria-invalid"), html.contains(&format!("id=\"{id}-wrong\"")));
    }
}

#[tokio::test]
async fn signing_in_and_out_by_forms() {
    let house = House::new().await;
    let mut browser = Browser::new(&house);
    let page = browser.get("/sign-in").await;
    assert!(page.text().contains("carillon setup-link"), "nobody has an account yet");
    account(&house, ANN).await;
    let page = browser.get("/sign-in").await;
    check(&page);
    assert!(page.status == 200 && !page.text().contains("setup-link"));
    let away = browser.get("/account").await;
    assert_eq!((away.status, away.header("location")), (303, "/sign-in?next=%2Faccount"));

    let wrong = fields(&[("email", "\"><b>ann@example.org"), ("password", "secret guess here")]);
    let wrong = browser.post("/sign-in", &wrong).await;
    check(&wrong);
    assert_eq!(wrong.status, 422);
    let html = wrong.text();
    assert!(html.contains("role=\"alert\"") && html.contains("is not right"), "{html}");
    assert!(html.contains("&#34;&#62;&#60;b&#62;ann@") && !html.contains("secret guess"), "{html}");
    assert!(browser.session().is_none());

    let done = browser.sign_in().await;
    assert_eq!((done.status, done.header("location")), (303, "/account"));
    let cookies: Vec<_> =
        done.headers.get_all("set-cookie").iter().map(|c| c.to_str().unwrap()).collect();
    let attributes = |cookie: &str| cookie.split_once("; ").unwrap().1.to_owned();
    assert_eq!(attributes(cookies[0]), "Path=/; Max-Age=604800; HttpOnly; SameSite=Lax; Secure");
    assert_eq!(
        attributes(cookies[1]),
        "Path=/; Max-Age=31536000; HttpOnly; SameSite=Strict; Secure"
    );
    assert!(cookies[0].starts_with("__Host-carillon_session=cs_"), "{cookies:?}");
    let account = browser.get("/account").await;
    let untold = "Nobody is told when something stops: no mail server is set.";
    assert!(account.text().contains(untold));
    check(&account);
    let html = account.text();
    assert!(html.contains(ANN) && html.contains("Browser/1.0 &#60;b&#62;"), "{html}");
    assert!(!html.contains(&browser.session().unwrap()));
    let again = browser.get("/sign-in?next=/account").await;
    assert_eq!(again.header("location"), "/account", "signed in already");

    let token = browser.session().unwrap();
    let out = browser.post("/sign-out", "").await;
    assert_eq!((out.status, out.header("location")), (303, "/sign-in"));
    assert!(browser.session().is_none());
    let old = house.bare(Method::GET, "/api/v1/me").key(&token).send().await;
    assert_eq!(old.status, 401, "over, not only forgotten");
}

#[tokio::test]
async fn a_session_that_was_planted_is_not_taken_up() {
    let house = House::new().await;
    account(&house, ANN).await;
    let mallory = Person::new(&house, "mallory@example.org").await;
    let mut browser = Browser::new(&house);
    let planted = "cs_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    for planted in [planted, &mallory.token] {
        browser.cookies = vec![("__Host-carillon_session".to_owned(), planted.to_owned())];
        assert_eq!(browser.sign_in().await.status, 303);
        let own = browser.session().unwrap();
        assert_ne!(own, planted);
        let me = house.bare(Method::GET, "/api/v1/me").key(&own).send().await.json();
        assert_eq!(me["email"], ANN);
        let old = house.bare(Method::GET, "/api/v1/me").key(planted).send().await;
        assert_eq!(old.status, 401, "what the browser had before is over");
    }
    // A name without the prefix, as plain http could set it, is nothing to us; nor are two.
    let own = browser.session().unwrap();
    browser.cookies = vec![("carillon_session".to_owned(), own.clone())];
    assert_eq!(browser.get("/account").await.status, 303);
    let twice = vec![("__Host-carillon_session".to_owned(), own); 2];
    browser.cookies = twice;
    assert_eq!(browser.get("/account").await.status, 303);
}

#[tokio::test]
async fn the_way_on_does_not_lead_elsewhere() {
    let house = House::new().await;
    account(&house, ANN).await;
    for away in
        ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"]
    {
        let mut browser = Browser::new(&house);
        let page = browser.get(&format!("/sign-in?{}", fields(&[("next", away)]))).await;
        assert!(!page.text().contains("evil"), "{}", page.text());
        let form = fields(&[("email", ANN), ("password", PASSWORD), ("next", away)]);
        let done = browser.post("/sign-in", &form).await;
        assert_eq!((done.status, done.header("location")), (303, "/account"), "{away}");
    }
    let mut browser = Browser::new(&house);
    let form = fields(&[("email", ANN), ("password", PASSWORD), ("next", "/invitations/x?y=z")]);
    assert_eq!(browser.post("/sign-in", &form).await.header("location"), "/invitations/x?y=z");
}

#[tokio::test]
async fn forms_of_other_sites_are_refused() {
    let house = House::new().await;
    account(&house, ANN).await;
    let mut browser = Browser::new(&house);
    browser.sign_in().await;
    let paths = [
        "/sign-in",
        "/sign-out",
        "/account/prove",
        "/account/password",
        "/account/sessions/end",
        "/account/sessions/end-others",
        "/account/totp/begin",
        "/account/totp/confirm",
        "/account/totp/end",
        "/account/recovery-codes",
        "/setup/x",
        "/reset/x",
        "/invitations/x",
    ];
    for (site, origin) in [
        (Some("cross-site"), None),
        (Some("same-site"), None),
        (None, None),
        (None, Some("null")),
        (None, Some("https://evil.example")),
        (None, Some("https://carillon.example.evil.example")),
        (Some("cross-site"), Some("https://carillon.example")),
    ] {
        for path in paths {
            let mut there = Browser { site, origin, ..browser.clone() };
            let answer = there.post(path, "a=b").await;
            assert!([403, 404].contains(&answer.status), "{path} {site:?} {origin:?}");
        }
    }
    assert_eq!(browser.get("/account").await.status, 200, "still signed in");
    // Old browsers, and plain http, say only the origin.
    let mut old =
        Browser { site: None, origin: Some("https://carillon.example"), ..browser.clone() };
    assert_eq!(old.post("/account/sessions/end-others", "").await.status, 303);
    // A cookie opens nothing of the API.
    let session = browser.session().unwrap();
    let call = house.bare(Method::GET, "/api/v1/me");
    let call = call.header("cookie", &format!("__Host-carillon_session={session}"));
    assert_eq!(call.send().await.said(), "401 unauthenticated");
    let json = house.bare(Method::POST, "/sign-in").header("sec-fetch-site", "same-origin");
    assert_eq!(json.json(&json!({})).send().await.status, 400);
    let huge = fields(&[("email", &"x".repeat(20_000))]);
    assert_eq!(browser.post("/sign-in", &huge).await.status, 413);
}

#[tokio::test]
async fn the_first_user_is_made_by_a_page() {
    let house = House::new().await;
    let link = text(&house.verb(("setup-link", ""), None, json!({})).await["link"]);
    let path = link.trim_start_matches("https://carillon.example");
    let mut browser = Browser::new(&house);
    let page = browser.get(path).await;
    check(&page);
    let wrong = fields(&[("email", "x"), ("name", ""), ("password", "short")]);
    let wrong = browser.post(path, &wrong).await;
    check(&wrong);
    let html = wrong.text();
    assert_eq!(wrong.status, 422);
    assert!(html.contains("id=\"email-wrong\"") && html.contains("aria-invalid"), "{html}");
    let wrong = fields(&[("email", ANN), ("name", ""), ("password", "short")]);
    let html = browser.post(path, &wrong).await.text();
    assert!(html.contains("id=\"name-wrong\"") && html.contains("id=\"password-wrong\""), "{html}");
    assert!(
        html.contains(&format!("value=\"{ANN}\"")) && !html.contains("value=\"short\""),
        "{html}"
    );
    assert!(html.contains("will own: Acme.") && !html.contains("\"workspace\""), "{html}");
    let right = [("email", ANN), ("name", "Ann"), ("password", PASSWORD)];
    assert_eq!(browser.post(path, &fields(&right)).await.status, 303);
    assert!(browser.get("/account").await.text().contains("Acme"));
    check(&browser.get(path).await);
    assert_eq!(browser.get(path).await.status, 404);
}

#[tokio::test]
async fn an_invitation_is_accepted_by_a_page() {
    let house = House::new().await;
    let ann = Person::new(&house, ANN).await;
    let [(_, workspace)] = ann.workspaces().await.try_into().unwrap();
    let invite = |email: &'static str| {
        let body = json!({ "email": email, "role": "viewer" });
        let path = format!("/workspaces/{workspace}/invitations");
        let ann = &ann;
        async move { format!("/invitations/{}", token_of(&ann.post(&path, &body).await.json()["link"])) }
    };
    let path = invite("ben@example.org").await;
    let mut browser = Browser::new(&house);
    let page = browser.get(&path).await;
    check(&page);
    assert!(page.text().contains("ben@example.org is invited as viewer"), "{}", page.text());
    let form = fields(&[("name", "Ben"), ("password", PASSWORD)]);
    let done = browser.post(&path, &form).await;
    assert_eq!(done.header("location"), "/account?done=joined");
    let account = browser.get("/account?done=joined").await;
    assert!(account.text().contains("You are a member now."));
    assert_eq!(browser.get(&path).await.status, 404);
    assert!(!browser.get("/account?done=%3Cb%3E").await.text().contains("role=\"status\""));

    // For an account that is there: sign in, and come back.
    super::account(&house, "eve@example.org").await;
    let path = invite("eve@example.org").await;
    assert_eq!(browser.get(&path).await.status, 403, "that is not Ben's");
    let mut eve = Browser::new(&house);
    let page = eve.get(&path).await.text();
    let next = fields(&[("next", &path)]);
    assert!(page.contains(&format!("href=\"/sign-in?{next}\"")), "{page}");
    let form = fields(&[("email", "eve@example.org"), ("password", PASSWORD), ("next", &path)]);
    assert_eq!(eve.post("/sign-in", &form).await.header("location"), path);
    check(&eve.get(&path).await);
    assert_eq!(eve.post(&path, "").await.header("location"), "/account?done=joined");
}

#[tokio::test]
async fn a_password_is_reset_by_a_page() {
    let house = House::new().await;
    account(&house, ANN).await;
    let link =
        house.verb(("user", "reset-link"), None, json!({ "email": ANN })).await["link"].clone();
    let path = format!("/reset/{}", token_of(&link));
    let mut browser = Browser::new(&house);
    check(&browser.get(&path).await);
    let short = browser.post(&path, &fields(&[("password", "short")])).await;
    check(&short);
    assert!(short.text().contains("id=\"password-wrong\""), "{}", short.text());
    let done = browser.post(&path, &fields(&[("password", "a new one of four")])).await;
    check(&done);
    assert!(done.text().contains("is set") && browser.session().is_none());
    assert_eq!(browser.get(&path).await.status, 404);
    assert_eq!(browser.sign_in().await.status, 422);
}

#[tokio::test]
async fn an_authenticator_is_set_up_on_the_account_page() {
    let house = House::new().await;
    account(&house, ANN).await;
    let mut browser = Browser::new(&house);
    browser.sign_in().await;
    assert_eq!(browser.post("/account/totp/begin", "").await.status, 303);
    let page = browser.get("/account").await;
    check(&page);
    let html = page.text();
    assert!(html.contains("<svg class=\"square\"") && html.contains("h1v1h-1z"), "{html}");
    let secret = html.split_once("<code>").unwrap().1.split_once('<').unwrap().0.replace(' ', "");
    let wrong = browser.post("/account/totp/confirm", &fields(&[("code", "000000")])).await;
    check(&wrong);
    assert_eq!(wrong.status, 422);
    assert!(wrong.text().contains("id=\"code-wrong\""), "{}", wrong.text());
    let token = browser.session();
    let right = fields(&[("code", &code(&house, &secret, 0))]);
    let done = browser.post("/account/totp/confirm", &right).await;
    check(&done);
    assert_eq!(
        done.text().split("<ul class=\"codes\">").nth(1).unwrap().matches("<li>").count(),
        10
    );
    assert_ne!(browser.session(), token);
    let page = browser.get("/account").await;
    check(&page);
    assert!(page.text().contains("10 of your recovery codes"), "{}", page.text());

    // Later a proof is asked for before it can be taken off.
    house.clock.advance(Duration::from_mins(11));
    let page = browser.get("/account").await;
    check(&page);
    assert!(!page.text().contains("/account/totp/end"), "{}", page.text());
    assert_eq!(browser.post("/account/totp/end", "").await.status, 403);
    let proof = [("password", PASSWORD), ("code", &code(&house, &secret, 0))];
    let proved = browser.post("/account/prove", &fields(&proof)).await;
    assert_eq!(proved.header("location"), "/account?done=proved", "{}", proved.text());
    assert_eq!(browser.post("/account/totp/end", "").await.header("location"), "/account?done=off");
    let mut other = Browser::new(&house);
    assert_eq!(other.sign_in().await.status, 303);
    let change = [("password", PASSWORD), ("new_password", "a new one of four")];
    let changed = browser.post("/account/password", &fields(&change)).await;
    assert_eq!(changed.header("location"), "/account?done=password");
    assert_eq!(other.get("/account").await.status, 303, "the others are out");
    assert_eq!(browser.get("/account").await.status, 200);
}

#[tokio::test]
async fn without_tls_cookies_have_no_prefix() {
    let house = House::new().await;
    account(&house, ANN).await;
    let services = carillon::service::Services {
        public_url: "http://10.0.0.5:8080".into(),
        ..house.services.clone()
    };
    let settings = carillon::http::Settings::default();
    let face = carillon::http::Face {
        services,
        limits: carillon::http::Limits::new(&settings),
        settings,
        readiness: Box::new(|| carillon::http::Readiness::Ready),
        consoles: Box::new(|_, _| {
            Err(carillon::base::Problem::new(carillon::base::Code::Internal))
        }),
    };
    let router = carillon::http::public_router(&std::sync::Arc::new(face));
    let form = fields(&[("email", ANN), ("password", PASSWORD)]);
    let call = house.bare(Method::POST, "/sign-in").header("origin", "http://10.0.0.5:8080");
    let call = super::super::harness::Call { router: &router, ..call };
    let done = call.raw("application/x-www-form-urlencoded", form).send().await;
    let cookie = done.header("set-cookie");
    assert!(cookie.starts_with("carillon_session=cs_") && !cookie.contains("Secure"), "{cookie}");
}
