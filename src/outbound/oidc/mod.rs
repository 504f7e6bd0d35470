//! `OpenID` Connect, the client's half: what a provider says of itself, its keys, and whom it vouches
//! for (`OpenID` Connect Core 1.0 and Discovery 1.0). Must not keep anything, nor know who is who here.

mod person;
mod token;

use std::fmt;
use std::time::Duration;

use http::header::{ACCEPT, AUTHORIZATION, HeaderValue};
use http::{HeaderMap, Method};
use jsonwebtoken::jwk::Jwk;
use serde_json::Value;
use url::Url;

use super::oauth::{OauthError, Proves};
use super::{Origin, Request, SendError, Transport};
use crate::base::{CorrelationId, Secret, is_private_way};

pub use person::Person;
pub use token::{Asked, SLACK};

/// For each call to a provider; somebody waits for it with a browser.
pub const DEADLINE: Duration = Duration::from_secs(10);
const SELECT: &str = "select_account";
/// What an issuer is called, added to it.
const DISCOVERY: &str = "/.well-known/openid-configuration";

/// A provider, as it describes itself.
#[derive(Clone, Debug)]
pub struct Provider {
    /// Exactly as the settings have it, and as every answer must name it.
    pub issuer: String,
    pub authorize: Url,
    pub token: Url,
    pub proves: Proves,
    keys: Url,
    userinfo: Option<Url>,
    /// What has it ask people which of their accounts it is to be (Core 1.0, section 3.1.2.1).
    pub choose: &'static str,
    /// Every answer says who gives it (RFC 9207).
    pub names_itself: bool,
}

/// What a provider signs with.
pub struct Keys(Vec<Jwk>);

impl Keys {
    /// Whether none is of a kind that is known here.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// How a call is made, and for whom.
#[derive(Clone, Copy)]
pub struct Call<'a> {
    pub transport: &'a dyn Transport,
    pub correlation: CorrelationId,
}

/// Why nobody is vouched for. Holds nothing that a provider or a person sent, but words of a
/// provider that were scrubbed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum OidcError {
    #[error("{0}: {1}")]
    Unreachable(Of, SendError),
    #[error("{0}: {1}")]
    Nonsense(Of, String),
    #[error("its token endpoint: {0}")]
    Trade(#[from] OauthError),
    /// Which check of the token failed.
    #[error("its ID token: {0}")]
    Token(&'static str),
    /// The token is signed with a key that is not among those at hand.
    #[error("its ID token: it is signed with an unknown key")]
    UnknownKey,
    #[error("its ID token: its signature is not right")]
    Signature,
}

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    Discovery,
    Keys,
    Userinfo,
}

impl fmt::Display for Of {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Discovery => "its discovery document",
            Self::Keys => "its keys",
            Self::Userinfo => "its userinfo endpoint",
        })
    }
}

fn nonsense(of: Of, why: impl Into<String>) -> OidcError {
    OidcError::Nonsense(of, why.into())
}

async fn json(
    call: Call<'_>,
    of: Of,
    url: &Url,
    bearer: Option<&Secret<String>>,
) -> Result<Value, OidcError> {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    if let Some(token) = bearer {
        let value = HeaderValue::try_from(format!("Bearer {}", token.reveal()));
        let mut value = value.map_err(|_| nonsense(of, "its token fits into no header"))?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    let request = Request {
        method: Method::GET,
        url: url.clone(),
        headers,
        body: bytes::Bytes::new().into(),
        deadline: DEADLINE,
        origin: Origin::Configured,
        correlation: call.correlation,
    };
    let unreachable = |error| OidcError::Unreachable(of, error);
    let answer = call.transport.send(request).await.map_err(unreachable)?;
    if answer.status != 200 {
        return Err(nonsense(of, format!("it answers with status {}", answer.status)));
    }
    serde_json::from_slice(&answer.body).map_err(|_| nonsense(of, "it is no JSON"))
}

impl Provider {
    /// Asks a provider for what it says of itself.
    pub async fn discover(call: Call<'_>, issuer: &str) -> Result<Self, OidcError> {
        let of = Of::Discovery;
        let url = format!("{}{DISCOVERY}", issuer.trim_end_matches('/'));
        let url = Url::parse(&url).map_err(|_| nonsense(of, "the issuer is no address"))?;
        let said = json(call, of, &url, None).await?;
        let own = said["issuer"].as_str().unwrap_or_default();
        if own != issuer {
            let own = super::redact::scrub(own, 200, &[]);
            return Err(nonsense(of, format!("it calls itself {own:?}, and must be set as that")));
        }
        let endpoint = |name: &str| {
            let url = said[name].as_str().and_then(|text| Url::parse(text).ok());
            // One that came over TLS leads nowhere without it.
            let same = |url: &Url| {
                is_private_way(url) && (url.scheme() == "https" || issuer.starts_with("http:"))
            };
            url.filter(same).ok_or_else(|| nonsense(of, format!("it has no usable {name}")))
        };
        let methods = said["token_endpoint_auth_methods_supported"].as_array();
        let takes = |word: &str| methods.is_some_and(|all| all.iter().any(|one| one == word));
        // Without a word it is Basic (Discovery 1.0, section 3).
        let proves = match (takes("client_secret_basic"), takes("client_secret_post")) {
            (false, true) => Proves::InBody,
            _ => Proves::ByBasic,
        };
        // One that tells which it knows may refuse others; it asks for a sign-in at least, where one can be another.
        let prompts = said["prompt_values_supported"].as_array();
        let is_unknown = prompts.is_some_and(|all| all.iter().all(|one| one != SELECT));
        let choose = if is_unknown { "login" } else { SELECT };
        let names_itself = said["authorization_response_iss_parameter_supported"] == true;
        Ok(Self {
            issuer: issuer.to_owned(),
            authorize: endpoint("authorization_endpoint")?,
            token: endpoint("token_endpoint")?,
            proves,
            keys: endpoint("jwks_uri")?,
            userinfo: endpoint("userinfo_endpoint").ok(),
            choose,
            names_itself,
        })
    }

    /// Asks for the keys that it signs with now. Those that are of no known kind are left out.
    pub async fn keys(&self, call: Call<'_>) -> Result<Keys, OidcError> {
        let said = json(call, Of::Keys, &self.keys, None).await?;
        let Some(keys) = said["keys"].as_array() else {
            return Err(nonsense(Of::Keys, "it is no set of keys"));
        };
        let known = |key: &Value| serde_json::from_value(key.clone()).ok();
        Ok(Keys(keys.iter().filter_map(known).collect()))
    }

    /// What the provider tells of a person only to whom it gave a token (Core 1.0, section 5.3),
    /// where its ID token left out the e-mail, or whether it has verified it.
    pub async fn complete(
        &self,
        call: Call<'_>,
        person: Person,
        access: &Secret<String>,
    ) -> Result<Person, OidcError> {
        let lacks = person.email.is_none() || person.email_verified.is_none();
        let Some(url) = self.userinfo.as_ref().filter(|_| lacks) else { return Ok(person) };
        let said = json(call, Of::Userinfo, url, Some(access)).await?;
        if said["sub"].as_str() != Some(&person.subject) {
            return Err(nonsense(Of::Userinfo, "it tells of somebody else"));
        }
        Ok(person.with(&said))
    }
}
