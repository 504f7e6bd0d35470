//! How the program ends: one number for each kind of failure, the same for every verb.

use std::path::Path;
use std::process::Command;

use crate::program::{Server, carillon};

/// The exit code, and what was said on both streams.
fn ends(command: &mut Command) -> (i32, String) {
    let output = command.output().unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    (output.status.code().unwrap(), said)
}

/// Every exit code of a verb, by something that really ends so. 7 (done in part) belongs to verbs on
/// many things at once, and there is none.
#[test]
fn every_code_has_its_meaning() {
    let server = Server::start(&[]);
    server.json(&["workspace", "create", "Acme"]);
    let feed = |name| ["channel", "add", "-w", "acme", "--network", "feed", "--name", name];
    server.json(&["plan", "set", "free", "--channels", "1", "-w", "acme"]);
    let nobody = "01934f00-0000-7000-8000-000000000001";
    let user = ["user", "create", "a@acme.example", "--password-file"];
    for (code, word, args) in [
        (0, "", &["status"][..]),
        (1, "No such file", &[&user[..], &["/nonexistent/password"]].concat()),
        (
            1,
            "error[network_unreachable]",
            &[
                &["channel", "add", "-w", "acme", "--network", "mastodon", "--name", "x"][..],
                &["--instance", "https://mastodon.invalid"],
            ]
            .concat(),
        ),
        (2, "error[invalid_field]", &["workspace", "create", ""]),
        (2, "unexpected argument", &["status", "now"]),
        (3, "error[not_found]", &["post", "show", nobody, "-w", "acme"]),
        (3, "error[not_found]", &["post", "list", "-w", "nobody"]),
        (0, "", &feed("News")),
        (4, "error[plan_limit]", &feed("More")),
        (5, "error[slug_taken]", &["workspace", "create", "Acme", "--slug", "acme"]),
        (5, "error[backup_not_set]", &["backup", "create"]),
    ] {
        let (exit, said) = ends(carillon().arg("--socket").arg(server.socket()).args(args));
        assert_eq!(exit, code, "{args:?}: {said}");
        assert!(said.contains(word) && !said.contains("panicked"), "{args:?}: {said}");
        if code > 2 {
            assert!(said.contains("  do: "), "{args:?} names no remedy: {said}");
        }
    }
}

/// Without a server every verb that needs one says so, and how to start one or name its socket.
#[test]
fn without_a_server_the_socket_is_named_with_the_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("admin.sock");
    let asks =
        |socket: &Path, args: &[&str]| ends(carillon().arg("--socket").arg(socket).args(args));
    for args in [
        &["status"][..],
        &["post", "list", "-w", "acme"],
        &["post", "create", "-w", "acme", "--text", "x", "--channel", "x"],
        &["media", "list", "-w", "acme"],
        &["event", "export", "--to", "-", "-w", "acme"],
        &["config", "reload"],
        &["job", "list"],
        &["console"],
    ] {
        let (exit, said) = asks(&socket, args);
        assert_eq!(exit, 6, "{args:?}: {said}");
        let path = socket.to_str().unwrap();
        for words in ["error[server_unreachable]", path, "carillon serve", "--socket"] {
            assert!(said.contains(words), "{args:?} does not say {words:?}: {said}");
        }
    }
    // A socket that nobody listens on any more is the same.
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    assert_eq!(asks(&socket, &["status"]).0, 6);
}

#[test]
fn jobs_are_listed_run_paused_and_resumed() {
    let server = Server::start(&[]);
    let all = server.json(&["job", "list"]);
    let names: Vec<_> = all["items"].as_array().unwrap().iter().map(|job| &job["name"]).collect();
    for name in ["disk", "media", "sessions", "stage"] {
        assert!(names.contains(&&name.into()), "{names:?}");
    }
    let media = || {
        let all = server.json(&["job", "list"]);
        all["items"].as_array().unwrap().iter().find(|job| job["name"] == "media").unwrap().clone()
    };
    // Its first round is minutes away.
    assert_eq!((&media()["runs"], &media()["state"]), (&0.into(), &"waits".into()));
    assert_eq!(server.json(&["job", "pause", "media"])["state"], "paused");
    server.json(&["job", "run", "media"]);
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while media()["runs"] != 1 {
        assert!(std::time::Instant::now() < deadline, "{}", media());
    }
    while media()["state"] == "running" {}
    assert_eq!(
        (&media()["state"], &media()["next_at"]),
        (&"paused".into(), &serde_json::Value::Null)
    );
    assert_eq!(server.json(&["job", "resume", "media"])["state"], "ok");
    let (exit, said) = server.fails(&["job", "pause", "disk"]);
    assert!(exit == 2 && said.contains("not to be paused"), "{said}");
    let (exit, said) = server.fails(&["job", "run", "nonsense"]);
    assert!(exit == 2 && said.contains("media"), "{said}");
}
