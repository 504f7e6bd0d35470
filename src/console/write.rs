//! Texts that are typed on several lines: a post's words, in a box over the screen. What is typed stays
//! as it is; what is drawn of it is harmless. Must not know what becomes of it.

use serde_json::Value;
use unicode_segmentation::UnicodeSegmentation as _;

use super::act::{Act, Command, Then, nothing};
use super::clean::{clean, columns};
use super::model::{Effect, Model, Popup};
use super::term::Key;
use super::update::run;

/// The most that is typed into one box.
const LONGEST: usize = 100_000;
/// Lines that a page key moves over.
const PAGE: usize = 10;
/// Where one types.
const MARK: &str = "\u{258F}";

/// What is being written, and what saving it runs.
#[derive(Clone)]
pub struct Draft {
    pub title: String,
    pub text: Text,
    /// Alone in a line it begins the next part.
    pub cut: String,
    command: Command,
    begun: String,
    /// Why it could not be saved, or what esc would lose.
    pub wrong: Option<String>,
    /// Esc was pressed, and something would be lost.
    leaves: bool,
}

impl Draft {
    /// These parts, to be changed.
    pub fn new(title: String, parts: &[String], command: Command) -> Self {
        let mut cut = "---".to_owned();
        while parts.iter().any(|part| part.lines().any(|line| line.trim() == cut)) {
            cut.push('-');
        }
        let text = Text::new(&parts.join(&format!("\n{cut}\n")));
        let begun = text.text();
        Self { title, text, cut, command, begun, wrong: None, leaves: false }
    }

    /// The parts as they are now.
    pub fn parts(&self) -> Vec<String> {
        let whole = self.text.text();
        let mut parts = vec![Vec::new()];
        for line in whole.split('\n') {
            if line.trim() == self.cut {
                parts.push(Vec::new());
            } else if let Some(part) = parts.last_mut() {
                part.push(line);
            }
        }
        parts.into_iter().map(|lines| lines.join("\n")).collect()
    }
}

/// Takes a key in; the box stays until it is saved or left.
pub fn key(model: &mut Model, mut draft: Draft, key: &Key) -> Vec<Effect> {
    let left = std::mem::take(&mut draft.leaves);
    draft.wrong = None;
    match key {
        Key::Esc if left || draft.text.text() == draft.begun => return Vec::new(),
        Key::Esc => {
            draft.leaves = true;
            draft.wrong = Some("esc again drops what you typed; ctrl-s keeps it".to_owned());
        }
        Key::Ctrl('s') => {
            let parts = draft.parts().into_iter().map(Value::from).collect::<Vec<_>>();
            let command = draft.command.clone().with("text", parts);
            // It comes back when it is refused.
            model.draft = Some(draft);
            return run(model, vec![command]);
        }
        key => draft.text.key(key),
    }
    model.popup = Some(Popup::Write(Box::new(draft)));
    Vec::new()
}

/// What a post says, from the answer that shows it: in a box, to be changed. One whose delivery is
/// over is written anew.
pub fn opened(model: &Model, command: &Command, answer: &Value) -> Act {
    let Then::Words { delivery } = &command.then else {
        return nothing("there is nothing to write");
    };
    let items = |name: &str| answer[name].as_array().map(Vec::as_slice).unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let found = items("deliveries").iter().find(|of| of["id"] == delivery.as_str());
    let Some(of) = found else { return nothing("it is gone") };
    let channel = text(&of["channel"]);
    if answer["variants"][&channel]["parts"].is_array() {
        return nothing(
            "this channel has words of its own: change them on the page, or by the API",
        );
    }
    let parts: Vec<String> = items("parts").iter().map(|part| text(&part["text"])).collect();
    let post = text(&answer["id"]);
    let mut save = match of["state"].as_str() {
        Some("failed") => {
            let media = items("parts").iter().enumerate().flat_map(|(n, part)| {
                let ids = part["media"].as_array().into_iter().flatten();
                ids.map(move |id| Value::from(format!("{}:{}", n + 1, text(id))))
            });
            Command::new(("post", "create"), "written anew, and due now")
                .with("channel", vec![Value::from(channel)])
                .with("media", media.collect::<Vec<_>>())
                .with("tag", items("tags").to_vec())
                .with("now", true)
        }
        _ => Command::new(("post", "edit"), "its words are changed").with("id", post),
    };
    save.workspace.clone_from(&command.workspace);
    let title = match save.verb {
        "create" => "written anew; ctrl-s sends it at once",
        _ => "the words of the post",
    };
    let known = model.snap.waiting(delivery).map(|of| format!(": {}", of.it.delivery.network));
    let title = format!("{title}{}", known.unwrap_or_default());
    Act::Write(Box::new(Draft::new(title, &parts, save.then(Then::Written))))
}

