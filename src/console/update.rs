//! One step of a console: what came in changes the model and says what is to be done outside. Pure;
//! must not draw, read or wait.

use jiff::tz::TimeZone;

use super::act::{Act, Ask, Bind, Command, Then, nothing};
use super::canvas::{Hit, Tone};
use super::clean::clean;
use super::model::{Done, Effect, Model, Msg, Popup};
use super::screens::{self, Row, SCREENS};
use super::term::Key;
use super::wire::Kept;
use super::{palette, popup, undo, view, write};

/// Takes one message in.
pub fn update(model: &mut Model, msg: Msg) -> Vec<Effect> {
    match msg {
        Msg::Resize(cols, rows) => model.size = (cols, rows),
        Msg::Tick(now) => {
            model.now = now;
            if model.toast.as_ref().is_some_and(|toast| toast.until <= now) {
                model.toast = None;
            }
        }
        Msg::Snapshot(snap) => return take(model, snap),
        Msg::Done(done) => return finished(model, &done),
        Msg::Kept(kept) => {
            model.saving = false;
            match kept {
                Kept::At(path) => model.say(format!("saved: {}", clean(&path)), Tone::Good),
                Kept::Not(why) => model.say(format!("not saved: {}", clean(&why)), Tone::Warn),
            }
        }
        Msg::Key(Key::Ctrl('c')) => return vec![Effect::Leave],
        Msg::Key(key) => {
            model.later = None;
            let mut effects = match model.popup.take() {
                Some(open) => popup::key(model, open, key),
                None => pressed(model, key),
            };
            if model.popup.is_none()
                && let Some(next) = model.next.take()
            {
                effects.extend(take(model, next));
            }
            return effects;
        }
    }
    Vec::new()
}

/// Rows do not jump under a question, nor when somebody froze them.
fn take(model: &mut Model, snap: std::sync::Arc<super::snapshot::Snapshot>) -> Vec<Effect> {
    let asks = !matches!(model.popup, None | Some(Popup::Filter { .. }));
    if asks || model.frozen {
        model.next = Some(snap);
        return Vec::new();
    }
    model.snap = snap;
    settle(model);
    match model.later.filter(|_| model.is_current()) {
        Some(key) => {
            (model.later, model.toast) = (None, None);
            verb(model, key)
        }
        None => Vec::new(),
    }
}

/// Keeps the cursor at its row, or near to where that was.
pub fn settle(model: &mut Model) {
    let rows = screens::rows(model);
    let follows = screens::follows(model.screen());
    let ranks = screens::ranks(model.screen());
    let place = model.place_mut();
    let found = place.cursor.as_ref().and_then(|id| rows.iter().position(|row| row.id == *id));
    // Until somebody moves it, the cursor stays with what is worst, not with what was there first.
    let found = if ranks && !place.moved { Some(0) } else { found };
    let last = rows.len().saturating_sub(1);
    place.row = found.unwrap_or(place.row).min(last);
    if follows && place.loose && !place.open {
        place.row = last;
    }
    if place.cursor.is_some() && found.is_none() {
        place.open = false;
        place.scroll = 0;
    }
    place.cursor = rows.get(place.row).map(|row| row.id.clone());
    place.marks.retain(|mark| rows.iter().any(|row| row.id == *mark));
}

fn pressed(model: &mut Model, key: Key) -> Vec<Effect> {
    match key {
        Key::Char('?') | Key::F(1) => {
            model.popup = Some(Popup::Help { typed: String::new(), row: 0 });
        }
        Key::Char(':') | Key::Ctrl('p') => palette::open(model, ""),
        Key::Char('/') => {
            let before = model.place().filter.clone();
            model.popup = Some(Popup::Filter { before });
        }
        Key::Char('q') => return vec![Effect::Leave],
        Key::Esc => back(model),
        Key::Tab => go(model, (model.at + 1) % SCREENS.len()),
        Key::BackTab => go(model, (model.at + SCREENS.len() - 1) % SCREENS.len()),
        Key::Char('u') => {
            let act = if model.readonly { only_looks() } else { undo::act(model) };
            return perform(model, act);
        }
        Key::Char('y') => return copy(model),
        Key::Char('z') => return perform(model, zone(model)),
        Key::Char('.') => return again(model),
        Key::Char(c) if bind(model, c).is_some() => return verb(model, c),
        Key::Char(c @ '1'..='9') => {
            let at = SCREENS.iter().position(|screen| screen.key == Some(c));
            if let Some(at) = at {
                go(model, at);
            }
        }
        Key::Char('w') => {
            let act =
                if model.workspace.is_some() { Act::Only(None) } else { Act::Go("workspaces") };
            return perform(model, act);
        }
        Key::Enter => return enter(model),
        Key::WheelUp | Key::WheelDown => {
            let key = if key == Key::WheelUp { Key::Up } else { Key::Down };
            (0..WHEEL).for_each(|_| moved(model, &key));
        }
        Key::Click(x, y) => return click(model, (x, y)),
        key => moved(model, &key),
    }
    Vec::new()
}

