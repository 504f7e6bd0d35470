//! Deliveries as several screens show them: their detail, what to do about them, and the commands
//! for it. Must not list anything.

use jiff::Zoned;
use jiff::civil::{DateTime, Time, Weekday};

use super::act::{Act, Ask, Choose, Command, Confirm, Then, nothing};
use super::canvas::Tone;
use super::clean::add;
use super::model::Model;
use super::screens::{Line, Row, clock, full, head, line, when};
use crate::service::shown::NoteShown;
use crate::service::{Of, Waiting};

const DECLINED: &str = "Somebody declined it: it stays in until its words are changed, with e.";

/// Why it is not out: the reason of a hold, or the failure's code.
pub fn why(of: &Waiting) -> String {
    let delivery = &of.delivery;
    if let Some(reason) = &delivery.reason {
        return reason.clone();
    }
    let failure = delivery.parts.iter().find_map(|part| part.failure.as_ref());
    failure.map(|failure| failure.code.clone()).unwrap_or_default()
}

/// The state in a word or two.
pub fn state(of: &Waiting) -> String {
    let delivery = &of.delivery;
    match (delivery.state.as_str(), delivery.reason.as_deref()) {
        ("held", Some(reason)) => format!("held: {reason}"),
        ("scheduled", Some("due" | "turn") | None) => "scheduled".to_owned(),
        (_, Some("approval")) if of.declined => "declined".to_owned(),
        ("scheduled", Some(reason)) => format!("waits: {reason}"),
        (state, _) => state.to_owned(),
    }
}

/// Whether nobody has let it out; only a person moves it.
pub fn is_unapproved(of: &Waiting) -> bool {
    of.delivery.reason.as_deref() == Some("approval")
}

pub fn tone(of: &Waiting) -> Tone {
    match of.delivery.state.as_str() {
        "held" | "unknown" | "partial" => Tone::Warn,
        "failed" => Tone::Bad,
        "published" => Tone::Good,
        "cancelled" => Tone::Dim,
        _ if is_unapproved(of) => Tone::Warn,
        _ if of.delivery.reason.as_deref() == Some("paused") => Tone::Dim,
        _ => Tone::Plain,
    }
}

/// The first words of it.
pub fn text(of: &Waiting) -> String {
    let first = of.texts.first().map_or("(no words)", String::as_str);
    if of.texts.len() > 1 { format!("{first} (+{})", of.texts.len() - 1) } else { first.to_owned() }
}

/// What to do, in words that name the keys.
pub fn advice(of: &Waiting) -> Vec<String> {
    let failure = of.delivery.parts.iter().find_map(|part| part.failure.as_ref());
    let words: &[&str] = match (of.delivery.state.as_str(), of.delivery.reason.as_deref()) {
        ("held", Some("outcome_unknown")) => &[
            "The connection broke after it was sent, and the network could not say whether it is there.",
            "Look at the account, then press d: it is there, send it again, or drop it.",
        ],
        ("held", Some("reconnect_needed")) => &[
            "The network takes the channel's token no more: a person must connect the account again.",
            "Go to 5 (channels) and press c. Its posts then go on by themselves.",
        ],
        ("held", Some("missed")) => &[
            "It is later than this workspace allows, so it was not sent without asking.",
            "r sends it now, m gives it another time, x drops it.",
        ],
        ("held", Some("restored")) => &[
            "It comes from a backup: it may have gone out since then.",
            "Look at the account, then press d. For all of a channel: `:channel decide`.",
        ],
        ("held", Some("billing")) => &[
            "The network wants to be paid before it takes more.",
            "When that is settled, r sends it.",
        ],
        ("held", _) => &["A person must decide: press d."],
        ("partial", _) => &[
            "The first part is out; a later one was refused.",
            "r goes on where it stopped, if it may be taken now; x takes it off this list.",
        ],
        ("failed", _) => &[
            "The network refused it for good: the same again would be refused again.",
            "e writes it anew with other words; r tries the same again; x takes it off this list.",
        ],
        ("unknown", _) => &["The answer was lost. It is being looked for; nothing is to be done."],
        ("scheduled", Some("circuit")) => {
            &["Calls to its server failed; it is tried again by itself."]
        }
        ("scheduled", Some("rate_limit")) => {
            &["The network takes no more for now; it goes on by itself."]
        }
        ("scheduled", Some("paused")) => {
            &["Something is paused: the channel (5), the network or everything (1, P)."]
        }
        ("scheduled" | "preparing", Some("approval")) if of.declined => &[DECLINED],
        ("scheduled" | "preparing", Some("approval")) => {
            &["Somebody must let it out, or decline it: press d."]
        }
        ("scheduled", Some("disk_full")) => {
            &["The disk is full: make room, and it goes on by itself."]
        }
        ("scheduled", Some("lane")) => {
            &["Another post of this channel is being sent or looked for first."]
        }
        _ => &[],
    };
    let mut all: Vec<String> = words.iter().map(|&text| text.to_owned()).collect();
    if let Some(failure) = failure.filter(|failure| !failure.detail.is_empty()) {
        all.insert(0, format!("It said: {}", failure.detail));
    }
    if let Some(wait) = &of.delivery.wait {
        all.push(wait.about.clone());
    }
    all
}

