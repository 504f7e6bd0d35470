//! Media over HTTP: bringing files, what is refused, what networks say to it, and who may see it.

use std::sync::Arc;

use carillon::base::CorrelationId;
use carillon::domain::access::Read;
use carillon::service::{BackupSettings, Backups, MediaMode};
use carillon::vault::Identity;
use http::Method;
use serde_json::{Value, json};
use support::media::{exif, jpeg, jpeg_with, mp4, png, png_with};

use super::harness::{House, PUBLIC_URL, TOKEN};

#[tokio::test]
async fn a_picture_is_brought_shown_described_and_deleted() {
    let house = House::new().await;
    let picture = png(40, 30);
    let made = house.upload("dir/caf\u{e9}.png", "image/png", &picture, "A pattern").await;
    assert_eq!(made.status, 201, "{}", made.text());
    let asset = made.json();
    let id = asset["id"].as_str().unwrap();
    let path = format!("/media/{id}");
    assert_eq!(made.header("location"), house.call(Method::GET, &path).path);
    assert_eq!(made.header("etag"), "\"1\"");
    for (field, value) in [
        ("name", json!("caf\u{e9}.png")),
        ("alt", json!("A pattern")),
        ("type", json!("image/png")),
        ("bytes", json!(picture.len())),
        ("width", json!(40)),
        ("height", json!(30)),
        ("frames", json!(1)),
        ("duration_ms", Value::Null),
    ] {
        assert_eq!(asset[field], value, "{field}");
    }
    assert_eq!(asset["fitness"]["feed"], json!({ "fits": true, "problems": [] }));
    assert_eq!(asset["fitness"]["mastodon"]["fits"], true);
    assert_eq!(house.get(&path).await.json(), asset);
    assert_eq!(house.get("/media").await.json(), json!({ "items": [asset] }));

    let file = house.get(&format!("{path}/file")).await;
    assert_eq!((file.status, &file.body[..]), (200, &picture[..]));
    assert_eq!(file.header("content-type"), "image/png");
    assert_eq!(file.header("x-content-type-options"), "nosniff");
    assert!(file.header("content-security-policy").contains("sandbox"));
    let shown = "inline; filename=\"caf_.png\"; filename*=UTF-8''caf%C3%A9.png";
    assert_eq!(file.header("content-disposition"), shown);

    let changed = house.patch(&path, &json!({ "alt": "Stripes" })).await;
    assert_eq!((changed.status, changed.header("etag")), (200, "\"2\""));
    assert_eq!(changed.json()["alt"], "Stripes");
    let late = house.call(Method::PATCH, &path).header("if-match", "\"1\"");
    let late = late.json(&json!({ "alt": "x" })).send().await;
    assert_eq!(late.said(), "412 stale_revision");
    assert_eq!(house.delete(&path).await.status, 204);
    assert_eq!(house.get(&path).await.said(), "404 not_found");
    assert_eq!(house.get("/media").await.json(), json!({ "items": [] }));
}

#[tokio::test]
async fn stretches_of_a_file_are_as_the_standard_says() {
    let house = House::new().await;
    let picture = png(64, 64);
    let id = house.upload("a.png", "image/png", &picture, "").await.json();
    let path = format!("/media/{}/file", id["id"].as_str().unwrap());
    let ask = |headers: &[(&str, &str)]| {
        let call = house.call(Method::GET, &path);
        headers.iter().fold(call, |call, (name, value)| call.header(name, value))
    };
    let whole = ask(&[]).send().await;
    let (tag, length) = (whole.header("etag").to_owned(), picture.len());
    assert_eq!((whole.header("accept-ranges"), whole.body.len()), ("bytes", length));
    let part = ask(&[("range", "bytes=10-19")]).send().await;
    assert_eq!((part.status, &part.body[..]), (206, &picture[10..20]));
    assert_eq!(part.header("content-range"), format!("bytes 10-19/{length}"));
    assert_eq!(part.header("content-length"), "10");
    let fresh = ask(&[("range", "bytes=0-0"), ("if-range", &tag)]).send().await;
    assert_eq!((fresh.status, fresh.body.len()), (206, 1));
    let stale = ask(&[("range", "bytes=0-0"), ("if-range", "\"other\"")]).send().await;
    assert_eq!((stale.status, stale.body.len()), (200, length));
    let seen = ask(&[("if-none-match", &tag)]).send().await;
    assert_eq!((seen.status, seen.body.len()), (304, 0));
    let mut head = ask(&[]);
    head.method = Method::HEAD;
    let head = head.send().await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.header("content-length"), length.to_string());
}

