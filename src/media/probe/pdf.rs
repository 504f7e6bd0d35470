//! PDF: its head, its end, and the index that the end points to. It is kept as it came, with what it
//! says of its maker: to take that out would mean to write it anew. Must not read its pages.

use super::source::{Fault, Source};
use super::{Kept, Probed, is_markup};
use crate::domain::media::{MediaKind, Shape};
use crate::media::Refusal;

pub(super) const SIGNATURE: &[u8] = b"%PDF-";
const END: &[u8] = b"%%EOF";
const WORD: &[u8] = b"startxref";
/// Readers look for the end in so many last bytes.
const TAIL: usize = 1_024;
/// Where a lock is looked for: after the index begins, and before the end.
const LOOKED: usize = 64 * 1024;

pub(super) fn read(source: &mut Source<'_>) -> Result<Probed, Fault> {
    let [major, dot, minor] = source.array(5)?;
    if !(major.is_ascii_digit() && dot == b'.' && minor.is_ascii_digit()) {
        return Err(Refusal::Broken("it does not say which version of PDF it is").into());
    }
    // Old browsers look at the first bytes for what a file is, whatever it is called.
    if is_markup(source.upto(0, TAIL)?) {
        return Err(Refusal::Disguised.into());
    }
    let index = index(source)?;
    let head = source.upto(index, LOOKED)?.trim_ascii_start();
    if !head.starts_with(b"xref") && !is_object(head) {
        return Err(Refusal::Broken("its index is not where its end says").into());
    }
    let locked = has(head, b"/Encrypt") || has(last(source, LOOKED)?, b"/Encrypt");
    if locked {
        return Err(Refusal::Locked.into());
    }
    let mut kept = Kept::default();
    kept.copy(0..source.len);
    Ok(kept.with(Shape {
        kind: MediaKind::Pdf,
        bytes: source.len,
        width: 0,
        height: 0,
        rotation: 0,
        frames: 1,
        duration_ms: None,
        video_codec: None,
        audio_codec: None,
    }))
}

/// Where the index is, by the end: `startxref`, the place, `%%EOF`, and then nothing but space.
fn index(source: &mut Source<'_>) -> Result<u64, Fault> {
    let len = source.len;
    let tail = last(source, TAIL)?;
    let end = find_last(tail, END).ok_or(Refusal::Broken("it has no end"))?;
    let (before, after) = tail.split_at(end);
    let after = after.get(END.len()..).unwrap_or_default();
    if !after.iter().all(|byte| byte.is_ascii_whitespace() || *byte == 0) {
        let bytes = u64::try_from(after.len()).unwrap_or(u64::MAX);
        return Err(Refusal::Trailing { bytes }.into());
    }
    let place = find_last(before, WORD).and_then(|at| before.get(at + WORD.len()..));
    let place = place.and_then(|text| std::str::from_utf8(text.trim_ascii()).ok());
    let place = place.and_then(|text| text.parse::<u64>().ok()).filter(|place| *place < len);
    place.ok_or_else(|| Refusal::Broken("its end does not say where its index is").into())
}

fn last<'s>(source: &'s mut Source<'_>, bytes: usize) -> Result<&'s [u8], Fault> {
    let back = u64::try_from(bytes).unwrap_or(u64::MAX);
    source.upto(source.len.saturating_sub(back), bytes)
}

/// `12 0 obj`: newer files have their index in one.
fn is_object(text: &[u8]) -> bool {
    let mut words = text.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let mut number = || words.next().is_some_and(|word| word.iter().all(u8::is_ascii_digit));
    number() && number() && words.next().is_some_and(|word| word.starts_with(b"obj"))
}

fn has(bytes: &[u8], word: &[u8]) -> bool {
    bytes.windows(word.len()).any(|at| at == word)
}

fn find_last(bytes: &[u8], word: &[u8]) -> Option<usize> {
    bytes.windows(word.len()).rposition(|at| at == word)
}
