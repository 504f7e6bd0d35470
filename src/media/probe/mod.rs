//! What a file is, by its bytes, and how to write it without what it tells about its maker. Every
//! format is read strictly to its end. Must not decode a picture or change one.

mod exif;
mod gif;
mod jpeg;
mod mp4;
mod pdf;
mod png;
mod source;
mod webp;

use std::fs::File;
use std::ops::Range;

use super::Refusal;
use crate::domain::media::{MediaKind, Shape};
pub(super) use source::Fault;
use source::Source;

/// What is taken at all.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Of one picture.
    pub pixels: u64,
    /// Of all pictures of an animation together.
    pub animation_pixels: u64,
}

/// A file that is what it says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Probed {
    /// `bytes` are those of the file as it came.
    pub shape: Shape,
    /// The file as it is kept.
    pub pieces: Vec<Piece>,
}

/// A stretch of the kept file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// From the file as it came.
    Copy(Range<u64>),
    Bytes(Vec<u8>),
    Zeroes(u64),
}

/// Reads the file as whatever it is.
pub(super) fn probe(file: &File, bytes: u64, bounds: &Bounds) -> Result<Probed, Fault> {
    let mut source = Source::new(file, bytes);
    if bytes == 0 {
        return Err(Refusal::Empty.into());
    }
    let probed = match sniff(&mut source)? {
        MediaKind::Jpeg => jpeg::read(&mut source)?,
        MediaKind::Png => png::read(&mut source)?,
        MediaKind::Gif => gif::read(&mut source)?,
        MediaKind::Webp => webp::read(&mut source)?,
        kind @ (MediaKind::Mp4 | MediaKind::Mov) => mp4::read(&mut source, kind)?,
        // It has no picture of a size.
        MediaKind::Pdf => return pdf::read(&mut source),
    };
    // What a format promises and does not have is a fault of the file, not of the folder it is read from.
    let beyond = |piece: &Piece| matches!(piece, Piece::Copy(range) if range.end > bytes);
    if probed.pieces.iter().any(beyond) {
        return Err(Refusal::Broken("it ends too early").into());
    }
    let Shape { width, height, frames, .. } = probed.shape;
    if width == 0 || height == 0 {
        return Err(Refusal::Broken("it has no width or no height").into());
    }
    let (max, actual) = (bounds.pixels, probed.shape.pixels());
    if actual > max {
        return Err(Refusal::TooManyPixels { max, actual }.into());
    }
    let (max, actual) = (bounds.animation_pixels, actual.saturating_mul(frames.into()));
    if !probed.shape.kind.is_video() && actual > max {
        return Err(Refusal::TooManyPixels { max, actual }.into());
    }
    Ok(probed)
}

/// The kind that the first bytes promise; reading it to the end decides.
fn sniff(source: &mut Source<'_>) -> Result<MediaKind, Fault> {
    let start = source.upto(0, 16)?;
    if start.starts_with(&[0xff, 0xd8, 0xff]) {
        Ok(MediaKind::Jpeg)
    } else if start.starts_with(png::SIGNATURE) {
        Ok(MediaKind::Png)
    } else if start.starts_with(b"GIF87a") || start.starts_with(b"GIF89a") {
        Ok(MediaKind::Gif)
    } else if start.starts_with(b"RIFF") && start.get(8..12) == Some(b"WEBP") {
        Ok(MediaKind::Webp)
    } else if start.starts_with(pdf::SIGNATURE) {
        Ok(MediaKind::Pdf)
    } else if start.get(4..8) == Some(b"ftyp") {
        brand(start.get(8..12).unwrap_or_default())
    } else {
        Err(Refusal::NotMedia.into())
    }
}

/// Pictures (HEIC, AVIF) and sound come in the same boxes.
fn brand(brand: &[u8]) -> Result<MediaKind, Fault> {
    match brand {
        b"qt  " => Ok(MediaKind::Mov),
        [b'h', b'e', ..] | b"mif1" | b"msf1" | b"avif" | b"avis" | b"M4A " | b"M4B " => {
            Err(Refusal::NotMedia.into())
        }
        _ => Ok(MediaKind::Mp4),
    }
}

/// Nothing but padding may stand behind the end.
fn nothing_after(source: &mut Source<'_>, end: u64) -> Result<(), Fault> {
    let bytes = source.len.saturating_sub(end);
    if bytes == 0 || source.only_zeroes_from(end)? {
        return Ok(());
    }
    Err(Refusal::Trailing { bytes }.into())
}

/// Whether words that are shown to nobody would run in a browser.
fn is_markup(text: &[u8]) -> bool {
    let text = text.to_ascii_lowercase();
    [b"<script".as_slice(), b"<html", b"<!doctype", b"<svg", b"<?php", b"<iframe", b"javascript:"]
        .iter()
        .any(|needle| text.windows(needle.len()).any(|at| at == *needle))
}

/// The pieces of a file that is being read from front to back.
#[derive(Default)]
struct Kept(Vec<Piece>);

impl Kept {
    /// Keeps a stretch as it is; one that follows the last joins it.
    fn copy(&mut self, range: Range<u64>) {
        match self.0.last_mut() {
            Some(Piece::Copy(last)) if last.end == range.start => last.end = range.end,
            _ => self.0.push(Piece::Copy(range)),
        }
    }

    fn bytes(&mut self, bytes: Vec<u8>) {
        self.0.push(Piece::Bytes(bytes));
    }

    fn length(&self) -> u64 {
        let length = |piece: &Piece| match piece {
            Piece::Copy(range) => range.end - range.start,
            Piece::Bytes(bytes) => u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            Piece::Zeroes(n) => *n,
        };
        self.0.iter().map(length).sum()
    }

    fn with(self, shape: Shape) -> Probed {
        Probed { shape, pieces: self.0 }
    }

    /// Another byte in the place of one that was kept.
    fn replace(&mut self, at: u64, byte: u8) {
        let holds = |piece: &Piece| matches!(piece, Piece::Copy(range) if range.contains(&at));
        let Some(i) = self.0.iter().position(holds) else { return };
        if let Piece::Copy(range) = self.0[i].clone() {
            let pieces = [
                Piece::Copy(range.start..at),
                Piece::Bytes(vec![byte]),
                Piece::Copy(at + 1..range.end),
            ];
            self.0.splice(i..=i, pieces);
        }
    }

    /// Puts bytes behind the first `n` of the file as it came, which were kept whole.
    fn insert_at(&mut self, n: u64, bytes: Vec<u8>) {
        let rest = match self.0.first_mut() {
            Some(Piece::Copy(first)) => {
                let rest = n..first.end;
                first.end = n;
                rest
            }
            _ => n..n,
        };
        let rest = (!rest.is_empty()).then_some(Piece::Copy(rest));
        self.0.splice(1..1, std::iter::once(Piece::Bytes(bytes)).chain(rest));
    }
}
