//! Result slots: a small file that has all its blocks from the start, so that what a network
//! answered can be written down when the disk is full or the database fails. Must not know what it
//! keeps; a caller seals it, and what does not open later is torn. One sync for each (90 us where a
//! commit of any number takes 360 us, 2026-11), so they are for when the database fails.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use rustix::fs::{FallocateFlags, fallocate};

use super::disk::sync_folder_of;
use super::fault::FaultDisk;
use super::{Disk, Error};

const SLOTS: usize = 64;
const SLOT_BYTES: usize = 4_096;
/// Before the bytes of a slot: how many they are. None: the slot is free.
const LENGTH_BYTES: usize = 2;

/// The slots, and which of them are taken. File systems that copy on write (btrfs, ZFS) may need
/// space even to write in place: there, a full disk can fail a slot like everything else.
pub struct Slots {
    place: Place,
    taken: Mutex<BTreeSet<usize>>,
}

enum Place {
    File(File),
    Memory(FaultDisk),
    /// They could not be made; a store without them is as good as one was before there were any.
    Nowhere,
}

/// A slot that holds something.
#[derive(Debug, PartialEq, Eq)]
pub struct Slot(usize);

impl Slots {
    /// Opens or makes the file beside the database.
    pub(super) fn open(disk: &Disk) -> Self {
        let place = match disk {
            Disk::File(path) => match open_file(&path.with_extension("slots")) {
                Ok(file) => Place::File(file),
                Err(error) => {
                    tracing::warn!(%error, "there are no slots for results");
                    Place::Nowhere
                }
            },
            Disk::Memory(disk) => Place::Memory(disk.clone()),
        };
        let slots = Self { place, taken: Mutex::default() };
        let taken = slots.all().into_iter().map(|(Slot(index), _)| index).collect();
        Self { taken: Mutex::new(taken), ..slots }
    }

    /// What is in the slots. Bytes that were torn by a crash are among them.
    pub fn all(&self) -> Vec<(Slot, Vec<u8>)> {
        let mut found = Vec::new();
        for index in 0..SLOTS {
            let mut slot = vec![0; SLOT_BYTES];
            if let Err(error) = self.read(index, &mut slot) {
                tracing::warn!(index, %error, "a result slot cannot be read");
                continue;
            }
            let Some((length, rest)) = slot.split_first_chunk::<LENGTH_BYTES>() else { continue };
            let length = usize::from(u16::from_be_bytes(*length));
            if length > 0 {
                let kept = rest.get(..length).unwrap_or(rest).to_vec();
                found.push((Slot(index), kept));
            }
        }
        found
    }

    /// Writes into a free slot; durable when this returns. Blocks for as long as one sync.
    pub fn keep(&self, bytes: &[u8]) -> Result<Slot, Error> {
        let full = |why: &str| Error::Io(why.to_owned());
        let length = u16::try_from(bytes.len()).ok().filter(|length| *length > 0);
        let length = length.filter(|_| bytes.len() <= SLOT_BYTES - LENGTH_BYTES);
        let length = length.ok_or_else(|| full("it does not fit into a result slot"))?;
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let free = (0..SLOTS).find(|index| !taken.contains(index));
        let index = free.ok_or_else(|| full("all result slots are taken"))?;
        let slot = [length.to_be_bytes().as_slice(), bytes].concat();
        self.write(index, &slot).map_err(super::source::io)?;
        taken.insert(index);
        Ok(Slot(index))
    }

    /// What it held is in the store, or counts no more.
    #[expect(clippy::needless_pass_by_value, reason = "whoever lets go of it has it no more")]
    pub fn release(&self, slot: Slot) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        match self.write(slot.0, &[0; LENGTH_BYTES]) {
            Ok(()) => drop(taken.remove(&slot.0)),
            // It stays taken; the next start looks at it once more, in vain.
            Err(error) => tracing::warn!(%error, "a result slot cannot be cleared"),
        }
    }

    fn read(&self, index: usize, out: &mut [u8]) -> io::Result<()> {
        match &self.place {
            Place::File(file) => file.read_exact_at(out, place_of(index)),
            Place::Memory(disk) => {
                disk.read_slots(index * SLOT_BYTES, out);
                Ok(())
            }
            Place::Nowhere => Ok(()),
        }
    }

    fn write(&self, index: usize, bytes: &[u8]) -> io::Result<()> {
        match &self.place {
            Place::File(file) => {
                file.write_all_at(bytes, place_of(index))?;
                file.sync_data()
            }
            Place::Memory(disk) => disk.write_slots(index * SLOT_BYTES, bytes),
            Place::Nowhere => Err(io::Error::other("there are none")),
        }
    }
}

fn place_of(index: usize) -> u64 {
    u64::try_from(index * SLOT_BYTES).unwrap_or(u64::MAX)
}

/// With all its blocks; a file that is too short was not finished by an earlier start.
fn open_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    let file =
        options.read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
    let size = place_of(SLOTS);
    if file.metadata()?.len() < size {
        if fallocate(&file, FallocateFlags::empty(), 0, size).is_err() {
            // Not every file system can; zeroes do the same.
            file.write_all_at(&vec![0; SLOTS * SLOT_BYTES], 0)?;
        }
        file.sync_all()?;
        sync_folder_of(path)?;
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(folder: &tempfile::TempDir) -> Slots {
        Slots::open(&Disk::File(folder.path().join("carillon.redb")))
    }

    #[test]
    fn what_is_kept_is_there_after_a_restart_until_it_is_released() {
        let folder = tempfile::tempdir().unwrap();
        let slots = open(&folder);
        assert_eq!(slots.all(), []);
        let first = slots.keep(b"first").unwrap();
        let second = slots.keep(&[7; SLOT_BYTES - LENGTH_BYTES]).unwrap();
        assert!(slots.keep(&[7; SLOT_BYTES - LENGTH_BYTES + 1]).is_err());
        assert!(slots.keep(b"").is_err());
        let again = open(&folder);
        assert_eq!(again.all().len(), 2);
        assert_eq!(again.all()[0], (Slot(0), b"first".to_vec()));
        assert_eq!(again.keep(b"third").unwrap(), Slot(2), "not over what is there");
        again.release(first);
        again.release(second);
        assert_eq!(open(&folder).all(), [(Slot(2), b"third".to_vec())]);
    }

    #[test]
    fn there_are_so_many_and_their_blocks_are_there_from_the_start() {
        use std::os::unix::fs::MetadataExt as _;
        let folder = tempfile::tempdir().unwrap();
        let slots = open(&folder);
        let told = std::fs::metadata(folder.path().join("carillon.slots")).unwrap();
        assert!(told.blocks() * 512 >= told.len() && told.len() == place_of(SLOTS));
        assert_eq!(told.mode() & 0o777, 0o600);
        for _ in 0..SLOTS {
            slots.keep(b"x").unwrap();
        }
        assert!(slots.keep(b"x").is_err());
    }

    #[test]
    fn any_file_can_be_opened_and_a_disk_without_room_for_one_is_no_error() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("carillon.slots"), [0xff; 5_000]).unwrap();
        let slots = open(&folder);
        assert_eq!(slots.all().len(), 2, "nonsense, which does not open");
        std::fs::remove_file(folder.path().join("carillon.slots")).unwrap();
        std::fs::create_dir(folder.path().join("carillon.slots")).unwrap();
        let slots = open(&folder);
        assert_eq!(slots.all(), []);
        assert!(slots.keep(b"x").is_err());
    }
}
