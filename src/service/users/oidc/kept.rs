//! What a browser keeps while somebody is on their way to the provider and back: sealed, so that
//! only we can read or make it, and good for a quarter of an hour. The code of the provider is good
//! once and belongs to the nonce that is in here, so that to come back twice leads nowhere.

use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};

use super::refused_for;
use crate::base::{Code, Problem, Secret, SessionId, Timestamp, UserId};
use crate::outbound::oidc::Person;
use crate::service::Services;

/// As for the networks (SPEC part 3).
const LIFE: Duration = Duration::from_mins(15);
const PLACE: &str = "somebody at the identity provider";

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Kept {
    pub purpose: Purpose,
    pub stage: Stage,
    /// When they left.
    pub asked_at: Timestamp,
    expires_at: Timestamp,
}

/// Why somebody went there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Purpose {
    SignIn { next: String, invitation: Option<String> },
    Link { user: UserId, session: SessionId },
    Prove { user: UserId, session: SessionId },
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Stage {
    Away {
        state: String,
        nonce: String,
        verifier: String,
    },
    /// They are back, and something is still asked of them.
    Back(Vouched),
}

/// Whom the provider vouches for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Vouched {
    pub subject: String,
    /// In the form in which e-mails are kept here, if the provider vouches for it.
    pub email: Option<String>,
    /// What people know them by there.
    pub shown: String,
    pub name: Option<String>,
    /// When they last proved there who they are.
    pub authenticated_at: Option<Timestamp>,
}

impl Vouched {
    pub fn of(person: Person, trust_email: bool) -> Self {
        let verified = person.email_verified.unwrap_or(trust_email);
        let email = person.email.as_deref().filter(|_| verified);
        let email = email.and_then(|text| crate::domain::user::email("email", text).ok());
        let shown = person.email.as_ref().or(person.name.as_ref()).unwrap_or(&person.subject);
        let authenticated_at = person.authenticated_at;
        let shown = shown.chars().filter(|c| !c.is_control()).take(100).collect();
        Self { shown, email, name: person.name, subject: person.subject, authenticated_at }
    }
}

impl Kept {
    pub fn new(purpose: Purpose, stage: Stage, now: Timestamp) -> Self {
        Self { purpose, stage, asked_at: now, expires_at: now.plus(LIFE) }
    }

    /// The same once they are back: for what is still asked of them there is as much time again.
    pub fn back(self, vouched: Vouched, now: Timestamp) -> Self {
        Self { stage: Stage::Back(vouched), expires_at: now.plus(LIFE), ..self }
    }
}

impl Services {
    pub(super) fn seal_kept(&self, kept: &Kept) -> Result<Secret<String>, Problem> {
        let broken = |error: &dyn std::fmt::Display| {
            tracing::error!(%error, "what a browser is to keep cannot be sealed");
            Problem::new(Code::Internal)
        };
        let bytes = serde_json::to_vec(kept).map_err(|error| broken(&error))?;
        let sealed = self.vault.seal(self.rng.as_ref(), PLACE, &bytes);
        Ok(Secret::new(BASE64URL_NOPAD.encode(&sealed.map_err(|error| broken(&error))?)))
    }

    /// What a browser brings, if we made it and it is not over.
    pub(super) fn open_kept(&self, cookie: Option<&str>) -> Result<Kept, Problem> {
        let none = || refused_for("nothing_begun");
        let sealed = cookie.and_then(|text| BASE64URL_NOPAD.decode(text.as_bytes()).ok());
        let bytes = self.vault.open(PLACE, &sealed.ok_or_else(none)?).map_err(|_| none())?;
        let kept: Kept = serde_json::from_slice(bytes.reveal()).map_err(|_| none())?;
        if self.now() < kept.expires_at { Ok(kept) } else { Err(refused_for("over")) }
    }
}
