//! A bucket for media, through the real binary: where its key comes from, and what is said of it.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use support::media::png;
use support::moto::{BUCKET, Moto};

use crate::media::{key, upload};
use crate::program::{Server, carillon, get};

/// What the doctor says of the bucket: level, and what was seen.
fn bucket_of(doctor: &mut Command, config: &Path) -> (String, String) {
    let output = doctor.args(["doctor", "--json", "--config"]).arg(config).output().unwrap();
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    let items = told["items"].as_array().unwrap();
    let found = items.iter().find(|item| item["check"] == "media bucket").unwrap();
    let text = |name: &str| found[name].as_str().unwrap().to_owned();
    (text("level"), text("seen"))
}

#[test]
fn media_lives_in_a_bucket_and_the_key_is_never_told() {
    let Some(moto) = Moto::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (config, keys) = (folder.path().join("c.toml"), folder.path().join("s3"));
    let s3 = format!("[s3]\nbucket = \"{BUCKET}\"\nendpoint = \"http://{}\"\n", moto.address);
    std::fs::write(&keys, moto.key_lines()).unwrap();
    std::fs::write(&config, format!("{s3}key_file = {keys:?}\n[log]\nlevel = \"trace\"\n"))
        .unwrap();
    let mut server = Server::start(&["--config", config.to_str().unwrap()]);
    let made = server.json(&["workspace", "create", "Acme"]);
    let media = format!("/api/v1/workspaces/{}/media", made["id"].as_str().unwrap());
    let key = key(&server, "acme");
    let picture = png(64, 64);
    let (status, asset) = upload(&server.address, &media, &key, "a.png", &picture);
    assert_eq!(status, 201, "{asset}");
    assert_eq!(moto.objects().len(), 2, "the picture and its thumbnail");
    assert!(!server.folder.path().join("data/media/objects").exists());
    assert_eq!(server.json(&["status"])["media"], "ok");
    let path = format!("{media}/{}/file", asset["id"].as_str().unwrap());
    let range = [("authorization", key.as_str()), ("range", "bytes=1-3")];
    let (status, _, part) = get(&server.address, &path, &range);
    assert_eq!((status, part.as_str()), (206, "PNG"));

    // The key from the file, from systemd, and from the environment.
    assert_eq!(bucket_of(&mut carillon(), &config).0, "ok");
    std::fs::write(&config, s3).unwrap();
    let (level, seen) = bucket_of(&mut carillon(), &config);
    assert!(level == "fail" && seen.contains("AWS_ACCESS_KEY_ID"), "{seen}");
    let mut systemd = carillon();
    systemd.env("CREDENTIALS_DIRECTORY", folder.path());
    assert_eq!(bucket_of(&mut systemd, &config).0, "ok");
    let mut variables = carillon();
    variables.env("AWS_ACCESS_KEY_ID", &moto.key_id).env("AWS_SECRET_ACCESS_KEY", &moto.secret);
    assert_eq!(bucket_of(&mut variables, &config).0, "ok");
    let mut wrong = carillon();
    wrong.env("AWS_ACCESS_KEY_ID", &moto.key_id).env("AWS_SECRET_ACCESS_KEY", "nonsense");
    let (level, seen) = bucket_of(&mut wrong, &config);
    assert!(level == "fail" && seen.contains("SignatureDoesNotMatch"), "{seen}");
    assert!(!seen.contains(&moto.key_id) && !seen.contains("nonsense"), "{seen}");

    // The server goes away: said, and nothing is half done.
    let secret = moto.secret.clone();
    drop(moto);
    let (status, refused) = upload(&server.address, &media, &key, "b.png", &picture);
    assert_eq!((status, &refused["code"]), (503, &json!("media_unavailable")), "{refused}");
    assert_eq!(server.json(&["status"])["media"], "failing");
    let (_, _, listed) = get(&server.address, &media, &[("authorization", &key)]);
    let listed: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
    assert_eq!(get(&server.address, "/health/ready", &[]).0, 200, "posts go out without media");
    let log = server.process.stdout().join("\n");
    assert!(log.contains("media could not be kept or read") && !log.contains(&secret), "{log}");
}
