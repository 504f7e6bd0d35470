//! The last log lines in memory, for whoever looks at them here. Bounded in bytes; must not hold
//! up who writes.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

/// About two thousand lines.
const BYTES: usize = 512 * 1024;
/// One line; the rest of a longer one is not kept.
const LINE: usize = 4 * 1024;

/// A handle; clones share the lines.
#[derive(Clone, Default)]
pub struct Ring(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    lines: VecDeque<Arc<str>>,
    bytes: usize,
    /// Lines ever written.
    written: u64,
}

impl Ring {
    /// Lines ever written.
    pub fn written(&self) -> u64 {
        self.with(|kept| kept.written)
    }

    /// Those after the first `seen`, as far as they are kept, and how many were ever written.
    pub fn after(&self, seen: u64) -> (Vec<Arc<str>>, u64) {
        self.with(|kept| {
            let new = usize::try_from(kept.written.saturating_sub(seen)).unwrap_or(usize::MAX);
            let skip = kept.lines.len().saturating_sub(new);
            (kept.lines.iter().skip(skip).cloned().collect(), kept.written)
        })
    }

    fn with<T>(&self, f: impl FnOnce(&mut Kept) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Write for Ring {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let shown = String::from_utf8_lossy(&line[..line.len().min(LINE)]);
        let shown: Arc<str> = shown.trim_end().into();
        self.with(|kept| {
            kept.bytes += shown.len();
            kept.lines.push_back(shown);
            kept.written += 1;
            while kept.bytes > BYTES
                && let Some(old) = kept.lines.pop_front()
            {
                kept.bytes -= old.len();
            }
        });
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_kept_and_counted() {
        let mut ring = Ring::default();
        for n in 0..3 {
            ring.write_all(format!("line {n}\n").as_bytes()).unwrap();
        }
        let (lines, written) = ring.after(1);
        assert_eq!(
            (lines.iter().map(AsRef::as_ref).collect::<Vec<&str>>(), written),
            (vec!["line 1", "line 2"], 3)
        );
        assert!(ring.after(3).0.is_empty());
        let long = vec![b'x'; LINE * 2];
        for _ in 0..1_000 {
            ring.write_all(&long).unwrap();
        }
        let (lines, written) = ring.after(0);
        assert_eq!(written, 1_003);
        assert!(lines.iter().map(|line| line.len()).sum::<usize>() <= BYTES && lines.len() > 100);
    }
}
