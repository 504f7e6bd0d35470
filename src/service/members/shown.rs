//! The shape of members, keys and their grants, for every face.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use crate::base::{ChannelId, Net};
use crate::domain::access::{ChannelGrant, Grants, Member};

/// Somebody who belongs to the workspace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct MemberShown {
    #[schema(format = "uuid")]
    pub user: String,
    /// Grows with every change; the `ETag`.
    pub revision: u64,
    /// viewer, editor, admin or owner.
    pub role: String,
    /// What they may do on the channels that they are limited to; null for every one.
    #[schema(value_type = Option<BTreeMap<String, String>>)]
    pub channels: Option<BTreeMap<String, &'static str>>,
    pub joined_at: String,
    /// Since when they get nothing at all.
    pub suspended_at: Option<String>,
}

pub(super) fn member(member: &Member) -> MemberShown {
    MemberShown {
        user: member.user.to_string(),
        revision: member.revision,
        role: member.role.word().to_owned(),
        channels: grants(&member.channels),
        joined_at: member.joined_at.to_string(),
        suspended_at: member.suspended_at.map(|at| at.to_string()),
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct KeyShown {
    #[schema(format = "uuid")]
    pub id: String,
    pub name: String,
    pub scopes: Vec<String>,
    pub created_at: String,
    /// When it was last used, to the hour: it may have been used for an hour from then. Null when it
    /// never was.
    pub last_used_at: Option<String>,
    pub expires_at: Option<String>,
    pub revoked_at: Option<String>,
    /// What it may do on the channels that it is limited to; null for every one.
    #[schema(value_type = Option<BTreeMap<String, String>>)]
    pub channels: Option<BTreeMap<String, &'static str>>,
    /// The addresses, and blocks of them, that it is limited to; null for everywhere.
    pub addresses: Option<Vec<String>>,
    /// The key itself: shown when it is made, and never again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// By the id of a channel; `None` for every one.
pub(in crate::service) fn grants(grants: &Grants) -> Option<BTreeMap<String, &'static str>> {
    let Grants::Only(channels) = grants else { return None };
    let shown = |(channel, grant): (&ChannelId, &ChannelGrant)| (channel.to_string(), grant.word());
    Some(channels.iter().map(shown).collect())
}

/// `None` for everywhere.
pub(in crate::service) fn addresses(nets: &[Net]) -> Option<Vec<String>> {
    (!nets.is_empty()).then(|| nets.iter().map(Net::to_string).collect())
}
