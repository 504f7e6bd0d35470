//! A run as data: the world it happens in and everything that happens, drawn from a seed before it
//! begins. Must not act; what is drawn can be printed, replayed and made shorter.

use std::fmt;
use std::time::Duration;

use crate::base::{Rng as _, SeededRng};
use crate::practice::{Act, Fault, Matcher, Reset};
use crate::store::FaultKind;

/// What stands in every text of a simulation: which post, part and version it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Token {
    pub post: u32,
    pub part: u32,
    pub version: u32,
}

impl Token {
    pub fn find(bytes: &[u8]) -> Option<Self> {
        bytes.windows(2).enumerate().filter(|(_, two)| two == b"qz").find_map(|(at, _)| {
            let mut rest = bytes.get(at + 2..)?;
            let mut number = |end: u8| {
                let digits = rest.iter().position(|b| *b == end).filter(|n| (1..10).contains(n))?;
                let (head, tail) = rest.split_at_checked(digits)?;
                rest = tail.get(1..)?;
                std::str::from_utf8(head).ok()?.parse().ok()
            };
            Some(Self { post: number(b'x')?, part: number(b'v')?, version: number(b'z')? })
        })
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "qz{}x{}v{}z", self.post, self.part, self.version)
    }
}

/// The classes of networks that exist; each channel has a server of its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Server {
    /// Mastodon as installed: honours keys.
    Keyed,
    /// Its keys are seen only some seconds after the write.
    Settling,
    /// A known key answers 500.
    KeyFails,
    /// Ignores keys; a listing is the evidence.
    Listed,
    /// The same, and its list is behind.
    Lagging,
    /// In front of another program.
    Front,
    /// Bluesky; its records have keys of ours.
    Records,
    /// Bluesky where a second use of a refresh token ends every session.
    Strict,
    Webhook,
    /// A webhook whose receiver takes what it has taken before, which its class allows.
    Forgetful,
    Feed,
}

impl Server {
    pub const ALL: [Self; 11] = [
        Self::Keyed,
        Self::Settling,
        Self::KeyFails,
        Self::Listed,
        Self::Lagging,
        Self::Front,
        Self::Records,
        Self::Strict,
        Self::Webhook,
        Self::Forgetful,
        Self::Feed,
    ];

    pub fn network(self) -> &'static str {
        match self {
            Self::Keyed
            | Self::Settling
            | Self::KeyFails
            | Self::Listed
            | Self::Lagging
            | Self::Front => "mastodon",
            Self::Records | Self::Strict => "bluesky",
            Self::Webhook | Self::Forgetful => "webhook",
            Self::Feed => "feed",
        }
    }
}

/// Where a pause holds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Level {
    Everything,
    Network(&'static str),
    Workspace(usize),
    Channel(usize),
}

/// What a person does with a held delivery.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Word {
    /// Looks at the network, and says what is there.
    Looks,
    /// Drops it without looking.
    Drops,
    /// Says that it is there without looking.
    Claims,
}

/// Where the process dies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cut {
    Now,
    /// After so many more polls of tasks.
    Poll(u64),
    /// At the write, resize or sync after so many more.
    Operation(u64),
    /// At the call to a network after so many more, before or right after it arrives.
    Call(u64, bool),
}

