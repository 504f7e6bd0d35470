//! A server under measurement, as the kernel counts it.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use support::Carillon;

const SOON: Duration = Duration::from_mins(1);

pub struct Process {
    process: Carillon,
    pub address: SocketAddr,
}

/// What a process has used since it started.
#[derive(Clone, Copy, Default)]
pub struct Used {
    pub cpu: Duration,
    pub written: u64,
}

impl Used {
    pub fn since(self, earlier: Self) -> Self {
        Self { cpu: self.cpu.saturating_sub(earlier.cpu), written: self.written - earlier.written }
    }
}

impl Process {
    pub fn baseline(folder: &Path, row_bytes: usize, answer_bytes: usize) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.arg("serve-baseline").arg(folder);
        command.args([row_bytes, answer_bytes].map(|n| n.to_string()));
        let mut process = Carillon::start(&mut command);
        let line = process.wait_for("address: ", SOON);
        let address = line.trim_start_matches("address: ").parse().unwrap();
        Self { process, address }
    }

    /// The real binary on `folder`; with settings that only make it say less.
    pub fn carillon(folder: &Path, settings: &[(&str, String)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_carillon"));
        command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(folder);
        command.args(["--log-level", "warn,carillon::daemon=info"]);
        // One key, by which a bench asks for as much as there is.
        command.env("CARILLON_HTTP__KEY_RATE", "0");
        command.envs(settings.iter().map(|(name, value)| (name, value)));
        let mut process = Carillon::start(&mut command);
        let ready = process.wait_until("says ready", SOON, |line| line.contains("\"ready\""));
        let ready: Value = serde_json::from_str(&ready).unwrap();
        let address = ready["address"].as_str().unwrap().parse().unwrap();
        Self { process, address }
    }

    pub fn used(&self) -> Used {
        let of = |file: &str| {
            std::fs::read_to_string(format!("/proc/{}/{file}", self.process.pid())).unwrap()
        };
        let stat = of("stat");
        let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
        // utime and stime, in ticks of 10 ms (proc(5); the kernel shows USER_HZ, which is 100).
        let ticks: u64 = fields[11..13].iter().map(|f| f.parse::<u64>().unwrap()).sum();
        let io = of("io");
        let written = io.lines().find_map(|line| line.strip_prefix("write_bytes: ")).unwrap();
        Used { cpu: Duration::from_millis(ticks * 10), written: written.parse().unwrap() }
    }

    /// Resident memory, in KiB.
    pub fn resident(&self) -> u64 {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.process.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    pub fn kill(mut self) {
        self.process.kill();
    }
}

/// Runs a verb of the real binary on the server with this data folder.
pub fn verb(folder: &Path, args: &[&str]) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_carillon"));
    command.args(args).arg("--json").arg("--socket").arg(folder.join("admin.sock"));
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stdout));
    serde_json::from_slice(&output.stdout).unwrap()
}