#[tokio::test]
async fn a_thumbnail_is_small_and_tagged_and_films_have_none() {
    let house = House::new().await;
    let asset = house.upload("a.png", "image/png", &png(640, 320), "").await.json();
    let path = format!("/media/{}/thumbnail", asset["id"].as_str().unwrap());
    let small = house.get(&path).await;
    assert_eq!((small.status, small.header("content-type")), (200, "image/jpeg"));
    assert_eq!(small.header("content-length"), asset["thumbnail"]["bytes"].to_string());
    assert_eq!(small.header("cache-control"), "private, max-age=300");
    assert!(small.body.starts_with(&[0xff, 0xd8]) && small.body.len() < 100_000);
    let again = house.call(Method::GET, &path).header("if-none-match", small.header("etag"));
    assert_eq!(again.send().await.status, 304);
    let part = house.call(Method::GET, &path).header("range", "bytes=0-1").send().await;
    assert_eq!((part.status, part.body.len()), (206, 2));
    let film = house.upload("a.mp4", "video/mp4", &mp4(b"isom", 40, 30, 1), "").await.json();
    let none = house.get(&format!("/media/{}/thumbnail", film["id"].as_str().unwrap())).await;
    assert_eq!(none.said(), "404 not_found");
}

#[tokio::test]
async fn what_is_not_a_picture_is_refused_with_a_word_and_a_remedy() {
    let house = House::new().await;
    let (jpg, pic) = (jpeg(16, 16), png(16, 16));
    let with = |end: &[u8]| [&pic[..], end].concat();
    let script = jpeg_with(&jpg, &[(0xfe, b"<script>alert(1)</script>")]);
    let unknown = png_with(&pic, &[(b"EVIL", b"x")]);
    let bomb = {
        let mut bomb = pic.clone();
        bomb[16..24].copy_from_slice(&[0, 0, 0x75, 0x30, 0, 0, 0x75, 0x30]);
        bomb
    };
    for (name, mime, bytes, code) in [
        ("a.png", "image/png", &b""[..], "empty_file"),
        ("a.png", "image/png", b"<svg onload=alert(1)>", "not_media"),
        ("a.png", "image/png", b"%PDF-1.7", "broken_file"),
        ("a.mp4", "video/mp4", b"#EXTM3U\nhttp://127.0.0.1/", "not_media"),
        ("a.png", "image/png", &pic[..pic.len() - 1], "broken_file"),
        ("a.jpg", "image/jpeg", &jpg[..jpg.len() / 2], "broken_file"),
        ("a.png", "image/png", &with(b"PK\x03\x04zip"), "trailing_data"),
        ("a.png", "image/png", &with(b"<html>"), "trailing_data"),
        ("a.jpg", "image/jpeg", &[&jpg[..], b"PK\x03\x04zip"].concat(), "trailing_data"),
        ("a.jpg", "image/jpeg", &script, "active_content"),
        ("a.png", "image/png", &unknown, "broken_file"),
        ("a.png", "image/png", &bomb, "too_many_pixels"),
        ("a.jpg", "image/png", &pic, "name_mismatch"),
        ("a.html", "image/png", &pic, "name_mismatch"),
        ("a.png", "text/html", &pic, "type_mismatch"),
        ("a.png", "image/svg+xml", &pic, "type_mismatch"),
    ] {
        let refused = house.upload(name, mime, bytes, "").await;
        assert_eq!(refused.said(), "422 invalid_field file", "{name} {code}");
        assert_eq!(refused.json()["errors"][0]["code"], code, "{}", refused.text());
    }
    assert_eq!(house.get("/media").await.json(), json!({ "items": [] }));
}

