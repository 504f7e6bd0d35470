//! A file that is read by offset through a window. An offset past its end is the file's fault and
//! never a panic.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use crate::media::Refusal;

/// Why a file could not be read as what it promised.
#[derive(Debug)]
pub(in crate::media) enum Fault {
    Refused(Refusal),
    Io(io::Error),
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

const WINDOW: usize = 64 * 1024;
const CUT: Refusal = Refusal::Broken("it ends too early");

pub(super) struct Source<'f> {
    file: &'f File,
    pub len: u64,
    start: u64,
    window: Vec<u8>,
}

impl<'f> Source<'f> {
    pub fn new(file: &'f File, len: u64) -> Self {
        Self { file, len, start: 0, window: Vec::new() }
    }

    /// Exactly `n` bytes, at most a window of them.
    pub fn bytes(&mut self, at: u64, n: usize) -> Result<&[u8], Fault> {
        let found = self.upto(at, n)?;
        if found.len() < n { Err(CUT.into()) } else { Ok(found) }
    }

    /// `n` bytes, or as many as there are.
    pub fn upto(&mut self, at: u64, n: usize) -> Result<&[u8], Fault> {
        let n = n.min(WINDOW);
        let here = |start: u64, len: usize| {
            let from = usize::try_from(at.checked_sub(start)?).ok()?;
            (from.checked_add(n)? <= len).then_some(from)
        };
        let from = if let Some(from) = here(self.start, self.window.len()) {
            from
        } else {
            self.fill(at)?;
            0
        };
        let end = self.window.len().min(from.saturating_add(n));
        Ok(self.window.get(from..end).unwrap_or_default())
    }

    fn fill(&mut self, at: u64) -> io::Result<()> {
        self.window.resize(WINDOW, 0);
        self.start = at;
        let mut filled = 0;
        while let Some(rest) = self.window.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            let offset = at.saturating_add(u64::try_from(filled).unwrap_or(u64::MAX));
            match self.file.read_at(rest, offset) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.window.truncate(filled);
        Ok(())
    }

    pub fn array<const N: usize>(&mut self, at: u64) -> Result<[u8; N], Fault> {
        self.bytes(at, N)?.try_into().map_err(|_| CUT.into())
    }

    pub fn u8(&mut self, at: u64) -> Result<u8, Fault> {
        self.array::<1>(at).map(|[byte]| byte)
    }

    pub fn u16_be(&mut self, at: u64) -> Result<u16, Fault> {
        self.array(at).map(u16::from_be_bytes)
    }

    pub fn u16_le(&mut self, at: u64) -> Result<u16, Fault> {
        self.array(at).map(|[a, b]| u16::from_be_bytes([b, a]))
    }

    pub fn u24_le(&mut self, at: u64) -> Result<u32, Fault> {
        self.array(at).map(|[a, b, c]| u32::from_be_bytes([0, c, b, a]))
    }

    pub fn u32_le(&mut self, at: u64) -> Result<u32, Fault> {
        self.array(at).map(|[a, b, c, d]| u32::from_be_bytes([d, c, b, a]))
    }

    pub fn u64_be(&mut self, at: u64) -> Result<u64, Fault> {
        self.array(at).map(u64::from_be_bytes)
    }

    pub fn u32_be(&mut self, at: u64) -> Result<u32, Fault> {
        self.array(at).map(u32::from_be_bytes)
    }

    /// The first place at or after `at` that holds `byte`.
    pub fn find(&mut self, byte: u8, mut at: u64) -> Result<u64, Fault> {
        loop {
            let piece = self.upto(at, 4_096)?;
            if piece.is_empty() {
                return Err(CUT.into());
            }
            let len = piece.len();
            if let Some(found) = piece.iter().position(|b| *b == byte) {
                return Ok(at.saturating_add(u64::try_from(found).unwrap_or(u64::MAX)));
            }
            at = at.saturating_add(u64::try_from(len).unwrap_or(u64::MAX));
        }
    }

    /// Whether nothing but zeroes follows; at most 64 KiB of them.
    pub fn only_zeroes_from(&mut self, at: u64) -> Result<bool, Fault> {
        let rest = self.len.saturating_sub(at);
        if rest > u64::try_from(WINDOW).unwrap_or(0) {
            return Ok(false);
        }
        let rest = usize::try_from(rest).unwrap_or(usize::MAX);
        Ok(self.bytes(at, rest)?.iter().all(|byte| *byte == 0))
    }
}
