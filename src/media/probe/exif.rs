//! The one thing that is read out of EXIF and kept: which way up a picture is.

/// 1 to 8, as EXIF 2.3 numbers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Orientation(u8);

const TAG: u16 = 0x0112;

impl Orientation {
    pub const UPRIGHT: Self = Self(1);

    /// Out of a TIFF header and its first directory. Anything odd is upright.
    pub fn of(tiff: &[u8]) -> Self {
        Self::find(tiff).unwrap_or(Self::UPRIGHT)
    }

    fn find(tiff: &[u8]) -> Option<Self> {
        let big = match tiff.get(..4)? {
            [b'M', b'M', 0, 42] => true,
            [b'I', b'I', 42, 0] => false,
            _ => return None,
        };
        let short = |at: usize| {
            let bytes = [*tiff.get(at)?, *tiff.get(at.checked_add(1)?)?];
            Some(if big {
                u16::from_be_bytes(bytes)
            } else {
                u16::from(bytes[0]) | u16::from(bytes[1]) << 8
            })
        };
        let long = |at: usize| {
            let (a, b) = (u32::from(short(at)?), u32::from(short(at.checked_add(2)?)?));
            usize::try_from(if big { a << 16 | b } else { b << 16 | a }).ok()
        };
        let directory = long(4)?;
        let entries = usize::from(short(directory)?).min(1_000);
        for i in 0..entries {
            let at = directory.checked_add(2 + i * 12)?;
            if short(at)? == TAG {
                let value = u8::try_from(short(at.checked_add(8)?)?).ok()?;
                return (1..=8).contains(&value).then_some(Self(value));
            }
        }
        None
    }

    /// Degrees clockwise; a mirrored one counts by its turn.
    pub fn degrees(self) -> u16 {
        match self.0 {
            3 | 4 => 180,
            5 | 6 => 90,
            7 | 8 => 270,
            _ => 0,
        }
    }

    /// Whether width and height change places.
    pub fn is_sideways(self) -> bool {
        self.0 >= 5
    }

    /// A TIFF block that holds nothing else; `None` when there is nothing to hold.
    pub fn block(self) -> Option<Vec<u8>> {
        (self != Self::UPRIGHT).then(|| {
            let mut block = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
            block.push(self.0);
            block.extend_from_slice(&[0; 6]);
            block
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_says_what_it_was_made_from() {
        for n in 2..=8 {
            let orientation = Orientation(n);
            assert_eq!(Orientation::of(&orientation.block().unwrap()), orientation);
        }
        assert_eq!(Orientation::UPRIGHT.block(), None);
    }

    #[test]
    fn odd_blocks_are_upright() {
        let little = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
        assert_eq!(Orientation::of(little), Orientation(6));
        assert_eq!((Orientation(6).degrees(), Orientation(6).is_sideways()), (90, true));
        for cut in 0..20 {
            assert_eq!(Orientation::of(&little[..cut]), Orientation::UPRIGHT, "{cut}");
        }
        assert_eq!(Orientation::of(b"II*\0\xff\xff\xff\xff"), Orientation::UPRIGHT);
        assert_eq!(Orientation::of(&little.map(|b| if b == 6 { 9 } else { b })), Orientation(1));
    }
}
