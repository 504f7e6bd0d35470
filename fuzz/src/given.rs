//! Bytes read as a row of values, so that each byte string means something. Must not fail: what is
//! missing at the end is zero.

pub struct Given<'d>(pub &'d [u8]);

impl<'d> Given<'d> {
    pub fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    /// The bytes up to the next line feed, without it.
    pub fn line(&mut self) -> &'d [u8] {
        let end = self.0.iter().position(|byte| *byte == b'\n').unwrap_or(self.0.len());
        let (line, rest) = self.0.split_at(end);
        self.0 = rest.get(1..).unwrap_or_default();
        line
    }

    /// The same as text.
    pub fn words(&mut self) -> String {
        String::from_utf8_lossy(self.line()).into_owned()
    }

    /// The next bytes, as many as there are of so many.
    pub fn take(&mut self, length: usize) -> &'d [u8] {
        let (taken, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// All that is left.
    pub fn rest(&mut self) -> &'d [u8] {
        std::mem::take(&mut self.0)
    }
}
