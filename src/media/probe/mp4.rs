//! MP4 (ISO/IEC 14496-12) and `QuickTime`, box by box. What tells where and by whom it was taken is
//! blanked in its place, so that no offset moves. Must not look into pictures or sound.
//!
//! Written here and not taken from a crate: the offsets of boxes are needed, not their meaning, and
//! of boxes that no reader knows nothing may stay.

use super::source::{Fault, Source};
use super::{Kept, Piece, Probed};
use crate::domain::media::{MediaKind, Shape};
use crate::media::Refusal;

/// Boxes in one box.
const BOXES_MAX: usize = 1_000;

/// A box: its type, and where it, its body and its end are.
#[derive(Clone, Copy)]
struct Atom {
    kind: [u8; 4],
    at: u64,
    body: u64,
    end: u64,
}

#[derive(Default)]
struct Movie {
    blanks: Vec<Atom>,
    duration_ms: u64,
    picture: Option<Track>,
    sound: Option<String>,
    /// Whether there is something to play.
    data: bool,
}

#[derive(Default)]
struct Track {
    handler: [u8; 4],
    codec: String,
    width: u32,
    height: u32,
    rotation: u16,
    samples: u32,
}

pub(super) fn read(source: &mut Source<'_>, kind: MediaKind) -> Result<Probed, Fault> {
    let mut movie = Movie::default();
    let mut moov = None;
    for atom in boxes(source, 0, source.len)? {
        match &atom.kind {
            b"ftyp" if atom.at == 0 => {}
            b"moov" if moov.replace(atom).is_some() => {
                return Err(Refusal::Broken("it has two films in one").into());
            }
            b"moov" => {}
            b"mdat" => movie.data = true,
            _ => movie.blanks.push(atom),
        }
    }
    let Some(moov) = moov.filter(|_| movie.data) else {
        return Err(Refusal::Broken("it has no film").into());
    };
    movie.moov(source, moov)?;
    movie.finish(source.len, kind)
}

/// The boxes between two places, which they fill exactly.
fn boxes(source: &mut Source<'_>, from: u64, to: u64) -> Result<Vec<Atom>, Fault> {
    let (mut found, mut at) = (Vec::new(), from);
    while at < to {
        let (size, kind): (u32, [u8; 4]) = (source.u32_be(at)?, source.array(at + 4)?);
        let (body, end) = match size {
            // To the end of the file: only ever the last one.
            0 if to == source.len => (at + 8, to),
            1 => (at + 16, at.saturating_add(source.u64_be(at + 8)?)),
            size => (at + 8, at + u64::from(size)),
        };
        if &kind == b"moof" {
            return Err(Refusal::Fragmented.into());
        }
        if end < body || end > to {
            return Err(Refusal::Broken("a box is longer than what holds it").into());
        }
        if found.len() >= BOXES_MAX {
            return Err(Refusal::Broken("it has too many boxes").into());
        }
        found.push(Atom { kind, at, body, end });
        at = end;
        // QuickTime ends some lists with four zeroes.
        if to - at == 4 && source.u32_be(at)? == 0 {
            return Ok(found);
        }
    }
    Ok(found)
}

impl Movie {
    fn moov(&mut self, source: &mut Source<'_>, moov: Atom) -> Result<(), Fault> {
        for atom in boxes(source, moov.body, moov.end)? {
            match &atom.kind {
                b"mvhd" => {
                    let (scale, duration) = timing(source, atom)?;
                    self.duration_ms = milliseconds(duration, scale);
                }
                b"trak" => self.track(source, atom)?,
                b"cmov" => return Err(Refusal::Unusual("a film with a packed head").into()),
                b"mvex" => return Err(Refusal::Fragmented.into()),
                b"iods" | b"prfl" | b"clip" | b"ctab" => {}
                _ => self.blanks.push(atom),
            }
        }
        Ok(())
    }

    fn track(&mut self, source: &mut Source<'_>, trak: Atom) -> Result<(), Fault> {
        let mut track = Track::default();
        let mut blanks = Vec::new();
        for atom in boxes(source, trak.body, trak.end)? {
            match &atom.kind {
                b"tkhd" => track.head(source, atom)?,
                b"mdia" => track.media(source, atom, &mut blanks)?,
                b"edts" | b"tref" | b"tapt" | b"load" | b"matt" | b"clip" | b"txas" => {}
                _ => blanks.push(atom),
            }
        }
        match &track.handler {
            b"vide" if self.picture.is_none() => self.picture = Some(track),
            b"soun" if self.sound.is_none() => self.sound = Some(track.codec),
            b"vide" | b"soun" => {}
            // Time codes, captions, and what a camera knows: where it was, how it was held.
            _ => {
                self.blanks.push(trak);
                return Ok(());
            }
        }
        self.blanks.append(&mut blanks);
        Ok(())
    }

