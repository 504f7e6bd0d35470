//! What handlers take: who asks and with which right, ids, parameters, bodies. Each says in the
//! `OpenAPI` document what it reads. Must not be bypassed: a handler sees a workspace only so.

use axum::body::Body as RawBody;
use axum::extract::{FromRequest, FromRequestParts, RawPathParams, Request};
use bytes::{Bytes, BytesMut};
use futures_util::FutureExt as _;
use futures_util::future::{Either, select};
use http::header::{
    AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, IF_MATCH, IF_NONE_MATCH, ORIGIN,
};
use http::request::Parts;
use http::{HeaderMap, Method};
use http_body_util::BodyExt;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::{ObjectBuilder, Required, SchemaFormat, Type};

use super::around::Asked;
use super::problem::Refusal;
use super::visitor::{address, country, sure_address};
use super::{Face, Shared, json};
use crate::base::{Code, CorrelationId, Id, Kind, Problem, WorkspaceId, Wrong, kind, limits};
use crate::domain::access::Right;
use crate::service::{Access, Bearer, Principal, Repeat, Whence};

pub(super) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Somebody with a live key or session.
pub(super) struct Caller {
    pub principal: Principal,
    pub correlation: CorrelationId,
}

impl FromRequestParts<Shared> for Caller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, face: &Shared) -> Result<Self, Refusal> {
        let secret = bearer(&parts.headers).ok_or_else(|| Problem::new(Code::Unauthenticated))?;
        let origin = only(&parts.headers, &ORIGIN)?;
        let correlation = asked(parts)?.correlation;
        let whence = Whence { origin, address: sure_address(parts, face), correlation };
        let principal = face.services.authenticate(secret, whence).await?;
        if note(parts, principal.bearer())? {
            count(face, principal.bearer())?;
            if comes_from_elsewhere(parts, face, principal.bearer()) {
                face.services.note_place(&principal, None, correlation).await?;
            }
            look_where_from(parts, face, &principal).await?;
        }
        Ok(Self { principal, correlation })
    }
}

/// Says in the log who asks. Whether it is the first to find out: that one counts.
pub(super) fn note(parts: &Parts, bearer: Bearer) -> Result<bool, Problem> {
    Ok(asked(parts)?.bearer.set(bearer).is_ok())
}

/// Holds a key, a person or a host to the rate of one.
pub(super) fn count(face: &Face, bearer: Bearer) -> Result<(), Problem> {
    if face.limits.counts(bearer, face.services.clock.monotonic()) {
        return Ok(());
    }
    face.services.metrics.http_refused("rate");
    Err(Problem::new(Code::RateLimited).with("limit_per_second", face.settings.key_rate))
}

/// Whether it is a key that came from other networks until now.
fn comes_from_elsewhere(parts: &Parts, face: &Face, bearer: Bearer) -> bool {
    let Bearer::Key(key) = bearer else { return false };
    let now = face.services.clock.monotonic();
    address(parts, face).is_some_and(|ip| face.limits.networks.is_another(key, ip, now))
}

/// Notes that somebody comes from a country that they never came from, where a proxy of ours says so.
pub(super) async fn look_where_from(
    parts: &Parts,
    face: &Face,
    principal: &Principal,
) -> Result<(), Problem> {
    let Some(country) = country(parts, face) else { return Ok(()) };
    if !face.limits.countries.is_another(principal.bearer(), country) {
        return Ok(());
    }
    let word = str::from_utf8(&country).ok();
    face.services.note_place(principal, word, asked(parts)?.correlation).await
}

/// Somebody who may do what right `R` allows in the workspace that the address names. A request
/// with an `Idempotency-Key` and no body can be repeated; for one with a body see [`Body`].
pub(super) struct Authorized<R: Right> {
    pub access: Access<R>,
}

impl<R: Right> FromRequestParts<Shared> for Authorized<R> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, face: &Shared) -> Result<Self, Refusal> {
        let Caller { principal, correlation } = Caller::from_request_parts(parts, face).await?;
        let workspace: WorkspaceId = id_in_path(parts).await?;
        let access = face.services.access::<R>(&principal, workspace, correlation).await?;
        drop(asked(parts)?.entered.set((principal, workspace)));
        let repeat = repeat(parts, &[])?;
        Ok(Self { access: access.repeatable(repeat) })
    }
}

impl<R: Right> IntoParams for Authorized<R> {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        vec![id_parameter(kind::Workspace::WORD)]
    }
}

/// Documents that a request may carry an `Idempotency-Key`; [`Authorized`] and [`Body`] read it.
pub(super) enum Repeatable {}

impl IntoParams for Repeatable {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let about = "Repeating the request with the same key within 24 hours does nothing anew: it \
            is answered with what the first one did, and `Idempotency-Replayed: true`.";
        let schema = ObjectBuilder::new()
            .schema_type(Type::String)
            .min_length(Some(1))
            .max_length(Some(limits::IDEMPOTENCY_KEY_CHARS))
            .pattern(Some("^[!-~]+$"));
        vec![header_parameter("Idempotency-Key", about, schema)]
    }
}