/// Rows that one turn of the wheel moves over.
const WHEEL: usize = 3;

/// Chooses what is drawn there; what is chosen already is opened.
fn click(model: &mut Model, at: (u16, u16)) -> Vec<Effect> {
    match view::hit(model, at) {
        Some(Hit::Screen(at)) => go(model, at),
        Some(Hit::Row(row)) if row == model.place().row && model.place().moved => {
            return enter(model);
        }
        Some(Hit::Row(row)) => {
            let by = |n: usize| i64::try_from(n).unwrap_or(0);
            let row = by(row) - by(model.place().row);
            step(model, row);
        }
        None => {}
    }
    Vec::new()
}

/// One level back; never out.
fn back(model: &mut Model) {
    let place = model.place_mut();
    if place.open {
        (place.open, place.scroll) = (false, 0);
    } else if !place.filter.is_empty() || !place.marks.is_empty() {
        place.filter.clear();
        place.marks.clear();
        settle(model);
    } else if let Some(before) = model.back.pop() {
        model.at = before;
        settle(model);
    } else if model.workspace.is_some() {
        model.workspace = None;
        settle(model);
    }
}

/// To another screen, with the way back.
pub fn go(model: &mut Model, at: usize) {
    if at != model.at {
        model.back.retain(|before| *before != at);
        model.back.push(model.at);
        model.at = at;
    }
    let place = model.place_mut();
    (place.open, place.scroll) = (false, 0);
    settle(model);
}

fn moved(model: &mut Model, key: &Key) {
    let page = i64::from(model.size.1.saturating_sub(8).max(1));
    let by = match key {
        Key::Down | Key::Char('j') => 1,
        Key::Up | Key::Char('k') => -1,
        Key::PageDown => page,
        Key::PageUp => -page,
        Key::Ctrl('d') => page / 2,
        Key::Ctrl('u') => -page / 2,
        Key::Home | Key::Char('g') => i64::MIN / 2,
        Key::End | Key::Char('G') => i64::MAX / 2,
        key => return other(model, key),
    };
    let screen = model.screen();
    if let Some(moves) = screen.moves
        && !model.place().open
        && moves(model, key)
    {
        return settle(model);
    }
    if model.place().open {
        let place = model.place_mut();
        let to = i64::try_from(place.scroll).unwrap_or(0).saturating_add(by).clamp(0, 10_000);
        place.scroll = usize::try_from(to).unwrap_or(0);
        return;
    }
    step(model, by);
}

fn step(model: &mut Model, by: i64) {
    let rows = screens::rows(model);
    let place = model.place_mut();
    let last = i64::try_from(rows.len()).unwrap_or(0) - 1;
    let to = i64::try_from(place.row).unwrap_or(0).saturating_add(by).clamp(0, last.max(0));
    place.row = usize::try_from(to).unwrap_or(0);
    place.cursor = rows.get(place.row).map(|row| row.id.clone());
    place.loose = to >= last;
    place.moved = true;
}

fn other(model: &mut Model, key: &Key) {
    if let Some(moves) = model.screen().moves
        && moves(model, key)
    {
        return settle(model);
    }
    let rows = screens::rows(model);
    match key {
        Key::Char(' ') => {
            let place = model.place_mut();
            if let Some(id) = place.cursor.clone()
                && !place.marks.remove(&id)
            {
                place.marks.insert(id);
            }
            step(model, 1);
        }
        Key::Char('*') => {
            let place = model.place_mut();
            let all = rows.iter().map(|row| row.id.clone());
            place.marks = all.filter(|id| !place.marks.contains(id)).collect();
        }
        Key::Ctrl('a') => model.place_mut().marks = rows.iter().map(|row| row.id.clone()).collect(),
        Key::Char('s') => sort(model, false),
        Key::Char('S') => sort(model, true),
        Key::Char('n') if model.place().open => step_open(model, 1),
        Key::Char('N') if model.place().open => step_open(model, -1),
        _ => {}
    }
}

/// The next thing, as open as this one.
fn step_open(model: &mut Model, by: i64) {
    step(model, by);
    model.place_mut().scroll = 0;
}

