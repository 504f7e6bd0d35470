//! The authorization code grant, and renewing what it gave, over a `Transport`. Must not keep state: who asked, and which
//! verifier belongs to which state, is the caller's to store.

use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use data_encoding::{BASE64, BASE64URL_NOPAD};
use futures_util::future::BoxFuture;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, Method};
use oauth2::basic::{
    BasicErrorResponse, BasicRevocationErrorResponse, BasicTokenIntrospectionResponse,
    BasicTokenType,
};
use oauth2::{
    AsyncHttpClient, AuthType, AuthUrl, AuthorizationCode, Client, ClientId, ClientSecret,
    CsrfToken, ExtraTokenFields, HttpRequest, HttpResponse, PkceCodeChallenge, PkceCodeVerifier,
    RedirectUrl, RefreshToken, RequestTokenError, Scope, StandardRevocableToken,
    StandardTokenResponse, TokenResponse, TokenUrl,
};
use serde::{Deserialize, Serialize};
use url::{Url, form_urlencoded};

use super::redact::scrub;
use super::{Origin, Request, SendError, Transport};
use crate::base::{CorrelationId, Rng, Secret};

/// This installation as a client of one authorization server.
pub struct OauthApp {
    pub client_id: String,
    pub client_secret: Secret<String>,
    pub proves: Proves,
    pub auth_url: Url,
    pub token_url: Url,
    /// Sent as it stands; `urn:ietf:wg:oauth:2.0:oob` makes the server show the code instead.
    pub redirect_uri: Url,
    /// Who chose `token_url`.
    pub origin: Origin,
}

/// How a client says to the token endpoint who it is (RFC 6749, 2.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proves {
    /// Id and secret stand in the body.
    InBody,
    /// They are HTTP Basic, and neither stands in the body.
    ByBasic,
}

/// Where to send the person, and what to keep until they are back.
#[derive(Debug)]
pub struct Authorization {
    pub url: Url,
    /// 256 random bits; the callback must bring it back.
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
    /// Of the refresh token, from the moment of the answer; few servers say it.
    pub refresh_expires_in: Option<Duration>,
    /// `None` when the server does not say, which means those that were asked for.
    pub scopes: Option<Vec<String>>,
    /// Who consented, where that was asked for; see `oidc`.
    pub id_token: Option<Secret<String>>,
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
#[derive(Clone, Copy)]
pub struct Exchange<'a> {
    pub traded: Traded<'a>,
    pub deadline: Duration,
    pub correlation: CorrelationId,
}

/// A token that is given back.
#[derive(Clone, Copy)]
pub struct Revoked<'a> {
    pub url: &'a Url,
    pub token: &'a str,
    /// `access_token` or `refresh_token`.
    pub hint: &'static str,
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

/// What some servers say beside the standard's fields.
#[derive(Debug, Serialize, Deserialize)]
struct More {
    refresh_token_expires_in: Option<u64>,
    id_token: Option<String>,
}

impl ExtraTokenFields for More {}

type Answered = StandardTokenResponse<More, BasicTokenType>;

/// The crate's client, with [`More`] in its answers.
type Asking = Client<
    BasicErrorResponse,
    Answered,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
>;

impl OauthApp {
    /// Randomness of the state and the verifier comes from `rng`.
    pub fn authorize_url(&self, scopes: &[&str], pkce: bool, rng: &dyn Rng) -> Authorization {
        self.authorize_as(&random_text(rng), scopes, pkce, rng)
    }

