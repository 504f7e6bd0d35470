//! Stored records: whatever bytes decode are the bytes of that record again, or of one equal to it;
//! nothing else than an error comes of the others.

use carillon::domain::access::{Key, Member};
use carillon::domain::channel::Channel;
use carillon::domain::connection::{App, Connection, Grant};
use carillon::domain::cost::Spent;
use carillon::domain::delivery::Delivery;
use carillon::domain::hook::Hook;
use carillon::domain::host::{EmbedSession, Host};
use carillon::domain::media::Asset;
use carillon::domain::pace::Pace;
use carillon::domain::plan::Entitlement;
use carillon::domain::post::Post;
use carillon::domain::tally::Tally;
use carillon::domain::user::{DoorRule, Invitation, Proofs, Session, User};
use carillon::domain::workspace::{Closing, Erasure, Workspace};
use carillon::store::rows::{
    Administers, AlertMark, AssetHome, AssetUse, Attention, BackupTest, CalendarEntry,
    ChainedEvent, ChannelLimits, Email, EmbedToken, Feed, HookMark, HostKey, HostedUser,
    HostedWorkspace, IdentityHolder, Incident, Inflight, Judged, KeyHash, KeyUse, Link, MediaTotal,
    Membership, Meta, ObjectUse, OpenAlert, Orphan, Pause, Preparation, PublishedEntry, Remembered,
    SealedCredential, ServerLimits, SessionToken, Slug, Staged, Timer, Told, ToldAlert, Upload,
    Usage, WaitingHook, WrappedKey,
};
use carillon::store::{Row, Table, decode, encode};

/// Decodes, and encodes what it got.
type Again = fn(&[u8]) -> Option<Vec<u8>>;

fn row<R: Row>() -> (Table, Again) {
    (R::TABLE, |bytes| decode::<R>(bytes).ok().map(|row| encode(&row).unwrap()))
}

/// Every kind of record; tests/fuzz holds the list to the catalogue of tables.
pub fn all() -> Vec<(Table, Again)> {
    vec![
        row::<Meta>(),
        row::<Timer>(),
        row::<Slug>(),
        row::<KeyHash>(),
        row::<Feed>(),
        row::<Pause>(),
        row::<Workspace>(),
        row::<WrappedKey>(),
        row::<Key>(),
        row::<Channel>(),
        row::<SealedCredential>(),
        row::<Post>(),
        row::<CalendarEntry>(),
        row::<Delivery>(),
        row::<Inflight>(),
        row::<Attention>(),
        row::<PublishedEntry>(),
        row::<ChainedEvent>(),
        row::<Remembered>(),
        row::<Asset>(),
        row::<AssetUse>(),
        row::<ObjectUse>(),
        row::<Orphan>(),
        row::<MediaTotal>(),
        row::<Preparation>(),
        row::<AssetHome>(),
        row::<Staged>(),
        row::<Upload>(),
        row::<ChannelLimits>(),
        row::<ServerLimits>(),
        row::<Entitlement>(),
        row::<Usage>(),
        row::<Member>(),
        row::<Membership>(),
        row::<User>(),
        row::<Email>(),
        row::<Proofs>(),
        row::<Session>(),
        row::<SessionToken>(),
        row::<Link>(),
        row::<Invitation>(),
        row::<DoorRule>(),
        row::<Host>(),
        row::<HostKey>(),
        row::<HostedUser>(),
        row::<HostedWorkspace>(),
        row::<EmbedSession>(),
        row::<EmbedToken>(),
        row::<Tally>(),
        row::<Judged>(),
    ]
    .into_iter()
    .chain(later())
    .collect()
}

/// Those that came after accounts and suspicion.
fn later() -> Vec<(Table, Again)> {
    vec![
        row::<Closing>(),
        row::<Spent>(),
        row::<App>(),
        row::<Connection>(),
        row::<Grant>(),
        row::<Administers>(),
        row::<Erasure>(),
        row::<AlertMark>(),
        row::<Told>(),
        row::<Pace>(),
        row::<ToldAlert>(),
        row::<OpenAlert>(),
        row::<BackupTest>(),
        row::<Incident>(),
        row::<KeyUse>(),
        row::<IdentityHolder>(),
        row::<Hook>(),
        row::<HookMark>(),
        row::<WaitingHook>(),
    ]
}

/// Values inside a record may have more than one form in bytes (numbers with leading zeroes), so
/// a second reading is what must agree.
pub fn check(data: &[u8]) {
    let Some((which, bytes)) = data.split_first() else { return };
    let all = all();
    let (table, again) = all[usize::from(*which) % all.len()];
    let Some(canonical) = again(bytes) else { return };
    assert_eq!(again(&canonical).as_ref(), Some(&canonical), "{table:?}");
    // One of an older version may have less in it.
    let older = bytes.first() != canonical.first();
    assert!(older || canonical.len() <= bytes.len(), "{table:?} grows");
    let longer = [canonical.as_slice(), &[0]].concat();
    assert_eq!(again(&longer), None, "{table:?} with a byte behind it");
}
