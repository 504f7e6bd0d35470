//! Webhooks that networks sent, by which marks a repeat is known, and which wait.

use serde::{Deserialize, Serialize};

use crate::base::HookId;
use crate::domain::hook::Hook;
use crate::store::record::{Global, Row};
use crate::store::schema::Table;

impl Row for Hook {
    type Key = HookId;
    const TABLE: Table = Table::Hooks;
    const VERSION: u8 = 1;
}

impl Global for Hook {}

/// What has this mark was taken in already. Written and removed together with the webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HookMark {
    pub hook: HookId,
}

impl Row for HookMark {
    /// SHA-256 of the network, and of its body or an id of its own.
    type Key = [u8; 32];
    const TABLE: Table = Table::HookMarks;
    const VERSION: u8 = 1;
}

impl Global for HookMark {}

/// Nothing has come of it yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitingHook;

impl Row for WaitingHook {
    type Key = HookId;
    const TABLE: Table = Table::WaitingHooks;
    const VERSION: u8 = 1;
}

impl Global for WaitingHook {}
