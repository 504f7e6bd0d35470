//! Is it working, and does it need me? For a new installation: what to do first.

use ratatui::layout::Rect;

use super::{Line, Row, Screen, Table, alerts, col, distance, line, when};
use crate::base::Timestamp;
use crate::console::act::{Act, Command, Confirm, nothing, reads, writes};
use crate::console::canvas::{Canvas, Tone};
use crate::console::model::Model;
use crate::console::snapshot::{Sample, Snapshot};
use crate::console::{delivery, list};
use crate::telemetry::metrics::ByNetwork;

pub const SCREEN: Screen = Screen {
    name: "dashboard",
    key: Some('1'),
    tab: ("Dash", "Dash"),
    about: "Is it working, and does it need me?",
    table,
    detail,
    pane: 0,
    draw: Some(draw),
    enter: Some(enter),
    moves: None,
    keys: &[
        reads(' ', "freeze", "keep everything as it is, to look at it; or let it go on", |_, _| {
            Act::Freeze
        }),
        writes('a', "acknowledge", "say that it was seen: it is among the alerts (6) then", ack),
        writes('P', "pause all", "stop publishing everywhere, or let it go on", pause),
        writes('n', "", "the next step of a new installation", |model, _| step(model)),
    ],
};

/// What somebody who begins does, in order.
const STEPS: [(&str, &str); 4] = [
    ("make a workspace", "a workspace holds the channels and posts of one team or customer"),
    ("connect an account", "a `feed` is a page of your own and needs no account anywhere"),
    (
        "write a post",
        "`--now` sends it at once, `--at 2026-12-01T09:00 --zone Europe/Berlin` later",
    ),
    ("say where backups go", "without one, a lost disk is the end of it"),
];

fn done(snap: &Snapshot) -> [bool; 4] {
    let [workspace, channel, post] = snap.begun();
    [workspace, channel, post, snap.status.last_backup.is_some()]
}

/// The first steps are shown until a post was written.
fn is_new(snap: &Snapshot) -> bool {
    snap.begun() != [true; 3]
}

fn step(model: &Model) -> Act {
    // Else the step that was just done would be offered again.
    if !model.is_current() {
        return Act::Later('n');
    }
    let only = model.snap.overview.workspaces.first().map_or("", |w| w.slug.as_str());
    match done(&model.snap).iter().position(|done| !done) {
        Some(0) => Act::Type("workspace create ".to_owned()),
        Some(1) => Act::Type(format!("channel add --network feed --name News -w {only}")),
        Some(2) => {
            let channel = model.snap.overview.channels.first();
            let (id, slug) = channel.map_or(("", only), |of| (of.it.id.as_str(), &of.workspace));
            Act::Type(format!("post create --channel {id} -w {slug} --now --text 'Hello'"))
        }
        Some(_) => Act::Go("backups"),
        None => nothing("all first steps are done"),
    }
}

/// First steps, or needs: what the cursor moves over.
fn table(model: &Model) -> Table {
    let rows = if is_new(&model.snap) {
        let done = done(&model.snap);
        let row = |(n, (what, why)): (usize, &(&str, &str))| {
            let mark = if done[n] { "\u{2713}" } else { "\u{25CB}" };
            let tone = if done[n] { Tone::Good } else { Tone::Plain };
            Row::new(
                format!("step-{n}"),
                vec![mark.to_owned(), format!("{}  {what}: {why}", n + 1), "n".to_owned()],
            )
            .tone(tone)
        };
        STEPS.iter().enumerate().map(row).collect()
    } else {
        alerts::rows(model)
    };
    Table {
        title: String::new(),
        columns: const { &[col("", 6), col("", 0), col("", 10)] },
        rows,
        empty: "Nothing needs a person.",
    }
}

fn detail(model: &Model, row: &Row) -> Vec<Line> {
    let _ = model;
    vec![line("", row.cells.get(1).cloned().unwrap_or_default())]
}

fn enter(model: &Model, rows: &[Row]) -> Act {
    if is_new(&model.snap) {
        if model.readonly { nothing("this console only looks") } else { step(model) }
    } else {
        alerts::go(model, rows)
    }
}

fn ack(model: &Model, rows: &[Row]) -> Act {
    if is_new(&model.snap) {
        nothing("there is nothing yet")
    } else {
        alerts::acknowledge(model, rows)
    }
}

