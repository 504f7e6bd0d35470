//! What is wrong now, who must do what, worst first; what was acknowledged or silenced comes last.

use super::{Line, Row, Screen, Table, col, distance, full, line, when, wide};
use crate::base::Timestamp;
use crate::console::act::{Act, Ask, Command, nothing, writes};
use crate::console::canvas::Tone;
use crate::console::model::Model;
use crate::console::snapshot::Snapshot;
use crate::service::{Alert, AlertFacts, AlertLevel, AlertShown, alerts};

pub const SCREEN: Screen = Screen {
    name: "alerts",
    key: Some('6'),
    tab: ("Alerts", "Alerts"),
    about: "What is wrong now, and what do I do?",
    table,
    detail,
    pane: 10,
    draw: None,
    enter: Some(go),
    moves: None,
    keys: &[
        writes('a', "acknowledge", "say that it was seen, until it is worse or over", acknowledge),
        writes('A', "silence", "the same for a while, such as 2h", silence),
        writes('c', "comment", "say something of it; kept until it is over", comment),
        writes('o', "reopen", "take that back", reopen),
        writes(
            'T',
            "try mail",
            "write a letter of trial, to see whether people are reached",
            trial,
        ),
        writes(
            'P',
            "pause all",
            "stop publishing everywhere, or let it go on",
            super::dashboard::pause,
        ),
    ],
};

/// What one does about it here, and the screen where that is.
#[rustfmt::skip]
fn remedy(id: &str) -> (&'static str, &'static str) {
    match id {
        "store" => ("Look at the disk and at 9; it is opened again by itself when it can be.", "logs"),
        "disk" => ("Make room now: nothing more is taken in, and at the end nothing is sent.", "logs"),
        "restored" => ("Look at what is held (4), decide, then P lets it go on.", "held"),
        "reconnect" => ("Go there and press c. What they hold then goes on by itself.", "channels"),
        "apps" => ("Go there: R takes its new secret, and t asks whether it is known then.", "networks"),
        "held" => ("Go there: each says why. d decides.", "held"),
        "failed" => ("Go there: each says why. r tries again.", "held"),
        "approvals" => ("`:post list --approval asked`, then `:post approve` or `:post decline`.", "queue"),
        "paused" => ("P lets it go on.", "alerts"),
        "versions" => ("Update, or set networks.NAME.version; then p there: what waits goes on.", "networks"),
        "credits" => ("Buy credits in the network's developer console, then p there: what waits goes on.", "networks"),
        "networks" => ("p there lets it go on.", "networks"),
        "media" => ("Look at 9 and at the bucket; `carillon doctor` asks it.", "logs"),
        "disk-low" => ("Make room soon.", "logs"),
        "circuits" => ("Nothing: it is tried again by itself. If it stays, look at that server.", "queue"),
        "late" => ("Look at pauses, circuits and the log.", "queue"),
        "paused-channels" => ("p there lets them go on.", "channels"),
        "paused-workspaces" => ("p there lets them go on.", "workspaces"),
        "look" => ("What is shown may be old; it is read again all the time.", "logs"),
        "jobs" => ("Go there: each says why.", "jobs"),
        "clock" => ("See that one time server sets the clock (timedatectl); look at what was due meanwhile.", "queue"),
        "chains" => ("Go there: v checks it again. Compare with a backup or an export; restore if need be.", "events"),
        "hook-signatures" => ("If the network sends them, set its secret anew (`app webhook-secret`); if not, nothing gets in.", "networks"),
        "hook-challenge" => ("Nothing was signed. See in the log of your proxy who asks, and shut them out.", "logs"),
        "untold" => ("Set mail (`carillon config explain mail`), `:user promote`; T tries it. Or a: somebody looks.", "alerts"),
        "backup-stale" => ("Enter says how to make one; 8 and 9 say why none was made.", "backups"),
        "backup" => ("Enter says how to make one.", "backups"),
        _ => ("", "alerts"),
    }
}

/// All of them, those that nobody has seen first, worst first.
fn all(snap: &Snapshot) -> Vec<AlertShown> {
    let refused = snap.apps.iter().filter(|app| app.tested == Some("refused"));
    let refused: Vec<&str> = refused.map(|app| app.network.as_str()).collect();
    let facts = AlertFacts {
        health: &snap.status,
        jobs_failed: snap.jobs.iter().filter(|(_, job)| job.failed.is_some()).fold(0, |n, _| n + 1),
        apps_refused: &refused,
    };
    let trouble = snap.trouble.clone().map(|what| Alert {
        id: "look",
        level: AlertLevel::Soon,
        what,
        count: 1,
        look: "status",
    });
    let wrong = alerts(facts).into_iter().chain(trouble);
    let mut all: Vec<_> = wrong.map(|alert| alert.shown(&snap.alerts, snap.at)).collect();
    all.sort_by_key(|alert| alert.state != "open");
    all
}

