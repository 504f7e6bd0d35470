//! An installation in memory and consoles on pipes: what the daemon does, without sockets.

use std::collections::BTreeSet;
use std::future::ready;
use std::io;
use std::num::NonZeroU16;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use carillon::base::{Clock, CorrelationId, Live, Problem, Rng, SeededRng, tokio_spawner};
use carillon::console::{Bye, Console, Hello, Kept, Parts, View, view};
use carillon::domain::publish::Timing;
use carillon::media::{self, Blobs};
use carillon::outbound::guard::Guard;
use carillon::practice::World;
use carillon::service::{Jobs, Services, run_verb};
use carillon::simulator::InProcess;
use carillon::store::{Disk, FaultDisk, Operator, Options, Store};
use carillon::telemetry::{Metrics, Ring};
use carillon::vault::{Keyring, Vault};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub struct House {
    pub services: Services,
    pub console: Console,
    pub stop: CancellationToken,
    pub tasks: TaskTracker,
}

impl House {
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self::drawn(clock, view)
    }

    /// With another way to draw.
    pub fn drawn(clock: Arc<dyn Clock>, view: View) -> Self {
        let services = services(clock);
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let console = Console::start(Parts {
            services: services.clone(),
            ring: Ring::default(),
            host: "test".to_owned(),
            settings: Box::new(Vec::new),
            name_of: |uid| format!("uid {uid}"),
            spawner: tokio_spawner(tasks.clone()),
            stop: stop.clone(),
            view,
        });
        Self { services, console, stop, tasks }
    }

    pub async fn verb(&self, named: (&str, &str), workspace: Option<&str>, args: Value) -> Value {
        let Value::Object(args) = args else { panic!("{args}") };
        let correlation = CorrelationId::new(self.services.rng.as_ref());
        run_verb(&self.services, Operator::new(0), named, workspace, &args, correlation)
            .await
            .unwrap()
    }

    /// Opens a console with a pipe of so many bytes.
    pub fn open(&self, pipe: usize) -> Result<DuplexStream, Problem> {
        let (ours, theirs) = tokio::io::duplex(pipe);
        let line: io::Result<DuplexStream> = Ok(theirs);
        self.console.take(1_000, Box::pin(ready(line)))?;
        Ok(ours)
    }

    pub async fn terminal(&self) -> Terminal {
        Terminal::on(self.open(64 * 1024).unwrap(), (80, 24)).await
    }

    pub fn metric(&self, line: &str) -> bool {
        self.services.metrics.render().lines().any(|found| found == line)
    }
}

fn services(clock: Arc<dyn Clock>) -> Services {
    let rng: Arc<dyn Rng> = Arc::new(SeededRng::new(1));
    let disk = FaultDisk::new();
    let world = Arc::new(Mutex::new(World::new(1)));
    Services {
        store: Store::open(Disk::Memory(disk), Options::default()).unwrap(),
        vault: Arc::new(Vault::new(Keyring::fresh(rng.as_ref()))),
        blobs: Blobs::in_memory(media::Settings::default()),
        transport: Arc::new(InProcess::new(world, Arc::clone(&clock), BTreeSet::new())),
        guard: Arc::new(Guard::new([]).unwrap()),
        clock,
        rng,
        timing: Live::new(Timing::default()),
        marks: Live::default(),
        controls: Arc::default(),
        backups: Arc::default(),
        catching_up: Live::default(),
        renewals: Arc::default(),
        circuits: Arc::default(),
        echoes: Arc::default(),
        hooks: Arc::default(),
        hosts: Arc::default(),
        people: Arc::default(),
        looked: Arc::default(),
        mail: None,
        oidc: Arc::default(),
        jobs: Jobs::default(),
        plans: Live::default(),
        metrics: Arc::new(Metrics::new().unwrap()),
        public_url: "https://social.example.com".into(),
    }
}

/// The other end of a console: what the thin client does, and a terminal that shows it.
pub struct Terminal {
    line: DuplexStream,
    pub screen: vt100::Parser,
    pub bytes: usize,
    pub frames: usize,
    /// What came of a file so far.
    pub file: Vec<u8>,
}

pub fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap();
    [&[kind], length.to_be_bytes().as_slice(), payload].concat()
}

