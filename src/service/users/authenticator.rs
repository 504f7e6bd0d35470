//! The second factor: an authenticator, whose secret the vault seals, and recovery codes. Must not
//! take a code twice.

use super::sessions::change_token;
use super::{News, Opened, RecoveryCodes, SignedIn, Visitor, new_token, person, token_hash};
use crate::base::{Code, Problem, Secret, UserId, Wrong};
use crate::domain::event::Actor;
use crate::domain::user::{
    Authenticator, FRESH, Proofs, RECOVERY_CODES, SealedAuthenticator, plain_code, recovery_code,
    recovery_hash,
};
use crate::service::{Services, no, not_found, refused};
use crate::store::WriteError;

/// What an app needs to make codes; shown while it is set up.
pub struct Enrolment {
    /// The secret as people type it (base32).
    pub secret: Secret<String>,
    /// `otpauth://totp/...`, which a square shows.
    pub address: Secret<String>,
}

/// To what the secret is sealed: it opens nowhere else.
fn place(user: UserId) -> String {
    format!("authenticator of {user}")
}

fn unusable(error: &dyn std::fmt::Display) -> Problem {
    tracing::error!(%error, "an authenticator cannot be sealed or opened");
    Problem::new(Code::Internal)
}

fn does_not_fit() -> Problem {
    let expected = "the six digits that the app shows now".to_owned();
    Problem::field("code", Wrong::BadFormat { expected })
}

impl Services {
    fn open_authenticator(&self, user: UserId, sealed: &[u8]) -> Result<Authenticator, Problem> {
        let secret = self.vault.open(&place(user), sealed).map_err(|error| unusable(&error))?;
        Authenticator::from_secret(secret).ok_or_else(|| unusable(&"too short"))
    }

    /// Whether a code fits; it is used up in `proofs`, which the caller stores.
    pub(super) fn use_code(
        &self,
        user: UserId,
        proofs: &mut Proofs,
        code: &str,
    ) -> Result<bool, Problem> {
        let plain = plain_code(code);
        if plain.len() == 6 && plain.bytes().all(|b| b.is_ascii_digit()) {
            let Some(row) = &mut proofs.authenticator else { return Ok(false) };
            let step = self.open_authenticator(user, &row.sealed)?.step_of(&plain, self.now());
            let step = step.filter(|step| *step > row.last_step);
            row.last_step = step.unwrap_or(row.last_step);
            return Ok(step.is_some());
        }
        let hash = recovery_hash(code);
        let left = proofs.recovery.len();
        proofs.recovery.retain(|kept| *kept != hash);
        Ok(proofs.recovery.len() < left)
    }

    /// Asks for a proof that is not older than a few minutes.
    pub fn ask_fresh(&self, who: &SignedIn) -> Result<(), Problem> {
        if who.session.is_fresh(self.now()) {
            Ok(())
        } else {
            Err(Problem::new(Code::StepUpNeeded))
        }
    }

    /// Asks for what setting up an authenticator takes: a fresh proof; or, of somebody whose only way in is the
    /// identity provider, and who could give no proof without one, that they came a few minutes ago.
    pub fn ask_to_enrol(&self, who: &SignedIn) -> Result<(), Problem> {
        let id = who.user.id;
        let found = self.read_person(|view| person(view, id))?;
        let no_other = found.is_some_and(|(_, it)| it.password.is_none() && !it.has_totp());
        if no_other && self.now() < who.session.created_at.plus(FRESH) {
            return Ok(());
        }
        self.ask_fresh(who)
    }

    /// Begins to set up an authenticator; it counts for nothing until a code of it is given. One
    /// that was begun before is replaced.
    pub async fn begin_totp(&self, who: &SignedIn) -> Result<Enrolment, Problem> {
        self.ask_to_enrol(who)?;
        let id = who.user.id;
        let made = Authenticator::new(self.rng.as_ref()).ok_or_else(|| unusable(&"too short"))?;
        let sealed = self.vault.seal(self.rng.as_ref(), &place(id), made.secret().reveal());
        let sealed = sealed.map_err(|error| unusable(&error))?;
        let row = SealedAuthenticator { sealed, confirmed_at: None, last_step: 0 };
        let written = self.store.write(move |tx| {
            let Some((_, proofs)) = person(&tx.view(), id)? else { return no(not_found()) };
            if proofs.has_totp() {
                return no(Problem::new(Code::TotpSet));
            }
            let proofs = Proofs { authenticator: Some(row.clone()), ..proofs };
            Ok(tx.put_global(&id, &proofs)?)
        });
        written.await.map_err(refused)?;
        Ok(self.enrolment(&made, who))
    }

    fn enrolment(&self, made: &Authenticator, who: &SignedIn) -> Enrolment {
        let host = url::Url::parse(&self.public_url).ok();
        let host = host.as_ref().and_then(url::Url::host_str).unwrap_or("carillon");
        Enrolment { secret: made.text(), address: made.address(host, &who.user.email) }
    }

