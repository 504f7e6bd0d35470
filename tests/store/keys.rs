//! Laws of the key codec, for every key type in `store::rows` and for what they are made of: a key
//! comes back from its bytes, bytes sort as values, and nothing but a key's bytes is a key.

use std::fmt::Debug;

use carillon::base::{ChannelId, DeliveryId, KeyId, PostId, Timestamp, WorkspaceId};
use carillon::store::Key;
use carillon::store::rows::TimerKind;
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_oneof};

use crate::rig::{run, wide_id};

const CASES: u32 = 1_000;

/// Whether some beginnings of this key are keys too, as with text.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Width {
    Fixed,
    Open,
}

/// Holds pairs of keys to the laws.
fn laws<K: Key + Ord + Debug + Clone>(width: Width, keys: impl Strategy<Value = K>) {
    run(CASES, &vec(keys, 2), |pair| {
        let (a, b) = (&pair[0], &pair[1]);
        let bytes = a.to_bytes();
        assert_eq!(K::from_bytes(&bytes).as_ref(), Some(a));
        assert_eq!(bytes.cmp(&b.to_bytes()), a.cmp(b), "{a:?} {b:?}");
        if width == Width::Fixed {
            assert_eq!(bytes.len(), b.to_bytes().len());
            let longer = [bytes.as_slice(), &[0]].concat();
            assert_eq!(K::from_bytes(&longer), None);
            for end in 0..bytes.len() {
                assert_eq!(K::from_bytes(&bytes[..end]), None);
            }
        }
    });
}

/// Whatever bytes are a key are the bytes of that key.
fn is_exact<K: Key>() {
    run(CASES, &vec(any::<u8>(), 0..80), |bytes| {
        if let Some(key) = K::from_bytes(&bytes) {
            assert_eq!(key.to_bytes().into_vec(), bytes);
        }
    });
}

/// Numbers, the edges more often.
fn number() -> impl Strategy<Value = u64> {
    let edges = [0, 1, 255, 256, u64::from(u32::MAX), u64::MAX - 1, u64::MAX];
    prop_oneof![any::<u64>(), proptest::sample::select(edges.to_vec())]
}

fn time() -> impl Strategy<Value = Timestamp> {
    number().prop_map(Timestamp::from_millis)
}

fn digest() -> impl Strategy<Value = [u8; 32]> {
    prop_oneof![any::<[u8; 32]>(), Just([0; 32]), Just([255; 32])]
}

/// Texts in which one is often the beginning of another.
fn text() -> impl Strategy<Value = String> {
    let some = ['\0', 'a', 'b', '\u{7f}', '\u{80}', '\u{ffff}', '\u{10ffff}'];
    let one = prop_oneof![
        3 => proptest::sample::select(some.to_vec()),
        1 => any::<char>(),
    ];
    vec(one, 0..6).prop_map(String::from_iter)
}

#[test]
fn the_parts_of_keys_keep_the_laws() {
    laws(Width::Fixed, Just(()));
    laws(Width::Fixed, any::<u8>());
    laws(Width::Fixed, number());
    laws(Width::Fixed, time());
    laws(Width::Fixed, any::<[u8; 16]>());
    laws(Width::Fixed, digest());
    laws(Width::Fixed, Just(TimerKind::Delivery));
    laws(Width::Open, text());
}

#[test]
fn the_keys_of_all_tables_keep_the_laws() {
    laws::<WorkspaceId>(Width::Fixed, wide_id());
    laws::<KeyId>(Width::Fixed, wide_id());
    laws::<ChannelId>(Width::Fixed, wide_id());
    laws::<PostId>(Width::Fixed, wide_id());
    laws::<DeliveryId>(Width::Fixed, wide_id());
    laws::<(Timestamp, PostId)>(Width::Fixed, (time(), wide_id()));
    laws::<(ChannelId, DeliveryId)>(Width::Fixed, (wide_id(), wide_id()));
    laws::<(ChannelId, Timestamp, DeliveryId)>(Width::Fixed, (wide_id(), time(), wide_id()));
    laws(Width::Fixed, timer_parts());
    laws::<(WorkspaceId, ChannelId, Timestamp, DeliveryId)>(
        Width::Fixed,
        (wide_id(), wide_id(), time(), wide_id()),
    );
}

#[test]
fn text_at_the_end_of_a_key_sorts_as_text() {
    laws::<(WorkspaceId, String)>(Width::Open, (wide_id(), text()));
    laws::<(WorkspaceId, u64, String)>(Width::Open, (wide_id(), number(), text()));
    laws::<(WorkspaceId, u8, u64, String)>(Width::Open, (wide_id(), any::<u8>(), number(), text()));
}

#[test]
fn only_the_bytes_of_a_key_are_a_key() {
    is_exact::<()>();
    is_exact::<u8>();
    is_exact::<u64>();
    is_exact::<[u8; 32]>();
    is_exact::<String>();
    is_exact::<PostId>();
    is_exact::<Timer>();
    is_exact::<(Timestamp, PostId)>();
    is_exact::<(ChannelId, Timestamp, DeliveryId)>();
    is_exact::<(WorkspaceId, u8, u64, String)>();
}

type Timer = (Timestamp, TimerKind, WorkspaceId, [u8; 16]);

/// Timers as their parts; a timer itself cannot be made without a scope.
fn timer_parts() -> impl Strategy<Value = Timer> {
    (time(), Just(TimerKind::Delivery), wide_id(), any::<[u8; 16]>())
}

#[test]
fn a_timer_of_an_unknown_kind_is_none() {
    let parts: Timer = (Timestamp::MAX, TimerKind::Delivery, crate::rig::id(1), [1; 16]);
    let mut bytes = parts.to_bytes();
    for kind in (0..=255).filter(|kind| *kind != 1) {
        bytes[8] = kind;
        assert_eq!(<Timer as Key>::from_bytes(&bytes), None);
    }
}
