//! The program under test and the practice networks beside it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use carillon::base::{Clock, SystemClock};
use carillon::practice::mastodon::Settings;
use carillon::practice::{World, bluesky, serve};
use serde_json::{Value, json};
use support::Carillon;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Times of seconds instead of minutes, all scaled down together. A request that was given up may
/// land 600 ms later, so the late window is 900 ms.
const SETTINGS: &str = r#"
[publish]
deadline = "700ms"
late_window = "900ms"
read_lag = "100ms"
second_look = "100ms"
look_budget = "5m"
retry_base = "200ms"
key_settle = "300ms"
catch_up_spacing = "1ms"
stop_wait = "3s"
[log]
level = "warn,carillon::daemon=info,carillon::engine::scheduler=info"
"#;

/// The account on each Bluesky.
pub const HANDLE: &str = "acme.test";
pub const HOOK_SECRET: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

/// So few staged rows that the stage turns over with almost every write.
pub fn turning() -> (String, String) {
    ("CARILLON_STORE__STAGED_ROWS".to_owned(), "16".to_owned())
}

pub struct Practice {
    pub at: SocketAddr,
    world: Arc<Mutex<World>>,
    _stop: tokio_util::sync::DropGuard,
}

impl Practice {
    /// Networks at `hosts`: those that begin with `keyed` honour keys, those with `front` stand in
    /// front of another program, those with `records` are Bluesky (`records-brief`: with sessions
    /// of a second), those with `hook` receivers of webhooks; the others do not honour keys.
    pub async fn start(seed: u64, hosts: &[&str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let mut world = World::new(seed);
        for host in hosts {
            if host.starts_with("hook") {
                world.add_webhook(host, HOOK_SECRET);
                continue;
            }
            let base = format!("http://{at}/{host}");
            if host.starts_with("records") {
                let mut settings = bluesky::Settings::new(&base);
                if host.starts_with("records-brief") {
                    settings.access_life = Duration::from_secs(1);
                }
                world.add_bluesky(host, bluesky::Settings { rate_limits: false, ..settings });
                world.add_account(host, HANDLE, &format!("token-{host}"), "").unwrap();
                continue;
            }
            let settings = if host.starts_with("keyed") {
                Settings::new(&base)
            } else if host.starts_with("front") {
                Settings::front(&base)
            } else {
                Settings::compat(&base)
            };
            let plenty = 1_000_000;
            world.add_mastodon(
                host,
                Settings { requests_per_window: plenty, statuses_per_window: plenty, ..settings },
            );
            world.add_account(host, "acme", &format!("token-{host}"), "read write").unwrap();
        }
        let world = Arc::new(Mutex::new(world));
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let stop = CancellationToken::new();
        let until = stop.clone().cancelled_owned();
        tokio::spawn(serve(listener, Arc::clone(&world), clock, until));
        Self { at, world, _stop: stop.drop_guard() }
    }

    pub fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }
}

/// A data folder and the server on it, which dies and comes back.
pub struct Server {
    folder: tempfile::TempDir,
    process: Option<Carillon>,
    pub api: String,
    settings: PathBuf,
    data: PathBuf,
    /// The command that the program is run by, if any.
    within: Vec<String>,
    /// Of the next start.
    pub env: Vec<(String, String)>,
}

impl Server {
    pub fn new(practice: &Practice) -> Self {
        Self::with(practice, SETTINGS)
    }

    /// With `changed` in the place of `usual`.
    pub fn changed(practice: &Practice, changes: &[(&str, &str)]) -> Self {
        let mut settings = SETTINGS.to_owned();
        for (usual, changed) in changes {
            assert!(settings.contains(usual), "{usual}");
            settings = settings.replace(usual, changed);
        }
        Self::with(practice, &settings)
    }

    /// With the product's own times, which are longer.
    pub fn unhurried(practice: &Practice) -> Self {
        Self::with(practice, "[log]\nlevel = \"warn,carillon::daemon=info\"\n")
    }

    fn with(practice: &Practice, settings: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        Self::made((practice, settings), folder, Vec::new(), data)
    }

    /// Run by another command, with its data where only that can see it.
    pub fn within(practice: &Practice, command: Vec<String>, data: PathBuf) -> Self {
        Self::made((practice, SETTINGS), tempfile::tempdir().unwrap(), command, data)
    }

