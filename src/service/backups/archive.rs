//! The form of a backup: frames inside an age stream. A head, the keyring, the rows of every table
//! in order, objects if they are copied, and a tail with the sums of all that. Must not trust what
//! it reads: whoever knows a recipient can make such a file.

use std::io::{self, Read, Write};

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::BackupError;
use crate::base::{Timestamp, WorkspaceId};
use crate::domain::media::Digest;
use crate::store::{CATALOGUE, Key as _, Layout, RawRow, Table};

const MAGIC: &[u8; 18] = b"carillon backup 1\n";
/// No frame is longer; a row has at most 65 KiB, a piece of an object 1 MiB.
const FRAME_MAX: usize = 2 * 1024 * 1024;

const HEAD: u8 = 1;
const KEYRING: u8 = 2;
const ROW: u8 = 3;
const OBJECT: u8 = 4;
const PIECE: u8 = 5;
const TAIL: u8 = 6;

/// Whether the bytes of media are in it, or only their names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MediaMode {
    #[default]
    Reference,
    Copy,
}

/// What a backup is of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Of the database.
    pub schema: u64,
    /// Of the program.
    pub version: String,
    pub made_at: Timestamp,
    pub installation: String,
    pub media: MediaMode,
    /// Rows name their table by its place here.
    pub tables: Vec<String>,
}

/// What is in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tail {
    pub tables: Vec<TableSum>,
    pub objects: u64,
    pub object_bytes: u64,
    /// Objects that could not be copied because they were gone.
    pub missing: u64,
    /// Of everything but rows and bytes, which have sums of their own.
    pub sha256: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableSum {
    pub name: String,
    pub rows: u64,
    pub sha256: String,
}

/// Head and tail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Manifest {
    #[serde(flatten)]
    pub head: Head,
    #[serde(flatten)]
    pub tail: Tail,
}