/// Where somebody looks whether it is there.
fn account(model: &Model, of: &Waiting) -> Option<String> {
    let channels = &model.snap.overview.channels;
    let channel = channels.iter().find(|channel| channel.it.id == of.delivery.channel)?;
    channel.it.url.clone().or_else(|| channel.it.instance.clone())
}

/// Everything about it.
pub fn detail(model: &Model, of: &Of<Waiting>) -> Vec<Line> {
    let (it, delivery) = (&of.it, &of.it.delivery);
    let mut lines = vec![Line { name: "state", text: state(it), tone: tone(it) }];
    lines.extend(
        advice(it)
            .into_iter()
            .enumerate()
            .map(|(n, text)| line(if n == 0 { "do" } else { "" }, text)),
    );
    lines.push(line("to", format!("{} {}  in {}", delivery.network, it.channel, of.workspace)));
    lines.extend(account(model, it).map(|there| line("account", there)));
    lines.push(line("due", full(model, &delivery.due)));
    if let Some(next) = delivery.next_look.as_ref().filter(|next| **next != delivery.due) {
        lines.push(line("next", full(model, next)));
    }
    lines.extend(delivery.permalink.iter().map(|url| line("at", url.clone())));
    for (n, text) in it.texts.iter().enumerate() {
        lines.push(line(if n == 0 { "text" } else { "then" }, text.clone()));
    }
    let doubt = delivery.parts.iter().filter(|part| part.in_doubt).count();
    if doubt > 0 {
        lines.push(line("doubt", format!("{doubt} of {} parts may be out", delivery.parts.len())));
    }
    lines.push(head(""));
    lines.push(head("attempts"));
    if delivery.attempts.is_empty() {
        lines.push(line("", "none yet"));
    }
    lines.extend(delivery.attempts.iter().map(|note| said(model, note)));
    if !delivery.evidence.is_empty() {
        lines.push(head("evidence"));
        lines.extend(delivery.evidence.iter().map(|note| said(model, note)));
    }
    lines.push(head(""));
    lines.push(line("delivery", delivery.id.clone()));
    lines.push(line("post", delivery.post.clone()));
    lines.push(line("log", format!("9, then / {}", delivery.correlation_id)));
    lines
}

fn said(model: &Model, note: &NoteShown) -> Line {
    let mut text =
        format!("{}  {} {}: {}", when(model, &note.at), note.kind, note.attempt, note.result);
    if note.part > 0 {
        add(&mut text, format_args!("  part {}", note.part + 1));
    }
    let status = note.status.map(|status| status.to_string());
    for more in [note.code.as_ref(), status.as_ref(), note.detail.as_ref()].into_iter().flatten() {
        text.push_str("  ");
        text.push_str(more);
    }
    let bad = matches!(note.result.as_str(), "refused" | "lost" | "reconnect");
    Line { name: "", text, tone: if bad { Tone::Warn } else { Tone::Plain } }
}