    /// The authenticator that a person has begun to set up and not confirmed.
    pub fn pending_totp(&self, who: &SignedIn) -> Result<Option<Enrolment>, Problem> {
        let id = who.user.id;
        let found = self.read_person(|view| person(view, id))?;
        let pending = found.and_then(|(_, proofs)| proofs.authenticator);
        let pending = pending.filter(|row| row.confirmed_at.is_none());
        if self.ask_to_enrol(who).is_err() {
            return Ok(None);
        }
        let open = |row: SealedAuthenticator| self.open_authenticator(id, &row.sealed);
        Ok(pending.map(open).transpose()?.map(|made| self.enrolment(&made, who)))
    }

    /// Confirms it with a code: from now on codes are asked for. The session gets a new token.
    pub async fn confirm_totp(
        &self,
        who: &SignedIn,
        code: &str,
        visitor: &Visitor,
    ) -> Result<(Opened, RecoveryCodes), Problem> {
        self.ask_to_enrol(who)?;
        let attempt = self.attempt_of(who, visitor)?;
        let token = new_token(self.rng.as_ref(), super::SESSION_PREFIX);
        let hash = token_hash(token.reveal());
        let (codes, hashes) = self.new_codes();
        let (services, now, id) = (self.clone(), self.now(), who.user.id);
        let (session, code, correlation) =
            (who.session.clone(), code.to_owned(), visitor.correlation);
        let written = self.store.write(move |tx| {
            let Some((user, mut proofs)) = person(&tx.view(), id)? else { return no(not_found()) };
            let pending = proofs.authenticator.as_ref();
            if pending.is_none_or(|row| row.confirmed_at.is_some()) {
                return no(if pending.is_some() {
                    Problem::new(Code::TotpSet)
                } else {
                    not_found()
                });
            }
            proofs.recovery.clear();
            if !services.use_code(id, &mut proofs, &code).map_err(WriteError::Refused)? {
                return no(does_not_fit());
            }
            if let Some(row) = &mut proofs.authenticator {
                row.confirmed_at = Some(now);
            }
            proofs.recovery.clone_from(&hashes);
            tx.put_global(&id, &proofs)?;
            // A code of an app that was set up just now proves nothing of who they are.
            let session = change_token(tx, &session, hash, now)?;
            let (kind, actor) = ("user.totp_enabled", Actor::User(id));
            services.tell(tx, id, &News { kind, actor, data: &[], correlation })?;
            Ok((user, proofs, session))
        });
        let (user, proofs, session) = written.await.map_err(refused)?;
        attempt.succeed();
        Ok((self.opened(token, &session, (&user, &proofs)), codes))
    }

    fn new_codes(&self) -> (RecoveryCodes, Vec<[u8; 32]>) {
        let codes: Vec<_> = (0..RECOVERY_CODES).map(|_| recovery_code(self.rng.as_ref())).collect();
        let hashes = codes.iter().map(|code| recovery_hash(code)).collect();
        (RecoveryCodes { recovery_codes: codes }, hashes)
    }

    /// New recovery codes in place of all that there were.
    pub async fn renew_recovery_codes(
        &self,
        who: &SignedIn,
        visitor: &Visitor,
    ) -> Result<RecoveryCodes, Problem> {
        self.ask_fresh(who)?;
        let (codes, hashes) = self.new_codes();
        let change = move |proofs: &mut Proofs| proofs.recovery.clone_from(&hashes);
        self.change_totp(who.user.id, "user.recovery_codes_renewed", visitor, change).await?;
        Ok(codes)
    }

    /// Takes the authenticator off.
    pub async fn end_totp(&self, who: &SignedIn, visitor: &Visitor) -> Result<(), Problem> {
        self.ask_fresh(who)?;
        let change = |proofs: &mut Proofs| {
            proofs.authenticator = None;
            proofs.recovery.clear();
        };
        self.change_totp(who.user.id, "user.totp_disabled", visitor, change).await
    }

    async fn change_totp(
        &self,
        id: UserId,
        kind: &'static str,
        visitor: &Visitor,
        change: impl Fn(&mut Proofs) + Send + 'static,
    ) -> Result<(), Problem> {
        let (services, correlation) = (self.clone(), visitor.correlation);
        let written = self.store.write(move |tx| {
            let found = person(&tx.view(), id)?.filter(|(_, proofs)| proofs.has_totp());
            let Some((_, mut proofs)) = found else { return no(not_found()) };
            change(&mut proofs);
            tx.put_global(&id, &proofs)?;
            let news = News { kind, actor: Actor::User(id), data: &[], correlation };
            Ok(services.tell(tx, id, &news)?)
        });
        written.await.map_err(refused)
    }
}
