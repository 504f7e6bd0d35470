//! What is wrong now, who must do what, worst first. Read off the same state as everything else.

use super::{Line, Row, Screen, Table, col, line};
use crate::console::act::{Act, nothing, writes};
use crate::console::canvas::Tone;
use crate::console::model::Model;
use crate::console::snapshot::Snapshot;

pub const SCREEN: Screen = Screen {
    name: "alerts",
    key: Some('6'),
    tab: ("Alerts", "Alerts"),
    about: "What is wrong now, and what do I do?",
    table,
    detail,
    pane: 7,
    draw: None,
    enter: Some(go),
    moves: None,
    keys: &[writes(
        'P',
        "pause all",
        "stop publishing everywhere, or let it go on",
        super::dashboard::pause,
    )],
};

/// Something that a person should know.
pub struct Need {
    pub id: &'static str,
    pub tone: Tone,
    pub what: String,
    pub remedy: &'static str,
    /// The screen where it is dealt with.
    pub go: &'static str,
}

/// So many of something.
fn count(n: u64, one: &str, many: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{n} {many}") }
}

/// All of them, worst first.
#[rustfmt::skip]
pub fn needs(snap: &Snapshot) -> Vec<Need> {
    let status = &snap.status;
    let mut all = Vec::new();
    let mut add = |wrong: bool, id, tone, what: String, remedy, go| {
        if wrong {
            all.push(Need { id, tone, what, remedy, go });
        }
    };
    let (bad, warn, note) = (Tone::Bad, Tone::Warn, Tone::Plain);
    let free = status.free_mib.map_or_else(|| "?".to_owned(), |mib| mib.to_string());
    let networks: Vec<&str> =
        status.paused.iter().map(String::as_str).filter(|name| *name != "everything").collect();
    let networks: Vec<&str> =
        networks.into_iter().filter(|name| !status.stopped.contains_key(*name)).collect();
    let of = |code: &str| {
        let them = status.stopped.iter().filter(|(_, why)| *why == code).map(|(name, _)| name.as_str());
        them.collect::<Vec<_>>().join(", ")
    };
    let (broke, old) = (of("credits_depleted"), of("version_sunset"));
    let jobs = snap.jobs.iter().filter(|(_, job)| job.failed.is_some()).fold(0, |n, _| n + 1);
    let (full, refused) = (matches!(status.disk.as_str(), "scarce" | "out"), status.failed + status.partial);
    let paused = !status.publishing && !status.restored;
    let of_circuits = status.circuits.join("; ");
    let trouble = snap.trouble.clone().unwrap_or_default();
    add(!status.store_ok, "store", bad, "the database cannot be written".to_owned(),
        "Look at the disk and at 9; it is opened again by itself when it can be.", "logs");
    add(full, "disk", bad, format!("the disk is nearly full: {free} MiB free"),
        "Make room now: nothing more is taken in, and at the end nothing is sent.", "logs");
    add(status.restored, "restored", bad, "restored from a backup; all is paused".to_owned(),
        "Look at what is held (4), decide, then P lets it go on.", "held");
    add(status.reconnect > 0, "reconnect", bad, count(status.reconnect, "channel must be connected again", "channels must be connected again"),
        "Go there and press c. What they hold then goes on by itself.", "channels");
    add(status.held > 0, "held", warn, count(status.held, "post waits for a decision", "posts wait for a decision"),
        "Go there: each says why. d decides.", "held");
    add(refused > 0, "failed", warn, count(refused, "post failed, or is there in part", "posts failed, or are there in part"),
        "Go there: each says why. r tries again.", "held");
    add(paused, "paused", warn, "publishing is paused everywhere".to_owned(), "P lets it go on.", "alerts");
    add(!old.is_empty(), "versions", bad, format!("does not take this version any more: {old}"),
        "Update, or set networks.NAME.version; then p there: what waits goes on.", "networks");
    add(!broke.is_empty(), "credits", bad, format!("no credits left: {broke}"),
        "Buy credits in the network's developer console, then p there: what waits goes on.", "networks");
    add(!networks.is_empty(), "networks", warn, format!("paused: {}", networks.join(", ")),
        "p there lets it go on.", "networks");
    add(!status.media_ok, "media", warn, "the place of media does not answer".to_owned(),
        "Look at 9 and at the bucket; `carillon doctor` asks it.", "logs");
    add(status.disk == "low", "disk-low", warn, format!("the disk is filling up: {free} MiB free"),
        "Make room soon.", "logs");
    add(!status.circuits.is_empty(), "circuits", warn, of_circuits,
        "Nothing: it is tried again by itself. If it stays, look at that server.", "queue");
    add(status.late > 100, "late", warn, format!("{} deliveries are overdue", status.late),
        "Look at pauses, circuits and the log.", "queue");
    add(status.paused_channels > 0, "paused-channels", warn, count(status.paused_channels, "channel is paused", "channels are paused"),
        "p there lets them go on.", "channels");
    add(status.paused_workspaces > 0, "paused-workspaces", warn,
        count(status.paused_workspaces, "workspace is paused", "workspaces are paused"), "p there lets them go on.", "workspaces");
    add(snap.trouble.is_some(), "look", warn, trouble,
        "What is shown may be old; it is read again all the time.", "logs");
    add(jobs > 0, "jobs", warn, count(jobs, "job failed in its last round", "jobs failed in their last round"), "Go there: each says why.", "jobs");
    add(status.last_backup.is_none(), "backup", note, "there is no backup".to_owned(),
        "Enter says how to make one.", "backups");
    all
}

/// Needs as rows, for this screen and the first one.
pub fn rows(snap: &Snapshot) -> Vec<Row> {
    let level = |tone| match tone {
        Tone::Bad => "\u{25B2} now",
        Tone::Warn => "! soon",
        _ => "  note",
    };
    let row = |need: &Need| {
        Row::new(need.id, vec![level(need.tone).to_owned(), need.what.clone(), need.go.to_owned()])
            .tone(need.tone)
    };
    needs(snap).iter().map(row).collect()
}

fn table(model: &Model) -> Table {
    let rows = rows(&model.snap);
    Table {
        title: format!("alerts  {}", rows.len()),
        columns: const { &[col("LEVEL", 6), col("WHAT", 0), col("ENTER: TO", 10)] },
        rows,
        empty: "Nothing is wrong.",
    }
}

fn detail(model: &Model, row: &Row) -> Vec<Line> {
    let found = needs(&model.snap).into_iter().find(|need| need.id == row.id);
    found.map(|need| vec![line("what", need.what), line("do", need.remedy)]).unwrap_or_default()
}

/// To where it is dealt with.
pub fn go(model: &Model, rows: &[Row]) -> Act {
    let need =
        rows.first().and_then(|row| needs(&model.snap).into_iter().find(|need| need.id == row.id));
    need.map_or_else(|| nothing("nothing is wrong"), |need| Act::Go(need.go))
}
