//! The key codec: a key comes back from its bytes, bytes sort as values, and only a key's bytes are
//! a key.

use std::fmt::Debug;

use carillon::base::{ChannelId, DeliveryId, PostId, Timestamp, WorkspaceId};
use carillon::store::Key;
use carillon::store::rows::TimerKind;

use super::given::Given;

type Scheduled = (Timestamp, PostId);
type Lane = (WorkspaceId, ChannelId, Timestamp, DeliveryId);
type Worded = (WorkspaceId, u8, u64, String);
type Timer = (Timestamp, TimerKind, WorkspaceId, [u8; 16]);

pub fn check(data: &[u8]) {
    let mut given = Given(data);
    let shape = given.byte();
    // Two inputs of which one often is the beginning of the other.
    let half = usize::from(given.byte());
    let (one, two) = given.0.split_at(half.min(given.0.len()));
    match shape % 9 {
        0 => laws::<u8>(one, two),
        1 => laws::<u64>(one, two),
        2 => laws::<String>(one, two),
        3 => laws::<PostId>(one, two),
        4 => laws::<[u8; 32]>(one, two),
        5 => laws::<Scheduled>(one, two),
        6 => laws::<Lane>(one, two),
        7 => laws::<Worded>(one, two),
        _ => laws::<Timer>(one, two),
    }
}

fn laws<K: Key + Ord + Debug>(one: &[u8], two: &[u8]) {
    let keys = [one, two].map(K::from_bytes);
    for (key, bytes) in keys.iter().zip([one, two]) {
        let Some(key) = key else { continue };
        assert_eq!(&*key.to_bytes(), bytes);
    }
    if let [Some(a), Some(b)] = &keys {
        assert_eq!(a.cmp(b), one.cmp(two), "{a:?} {b:?}");
        assert_eq!(a == b, one == two, "{a:?} {b:?}");
    }
    // What follows a key is left for others.
    let both = [one, two].concat();
    let mut left = both.as_slice();
    if let Some(key) = K::decode(&mut left) {
        let used = both.len() - left.len();
        assert_eq!(&*key.to_bytes(), &both[..used]);
    }
}
