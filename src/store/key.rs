//! The key codec: fixed-width big-endian parts, strings last, so that the order of bytes is the
//! order of values. Must not grow a variable-width part anywhere but at the end.

use smallvec::SmallVec;

use crate::base::{Id, Kind, Timestamp};

/// An encoded key. Most have room in it: a post takes some thirty of them.
pub type KeyBytes = SmallVec<[u8; 64]>;

/// A key, or the beginning of one. Laws (tests/store): decode(encode(k)) = k; bytes sort as values.
pub trait Key: Sized {
    fn encode(&self, out: &mut KeyBytes);
    /// Takes this key off the front of `bytes`; `None` when they are not one.
    fn decode(bytes: &mut &[u8]) -> Option<Self>;

    fn to_bytes(&self) -> KeyBytes {
        let mut out = KeyBytes::new();
        self.encode(&mut out);
        out
    }

    /// The key that `bytes` are, with nothing left over.
    fn from_bytes(mut bytes: &[u8]) -> Option<Self> {
        let key = Self::decode(&mut bytes)?;
        bytes.is_empty().then_some(key)
    }
}

/// A key part of fixed width, which other parts may follow.
pub trait Fixed: Key {}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (head, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(*head)
}

impl Key for () {
    fn encode(&self, _: &mut KeyBytes) {}

    fn decode(_: &mut &[u8]) -> Option<Self> {
        Some(())
    }
}

impl Key for u8 {
    fn encode(&self, out: &mut KeyBytes) {
        out.push(*self);
    }

    fn decode(bytes: &mut &[u8]) -> Option<Self> {
        take::<1>(bytes).map(|[b]| b)
    }
}

impl Key for u64 {
    fn encode(&self, out: &mut KeyBytes) {
        out.extend_from_slice(&self.to_be_bytes());
    }

    fn decode(bytes: &mut &[u8]) -> Option<Self> {
        take(bytes).map(Self::from_be_bytes)
    }
}

impl Key for Timestamp {
    fn encode(&self, out: &mut KeyBytes) {
        self.as_millis().encode(out);
    }

    fn decode(bytes: &mut &[u8]) -> Option<Self> {
        u64::decode(bytes).map(Self::from_millis)
    }
}

impl<K: Kind> Key for Id<K> {
    fn encode(&self, out: &mut KeyBytes) {
        out.extend_from_slice(self.as_bytes());
    }

    fn decode(bytes: &mut &[u8]) -> Option<Self> {
        take(bytes).map(Self::from_bytes)
    }
}

/// Anonymous 16 bytes, for timers, whose ids are of several kinds.
impl Key for [u8; 16] {
    fn encode(&self, out: &mut KeyBytes) {
        out.extend_from_slice(self);
    }

    fn decode(bytes: &mut &[u8]) -> Option<Self> {
        take(bytes)
    }
}

/// A SHA-256 digest.
impl Key for [u8; 32] {
    fn encode(&self, out: &mut KeyBytes) {
        out.extend_from_slice(self);
    }

    fn decode(bytes: &mut &[u8]) -> Option<Self> {
        take(bytes)
    }
}

/// Takes all that is left: only ever the last part.
impl Key for String {
    fn encode(&self, out: &mut KeyBytes) {
        out.extend_from_slice(self.as_bytes());
    }

    fn decode(bytes: &mut &[u8]) -> Option<Self> {
        let text = Self::from_utf8(bytes.to_vec()).ok()?;
        *bytes = &[];
        Some(text)
    }
}

impl Fixed for u8 {}
impl Fixed for u64 {}
impl Fixed for Timestamp {}
impl<K: Kind> Fixed for Id<K> {}
impl Fixed for [u8; 16] {}
impl Fixed for [u8; 32] {}
impl<A: Fixed, B: Fixed> Fixed for (A, B) {}

impl<A: Fixed, B: Key> Key for (A, B) {
    fn encode(&self, out: &mut KeyBytes) {
        self.0.encode(out);
        self.1.encode(out);
    }

    fn decode(bytes: &mut &[u8]) -> Option<Self> {
        Some((A::decode(bytes)?, B::decode(bytes)?))
    }
}

impl<A: Fixed, B: Fixed, C: Key> Key for (A, B, C) {
    fn encode(&self, out: &mut KeyBytes) {
        self.0.encode(out);
        self.1.encode(out);
        self.2.encode(out);
    }

    fn decode(bytes: &mut &[u8]) -> Option<Self> {
        Some((A::decode(bytes)?, B::decode(bytes)?, C::decode(bytes)?))
    }
}

impl<A: Fixed, B: Fixed, C: Fixed, D: Key> Key for (A, B, C, D) {
    fn encode(&self, out: &mut KeyBytes) {
        self.0.encode(out);
        self.1.encode(out);
        self.2.encode(out);
        self.3.encode(out);
    }

    fn decode(bytes: &mut &[u8]) -> Option<Self> {
        Some((A::decode(bytes)?, B::decode(bytes)?, C::decode(bytes)?, D::decode(bytes)?))
    }
}

/// The first key after every key that begins with `prefix`; `None` when there is none.
pub(super) fn after_prefix(prefix: &[u8]) -> Option<KeyBytes> {
    let mut end = KeyBytes::from_slice(prefix);
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            return Some(end);
        }
    }
    None
}
