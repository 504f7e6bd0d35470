//! The same code as for X, against a certified `OpenID` provider from npm that has X's addresses: code,
//! PKCE, and refresh tokens that rotate and end their family when one is used twice. Needs Node and
//! the folder of `npm i oidc-provider` in `CARILLON_OIDC`; it skips without, unless
//! `CARILLON_REQUIRE_REAL_PARTS=1`.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use support::Node;

use crate::connections::{connect_by_link, header, path_of, set_app, with_x};
use crate::program::{Server, get, host_of};

/// Goes through the pages of the provider as a browser does; the address that it sends back to.
fn agree(to: &str, at: &str) -> String {
    let (mut url, mut jar) = (to.to_owned(), BTreeMap::new());
    for _ in 0..10 {
        if !url.starts_with('/') && host_of(&url) != at {
            return url;
        }
        let cookies: Vec<String> =
            jar.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let (status, head, page) = get(at, path_of(&url), &[("cookie", &cookies.join("; "))]);
        assert!((300..400).contains(&status), "{status} at {url}: {page}");
        let sets =
            head.lines().filter(|line| line.to_ascii_lowercase().starts_with("set-cookie: "));
        for set in sets {
            let set = set.split_once(": ").unwrap().1;
            let (name, value) = set.split(';').next().unwrap().split_once('=').unwrap();
            jar.insert(name.to_owned(), value.to_owned());
        }
        header(&head, "location").clone_into(&mut url);
    }
    panic!("the provider does not send back: {url}");
}

#[test]
fn a_certified_provider_grants_rotates_and_ends_a_family() {
    let Some(folder) = std::env::var_os("CARILLON_OIDC") else {
        support::skip("CARILLON_OIDC names no folder with the package oidc-provider");
        return;
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/oidc.mjs");
    let (_provider, line) = Node::start(&script, &folder);
    let line: Value = serde_json::from_str(&line).unwrap();
    let base = line["at"].as_str().unwrap();
    let (at, place) = (host_of(base), tempfile::tempdir().unwrap());
    let extra = with_x(base, &place, "[server]\npublic_url = \"http://carillon.test\"\n");
    let extra = [extra[0].as_str(), extra[1].as_str()];
    let mut server = Server::start(&extra);
    server.json(&["workspace", "create", "Acme"]);
    let shown = server.json(&["app", "show", "x"]);
    let redirect = shown["redirect_uri"].as_str().unwrap();
    get(at, &format!("/_redirect?to={redirect}"), &[]);
    assert!(!set_app(&server, "wrong") && set_app(&server, "my-secret"));
    let back = connect_by_link(&server, |to| agree(to, at));
    assert!(back.starts_with(redirect), "{back}");
    let channel = server.json(&["channel", "list", "-w", "acme"])["items"][0].clone();
    let id = channel["id"].as_str().unwrap().to_owned();
    let refresh = |server: &Server| {
        let done = server.json(&["channel", "refresh", &id, "-w", "acme"]);
        done["items"][0]["result"].as_str().unwrap().to_owned()
    };
    // Each renewal uses the token that the one before has brought.
    for _ in 0..3 {
        assert_eq!(refresh(&server), "renewed");
    }
    // What was there before the next renewal is put back: a refresh token is used twice.
    let stop = |server: &mut Server| {
        server.process.terminate();
        assert!(server.process.wait(Duration::from_secs(20)).success());
    };
    stop(&mut server);
    let database = server.folder.path().join("data/carillon.redb");
    let before = std::fs::read(&database).unwrap();
    let Server { folder, .. } = server;
    let mut server = Server::on(folder, &extra);
    assert_eq!(refresh(&server), "renewed");
    server.json(&["channel", "test", &id, "-w", "acme"]);
    stop(&mut server);
    std::fs::write(&database, before).unwrap();
    let Server { folder, .. } = server;
    let server = Server::on(folder, &extra);
    assert_eq!(refresh(&server), "reconnect_needed");
    let shown = server.json(&["channel", "show", &id, "-w", "acme"]);
    assert_eq!(shown["state"], "reconnect_needed", "the whole family is dead: {shown}");
}
