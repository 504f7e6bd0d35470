//! The data folder: what belongs together, and what is told when a part of it is lost.

use std::fs;
use std::path::Path;
use std::time::Duration;

use support::Carillon;

use crate::program::{Server, carillon, exists};

/// What a server that cannot start on `data` says.
fn refused(data: &Path) -> String {
    let mut command = carillon();
    let output =
        command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(data).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    said
}

#[test]
fn a_lost_file_is_named_and_nothing_takes_its_place() {
    let mut server = Server::start(&[]);
    server.json(&["workspace", "create", "Acme"]);
    server.process.terminate();
    assert!(server.process.wait(Duration::from_secs(20)).success());
    let data = server.folder.path().join("data");
    for name in ["identity.txt", "keyring.age", "carillon.redb"] {
        let (file, aside) = (data.join(name), server.folder.path().join(name));
        fs::rename(&file, &aside).unwrap();
        let said = refused(&data);
        assert!(said.contains(&format!("{} is missing", file.display())), "{said}");
        assert!(!exists(&file), "nothing was put in its place");
        fs::rename(&aside, &file).unwrap();
    }
    let database = data.join("carillon.redb");
    fs::write(&database, "no database").unwrap();
    let said = refused(&data);
    assert!(said.contains(database.to_str().unwrap()) && said.contains("backup"), "{said}");
    assert_eq!(fs::read(&database).unwrap(), b"no database");
}

#[test]
fn the_variable_of_the_clients_moves_no_server() {
    let first = Server::start(&[]);
    let second = tempfile::tempdir().unwrap();
    let mut command = carillon();
    command.args(["demo", "--listen", "127.0.0.1:0"]);
    command.env("CARILLON_SOCKET", first.socket()).env("TMPDIR", second.path());
    let mut process = Carillon::start(&mut command);
    let socket = process.wait_for("socket: ", Duration::from_secs(30));
    assert!(socket.contains(second.path().to_str().unwrap()), "{socket}");
    process.hang_up();
    assert!(process.wait(Duration::from_secs(20)).success());
    assert_eq!(
        fs::read_dir(second.path()).unwrap().count(),
        0,
        "the terminal went: so did the data"
    );
}

/// There is no key that comes with the program: each installation makes its own, and nothing of one
/// opens anything of another.
#[test]
fn no_two_installations_have_a_key_in_common() {
    let (first, second) = (Server::start(&[]), Server::start(&[]));
    let read = |server: &Server, name: &str| {
        fs::read_to_string(server.folder.path().join("data").join(name)).unwrap()
    };
    let secret = |server: &Server| {
        let text = read(server, "identity.txt");
        text.lines().find(|line| line.starts_with("AGE-SECRET-KEY-")).unwrap().to_owned()
    };
    assert_ne!(secret(&first), secret(&second));
    let Server { folder, mut process, .. } = second;
    process.terminate();
    assert!(process.wait(Duration::from_secs(20)).success());
    let (own, other) = (folder.path().join("data"), first.folder.path().join("data"));
    fs::copy(other.join("identity.txt"), own.join("identity.txt")).unwrap();
    let said = refused(&own);
    assert!(said.contains("keyring.age"), "{said}");
}