/// The next column, or the other way round.
fn sort(model: &mut Model, reverse: bool) {
    let columns = (model.screen().table)(model).columns.len();
    if columns == 0 {
        return;
    }
    let place = model.place_mut();
    place.sort = match (place.sort, reverse) {
        (None, _) => Some((0, reverse)),
        (Some((column, before)), true) => Some((column, !before)),
        (Some((column, _)), false) if column + 1 < columns => Some((column + 1, false)),
        (Some(_), false) => None,
    };
    settle(model);
}

/// Opens what is under the cursor, unless the screen knows a better next step.
fn enter(model: &mut Model) -> Vec<Effect> {
    let rows = under(model);
    if let Some(enter) = model.screen().enter {
        let act = enter(model, &rows);
        return perform(model, act);
    }
    perform(model, Act::Open)
}

/// The row under the cursor, whatever is marked.
fn under(model: &Model) -> Vec<Row> {
    let rows = screens::rows(model);
    rows.into_iter().nth(model.place().row).into_iter().collect()
}

/// The rows that a verb is about: what is marked, else the one under the cursor.
fn chosen(model: &Model) -> Vec<Row> {
    let rows = screens::rows(model);
    let marks = &model.place().marks;
    if marks.is_empty() || model.place().open {
        return rows.into_iter().nth(model.place().row).into_iter().collect();
    }
    rows.into_iter().filter(|row| marks.contains(&row.id)).collect()
}

fn bind(model: &Model, key: char) -> Option<&'static Bind> {
    model.screen().keys.iter().find(|bind| bind.key == key)
}

fn only_looks() -> Act {
    nothing("this console only looks (--readonly)")
}

/// The verb of a key of this screen.
pub fn verb(model: &mut Model, key: char) -> Vec<Effect> {
    let Some(bind) = bind(model, key) else { return Vec::new() };
    let act = if bind.writes && model.readonly {
        only_looks()
    } else {
        (bind.act)(model, &chosen(model))
    };
    model.last = Some(key);
    perform(model, act)
}

/// The last verb on the next row.
fn again(model: &mut Model) -> Vec<Effect> {
    let Some(key) = model.last else {
        model.say("nothing was done here yet that could be repeated", Tone::Plain);
        return Vec::new();
    };
    step(model, 1);
    verb(model, key)
}

/// Asks by whose clock times are shown.
fn zone(model: &Model) -> Act {
    let now = model.local(model.now).strftime("%H:%M %Z").to_string();
    Act::Ask(Ask {
        title: "time zone".to_owned(),
        lines: vec![
            format!("Times are those of {}: it is {now}.", model.zone_name()),
            "Which shall it be? Such as Europe/Berlin; nothing is UTC.".to_owned(),
        ],
        secret: false,
        rows: Vec::new(),
        then: |_, _, typed| match typed {
            "" => Act::Zone(TimeZone::UTC),
            name => TimeZone::get(name).map_or_else(
                |_| nothing("there is no such time zone; try one such as Europe/Berlin"),
                Act::Zone,
            ),
        },
    })
}

fn copy(model: &mut Model) -> Vec<Effect> {
    match under(model).pop() {
        Some(row) if !row.id.is_empty() => perform(model, Act::Copy(row.copy.unwrap_or(row.id))),
        _ => Vec::new(),
    }
}

/// Does what can be done here, and says what must be done outside.
pub fn perform(model: &mut Model, act: Act) -> Vec<Effect> {
    match act {
        Act::Nothing(why) => model.say(why, Tone::Warn),
        Act::Go(name) => {
            if let Some(at) = SCREENS.iter().position(|screen| screen.name == name) {
                go(model, at);
            }
        }
        Act::Open => {
            let place = model.place_mut();
            (place.open, place.scroll) = (place.cursor.is_some(), 0);
        }
        Act::Run(commands) => return run(model, commands),
        Act::Confirm(confirm) => {
            model.popup = Some(Popup::Confirm { confirm, typed: String::new() });
        }
        Act::Ask(ask) => model.popup = Some(Popup::Ask { ask, typed: String::new(), wrong: None }),
        Act::Write(draft) => model.popup = Some(Popup::Write(draft)),
        Act::Choose(choose) => model.popup = Some(Popup::Choose(choose)),
        Act::Type(typed) => palette::open(model, &typed),
        Act::Copy(text) => {
            let text = clean(&text);
            model.say(format!("copied: {text}"), Tone::Plain);
            return vec![Effect::Copy(text)];
        }
        Act::Save(_) if model.saving => model.say("another file is being saved", Tone::Warn),
        Act::Save(save) => {
            model.saving = true;
            model.say("being saved where this console was opened", Tone::Plain);
            return vec![Effect::Save(save)];
        }
        Act::Mouse(on) => {
            model.mouse = on;
            let said = if on {
                "the wheel scrolls, a click chooses; copy with shift"
            } else {
                "the mouse is the terminal's again"
            };
            model.say(said, Tone::Plain);
            return vec![Effect::Mouse(on)];
        }
        Act::Later(key) => {
            model.later = Some(key);
            model.say("a moment: what was just done is not shown yet", Tone::Plain);
        }
        Act::Read { title, lines } => model.popup = Some(Popup::Read { title, lines, scroll: 0 }),
        act => arrange(model, act),
    }
    Vec::new()
}