/// Whether it is wrong now, and nobody has said that it was seen.
pub fn is_open(snap: &Snapshot, id: &str) -> bool {
    all(snap).iter().any(|alert| alert.id == id && alert.state == "open")
}

fn found(model: &Model, row: &Row) -> Option<AlertShown> {
    all(&model.snap).into_iter().find(|alert| alert.id == row.id)
}

/// How bad it is, and how that looks.
fn level(alert: &AlertShown) -> (&'static str, Tone) {
    match (alert.state, alert.level) {
        ("open", "now") => ("\u{25B2} now", Tone::Bad),
        ("open", "soon") => ("! soon", Tone::Warn),
        ("open", _) => ("  note", Tone::Plain),
        (_, "now") => ("\u{25B2} now", Tone::Dim),
        (_, "soon") => ("! soon", Tone::Dim),
        _ => ("  note", Tone::Dim),
    }
}

/// What needs a person and nobody has seen, for the first screen: how bad, what, and where to.
pub fn rows(model: &Model) -> Vec<Row> {
    let row = |alert: AlertShown| {
        let ((level, tone), go) = (level(&alert), remedy(alert.id).1);
        Row::new(alert.id, vec![level.to_owned(), alert.what, go.to_owned()]).tone(tone)
    };
    all(&model.snap).into_iter().filter(|alert| alert.state == "open").map(row).collect()
}

fn table(model: &Model) -> Table {
    let all = all(&model.snap);
    let open = all.iter().filter(|alert| alert.state == "open").count();
    let row = |alert: &AlertShown| {
        let (level, tone) = level(alert);
        let since =
            alert.since.as_ref().map_or_else(|| "just now".to_owned(), |at| when(model, at));
        let state = match (&alert.until, &alert.at) {
            (Some(until), _) => format!("silent {}", when(model, until)),
            (None, Some(at)) => format!("seen {}", when(model, at)),
            (None, None) => "open".to_owned(),
        };
        let said = match alert.comments.len() {
            0 => String::new(),
            n => n.to_string(),
        };
        let go = remedy(alert.id).1.to_owned();
        Row::new(alert.id, vec![level.to_owned(), since, alert.what.clone(), state, said, go])
            .tone(tone)
    };
    Table {
        title: format!("alerts  {open} open, {} seen", all.len() - open),
        columns: const {
            &[
                col("LEVEL", 6),
                col("SINCE", 10),
                col("WHAT", 0),
                col("STATE", 17),
                wide("SAID", 4),
                wide("ENTER: TO", 10),
            ]
        },
        rows: all.iter().map(row).collect(),
        empty: "Nothing is wrong.",
    }
}

fn detail(model: &Model, row: &Row) -> Vec<Line> {
    let Some(alert) = found(model, row) else { return Vec::new() };
    let mut lines = vec![
        line("what", alert.what),
        line("do", remedy(alert.id).0),
        line("shell", format!("carillon {}", alert.look)),
    ];
    let since = alert.since.as_ref().map(|at| format!("{}, {}", full(model, at), ago(model, at)));
    lines.push(line("since", since.unwrap_or_else(|| "just now".to_owned())));
    if let (Some(by), Some(at)) = (&alert.by, &alert.at) {
        let until = match &alert.until {
            Some(until) => format!("silent until {}, if it gets no worse", full(model, until)),
            None => "until it is worse or over".to_owned(),
        };
        lines.push(line(alert.state, format!("by {by} {}, {until}", full(model, at))));
    }
    lines.extend(alert.comments.iter().rev().enumerate().map(|(n, said)| {
        let text = format!("{} {}: {}", when(model, &said.at), said.by, said.text);
        line(if n == 0 { "said" } else { "" }, text)
    }));
    lines
}

fn ago(model: &Model, at: &str) -> String {
    Timestamp::parse(at).map_or_else(String::new, |at| distance(model.now, at))
}

/// To where it is dealt with.
pub fn go(model: &Model, rows: &[Row]) -> Act {
    let alert = rows.first().and_then(|row| found(model, row));
    alert.map_or_else(|| nothing("nothing is wrong"), |alert| Act::Go(remedy(alert.id).1))
}

