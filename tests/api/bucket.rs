//! Media in a bucket, on a server of S3 that checks signatures: brought, read in stretches, removed;
//! and what is said when that server is away or does not know the key.

use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use carillon::base::Secret;
use carillon::media::{Blobs, Bucket, BucketKey, Settings};
use http::Method;
use serde_json::{Value, json};
use support::media::{mp4, png};
use support::moto::{BUCKET, Moto};

use super::harness::{House, PUBLIC_URL};

fn bucket(endpoint: &str, key: &str) -> Bucket {
    Bucket {
        name: BUCKET.to_owned(),
        endpoint: Some(format!("http://{endpoint}/")),
        region: "us-east-1".to_owned(),
        path_style: true,
        key: BucketKey::parse(&Secret::new(key.to_owned())).unwrap(),
    }
}

async fn house(bucket: &Bucket, folder: &Path) -> House {
    House::keeping(Blobs::in_bucket(bucket, folder, Settings::default()).unwrap()).await
}

/// Files on their way in.
fn staged(folder: &Path) -> usize {
    std::fs::read_dir(folder.join("staging")).unwrap().count()
}

#[tokio::test]
async fn files_are_kept_in_a_bucket_read_in_stretches_and_removed() {
    let Some(moto) = Moto::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let bucket = bucket(&moto.address, &moto.key_lines());
    bucket.check().await.unwrap();
    let house = house(&bucket, folder.path()).await;
    assert!(house.services.media_answers().await);
    let feed = house.new_feed().await;
    // Longer than one part of an upload to the bucket.
    let mut film = mp4(b"isom", 40, 30, 1);
    film.extend([0x01, 0x40, 0, 8].into_iter().chain(*b"mdat"));
    film.resize(film.len() + 0x0140_0000, 7);
    let picture = png(64, 48);
    let mut assets = Vec::new();
    for (name, mime, bytes) in [("a.mp4", "video/mp4", &film), ("a.png", "image/png", &picture)] {
        let made = house.upload(name, mime, bytes, "").await;
        assert_eq!(made.status, 201, "{}", made.text());
        assets.push(made.json());
    }
    // Another asset of the same bytes is no other object.
    assert_eq!(house.upload("b.png", "image/png", &picture, "").await.status, 201);
    let objects = moto.objects();
    assert_eq!(objects.len(), 3, "a film, a picture and its thumbnail: {objects:?}");
    assert_eq!(staged(folder.path()), 0);
    for (asset, bytes) in assets.iter().zip([&film, &picture]) {
        let hash = asset["sha256"].as_str().unwrap();
        let name = format!("{}/{}/{hash}", house.workspace, hash.get(..2).unwrap());
        let kept = moto.object(&name);
        assert_eq!(kept.len(), bytes.len(), "{name}");
        let path = format!("/media/{}/file", asset["id"].as_str().unwrap());
        assert_eq!(house.get(&path).await.body, kept);
    }

    let id = assets[0]["id"].as_str().unwrap();
    let body = json!({
        "parts": [{ "text": "", "media": [id] }], "channels": [feed],
        "schedule": { "at": "2027-01-01T09:00", "zone": "UTC" },
    });
    let post = house.post("/posts", &body).await.json();
    let delivery = post["targets"][0]["delivery"].as_str().unwrap();
    let link = house.services.media_link(id.parse().unwrap(), delivery.parse().unwrap());
    let link = link.strip_prefix(PUBLIC_URL).unwrap();
    let whole = house.bare(Method::GET, link).send().await;
    assert_eq!((whole.status, whole.body.len()), (200, film.len()));
    let over = 8 * 1024 * 1024 - 3;
    let part = house.bare(Method::GET, link).header("range", &format!("bytes={over}-{}", over + 9));
    let part = part.send().await;
    assert_eq!((part.status, &part.body), (206, &whole.body.slice(over..over + 10)));

    house.delete(&format!("/posts/{}", post["id"].as_str().unwrap())).await;
    for asset in house.get("/media").await.json()["items"].as_array().unwrap() {
        let path = format!("/media/{}", asset["id"].as_str().unwrap());
        assert_eq!(house.delete(&path).await.status, 204);
    }
    assert_eq!(moto.objects().len(), 3, "their grace is not over");
    house.clock.advance(Duration::from_hours(25));
    assert_eq!(house.services.remove_orphans().await.unwrap(), (3, false));
    assert_eq!(moto.objects(), []);
}

/// What an upload is answered with.
async fn refused(house: &House) -> Value {
    let call = house.upload_call("a.png", "image/png", &png(8, 8), "");
    let answer = call.header("idempotency-key", "k").send().await;
    assert_eq!(answer.said(), "503 media_unavailable");
    answer.json()
}

#[tokio::test]
async fn a_server_that_is_away_loses_nothing() {
    let Some(moto) = Moto::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    // A port that nobody listens on, then one that leads to the server.
    let away = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let lines = moto.key_lines();
    let nowhere = bucket(&away.to_string(), &lines);
    let house = house(&nowhere, folder.path()).await;
    let said = nowhere.check().await.unwrap_err().to_string();
    assert!(said.contains(&away.to_string()), "{said}");
    assert!(!house.services.media_answers().await);
    let told = refused(&house).await;
    assert!(told["remedy"].as_str().unwrap().contains("carillon doctor"), "{told}");
    assert!(house.services.remove_orphans().await.is_ok(), "nothing is due yet");
    assert_eq!(house.get("/media").await.json(), json!({ "items": [] }));
    assert_eq!(staged(folder.path()), 0);

    let there = bucket(&moto.address, &lines);
    let blobs = Blobs::in_bucket(&there, folder.path(), Settings::default()).unwrap();
    let mut back = House::keeping(blobs).await;
    // The same installation: its store, with the server back.
    back.services.store = house.services.store.clone();
    back.services.vault = Arc::clone(&house.services.vault);
    assert!(back.services.media_answers().await);
    back.clock.advance(Duration::from_hours(25));
    let removed = back.services.remove_orphans().await.unwrap();
    assert_eq!(removed, (2, false), "what was noted and never put is forgotten");
}

#[tokio::test]
async fn a_wrong_key_or_bucket_is_told_without_the_key() {
    let Some(moto) = Moto::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let lines = moto.key_lines();
    let wrong_secret = lines.replace(&moto.secret, "nonsense-nonsense");
    let wrong_id = lines.replace(&moto.key_id, "AKIANOBODY");
    for (key, code) in [(wrong_secret, "SignatureDoesNotMatch"), (wrong_id, "InvalidAccessKeyId")] {
        let bucket = bucket(&moto.address, &key);
        let said = bucket.check().await.unwrap_err().to_string();
        assert!(said.contains(code), "{said}");
        for secret in [moto.secret.as_str(), "nonsense", "AKIANOBODY", "StringToSign"] {
            assert!(!said.contains(secret), "{said}");
        }
        let house = house(&bucket, folder.path()).await;
        refused(&house).await;
    }
    let elsewhere = Bucket { name: "no-such-bucket".to_owned(), ..bucket(&moto.address, &lines) };
    let said = elsewhere.check().await.unwrap_err().to_string();
    assert!(said.contains("NoSuchBucket"), "{said}");
    assert_eq!(moto.objects(), []);
}
