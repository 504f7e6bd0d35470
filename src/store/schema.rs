//! The catalogue of tables, one line each. Backup, export, erase and doctor iterate it, so a table
//! that is not here cannot be opened. Rows never leave: a dropped table keeps its name as taken.

use redb::TableDefinition;

use crate::domain::access;
use crate::domain::channel::Channel;
use crate::domain::connection::{App, Connection, Grant};
use crate::domain::cost::Spent;
use crate::domain::delivery::Delivery;
use crate::domain::hook::Hook;
use crate::domain::host::{EmbedSession, Host};
use crate::domain::media::Asset;
use crate::domain::pace::Pace;
use crate::domain::plan::Entitlement;
use crate::domain::post::Post;
use crate::domain::tally::Tally;
use crate::domain::user;
use crate::domain::workspace::{Closing, Erasure, Workspace};

use super::key::Key as _;
use super::record::{self, DecodeError, Row};
use super::rows::{
    access as access_rows, assets, channels, deliveries, events, hooks, hosts, idempotency,
    installation, limits, notices, plans, posts, staged, tallies, timers, users, workspaces,
};

/// The workspace's id, in front of the keys of scoped tables.
const WORKSPACE_BYTES: usize = 16;

/// Names a row of [`CATALOGUE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Table {
    Meta,
    Timers,
    Slugs,
    KeyHashes,
    Feeds,
    Pauses,
    Workspaces,
    WorkspaceKeys,
    Keys,
    Channels,
    Credentials,
    Posts,
    Calendar,
    Deliveries,
    Inflight,
    Attention,
    Published,
    Events,
    Idempotency,
    Assets,
    AssetUses,
    ObjectUses,
    Orphans,
    MediaTotals,
    Preparations,
    AssetHomes,
    Staged,
    Uploads,
    ChannelLimits,
    ServerLimits,
    Entitlements,
    Usage,
    Members,
    Memberships,
    Users,
    Emails,
    Proofs,
    Sessions,
    SessionTokens,
    Links,
    Invitations,
    DoorRules,
    Hosts,
    HostKeys,
    HostedUsers,
    HostedWorkspaces,
    EmbedSessions,
    EmbedTokens,
    Tallies,
    Judged,
    Closings,
    Costs,
    Apps,
    Connections,
    Grants,
    Administrators,
    Erasures,
    AlertMarks,
    Told,
    Paces,
    ToldAlerts,
    OpenAlerts,
    BackupTests,
    Incidents,
    KeyUses,
    Identities,
    Hooks,
    HookMarks,
    WaitingHooks,
}

/// Whose data a table holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Every key begins with a workspace id.
    Scoped,
    /// The installation's; ids only.
    Global,
}

pub struct TableRow {
    pub table: Table,
    pub name: &'static str,
    pub class: Class,
    /// Its keys come in no order of time, so each change would cost a page of its own: they go
    /// through the stage.
    pub scattered: bool,
    pub about: &'static str,
    check: fn(&[u8], &[u8]) -> Result<(), DecodeError>,
}

/// The row of the table that `R` is stored in.
const fn row<R: Row>(name: &'static str, class: Class, about: &'static str) -> TableRow {
    TableRow { table: R::TABLE, name, class, scattered: false, about, check: check::<R> }
}

fn check<R: Row>(key: &[u8], value: &[u8]) -> Result<(), DecodeError> {
    R::Key::from_bytes(key).ok_or(DecodeError::Malformed)?;
    record::decode::<R>(value).map(drop)
}

impl TableRow {
    const fn scattered(self) -> Self {
        Self { scattered: true, ..self }
    }

    /// Whether these are a key and a record of this table, as this program would write them.
    pub fn check(&self, key: &[u8], value: &[u8]) -> Result<(), DecodeError> {
        let own = match self.class {
            Class::Scoped => key.get(WORKSPACE_BYTES..).ok_or(DecodeError::Malformed)?,
            Class::Global => key,
        };
        (self.check)(own, value)
    }
}

use Class::{Global, Scoped};

