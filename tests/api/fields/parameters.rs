//! Parameters of addresses and headers.

use std::fmt::Write;

use axum::body::Body;
use http::{HeaderValue, Method, Request};
use serde_json::{Value, json};

use super::super::document::{fetch, operations};
use super::super::harness::{Answer, House, send};
use super::super::users::{ANN, Person};

/// Text as it stands in an address.
fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut all, byte| {
        write!(all, "%{byte:02X}").unwrap();
        all
    })
}

const HOSTILE: &[&str] = &[
    "\0",
    "a\0b",
    "\u{1b}[31m",
    "\u{202e}abc",
    "\u{1F600}",
    "../../etc/passwd",
    "'; DROP TABLE x; --",
    "{{7*7}}",
    "<script>",
    "-1",
    "0",
    "1e9",
    "NaN",
    " ",
    "null",
    "[]",
    "a&b=c",
    "+",
    "2026-02-30",
    "99999999999999999999999",
    "AAAAAAAAAAAAAAAAAAAAAA",
    "%",
];

/// Values for a parameter, encoded, and whether the document forbids them.
fn values(schema: &Value) -> Vec<(String, bool)> {
    let mut values: Vec<(String, bool)> = vec![(String::new(), true)];
    let strict = schema.get("enum").is_some() || schema["type"] == "integer";
    let wrong = |text: &str| strict && (text != "0" || schema["minimum"] != 0);
    values.extend(HOSTILE.iter().map(|text| (encoded(text), wrong(text))));
    values.extend([("%FF".to_owned(), true), ("%C3%28".to_owned(), true)]);
    values.push(("x".repeat(10_000), true));
    if let Some(max) = schema["maxLength"].as_u64() {
        values.push(("x".repeat(usize::try_from(max).unwrap() + 1), true));
    }
    for (bound, over) in [("maximum", 1), ("minimum", -1)] {
        if let Some(bound) = schema[bound].as_i64() {
            values.push((bound.to_string(), false));
            values.push(((bound + over).to_string(), true));
        }
    }
    for word in schema["enum"].as_array().into_iter().flatten() {
        values.push((word.as_str().unwrap().to_owned(), false));
        values.push((word.as_str().unwrap().to_uppercase(), true));
    }
    values
}

struct Target {
    house: House,
    path: String,
    method: Method,
    body: bool,
    /// A key, or the token of a person where a key is none.
    bearer: String,
}

impl Target {
    async fn send(&self, path: &str, header: Option<(&str, &[u8])>) -> Answer {
        let mut request = Request::builder().method(self.method.clone()).uri(path);
        request = request.header("authorization", format!("Bearer {}", self.bearer));
        if let Some((name, value)) = header {
            request = request.header(name, HeaderValue::from_bytes(value).unwrap());
        }
        if path.contains("/media/uploads") {
            let right =
                [("tus-resumable", "1.0.0"), ("upload-offset", "0"), ("upload-length", "9")];
            let given =
                |known: &str| header.is_some_and(|(name, _)| name.eq_ignore_ascii_case(known));
            for (name, value) in right.into_iter().filter(|(name, _)| !given(name)) {
                request = request.header(name, value);
            }
        }
        let body = if self.body {
            request = request.header("content-type", "application/json");
            Body::from("{}")
        } else {
            Body::empty()
        };
        send(&self.house.router, request.body(body).unwrap()).await
    }
}

/// An operation on things that are there, or nearly.
async fn target(path: &str, method: &Method, operation: &Value) -> Target {
    let house = House::new().await;
    let feed = house.new_feed().await;
    let post = house.new_post(&feed, json!({ "at": "2027-06-01T09:00", "zone": "UTC" })).await;
    let png = support::media::png(4, 3);
    let asset = house.upload("a.png", "image/png", &png, "").await.json();
    let missing = "01890a5d-ac96-774b-bcce-b302099a8057";
    house.put_user(missing.parse().unwrap()).await;
    let args = json!({ "user": missing, "role": "editor" });
    house.verb(("member", "add"), Some(&house.workspace), args).await;
    let path = path
        .replace("{workspace}", &house.workspace)
        .replace("{channel}", &feed)
        .replace("{post}", post["id"].as_str().unwrap())
        .replace("{delivery}", post["targets"][0]["delivery"].as_str().unwrap())
        .replace("{asset}", asset["id"].as_str().unwrap())
        .replace("{event}", "1")
        .replace("{user}", missing)
        .replace("{key}", missing)
        .replace("{session}", missing)
        .replace("{network}", "linkedin")
        .replace("{external}", "a-1")
        .replace("{hook}", &crate::hooks::one(&house).await)
        .replace("{invitation}", missing);
    let body = !operation["requestBody"].is_null();
    let own = ["/api/v1/me", "/api/v1/sessions"].iter().any(|start| path.starts_with(start));
    let bearer = if own {
        Person::new(&house, ANN).await.token
    } else if ["/api/v1/apps", "/api/v1/hooks"].iter().any(|start| path.starts_with(start)) {
        let person = Person::new(&house, ANN).await;
        house.verb(("user", "promote"), None, json!({ "email": ANN })).await;
        person.token
    } else if ["/leave", "/transfer", "/restore", "/approve", "/decline"]
        .iter()
        .any(|end| path.ends_with(end))
        || (*method == Method::DELETE && path.ends_with(&house.workspace))
    {
        let person = Person::new(&house, ANN).await;
        let args = json!({ "user": person.id, "role": "owner" });
        house.verb(("member", "add"), Some(&house.workspace), args).await;
        person.token
    } else if super::is_for_hosts(&path) {
        super::host(&house).await
    } else {
        house.key.clone()
    };
    Target { house, path, method: method.clone(), body, bearer }
}

