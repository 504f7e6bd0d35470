//! Signing in, and proving once more who one is. An account that is not there costs and says as
//! much as a wrong password. Must not lock anybody out: see `throttle`.

use data_encoding::BASE64URL_NOPAD;
use sha2::{Digest, Sha256};

use super::sessions::{begin, rotate};
use super::spread::{ACCOUNTS, NETWORKS};
use super::throttle::{Attempt, account_hash, net};
use super::{News, Opened, SignedIn, Visitor, new_token, person, person_of, token_hash};
use crate::base::{Code, Problem, Secret, UserId};
use crate::domain::event::Actor;
use crate::domain::user::{Proofs, email};
use crate::service::{Services, no, refused};
use crate::store::rows::Administers;
use crate::store::{Tx, WriteError};

/// What somebody types who wants to be let in.
pub struct Credentials {
    pub email: String,
    pub password: Secret<String>,
    /// Of the authenticator, or for recovery.
    pub code: Option<String>,
    /// As an earlier sign-in gave it.
    pub device: Option<String>,
}

const DEVICE: &str = "known device 1";
/// What is done about them, for events.
const SPRAYED: &[(&str, &str)] = &[("act", "network_waits")];
const GATHERED: &[(&str, &str)] = &[("act", "account_waits")];

fn wrong() -> Problem {
    Problem::new(Code::SignInRefused)
}

/// By which code somebody came in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    Password,
    Totp,
    Recovery,
}

impl By {
    pub fn word(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Totp => "totp",
            Self::Recovery => "recovery_code",
        }
    }
}

impl Services {
    /// Opens a session for whoever knows the password, and the code where one is asked for.
    pub async fn sign_in(&self, given: &Credentials, visitor: &Visitor) -> Result<Opened, Problem> {
        let known = email("email", &given.email).ok();
        let account = known.clone().unwrap_or_else(|| given.email.trim().to_lowercase());
        let found = match &known {
            Some(email) => self.read_person(|view| person_of(view, email))?,
            None => None,
        };
        let device = found.as_ref().and_then(|(user, proofs)| {
            given.device.as_deref().and_then(|mark| self.known_device(mark, user.id, proofs))
        });
        let id = found.as_ref().map(|(user, _)| user.id);
        let attempt = self.attempt_at(&account, id, device, visitor).await?;
        let stored = found.as_ref().and_then(|(_, proofs)| proofs.password.as_deref());
        let verdict = match self.people.passwords.check(&given.password, stored).await {
            Ok(verdict) => verdict,
            Err(problem) => {
                attempt.undo();
                return Err(problem);
            }
        };
        let found = found.filter(|(user, _)| verdict.right && user.disabled_at.is_none());
        let Some((user, proofs)) = found else {
            self.note_failure(&account, id, visitor).await?;
            return Err(wrong());
        };
        if !self.takes_passwords(user.id)? {
            // The password was right: that somebody has it is on record. It counts as a failure, or a
            // program that tries for ever would write for ever.
            self.tell_of(user.id, "sign_in.password_not_taken", &[], visitor).await?;
            return Err(Problem::new(Code::OidcOnly));
        }
        if proofs.has_totp() && given.code.is_none() {
            attempt.undo();
            return Err(Problem::new(Code::CodeNeeded));
        }
        let renewed = if verdict.outdated {
            Some(self.people.passwords.hash(self.rng.as_ref(), &given.password).await?)
        } else {
            None
        };
        let opened =
            self.let_in(user.id, proofs.password, renewed, given.code.clone(), visitor).await?;
        attempt.succeed();
        Ok(opened)
    }

