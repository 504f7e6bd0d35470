//! What is packaged: the rules and the dashboard against the catalogue of metrics and real
//! Prometheus, the unit against systemd's own judge, the Debian package as dpkg reads it.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]
#![expect(clippy::disallowed_methods, reason = "the programs under test live in real time")]

mod deb;
mod metrics;
mod scrape;

use std::path::PathBuf;
use std::process::{Command, Output};

use support::{Tool, repo_root};

fn packaged(name: &str) -> PathBuf {
    repo_root().join("packaging").join(name)
}

/// Runs a command for its output; both streams as one text.
fn run(command: &mut Command) -> (bool, String) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    (status.success(), String::from_utf8([stdout, stderr].concat()).unwrap())
}

#[test]
fn the_unit_is_as_closed_as_the_handbook_asks() {
    if !Tool::Program("systemd-analyze").available_or_skip() {
        return;
    }
    let unit = packaged("systemd/carillon.service");
    // Tenths: an exposure of at most 1.5.
    let judge = ["security", "--offline=true", "--no-pager", "--threshold=15"];
    let (fine, said) = run(Command::new("systemd-analyze").args(judge).arg(&unit));
    let overall = said.lines().find(|line| line.contains("Overall exposure")).unwrap_or(&said);
    println!("{overall}");
    assert!(fine, "{said}");
}