#[tokio::test]
async fn every_parameter_of_every_operation() {
    let document = fetch(&House::new().await).await;
    let mut cases = 0;
    for (path, method, operation) in operations(&document) {
        let target = target(&path, &method, &operation).await;
        let id = operation["operationId"].as_str().unwrap();
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let name = parameter["name"].as_str().unwrap();
            let schema = &parameter["schema"];
            cases += match parameter["in"].as_str().unwrap() {
                "query" => query(&target, id, name, schema).await,
                "path" => in_path(&target, &path, id, name, schema).await,
                _ => header(&target, id, name, schema).await,
            };
        }
        let surprise = target.send(&format!("{}?surprise=1", target.path), None).await;
        // Answers to HEAD name no field.
        let field = if surprise.body.is_empty() { "" } else { " surprise" };
        assert_eq!(surprise.said(), format!("422 invalid_field{field}"), "{id}");
        cases += 1;
    }
    println!("{cases} cases of parameters");
    assert!(cases > 800);
}

async fn query(target: &Target, id: &str, name: &str, schema: &Value) -> usize {
    let values = values(schema);
    for (value, wrong) in &values {
        let answer = target.send(&format!("{}?{name}={value}", target.path), None).await;
        let told = format!("{id}: {name}={value}: {}", answer.text());
        assert!(answer.status < 500, "{told}");
        assert!(!wrong || answer.status >= 400, "{told}");
        if answer.status >= 400 {
            assert_eq!(answer.said(), format!("422 invalid_field {name}"), "{told}");
        }
    }
    let twice = target.send(&format!("{}?{name}=1&{name}=1", target.path), None).await;
    assert_eq!(twice.said(), format!("422 invalid_field {name}"), "{id}");
    values.len() + 1
}

/// An id that is none is as good as missing, whatever it is.
async fn in_path(target: &Target, path: &str, id: &str, name: &str, schema: &Value) -> usize {
    let at = path.split('/').position(|piece| piece == format!("{{{name}}}")).unwrap();
    let mut cases = 0;
    for (value, _) in values(schema) {
        let mut pieces: Vec<&str> = target.path.split('/').collect();
        if schema["type"] == "integer" && value == "1" {
            continue; // a number that there is
        }
        if schema["enum"].as_array().is_some_and(|words| words.contains(&json!(value))) {
            continue; // a word that there is
        }
        pieces[at] = &value;
        let answer = target.send(&pieces.join("/"), None).await;
        assert_eq!(answer.said(), "404 not_found", "{id}: {name}={value}");
        cases += 1;
    }
    cases
}

async fn header(target: &Target, id: &str, name: &str, schema: &Value) -> usize {
    let max = usize::try_from(schema["maxLength"].as_u64().unwrap()).unwrap();
    let long = "7".repeat(max + 1);
    let values: &[&[u8]] = &[
        b"",
        b" ",
        b"a b",
        b"\xff\xfe",
        "caf\u{e9}".as_bytes(),
        b"\"",
        long.as_bytes(),
        b"W/\"1\"",
    ];
    for value in values {
        let answer = target.send(&target.path, Some((name, value))).await;
        let told = format!("{id}: {name}: {}: {}", String::from_utf8_lossy(value), answer.text());
        assert!(answer.status < 500, "{told}");
        // A tag that is none is simply not the present one; every other header is strict.
        let strict =
            name != "If-None-Match" && !(name == "Idempotency-Key" && is_token(value, max));
        if name == "Upload-Metadata" {
            // Names that are not known may hold anything.
            continue;
        }
        let refused = match name {
            "Tus-Resumable" => "412 tus_version".to_owned(),
            _ => format!("422 invalid_field {name}"),
        };
        assert_eq!(answer.said() == refused, strict, "{told}");
    }
    values.len()
}

fn is_token(value: &[u8], max: usize) -> bool {
    (1..=max).contains(&value.len()) && value.iter().all(u8::is_ascii_graphic)
}
