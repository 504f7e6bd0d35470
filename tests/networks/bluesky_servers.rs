//! Our own Bluesky code over real sockets, the same run twice: against the practice server, and
//! against a real one (PDS). That needs Node 22 and the folder of `npm i @atproto/pds
//! @did-plc/server` in `CARILLON_PDS`; it skips without, unless `CARILLON_REQUIRE_REAL_PARTS=1`.

use std::ffi::OsStr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use carillon::base::{
    ChannelId, CorrelationId, DeliveryId, SeededRng, SystemClock, SystemRng, Timestamp,
};
use carillon::domain::channel::Account;
use carillon::domain::post::PartDraft;
use carillon::domain::publish::{Outcome, Reading, Receipt, Source};
use carillon::networks::{
    Call, CallError, Connected, Credential, Facts, Grant, Hosts, Network, PartCall, named,
};
use carillon::outbound::client::{HttpSettings, HttpTransport};
use carillon::outbound::guard::{Guard, system_lookup};
use carillon::outbound::{Origin, Request, Transport};
use carillon::practice::bluesky::Settings;
use carillon::practice::{World, serve};
use data_encoding::BASE32_NOPAD;
use http::{HeaderMap, Method};
use serde_json::Value;
use support::Node;
use tokio::net::TcpListener;
use url::Url;

/// A server with two accounts on it.
struct Place {
    base: Url,
    handle: String,
    password: String,
    other: (String, String),
}

/// What our code sees of it.
struct Client {
    transport: HttpTransport,
    place: Place,
    network: &'static dyn Network,
    account: Account,
    credential: Credential,
    facts: Facts,
    hosts: Hosts,
}

fn now() -> Timestamp {
    carillon::base::Clock::now(&SystemClock::new())
}

impl Client {
    async fn connect(place: Place) -> Self {
        let at = place.base.authority().to_owned();
        let settings =
            HttpSettings { guard: Guard::new([at.as_str()]).unwrap(), ..HttpSettings::default() };
        let clock = Arc::new(SystemClock::new());
        let client = Self {
            transport: HttpTransport::new(settings, system_lookup(), clock).unwrap(),
            place,
            network: named("bluesky").unwrap(),
            account: Account { remote_id: String::new(), handle: String::new(), url: None },
            credential: Credential::default(),
            facts: Facts::new(),
            hosts: Hosts::default(),
        };
        let (handle, password) = (client.place.handle.clone(), client.place.password.clone());
        let wrong = client.sign_in(&handle, "wrong-pass-word").await;
        assert!(matches!(wrong, Err(CallError::Unauthorized(_))), "a wrong password is told");
        let made = client.sign_in(&handle, &password).await.unwrap();
        let Connected::Account { account, credential: Some(credential), .. } = made else {
            panic!("no account")
        };
        assert_eq!(account.handle, format!("@{handle}"));
        assert!(account.remote_id.starts_with("did:plc:"), "{account:?}");
        Self { account, credential, ..client }
    }

    async fn sign_in(&self, identifier: &str, password: &str) -> Result<Connected, CallError> {
        let call = Call { account: None, credential: None, ..self.call() };
        self.network.connect(&call, Grant::Password { identifier, password }).await
    }

