//! What anybody may see: feeds in all forms, health, metrics for those who may, the first page.

use std::net::SocketAddr;
use std::process::Command;

use axum::body::Body;
use carillon::http::{Peer, Readiness};
use http::{Method, Request};
use serde_json::json;
use sha2::{Digest, Sha256};
use support::Tool;

use super::harness::{Answer, House, PUBLIC_URL, send};

const HOSTILE: &str = "<script>alert(1)</script> & \"q\"\n\nSee https://x.example/?a=1&b=2 \
    javascript:alert(1)\u{0} \u{1b}[31m\u{202e}";

/// A feed with one published thread of two parts; returns feed and delivery.
async fn published(house: &House) -> (String, String) {
    let made = house.post("/channels", &json!({ "network": "feed", "name": "A & <B>" })).await;
    let feed = made.json()["id"].as_str().unwrap().to_owned();
    let body = json!({
        "parts": [{ "text": HOSTILE }, { "text": "Second part" }], "channels": [feed],
        "schedule": { "now": true }, "tags": ["a&b"],
    });
    let post = house.post("/posts", &body).await.json();
    let delivery = post["targets"][0]["delivery"].as_str().unwrap().to_owned();
    house.publish(&delivery).await;
    (feed, delivery)
}

async fn page(house: &House, path: &str) -> Answer {
    let answer = house.bare(Method::GET, path).send().await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer
}

#[tokio::test]
async fn a_page_is_escaped_and_holds_no_script() {
    let house = House::new().await;
    let (feed, delivery) = published(&house).await;
    for path in [format!("/feed/{feed}"), format!("/feed/{feed}/{delivery}")] {
        let answer = page(&house, &path).await;
        let html = answer.text();
        assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
        assert!(!html.contains("<script") && !html.contains('\u{0}') && !html.contains('\u{1b}'));
        assert!(!html.contains("href=\"javascript") && html.contains("A &#38; &#60;B&#62;"));
        let link = "<a href=\"https://x.example/?a=1&#38;b=2\" rel=\"nofollow noopener\">";
        assert!(html.contains(link), "{html}");
        let own = format!("<a href=\"{PUBLIC_URL}/feed/{feed}/{delivery}\">");
        assert!(html.contains(&own) && html.contains("id=\"part-1\""), "{html}");
        assert!(html.contains(&format!("{PUBLIC_URL}/feed/{feed}/atom.xml")));
        let policy = answer.header("content-security-policy");
        let start = "default-src 'none'; style-src 'sha256-";
        assert!(policy.starts_with(start) && !policy.contains("unsafe"), "{policy}");
        assert_eq!(answer.header("referrer-policy"), "no-referrer");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("cache-control"), "public, max-age=60");
    }
    // The second part is not out yet.
    assert!(!page(&house, &format!("/feed/{feed}")).await.text().contains("Second part"));
}

#[tokio::test]
async fn a_feed_reads_the_same_in_json_and_atom() {
    let house = House::new().await;
    let (feed, delivery) = published(&house).await;
    let url = format!("{PUBLIC_URL}/feed/{feed}");
    let json = page(&house, &format!("/feed/{feed}/feed.json")).await;
    assert_eq!(json.header("content-type"), "application/feed+json");
    let json = json.json();
    assert_eq!(json["version"], "https://jsonfeed.org/version/1.1");
    assert_eq!((&json["title"], &json["home_page_url"]), (&json!("A & <B>"), &json!(url)));
    let item = &json["items"][0];
    assert_eq!(item["id"], format!("urn:uuid:{delivery}"));
    assert_eq!(item["url"], format!("{url}/{delivery}"));
    assert_eq!(item["title"], "<script>alert(1)</script> & \"q\"");
    assert_eq!(item["date_published"], "2026-11-22T09:00:00.000Z");
    assert_eq!(item["tags"], json!(["a&b"]));
    assert!(!item["content_html"].as_str().unwrap().contains("<script"));

    let atom = page(&house, &format!("/feed/{feed}/atom.xml")).await;
    assert_eq!(atom.header("content-type"), "application/atom+xml; charset=utf-8");
    let atom = atom.text();
    for part in [
        format!("<id>urn:uuid:{feed}</id>"),
        format!("<id>urn:uuid:{delivery}</id>"),
        format!("href=\"{url}/{delivery}\""),
        "<updated>2026-11-22T09:00:00.000Z</updated>".to_owned(),
        "<author><name>A &#38; &#60;B&#62;</name></author>".to_owned(),
        "<category term=\"a&#38;b\"/>".to_owned(),
    ] {
        assert!(atom.contains(&part), "{part}\n{atom}");
    }
    read_by_another(&atom, &format!("urn:uuid:{delivery}"));
}

