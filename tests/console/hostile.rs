//! Texts that try to act on a terminal: escape sequences, the clipboard, reading order, invisible
//! and very wide signs. Drawn through the real backend, and read back by a terminal.

use std::sync::Arc;

use carillon::console::{self, Bytes, Msg, SCREENS, Snapshot};
use ratatui::Terminal;
use ratatui::layout::Size;

use crate::rig;

const HOSTILE: &[&str] = &[
    "\u{1b}[2J\u{1b}[31mred\u{1b}[0m",
    "\u{1b}]52;c;ZXZpbA==\u{7}",
    "\u{1b}]0;title\u{1b}\\",
    "\u{9b}31m\u{90}q\u{9c}",
    "\u{202e}txet sdrawkcab\u{2066}\u{2069}",
    "zero\u{200b}\u{200d}\u{feff}width\u{ad}",
    "\u{1F469}\u{200D}\u{1F469}\u{200D}\u{1F467}\u{200D}\u{1F466}\u{1F3F4}\u{E0067}\u{E007F}",
    "\u{6f22}\u{5b57}\u{FF21}\u{1100}\u{1161}\u{2615}\u{FE0F}\u{1F1E9}",
    "Z\u{310}\u{311}\u{312}\u{313}\u{314}\u{315}\u{316}\u{317}\u{318}algo",
    "\u{FDFD}\u{0BF5}\u{A9C5}",
    "line\r\nbreak\u{8}\u{8}\u{8}\t\u{b}\u{c}\u{0}",
    "\u{1b}[?1049l\u{1b}[?25h\u{1b}c",
];

/// The snapshot with this text wherever somebody from outside can put some.
pub fn tainted(text: &str) -> Snapshot {
    let mut snap = rig::snapshot();
    let mut all = (*snap.overview).clone();
    for of in all.queue.iter_mut().chain(&mut all.attention) {
        of.it.texts = vec![text.to_owned(), text.to_owned()];
        text.clone_into(&mut of.it.channel);
        of.it.delivery.permalink = Some(text.to_owned());
        for note in of.it.delivery.attempts.iter_mut().chain(&mut of.it.delivery.evidence) {
            note.detail = Some(text.to_owned());
        }
        for part in &mut of.it.delivery.parts {
            if let Some(failure) = &mut part.failure {
                text.clone_into(&mut failure.detail);
                text.clone_into(&mut failure.code);
            }
        }
    }
    for of in &mut all.channels {
        text.clone_into(&mut of.it.name);
        of.it.handle = Some(text.to_owned());
        of.it.instance = Some(text.to_owned());
        of.it.authorize_url = Some(text.to_owned());
        of.it.reason = of.it.reason.as_ref().map(|_| text.to_owned());
    }
    for workspace in &mut all.workspaces {
        text.clone_into(&mut workspace.name);
    }
    for of in &mut all.events {
        of.it.event.data.insert("note".to_owned(), text.to_owned());
    }
    snap.overview = Arc::new(all);
    for line in &mut snap.log {
        let mut changed = (**line).clone();
        text.clone_into(&mut changed.message);
        text.clone_into(&mut changed.fields);
        *line = Arc::new(changed);
    }
    snap.host = text.into();
    text.clone_into(&mut snap.status.public_url);
    snap.status.circuits = vec![text.to_owned()];
    snap
}

/// Draws, and lets a terminal read it; what the terminal shows must be what was drawn.
fn check(model: &mut console::Model, (width, height): (u16, u16)) {
    console::update(model, Msg::Resize(width, height));
    let mut terminal = Terminal::new(Bytes::new(Size { width, height })).unwrap();
    terminal.draw(|frame| console::view(model, frame, (false, false))).unwrap();
    let bytes = terminal.backend_mut().take();
    let text = String::from_utf8(bytes.clone()).unwrap();
    // Nothing but cursor moves and colours: no OSC, no other CSI, no lone control.
    let mut rest = text.as_str();
    while let Some(at) = rest.find(|c: char| c.is_control()) {
        let sequence = rest.get(at..).unwrap();
        let body =
            sequence.strip_prefix("\u{1b}[").unwrap_or_else(|| panic!("{:?}", sequence.get(..20)));
        let end = body.find(|c: char| c.is_ascii_alphabetic()).unwrap();
        let (inside, kind) = (body.get(..end).unwrap(), body.get(end..=end).unwrap());
        let known = matches!(kind, "H" | "m")
            && inside.chars().all(|c| c.is_ascii_digit() || matches!(c, ';' | ':'));
        assert!(known, "{:?}", body.get(..=end));
        rest = body.get(end + 1..).unwrap();
    }
    for hidden in ['\u{202e}', '\u{200b}', '\u{200d}', '\u{feff}', '\u{fe0f}', '\u{ad}', '\u{2066}']
    {
        assert!(!text.contains(hidden), "{hidden:?} was drawn");
    }
    let rows = std::num::NonZeroU16::new(height).unwrap();
    let columns = std::num::NonZeroU16::new(width).unwrap();
    let mut seen = vt100::Parser::new(rows, columns, 0);
    seen.process(&bytes);
    // The frame's last row is where it belongs: nothing scrolled, wrapped or cleared.
    let last: Vec<String> = seen.screen().rows(0, width).collect();
    assert!(last.last().unwrap().contains("q detach"), "{last:#?}");
    assert!(!seen.screen().alternate_screen() && last.len() == usize::from(height));
}

#[test]
fn nothing_from_outside_acts_on_a_terminal() {
    for text in HOSTILE {
        for screen in &SCREENS {
            for open in ["", "\r", "d", "x", "c", "m"] {
                let mut model = rig::model(tainted(text));
                rig::show(&mut model, screen.name);
                rig::press(&mut model, open);
                for size in [(80, 24), (120, 40)] {
                    check(&mut model, size);
                }
            }
        }
    }
}

/// What one types and pastes is drawn, too.
#[test]
fn nothing_that_is_pasted_acts_either() {
    for text in HOSTILE {
        for open in [":", "/", "?"] {
            let mut model = rig::on("queue");
            rig::press(&mut model, open);
            console::update(&mut model, Msg::Key(console::Key::Paste((*text).to_owned())));
            check(&mut model, (80, 24));
        }
    }
}

#[test]
fn lines_for_screen_readers_are_as_harmless() {
    for text in HOSTILE {
        let mut model = rig::model(tainted(text));
        let mut plain = console::Plain::default();
        let mut said = plain.begin(&model);
        for line in
            ["4", "1", "d", "", "back", "back", "5", "1", "back", "9", "1", ":channel list", "7"]
        {
            said.push_str(&plain.hear(&mut model, line).0);
        }
        assert!(said.chars().all(|c| c == '\n' || !c.is_control()), "{said:?}");
        assert!(!said.contains(['\u{202e}', '\u{200b}', '\u{feff}']), "{said:?}");
    }
}
