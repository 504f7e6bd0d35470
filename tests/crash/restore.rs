//! An old backup is put back while the networks have gone on: nothing is sent again by itself, and
//! each channel's posts go as a person says.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use carillon::base::{Clock as _, SystemClock};
use carillon::practice::Effect;
use carillon::service::{Item, read_backup};
use carillon::store::{Disk, Layout, Options, Rebuild, put_in_place};
use carillon::vault::Identity;
use serde_json::{Value, json};

use crate::client::Written;
use crate::kills::{Installation, deliveries, set_up};

/// None of them honours keys: what is sent twice is there twice.
const HOSTS: [&str; 3] = ["listed-a", "listed-b", "listed-c"];
/// From writing a post until it is due: time for a backup in between.
const SOON: Duration = Duration::from_secs(12);

struct Case {
    installation: Installation,
    /// Opens backups; the server does not have it.
    identity: PathBuf,
    _away: tempfile::TempDir,
}

fn path_of(value: &Value) -> PathBuf {
    PathBuf::from(value.as_str().unwrap())
}

impl Case {
    async fn new() -> Self {
        let away = tempfile::tempdir().unwrap();
        let identity = away.path().join("offline.txt");
        Identity::load_or_create(&identity).unwrap();
        let text = std::fs::read_to_string(&identity).unwrap();
        let recipient =
            text.lines().find_map(|line| line.strip_prefix("# public key: ")).unwrap().to_owned();
        let mut installation = set_up(3, &HOSTS).await;
        let backup = format!("[backup]\nrecipients = [\"{recipient}\"]\nkeep = 2\n");
        installation.server.add_settings(&backup);
        assert!(installation.server.stop().success());
        installation.server.start();
        Self { installation, identity, _away: away }
    }

    fn channel(&self, host: &str) -> String {
        let found = self.installation.channels.iter().find(|(_, of)| *of == host);
        found.unwrap().0.clone()
    }

    /// A post to `host` that is due after `wait`; its text is its name.
    async fn write(&self, host: &str, name: &str, wait: Option<Duration>) -> String {
        let due = |wait| SystemClock::new().now().plus(wait);
        let at = wait.map(|wait| due(wait).to_jiff().strftime("%Y-%m-%dT%H:%M:%S").to_string());
        let post = Written {
            texts: vec![name.to_owned()],
            channels: vec![self.channel(host)],
            key: name.to_owned(),
            at,
            picture: None,
            acknowledged: None,
        };
        let it = &self.installation;
        it.client.write(&it.server.api, &it.workspace, &post).await.unwrap()
    }

    async fn backup(&self) -> PathBuf {
        let made = self.installation.server.verb("backup", "create", None, json!({})).await;
        assert_eq!(made["missing"], 0);
        path_of(&made["path"])
    }

    /// How often each text is out.
    fn out(&self) -> BTreeMap<String, usize> {
        let mut copies = BTreeMap::new();
        for entry in self.installation.practice.world().journal() {
            if let Effect::StatusCreated { text, .. } = &entry.effect {
                *copies.entry(text.clone()).or_default() += 1;
            }
        }
        copies
    }

    /// State and reason of each post's delivery.
    async fn states(&self) -> BTreeMap<String, (String, String)> {
        let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let rows = deliveries(&self.installation).await;
        rows.iter().map(|d| (word(&d["post"]), (word(&d["state"]), word(&d["reason"])))).collect()
    }

    async fn until(&self, post: &str, state: &str) {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let states = self.states().await;
            if states.get(post).is_some_and(|(now, _)| now == state) {
                return;
            }
            assert!(Instant::now() < deadline, "{post} does not become {state}: {states:?}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn decide(&self, host: &str, word: &str) -> Value {
        let args = json!({ "id": self.channel(host), "as": word });
        let workspace = Some(self.installation.workspace.as_str());
        self.installation.server.verb("channel", "decide", workspace, args).await
    }

    async fn status(&self) -> Value {
        self.installation.server.verb("status", "", None, json!({})).await
    }

    fn restore(&self, file: &Path, more: &[&str]) -> (bool, String) {
        let (file, identity) = (file.to_str().unwrap(), self.identity.to_str().unwrap());
        let args = [&["backup", "restore", file, "--identity", identity], more].concat();
        let output = self.installation.server.run(&args);
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(said).unwrap())
    }
}

/// Posts of three channels that the backup has as scheduled; a's and c's go out after it, b's does
/// not. Also one that was out before it, one that comes after it, and one that is far away.
struct Story {
    case: Case,
    file: PathBuf,
    posts: BTreeMap<&'static str, String>,
    epoch: u64,
}

