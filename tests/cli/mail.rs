//! Mail, through the real binary: what is suspicious is written about by the server itself; over TLS and with a
//! password, to a mail server that others wrote. The password is told nowhere.

use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::smtp::{Mail, Smtp};
use support::{Carillon, Tool, repo_root};

use crate::program::{Server, carillon};

const SOON: Duration = Duration::from_secs(30);
const PASSWORD: &str = "canary-of-the-mail-server";

/// A file of settings with a mail server.
fn config(folder: &Path, mail: &str) -> String {
    let path = folder.join("c.toml");
    let log = "[log]\nlevel = \"trace\"\n";
    std::fs::write(&path, format!("[mail]\n{mail}\nfrom = \"c@carillon.example\"\n{log}")).unwrap();
    path.to_str().unwrap().to_owned()
}

fn until<T>(what: &str, mut it: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + SOON;
    loop {
        if let Some(it) = it() {
            return it;
        }
        assert!(Instant::now() < deadline, "no {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn people_are_written_to_by_the_server_itself() {
    let smtp = Smtp::start();
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), &format!("server = \"smtp://{}\"", smtp.address));
    let mut server = Server::start(&["--config", &config]);
    let tried = server.json(&["mail", "test", "anybody@example.org"]);
    assert_eq!((&tried["result"], smtp.mails().len()), (&json!("taken"), 1));
    smtp.answer("gone@example.org", "550 no such user");
    let (exit, said) = server.fails(&["mail", "test", "gone@example.org"]);
    assert!(exit == 1 && said.contains("mail_failed") && said.contains("no such user"), "{said}");

    server.json(&["workspace", "create", "Acme"]);
    let password = folder.path().join("password");
    std::fs::write(&password, "correct horse battery\n").unwrap();
    let password = password.to_str().unwrap();
    for (email, role) in [("ann@example.org", "owner"), ("ben@example.org", "editor")] {
        server.json(&["user", "create", email, "--password-file", password]);
        server.json(&["member", "add", email, "--role", role, "-w", "acme"]);
    }
    // Whoever makes an owner may be somebody else: the owners are told.
    let members = server.json(&["member", "list", "-w", "acme"]);
    let editor = members["items"].as_array().unwrap().iter().find(|m| m["role"] == "editor");
    let ben = editor.unwrap()["user"].as_str().unwrap();
    let raised = ["member", "set-role", ben, "owner", "-w", "acme"];
    server.json(&raised);
    let to = |whom: &str| smtp.mails().into_iter().find(|mail| mail.to == whom);
    let letter: Mail = until("letter to the owner", || to("ann@example.org"));
    assert!(letter.data.contains("ben@example.org) is an owner now."), "{}", letter.data);
    until("letter to the other one", || to("ben@example.org"));

    // Once a round is over, nothing of it is told again, not even by a server that starts anew.
    let job = |server: &Server, runs: u64| {
        until("round of the job", || {
            let jobs = server.json(&["job", "list"]);
            let job = jobs["items"].as_array()?.iter().find(|job| job["name"] == "mail")?.clone();
            (job["runs"].as_u64()? > runs).then_some(job)
        })
    };
    let now = job(&server, 0)["runs"].as_u64().unwrap();
    job(&server, now);
    let count = smtp.mails().len();
    server.kill_and_start(&["--config", &config]);
    let job = job(&server, 1);
    assert_eq!((&job["failed"], smtp.mails().len()), (&Value::Null, count));
    for line in server.process.stdout() {
        assert!(!line.contains("ann@example.org"), "no address stands in the log: {line}");
    }
}

/// `carillon serve` that trusts the authority of the other mail server.
fn trusting(folder: &Path, config: &str) -> Carillon {
    let mut command = carillon();
    command.args(["serve", "--listen", "127.0.0.1:0", "--config", config, "--data"]);
    command.arg(folder.join("data")).env("SSL_CERT_FILE", folder.join("ca.pem"));
    let mut process = Carillon::start(&mut command);
    process.wait_until("says ready", SOON, |line| line.contains("\"message\":\"ready\""));
    process
}

fn verb(folder: &Path, args: &[&str]) -> Output {
    let mut command = carillon();
    command.arg("--socket").arg(folder.join("data/admin.sock")).args(args).arg("--json");
    command.output().unwrap()
}