#[tokio::test]
async fn a_form_is_read_strictly() {
    let house = House::new().await;
    let call = |kind: &str, body: &str| {
        house.call(Method::POST, "/media").raw(kind, body.to_owned()).send()
    };
    let form = "multipart/form-data; boundary=b";
    let field =
        |name: &str| format!("--b\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\nx\r\n");
    assert_eq!(call("application/json", "{}").await.said(), "422 invalid_field");
    assert_eq!(call("multipart/form-data", "").await.said(), "422 invalid_field");
    assert_eq!(call(form, "nonsense").await.said(), "422 invalid_field");
    assert_eq!(call(form, "--b--\r\n").await.said(), "422 invalid_field file");
    let unknown = call(form, &format!("{}--b--\r\n", field("surprise"))).await;
    assert_eq!(unknown.said(), "422 invalid_field surprise");
    let twice = call(form, &format!("{}{}--b--\r\n", field("alt"), field("alt"))).await;
    assert_eq!(twice.said(), "422 invalid_field alt");
    let twice = call(form, &format!("{}{}--b--\r\n", field("file"), field("file"))).await;
    assert_eq!(twice.said(), "422 invalid_field file");
    let cut = call(form, &field("file")).await;
    assert_eq!(cut.said(), "422 invalid_field");
    let long = house.upload("a.png", "image/png", &png(2, 2), &"x".repeat(10_001)).await;
    assert_eq!(long.said(), "422 invalid_field alt");
}

