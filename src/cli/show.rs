//! What the terminal shows: tables, objects, complaints. All text from outside is made harmless
//! first: a post must not move the cursor of whoever lists it.

use std::fmt::Display;
use std::io::{self, IsTerminal as _, Write as _};
use std::sync::OnceLock;

use serde_json::Value;

use super::{FAILED, table};
use crate::base::is_hidden;
use crate::service::Verb;

/// Columns of free text are cut here; what is copied from a table must be whole.
const FREE_TEXT: [&str; 5] = ["name", "text", "channel_name", "cause", "said"];
const CELL: usize = 60;

/// Why standard output could not be written, the first time.
static UNWRITTEN: OnceLock<String> = OnceLock::new();

/// One line on standard output.
pub(super) fn line(text: &str) {
    let mut out = io::stdout().lock();
    written(writeln!(out, "{text}").and_then(|()| out.flush()));
}

/// Keeps a failure for the exit code. Nobody listening is none.
pub(super) fn written(result: io::Result<()>) {
    if let Err(error) = result
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        UNWRITTEN.get_or_init(|| error.to_string());
    }
}

pub(super) fn unwritten() -> Option<&'static str> {
    UNWRITTEN.get().map(String::as_str)
}

pub(super) fn talk(text: &str) {
    drop(writeln!(std::io::stderr().lock(), "{text}"));
}

/// Says on standard error what went wrong.
pub(super) fn complain(error: &dyn Display) {
    let text = error.to_string();
    let lead = if text.starts_with("error") { "" } else { "error: " };
    talk(&format!("{lead}{text}"));
}

/// Shows a refusal and gives the exit code for it.
pub(super) fn refusal(problem: &Value, json: bool) -> u8 {
    let text = |name: &str| problem.get(name).and_then(Value::as_str).unwrap_or_default();
    if json {
        line(&problem.to_string());
    } else {
        talk(&format!("error[{}]: {}", text("code"), clean(text("detail"))));
        talk(&format!("  do: {}", clean(text("remedy"))));
    }
    let code = text("code");
    crate::base::CODES.iter().find(|row| row.word == code).map_or(FAILED, |row| row.exit)
}

/// Shows what a verb answered.
pub(super) fn answer(verb: &Verb, answer: &Value, json: bool) {
    if json {
        line(&answer.to_string());
        return;
    }
    match answer.get("items").and_then(Value::as_array) {
        Some(items) => {
            table(verb.columns, items);
            if let Some(next) = answer.get("next").and_then(Value::as_str) {
                talk(&format!("more: --cursor {next}"));
            }
        }
        None => object(answer),
    }
}

pub(super) fn table(columns: &[&str], items: &[Value]) {
    if items.is_empty() {
        talk("nothing to show");
        return;
    }
    let mut rows = vec![columns.iter().map(|c| c.to_uppercase()).collect::<Vec<_>>()];
    for item in items {
        rows.push(columns.iter().map(|column| cell(item, column)).collect());
    }
    if let Some(width) = terminal_width()
        && table::fit(&mut rows, columns, width)
    {
        talk("shortened to fit; `| cat` or --json has everything");
    }
    let width = |i: usize| rows.iter().map(|row| row[i].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    for row in rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        line(cells.collect::<Vec<_>>().join("  ").trim_end());
    }
}

/// Columns of the terminal that reads; `None` when something else does.
fn terminal_width() -> Option<usize> {
    let out = io::stdout();
    let size = out.is_terminal().then(|| rustix::termios::tcgetwinsize(&out).ok())?;
    let columns = size.map_or(0, |size| usize::from(size.ws_col));
    Some(if columns == 0 { 80 } else { columns })
}

/// What a column shows of an item; posts have no state of their own.
fn cell(item: &Value, column: &str) -> String {
    let text = match (column, item.get(column)) {
        ("text", None) => plain(&item["parts"][0]["text"]),
        ("state", None) if item["draft"] == true => "draft".to_owned(),
        ("state", None) => {
            let states = item["deliveries"].as_array().into_iter().flatten();
            let state = |delivery: &Value| match plain(&delivery["reason"]).as_str() {
                // In place of `scheduled`, and no longer: a person moves it, and time does not.
                "approval" if item["approval"]["state"] == "declined" => "declined".to_owned(),
                "approval" => "approval".to_owned(),
                _ => plain(&delivery["state"]),
            };
            let mut states: Vec<_> = states.map(state).collect();
            states.sort_unstable();
            states.dedup();
            states.join(",")
        }
        ("due", None) => plain(&item["schedule"]["due"]),
        ("cause", None) => cause(item),
        ("said", None) => said(item),
        (_, value) => value.map(plain).unwrap_or_default(),
    };
    let text = clean(&text);
    if FREE_TEXT.contains(&column) && text.chars().count() > CELL {
        format!("{}...", text.chars().take(CELL - 3).collect::<String>())
    } else {
        text
    }
}

