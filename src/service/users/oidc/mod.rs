//! Signing in, or proving once more who one is, at an identity provider (`OpenID` Connect). A person
//! goes away to it and comes back; what must be known then is sealed into a cookie of their browser,
//! so that strangers fill no table, and nobody can go on with what another began. Must not believe
//! an e-mail that the provider does not vouch for, nor find anybody by it who is known by an identity.

mod back;
mod enter;
mod finish;
mod kept;
mod links;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use url::Url;

use super::{SignedIn, Visitor, new_token};
use crate::base::{Code, CorrelationId, Problem, Secret};
use crate::outbound::Origin;
use crate::outbound::oauth::OauthApp;
use crate::outbound::oidc::{Call, Keys, OidcError, Provider};
use crate::service::{Services, not_found};
use kept::{Kept, Purpose, Stage};

pub use back::OidcAnswer;
pub use finish::{OidcAsks, OidcGiven, OidcStep};
pub(super) use links::{LINKED, keep, let_go};

/// What a provider says of itself, and its keys, are asked for anew after so long.
const KNOWN: Duration = Duration::from_hours(1);
/// Keys may have changed sooner: a token that is signed with another one asks for them, but not
/// more often than this.
const KEYS_AGAIN: Duration = Duration::from_mins(1);
/// A provider that did not answer is not asked again for so long.
const REST: Duration = Duration::from_secs(10);
/// Who signed in there longer ago is to do so anew, as long as a session lasts here: asked for, and the provider's
/// to heed. That it says when they did is what counts here.
const MAX_AGE_SECONDS: &str = "604800";
/// Of where somebody wants to go afterwards.
const NEXT_BYTES: usize = 512;
/// Where those go who said nothing of it.
const ACCOUNT: &str = "/account";
const SCOPES: &[&str] = &["openid", "email", "profile"];

/// What the operator set.
pub struct OidcSettings {
    /// `None`: there is no provider.
    pub issuer: Option<String>,
    pub client_id: String,
    pub client_secret: Secret<String>,
    /// What people know the provider by.
    pub name: String,
    /// Domains of e-mail whose people get an account when they come.
    pub accounts_for: Vec<String>,
    /// An e-mail counts as verified when the provider does not say.
    pub trust_email: bool,
    /// Whether everybody may sign in by a password, too.
    pub passwords: bool,
}

impl Default for OidcSettings {
    fn default() -> Self {
        Self {
            issuer: None,
            client_id: String::new(),
            client_secret: Secret::new(String::new()),
            name: "single sign-on".to_owned(),
            accounts_for: Vec::new(),
            trust_email: false,
            passwords: true,
        }
    }
}

/// The provider that people can sign in at, and what is known of it.
#[derive(Default)]
pub struct Oidc {
    settings: OidcSettings,
    known: Mutex<Option<Known>>,
    /// Held by who asks it; when it did not answer.
    asking: tokio::sync::Mutex<Option<Duration>>,
}

#[derive(Clone)]
struct Known {
    provider: Arc<Provider>,
    keys: Arc<Keys>,
    /// When the provider, and when its keys were asked for.
    at: Duration,
    keys_at: Duration,
}

impl Oidc {
    pub fn new(settings: OidcSettings) -> Self {
        Self { settings, ..Self::default() }
    }

    /// What the button says, if there is a provider.
    pub fn name(&self) -> Option<&str> {
        self.settings.issuer.as_ref().map(|_| self.settings.name.as_str())
    }

    /// Whether everybody may sign in by a password.
    pub fn passwords(&self) -> bool {
        self.settings.passwords
    }

    fn issuer(&self) -> Result<&str, Problem> {
        self.settings.issuer.as_deref().ok_or_else(not_found)
    }

    /// What was asked for an hour ago at most.
    fn known(&self, now: Duration) -> Option<Known> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).clone();
        known.filter(|known| now.saturating_sub(known.at) < KNOWN)
    }

    fn learn(&self, known: Known) {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some(known);
    }
}

/// Somebody is to be sent to the provider.
pub struct OidcGone {
    pub url: String,
    /// What their browser must bring back.
    pub cookie: Secret<String>,
}

