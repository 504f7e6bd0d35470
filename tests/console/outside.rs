//! The real binary in a real terminal, on this machine and through a real sshd: what an
//! administrator does, and that the terminal is well afterwards.

use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use carillon::base::{Clock, SystemClock};
use carillon::practice::mastodon::Settings;
use carillon::practice::{Act, Fault, Matcher, World, x};
use serde_json::Value;
use support::{Carillon, Tool};

use crate::tmux::Tmux;

const BINARY: &str = env!("CARGO_BIN_EXE_carillon");
/// It asks to be called by its whole path.
const SSHD: &str = "/usr/sbin/sshd";
const TOKEN: &str = "a-token-of-the-practice";
/// Of our application at X, since the one before ended.
const NEW_SECRET: &str = "the-new-secret";

fn carillon() -> Command {
    let mut command = Command::new(BINARY);
    command.env_remove("CARILLON_SOCKET").env_remove("CARILLON_CONFIG");
    command
}

/// A server with a practice Mastodon beside it, and one post of each kind of trouble.
pub struct Troubled {
    folder: tempfile::TempDir,
    pub process: Carillon,
    socket: PathBuf,
    held: String,
    failed: String,
    channel: String,
    _practice: tokio::runtime::Runtime,
}

impl Troubled {
    fn start() -> Self {
        let practice = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let listener =
            practice.block_on(tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).unwrap();
        let at = listener.local_addr().unwrap();
        let mut world = World::new(1);
        world.add_mastodon("practice", Settings::new(&format!("http://{at}/practice")));
        world.add_account("practice", "ann", TOKEN, "read write").unwrap();
        world.add_x("x", x::Settings::new(&format!("http://{at}/x")));
        world.x("x").unwrap().authority.add_app("our-app", NEW_SECRET, "https://x.invalid/");
        world.add_fault(Fault {
            on: Matcher::Write,
            host: None,
            times: 1,
            act: Act::ErrorBefore { status: 422 },
        });
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let serving = carillon::practice::serve(
            listener,
            Arc::new(Mutex::new(world)),
            clock,
            std::future::pending(),
        );
        drop(practice.spawn(serving));
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("data/admin.sock");
        let process = serve(folder.path(), &at.to_string());
        let mut house = Self {
            folder,
            process,
            socket,
            held: String::new(),
            failed: String::new(),
            channel: String::new(),
            _practice: practice,
        };
        house.fill(&at.to_string());
        house
    }

    /// One post held because it is late, one failed because it was refused, one channel paused.
    fn fill(&mut self, practice: &str) {
        self.json(&["workspace", "create", "Acme"]);
        let feed =
            self.json(&["channel", "add", "-w", "acme", "--network", "feed", "--name", "News"]);
        let token = self.folder.path().join("token");
        std::fs::write(&token, TOKEN).unwrap();
        let mastodon = self.json(&[
            "channel",
            "add",
            "-w",
            "acme",
            "--network",
            "mastodon",
            "--name",
            "Us",
            "--instance",
            &format!("http://{practice}/practice"),
            "--token-file",
            token.to_str().unwrap(),
        ]);
        let id = |value: &Value| value["id"].as_str().unwrap().to_owned();
        let post = |channel: &str, text: &str| {
            let post = self.json(&[
                "post",
                "create",
                "-w",
                "acme",
                "--channel",
                channel,
                "--text",
                text,
                "--now",
            ]);
            post["deliveries"][0]["id"].as_str().unwrap().to_owned()
        };
        let failed = post(&id(&mastodon), "This was refused");
        self.until(&failed, "failed");
        self.json(&["publishing", "pause"]);
        let held = post(&id(&feed), "This came too late");
        std::thread::sleep(Duration::from_millis(16_500));
        self.json(&["publishing", "resume"]);
        self.until(&held, "held");
        self.json(&["channel", "pause", "-w", "acme", &id(&feed)]);
        let secret = token.to_str().unwrap();
        self.json(&["app", "set", "x", "--client-id", "our-app", "--client-secret-file", secret]);
        let asked =
            carillon().arg("--socket").arg(&self.socket).args(["app", "test", "x"]).output();
        assert!(!asked.unwrap().status.success(), "X does not know it any more");
        (self.held, self.failed, self.channel) = (held, failed, id(&feed));
    }

