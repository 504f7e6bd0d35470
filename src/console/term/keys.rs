//! From bytes that a terminal sent to keys. Whatever comes, in whatever pieces, is keys or nothing.

use termina::event::{KeyCode, KeyEventKind, Modifiers, MouseButton, MouseEvent, MouseEventKind};
use termina::{Event, Parser};

/// What was pressed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key {
    Char(char),
    Ctrl(char),
    Enter,
    Esc,
    Tab,
    BackTab,
    Backspace,
    Delete,
    Up,
    Down,
    Left,
    Right,
    Home,
    End,
    PageUp,
    PageDown,
    F(u8),
    Paste(String),
    WheelUp,
    WheelDown,
    /// A click, in this column and row.
    Click(u16, u16),
}

/// Bytes of one sequence or paste; a longer one is forgotten.
const LONGEST: usize = 64 * 1024;
/// Bytes that come at once when a key is pressed, at most.
const TYPED: usize = 16;

/// A terminal's input so far.
#[derive(Default)]
pub struct Input {
    parser: Parser,
    /// Bytes since the last key.
    unfinished: usize,
    /// The last byte may be the key Esc, or begin a sequence.
    escape: bool,
    /// The rest of what was too long is not taken for keys, until a hand types again.
    forgetting: bool,
}

impl Input {
    /// The keys that these bytes complete.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<Key> {
        let mut keys = Vec::new();
        if std::mem::take(&mut self.forgetting) && bytes.len() > TYPED {
            self.forgetting = true;
            return keys;
        }
        let mut rest = bytes;
        // Two Escs in a row are two keys; the parser would take the second for text.
        while let Some(at) = rest.windows(2).position(|pair| pair == b"\x1b\x1b") {
            let (first, second) = rest.split_at(at + 1);
            self.parse(first, false, &mut keys);
            rest = second;
        }
        self.parse(rest, true, &mut keys);
        self.escape = bytes.last() == Some(&0x1b);
        keys
    }

    /// Whether an Esc waits for what may follow it.
    pub fn waits(&self) -> bool {
        self.escape
    }

    /// Nothing followed: what waits is a key.
    pub fn flush(&mut self) -> Vec<Key> {
        let mut keys = Vec::new();
        self.parse(&[], false, &mut keys);
        self.escape = false;
        keys
    }

    fn parse(&mut self, bytes: &[u8], more: bool, keys: &mut Vec<Key>) {
        self.parser.parse(bytes, more);
        self.unfinished = self.unfinished.saturating_add(bytes.len());
        while let Some(event) = self.parser.pop() {
            self.unfinished = 0;
            keys.extend(key(event));
        }
        if self.unfinished > LONGEST {
            *self = Self { forgetting: true, ..Self::default() };
        }
    }
}

fn key(event: Event) -> Option<Key> {
    let event = match event {
        Event::Key(event) if event.kind != KeyEventKind::Release => event,
        Event::Mouse(MouseEvent { kind, column, row, .. }) => {
            return match kind {
                MouseEventKind::ScrollUp => Some(Key::WheelUp),
                MouseEventKind::ScrollDown => Some(Key::WheelDown),
                MouseEventKind::Down(MouseButton::Left) => Some(Key::Click(column, row)),
                _ => None,
            };
        }
        Event::Paste(text) => return (text.len() <= LONGEST).then_some(Key::Paste(text)),
        _ => return None,
    };
    let ctrl = event.modifiers.contains(Modifiers::CONTROL);
    // Keys with Alt mean nothing here; they must not act as if it were not held.
    if event.modifiers.contains(Modifiers::ALT) {
        return None;
    }
    Some(match event.code {
        KeyCode::Char(c) if ctrl => Key::Ctrl(c.to_ascii_lowercase()),
        KeyCode::Char(c) => Key::Char(c),
        KeyCode::Enter => Key::Enter,
        KeyCode::Escape => Key::Esc,
        KeyCode::Tab => Key::Tab,
        KeyCode::BackTab => Key::BackTab,
        KeyCode::Backspace => Key::Backspace,
        KeyCode::Delete => Key::Delete,
        KeyCode::Up => Key::Up,
        KeyCode::Down => Key::Down,
        KeyCode::Left => Key::Left,
        KeyCode::Right => Key::Right,
        KeyCode::Home => Key::Home,
        KeyCode::End => Key::End,
        KeyCode::PageUp => Key::PageUp,
        KeyCode::PageDown => Key::PageDown,
        KeyCode::Function(n) => Key::F(n),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_become_keys_in_any_pieces() {
        let typed = "q\u{e9}\u{6f22}\r\t\x1b[A\x1b[Z\x1bOP\x1b[5~\x03\x7f".as_bytes();
        let expected = [
            Key::Char('q'),
            Key::Char('\u{e9}'),
            Key::Char('\u{6f22}'),
            Key::Enter,
            Key::Tab,
            Key::Up,
            Key::BackTab,
            Key::F(1),
            Key::PageUp,
            Key::Ctrl('c'),
            Key::Backspace,
        ];
        for size in [1, 2, 3, 100] {
            let mut input = Input::default();
            let keys: Vec<Key> = typed.chunks(size).flat_map(|piece| input.feed(piece)).collect();
            assert_eq!(keys, expected, "in pieces of {size}");
        }
    }

    #[test]
    fn a_mouse_is_wheel_and_clicks() {
        let typed =
            b"\x1b[<64;3;4M\x1b[<65;3;4M\x1b[<0;12;7M\x1b[<0;12;7m\x1b[<2;1;1M\x1b[<35;1;1M";
        for size in [1, 5, 100] {
            let mut input = Input::default();
            let keys: Vec<Key> = typed.chunks(size).flat_map(|piece| input.feed(piece)).collect();
            assert_eq!(keys, [Key::WheelUp, Key::WheelDown, Key::Click(11, 6)], "{size}");
        }
    }

    #[test]
    fn a_lone_escape_is_a_key_once_nothing_follows() {
        let mut input = Input::default();
        assert_eq!(input.feed(b"\x1b"), []);
        assert!(input.waits());
        assert_eq!(input.flush(), [Key::Esc]);
        assert_eq!(input.feed(b"\x1b\x1b[A"), [Key::Esc, Key::Up]);
        assert_eq!(
            input.feed(b"\x1b[200~two\nlines\x1b[201~"),
            [Key::Paste("two\nlines".to_owned())]
        );
    }

    #[test]
    fn a_paste_without_end_is_forgotten() {
        let mut input = Input::default();
        assert_eq!(input.feed(b"\x1b[200~"), []);
        for _ in 0..40 {
            assert_eq!(input.feed(&[b'x'; 4096]), []);
        }
        let keys = input.feed(b"q");
        assert!(keys.contains(&Key::Char('q')), "{keys:?}");
        assert!(keys.len() < LONGEST);
    }
}
