//! Cookies: the session's and the known device's. Must not be read by the API: it takes bearers, so
//! that no page elsewhere can use a browser's cookies on it.

use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use http::header::{COOKIE, HeaderValue};
use http::request::Parts;

use super::page::{Failure, see};
use super::sign_in::{ACCOUNT, sign_in_for};
use crate::base::Code;
use crate::http::extract::look_where_from;
use crate::http::visitor::Visit;
use crate::http::{Face, Shared};
use crate::service::{Opened, Principal, SignedIn, Visitor};

const SESSION: &str = "carillon_session";
const DEVICE: &str = "carillon_device";
/// The browser in which a link was used that connects an account.
const CONNECTING: &str = "carillon_connecting";
/// Somebody is at the identity provider, and what must be known when they are back.
const PROVIDER: &str = "carillon_provider";
const PROVIDER_SECONDS: u32 = 15 * 60;
/// As long as a link can be good.
const CONNECTING_SECONDS: u32 = 7 * 24 * 60 * 60;
/// As long as a session may last.
const SESSION_SECONDS: u32 = 7 * 24 * 60 * 60;
const DEVICE_SECONDS: u32 = 365 * 24 * 60 * 60;

/// Whether browsers reach us over TLS, as far as we know.
fn is_secure(face: &Face) -> bool {
    face.services.public_url.starts_with("https:")
}

/// A cookie with this prefix can come from nobody else, not even from a neighbouring host.
fn full_name(face: &Face, name: &str) -> String {
    if is_secure(face) { format!("__Host-{name}") } else { name.to_owned() }
}

fn set(face: &Face, name: &str, value: &str, seconds: u32, same_site: &str) -> Option<HeaderValue> {
    let secure = if is_secure(face) { "; Secure" } else { "" };
    let name = full_name(face, name);
    HeaderValue::try_from(format!(
        "{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite={same_site}{secure}"
    ))
    .ok()
}

/// The cookies of a session that was opened, or got a new token.
pub(super) fn opened(face: &Face, opened: &Opened) -> Vec<HeaderValue> {
    let session = set(face, SESSION, opened.token.reveal(), SESSION_SECONDS, "Lax");
    let device = set(face, DEVICE, opened.device.reveal(), DEVICE_SECONDS, "Strict");
    [session, device].into_iter().flatten().collect()
}

/// Makes a connection this browser's.
pub(super) fn connecting(face: &Face, token: &str) -> Vec<HeaderValue> {
    set(face, CONNECTING, token, CONNECTING_SECONDS, "Lax").into_iter().collect()
}

/// Keeps what must be known when somebody is back from the identity provider.
pub(super) fn at_provider(face: &Face, kept: &str) -> Vec<HeaderValue> {
    // Not strict: the way back begins at another site.
    set(face, PROVIDER, kept, PROVIDER_SECONDS, "Lax").into_iter().collect()
}

/// They are back, for good or in vain.
pub(super) fn back_from_provider(face: &Face) -> Vec<HeaderValue> {
    set(face, PROVIDER, "", 0, "Lax").into_iter().collect()
}

/// Takes the session's cookie away.
pub(super) fn ended(face: &Face) -> Vec<HeaderValue> {
    set(face, SESSION, "", 0, "Lax").into_iter().collect()
}

/// The value of a cookie; `None` when there is none, or more than one of the name.
fn value<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    let pairs =
        lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let mut values = pairs.filter(|(known, _)| *known == name).map(|(_, value)| value);
    let first = values.next()?;
    values.next().is_none().then_some(first)
}

/// Whoever sits at the browser.
pub(super) struct Guest {
    pub who: Option<SignedIn>,
    pub visitor: Visitor,
    /// The mark of a device that somebody signed in from before.
    pub device: Option<String>,
    /// The mark of a connection that is this browser's.
    pub connecting: Option<String>,
    /// What was kept while they were at the identity provider.
    pub provider: Option<String>,
}

impl FromRequestParts<Shared> for Guest {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, face: &Shared) -> Result<Self, Failure> {
        let visit = Visit::from_request_parts(parts, face).await;
        let Visit(visitor) = visit.map_err(|refusal| Failure::from(refusal.0))?;
        let device = value(&parts.headers, &full_name(face, DEVICE)).map(str::to_owned);
        let token = value(&parts.headers, &full_name(face, SESSION));
        let who = match token {
            None => None,
            Some(token) => match face.services.signed_in(token).await {
                Ok(who) => Some(who),
                Err(problem) if problem.code == Code::Unauthenticated => None,
                Err(problem) => return Err(problem.into()),
            },
        };
        if let Some(who) = &who {
            let (user, session) = (who.user.id, who.session.id);
            let principal = Principal::of_user(user, session, who.session.proved_at);
            look_where_from(parts, face, &principal).await?;
        }
        let connecting = value(&parts.headers, &full_name(face, CONNECTING)).map(str::to_owned);
        let provider = value(&parts.headers, &full_name(face, PROVIDER)).map(str::to_owned);
        Ok(Self { who, visitor, device, connecting, provider })
    }
}

/// Somebody who is signed in; who is not goes and does that first.
pub(super) struct Holder {
    pub who: SignedIn,
    pub visitor: Visitor,
}

impl FromRequestParts<Shared> for Holder {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, face: &Shared) -> Result<Self, Response> {
        let guest = Guest::from_request_parts(parts, face).await;
        let Guest { who, visitor, .. } = guest.map_err(IntoResponse::into_response)?;
        let who = who.ok_or_else(|| see(&sign_in_for(ACCOUNT), Vec::new()))?;
        Ok(Self { who, visitor })
    }
}
