//! The way back: the answer is held against what the browser kept, the code is traded, the token is
//! checked. Must not let anybody in; `finish` does.

use subtle::ConstantTimeEq as _;

use super::finish::OidcStep;
use super::kept::{Stage, Vouched};
use super::{Known, refused_for, unreachable};
use crate::base::{Problem, Secret};
use crate::outbound::oauth::{Exchange, OauthError, Traded};
use crate::outbound::oidc::{Asked, DEADLINE, OidcError, Person};
use crate::outbound::redact::scrub;
use crate::service::Services;
use crate::service::users::{SignedIn, Visitor};

/// What stands in the address that the provider sends somebody back to.
#[derive(Debug, Default)]
pub struct OidcAnswer {
    pub state: Option<String>,
    pub code: Option<String>,
    pub error: Option<String>,
    /// Who answers (RFC 9207).
    pub iss: Option<String>,
}

/// Of what a provider calls its error (RFC 6749, 4.1.2.1).
const ERROR_BYTES: usize = 100;

/// What was asked for before somebody left.
struct Question<'a> {
    nonce: &'a str,
    verifier: Secret<String>,
}

impl Services {
    /// Somebody is back. They are let in, or asked for what is still missing.
    pub async fn oidc_back(
        &self,
        answer: &OidcAnswer,
        (cookie, who): (Option<&str>, Option<&SignedIn>),
        visitor: &Visitor,
    ) -> Result<OidcStep, Problem> {
        self.oidc.issuer()?;
        // Each answer costs a call: who guesses waits as whoever guesses passwords does.
        let attempt = self.people.throttle.begin_from(visitor.address, self.clock.monotonic())?;
        let kept = self.open_kept(cookie)?;
        let Stage::Away { state, nonce, verifier } = &kept.stage else {
            return Err(refused_for("nothing_begun"));
        };
        let said = answer.state.as_deref().unwrap_or_default();
        if !bool::from(said.as_bytes().ct_eq(state.as_bytes())) {
            return Err(refused_for("nothing_begun"));
        }
        let question = Question { nonce, verifier: Secret::new(verifier.clone()) };
        let person = match self.oidc_person(answer, &question, visitor).await {
            Ok(person) => person,
            Err(problem) => {
                let said = answer.error.as_deref().map(|word| scrub(word, ERROR_BYTES, &[]));
                let (code, params) = (problem.row().word, &problem.params);
                let correlation_id = visitor.correlation.to_string();
                tracing::warn!(
                    code,
                    ?params,
                    said,
                    correlation_id,
                    "nobody is let in by this answer"
                );
                if problem.code != crate::base::Code::OidcRefused {
                    attempt.undo();
                }
                return Err(problem);
            }
        };
        attempt.undo();
        let vouched = Vouched::of(person, self.oidc.settings.trust_email);
        self.oidc_finish_kept(kept.back(vouched, self.now()), who, visitor).await
    }

    /// Whom the provider vouches for by this answer.
    async fn oidc_person(
        &self,
        answer: &OidcAnswer,
        question: &Question<'_>,
        visitor: &Visitor,
    ) -> Result<Person, Problem> {
        let known = self.oidc_known(visitor.correlation).await?;
        let provider = &known.provider;
        let other = match &answer.iss {
            Some(iss) => *iss != provider.issuer,
            None => provider.names_itself,
        };
        if other {
            return Err(refused_for("other_provider"));
        }
        let code = match (&answer.error, &answer.code) {
            (Some(error), _) if error == "access_denied" => return Err(refused_for("denied")),
            (Some(_), _) | (None, None) => return Err(refused_for("provider")),
            (None, Some(code)) => code,
        };
        let exchange = Exchange {
            traded: Traded::Code(code, Some(&question.verifier)),
            deadline: DEADLINE,
            correlation: visitor.correlation,
        };
        let app = self.oidc_app(provider)?;
        let failed = |error: OidcError| failed(&error, visitor);
        let token = app.exchange(self.transport.as_ref(), exchange).await;
        let token = token.map_err(|error| failed(error.into()))?;
        let id_token = token.id_token.as_ref().ok_or(OidcError::Token("there is none"));
        let id_token = id_token.map_err(failed)?;
        let person = self.oidc_checked(known.clone(), id_token, question.nonce, visitor).await?;
        let call = self.oidc_call(visitor.correlation);
        provider.complete(call, person, &token.access).await.map_err(failed)
    }

    async fn oidc_checked(
        &self,
        known: Known,
        token: &Secret<String>,
        nonce: &str,
        visitor: &Visitor,
    ) -> Result<Person, Problem> {
        let (issuer, now) = (known.provider.issuer.clone(), self.now());
        let client_id = &self.oidc.settings.client_id;
        let asked = Asked { issuer: &issuer, client_id, nonce, now };
        let checked = match known.keys.check(token.reveal(), &asked) {
            // Some give a new key the name of the old one, or none.
            Err(OidcError::UnknownKey | OidcError::Signature) => {
                let known = self.oidc_keys_again(known, visitor.correlation).await?;
                known.keys.check(token.reveal(), &asked)
            }
            checked => checked,
        };
        checked.map_err(|error| failed(&error, visitor))
    }
}

/// What cannot be used is the provider's or the settings' fault; a code that it does not know
/// was not given to this browser.
fn failed(error: &OidcError, visitor: &Visitor) -> Problem {
    match error {
        OidcError::Trade(OauthError::Refused { code, .. }) if code == "invalid_grant" => {
            refused_for("code")
        }
        OidcError::Token(_) | OidcError::UnknownKey | OidcError::Signature => {
            let correlation_id = visitor.correlation.to_string();
            tracing::warn!(%error, correlation_id, "an ID token was refused");
            refused_for("token")
        }
        error => unreachable(error, visitor.correlation),
    }
}