/// The deliveries behind rows.
pub fn of<'a>(model: &'a Model, rows: &[Row]) -> Vec<&'a Of<Waiting>> {
    rows.iter().filter_map(|row| model.snap.waiting(&row.id)).collect()
}

fn resolve(of: &Of<Waiting>, word: &'static str) -> Command {
    let about = match word {
        "it_is_there" => "noted that it is there",
        "send_again" => "sent again",
        _ => "dropped",
    };
    let mut command = Command::new(("delivery", "resolve"), about);
    command.workspace = Some(of.workspace.to_string());
    command.with("id", of.it.delivery.id.clone()).with("as", word)
}

fn short(model: &Model, of: &Of<Waiting>) -> String {
    format!("{} {}  {}", of.it.delivery.network, clock(model, &of.it.delivery.due), text(&of.it))
}

fn listed(model: &Model, all: &[&Of<Waiting>]) -> Vec<String> {
    let mut lines: Vec<String> = all.iter().take(6).map(|of| short(model, of)).collect();
    if all.len() > 6 {
        lines.push(format!("and {} more", all.len() - 6));
    }
    lines
}

/// Those that a person may decide on.
fn held<'a>(model: &'a Model, rows: &[Row]) -> Result<Vec<&'a Of<Waiting>>, Act> {
    let all = of(model, rows);
    if all.is_empty() {
        return Err(nothing("nothing is chosen"));
    }
    match all
        .iter()
        .find(|of| !matches!(of.it.delivery.state.as_str(), "held" | "failed" | "partial"))
    {
        Some(other) => {
            Err(Act::Nothing(format!("it is {}: there is nothing to decide", state(&other.it))))
        }
        None => Ok(all),
    }
}

/// Asks what became of it.
pub fn decide(model: &Model, rows: &[Row]) -> Act {
    let waiting = of(model, rows);
    if !waiting.is_empty() && waiting.iter().all(|of| is_unapproved(&of.it)) {
        return approve(model, rows);
    }
    let all = match held(model, rows) {
        Ok(all) => all,
        Err(act) => return act,
    };
    let mut lines = listed(model, &all);
    lines.push(String::new());
    if let [one] = all.as_slice() {
        // The first says why; what is to be done is the question here.
        lines.extend(advice(&one.it).into_iter().take(1));
        let reason = one.it.delivery.reason.as_deref();
        if matches!(reason, Some("outcome_unknown" | "restored")) {
            lines.extend(account(model, &one.it).map(|there| format!("Look at {there}")));
        }
    }
    let there: Vec<Command> = all.iter().map(|of| resolve(of, "it_is_there")).collect();
    let mut options = vec![
        ('2', "it is not there: send it again".to_owned(), again(model, rows)),
        ('3', "let it go: it is not to go out".to_owned(), dropped(model, rows)),
    ];
    // What was refused is certainly not there.
    if all.iter().all(|of| of.it.delivery.state == "held") {
        options.insert(0, ('1', "it is there: count it as published".to_owned(), Act::Run(there)));
    }
    Act::Choose(Choose { title: "what became of it?".to_owned(), lines, options })
}

