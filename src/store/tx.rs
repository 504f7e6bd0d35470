//! Reading and writing rows: a [`View`] of one moment, and a [`Tx`] that collects changes over it.
//! Must not know what rows mean; it only keeps every key inside its scope.

use std::ops::{Bound, ControlFlow};

use sha2::{Digest, Sha256};

use crate::base::{Timestamp, limits};
use crate::domain::access::{self, Lack, Member, Reach};
use crate::domain::event::Event;

use super::changed::Changed;
use super::key::{Key, KeyBytes, after_prefix};
use super::record::{self, DecodeError, Global, Row, Scoped};
use super::rows::{ChainedEvent, Orphan, OrphanKey, Timer, TimerKey, chain_start};
use super::run::Run;
use super::schema::{Class, Table};
use super::scope::Holder;
use super::{Error, Scope, WriteError};

pub(super) type Visit<'v> = &'v mut dyn FnMut(&[u8], &[u8]) -> ControlFlow<()>;
/// Takes a value where it is: to copy what is only decoded costs more than to find it.
pub(super) type Read<'r> = &'r mut dyn FnMut(&[u8]);

/// Ordered bytes, at one moment. What a distributed engine would have to offer.
pub(super) trait Source {
    /// Calls `read` with the value, if there is one.
    fn get(&self, table: Table, key: &[u8], read: Read<'_>) -> Result<(), Error>;
    /// Visits `range` in order, or backwards.
    fn scan(&self, table: Table, range: &Range, visit: Visit<'_>) -> Result<(), Error>;
}

/// A stretch of keys of one table.
#[derive(Clone)]
pub(super) struct Range {
    pub from: Bound<KeyBytes>,
    pub to: Bound<KeyBytes>,
    pub backwards: bool,
}

impl Range {
    /// Every key.
    pub fn all() -> Self {
        Self { from: Bound::Unbounded, to: Bound::Unbounded, backwards: false }
    }

    pub fn bounds(&self) -> (Bound<&[u8]>, Bound<&[u8]>) {
        (self.from.as_ref().map(|key| &**key), self.to.as_ref().map(|key| &**key))
    }

    /// Whether it ends before it begins, which neither redb nor an ordered map would take.
    pub fn is_empty(&self) -> bool {
        match (&self.from, &self.to) {
            (Bound::Included(a), Bound::Included(b)) => a > b,
            (Bound::Included(a) | Bound::Excluded(a), Bound::Included(b) | Bound::Excluded(b)) => {
                a >= b
            }
            _ => false,
        }
    }
}

/// Which rows of a table, in which order, and how many of them.
#[derive(Clone)]
pub struct Span {
    prefix: KeyBytes,
    from: Option<KeyBytes>,
    /// Exclusive.
    to: Option<KeyBytes>,
    after: Option<KeyBytes>,
    backwards: bool,
    limit: usize,
}

impl Span {
    /// The first `limit` rows.
    pub fn first(limit: usize) -> Self {
        let prefix = KeyBytes::new();
        Self { prefix, from: None, to: None, after: None, backwards: false, limit }
    }

    /// The last `limit` rows, newest first.
    pub fn last(limit: usize) -> Self {
        Self { backwards: true, ..Self::first(limit) }
    }

    /// Only keys that begin so.
    #[must_use]
    pub fn under(mut self, prefix: &impl Key) -> Self {
        self.prefix = prefix.to_bytes();
        self
    }

    /// Not before this beginning of a key.
    #[must_use]
    pub fn from(mut self, key: &impl Key) -> Self {
        self.from = Some(key.to_bytes());
        self
    }

    /// Before this beginning of a key.
    #[must_use]
    pub fn to(mut self, key: &impl Key) -> Self {
        self.to = Some(key.to_bytes());
        self
    }

    /// Past this key in the direction of travel: a page's cursor.
    #[must_use]
    pub fn after(mut self, key: Option<&impl Key>) -> Self {
        self.after = key.map(Key::to_bytes);
        self
    }

    /// All bounds hold together: a cursor from elsewhere does not lead out of the others.
    pub(super) fn range(&self, root: &[u8]) -> Range {
        let whole = |bytes: &KeyBytes| {
            let mut key = KeyBytes::from_slice(root);
            key.extend_from_slice(bytes);
            key
        };
        let base = whole(&self.prefix);
        let after = self.after.as_ref().map(whole);
        let (past, before) = if self.backwards { (None, after) } else { (after, None) };
        let ends = [after_prefix(&base), self.to.as_ref().map(whole), before];
        let from = base.max(self.from.as_ref().map(whole).unwrap_or_default());
        Range {
            from: match past {
                Some(past) if past >= from => Bound::Excluded(past),
                _ => Bound::Included(from),
            },
            to: ends.into_iter().flatten().min().map_or(Bound::Unbounded, Bound::Excluded),
            backwards: self.backwards,
        }
    }
}

/// A key, and its row with the SHA-256 of the stored bytes.
pub(super) type Hashed<R> = (<R as Row>::Key, (R, [u8; 32]));

/// A key, and its row if it is seen.
pub type Place<R> = (<R as Row>::Key, Option<R>);

/// Rows as they were at one moment.
pub struct View<'a> {
    source: &'a dyn Source,
}

impl<'a> View<'a> {
    pub(super) fn new(source: &'a dyn Source) -> Self {
        Self { source }
    }

