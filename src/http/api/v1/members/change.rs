//! Changes what a member is.

use axum::extract::State;
use serde::{Deserialize, Deserializer};
use utoipa::ToSchema;

use super::super::super::problems::WriteProblems;
use super::super::schemas;
use crate::base::{Problem, kind};
use crate::domain::access::{Grants, Manage};
use crate::http::Shared;
use crate::http::answer::Answer;
use crate::http::extract::{Authorized, Body, IfMatch, Named, Repeatable};
use crate::http::json::{UniqueMap, present};
use crate::http::problem::Refusal;
use crate::service::{MemberChange, MemberShown, words};

/// What changes; fields that are absent stay as they are.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(examples(json!({ "role": "editor" })))]
#[expect(clippy::option_option, reason = "null lifts the limit, absent leaves it")]
pub struct MemberPatch {
    #[serde(default, deserialize_with = "present")]
    #[schema(schema_with = schemas::role)]
    role: Option<String>,
    /// The channels that they are limited to; null for every one. Only viewers and editors are
    /// limited: who becomes more loses the limit.
    #[serde(default, deserialize_with = "channels")]
    #[schema(schema_with = schemas::grants_or_null, required = false)]
    channels: Option<Option<UniqueMap<String>>>,
    /// Whether they get nothing at all until it is taken back.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    suspended: Option<bool>,
}

/// Null is not the same as absent: it lifts the limit.
#[expect(clippy::option_option, reason = "null lifts the limit, absent leaves it")]
fn channels<'de, D: Deserializer<'de>>(
    d: D,
) -> Result<Option<Option<UniqueMap<String>>>, D::Error> {
    Option::deserialize(d).map(Some)
}

fn grants(given: Option<UniqueMap<String>>) -> Result<Grants, Problem> {
    words::grants("channels", given.map(|map| map.0).as_ref())
}

/// Change a member
///
/// Role, channels, suspension: in force with their next request. Nobody gives more than they are,
/// and only an owner makes or unmakes an owner; the last one stays.
#[utoipa::path(
    patch,
    path = "/api/v1/workspaces/{workspace}/members/{user}",
    tag = "members",
    params(Authorized<Manage>, Named<kind::User>, IfMatch, Repeatable),
    request_body = MemberPatch,
    responses(
        (status = 200, description = "The member as they are now.", body = MemberShown,
            headers(("ETag" = String))),
        WriteProblems
    )
)]
pub async fn change_member(
    State(face): State<Shared>,
    caller: Authorized<Manage>,
    user: Named<kind::User>,
    seen: IfMatch,
    body: Body<MemberPatch>,
) -> Result<Answer, Refusal> {
    let (access, patch) = body.of(caller);
    let change = MemberChange {
        role: patch.role.as_deref().map(|word| words::role("role", word)).transpose()?,
        channels: patch.channels.map(grants).transpose()?,
        suspended: patch.suspended,
        revision: seen.0,
    };
    let done = face.services.change_member(access, user.0, change).await?;
    Ok(Answer::json(&done.value).tagged(done.value.revision).replayed(done.replayed))
}