    fn call(&self) -> Call<'_> {
        Call {
            transport: &self.transport,
            instance: Some(&self.place.base),
            credential: Some(&self.credential),
            account: Some(&self.account),
            facts: &self.facts,
            app: None,
            hosts: &self.hosts,
            public_url: "https://carillon.test",
            now: now(),
            deadline: Duration::from_secs(20),
            correlation: CorrelationId::new(&SystemRng::default()),
        }
    }

    /// A question of the test itself.
    async fn get(&self, method: &str, parameters: &[(&str, &str)]) -> Value {
        let mut url = Url::parse(&format!(
            "{}/xrpc/{method}",
            self.place.base.as_str().trim_end_matches('/')
        ))
        .unwrap();
        url.query_pairs_mut().extend_pairs(parameters);
        let request = Request {
            method: Method::GET,
            url,
            headers: HeaderMap::new(),
            body: carillon::outbound::Body::Whole(bytes::Bytes::new()),
            deadline: Duration::from_secs(20),
            origin: Origin::Workspace,
            correlation: CorrelationId::new(&SystemRng::default()),
        };
        let answer = self.transport.send(request).await.unwrap();
        assert_eq!(answer.status, 200, "{:?}", answer.body);
        serde_json::from_slice(&answer.body).unwrap()
    }

    async fn records(&self) -> Vec<Value> {
        let parameters = [
            ("repo", self.account.remote_id.as_str()),
            ("collection", "app.bsky.feed.post"),
            ("limit", "100"),
        ];
        let listed = self.get("com.atproto.repo.listRecords", &parameters).await;
        listed["records"].as_array().unwrap().clone()
    }
}

/// A thread of one delivery.
struct Thread {
    rng: SeededRng,
    delivery: DeliveryId,
    drafts: Vec<PartDraft>,
    keys: Vec<String>,
}

impl Thread {
    fn new(seed: u64, texts: &[&str]) -> Self {
        let rng = SeededRng::new(seed);
        let draft = |text: &&str| PartDraft { text: (*text).to_owned(), ..PartDraft::default() };
        let key = |i: usize| {
            let bytes = [u8::try_from(i).unwrap(); 32].map(|b| b ^ u8::try_from(seed).unwrap());
            BASE32_NOPAD.encode(&bytes).to_lowercase()
        };
        Self {
            delivery: DeliveryId::new(now(), &rng),
            drafts: texts.iter().map(draft).collect(),
            keys: (0..texts.len()).map(key).collect(),
            rng,
        }
    }

    fn part<'a>(&'a self, index: usize, before: &'a [Receipt]) -> PartCall<'a> {
        PartCall {
            channel: ChannelId::new(now(), &self.rng),
            delivery: self.delivery,
            index,
            due: now(),
            draft: &self.drafts[index],
            options: None,
            key: &self.keys[index],
            ticket: &[],
            media: &[],
            before,
            known: &[],
            in_doubt: false,
        }
    }
}

fn done(outcome: Outcome) -> Receipt {
    match outcome {
        Outcome::Done(receipt) => receipt,
        other => panic!("not done: {other:?}"),
    }
}

/// All that must hold on any server of the network.
async fn holds(place: Place) {
    let mut client = Client::connect(place).await;
    let (handle, did) = client.place.other.clone();
    let root = format!(
        "Croissants \u{1F950}\u{1F469}\u{200D}\u{1F680} for @{handle}, see https://e.example/caf\u{e9}?a=1#b. \
         #caf\u{e9} and @nobody-here.test"
    );
    let thread = Thread::new(1, &[&root, "second", "third"]);
    let receipts = publish(&client, &thread).await;
    facets(&client, &receipts[0], &root, &did).await;
    repeats(&client, &thread, &receipts).await;
    assert_eq!(client.records().await.len(), 3, "a thread of three, whatever was repeated");
    lengths(&client).await;
    sessions(&mut client).await;
}

async fn publish(client: &Client, thread: &Thread) -> Vec<Receipt> {
    let mut receipts = Vec::new();
    for index in 0..thread.drafts.len() {
        let part = thread.part(index, &receipts);
        let absent = client.network.read_back(&client.call(), &part, now()).await;
        assert_eq!(absent, Reading::Absent);
        let receipt = done(client.network.commit(&client.call(), &part).await);
        let key = receipt.remote_id.rsplit('/').next().unwrap();
        let base = client.place.base.as_str().trim_end_matches('/');
        let url = format!("{base}/profile/{}/post/{key}", client.account.remote_id);
        assert_eq!(receipt.url.as_deref(), Some(url.as_str()));
        receipts.push(receipt);
    }
    let records = client.records().await;
    let of = |receipt: &Receipt| {
        records.iter().find(|record| record["uri"] == receipt.remote_id.as_str()).unwrap()
    };
    for (i, receipt) in receipts.iter().enumerate().skip(1) {
        let reply = &of(receipt)["value"]["reply"];
        for (name, wanted) in [("root", &receipts[0]), ("parent", &receipts[i - 1])] {
            assert_eq!(reply[name]["uri"], of(wanted)["uri"]);
            assert_eq!(reply[name]["cid"], of(wanted)["cid"]);
        }
    }
    receipts
}

