//! The `OpenAPI` document: valid, complete, bounded, and as it was last agreed to.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use http::Method;
use serde_json::Value;
use support::Tool;

use super::harness::House;

const SNAPSHOT: &str = "tests/api/openapi.json";

pub async fn fetch(house: &House) -> Value {
    let answer = house.bare(Method::GET, "/api/openapi.json").send().await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/json"));
    answer.json()
}

/// Address template, method and description of every operation.
pub fn operations(document: &Value) -> Vec<(String, Method, Value)> {
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let method = method.to_uppercase().parse().unwrap();
            found.push((path.clone(), method, operation.clone()));
        }
    }
    found
}

#[tokio::test]
async fn it_is_as_it_was_agreed() {
    let house = House::new().await;
    let now = house.bare(Method::GET, "/api/openapi.json").send().await.text() + "\n";
    let path = support::repo_root().join(SNAPSHOT);
    let agreed = fs::read_to_string(&path).unwrap_or_default();
    if now != agreed {
        let found = Path::new(env!("CARGO_TARGET_TMPDIR")).join("openapi.json");
        fs::write(&found, &now).unwrap();
        let (found, path) = (found.display(), path.display());
        panic!("the API changed; look at it, and if it is meant: cp {found} {path}");
    }
}

#[tokio::test]
async fn it_is_valid_openapi() {
    if !Tool::PythonModule("openapi_spec_validator").available_or_skip() {
        return;
    }
    let house = House::new().await;
    let text = house.bare(Method::GET, "/api/openapi.json").send().await.text();
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("openapi_to_validate.json");
    fs::write(&path, text).unwrap();
    let output =
        Command::new("python3").args(["-m", "openapi_spec_validator"]).arg(&path).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}

#[tokio::test]
async fn every_operation_is_described_in_the_same_way() {
    let house = House::new().await;
    let document = fetch(&house).await;
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["security"][0]["key"], serde_json::json!([]));
    assert_eq!(document["components"]["securitySchemes"]["key"]["scheme"], "bearer");
    let operations = operations(&document);
    assert_eq!(operations.len(), 95);
    let mut ids = BTreeSet::new();
    for (path, method, operation) in &operations {
        let told = format!("{method} {path}");
        let id = operation["operationId"].as_str().unwrap();
        assert!(ids.insert(id.to_owned()), "{id} twice");
        assert!(operation["summary"].as_str().is_some_and(|s| !s.is_empty()), "{told}");
        let responses = operation["responses"].as_object().unwrap();
        for (status, response) in responses {
            let problem = status.parse::<u16>().unwrap() >= 400;
            assert_eq!(response["$ref"] == "#/components/responses/Problem", problem, "{told}");
        }
        assert!(responses.contains_key("401") && responses.contains_key("503"), "{told}");
        let header = |name: &str| {
            let parameters = operation["parameters"].as_array().into_iter().flatten();
            parameters.filter(|p| p["in"] == "header").any(|p| p["name"] == name)
        };
        // A stretch is repeatable by its offset; giving up twice is giving up.
        // So is what concerns only the person who asks: it says what is to be, or gives a secret
        // that is not shown again. What an administrator does says what is to be, too.
        let own = operation["tags"][0] == "sessions"
            || operation["tags"][0] == "apps"
            || operation["tags"][0] == "embedding"
            || path.starts_with("/api/v1/me")
            || ["reset_password", "accept_invitation"].contains(&id)
            || ["change_security", "change_approvals"].contains(&id);
        let repeats = ["test_channel", "write_upload", "stop_upload", "preview_plan"].contains(&id)
            || ["refresh_channel", "refresh_channels"].contains(&id)
            || own;
        let looks = method == Method::GET || method == Method::HEAD;
        assert_eq!(header("Idempotency-Key"), !looks && !repeats, "{told}");
        let changes = method == Method::PATCH && id != "write_upload"
            || matches!(id, "delete_post" | "cancel_post" | "approve_post" | "decline_post");
        assert_eq!(header("If-Match"), changes, "{told}");
    }
}

#[tokio::test]
async fn every_parameter_and_field_is_bounded() {
    let house = House::new().await;
    let document = fetch(&house).await;
    let mut unbounded = Vec::new();
    for (path, method, operation) in operations(&document) {
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let place = format!("{method} {path} {}", parameter["name"]);
            look_for_bounds(&document, &parameter["schema"], &place, &mut unbounded);
        }
        let body = &operation["requestBody"]["content"]["application/json"]["schema"];
        look_for_bounds(&document, body, &format!("{method} {path}"), &mut unbounded);
    }
    assert!(unbounded.is_empty(), "{unbounded:#?}");
}

fn look_for_bounds(document: &Value, schema: &Value, place: &str, unbounded: &mut Vec<String>) {
    if !schema.is_object() {
        return;
    }
    if let Some(reference) = schema["$ref"].as_str() {
        let target = document.pointer(reference.trim_start_matches('#')).unwrap();
        return look_for_bounds(document, target, place, unbounded);
    }
    for form in ["oneOf", "allOf", "anyOf"] {
        for one in schema[form].as_array().into_iter().flatten() {
            look_for_bounds(document, one, place, unbounded);
        }
    }
    let has = |name: &str| schema.get(name).is_some();
    let is = |kind: &str| {
        schema["type"] == kind
            || schema["type"].as_array().is_some_and(|t| t.contains(&kind.into()))
    };
    let bounded = (!is("string") || has("maxLength") || has("enum"))
        && (!is("integer") || (has("minimum") && has("maximum")))
        && (!is("array") || has("maxItems"))
        && (!is("object") || schema["additionalProperties"] == false || has("maxProperties"));
    if !bounded {
        unbounded.push(format!("{place}: {schema}"));
    }
    for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
        look_for_bounds(document, inner, &format!("{place}.{name}"), unbounded);
    }
    look_for_bounds(document, &schema["items"], &format!("{place}[]"), unbounded);
    look_for_bounds(document, &schema["additionalProperties"], &format!("{place}{{}}"), unbounded);
}
