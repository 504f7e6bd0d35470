//! Settings that are checked before a start: the files of secrets that they name, and what an identity provider
//! needs.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::program::{Server, carillon};
use crate::settings::said;

/// What opens nothing here; it must never be told.
const SECRET: &str = "canary-of-the-check-4b1f";

fn secret_file(path: &Path, text: &str, mode: u32) {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn files_of_secrets_are_opened_before_a_start_does() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let shown = |name: &str| at(name).display().to_string();
    let text = format!(
        "[server]\nidentity = \"{}\"\n[mail]\nserver = \"smtps://mail.example.com\"\nuser = \"c\"\n\
         from = \"c@example.com\"\npassword_file = \"{}\"\n[oidc]\nissuer = \"https://id.example.com\"\n\
         client_id = \"c\"\nclient_secret_file = \"{}\"\n[backup]\nbucket = \"b\"\n[s3]\nkey_file = \"{}\"\n",
        shown("identity"),
        shown("mail"),
        shown("oidc"),
        shown("s3"),
    );
    std::fs::write(at("c.toml"), text).unwrap();
    let run = |verb: &[&str]| {
        let mut command = carillon();
        command.args(verb).arg("--config").arg(at("c.toml"));
        let output = command.arg("--data").arg(at("data")).output().unwrap();
        assert!(!said(&output).contains(SECRET), "{}", said(&output));
        (output.status.code(), said(&output))
    };
    let finds = |parts: &[&str]| {
        let (code, said) = run(&["config", "check"]);
        assert_eq!(code, Some(2), "{said}");
        for part in parts {
            assert!(said.contains(part), "no {part} in {said}");
        }
    };
    // None is there: all are told, each with what to do.
    let keys = ["server.identity", "mail.password_file", "oidc.client_secret_file", "s3.key_file"];
    finds(&[&keys[..], &["Put it there"]].concat());
    // A start tells of the first that it comes to.
    let (code, refused) = run(&["serve", "--listen", "127.0.0.1:0"]);
    assert!(code != Some(0) && refused.contains("server.identity"), "{refused}");
    assert!(!at("identity").exists() && !at("data/keyring.age").exists());
    // Each is there, and of no use.
    let key = "AGE-SECRET-KEY-1";
    secret_file(&at("identity"), &format!("{key}{SECRET}\n"), 0o600);
    secret_file(&at("mail"), &format!("\n{SECRET}\n"), 0o600);
    std::fs::create_dir(at("oidc")).unwrap();
    secret_file(&at("s3"), &format!("AWS_ACCESS_KEY_ID=a\nSECRET={SECRET}\n"), 0o600);
    finds(&["not an age identity", "first line is empty", "directory", "AWS_SECRET_ACCESS_KEY"]);
    finds(&keys);
    // Good ones pass, and an identity that others can read does not.
    std::fs::remove_dir(at("oidc")).unwrap();
    for name in ["mail", "oidc"] {
        secret_file(&at(name), &format!("{SECRET}\n"), 0o600);
    }
    let lines = format!("AWS_ACCESS_KEY_ID=a\nAWS_SECRET_ACCESS_KEY={SECRET}\n");
    secret_file(&at("s3"), &lines, 0o600);
    let identity = own_identity();
    secret_file(&at("identity"), &identity, 0o600);
    let (code, told) = run(&["config", "check"]);
    assert!(code == Some(0) && !told.contains("unwise"), "{told}");
    secret_file(&at("identity"), &identity, 0o644);
    finds(&["server.identity", "mode 644", "chmod 600"]);
    // Of the others it is said, and a start goes on.
    secret_file(&at("identity"), &identity, 0o600);
    secret_file(&at("mail"), &format!("{SECRET}\n"), 0o644);
    let (code, told) = run(&["config", "check"]);
    let says = told.contains("unwise")
        && told.contains("mail.password_file")
        && told.contains("chmod 600");
    assert!(code == Some(0) && says, "{told}");
}

/// As the first start of a server makes it.
fn own_identity() -> String {
    let server = Server::start(&[]);
    std::fs::read_to_string(server.folder.path().join("data/identity.txt")).unwrap()
}

#[test]
fn within_the_unit_credentials_are_opened_and_missed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("c.toml");
    let text = "[oidc]\nissuer = \"https://id.example.com\"\nclient_id = \"c\"\n";
    std::fs::write(&file, text).unwrap();
    let check = |within: bool| {
        let mut command = carillon();
        command.args(["config", "check", "--config"]).arg(&file);
        if within {
            command.env("CREDENTIALS_DIRECTORY", folder.path());
        }
        let output = command.output().unwrap();
        (output.status.code(), said(&output))
    };
    // From without nobody can tell.
    assert_eq!(check(false).0, Some(0));
    let (code, told) = check(true);
    assert!(code == Some(2) && told.contains("oidc.client_secret_file"), "{told}");
    secret_file(&folder.path().join("oidc"), "", 0o400);
    let (code, told) = check(true);
    assert!(code == Some(2) && told.contains("first line is empty"), "{told}");
    secret_file(&folder.path().join("oidc"), &format!("{SECRET}\n"), 0o400);
    let (code, told) = check(true);
    assert!(code == Some(0) && !told.contains(SECRET), "{told}");
}

#[test]
fn a_client_without_a_name_is_refused_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("c.toml");
    for (id, says) in [
        ("''", "oidc.client_id is empty"),
        ("\" \"", "without blanks"),
        ("\" c\"", "without blanks"),
        ("\"a\\nb\"", "without blanks"),
    ] {
        let text = format!("[oidc]\nissuer = \"https://id.example.com\"\nclient_id = {id}\n");
        std::fs::write(&file, text).unwrap();
        let output = carillon().args(["config", "check", "--config"]).arg(&file).output().unwrap();
        let said = said(&output);
        assert_eq!(output.status.code(), Some(2), "{id}: {said}");
        for part in ["c.toml:3:", "oidc.client_id", says] {
            assert!(said.contains(part), "no {part} in {said}");
        }
    }
}
