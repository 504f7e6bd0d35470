//! Who it is here that the provider vouches for, and the session that they get; an account for who has
//! none. Must not take an e-mail for an identity: by an e-mail somebody is found who has no identity
//! yet, and then only with their password, if they have one.

use super::kept::Vouched;
use super::links::{LINKED, keep};
use super::{OidcGiven, OidcSettings, refused_for};
use crate::base::{Code, Problem, Secret, Timestamp, UserId};
use crate::domain::event::Actor;
use crate::domain::user::{FRESH, Identity, Proofs, Session, User, identity_hash};
use crate::service::users::sessions::begin;
use crate::service::users::sign_in::By;
use crate::service::users::throttle::Attempt;
use crate::service::users::{LinkLeads, NewUser, News, Opened, Visitor, person, person_of, seen};
use crate::service::{Services, no, not_found, refused};
use crate::store::rows::IdentityHolder;
use crate::store::{Error, View};

/// Who it is here.
pub(super) enum Found {
    /// Whoever is known by this identity.
    Linked(User, Proofs),
    /// Whoever has this e-mail, and is known by no identity.
    ByEmail(User, Proofs),
    Nobody,
}

impl Found {
    /// Whether there is a password to be given once.
    pub fn has_password(&self) -> bool {
        matches!(self, Self::ByEmail(_, proofs) if proofs.password.is_some())
    }
}

fn found(view: &View<'_>, hash: &[u8; 32], email: Option<&str>) -> Result<Found, Error> {
    if let Some(holder) = view.get_global::<IdentityHolder>(hash)? {
        let found = person(view, holder.user)?;
        return Ok(found.map_or(Found::Nobody, |(user, proofs)| Found::Linked(user, proofs)));
    }
    let found = email.map(|email| person_of(view, email)).transpose()?.flatten();
    Ok(found.map_or(Found::Nobody, |(user, proofs)| Found::ByEmail(user, proofs)))
}

fn no_account(vouched: &Vouched) -> Problem {
    let problem = Problem::new(Code::OidcNoAccount).with("known_there_as", &vouched.shown);
    let says = if vouched.email.is_some() { "verified" } else { "not_verified" };
    problem.with("e_mail", says)
}

/// When they proved who they are. Without a word of the provider it may be long ago, unless they
/// gave something here.
fn proved_at(vouched: &Vouched, gave: bool, now: Timestamp) -> Timestamp {
    let there = vouched.authenticated_at.map(|at| at.min(now));
    if gave { now } else { there.unwrap_or_else(|| now.minus(FRESH)) }
}

/// By what somebody was found: it must still be so when they are let in.
enum As {
    /// By this identity.
    Hash([u8; 32]),
    /// By an e-mail, with the password that was checked, or that there is none.
    Email(Option<String>),
}

impl As {
    fn is(&self, proofs: &Proofs) -> bool {
        match self {
            Self::Hash(hash) => proofs.identity.as_ref().is_some_and(|it| it.hash == *hash),
            Self::Email(password) => proofs.password == *password && proofs.identity.is_none(),
        }
    }
}

/// One way in, with all that was looked at before.
struct Entering {
    id: UserId,
    found: As,
    /// Theirs from now on, if they were found by their e-mail.
    link: Option<Identity>,
    code: Option<String>,
    session: Session,
    vouched: Vouched,
}

impl OidcSettings {
    /// Whether whoever has this e-mail gets an account.
    fn makes(&self, email: &str) -> bool {
        let domain = email.rsplit_once('@').map(|(_, domain)| domain);
        domain.is_some_and(|domain| self.accounts_for.iter().any(|known| known == domain))
    }
}

impl Services {
    pub(super) fn oidc_hash(&self, vouched: &Vouched) -> Result<[u8; 32], Problem> {
        Ok(identity_hash(self.oidc.issuer()?, &vouched.subject))
    }

    pub(super) fn oidc_identity(&self, vouched: &Vouched) -> Result<Identity, Problem> {
        let hash = self.oidc_hash(vouched)?;
        Ok(Identity { hash, shown: vouched.shown.clone(), linked_at: self.now() })
    }

    /// Who it is here. Whoever has the e-mail, but is known by another identity, is somebody else; who is
    /// shut out is told so, and asked for nothing.
    pub(super) fn oidc_found(&self, vouched: &Vouched) -> Result<Found, Problem> {
        let hash = self.oidc_hash(vouched)?;
        let found = self.read_person(|view| found(view, &hash, vouched.email.as_deref()))?;
        match &found {
            Found::Linked(user, _) | Found::ByEmail(user, _) if user.disabled_at.is_some() => {
                Err(refused_for("shut_out"))
            }
            Found::ByEmail(_, proofs) if proofs.identity.is_some() => {
                Err(refused_for("another_identity"))
            }
            _ => Ok(found),
        }
    }

