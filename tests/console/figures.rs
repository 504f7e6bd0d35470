//! What the console costs. The bounds are those of the issue where no machine's speed decides, and
//! wide where one does; the figures are printed: `cargo test --test console figures -- --nocapture`.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use carillon::base::SystemClock;
use carillon::console::{self, Bytes, Msg, SCREENS};
use ratatui::Terminal;
use ratatui::layout::Size;
use support::Carillon;

use crate::house::{House, fill, frame, hello};
use crate::rig;

#[test]
fn a_first_paint_is_small() {
    for (width, height) in [(80, 24), (120, 40)] {
        let mut sizes: Vec<usize> = SCREENS
            .iter()
            .map(|screen| {
                let mut model = rig::on(screen.name);
                console::update(&mut model, Msg::Resize(width, height));
                let mut terminal = Terminal::new(Bytes::new(Size { width, height })).unwrap();
                terminal.draw(|frame| console::view(&model, frame, (false, false))).unwrap();
                terminal.backend_mut().take().len()
            })
            .collect();
        sizes.sort_unstable();
        let (least, median, most) = (sizes[0], sizes[sizes.len() / 2], sizes[sizes.len() - 1]);
        println!("first paint {width}x{height}: {least} to {most} bytes, median {median}");
        assert!(most < 10_000, "{sizes:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_answered_at_once() {
    let house = House::new(Arc::new(SystemClock::new()));
    fill(&house).await;
    let mut terminal = house.terminal().await;
    terminal.wait_for("needs a person").await;
    let mut took = Vec::new();
    for n in 0..200 {
        // Between two screens: every cell of the body changes.
        let (key, seen) = if n % 2 == 0 { ("2", "[2 Queue]") } else { ("5", "[5 Chan]") };
        let began = Instant::now();
        terminal.keys(key).await;
        terminal.wait_for(seen).await;
        took.push(began.elapsed());
    }
    took.sort_unstable();
    let (median, p95) = (took[100], took[190]);
    println!("key to changed cell, in process: median {median:?}, p95 {p95:?}");
    assert!(median < Duration::from_millis(50), "{median:?}");
}

/// A console of the real binary: the connection that becomes one, and frames that nobody looks at.
struct Watcher(UnixStream);

impl Watcher {
    fn open(socket: &Path) -> Self {
        let mut stream = UnixStream::connect(socket).unwrap();
        let ask = "GET /admin/console HTTP/1.1\r\nhost: admin\r\nconnection: upgrade\r\nupgrade: carillon-console/1\r\n\r\n";
        stream.write_all(ask.as_bytes()).unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        assert!(head.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&head));
        let hello = serde_json::to_vec(&hello((120, 40))).unwrap();
        stream.write_all(&frame(0, &hello)).unwrap();
        Self(stream)
    }

    /// Takes what is drawn for so long; how many bytes that was.
    fn watch(&mut self, until: Instant) -> usize {
        let mut bytes = 0;
        let mut buffer = vec![0; 65_536];
        while let Some(left) =
            until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
        {
            self.0.set_read_timeout(Some(left)).unwrap();
            bytes += self.0.read(&mut buffer).unwrap_or(0);
        }
        bytes
    }
}

/// Kilobytes of memory, and ticks of the processor, of a process.
fn spent(pid: u32) -> (u64, u64) {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let rss = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    let ticks = |n: usize| fields[n].parse::<u64>().unwrap();
    (rss.trim().trim_end_matches(" kB").parse().unwrap(), ticks(11) + ticks(12))
}

#[test]
fn consoles_cost_little() {
    const REST: Duration = Duration::from_secs(10);
    let folder = tempfile::tempdir().unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_carillon"));
    command.env_remove("CARILLON_SOCKET").env_remove("CARILLON_CONFIG");
    command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(folder.path().join("data"));
    let mut process = Carillon::start(&mut command);
    process.wait_until("says ready", Duration::from_secs(20), |line| {
        line.contains("\"message\":\"ready\"")
    });
    let socket = folder.path().join("data/admin.sock");
    let pid = process.pid();
    let percent = |before: u64, after: u64| {
        // A tick is a hundredth of a second.
        f64::from(u32::try_from(after - before).unwrap()) / REST.as_secs_f64()
    };
    let before = spent(pid);
    std::thread::sleep(REST);
    let none = percent(before.1, spent(pid).1);
    let mut first = Watcher::open(&socket);
    first.watch(Instant::now() + Duration::from_secs(2));
    let one = spent(pid);
    let bytes = first.watch(Instant::now() + REST);
    let idle = percent(one.1, spent(pid).1);
    let mut others: Vec<Watcher> = (0..9).map(|_| Watcher::open(&socket)).collect();
    let until = Instant::now() + Duration::from_secs(3);
    std::thread::scope(|scope| {
        for watcher in &mut others {
            scope.spawn(|| watcher.watch(until));
        }
    });
    let ten = spent(pid);
    println!(
        "of a core: {none:.2} % without a console, {idle:.2} % with one that rests ({bytes} bytes in {REST:?}); \
         memory: {} kB before, {} kB with one, {} kB with ten",
        before.0, one.0, ten.0
    );
    assert!(ten.0.saturating_sub(before.0) < 20_000, "ten consoles: {before:?} {ten:?}");
    assert!(idle < 10.0, "{idle}");
}