/// Everywhere, after a question; or again, at once.
pub fn pause(model: &Model, _: &[Row]) -> Act {
    if model.snap.status.publishing {
        return Act::Confirm(Confirm {
            title: "pause everything?".to_owned(),
            lines: vec![
                "Nothing goes out anywhere until P is pressed again; what is being sent is finished.".to_owned(),
                "What is due waits, and is held as missed when it is too late.".to_owned(),
            ],
            yes: "pause".to_owned(),
            name: None,
            commands: vec![Command::new(("publishing", "pause"), "everything is paused")],
        });
    }
    let resume = Command::new(("publishing", "resume"), "publishing goes on");
    let held = model.snap.status.held;
    if held == 0 {
        return Act::Run(vec![resume]);
    }
    Act::Confirm(Confirm {
        title: "let everything go on?".to_owned(),
        lines: vec![format!(
            "{held} posts are held and stay so; everything else that is due goes out at once."
        )],
        yes: "go on".to_owned(),
        name: None,
        commands: vec![resume],
    })
}

fn draw(model: &Model, canvas: &mut Canvas<'_>, area: Rect) {
    let rows = super::rows(model);
    if is_new(&model.snap) {
        return first_steps(model, canvas, area, &rows);
    }
    let tall = area.height >= 19;
    let (charts, panes) = match area.height {
        30.. => (area.height / 5, area.height / 4),
        19.. => (5, 6),
        _ => (0, 5),
    };
    let mut y = area.y;
    if tall {
        let history = &model.snap.history;
        for half in [&CHARTS[..3], &CHARTS[3..]] {
            draw_charts(canvas, Rect { y, height: charts, ..area }, history, half);
            y += charts;
        }
    }
    let half = area.width / 2;
    let left = Rect { y, height: panes, width: half, ..area };
    networks(model, canvas, left);
    let right = Rect { x: area.x + half, width: area.width - half, ..left };
    coming(model, canvas, right);
    y += panes;
    let below = Rect { y, height: area.bottom().saturating_sub(y), ..area };
    let title = format!(
        "needs a person ({}){}",
        rows.len(),
        if model.frozen { "  frozen: space" } else { "" }
    );
    let inner = canvas.frame(below, &title);
    if rows.is_empty() {
        canvas.text(
            (inner.x + 3, inner.y),
            inner.width,
            "Nothing. Enter opens what stands here.",
            Tone::Dim,
        );
    }
    list::body(model, canvas, inner, &rows, &widths(inner.width));
}

fn widths(width: u16) -> [(usize, u16, u16); 3] {
    let grows = width.saturating_sub(3 + 7 + 12);
    [(0, 3, 6), (1, 10, grows), (2, 11 + grows, 10)]
}

fn first_steps(model: &Model, canvas: &mut Canvas<'_>, area: Rect, rows: &[Row]) {
    let inner = canvas.frame(area, "first steps");
    let mut y = inner.y;
    let mut say = |canvas: &mut Canvas<'_>, text: &str, tone| {
        if y < inner.bottom() {
            canvas.text((inner.x + 1, y), inner.width.saturating_sub(1), text, tone);
        }
        y += 1;
    };
    say(
        canvas,
        "Carillon runs, and there is nothing in it yet. Press n for the next step:",
        Tone::Strong,
    );
    say(canvas, "it is typed for you; enter does it.", Tone::Plain);
    say(canvas, "", Tone::Plain);
    let top = y;
    let list = Rect { y: top, height: 4.min(inner.bottom().saturating_sub(top)), ..inner };
    let grows = inner.width.saturating_sub(7);
    list::body(model, canvas, list, rows, &[(0, 3, 1), (1, 5, grows)]);
    let url = &model.snap.status.public_url;
    let words = [
        format!("It answers at {url}"),
        "A key for programs:  :key create NAME --scope write".to_owned(),
        "The same in a shell: carillon workspace create NAME, carillon --help".to_owned(),
        "?  every key of a screen     :  everything that can be done     q  away from here"
            .to_owned(),
    ];
    for (y, text) in (top + 5..inner.bottom()).zip(&words) {
        canvas.text((inner.x + 1, y), inner.width.saturating_sub(1), text, Tone::Plain);
    }
}

struct Chart {
    title: &'static str,
    value: fn(&Sample) -> f64,
    unit: &'static str,
    tone: Tone,
}

