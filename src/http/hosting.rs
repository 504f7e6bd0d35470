//! What handlers for hosts take: the host by its key, and the host's own name for a workspace. Must
//! not take any other key, and no other handler takes a host's.

use axum::extract::{FromRequestParts, RawPathParams};
use http::request::Parts;
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::{ObjectBuilder, Required, Type};

use super::Shared;
use super::extract::{Correlation, bearer, count, note};
use super::problem::Refusal;
use crate::base::{Code, Problem, limits};
use crate::domain::access::Right;
use crate::service::{Access, AsHost, Bearer};

/// A host with a live key.
pub(super) struct HostCaller(pub AsHost);

impl FromRequestParts<Shared> for HostCaller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, face: &Shared) -> Result<Self, Refusal> {
        let Correlation(correlation) = Correlation::from_request_parts(parts, face).await?;
        let key = bearer(&parts.headers).ok_or_else(|| Problem::new(Code::Unauthenticated))?;
        let host = face.services.as_host(key, correlation)?;
        if note(parts, Bearer::Host(host.id()))? {
            count(face, Bearer::Host(host.id()))?;
        }
        Ok(Self(host))
    }
}

/// A host, in a workspace that it made.
pub(super) struct Hosted<R: Right>(pub Access<R>);

impl<R: Right> FromRequestParts<Shared> for Hosted<R> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, face: &Shared) -> Result<Self, Refusal> {
        let HostCaller(host) = HostCaller::from_request_parts(parts, face).await?;
        let missing = || Refusal(Problem::new(Code::NotFound));
        let params = RawPathParams::from_request_parts(parts, &()).await.map_err(|_| missing())?;
        let named = params.iter().find(|(name, _)| *name == EXTERNAL);
        let (_, external) = named.ok_or_else(missing)?;
        if external.chars().count() > limits::EXTERNAL_ID_CHARS {
            return Err(missing());
        }
        Ok(Self(face.services.hosted(&host, external).await?))
    }
}

const EXTERNAL: &str = "external";

impl<R: Right> IntoParams for Hosted<R> {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let schema = ObjectBuilder::new()
            .schema_type(Type::String)
            .min_length(Some(1))
            .max_length(Some(limits::EXTERNAL_ID_CHARS));
        let external = ParameterBuilder::new()
            .name(EXTERNAL)
            .parameter_in(ParameterIn::Path)
            .required(Required::True)
            .description(Some("The host's own name for the workspace."))
            .schema(Some(schema))
            .build();
        vec![external]
    }
}
