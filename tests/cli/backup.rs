//! Backups on the command line: who may open them, what is refused, how many stay; and a database
//! of a newer program.

use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::{Duration, Instant};

use carillon::service::{BackupWriter, Item, read_backup};
use carillon::store::{Options, Rebuild, Store, Table};
use carillon::vault::Identity;
use serde_json::Value;

use crate::program::{Server, carillon};

/// An identity that is kept elsewhere, and its public key.
pub fn identity(folder: &Path, name: &str) -> (String, String) {
    let path = folder.join(name);
    Identity::load_or_create(&path).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    let key = text.lines().find_map(|line| line.strip_prefix("# public key: ")).unwrap();
    (path.to_str().unwrap().to_owned(), key.to_owned())
}

fn run(args: &[&str]) -> (Option<i32>, String) {
    let Output { status, stdout, stderr } = carillon().args(args).output().unwrap();
    (status.code(), String::from_utf8([stdout, stderr].concat()).unwrap())
}

fn settings(folder: &Path, recipient: &str) -> String {
    let path = folder.join("settings.toml");
    std::fs::write(&path, format!("[backup]\nrecipients = [\"{recipient}\"]\nkeep = 2\n")).unwrap();
    path.to_str().unwrap().to_owned()
}

fn made(server: &Server) -> PathBuf {
    let made = server.json(&["backup", "create"]);
    PathBuf::from(made["path"].as_str().unwrap())
}

/// With one upload in it, so that there are rows and media.
fn story(away: &Path) -> (Server, String) {
    let (identity, recipient) = identity(away, "offline.txt");
    let server = Server::start(&["--config", &settings(away, &recipient)]);
    server.json(&["workspace", "create", "Acme"]);
    let picture = away.join("picture.png");
    std::fs::write(&picture, support::media::png(40, 30)).unwrap();
    server.json(&["media", "upload", picture.to_str().unwrap(), "-w", "acme"]);
    (server, identity)
}

#[test]
fn without_recipients_there_are_none() {
    let server = Server::start(&[]);
    let (code, said) = server.fails(&["backup", "create"]);
    assert_eq!(code, 5);
    assert!(said.contains("backup.recipients"), "{said}");
    assert_eq!(server.json(&["backup", "list"])["items"], serde_json::json!([]));
}

#[test]
fn only_the_identity_opens_one_and_only_whole() {
    let away = tempfile::tempdir().unwrap();
    let (server, ours) = story(away.path());
    let (own, _) = identity(away.path(), "stranger.txt");
    let file = made(&server);
    let name = file.to_str().unwrap();
    let (code, said) = run(&["backup", "verify", name, "--identity", &ours]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.starts_with("ok: made ") && said.contains("0 media objects"), "{said}");
    let json = run(&["backup", "verify", name, "--identity", &ours, "--json"]).1;
    let manifest = serde_json::from_str::<Value>(&json).unwrap()["manifest"].take();
    let rows = |table: &str| {
        let tables = manifest["tables"].as_array().unwrap();
        tables.iter().find(|sum| sum["name"] == table).map(|sum| sum["rows"].clone())
    };
    assert_eq!(rows("assets"), Some(Value::from(1)));
    assert_eq!((&manifest["schema"], &manifest["media"]), (&Value::from(1), &"reference".into()));
    // The server itself cannot.
    let server_identity = server.folder.path().join("data/identity.txt");
    for (identity, why) in [
        (own.as_str(), "does not open it"),
        (server_identity.to_str().unwrap(), "does not open it"),
    ] {
        let (code, said) = run(&["backup", "verify", name, "--identity", identity]);
        assert!(code == Some(1) && said.contains(why), "{said}");
    }
    restored_for_trial(&server, &file, (&ours, &own));
    let good = std::fs::read(&file).unwrap();
    let broken = away.path().join("broken.age");
    let place = broken.to_str().unwrap();
    let mut bad: Vec<(&str, Vec<u8>)> = vec![
        ("cut off", good[..good.len() - 1].to_vec()),
        ("half", good[..good.len() / 2].to_vec()),
        ("empty", Vec::new()),
        ("longer", [good.as_slice(), b"x"].concat()),
        ("foreign", b"something else".to_vec()),
    ];
    for at in [10, 300, good.len() / 2, good.len() - 1] {
        let mut flipped = good.clone();
        flipped[at] ^= 1;
        bad.push(("flipped", flipped));
    }
    let data = away.path().join("data");
    for (what, bytes) in bad {
        std::fs::write(&broken, bytes).unwrap();
        let (code, said) = run(&["backup", "verify", place, "--identity", &ours]);
        assert_eq!(code, Some(1), "{what}: {said}");
        let into = ["--data", data.to_str().unwrap()];
        let restore = ["backup", "restore", place, "--identity", &ours];
        let (code, said) = run(&[restore.as_slice(), &into].concat());
        assert_eq!(code, Some(1), "{what}: {said}");
        assert!(said.contains("backup"), "{what}: {said}");
        for left in ["carillon.redb", "carillon.redb.restoring", "keyring.age"] {
            assert!(!data.join(left).exists(), "{what} left {left}");
        }
    }
}

