//! Every metric: its line in [`Metrics::new`], and a function to record it. Labels are words out of
//! small closed sets; must never be given a workspace, a channel or an error's text.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use prometheus::core::Collector as _;
use prometheus::proto::MetricFamily;
use prometheus::{
    Gauge, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Registry, TextEncoder,
};

use super::desk::Desk;
use crate::base::Timestamp;
use crate::domain::space::{Room, Space};

/// The media type of [`Metrics::render`].
pub const CONTENT_TYPE: &str = prometheus::TEXT_FORMAT;

/// Upper bounds in seconds: from due time to receipt, a call to a network, a request to us.
const LATENESS: &[f64] =
    &[0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0];
const CALL: &[f64] = &[0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];
const REQUEST: &[f64] = &[0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0];

/// Methods that are told apart; whatever else a client makes up is `other`.
const METHODS: &[&str] = &["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

#[derive(Debug, thiserror::Error)]
#[error("a metric is declared wrongly: {0}")]
pub struct Error(#[from] prometheus::Error);

/// What the store counts itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreTotals {
    pub commits: u64,
    pub writes: u64,
    pub written_bytes: u64,
    pub reopened: u64,
    pub healthy: bool,
    pub staged: usize,
}

/// What was counted since the start, for whoever draws it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Counted {
    pub networks: BTreeMap<String, ByNetwork>,
    /// Seconds from due to receipt, and of how many parts.
    pub late: (f64, u64),
    /// Timers whose time has come, now.
    pub overdue: u64,
    pub requests: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ByNetwork {
    pub published: u64,
    pub failed: u64,
    pub held: u64,
    /// Attempts that are made again, for whatever reason.
    pub retried: u64,
    pub rate_limited: u64,
}

/// All metrics of one process; a test may have several.
pub struct Metrics {
    registry: Registry,
    /// Held while totals are taken over, so that no step is counted twice.
    taking_over: Mutex<()>,
    deliveries: IntCounterVec,
    attempts: IntCounterVec,
    readings: IntCounterVec,
    lateness: HistogramVec,
    network_calls: HistogramVec,
    publishing: IntGauge,
    lanes_waiting: IntGauge,
    timers_overdue: IntGauge,
    circuits_open: IntGaugeVec,
    circuit_lanes: IntGaugeVec,
    waiting: IntGaugeVec,
    reconnect_needed: IntGauge,
    scheduler_lag: Gauge,
    clock_jumps: IntCounter,
    http_requests: IntCounterVec,
    http_seconds: HistogramVec,
    http_refused: IntCounterVec,
    store_commits: IntCounter,
    store_writes: IntCounter,
    store_written_bytes: IntCounter,
    store_reopened: IntCounter,
    store_healthy: IntGauge,
    store_staged: IntGauge,
    catching_up: IntGauge,
    backup_last: Gauge,
    backup_every: Gauge,
    disk_free: IntGauge,
    disk_room: IntGauge,
    log_lines_dropped: IntCounter,
    console_sessions: IntGauge,
    console_ended: IntCounterVec,
    console_bytes: IntCounter,
    version_ends: IntGaugeVec,
    mails: IntCounterVec,
    hooks: IntCounterVec,
    boot_epoch: IntGauge,
    start_time: Gauge,
}

impl Metrics {
    /// The catalogue. Fails only when two metrics have one name.
    #[rustfmt::skip]
    #[expect(clippy::too_many_lines, reason = "a line or two for each metric")]
    pub fn new() -> Result<Self, Error> {
        let to = Desk(Registry::new());
        #[cfg(target_os = "linux")]
        to.0.register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))?;
        let build_info = to.numbers("carillon_build_info", &["version"],
            "Always 1; the label is the version that runs.")?;
        build_info.get_metric_with_label_values(&[env!("CARGO_PKG_VERSION")])?.set(1);
        Ok(Self {
            deliveries: to.counters("carillon_deliveries_total", &["network", "state"],
                "Deliveries that ended or were held, by the state they came to.")?,
            attempts: to.counters("carillon_attempts_total", &["network", "result"],
                "Calls that publish a part, by what they came to; lost may be out.")?,
            readings: to.counters("carillon_readings_total", &["network", "result"],
                "Looks at a network for a part that may be out, by what was found.")?,
            lateness: to.spreads("carillon_publish_lateness_seconds", &["network"], LATENESS,
                "From the time a part was due to the network's receipt.")?,
            network_calls: to.spreads("carillon_network_call_seconds",
                &["network", "operation"], CALL,
                "How long calls to networks took, whatever they came to.")?,
            publishing: to.number("carillon_publishing", "Deliveries that are being worked on now.")?,
            lanes_waiting: to.number("carillon_lanes_waiting",
                "Channels with a due delivery that waits for a free place.")?,
            timers_overdue: to.number("carillon_timers_overdue",
                "Timers whose time has come and that have not fired.")?,
            circuits_open: to.numbers("carillon_circuits_open", &["network"],
                "Servers and accounts that get no posts because calls failed.")?,
            circuit_lanes: to.numbers("carillon_circuit_lanes_waiting", &["network"],
                "Channels with a due delivery that waits for an open circuit.")?,
            waiting: to.numbers("carillon_deliveries_waiting", &["state"],
                "Deliveries that a person should see: held, partial or failed.")?,
            reconnect_needed: to.number("carillon_channels_reconnect_needed",
                "Channels that a person must connect again.")?,
            scheduler_lag: to.seconds("carillon_scheduler_lag_seconds",
                "How late the scheduler was when it last woke.")?,
            clock_jumps: to.counter("carillon_clock_jumps_total",
                "Jumps of the wall clock that the scheduler saw.")?,
            http_requests: to.counters("carillon_http_requests_total",
                &["face", "method", "route", "status"],
                "Requests answered, by route template and class of status.")?,
            http_seconds: to.spreads("carillon_http_request_seconds", &["face", "route"], REQUEST,
                "From a request's head to its answer.")?,
            http_refused: to.counters("carillon_http_refused_total", &["reason"],
                "Connections and requests sent away: address, busy, rate or slow.")?,
            store_commits: to.counter("carillon_store_commits_total", "Batches made durable.")?,
            store_writes: to.counter("carillon_store_writes_total",
                "Writes that took part in a batch.")?,
            store_written_bytes: to.counter("carillon_store_written_bytes_total",
                "Bytes of the keys and rows put in batches.")?,
            store_reopened: to.counter("carillon_store_reopened_total",
                "Times the database was opened again after a storage error.")?,
            store_healthy: to.number("carillon_store_healthy",
                "1 when the last batch could be written, else 0.")?,
            store_staged: to.number("carillon_store_staged_rows",
                "Changes that are durable in the log and wait for their tables.")?,
            catching_up: to.number("carillon_catching_up",
                "Overdue deliveries from a time when nobody looked, that wait to be worked on.")?,
            backup_last: to.seconds("carillon_backup_last_timestamp_seconds",
                "When the last backup was made, in seconds since 1970; 0 without one.")?,
            backup_every: to.seconds("carillon_backup_every_seconds", "backup.every; 0 without.")?,
            disk_free: to.number("carillon_disk_free_bytes", "Free space of the data's disk.")?,
            disk_room: to.number("carillon_disk_room",
                "3 ample, 2 low, 1 scarce (nothing is taken in), 0 out (nothing is sent).")?,
            log_lines_dropped: to.counter("carillon_log_lines_dropped_total",
                "Log lines lost because too many waited or writing failed.")?,
            console_sessions: to.number("carillon_console_sessions",
                "Consoles that are open now.")?,
            console_ended: to.counters("carillon_console_ended_total", &["result"],
                "Consoles that ended: left, lost, slow, fault or stopped; or were refused: full.")?,
            console_bytes: to.counter("carillon_console_bytes_total",
                "Bytes that were drawn on consoles.")?,
            version_ends: to.numbers("carillon_network_version_end_timestamp_seconds", &["network"],
                "From when on a network does not take the version of its interface that calls name.")?,
            mails: to.counters("carillon_mails_total", &["result"],
                "Letters to people, by what the mail server said of each.")?,
            hooks: to.counters("carillon_hooks_total", &["network", "result"],
                "Webhooks of networks: accepted, replayed, refused or too_large.")?,
            boot_epoch: to.number("carillon_boot_epoch",
                "Number of this start of the installation.")?,
            start_time: to.seconds("carillon_start_time_seconds",
                "When this start was, in seconds since 1970.")?,
            registry: to.0,
            taking_over: Mutex::new(()),
        })
    }

    /// The text format that Prometheus reads.
    pub fn render(&self) -> String {
        TextEncoder::new().encode_to_string(&self.registry.gather()).unwrap_or_else(|error| {
            tracing::error!(%error, "metrics could not be written");
            String::new()
        })
    }

    /// Said once, when the store is open.
    pub fn started(&self, epoch: u64, at: Timestamp) {
        self.boot_epoch.set(i64::try_from(epoch).unwrap_or(i64::MAX));
        self.start_time.set(Duration::from_millis(at.as_millis()).as_secs_f64());
    }

    /// The last backup is of this time.
    pub fn backup(&self, made_at: Timestamp) {
        self.backup_last.set(Duration::from_millis(made_at.as_millis()).as_secs_f64());
    }

    /// From then on nothing goes out to `network` unless another version is set.
    pub fn version_ends(&self, network: &str, at: Timestamp) {
        let seconds = i64::try_from(at.as_millis() / 1_000).unwrap_or(i64::MAX);
        if let Ok(gauge) = self.version_ends.get_metric_with_label_values(&[network]) {
            gauge.set(seconds);
        }
    }

    /// Backups are made so often; zero: only when somebody asks.
    pub fn backup_every(&self, every: Duration) {
        self.backup_every.set(every.as_secs_f64());
    }

    /// A delivery came to `published`, `partial`, `failed`, `cancelled` or `held`.
    pub fn delivery(&self, network: &str, state: &str) {
        count(&self.deliveries, &[network, state]);
    }

    /// A commit came to `done`, `transient`, `rate_limited`, `refused`, `reconnect`, `billing`,
    /// `exists` or `lost`.
    pub fn attempt(&self, network: &str, result: &str) {
        count(&self.attempts, &[network, result]);
    }

    /// A read-back came to `found`, `absent`, `ambiguous`, `unavailable` or `reconnect`.
    pub fn reading(&self, network: &str, result: &str) {
        count(&self.readings, &[network, result]);
    }

    /// A part is out, this long after it was due.
    pub fn lateness(&self, network: &str, late: Duration) {
        observe(&self.lateness, &[network], late);
    }

    /// A call ended; `operation` is `prepare`, `commit`, `read_back` or `identify`.
    pub fn network_call(&self, network: &str, operation: &str, took: Duration) {
        observe(&self.network_calls, &[network, operation], took);
    }

    pub fn publishing(&self, deliveries: usize) {
        set(&self.publishing, deliveries);
    }

    pub fn lanes_waiting(&self, lanes: usize) {
        set(&self.lanes_waiting, lanes);
    }

    pub fn timers_overdue(&self, timers: usize) {
        set(&self.timers_overdue, timers);
    }

    /// Circuits that are open, and channels with something due that wait for them.
    pub fn circuits(&self, network: &str, open: usize, lanes: usize) {
        for (gauge, value) in [(&self.circuits_open, open), (&self.circuit_lanes, lanes)] {
            if let Ok(gauge) = gauge.get_metric_with_label_values(&[network]) {
                set(&gauge, value);
            }
        }
    }

    /// Deliveries in `state` that a person should see, over all workspaces.
    pub fn waiting(&self, state: &str, deliveries: u64) {
        if let Ok(gauge) = self.waiting.get_metric_with_label_values(&[state]) {
            gauge.set(i64::try_from(deliveries).unwrap_or(i64::MAX));
        }
    }

    pub fn reconnect_needed(&self, channels: u64) {
        self.reconnect_needed.set(i64::try_from(channels).unwrap_or(i64::MAX));
    }

    pub fn scheduler_lag(&self, late: Duration) {
        self.scheduler_lag.set(late.as_secs_f64());
    }

    pub fn clock_jump(&self) {
        self.clock_jumps.inc();
    }

    /// A request was answered. `route` is the template (`/api/v1/posts/{id}`), never the path.
    pub fn http_request(&self, face: &str, method: &str, route: &str, status: u16, took: Duration) {
        let method = METHODS.iter().find(|known| **known == method).unwrap_or(&"other");
        let status = match status {
            100..=199 => "1xx",
            200..=299 => "2xx",
            300..=399 => "3xx",
            400..=499 => "4xx",
            _ => "5xx",
        };
        count(&self.http_requests, &[face, method, route, status]);
        observe(&self.http_seconds, &[face, route], took);
    }

    /// Somebody was sent away: `address` has too many connections, the server is `busy`, a key
    /// passed its `rate`, or a request was too `slow` to be answered in time.
    pub fn http_refused(&self, reason: &str) {
        count(&self.http_refused, &[reason]);
    }

    /// Takes over what the store counted; to be called before each [`Metrics::render`].
    pub fn store(&self, totals: StoreTotals) {
        self.raise(&self.store_commits, totals.commits);
        self.raise(&self.store_writes, totals.writes);
        self.raise(&self.store_written_bytes, totals.written_bytes);
        self.raise(&self.store_reopened, totals.reopened);
        self.store_healthy.set(i64::from(totals.healthy));
        self.store_staged.set(i64::try_from(totals.staged).unwrap_or(i64::MAX));
    }

    pub fn catching_up(&self, left: usize) {
        set(&self.catching_up, left);
    }

    /// What is left of the disk.
    pub fn disk(&self, space: Space, room: Room) {
        self.disk_free.set(i64::try_from(space.free).unwrap_or(i64::MAX));
        self.disk_room.set(match room {
            Room::Out => 0,
            Room::Scarce => 1,
            Room::Low => 2,
            Room::Ample => 3,
        });
    }

    /// Takes over the count of the log's guard, like [`Metrics::store`].
    pub fn log_lines_dropped(&self, total: u64) {
        self.raise(&self.log_lines_dropped, total);
    }

    pub fn consoles(&self, open: usize) {
        set(&self.console_sessions, open);
    }

    /// A console ended `left`, `lost`, `slow`, `fault` or `stopped`, or was refused because all
    /// places are taken: `full`.
    pub fn console_ended(&self, result: &str) {
        count(&self.console_ended, &[result]);
    }

    pub fn console_bytes(&self, bytes: usize) {
        self.console_bytes.inc_by(u64::try_from(bytes).unwrap_or(u64::MAX));
    }

    /// A letter was `sent`, `refused` for good, put off (`later`), or the server did not work (`failed`).
    pub fn mail(&self, result: &str) {
        count(&self.mails, &[result]);
    }

    /// A webhook of a network was `accepted`, `replayed` or `refused`.
    pub fn hook(&self, network: &str, result: &str) {
        count(&self.hooks, &[network, result]);
    }

    /// What was counted so far.
    pub fn counted(&self) -> Counted {
        let mut counted = Counted::default();
        each(&self.deliveries, &mut |labels, n| {
            let network = counted.networks.entry(labels("network")).or_default();
            match labels("state").as_str() {
                "published" | "partial" => network.published += n,
                "failed" => network.failed += n,
                "held" => network.held += n,
                _ => {}
            }
        });
        each(&self.attempts, &mut |labels, n| {
            let network = counted.networks.entry(labels("network")).or_default();
            match labels("result").as_str() {
                "rate_limited" => network.rate_limited += n,
                "transient" | "lost" => network.retried += n,
                _ => {}
            }
        });
        each(&self.http_requests, &mut |_, n| counted.requests += n);
        for metric in self.lateness.collect().iter().flat_map(MetricFamily::get_metric) {
            counted.late.0 += metric.get_histogram().get_sample_sum();
            counted.late.1 += metric.get_histogram().get_sample_count();
        }
        counted.overdue = u64::try_from(self.timers_overdue.get()).unwrap_or(0);
        counted
    }

    fn raise(&self, counter: &IntCounter, total: u64) {
        let _taking_over = self.taking_over.lock().unwrap_or_else(PoisonError::into_inner);
        counter.inc_by(total.saturating_sub(counter.get()));
    }
}

