//! Settings, the doctor, completions and the manual: what works without a server, and what changes
//! in a running one.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;
use support::Tool;

use crate::program::{Server, carillon};

pub fn said(output: &Output) -> String {
    String::from_utf8([output.stdout.clone(), output.stderr.clone()].concat()).unwrap()
}

fn json(command: &mut Command) -> Value {
    let output = command.arg("--json").output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn each_value_comes_with_where_it_was_said() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("c.toml");
    std::fs::write(&file, "[publish]\ntotal = 9\nper_network = 3\n[log]\nlevel = \"warn\"\n")
        .unwrap();
    let shown = json(
        carillon()
            .args(["config", "show", "--log-level", "debug", "--config"])
            .arg(&file)
            .env("CARILLON_PUBLISH__PER_NETWORK", "4"),
    );
    let row = |key: &str| {
        let items = shown["items"].as_array().unwrap();
        let row = items.iter().find(|row| row["key"] == key).unwrap();
        (row["value"].as_str().unwrap().to_owned(), row["source"].as_str().unwrap().to_owned())
    };
    assert_eq!(row("publish.total"), ("9".to_owned(), format!("file {}:2", file.display())));
    let variable = "variable CARILLON_PUBLISH__PER_NETWORK".to_owned();
    assert_eq!(row("publish.per_network"), ("4".to_owned(), variable));
    assert_eq!(row("log.level"), ("\"debug\"".to_owned(), "flag for log.level".to_owned()));
    assert_eq!(row("store.cache_mib"), ("16".to_owned(), "default".to_owned()));
}

#[test]
fn a_setting_is_explained_and_a_slip_is_seen() {
    let told = json(carillon().args(["config", "explain", "publish.per_network"]));
    assert_eq!(told["default"], "8");
    assert_eq!(told["variable"], "CARILLON_PUBLISH__PER_NETWORK");
    assert!(told["takes"].as_str().unwrap().ends_with("from 1 to 256"), "{told}");
    assert!(told["change"].as_str().unwrap().contains("reload"), "{told}");
    let told = json(carillon().args(["config", "explain", "server.listen"]));
    assert!(told["change"].as_str().unwrap().contains("restart"), "{told}");
    let output = carillon().args(["config", "explain", "publish.pre_network"]).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(said(&output).contains("`publish.per_network`"), "{}", said(&output));
}