    fn json(&self, args: &[&str]) -> Value {
        let output =
            carillon().arg("--socket").arg(&self.socket).args(args).arg("--json").output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stdout));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn until(&self, delivery: &str, state: &str) {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let shown = self.json(&["delivery", "show", "-w", "acme", delivery]);
            if shown["state"] == state {
                return;
            }
            assert!(Instant::now() < deadline, "not {state}: {shown}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// What a shell runs for the console.
    fn console(&self) -> String {
        format!("{BINARY} --socket {} console", self.socket.display())
    }
}

fn serve(folder: &Path, allow: &str) -> Carillon {
    let mut command = carillon();
    command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(folder.join("data"));
    command.env("CARILLON_OUTBOUND__ALLOW", allow).env("CARILLON_PUBLISH__GRACE", "15s");
    command.env("CARILLON_NETWORKS__X__API_URL", format!("http://{allow}/x"));
    let mut process = Carillon::start(&mut command);
    process.wait_until("says ready", Duration::from_secs(20), |line| {
        line.contains("\"message\":\"ready\"")
    });
    process
}

/// Resolves what is held, tries again what failed, resumes a channel, gives an application its new
/// secret, and detaches.
fn a_morning(house: &Troubled, tmux: &Tmux) {
    tmux.wait_for("needs a person");
    tmux.type_in("5");
    tmux.wait_for("paused");
    tmux.type_in("/feed");
    tmux.key("Enter");
    tmux.type_in("p");
    tmux.wait_for("done: it goes on");
    tmux.type_in("4");
    tmux.wait_for("missed");
    tmux.wait_for("r sends it now");
    tmux.type_in("r");
    tmux.wait_for("done: sent again");
    house.until(&house.held, "published");
    tmux.wait("the other one", |text| !text.contains("missed"));
    tmux.wait_for("This was refused");
    tmux.key("Enter");
    tmux.wait_for("attempts");
    tmux.type_in("r");
    tmux.wait_for("done: sent again");
    house.until(&house.failed, "published");
    tmux.wait_for("Nothing waits for a person.");
    let channel = house.json(&["channel", "show", "-w", "acme", &house.channel]);
    assert_eq!(channel["paused"], false);
    tmux.type_in("6");
    tmux.wait_for("does not know our application: x");
    tmux.type_in("/application");
    tmux.key("Enter");
    tmux.key("Enter");
    tmux.wait_for("refused");
    tmux.type_in("/network:x");
    tmux.key("Enter");
    tmux.wait_for("not known");
    tmux.type_in("R");
    tmux.wait_for("another secret for x");
    tmux.type_in(NEW_SECRET);
    tmux.wait_for("**************");
    tmux.key("Enter");
    tmux.wait_for("done: x has another secret");
    tmux.type_in("t");
    tmux.wait_for("done: the test of our application at x");
    tmux.wait_for("nothing to do");
    assert!(!tmux.text().contains(NEW_SECRET) && !tmux.text().contains("our-app"));
    with_the_mouse(tmux);
    tmux.type_in("q");
    tmux.wait_for("detached; the server keeps running");
    tmux.is_restored();
    assert_eq!(house.json(&["status"])["waits_for_a_person"]["held"], 0);
}

#[test]
fn an_administrator_puts_things_right_in_a_terminal() {
    if !Tool::Program("tmux").available_or_skip() {
        return;
    }
    let mut house = Troubled::start();
    let tmux = Tmux::new((80, 24));
    tmux.shell(&house.console());
    a_morning(&house, &tmux);
    // Resizes to anything and back, on the way to the server's end.
    tmux.shell(&house.console());
    tmux.wait_for("needs a person");
    for size in [(60, 15), (20, 5), (200, 50), (80, 24)] {
        tmux.resize(size);
    }
    tmux.wait_for("needs a person");
    with_the_mouse(&tmux);
    house.process.kill();
    tmux.wait_for("the connection to the server is lost");
    tmux.key("C-c");
    tmux.is_restored();
}

/// A click on another screen's name, as a terminal tells it once it was asked to.
fn with_the_mouse(tmux: &Tmux) {
    assert_eq!(tmux.about("#{mouse_any_flag}"), "0");
    tmux.type_in(":mouse on");
    tmux.key("Enter");
    tmux.wait("the mouse", |_| tmux.about("#{mouse_any_flag}") == "1");
    tmux.wait_for("a click chooses");
    tmux.type_in("\u{1b}[<0;10;2M");
    tmux.wait_for("[2 Queue]");
}

#[test]
fn a_server_that_stops_says_so_and_shows_the_same_screen_when_it_is_back() {
    if !Tool::Program("tmux").available_or_skip() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut process = serve(folder.path(), "127.0.0.1:9");
    let socket = folder.path().join("data/admin.sock");
    let tmux = Tmux::new((80, 24));
    tmux.shell(&format!("{BINARY} --socket {} console", socket.display()));
    tmux.wait_for("first steps");
    // The newcomer's way: the next step is typed for them.
    tmux.type_in("n");
    tmux.type_in("Bakery");
    tmux.key("Enter");
    tmux.wait_for("done: workspace create");
    // It is among what is shown, too.
    tmux.wait_for("\u{2713}");
    tmux.type_in("n");
    tmux.wait_for("channel add --network feed --name News -w bakery");
    tmux.key("Enter");
    tmux.wait_for("connected");
    tmux.key("Escape");
    // Before the next key, or the two are one.
    tmux.wait("the answer to be gone", |text| !text.contains("types:"));
    tmux.type_in("8");
    tmux.wait_for("[8 Jobs]");
    process.terminate();
    tmux.wait_for("the server stops; waiting a minute");
    assert_eq!(tmux.about("#{alternate_on} #{cursor_flag}"), "0 1", "a shell's screen meanwhile");
    process.wait(Duration::from_secs(20));
    // A new one on the same data: the same screen, and keys go to it.
    let mut process = serve(folder.path(), "127.0.0.1:9");
    tmux.wait_for("[8 Jobs]");
    tmux.type_in("5");
    tmux.wait_for("[5 Chan]");
    // And after a crash.
    process.kill();
    tmux.wait_for("the connection to the server is lost");
    let mut process = serve(folder.path(), "127.0.0.1:9");
    tmux.wait_for("[5 Chan]");
    process.kill();
    // The first time is still on the shell's screen.
    tmux.wait("that it is lost again", |text| {
        text.matches("the connection to the server is lost").count() == 2
    });
    tmux.key("C-c");
    tmux.is_restored();
}

/// `serve --console` has it in the same terminal; what is left of it is a server without one.
#[test]
fn a_server_shows_its_own_console() {
    if !Tool::Program("tmux").available_or_skip() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let tmux = Tmux::new((80, 24));
    let data = folder.path().join("data");
    tmux.shell(&format!("{BINARY} serve --listen 127.0.0.1:0 --console --data {}", data.display()));
    tmux.wait_for("first steps");
    tmux.type_in("9");
    tmux.wait_for("ready");
    tmux.type_in("q");
    tmux.wait_for("ctrl-c stops it");
    tmux.key("C-c");
    tmux.is_restored();
}

/// The system's own ssh, to a server of its own on loopback.
struct Sshd {
    folder: tempfile::TempDir,
    process: Child,
    port: u16,
}

impl Sshd {
    /// With what is packaged, or what became of that.
    fn start(of_packaged: impl Fn(String) -> String) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for name in ["host", "own"] {
            let made = Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-f"])
                .arg(path(name))
                .status()
                .unwrap();
            assert!(made.success());
        }
        std::fs::copy(path("own.pub"), path("authorized")).unwrap();
        // Where sshd confines itself before anybody has signed in; only root needs it.
        drop(std::fs::create_dir_all("/run/sshd"));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {}\nAuthorizedKeysFile {}\nStrictModes no\n\
             PidFile none\nUsePAM no\nPasswordAuthentication no\nPermitRootLogin prohibit-password\n",
            path("host").display(),
            path("authorized").display(),
        );
        // What is packaged must be something that sshd starts with.
        let packaged = support::repo_root().join("packaging/ssh/carillon-console.conf");
        let config = config + &of_packaged(std::fs::read_to_string(packaged).unwrap());
        std::fs::write(path("config"), config).unwrap();
        let process = Command::new(SSHD)
            .args(["-D", "-e", "-f"])
            .arg(path("config"))
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let deadline = Instant::now() + Duration::from_secs(20);
        while std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            assert!(Instant::now() < deadline, "sshd does not listen");
            std::thread::sleep(Duration::from_millis(50));
        }
        Self { folder, process, port }
    }

    /// A configuration for ssh in which this server is called `vps`.
    fn client(&self) -> PathBuf {
        let path = self.folder.path().join("client");
        let user = Command::new("id").arg("-un").output().unwrap().stdout;
        let config = format!(
            "Host vps\n HostName 127.0.0.1\n Port {}\n User {}\n IdentityFile {}\n IdentitiesOnly yes\n\
             \n StrictHostKeyChecking no\n UserKnownHostsFile /dev/null\n LogLevel ERROR\n",
            self.port,
            String::from_utf8_lossy(&user).trim(),
            self.folder.path().join("own").display(),
        );
        std::fs::write(&path, config).unwrap();
        path
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// Whoever is of the packaged group gets the console, whatever they ask for, and no way past it.
fn only_a_console(house: &Troubled) {
    let group = Command::new("id").arg("-gn").output().unwrap().stdout;
    let group = String::from_utf8(group).unwrap();
    let sshd = Sshd::start(|packaged| {
        let packaged =
            packaged.replace("Group carillon-console", &format!("Group {}", group.trim()));
        let command = "/usr/bin/carillon --socket /var/lib/carillon/admin.sock console";
        assert!(packaged.contains(command));
        packaged.replace(command, &format!("{} --plain", house.console()))
    });
    let ssh = |words: &[&str]| {
        let mut ssh = Command::new("ssh")
            .arg("-F")
            .arg(sshd.client())
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(std::io::Write::write_all(ssh.stdin.as_mut().unwrap(), b"4\n0\n"));
        let output = ssh.wait_with_output().unwrap();
        [output.stdout, output.stderr]
            .map(|said| String::from_utf8_lossy(&said).into_owned())
            .concat()
    };
    for words in [["vps", "--"].as_slice(), &["vps", "echo not-$((40+2))"]] {
        let said = ssh(words);
        assert!(said.contains("for a person  2 in 2 groups") && !said.contains("not-42"), "{said}");
    }
    let port = sshd.port;
    let said = ssh(&["-W", &format!("127.0.0.1:{port}"), "vps"]);
    assert!(said.contains("prohibited") || said.contains("forwarding failed"), "{said}");
}

/// A terminal without colours, without more than ASCII, a small one, one that only looks, one that
/// reads lines aloud, and a file that is saved.
#[test]
fn what_a_terminal_asks_for_is_what_it_gets() {
    if !Tool::Program("tmux").available_or_skip() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let process = serve(folder.path(), "127.0.0.1:9");
    let console =
        format!("{BINARY} --socket {} console", folder.path().join("data/admin.sock").display());
    let tmux = Tmux::new((80, 24));
    let saved = folder.path().join("saved");
    std::fs::create_dir(&saved).unwrap();
    tmux.shell(&format!("cd {}", saved.display()));
    let leave = || {
        tmux.type_in("q");
        tmux.wait_for("detached");
        tmux.is_asked();
        tmux.shell("clear");
        tmux.wait("a clear screen", |text| text.trim() == "ready>");
    };
    // One of the sixteen; 39 and 49 are none.
    let colours: Vec<String> =
        (30..38).chain(90..98).map(|colour| format!("\u{1b}[{colour}m")).collect();
    let coloured = |text: &str| colours.iter().any(|colour| text.contains(colour));
    tmux.shell(&format!("{console} --screen jobs"));
    tmux.wait_for("[8 Jobs]");
    let seen = tmux.coloured();
    assert!(coloured(&seen) && !seen.contains("[38;"), "the sixteen of the terminal: {seen:?}");
    leave();
    tmux.shell(&format!("NO_COLOR=1 {console} --screen jobs"));
    tmux.wait_for("[8 Jobs]");
    assert!(!coloured(&tmux.coloured()), "{:?}", tmux.coloured());
    leave();
    tmux.shell(&format!("LANG=C {console} --readonly"));
    tmux.wait_for("(looks only)");
    tmux.resize((60, 15));
    tmux.wait("a small one", |text| {
        text.contains("? help  q detach") && text.lines().count() <= 15
    });
    assert!(tmux.text().is_ascii(), "{}", tmux.text());
    tmux.type_in(":publishing pause");
    tmux.key("Enter");
    tmux.wait_for("only looks");
    tmux.key("Escape");
    tmux.wait("the palette to be gone", |text| text.contains("first steps"));
    tmux.resize((80, 24));
    leave();
    // What the log lists becomes a file of whoever sits there.
    tmux.shell(&format!("{console} --screen logs"));
    tmux.wait_for("[9 Logs]");
    tmux.type_in("E");
    tmux.wait_for("saved: ");
    let files: Vec<PathBuf> =
        std::fs::read_dir(&saved).unwrap().map(|entry| entry.unwrap().path()).collect();
    let text = std::fs::read_to_string(&files[0]).unwrap();
    assert!(files.len() == 1 && text.contains("daemon::serve ready"), "{files:?} {text}");
    leave();
    // Lines, with a question that is answered by its word.
    tmux.shell(&format!("{console} --plain"));
    tmux.wait_for("0 leave");
    for (line, answer) in [
        ("alerts", "there is no backup"),
        ("P", "yes to pause, anything else keeps everything"),
        ("yes", "now: all paused"),
        (":alert list", "id: paused"),
        ("0", "ready>"),
    ] {
        tmux.type_in(line);
        tmux.key("Enter");
        tmux.wait_for(answer);
    }
    assert_eq!(tmux.about("#{alternate_on} #{cursor_flag}"), "0 1");
    process.terminate();
}

#[test]
fn an_administrator_puts_things_right_over_ssh() {
    let tools = [Tool::Program("tmux"), Tool::Program("ssh"), Tool::Program("ssh-keygen")];
    if !tools.into_iter().all(Tool::available_or_skip) {
        return;
    }
    if !Path::new(SSHD).is_file() {
        support::skip("no sshd on this machine");
        return;
    }
    let mut house = Troubled::start();
    let sshd = Sshd::start(|packaged| packaged);
    let client = sshd.client();
    only_a_console(&house);
    let tmux = Tmux::new((80, 24));
    // Programs that ask for UTF-8 are told so here; sshd passes no LANG on.
    let remote = format!("LANG=C.UTF-8 {}", house.console());
    tmux.shell(&format!("ssh -F {} -t vps '{remote}'", client.display()));
    a_morning(&house, &tmux);
    // `connect` does the same; its ssh is the one that is found first.
    let own = sshd.folder.path().join("ssh");
    let script = format!("#!/bin/sh\nexec /usr/bin/ssh -F {} \"$@\"\n", client.display());
    std::fs::write(&own, script).unwrap();
    std::fs::set_permissions(&own, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = sshd.folder.path().display();
    tmux.shell(&format!("PATH={path}:$PATH {BINARY} connect vps {remote} --screen jobs"));
    tmux.wait_for("[8 Jobs]");
    tmux.type_in("q");
    tmux.wait_for("detached; the server keeps running");
    tmux.is_restored();
    tmux.shell(&format!("ssh -F {} -t vps '{remote}'", client.display()));
    tmux.wait_for("needs a person");
    house.process.kill();
    tmux.wait_for("the connection to the server is lost");
    tmux.key("C-c");
    tmux.is_restored();
    // `connect` says when ssh fails.
    tmux.shell(&format!("{BINARY} connect vps.invalid; echo code-$?"));
    tmux.wait_for("code-255");
}