type Labels<'a> = &'a dyn Fn(&str) -> String;

/// Every counter of a family, with its labels by name.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counters of whole things, far below 2^53"
)]
fn each(family: &IntCounterVec, see: &mut dyn FnMut(Labels<'_>, u64)) {
    for metric in family.collect().iter().flat_map(MetricFamily::get_metric) {
        let label = |name: &str| {
            let found = metric.get_label().iter().find(|label| label.name() == name);
            found.map(|label| label.value().to_owned()).unwrap_or_default()
        };
        see(&label, metric.get_counter().get_value() as u64);
    }
}

// The library's short forms panic when labels and values differ in number; these record nothing,
// and the test below sees it.

fn count(counters: &IntCounterVec, labels: &[&str]) {
    if let Ok(counter) = counters.get_metric_with_label_values(labels) {
        counter.inc();
    }
}

fn observe(spreads: &HistogramVec, labels: &[&str], value: Duration) {
    if let Ok(spread) = spreads.get_metric_with_label_values(labels) {
        spread.observe(value.as_secs_f64());
    }
}

fn set(gauge: &IntGauge, value: usize) {
    gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    use prometheus::proto::{Metric, MetricType};

    use super::*;

    /// With each metric recorded at least once.
    fn recorded() -> Metrics {
        let metrics = Metrics::new().unwrap();
        metrics.started(7, Timestamp::from_millis(1_500));
        metrics.delivery("mastodon", "published");
        metrics.attempt("mastodon", "done");
        metrics.reading("mastodon", "absent");
        metrics.lateness("mastodon", Duration::from_millis(300));
        metrics.network_call("mastodon", "commit", Duration::from_millis(80));
        metrics.publishing(3);
        metrics.lanes_waiting(2);
        metrics.timers_overdue(1);
        metrics.circuits("mastodon", 1, 3);
        metrics.waiting("held", 2);
        metrics.reconnect_needed(1);
        metrics.scheduler_lag(Duration::from_millis(20));
        metrics.clock_jump();
        metrics.http_request("api", "BREW", "/api/v1/posts", 404, Duration::from_millis(2));
        metrics.http_refused("busy");
        metrics.store(StoreTotals {
            commits: 5,
            writes: 9,
            written_bytes: 70,
            reopened: 1,
            healthy: true,
            staged: 0,
        });
        metrics.backup(Timestamp::from_millis(1_500));
        metrics.backup_every(Duration::from_hours(24));
        metrics.catching_up(3);
        metrics.disk(Space { free: 5, size: 9 }, Room::Low);
        metrics.log_lines_dropped(4);
        metrics.consoles(1);
        metrics.console_ended("left");
        metrics.console_bytes(2_985);
        metrics.version_ends("linkedin", Timestamp::from_millis(1_000));
        metrics.mail("sent");
        metrics.hook("x", "accepted");
        metrics
    }

    #[test]
    fn every_metric_keeps_the_rules_of_its_name() {
        let families = recorded().registry.gather();
        let own: Vec<_> = families.iter().filter(|f| !f.name().starts_with("process_")).collect();
        // Each declared metric was recorded, and none was lost for wrong labels.
        let (code, _) = include_str!("metrics.rs").split_once("mod tests").unwrap();
        assert_eq!(own.len(), code.matches("(\"carillon_").count());
        for family in own {
            let (name, kind) = (family.name(), family.get_field_type());
            assert_eq!(name.split('_').next(), Some("carillon"), "{name}");
            assert!(family.help().len() > 10 && family.help().ends_with('.'), "{name}");
            assert_eq!(name.ends_with("_total"), kind == MetricType::COUNTER, "{name}");
            assert!(kind != MetricType::HISTOGRAM || name.ends_with("_seconds"), "{name}");
            for unit in ["_ms", "_millis", "_minutes", "_kb", "_mb", "_count", "_sum", "_bucket"] {
                assert!(!name.ends_with(unit), "{name}");
            }
            for label in family.get_metric().iter().flat_map(Metric::get_label) {
                let known = ["network", "state", "result", "operation", "version", "reason"];
                let http = ["face", "method", "route", "status"];
                assert!(known.contains(&label.name()) || http.contains(&label.name()), "{name}");
            }
        }
    }

    #[test]
    fn what_is_recorded_can_be_read() {
        let text = recorded().render();
        for line in [
            "carillon_deliveries_total{network=\"mastodon\",state=\"published\"} 1",
            "carillon_publish_lateness_seconds_bucket{network=\"mastodon\",le=\"0.25\"} 0",
            "carillon_publish_lateness_seconds_bucket{network=\"mastodon\",le=\"0.5\"} 1",
            "carillon_network_call_seconds_count{network=\"mastodon\",operation=\"commit\"} 1",
            "carillon_http_requests_total{face=\"api\",method=\"other\",route=\"/api/v1/posts\",\
             status=\"4xx\"} 1",
            "carillon_boot_epoch 7",
            "carillon_start_time_seconds 1.5",
            "carillon_scheduler_lag_seconds 0.02",
            "carillon_publishing 3",
            "carillon_store_healthy 1",
            concat!("carillon_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1"),
        ] {
            assert!(text.lines().any(|found| found == line), "no {line} in\n{text}");
        }
        #[cfg(target_os = "linux")]
        assert!(text.contains("process_resident_memory_bytes "));
    }

    #[test]
    fn promtool_has_no_complaint() {
        if !support::Tool::Program("promtool").available_or_skip() {
            return;
        }
        let mut command = Command::new("promtool");
        let mut promtool =
            command.args(["check", "metrics"]).stdin(Stdio::piped()).spawn().unwrap();
        promtool.stdin.take().unwrap().write_all(recorded().render().as_bytes()).unwrap();
        assert!(promtool.wait().unwrap().success());
    }

    #[test]
    fn what_is_counted_can_be_drawn() {
        let counted = recorded().counted();
        let mastodon = counted.networks["mastodon"];
        assert_eq!((mastodon.published, mastodon.failed, counted.requests), (1, 0, 1));
        assert_eq!((counted.late.1, counted.overdue), (1, 1));
    }

    #[test]
    fn totals_stay_counters() {
        let metrics = recorded();
        for (commits, shown) in [(5, 5), (8, 8), (2, 8)] {
            metrics.store(StoreTotals { commits, ..StoreTotals::default() });
            let line = format!("carillon_store_commits_total {shown}\n");
            assert!(metrics.render().contains(&line));
        }
    }
}
