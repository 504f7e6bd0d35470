//! The chain as a file: JSON lines, or CSV that no spreadsheet takes for formulas. Must not hold
//! more of it than one step.

use bytes::Bytes;
use csv::{QuoteStyle, WriterBuilder};

use super::super::{Access, Services, refused, trouble};
use super::STEP;
use super::shown::EventShown;
use crate::base::{Code, Problem, Wrong};
use crate::domain::access::HandOut;
use crate::store::rows::{chain, chain_head};
use crate::store::{Scope, Span, Store};

/// How an export is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportFormat {
    Lines,
    Csv,
}

impl ExportFormat {
    pub const WORDS: [&'static str; 2] = ["jsonl", "csv"];

    pub fn word(self) -> &'static str {
        match self {
            Self::Lines => "jsonl",
            Self::Csv => "csv",
        }
    }

    /// The format of that word, which came in the field `format`; without one, JSON lines.
    pub fn from_word(word: Option<&str>) -> Result<Self, Problem> {
        match word {
            None | Some("jsonl") => Ok(Self::Lines),
            Some("csv") => Ok(Self::Csv),
            Some(_) => {
                let allowed = Self::WORDS.join(", ");
                Err(Problem::field("format", Wrong::NotOneOf { allowed }))
            }
        }
    }

    pub fn mime(self) -> &'static str {
        match self {
            Self::Lines => "application/jsonl",
            Self::Csv => "text/csv; charset=utf-8; header=present",
        }
    }
}

/// An export under way: what was in the chain when it began, the event of the export included.
pub struct EventExport {
    store: Store,
    scope: Scope,
    format: ExportFormat,
    after: u64,
    end: u64,
    begun: bool,
}

impl Services {
    /// Exports the workspace's chain from the event after number `after` on. Leaves an event.
    pub async fn export_events(
        &self,
        access: &Access<HandOut>,
        format: ExportFormat,
        after: u64,
    ) -> Result<EventExport, Problem> {
        let scope = access.scope;
        let workspace = scope.workspace().to_string();
        let mut event = access.event(self, "event.exported", &workspace);
        event.data.insert("format".to_owned(), format.word().to_owned());
        event.data.insert("after".to_owned(), after.to_string());
        let end = self.store.write(move |tx| {
            tx.append_event(&scope, event.clone())?;
            Ok(chain_head(&tx.view(), &scope)?.sequence)
        });
        let (end, store) = (end.await.map_err(refused)?, self.store.clone());
        Ok(EventExport { store, scope, format, after, end, begun: false })
    }
}

impl EventExport {
    pub fn format(&self) -> ExportFormat {
        self.format
    }

    /// The next piece; `None` when that was all.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Problem> {
        if self.begun && self.after >= self.end {
            return Ok(None);
        }
        let (scope, span) = (self.scope, Span::first(STEP).after(Some(&self.after)));
        let rows =
            self.store.read(move |view| chain(view, &scope, &span)).await.map_err(trouble)?;
        let within = rows.iter().filter(|row| row.sequence <= self.end);
        let rows: Vec<_> = within.map(|row| EventShown::of(scope.workspace(), row)).collect();
        self.after = rows.last().map_or(self.end, |row| row.sequence);
        let first = !std::mem::replace(&mut self.begun, true);
        let written = match self.format {
            ExportFormat::Lines => lines(&rows),
            ExportFormat::Csv => table(&rows, first),
        };
        // Texts and numbers can always be written.
        written.map(|bytes| Some(bytes.into())).ok_or_else(|| Problem::new(Code::Internal))
    }
}

fn lines(rows: &[EventShown]) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    for row in rows {
        serde_json::to_writer(&mut bytes, row).ok()?;
        bytes.push(b'\n');
    }
    Some(bytes)
}

/// The columns of a table, in the order of the fields of an event.
pub(super) const COLUMNS: [&str; 10] = [
    "sequence",
    "at",
    "actor",
    "kind",
    "subject",
    "data",
    "correlation_id",
    "workspace",
    "previous",
    "hash",
];

fn table(rows: &[EventShown], head: bool) -> Option<Vec<u8>> {
    let mut out = WriterBuilder::new().quote_style(QuoteStyle::Always).from_writer(Vec::new());
    if head {
        out.write_record(COLUMNS).ok()?;
    }
    for row in rows {
        let data = serde_json::to_string(&row.data).ok()?;
        let cells = [
            row.sequence.to_string(),
            safe(&row.at),
            safe(&row.actor),
            safe(&row.kind),
            safe(&row.subject),
            safe(&data),
            safe(&row.correlation_id),
            safe(&row.workspace),
            safe(&row.previous),
            safe(&row.hash),
        ];
        out.write_record(cells).ok()?;
    }
    out.into_inner().ok()
}

/// What spreadsheets take for the beginning of a formula, and the mark itself, so that taking one
/// away always gives back what was there.
fn is_marked(text: &str) -> bool {
    text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}'])
        || text.starts_with(['\u{ff20}', '\''])
}

/// A cell that is text to every spreadsheet.
fn safe(text: &str) -> String {
    if is_marked(text) { format!("'{text}") } else { text.to_owned() }
}

/// What [`safe`] was given.
pub(super) fn plain(cell: &str) -> &str {
    cell.strip_prefix('\'').filter(|rest| is_marked(rest)).unwrap_or(cell)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_that_could_be_formulas_are_marked_and_come_back() {
        for (text, cell) in [
            ("plain", "plain"),
            ("", ""),
            ("a=b", "a=b"),
            ("=1+2", "'=1+2"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@x", "'@x"),
            ("\tx", "'\tx"),
            ("\rx", "'\rx"),
            ("\nx", "'\nx"),
            ("\u{ff1d}1", "'\u{ff1d}1"),
            ("\u{ff0b}1", "'\u{ff0b}1"),
            ("\u{ff0d}1", "'\u{ff0d}1"),
            ("\u{ff20}x", "'\u{ff20}x"),
            ("'=x", "''=x"),
            ("'", "''"),
            ("'quoted'", "''quoted'"),
        ] {
            assert_eq!(safe(text), cell);
            assert_eq!(plain(cell), text);
        }
    }
}