/// One thing that happens.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// A new post, due so much later, or now when that is zero.
    Post {
        post: u32,
        channels: Vec<usize>,
        parts: u32,
        due: Duration,
        delay_minutes: u32,
        picture: bool,
    },
    /// New words.
    Edit {
        post: u32,
        version: u32,
    },
    Move {
        post: u32,
        due: Duration,
    },
    Cancel {
        post: u32,
    },
    Delete {
        post: u32,
    },
    Pause {
        level: Level,
        on: bool,
    },
    /// Of those that are held, the one of this number, counted around.
    Resolve {
        number: usize,
        word: Word,
    },
    Reconnect {
        channel: usize,
    },
    Remove {
        channel: usize,
    },
    /// The next calls to the server of a channel go wrong.
    Fault {
        channel: usize,
        on: Matcher,
        times: u32,
        act: Act,
    },
    /// The server ends the access tokens of a channel's account.
    SessionEnds {
        channel: usize,
    },
    /// The disk fails at the operation after so many more, once or until it is mended.
    DiskFails {
        after: u64,
        kind: FaultKind,
        once: bool,
    },
    DiskMended,
    /// The disk says that so many MiB are free.
    Room {
        mib: u64,
    },
    /// The wall clock jumps.
    Jump {
        ahead: bool,
        by: Duration,
    },
    /// The process dies, perhaps with its machine, and is started again after so long.
    Crash {
        cut: Cut,
        down: Duration,
        reboot: bool,
    },
    /// The process is asked to stop, and is started again after so long.
    Stop {
        down: Duration,
    },
}

/// Something that happens, and how long after the thing before it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Timed {
    pub after: Duration,
    pub event: Event,
}

/// A whole run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Script {
    pub seed: u64,
    /// The channels: whose they are, and on what kind of server.
    pub channels: Vec<(usize, Server)>,
    pub events: Vec<Timed>,
}

impl fmt::Display for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}", self.seed)?;
        for (n, (workspace, server)) in self.channels.iter().enumerate() {
            writeln!(f, "channel {n}: {server:?}, workspace {workspace}")?;
        }
        for Timed { after, event } in &self.events {
            writeln!(f, "+{after:?} {event:?}")?;
        }
        Ok(())
    }
}

/// Draws from a seed.
struct Dice(SeededRng);

impl Dice {
    fn below(&self, n: u64) -> u64 {
        self.0.next_u64() % n.max(1)
    }

    fn index(&self, n: usize) -> usize {
        usize::try_from(self.below(u64::try_from(n).unwrap_or(1))).unwrap_or(0)
    }

    fn number(&self, n: u32) -> u32 {
        u32::try_from(self.below(u64::from(n))).unwrap_or(0)
    }

    fn chance(&self, percent: u64) -> bool {
        self.below(100) < percent
    }

    fn of<T: Clone>(&self, from: &[T]) -> Option<T> {
        from.get(self.index(from.len())).cloned()
    }

    fn seconds(&self, most: u64) -> Duration {
        Duration::from_millis(self.below(most * 1_000))
    }
}

impl Script {
    /// The run of a seed. Equal seeds give equal scripts.
    pub fn of(seed: u64) -> Self {
        // Apart from the stream that the run itself uses.
        let dice = Dice(SeededRng::new(seed ^ 0x005C_41B7_5EED));
        let workspaces = 1 + dice.index(2);
        let channels: Vec<_> = (0..2 + dice.index(3))
            .map(|n| {
                let server = dice.of(&Server::ALL).unwrap_or(Server::Keyed);
                (if n < workspaces { n } else { dice.index(workspaces) }, server)
            })
            .collect();
        let mut writer = Writer { dice, channels, events: Vec::new(), posts: 0, versions: 1 };
        writer.write();
        let Writer { channels, events, .. } = writer;
        Self { seed, channels, events }
    }
}

struct Writer {
    dice: Dice,
    channels: Vec<(usize, Server)>,
    events: Vec<Timed>,
    posts: u32,
    versions: u32,
}

impl Writer {
    fn write(&mut self) {
        for _ in 0..=self.dice.index(2) {
            self.post(Duration::ZERO);
        }
        for _ in 0..6 + self.dice.index(24) {
            // Most things happen while something is under way, some long after.
            let after = match self.dice.below(10) {
                0..=3 => self.dice.seconds(2),
                4..=6 => self.dice.seconds(90),
                7 | 8 => self.dice.seconds(300),
                _ => self.dice.seconds(3_600),
            };
            match self.dice.below(100) {
                0..=17 => self.post(after),
                18..=41 => self.person(after),
                42..=69 => self.fault(after),
                70..=78 => self.disk(after),
                79..=82 => self.jump(after),
                83..=96 => self.crash(after),
                _ => {
                    let down = self.down();
                    self.push(after, Event::Stop { down });
                }
            }
        }
    }