    /// The row, as far as the holder of the scope sees it.
    pub fn get<R: Scoped>(&self, scope: &Scope, key: &R::Key) -> Result<Option<R>, Error> {
        let row: Option<R> = self.fetch(&scoped_key::<R>(scope, key))?;
        match self.reach::<R>(scope)? {
            Some(reach) => Ok(row.and_then(|row| row.within(&reach))),
            None => Ok(row),
        }
    }

    /// How far the holder of the scope reaches at this moment; `None` for no limit, and for rows
    /// that do not tell of channels.
    fn reach<R: Scoped>(&self, scope: &Scope) -> Result<Option<Reach>, Error> {
        let Some(holder) = scope.on_behalf_of().filter(|_| R::OF_CHANNELS) else { return Ok(None) };
        let reach = match holder {
            Holder::Key(id) => self.get::<access::Key>(scope, &id)?.map(|key| key.reach()),
            Holder::Member(id) => self.get::<Member>(scope, &id)?.map(|member| member.reach()),
        };
        Ok(Some(reach.unwrap_or(Reach::NOTHING)))
    }

    /// What the holder of the scope lacks to write this row at this moment.
    pub fn lack<R: Scoped>(&self, scope: &Scope, row: &R) -> Result<Option<Lack>, Error> {
        Ok(self.reach::<R>(scope)?.and_then(|reach| row.lacks(&reach)))
    }

    pub fn get_global<R: Global>(&self, key: &R::Key) -> Result<Option<R>, Error> {
        self.fetch(&key.to_bytes())
    }

    /// Rows that the holder of the scope sees. The others count for the limit: for a list that goes
    /// on, see [`View::page`].
    pub fn scan<R: Scoped>(&self, scope: &Scope, span: &Span) -> Result<Vec<(R::Key, R)>, Error> {
        let rows = self.collect::<R, R>(&scope.workspace().to_bytes(), span, record::decode)?;
        let Some(reach) = self.reach::<R>(scope)? else { return Ok(rows) };
        let seen = rows.into_iter().filter_map(|(key, row)| Some((key, row.within(&reach)?)));
        Ok(seen.collect())
    }

    /// Like [`View::scan`], with the keys of rows that the holder does not see: no more than a place
    /// to go on from.
    pub fn page<R: Scoped>(&self, scope: &Scope, span: &Span) -> Result<Vec<Place<R>>, Error> {
        let rows = self.collect::<R, R>(&scope.workspace().to_bytes(), span, record::decode)?;
        let reach = self.reach::<R>(scope)?;
        let seen = |row: R| match &reach {
            Some(reach) => row.within(reach),
            None => Some(row),
        };
        Ok(rows.into_iter().map(|(key, row)| (key, seen(row))).collect())
    }

    /// Like [`View::scan`], with the hash of each row's stored bytes.
    pub(super) fn scan_hashed<R: Scoped>(
        &self,
        scope: &Scope,
        span: &Span,
    ) -> Result<Vec<Hashed<R>>, Error> {
        let hashed = |bytes: &[u8]| Ok((record::decode(bytes)?, Sha256::digest(bytes).into()));
        self.collect::<R, _>(&scope.workspace().to_bytes(), span, hashed)
    }

