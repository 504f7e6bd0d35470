//! The server under a supervisor that listens as systemd does (`sd_notify`(3)).

use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use support::Carillon;

use crate::program::carillon;

const SOON: Duration = Duration::from_secs(20);

fn heard(socket: &UnixDatagram) -> String {
    let mut buffer = [0; 256];
    let length = socket.recv(&mut buffer).unwrap();
    String::from_utf8(buffer[..length].to_vec()).unwrap()
}

fn started(folder: &std::path::Path, name: &str, watchdog: &str) -> Carillon {
    let mut command = carillon();
    command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(folder.join("data"));
    command.env("NOTIFY_SOCKET", name).env("WATCHDOG_USEC", watchdog);
    Carillon::start(&mut command)
}

#[test]
fn a_supervisor_hears_how_far_the_server_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify.sock");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(SOON)).unwrap();
    let mut server = started(folder.path(), path.to_str().unwrap(), "0");
    assert_eq!(heard(&socket), "READY=1");
    // It is: an operator's question is answered.
    let asked = carillon()
        .arg("--socket")
        .arg(folder.path().join("data/admin.sock"))
        .arg("status")
        .output()
        .unwrap();
    assert!(asked.status.success());
    server.hang_up();
    assert_eq!([heard(&socket), heard(&socket)], ["RELOADING=1", "READY=1"]);
    server.terminate();
    assert_eq!(heard(&socket), "STOPPING=1");
    assert!(server.wait(SOON).success());
}

#[test]
fn a_watchdog_hears_that_it_lives_and_a_supervisor_that_is_gone_stops_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let name = format!("carillon-test-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let socket = UnixDatagram::bind_addr(&address).unwrap();
    socket.set_read_timeout(Some(SOON)).unwrap();
    let mut server = started(folder.path(), &format!("@{name}"), "200000");
    assert_eq!(heard(&socket), "READY=1");
    assert_eq!([heard(&socket), heard(&socket)], ["WATCHDOG=1", "WATCHDOG=1"]);
    drop(socket);
    server.terminate();
    assert!(server.wait(SOON).success());
}
