//! WebP (RFC 9649), chunk by chunk. Keeps pictures, animation and colour profile. Must not unpack a
//! picture.

use super::exif::Orientation;
use super::source::{Fault, Source};
use super::{Kept, Piece, Probed};
use crate::domain::media::{MediaKind, Shape};
use crate::media::Refusal;

const CHUNKS_MAX: usize = 100_000;

/// Flags of `VP8X` that are about what is not kept.
const EXIF: u8 = 0x08;
const XMP: u8 = 0x04;

#[derive(Default)]
struct Webp {
    kept: Kept,
    size: Option<(u32, u32)>,
    /// Where the flags of the extended header are.
    extended: Option<u64>,
    orientation: Option<Orientation>,
    frames: u32,
    duration_ms: u64,
    stills: u32,
}

pub(super) fn read(source: &mut Source<'_>) -> Result<Probed, Fault> {
    let end = u64::from(source.u32_le(4)?) + 8;
    if end > source.len {
        return Err(Refusal::Broken("it ends too early").into());
    }
    super::nothing_after(source, end)?;
    let (mut webp, mut at) = (Webp::default(), 12);
    for _ in 0..CHUNKS_MAX {
        if at >= end {
            return webp.finish(source);
        }
        let (name, length): ([u8; 4], u32) = (source.array(at)?, source.u32_le(at + 4)?);
        let body_end = at + 8 + u64::from(length);
        if body_end > end {
            return Err(Refusal::Broken("it ends too early").into());
        }
        webp.chunk(source, &name, at, length)?;
        // The last chunk's padding is left out by some programs.
        at = body_end + u64::from(length & 1);
    }
    Err(Refusal::Broken("it has too many chunks").into())
}

impl Webp {
    fn chunk(
        &mut self,
        source: &mut Source<'_>,
        name: &[u8],
        at: u64,
        length: u32,
    ) -> Result<(), Fault> {
        let body = at + 8;
        match name {
            b"VP8X" => {
                let size = (source.u24_le(body + 4)? + 1, source.u24_le(body + 7)? + 1);
                (self.extended, self.size) = (Some(body), Some(size));
            }
            b"VP8 " => {
                if source.bytes(body + 3, 3)? != [0x9d, 0x01, 0x2a] {
                    return Err(Refusal::Broken("its picture has no beginning").into());
                }
                let (w, h) = (source.u16_le(body + 6)?, source.u16_le(body + 8)?);
                self.still((u32::from(w) & 0x3fff, u32::from(h) & 0x3fff));
            }
            b"VP8L" => {
                if source.u8(body)? != 0x2f {
                    return Err(Refusal::Broken("its picture has no beginning").into());
                }
                let bits = source.u32_le(body + 1)?;
                self.still(((bits & 0x3fff) + 1, (bits >> 14 & 0x3fff) + 1));
            }
            b"ANMF" => {
                self.frames += 1;
                self.duration_ms += u64::from(source.u24_le(body + 12)?);
            }
            b"ANIM" | b"ALPH" | b"ICCP" => {}
            b"EXIF" => {
                let tiff = source.upto(body, usize::try_from(length).unwrap_or(0))?;
                let tiff = tiff.strip_prefix(b"Exif\0\0").unwrap_or(tiff);
                self.orientation = Some(Orientation::of(tiff));
                return Ok(());
            }
            _ => return Ok(()),
        }
        self.kept.copy(at..body + u64::from(length));
        if length & 1 == 1 {
            self.kept.bytes(vec![0]);
        }
        Ok(())
    }

    fn still(&mut self, size: (u32, u32)) {
        self.stills += 1;
        self.size = self.size.or(Some(size));
    }

    fn finish(mut self, source: &mut Source<'_>) -> Result<Probed, Fault> {
        let Some((width, height)) = self.size.filter(|_| self.stills == 1 || self.frames > 0)
        else {
            return Err(Refusal::Broken("it has no picture, or two").into());
        };
        let turned = self.orientation.unwrap_or(Orientation::UPRIGHT);
        if let Some(flags) = self.extended {
            let tiff = turned.block();
            let clear = source.u8(flags)? & !(EXIF | XMP);
            let set = if tiff.is_some() { clear | EXIF } else { clear };
            self.kept.replace(flags, set);
            if let Some(tiff) = tiff {
                let mut chunk = b"EXIF".to_vec();
                let length = u32::try_from(tiff.len()).unwrap_or(0);
                // RIFF numbers are little-endian.
                chunk.extend(length.to_be_bytes().iter().rev());
                chunk.extend(tiff);
                self.kept.bytes(chunk);
            }
        }
        let (width, height) = if turned.is_sideways() { (height, width) } else { (width, height) };
        let shape = Shape {
            kind: MediaKind::Webp,
            bytes: source.len,
            width,
            height,
            rotation: turned.degrees(),
            frames: self.frames.max(1),
            duration_ms: (self.frames > 1).then_some(self.duration_ms),
            video_codec: None,
            audio_codec: None,
        };
        let length = u32::try_from(4 + self.kept.length()).unwrap_or(u32::MAX);
        let mut head = b"RIFF".to_vec();
        head.extend(length.to_be_bytes().iter().rev());
        head.extend(b"WEBP");
        self.kept.0.insert(0, Piece::Bytes(head));
        Ok(self.kept.with(shape))
    }
}