    pub fn scan_global<R: Global>(
        &self,
        after: Option<&R::Key>,
        limit: usize,
    ) -> Result<Vec<(R::Key, R)>, Error> {
        self.collect::<R, R>(&[], &Span::first(limit).after(after), record::decode)
    }

    /// Like [`View::scan_global`], of any stretch.
    pub fn scan_global_span<R: Global>(&self, span: &Span) -> Result<Vec<(R::Key, R)>, Error> {
        self.collect::<R, R>(&[], span, record::decode)
    }

    /// Timers due before `until`, from the one after `after` on, in due order.
    pub fn timers(
        &self,
        after: Option<&TimerKey>,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<TimerKey>, Error> {
        let after = after.map(TimerKey::stored);
        let span = Span::first(limit).to(&until).after(after.as_ref());
        let rows = self.collect::<Timer, Timer>(&[], &span, record::decode)?;
        Ok(rows.into_iter().map(|(key, _)| TimerKey::of_stored(key)).collect())
    }

    /// Orphans due before `until`, in due order.
    pub fn orphans(&self, until: Timestamp, limit: usize) -> Result<Vec<OrphanKey>, Error> {
        let span = Span::first(limit).to(&until);
        let rows = self.collect::<Orphan, Orphan>(&[], &span, record::decode)?;
        Ok(rows.into_iter().map(|(key, _)| OrphanKey::of_stored(key)).collect())
    }

    fn fetch<R: Row>(&self, key: &[u8]) -> Result<Option<R>, Error> {
        let mut found = None;
        self.source.get(R::TABLE, key, &mut |bytes| found = Some(record::decode(bytes)))?;
        found.transpose().map_err(|cause| Error::Corrupt { table: R::TABLE, cause })
    }

    fn collect<R: Row, T>(
        &self,
        root: &[u8],
        span: &Span,
        read: impl Fn(&[u8]) -> Result<T, DecodeError>,
    ) -> Result<Vec<(R::Key, T)>, Error> {
        let mut rows = Vec::new();
        let mut failed = None;
        self.source.scan(R::TABLE, &span.range(root), &mut |key, value| {
            if rows.len() >= span.limit {
                return ControlFlow::Break(());
            }
            let key = key.get(root.len()..).and_then(R::Key::from_bytes);
            match (key, read(value)) {
                (Some(key), Ok(row)) => rows.push((key, row)),
                (_, decoded) => {
                    failed = Some(decoded.err().unwrap_or(DecodeError::Malformed));
                    return ControlFlow::Break(());
                }
            }
            ControlFlow::Continue(())
        })?;
        match failed {
            Some(cause) => Err(Error::Corrupt { table: R::TABLE, cause }),
            None => Ok(rows),
        }
    }
}

fn scoped_key<R: Scoped>(scope: &Scope, key: &R::Key) -> KeyBytes {
    let mut bytes = scope.workspace().to_bytes();
    key.encode(&mut bytes);
    bytes
}

/// A view that also sees what this transaction changed, and the changes themselves.
pub struct Tx<'a> {
    base: &'a dyn Source,
    puts: Run,
    keep: Option<usize>,
}

impl<'a> Tx<'a> {
    pub(super) fn new(base: &'a dyn Source) -> Self {
        Self::with(base, Run::default())
    }

    /// With changes already made: none, but the room for some.
    pub(super) fn with(base: &'a dyn Source, puts: Run) -> Self {
        Self { base, puts, keep: None }
    }

    /// What it changed, and how many rows may stay staged if it said so.
    pub(super) fn into_parts(self) -> (Run, Option<usize>) {
        (self.puts, self.keep)
    }

    /// Asks that with this commit no more than `keep` rows wait for their tables.
    pub fn settle(&mut self, keep: usize) {
        self.keep = Some(keep);
    }

    fn changed(&self) -> Changed<'_> {
        Changed { base: self.base, puts: &self.puts }
    }