/// The id of the thing that the address names: a malformed one is as good as missing.
pub(super) struct Named<K: Kind>(pub Id<K>);

impl<K: Kind> FromRequestParts<Shared> for Named<K> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &Shared) -> Result<Self, Refusal> {
        id_in_path(parts).await.map(Self)
    }
}

impl<K: Kind> IntoParams for Named<K> {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        vec![id_parameter(K::WORD)]
    }
}

fn id_parameter(word: &str) -> Parameter {
    let uuid = SchemaFormat::Custom("uuid".to_owned());
    let schema =
        ObjectBuilder::new().schema_type(Type::String).format(Some(uuid)).max_length(Some(36));
    ParameterBuilder::new()
        .name(word)
        .parameter_in(ParameterIn::Path)
        .required(Required::True)
        .description(Some(format!("Id of the {word}.")))
        .schema(Some(schema))
        .build()
}

pub(super) fn header_parameter(name: &str, about: &str, schema: ObjectBuilder) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(about))
        .schema(Some(schema))
        .build()
}

/// Any kind of thing is named in the address by its own word.
async fn id_in_path<K: Kind>(parts: &mut Parts) -> Result<Id<K>, Refusal> {
    let missing = || Refusal(Problem::new(Code::NotFound));
    let params = RawPathParams::from_request_parts(parts, &()).await.map_err(|_| missing())?;
    let (_, text) = params.iter().find(|(name, _)| *name == K::WORD).ok_or_else(missing)?;
    text.parse().map_err(|_| missing())
}

/// The query parameters.
pub(super) struct Query<T>(pub T);

impl<T: DeserializeOwned> FromRequestParts<Shared> for Query<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &Shared) -> Result<Self, Refusal> {
        Ok(Self(json::query(parts.uri.query().unwrap_or_default())?))
    }
}

/// The revision that a change is meant for, if the caller names one.
pub(super) struct IfMatch(pub Option<u64>);

impl FromRequestParts<Shared> for IfMatch {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &Shared) -> Result<Self, Refusal> {
        let Some(text) = only(&parts.headers, &IF_MATCH)? else { return Ok(Self(None)) };
        if text == "*" {
            return Ok(Self(None));
        }
        let number = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        match number.and_then(|number| number.parse().ok()) {
            Some(revision) => Ok(Self(Some(revision))),
            None => Err(bad_header(&IF_MATCH, "an `ETag` as it was given, such as \"3\", or *")),
        }
    }
}

impl IntoParams for IfMatch {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let about = "The `ETag` that the change is meant for; 412 when it was changed since.";
        let pattern = r#"^(\*|"[0-9]{1,19}")$"#;
        let schema = ObjectBuilder::new().schema_type(Type::String).max_length(Some(21));
        vec![header_parameter("If-Match", about, schema.pattern(Some(pattern)))]
    }
}

/// A longer list of tags is as good as none.
const SEEN_MAX: usize = 1_000;

/// What the caller has already, by its `If-None-Match`.
pub(super) struct Seen(Option<String>);

impl FromRequestParts<Shared> for Seen {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &Shared) -> Result<Self, Refusal> {
        let text = parts.headers.get(IF_NONE_MATCH).and_then(|value| value.to_str().ok());
        Ok(Self(text.filter(|text| text.len() <= SEEN_MAX).map(str::to_owned)))
    }
}

impl IntoParams for Seen {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let about = "An `ETag` that the caller has; 304 when nothing has changed since.";
        let schema = ObjectBuilder::new().schema_type(Type::String).max_length(Some(SEEN_MAX));
        vec![header_parameter("If-None-Match", about, schema)]
    }
}

impl Seen {
    /// Whether the caller has the state with this tag, which is quoted already.
    pub(super) fn has(&self, tag: &str) -> bool {
        let plain = |one: &str| one.trim().trim_start_matches("W/") == tag;
        self.0.as_deref().is_some_and(|list| list.trim() == "*" || list.split(',').any(plain))
    }
}

/// A JSON body.
pub(super) struct Json<T>(pub T);

impl<T: DeserializeOwned> FromRequest<Shared> for Json<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, face: &Shared) -> Result<Self, Refusal> {
        let (parts, body) = request.into_parts();
        let bytes = read(&parts, body, face).await?;
        Ok(Self(json::body(&bytes)?))
    }
}

/// A JSON body of a request that may be repeated. It opens only together with the access, which
/// then knows the body: so no handler can forget it.
pub(super) struct Body<T> {
    value: T,
    repeat: Option<Repeat>,
}

impl<T> Body<T> {
    pub(super) fn of<R: Right>(self, caller: Authorized<R>) -> (Access<R>, T) {
        (caller.access.repeatable(self.repeat), self.value)
    }
}

impl<T: DeserializeOwned> FromRequest<Shared> for Body<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, face: &Shared) -> Result<Self, Refusal> {
        let (parts, body) = request.into_parts();
        let bytes = read(&parts, body, face).await?;
        let repeat = repeat(&parts, &bytes)?;
        Ok(Self { value: json::body(&bytes)?, repeat })
    }
}

