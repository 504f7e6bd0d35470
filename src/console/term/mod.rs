//! Terminals: bytes that draw, bytes that were typed, and the thin client. Alone names crossterm
//! and the parser of input. Must not know screens.

mod attach;
mod backend;
mod keep;
mod keys;

pub use attach::{Again, Attached, Wishes, attach, restore};
pub use backend::Bytes;
pub use keys::{Input, Key};

use ratatui::layout::Size;

/// Alternate screen, no cursor, pastes in brackets, an empty screen.
pub const ENTER: &str = "\x1b[?1049h\x1b[?25l\x1b[?2004h\x1b[2J";
/// Clicks and the wheel are told, or belong to the terminal.
pub const MOUSE: [&str; 2] = ["\x1b[?1006l\x1b[?1000l", "\x1b[?1000h\x1b[?1006h"];
/// All of that undone, whatever was on.
pub const LEAVE: &str = "\x1b[?1006l\x1b[?1000l\x1b[?2026l\x1b[?2004l\x1b[0m\x1b[?25h\x1b[?1049l";
/// Around a frame, so that terminals that know it show it whole.
pub const BEGIN: &[u8] = b"\x1b[?2026h";
pub const END: &[u8] = b"\x1b[?2026l";

/// A size that a frame may have: cells cost memory, and a client may claim anything.
pub fn clamp(cols: u16, rows: u16) -> Size {
    Size { width: cols.clamp(1, 500), height: rows.clamp(1, 200) }
}