    /// Begins an attempt at an account, by its e-mail; that it has to wait, and that the next one has to, is
    /// told. `device` is the mark of one that it was used on.
    pub(super) async fn attempt_at(
        &self,
        account: &str,
        id: Option<UserId>,
        device: Option<[u8; 16]>,
        visitor: &Visitor,
    ) -> Result<Attempt<'_>, Problem> {
        let (throttle, now) = (&self.people.throttle, self.clock.monotonic());
        let attempt = match throttle.begin(account, visitor.address, device, now) {
            Ok(attempt) => attempt,
            Err(problem) => {
                self.note_wait(account, id, visitor).await?;
                return Err(problem);
            }
        };
        if let Some(id) = id.filter(|_| attempt.first_wait) {
            self.tell_of(id, "sign_in.throttled", &[], visitor).await?;
        }
        Ok(attempt)
    }

    /// Whether this person may come in by a password: administrators always may, so that somebody can
    /// set right what keeps all others out.
    fn takes_passwords(&self, user: UserId) -> Result<bool, Problem> {
        let administers = || self.read_person(|view| view.get_global::<Administers>(&user));
        Ok(self.oidc.passwords() || administers()?.is_some())
    }

    /// Opens the session, if the password is still the one that was looked at.
    async fn let_in(
        &self,
        id: UserId,
        password: Option<String>,
        renewed: Option<String>,
        code: Option<String>,
        visitor: &Visitor,
    ) -> Result<Opened, Problem> {
        let (session, token) = self.new_session(id, visitor);
        let (services, now, correlation) = (self.clone(), self.now(), visitor.correlation);
        let opening = session.clone();
        let written = self.store.write(move |tx| {
            let found = person(&tx.view(), id)?
                .filter(|(user, proofs)| proofs.password == password && user.disabled_at.is_none());
            let Some((user, mut proofs)) = found else { return no(wrong()) };
            let by = services.take_code(tx, (id, &mut proofs), code.as_deref())?;
            if let Some(renewed) = &renewed {
                proofs.password = Some(renewed.clone());
                tx.put_global(&id, &proofs)?;
            }
            begin(tx, &opening, now)?;
            let session = opening.id.to_string();
            let data = &[("session", session.as_str()), ("by", by.word())][..];
            let news = News { kind: "user.signed_in", actor: Actor::User(id), data, correlation };
            services.tell(tx, id, &news)?;
            Ok((user, proofs))
        });
        let (user, proofs) = written.await.map_err(refused)?;
        Ok(self.opened(token, &session, (&user, &proofs)))
    }

    /// Uses up the code that is asked for.
    pub(super) fn take_code(
        &self,
        tx: &mut Tx<'_>,
        (id, proofs): (UserId, &mut Proofs),
        code: Option<&str>,
    ) -> Result<By, WriteError<Problem>> {
        if !proofs.has_totp() {
            return Ok(By::Password);
        }
        let Some(code) = code else { return no(Problem::new(Code::CodeNeeded)) };
        let left = proofs.recovery.len();
        if !self.use_code(id, proofs, code).map_err(WriteError::Refused)? {
            return no(wrong());
        }
        tx.put_global(&id, proofs)?;
        Ok(if proofs.recovery.len() < left { By::Recovery } else { By::Totp })
    }

    /// A failure is looked at beside the others of ten minutes: a network that tries many accounts has to
    /// wait from then on, and whose accounts they are is told.
    pub(super) async fn note_failure(
        &self,
        account: &str,
        user: Option<UserId>,
        visitor: &Visitor,
    ) -> Result<(), Problem> {
        let Some(network) = visitor.address.map(net) else { return Ok(()) };
        let now = self.clock.monotonic();
        let found = self.people.spread.note(network, (account_hash(account), user), now);
        if let Some(users) = found.sprayed {
            self.people.throttle.hold(network, now);
            tracing::warn!(%network, accounts = ACCOUNTS, "one network tries many accounts; it waits");
            for user in users {
                self.tell_of(user, "sign_in.sprayed", SPRAYED, visitor).await?;
            }
        }
        self.tell_gathered(user.filter(|_| found.gathered), visitor).await
    }

    /// An attempt that had to wait. Nothing was tried, so that its network waits no longer for it; but an
    /// account that many networks come for is told.
    async fn note_wait(
        &self,
        account: &str,
        user: Option<UserId>,
        visitor: &Visitor,
    ) -> Result<(), Problem> {
        let Some(network) = visitor.address.map(net) else { return Ok(()) };
        let now = self.clock.monotonic();
        let gathered = self.people.spread.note_wait(network, account_hash(account), now);
        self.tell_gathered(user.filter(|_| gathered), visitor).await
    }

    async fn tell_gathered(&self, user: Option<UserId>, visitor: &Visitor) -> Result<(), Problem> {
        let Some(user) = user else { return Ok(()) };
        tracing::warn!(%user, networks = NETWORKS, "one account is tried from many networks");
        self.tell_of(user, "sign_in.gathered", GATHERED, visitor).await
    }

    pub(super) async fn tell_of(
        &self,
        user: UserId,
        kind: &'static str,
        data: &'static [(&'static str, &'static str)],
        visitor: &Visitor,
    ) -> Result<(), Problem> {
        let (services, correlation) = (self.clone(), visitor.correlation);
        let told = self.store.write(move |tx| {
            let news = News { kind, actor: Actor::System, data, correlation };
            Ok(services.tell(tx, user, &news)?)
        });
        told.await.map_err(refused)
    }

    /// Lets a signed-in person prove once more who they are; the session gets a new token.
    pub async fn prove(
        &self,
        who: &SignedIn,
        password: &Secret<String>,
        code: Option<&str>,
        visitor: &Visitor,
    ) -> Result<Opened, Problem> {
        let (stored, attempt) = self.check_again(who, password, visitor).await?;
        let token = new_token(self.rng.as_ref(), super::SESSION_PREFIX);
        let hash = token_hash(token.reveal());
        let (services, now, session) = (self.clone(), self.now(), who.session.clone());
        let (id, code) = (who.user.id, code.map(str::to_owned));
        let written = self.store.write(move |tx| {
            let found = person(&tx.view(), id)?.filter(|(_, proofs)| proofs.password == stored);
            let Some((user, mut proofs)) = found else { return no(wrong()) };
            services.take_code(tx, (id, &mut proofs), code.as_deref())?;
            Ok((user, proofs, rotate(tx, &session, hash, now)?))
        });
        let (user, proofs, session) = written.await.map_err(refused)?;
        attempt.succeed();
        Ok(self.opened(token, &session, (&user, &proofs)))
    }

    /// Whether it is the person's password; the hash that it was compared with, and the attempt, to
    /// be told that it succeeded. Failures are counted for the session alone: whoever stole it must
    /// not hold up its owner elsewhere.
    pub(super) async fn check_again(
        &self,
        who: &SignedIn,
        password: &Secret<String>,
        visitor: &Visitor,
    ) -> Result<(Option<String>, Attempt<'_>), Problem> {
        let id = who.user.id;
        let found = self.read_person(|view| person(view, id))?;
        let stored = found.and_then(|(_, proofs)| proofs.password);
        let attempt = self.attempt_of(who, visitor)?;
        let checked = self.people.passwords.check(password, stored.as_deref()).await;
        if checked.is_err() {
            attempt.undo();
        }
        if checked?.right { Ok((stored, attempt)) } else { Err(wrong()) }
    }

    /// Begins an attempt that is counted for the session.
    pub(super) fn attempt_of(
        &self,
        who: &SignedIn,
        visitor: &Visitor,
    ) -> Result<Attempt<'_>, Problem> {
        let mark = Some(*who.session.id.as_bytes());
        let (throttle, now) = (&self.people.throttle, self.clock.monotonic());
        throttle.begin(&who.user.email, visitor.address, mark, now)
    }

    /// What a browser or program keeps that somebody signed in from: 16 random bytes, signed for the
    /// user and their present password.
    pub(super) fn device_mark(&self, user: UserId, proofs: &Proofs) -> Secret<String> {
        let mut random = [0; 32];
        self.rng.fill(&mut random);
        let mark: [u8; 16] = Sha256::digest(random).first_chunk().copied().unwrap_or_default();
        let signature = self.vault.sign(DEVICE, &device_message(mark, user, proofs));
        Secret::new(BASE64URL_NOPAD.encode(&[&mark[..], &signature].concat()))
    }

    /// The mark of a device that this user is known by.
    pub(super) fn known_device(
        &self,
        text: &str,
        user: UserId,
        proofs: &Proofs,
    ) -> Option<[u8; 16]> {
        let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).ok()?;
        let (mark, signature) = bytes.split_first_chunk::<16>()?;
        let message = device_message(*mark, user, proofs);
        self.vault.signed(DEVICE, &message, signature).then_some(*mark)
    }
}

fn device_message(mark: [u8; 16], user: UserId, proofs: &Proofs) -> Vec<u8> {
    let of = proofs.password_at.as_millis().to_be_bytes();
    [&mark[..], user.as_bytes(), &of].concat()
}
