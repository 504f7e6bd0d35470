//! An open loop: requests are sent at their times, whether or not those before were answered.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

/// How much is offered, by how many connections.
#[derive(Clone, Copy)]
pub struct Plan {
    pub connections: u32,
    pub per_second: u32,
    pub lasts: Duration,
    /// For the answers to what was sent last.
    pub after: Duration,
}

/// What came of it.
#[derive(Default, Debug)]
pub struct Seen {
    pub offered: u64,
    /// The socket was full: the server takes no more of this connection for now.
    pub not_taken: u64,
    /// Answers by status, and of the kind of request.
    pub answers: BTreeMap<(u8, u16), u64>,
    /// Refusals that do not say when to come again, and other answers that are wrong.
    pub wrong: Vec<String>,
    /// Ended by the server before the time.
    pub hung_up: u64,
    /// The longest that an answer took, or that a request had waited when the time was over.
    pub slowest: Duration,
}

impl Seen {
    pub fn of_status(&self, status: u16) -> u64 {
        self.answers.iter().filter(|((_, s), _)| *s == status).map(|(_, n)| n).sum()
    }

    pub fn answered(&self) -> u64 {
        self.answers.values().sum()
    }

    fn add(&mut self, other: Self) {
        self.offered += other.offered;
        self.not_taken += other.not_taken;
        self.hung_up += other.hung_up;
        self.slowest = self.slowest.max(other.slowest);
        for (of, n) in other.answers {
            *self.answers.entry(of).or_default() += n;
        }
        self.wrong.extend(other.wrong.into_iter().take(5));
    }
}

/// The bytes of request number n, and its kind.
pub type Request = Arc<dyn Fn(u64) -> (u8, Vec<u8>) + Send + Sync>;

pub async fn offer(at: SocketAddr, plan: Plan, request: &Request) -> Seen {
    let mut sockets = Vec::new();
    for _ in 0..plan.connections {
        sockets.push(TcpStream::connect(at).await.unwrap());
    }
    let began = Instant::now();
    let mut tasks = Vec::new();
    for (n, socket) in (0..plan.connections).zip(sockets) {
        socket.set_nodelay(true).unwrap();
        let request = Arc::clone(request);
        tasks.push(tokio::spawn(one(socket, n, plan, began, request)));
    }
    let mut seen = Seen::default();
    for task in tasks {
        seen.add(task.await.unwrap());
    }
    seen
}

/// The kinds of the requests that wait for their answers, and when each was sent, in order.
type Waiting = Arc<Mutex<VecDeque<(u8, Instant)>>>;

async fn one(socket: TcpStream, which: u32, plan: Plan, began: Instant, request: Request) -> Seen {
    let (reading, writing) = socket.into_split();
    let waiting = Waiting::default();
    let end = began + plan.lasts + plan.after;
    let answers = tokio::spawn(read(reading, Arc::clone(&waiting), end));
    let mut seen = write(writing, which, plan, (began, request), &waiting).await;
    seen.add(answers.await.unwrap());
    seen
}

async fn write(
    socket: OwnedWriteHalf,
    which: u32,
    plan: Plan,
    (began, request): (Instant, Request),
    waiting: &Waiting,
) -> Seen {
    let mut seen = Seen::default();
    let step = Duration::from_secs(1) * plan.connections / plan.per_second;
    let mut at = began + step * which / plan.connections;
    let mut n = u64::from(which);
    // Of a request that the socket did not take whole.
    let mut left = Vec::new();
    while at < began + plan.lasts {
        tokio::time::sleep_until(at.into()).await;
        let (kind, bytes) = request(n);
        seen.offered += 1;
        if left.is_empty() {
            waiting.lock().unwrap().push_back((kind, Instant::now()));
            left = bytes;
        } else {
            seen.not_taken += 1;
        }
        match socket.try_write(&left) {
            Ok(sent) => drop(left.drain(..sent)),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => break,
        }
        at += step;
        n += u64::from(plan.connections);
    }
    // Held open until the answers are read.
    tokio::time::sleep_until((began + plan.lasts + plan.after).into()).await;
    drop(socket);
    seen
}

async fn read(mut socket: OwnedReadHalf, waiting: Waiting, end: Instant) -> Seen {
    let mut seen = Seen::default();
    let mut buffer = Vec::with_capacity(16 * 1024);
    loop {
        let more = tokio::time::timeout_at(end.into(), socket.read_buf(&mut buffer)).await;
        match more {
            Err(_) => {
                let oldest = waiting.lock().unwrap().front().map(|(_, sent)| sent.elapsed());
                seen.slowest = seen.slowest.max(oldest.unwrap_or_default());
                return seen;
            }
            Ok(Ok(0) | Err(_)) => {
                seen.hung_up += 1;
                return seen;
            }
            Ok(Ok(_)) => {}
        }
        while let Some((status, head, whole)) = answer(&buffer) {
            let Some((kind, sent)) = waiting.lock().unwrap().pop_front() else {
                panic!("an answer that nobody asked for: {head}")
            };
            seen.slowest = seen.slowest.max(sent.elapsed());
            *seen.answers.entry((kind, status)).or_default() += 1;
            if !is_right(status, &head) && seen.wrong.len() < 5 {
                seen.wrong.push(head);
            }
            buffer.drain(..whole);
        }
    }
}

/// Status, head in lower case, and length of the first answer, if it is there whole.
fn answer(buffer: &[u8]) -> Option<(u16, String, usize)> {
    let head = buffer.windows(4).position(|at| at == b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(&buffer[..head]).to_ascii_lowercase();
    let length = text.lines().find_map(|line| line.strip_prefix("content-length: "));
    let whole = head + length.map_or(0, |length| length.trim().parse::<usize>().unwrap());
    let status = text.split(' ').nth(1)?.parse().ok()?;
    (buffer.len() >= whole).then_some((status, text, whole))
}

/// Served, or told when to come again.
fn is_right(status: u16, head: &str) -> bool {
    let has = |name: &str| head.contains(&format!("\r\n{name}: "));
    match status {
        200 | 201 => true,
        503 => has("retry-after"),
        429 => has("retry-after") && has("ratelimit") && has("ratelimit-policy"),
        _ => false,
    }
}