#[test]
fn a_section_is_explained_key_by_key() {
    let keys = |section: &str| {
        let told = json(carillon().args(["config", "explain", section]));
        let items = told["items"].as_array().unwrap_or_else(|| panic!("{told}")).clone();
        assert!(items.iter().all(|item| item["about"].is_string()), "{told}");
        items.iter().map(|item| item["key"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let mail = keys("mail");
    assert!(mail.len() > 2 && mail.iter().all(|key| key.starts_with("mail.")), "{mail:?}");
    let (x, networks) = (keys("networks.x"), keys("networks"));
    assert!(!x.is_empty() && x.len() < networks.len(), "{networks:?}");
    assert!(x.iter().all(|key| networks.contains(key)), "{networks:?}");
    let output = carillon().args(["config", "explain", "mail"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.matches("key: mail.").count(), mail.len(), "{text}");
    assert_eq!(text.split("\n\n").count(), mail.len(), "{text}");
    // A piece of a section's name is none.
    let output = carillon().args(["config", "explain", "mai"]).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
}

#[test]
fn every_mistake_is_found_at_once_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("c.toml");
    std::fs::write(&file, "[publish]\ntotal = 0\nderadline = \"1s\"\n").unwrap();
    let check = |more: &[&str]| {
        let mut command = carillon();
        command.args(["config", "check", "--config"]).arg(&file).args(more).output().unwrap()
    };
    let output = check(&["--listen", "here"]);
    assert_eq!(output.status.code(), Some(2));
    let text = said(&output);
    for part in ["c.toml:2:9", "from 1 to 1024", "c.toml:3:1", "did you mean `deadline`", "listen"]
    {
        assert!(text.contains(part), "no {part} in {text}");
    }
    std::fs::write(&file, "[publish]\ntotal = 4\n").unwrap();
    let output = check(&[]);
    assert!(output.status.success() && said(&output).contains("unwise: publish.per_network"));
    let example = carillon().args(["config", "example"]).output().unwrap();
    std::fs::write(&file, example.stdout).unwrap();
    assert!(check(&[]).status.success());
}

/// A server with this file, which can be changed.
fn server_with(folder: &Path, text: &str) -> (Server, std::path::PathBuf) {
    let file = folder.join("c.toml");
    std::fs::write(&file, text).unwrap();
    (Server::start(&["--config", file.to_str().unwrap()]), file)
}

#[test]
fn what_can_change_while_it_runs_does() {
    let folder = tempfile::tempdir().unwrap();
    let (mut server, file) = server_with(folder.path(), "[log]\nlevel = \"info\"\n");
    assert_eq!(server.json(&["config", "reload"])["applied"], serde_json::json!([]));
    std::fs::write(
        &file,
        "[publish]\ntotal = 2\n[store]\ncache_mib = 8\n[log]\nlevel = \"debug\"\n",
    )
    .unwrap();
    let reloaded = server.json(&["config", "reload"]);
    let expected = serde_json::json!({
        "applied": ["publish.total = 2", "log.level = \"debug\""],
        "needs_restart": ["store.cache_mib = 8"],
    });
    assert_eq!(reloaded, expected);
    // What needs a restart is said until there was one; the rest counts already.
    let again = server.json(&["config", "reload"]);
    assert_eq!(again["applied"], serde_json::json!([]));
    assert_eq!(again["needs_restart"], expected["needs_restart"]);
    std::fs::write(&file, "[publish]\ntotal = 0\n").unwrap();
    for verb in ["preview", "reload"] {
        let (code, said) = server.fails(&["config", verb]);
        assert!(code == 2 && said.contains("error[settings_refused]"), "{said}");
        assert!(said.contains("publish.total"), "{said}");
    }
    a_value_is_tried_and_nothing_changes(&server, &file);
    // A signal is as good as the verb.
    std::fs::write(&file, "[log]\nlevel = \"info\"\n").unwrap();
    server.process.hang_up();
    let line = server.process.wait_until("reads again", Duration::from_secs(10), |line| {
        line.contains("settings read again") && line.contains("publish.total = 64")
    });
    assert!(line.contains("log.level"), "{line}");
    assert_eq!(server.json(&["status"])["store"], "ok");
}

fn a_value_is_tried_and_nothing_changes(server: &Server, file: &Path) {
    let text = "[publish]\ntotal = 3\n";
    std::fs::write(file, text).unwrap();
    let preview = server.json(&["config", "preview"]);
    assert_eq!(
        preview["applied"],
        serde_json::json!(["publish.total = 3", "log.level = \"info\""])
    );
    assert_eq!(server.json(&["config", "preview"]), preview, "it was not applied");
    let tried = server.json(&["config", "try", "publish.total", "--to", "4"]);
    assert_eq!((&tried["value"], &tried["was"]), (&"4".into(), &"2".into()));
    assert_eq!(tried["then"], "carillon config reload");
    // What it says to run does it.
    let run = |line: &Value| {
        let line = line.as_str().unwrap().replacen("carillon", env!("CARGO_BIN_EXE_carillon"), 1);
        let done = Command::new("sh").args(["-c", &line]).output().unwrap();
        assert!(done.status.success(), "{line}: {}", said(&done));
    };
    assert_eq!(std::fs::read_to_string(file).unwrap(), text);
    run(&tried["shell"]);
    assert_eq!(std::fs::read_to_string(file).unwrap(), "[publish]\ntotal = 4\n");
    run(&server.json(&["config", "try", "publish.total"])["shell"]);
    assert_eq!(std::fs::read_to_string(file).unwrap(), "[publish]\n");
    for (key, to, says) in
        [("publish.total", "0", "from 1"), ("publish.deadline", "soon", "a duration")]
    {
        let (code, said) = server.fails(&["config", "try", key, "--to", to]);
        assert!(code == 2 && said.contains(says) && said.contains("`--to`"), "{said}");
    }
    assert!(server.fails(&["config", "try", "publish.totl"]).1.contains("config show"));
}

#[test]
fn the_log_level_can_be_set_and_lines_go_to_files() {
    let folder = tempfile::tempdir().unwrap();
    let logs = folder.path().join("logs");
    let text = format!("[log]\nlevel = \"warn\"\nfile = \"{}/c.jsonl\"\n", logs.display());
    let file = folder.path().join("c.toml");
    std::fs::write(&file, text).unwrap();
    let data = folder.path().join("data");
    let mut command = carillon();
    command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(&data);
    command.arg("--config").arg(&file);
    let mut process = support::Carillon::start(&mut command);
    let socket = data.join("admin.sock");
    let ask = |args: &[&str]| carillon().arg("--socket").arg(&socket).args(args).output().unwrap();
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while !ask(&["status"]).status.success() {
        assert!(std::time::Instant::now() < deadline);
    }
    // The second would be a target of that name, and silence all others.
    for wrong in ["loud=loud", "inof"] {
        let refused = ask(&["log", "level", wrong]);
        assert_eq!(refused.status.code(), Some(2), "{}", said(&refused));
    }
    assert!(ask(&["log", "level", "info"]).status.success());
    assert!(ask(&["status"]).status.success());
    process.terminate();
    assert!(process.wait(Duration::from_secs(20)).success());
    let names = std::fs::read_dir(&logs).unwrap().map(|e| e.unwrap().path());
    let text: String = names.map(|path| std::fs::read_to_string(path).unwrap()).collect();
    assert!(text.contains("log level set") && !text.contains("\"ready\""), "{text}");
    for line in text.lines() {
        serde_json::from_str::<Value>(line).unwrap();
    }
}

#[test]
fn the_identity_comes_from_a_credential_and_is_not_made_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let first = Server::start(&[]);
    let made = std::fs::read(first.folder.path().join("data/identity.txt")).unwrap();
    drop(first);
    let credentials = folder.path().join("credentials");
    std::fs::create_dir(&credentials).unwrap();
    std::fs::write(credentials.join("identity"), &made).unwrap();
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o400);
    std::fs::set_permissions(credentials.join("identity"), private).unwrap();
    let data = folder.path().join("data");
    let serve = |credentials: &Path| {
        let mut command = carillon();
        command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(&data);
        command.env("CREDENTIALS_DIRECTORY", credentials);
        command
    };
    let mut process = support::Carillon::start(&mut serve(&credentials));
    process.wait_until("says ready", Duration::from_secs(20), |line| line.contains("\"ready\""));
    assert!(!data.join("identity.txt").exists() && data.join("keyring.age").exists());
    process.terminate();
    assert!(process.wait(Duration::from_secs(20)).success());
    // Without it the secrets stay closed, and a file that is named must be there.
    let named = folder.path().join("elsewhere.txt");
    let output = serve(Path::new("")).env("CARILLON_SERVER__IDENTITY", &named).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("elsewhere.txt") && !named.exists(), "{}", said(&output));
}

