//! The chain of events, checked row by row: what was changed, cut out, moved, added or cut off is
//! named by its number. Must not know where rows come from, nor how their hashes are made.

use std::fmt;
use std::str::FromStr;

/// A SHA-256.
pub type Hash = [u8; 32];

/// The last row of a chain at some moment. Noted down elsewhere, it shows later whether the end was
/// cut off or the whole was written anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// 0 when there is no row.
    pub sequence: u64,
    pub hash: Hash,
}

/// `SEQUENCE:HASH`, the hash in hex.
impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.sequence, hex(&self.hash))
    }
}

impl FromStr for Head {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        let parsed = || {
            let (sequence, hash) = text.split_once(':')?;
            Some(Self { sequence: sequence.parse().ok()?, hash: unhex(hash)? })
        };
        parsed().ok_or("a head is SEQUENCE:HASH, as `event head` says it")
    }
}

/// A hash as it is shown: 64 hex digits.
pub fn hex(hash: &Hash) -> String {
    data_encoding::HEXLOWER.encode(hash)
}

pub fn unhex(text: &str) -> Option<Hash> {
    data_encoding::HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok()?.try_into().ok()
}

/// One row, as far as the chain is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    pub sequence: u64,
    /// What it holds as the hash of the row before it.
    pub previous: Hash,
    pub hash: Hash,
    /// Whether `hash` is that of what it says, where both are told.
    pub sound: bool,
}

/// What is wrong with a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// The row does not say what its hash was made of.
    Changed,
    /// There is no row of this number.
    Missing,
    /// The row stands elsewhere.
    Moved,
    /// The row belongs nowhere.
    Added,
    /// The row was not written after the one before it as that is now: that one was changed, or
    /// rows between them were cut out and the rest numbered anew.
    Unjoined,
    /// The chain ends before this row, which was noted.
    CutOff,
    /// The row is another one than was noted: the chain was written anew.
    NotAsNoted,
    /// The row cannot be read.
    Unreadable,
}

impl What {
    pub fn word(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Missing => "missing",
            Self::Moved => "moved",
            Self::Added => "added",
            Self::Unjoined => "unjoined",
            Self::CutOff => "cut_off",
            Self::NotAsNoted => "not_as_noted",
            Self::Unreadable => "unreadable",
        }
    }
}

/// The first thing that is wrong, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    pub sequence: u64,
    pub what: What,
}

/// A check that is under way. It holds a few hashes, however long the chain.
#[derive(Clone, Debug)]
pub struct Check {
    began: Head,
    last: Head,
    /// What stands before `last`.
    before: Option<Hash>,
    noted: Option<Head>,
    found: Option<Fault>,
    /// Of a row that does not join: what it wants to follow, and what it stands behind.
    gap: Option<(Hash, Hash)>,
}

impl Check {
    /// Of rows that come after `head`; for a whole chain that is number 0 and the hash of its
    /// beginning. With `noted`, that row must be among them, or be `head`.
    pub fn after(head: Head, noted: Option<Head>) -> Self {
        Self { began: head, last: head, before: None, noted, found: None, gap: None }
    }

    /// The number that must come next.
    pub fn next(&self) -> u64 {
        self.last.sequence.saturating_add(1)
    }

    /// Looks at the next row.
    pub fn push(&mut self, link: &Link) {
        match &mut self.found {
            None => self.found = self.join(link),
            Some(fault) => look_closer(fault, self.gap.as_ref(), link),
        }
    }

    /// What stands in the next place is no row.
    pub fn unreadable(&mut self) {
        let sequence = self.next();
        self.found.get_or_insert(Fault { sequence, what: What::Unreadable });
    }

    fn join(&mut self, link: &Link) -> Option<Fault> {
        let next = self.next();
        let at = |sequence, what| Some(Fault { sequence, what });
        if link.sequence < next {
            return at(link.sequence, What::Added);
        }
        if link.sequence > next {
            return at(next, What::Missing);
        }
        if !link.sound {
            return at(next, What::Changed);
        }
        if link.previous != self.last.hash {
            if link.hash == self.last.hash {
                return at(next, What::Added);
            }
            if Some(link.previous) == self.before {
                return at(self.last.sequence, What::Added);
            }
            self.gap = Some((link.previous, self.last.hash));
            return at(next, What::Unjoined);
        }
        self.before = Some(self.last.hash);
        self.last = Head { sequence: next, hash: link.hash };
        if self.noted.is_some_and(|noted| noted.sequence == next && noted.hash != link.hash) {
            return at(next, What::NotAsNoted);
        }
        None
    }

    /// The last row; or what is wrong.
    pub fn finish(self) -> Result<Head, Fault> {
        if let Some(fault) = self.found {
            return Err(fault);
        }
        match self.noted {
            Some(noted) if noted.sequence > self.last.sequence => {
                Err(Fault { sequence: self.next(), what: What::CutOff })
            }
            Some(noted) if noted.sequence <= self.began.sequence && noted != self.began => {
                Err(Fault { sequence: noted.sequence, what: What::NotAsNoted })
            }
            _ => Ok(self.last),
        }
    }
}

