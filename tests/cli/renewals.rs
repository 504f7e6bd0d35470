//! The real binary killed in the middle of a renewal: the network has done it, and its answer is on the
//! way. Of X the new pair is lost for ever, and the old refresh token must not be used again while the
//! old access token works; of LinkedIn nothing is lost.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use carillon::practice::oauth::Rules;
use carillon::practice::{Act, Effect, Fault, Matcher, World, linkedin};
use serde_json::Value;

use crate::connections::{agree, by_link, connect_by_link, set_app_of, with_networks};
use crate::program::Server;
use crate::x::practice;

/// How long an access token is good here.
const LIFE: Duration = Duration::from_secs(20);

struct Stage {
    server: Server,
    world: Arc<Mutex<World>>,
    extra: [String; 2],
    place: tempfile::TempDir,
}

impl Stage {
    /// A server that knows the network, with an application there.
    fn new(network: &'static str) -> Self {
        let (at, world) = practice();
        let place = tempfile::tempdir().unwrap();
        let base = format!("http://{at}");
        {
            let mut world = world.lock().unwrap();
            let mut settings = linkedin::Settings::new(&format!("{base}/linkedin"));
            // Whoever posts as a member cannot see that it takes longer, and tries again in a minute.
            settings.video_processing = Duration::ZERO;
            world.add_linkedin("linkedin", settings);
            world.add_account("linkedin", "acme", "unused", "openid").unwrap();
        }
        let extra = with_networks(&base, &place);
        let server = Server::start(&[&extra[0], &extra[1]]);
        server.json(&["workspace", "create", "Acme"]);
        let shown = server.json(&["app", "show", network]);
        let redirect = shown["redirect_uri"].as_str().unwrap();
        {
            let mut world = world.lock().unwrap();
            let authority = match network {
                "x" => &mut world.x("x").unwrap().authority,
                _ => &mut world.linkedin("linkedin").unwrap().authority,
            };
            authority.add_app("my-id", "my-secret", redirect);
            let rules = if network == "x" { Rules::x() } else { Rules::linkedin() };
            authority.rules = Rules { access_life: LIFE, ..rules };
        }
        assert!(set_app_of(&server, network, "my-secret"));
        Self { server, world, extra, place }
    }

    fn trades(&self) -> usize {
        let world = self.world.lock().unwrap();
        let trade = |path: &str| path.ends_with("/oauth2/token") || path.ends_with("/accessToken");
        world.requests().filter(|request| trade(&request.path)).count()
    }

    /// Kills the server while the answer to a renewal is on its way, and starts it again.
    fn kill_while_renewing(&mut self, channel: &str) {
        let act = Act::SlowStart { delay: Duration::from_mins(1) };
        let fault = Fault { on: Matcher::Token, host: None, times: 1, act };
        self.world.lock().unwrap().add_fault(fault);
        let before = self.trades();
        let mut asked = crate::program::carillon();
        asked.arg("--socket").arg(self.server.socket());
        asked.args(["channel", "refresh", channel, "-w", "acme", "--json"]);
        let asked = asked.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
        let mut asked = asked.spawn().unwrap();
        let begun = Instant::now();
        while self.trades() == before {
            assert!(begun.elapsed() < Duration::from_secs(20), "nobody asked for a token");
            std::thread::sleep(Duration::from_millis(5));
        }
        self.server.kill_and_start(&[&self.extra[0], &self.extra[1]]);
        assert!(!asked.wait().unwrap().success(), "its answer came");
    }

    fn channel(&self) -> Value {
        self.server.json(&["channel", "list", "-w", "acme"])["items"][0].clone()
    }

    fn post(&self, channel: &str, text: &str) -> String {
        let create =
            ["post", "create", "-w", "acme", "--channel", channel, "--now", "--text", text];
        self.server.json(&create)["deliveries"][0]["id"].as_str().unwrap().to_owned()
    }

    fn texts(&self) -> Vec<String> {
        let world = self.world.lock().unwrap();
        let text = |effect: &Effect| match effect {
            Effect::StatusCreated { text, .. } => Some(text.clone()),
            _ => None,
        };
        world.journal().iter().filter_map(|entry| text(&entry.effect)).collect()
    }
}

