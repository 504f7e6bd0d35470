//! Debian's Prometheus scrapes the real demo, with the packaged rules loaded, and is asked over
//! its own API what it saw.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;
use support::{Carillon, Tool};

use super::packaged;

const SOON: Duration = Duration::from_secs(30);
/// The demo publishes its due posts within half a minute.
const PATIENCE: Duration = Duration::from_mins(2);
const DUE: f64 = 24.0;
/// The alert that the demo earns: it leaves one delivery to a person. It fires after half an hour.
const WAITS: &str = "CarillonWaitsForAPerson";

/// Prometheus with the packaged rules, every second.
fn prometheus(folder: &std::path::Path, target: &str) -> (Carillon, String) {
    let rules = packaged("prometheus/rules.yml");
    let config = format!(
        "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\nrule_files: ['{}']\n\
         scrape_configs: [{{job_name: carillon, static_configs: [{{targets: ['{target}']}}]}}]\n",
        rules.display()
    );
    std::fs::write(folder.join("prometheus.yml"), config).unwrap();
    let mut command = Command::new("sh");
    command.current_dir(folder).args([
        "-c",
        "exec prometheus --config.file=prometheus.yml --storage.tsdb.path=tsdb \
         --web.listen-address=127.0.0.1:0 2>&1",
    ]);
    let mut process = Carillon::start(&mut command);
    let line = process.wait_until("listens", SOON, |line| line.contains("msg=\"Listening on\""));
    let address = line.rsplit("address=").next().unwrap().trim().to_owned();
    (process, address)
}

fn get(address: &str, path: &str) -> Value {
    let mut stream = TcpStream::connect(address).unwrap();
    let request = format!("GET {path} HTTP/1.0\r\nhost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    serde_json::from_str(body).unwrap_or(Value::Null)
}

/// The one number that a query gives, if it gives one.
fn number(address: &str, query: &str) -> Option<f64> {
    let mut encoded = String::new();
    for byte in query.bytes() {
        if byte.is_ascii_alphanumeric() {
            encoded.push(char::from(byte));
        } else {
            encoded.extend([format!("%{byte:02X}")]);
        }
    }
    let answer = get(address, &format!("/api/v1/query?query={encoded}"));
    answer["data"]["result"][0]["value"][1].as_str()?.parse().ok()
}

fn until(address: &str, query: &str, expected: f64, process: &mut Carillon) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let found = number(address, query);
        if found.is_some_and(|found| found >= expected) {
            return;
        }
        assert!(Instant::now() < deadline, "{query}: {found:?}\n{:#?}", process.stdout());
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn debians_prometheus_scrapes_the_demo_and_its_rules_are_healthy() {
    if !Tool::Program("prometheus").available_or_skip() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_carillon"));
    command.args(["demo", "--listen", "127.0.0.1:0"]).env("TMPDIR", folder.path());
    command.env_remove("CARILLON_SOCKET").env_remove("CARILLON_CONFIG");
    let mut demo = Carillon::start(&mut command);
    let api = demo.wait_for("api: ", SOON);
    let target = api.split('/').nth(2).unwrap().to_owned();
    let (mut process, address) = prometheus(folder.path(), &target);
    until(&address, "up{job=\"carillon\"}", 1.0, &mut process);
    let published = "sum(carillon_deliveries_total{state=\"published\"})";
    until(&address, published, DUE, &mut process);
    assert_eq!(number(&address, published), Some(DUE), "six posts on four channels");
    // One answer was lost on purpose, and cleared up; one cannot be, and waits for a person.
    until(&address, "sum(carillon_attempts_total{result=\"lost\"})", 2.0, &mut process);
    let waits = format!("ALERTS{{alertname=\"{WAITS}\",alertstate=\"pending\"}}");
    until(&address, &waits, 1.0, &mut process);
    let rules = get(&address, "/api/v1/rules");
    let rules = rules["data"]["groups"][0]["rules"].as_array().unwrap().clone();
    assert!(rules.len() >= 10, "{rules:#?}");
    for rule in &rules {
        assert_eq!(rule["health"], "ok", "{rule:#}");
        // That one is a matter of the date.
        if rule["name"] == "CarillonNetworkVersionEnds" {
            continue;
        }
        let expected = if rule["name"] == WAITS { "pending" } else { "inactive" };
        assert_eq!(rule["state"], expected, "{rule:#}");
    }
    println!("{DUE} published deliveries scraped, {} rules healthy", rules.len());
    // Prometheus sees it go.
    demo.terminate();
    assert!(demo.wait(SOON).success());
    until(&address, "1 - up{job=\"carillon\"}", 1.0, &mut process);
    process.terminate();
    assert!(process.wait(SOON).success());
}
