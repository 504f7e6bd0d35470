//! ratatui's crossterm backend, kept away from the terminal and the environment of this process:
//! the one that is drawn on is somebody else's.

use std::io;

use ratatui::backend::{Backend, ClearType, CrosstermBackend, WindowSize};
use ratatui::buffer::Cell;
use ratatui::layout::{Position, Size};

/// Collects what a frame writes.
pub struct Bytes {
    written: Vec<u8>,
    size: Size,
    cursor: Position,
}

impl Bytes {
    pub fn new(size: Size) -> Self {
        // Else a NO_COLOR of this process would take the colours from every terminal; those that
        // want none get none because none are drawn.
        crossterm::style::force_color_output(true);
        Self { written: Vec::new(), size, cursor: Position::ORIGIN }
    }

    pub fn resize(&mut self, size: Size) {
        self.size = size;
    }

    /// The bytes of the frame; nothing if it was like the one before.
    pub fn take(&mut self) -> Vec<u8> {
        plain_colours(&std::mem::take(&mut self.written))
    }

    fn to(&mut self) -> CrosstermBackend<&mut Vec<u8>> {
        CrosstermBackend::new(&mut self.written)
    }
}

/// The first sixteen colours as every terminal knows them: `38;5;N` is for those that have more.
fn plain_colours(frame: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(frame.len());
    let mut rest = frame;
    while let Some(at) = rest.windows(2).position(|pair| pair == b"\x1b[") {
        let (before, sequence) = rest.split_at(at + 2);
        out.extend_from_slice(before);
        let end = sequence.iter().position(u8::is_ascii_alphabetic).unwrap_or(sequence.len());
        let (inside, after) = sequence.split_at(end);
        if after.first() == Some(&b'm') {
            out.extend_from_slice(short(&String::from_utf8_lossy(inside)).as_bytes());
        } else {
            out.extend_from_slice(inside);
        }
        rest = after;
    }
    out.extend_from_slice(rest);
    out
}

/// What stands before the `m`, with the first sixteen colours by their own numbers.
fn short(inside: &str) -> String {
    let words: Vec<&str> = inside.split(';').collect();
    let (mut rest, mut out) = (words.as_slice(), Vec::new());
    while let [word, more @ ..] = rest {
        rest = more;
        if let ("38" | "48", ["5", colour, after @ ..]) = (*word, more)
            && let Some(number) = number(*word == "48", colour)
        {
            out.push(number.to_string());
            rest = after;
            continue;
        }
        out.push((*word).to_owned());
    }
    out.join(";")
}

fn number(behind: bool, colour: &str) -> Option<u8> {
    let first = if behind { 40 } else { 30 };
    match colour.parse().ok()? {
        dark @ 0..=7 => Some(first + dark),
        bright @ 8..=15 => Some(first + 60 + bright - 8),
        _ => None,
    }
}

impl Backend for Bytes {
    type Error = io::Error;

    fn draw<'a, I>(&mut self, content: I) -> io::Result<()>
    where
        I: Iterator<Item = (u16, u16, &'a Cell)>,
    {
        let mut content = content.peekable();
        // Else colours would be set for nothing.
        if content.peek().is_none() { Ok(()) } else { self.to().draw(content) }
    }

    fn hide_cursor(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn show_cursor(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn get_cursor_position(&mut self) -> io::Result<Position> {
        Ok(self.cursor)
    }

    fn set_cursor_position<P: Into<Position>>(&mut self, position: P) -> io::Result<()> {
        self.cursor = position.into();
        Ok(())
    }

    fn clear(&mut self) -> io::Result<()> {
        self.to().clear()
    }

    fn clear_region(&mut self, region: ClearType) -> io::Result<()> {
        self.to().clear_region(region)
    }

    fn size(&self) -> io::Result<Size> {
        Ok(self.size)
    }

    fn window_size(&mut self) -> io::Result<WindowSize> {
        Ok(WindowSize { columns_rows: self.size, pixels: Size::default() })
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sixteen_colours_have_numbers_of_their_own() {
        for (given, made) in [
            ("\x1b[38;5;2mok", "\x1b[32mok"),
            ("\x1b[38;5;9;49m", "\x1b[91;49m"),
            ("\x1b[1;48;5;0m\x1b[48;5;15m", "\x1b[1;40m\x1b[107m"),
            ("\x1b[38;5;196m\x1b[38;2;1;2;3m", "\x1b[38;5;196m\x1b[38;2;1;2;3m"),
            ("\x1b[3;4H38;5;2m\x1b[0m", "\x1b[3;4H38;5;2m\x1b[0m"),
            ("\x1b[", "\x1b["),
            ("", ""),
        ] {
            assert_eq!(plain_colours(given.as_bytes()), made.as_bytes(), "{given:?}");
        }
    }
}
