//! Every screen at both sizes as text, in colour, mono and ASCII; and what lies over them.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use carillon::console::{Model, SCREENS};
use ratatui::buffer::Buffer;
use ratatui::style::{Color, Modifier};

use crate::rig;

const SIZES: [(u16, u16); 2] = [(80, 24), (120, 40)];

fn kept(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/console/screens").join(name)
}

/// Colours and weights, by row: where they begin and end.
fn colours(buffer: &Buffer) -> String {
    let mut out = String::new();
    for y in 0..buffer.area.height {
        let style = |x: u16| {
            let cell = &buffer[(x, y)];
            (cell.fg, cell.bg, cell.modifier)
        };
        let mut x = 0;
        while x < buffer.area.width {
            let from = x;
            let (fg, bg, modifier) = style(x);
            while x < buffer.area.width && style(x) == (fg, bg, modifier) {
                x += 1;
            }
            if (fg, bg, modifier) != (Color::Reset, Color::Reset, Modifier::empty()) {
                let fg = if fg == Color::Reset { String::new() } else { format!(" {fg}") };
                let bg = if bg == Color::Reset { String::new() } else { format!(" on {bg}") };
                let modifier =
                    if modifier.is_empty() { String::new() } else { format!(" {modifier:?}") };
                writeln!(out, "{y}:{from}-{}{fg}{bg}{modifier}", x - 1).unwrap();
            }
        }
    }
    out
}

/// Compares with what is kept, or with `CARILLON_BLESS` keeps it.
fn compare(name: &str, model: &mut Model, size: (u16, u16), wrong: &mut Vec<String>) {
    let colour = rig::draw(model, size, (false, false));
    let mono = rig::draw(model, size, (true, false));
    let ascii = rig::draw(model, size, (true, true));
    assert_eq!(rig::text(&colour), rig::text(&mono), "{name}: colour says more than the words");
    assert!(mono.content.iter().all(|cell| cell.fg == Color::Reset && cell.bg == Color::Reset));
    assert!(ascii.content.iter().all(|cell| cell.symbol().is_ascii()), "{name}");
    let is_16 = |c: Color| !matches!(c, Color::Rgb(..) | Color::Indexed(_));
    assert!(colour.content.iter().all(|cell| is_16(cell.fg) && cell.bg == Color::Reset), "{name}");
    let seen = format!(
        "{}\n\n=== ASCII\n{}\n\n=== colours\n{}",
        rig::text(&colour),
        rig::text(&ascii),
        colours(&colour)
    );
    let name = format!("{name}.{}x{}.txt", size.0, size.1);
    if std::env::var_os("CARILLON_BLESS").is_some() {
        std::fs::write(kept(&name), &seen).unwrap();
        return;
    }
    if std::fs::read_to_string(kept(&name)).unwrap_or_default() != seen {
        let new = Path::new(env!("CARGO_TARGET_TMPDIR")).join(&name);
        std::fs::write(&new, &seen).unwrap();
        wrong.push(format!("{name}: now as in {}", new.display()));
    }
}

fn finish(wrong: &[String]) {
    let remedy =
        "look at them; if they are right, CARILLON_BLESS=1 cargo test --test console screens";
    assert!(wrong.is_empty(), "screens changed, {remedy}\n{}", wrong.join("\n"));
}

#[test]
fn every_screen_is_as_it_was() {
    let mut wrong = Vec::new();
    for size in SIZES {
        for screen in &SCREENS {
            let mut model = rig::on(screen.name);
            compare(screen.name, &mut model, size, &mut wrong);
        }
        let mut model = rig::model(rig::fresh());
        compare("first", &mut model, size, &mut wrong);
    }
    finish(&wrong);
}

#[test]
fn what_lies_over_a_screen_is_as_it_was() {
    let mut wrong = Vec::new();
    for (name, screen, keys) in [
        ("inspect", "held", "\r"),
        ("help", "queue", "?mov"),
        ("palette", "dashboard", ":del sh"),
        ("palette-ids", "dashboard", ":delivery show "),
        ("confirm", "queue", " x"),
        ("typed", "queue", "  !"),
        ("decide", "held", "d"),
        ("move", "queue", "mnonsense\r"),
        ("connect", "channels", "csecret"),
        ("filter", "queue", "/!feed"),
        ("marked", "queue", "  "),
        ("undo", "channels", "u"),
    ] {
        let mut model = rig::on(screen);
        rig::press(&mut model, keys);
        compare(name, &mut model, (80, 24), &mut wrong);
    }
    let long = "Autumn menu is here: pumpkin, plum and a very long line that has to be broken.\n\n"
        .repeat(6);
    for size in [(80, 24), (60, 15)] {
        let mut model = rig::writing("queue", "scheduled", &["First\nlines", &long]);
        rig::press(&mut model, "typed \u{202e}here");
        compare("write", &mut model, size, &mut wrong);
    }
    finish(&wrong);
}

/// Columns are cut, and nothing is drawn twice in a place; and the least size has the hints.
#[test]
fn small_terminals_keep_what_matters() {
    for screen in &SCREENS {
        let mut model = rig::on(screen.name);
        let text = rig::text(&rig::draw(&mut model, (60, 15), (true, true)));
        assert!(text.contains("? help  q detach"), "{}: {text}", screen.name);
        assert!(text.lines().count() == 15 && text.contains("carillon"), "{}: {text}", screen.name);
        let text = rig::text(&rig::draw(&mut model, (59, 15), (true, true)));
        assert!(text.contains("80x24 or larger please (now 59x15)"), "{text}");
    }
}

#[test]
fn a_console_that_only_looks_hides_its_verbs() {
    let mut model = rig::on("queue");
    model.readonly = true;
    let text = rig::text(&rig::draw(&mut model, (80, 24), (true, true)));
    assert!(!text.contains("cancel") && text.contains("(looks only)"), "{text}");
    for keys in ["x", "!", "m", "u", ":post cancel ", "P"] {
        assert_eq!(rig::press(&mut model, keys), [], "{keys}");
        rig::press(&mut model, "\x1b\x1b");
    }
    assert_eq!(rig::press(&mut model, ":publishing pause\r"), []);
}
