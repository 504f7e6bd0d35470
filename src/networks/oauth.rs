//! What networks have in common that let applications act for their accounts by a code from a page
//! of their own (RFC 6749): what each asks for, as data; the trade for a token; its renewal. Must
//! not keep anything, nor know a network.

use std::time::Duration;

use url::Url;

use super::call::{ACCESS_TOKEN, unanswered};
use super::{Call, CallError, Credential, Host, failure};
use crate::base::{Rng, Secret, Timestamp};
use crate::domain::connection::Grant;
use crate::outbound::Origin;
use crate::outbound::oauth::{
    Authorization, Exchange, OauthApp, OauthError, Revoked, Token, Traded,
};

pub use crate::outbound::oauth::Proves;

/// A path on a host of the network.
pub type At = (&'static Host, &'static str);

/// How a network lets applications act for its accounts.
pub struct Oauth {
    pub authorize: At,
    pub token: At,
    /// Where a token is given back (RFC 7009).
    pub revoke: Option<At>,
    pub pkce: bool,
    pub proves: Proves,
    /// Without these there is no publishing.
    pub publish: &'static [&'static str],
    /// For further accounts, such as organizations; asked for unless the application may not.
    pub more: &'static [&'static str],
    /// For reading numbers; asked for unless the application may not.
    pub insights: &'static [&'static str],
    pub refresh: Refresh,
    /// What the token endpoint says of a refresh token that is dead, besides `invalid_grant`.
    pub dead: &'static [&'static str],
    /// Where an application is made.
    pub console: &'static str,
}

/// What becomes of a refresh token when it is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refresh {
    /// It dies, and another comes with the answer; to use it twice may end all of its family. An
    /// answer that was lost is lost.
    RotatesOnce,
    /// It stays, until an end that the first consent has set.
    Stays,
}

/// This installation as an application of a network.
pub struct App {
    pub client_id: String,
    pub client_secret: Secret<String>,
    /// Where the network sends people back to.
    pub redirect: Url,
}

const CLIENT_ID: &str = "client_id";
const REFRESH_TOKEN: &str = "refresh_token";
/// Separated by spaces.
const SCOPES: &str = "scopes";
// Milliseconds since 1970: when the token was given, from when on it should be renewed, when it
// ends, and when its refresh token does.
pub(super) const GIVEN: &str = "granted_at";
const RENEW_FROM: &str = "renew_from";
const ACCESS_ENDS: &str = "access_ends";
const REFRESH_ENDS: &str = "refresh_ends";

/// Unused tokens are renewed after so long, where nobody knows when they end.
const UNUSED: Duration = Duration::from_hours(30 * 24);
/// No code is like this; what is said of it tells whether the application is known.
const NO_CODE: &str = "carillon-looks-whether-the-application-is-known";