pub fn hello((cols, rows): (u16, u16)) -> Hello {
    Hello {
        cols,
        rows,
        mono: false,
        ascii: false,
        plain: false,
        readonly: false,
        screen: None,
        zone: None,
    }
}

/// One frame from the server: what to draw, or the last word.
pub enum Got {
    Bytes,
    Bye(Bye),
    Gone,
}

impl Terminal {
    pub async fn on(line: DuplexStream, size: (u16, u16)) -> Self {
        Self::said(line, &hello(size)).await
    }

    pub async fn said(mut line: DuplexStream, hello: &Hello) -> Self {
        line.write_all(&frame(0, &serde_json::to_vec(hello).unwrap())).await.unwrap();
        let (rows, cols) =
            (NonZeroU16::new(hello.rows.clamp(1, 200)), NonZeroU16::new(hello.cols.clamp(1, 500)));
        let screen = vt100::Parser::new(rows.unwrap(), cols.unwrap(), 0);
        Self { line, screen, bytes: 0, frames: 0, file: Vec::new() }
    }

    pub async fn send(&mut self, kind: u8, payload: &[u8]) {
        self.line.write_all(&frame(kind, payload)).await.unwrap();
    }

    pub async fn keys(&mut self, keys: &str) {
        self.send(1, keys.as_bytes()).await;
    }

    pub async fn next(&mut self) -> Got {
        let Ok(kind) = self.line.read_u8().await else { return Got::Gone };
        let Ok(length) = self.line.read_u32().await else { return Got::Gone };
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        if self.line.read_exact(&mut payload).await.is_err() {
            return Got::Gone;
        }
        if kind == 3 {
            return Got::Bye(serde_json::from_slice(&payload).unwrap());
        }
        match kind {
            1 => {}
            5 => {
                self.file = payload;
                self.file.push(b'\n');
                return Got::Bytes;
            }
            6 => {
                self.file.extend(payload);
                return Got::Bytes;
            }
            7 => {
                let kept = match String::from_utf8(payload).unwrap() {
                    whole if whole.is_empty() => Kept::At("/kept/here".to_owned()),
                    why => Kept::Not(why),
                };
                self.send(8, &serde_json::to_vec(&kept).unwrap()).await;
                return Got::Bytes;
            }
            _ => return Got::Bytes,
        }
        self.screen.process(&payload);
        self.bytes += payload.len();
        self.frames += 1;
        Got::Bytes
    }

    pub fn text(&self) -> String {
        self.screen.screen().contents()
    }

    /// Until the screen shows this.
    pub async fn wait_for(&mut self, words: &str) {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
        while !self.text().contains(words) {
            match tokio::time::timeout_at(deadline, self.next()).await {
                Ok(Got::Bytes) => {}
                Ok(Got::Bye(bye)) => panic!("no {words:?} before {bye:?} on\n{}", self.text()),
                Ok(Got::Gone) => panic!("the line is gone before {words:?} on\n{}", self.text()),
                Err(late) => panic!("no {words:?} in time: {late} on\n{}", self.text()),
            }
        }
    }

    /// Its last word.
    pub async fn bye(&mut self) -> Bye {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
        loop {
            match tokio::time::timeout_at(deadline, self.next()).await.unwrap() {
                Got::Bytes => {}
                Got::Bye(bye) => return bye,
                Got::Gone => panic!("no last word"),
            }
        }
    }
}

/// Something of everything, by the verbs.
pub async fn fill(house: &House) -> (String, String) {
    house.verb(("workspace", "create"), None, json!({ "name": "Acme" })).await;
    let feed = json!({ "network": "feed", "name": "News" });
    let channel = house.verb(("channel", "add"), Some("acme"), feed).await;
    let channel = channel["id"].as_str().unwrap().to_owned();
    let tomorrow = house.services.now().plus(Duration::from_hours(24)).to_string();
    let words = json!({
        "channel": [channel.clone()], "text": ["Rye bread day"],
        "at": tomorrow.trim_end_matches('Z'), "zone": "UTC",
    });
    let post = house.verb(("post", "create"), Some("acme"), words).await;
    (channel, post["id"].as_str().unwrap().to_owned())
}