/// In the running server, which touches nothing of its own for it and keeps no identity.
fn restored_for_trial(server: &Server, file: &Path, (ours, own): (&str, &str)) {
    let name = file.file_name().unwrap().to_str().unwrap();
    let listed = || server.json(&["backup", "list"])["items"][0].clone();
    assert!(listed()["tested"].is_null());
    let tested = server.json(&["backup", "test", name, "--identity-file", ours]);
    assert_eq!((&tested["tested"], &tested["workspaces"]), (&"ok".into(), &1.into()));
    assert_eq!(tested["missing_media"], 0);
    assert!(tested["rows"].as_u64() > Some(10), "{tested}");
    assert_eq!(listed()["tested"], "ok");
    let (code, said) = server.fails(&["backup", "test", name, "--identity-file", own]);
    assert!(code == 1 && said.contains("does not open it"), "{said}");
    let (code, said) = server.fails(&["backup", "test", "other", "--identity-file", ours]);
    assert!(code == 2 && said.contains("backup list"), "{said}");
    assert_eq!(listed()["tested"], "identity", "the last one counts");
    let good = std::fs::read(file).unwrap();
    std::fs::write(file, [&good[..good.len() / 2], b"x"].concat()).unwrap();
    let (code, said) = server.fails(&["backup", "test", name, "--identity-file", ours]);
    assert!(code == 1 && said.contains("backup_unusable"), "{said}");
    std::fs::write(file, good).unwrap();
    let folder = file.parent().unwrap();
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), 1, "nothing of a trial is left");
    // What runs is as it was: nothing is paused or held because of a trial.
    assert_eq!(server.json(&["status"])["publishing"], "running");
    let record = server.json(&["event", "installation"]);
    let of = |event: &Value| (event["kind"].clone(), event["data"]["result"].clone());
    let kinds: Vec<_> = record["items"].as_array().unwrap().iter().map(of).collect();
    let result = |word: &str| ("backup.tested".into(), word.into());
    // So little of it is left that it is not even known for a backup.
    assert_eq!(kinds, [result("foreign"), result("identity"), result("ok")]);
}

#[test]
fn a_new_machine_gets_everything_from_one_file_and_one_identity() {
    let away = tempfile::tempdir().unwrap();
    let (server, identity) = story(away.path());
    let made = server.json(&["backup", "create", "--media", "copy"]);
    assert_eq!(made["objects"].as_u64(), Some(2), "the picture and its thumbnail: {made}");
    let file = made["path"].as_str().unwrap();
    let fresh = tempfile::tempdir().unwrap();
    let data = fresh.path().join("data");
    let into = ["--data", data.to_str().unwrap(), "--json"];
    let restore = ["backup", "restore", file, "--identity", &identity];
    let (code, said) = run(&[restore.as_slice(), &into].concat());
    assert_eq!(code, Some(0), "{said}");
    let report: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((&report["missing_media"], &report["workspaces"]), (&0.into(), &1.into()));
    let again = Server::on(fresh, &[]);
    let asset = &again.json(&["media", "list", "-w", "acme"])["items"][0];
    let copy = away.path().join("copy.png");
    let (id, to) = (asset["id"].as_str().unwrap(), copy.to_str().unwrap());
    assert!(again.run(&["media", "download", id, "--to", to, "-w", "acme"]).status.success());
    let names = |server: &Server| server.json(&["workspace", "list"])["items"][0]["id"].clone();
    assert_eq!(names(&again), names(&server));
    assert_eq!(again.json(&["status"])["publishing"], "paused");
    // Of another installation: its keyring is not replaced.
    let other = Server::start(&[]);
    let (folder, data) = (other.folder.path().join("data"), other.folder.path().join("data"));
    drop(other.process);
    let into = ["--data", data.to_str().unwrap(), "--replace"];
    let before = std::fs::read(folder.join("keyring.age")).unwrap();
    let (code, said) = run(&[restore.as_slice(), &into].concat());
    assert!(code == Some(1) && said.contains("of another installation"), "{said}");
    assert_eq!(std::fs::read(folder.join("keyring.age")).unwrap(), before);
}