/// Why somebody goes there, as a page asks for it.
pub enum OidcFor<'a> {
    /// And then on to an address of ours, perhaps by the link of an invitation.
    SignIn { next: &'a str, invitation: Option<&'a str> },
    /// The same once more as somebody else, after a refusal: what their browser kept says where to, if it is still
    /// good.
    Another(Option<&'a str>),
    /// To be known by it here from now on.
    Link(&'a SignedIn),
    /// To prove anew that it is them.
    Prove(&'a SignedIn),
}

fn unreachable(error: &OidcError, correlation: CorrelationId) -> Problem {
    let correlation_id = correlation.to_string();
    tracing::warn!(%error, correlation_id, "the identity provider cannot be used");
    Problem::new(Code::OidcUnreachable)
}

/// Why an answer was not taken; each has its words on a page.
fn refused_for(reason: &'static str) -> Problem {
    Problem::new(Code::OidcRefused).with("reason", reason)
}

impl Services {
    fn oidc_call(&self, correlation: CorrelationId) -> Call<'_> {
        Call { transport: self.transport.as_ref(), correlation }
    }

    /// Where the provider sends people back to.
    pub fn oidc_redirect(&self) -> String {
        format!("{}/sign-in/oidc/callback", self.public_url)
    }

    /// The provider and its keys, as they were an hour ago at most.
    async fn oidc_known(&self, correlation: CorrelationId) -> Result<Known, Problem> {
        let (issuer, now) = (self.oidc.issuer()?, self.clock.monotonic());
        if let Some(known) = self.oidc.known(now) {
            return Ok(known);
        }
        // One asks, and the others wait for it: anybody can begin.
        let mut failed_at = self.oidc.asking.lock().await;
        if let Some(known) = self.oidc.known(now) {
            return Ok(known);
        }
        if failed_at.is_some_and(|at| now.saturating_sub(at) < REST) {
            return Err(Problem::new(Code::OidcUnreachable));
        }
        let call = self.oidc_call(correlation);
        let asked = async {
            let provider = Provider::discover(call, issuer).await?;
            let keys = provider.keys(call).await?;
            Ok((Arc::new(provider), Arc::new(keys)))
        };
        match asked.await {
            Ok((provider, keys)) => {
                let known = Known { provider, keys, at: now, keys_at: now };
                self.oidc.learn(known.clone());
                *failed_at = None;
                Ok(known)
            }
            Err(error) => {
                *failed_at = Some(now);
                Err(unreachable(&error, correlation))
            }
        }
    }

    /// The same with keys that were asked for just now, unless they were a moment ago.
    async fn oidc_keys_again(
        &self,
        known: Known,
        correlation: CorrelationId,
    ) -> Result<Known, Problem> {
        let now = self.clock.monotonic();
        if now.saturating_sub(known.keys_at) < KEYS_AGAIN {
            return Ok(known);
        }
        let keys = known.provider.keys(self.oidc_call(correlation)).await;
        let keys = Arc::new(keys.map_err(|error| unreachable(&error, correlation))?);
        let known = Known { keys, keys_at: now, ..known };
        self.oidc.learn(known.clone());
        Ok(known)
    }

    fn oidc_app(&self, provider: &Provider) -> Result<OauthApp, Problem> {
        let redirect = self.oidc_redirect();
        let redirect_uri = Url::parse(&redirect).map_err(|error| {
            tracing::error!(%error, "the public address is none");
            Problem::new(Code::Internal)
        })?;
        let settings = &self.oidc.settings;
        Ok(OauthApp {
            client_id: settings.client_id.clone(),
            client_secret: Secret::new(settings.client_secret.reveal().clone()),
            proves: provider.proves,
            auth_url: provider.authorize.clone(),
            token_url: provider.token.clone(),
            redirect_uri,
            origin: Origin::Configured,
        })
    }

    /// Sends somebody to the provider.
    pub async fn begin_oidc(
        &self,
        why: OidcFor<'_>,
        visitor: &Visitor,
    ) -> Result<OidcGone, Problem> {
        if let OidcFor::Link(who) = why {
            self.ask_fresh(who)?;
        }
        let known = self.oidc_known(visitor.correlation).await?;
        let app = self.oidc_app(&known.provider)?;
        let rng = self.rng.as_ref();
        let (asked, nonce) = (app.authorize_url(SCOPES, true, rng), new_token(rng, ""));
        let mut url = asked.url;
        let (max_age, prompt) = match why {
            OidcFor::Prove(_) => ("0", Some("login")),
            OidcFor::Another(_) => (MAX_AGE_SECONDS, Some(known.provider.choose)),
            _ => (MAX_AGE_SECONDS, None),
        };
        url.query_pairs_mut().append_pair("nonce", nonce.reveal()).append_pair("max_age", max_age);
        if let Some(prompt) = prompt {
            url.query_pairs_mut().append_pair("prompt", prompt);
        }
        let purpose = self.oidc_purpose(&why);
        let [state, nonce, verifier] = [Some(asked.state), Some(nonce), asked.verifier]
            .map(|secret| secret.map(|it| it.reveal().clone()).unwrap_or_default());
        let kept = Kept::new(purpose, Stage::Away { state, nonce, verifier }, self.now());
        Ok(OidcGone { url: url.into(), cookie: self.seal_kept(&kept)? })
    }

    fn oidc_purpose(&self, why: &OidcFor<'_>) -> Purpose {
        let of = |who: &SignedIn| (who.user.id, who.session.id);
        // What is longer fits into no cookie.
        let fits = |text: &&str| text.len() <= NEXT_BYTES;
        match *why {
            OidcFor::SignIn { next, invitation } => {
                let invitation = invitation.filter(fits).map(str::to_owned);
                let next = Some(next).filter(fits).unwrap_or(ACCOUNT).to_owned();
                Purpose::SignIn { next, invitation }
            }
            OidcFor::Another(cookie) => match self.open_kept(cookie).map(|kept| kept.purpose) {
                Ok(purpose @ Purpose::SignIn { .. }) => purpose,
                _ => Purpose::SignIn { next: ACCOUNT.to_owned(), invitation: None },
            },
            OidcFor::Link(who) => {
                let (user, session) = of(who);
                Purpose::Link { user, session }
            }
            OidcFor::Prove(who) => {
                let (user, session) = of(who);
                Purpose::Prove { user, session }
            }
        }
    }
}