/// Each facet covers the bytes that it is about.
async fn facets(client: &Client, receipt: &Receipt, text: &str, did: &str) {
    let key = receipt.remote_id.rsplit('/').next().unwrap();
    let repo = client.account.remote_id.as_str();
    let parameters = [("repo", repo), ("collection", "app.bsky.feed.post"), ("rkey", key)];
    let record = client.get("com.atproto.repo.getRecord", &parameters).await;
    let facets = record["value"]["facets"].as_array().unwrap();
    let shown: Vec<(&str, &str)> = facets
        .iter()
        .map(|facet| {
            let byte =
                |name: &str| usize::try_from(facet["index"][name].as_u64().unwrap()).unwrap();
            let feature = &facet["features"][0];
            let value = ["uri", "did", "tag"].iter().find_map(|name| feature[name].as_str());
            (text.get(byte("byteStart")..byte("byteEnd")).unwrap(), value.unwrap())
        })
        .collect();
    let mention = format!("@{}", client.place.other.0);
    let link = "https://e.example/caf\u{e9}?a=1#b";
    // Nobody has the last handle: it stays plain words.
    assert_eq!(shown, [(mention.as_str(), did), (link, link), ("#caf\u{e9}", "caf\u{e9}")]);
}

/// A retry is the same record, with the same time or another, and reading back finds it.
async fn repeats(client: &Client, thread: &Thread, receipts: &[Receipt]) {
    for (index, receipt) in receipts.iter().enumerate() {
        let part = thread.part(index, &receipts[..index]);
        let later = client.call();
        match client.network.commit(&later, &part).await {
            Outcome::Exists(Some(again)) => {
                assert_eq!(
                    again,
                    Receipt { at: later.now, source: Source::ReadBack, ..receipt.clone() }
                );
            }
            other => panic!("{other:?}"),
        }
        let same = Call { now: receipt.at, ..client.call() };
        assert_eq!(done(client.network.commit(&same, &part).await), *receipt);
        match client.network.read_back(&client.call(), &part, receipt.at).await {
            Reading::Found(found) => assert_eq!(found.remote_id, receipt.remote_id),
            other => panic!("{other:?}"),
        }
    }
    // Other words under the key of these would be a mistake of ours; they do not overwrite them.
    let mut other = Thread::new(1, &["other words"]);
    other.delivery = thread.delivery;
    let outcome = client.network.commit(&client.call(), &other.part(0, &[])).await;
    assert_eq!(outcome, Outcome::Exists(None));
    let reading = client.network.read_back(&client.call(), &other.part(0, &[]), now()).await;
    assert_eq!(reading, Reading::Ambiguous);
}

/// The server counts as our composer does: 300 pass, one more does not.
async fn lengths(client: &Client) {
    let limits = client.network.capabilities(&Facts::new());
    let characters = [
        "x",
        "e\u{301}",
        "\u{1F1E9}\u{1F1EA}",
        "\u{44D}",
        "\u{D55C}",
        "\u{1F44D}\u{1F3FD}",
        "\u{915}\u{94D}\u{937}",
        "\r\n",
    ];
    for (i, character) in characters.into_iter().enumerate() {
        let seed = u64::try_from(i).unwrap() + 10;
        let fits = character.repeat(limits.text_max);
        assert_eq!(limits.counter.count(&fits), 300, "{character:?}");
        let thread = Thread::new(seed, &[&format!("{fits}{character}"), &fits]);
        match client.network.commit(&client.call(), &thread.part(0, &[])).await {
            Outcome::Refused(failure) => assert_eq!(failure.code, "validation"),
            other => panic!("{character:?}: {other:?}"),
        }
        done(client.network.commit(&client.call(), &thread.part(1, &[])).await);
    }
    let family = "\u{1F469}\u{200D}\u{1F469}\u{200D}\u{1F467}\u{200D}\u{1F466}";
    let long = family.repeat(121);
    assert!(long.len() > limits.text_bytes_max.unwrap() && limits.counter.count(&long) < 300);
    let thread = Thread::new(30, &[&long]);
    let outcome = client.network.commit(&client.call(), &thread.part(0, &[])).await;
    assert!(matches!(outcome, Outcome::Refused(_)), "{outcome:?}");
}