    fn push(&mut self, after: Duration, event: Event) {
        self.events.push(Timed { after, event });
    }

    fn post(&mut self, after: Duration) {
        let first = self.dice.index(self.channels.len());
        let workspace = self.channels.get(first).map(|(workspace, _)| *workspace);
        let mut channels = vec![first];
        for (n, (of, _)) in self.channels.iter().enumerate() {
            if n != first && Some(*of) == workspace && self.dice.chance(50) {
                channels.push(n);
            }
        }
        let parts = if self.dice.chance(60) { 1 } else { 2 + self.dice.number(2) };
        let due = match self.dice.below(10) {
            0 => Duration::ZERO,
            1..=7 => self.dice.seconds(120),
            _ => self.dice.seconds(1_800),
        };
        let delay_minutes = if self.dice.chance(25) { 1 + self.dice.number(5) } else { 0 };
        let picture = self.dice.chance(15);
        let post = self.posts;
        self.posts += 1;
        self.push(after, Event::Post { post, channels, parts, due, delay_minutes, picture });
    }

    fn person(&mut self, after: Duration) {
        // The newest posts are those that still wait.
        let post = self.posts.saturating_sub(1 + self.dice.number(3));
        let channel = self.dice.index(self.channels.len());
        let event = match self.dice.below(20) {
            0..=3 => {
                self.versions += 1;
                Event::Edit { post, version: self.versions }
            }
            4 | 5 => Event::Move { post, due: self.dice.seconds(600) },
            6 => Event::Cancel { post },
            7 => Event::Delete { post },
            8..=11 => {
                let level = match self.dice.below(4) {
                    0 => Level::Everything,
                    1 => {
                        Level::Network(self.channels.get(channel).map_or("feed", |c| c.1.network()))
                    }
                    2 => Level::Workspace(self.channels.get(channel).map_or(0, |c| c.0)),
                    _ => Level::Channel(channel),
                };
                Event::Pause { level, on: self.dice.chance(60) }
            }
            12..=16 => {
                let words = [Word::Looks, Word::Looks, Word::Looks, Word::Drops, Word::Claims];
                let word = self.dice.of(&words).unwrap_or(Word::Looks);
                Event::Resolve { number: self.dice.index(8), word }
            }
            17 | 18 => Event::Reconnect { channel },
            _ => Event::Remove { channel },
        };
        self.push(after, event);
    }

    fn fault(&mut self, after: Duration) {
        let channel = self.dice.index(self.channels.len());
        if self.dice.chance(6) {
            self.push(after, Event::SessionEnds { channel });
            return;
        }
        let on = match self.dice.below(22) {
            0..=12 => Matcher::Write,
            13 | 14 => Matcher::Listing,
            15 => Matcher::Lookup,
            16 => Matcher::Verify,
            17 | 18 => Matcher::Token,
            19 => Matcher::Any,
            _ => Matcher::Upload,
        };
        let times = if self.dice.chance(70) { 1 } else { 1 + self.dice.number(6) };
        let act = match self.act() {
            // To a webhook any 2xx is an answer, whoever gave it: its class, not a fault.
            Act::Html200 if self.network(channel) == "webhook" => Act::Html502,
            act => act,
        };
        self.push(after, Event::Fault { channel, on, times, act });
    }

