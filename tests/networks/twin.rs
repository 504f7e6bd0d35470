//! A practice Mastodon called in process, with the few words its tests need.

use std::time::Duration;

use bytes::Bytes;
use carillon::base::Timestamp;
use carillon::practice::mastodon::Settings;
use carillon::practice::{Act, Answer, Effect, Fault, Matcher, Request, World, handle};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::Value;

pub const HOST: &str = "practice-a.test";
pub const START: Timestamp = Timestamp::from_millis(1_795_340_000_000);
pub const ALL: &str = "read write";

pub struct Twin {
    pub world: World,
    pub now: Timestamp,
}

impl Twin {
    pub fn new() -> Self {
        Self::with(Settings::new("https://practice-a.test"))
    }

    pub fn with(settings: Settings) -> Self {
        let mut world = World::new(1);
        world.add_mastodon(HOST, settings);
        world.add_account(HOST, "ann", "t-ann", ALL).unwrap();
        world.add_account(HOST, "ben", "t-ben", ALL).unwrap();
        Self { world, now: START }
    }

    pub fn after(&mut self, wait: Duration) {
        self.now = self.now.plus(wait);
    }

    pub fn call(
        &mut self,
        method: Method,
        target: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            map.insert(name, HeaderValue::from_str(value).unwrap());
        }
        let request = Request {
            method,
            path: path.to_owned(),
            query: query.to_owned(),
            headers: map,
            body: Bytes::copy_from_slice(body.as_bytes()),
        };
        handle(&mut self.world, HOST, &request, self.now)
    }

    pub fn get(&mut self, target: &str, token: &str) -> (u16, Value) {
        let bearer = format!("Bearer {token}");
        open(&self.call(Method::GET, target, &[("authorization", &bearer)], ""))
    }

    /// Publishes as ann, with a key if it is not empty.
    pub fn publish(&mut self, key: &str, body: &Value) -> Answer {
        let mut headers =
            vec![("authorization", "Bearer t-ann"), ("content-type", "application/json")];
        if !key.is_empty() {
            headers.push(("idempotency-key", key));
        }
        self.call(Method::POST, "/api/v1/statuses", &headers, &body.to_string())
    }

    pub fn post(&mut self, body: &Value) -> (u16, Value) {
        open(&self.publish("", body))
    }

    pub fn form(&mut self, target: &str, body: &str) -> (u16, Value) {
        let kind = [("content-type", "application/x-www-form-urlencoded")];
        open(&self.call(Method::POST, target, &kind, body))
    }

    pub fn fault(&mut self, on: Matcher, act: Act) {
        self.world.add_fault(Fault { on, host: None, times: 1, act });
    }

    pub fn settings(&mut self) -> &mut Settings {
        &mut self.world.mastodon(HOST).unwrap().settings
    }

    pub fn created(&self) -> usize {
        let created = |e: &&_| matches!(e, Effect::StatusCreated { .. });
        self.world.journal().iter().map(|e| &e.effect).filter(created).count()
    }
}

pub fn open(answer: &Answer) -> (u16, Value) {
    (answer.status, serde_json::from_slice(&answer.body).unwrap_or(Value::Null))
}

pub fn error(found: &(u16, Value)) -> (u16, String) {
    (found.0, found.1["error"].as_str().unwrap_or("").to_owned())
}

pub fn header<'a>(answer: &'a Answer, name: &str) -> &'a str {
    answer.headers[name].to_str().unwrap()
}

pub fn id(found: &(u16, Value)) -> String {
    assert_eq!(found.0, 200, "{}", found.1);
    found.1["id"].as_str().unwrap().to_owned()
}