#[test]
fn the_doctor_tells_a_healthy_server_from_a_stopped_and_a_broken_one() {
    let mut server = Server::start(&[]);
    let data = server.folder.path().join("data");
    let doctor = |more: &[&str]| {
        let mut command = carillon();
        command.args(["doctor", "--json", "--listen", "127.0.0.1:0", "--data"]).arg(&data);
        // One that does not end.
        command.env("CARILLON_NETWORKS__LINKEDIN__VERSION", "209912");
        let output = command.args(more).output().unwrap();
        let told: Value = serde_json::from_slice(&output.stdout).unwrap();
        (output.status.code().unwrap(), told)
    };
    let level = |told: &Value, check: &str| {
        let items = told["items"].as_array().unwrap();
        let item = items.iter().find(|item| item["check"] == check);
        item.unwrap_or_else(|| panic!("no {check}: {told:#}"))["level"].as_str().unwrap().to_owned()
    };
    let public = ["--public-url", "https://social.example.org"];
    let (code, told) = doctor(&public);
    for check in ["data folder", "identity", "database", "server", "clock", "held deliveries"] {
        assert_eq!(level(&told, check), "ok", "{told:#}");
    }
    assert_eq!(level(&told, "public address"), "ok");
    // Nobody said who could open a backup; and how full the disk of this machine is, is not ours.
    assert_eq!(level(&told, "backups"), "warn", "{told:#}");
    assert!(code == 1 || level(&told, "free space") != "ok", "{told:#}");
    server.process.terminate();
    assert!(server.process.wait(Duration::from_secs(20)).success());
    let (code, told) = doctor(&public);
    assert_eq!((level(&told, "server"), level(&told, "database")), ("warn".into(), "ok".into()));
    assert!(code >= 1);
    let (ring, away) = (data.join("keyring.age"), data.join("away"));
    std::fs::rename(&ring, &away).unwrap();
    let (code, told) = doctor(&public);
    assert_eq!((code, level(&told, "keyring")), (2, "fail".into()), "a start would not do without");
    std::fs::rename(&away, &ring).unwrap();
    std::fs::write(data.join("carillon.redb"), "not a database").unwrap();
    std::fs::remove_file(data.join("identity.txt")).unwrap();
    let (code, told) = doctor(&public);
    assert_eq!(code, 2);
    assert_eq!(
        (level(&told, "identity"), level(&told, "database")),
        ("fail".into(), "fail".into())
    );
    let text = carillon().args(["doctor", "--data"]).arg(&data).output().unwrap();
    assert!(said(&text).contains("do: bring it back"), "{}", said(&text));
}

