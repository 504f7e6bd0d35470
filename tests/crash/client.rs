//! A client that writes posts and insists: what was not answered is repeated with the same key
//! until it is.

use std::time::Duration;

use serde_json::{Value, json};

/// A post that somebody wrote, and its id once that was acknowledged.
#[derive(Clone, Debug)]
pub struct Written {
    pub texts: Vec<String>,
    pub channels: Vec<String>,
    pub key: String,
    /// A time in UTC; at once without one.
    pub at: Option<String>,
    pub acknowledged: Option<String>,
}

impl Written {
    pub fn body(&self) -> Value {
        let part = |text: &String| json!({ "text": text });
        json!({
            "parts": self.texts.iter().map(part).collect::<Vec<_>>(),
            "channels": self.channels,
            "schedule": match &self.at {
                Some(at) => json!({ "at": at, "zone": "UTC" }),
                None => json!({ "now": true }),
            },
        })
    }
}

#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    pub bearer: String,
}

impl Client {
    pub fn new(bearer: &str) -> Self {
        let http =
            reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(10)).build().unwrap();
        Self { http, bearer: bearer.to_owned() }
    }

    /// One try; an error means that nobody knows.
    pub async fn write(&self, api: &str, workspace: &str, post: &Written) -> Option<String> {
        let answer = self
            .http
            .post(format!("{api}/workspaces/{workspace}/posts"))
            .bearer_auth(&self.bearer)
            .header("idempotency-key", &post.key)
            .header("content-type", "application/json")
            .body(post.body().to_string())
            .send()
            .await
            .ok()?;
        let status = answer.status().as_u16();
        let body = answer.bytes().await.ok()?;
        if matches!(status, 429 | 503) {
            return None;
        }
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(status, 201, "{body}");
        Some(body["id"].as_str().unwrap().to_owned())
    }

    pub async fn post(&self, url: &str, body: &Value) -> (u16, Value) {
        let request = self.http.post(url).bearer_auth(&self.bearer);
        let request = request.header("content-type", "application/json").body(body.to_string());
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        (status, serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or(Value::Null))
    }

    pub async fn get(&self, url: &str) -> (u16, Value) {
        let answer = self.http.get(url).bearer_auth(&self.bearer).send().await.unwrap();
        let status = answer.status().as_u16();
        let body = answer.bytes().await.unwrap();
        (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }
}
