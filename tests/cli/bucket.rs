//! A bucket for media, through the real binary: where its key comes from, and what is said of it.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::media::png;
use support::moto::{BUCKET, Moto};

use crate::backup::identity;
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
    server.process.wait_for_any("tells of the bucket", Duration::from_secs(20), |line| {
        line.contains("media could not be kept or read")
    });
    let log = server.process.stdout().join("\n");
    assert!(!log.contains(&secret), "{log}");
}

/// Each backup goes into the bucket, too; from there it is listed, checked and restored, when the
/// machine that made it has lost its own.
#[test]
fn a_backup_is_in_the_bucket_too_and_comes_back_from_there() {
    let Some(moto) = Moto::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (config, keys) = (folder.path().join("c.toml"), folder.path().join("s3"));
    let (offline, recipient) = identity(folder.path(), "offline.txt");
    std::fs::write(&keys, moto.key_lines()).unwrap();
    let backup =
        format!("[backup]\nrecipients = [\"{recipient}\"]\nbucket = \"{BUCKET}\"\nkeep = 1\n");
    let s3 = format!("[s3]\nendpoint = \"http://{}\"\nkey_file = {keys:?}\n", moto.address);
    std::fs::write(&config, format!("{backup}{s3}")).unwrap();
    let settings = config.to_str().unwrap();
    let mut server = Server::start(&["--config", settings]);
    server.json(&["workspace", "create", "In both"]);
    let first = server.json(&["backup", "create"]);
    // Names have seconds: the next needs another.
    let until = Instant::now() + Duration::from_secs(20);
    let made = loop {
        let output = server.run(&["backup", "create", "--json"]);
        let told: Value = serde_json::from_slice(&output.stdout).unwrap();
        if output.status.success() {
            break told;
        }
        assert!(Instant::now() < until, "{told}");
    };
    assert_ne!(first["also"], made["also"]);
    let (address, path) = (made["also"].as_str().unwrap(), made["path"].as_str().unwrap());
    let name = address.strip_prefix(&format!("s3://{BUCKET}/")).unwrap();
    let bytes = std::fs::read(path).unwrap();
    assert_eq!(moto.objects(), [(name.to_owned(), u64::try_from(bytes.len()).unwrap())]);
    assert_eq!(moto.object(name), bytes);
    let listed = server.json(&["backup", "list"]);
    let places: Vec<_> =
        listed["items"].as_array().unwrap().iter().map(|one| &one["path"]).collect();
    assert!(places.contains(&&json!(address)) && places.contains(&&json!(path)), "{places:?}");

    // Restored for trial from there, when the folder has lost it; and nothing of that is left.
    std::fs::remove_file(path).unwrap();
    let file = Path::new(path).file_name().unwrap().to_str().unwrap();
    let tested = server.json(&["backup", "test", file, "--identity-file", &offline]);
    assert_eq!((&tested["tested"], &tested["workspaces"]), (&json!("ok"), &json!(1)), "{tested}");
    assert_eq!(std::fs::read_dir(server.folder.path().join("data/backups")).unwrap().count(), 0);

    server.json(&["workspace", "create", "Later"]);
    server.process.terminate();
    server.process.wait(Duration::from_secs(20));
    let data = server.folder.path().join("data");
    let run = |verb: &str, file: &str, more: &[&str]| {
        let mut command = carillon();
        command.args(["backup", verb, file, "--identity", &offline, "--config", settings]);
        let output = command.arg("--data").arg(&data).args(more).output().unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        (output.status.code().unwrap(), said)
    };
    let (code, said) = run("verify", address, &[]);
    assert!(code == 0 && said.starts_with("ok: made "), "{said}");
    let (code, said) = run("verify", &format!("{address}x"), &[]);
    assert!(code == 1 && said.contains("object store"), "{said}");
    let (code, said) = run("restore", address, &["--replace"]);
    assert!(code == 0 && said.contains("everything is paused"), "{said}");
    server.kill_and_start(&["--config", settings]);
    assert_eq!(server.json(&["status"])["publishing"], "paused");
    assert_eq!(server.json(&["workspace", "list"])["items"].as_array().unwrap().len(), 1);

    // The bucket is away: said, and the backup in the folder is whole.
    let secret = moto.secret.clone();
    drop(moto);
    let (code, said) = server.fails(&["backup", "create"]);
    assert!(code == 1 && said.contains("it is whole at"), "{said}");
    assert!(
        !said.contains(&secret) && server.process.stdout().iter().all(|l| !l.contains(&secret))
    );
    let kept = std::fs::read_dir(data.join("backups")).unwrap().next().unwrap().unwrap().path();
    let (code, said) = run("verify", kept.to_str().unwrap(), &[]);
    assert_eq!(code, 0, "{said}");
}
