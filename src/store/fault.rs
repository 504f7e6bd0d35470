//! A disk in memory that fails on request: the n-th operation, a full disk, and power cuts that
//! drop or tear what was not synced. Must behave exactly like a file until told otherwise.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::StorageBackend;

use crate::base::Rng;
use crate::domain::space::Space;

/// Smallest piece of a write that lands whole.
const SECTOR: usize = 512;

/// What a failing operation answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    Io,
    Full,
}

/// The disk; clones are the same disk.
#[derive(Clone, Default)]
pub struct FaultDisk(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    begun: bool,
    /// Survives a power cut.
    durable: Vec<u8>,
    /// What reads see.
    current: Vec<u8>,
    /// Since the last sync, in order.
    unsynced: Vec<Change>,
    /// Handles of an older generation are dead: the process that held them is gone.
    generation: u64,
    operations: u64,
    fault: Option<Fault>,
    space: Option<Space>,
    /// The file of the result slots, which needs no space.
    slots: Vec<u8>,
    slots_fail: bool,
    /// From this operation on the process is dead.
    cut: Option<u64>,
    /// Lies: a sync keeps only what the sync before it was given.
    forgetful: bool,
    late: Vec<Change>,
    /// The file under another name that a new database is made in.
    beside: Option<FaultDisk>,
    /// What was done since it is recorded.
    record: Option<Vec<Step>>,
}

#[derive(Clone)]
enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    Resize(usize),
}

impl Change {
    /// Does it to `image`.
    fn land(&self, image: &mut Vec<u8>) {
        match self {
            Self::Resize(len) => image.resize(*len, 0),
            Self::Write { offset, bytes } => {
                let end = offset + bytes.len();
                if image.len() < end {
                    image.resize(end, 0);
                }
                if let Some(to) = image.get_mut(*offset..end) {
                    to.copy_from_slice(bytes);
                }
            }
        }
    }

    /// Does any part of it, as a power cut before the sync may.
    fn tear(&self, image: &mut Vec<u8>, rng: &dyn Rng) {
        match self {
            Self::Resize(len) if rng.next_u64().is_multiple_of(2) => image.resize(*len, 0),
            Self::Resize(_) => {}
            Self::Write { offset, bytes } => {
                let fate = rng.next_u64() % 4;
                for (i, sector) in bytes.chunks(SECTOR).enumerate() {
                    let lands = match fate {
                        0 => true,
                        1 => false,
                        _ => rng.next_u64().is_multiple_of(2),
                    };
                    let at = offset + i * SECTOR;
                    if lands && let Some(to) = image.get_mut(at..at + sector.len()) {
                        to.copy_from_slice(sector);
                    }
                }
            }
        }
    }
}

/// Something that was done to a disk.
#[derive(Clone)]
enum Step {
    Change(Change),
    Sync,
    /// Into the result slots, with its sync.
    Slots {
        at: usize,
        bytes: Vec<u8>,
    },
}

struct Fault {
    from: u64,
    kind: FaultKind,
    once: bool,
}

impl State {
    fn note(&mut self, step: impl FnOnce() -> Step) {
        if let Some(record) = &mut self.record {
            record.push(step());
        }
    }
}

