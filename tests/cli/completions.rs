//! Completions in a real bash, against a running server.

use std::path::Path;
use std::process::Command;

use support::Tool;

use crate::program::Server;

/// What bash offers for the last of `words`.
fn offered(words: &[&str], variables: &[(&str, &str)]) -> Vec<String> {
    let folder = Path::new(env!("CARGO_BIN_EXE_carillon")).parent().unwrap();
    let path = std::env::join_paths(
        [folder.to_path_buf()]
            .into_iter()
            .chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
    );
    // As bash does when somebody presses the tab key at the end of the line.
    let script = "source <(carillon completions bash)\n\
                  COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); COMP_TYPE=9\n\
                  _clap_complete_carillon \"$1\" \"${COMP_WORDS[COMP_CWORD]}\" \
                  \"${COMP_WORDS[COMP_CWORD-1]}\"\n\
                  printf '%s\\n' \"${COMPREPLY[@]}\"\n";
    let output = Command::new("bash")
        .args(["--norc", "-c", script, "bash", "carillon"])
        .args(words)
        .env("PATH", path.unwrap())
        .env_remove("CARILLON_SOCKET")
        .env_remove("CARILLON_WORKSPACE")
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    text.lines().filter(|line| !line.is_empty()).map(|line| line.trim().to_owned()).collect()
}

#[test]
fn bash_offers_what_there_is() {
    if !Tool::Program("bash").available_or_skip() {
        return;
    }
    let server = Server::start(&[]);
    for name in ["Acme", "Acorn", "Bakery"] {
        server.json(&["workspace", "create", name]);
    }
    let mut ids = Vec::new();
    for name in ["News", "Notes"] {
        let add = ["channel", "add", "-w", "acme", "--network", "feed", "--name", name];
        ids.push(server.json(&add)["id"].as_str().unwrap().to_owned());
    }
    let post = server.json(&[
        "post",
        "create",
        "-w",
        "acme",
        "--channel",
        &ids[0],
        "--text",
        "Hi",
        "--draft",
    ]);
    let key = server.json(&["key", "create", "backup job", "-w", "acme", "--scope", "read"]);
    let socket = server.socket().to_str().unwrap();
    let within = [("CARILLON_SOCKET", socket), ("CARILLON_WORKSPACE", "acme")];
    // At an empty word the flags are offered, too.
    let sorted = |mut found: Vec<String>| {
        found.retain(|word| !word.starts_with('-'));
        found.sort();
        found
    };
    // Words of the program itself.
    assert_eq!(offered(&["chan"], &[]), ["channel"]);
    assert!(offered(&["post", "create", "--dr"], &[]).contains(&"--draft".to_owned()));
    // What the server has: by slug, by id and by name, with the workspace from flag or variable.
    assert_eq!(sorted(offered(&["channel", "list", "-w", "ac"], &within)), ["acme", "acorn"]);
    assert_eq!(
        offered(&["channel", "list", "--socket", socket, "--workspace", "b"], &[]),
        ["bakery"]
    );
    assert_eq!(sorted(offered(&["channel", "show", ""], &within)), ids);
    assert_eq!(offered(&["channel", "show", "no"], &within), [ids[1].as_str()]);
    assert_eq!(offered(&["channel", "show", &ids[0]], &within), [ids[0].as_str()]);
    assert_eq!(sorted(offered(&["channel", "show", "-w", "bakery", ""], &within)), [""; 0]);
    let create = ["post", "create", "--channel", "new"];
    assert_eq!(offered(&create, &within), [ids[0].as_str()]);
    assert_eq!(sorted(offered(&["post", "cancel", ""], &within)), [post["id"].as_str().unwrap()]);
    assert_eq!(offered(&["key", "revoke", "back"], &within), [key["id"].as_str().unwrap()]);
    assert_eq!(offered(&["network", "pause", "ma"], &within), ["mastodon"]);
    assert_eq!(offered(&["app", "set", "link"], &within), ["linkedin"]);
    assert_eq!(offered(&["alert", "acknowledge", "ba"], &within), ["backup"]);
    // Nobody there: nothing to offer, and no complaint.
    let nowhere = [("CARILLON_SOCKET", "/nowhere"), ("CARILLON_WORKSPACE", "acme")];
    assert_eq!(sorted(offered(&["channel", "show", ""], &nowhere)), [""; 0]);
}