/// The chosen ones in this state, as commands; else why there are none.
fn commands(
    model: &Model,
    rows: &[Row],
    (verb, about): (&'static str, &str),
    is: fn(&AlertShown) -> bool,
) -> Vec<Command> {
    // That what is shown is old is for this console alone.
    let found = rows.iter().filter_map(|row| found(model, row)).filter(|alert| alert.id != "look");
    let command = |alert: AlertShown| {
        Command::new(("alert", verb), format!("{about}: {}", alert.what)).with("id", alert.id)
    };
    found.filter(is).map(command).collect()
}

pub fn acknowledge(model: &Model, rows: &[Row]) -> Act {
    let open = |alert: &AlertShown| alert.state == "open";
    match commands(model, rows, ("acknowledge", "seen"), open) {
        none if none.is_empty() => nothing("nothing open is chosen"),
        commands => Act::Run(commands),
    }
}

fn reopen(model: &Model, rows: &[Row]) -> Act {
    let seen = |alert: &AlertShown| alert.state != "open";
    match commands(model, rows, ("reopen", "open again"), seen) {
        none if none.is_empty() => nothing("it is open already"),
        commands => Act::Run(commands),
    }
}

fn silence(model: &Model, rows: &[Row]) -> Act {
    if commands(model, rows, ("silence", ""), |_| true).is_empty() {
        return nothing("nothing is chosen");
    }
    Act::Ask(Ask {
        title: "silence".to_owned(),
        lines: vec![
            "For how long? Such as 30m, 2h or 1d; at most 30 days.".to_owned(),
            "It is open again then, or as soon as it gets worse.".to_owned(),
        ],
        secret: false,
        rows: rows.to_vec(),
        then: |model, rows, typed| {
            let Some(minutes) = minutes(typed) else {
                return nothing("type a time such as 30m, 2h or 1d");
            };
            let commands = commands(model, rows, ("silence", "silent"), |_| true).into_iter();
            Act::Run(commands.map(|command| command.with("minutes", minutes.to_string())).collect())
        },
    })
}

fn comment(model: &Model, rows: &[Row]) -> Act {
    let Some(alert) = rows.first().and_then(|row| found(model, row)).filter(|it| it.id != "look")
    else {
        return nothing("nothing is chosen");
    };
    Act::Ask(Ask {
        title: "comment".to_owned(),
        lines: vec![
            alert.what,
            "What do the others have to know? It is kept until this is over.".to_owned(),
        ],
        secret: false,
        rows: rows.iter().take(1).cloned().collect(),
        then: |model, rows, typed| {
            if typed.is_empty() {
                return nothing("type what there is to say");
            }
            let commands = commands(model, rows, ("comment", "commented on"), |_| true).into_iter();
            Act::Run(commands.map(|command| command.with("text", typed)).collect())
        },
    })
}

fn trial(_: &Model, _: &[Row]) -> Act {
    Act::Ask(Ask {
        title: "a letter of trial".to_owned(),
        lines: vec![
            "Administrators are written to about alerts. To which address is one to go now?"
                .to_owned(),
            "What the mail server answers is shown here.".to_owned(),
        ],
        secret: false,
        rows: Vec::new(),
        then: |_, _, typed| {
            let command = Command::new(("mail", "test"), format!("a letter of trial to {typed}"));
            Act::Run(vec![command.with("email", typed)])
        },
    })
}

/// `30m`, `2h`, `1d`.
fn minutes(typed: &str) -> Option<u64> {
    let of = |unit: char, each: u64| {
        typed.strip_suffix(unit)?.trim().parse::<u64>().ok()?.checked_mul(each)
    };
    of('m', 1).or_else(|| of('h', 60)).or_else(|| of('d', 24 * 60)).filter(|minutes| *minutes > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::Health;

    #[test]
    fn every_alert_has_a_remedy_and_leads_somewhere() {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let all_wrong = |disk: &str, restored| Health {
            disk: disk.to_owned(),
            restored,
            paused: words(&["mastodon"]),
            stopped: [("x", "credits_depleted"), ("linkedin", "version_sunset")]
                .map(|(name, why)| (name.to_owned(), why.to_owned()))
                .into(),
            circuits: words(&["open"]),
            held: 1,
            failed: 1,
            reconnect: 1,
            late: 101,
            paused_channels: 1,
            paused_workspaces: 1,
            ..Health::default()
        };
        let mut seen = std::collections::BTreeSet::new();
        for health in [all_wrong("low", false), all_wrong("out", true)] {
            let facts = AlertFacts { health: &health, jobs_failed: 1, apps_refused: &["x"] };
            for alert in alerts(facts) {
                let (words, go) = remedy(alert.id);
                assert!(!words.is_empty(), "{}", alert.id);
                assert!(crate::console::SCREENS.iter().any(|screen| screen.name == go));
                let look = format!("{} ", alert.look);
                let known = |verb: &crate::service::Verb| {
                    look.starts_with(&format!("{} {}", verb.noun, verb.verb))
                };
                assert!(
                    crate::service::VERBS.iter().any(known) || alert.look == "doctor",
                    "{look}"
                );
                seen.insert(alert.id);
            }
        }
        assert_eq!(seen.len(), 19, "{seen:?}");
    }

    #[test]
    fn a_while_is_typed_as_people_say_it() {
        for (typed, told) in
            [("30m", Some(30)), ("2h", Some(120)), ("1 d", Some(1_440)), ("2", None), ("0m", None)]
        {
            assert_eq!(minutes(typed), told, "{typed}");
        }
        assert_eq!(minutes("99999999999999999999d"), None);
    }
}
