//! The generated field table: the document itself says which fields and parameters there are; each
//! is left out, made null, given every other type, pushed over its bounds and filled with hostile
//! text. Nothing is ever a 5xx, and what is refused names exactly the field that was changed.

mod bodies;
mod mutations;
mod parameters;
mod places;

use http::Method;
use serde_json::{Value, json};

use super::harness::House;

/// A right request of a host for a page.
fn page() -> Value {
    json!({
        "user": { "id": "u-1", "email": "ann@acme.example", "name": "Ann" },
        "workspace": { "id": "a-1", "name": "Acme" },
        "role": "editor", "origin": "https://crm.example",
    })
}

/// The key of a host that has opened that page.
async fn host(house: &House) -> String {
    let args = json!({ "name": "CRM", "origin": ["https://crm.example"] });
    let key = house.verb(("host", "create"), None, args).await["key"].as_str().unwrap().to_owned();
    // Somebody else owns it, so that its person may have any role.
    let mut owner = page();
    owner["user"] = json!({ "id": "u-0", "email": "owner@acme.example", "name": "Olga" });
    owner["role"] = json!("owner");
    for page in [owner, page()] {
        let open = house.bare(Method::POST, "/api/v1/embed-sessions").key(&key).json(&page);
        assert_eq!(open.send().await.status, 201);
    }
    key
}

/// Whether it is for hosts.
fn is_for_hosts(path: &str) -> bool {
    let own = ["/api/v1/embed-sessions", "/api/v1/hosted-workspaces/"];
    own.iter().any(|start| path.starts_with(start)) && !path.ends_with("/current")
}