#[test]
fn so_many_stay_and_they_are_listed() {
    let away = tempfile::tempdir().unwrap();
    let (server, _) = story(away.path());
    let folder = server.folder.path().join("data/backups");
    std::fs::create_dir(&folder).unwrap();
    let first = made(&server);
    let installation = first.to_str().unwrap().rsplit_once('-').unwrap().1.to_owned();
    for old in ["20250101T000000Z", "20250102T000000Z"] {
        std::fs::write(folder.join(format!("carillon-{old}-{installation}")), "old").unwrap();
    }
    std::fs::write(folder.join("carillon-20240101T000000Z-0000000000000000.age"), "other").unwrap();
    std::fs::write(folder.join("notes.txt"), "mine").unwrap();
    // Names have seconds.
    let second = loop {
        let output = server.run(&["backup", "create", "--json"]);
        if output.status.success() {
            let made: Value = serde_json::from_slice(&output.stdout).unwrap();
            break made;
        }
    };
    assert_eq!(second["removed"], 2);
    let listed = server.json(&["backup", "list"]);
    let listed = listed["items"].as_array().unwrap();
    assert_eq!(listed.len(), 2);
    assert_eq!((&listed[0]["path"], &listed[1]["path"]), (&second["path"], &first.to_str().into()));
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 4, "what is not ours stays");
}

#[test]
fn a_database_of_a_newer_program_is_refused_and_not_touched() {
    let server = Server::start(&[]);
    let Server { folder, mut process, .. } = server;
    process.terminate();
    process.wait(std::time::Duration::from_secs(20));
    let path = folder.path().join("data/carillon.redb");
    let newer = carillon::store::Layout::new(9, &[]);
    let options = carillon::store::Options { layout: newer, ..Default::default() };
    std::fs::remove_file(&path).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let store = carillon::store::Store::open(carillon::store::Disk::File(path.clone()), options);
    runtime.block_on(store.unwrap().close()).unwrap();
    let before = std::fs::read(&path).unwrap();
    let data = folder.path().join("data");
    let (code, said) = run(&["serve", "--listen", "127.0.0.1:0", "--data", data.to_str().unwrap()]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("schema 9; this program knows up to 1"), "{said}");
    assert!(std::fs::read(&path).unwrap() == before, "the file was written");
}

/// The same backup, made again with another word in its first event.
fn rewritten(from: &Path, identity: &str, to: &Path) {
    let identity = Identity::load(Path::new(identity)).unwrap();
    let out = identity.recipients().seal(std::fs::File::create(to).unwrap()).unwrap();
    let (mut out, mut head, mut writer) = (Some(out), None, None);
    read_backup(from, &identity, |item| {
        match item {
            Item::Head(found) => head = Some(found.clone()),
            Item::Keyring(sealed) => {
                let begun = BackupWriter::begin(out.take().unwrap(), head.take().unwrap(), sealed)?;
                writer = Some(begun);
            }
            Item::Row(table, key, value) => {
                let mut value = value.to_vec();
                let word = b"workspace.created";
                let at = value.windows(word.len()).position(|part| part == word);
                if let (Table::Events, Some(at)) = (table, at) {
                    value[at] = b'W';
                }
                writer.as_mut().unwrap().row(table, key, &value)?;
            }
            Item::Object(..) | Item::Piece(_) => {}
        }
        Ok(())
    })
    .unwrap();
    let (sealing, _) = writer.unwrap().finish().unwrap();
    sealing.finish().unwrap();
}

#[test]
fn a_record_of_events_that_was_changed_is_told() {
    let away = tempfile::tempdir().unwrap();
    let (server, ours) = story(away.path());
    let file = made(&server);
    let (code, said) = run(&["backup", "verify", file.to_str().unwrap(), "--identity", &ours]);
    assert_eq!(code, Some(0), "{said}");
    let workspace = server.json(&["workspace", "list"])["items"][0]["id"].clone();
    let workspace = workspace.as_str().unwrap();
    chains_are_told(&server, workspace, None);
    let changed = away.path().join("changed.age");
    rewritten(&file, &ours, &changed);
    let changed = changed.to_str().unwrap();
    let (code, said) = run(&["backup", "verify", changed, "--identity", &ours]);
    assert_eq!(code, Some(1), "whole by its sums, and not by its chain: {said}");
    let told = format!("event 2 of workspace {workspace}");
    assert!(said.contains(&told) && said.contains("unjoined"), "{said}");
    // Nor does it pass unseen where somebody has restored it.
    let fresh = tempfile::tempdir().unwrap();
    let data = fresh.path().join("data");
    let into = ["--identity", &ours, "--data", data.to_str().unwrap()];
    let (code, said) = run(&[&["backup", "restore", changed][..], &into].concat());
    assert_eq!(code, Some(0), "{said}");
    let again = Server::on(fresh, &[]);
    chains_are_told(&again, workspace, Some(2));
    let checked = again.json(&["event", "check", "-w", "acme"]);
    assert_eq!((&checked["wrong"], &checked["number"]), (&"unjoined".into(), &2.into()));
}