/// What changes only which rows are shown, and how.
fn arrange(model: &mut Model, act: Act) {
    match act {
        Act::Only(workspace) => {
            let said = match &workspace {
                Some(slug) => format!("only {slug} is shown; w shows all again"),
                None => "all workspaces are shown".to_owned(),
            };
            model.say(said, Tone::Plain);
            model.workspace = workspace;
        }
        Act::Filter(filter) => {
            let place = model.place_mut();
            place.filter = if place.filter == filter { String::new() } else { filter };
        }
        Act::Follow => model.place_mut().loose = true,
        Act::Freeze => {
            model.frozen = !model.frozen;
            let said = if model.frozen { "frozen; space lets it go on" } else { "live again" };
            model.say(said, Tone::Plain);
        }
        Act::Home => {
            *model.place_mut() = screens::start(model.screen());
            model.place_mut().hour = i64::from(model.local(model.now).hour());
        }
        Act::Zone(zone) => {
            model.set_zone(zone);
            model.say(format!("times are those of {}", model.zone_name()), Tone::Plain);
        }
        Act::Step => model.place_mut().step += 1,
        _ => return,
    }
    settle(model);
}

/// Hands commands over to be run.
pub fn run(model: &mut Model, commands: Vec<Command>) -> Vec<Effect> {
    if commands.is_empty() {
        return Vec::new();
    }
    if model.readonly && commands.iter().any(|command| palette::changes(command.noun, command.verb))
    {
        return perform(model, only_looks());
    }
    model.busy += 1;
    model.place_mut().marks.clear();
    vec![Effect::Run(commands)]
}

fn finished(model: &mut Model, done: &Done) -> Vec<Effect> {
    model.busy = model.busy.saturating_sub(1);
    model.answered = model.answered.max(done.number);
    let refused =
        done.commands.iter().zip(&done.answers).find_map(|(c, a)| Some((c, a.as_ref().err()?)));
    if let Some((command, problem)) = refused {
        model.later = None;
        if command.then == Then::Written
            && let Some(mut draft) = model.draft.take()
        {
            // What was typed is not lost.
            draft.wrong = Some(problem.to_string());
            model.popup = Some(Popup::Write(Box::new(draft)));
            return Vec::new();
        }
        let row = problem.row();
        let mut lines = vec![command.about.clone(), String::new(), problem.to_string()];
        lines.extend([String::new(), format!("do: {}", row.remedy)]);
        let failed = done.answers.iter().filter(|answer| answer.is_err()).count();
        if done.answers.len() > 1 {
            lines.push(format!(
                "{failed} of {} were refused; the others are done",
                done.answers.len()
            ));
        }
        model.popup = Some(Popup::Read { title: "not done".to_owned(), lines, scroll: 0 });
        return Vec::new();
    }
    let ([command], [Ok(answer)]) = (done.commands.as_slice(), done.answers.as_slice()) else {
        let n = done.commands.len();
        model.say(
            format!("done {n} times: {}", done.commands.first().map_or("", |c| &c.about)),
            Tone::Good,
        );
        return Vec::new();
    };
    match &command.then {
        Then::Say => {}
        Then::Written => {
            model.draft = None;
            model.say(format!("done: {}", command.about), Tone::Good);
            return Vec::new();
        }
        Then::Words { .. } => return perform(model, write::opened(model, command, answer)),
        Then::Setting => return perform(model, screens::setting_tried(answer)),
    }
    if !palette::is_quiet(command) {
        let title = command.typed();
        model.popup = Some(Popup::Read { title, lines: palette::lines(answer), scroll: 0 });
        return Vec::new();
    }
    model.undo = undo::back(command).map(|back| (model.now, back));
    let back =
        if undo::inverse(command.noun, command.verb).is_some() { "  u undoes it" } else { "" };
    model.say(format!("done: {}{back}", command.about), Tone::Good);
    Vec::new()
}