impl Oauth {
    /// What is asked for by an application that may not ask for `without`.
    pub fn scopes(&self, without: &[String]) -> Vec<&'static str> {
        let all = [self.publish, self.more, self.insights].concat();
        let mut asked: Vec<&'static str> = Vec::new();
        for scope in all {
            if !asked.contains(&scope) && !without.iter().any(|other| other == scope) {
                asked.push(scope);
            }
        }
        asked
    }

    /// What publishing needs and was not granted.
    pub fn missing(&self, granted: &[String]) -> Vec<&'static str> {
        let lacks = |scope: &&&str| !granted.iter().any(|one| one == **scope);
        self.publish.iter().filter(lacks).copied().collect()
    }

    /// Where to send a person, with this state.
    pub fn authorize(
        &self,
        call: &Call<'_>,
        state: &str,
        scopes: &[&str],
        rng: &dyn Rng,
    ) -> Result<Authorization, CallError> {
        Ok(self.client(call, app_of(call)?)?.authorize_as(state, scopes, self.pkce, rng))
    }

    fn client(&self, call: &Call<'_>, app: &App) -> Result<OauthApp, CallError> {
        Ok(OauthApp {
            client_id: app.client_id.clone(),
            client_secret: Secret::new(app.client_secret.reveal().clone()),
            proves: self.proves,
            auth_url: call.on(self.authorize.0, self.authorize.1)?,
            token_url: call.on(self.token.0, self.token.1)?,
            redirect_uri: app.redirect.clone(),
            origin: Origin::Configured,
        })
    }

    /// The credential for a code that came back; `asked` are the scopes that were asked for.
    /// `Unauthorized` means that the code is not taken.
    pub async fn redeem(
        &self,
        call: &Call<'_>,
        code: &str,
        verifier: Option<&Secret<String>>,
        asked: &[&str],
    ) -> Result<Credential, CallError> {
        let token = self.trade(call, Traded::Code(code, verifier)).await?;
        let asked = || asked.iter().map(|scope| (*scope).to_owned()).collect();
        let scopes: Vec<String> = token.scopes.clone().unwrap_or_else(asked);
        Ok(credential(call, app_of(call)?, &token, None, &scopes.join(" ")))
    }

    /// By the refresh token. `Unauthorized` means that it is dead.
    pub(super) async fn renew(&self, call: &Call<'_>) -> Result<Credential, CallError> {
        let held = call.credential.ok_or(CallError::Missing("token"))?;
        let refresh = held.get(REFRESH_TOKEN).ok_or(CallError::Missing("token"))?;
        let app = app_of(call)?;
        if held.get(CLIENT_ID) != Some(app.client_id.as_str()) {
            // Only the application that it was given to can use it.
            return Err(CallError::Unauthorized(failure("other_application", "", None)));
        }
        let token = self.trade(call, Traded::Refresh(refresh)).await?;
        let before = held.get(SCOPES).unwrap_or_default();
        let scopes = token.scopes.as_ref().map_or_else(|| before.to_owned(), |all| all.join(" "));
        Ok(credential(call, app, &token, Some(held), &scopes))
    }

    /// Whether the network knows the application: it judges that before it judges a code.
    pub async fn test(&self, call: &Call<'_>) -> Result<(), CallError> {
        match self.trade(call, Traded::Code(NO_CODE, None)).await {
            Err(CallError::Unauthorized(_)) => Ok(()),
            Err(error) => Err(error),
            Ok(_) => Err(CallError::Refused(failure("unreadable_answer", "a token", Some(200)))),
        }
    }

    /// Gives back what the call's credential was granted: both tokens, because few networks say
    /// whether one ends with the other, or take both.
    pub async fn revoke(&self, call: &Call<'_>) -> Result<(), CallError> {
        let at = self.revoke.ok_or(CallError::Missing("token"))?;
        let held = call.credential.ok_or(CallError::Missing("token"))?;
        let app = app_of(call)?;
        if held.get(CLIENT_ID) != Some(app.client_id.as_str()) {
            return Err(CallError::Refused(failure("other_application", "", None)));
        }
        let (client, url) = (self.client(call, app)?, call.on(at.0, at.1)?);
        let mut done = Err(CallError::Missing("token"));
        for (token, hint) in [(REFRESH_TOKEN, "refresh_token"), (ACCESS_TOKEN, "access_token")] {
            let Some(token) = held.get(token) else { continue };
            let given_back = Revoked { url: &url, token, hint };
            let (deadline, correlation) = (call.deadline, call.correlation);
            let took = client.revoke(call.transport, given_back, deadline, correlation).await;
            if done.is_err() {
                done = took.map_err(|error| self.no_token(error, false));
            }
        }
        done
    }

    async fn trade(&self, call: &Call<'_>, traded: Traded<'_>) -> Result<Token, CallError> {
        let exchange = Exchange { traded, deadline: call.deadline, correlation: call.correlation };
        let client = self.client(call, app_of(call)?)?;
        let traded = client.exchange(call.transport, exchange).await;
        traded.map_err(|error| self.no_token(error, matches!(exchange.traded, Traded::Code(..))))
    }

    /// What the lack of a token means: for the account only if the grant itself is refused.
    fn no_token(&self, error: OauthError, by_code: bool) -> CallError {
        let (status, code) = match error {
            OauthError::Unreachable(error) => return unanswered(error),
            OauthError::Refused { status, code } => (status, code),
            OauthError::Nonsense { status } => (status, String::new()),
        };
        let said = |word| failure(word, &code, Some(status));
        let ours = ["invalid_client", "unauthorized_client"].contains(&code.as_str());
        match status {
            408 | 429 | 500.. => CallError::Unreachable(said("network_error")),
            401 => CallError::Refused(said("app_refused")),
            _ if ours => CallError::Refused(said("app_refused")),
            400 if by_code && !code.is_empty() => CallError::Unauthorized(said("code_refused")),
            400 if code == "invalid_grant" || self.dead.contains(&code.as_str()) => {
                CallError::Unauthorized(said("refresh_refused"))
            }
            _ if code.is_empty() => {
                CallError::Refused(failure("unreadable_answer", "token answer", Some(status)))
            }
            _ => CallError::Refused(said("refused")),
        }
    }
}

