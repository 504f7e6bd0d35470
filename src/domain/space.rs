//! Room on the disk: how much is left, and what may still be done with it. Must not measure it.

/// What the disk under the data folder says, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// What a user without privileges may still write.
    pub free: u64,
    pub size: u64,
}

/// From how much free space on the disk counts as less full, in bytes. On a small disk a share of
/// its size counts instead, where that is less.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marks {
    /// Below it, a person is warned.
    pub low: u64,
    /// Below it, nothing is taken in that grows the data.
    pub scarce: u64,
    /// Below it, nothing is armed: what is left is for answers that are still to come.
    pub out: u64,
}

/// How much room that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Room {
    Out,
    Scarce,
    Low,
    Ample,
}

const MIB: u64 = 1024 * 1024;
/// The shares: a tenth, a twentieth, a fortieth of the disk.
const SHARES: [u64; 3] = [10, 20, 40];

impl Default for Marks {
    /// reliability-security.md A12.
    fn default() -> Self {
        Self { low: 1024 * MIB, scarce: 256 * MIB, out: 128 * MIB }
    }
}

impl Marks {
    pub fn room(&self, space: Space) -> Room {
        let below = |mark: u64, share: u64| space.free < mark.min(space.size / share);
        let [low, scarce, out] = SHARES;
        if below(self.out, out) {
            Room::Out
        } else if below(self.scarce, scarce) {
            Room::Scarce
        } else if below(self.low, low) {
            Room::Low
        } else {
            Room::Ample
        }
    }
}

impl Room {
    pub fn word(self) -> &'static str {
        match self {
            Self::Ample => "ample",
            Self::Low => "low",
            Self::Scarce => "scarce",
            Self::Out => "out",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_disk_has_the_marks_and_a_small_one_its_shares() {
        let marks = Marks::default();
        let room = |free: u64, size: u64| marks.room(Space { free: free * MIB, size: size * MIB });
        for (free, expected) in [
            (1024, Room::Ample),
            (1023, Room::Low),
            (256, Room::Low),
            (255, Room::Scarce),
            (128, Room::Scarce),
            (127, Room::Out),
            (0, Room::Out),
        ] {
            assert_eq!(room(free, 100 * 1024), expected, "{free}");
        }
        for (free, expected) in
            [(7, Room::Ample), (6, Room::Low), (4, Room::Low), (3, Room::Scarce), (1, Room::Out)]
        {
            assert_eq!(room(free, 64), expected, "{free}");
        }
        let never = Marks { low: 0, scarce: 0, out: 0 };
        assert_eq!(never.room(Space { free: 0, size: 64 * MIB }), Room::Ample);
    }
}
