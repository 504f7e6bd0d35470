//! Data of every release, kept as it was written: the program of today opens it, shows what its own
//! program showed, and its backup can be restored. What a release wrote never changes here; while
//! nothing was released with it, `make` makes it anew.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use carillon::vault::Identity;
use serde_json::{Value, json};

use crate::program::{Server, carillon};

/// Files of a release: its data folder, a backup and what opens it, what it showed.
const FILES: [&str; 6] =
    ["carillon.redb", "identity.txt", "keyring.age", "backup.age", "offline.txt", "shown.json"];
const DATA: [&str; 3] = ["carillon.redb", "identity.txt", "keyring.age"];

fn kept() -> PathBuf {
    support::repo_root().join("tests/cli/released")
}

/// The folders of releases.
fn releases() -> Vec<PathBuf> {
    let entries = fs::read_dir(kept()).unwrap().map(|entry| entry.unwrap().path());
    let mut releases: Vec<PathBuf> = entries.filter(|path| path.is_dir()).collect();
    releases.sort();
    releases
}

/// A folder with a copy of its data, which only its owner may read, as a server wants it.
fn copied(release: &Path, files: &[&str]) -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    for name in files {
        fs::copy(release.join(name), data.join(name)).unwrap();
        fs::set_permissions(data.join(name), fs::Permissions::from_mode(0o600)).unwrap();
    }
    fs::set_permissions(&data, fs::Permissions::from_mode(0o700)).unwrap();
    folder
}

/// What a person sees of all that is there.
fn shown(server: &Server) -> Value {
    let workspaces = server.json(&["workspace", "list"]);
    let lists = ["channel", "key", "media", "post", "delivery"];
    let of = |slug: &str| -> Value {
        lists.iter().map(|noun| (*noun, server.json(&[noun, "list", "-w", slug]))).collect()
    };
    let slugs = workspaces["items"].as_array().unwrap().clone();
    let each: serde_json::Map<String, Value> = slugs
        .iter()
        .map(|workspace| {
            let slug = workspace["slug"].as_str().unwrap();
            (slug.to_owned(), of(slug))
        })
        .collect();
    let mut all = json!({ "workspaces": workspaces, "in": each });
    without_facts(&mut all);
    all
}

/// Takes out what a release knows of networks, which is not stored.
fn without_facts(all: &mut Value) {
    match all {
        Value::Object(map) => {
            map.retain(|name, _| name != "limits" && name != "fitness");
            map.values_mut().for_each(without_facts);
        }
        Value::Array(items) => items.iter_mut().for_each(without_facts),
        _ => {}
    }
}

/// Where `now` does not say what `then` said. More than was said then is no difference.
fn differences(at: &str, then: &Value, now: &Value, found: &mut Vec<String>) {
    match (then, now) {
        (Value::Object(then), Value::Object(now)) => {
            for (name, value) in then {
                let other = now.get(name).unwrap_or(&Value::Null);
                differences(&format!("{at}/{name}"), value, other, found);
            }
        }
        (Value::Array(then), Value::Array(now)) if then.len() == now.len() => {
            for (n, (value, other)) in then.iter().zip(now).enumerate() {
                differences(&format!("{at}/{n}"), value, other, found);
            }
        }
        _ if then == now => {}
        _ => found.push(format!("{at}: it was {then}, and is {now}")),
    }
}

fn compared(then: &Value, now: &Value) -> Vec<String> {
    let mut found = Vec::new();
    differences("", then, now, &mut found);
    found
}

fn shown_then(release: &Path) -> Value {
    serde_json::from_slice(&fs::read(release.join("shown.json")).unwrap()).unwrap()
}