impl FaultDisk {
    pub fn new() -> Self {
        Self::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes, resizes and syncs so far.
    pub fn operations(&self) -> u64 {
        self.state().operations
    }

    /// Lets operation number `at` (counted as by [`FaultDisk::operations`]) fail, and all after it
    /// unless `once`.
    pub fn fail_at(&self, at: u64, kind: FaultKind, once: bool) {
        self.state().fault = Some(Fault { from: at, kind, once });
    }

    pub fn heal(&self) {
        self.state().fault = None;
    }

    /// Whether an operation is to fail, or all do.
    pub fn is_faulty(&self) -> bool {
        self.state().fault.is_some()
    }

    /// The process that uses it dies at operation number `at`: nothing reaches the disk from then
    /// on, until [`FaultDisk::cut_power`].
    pub fn cut_at(&self, at: u64) {
        self.state().cut = Some(at);
    }

    /// Whether the operation of [`FaultDisk::cut_at`] was reached.
    pub fn is_cut(&self) -> bool {
        self.state().is_cut()
    }

    /// From now on it lies, as some disks do: what was synced last is lost with the power.
    pub fn set_forgetful(&self) {
        self.state().forgetful = true;
    }

    /// What the disk says of its space from now on; at first it says nothing.
    pub fn set_space(&self, space: Option<Space>) {
        self.state().space = space;
    }

    pub(super) fn space(&self) -> Option<Space> {
        self.state().space
    }

    /// Lets the result slots fail, too, or work again.
    pub fn fail_slots(&self, fail: bool) {
        self.state().slots_fail = fail;
    }

    pub(super) fn read_slots(&self, at: usize, out: &mut [u8]) {
        let state = self.state();
        let written = state.slots.get(at..).unwrap_or_default();
        out.fill(0);
        out.iter_mut().zip(written).for_each(|(to, from)| *to = *from);
    }

    pub(super) fn write_slots(&self, at: usize, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.state();
        if state.slots_fail || state.is_cut() {
            return Err(io::Error::other("injected I/O error"));
        }
        let end = at + bytes.len();
        if state.slots.len() < end {
            state.slots.resize(end, 0);
        }
        if let Some(to) = state.slots.get_mut(at..end) {
            to.copy_from_slice(bytes);
        }
        state.note(|| Step::Slots { at, bytes: bytes.to_vec() });
        Ok(())
    }

    /// The power goes: what was synced stays; of what was not, any sectors may have landed.
    pub fn cut_power(&self, rng: &dyn Rng) {
        let mut state = self.state();
        let mut image = std::mem::take(&mut state.durable);
        state.late.clear();
        let mut unsynced = std::mem::take(&mut state.unsynced);
        if state.forgetful {
            // What it lied about leaves no torn trace of what came after.
            unsynced.clear();
        }
        for change in unsynced {
            change.tear(&mut image, rng);
        }
        state.current.clone_from(&image);
        state.durable = image;
        state.generation += 1;
        state.fault = None;
        state.cut = None;
    }

    /// From now on everything that is done here can be replayed.
    pub fn record(&self) {
        self.state().record = Some(Vec::new());
    }

    /// How many steps are recorded.
    pub fn recorded(&self) -> usize {
        self.state().record.as_ref().map_or(0, Vec::len)
    }

    /// Everything since [`FaultDisk::record`], to be done to a disk that is as `base` was then.
    pub fn replay(&self, base: &Self) -> Replay {
        let base = base.state();
        let mut steps = self.state().record.clone().unwrap_or_default();
        steps.reverse();
        Replay {
            durable: base.durable.clone(),
            unsynced: base.unsynced.clone(),
            slots: base.slots.clone(),
            steps,
            lying: false,
        }
    }

    /// Another disk that is as this one is now.
    #[must_use]
    pub fn copy(&self) -> Self {
        let state = self.state();
        Self(Arc::new(Mutex::new(State {
            begun: state.begun,
            durable: state.durable.clone(),
            current: state.current.clone(),
            unsynced: state.unsynced.clone(),
            slots: state.slots.clone(),
            ..State::default()
        })))
    }

    /// Whether nothing was ever laid out here; `true` once.
    pub(super) fn begin(&self) -> bool {
        !std::mem::replace(&mut self.state().begun, true)
    }

    pub(super) fn is_new(&self) -> bool {
        !self.state().begun
    }

    /// The file beside this one, in which a new database is made that is to take its place. Its
    /// operations are counted, and fail, on their own.
    #[must_use]
    pub fn beside(&self) -> Self {
        self.state().beside.get_or_insert_default().clone()
    }

    /// As if the file were made anew.
    pub(super) fn clear(&self) {
        let mut state = self.state();
        state.durable.clear();
        state.current.clear();
        state.unsynced.clear();
        state.generation += 1;
    }

    /// Renames the file beside this one to it: one operation, all or nothing. Only what was synced
    /// of it counts.
    pub(super) fn adopt(&self) -> io::Result<()> {
        let fresh = self.beside().state().durable.clone();
        let backend = self.backend();
        let mut state = backend.operate()?;
        state.durable.clone_from(&fresh);
        state.current = fresh;
        state.unsynced.clear();
        state.generation += 1;
        Ok(())
    }

    pub(super) fn backend(&self) -> FaultBackend {
        FaultBackend { disk: self.clone(), generation: self.state().generation }
    }
}

impl State {
    fn is_cut(&self) -> bool {
        self.cut.is_some_and(|at| self.operations >= at)
    }
}

/// What was done to a disk, done again step by step; after each, the power can be cut in as many
/// ways as one likes.
pub struct Replay {
    durable: Vec<u8>,
    unsynced: Vec<Change>,
    slots: Vec<u8>,
    /// Last first.
    steps: Vec<Step>,
    lying: bool,
}

impl Replay {
    /// A disk that answers every sync from now on, and keeps nothing of it.
    #[must_use]
    pub fn lying(self) -> Self {
        Self { lying: true, ..self }
    }

