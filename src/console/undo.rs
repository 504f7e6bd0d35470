//! The way back from what somebody did last: read from the events, so that it also knows what they
//! did on the command line. Must not guess; what cannot be undone is said to be so.

use super::act::{Act, Command, Confirm, nothing};
use super::model::Model;
use crate::service::{Happened, Of, VERBS, is_by};

/// Pairs that undo each other.
const PAIRS: [(&str, &str, &str); 8] = [
    ("alert", "acknowledge", "reopen"),
    ("alert", "silence", "reopen"),
    ("channel", "pause", "resume"),
    ("job", "pause", "resume"),
    ("member", "suspend", "restore"),
    ("workspace", "pause", "resume"),
    ("network", "pause", "resume"),
    ("publishing", "pause", "resume"),
];

/// The verb that undoes this one.
pub fn inverse(noun: &str, verb: &str) -> Option<(&'static str, &'static str)> {
    if (noun, verb) == ("post", "edit") {
        return Some(("post", "edit"));
    }
    PAIRS.iter().filter(|pair| pair.0 == noun).find_map(|(noun, one, other)| match verb {
        v if v == *one => Some((*noun, *other)),
        v if v == *other => Some((*noun, *one)),
        _ => None,
    })
}

/// The command that undoes one which turned something on or off. What was moved is in the events.
pub fn back(command: &Command) -> Option<Command> {
    let (noun, verb) = inverse(command.noun, command.verb).filter(|pair| pair.0 != "post")?;
    let mut back = Command { noun, verb, about: format!("{noun} {verb}"), ..command.clone() };
    // How long it was to be is nothing to what ends it.
    let known = VERBS.iter().find(|v| v.noun == noun && v.verb == verb);
    back.args.retain(|name, _| known.is_none_or(|v| v.args.iter().any(|arg| arg.name == *name)));
    Some(back)
}

/// Asks whether to undo the last thing that this operator did: here a moment ago, which the events
/// need not show yet, or anywhere.
pub fn act(model: &Model) -> Act {
    let events = &model.snap.overview.events;
    let mine = |of: &&Of<Happened>| {
        of.it.event.kind == "operator.entered" && is_by(&of.it.event, model.operator)
    };
    let verb_of = |of: &Of<Happened>| of.it.event.data.get("verb").cloned().unwrap_or_default();
    let changing = |of: &&Of<Happened>| {
        let verb = verb_of(of);
        let mut words = verb.split(' ');
        let pair = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        super::palette::changes(pair.0, pair.1)
    };
    let last = events.iter().rev().filter(mine).find(changing);
    if let Some((at, command)) = &model.undo
        && last.is_none_or(|of| of.it.event.at <= *at)
    {
        return ask(vec![format!("this does: {}", command.typed())], command.clone());
    }
    let Some(last) = last else { return nothing("you have changed nothing lately") };
    let verb = verb_of(last);
    let (noun, word) = verb.split_once(' ').unwrap_or((&verb, ""));
    let at = super::screens::clock(model, &last.it.event.at.to_string());
    let changed = events.iter().find(|of| {
        of.it.event.correlation == last.it.event.correlation
            && of.it.event.kind != "operator.entered"
    });
    let (Some(pair), Some(changed)) = (inverse(noun, word), changed) else {
        return nothing(&format!("`{verb}` of {at} cannot be undone"));
    };
    let about = format!("{} {} {}", pair.0, pair.1, changed.it.event.subject);
    let mut command = Command::new(pair, about);
    command.workspace = Some(changed.workspace.to_string());
    match noun {
        "workspace" => {}
        "member" => command = command.with("user", changed.it.event.subject.clone()),
        _ => command = command.with("id", changed.it.event.subject.clone()),
    }
    if (noun, word) == ("post", "edit") {
        let data = &changed.it.event.data;
        let (Some(local), Some(zone)) = (data.get("was_at"), data.get("was_zone")) else {
            return nothing(&format!(
                "`{verb}` of {at} did not move the post: it cannot be undone"
            ));
        };
        command = command.with("at", local.clone()).with("zone", zone.clone());
    }
    let did = format!("at {at} you did: {verb}");
    ask(vec![did, format!("this does: {}", command.typed())], command)
}

fn ask(lines: Vec<String>, command: Command) -> Act {
    let (title, yes) = ("undo?".to_owned(), "undo it".to_owned());
    Act::Confirm(Confirm { title, lines, yes, name: None, commands: vec![command] })
}