/// `0.0.0.0` leads to this machine, and is not taken for it here: so that STARTTLS is asked for.
#[test]
fn a_mail_server_of_others_takes_letters_over_tls_from_who_knows_the_password() {
    if !Tool::PythonModule("aiosmtpd").available_or_skip()
        || !Tool::PythonModule("trustme").available_or_skip()
    {
        return;
    }
    for (kind, host) in [("smtps", "localhost"), ("smtp", "0.0.0.0")] {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let script = repo_root().join("tests/cli/mail.py");
        let mut other = Command::new("python3");
        other.arg(script).args([kind, PASSWORD]).arg(folder);
        let mut other = Carillon::start(&mut other);
        let port = other.wait_for("port ", SOON);
        let port = port.strip_prefix("port ").unwrap();
        let password = folder.join("password");
        std::fs::write(&password, format!("{PASSWORD}\n")).unwrap();
        let config = config(
            folder,
            &format!(
                "server = \"{kind}://{host}:{port}\"\nuser = \"carillon\"\npassword_file = {password:?}"
            ),
        );
        let mut server = trusting(folder, &config);
        let tried = verb(folder, &["mail", "test", "ann@example.org"]);
        assert!(tried.status.success(), "{kind}: {tried:?}");
        let letter = other.wait_for("{", SOON);
        let letter: Value = serde_json::from_str(&letter).unwrap();
        assert_eq!(letter["subject"], "Carillon can write to you", "{letter}");
        assert_eq!((&letter["tls"], &letter["defects"]), (&json!(true), &json!([])), "{letter}");
        assert_eq!(letter["from"], "c@carillon.example");

        // The doctor asks it, too; who does not trust the authority, or has another password, is told.
        let doctor = |trusts: bool| {
            let mut doctor = carillon();
            doctor.args(["doctor", "--json", "--config", &config, "--data"]);
            doctor.arg(folder.join("data"));
            if trusts {
                doctor.env("SSL_CERT_FILE", folder.join("ca.pem"));
            }
            let told: Value = serde_json::from_slice(&doctor.output().unwrap().stdout).unwrap();
            let items = told["items"].as_array().unwrap().clone();
            let mail = items.into_iter().find(|item| item["check"] == "mail").unwrap();
            (mail["level"].as_str().unwrap().to_owned(), mail["seen"].to_string())
        };
        assert_eq!(doctor(true).0, "ok", "{:?}", doctor(true));
        assert_eq!(doctor(false).0, "fail");
        std::fs::write(&password, "another\n").unwrap();
        let (level, seen) = doctor(true);
        assert!(level == "fail" && seen.contains("535"), "{seen}");
        let logged = server.stdout().join("\n");
        assert!(!logged.contains(PASSWORD) && !logged.contains("ann@example.org"), "{logged}");
    }
}

#[test]
fn settings_that_do_not_go_together_stop_a_start_and_say_which() {
    let folder = tempfile::tempdir().unwrap();
    for (mail, missing) in [
        ("server = \"smtps://mail.example.com\"", "mail.from"),
        (
            "server = \"smtps://mail.example.com\"\nfrom = \"c@example.com\"\nuser = \"c\"",
            "mail.password_file",
        ),
        ("server = \"https://mail.example.com\"", "smtps://"),
        ("server = \"smtp://c:secret@mail.example.com\"", "a file of their own"),
        ("from = \"Carillon <c@example.com>\"", "without a name"),
        ("[networks.x]\napi_url = \"http://10.0.0.1\"", "networks.x.api_url"),
    ] {
        let path = folder.path().join("c.toml");
        std::fs::write(&path, format!("[mail]\n{mail}\n")).unwrap();
        let mut serve = carillon();
        serve.args(["serve", "--listen", "127.0.0.1:0", "--config"]).arg(&path);
        let output = serve.arg("--data").arg(folder.path().join("data")).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(missing), "{mail}: {said}");
        assert!(!said.contains("secret@"), "{said}");
        // The check says the same before, but for a secret: the unit may have that as a credential.
        if missing == "mail.password_file" {
            continue;
        }
        let check = carillon().args(["config", "check", "--config"]).arg(&path).output().unwrap();
        assert_eq!(check.status.code(), Some(2), "{mail}");
        let said = String::from_utf8_lossy(&check.stderr).into_owned();
        assert!(said.contains(missing), "{mail}: {said}");
    }
}
