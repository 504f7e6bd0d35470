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
        std::mem::take(&mut self.written)
    }

    fn to(&mut self) -> CrosstermBackend<&mut Vec<u8>> {
        CrosstermBackend::new(&mut self.written)
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
