//! The authorization code grant, and renewing what it gave, over a `Transport`. Must not keep state: who asked, and which
//! verifier belongs to which state, is the caller's to store.

use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use futures_util::future::BoxFuture;
use oauth2::basic::{BasicClient, BasicTokenResponse};
use oauth2::{
    AsyncHttpClient, AuthType, AuthUrl, AuthorizationCode, ClientId, ClientSecret, CsrfToken,
    HttpRequest, HttpResponse, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, RefreshToken,
    RequestTokenError, Scope, TokenResponse, TokenUrl,
};
use url::Url;

use super::redact::scrub;
use super::{Origin, Request, SendError, Transport};
use crate::base::{CorrelationId, Rng, Secret};

/// This installation as a client of one authorization server.
pub struct OauthApp {
    pub client_id: String,
    /// Sent in the body of the token request.
    pub client_secret: Secret<String>,
    pub auth_url: Url,
    pub token_url: Url,
    /// Sent as it stands; `urn:ietf:wg:oauth:2.0:oob` makes the server show the code instead.
    pub redirect_uri: Url,
    /// Who chose `token_url`.
    pub origin: Origin,
}

/// Where to send the person, and what to keep until they are back.
#[derive(Debug)]
pub struct Authorization {
    pub url: Url,
    /// 256 bits; the callback must bring it back.
    pub state: Secret<String>,
    /// For [`Traded::Code`], when PKCE was asked for.
    pub verifier: Option<Secret<String>>,
}

/// What the server granted.
#[derive(Debug)]
pub struct Token {
    pub access: Secret<String>,
    pub refresh: Option<Secret<String>>,
    /// From the moment of the answer; `None` when the server does not say or it does not expire.
    pub expires_in: Option<Duration>,
    /// `None` when the server does not say, which means those that were asked for.
    pub scopes: Option<Vec<String>>,
}

/// What is traded for a token.
#[derive(Clone, Copy)]
pub enum Traded<'a> {
    /// A code, with the verifier when PKCE was asked for.
    Code(&'a str, Option<&'a Secret<String>>),
    /// The refresh token of the token before.
    Refresh(&'a str),
}

/// One trade.
pub struct Exchange<'a> {
    pub traded: Traded<'a>,
    pub deadline: Duration,
    pub correlation: CorrelationId,
}

/// Why there is no token.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum OauthError {
    /// `code` is the server's own word, such as `invalid_grant`.
    #[error("the server refused: {code} (status {status})")]
    Refused { status: u16, code: String },
    #[error(transparent)]
    Unreachable(#[from] SendError),
    #[error("the server's answer is not an OAuth answer (status {status})")]
    Nonsense { status: u16 },
}

const ERROR_CODE_BYTES: usize = 100;

impl OauthApp {
    /// Randomness of the state and the verifier comes from `rng`.
    pub fn authorize_url(&self, scopes: &[&str], pkce: bool, rng: &dyn Rng) -> Authorization {
        let state = random_text(rng);
        let verifier = pkce.then(|| random_text(rng));
        let client = BasicClient::new(ClientId::new(self.client_id.clone()))
            .set_auth_uri(AuthUrl::from_url(self.auth_url.clone()))
            .set_redirect_uri(RedirectUrl::from_url(self.redirect_uri.clone()));
        let mut ask = client
            .authorize_url(|| CsrfToken::new(state.clone()))
            .add_scopes(scopes.iter().map(|scope| Scope::new((*scope).to_owned())));
        if let Some(verifier) = &verifier {
            let verifier = PkceCodeVerifier::new(verifier.clone());
            ask = ask.set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&verifier));
        }
        let (url, _) = ask.url();
        Authorization { url, state: Secret::new(state), verifier: verifier.map(Secret::new) }
    }

    /// Trades for a token; a code is good for one try, and many servers take a refresh token once.
    pub async fn exchange(
        &self,
        transport: &dyn Transport,
        exchange: Exchange<'_>,
    ) -> Result<Token, OauthError> {
        let client = BasicClient::new(ClientId::new(self.client_id.clone()))
            .set_client_secret(ClientSecret::new(self.client_secret.reveal().clone()))
            .set_auth_type(AuthType::RequestBody)
            .set_token_uri(TokenUrl::from_url(self.token_url.clone()))
            .set_redirect_uri(RedirectUrl::from_url(self.redirect_uri.clone()));
        let carrier = Carrier {
            transport,
            url: &self.token_url,
            origin: self.origin,
            exchange: &exchange,
            status: AtomicU16::new(0),
        };
        let (traded, answer) = match exchange.traded {
            Traded::Code(code, verifier) => {
                let mut ask = client.exchange_code(AuthorizationCode::new(code.to_owned()));
                if let Some(verifier) = verifier {
                    ask = ask.set_pkce_verifier(PkceCodeVerifier::new(verifier.reveal().clone()));
                }
                (code, ask.request_async(&carrier).await)
            }
            Traded::Refresh(token) => {
                let refresh = RefreshToken::new(token.to_owned());
                (token, client.exchange_refresh_token(&refresh).request_async(&carrier).await)
            }
        };
        let status = carrier.status.load(Ordering::Relaxed);
        match answer {
            Ok(token) => Ok(Token::from(&token)),
            Err(RequestTokenError::Request(error)) => Err(error.into()),
            Err(RequestTokenError::ServerResponse(refusal)) => Err(OauthError::Refused {
                status,
                code: scrub(
                    refusal.error().as_ref(),
                    ERROR_CODE_BYTES,
                    &[self.client_secret.reveal(), traded],
                ),
            }),
            Err(RequestTokenError::Parse(..) | RequestTokenError::Other(_)) => {
                Err(OauthError::Nonsense { status })
            }
        }
    }
}

/// Our transport as the crate's HTTP client, for one exchange.
struct Carrier<'a> {
    transport: &'a dyn Transport,
    url: &'a Url,
    origin: Origin,
    exchange: &'a Exchange<'a>,
    /// Of the answer: the crate's errors do not tell it.
    status: AtomicU16,
}

impl<'c> AsyncHttpClient<'c> for Carrier<'_> {
    type Error = SendError;
    type Future = BoxFuture<'c, Result<HttpResponse, SendError>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        let (parts, body) = request.into_parts();
        let request = Request {
            method: parts.method,
            url: self.url.clone(),
            headers: parts.headers,
            body: body.into(),
            deadline: self.exchange.deadline,
            origin: self.origin,
            correlation: self.exchange.correlation,
        };
        Box::pin(async move {
            let answer = self.transport.send(request).await?;
            self.status.store(answer.status, Ordering::Relaxed);
            let mut response = HttpResponse::new(answer.body.to_vec());
            *response.status_mut() = http::StatusCode::from_u16(answer.status)
                .unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
            *response.headers_mut() = answer.headers;
            Ok(response)
        })
    }
}

impl From<&BasicTokenResponse> for Token {
    fn from(token: &BasicTokenResponse) -> Self {
        let scopes = |scopes: &Vec<Scope>| scopes.iter().map(|scope| scope.to_string()).collect();
        Self {
            access: Secret::new(token.access_token().secret().clone()),
            refresh: token.refresh_token().map(|refresh| Secret::new(refresh.secret().clone())),
            expires_in: token.expires_in(),
            scopes: token.scopes().map(scopes),
        }
    }
}

/// 256 bits as 43 characters, which is also the shortest verifier RFC 7636 takes.
fn random_text(rng: &dyn Rng) -> String {
    let mut bytes = [0; 32];
    rng.fill(&mut bytes);
    BASE64URL_NOPAD.encode(&bytes)
}