fn asked(parts: &Parts) -> Result<Asked, Problem> {
    // Always there: the layer around every route puts it in.
    parts.extensions.get::<Asked>().cloned().ok_or_else(|| Problem::new(Code::Internal))
}

/// The secret of `Authorization: Bearer SECRET`; `None` unless there is exactly one.
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let text = only(headers, &AUTHORIZATION).ok()??;
    let (scheme, secret) = text.split_once(' ')?;
    let secret = secret.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !secret.is_empty()).then_some(secret)
}

/// The value of a header that must not be given twice.
pub(super) fn only<'h>(
    headers: &'h HeaderMap,
    name: &HeaderName,
) -> Result<Option<&'h str>, Refusal> {
    let mut values = headers.get_all(name).iter();
    let (Some(value), second) = (values.next(), values.next()) else { return Ok(None) };
    if second.is_some() {
        return Err(Refusal(Problem::field(header_word(name), Wrong::Twice)));
    }
    value.to_str().map(Some).map_err(|_| bad_header(name, "visible ASCII characters"))
}

pub(super) fn bad_header(name: &HeaderName, expected: &str) -> Refusal {
    let wrong = Wrong::BadFormat { expected: expected.to_owned() };
    Refusal(Problem::field(header_word(name), wrong))
}

/// A header as people write it.
fn header_word(name: &HeaderName) -> String {
    let word = |word: &str| {
        let (first, rest) = word.split_at_checked(1).unwrap_or_default();
        first.to_ascii_uppercase() + rest
    };
    name.as_str().split('-').map(word).collect::<Vec<_>>().join("-")
}

/// The request as its caller may repeat it: only one that writes, and carries a key.
fn repeat(parts: &Parts, body: &[u8]) -> Result<Option<Repeat>, Refusal> {
    if parts.method == Method::GET || parts.method == Method::HEAD {
        return Ok(None);
    }
    let Some(key) = only(&parts.headers, &IDEMPOTENCY_KEY)? else { return Ok(None) };
    let max = limits::IDEMPOTENCY_KEY_CHARS;
    if key.is_empty() || key.len() > max || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        let expected = format!("1 to {max} visible ASCII characters without spaces");
        return Err(bad_header(&IDEMPOTENCY_KEY, &expected));
    }
    let mut hash = Sha256::new();
    for piece in [parts.method.as_str(), parts.uri.path()] {
        hash.update(piece);
        hash.update([0]);
    }
    hash.update(body);
    Ok(Some(Repeat { key: key.to_owned(), request: hash.finalize().into() }))
}

async fn read(parts: &Parts, body: RawBody, face: &Face) -> Result<Bytes, Problem> {
    let kind = parts.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    if !kind.is_some_and(is_json) {
        return Err(Problem::new(Code::UnsupportedMediaType));
    }
    let length = parts.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    if length.and_then(|text| text.parse().ok()).is_some_and(|n: u64| n > BODY_MAX) {
        return Err(too_large(limits::BODY_BYTES));
    }
    collect(body, face, limits::BODY_BYTES).await
}

const BODY_MAX: u64 = limits::BODY_BYTES as u64;

fn too_large(limit: usize) -> Problem {
    Problem::new(Code::TooLarge).with("limit_bytes", limit)
}

fn is_json(kind: &str) -> bool {
    let mut pieces = kind.split(';').map(str::trim);
    let json = pieces.next().is_some_and(|kind| kind.eq_ignore_ascii_case("application/json"));
    let utf8 = |charset: &str| {
        let charset = charset.to_ascii_lowercase();
        !charset.starts_with("charset=") || charset.trim_matches('"').ends_with("utf-8")
    };
    json && pieces.all(utf8)
}

/// All of the body, which must be of bounded length and not pause for long.
pub(super) async fn collect(
    mut body: RawBody,
    face: &Face,
    limit: usize,
) -> Result<Bytes, Problem> {
    let (clock, pause) = (&face.services.clock, face.settings.body_timeout);
    let mut first = Bytes::new();
    let mut whole = BytesMut::new();
    loop {
        // What is there already needs no alarm.
        let frame = match body.frame().now_or_never() {
            Some(frame) => frame,
            None => match select(body.frame(), clock.sleep(pause)).await {
                Either::Left((frame, _)) => frame,
                Either::Right(_) => return Err(Problem::new(Code::TooSlow)),
            },
        };
        let data = match frame {
            None if whole.is_empty() => return Ok(first),
            None => return Ok(whole.freeze()),
            Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
            Some(Err(_)) => return Err(Problem::new(Code::BadRequest)),
        };
        if first.len() + whole.len() + data.len() > limit {
            return Err(too_large(limit));
        }
        // Most bodies come in one piece, which is then not copied.
        if first.is_empty() && whole.is_empty() {
            first = data;
        } else {
            whole.extend_from_slice(&std::mem::take(&mut first));
            whole.extend_from_slice(&data);
        }
    }
}

/// The correlation id, for those who ask without a key.
pub(super) struct Correlation(pub CorrelationId);

impl FromRequestParts<Shared> for Correlation {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &Shared) -> Result<Self, Refusal> {
        Ok(Self(asked(parts)?.correlation))
    }
}
