//! Drawing on a frame: clean text, frames, bars. The only way to put text on a screen; must not
//! know what it says.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};

use super::clean::{clean, columns, cut};

/// What a text means; colour and weight follow, and never say more than the words do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tone {
    #[default]
    Plain,
    Good,
    Warn,
    Bad,
    Dim,
    Strong,
}

impl Tone {
    fn style(self) -> Style {
        match self {
            Self::Plain => Style::new(),
            Self::Good => Style::new().fg(Color::Green),
            Self::Warn => Style::new().fg(Color::Yellow),
            Self::Bad => Style::new().fg(Color::Red).add_modifier(Modifier::BOLD),
            Self::Dim => Style::new().add_modifier(Modifier::DIM),
            Self::Strong => Style::new().add_modifier(Modifier::BOLD),
        }
    }
}

/// What is chosen by a click.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hit {
    /// A row of the list, by its place.
    Row(usize),
    /// A screen, by its place among all.
    Screen(usize),
}

/// A buffer that is drawn on.
pub struct Canvas<'a> {
    buffer: &'a mut Buffer,
    hits: Vec<(Rect, Hit)>,
}

const BARS: [&str; 9] = [
    " ", "\u{2581}", "\u{2582}", "\u{2583}", "\u{2584}", "\u{2585}", "\u{2586}", "\u{2587}",
    "\u{2588}",
];

impl<'a> Canvas<'a> {
    pub fn new(buffer: &'a mut Buffer) -> Self {
        Self { buffer, hits: Vec::new() }
    }

    /// A click in here is one on this.
    pub fn hits(&mut self, rect: Rect, hit: Hit) {
        self.hits.push((rect, hit));
    }

    /// What a click there is on.
    pub fn hit(&self, (x, y): (u16, u16)) -> Option<Hit> {
        let at = ratatui::layout::Position { x, y };
        self.hits.iter().rev().find(|(rect, _)| rect.contains(at)).map(|(_, hit)| *hit)
    }

    pub fn area(&self) -> Rect {
        self.buffer.area
    }

    /// Writes what fits into `width` columns from (`x`, `y`); the columns that it took.
    pub fn text(&mut self, (x, y): (u16, u16), width: u16, text: &str, tone: Tone) -> u16 {
        let area = self.buffer.area;
        if y >= area.bottom() || x >= area.right() {
            return 0;
        }
        let width = width.min(area.right() - x);
        let shown = cut(&clean(text), usize::from(width));
        self.buffer.set_stringn(x, y, &shown, usize::from(width), tone.style());
        u16::try_from(columns(&shown)).unwrap_or(width).min(width)
    }

    /// The same, so that it ends at `right`.
    pub fn right(&mut self, (right, y): (u16, u16), width: u16, text: &str, tone: Tone) {
        let shown = cut(&clean(text), usize::from(width));
        let wide = u16::try_from(columns(&shown)).unwrap_or(width);
        self.text((right.saturating_sub(wide), y), wide, &shown, tone);
    }

    /// A frame with a title; what is inside.
    pub fn frame(&mut self, rect: Rect, title: &str) -> Rect {
        let rect = rect.intersection(self.buffer.area);
        if rect.width < 2 || rect.height < 2 {
            return Rect::default();
        }
        let line = |n: u16| "\u{2500}".repeat(usize::from(n));
        let (left, right) = (rect.x, rect.right() - 1);
        let inner = rect.width - 2;
        for (y, ends) in
            [(rect.y, ["\u{250C}", "\u{2510}"]), (rect.bottom() - 1, ["\u{2514}", "\u{2518}"])]
        {
            self.text(
                (left, y),
                rect.width,
                &format!("{}{}{}", ends[0], line(inner), ends[1]),
                Tone::Plain,
            );
        }
        for y in rect.y + 1..rect.bottom() - 1 {
            self.text((left, y), 1, "\u{2502}", Tone::Plain);
            self.text((right, y), 1, "\u{2502}", Tone::Plain);
        }
        if !title.is_empty() && inner > 2 {
            let title = format!(" {} ", cut(&clean(title), usize::from(inner - 2)));
            self.text((left + 1, rect.y), inner, &title, Tone::Strong);
        }
        Rect::new(rect.x + 1, rect.y + 1, inner, rect.height - 2)
    }

    /// Makes room: spaces, as they are.
    pub fn clear(&mut self, rect: Rect) {
        for y in rect.y..rect.bottom() {
            for x in rect.x..rect.right() {
                if let Some(cell) = self.buffer.cell_mut((x, y)) {
                    cell.reset();
                }
            }
        }
    }

    /// Shows that this row is the one.
    pub fn reverse(&mut self, rect: Rect) {
        self.buffer.set_style(
            rect.intersection(self.buffer.area),
            Style::new().add_modifier(Modifier::REVERSED),
        );
    }

    /// Bars of the newest values, the last at the right; the highest fills the height.
    pub fn bars(&mut self, rect: Rect, values: &[f64], tone: Tone) {
        let width = usize::from(rect.width);
        let shown = &values[values.len().saturating_sub(width)..];
        let most = shown.iter().copied().fold(0.0, f64::max);
        let from = rect.right().saturating_sub(u16::try_from(shown.len()).unwrap_or(rect.width));
        for (x, value) in (from..).zip(shown) {
            let full = eighths(*value, most, rect.height);
            for (below, y) in (0..).zip((rect.y..rect.bottom()).rev()) {
                let bar = usize::from(full.saturating_sub(below * 8).min(8));
                if bar > 0 {
                    self.text((x, y), 1, BARS[bar], tone);
                }
            }
        }
    }

    /// Takes out what this terminal does not have.
    pub fn fit(&mut self, mono: bool, ascii: bool) {
        for cell in &mut self.buffer.content {
            if mono {
                (cell.fg, cell.bg) = (Color::Reset, Color::Reset);
            }
            if ascii && !cell.symbol().is_ascii() {
                let plain = plain(cell.symbol());
                cell.set_symbol(plain);
            }
        }
    }
}

/// `value` of `most` as eighths of rows; anything above nothing shows.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "between 0 and 8 times the rows"
)]
fn eighths(value: f64, most: f64, rows: u16) -> u16 {
    if most <= 0.0 || value <= 0.0 || !value.is_finite() {
        return 0;
    }
    let full = f64::from(rows) * 8.0;
    (value / most * full).ceil().clamp(1.0, full) as u16
}

/// What stands for a sign where there is only ASCII.
fn plain(sign: &str) -> &'static str {
    match sign {
        "\u{2500}" => "-",
        "\u{2502}" => "|",
        "\u{250C}" | "\u{2510}" | "\u{2514}" | "\u{2518}" => "+",
        "\u{25CF}" => "*",
        "\u{25B2}" => "^",
        "\u{2717}" => "x",
        "\u{2713}" => "v",
        "\u{25CB}" => "o",
        "\u{203A}" => ">",
        "\u{2026}" => "~",
        "\u{00B7}" => ".",
        "\u{258F}" | "\u{2581}" | "\u{2582}" => "_",
        "\u{2583}" | "\u{2584}" | "\u{2585}" => "=",
        "\u{2586}" | "\u{2587}" | "\u{2588}" => "#",
        _ => "?",
    }
}