/// A shell in which `CARILLON_SOCKET` says where a server is, and no settings say where its data are.
#[test]
fn the_doctor_names_the_socket_on_which_it_found_the_server() {
    let server = Server::start(&[]);
    let nowhere = server.folder.path().join("nowhere");
    let mut command = carillon();
    command.args(["doctor", "--data"]).arg(&nowhere).env("CARILLON_SOCKET", server.socket());
    let told = json(&mut command);
    let items = told["items"].as_array().unwrap();
    let found = items.iter().find(|item| item["check"] == "server").unwrap();
    assert_eq!(found["level"], "ok", "{told:#}");
    let socket = server.socket().to_str().unwrap();
    assert!(found["seen"].as_str().unwrap().ends_with(socket), "{found}");
}

/// The unit does not start again after 2: what is wrong stays wrong.
#[test]
fn settings_that_do_not_fit_end_a_server_as_wrong_ones_do() {
    let folder = tempfile::tempdir().unwrap();
    for (key, value, says) in [
        ("CARILLON_MAIL__SERVER", "smtp://mail.example", "mail.from"),
        ("CARILLON_BACKUP__RECIPIENTS", "age1zzz", "backup.recipients"),
        ("CARILLON_S3__BUCKET", "ours", "s3.bucket"),
    ] {
        let mut command = carillon();
        command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(folder.path());
        let output = command.env(key, value).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{}", said(&output));
        assert!(said(&output).contains(says), "{}", said(&output));
    }
}

#[test]
fn completions_are_scripts_and_pages_are_pages() {
    for (shell, checker) in [("bash", "bash"), ("zsh", "zsh"), ("fish", "fish")] {
        let output = carillon().args(["completions", shell]).output().unwrap();
        let script = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && script.contains("carillon"), "{shell}");
        // zsh and fish are rarely there, and nobody requires them.
        if (shell == "bash" && Tool::Program("bash").available_or_skip())
            || Tool::Program(checker).available()
        {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("script");
            std::fs::write(&file, script).unwrap();
            let checked = Command::new(checker).arg("-n").arg(&file).output().unwrap();
            assert!(checked.status.success(), "{shell}: {}", said(&checked));
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let man = folder.path().join("man1");
    assert!(carillon().arg("man").arg(&man).status().unwrap().success());
    let mut pages: Vec<_> = man.read_dir().unwrap().map(|e| e.unwrap().path()).collect();
    pages.sort();
    assert!(pages.len() > 40, "{pages:?}");
    for name in ["carillon.1", "carillon-channel-add.1", "carillon-config-explain.1"] {
        assert!(man.join(name).exists(), "{name}");
    }
    if Tool::Program("man").available_or_skip() {
        for page in &pages {
            let mut command = Command::new("man");
            let checked = command.args(["--warnings", "-l"]).arg(page).stdin(Stdio::null());
            let checked = checked.env("MANPAGER", "cat").env("LC_ALL", "C.UTF-8").output().unwrap();
            let warned = String::from_utf8_lossy(&checked.stderr).into_owned();
            assert!(checked.status.success() && warned.is_empty(), "{}: {warned}", page.display());
        }
    }
}

/// Runs a verb of `config` on a file.
fn config(file: &Path, args: &[&str]) -> Output {
    carillon().arg("config").args(args).arg("--config").arg(file).output().unwrap()
}

const COMMENTED: &str = "# Ours.\n[publish]\n# As slow as the line.\ndeadline = \"30s\" # for now\n\n\
                         #total = 64\n[log]\nlevel = 'info'\n";

#[test]
fn one_setting_is_read_and_changed_and_all_comments_stay() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("c.toml");
    std::fs::write(&file, COMMENTED).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
    let link = folder.path().join("link.toml");
    std::os::unix::fs::symlink(&file, &link).unwrap();
    for (key, value, told) in [
        ("publish.deadline", "20s", "publish.deadline = \"20s\""),
        ("publish.attempts", "3", "publish.attempts = 3"),
        ("outbound.allow", "a.example, b.example:81", "[\"a.example\", \"b.example:81\"]"),
        ("outbound.allow", "[\"a:1\", \"b\"]", "[\"a:1\", \"b\"]"),
        ("outbound.allow", "[::1]:9, b", "[\"[::1]:9\", \"b\"]"),
        ("server.data", "/srv/5", "server.data = \"/srv/5\""),
    ] {
        let output = config(&link, &["set", key, value]);
        assert!(output.status.success() && said(&output).contains(told), "{}", said(&output));
        let got = config(&file, &["get", key]);
        assert_eq!(String::from_utf8_lossy(&got.stdout).lines().count(), 1, "{key}");
    }
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(
        text.contains("deadline = \"20s\" # for now") && text.contains("#total = 64"),
        "{text}"
    );
    assert!(text.starts_with("# Ours.\n") && text.contains("# As slow as the line."), "{text}");
    assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
    let got = config(&file, &["get", "publish.deadline"]);
    assert_eq!(String::from_utf8_lossy(&got.stdout), "20s\n");
    assert_eq!(json(carillon().args(["config", "get", "store.cache_mib"]))["source"], "default");
    // What cannot be used is refused with its reason, and the file is the same to the byte.
    for (key, value, code, says) in [
        ("publish.attempts", "99", 2, "from 1 to 20"),
        ("publish.attempts", "many", 2, "whole number"),
        ("publish.deadline", "soon", 2, "a duration"),
        ("publish.dedline", "1s", 3, "`publish.deadline`"),
    ] {
        let output = config(&file, &["set", key, value]);
        assert_eq!(output.status.code(), Some(code), "{}", said(&output));
        assert!(said(&output).contains(says), "{}", said(&output));
        assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
    }
    assert_eq!(
        carillon().args(["config", "set", "log.level", "warn"]).output().unwrap().status.code(),
        Some(2)
    );
    let output = carillon()
        .args(["config", "set", "log.level", "warn", "--config"])
        .arg(&file)
        .env("CARILLON_LOG__LEVEL", "debug")
        .output()
        .unwrap();
    assert!(said(&output).contains("CARILLON_LOG__LEVEL wins"), "{}", said(&output));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "nothing is left behind");
}