/// What a reader comes upon, in this order.
pub enum Item<'a> {
    Head(&'a Head),
    /// Sealed to the recipients of the backup.
    Keyring(&'a [u8]),
    /// In the layout of this program.
    Row(Table, &'a [u8], &'a [u8]),
    Object(WorkspaceId, Digest, u64),
    /// The next bytes of the last object.
    Piece(&'a [u8]),
}

/// The sums of what went by; writer and reader keep the same.
struct Sums {
    whole: Sha256,
    table: Option<(usize, Sha256, u64)>,
    /// Of the object that is going by: its digest, what is left of it.
    object: Option<(Digest, u64, Sha256)>,
    tail: Tail,
}

impl Sums {
    fn new() -> Self {
        Self { whole: Sha256::new(), table: None, object: None, tail: Tail::default() }
    }

    fn note(&mut self, kind: u8, body: &[u8]) {
        let length = u64::try_from(body.len()).unwrap_or(u64::MAX);
        self.whole.update([kind]);
        self.whole.update(length.to_be_bytes());
        self.whole.update(body);
    }

    fn row(&mut self, tables: &[String], index: usize, body: &[u8]) {
        if self.table.as_ref().is_none_or(|(open, ..)| *open != index) {
            self.end_table(tables);
            self.table = Some((index, Sha256::new(), 0));
        }
        if let Some((_, hash, rows)) = &mut self.table {
            hash.update(u64::try_from(body.len()).unwrap_or(u64::MAX).to_be_bytes());
            hash.update(body);
            *rows += 1;
        }
    }

    /// Tables without rows have no sum.
    fn end_table(&mut self, tables: &[String]) {
        if let Some((index, hash, rows)) = self.table.take() {
            let digest: [u8; 32] = hash.finalize().into();
            let name = tables.get(index).cloned().unwrap_or_default();
            let sum = TableSum { name, rows, sha256: HEXLOWER.encode(&digest) };
            self.tail.tables.push(sum);
        }
    }

    fn object(&mut self, digest: Digest, bytes: u64) -> Result<(), BackupError> {
        self.end_object()?;
        self.tail.objects += 1;
        self.tail.object_bytes += bytes;
        self.object = Some((digest, bytes, Sha256::new()));
        Ok(())
    }

    fn piece(&mut self, bytes: &[u8]) -> Result<(), BackupError> {
        let Some((_, left, hash)) = &mut self.object else {
            return Err(BackupError::Damaged("bytes of no object"));
        };
        hash.update(bytes);
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let more = left.checked_sub(length);
        *left = more.ok_or(BackupError::Damaged("an object is too long"))?;
        Ok(())
    }

    fn end_object(&mut self) -> Result<(), BackupError> {
        let Some((digest, left, hash)) = self.object.take() else { return Ok(()) };
        let actual: Digest = hash.finalize().into();
        if left == 0 && actual == digest {
            return Ok(());
        }
        Err(BackupError::Damaged("an object does not have the bytes that it is named by"))
    }

    fn finish(mut self, tables: &[String], missing: u64) -> Result<Tail, BackupError> {
        self.end_table(tables);
        self.end_object()?;
        let digest: [u8; 32] = self.whole.finalize().into();
        Ok(Tail { missing, sha256: HEXLOWER.encode(&digest), ..self.tail })
    }
}

/// Writes one; the order of what it is given is for the caller to keep.
pub struct Writer<W: Write> {
    out: W,
    head: Head,
    sums: Sums,
    missing: u64,
    row: Vec<u8>,
}

impl Head {
    /// Of the database of this program.
    pub fn new(made_at: Timestamp, installation: String, media: MediaMode) -> Self {
        Self {
            schema: Layout::CURRENT.schema(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            made_at,
            installation,
            media,
            tables: CATALOGUE.iter().map(|row| row.name.to_owned()).collect(),
        }
    }
}

impl<W: Write> Writer<W> {
    pub fn begin(mut out: W, head: Head, keyring: &[u8]) -> Result<Self, BackupError> {
        out.write_all(MAGIC)?;
        let row = Vec::new();
        let mut writer = Self { out, head, sums: Sums::new(), missing: 0, row };
        let head = serde_json::to_vec(&writer.head).map_err(io::Error::from)?;
        writer.noted(HEAD, &head)?;
        writer.noted(KEYRING, keyring)?;
        Ok(writer)
    }

    fn frame(&mut self, kind: u8, body: &[u8]) -> Result<(), BackupError> {
        let length = u32::try_from(body.len()).map_err(io::Error::other)?;
        self.out.write_all(&[kind])?;
        self.out.write_all(&length.to_be_bytes())?;
        Ok(self.out.write_all(body)?)
    }

    fn noted(&mut self, kind: u8, body: &[u8]) -> Result<(), BackupError> {
        self.sums.note(kind, body);
        self.frame(kind, body)
    }

    pub fn row(&mut self, table: Table, key: &[u8], value: &[u8]) -> Result<(), BackupError> {
        let index = CATALOGUE.iter().position(|row| row.table == table).unwrap_or_default();
        let number = u8::try_from(index).map_err(io::Error::other)?;
        let length = u16::try_from(key.len()).map_err(io::Error::other)?;
        let mut body = std::mem::take(&mut self.row);
        body.clear();
        body.push(number);
        body.extend(length.to_be_bytes());
        body.extend(key);
        body.extend(value);
        self.sums.row(&self.head.tables, index, &body);
        let written = self.frame(ROW, &body);
        self.row = body;
        written
    }

    pub fn object(
        &mut self,
        workspace: WorkspaceId,
        digest: Digest,
        bytes: u64,
    ) -> Result<(), BackupError> {
        self.sums.object(digest, bytes)?;
        let body = [workspace.as_bytes().as_slice(), &digest, &bytes.to_be_bytes()].concat();
        self.noted(OBJECT, &body)
    }

    pub fn piece(&mut self, bytes: &[u8]) -> Result<(), BackupError> {
        self.sums.piece(bytes)?;
        self.frame(PIECE, bytes)
    }

    /// An object that the database names and that is gone.
    pub fn gone(&mut self) {
        self.missing += 1;
    }

    pub fn finish(mut self) -> Result<(W, Manifest), BackupError> {
        let sums = std::mem::replace(&mut self.sums, Sums::new());
        let tail = sums.finish(&self.head.tables, self.missing)?;
        let body = serde_json::to_vec(&tail).map_err(io::Error::from)?;
        self.frame(TAIL, &body)?;
        Ok((self.out, Manifest { head: self.head, tail }))
    }
}

/// Reads one to its end, and hands over what is in it as it is read: only when this returns `Ok`
/// was all of it right.
pub fn read(
    mut from: impl Read,
    mut on: impl FnMut(Item<'_>) -> Result<(), BackupError>,
) -> Result<Manifest, BackupError> {
    let mut magic = [0; MAGIC.len()];
    from.read_exact(&mut magic).map_err(|_| BackupError::Foreign)?;
    if &magic != MAGIC {
        return Err(BackupError::Foreign);
    }
    let mut sums = Sums::new();
    let mut body = Vec::new();
    let mut expect = |kind: u8, sums: &mut Sums| match next(&mut from, &mut body)? {
        found if found == kind => {
            sums.note(kind, &body);
            Ok(std::mem::take(&mut body))
        }
        _ => Err(BackupError::Damaged("its parts are not in order")),
    };
    let head: Head = json(&expect(HEAD, &mut sums)?)?;
    let tables = known_tables(&head)?;
    on(Item::Head(&head))?;
    on(Item::Keyring(&expect(KEYRING, &mut sums)?))?;
    let mut rows = Rows { head: &head, tables, last: None };
    loop {
        match next(&mut from, &mut body)? {
            ROW if sums.tail.objects == 0 => rows.row(&body, &mut sums, &mut on)?,
            OBJECT => {
                sums.note(OBJECT, &body);
                let (workspace, digest, bytes) = object(&body)?;
                sums.object(digest, bytes)?;
                on(Item::Object(workspace, digest, bytes))?;
            }
            PIECE => {
                sums.piece(&body)?;
                on(Item::Piece(&body))?;
            }
            TAIL => break,
            _ => return Err(BackupError::Damaged("its parts are not in order")),
        }
    }
    let said: Tail = json(&body)?;
    if from.read(&mut [0])? != 0 {
        return Err(BackupError::Damaged("something follows its end"));
    }
    if sums.finish(&head.tables, said.missing)? != said {
        return Err(BackupError::Damaged("its sums are not those of what is in it"));
    }
    Ok(Manifest { head, tail: said })
}

fn next(from: &mut impl Read, body: &mut Vec<u8>) -> Result<u8, BackupError> {
    let mut front = [0; 5];
    from.read_exact(&mut front)?;
    let [kind, length @ ..] = front;
    let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
    if length > FRAME_MAX {
        return Err(BackupError::Damaged("a part of it is too long"));
    }
    body.resize(length, 0);
    from.read_exact(body)?;
    Ok(kind)
}

fn json<T: for<'de> Deserialize<'de>>(body: &[u8]) -> Result<T, BackupError> {
    serde_json::from_slice(body).map_err(|_| BackupError::Damaged("its head or end does not parse"))
}

fn known_tables(head: &Head) -> Result<Vec<Table>, BackupError> {
    let layout = Layout::CURRENT;
    if head.schema > layout.schema() || head.schema < layout.oldest() {
        let (version, known) = (head.version.clone(), layout.schema());
        return Err(BackupError::OtherSchema { version, found: head.schema, known });
    }
    let unknown = |name: &String| BackupError::UnknownTable {
        name: name.chars().take(40).collect(),
        version: head.version.clone(),
    };
    head.tables.iter().map(|name| Table::named(name).ok_or_else(|| unknown(name))).collect()
}

fn object(body: &[u8]) -> Result<(WorkspaceId, Digest, u64), BackupError> {
    <(WorkspaceId, Digest, u64)>::from_bytes(body)
        .ok_or(BackupError::Damaged("an object has no name"))
}

/// Rows on their way in: each table once, its keys in order, every record readable.
struct Rows<'a> {
    head: &'a Head,
    tables: Vec<Table>,
    last: Option<(usize, Vec<u8>)>,
}

impl Rows<'_> {
    fn row(
        &mut self,
        body: &[u8],
        sums: &mut Sums,
        on: &mut impl FnMut(Item<'_>) -> Result<(), BackupError>,
    ) -> Result<(), BackupError> {
        let short = BackupError::Damaged("a row is too short");
        let Some((&[number, k0, k1], rest)) = body.split_first_chunk::<3>() else {
            return Err(short);
        };
        let length = usize::from(u16::from_be_bytes([k0, k1]));
        let (key, value) = rest.split_at_checked(length).ok_or(short)?;
        let index = usize::from(number);
        let unknown = BackupError::Damaged("a row is of no table");
        let table = *self.tables.get(index).ok_or(unknown)?;
        if self.last.as_ref().is_some_and(|(i, last)| (*i, last.as_slice()) >= (index, key)) {
            return Err(BackupError::Damaged("its rows are not in order"));
        }
        sums.row(&self.head.tables, index, body);
        match &mut self.last {
            Some((last, old)) if *last == index => key.clone_into(old),
            last => *last = Some((index, key.to_vec())),
        }
        let check = |table: Table, key: &[u8], value: &[u8]| {
            let name = table.row().name;
            table.row().check(key, value).map_err(|cause| BackupError::Record { name, cause })
        };
        if self.head.schema == Layout::CURRENT.schema() {
            check(table, key, value)?;
            return on(Item::Row(table, key, value));
        }
        let row = RawRow { table, key: key.to_vec(), value: value.to_vec() };
        let name = table.row().name;
        let lifted = Layout::CURRENT.lift(self.head.schema, row);
        for row in lifted.map_err(|cause| BackupError::Record { name, cause })? {
            check(row.table, &row.key, &row.value)?;
            on(Item::Row(row.table, &row.key, &row.value))?;
        }
        Ok(())
    }
}