/// What comes after a fault may tell more of it.
fn look_closer(fault: &mut Fault, gap: Option<&(Hash, Hash)>, link: &Link) {
    match (fault.what, gap) {
        (What::Missing, _) if link.sequence == fault.sequence => fault.what = What::Moved,
        (What::Unjoined, Some((wanted, _))) if link.hash == *wanted => fault.what = What::Moved,
        (What::Unjoined, Some((_, stands))) if link.previous == *stands => {
            fault.what = What::Added;
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Head = Head { sequence: 0, hash: [0; 32] };

    fn hash(n: u8) -> Hash {
        [n; 32]
    }

    /// Rows 1 to 6, the hash of each its number.
    fn rows() -> Vec<Link> {
        let row = |n: u8| Link {
            sequence: u64::from(n),
            previous: hash(n - 1),
            hash: hash(n),
            sound: true,
        };
        (1..=6).map(row).collect()
    }

    fn checked(rows: &[Link], noted: Option<Head>) -> Result<Head, Fault> {
        let mut check = Check::after(START, noted);
        for row in rows {
            check.push(row);
        }
        check.finish()
    }

    fn renumbered(mut rows: Vec<Link>) -> Vec<Link> {
        (1..).zip(&mut rows).for_each(|(n, row)| row.sequence = n);
        rows
    }

    #[test]
    fn whole_chains_end_in_their_head_and_every_fault_has_its_number() {
        let sixth = Head { sequence: 6, hash: hash(6) };
        assert_eq!(checked(&rows(), None), Ok(sixth));
        assert_eq!(checked(&rows(), Some(sixth)), Ok(sixth));
        assert_eq!(checked(&[], None), Ok(START));
        let stranger = Link { sequence: 3, previous: hash(2), hash: hash(77), sound: true };
        let without = |n: usize| {
            let mut rows = rows();
            rows.remove(n - 1);
            rows
        };
        let swapped = |a: usize, b: usize| {
            let mut rows = rows();
            rows.swap(a - 1, b - 1);
            rows
        };
        let with = |row: Link, at: usize| {
            let mut rows = rows();
            rows.insert(at, row);
            rows
        };
        let changed = |change: fn(&mut Link)| {
            let mut rows = rows();
            change(&mut rows[2]);
            rows
        };
        for (told, rows, sequence, what) in [
            ("a row cut out", without(3), 3, What::Missing),
            ("the first cut off", without(1), 1, What::Missing),
            ("cut out, and numbered anew", renumbered(without(3)), 3, What::Unjoined),
            ("moved down", swapped(3, 4), 3, What::Moved),
            ("moved, and numbered anew", renumbered(swapped(3, 5)), 3, What::Moved),
            ("added", with(stranger, 3), 3, What::Added),
            ("added, and numbered anew", renumbered(with(stranger, 2)), 3, What::Added),
            ("given twice", with(rows()[3], 4), 4, What::Added),
            ("given twice, and numbered anew", renumbered(with(rows()[3], 4)), 5, What::Added),
            ("changed", changed(|row| row.sound = false), 3, What::Changed),
            ("changed with its hash", changed(|row| row.hash = hash(9)), 4, What::Unjoined),
            ("changed in its link", changed(|row| row.previous = hash(9)), 3, What::Unjoined),
        ] {
            assert_eq!(checked(&rows, None), Err(Fault { sequence, what }), "{told}");
        }
    }

    #[test]
    fn a_noted_head_shows_a_cut_end_and_a_chain_written_anew() {
        let noted = |sequence, n| Some(Head { sequence, hash: hash(n) });
        let fault = |sequence, what| Err(Fault { sequence, what });
        assert_eq!(checked(&rows()[..4], noted(6, 6)), fault(5, What::CutOff));
        assert_eq!(checked(&[], noted(6, 6)), fault(1, What::CutOff));
        assert_eq!(checked(&rows(), noted(4, 9)), fault(4, What::NotAsNoted));
        assert!(checked(&rows(), noted(4, 4)).is_ok());
        // A later part of a chain joins what was noted before it.
        let third = Head { sequence: 3, hash: hash(3) };
        let mut check = Check::after(third, Some(third));
        rows()[3..].iter().for_each(|row| check.push(row));
        assert_eq!(check.finish().map(|head| head.sequence), Ok(6));
        let mut check = Check::after(Head { hash: hash(9), ..third }, None);
        rows()[3..].iter().for_each(|row| check.push(row));
        assert_eq!(check.finish(), fault(4, What::Unjoined));
    }

    #[test]
    fn heads_are_read_as_they_are_written() {
        let head = Head { sequence: 12, hash: hash(0xab) };
        assert_eq!(head.to_string(), format!("12:{}", "ab".repeat(32)));
        assert_eq!(head.to_string().parse(), Ok(head));
        for bad in ["", "12", "12:", "x:00", &format!("1:{}", "ab".repeat(31))] {
            assert!(bad.parse::<Head>().is_err(), "{bad}");
        }
    }
}