/// A reader that others wrote finds the feed well-formed, and the entry in it.
fn read_by_another(atom: &str, id: &str) {
    if !Tool::PythonModule("feedparser").available_or_skip() {
        return;
    }
    let script = "import feedparser, sys\n\
        f = feedparser.parse(sys.argv[1].encode())\n\
        assert not f.bozo, f.bozo_exception\n\
        assert f.version == 'atom10', f.version\n\
        assert f.entries[0].id == sys.argv[2], f.entries[0].id\n\
        assert '<script' not in f.entries[0].content[0].value\n";
    let output = Command::new("python3").args(["-c", script, atom, id]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
async fn a_feed_shows_only_what_is_out_and_its_own() {
    let house = House::new().await;
    let (feed, delivery) = published(&house).await;
    let other = house.new_feed().await;
    let waits = house.new_post(&feed, json!({ "at": "2027-01-01T00:00", "zone": "UTC" })).await;
    let waiting = waits["targets"][0]["delivery"].as_str().unwrap();
    let house = &house;
    let missing = |path: String| async move {
        house.bare(Method::GET, &path).send().await.said() == "404 not_found"
    };
    assert!(missing(format!("/feed/{feed}/{waiting}")).await);
    assert!(missing(format!("/feed/{other}/{delivery}")).await);
    assert!(missing(format!("/feed/{delivery}")).await);
    assert!(missing("/feed/x/feed.json".to_owned()).await);
    let json = page(house, &format!("/feed/{feed}/feed.json")).await.json();
    assert_eq!(json["items"].as_array().unwrap().len(), 1);
    let empty = page(house, &format!("/feed/{other}")).await.text();
    assert!(empty.contains("Nothing has been published here yet."));
    house.delete(&format!("/channels/{other}")).await;
    for form in ["", "/atom.xml", "/feed.json"] {
        assert!(missing(format!("/feed/{other}{form}")).await, "{form}");
    }
}

#[tokio::test]
async fn a_feed_that_did_not_change_is_not_sent_again() {
    let house = House::new().await;
    let (feed, _) = published(&house).await;
    for form in ["", "/atom.xml", "/feed.json"] {
        let path = format!("/feed/{feed}{form}");
        let tag = page(&house, &path).await.header("etag").to_owned();
        let again = house.bare(Method::GET, &path).header("if-none-match", &tag).send().await;
        assert_eq!((again.status, again.body.len()), (304, 0));
        assert_eq!(again.header("etag"), tag);
    }
    let path = format!("/feed/{feed}/atom.xml");
    let tag = page(&house, &path).await.header("etag").to_owned();
    let post = house.new_post(&feed, json!({ "now": true })).await;
    house.publish(post["targets"][0]["delivery"].as_str().unwrap()).await;
    let changed = house.bare(Method::GET, &path).header("if-none-match", &tag).send().await;
    assert_eq!(changed.status, 200);
}

#[tokio::test]
async fn health_says_one_word() {
    let house = House::new().await;
    for (readiness, status, word) in [
        (Readiness::Ready, 200, "ready"),
        (Readiness::Starting, 503, "starting"),
        (Readiness::Stopping, 503, "stopping"),
        (Readiness::StoreFailing, 503, "store_failing"),
    ] {
        *house.readiness.lock().unwrap() = readiness;
        for router in [&house.router, &house.admin] {
            let request = |path: &str| Request::get(path).body(Body::empty()).unwrap();
            let ready = send(router, request("/health/ready")).await;
            assert_eq!((ready.status, ready.json()), (status, json!({ "status": word })));
            let live = send(router, request("/health/live")).await;
            assert_eq!((live.status, live.json()), (200, json!({ "status": "live" })));
        }
    }
}

#[tokio::test]
async fn metrics_are_for_this_machine_and_for_keys() {
    let house = House::new().await;
    let key = house.new_key(&house.workspace, &["metrics"]).await;
    let ask = |peer: Option<Peer>, header: Option<(&str, &str)>| {
        let mut request = Request::get("/metrics").header("host", "localhost:8080");
        if let Some((name, value)) = header {
            request = request.header(name, value);
        }
        let mut request = request.body(Body::empty()).unwrap();
        if let Some(peer) = peer {
            request.extensions_mut().insert(peer);
        }
        send(&house.router, request)
    };
    let tcp = |text: &str| Some(Peer::Tcp(text.parse::<SocketAddr>().unwrap()));
    for peer in [
        tcp("127.0.0.1:9"),
        tcp("[::1]:9"),
        tcp("[::ffff:127.0.0.1]:9"),
        Some(Peer::Unix { uid: 7 }),
    ] {
        let answer = ask(peer, None).await;
        assert!(answer.status == 200 && answer.text().contains("# TYPE carillon_boot_epoch"));
        assert!(answer.header("content-type").starts_with("text/plain; version=0.0.4"));
    }
    for peer in [None, tcp("10.0.0.1:9"), tcp("[2001:db8::1]:9")] {
        assert_eq!(ask(peer, None).await.said(), "401 unauthenticated");
    }
    for name in ["x-forwarded-for", "forwarded", "via", "x-real-ip"] {
        let proxied = ask(tcp("127.0.0.1:9"), Some((name, "10.0.0.1"))).await;
        assert_eq!(proxied.said(), "401 unauthenticated", "{name}");
    }
    for (host, status) in
        [("127.0.0.1", 200), ("[::1]:80", 200), ("social.example.com", 401), ("10.0.0.1:80", 401)]
    {
        let mut request =
            Request::get("/metrics").header("host", host).body(Body::empty()).unwrap();
        request.extensions_mut().insert(tcp("127.0.0.1:9").unwrap());
        assert_eq!(send(&house.router, request).await.status, status, "{host}");
    }
    let bearer = format!("Bearer {key}");
    assert_eq!(ask(tcp("10.0.0.1:9"), Some(("authorization", &bearer))).await.status, 200);
    let admin = format!("Bearer {}", house.key);
    let refused = ask(tcp("127.0.0.1:9"), Some(("authorization", &admin))).await;
    assert_eq!(
        (refused.said().as_str(), &refused.json()["params"]),
        ("403 forbidden", &json!({ "scope": "metrics" }))
    );
    // That of a workspace that was deleted opens nothing, and does again when it is had back.
    for (verb, status) in [("delete", 401), ("restore", 200)] {
        house.verb(("workspace", verb), Some(&house.workspace), json!({})).await;
        let header = Some(("authorization", bearer.as_str()));
        assert_eq!(ask(tcp("127.0.0.1:9"), header).await.status, status, "{verb}");
    }
}

#[tokio::test]
async fn the_first_page_says_what_this_is() {
    let house = House::new().await;
    let home = page(&house, "/").await;
    assert!(home.text().contains("api/openapi.json") && !home.text().contains("Acme"));
    assert!(home.header("content-security-policy").starts_with("default-src 'none'"));
    let style = home.text();
    let style = style.split_once("<style>").unwrap().1.split_once("</style>").unwrap().0;
    let hash = data_encoding::BASE64.encode(&Sha256::digest(style));
    assert!(home.header("content-security-policy").contains(&hash), "the policy names the style");
}