    /// The same with a state of the caller's own, which must hold as much randomness.
    pub fn authorize_as(
        &self,
        state: &str,
        scopes: &[&str],
        pkce: bool,
        rng: &dyn Rng,
    ) -> Authorization {
        let state = state.to_owned();
        let verifier = pkce.then(|| random_text(rng));
        let client = Asking::new(ClientId::new(self.client_id.clone()))
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
        let client = Asking::new(ClientId::new(self.client_id.clone()))
            .set_client_secret(ClientSecret::new(self.client_secret.reveal().clone()))
            .set_auth_type(match self.proves {
                Proves::InBody => AuthType::RequestBody,
                Proves::ByBasic => AuthType::BasicAuth,
            })
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

impl OauthApp {
    /// Gives a token back (RFC 7009). The crate would do so at https addresses only, and practice
    /// servers have none.
    pub async fn revoke(
        &self,
        transport: &dyn Transport,
        revoked: Revoked<'_>,
        deadline: Duration,
        correlation: CorrelationId,
    ) -> Result<(), OauthError> {
        let (headers, body) = self.revocation(revoked);
        let request = Request {
            method: Method::POST,
            url: revoked.url.clone(),
            headers,
            body: body.into(),
            deadline,
            origin: self.origin,
            correlation,
        };
        let answer = transport.send(request).await?;
        let status = answer.status;
        if (200..300).contains(&status) {
            return Ok(());
        }
        let json: serde_json::Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        match json["error"].as_str() {
            Some(code) => {
                let secrets = [self.client_secret.reveal().as_str(), revoked.token];
                let code = scrub(code, ERROR_CODE_BYTES, &secrets);
                Err(OauthError::Refused { status, code })
            }
            None => Err(OauthError::Nonsense { status }),
        }
    }

    fn revocation(&self, revoked: Revoked<'_>) -> (HeaderMap, String) {
        let secret = self.client_secret.reveal();
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("token", revoked.token).append_pair("token_type_hint", revoked.hint);
        let mut headers = HeaderMap::new();
        match self.proves {
            Proves::InBody => {
                form.append_pair("client_id", &self.client_id);
                form.append_pair("client_secret", secret);
            }
            Proves::ByBasic => {
                let encoded = |text: &str| {
                    form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>()
                };
                let pair = format!("{}:{}", encoded(&self.client_id), encoded(secret));
                let basic = format!("Basic {}", BASE64.encode(pair.as_bytes()));
                if let Ok(mut value) = HeaderValue::from_str(&basic) {
                    value.set_sensitive(true);
                    headers.insert(AUTHORIZATION, value);
                }
            }
        }
        let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
        headers.insert(CONTENT_TYPE, kind);
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        (headers, form.finish())
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
            let mut response = HttpResponse::new(typed(&answer.body));
            *response.status_mut() = http::StatusCode::from_u16(answer.status)
                .unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
            *response.headers_mut() = answer.headers;
            Ok(response)
        })
    }
}

/// A token without its type is a bearer's: LinkedIn's have none, and the crate asks for it.
fn typed(body: &[u8]) -> Vec<u8> {
    let mut answer: serde_json::Map<String, serde_json::Value> = match serde_json::from_slice(body)
    {
        Ok(answer) => answer,
        Err(_) => return body.to_vec(),
    };
    if !answer.contains_key("access_token") || answer.contains_key("token_type") {
        return body.to_vec();
    }
    answer.insert("token_type".to_owned(), "bearer".into());
    serde_json::to_vec(&answer).unwrap_or_else(|_| body.to_vec())
}

impl From<&Answered> for Token {
    fn from(token: &Answered) -> Self {
        // The standard separates them by spaces; some servers do by commas.
        let words = |scope: &Scope| {
            scope.split(',').filter(|w| !w.is_empty()).map(str::to_owned).collect::<Vec<_>>()
        };
        let scopes = |scopes: &Vec<Scope>| scopes.iter().flat_map(words).collect();
        Self {
            access: Secret::new(token.access_token().secret().clone()),
            refresh: token.refresh_token().map(|refresh| Secret::new(refresh.secret().clone())),
            expires_in: token.expires_in(),
            refresh_expires_in: token
                .extra_fields()
                .refresh_token_expires_in
                .map(Duration::from_secs),
            scopes: token.scopes().map(scopes),
            id_token: token.extra_fields().id_token.clone().map(Secret::new),
        }
    }
}

/// 256 bits as 43 characters, which is also the shortest verifier RFC 7636 takes.
fn random_text(rng: &dyn Rng) -> String {
    let mut bytes = [0; 32];
    rng.fill(&mut bytes);
    BASE64URL_NOPAD.encode(&bytes)
}