const CHARTS: [Chart; 6] = [
    Chart { title: "published/min", value: |s| s.published, unit: "", tone: Tone::Good },
    Chart { title: "due to receipt", value: |s| s.late, unit: " s", tone: Tone::Plain },
    Chart { title: "due now", value: |s| s.overdue, unit: "", tone: Tone::Plain },
    Chart { title: "failed/min", value: |s| s.failed, unit: "", tone: Tone::Bad },
    Chart { title: "rate limits/min", value: |s| s.limited, unit: "", tone: Tone::Warn },
    Chart { title: "requests/min", value: |s| s.requests, unit: "", tone: Tone::Plain },
];

fn draw_charts(canvas: &mut Canvas<'_>, area: Rect, history: &[Sample], charts: &[Chart]) {
    let wide = area.width / 3;
    for (n, chart) in (0..).zip(charts) {
        let x = area.x + n * wide;
        let width = if n == 2 { area.right() - x } else { wide };
        let values: Vec<f64> = history.iter().map(chart.value).collect();
        let now = values.last().copied().unwrap_or(0.0);
        let title = format!("{}  {}{} ", chart.title, number(now), chart.unit);
        let inner = canvas.frame(Rect { x, width, ..area }, &title);
        canvas.bars(inner, &values, chart.tone);
    }
}

fn number(value: f64) -> String {
    if value >= 10.0 || value.fract() < 0.05 {
        format!("{value:.0}")
    } else {
        format!("{value:.1}")
    }
}

fn networks(model: &Model, canvas: &mut Canvas<'_>, area: Rect) {
    let inner = canvas.frame(area, "networks, last hour");
    let mut sums: std::collections::BTreeMap<&str, ByNetwork> = std::collections::BTreeMap::new();
    for of in &model.snap.overview.channels {
        sums.entry(&of.it.network).or_default();
    }
    for (name, by) in model.snap.history.iter().flat_map(|sample| &sample.networks) {
        let sum = sums.entry(name).or_default();
        sum.published += by.published;
        sum.failed += by.failed;
        sum.held += by.held;
        sum.retried += by.retried;
    }
    for (y, (name, by)) in (inner.y..inner.bottom()).zip(&sums) {
        canvas.text((inner.x + 1, y), 10, name, Tone::Plain);
        let text =
            format!("out {:<4} again {:<3} fail {}", by.published, by.retried, by.failed + by.held);
        let tone = if by.failed + by.held > 0 { Tone::Warn } else { Tone::Plain };
        canvas.text((inner.x + 12, y), inner.width.saturating_sub(12), &text, tone);
    }
    if sums.is_empty() {
        canvas.text((inner.x + 1, inner.y), inner.width, "no channel is connected", Tone::Dim);
    }
}

fn coming(model: &Model, canvas: &mut Canvas<'_>, area: Rect) {
    let inner = canvas.frame(area, "next to go out");
    let queue = || model.snap.overview.queue.iter().filter(|of| model.shows(&of.workspace));
    // What waits for somebody's word would be first in it for ever.
    let shown = queue().filter(|of| !delivery::is_unapproved(&of.it));
    let mut any = false;
    for (y, of) in (inner.y..inner.bottom().saturating_sub(1)).zip(shown) {
        any = true;
        let next = of.it.delivery.next_look.as_ref().unwrap_or(&of.it.delivery.due);
        let text = format!(
            "{:<9} {:<9} {}",
            when(model, next),
            of.it.delivery.network,
            delivery::text(&of.it)
        );
        canvas.text((inner.x + 1, y), inner.width.saturating_sub(1), &text, delivery::tone(&of.it));
    }
    if !any {
        let none = queue().next().is_none();
        let words = if none { "nothing is scheduled" } else { "all of it waits for approval" };
        canvas.text((inner.x + 1, inner.y), inner.width, words, Tone::Dim);
    }
    let last = &model.snap.status.last_backup;
    let backup = last.as_deref().and_then(Timestamp::parse).map(|at| distance(model.now, at));
    let free = model
        .snap
        .status
        .free_mib
        .map_or_else(String::new, |mib| format!("  {} GiB free", mib / 1_024));
    let text = format!("backup {}{free}", backup.unwrap_or_else(|| "none".to_owned()));
    if inner.height > 1 {
        canvas.text(
            (inner.x + 1, inner.bottom() - 1),
            inner.width.saturating_sub(1),
            &text,
            Tone::Dim,
        );
    }
}