/// Asks for somebody's word on what waits for it. It is of what was seen here.
fn approve(model: &Model, rows: &[Row]) -> Act {
    let all = posts(model, rows);
    if all.iter().any(|of| of.it.declined) {
        return nothing(DECLINED);
    }
    let mut lines = listed(model, &all);
    let (many, when) = (all.len(), "It goes out at its time; if that is over, at once.");
    let given: Vec<Command> = all
        .iter()
        .map(|of| word(of, "approve", "let out").with("revision", of.it.revision.to_string()))
        .collect();
    let given = if many == 1 {
        Act::Run(given)
    } else {
        Act::Confirm(Confirm {
            title: format!("let {many} out?"),
            lines: vec!["A sent post cannot be unsent.".to_owned()],
            yes: "let out".to_owned(),
            name: Some(many.to_string()),
            commands: given,
        })
    };
    lines.extend([String::new(), format!("Let out, it is on all its channels. {when}")]);
    let declined = Act::Ask(Ask {
        title: format!("decline {many}"),
        lines: vec![
            "why? Whoever wrote it reads this; it stays in until it is changed.".to_owned(),
        ],
        secret: false,
        rows: rows.to_vec(),
        then: |model, rows, typed| {
            let all = posts(model, rows);
            let command =
                |of: &&Of<Waiting>| word(of, "decline", "declined").with("note", typed.trim());
            if typed.trim().is_empty() {
                return nothing("a word on why is needed");
            }
            Act::Run(all.iter().map(command).collect())
        },
    });
    Act::Choose(Choose {
        title: "may it go out?".to_owned(),
        lines,
        options: vec![
            ('1', "let it out, as it is here".to_owned(), given),
            ('2', "decline it: it stays in until it is changed".to_owned(), declined),
        ],
    })
}

fn word(of: &Of<Waiting>, verb: &'static str, about: impl Into<String>) -> Command {
    let mut command = Command::new(("post", verb), about);
    command.workspace = Some(of.workspace.to_string());
    command.with("id", of.it.delivery.post.clone())
}

/// Sends again, after a question where it may be there already.
pub fn again(model: &Model, rows: &[Row]) -> Act {
    let all = match held(model, rows) {
        Ok(all) => all,
        Err(act) => return act,
    };
    if all.iter().any(|of| of.it.delivery.reason.as_deref() == Some("reconnect_needed")) {
        return nothing(
            "connect the channel again first: 5, then c. Its posts then go on by themselves",
        );
    }
    let commands: Vec<Command> = all.iter().map(|of| resolve(of, "send_again")).collect();
    let doubt = all.iter().any(|of| of.it.delivery.parts.iter().any(|part| part.in_doubt))
        || all.iter().any(|of| of.it.delivery.reason.as_deref() == Some("restored"));
    if !doubt && commands.len() == 1 {
        return Act::Run(commands);
    }
    let mut lines = listed(model, &all);
    lines.push(String::new());
    if doubt {
        lines.push(
            "If it is there already, it will be there twice. Look at the account first.".to_owned(),
        );
    }
    lines.push("It goes out at once, and cannot be called back.".to_owned());
    let many = commands.len();
    Act::Confirm(Confirm {
        title: format!("send {many} again?"),
        lines,
        yes: "send again".to_owned(),
        name: (many > 5).then(|| many.to_string()),
        commands,
    })
}

/// Takes off the list what failed and was seen; drops what is held, after a question.
pub fn dropped(model: &Model, rows: &[Row]) -> Act {
    let all = match held(model, rows) {
        Ok(all) => all,
        Err(act) => return act,
    };
    if all.iter().all(|of| of.it.delivery.state != "held") {
        let command = |of: &&Of<Waiting>| {
            let mut command = Command::new(("delivery", "acknowledge"), "taken off this list");
            command.workspace = Some(of.workspace.to_string());
            command.with("id", of.it.delivery.id.clone())
        };
        return Act::Run(all.iter().map(command).collect());
    }
    if all.iter().any(|of| of.it.delivery.state != "held") {
        return nothing("some are held and some have failed: choose one kind");
    }
    let commands: Vec<Command> = all.iter().map(|of| resolve(of, "drop")).collect();
    let mut lines = listed(model, &all);
    lines.extend([String::new(), "They do not go out any more. This cannot be undone.".to_owned()]);
    let (title, yes) = (format!("drop {}?", commands.len()), "drop".to_owned());
    Act::Confirm(Confirm { title, lines, yes, name: None, commands })
}

/// The posts behind rows, each once.
fn posts<'a>(model: &'a Model, rows: &[Row]) -> Vec<&'a Of<Waiting>> {
    let mut all = of(model, rows);
    all.sort_by(|a, b| a.it.delivery.post.cmp(&b.it.delivery.post));
    all.dedup_by(|a, b| a.it.delivery.post == b.it.delivery.post);
    all
}

