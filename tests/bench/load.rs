//! A closed loop of clients on kept connections. Speaks just enough HTTP/1.1 to cost less than what
//! it measures.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// What the clients saw.
pub struct Load {
    pub answers: u64,
    pub took: Duration,
    /// The longest answer, head and body.
    pub answer_bytes: usize,
    /// In order.
    latencies: Vec<Duration>,
}

impl Load {
    pub fn rate(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        let answers = self.answers as f64;
        answers / self.took.as_secs_f64()
    }

    pub fn percentile(&self, percent: usize) -> Duration {
        let at = (self.latencies.len() * percent / 100).min(self.latencies.len().saturating_sub(1));
        self.latencies.get(at).copied().unwrap_or_default()
    }
}

/// `clients` send `request(n)`, n counting up, each waiting for its answer, until `count` are
/// answered. Every answer must be a 201.
pub async fn run(
    at: SocketAddr,
    clients: usize,
    count: u64,
    request: impl Fn(u64) -> Vec<u8> + Send + Sync + 'static,
) -> Load {
    let (next, request) = (Arc::new(AtomicU64::new(0)), Arc::new(request));
    let began = Instant::now();
    let mut tasks = Vec::new();
    for _ in 0..clients {
        let (next, request) = (Arc::clone(&next), Arc::clone(&request));
        tasks.push(tokio::spawn(async move {
            let mut stream = TcpStream::connect(at).await.unwrap();
            stream.set_nodelay(true).unwrap();
            let (mut latencies, mut buffer) = (Vec::new(), Vec::with_capacity(8_192));
            let mut longest = 0;
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                if n >= count {
                    return (latencies, longest);
                }
                let bytes = request(n);
                let sent = Instant::now();
                stream.write_all(&bytes).await.unwrap();
                read_answer(&mut stream, &mut buffer).await;
                latencies.push(sent.elapsed());
                longest = longest.max(buffer.len());
            }
        }));
    }
    let (mut latencies, mut answer_bytes) = (Vec::new(), 0);
    for task in tasks {
        let (own, longest) = task.await.unwrap();
        latencies.extend(own);
        answer_bytes = answer_bytes.max(longest);
    }
    let took = began.elapsed();
    latencies.sort_unstable();
    Load { answers: count, took, answer_bytes, latencies }
}

async fn read_answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) {
    buffer.clear();
    let head = loop {
        assert!(stream.read_buf(buffer).await.unwrap() > 0, "closed: {}", show(buffer));
        if let Some(end) = buffer.windows(4).position(|w| w == b"\r\n\r\n") {
            break end + 4;
        }
    };
    let lines = show(&buffer[..head]).to_ascii_lowercase();
    let length = lines.lines().find_map(|line| line.strip_prefix("content-length: "));
    let whole = head + length.map_or(0, |length| length.trim().parse::<usize>().unwrap());
    while buffer.len() < whole {
        assert!(stream.read_buf(buffer).await.unwrap() > 0, "closed: {}", show(buffer));
    }
    assert!(buffer.starts_with(b"HTTP/1.1 201"), "{}", show(buffer));
}

fn show(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
