//! What goes over a console's line: frames of a kind, a length and that many bytes. Must not know
//! what is drawn.

use std::io;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// From the terminal: its [`Hello`], what was typed, its new size.
pub const HELLO: u8 = 0;
pub const BYTES: u8 = 1;
pub const RESIZE: u8 = 2;
/// To the terminal: what to write, which is [`BYTES`], too; and the last word, a [`Bye`].
pub const BYE: u8 = 3;
/// The screen that is shown from now on, for when the line breaks and another takes its place.
pub const AT: u8 = 4;
/// A file for whoever sits there: its name, its pieces, and at its end why it broke off, if it did.
pub const FILE: u8 = 5;
pub const PIECE: u8 = 6;
pub const END: u8 = 7;
/// From the terminal: what became of that file, a [`Kept`].
pub const KEPT: u8 = 8;

/// The line that ends a console of lines once everything before it is answered.
pub const NO_MORE: &str = "\u{4}\n";

/// The largest frame; a frame of a screen is far smaller.
const LARGEST: usize = 256 * 1024;

/// What the terminal says of itself, once.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Hello {
    pub cols: u16,
    pub rows: u16,
    /// Colours say nothing here.
    pub mono: bool,
    pub ascii: bool,
    /// Lines instead of screens, for screen readers.
    pub plain: bool,
    pub readonly: bool,
    /// The screen to begin with.
    pub screen: Option<String>,
    /// The time zone by whose clock times are shown; UTC without one.
    #[serde(default)]
    pub zone: Option<String>,
}

/// Why the console ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bye {
    /// `left`, `stopped`, `slow`, `full`, `fault` or `lost`.
    pub code: String,
    pub message: String,
}

/// What became of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kept {
    /// Where it is.
    At(String),
    /// Why it is nowhere.
    Not(String),
}

/// One frame as bytes.
pub fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(5 + payload.len());
    bytes.push(kind);
    bytes.extend(u32::try_from(payload.len()).unwrap_or(u32::MAX).to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// The next frame. Not to be dropped half way: give it a task of its own.
pub async fn read(from: &mut (impl AsyncRead + Unpin)) -> io::Result<(u8, Vec<u8>)> {
    let kind = from.read_u8().await?;
    let length = usize::try_from(from.read_u32().await?).unwrap_or(usize::MAX);
    if length > LARGEST {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut payload = vec![0; length];
    from.read_exact(&mut payload).await?;
    Ok((kind, payload))
}

/// A size as [`RESIZE`] carries it.
pub fn size(cols: u16, rows: u16) -> [u8; 4] {
    let ([a, b], [c, d]) = (cols.to_be_bytes(), rows.to_be_bytes());
    [a, b, c, d]
}

/// The size in a [`RESIZE`].
pub fn size_of(payload: &[u8]) -> Option<(u16, u16)> {
    let [a, b, c, d] = *payload else { return None };
    Some((u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn frames_come_back_and_large_ones_are_refused() {
        let bytes = [frame(BYTES, b"abc"), frame(RESIZE, &size(80, 24))].concat();
        let mut from = bytes.as_slice();
        assert_eq!(read(&mut from).await.unwrap(), (BYTES, b"abc".to_vec()));
        let (kind, payload) = read(&mut from).await.unwrap();
        assert_eq!((kind, size_of(&payload)), (RESIZE, Some((80, 24))));
        assert!(read(&mut from).await.is_err(), "the end");
        let mut huge = [BYTES, 0xff, 0xff, 0xff, 0xff].as_slice();
        assert_eq!(read(&mut huge).await.unwrap_err().kind(), io::ErrorKind::InvalidData);
        assert_eq!(size_of(b"abc"), None);
    }
}
