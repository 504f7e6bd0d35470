//! The real binary with an X channel: settings of its host, the four keys, a post, its address.

use std::sync::{Arc, Mutex};
use std::thread;

use carillon::base::SystemClock;
use carillon::practice::{World, serve, x};
use serde_json::Value;

use crate::program::{Server, carillon};

const FOUR_KEYS: &str = "app-key:app-secret:42-token:token-secret";

/// A practice X on a port of its own; the world that it shows.
pub fn practice() -> (String, Arc<Mutex<World>>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap().to_string();
    let mut world = World::new(1);
    world.add_x("x", x::Settings::new(&format!("http://{at}/x")));
    world.add_account("x", "acme", FOUR_KEYS, "").unwrap();
    let (world, shown) = {
        let world = Arc::new(Mutex::new(world));
        (Arc::clone(&world), world)
    };
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.unwrap().block_on(async move {
            listener.set_nonblocking(true).unwrap();
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            let clock = Arc::new(SystemClock::new());
            serve(listener, world, clock, std::future::pending()).await.unwrap();
        });
    });
    (at, shown)
}

#[test]
fn a_post_goes_out_through_four_keys_that_were_pasted() {
    let (at, world) = practice();
    let folder = tempfile::tempdir().unwrap();
    let settings = folder.path().join("settings.toml");
    let text = |allow: &str| {
        format!(
            "[outbound]\nallow = [{allow}]\n[networks.x]\napi_url = \"http://{at}/x\"\n\
             web_url = \"http://{at}\"\npost_usd = \"0.02\"\n"
        )
    };
    // An address that nobody may call must be listed, whoever names it.
    std::fs::write(&settings, text("")).unwrap();
    let data = folder.path().join("data");
    let mut command = carillon();
    command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(&data);
    let refused = command.arg("--config").arg(&settings).output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("networks.x.api_url"), "{said}");
    assert!(said.contains("outbound.allow"), "{said}");

    std::fs::write(&settings, text(&format!("{at:?}"))).unwrap();
    let server = Server::start(&["--config", settings.to_str().unwrap()]);
    let network = server.json(&["network", "show", "x"]);
    assert_eq!(network["hosts"][0]["url"], format!("http://{at}/x"), "{network}");
    assert_eq!(network["hosts"][0]["setting"], "networks.x.api_url");
    server.json(&["workspace", "create", "Acme"]);
    let file = folder.path().join("keys");
    let add = |keys: &str| {
        std::fs::write(&file, keys).unwrap();
        let add = ["channel", "add", "-w", "acme", "--network", "x", "--name", "Us"];
        server.run(&[&add[..], &["--token-file", file.to_str().unwrap(), "--json"]].concat())
    };
    let three = add("app-key:app-secret:42-token");
    assert!(String::from_utf8_lossy(&three.stdout).contains("four_keys_needed"), "{three:?}");
    assert!(!add("app-key:app-secret:42-token:wrong").status.success());
    let added = add(FOUR_KEYS);
    assert!(added.status.success(), "{added:?}");
    let channel: Value = serde_json::from_slice(&added.stdout).unwrap();
    assert_eq!(channel["handle"], "@acme");
    let id = channel["id"].as_str().unwrap();
    let create = ["post", "create", "-w", "acme", "--channel", id, "--now", "--text"];
    let long = server.fails(&[&create[..], &[&"\u{1F950}".repeat(141)]].concat());
    assert!(long.1.contains("282"), "{long:?}");
    let post = server.json(&[&create[..], &["Hello from the bakery"]].concat());
    let delivery = post["deliveries"][0]["id"].as_str().unwrap();
    let shown = server.published("acme", delivery);
    let remote = shown["parts"][0]["remote_id"].as_str().unwrap();
    assert_eq!(shown["permalink"], format!("http://{at}/acme/status/{remote}"), "{shown}");
    assert_eq!(world.lock().unwrap().journal().len(), 1);
    let spent = &server.json(&["plan", "show", "-w", "acme"])["spent"][0];
    assert_eq!(
        (spent["posts"].as_u64(), spent["usd"].as_str()),
        (Some(1), Some("0.02")),
        "{spent}"
    );
}