async fn sessions(client: &mut Client) {
    assert!(client.network.renew_from(&client.credential).unwrap() > now());
    let first = client.network.renew(&client.call()).await.unwrap();
    // Inside its grace the used token gives the same successor: the answer may have been lost.
    let again = client.network.renew(&client.call()).await.unwrap();
    assert_eq!(first.get("refresh_token"), again.get("refresh_token"));
    assert_ne!(first.get("refresh_token"), client.credential.get("refresh_token"));
    client.credential = again;
    assert_eq!(client.network.identify(&client.call()).await.unwrap(), client.account);
    let thread = Thread::new(40, &["after a new session"]);
    done(client.network.commit(&client.call(), &thread.part(0, &[])).await);
    // With tokens that are none, the app password signs in again.
    let spoilt = ["access_token", "refresh_token"].map(|name| (name, "no.such.token".to_owned()));
    let kept = ["app_password", "service", "renew_from"]
        .map(|name| (name, client.credential.get(name).unwrap().to_owned()));
    client.credential = Credential::new(spoilt.into_iter().chain(kept));
    let thread = Thread::new(41, &["after another"]);
    let refused = client.network.commit(&client.call(), &thread.part(0, &[])).await;
    assert!(matches!(refused, Outcome::Reconnect(_)), "{refused:?}");
    client.credential = client.network.renew(&client.call()).await.unwrap();
    done(client.network.commit(&client.call(), &thread.part(0, &[])).await);
}

#[tokio::test]
async fn our_code_holds_on_the_practice_server() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}/bluesky", listener.local_addr().unwrap());
    let mut world = World::new(1);
    world.add_bluesky("bluesky.test", Settings::new(&base));
    world.add_account("bluesky.test", "writer-one.test", "pass-word", "");
    let did = world.add_account("bluesky.test", "reader-one.test", "pass-word", "").unwrap();
    let place = Place {
        base: Url::parse(&base).unwrap(),
        handle: "writer-one.test".to_owned(),
        password: "pass-word".to_owned(),
        other: ("reader-one.test".to_owned(), did),
    };
    let clock = Arc::new(SystemClock::new());
    tokio::select! {
        ended = serve(listener, Arc::new(Mutex::new(world)), clock, std::future::pending()) => {
            panic!("the server ended: {ended:?}")
        }
        () = holds(place) => {}
    }
}

fn start(folder: &OsStr) -> (Node, Place) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/networks/pds.mjs");
    let (pds, line) = Node::start(&script, folder);
    let told: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("it says {line:?}"));
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let place = Place {
        base: Url::parse(&text(&told["base"])).unwrap(),
        handle: text(&told["author"]["handle"]),
        password: text(&told["author"]["password"]),
        other: (text(&told["other"]["handle"]), text(&told["other"]["did"])),
    };
    (pds, place)
}

#[tokio::test]
async fn our_code_holds_on_a_real_server() {
    let Some(folder) = std::env::var_os("CARILLON_PDS") else {
        return support::skip("CARILLON_PDS names no folder with a Bluesky server");
    };
    let (pds, place) = start(&folder);
    println!("a real Bluesky server at {}", place.base);
    holds(place).await;
    drop(pds);
}