fn edit(of: &Of<Waiting>, about: String) -> Command {
    word(of, "edit", about)
}

/// The words of the post, all of them, to be changed in a box; what is over is written anew.
pub fn words(model: &Model, rows: &[Row]) -> Act {
    let all = posts(model, rows);
    let Some(of) = all.first() else { return nothing("nothing is chosen") };
    let delivery = &of.it.delivery;
    if delivery.state == "partial" {
        return nothing("a part of it is out: its words stay as they are");
    }
    let mut command = Command::new(("post", "show"), "its words");
    command.workspace = Some(of.workspace.to_string());
    let then = Then::Words { delivery: delivery.id.clone() };
    Act::Run(vec![command.with("id", delivery.post.clone()).then(then)])
}

/// Asks for another time.
pub fn moves(model: &Model, rows: &[Row]) -> Act {
    let all = posts(model, rows);
    let Some(first) = all.first() else { return nothing("nothing is chosen") };
    let mut lines = listed(model, &all);
    lines.push(format!(
        "now at {}, on all channels of the post",
        full(model, &first.it.delivery.due)
    ));
    lines.push(format!("when? +1h  17:30  tue 9:00  2026-12-01 9:00   ({})", model.zone_name()));
    Act::Ask(Ask {
        title: format!("move {}", all.len()),
        lines,
        secret: false,
        rows: rows.to_vec(),
        then: |model, rows, typed| {
            let Some(at) = moment(&model.local(model.now), typed) else {
                return nothing("not a time: +1h, 17:30, tue 9:00 or 2026-12-01 9:00");
            };
            let local = at.strftime("%Y-%m-%dT%H:%M:%S").to_string();
            let zone = model.zone_name();
            let about = format!("moved to {} {zone}", at.strftime("%a %Y-%m-%d %H:%M"));
            let command = |of: &&Of<Waiting>| {
                edit(of, about.clone()).with("at", local.clone()).with("zone", zone.clone())
            };
            Act::Run(posts(model, rows).iter().map(command).collect())
        },
    })
}

/// Publishes now, after a question.
pub fn now(model: &Model, rows: &[Row]) -> Act {
    let all = posts(model, rows);
    if all.is_empty() {
        return nothing("nothing is chosen");
    }
    if all.iter().any(|of| of.it.declined && is_unapproved(&of.it)) {
        return nothing(DECLINED);
    }
    let commands: Vec<Command> =
        all.iter().map(|of| edit(of, "due now".to_owned()).with("now", true)).collect();
    let mut lines = listed(model, &all);
    lines.push(String::new());
    let many = commands.len();
    let waiting = all.iter().filter(|of| is_unapproved(&of.it)).count();
    let (title, yes) = if waiting < many {
        let at_once = "They go out at once, on all their channels. A sent post cannot be unsent.";
        lines.push(at_once.to_owned());
        (format!("publish {many} now?"), "publish now")
    } else {
        (format!("make {many} due now?"), "make due now")
    };
    if waiting > 0 {
        let kept = match waiting {
            _ if many == 1 => "it waits".to_owned(),
            1 => "1 of them waits".to_owned(),
            waiting => format!("{waiting} of them wait"),
        };
        lines.push(format!("But {kept} for approval: that takes somebody's word (d)."));
    }
    Act::Confirm(Confirm {
        title,
        lines,
        yes: yes.to_owned(),
        name: (many > 1).then(|| many.to_string()),
        commands,
    })
}

/// Cancels posts, after a question.
pub fn cancel(model: &Model, rows: &[Row]) -> Act {
    let all = posts(model, rows);
    if all.is_empty() {
        return nothing("nothing is chosen");
    }
    let command = |of: &&Of<Waiting>| {
        let mut command = Command::new(("post", "cancel"), "cancelled");
        command.workspace = Some(of.workspace.to_string());
        command.with("id", of.it.delivery.post.clone())
    };
    let commands: Vec<Command> = all.iter().map(command).collect();
    let mut lines = listed(model, &all);
    lines.extend([
        String::new(),
        "What of them has not gone out is cancelled, on all channels.".to_owned(),
        "This cannot be undone; m moves them instead.".to_owned(),
    ]);
    let (title, yes) = (format!("cancel {}?", commands.len()), "cancel".to_owned());
    Act::Confirm(Confirm { title, lines, yes, name: None, commands })
}