    fn network(&self, channel: usize) -> &'static str {
        self.channels.get(channel).map_or("feed", |(_, server)| server.network())
    }

    /// What a server does wrong. Nothing lands later than the quiet period is long: that is what
    /// the promise rests on (SPEC part 4).
    fn act(&self) -> Act {
        let dice = &self.dice;
        let status = |of: &[u16]| dice.of(of).unwrap_or(500);
        let wait = Duration::from_secs(1 + dice.below(240));
        match dice.below(22) {
            0 => Act::ErrorBefore { status: status(&[408, 500, 502, 503, 504]) },
            1 => Act::ErrorBefore { status: status(&[400, 403, 404, 413, 422]) },
            2 | 3 => Act::ErrorAfter { status: status(&[408, 500, 502, 503, 504]) },
            4..=6 => Act::AcceptThenDrop,
            7 => Act::DropBefore,
            8..=10 => Act::LandLate { after: Duration::from_secs(1 + dice.below(170)) },
            11 => Act::RateLimited { reset_after: wait },
            12 => {
                let forms = [Reset::Seconds, Reset::Date, Reset::Epoch, Reset::Left, Reset::Silent];
                let form = dice.of(&forms).unwrap_or(Reset::Silent);
                Act::RateLimitedAs { form, reset_after: wait }
            }
            13 => Act::False401,
            14 => Act::RevokeToken,
            15 => Act::Html502,
            16 => Act::Html200,
            17 => Act::CutBody { after: dice.index(40) },
            18 => Act::SlowBody { every: Duration::from_millis(10 + dice.below(4_000)) },
            19 => Act::SlowStart { delay: Duration::from_secs(1 + dice.below(60)) },
            20 => Act::GarbageJson,
            _ => Act::WrongShape,
        }
    }

    fn disk(&mut self, after: Duration) {
        let event = match self.dice.below(10) {
            0..=5 => {
                let kind = if self.dice.chance(50) { FaultKind::Io } else { FaultKind::Full };
                let once = self.dice.chance(60);
                Event::DiskFails { after: 1 + self.dice.below(40), kind, once }
            }
            6 | 7 => Event::DiskMended,
            8 => Event::Room { mib: 50 + self.dice.below(300) },
            _ => Event::Room { mib: 50_000 },
        };
        self.push(after, event);
    }

    /// Some jumps are seen, others come while no process is there, or while it is about to die.
    fn jump(&mut self, after: Duration) {
        let most = if self.dice.chance(50) { 600 } else { 4 * 3_600 };
        let (ahead, by) = (self.dice.chance(50), self.dice.seconds(most));
        self.push(after, Event::Jump { ahead, by });
        if self.dice.chance(40) {
            let soon = if self.dice.chance(50) { Duration::ZERO } else { self.dice.seconds(3) };
            self.crash(soon);
        }
    }

    fn down(&self) -> Duration {
        match self.dice.below(4) {
            0 | 1 => Duration::ZERO,
            2 => self.dice.seconds(120),
            _ => self.dice.seconds(4_000),
        }
    }

    fn crash(&mut self, after: Duration) {
        let cut = match self.dice.below(10) {
            0 => Cut::Now,
            1..=3 => Cut::Poll(self.dice.below(60)),
            4..=6 => Cut::Operation(1 + self.dice.below(60)),
            _ => Cut::Call(self.dice.below(4), self.dice.chance(60)),
        };
        let (down, reboot) = (self.down(), self.dice.chance(30));
        self.push(after, Event::Crash { cut, down, reboot });
    }
}

/// The fault of an event, for the world.
pub(super) fn fault(host: &str, on: Matcher, times: u32, act: &Act) -> Fault {
    Fault { on, host: Some(host.to_owned()), times, act: act.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_found_in_whatever_carries_it() {
        let token = Token { post: 12, part: 0, version: 345 };
        for text in [format!("status={token}+hello"), format!("{{\"text\":\"qzqz {token}\"}}")] {
            assert_eq!(Token::find(text.as_bytes()), Some(token), "{text}");
        }
        for text in ["", "qz", "qz1x2v", "qz1x2vz", "qzx1v2z", "qz9999999999999x1v1z"] {
            assert_eq!(Token::find(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn a_seed_is_a_script() {
        assert_eq!(Script::of(5), Script::of(5));
        assert_ne!(Script::of(5), Script::of(6));
        assert!((0..200).all(|seed| !Script::of(seed).events.is_empty()));
    }
}