/// Lines with a place where one types.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    lines: Vec<String>,
    row: usize,
    /// Characters, as people see them, of that line before the place.
    at: usize,
}

impl Text {
    pub fn new(text: &str) -> Self {
        let lines: Vec<String> = normal(text).split('\n').map(str::to_owned).collect();
        let row = lines.len().saturating_sub(1);
        let at = lines.last().map_or(0, |line| count(line));
        Self { lines, row, at }
    }

    pub fn text(&self) -> String {
        self.lines.join("\n")
    }

    fn line(&self) -> &str {
        self.lines.get(self.row).map_or("", String::as_str)
    }

    /// Bytes of the line before the place.
    fn byte(&self) -> usize {
        let line = self.line();
        line.grapheme_indices(true).nth(self.at).map_or(line.len(), |(byte, _)| byte)
    }

    pub fn key(&mut self, key: &Key) {
        let last = self.lines.len().saturating_sub(1);
        match key {
            Key::Char(c) => self.insert(c.encode_utf8(&mut [0; 4])),
            Key::Enter => self.insert("\n"),
            Key::Paste(text) => self.insert(&normal(text)),
            Key::Left if self.at > 0 => self.at -= 1,
            Key::Left if self.row > 0 => (self.row, self.at) = (self.row - 1, usize::MAX),
            Key::Right if self.at < count(self.line()) => self.at += 1,
            Key::Right if self.row < last => (self.row, self.at) = (self.row + 1, 0),
            Key::Up if self.row > 0 => self.row -= 1,
            Key::Down if self.row < last => self.row += 1,
            Key::PageUp => self.row = self.row.saturating_sub(PAGE),
            Key::PageDown => self.row = (self.row + PAGE).min(last),
            Key::Home | Key::Ctrl('a') => self.at = 0,
            Key::End | Key::Ctrl('e') => self.at = usize::MAX,
            Key::Backspace if self.at > 0 => {
                let to = self.byte();
                self.at -= 1;
                self.cut(self.byte(), to);
            }
            Key::Backspace if self.row > 0 => {
                (self.row, self.at) = (self.row - 1, usize::MAX);
                self.at = self.at.min(count(self.line()));
                self.join();
            }
            Key::Delete if self.at < count(self.line()) => {
                let from = self.byte();
                let rest = self.line().get(from..).unwrap_or_default();
                let one = rest.graphemes(true).next().map_or(0, str::len);
                self.cut(from, from + one);
            }
            Key::Delete => self.join(),
            Key::Ctrl('k') => self.cut(self.byte(), self.line().len()),
            Key::Ctrl('u') => {
                self.cut(0, self.byte());
                self.at = 0;
            }
            Key::Ctrl('w') => {
                let (to, line) = (self.byte(), self.line());
                let before = line.get(..to).unwrap_or_default().trim_end();
                let from = before.rfind(' ').map_or(0, |at| at + 1);
                self.at = count(line.get(..from).unwrap_or_default());
                self.cut(from, to);
            }
            _ => {}
        }
        self.at = self.at.min(count(self.line()));
    }

    /// Puts text where one types, which is behind it then.
    fn insert(&mut self, text: &str) {
        let before: usize = self.lines.iter().map(|line| line.len() + 1).sum();
        if before + text.len() > LONGEST {
            return;
        }
        let byte = self.byte();
        let Some(line) = self.lines.get_mut(self.row) else { return };
        let rest = line.split_off(byte);
        let mut new = text.split('\n');
        line.push_str(new.next().unwrap_or_default());
        for next in new {
            self.row += 1;
            self.lines.insert(self.row, next.to_owned());
        }
        if let Some(line) = self.lines.get_mut(self.row) {
            self.at = count(line);
            line.push_str(&rest);
        }
    }

    fn cut(&mut self, from: usize, to: usize) {
        if let Some(line) = self.lines.get_mut(self.row) {
            drop(line.drain(from..to));
        }
    }

    /// Takes away the end of the line.
    fn join(&mut self) {
        if self.row + 1 < self.lines.len() {
            let next = self.lines.remove(self.row + 1);
            if let Some(line) = self.lines.get_mut(self.row) {
                line.push_str(&next);
            }
        }
    }

    /// As rows of at most `width` columns, with a mark where one types, and the row that it is in.
    pub fn rows(&self, width: usize) -> (Vec<String>, usize) {
        let (mut rows, mut here) = (Vec::new(), 0);
        for (n, line) in self.lines.iter().enumerate() {
            let mut pieces: Vec<(String, bool)> =
                line.graphemes(true).map(|one| (clean(one), false)).collect();
            if n == self.row {
                pieces.insert(self.at.min(pieces.len()), (MARK.to_owned(), true));
            }
            for row in filled(pieces, width.max(4)) {
                if row.iter().any(|(_, mark)| *mark) {
                    here = rows.len();
                }
                rows.push(row.into_iter().map(|(text, _)| text).collect());
            }
        }
        (rows, here)
    }
}