/// Why a delivery did not go out, or what was said when it was last tried.
fn cause(delivery: &Value) -> String {
    let of = |list: &str| delivery[list].as_array().into_iter().flatten();
    let said = |failure: &Value| {
        let [code, detail] = ["code", "detail"].map(|name| plain(&failure[name]));
        if detail.is_empty() { code } else { format!("{code}: {detail}") }
    };
    let failed = of("parts").map(|part| &part["failure"]).find(|failure| failure.is_object());
    let tried = || of("attempts").next_back().filter(|_| delivery["state"] != "published");
    failed.or_else(tried).map(said).unwrap_or_default().trim_start_matches(": ").to_owned()
}

/// What was said of an alert last, and by whom.
fn said(alert: &Value) -> String {
    let comments = alert["comments"].as_array().map(Vec::as_slice).unwrap_or_default();
    let Some(last) = comments.last() else { return String::new() };
    let more = comments.len() - 1;
    let more = if more > 0 { format!(" (+{more})") } else { String::new() };
    format!("{} ({}){more}", plain(&last["text"]), plain(&last["by"]))
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

/// `name: value` lines; what is nested is indented.
pub(super) fn object(value: &Value) {
    nested(value, 0);
}

fn nested(value: &Value, depth: usize) {
    let indent = "  ".repeat(depth);
    let Some(fields) = value.as_object() else {
        line(&format!("{indent}{}", clean(&plain(value))));
        return;
    };
    for (name, value) in fields {
        match value {
            Value::Null => {}
            Value::Object(inner) if inner.is_empty() => {}
            Value::Array(items) if items.is_empty() => {}
            Value::Object(_) => {
                line(&format!("{indent}{name}:"));
                nested(value, depth + 1);
            }
            Value::Array(items) if items.iter().any(Value::is_object) => {
                for (i, item) in items.iter().enumerate() {
                    line(&format!("{indent}{name} {}:", i + 1));
                    nested(item, depth + 1);
                }
            }
            _ => line(&format!("{indent}{name}: {}", clean(&plain(value)))),
        }
    }
}

/// Text that can only be read: control, bidi and invisible characters become visible.
pub fn clean(text: &str) -> String {
    let shown = |c: char| match c {
        '\n' | '\t' => " ".to_owned(),
        c if is_hidden(c) => format!("<U+{:04X}>", u32::from(c)),
        c => c.to_string(),
    };
    text.chars().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_outside_moves_the_cursor() {
        let hostile = "a\u{1b}[2Jb\u{202e}c\u{7}\nd\u{9b}31m";
        let shown = clean(hostile);
        assert_eq!(shown, "a<U+001B>[2Jb<U+202E>c<U+0007> d<U+009B>31m");
        assert!(!shown.chars().any(char::is_control));
    }

    #[test]
    fn deliveries_show_why() {
        let failed = serde_json::json!({
            "state": "failed",
            "parts": [{ "failure": null }, { "failure": { "code": "too_long", "detail": "501" } }],
            "attempts": [{ "code": "x", "detail": "" }],
        });
        assert_eq!(cell(&failed, "cause"), "too_long: 501");
        let waiting = serde_json::json!({
            "state": "scheduled", "attempts": [{ "code": "", "detail": "" }, { "code": "busy" }],
        });
        assert_eq!(cell(&waiting, "cause"), "busy");
        let out = serde_json::json!({ "state": "published", "attempts": [{ "code": "busy" }] });
        assert_eq!(cell(&out, "cause"), "");
    }

    #[test]
    fn posts_show_the_states_of_their_deliveries() {
        let post = serde_json::json!({
            "draft": false,
            "parts": [{ "text": "hello" }],
            "deliveries": [{ "state": "published" }, { "state": "held" }, { "state": "held" }],
            "schedule": { "due": "2026-12-01T08:00:00.000Z" },
        });
        assert_eq!(cell(&post, "state"), "held,published");
        assert_eq!(cell(&post, "text"), "hello");
        let waits = |approval: &str| {
            serde_json::json!({
                "approval": { "state": approval },
                "deliveries": [
                    { "state": "scheduled", "reason": "approval" },
                    { "state": "held", "reason": "missed" },
                ],
            })
        };
        assert_eq!(cell(&waits("asked"), "state"), "approval,held");
        assert_eq!(cell(&waits("declined"), "state"), "declined,held");
        assert_eq!(cell(&serde_json::json!({ "name": "x".repeat(99) }), "name").len(), CELL);
    }
}