fn app_of<'a>(call: &Call<'a>) -> Result<&'a App, CallError> {
    call.app.ok_or(CallError::Missing("application"))
}

fn credential(
    call: &Call<'_>,
    app: &App,
    token: &Token,
    before: Option<&Credential>,
    scopes: &str,
) -> Credential {
    let kept = |name: &str| before.and_then(|held| held.get(name)).map(str::to_owned);
    let at = |after: Duration| call.now.plus(after).as_millis().to_string();
    let mut fields = vec![
        (ACCESS_TOKEN, token.access.reveal().clone()),
        (CLIENT_ID, app.client_id.clone()),
        (SCOPES, scopes.to_owned()),
        (GIVEN, call.now.as_millis().to_string()),
    ];
    // A server that does not rotate keeps to the one that it gave first.
    let refresh = token.refresh.as_ref().map(|token| token.reveal().clone());
    fields.extend(refresh.or_else(|| kept(REFRESH_TOKEN)).map(|token| (REFRESH_TOKEN, token)));
    if let Some(life) = token.expires_in {
        // With a quarter of its life left, by our own clock.
        fields.push((RENEW_FROM, at(life / 4 * 3)));
        fields.push((ACCESS_ENDS, at(life)));
    }
    let ends = token.refresh_expires_in.map(at);
    fields.extend(ends.or_else(|| kept(REFRESH_ENDS)).map(|ends| (REFRESH_ENDS, ends)));
    Credential::new(fields)
}

fn instant(credential: &Credential, name: &str) -> Option<Timestamp> {
    credential.get(name)?.parse().ok().map(Timestamp::from_millis)
}

/// From when on it should be renewed; for a token whose end nobody knows, only a refusal is a
/// reason. `None` without a refresh token.
pub(super) fn renew_from(credential: &Credential) -> Option<Timestamp> {
    credential.get(REFRESH_TOKEN)?;
    Some(instant(credential, RENEW_FROM).unwrap_or(Timestamp::MAX))
}

/// The same if nobody uses it: when its own time has come, or after a month if that is later.
pub(super) fn keep_from(credential: &Credential) -> Option<Timestamp> {
    let from = renew_from(credential)?;
    let unused = instant(credential, GIVEN).map(|given| given.plus(UNUSED));
    Some(if from == Timestamp::MAX { unused? } else { unused.map_or(from, |at| at.max(from)) })
}

/// Whether this was granted.
pub(super) fn has_scope(credential: Option<&Credential>, scope: &str) -> bool {
    let scopes = credential.and_then(|held| held.get(SCOPES)).unwrap_or_default();
    scopes.split(' ').any(|one| one == scope)
}

/// Whether it came of a consent on the network's page, and not out of a person's hands.
pub fn is_by_consent(credential: &Credential) -> bool {
    credential.get(CLIENT_ID).is_some()
}

/// Whether both came of one consent, as far as their tokens say.
pub fn is_same_grant(a: &Credential, b: &Credential) -> bool {
    let same = |name: &str| a.get(name).is_some_and(|token| b.get(name) == Some(token));
    same(REFRESH_TOKEN) || same(ACCESS_TOKEN)
}

/// When the access token ends, if it says so.
pub fn access_ends(credential: &Credential) -> Option<Timestamp> {
    instant(credential, ACCESS_ENDS)
}

/// What a credential says of its grant, which was given or renewed at this moment. `asked` are the
/// scopes that were asked for.
pub fn grant(credential: &Credential, asked: &[&str], at: Timestamp) -> Grant {
    let scopes: Vec<String> =
        credential.get(SCOPES).unwrap_or_default().split_whitespace().map(str::to_owned).collect();
    let lacks = asked.iter().filter(|scope| !scopes.iter().any(|one| one == **scope));
    let lacks = lacks.map(|scope| (*scope).to_owned()).collect();
    // Without a refresh token it lives as long as the access token does.
    let alone = credential.get(REFRESH_TOKEN).is_none();
    let ends_at = if alone { access_ends(credential) } else { instant(credential, REFRESH_ENDS) };
    Grant { scopes, lacks, at, ends_at, ..Grant::default() }
}