/// Breaks a line where it is too long, behind a space if there is one.
fn filled(pieces: Vec<(String, bool)>, width: usize) -> Vec<Vec<(String, bool)>> {
    let (mut rows, mut row, mut wide) = (Vec::new(), Vec::new(), 0);
    for piece in pieces {
        let more = columns(&piece.0);
        if wide + more > width && !row.is_empty() {
            let space = row.iter().rposition(|(text, _): &(String, bool)| text == " ");
            let cut = space.map_or(row.len(), |at| at + 1);
            let rest = row.split_off(cut);
            rows.push(std::mem::replace(&mut row, rest));
            wide = row.iter().map(|(text, _)| columns(text)).sum();
        }
        wide += more;
        row.push(piece);
    }
    rows.push(row);
    rows
}

fn count(line: &str) -> usize {
    line.graphemes(true).count()
}

/// What of a text can be typed: lines end in one way, and nothing acts.
fn normal(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace(['\r', '\u{2028}', '\u{2029}'], "\n");
    text.chars().filter(|c| matches!(c, '\n' | '\t') || !c.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(text: &mut Text, keys: &str) {
        for c in keys.chars() {
            text.key(&match c {
                '\n' => Key::Enter,
                '<' => Key::Left,
                '>' => Key::Right,
                '^' => Key::Up,
                'v' => Key::Down,
                '#' => Key::Backspace,
                '!' => Key::Delete,
                '[' => Key::Home,
                ']' => Key::End,
                'W' => Key::Ctrl('w'),
                'K' => Key::Ctrl('k'),
                'U' => Key::Ctrl('u'),
                c => Key::Char(c),
            });
        }
    }

    #[test]
    fn lines_are_typed_split_joined_and_walked_over() {
        for (begun, keys, made) in [
            ("", "one\ntwo", "one\ntwo"),
            ("one", "\n", "one\n"),
            ("one two", "<<<<\n", "one\n two"),
            ("a\nb", "[#", "ab"),
            ("a\nb", "^]!", "ab"),
            ("a\nb", "<<#", "\nb"),
            ("a\nb", "^[>>c", "a\ncb"),
            ("long line\nx", "^]#", "long lin\nx"),
            ("one two three", "W", "one two "),
            ("one two", "<<<K", "one "),
            ("one two", "<<<U", "two"),
            ("x", "vv^^y", "xy"),
            ("", "##!!<<>>WKU", ""),
            // One sign, however many characters it is made of.
            ("a\u{1F469}\u{200D}\u{1F680}b", "<#", "ab"),
            ("e", "\u{301}#", ""),
        ] {
            let mut text = Text::new(begun);
            typed(&mut text, keys);
            assert_eq!(text.text(), made, "{begun:?} {keys:?}");
        }
        let mut text = Text::new("");
        text.key(&Key::Paste("one\r\ntwo\tthree\u{1b}[2J\rfour".to_owned()));
        assert_eq!(text.text(), "one\ntwo\tthree[2J\nfour");
        text.key(&Key::Paste("x".repeat(LONGEST)));
        assert!(text.text().len() < 40, "more than there is room for is not taken by half");
    }

    #[test]
    fn what_is_drawn_is_harmless_and_as_wide_as_the_box() {
        let mut text = Text::new("one two three\n\u{202e}evil\u{6f22}\u{6f22}\u{6f22}\n");
        let (rows, here) = text.rows(8);
        assert_eq!(rows, ["one two ", "three", "\u{25A1}evil\u{6f22}", "\u{6f22}\u{6f22}", MARK]);
        assert_eq!(here, 4);
        assert!(rows.iter().all(|row| columns(row) <= 8));
        text.key(&Key::Up);
        assert_eq!(text.rows(8).1, 2);
        assert_eq!(Text::new("").rows(0), (vec![MARK.to_owned()], 0));
    }

    #[test]
    fn parts_are_cut_by_a_line_that_none_of_them_has() {
        let own = |parts: &[&str]| parts.iter().map(|part| (*part).to_owned()).collect::<Vec<_>>();
        for parts in [&["one"][..], &["one\n\ntwo", "three"], &["a\n---\nb", "----", ""]] {
            let command = Command::new(("post", "edit"), "");
            let draft = Draft::new(String::new(), &own(parts), command);
            assert_eq!(draft.parts(), parts, "{}", draft.cut);
        }
    }
}