/// Every table, in the order of [`Table`].
#[rustfmt::skip]
pub const CATALOGUE: &[TableRow] = &[
    row::<installation::Meta>("meta", Global, "schema, boot epoch, number of the last batch"),
    row::<timers::Timer>("timers", Global, "(due, kind, workspace, id): what must be looked at, and when").scattered(),
    row::<workspaces::Slug>("slugs", Global, "slug -> workspace"),
    row::<access_rows::KeyHash>("key_hashes", Global, "hash of an API key -> workspace and key"),
    row::<channels::Feed>("feeds", Global, "public feed -> workspace"),
    row::<installation::Pause>("pauses", Global, "everything, or a network, paused"),
    row::<Workspace>("workspaces", Scoped, "() -> the workspace itself"),
    row::<workspaces::WrappedKey>("workspace_keys", Scoped, "() -> wrapped data key"),
    row::<access::Key>("keys", Scoped, "API keys, without their secrets"),
    row::<Channel>("channels", Scoped, "connected accounts"),
    row::<channels::SealedCredential>("credentials", Scoped, "channel -> sealed credential"),
    row::<Post>("posts", Scoped, "posts, in order of making"),
    row::<posts::CalendarEntry>("calendar", Scoped, "(due, post)").scattered(),
    row::<Delivery>("deliveries", Scoped, "deliveries, in order of making"),
    row::<deliveries::Inflight>("inflight", Scoped, "(channel, delivery) while it may be out and is not held: the lane's lock").scattered(),
    row::<deliveries::Attention>("attention", Scoped, "deliveries that are held, partial or failed"),
    row::<deliveries::PublishedEntry>("published", Scoped, "(channel, time, delivery)").scattered(),
    row::<events::ChainedEvent>("events", Scoped, "sequence -> event, hash-chained"),
    row::<idempotency::Remembered>("idempotency", Scoped, "hash of an Idempotency-Key -> what it made").scattered(),
    row::<Asset>("assets", Scoped, "uploaded files, in order of making"),
    row::<assets::AssetUse>("asset_uses", Scoped, "(asset, post) while the post names it"),
    row::<assets::ObjectUse>("object_uses", Scoped, "(hash, asset) while the asset needs the object"),
    row::<assets::Orphan>("orphans", Global, "(due, workspace, hash): objects that may be removed then"),
    row::<assets::MediaTotal>("media_totals", Scoped, "() -> number and bytes of assets"),
    row::<assets::Preparation>("preparations", Scoped, "delivery -> what its network noted while preparing"),
    row::<assets::AssetHome>("asset_homes", Global, "asset -> workspace, for signed addresses"),
    row::<staged::Staged>("staged", Global, "(batch, part) -> changes of scattered tables that are not there yet"),
    row::<assets::Upload>("uploads", Scoped, "files that come in stretches, by the asset that each becomes"),
    row::<limits::ChannelLimits>("channel_limits", Scoped, "channel -> until when its network takes no more calls"),
    row::<limits::ServerLimits>("server_limits", Global, "network/server -> the same, for all its channels"),
    row::<Entitlement>("entitlements", Scoped, "() -> its plan, and what it has instead of what the plan says"),
    row::<plans::Usage>("usage", Scoped, "month -> posts that count in it").scattered(),
    row::<access::Member>("members", Scoped, "user -> role, channels, whether suspended"),
    row::<access_rows::Membership>("memberships", Global, "(user, workspace) while the user is a member there"),
    row::<user::User>("users", Global, "people, in order of their making"),
    row::<users::Email>("emails", Global, "e-mail -> user"),
    row::<user::Proofs>("proofs", Global, "user -> hash of the password, sealed authenticator, hashes of recovery codes"),
    row::<user::Session>("sessions", Global, "(user, session): where somebody is signed in"),
    row::<users::SessionToken>("session_tokens", Global, "hash of a session's token -> user and session"),
    row::<users::Link>("links", Global, "hash of a link's token -> what it does once"),
    row::<user::Invitation>("invitations", Scoped, "invitations, in order of making"),
    row::<user::DoorRule>("door_rules", Scoped, "() -> what the workspace asks of people"),
    row::<Host>("hosts", Global, "products that embed this installation, without their keys"),
    row::<hosts::HostKey>("host_keys", Global, "hash of a host's key -> host"),
    row::<hosts::HostedUser>("hosted_users", Global, "(host, the host's name) -> user whom it made"),
    row::<hosts::HostedWorkspace>("hosted_workspaces", Global, "(host, the host's name) -> workspace that it made"),
    row::<EmbedSession>("embed_sessions", Global, "pages inside hosts, in order of making"),
    row::<hosts::EmbedToken>("embed_tokens", Global, "hash of a page's bearer -> its session"),
    row::<Tally>("tallies", Scoped, "what is counted, and for whom -> how often lately"),
    row::<tallies::Judged>("judged", Scoped, "() -> the last event that was looked at for what is suspicious"),
    row::<Closing>("closings", Scoped, "() -> when a workspace that was deleted is erased"),
    row::<Spent>("costs", Scoped, "(month, network) -> what was spent there"),
    row::<App>("apps", Global, "network -> this installation as an application there, its secret sealed"),
    row::<Connection>("connections", Scoped, "accounts that are being connected, in order of making"),
    row::<Grant>("grants", Scoped, "channel -> what its account has granted, and until when"),
    row::<users::Administers>("administrators", Global, "users who may change what is the whole installation's"),
    row::<Erasure>("erasures", Global, "workspace that was erased -> when, and how much"),
    row::<installation::AlertMark>("alert_marks", Global, "alert -> who acknowledged or silenced it"),
    row::<notices::Told>("told", Scoped, "() -> the last event that people were written to about, and who is owed that"),
    row::<Pace>("paces", Scoped, "channel -> posts of this hour, and the most of an hour in 30 days"),
    row::<notices::ToldAlert>("told_alerts", Global, "alert -> when the administrators were written to about it"),
    row::<installation::OpenAlert>("open_alerts", Global, "alert -> since when it is open, and what operators say of it"),
    row::<installation::BackupTest>("backup_tests", Global, "backup -> what came of restoring it for trial"),
    row::<installation::Incident>("incidents", Global, "what, and of what -> something wrong that does not show by itself"),
    row::<access_rows::KeyUse>("key_uses", Scoped, "API key -> when it was last used, to the hour"),
    row::<users::IdentityHolder>("identities", Global, "hash of issuer and subject -> user, for sign-in at an identity provider"),
    row::<Hook>("hooks", Global, "webhooks that networks sent, in order of coming"),
    row::<hooks::HookMark>("hook_marks", Global, "digest of a body, or of an id in one -> the webhook, so that a repeat is known").scattered(),
    row::<hooks::WaitingHook>("waiting_hooks", Global, "webhooks of which nothing has come yet"),
];

impl Table {
    pub fn row(self) -> &'static TableRow {
        // A test holds the catalogue to the order of the enum.
        CATALOGUE.get(self as usize).unwrap_or(&CATALOGUE[0])
    }

    /// The table of this name in the catalogue.
    pub fn named(name: &str) -> Option<Self> {
        CATALOGUE.iter().find(|row| row.name == name).map(|row| row.table)
    }

    /// How the log of the stage names it: its line in the catalogue.
    pub(super) fn number(self) -> u8 {
        self as u8
    }

    pub(super) fn of_number(number: u8) -> Option<Self> {
        CATALOGUE.get(usize::from(number)).map(|row| row.table)
    }

    pub(super) fn definition(self) -> TableDefinition<'static, &'static [u8], &'static [u8]> {
        TableDefinition::new(self.row().name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalogue_stands_in_the_order_of_its_tables() {
        for (i, row) in CATALOGUE.iter().enumerate() {
            assert_eq!(row.table as usize, i, "{}", row.name);
        }
        assert_eq!(CATALOGUE.len(), Table::WaitingHooks as usize + 1);
    }
}
