//! Keys while something lies over the screen. Must not draw.

use super::act::{Act, Confirm};
use super::model::{Effect, Model, Popup};
use super::term::Key;
use super::update::{perform, run, settle};
use super::{help, palette, write};

/// The most that is typed into one line.
const TYPED: usize = 4_096;

/// Takes a key in; what stays open is put back.
pub fn key(model: &mut Model, open: Popup, key: Key) -> Vec<Effect> {
    let key = match key {
        Key::WheelUp => Key::Up,
        Key::WheelDown => Key::Down,
        Key::Click(..) => {
            model.popup = Some(open);
            return Vec::new();
        }
        key => key,
    };
    match open {
        Popup::Read { title, lines, scroll } => read(model, (title, lines, scroll), &key),
        Popup::Help { typed, row } => help::key(model, (typed, row), key),
        Popup::Palette { typed, row } => palette::key(model, (typed, row), key),
        Popup::Filter { before } => filter(model, before, key),
        Popup::Confirm { confirm, typed } => sure(model, confirm, typed, key),
        Popup::Ask { ask, mut typed, wrong } => match key {
            Key::Esc => Vec::new(),
            Key::Enter => {
                let act = (ask.then)(model, &ask.rows, typed.trim());
                if let Act::Nothing(why) = act {
                    model.popup = Some(Popup::Ask { ask, typed, wrong: Some(why) });
                    return Vec::new();
                }
                perform(model, act)
            }
            key => {
                edit(&mut typed, key);
                model.popup = Some(Popup::Ask { ask, typed, wrong });
                Vec::new()
            }
        },
        Popup::Write(draft) => write::key(model, *draft, &key),
        Popup::Choose(choose) => {
            let Key::Char(c) = key else {
                if key != Key::Esc {
                    model.popup = Some(Popup::Choose(choose));
                }
                return Vec::new();
            };
            let chosen = choose.options.iter().find(|(key, _, _)| *key == c);
            if let Some((_, _, act)) = chosen {
                return perform(model, act.clone());
            }
            model.popup = Some(Popup::Choose(choose));
            Vec::new()
        }
    }
}

/// Changes a typed line.
pub fn edit(typed: &mut String, key: Key) {
    match key {
        Key::Char(c) => typed.push(c),
        Key::Paste(text) => {
            typed.extend(text.chars().map(|c| if c.is_control() { ' ' } else { c }));
        }
        Key::Backspace => drop(typed.pop()),
        Key::Ctrl('u') => typed.clear(),
        Key::Ctrl('w') => {
            let kept = typed.trim_end().rfind(' ').map_or(0, |at| at + 1);
            typed.truncate(kept);
        }
        _ => {}
    }
    let end = typed.floor_char_boundary(typed.len().min(TYPED));
    typed.truncate(end);
}

fn read(
    model: &mut Model,
    (title, lines, scroll): (String, Vec<String>, usize),
    key: &Key,
) -> Vec<Effect> {
    let scroll = match key {
        Key::Esc | Key::Enter | Key::Char('q') => return Vec::new(),
        Key::Down | Key::Char('j') => scroll + 1,
        Key::Up | Key::Char('k') => scroll.saturating_sub(1),
        Key::PageDown | Key::Char(' ') => scroll + 10,
        Key::PageUp => scroll.saturating_sub(10),
        Key::Home | Key::Char('g') => 0,
        _ => scroll,
    };
    let scroll = scroll.min(lines.len().saturating_sub(1));
    model.popup = Some(Popup::Read { title, lines, scroll });
    Vec::new()
}

fn filter(model: &mut Model, before: String, key: Key) -> Vec<Effect> {
    match key {
        Key::Esc => model.place_mut().filter = before,
        Key::Enter => {}
        Key::Down | Key::Up => {
            settle(model);
            return Vec::new();
        }
        key => {
            edit(&mut model.place_mut().filter, key);
            model.popup = Some(Popup::Filter { before });
        }
    }
    settle(model);
    Vec::new()
}

/// The default keeps things as they are.
fn sure(model: &mut Model, confirm: Confirm, mut typed: String, key: Key) -> Vec<Effect> {
    let said_so = match (&confirm.name, &key) {
        (_, Key::Esc) | (None, Key::Enter | Key::Char('n' | 'N' | 'q')) => return Vec::new(),
        (None, Key::Char('y' | 'Y')) => true,
        (Some(name), Key::Enter) => *name == typed,
        _ => false,
    };
    if said_so {
        return run(model, confirm.commands);
    }
    if confirm.name.is_some() {
        edit(&mut typed, key);
    }
    model.popup = Some(Popup::Confirm { confirm, typed });
    Vec::new()
}
