//! Tokens of an account: traded for a code, and renewed where a server lets them end. Mastodon's
//! own never end and come without a refresh token; others of its API give both (networks.md 11).

use url::Url;

use super::super::call::{ACCESS_TOKEN, unanswered};
use super::super::{Call, CallError, Credential, failure};
use super::connect::identify;
use crate::base::{Secret, Timestamp};
use crate::outbound::Origin;
use crate::outbound::oauth::{Exchange, OauthApp, OauthError, Proves, Token, Traded};

/// The server shows the code to the person: no address of ours is needed.
pub(super) const OUT_OF_BAND: &str = "urn:ietf:wg:oauth:2.0:oob";

pub(super) const CLIENT_ID: &str = "client_id";
pub(super) const CLIENT_SECRET: &str = "client_secret";
pub(super) const VERIFIER: &str = "verifier";
const REFRESH_TOKEN: &str = "refresh_token";
/// Milliseconds since 1970: from when on the token should be renewed.
const RENEW_FROM: &str = "renew_from";

/// The credential for a code that a person brought.
pub(super) async fn exchange(
    call: &Call<'_>,
    code: &str,
    pending: &Credential,
) -> Result<Credential, CallError> {
    let verifier = pending.get(VERIFIER).map(|v| Secret::new(v.to_owned()));
    trade(call, pending, Traded::Code(code, verifier.as_ref())).await
}

/// With a token that has no end, only a refusal is a reason.
pub(super) fn renew_from(credential: &Credential) -> Option<Timestamp> {
    credential.get(REFRESH_TOKEN)?;
    let at = credential.get(RENEW_FROM).and_then(|text| text.parse().ok());
    Some(at.map_or(Timestamp::MAX, Timestamp::from_millis))
}

pub(super) async fn renew(call: &Call<'_>) -> Result<Credential, CallError> {
    let held = call.credential.ok_or(CallError::Missing("token"))?;
    let refresh = held.get(REFRESH_TOKEN).ok_or(CallError::Missing("token"))?;
    match trade(call, held, Traded::Refresh(refresh)).await {
        // Used up by an answer that was lost, perhaps: a person is needed when the token is
        // refused too.
        Err(CallError::Unauthorized(said)) => match identify(call).await {
            Err(CallError::Unauthorized(_)) => Err(CallError::Unauthorized(said)),
            _ => Err(CallError::Unreachable(said)),
        },
        renewed => renewed,
    }
}

async fn trade(
    call: &Call<'_>,
    held: &Credential,
    traded: Traded<'_>,
) -> Result<Credential, CallError> {
    let (Some(id), Some(secret)) = (held.get(CLIENT_ID), held.get(CLIENT_SECRET)) else {
        return Err(CallError::Missing("client_id"));
    };
    let exchange = Exchange { traded, deadline: call.deadline, correlation: call.correlation };
    let app = oauth_app(call, id, secret)?;
    let token = app.exchange(call.transport, exchange).await.map_err(no_token)?;
    let Token { access, refresh, expires_in, .. } = &token;
    let mut fields = vec![
        (ACCESS_TOKEN, access.reveal().clone()),
        (CLIENT_ID, id.to_owned()),
        (CLIENT_SECRET, secret.to_owned()),
    ];
    // A server that does not rotate keeps to the one that it gave first.
    let refresh = refresh.as_ref().map(|token| token.reveal().as_str());
    if let Some(refresh) = refresh.or_else(|| held.get(REFRESH_TOKEN)) {
        fields.push((REFRESH_TOKEN, refresh.to_owned()));
    }
    if let Some(life) = expires_in {
        // With a quarter of its life left, by our own clock.
        fields.push((RENEW_FROM, call.now.plus(*life / 4 * 3).as_millis().to_string()));
    }
    Ok(Credential::new(fields))
}

pub(super) fn oauth_app(call: &Call<'_>, id: &str, secret: &str) -> Result<OauthApp, CallError> {
    Ok(OauthApp {
        client_id: id.to_owned(),
        client_secret: Secret::new(secret.to_owned()),
        proves: Proves::InBody,
        auth_url: call.at("/oauth/authorize")?,
        token_url: call.at("/oauth/token")?,
        redirect_uri: Url::parse(OUT_OF_BAND).map_err(|_| CallError::Missing("redirect_uri"))?,
        origin: Origin::Workspace,
    })
}

fn no_token(error: OauthError) -> CallError {
    match error {
        OauthError::Refused { status: status @ (408 | 429 | 500..), code } => {
            CallError::Unreachable(failure("network_error", &code, Some(status)))
        }
        OauthError::Refused { status, code } => {
            CallError::Unauthorized(failure("code_refused", &code, Some(status)))
        }
        OauthError::Unreachable(error) => unanswered(error),
        OauthError::Nonsense { status } => {
            CallError::Refused(failure("unreadable_answer", "token answer", Some(status)))
        }
    }
}