    fn finish(mut self, bytes: u64, kind: MediaKind) -> Result<Probed, Fault> {
        let Some(track) = self.picture else {
            return Err(Refusal::Unusual("a film without pictures").into());
        };
        let (mut width, mut height) = (track.width, track.height);
        if matches!(track.rotation, 90 | 270) {
            (width, height) = (height, width);
        }
        let shape = Shape {
            kind,
            bytes,
            width,
            height,
            rotation: track.rotation,
            frames: track.samples.max(1),
            duration_ms: Some(self.duration_ms),
            video_codec: Some(track.codec),
            audio_codec: self.sound,
        };
        self.blanks.sort_by_key(|atom| atom.at);
        let (mut kept, mut at) = (Kept::default(), 0);
        for atom in self.blanks {
            kept.copy(at..atom.at + 4);
            kept.bytes(b"free".to_vec());
            if atom.body > atom.at + 8 {
                kept.copy(atom.at + 8..atom.body);
            }
            kept.0.push(Piece::Zeroes(atom.end - atom.body));
            at = atom.end;
        }
        if at < bytes {
            kept.copy(at..bytes);
        }
        Ok(kept.with(shape))
    }
}

impl Track {
    fn head(&mut self, source: &mut Source<'_>, tkhd: Atom) -> Result<(), Fault> {
        let long = source.u8(tkhd.body)? == 1;
        let matrix = tkhd.body + if long { 52 } else { 40 };
        let mut cell = |i: u64| -> Result<i32, Fault> {
            Ok(i32::from_be_bytes(source.array(matrix + i * 4)?))
        };
        let turn = (cell(0)?.signum(), cell(1)?.signum(), cell(3)?.signum(), cell(4)?.signum());
        self.rotation = match turn {
            (0, 1, -1, 0) => 90,
            (-1, 0, 0, -1) => 180,
            (0, -1, 1, 0) => 270,
            _ => 0,
        };
        (self.width, self.height) =
            (source.u32_be(matrix + 36)? >> 16, source.u32_be(matrix + 40)? >> 16);
        Ok(())
    }

    fn media(
        &mut self,
        source: &mut Source<'_>,
        mdia: Atom,
        blanks: &mut Vec<Atom>,
    ) -> Result<(), Fault> {
        for atom in boxes(source, mdia.body, mdia.end)? {
            match &atom.kind {
                b"hdlr" => self.handler = source.array(atom.body + 8)?,
                b"minf" => {
                    for inner in boxes(source, atom.body, atom.end)? {
                        if &inner.kind == b"stbl" {
                            self.samples(source, inner)?;
                        }
                    }
                }
                b"mdhd" | b"elng" => {}
                _ => blanks.push(atom),
            }
        }
        Ok(())
    }

    fn samples(&mut self, source: &mut Source<'_>, stbl: Atom) -> Result<(), Fault> {
        for atom in boxes(source, stbl.body, stbl.end)? {
            match &atom.kind {
                b"stsd" => {
                    let entry: [u8; 4] = source.array(atom.body + 12)?;
                    let letter =
                        |byte: &u8| if byte.is_ascii_graphic() { char::from(*byte) } else { '.' };
                    self.codec = entry.iter().map(letter).collect();
                    if (self.width, self.height) == (0, 0) && &self.handler == b"vide" {
                        let size = atom.body + 8 + 32;
                        self.width = source.u16_be(size)?.into();
                        self.height = source.u16_be(size + 2)?.into();
                    }
                }
                b"stsz" => self.samples = source.u32_be(atom.body + 8)?,
                _ => {}
            }
        }
        Ok(())
    }
}

/// Units a second, and how many of them it lasts.
fn timing(source: &mut Source<'_>, mvhd: Atom) -> Result<(u32, u64), Fault> {
    if source.u8(mvhd.body)? == 1 {
        Ok((source.u32_be(mvhd.body + 20)?, source.u64_be(mvhd.body + 24)?))
    } else {
        Ok((source.u32_be(mvhd.body + 12)?, source.u32_be(mvhd.body + 16)?.into()))
    }
}

fn milliseconds(duration: u64, scale: u32) -> u64 {
    duration.saturating_mul(1_000) / u64::from(scale.max(1))
}