#[tokio::test]
async fn a_picture_is_kept_without_what_tells_of_its_maker() {
    let house = House::new().await;
    let (block, xmp) = (exif(6), b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta/>");
    let app1 = [b"Exif\0\0", &block[..]].concat();
    let jpg = jpeg_with(&jpeg(40, 30), &[(0xe1, &app1), (0xe1, xmp), (0xfe, b"by Ann")]);
    let pic = png_with(&png(40, 30), &[(b"eXIf", &block), (b"tEXt", b"Author\0Ann")]);
    for (name, mime, bytes) in [("a.jpg", "image/jpeg", jpg), ("a.png", "image/png", pic)] {
        let asset = house.upload(name, mime, &bytes, "").await.json();
        // Turned by the camera: as high as it was wide.
        let size = (&asset["width"], &asset["height"], &asset["rotation"]);
        assert_eq!(size, (&json!(30), &json!(40), &json!(90)), "{asset}");
        let path = format!("/media/{}/file", asset["id"].as_str().unwrap());
        let kept = house.get(&path).await.body;
        assert!(kept.len() < bytes.len());
        for needle in [&b"Acm"[..], b"Ann", b"xmpmeta", b"Author"] {
            let found = kept.windows(needle.len()).any(|at| at == needle);
            assert!(!found, "{name}: {}", String::from_utf8_lossy(needle));
        }
        // Kept again, it is the same file: nothing is lost a second time.
        let again = house.upload(name, mime, &kept, "").await.json();
        assert_eq!((&again["sha256"], &again["width"]), (&asset["sha256"], &json!(30)));
    }
}

#[tokio::test]
async fn an_upload_is_repeated_only_when_it_is_the_same() {
    let house = House::new().await;
    let picture = png(8, 8);
    let call = |bytes: &[u8], alt: &str| {
        house.upload_call("a.png", "image/png", bytes, alt).header("idempotency-key", "k").send()
    };
    let first = call(&picture, "x").await;
    let again = call(&picture, "x").await;
    assert_eq!((first.status, again.status), (201, 201));
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(first.json()["id"], again.json()["id"]);
    assert_eq!(call(&picture, "y").await.said(), "422 idempotency_mismatch");
    assert_eq!(call(&png(9, 8), "x").await.said(), "422 idempotency_mismatch");
}

#[tokio::test]
async fn a_post_names_assets_that_are_there_and_that_its_networks_take() {
    let house = House::new().await;
    let feed = house.new_feed().await;
    let masto = json!({
        "network": "mastodon", "name": "Ann", "instance": super::harness::INSTANCE, "token": TOKEN,
    });
    let masto = house.post("/channels", &masto).await.json()["id"].as_str().unwrap().to_owned();
    let mut ids = Vec::new();
    for n in 1..=5 {
        let asset = house.upload("a.png", "image/png", &png(8, n), "").await.json();
        ids.push(asset["id"].as_str().unwrap().to_owned());
    }
    let post = |channels: &[&String], media: &[&str]| {
        let at = json!({ "at": "2027-01-01T09:00", "zone": "UTC" });
        json!({ "parts": [{ "text": "", "media": media }], "channels": channels, "schedule": at })
    };
    let named: Vec<&str> = ids.iter().map(String::as_str).collect();
    let missing = "01890a5d-ac96-774b-bcce-b302099a8057";
    for (body, said) in [
        (post(&[&feed], &[missing]), "422 invalid_field parts[0].media[0]"),
        (post(&[&feed], &["nonsense"]), "422 invalid_field parts[0].media[0]"),
        (post(&[&feed], &[named[0], named[0]]), "422 invalid_field parts[0].media[1]"),
        (post(&[&feed, &masto], &named), "422 invalid_field parts[0].media"),
        (post(&[&feed], &named), "201"),
        (post(&[&masto], &named[..4]), "201"),
    ] {
        assert_eq!(house.post("/posts", &body).await.said(), said, "{body}");
    }
    // A draft is only warned.
    let mut draft = post(&[&masto], &named);
    draft["draft"] = json!(true);
    let draft = house.post("/posts", &draft).await.json();
    assert_eq!(draft["warnings"][0]["field"], "parts[0].media");

    let path = format!("/media/{}", ids[0]);
    // Words that a post which waits could not go out with are refused; a feed takes longer ones.
    let alt = |n: usize| json!({ "alt": "a".repeat(n) });
    let long = house.patch(&path, &alt(1_501)).await;
    assert_eq!(long.said(), "422 invalid_field alt");
    assert!(long.json()["params"]["post"].is_string(), "{}", long.text());
    assert_eq!(house.patch(&path, &alt(1_500)).await.status, 200);
    assert_eq!(house.patch(&format!("/media/{}", ids[4]), &alt(1_501)).await.status, 200);
    let used = house.delete(&path).await;
    assert_eq!(used.said(), "409 asset_in_use");
    let mut posts = house.get("/posts").await.json()["items"].as_array().unwrap().clone();
    assert!(posts.iter().any(|post| post["id"] == used.json()["params"]["post"]));
    let last = posts.pop().unwrap();
    let patch = json!({ "parts": [{ "text": "words" }] });
    let changed = house.patch(&format!("/posts/{}", last["id"].as_str().unwrap()), &patch).await;
    assert_eq!(changed.status, 200);
    for post in posts {
        let gone = house.delete(&format!("/posts/{}", post["id"].as_str().unwrap())).await;
        assert_eq!(gone.status, 204);
    }
    assert_eq!(house.delete(&path).await.status, 204);
    let gone = house.post("/posts", &post(&[&feed], &named[..1])).await;
    assert_eq!(gone.said(), "422 invalid_field parts[0].media[0]");
}

#[tokio::test]
async fn a_feed_shows_pictures_once_they_are_out() {
    let house = House::new().await;
    let feed = house.new_feed().await;
    let picture = png(40, 30);
    let asset = house.upload("a.png", "image/png", &picture, "A \"pattern\"").await.json();
    let id = asset["id"].as_str().unwrap();
    let body = json!({
        "parts": [{ "text": "", "media": [id] }], "channels": [feed], "schedule": { "now": true },
    });
    let post = house.post("/posts", &body).await.json();
    let delivery = post["targets"][0]["delivery"].as_str().unwrap();
    let file = format!("/feed/{feed}/{delivery}/media/{id}");
    assert_eq!(house.bare(Method::GET, &file).send().await.said(), "404 not_found");
    house.publish(delivery).await;
    let shown = house.bare(Method::GET, &file).send().await;
    assert_eq!((shown.status, &shown.body[..]), (200, &picture[..]));
    let elsewhere = format!("/feed/{feed}/{delivery}/media/{delivery}");
    assert_eq!(house.bare(Method::GET, &elsewhere).send().await.said(), "404 not_found");

    let url = format!("{PUBLIC_URL}{file}");
    let page = house.bare(Method::GET, &format!("/feed/{feed}")).send().await;
    let tag = format!("<img src=\"{url}\" alt=\"A &#34;pattern&#34;\" width=\"40\" height=\"30\"");
    assert!(page.text().contains(&tag), "{}", page.text());
    assert!(page.header("content-security-policy").contains("img-src 'self'"));
    let json = house.bare(Method::GET, &format!("/feed/{feed}/feed.json")).send().await.json();
    let attached = &json["items"][0]["attachments"][0];
    assert_eq!(attached["url"], url);
    assert_eq!(attached["mime_type"], "image/png");
    assert_eq!(json["items"][0]["title"], "A \"pattern\"");
    let atom = house.bare(Method::GET, &format!("/feed/{feed}/atom.xml")).send().await.text();
    let length = picture.len();
    let link = format!("rel=\"enclosure\" type=\"image/png\" length=\"{length}\" href=\"{url}\"");
    assert!(atom.contains(&link), "{atom}");
    // What is out stays out, and so does what it shows.
    let gone = house.delete(&format!("/posts/{}", post["id"].as_str().unwrap())).await;
    assert_eq!(gone.status, 204);
    assert_eq!(house.delete(&format!("/media/{id}")).await.said(), "409 asset_in_use");
    assert_eq!(house.bare(Method::GET, &file).send().await.status, 200);
}

#[tokio::test]
async fn a_network_may_fetch_for_its_delivery_and_for_nothing_else() {
    let house = House::new().await;
    let feed = house.new_feed().await;
    let picture = png(8, 8);
    let mut ids = Vec::new();
    for n in 0..2 {
        let asset = house.upload("a.png", "image/png", &png(8, 8 - n), "").await.json();
        ids.push(asset["id"].as_str().unwrap().to_owned());
    }
    let at = json!({ "at": "2026-11-22T10:00", "zone": "UTC" });
    let part = json!([{ "text": "", "media": [ids[0]] }]);
    let body = json!({ "parts": part, "channels": [feed], "schedule": at });
    let post = house.post("/posts", &body).await.json();
    let delivery = post["targets"][0]["delivery"].as_str().unwrap();
    let link = |asset: &str| {
        let url = house.services.media_link(asset.parse().unwrap(), delivery.parse().unwrap());
        url.strip_prefix(PUBLIC_URL).unwrap().to_owned()
    };
    let fetch = async |path: &str| house.bare(Method::GET, path).send().await;
    let right = link(&ids[0]);
    let got = fetch(&right).await;
    assert_eq!((got.status, &got.body[..]), (200, &picture[..]));
    assert_eq!(got.header("x-robots-tag"), "none");
    let mut part = house.bare(Method::GET, &right);
    part.headers.push(("range".to_owned(), "bytes=0-3".to_owned()));
    let part = part.send().await;
    assert_eq!((part.status, &part.body[..]), (206, &picture[..4]));
    // Of the same workspace, and not of this delivery.
    assert_eq!(fetch(&link(&ids[1])).await.said(), "404 not_found");
    let (start, signature) = right.rsplit_once('/').unwrap();
    let (start, until) = start.rsplit_once('/').unwrap();
    let later = until.parse::<u64>().unwrap() + 1;
    for wrong in [
        right.replace(&ids[0], &ids[1]),
        right.replace(delivery, &ids[1]),
        format!("{start}/{later}/{signature}"),
        format!("{start}/x/{signature}"),
        format!("{start}/{until}/{}", signature.to_lowercase()),
        format!("{start}/{until}/nonsense"),
    ] {
        assert_eq!(fetch(&wrong).await.said(), "404 not_found", "{wrong}");
    }
    house.clock.advance(std::time::Duration::from_hours(2));
    assert_eq!(fetch(&right).await.said(), "404 not_found", "its time is over");
    let fresh = link(&ids[0]);
    assert_eq!(fetch(&fresh).await.status, 200);
    house.post(&format!("/posts/{}/cancel", post["id"].as_str().unwrap()), &json!({})).await;
    assert_eq!(fetch(&fresh).await.said(), "404 not_found", "its delivery is over");
}

#[tokio::test]
async fn bytes_stay_while_anything_needs_them_and_go_after_their_grace() {
    let house = House::new().await;
    let picture = png(8, 8);
    let hour = std::time::Duration::from_hours(1);
    let upload = async || {
        let asset = house.upload("a.png", "image/png", &picture, "").await.json();
        format!("/media/{}", asset["id"].as_str().unwrap())
    };
    let sweep = async || house.services.remove_orphans().await.unwrap().0;
    let (one, two) = (upload().await, upload().await);
    house.clock.advance(25 * hour);
    assert_eq!(sweep().await, 0, "two assets need it");
    house.delete(&one).await;
    house.clock.advance(25 * hour);
    assert_eq!(sweep().await, 0, "one asset needs it");
    house.delete(&two).await;
    house.clock.advance(23 * hour);
    assert_eq!(sweep().await, 0, "its grace is not over");
    let three = upload().await;
    house.clock.advance(2 * hour);
    assert_eq!(sweep().await, 0, "it was brought again");
    assert_eq!(house.get(&format!("{three}/file")).await.status, 200);
    let id = three.trim_start_matches("/media/").parse().unwrap();
    let principal = house.services.authenticate(&house.key, house.within()).await.unwrap();
    let correlation = CorrelationId::new(house.services.rng.as_ref());
    let workspace = house.workspace.parse().unwrap();
    let access = house.services.access::<Read>(&principal, workspace, correlation).await.unwrap();
    let (_, blob) = house.services.asset_blob(&access, id, false).await.unwrap();
    assert_eq!(blob.whole(1_000_000).await.unwrap(), picture);
    house.delete(&three).await;
    house.clock.advance(25 * hour);
    assert!(sweep().await > 0, "nothing needs it");
    assert_eq!(sweep().await, 0);
    assert!(blob.whole(1_000_000).await.is_err());
}

/// A picture is deleted after a backup that names it; sweeps after the backups that follow, of which
/// two are kept. How many objects each took.
async fn swept_between_backups(seen: bool) -> Vec<usize> {
    let folder = tempfile::tempdir().unwrap();
    let identity = Identity::load_or_create(&folder.path().join("offline.txt")).unwrap();
    let mut house = House::new().await;
    house.services.backups = Arc::new(Backups::new(BackupSettings {
        folder: folder.path().join("backups"),
        recipients: identity.recipients(),
        shelf: None,
        keep: 2,
        every: None,
    }));
    let asset = house.upload("a.png", "image/png", &png(8, 8), "").await.json();
    house.services.create_backup(MediaMode::Reference).await.unwrap();
    house.delete(&format!("/media/{}", asset["id"].as_str().unwrap())).await;
    let mut swept = Vec::new();
    for _ in 0..4 {
        house.clock.advance(std::time::Duration::from_hours(25));
        let mut sweeper = house.services.clone();
        if !seen {
            sweeper.backups = Arc::default();
        }
        swept.push(sweeper.remove_orphans().await.unwrap().0);
        house.services.create_backup(MediaMode::Reference).await.unwrap();
    }
    swept
}

#[tokio::test]
async fn what_a_kept_backup_names_stays_until_the_backup_goes() {
    let swept = swept_between_backups(true).await;
    assert!(swept[..2] == [0, 0] && swept[2] > 0, "{swept:?}");
    // A sweep that does not look at backups takes it at once: the test above would see that.
    let swept = swept_between_backups(false).await;
    assert!(swept[0] > 0, "{swept:?}");
}
