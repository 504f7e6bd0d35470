//! `carillon demo`: what it prints, what it publishes, and that nothing stays behind.

use std::path::{Path, PathBuf};
use std::time::Duration;

use support::Carillon;

use crate::program::{carillon, exists, get, host_of};

const SOON: Duration = Duration::from_secs(30);

fn value(process: &mut Carillon, name: &str) -> String {
    let line = process.wait_for(&format!("{name}: "), SOON);
    line.split_once(": ").unwrap().1.to_owned()
}

#[test]
fn once_publishes_what_is_due_and_ends_by_itself() {
    let mut process =
        Carillon::start(carillon().args(["demo", "--listen", "127.0.0.1:0", "--once"]));
    let page = value(&mut process, "page");
    let practice = value(&mut process, "practice");
    let api = value(&mut process, "api");
    let workspace = value(&mut process, "workspace");
    let key = value(&mut process, "key");
    let socket = PathBuf::from(value(&mut process, "socket"));
    let path = |url: &str| format!("/{}", url.splitn(4, '/').nth(3).unwrap_or_default());
    assert!(api.ends_with("/api/v1") && exists(&socket));
    let bearer = format!("Bearer {key}");
    let posts = format!("/api/v1/workspaces/{workspace}/posts?limit=200");
    let (status, _, body) = get(host_of(&api), &posts, &[("authorization", &bearer)]);
    assert_eq!(status, 200, "{body}");
    assert_eq!(body.matches("\"schedule\"").count(), 14);
    // The first post, on each of the four channels, in whatever order.
    for _ in 0..4 {
        let out = process.wait_for("published: ", SOON);
        assert!(out.contains("http://"), "{out}");
    }
    let (status, _, page) = get(host_of(&page), &path(&page), &[]);
    assert_eq!(status, 200);
    assert!(page.contains("Good morning!"));
    let (status, _, timeline) = get(host_of(&practice), "/", &[]);
    assert_eq!(status, 200);
    assert!(timeline.contains("Good morning!"));
    assert!(process.wait(Duration::from_mins(1)).success());
    let published = process.stdout().iter().filter(|line| line.starts_with("published: ")).count();
    assert_eq!(published, 24, "six posts on four channels");
    assert!(!exists(socket.parent().unwrap()), "the data is gone");
}

/// What is counted can come out wrong: one post that goes nowhere, and the demo says so and fails.
#[test]
fn once_fails_when_a_post_goes_nowhere() {
    let mut process =
        Carillon::start(carillon().args(["demo", "--listen", "127.0.0.1:0", "--once"]));
    let socket = value(&mut process, "socket");
    let ask = |words: &[&str]| {
        let asked = carillon().args(["--socket", &socket]).args(words).output().unwrap();
        assert!(asked.status.success(), "{}", String::from_utf8_lossy(&asked.stderr));
        String::from_utf8(asked.stdout).unwrap()
    };
    let posts = ask(&["post", "list", "-w", "demo", "--json"]);
    let posts: serde_json::Value = serde_json::from_str(&posts).unwrap();
    let mut posts = posts["items"].as_array().unwrap().iter();
    let one = posts.find(|post| post["parts"][0]["text"] == "Thank you for 1,000 followers!");
    ask(&["post", "cancel", "-w", "demo", one.unwrap()["id"].as_str().unwrap()]);
    assert_eq!(process.wait(Duration::from_mins(1)).code(), Some(1));
    let published = process.stdout().iter().filter(|line| line.starts_with("published: ")).count();
    assert_eq!(published, 20, "five posts on four channels");
}

#[test]
fn an_interrupt_removes_the_data() {
    let mut process = Carillon::start(carillon().args(["demo", "--listen", "127.0.0.1:0"]));
    let socket = PathBuf::from(value(&mut process, "socket"));
    let data: &Path = socket.parent().unwrap();
    assert!(exists(data));
    process.terminate();
    assert!(process.wait(Duration::from_secs(20)).success());
    assert!(!exists(data));
}

#[test]
fn a_taken_address_is_told() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = carillon().args(["demo", "--listen", &address]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains(&address) && said.contains("Is another server running there?"), "{said}");
}
