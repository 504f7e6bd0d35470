//! GIF (89a), block by block. Keeps pictures, their timing and the loop; comments and what programs
//! put in extensions go. Must not unpack a picture.

use super::source::{Fault, Source};
use super::{Kept, Probed, is_markup};
use crate::domain::media::{MediaKind, Shape};
use crate::media::Refusal;

/// Blocks of any real animation are far fewer.
const BLOCKS_MAX: usize = 100_000;

pub(super) fn read(source: &mut Source<'_>) -> Result<Probed, Fault> {
    let (width, height) = (source.u16_le(6)?, source.u16_le(8)?);
    let mut at = 13 + table(source.u8(10)?);
    let mut kept = Kept::default();
    kept.copy(0..at);
    let (mut frames, mut hundredths) = (0_u32, 0_u64);
    for _ in 0..BLOCKS_MAX {
        let start = at;
        match source.u8(at)? {
            0x3b => {
                kept.copy(at..at + 1);
                super::nothing_after(source, at + 1)?;
                let shape = Shape {
                    kind: MediaKind::Gif,
                    bytes: source.len,
                    width: width.into(),
                    height: height.into(),
                    rotation: 0,
                    frames,
                    duration_ms: (frames > 1).then_some(hundredths * 10),
                    video_codec: None,
                    audio_codec: None,
                };
                let empty = Refusal::Broken("it has no picture");
                return if frames == 0 { Err(empty.into()) } else { Ok(kept.with(shape)) };
            }
            0x2c => {
                let right = u32::from(source.u16_le(at + 1)?) + u32::from(source.u16_le(at + 5)?);
                let below = u32::from(source.u16_le(at + 3)?) + u32::from(source.u16_le(at + 7)?);
                if right > width.into() || below > height.into() {
                    return Err(Refusal::Broken("a picture reaches out of its screen").into());
                }
                frames += 1;
                let data = at + 10 + table(source.u8(at + 9)?) + 1;
                at = after_blocks(source, data)?;
                kept.copy(start..at);
            }
            0x21 => {
                let label = source.u8(at + 1)?;
                if label == 0xf9 {
                    hundredths += u64::from(source.u16_le(at + 4)?);
                }
                let app = source.upto(at + 3, 11)?;
                let loops = [b"NETSCAPE2.0".as_slice(), b"ANIMEXTS1.0"].contains(&app);
                if label == 0xfe && is_markup(source.upto(at + 2, 4_096)?) {
                    return Err(Refusal::Disguised.into());
                }
                at = after_blocks(source, at + 2)?;
                if label == 0xf9 || (label == 0xff && loops) {
                    kept.copy(start..at);
                }
            }
            _ => return Err(Refusal::Broken("a block begins with what is no block").into()),
        }
    }
    Err(Refusal::Broken("it has too many blocks").into())
}

/// Bytes of the colour table that these flags announce.
fn table(flags: u8) -> u64 {
    if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) }
}

/// Where the chain of sub-blocks ends.
fn after_blocks(source: &mut Source<'_>, mut at: u64) -> Result<u64, Fault> {
    loop {
        let length = source.u8(at)?;
        at += 1 + u64::from(length);
        if length == 0 {
            return Ok(at);
        }
    }
}