    pub fn view(&self) -> View<'_> {
        View::new(self)
    }

    pub fn get<R: Scoped>(&self, scope: &Scope, key: &R::Key) -> Result<Option<R>, Error> {
        self.view().get(scope, key)
    }

    /// Refuses when the holder of the scope may not write this row so, or what was there before.
    pub fn put<R: Scoped>(&mut self, scope: &Scope, key: &R::Key, row: &R) -> Result<(), Error> {
        let place = scoped_key::<R>(scope, key);
        if let Some(reach) = self.view().reach::<R>(scope)? {
            let before: Option<R> = self.view().fetch(&place)?;
            let lack = before.and_then(|before| before.lacks(&reach)).or_else(|| row.lacks(&reach));
            if let Some(lack) = lack {
                return Err(Error::OutOfReach(lack));
            }
        }
        self.write::<R>(&place, row)
    }

    /// Refuses when the holder of the scope may not write this row, for what stands beside it.
    pub fn may_write<R: Scoped>(&self, scope: &Scope, row: &R) -> Result<(), Error> {
        match self.view().lack(scope, row)? {
            Some(lack) => Err(Error::OutOfReach(lack)),
            None => Ok(()),
        }
    }

    pub fn delete<R: Scoped>(&mut self, scope: &Scope, key: &R::Key) {
        self.puts.insert(R::TABLE, (&scoped_key::<R>(scope, key), None));
    }

    /// Removes rows of a table of the workspace as they stand, at most `limit`; how many went. What
    /// other tables hold about them is for the caller.
    pub fn erase(&mut self, scope: &Scope, table: Table, limit: usize) -> Result<usize, Error> {
        if table.row().class != Class::Scoped {
            return Ok(0);
        }
        let mut keys = Vec::new();
        let range = Span::first(limit).range(&scope.workspace().to_bytes());
        self.scan(table, &range, &mut |key, _| {
            if keys.len() >= limit {
                return ControlFlow::Break(());
            }
            keys.push(key.to_vec());
            ControlFlow::Continue(())
        })?;
        let gone = keys.len();
        for key in keys {
            self.puts.insert(table, (&key, None));
        }
        Ok(gone)
    }

    pub fn put_global<R: Global>(&mut self, key: &R::Key, row: &R) -> Result<(), Error> {
        self.write::<R>(&key.to_bytes(), row)
    }

    pub fn delete_global<R: Global>(&mut self, key: &R::Key) {
        self.puts.insert(R::TABLE, (&key.to_bytes(), None));
    }

    pub fn put_timer(&mut self, timer: &TimerKey) -> Result<(), Error> {
        self.put_global(&timer.stored(), &Timer)
    }

    pub fn delete_timer(&mut self, timer: &TimerKey) {
        self.delete_global::<Timer>(&timer.stored());
    }

    pub fn put_orphan(&mut self, orphan: &OrphanKey) -> Result<(), Error> {
        self.put_global(&orphan.stored(), &Orphan)
    }

    pub fn delete_orphan(&mut self, orphan: &OrphanKey) {
        self.delete_global::<Orphan>(&orphan.stored());
    }

    /// Appends to the workspace's chain: the row holds the hash of the row before it.
    pub fn append_event(&mut self, scope: &Scope, event: Event) -> Result<(), Error> {
        let mut last = None;
        let range = Span::last(1).range(&scope.workspace().to_bytes());
        self.scan(Table::Events, &range, &mut |key, value| {
            let sequence = key.get(16..).and_then(u64::from_bytes);
            last = Some((sequence.unwrap_or(0), Sha256::digest(value).into()));
            ControlFlow::Break(())
        })?;
        let (sequence, previous) = last.unwrap_or_else(|| (0, chain_start(scope.workspace()).hash));
        self.put(scope, &(sequence + 1), &ChainedEvent { previous, event })
    }

    fn write<R: Row>(&mut self, key: &[u8], row: &R) -> Result<(), Error> {
        let table = R::TABLE;
        let fits = |bytes, most| match bytes {
            bytes if bytes > most => Err(Error::TooLarge { table, bytes }),
            _ => Ok(()),
        };
        fits(key.len(), limits::KEY_BYTES)?;
        self.puts.insert_with(table, key, |bytes| {
            let from = bytes.len();
            record::encode_onto(row, bytes).map_err(|cause| Error::Corrupt { table, cause })?;
            fits(bytes.len() - from, limits::VALUE_BYTES)
        })
    }
}

impl Source for Tx<'_> {
    fn get(&self, table: Table, key: &[u8], read: Read<'_>) -> Result<(), Error> {
        self.changed().get(table, key, read)
    }

    fn scan(&self, table: Table, range: &Range, visit: Visit<'_>) -> Result<(), Error> {
        self.changed().scan(table, range, visit)
    }
}

impl<E> From<Error> for WriteError<E> {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}