#[test]
fn an_edited_file_is_checked_before_it_counts_and_nothing_typed_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("c.toml");
    let edit = |script: &str| {
        std::fs::write(&file, COMMENTED).unwrap();
        let mut command = carillon();
        command.args(["config", "edit", "--config"]).arg(&file);
        command.env_remove("VISUAL").env("EDITOR", script).stdin(Stdio::null());
        let output = command.output().unwrap();
        (output.status.code().unwrap(), said(&output), std::fs::read_to_string(&file).unwrap())
    };
    let (code, told, text) = edit("sed -i s/30s/45s/");
    assert!(code == 0 && text == COMMENTED.replace("30s", "45s"), "{told}\n{text}");
    let (code, told, text) = edit("true");
    assert!(code == 0 && told.contains("nothing was changed") && text == COMMENTED, "{told}");
    let (code, told, text) = edit("false");
    assert!(code == 1 && told.contains("ended with") && text == COMMENTED, "{told}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "{told}");
    // Wrong: told with its place in the file, and kept beside it.
    let (code, told, text) = edit("sed -i s/30s/soon/");
    assert!(code == 1 && told.contains("c.toml:4:12") && text == COMMENTED, "{told}");
    let draft = told.rsplit("kept in ").next().unwrap().trim();
    assert_eq!(std::fs::read_to_string(draft).unwrap(), COMMENTED.replace("30s", "soon"));
    // Somebody else was faster.
    let other = format!("sh -c 'echo >> {}; sed -i s/30s/45s/ \"$1\"' x", file.display());
    let (code, told, text) = edit(&other);
    assert!(
        code == 1 && told.contains("somebody else") && text == format!("{COMMENTED}\n"),
        "{told}"
    );
}

#[test]
fn a_variable_without_its_section_is_refused_with_the_one_that_was_meant() {
    let check = |name: &str| carillon().args(["config", "check"]).env(name, "x").output().unwrap();
    for (name, meant) in [
        ("CARILLON_LISTEN", "CARILLON_SERVER__LISTEN"),
        ("CARILLON_SERVER_LISTEN", "CARILLON_SERVER__LISTEN"),
        ("CARILLON_DATA", "CARILLON_SERVER__DATA"),
    ] {
        let output = check(name);
        assert_eq!(output.status.code(), Some(2), "{name}");
        assert!(said(&output).contains(&format!("did you mean `{meant}`")), "{}", said(&output));
    }
    assert!(check("CARILLON_OF_SOMEBODY_ELSE").status.success());
}