/// A time as people type it, by the clock of where it is `now`.
pub fn moment(now: &Zoned, typed: &str) -> Option<DateTime> {
    let today = now.datetime();
    let typed = typed.trim().to_lowercase();
    if let Some(span) = typed.strip_prefix('+') {
        let unit = span.chars().last()?;
        let number: i64 =
            span.strip_suffix(unit)?.parse().ok().filter(|n| (1..=10_000).contains(n))?;
        let minutes = number
            * match unit {
                'm' => 1,
                'h' => 60,
                'd' => 24 * 60,
                'w' => 7 * 24 * 60,
                _ => return None,
            };
        let then = now.checked_add(jiff::SignedDuration::from_mins(minutes)).ok()?;
        return Some(then.datetime());
    }
    let (day, time) = match typed.rsplit_once([' ', 't']) {
        Some((day, time)) => (Some(day.trim()), time),
        None => (None, typed.as_str()),
    };
    let (hour, minute) = time.split_once(':')?;
    let time = Time::new(hour.parse().ok()?, minute.parse().ok()?, 0, 0).ok()?;
    let date = match day {
        None if time > today.time() => today.date(),
        None => today.date().tomorrow().ok()?,
        Some(day) => match weekday(day) {
            Some(weekday) => {
                let at = today.date().to_datetime(time);
                let is_today = today.date().weekday() == weekday && at > today;
                if is_today { today.date() } else { today.date().nth_weekday(1, weekday).ok()? }
            }
            None => day.parse().ok()?,
        },
    };
    Some(date.to_datetime(time))
}

fn weekday(word: &str) -> Option<Weekday> {
    const DAYS: [(&str, Weekday); 7] = [
        ("mon", Weekday::Monday),
        ("tue", Weekday::Tuesday),
        ("wed", Weekday::Wednesday),
        ("thu", Weekday::Thursday),
        ("fri", Weekday::Friday),
        ("sat", Weekday::Saturday),
        ("sun", Weekday::Sunday),
    ];
    let found = DAYS
        .iter()
        .find(|(begin, _)| word.len() >= 2 && (word.starts_with(begin) || begin.starts_with(word)));
    found.map(|(_, day)| *day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_type_them() {
        // A Sunday.
        let now: Zoned = "2026-11-22T14:05:09[UTC]".parse().unwrap();
        // An hour later, in the night in which the clocks go forward.
        let berlin: Zoned = "2026-03-29T01:30[Europe/Berlin]".parse().unwrap();
        assert_eq!(moment(&berlin, "+1h").unwrap().to_string(), "2026-03-29T03:30:00");
        for (typed, at) in [
            ("+1h", "2026-11-22T15:05:09"),
            ("+30m", "2026-11-22T14:35:09"),
            ("17:30", "2026-11-22T17:30:00"),
            ("9:00", "2026-11-23T09:00:00"),
            ("tue 9:00", "2026-11-24T09:00:00"),
            ("sunday 15:00", "2026-11-22T15:00:00"),
            ("su 9:00", "2026-11-29T09:00:00"),
            ("2026-12-01 9:05", "2026-12-01T09:05:00"),
            ("2026-12-01T09:05", "2026-12-01T09:05:00"),
        ] {
            let found = moment(&now, typed).map(|at| at.to_string());
            assert_eq!(found.as_deref(), Some(at), "{typed}");
        }
        for typed in [
            "",
            "+",
            "+h",
            "+1y",
            "25:00",
            "noon",
            "xyz 9:00",
            "9",
            "+99999999999999999999d",
            "2026-13-01 9:00",
        ] {
            assert_eq!(moment(&now, typed), None, "{typed}");
        }
    }
}
