//! Client libraries that others wrote drive the practice networks, so that twin and client cannot
//! agree on a mistake of ours. Needs `python3` and `pip install Mastodon.py==2.3.3 atproto==0.0.73 tweepy==4.17.0
//! linkedin-api-client==0.3.0`;
//! skips without them, unless `CARILLON_REQUIRE_REAL_PARTS=1`.

use std::path::Path;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use carillon::base::SystemClock;
use carillon::practice::{World, bluesky, linkedin, mastodon, serve, x};
use tokio::net::TcpListener;

const HOST: &str = "practice-a.test";
/// What a script exits with when a library is missing.
const MISSING: i32 = 77;

/// Runs a script against a world made for the address that it is reached at. `None` when its
/// library is not there.
async fn play(
    script: &'static str,
    world: impl FnOnce(&mut World, &str),
    args: [&'static str; 2],
) -> Option<Arc<Mutex<World>>> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("http://{}/practice-a", listener.local_addr().unwrap());
    let mut made = World::new(1);
    world(&mut made, &base_url);
    let world = Arc::new(Mutex::new(made));
    let clock = Arc::new(SystemClock::new());
    let client = tokio::task::spawn_blocking(move || run(script, &base_url, args));
    let output = tokio::select! {
        ended = serve(listener, Arc::clone(&world), clock, std::future::pending()) => {
            panic!("the server ended: {ended:?}")
        }
        output = client => output.unwrap(),
    };
    let missing = match &output {
        Ok(output) if output.status.code() == Some(MISSING) => {
            Some(String::from_utf8_lossy(&output.stdout).into_owned())
        }
        Ok(_) => None,
        Err(error) => Some(format!("python3: {error}")),
    };
    if let Some(missing) = missing {
        support::skip(&missing);
        return None;
    }
    let output = output.unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    Some(world)
}

fn run(script: &str, base_url: &str, args: [&str; 2]) -> std::io::Result<Output> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/networks").join(script);
    Command::new("python3").arg(script).arg(base_url).args(args).output()
}

#[tokio::test]
async fn mastodon_py_works_unmodified() {
    let world = |world: &mut World, base_url: &str| {
        world.add_mastodon(HOST, mastodon::Settings::new(base_url));
        world.add_account(HOST, "ann", "secret-token", "read write");
    };
    let Some(world) = play("mastodon_client.py", world, ["secret-token", "ann"]).await else {
        return;
    };
    let world = world.lock().unwrap();
    let journal = world.journal();
    assert_eq!(journal.len(), 6, "{journal:#?}");
}

#[tokio::test]
async fn atproto_works_unmodified() {
    let world = |world: &mut World, base_url: &str| {
        world.add_bluesky(HOST, bluesky::Settings::new(base_url));
        world.add_account(HOST, "ann.test", "pass-word", "");
    };
    let Some(world) = play("bluesky_client.py", world, ["ann.test", "pass-word"]).await else {
        return;
    };
    // Three posts and an upload, and one of the posts deleted again.
    let world = world.lock().unwrap();
    let journal = world.journal();
    assert_eq!(journal.len(), 5, "{journal:#?}");
}

/// It signs for the address that it knows, so the practice network is told to be there.
#[tokio::test]
async fn tweepy_works_unmodified() {
    const KEYS: &str = "key:secret:42-token:token-secret";
    let world = |world: &mut World, _: &str| {
        world.add_x(HOST, x::Settings::new("https://api.twitter.com"));
        world.add_account(HOST, "ann", KEYS, "");
    };
    let Some(world) = play("x_client.py", world, [KEYS, "ann"]).await else { return };
    // Two posts, and one of them deleted again.
    let world = world.lock().unwrap();
    let journal = world.journal();
    assert_eq!(journal.len(), 3, "{journal:#?}");
}

/// LinkedIn's own library, as a page: a member's posts and comments cannot be listed.
#[tokio::test]
async fn linkedin_s_own_library_works_unmodified() {
    const SCOPES: &str = "openid profile w_member_social w_organization_social \
                          r_organization_social rw_organization_admin 42";
    let world = |world: &mut World, base_url: &str| {
        let settings = linkedin::Settings::new(base_url);
        let video_processing = Duration::ZERO;
        world.add_linkedin(HOST, linkedin::Settings { video_processing, ..settings });
        world.add_account(HOST, "ann", "secret-token", SCOPES);
    };
    let Some(world) = play("linkedin_client.py", world, ["secret-token", "42"]).await else {
        return;
    };
    // Three posts, two uploads and a comment.
    let world = world.lock().unwrap();
    let journal = world.journal();
    assert_eq!(journal.len(), 6, "{journal:#?}");
}
