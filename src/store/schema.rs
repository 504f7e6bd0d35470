//! The catalogue of tables, one line each. Backup, export, erase and doctor iterate it, so a table
//! that is not here cannot be opened. Rows never leave: a dropped table keeps its name as taken.

use redb::TableDefinition;

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
    pub about: &'static str,
}

const fn row(table: Table, name: &'static str, class: Class, about: &'static str) -> TableRow {
    TableRow {
        table,
        name,
        class,
        about,
    }
}

use Class::{Global, Scoped};

/// Every table, in the order of [`Table`].
#[rustfmt::skip]
pub const CATALOGUE: &[TableRow] = &[
    row(Table::Meta, "meta", Global, "schema, boot epoch, number of the last batch"),
    row(Table::Timers, "timers", Global, "(due, kind, workspace, id): what must be looked at, and when"),
    row(Table::Slugs, "slugs", Global, "slug -> workspace"),
    row(Table::KeyHashes, "key_hashes", Global, "hash of an API key -> workspace and key"),
    row(Table::Feeds, "feeds", Global, "public feed -> workspace"),
    row(Table::Pauses, "pauses", Global, "everything, or a network, paused"),
    row(Table::Workspaces, "workspaces", Scoped, "() -> the workspace itself"),
    row(Table::WorkspaceKeys, "workspace_keys", Scoped, "() -> wrapped data key"),
    row(Table::Keys, "keys", Scoped, "API keys, without their secrets"),
    row(Table::Channels, "channels", Scoped, "connected accounts"),
    row(Table::Credentials, "credentials", Scoped, "channel -> sealed credential"),
    row(Table::Posts, "posts", Scoped, "posts, in order of making"),
    row(Table::Calendar, "calendar", Scoped, "(due, post)"),
    row(Table::Deliveries, "deliveries", Scoped, "deliveries, in order of making"),
    row(Table::Inflight, "inflight", Scoped, "(channel, delivery) while armed or unknown: the lane's lock"),
    row(Table::Attention, "attention", Scoped, "deliveries that are held, partial or failed"),
    row(Table::Published, "published", Scoped, "(channel, time, delivery)"),
    row(Table::Events, "events", Scoped, "sequence -> event, hash-chained"),
    row(Table::Idempotency, "idempotency", Scoped, "hash of an Idempotency-Key -> what it made"),
];

impl Table {
    pub fn row(self) -> &'static TableRow {
        // A test holds the catalogue to the order of the enum.
        CATALOGUE.get(self as usize).unwrap_or(&CATALOGUE[0])
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
        assert_eq!(CATALOGUE.len(), Table::Idempotency as usize + 1);
    }
}