#[test]
fn an_event_that_is_no_row_any_more_is_told() {
    let away = tempfile::tempdir().unwrap();
    let (server, _) = story(away.path());
    let workspace = server.json(&["workspace", "list"])["items"][0]["id"].clone();
    let Server { folder, mut process, .. } = server;
    process.terminate();
    process.wait(Duration::from_secs(20));
    let database = folder.path().join("data/carillon.redb");
    let fresh = database.with_extension("fresh");
    let to = carillon::store::Disk::File(fresh.clone());
    let layout = carillon::store::Layout::CURRENT.schema();
    let mut rebuild = Rebuild::restore(&to, Options::default(), layout).unwrap();
    let store = Store::open(carillon::store::Disk::File(database.clone()), Options::default());
    let store = store.unwrap();
    let mut cut = 0;
    let copied = store.dump(|table, key, value| {
        let is_second = table == Table::Events && key.ends_with(&[2]);
        cut += usize::from(is_second);
        rebuild.put(table, key, if is_second { &value[..value.len() / 2] } else { value })
    });
    copied.unwrap().unwrap();
    assert_eq!(cut, 1);
    rebuild.finish().unwrap();
    tokio::runtime::Runtime::new().unwrap().block_on(store.close()).unwrap();
    std::fs::rename(&fresh, &database).unwrap();
    let server = Server::on(folder, &[]);
    chains_are_told(&server, workspace.as_str().unwrap(), Some(2));
    let checked = server.json(&["event", "check", "-w", "acme"]);
    assert_eq!((&checked["wrong"], &checked["number"]), (&"unreadable".into(), &2.into()));
}

/// A round over all chains is an alert, and on the installation's record, when one does not hold.
fn chains_are_told(server: &Server, workspace: &str, event: Option<u64>) {
    server.json(&["job", "run", "chains"]);
    wait_for("a round over all chains", || {
        let jobs = server.json(&["job", "list"]);
        let job = jobs["items"].as_array().unwrap().iter().find(|job| job["name"] == "chains");
        job.is_some_and(|job| job["state"] == "ok" && job["runs"] != 0)
    });
    let alerts = server.json(&["alert", "list"]);
    let alert = alerts["items"].as_array().unwrap().iter().find(|it| it["id"] == "chains");
    let what =
        alert.map(|alert| (alert["what"].as_str().unwrap(), alert["level"].as_str().unwrap()));
    let told = event.map(|n| format!("the record of events was changed: acme, event {n}"));
    assert_eq!(what, told.as_ref().map(|told| (told.as_str(), "now")), "{alerts}");
    let record = server.json(&["event", "installation"]);
    let noted = |event: &Value| event["kind"] == "chain.broken" && event["subject"] == workspace;
    let noted = record["items"].as_array().unwrap().iter().any(noted);
    assert_eq!(noted, event.is_some(), "{record}");
}

/// Until it is so.
fn wait_for(what: &str, mut so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !so() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_backup_that_should_have_been_made_again_is_told() {
    let away = tempfile::tempdir().unwrap();
    let (mut server, _) = story(away.path());
    let ids = |server: &Server| -> Vec<Value> {
        let alerts = server.json(&["alert", "list"]);
        let all = alerts["items"].as_array().unwrap().iter().map(|alert| alert["id"].clone());
        all.filter(|id| id != "untold").collect()
    };
    assert_eq!(ids(&server), ["backup"]);
    let file = made(&server);
    assert!(ids(&server).is_empty());
    let name = file.file_name().unwrap().to_str().unwrap().to_owned();
    let installation = name.rsplit_once('-').unwrap().1;
    let mut file = file;
    let mut made_at = |at: &str| {
        let older = file.with_file_name(format!("carillon-{at}-{installation}"));
        std::fs::rename(&file, &older).unwrap();
        file = older;
    };
    made_at("20250101T000000Z");
    let alerts = server.json(&["alert", "list"]);
    let alert = &alerts["items"][0];
    assert_eq!((&alert["id"], &alert["level"]), (&"backup-stale".into(), &"soon".into()));
    assert!(alert["what"].as_str().unwrap().contains("2025-01-01T00:00:00"), "{alert}");
    // Where it is said how often, it is two hours late: 26 hours, of each day.
    let often = std::fs::read_to_string(away.path().join("settings.toml")).unwrap();
    let path = away.path().join("often.toml");
    std::fs::write(&path, often + "every = \"24h\"\n").unwrap();
    for (hours, stale) in [(25, false), (27, true)] {
        let at = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(hours);
        made_at(&at.strftime("%Y%m%dT%H%M%SZ").to_string());
        server.kill_and_start(&["--config", path.to_str().unwrap()]);
        assert_eq!(ids(&server), if stale { vec!["backup-stale"] } else { vec![] }, "{hours}");
    }
}
