//! JPEG (ITU-T T.81), segment by segment. Keeps what is needed to show the picture as it was:
//! tables, scans, colour profile, and the turn of the camera. Must not look into the scans.

use super::exif::Orientation;
use super::source::{Fault, Source};
use super::{Kept, Probed, is_markup};
use crate::domain::media::{MediaKind, Shape};
use crate::media::Refusal;

/// Segments and restart intervals of any real picture are far fewer.
const SEGMENTS_MAX: usize = 10_000;

struct Jpeg {
    kept: Kept,
    size: Option<(u16, u16)>,
    orientation: Orientation,
    scans: usize,
}

pub(super) fn read(source: &mut Source<'_>) -> Result<Probed, Fault> {
    let mut jpeg =
        Jpeg { kept: Kept::default(), size: None, orientation: Orientation::UPRIGHT, scans: 0 };
    jpeg.kept.copy(0..2);
    let mut at = 2;
    for _ in 0..SEGMENTS_MAX {
        let (marker, start) = marker(source, at)?;
        if marker == 0xd9 {
            jpeg.kept.copy(start.saturating_sub(2)..start);
            after_end(source, start)?;
            return jpeg.finish(source.len);
        }
        at = jpeg.segment(source, marker, start)?;
    }
    Err(Refusal::Broken("it has too many segments").into())
}

/// The marker at `at`, and where it ends. Fill bytes (0xff) may stand before one.
fn marker(source: &mut Source<'_>, mut at: u64) -> Result<(u8, u64), Fault> {
    if source.u8(at)? != 0xff {
        return Err(Refusal::Broken("a segment does not begin with a marker").into());
    }
    loop {
        at += 1;
        match source.u8(at)? {
            0xff => {}
            marker => return Ok((marker, at + 1)),
        }
    }
}

/// Phones put more pictures, a depth map or a short film behind the end: those go. Anything else
/// there makes the file two files in one.
fn after_end(source: &mut Source<'_>, end: u64) -> Result<(), Fault> {
    let bytes = source.len.saturating_sub(end);
    if bytes == 0 || source.only_zeroes_from(end)? {
        return Ok(());
    }
    let start = source.upto(end, 12)?;
    let known = start.starts_with(&[0xff, 0xd8, 0xff])
        || start.get(4..8) == Some(b"ftyp")
        // Samsung's trailer begins with two zeroes, a type and a length.
        || start.starts_with(&[0, 0]);
    if known { Ok(()) } else { Err(Refusal::Trailing { bytes }.into()) }
}

impl Jpeg {
    /// Takes in the segment behind `marker`; answers where the next marker is.
    fn segment(&mut self, source: &mut Source<'_>, marker: u8, start: u64) -> Result<u64, Fault> {
        if matches!(marker, 0x00 | 0x01 | 0xd0..=0xd8) {
            return Err(Refusal::Broken("a marker stands where it cannot").into());
        }
        let length = source.u16_be(start)?;
        if length < 2 {
            return Err(Refusal::Broken("a segment is shorter than its own length").into());
        }
        let end = start + u64::from(length);
        let body = source.bytes(start, usize::from(length))?.get(2..).unwrap_or_default();
        let keep = match marker {
            0xc0..=0xc2 => {
                let size = (sized(body, 3), sized(body, 1));
                if self.size.replace(size).is_some() {
                    return Err(Refusal::Broken("it has two pictures in one").into());
                }
                true
            }
            0xc4 | 0xdb | 0xdd | 0xda => true,
            0xc3 | 0xc5..=0xcf => {
                return Err(Refusal::Unusual("a lossless, hierarchical or arithmetic JPEG").into());
            }
            0xe0 => body.starts_with(b"JFIF\0"),
            0xe1 => {
                if let Some(tiff) = body.strip_prefix(b"Exif\0\0") {
                    self.orientation = Orientation::of(tiff);
                }
                false
            }
            0xe2 => body.starts_with(b"ICC_PROFILE\0"),
            0xee => body.starts_with(b"Adobe"),
            0xfe if is_markup(body) => return Err(Refusal::Disguised.into()),
            _ => false,
        };
        if keep {
            self.kept.copy(start - 2..end);
        }
        if marker == 0xda {
            self.scans += 1;
            let next = after_scan(source, end)?;
            self.kept.copy(end..next);
            return Ok(next);
        }
        Ok(end)
    }

    fn finish(mut self, bytes: u64) -> Result<Probed, Fault> {
        let Some((width, height)) = self.size.filter(|_| self.scans > 0) else {
            return Err(Refusal::Broken("it has no picture").into());
        };
        if let Some(tiff) = self.orientation.block() {
            let mut segment = vec![0xff, 0xe1, 0, 0];
            segment.extend_from_slice(b"Exif\0\0");
            segment.extend_from_slice(&tiff);
            let length = u16::try_from(segment.len() - 2).unwrap_or(u16::MAX).to_be_bytes();
            segment[2..4].copy_from_slice(&length);
            self.kept.insert_at(2, segment);
        }
        let (width, height) =
            if self.orientation.is_sideways() { (height, width) } else { (width, height) };
        let shape = Shape {
            kind: MediaKind::Jpeg,
            bytes,
            width: width.into(),
            height: height.into(),
            rotation: self.orientation.degrees(),
            frames: 1,
            duration_ms: None,
            video_codec: None,
            audio_codec: None,
        };
        Ok(self.kept.with(shape))
    }
}

fn sized(body: &[u8], at: usize) -> u16 {
    let byte = |at: usize| body.get(at).copied().unwrap_or(0);
    u16::from_be_bytes([byte(at), byte(at + 1)])
}

/// Where the marker behind a scan is. In a scan 0xff is followed by zero or a restart marker.
fn after_scan(source: &mut Source<'_>, mut at: u64) -> Result<u64, Fault> {
    loop {
        at = source.find(0xff, at)?;
        match source.u8(at + 1)? {
            0x00 | 0xd0..=0xd7 => at += 2,
            0xff => at += 1,
            _ => return Ok(at),
        }
    }
}
