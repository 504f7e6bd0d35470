//! The headers of tus, read strictly.

use axum::extract::FromRequestParts;
use http::request::Parts;
use http::{HeaderMap, HeaderName};
use utoipa::IntoParams;
use utoipa::openapi::ObjectBuilder;
use utoipa::openapi::Type;
use utoipa::openapi::path::{Parameter, ParameterIn};

use super::{LENGTH, METADATA, OFFSET, RESUMABLE, TUS};
use crate::base::{Code, Problem};
use crate::http::Shared;
use crate::http::extract::{bad_header, header_parameter, only};
use crate::http::problem::Refusal;

/// Digits of the largest number.
const DIGITS: usize = 19;
/// The server takes no more headers than 32 KiB.
const METADATA_CHARS: usize = 16_384;

fn number(headers: &HeaderMap, name: &HeaderName) -> Result<u64, Refusal> {
    let text = only(headers, name)?.unwrap_or_default();
    let digits = text.len() <= DIGITS && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|_| digits);
    number.ok_or_else(|| bad_header(name, "a number of bytes"))
}

fn digits() -> ObjectBuilder {
    let pattern = format!("^[0-9]{{1,{DIGITS}}}$");
    ObjectBuilder::new().schema_type(Type::String).max_length(Some(DIGITS)).pattern(Some(pattern))
}

/// The caller speaks this version.
pub(in crate::http) struct Tus;

impl FromRequestParts<Shared> for Tus {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &Shared) -> Result<Self, Refusal> {
        match parts.headers.get(RESUMABLE) {
            Some(version) if version == TUS => Ok(Self),
            _ => Err(Refusal(Problem::new(Code::TusVersion))),
        }
    }
}

impl IntoParams for Tus {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let schema = ObjectBuilder::new().schema_type(Type::String).max_length(Some(TUS.len()));
        let about = "The version of the protocol: 1.0.0.";
        vec![header_parameter("Tus-Resumable", about, schema)]
    }
}

/// Where the stretch begins.
pub(in crate::http) struct Offset(pub u64);

impl FromRequestParts<Shared> for Offset {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &Shared) -> Result<Self, Refusal> {
        number(&parts.headers, &OFFSET).map(Self)
    }
}

impl IntoParams for Offset {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let about = "Where the stretch begins: how much is there.";
        vec![header_parameter("Upload-Offset", about, digits())]
    }
}

/// What is to come.
pub(in crate::http) struct Announced {
    pub bytes: u64,
    pub metadata: String,
}

impl FromRequestParts<Shared> for Announced {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &Shared) -> Result<Self, Refusal> {
        let metadata = only(&parts.headers, &METADATA)?.unwrap_or_default();
        if metadata.len() > METADATA_CHARS {
            let expected = format!("at most {METADATA_CHARS} characters");
            return Err(bad_header(&METADATA, &expected));
        }
        let bytes = number(&parts.headers, &LENGTH)?;
        Ok(Self { bytes, metadata: metadata.to_owned() })
    }
}

impl IntoParams for Announced {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let about = "Names, each with a value in base64: `filename`, `filetype`, `alt`.";
        let schema = ObjectBuilder::new().schema_type(Type::String);
        let schema = schema.max_length(Some(METADATA_CHARS));
        vec![
            header_parameter("Upload-Length", "Bytes of the whole file.", digits()),
            header_parameter("Upload-Metadata", about, schema),
        ]
    }
}
