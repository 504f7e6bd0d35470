//! PNG (third edition, 2025), chunk by chunk. Keeps what is needed to show the picture or the
//! animation as it was. Must not inflate anything.

use super::exif::Orientation;
use super::source::{Fault, Source};
use super::{Kept, Probed, is_markup};
use crate::domain::media::{MediaKind, Shape};
use crate::media::Refusal;

pub(super) const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";

/// Chunks of any real picture are far fewer.
const CHUNKS_MAX: usize = 200_000;
/// A larger one of these holds something else.
const SMALL: u32 = 4 * 1024 * 1024;

const SHOWN: &[&[u8; 4]] = &[
    b"PLTE", b"tRNS", b"cHRM", b"gAMA", b"iCCP", b"sBIT", b"sRGB", b"bKGD", b"pHYs", b"cICP",
    b"mDCV", b"cLLI",
];

struct Png {
    kept: Kept,
    size: (u32, u32),
    frames: u32,
    duration_ms: u64,
    orientation: Orientation,
    pictures: usize,
    /// The chunk before.
    last: [u8; 4],
}

pub(super) fn read(source: &mut Source<'_>) -> Result<Probed, Fault> {
    let mut at = 8;
    let mut png = Png {
        kept: Kept::default(),
        size: (0, 0),
        frames: 0,
        duration_ms: 0,
        orientation: Orientation::UPRIGHT,
        pictures: 0,
        last: *b"IHDR",
    };
    png.kept.copy(0..8);
    for i in 0..CHUNKS_MAX {
        let length = source.u32_be(at)?;
        let name: [u8; 4] = source.array(at + 4)?;
        let end = at + 12 + u64::from(length);
        if end > source.len {
            return Err(Refusal::Broken("it ends too early").into());
        }
        if (i == 0) != (&name == b"IHDR") {
            return Err(Refusal::Broken("its header is not where it belongs").into());
        }
        if png.chunk(source, name, at + 8, length)? {
            png.kept.copy(at..end);
        }
        if &name == b"IEND" {
            super::nothing_after(source, end)?;
            return png.finish(source.len);
        }
        png.last = name;
        at = end;
    }
    Err(Refusal::Broken("it has too many chunks").into())
}

impl Png {
    /// Whether the chunk is kept.
    fn chunk(
        &mut self,
        source: &mut Source<'_>,
        name: [u8; 4],
        at: u64,
        length: u32,
    ) -> Result<bool, Fault> {
        match &name {
            b"IHDR" => {
                if length != 13 {
                    return Err(Refusal::Broken("its header has the wrong length").into());
                }
                self.size = (source.u32_be(at)?, source.u32_be(at + 4)?);
            }
            // Decoders look no further than the first row of them: what comes later is no picture.
            b"IDAT" if self.pictures > 0 && self.last != name => {
                return Err(Refusal::Broken("its picture is in two places").into());
            }
            b"IDAT" => self.pictures += 1,
            b"IEND" | b"fdAT" => {}
            b"acTL" => self.frames = source.u32_be(at)?,
            b"fcTL" => {
                let (n, d) = (source.u16_be(at + 20)?, source.u16_be(at + 22)?);
                let per_second = u64::from(if d == 0 { 100 } else { d });
                self.duration_ms += u64::from(n) * 1_000 / per_second;
            }
            b"eXIf" => {
                let tiff = source.upto(at, usize::try_from(length).unwrap_or(usize::MAX))?;
                self.orientation = Orientation::of(tiff);
                return Ok(false);
            }
            b"tEXt" | b"iTXt" => {
                let text = source.upto(at, usize::try_from(length).unwrap_or(usize::MAX))?;
                if is_markup(text) {
                    return Err(Refusal::Disguised.into());
                }
                return Ok(false);
            }
            name if SHOWN.contains(&name) => return Ok(length <= SMALL),
            // Lower case: may be left out.
            [first, ..] if first.is_ascii_lowercase() => return Ok(false),
            _ => return Err(Refusal::Broken("it has a chunk that nobody knows").into()),
        }
        Ok(true)
    }

    fn finish(mut self, bytes: u64) -> Result<Probed, Fault> {
        if self.pictures == 0 {
            return Err(Refusal::Broken("it has no picture").into());
        }
        if let Some(tiff) = self.orientation.block() {
            // Behind the header: the specification wants it before the picture.
            self.kept.insert_at(33, chunk(*b"eXIf", &tiff));
        }
        let (width, height) = self.size;
        let (width, height) =
            if self.orientation.is_sideways() { (height, width) } else { (width, height) };
        let shape = Shape {
            kind: MediaKind::Png,
            bytes,
            width,
            height,
            rotation: self.orientation.degrees(),
            frames: self.frames.max(1),
            duration_ms: (self.frames > 1).then_some(self.duration_ms),
            video_codec: None,
            audio_codec: None,
        };
        Ok(self.kept.with(shape))
    }
}

fn chunk(name: [u8; 4], body: &[u8]) -> Vec<u8> {
    let mut chunk = u32::try_from(body.len()).unwrap_or(0).to_be_bytes().to_vec();
    chunk.extend_from_slice(&name);
    chunk.extend_from_slice(body);
    let sum = crc32(chunk.get(4..).unwrap_or_default());
    chunk.extend_from_slice(&sum.to_be_bytes());
    chunk
}

/// PNG, annex D. Only ever over one short chunk, so without a table.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { 0xedb8_8320 ^ (crc >> 1) } else { crc >> 1 };
    !bytes.iter().fold(u32::MAX, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_is_the_one_of_png() {
        // The end of every PNG file.
        assert_eq!(chunk(*b"IEND", b""), b"\0\0\0\0IEND\xae\x42\x60\x82");
    }
}