#[test]
fn killed_while_a_token_of_x_is_renewed() {
    let mut stage = Stage::new("x");
    connect_by_link(&stage.server, agree);
    let connected = Instant::now();
    let id = stage.channel()["id"].as_str().unwrap().to_owned();
    stage.kill_while_renewing(&id);
    let trades = stage.trades();
    // The old token is good to its end, and nobody asks with what was used up.
    let first = stage.post(&id, "By the old token");
    stage.server.published("acme", &first);
    let (code, doubt) = {
        let refreshed = stage.server.json(&["channel", "refresh", &id, "-w", "acme"]);
        let item = refreshed["items"][0].clone();
        (item["result"].clone(), item["code"].clone())
    };
    assert!(connected.elapsed() < LIFE, "too slow to show anything: {:?}", connected.elapsed());
    assert_eq!((code.as_str(), doubt.as_str()), (Some("later"), Some("renewal_in_doubt")));
    assert_eq!(stage.trades(), trades, "a replay would end it at once");
    // At its end it is tried, refused, and then a person is needed: said once, and the post waits.
    std::thread::sleep((LIFE + Duration::from_millis(200)).saturating_sub(connected.elapsed()));
    let second = stage.post(&id, "By a new grant");
    let held = stage.server.until("acme", &second, "held");
    assert_eq!(held["reason"], "reconnect_needed", "{held}");
    assert_eq!(stage.channel()["state"], "reconnect_needed");
    let link = ["channel", "link", "-w", "acme", "--channel", &id];
    by_link(&stage.server, &link, agree);
    stage.server.published("acme", &second);
    assert_eq!(stage.channel()["state"], "connected");
    assert_eq!(stage.texts(), ["By the old token", "By a new grant"]);
    let events = ["event", "list", "-w", "acme", "--kind", "channel.reconnect_needed"];
    let told = stage.server.json(&events);
    assert_eq!(told["items"].as_array().unwrap().len(), 1, "{told}");
}

#[test]
fn killed_while_a_token_of_linkedin_is_renewed() {
    let mut stage = Stage::new("linkedin");
    let link = ["channel", "link", "-w", "acme", "--network", "linkedin"];
    by_link(&stage.server, &link, agree);
    let id = stage.channel()["id"].as_str().unwrap().to_owned();
    stage.kill_while_renewing(&id);
    let refreshed = stage.server.json(&["channel", "refresh", &id, "-w", "acme"]);
    assert_eq!(refreshed["items"][0]["result"], "renewed", "{refreshed}");
    // Past the end of the first token, by the second.
    std::thread::sleep(Duration::from_secs(1));
    let post = stage.post(&id, "Renewed after all");
    stage.server.published("acme", &post);
    assert_eq!(stage.channel()["state"], "connected");
    assert_eq!(stage.texts(), ["Renewed after all"]);
    // And whatever else goes to LinkedIn: a document, and a comment under it.
    let file = stage.place.path().join("menu.pdf");
    std::fs::write(&file, support::media::pdf()).unwrap();
    let upload = ["media", "upload", file.to_str().unwrap(), "-w", "acme", "--alt", "The menu"];
    let asset = stage.server.json(&upload)["id"].as_str().unwrap().to_owned();
    let create = ["post", "create", "-w", "acme", "--channel", &id, "--now", "--media", &asset];
    let texts = ["--text", "What there is", "--text", "Until Friday"];
    let post = stage.server.json(&[&create[..], &texts[..]].concat());
    stage.server.published("acme", post["deliveries"][0]["id"].as_str().unwrap());
    assert_eq!(stage.texts(), ["Renewed after all", "What there is", "Until Friday"]);
    let before = stage.trades();
    let gone = stage.server.run(&["channel", "remove", &id, "-w", "acme"]);
    assert!(gone.status.success(), "{gone:?}");
    let deadline = Instant::now() + Duration::from_secs(20);
    let events = ["event", "list", "-w", "acme", "--kind", "channel.grant_withdrawn"];
    let told = loop {
        let told = stage.server.json(&events)["items"].as_array().unwrap().clone();
        if let [one] = told.as_slice() {
            break one.clone();
        }
        assert!(Instant::now() < deadline, "{told:?}");
    };
    assert_eq!((told["data"]["result"].as_str(), stage.trades()), (Some("revoked"), before));
}