    fn made(
        (practice, settings): (&Practice, &str),
        folder: tempfile::TempDir,
        within: Vec<String>,
        data: PathBuf,
    ) -> Self {
        let text = format!("{settings}\n[outbound]\nallow = [\"{}\"]\n", practice.at);
        let settings = folder.path().join("settings.toml");
        std::fs::write(&settings, text).unwrap();
        let mut server = Self {
            folder,
            process: None,
            api: String::new(),
            settings,
            data,
            within,
            env: Vec::new(),
        };
        server.start();
        server
    }

    /// The file of the database.
    pub fn database(&self) -> PathBuf {
        self.data.join("carillon.redb")
    }

    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("admin.sock")
    }

    pub fn start(&mut self) {
        self.begin();
        self.ready();
    }

    /// Waits until it is.
    pub fn ready(&mut self) {
        let ready = self.process().wait_until("says ready", Duration::from_secs(20), |line| {
            line.contains("\"message\":\"ready\"")
        });
        let ready: Value = serde_json::from_str(&ready).unwrap();
        self.api = format!("http://{}/api/v1", ready["address"].as_str().unwrap());
    }

    /// Starts it, and does not wait until it is ready.
    pub fn begin(&mut self) {
        let program = env!("CARGO_BIN_EXE_carillon");
        let mut line = self.within.iter().map(String::as_str).chain([program]);
        let mut command = Command::new(line.next().unwrap());
        command
            .args(line)
            .arg("serve")
            .args(["--listen", "127.0.0.1:0"])
            .arg("--data")
            .arg(&self.data)
            .arg("--socket")
            .arg(self.socket())
            .arg("--config")
            .arg(&self.settings)
            .envs(self.env.iter().cloned());
        self.process = Some(Carillon::start(&mut command));
    }

    /// What each thread of the process is at.
    pub fn threads(&self) -> String {
        self.process.as_ref().map(Carillon::threads).unwrap_or_default()
    }

    pub fn process(&mut self) -> &mut Carillon {
        self.process.as_mut().unwrap()
    }

    /// From the next start on, nothing minds how full the disk is.
    pub fn without_marks(&mut self) {
        let text = std::fs::read_to_string(&self.settings).unwrap();
        let marks = "[store]\nspace_low_mib = 0\nspace_scarce_mib = 0\nspace_out_mib = 0\n";
        std::fs::write(&self.settings, format!("{text}{marks}")).unwrap();
        self.kill();
        self.start();
    }

    /// Between late posts of a channel, from the next start on.
    pub fn spacing(&self, spacing: &str) {
        self.change("catch_up_spacing", "1ms", spacing);
    }

    /// How long a call may take, from the next start on.
    pub fn deadline(&self, deadline: &str) {
        self.change("deadline", "700ms", deadline);
    }

    fn change(&self, name: &str, usual: &str, to: &str) {
        let text = std::fs::read_to_string(&self.settings).unwrap();
        let usual = format!("\n{name} = \"{usual}\"\n");
        assert!(text.contains(&usual));
        std::fs::write(&self.settings, text.replace(&usual, &format!("\n{name} = \"{to}\"\n")))
            .unwrap();
    }

    /// More settings, from the next start on.
    pub fn add_settings(&self, more: &str) {
        let text = std::fs::read_to_string(&self.settings).unwrap();
        std::fs::write(&self.settings, format!("{text}{more}")).unwrap();
    }

    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Runs the program once, on this server's folder and settings.
    pub fn run(&self, args: &[&str]) -> std::process::Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_carillon"));
        command.args(args).arg("--data").arg(&self.data).arg("--config").arg(&self.settings);
        command.output().unwrap()
    }

    pub fn kill(&mut self) {
        self.process.take().unwrap().kill();
    }

    /// SIGTERM, and the end of the process within its time.
    pub fn stop(&mut self) -> std::process::ExitStatus {
        let mut process = self.process.take().unwrap();
        process.terminate();
        process.wait(Duration::from_secs(20))
    }

    pub async fn verb(
        &self,
        noun: &str,
        verb: &str,
        workspace: Option<&str>,
        args: Value,
    ) -> Value {
        let mut question = json!({ "noun": noun, "verb": verb, "args": args });
        if let Some(workspace) = workspace {
            question["workspace"] = json!(workspace);
        }
        ask(&self.socket(), &question).await
    }
}

async fn ask(socket: &Path, question: &Value) -> Value {
    let (status, body) = carillon::http::ask_admin(socket, question).await.unwrap();
    let answer: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(status, 200, "{question} {answer}");
    answer
}
