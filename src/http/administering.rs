//! What handlers take that change what is the whole installation's: an administrator, and the network
//! that the address names. Must not lead into a workspace.

use axum::extract::{FromRequestParts, RawPathParams};
use http::Method;
use http::request::Parts;
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::{ObjectBuilder, Required, Type};

use super::Shared;
use super::extract::Caller;
use super::problem::Refusal;
use crate::base::{Code, Problem};
use crate::networks;
use crate::service;

/// A person who administers the installation, by a session of their own. What changes something
/// takes a fresh proof that it is them.
pub(super) struct Administrator(pub service::Administrator);

impl FromRequestParts<Shared> for Administrator {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, face: &Shared) -> Result<Self, Refusal> {
        let Caller { principal, correlation } = Caller::from_request_parts(parts, face).await?;
        let changes = ![Method::GET, Method::HEAD].contains(&parts.method);
        Ok(Self(face.services.administrator(&principal, changes, correlation).await?))
    }
}

const NETWORK: &str = "network";

/// A network that asks for an application: another one is as good as missing.
pub(super) struct WithApp(pub &'static str);

impl FromRequestParts<Shared> for WithApp {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &Shared) -> Result<Self, Refusal> {
        let missing = || Refusal(Problem::new(Code::NotFound));
        let params = RawPathParams::from_request_parts(parts, &()).await.map_err(|_| missing())?;
        let (_, word) = params.iter().find(|(name, _)| *name == NETWORK).ok_or_else(missing)?;
        let network = networks::named(word).filter(|network| network.oauth().is_some());
        network.map(|network| Self(network.word())).ok_or_else(missing)
    }
}

impl IntoParams for WithApp {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let known = networks::REGISTRY.iter().filter(|network| network.oauth().is_some());
        let known: Vec<&str> = known.map(|network| network.word()).collect();
        let schema = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(known));
        let network = ParameterBuilder::new()
            .name(NETWORK)
            .parameter_in(ParameterIn::Path)
            .required(Required::True)
            .description(Some("The network's word."))
            .schema(Some(schema))
            .build();
        vec![network]
    }
}