#[test]
fn the_data_of_every_release_opens_and_is_what_it_was() {
    let releases = releases();
    let present = kept().join(env!("CARGO_PKG_VERSION"));
    assert!(releases.contains(&present), "add {}: see `make`", present.display());
    for release in releases {
        let then = shown_then(&release);
        assert_eq!(then["in"]["acme"]["post"]["items"].as_array().unwrap().len(), 5);
        let folder = copied(&release, &DATA);
        let data = folder.path().join("data");
        let args = ["upgrade", "check", "--data", data.to_str().unwrap()];
        let output = carillon().args(args).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(!said.contains("fail "), "{}: {said}", release.display());
        // Twice: what an upgrade wrote is read, too.
        let mut server = Server::on(folder, &[]);
        for _ in 0..2 {
            let found = compared(&then, &shown(&server));
            let all = found.join("\n");
            assert!(found.is_empty(), "{}: {all}", release.display());
            server.kill_and_start(&[]);
        }
        // Its secrets open: a signed message to nobody fails at the address, not at the seal.
        let channels = &then["in"]["acme"]["channel"]["items"];
        let hook = channels.as_array().unwrap().iter().find(|one| one["network"] == "webhook");
        let id = hook.unwrap()["id"].as_str().unwrap();
        let (_, said) = server.fails(&["channel", "test", id, "-w", "acme"]);
        assert!(said.contains("network_unreachable"), "{said}");
        // And what was to come still can: written by today's program into yesterday's data.
        server.json(&["post", "create", "--channel", id, "--text", "new", "-w", "acme", "--draft"]);
    }
}

#[test]
fn the_backup_of_every_release_can_be_restored() {
    for release in releases() {
        let folder = copied(&release, &[]);
        let data = folder.path().join("data");
        let file = |name: &str| release.join(name).to_str().unwrap().to_owned();
        let (backup, identity) = (file("backup.age"), private(&folder, &release));
        let args = ["backup", "restore", &backup, "--identity", &identity, "--data"];
        let Output { status, stderr, .. } = carillon().args(args).arg(&data).output().unwrap();
        let said = String::from_utf8(stderr).unwrap();
        assert!(status.success(), "{}: {said}", release.display());
        let then = shown_then(&release);
        let now = shown(&Server::on(folder, &[]));
        assert_eq!(compared(&then["workspaces"], &now["workspaces"]), Vec::<String>::new());
        for noun in ["channel", "key", "media", "post"] {
            let [then, now] = [&then, &now].map(|all| &all["in"]["acme"][noun]["items"]);
            let [then, now] = [then, now].map(|items| items.as_array().unwrap().len());
            assert_eq!(then, now, "{noun}");
        }
    }
}

/// The identity of the backup, readable for its owner only.
fn private(folder: &tempfile::TempDir, release: &Path) -> String {
    use std::os::unix::fs::PermissionsExt as _;
    let path = folder.path().join("offline.txt");
    fs::copy(release.join("offline.txt"), &path).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path.to_str().unwrap().to_owned()
}

/// A program that shows one thing otherwise would be seen, wherever it is.
#[test]
fn whatever_is_lost_or_changed_is_a_difference() {
    fn leaves(at: &mut Value, change: &mut dyn FnMut(&mut Value) -> bool) -> bool {
        match at {
            Value::Object(map) => map.values_mut().any(|value| leaves(value, change)),
            Value::Array(all) => all.iter_mut().any(|value| leaves(value, change)),
            leaf => change(leaf),
        }
    }
    for release in releases() {
        let then = shown_then(&release);
        assert_eq!(compared(&then, &then), Vec::<String>::new());
        let mut changed = 0;
        loop {
            let (mut now, mut seen) = (then.clone(), 0);
            let done = leaves(&mut now, &mut |leaf| {
                seen += 1;
                if seen > changed {
                    *leaf = json!("something else");
                }
                seen > changed
            });
            if !done {
                break;
            }
            changed += 1;
            assert_eq!(compared(&then, &now).len(), 1);
        }
        println!("{}: {changed} values, each is looked at", release.display());
        assert!(changed > 100, "{changed}");
        let mut less = then.clone();
        less["in"]["acme"]["post"]["items"].as_array_mut().unwrap().pop();
        assert_eq!(compared(&then, &less).len(), 1);
    }
}