    /// Does the next step. Whether it made something durable; `None` when there is no other.
    pub fn step(&mut self) -> Option<bool> {
        let step = self.steps.pop()?;
        let durable = !matches!(step, Step::Change(_));
        match step {
            Step::Change(change) => self.unsynced.push(change),
            Step::Sync if self.lying => {}
            Step::Sync => {
                for change in self.unsynced.drain(..) {
                    change.land(&mut self.durable);
                }
            }
            Step::Slots { at, bytes } => {
                Change::Write { offset: at, bytes }.land(&mut self.slots);
            }
        }
        Some(durable)
    }

    /// A disk on which everything has landed so far.
    pub fn whole(&self) -> FaultDisk {
        let mut image = self.durable.clone();
        for change in &self.unsynced {
            change.land(&mut image);
        }
        disk_of(image, self.slots.clone())
    }

    /// A disk whose power is cut now: of what was not synced, any sectors have landed; of a result
    /// slot that would be written next, any bytes from its start.
    pub fn cut(&self, rng: &dyn Rng) -> FaultDisk {
        let mut image = self.durable.clone();
        for change in &self.unsynced {
            change.tear(&mut image, rng);
        }
        let mut slots = self.slots.clone();
        if let Some(Step::Slots { at, bytes }) = self.steps.last() {
            let most = u64::try_from(bytes.len()).unwrap_or(u64::MAX).saturating_add(1);
            let length = usize::try_from(rng.next_u64() % most).unwrap_or(0);
            let torn = bytes.get(..length).unwrap_or_default().to_vec();
            Change::Write { offset: *at, bytes: torn }.land(&mut slots);
        }
        disk_of(image, slots)
    }
}

fn disk_of(image: Vec<u8>, slots: Vec<u8>) -> FaultDisk {
    FaultDisk(Arc::new(Mutex::new(State {
        begun: true,
        current: image.clone(),
        durable: image,
        slots,
        ..State::default()
    })))
}

/// One opening of the disk.
pub(super) struct FaultBackend {
    disk: FaultDisk,
    generation: u64,
}

impl std::fmt::Debug for FaultBackend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FaultBackend")
    }
}

impl FaultBackend {
    fn state(&self) -> io::Result<MutexGuard<'_, State>> {
        let state = self.disk.state();
        if state.generation == self.generation {
            Ok(state)
        } else {
            Err(io::Error::other("the power was cut"))
        }
    }

    /// Counts an operation, and fails it when its turn has come.
    fn operate(&self) -> io::Result<MutexGuard<'_, State>> {
        let mut state = self.state()?;
        state.operations += 1;
        let now = state.operations;
        if state.is_cut() {
            return Err(io::Error::other("the process is dead"));
        }
        let kind = state.fault.as_ref().filter(|f| now >= f.from).map(|f| (f.kind, f.once));
        if let Some((kind, once)) = kind {
            if once {
                state.fault = None;
            }
            return Err(match kind {
                FaultKind::Io => io::Error::other("injected I/O error"),
                FaultKind::Full => io::Error::new(io::ErrorKind::StorageFull, "injected full disk"),
            });
        }
        Ok(state)
    }
}

fn position(offset: u64) -> io::Result<usize> {
    usize::try_from(offset).map_err(|_| io::ErrorKind::InvalidInput.into())
}

impl StorageBackend for FaultBackend {
    fn len(&self) -> io::Result<u64> {
        u64::try_from(self.state()?.current.len()).map_err(|_| io::ErrorKind::InvalidInput.into())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.state()?;
        let at = position(offset)?;
        let end = at.checked_add(out.len());
        match end.and_then(|end| state.current.get(at..end)) {
            Some(bytes) => {
                out.copy_from_slice(bytes);
                Ok(())
            }
            None => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let len = position(len)?;
        let mut state = self.operate()?;
        state.current.resize(len, 0);
        state.note(|| Step::Change(Change::Resize(len)));
        state.unsynced.push(Change::Resize(len));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.operate()?;
        let mut synced = std::mem::take(&mut state.unsynced);
        if state.forgetful {
            std::mem::swap(&mut synced, &mut state.late);
        }
        for change in synced {
            change.land(&mut state.durable);
        }
        state.note(|| Step::Sync);
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let offset = position(offset)?;
        let mut state = self.operate()?;
        let end = offset.checked_add(data.len()).ok_or(io::ErrorKind::InvalidInput)?;
        if state.current.len() < end {
            state.current.resize(end, 0);
        }
        if let Some(to) = state.current.get_mut(offset..end) {
            to.copy_from_slice(data);
        }
        let change = Change::Write { offset, bytes: data.to_vec() };
        state.note(|| Step::Change(change.clone()));
        state.unsynced.push(change);
        Ok(())
    }
}
