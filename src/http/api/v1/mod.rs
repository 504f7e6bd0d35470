//! Version 1: a folder per resource, a file per operation.

pub mod approvals;
pub mod apps;
pub mod channels;
pub mod connections;
pub mod deliveries;
pub mod embed;
pub mod events;
pub mod hooks;
pub mod hosted;
pub mod invitations;
pub mod keys;
pub mod me;
pub mod media;
pub mod members;
pub mod networks;
pub mod passwords;
pub mod plan;
pub mod posts;
mod schemas;
pub mod security;
pub mod sessions;
mod texts;
pub mod workspaces;

use serde::Deserialize;
use utoipa::IntoParams;

use crate::http::json::present;

/// Which page of a list.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Paging {
    /// Rows of the page.
    #[serde(default, deserialize_with = "present")]
    #[param(value_type = u32, required = false, minimum = 1, maximum = 200, default = 50)]
    limit: Option<String>,
    /// `next` of the page before.
    #[serde(default, deserialize_with = "present")]
    #[param(nullable = false, max_length = 64)]
    cursor: Option<String>,
}
