//! Users, their sessions, authenticators, invitations and links, by the API and by the pages.

mod invitations;
mod links;
pub mod pages;
mod sessions;
mod sign_in;
mod totp;

use http::Method;
use serde_json::{Value, json};

use super::harness::{Answer, Call, House};

pub const PASSWORD: &str = "correct horse battery";
pub const ANN: &str = "ann@example.org";

/// Somebody with an account and a live session.
pub struct Person<'h> {
    pub house: &'h House,
    pub id: String,
    pub token: String,
    pub device: String,
}

/// An account without a session.
pub async fn account(house: &House, email: &str) -> Value {
    let args = json!({ "email": email, "password": PASSWORD });
    house.verb(("user", "create"), None, args).await
}

pub async fn sign_in(house: &House, body: &Value) -> Answer {
    house.bare(Method::POST, "/api/v1/sessions").json(body).send().await
}

pub async fn with_password(house: &House, email: &str, password: &str) -> Answer {
    sign_in(house, &json!({ "email": email, "password": password })).await
}

pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

impl<'h> Person<'h> {
    pub async fn new(house: &'h House, email: &str) -> Self {
        account(house, email).await;
        Self::signed_in(house, email).await
    }

    pub async fn signed_in(house: &'h House, email: &str) -> Self {
        let answer = with_password(house, email, PASSWORD).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        Self::of(house, &answer.json())
    }

    pub fn of(house: &'h House, opened: &Value) -> Self {
        Self {
            house,
            id: text(&opened["user"]["id"]),
            token: text(&opened["token"]),
            device: text(&opened["device"]),
        }
    }

    pub fn call(&self, method: Method, path: &str) -> Call<'h> {
        self.house.bare(method, &format!("/api/v1{path}")).key(&self.token)
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path).send().await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.call(Method::POST, path).json(body).send().await
    }

    pub async fn put(&self, path: &str, body: &Value) -> Answer {
        self.call(Method::PUT, path).json(body).send().await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.call(Method::DELETE, path).send().await
    }

    /// The workspaces that they are in, by name.
    pub async fn workspaces(&self) -> Vec<(String, String)> {
        let all = self.get("/workspaces").await.json();
        let all = all["items"].as_array().unwrap().clone();
        all.iter().map(|one| (text(&one["name"]), text(&one["id"]))).collect()
    }

    pub async fn works(&self) -> bool {
        self.get("/me").await.status == 200
    }

    /// Sets up an authenticator; its secret and the recovery codes.
    pub async fn set_up_totp(&mut self) -> (String, Vec<String>) {
        let made = self.call(Method::POST, "/me/totp").send().await;
        assert_eq!(made.status, 201, "{}", made.text());
        let secret = text(&made.json()["secret"]);
        let done = self.put("/me/totp", &json!({ "code": code(self.house, &secret, 0) })).await;
        assert_eq!(done.status, 200, "{}", done.text());
        let done = done.json();
        self.token = text(&done["token"]);
        let codes = done["recovery_codes"].as_array().unwrap().iter().map(text).collect();
        (secret, codes)
    }
}

/// The code of an authenticator, so many steps from now.
pub fn code(house: &House, secret: &str, steps: i64) -> String {
    use carillon::base::Clock as _;
    let bytes = data_encoding::BASE32_NOPAD.decode(secret.as_bytes()).unwrap();
    let totp = totp_rs::Builder::new().with_secret(bytes).build().unwrap();
    let now = i64::try_from(house.clock.now().as_millis() / 1_000).unwrap() + steps * 30;
    totp.generate(now.try_into().unwrap()).to_string()
}

/// The last piece of a link.
pub fn token_of(link: &Value) -> String {
    text(link).rsplit('/').next().unwrap().to_owned()
}
