//! Checks an export without a server, from nothing but the file: every hash is made again from
//! what the rows say. Must not hold more than one row.

use std::collections::BTreeMap;
use std::io::{self, BufRead, Read as _};

use super::export::{COLUMNS, plain};
use super::shown::EventShown;
use crate::base::{WorkspaceId, limits};
use crate::domain::chain::{Check, Fault, Head, Link};
use crate::store::rows::chain_start;

/// What an export holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checked {
    pub workspace: WorkspaceId,
    pub rows: u64,
    /// Its last event; or what is wrong, and where.
    pub verdict: Result<Head, Fault>,
}

/// Why a file cannot be checked.
#[derive(Debug, thiserror::Error)]
pub enum NotAnExport {
    #[error("the file cannot be read: {0}")]
    Io(#[from] io::Error),
    #[error("this is no export of events")]
    Foreign,
    #[error("the file has no event in it")]
    Empty,
}

/// A row escapes each byte of its values six-fold at worst.
const LINE_BYTES: u64 = 8 * limits::VALUE_BYTES as u64;

/// Reads an export to its end. It begins with the first event, or goes on after the noted event
/// `after`; it must have the noted event `head` in it.
pub fn check_export(
    mut file: impl BufRead,
    after: Option<Head>,
    head: Option<Head>,
) -> Result<Checked, NotAnExport> {
    let mut export = Export { after, head, open: None, rows: 0 };
    match file.fill_buf()?.first() {
        Some(b'{') => lines(file, &mut export)?,
        Some(b'"' | b's') => table(file, &mut export)?,
        Some(_) => return Err(NotAnExport::Foreign),
        None => return Err(NotAnExport::Empty),
    }
    let (workspace, check) = export.open.ok_or(NotAnExport::Empty)?;
    Ok(Checked { workspace, rows: export.rows, verdict: check.finish() })
}

struct Export {
    after: Option<Head>,
    head: Option<Head>,
    open: Option<(WorkspaceId, Check)>,
    rows: u64,
}

impl Export {
    /// The next row; `None` when what stands there is none.
    fn push(&mut self, row: Option<(WorkspaceId, Link)>) -> Result<(), NotAnExport> {
        if self.open.is_none() {
            let (workspace, _) = row.ok_or(NotAnExport::Foreign)?;
            let start = self.after.unwrap_or_else(|| chain_start(workspace));
            self.open = Some((workspace, Check::after(start, self.head)));
        }
        self.rows += 1;
        if let Some((workspace, check)) = &mut self.open {
            match row {
                Some((of, link)) if of == *workspace => check.push(&link),
                // Of another workspace, it does not belong here.
                Some((_, link)) => check.push(&Link { sequence: 0, ..link }),
                None => check.unreadable(),
            }
        }
        Ok(())
    }
}

fn lines(mut file: impl BufRead, export: &mut Export) -> Result<(), NotAnExport> {
    let mut line = Vec::new();
    loop {
        line.clear();
        if file.by_ref().take(LINE_BYTES).read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        let row = serde_json::from_slice::<EventShown>(&line).ok();
        export.push(row.and_then(EventShown::link))?;
    }
}

fn table(file: impl BufRead, export: &mut Export) -> Result<(), NotAnExport> {
    let mut table = csv::ReaderBuilder::new().flexible(true).from_reader(file);
    if table.headers().map_err(unreadable)?.iter().ne(COLUMNS) {
        return Err(NotAnExport::Foreign);
    }
    for record in table.records() {
        let row = match record {
            Ok(record) => row_of(&record),
            Err(error) if error.is_io_error() => return Err(unreadable(error)),
            Err(_) => None,
        };
        export.push(row.and_then(EventShown::link))?;
    }
    Ok(())
}

fn unreadable(error: csv::Error) -> NotAnExport {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => NotAnExport::Io(error),
        _ => NotAnExport::Foreign,
    }
}

fn row_of(record: &csv::StringRecord) -> Option<EventShown> {
    if record.len() != COLUMNS.len() {
        return None;
    }
    let text = |column: &str| {
        let place = COLUMNS.iter().position(|known| *known == column)?;
        record.get(place).map(|cell| plain(cell).to_owned())
    };
    let data: BTreeMap<String, String> = serde_json::from_str(&text("data")?).ok()?;
    Some(EventShown {
        sequence: text("sequence")?.parse().ok()?,
        at: text("at")?,
        actor: text("actor")?,
        kind: text("kind")?,
        subject: text("subject")?,
        data,
        correlation_id: text("correlation_id")?,
        workspace: text("workspace")?,
        previous: text("previous")?,
        hash: text("hash")?,
    })
}