    /// Lets somebody in; where they go then.
    pub(super) async fn oidc_sign_in(
        &self,
        vouched: Vouched,
        given: &OidcGiven,
        (next, invitation): (String, Option<String>),
        visitor: &Visitor,
    ) -> Result<(Opened, String), Problem> {
        let found = self.oidc_found(&vouched)?;
        let by_password = found.has_password();
        let (user, proofs, link) = match found {
            Found::Nobody => {
                let opened = self.oidc_make(&vouched, invitation.as_deref(), visitor).await?;
                let joined = invitation.map(|_| "/account?done=joined".to_owned());
                return Ok((opened, joined.unwrap_or(next)));
            }
            Found::Linked(user, proofs) => (user, proofs, None),
            Found::ByEmail(user, proofs) => (user, proofs, Some(self.oidc_identity(&vouched)?)),
        };
        // Nobody waits because others fail: only what can be guessed is counted.
        let attempt = if by_password || proofs.has_totp() {
            let device = given.device.as_deref();
            let device = device.and_then(|mark| self.known_device(mark, user.id, &proofs));
            Some(self.attempt_at(&user.email, Some(user.id), device, visitor).await?)
        } else {
            None
        };
        let entered = async {
            if by_password {
                self.oidc_password(given, &proofs).await?;
            }
            let (session, token) = self.new_session(user.id, visitor);
            let found = match &link {
                None => As::Hash(self.oidc_hash(&vouched)?),
                Some(_) => As::Email(proofs.password.clone()),
            };
            let code = given.code.clone();
            let entering = Entering { id: user.id, found, link, code, session, vouched };
            self.oidc_enter(entering, token, visitor).await
        };
        let entered = entered.await;
        self.oidc_counted(attempt, entered.as_ref().err(), &user, visitor).await?;
        Ok((entered?, next))
    }

    async fn oidc_password(&self, given: &OidcGiven, proofs: &Proofs) -> Result<(), Problem> {
        let none = Secret::new(String::new());
        let password = given.password.as_ref().unwrap_or(&none);
        let checked = self.people.passwords.check(password, proofs.password.as_deref()).await?;
        if checked.right { Ok(()) } else { Err(Problem::new(Code::SignInRefused)) }
    }

    /// Counts what became of an attempt: only a wrong guess is one.
    async fn oidc_counted(
        &self,
        attempt: Option<Attempt<'_>>,
        problem: Option<&Problem>,
        user: &User,
        visitor: &Visitor,
    ) -> Result<(), Problem> {
        match (attempt, problem) {
            (None, _) => Ok(()),
            (Some(attempt), None) => {
                attempt.succeed();
                Ok(())
            }
            (Some(_), Some(problem)) if problem.code == Code::SignInRefused => {
                self.note_failure(&user.email, Some(user.id), visitor).await
            }
            (Some(attempt), Some(_)) => {
                attempt.undo();
                Ok(())
            }
        }
    }

    /// Opens the session, if everything still is as it was looked at.
    async fn oidc_enter(
        &self,
        entering: Entering,
        token: Secret<String>,
        visitor: &Visitor,
    ) -> Result<Opened, Problem> {
        let (services, now, correlation) = (self.clone(), self.now(), visitor.correlation);
        let written = self.store.write(move |tx| {
            let Entering { id, found, link, code, session, vouched } = &entering;
            let person = person(&tx.view(), *id)?
                .filter(|(user, proofs)| found.is(proofs) && user.disabled_at.is_none());
            let Some((user, mut proofs)) = person else {
                return no(Problem::new(Code::SignInRefused));
            };
            let by = services.take_code(tx, (*id, &mut proofs), code.as_deref())?;
            if let Some(identity) = link {
                keep(tx, *id, &mut proofs, identity.clone())?;
                let news = News { kind: LINKED, actor: Actor::User(*id), data: &[], correlation };
                services.tell(tx, *id, &news)?;
            }
            let gave = by != By::Password || matches!(found, As::Email(Some(_)));
            let proved_at = proved_at(vouched, gave, session.proved_at);
            let session = Session { proved_at, ..session.clone() };
            begin(tx, &session, now)?;
            let text = session.id.to_string();
            let mut data = vec![("session", text.as_str()), ("by", "oidc")];
            if by != By::Password {
                data.push(("code", by.word()));
            }
            let (kind, actor) = ("user.signed_in", Actor::User(*id));
            services.tell(tx, *id, &News { kind, actor, data: &data, correlation })?;
            Ok((user, proofs, session))
        });
        let (user, proofs, session) = written.await.map_err(refused)?;
        Ok(self.opened(token, &session, (&user, &proofs)))
    }

    /// An account for somebody who has none: by an invitation to their e-mail, or because everybody
    /// of their domain gets one.
    async fn oidc_make(
        &self,
        vouched: &Vouched,
        invitation: Option<&str>,
        visitor: &Visitor,
    ) -> Result<Opened, Problem> {
        // The first one comes by a set-up link, and administers the installation.
        if !self.is_set_up()? {
            return Err(refused_for("not_set_up"));
        }
        let email = vouched.email.as_deref().ok_or_else(|| no_account(vouched))?;
        let invited = match invitation {
            Some(token) => match self.link_leads(token).await? {
                LinkLeads::Invitation { email, .. } => Some(email),
                _ => return Err(not_found()),
            },
            None => None,
        };
        match &invited {
            Some(invited) if invited != email => {
                let problem = Problem::new(Code::OtherEmail);
                return Err(problem.with("known_there_as", &vouched.shown));
            }
            None if !self.oidc.settings.makes(email) => return Err(no_account(vouched)),
            _ => {}
        }
        let local = || email.split('@').next().unwrap_or(email).to_owned();
        let name = vouched.name.clone().unwrap_or_else(local);
        let mut making = self.making(email, &NewUser { name, password: None }, None).await?;
        making.known_by(self.oidc_identity(vouched)?);
        let (mut session, mut opened) = self.first_session(&making, visitor);
        session.proved_at = proved_at(vouched, false, session.proved_at);
        opened.session = seen::session(&session, true);
        if let Some(token) = invitation {
            self.join_as(token, making, session, visitor).await?;
        } else {
            let (services, correlation) = (self.clone(), visitor.correlation);
            let made = self.store.write(move |tx| {
                making.make_and_open(tx, &session, correlation)?;
                Ok(making.tell(tx, &services, &session, correlation)?)
            });
            made.await.map_err(refused)?;
        }
        Ok(opened)
    }
}