async fn told() -> Story {
    let case = Case::new().await;
    let mut posts = BTreeMap::new();
    posts.insert("before", case.write("listed-a", "before", None).await);
    case.until(&posts["before"], "published").await;
    for (name, host) in [("a", "listed-a"), ("b", "listed-b"), ("c", "listed-c")] {
        posts.insert(name, case.write(host, name, Some(SOON)).await);
    }
    let far = Duration::from_hours(5);
    posts.insert("far", case.write("listed-a", "far", Some(far)).await);
    let file = case.backup().await;
    assert!(!case.out().contains_key("a"), "the backup came too late for this test");
    let workspace = case.installation.workspace.clone();
    let pause = json!({ "id": case.channel("listed-b") });
    case.installation.server.verb("channel", "pause", Some(&workspace), pause).await;
    for name in ["a", "c"] {
        case.until(&posts[name], "published").await;
    }
    let lost = case.write("listed-c", "after", None).await;
    case.until(&lost, "published").await;
    let epoch = case.status().await["epoch"].as_u64().unwrap();
    Story { case, file, posts, epoch }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_backup_sends_nothing_by_itself() {
    let Story { mut case, file, posts, epoch } = told().await;
    let (refused, said) = case.restore(&file, &["--replace"]);
    assert!(!refused && said.contains("in use"), "the server runs: {said}");
    case.installation.server.kill();
    let database = case.installation.server.data().join("carillon.redb");
    let before = std::fs::read(&database).unwrap();
    let (refused, said) = case.restore(&file, &[]);
    assert!(!refused && said.contains("--replace"), "{said}");
    assert_eq!(std::fs::read(&database).unwrap(), before);
    let (done, said) = case.restore(&file, &["--replace"]);
    assert!(done && said.contains("3 deliveries may have gone out"), "{said}");
    let kept = std::fs::read_dir(case.installation.server.data()).unwrap().flatten();
    let kept = kept.map(|entry| entry.file_name().into_string().unwrap());
    let kept: Vec<_> = kept.filter(|name| name.contains("before-restore")).collect();
    assert_eq!(kept.len(), 1);
    assert_eq!(std::fs::read(case.installation.server.data().join(&kept[0])).unwrap(), before);

    let out = case.out();
    case.installation.server.start();
    let status = case.status().await;
    assert_eq!(
        (&status["publishing"], &status["paused"]),
        (&json!("paused"), &json!(["everything"]))
    );
    assert_eq!(status["waits_for_a_person"]["held"], 3);
    assert!(status["restored"]["backup"].as_str() < status["restored"]["at"].as_str());
    assert!(status["epoch"].as_u64().unwrap() > epoch);
    let states = case.states().await;
    let held = ("held".to_owned(), "restored".to_owned());
    for name in ["a", "b", "c"] {
        assert_eq!(states[&posts[name]], held, "{name}");
    }
    assert_eq!(states[&posts["before"]].0, "published");
    assert_eq!(states[&posts["far"]], ("scheduled".to_owned(), "paused".to_owned()));
    assert_eq!(states.len(), 5, "what came after the backup is not known any more");

    // Not after the pause either: a person has to decide.
    case.installation.server.verb("publishing", "resume", None, json!({})).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(case.out(), out);
    let cancel = format!(
        "{}/workspaces/{}/posts/{}/cancel",
        case.installation.server.api, case.installation.workspace, posts["a"]
    );
    let (status, body) = case.installation.client.post(&cancel, &json!({})).await;
    assert_eq!((status, &body["code"]), (409, &json!("delivery_in_flight")), "it may be out");

    for (host, word) in [("a", "it-is-there"), ("b", "send-again"), ("c", "drop")] {
        assert_eq!(case.decide(&format!("listed-{host}"), word).await["decided"], 1);
        assert_eq!(case.decide(&format!("listed-{host}"), word).await["decided"], 0);
    }
    case.until(&posts["b"], "published").await;
    case.until(&posts["a"], "published").await;
    case.until(&posts["c"], "cancelled").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let out = case.out();
    for name in ["before", "a", "b", "c", "after"] {
        assert_eq!(out.get(name), Some(&1), "{name}: {out:?}");
    }
    assert_eq!(out.get("far"), None);
    assert!(case.installation.server.stop().success());
}

/// The same backup, put back by something that does not hold: the test above would see it.
#[tokio::test(flavor = "multi_thread")]
async fn a_restore_that_holds_nothing_would_be_caught() {
    let Story { mut case, file, posts, .. } = told().await;
    case.installation.server.kill();
    let identity = Identity::load(&case.identity).unwrap();
    let database = case.installation.server.data().join("carillon.redb");
    let fresh = database.with_extension("fresh");
    let disk = Disk::File(fresh.clone());
    let mut rebuild =
        Rebuild::restore(&disk, Options::default(), Layout::CURRENT.schema()).unwrap();
    read_backup(&file, &identity, |item| {
        if let Item::Row(table, key, value) = item {
            rebuild.put(table, key, value)?;
        }
        Ok(())
    })
    .unwrap();
    rebuild.finish().unwrap();
    put_in_place(&fresh, &database, &database.with_extension("old")).unwrap();
    case.installation.server.start();
    case.until(&posts["a"], "published").await;
    assert_eq!(case.out().get("a"), Some(&2), "sent again");
    assert!(case.installation.server.stop().success());
}
