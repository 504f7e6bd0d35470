//! A client library that others wrote drives the practice Mastodon, so that twin and client cannot
//! agree on a mistake of ours. Needs `python3` and `pip install Mastodon.py==2.3.3`; skips without
//! them, unless `CARILLON_REQUIRE_REAL_PARTS=1`.

use std::path::Path;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

use carillon::base::SystemClock;
use carillon::practice::{World, mastodon::Settings, serve};
use tokio::net::TcpListener;

const HOST: &str = "practice-a.test";
/// What the script exits with when a library is missing.
const MISSING: i32 = 77;

fn run(base_url: &str) -> std::io::Result<Output> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/networks/mastodon_client.py");
    Command::new("python3").arg(script).args([base_url, "secret-token", "ann"]).output()
}

#[tokio::test]
async fn mastodon_py_works_unmodified() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("http://{}/practice-a", listener.local_addr().unwrap());
    let mut world = World::new(1);
    world.add_mastodon(HOST, Settings::new(&base_url));
    world.add_account(HOST, "ann", "secret-token", "read write");
    let world = Arc::new(Mutex::new(world));
    let clock = Arc::new(SystemClock::new());
    let client = tokio::task::spawn_blocking(move || run(&base_url));
    let output = tokio::select! {
        ended = serve(listener, Arc::clone(&world), clock, std::future::pending()) => {
            panic!("the server ended: {ended:?}")
        }
        output = client => output.unwrap(),
    };
    let required = std::env::var_os("CARILLON_REQUIRE_REAL_PARTS").is_some_and(|v| v == "1");
    let missing = match &output {
        Ok(output) if output.status.code() == Some(MISSING) => {
            Some(String::from_utf8_lossy(&output.stdout).into_owned())
        }
        Ok(_) => None,
        Err(error) => Some(format!("python3: {error}")),
    };
    if let Some(missing) = missing {
        assert!(!required, "{missing}");
        println!("skipped, {missing}");
        return;
    }
    let output = output.unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let world = world.lock().unwrap();
    let journal = world.journal();
    assert_eq!(journal.len(), 6, "{journal:#?}");
}
