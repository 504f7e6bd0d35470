//! What the program does by itself, now and then.

use super::{Line, Row, Screen, Table, col, distance, full, line, when, wide};
use crate::console::act::{Act, Command, nothing, reads, writes};
use crate::console::canvas::Tone;
use crate::console::model::Model;
use crate::service::Job;

pub const SCREEN: Screen = Screen {
    name: "jobs",
    key: Some('8'),
    tab: ("Jobs", "Jobs"),
    about: "Do the background jobs run?",
    table,
    detail,
    pane: 8,
    draw: None,
    enter: None,
    moves: None,
    keys: &[
        writes('!', "run now", "do one round now, paused or not", run),
        writes('p', "pause, resume", "do no more rounds, or let it go on", pause),
        writes('x', "stop this run", "end the round that runs, between two of its steps", stop),
        reads('L', "logs", "the log", |_, _| Act::Go("logs")),
    ],
};

/// What each is for.
fn about(name: &str) -> &'static str {
    match name {
        "alerts" => "forgets marks of past alerts",
        "backup" => "makes a backup when the last one is old enough",
        "chains" => "checks every chain of events, each day",
        "disk" => "watches the disk, and heals a database that failed",
        "hooks" => "handles what networks send, and removes what is old of it",
        "media" => "removes files that nothing needs any more",
        "sessions" => "renews sessions that nobody uses, before they end",
        "erasure" => "erases workspaces that were deleted a day ago",
        "suspicion" => "judges what happens, and raises what is suspicious",
        "stage" => "moves what was written quickly to its place",
        _ => "",
    }
}

fn state(job: &Job) -> (&'static str, Tone) {
    match job.state() {
        "failed" => ("\u{2717} failed", Tone::Bad),
        "running" => ("running", Tone::Good),
        "stopping" => ("stopping", Tone::Warn),
        "paused" => ("\u{25CB} paused", Tone::Warn),
        "waits" => ("waits", Tone::Plain),
        _ => ("\u{25CF} ok", Tone::Good),
    }
}

fn table(model: &Model) -> Table {
    let status = &model.snap.status;
    let publisher = format!("{} being sent, {} due", status.being_sent, status.late);
    let first = Row::new(
        "publisher",
        vec![
            "publisher".to_owned(),
            if status.publishing { "\u{25CF} runs" } else { "\u{25CB} paused" }.to_owned(),
            String::new(),
            String::new(),
            status.catching_up.as_ref().map_or(publisher, |n| format!("catching up: {n}")),
            String::new(),
            String::new(),
        ],
    )
    .tone(if status.publishing { Tone::Good } else { Tone::Warn });
    let row = |(name, job): &(&'static str, Job)| {
        let (word, tone) = state(job);
        let last = job.began.map(|at| when(model, &at.to_string())).unwrap_or_default();
        let next = job.next.map(|at| distance(model.now, at)).unwrap_or_default();
        let note = job.failed.clone().unwrap_or_else(|| about(name).to_owned());
        let took = format!("{} ms", job.took.as_millis());
        Row::new(
            *name,
            vec![(*name).to_owned(), word.to_owned(), last, next, note, took, job.runs.to_string()],
        )
        .tone(tone)
    };
    let failed = model.snap.jobs.iter().filter(|(_, job)| job.failed.is_some()).count();
    Table {
        title: format!("jobs  {}  {failed} failed", model.snap.jobs.len() + 1),
        columns: const {
            &[
                col("JOB", 12),
                col("STATE", 9),
                col("LAST", 10),
                col("NEXT", 9),
                col("NOTE", 0),
                wide("TOOK", 9),
                wide("RUNS", 6),
            ]
        },
        rows: std::iter::once(first).chain(model.snap.jobs.iter().map(row)).collect(),
        empty: "",
    }
}

/// The chosen jobs, with whether each is paused; the publisher is none of them.
fn chosen<'a>(
    model: &'a Model,
    rows: &'a [Row],
) -> impl Iterator<Item = (&'static str, bool)> + 'a {
    let all = &model.snap.jobs;
    let find = |row: &Row| all.iter().find(|(name, _)| *name == row.id);
    rows.iter().filter_map(find).map(|(name, job)| (*name, job.paused))
}

fn run(model: &Model, rows: &[Row]) -> Act {
    let command =
        |(name, _)| Command::new(("job", "run"), format!("{name} runs")).with("name", name);
    let commands: Vec<_> = chosen(model, rows).map(command).collect();
    if commands.is_empty() {
        return nothing("the publisher runs all the time; 2 shows what is next");
    }
    Act::Run(commands)
}

fn stop(model: &Model, rows: &[Row]) -> Act {
    let command = |(name, _)| {
        let about = format!("{name} stops after this step");
        Command::new(("job", "stop"), about).with("name", name)
    };
    let commands: Vec<_> = chosen(model, rows).map(command).collect();
    if commands.is_empty() {
        return nothing("the publisher is no round; P on 1 pauses it");
    }
    Act::Run(commands)
}

fn pause(model: &Model, rows: &[Row]) -> Act {
    let Some((_, paused)) = chosen(model, rows).next() else {
        // The same as everywhere else.
        return super::dashboard::pause(model, rows);
    };
    let (verb, word) = if paused { ("resume", "goes on") } else { ("pause", "is paused") };
    let command =
        |(name, _)| Command::new(("job", verb), format!("{name} {word}")).with("name", name);
    Act::Run(chosen(model, rows).map(command).collect())
}

fn detail(model: &Model, row: &Row) -> Vec<Line> {
    let Some((name, job)) = model.snap.jobs.iter().find(|(name, _)| *name == row.id) else {
        return vec![
            line("publisher", "sends what is due, and finds out what became of it"),
            line("now", row.cells.get(4).cloned().unwrap_or_default()),
        ];
    };
    let mut lines = vec![line("job", format!("{name}: {}", about(name)))];
    let (word, tone) = state(job);
    lines.push(Line { name: "state", text: word.to_owned(), tone });
    if job.paused {
        lines.push(line("paused", "until p lets it go on, or the server starts anew"));
    }
    lines.extend(job.failed.iter().map(|why| line("because", why.clone())));
    lines.extend(job.began.map(|at| line("last", full(model, &at.to_string()))));
    lines.extend(job.next.map(|at| line("next", full(model, &at.to_string()))));
    lines.push(line("rounds", format!("{} since the server began", job.runs)));
    lines.extend(job.rounds.iter().map(|round| {
        let at = when(model, &round.began_at.to_string());
        let (how, tone) = match &round.failed {
            Some(why) => (format!("failed: {why}"), Tone::Bad),
            None if round.stopped => ("stopped by somebody".to_owned(), Tone::Warn),
            None => ("well".to_owned(), Tone::Plain),
        };
        let text = format!("{at:<10}  {:>6} ms  {how}", round.took.as_millis());
        Line { name: "", text, tone }
    }));
    lines
}