/// Makes the folder of the present version: `cargo test --test cli released::make -- --ignored`.
/// Only while there is no release of it.
#[test]
#[ignore = "it writes into tests/cli/released"]
fn make() {
    let release = kept().join(env!("CARGO_PKG_VERSION"));
    let away = tempfile::tempdir().unwrap();
    let offline = away.path().join("offline.txt");
    Identity::load_or_create(&offline).unwrap();
    let text = fs::read_to_string(&offline).unwrap();
    let recipient = text.lines().find_map(|line| line.strip_prefix("# public key: ")).unwrap();
    let settings = away.path().join("settings.toml");
    fs::write(&settings, format!("[backup]\nrecipients = [\"{recipient}\"]\n")).unwrap();
    let mut server = Server::start(&["--config", settings.to_str().unwrap()]);
    let backup = fill(&server, away.path());
    let shown = serde_json::to_string_pretty(&shown(&server)).unwrap();
    // Not closed, with rows that are staged: the next start has to repair and to read both.
    server.process.kill();
    drop(fs::remove_dir_all(&release));
    fs::create_dir_all(&release).unwrap();
    let data = server.folder.path().join("data");
    for name in DATA {
        fs::copy(data.join(name), release.join(name)).unwrap();
    }
    fs::copy(&backup, release.join("backup.age")).unwrap();
    fs::copy(&offline, release.join("offline.txt")).unwrap();
    fs::write(release.join("shown.json"), shown + "\n").unwrap();
    let mut names: Vec<_> =
        fs::read_dir(&release).unwrap().map(|e| e.unwrap().file_name()).collect();
    names.sort();
    let mut expected = FILES;
    expected.sort_unstable();
    assert_eq!(names, expected);
}

/// Something in as many tables as a few verbs reach; the path of a backup of it.
fn fill(server: &Server, away: &Path) -> String {
    server.json(&["workspace", "create", "Acme"]);
    server.json(&["workspace", "create", "Other"]);
    let acme = |args: &[&str]| server.json(&[args, &["-w", "acme"]].concat());
    let id = |made: &Value| made["id"].as_str().unwrap().to_owned();
    let feed = id(&acme(&["channel", "add", "--network", "feed", "--name", "News"]));
    let hook = ["channel", "add", "--network", "webhook", "--name", "Site"];
    let url = ["--url", "https://hooks.example.org/in"];
    let hook = id(&acme(&[&hook[..], &url[..]].concat()));
    acme(&["key", "create", "reader", "--scope", "read"]);
    let picture = away.join("picture.png");
    fs::write(&picture, support::media::png(40, 30)).unwrap();
    acme(&["media", "upload", picture.to_str().unwrap(), "--alt", "Stripes"]);
    let post = |args: &[&str]| acme(&[&["post", "create"], args].concat());
    let out = post(&["--channel", &feed, "--text", "Out", "--now"]);
    let delivery = out["deliveries"][0]["id"].as_str().unwrap().to_owned();
    server.published("acme", &delivery);
    let later = ["--at", "2035-12-01T09:00", "--zone", "Europe/Berlin"];
    post(&[&["--channel", &feed, "--channel", &hook, "--text", "Later"], &later[..]].concat());
    let thread = ["--channel", &feed, "--text", "One", "--text", "Two"];
    post(&[&thread[..], &later[..]].concat());
    let gone = id(&post(&[&["--channel", &feed, "--text", "Not at all"], &later[..]].concat()));
    acme(&["post", "cancel", &gone]);
    post(&["--channel", &feed, "--text", "A draft", "--draft"]);
    acme(&["channel", "pause", &hook]);
    let made = server.json(&["backup", "create"]);
    made["path"].as_str().unwrap().to_owned()
}
