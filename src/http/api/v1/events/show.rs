//! Shows one event.

use axum::extract::{FromRequestParts, RawPathParams, State};
use http::request::Parts;
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::{ObjectBuilder, Required, Type};

use super::super::super::problems::ReadProblems;
use crate::base::{Code, Problem};
use crate::domain::access::Manage;
use crate::http::Shared;
use crate::http::answer::Answer;
use crate::http::extract::Authorized;
use crate::http::problem::Refusal;
use crate::service::EventShown;

/// The number of the event that the address names: a malformed one is as good as missing.
pub(in crate::http) struct Numbered(u64);

impl FromRequestParts<Shared> for Numbered {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &Shared) -> Result<Self, Refusal> {
        let missing = || Refusal(Problem::new(Code::NotFound));
        let params = RawPathParams::from_request_parts(parts, &()).await.map_err(|_| missing())?;
        let (_, text) = params.iter().find(|(name, _)| *name == "event").ok_or_else(missing)?;
        text.parse().map(Self).map_err(|_| missing())
    }
}

impl IntoParams for Numbered {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let number = ObjectBuilder::new().schema_type(Type::Integer);
        let number = number.minimum(Some(1)).maximum(Some(9_007_199_254_740_991_i64));
        let parameter = ParameterBuilder::new()
            .name("event")
            .parameter_in(ParameterIn::Path)
            .required(Required::True)
            .description(Some("Number of the event."))
            .schema(Some(number));
        vec![parameter.build()]
    }
}

/// Show an event
#[utoipa::path(
    get,
    path = "/api/v1/workspaces/{workspace}/events/{event}",
    tag = "events",
    params(Authorized<Manage>, Numbered),
    responses((status = 200, description = "The event.", body = EventShown), ReadProblems)
)]
pub async fn show_event(
    State(face): State<Shared>,
    caller: Authorized<Manage>,
    event: Numbered,
) -> Result<Answer, Refusal> {
    Ok(Answer::json(&face.services.event(&caller.access, event.0).await?))
}
