//! Any keys in any order at any size: nothing panics, and nothing changes without being asked.

use carillon::console::{self, Effect, Key, Msg};
use proptest::prelude::*;

use crate::{hostile, rig};

fn key() -> impl Strategy<Value = Key> {
    prop_oneof![
        8 => prop::sample::select("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 !?:/.*=[]'-+\u{e9}\u{6f22}".chars().collect::<Vec<_>>()).prop_map(Key::Char),
        1 => prop::sample::select("adepuwzsk".chars().collect::<Vec<_>>()).prop_map(Key::Ctrl),
        4 => prop::sample::select(vec![
            Key::Enter, Key::Esc, Key::Tab, Key::BackTab, Key::Backspace, Key::Delete, Key::Up, Key::Down,
            Key::Left, Key::Right, Key::Home, Key::End, Key::PageUp, Key::PageDown, Key::F(1), Key::WheelUp, Key::WheelDown,
        ]),
        1 => (0_u16..130, 0_u16..45).prop_map(|(x, y)| Key::Click(x, y)),
        1 => "[\\PC\n]{0,20}".prop_map(Key::Paste),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_key_at_any_size_panics(
        keys in prop::collection::vec(key(), 0..60),
        sizes in prop::collection::vec((1_u16..=500, 1_u16..=200), 1..4),
        text in ".{0,60}",
        begun in 0..3,
        readonly in any::<bool>(),
    ) {
        let mut model = match begun {
            0 => rig::model(rig::fresh()),
            1 => rig::model(hostile::tainted(&text)),
            _ => rig::writing("queue", "scheduled", &[&text, "more"]),
        };
        model.readonly = readonly;
        for (n, key) in keys.iter().enumerate() {
            let effects = console::update(&mut model, Msg::Key(key.clone()));
            // To make the hashes of a chain again changes nothing, nor what a reload would do.
            let looks = |command: &console::Command| {
                matches!((command.noun, command.verb), ("event", "check") | ("config", "preview"))
            };
            let runs = effects.iter().any(
                |effect| matches!(effect, Effect::Run(commands) if !commands.iter().all(looks)),
            );
            prop_assert!(!(readonly && runs), "a console that only looks ran something");
            if n % 7 == 0 {
                let (width, height) = sizes[n % sizes.len()];
                rig::draw(&mut model, (width, height), (false, true));
            }
            if n % 11 == 0 {
                console::update(&mut model, Msg::Snapshot(std::sync::Arc::new(rig::snapshot())));
            }
            console::update(&mut model, Msg::Tick(rig::at(rig::NOW)));
        }
        for size in sizes {
            rig::draw(&mut model, size, (false, false));
        }
    }

    #[test]
    fn no_bytes_from_a_terminal_panic(bytes in prop::collection::vec(any::<u8>(), 0..400), cut in 1_usize..50) {
        let mut input = console::Input::default();
        for piece in bytes.chunks(cut) {
            input.feed(piece);
        }
        input.flush();
    }

    #[test]
    fn no_line_of_the_plain_console_panics(lines in prop::collection::vec("(:?[a-z0-9 ]{0,12}|\\PC{0,10})", 0..30)) {
        let mut model = rig::model(rig::snapshot());
        let mut plain = console::Plain::default();
        plain.begin(&model);
        for line in lines {
            plain.hear(&mut model, line.trim());
            plain.changed(&mut model);
        }
    }
}
