//! How it goes on with somebody who is back: what is still asked of them, and for what they went. Must
//! not say who it is; `enter` does.

use super::enter::Found;
use super::kept::{Kept, Purpose, Stage, Vouched};
use super::links::{LINKED, UNLINKED, keep};
use super::refused_for;
use crate::base::{Code, Problem, Secret, Timestamp};
use crate::domain::event::Actor;
use crate::domain::user::{FRESH, Proofs, Session, User};
use crate::outbound::oidc::SLACK;
use crate::service::users::sessions::change_token;
use crate::service::users::sign_in::By;
use crate::service::users::{
    News, Opened, SESSION_PREFIX, SignedIn, Visitor, new_token, person, token_hash,
};
use crate::service::{Services, no, refused};

/// What somebody is asked for who is back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OidcAsks {
    /// The code of their authenticator here.
    Code { email: String },
    /// There is an account with their e-mail: its password, and its code where one is asked for.
    Password { email: String, code: bool },
    /// Whether this identity is to be this account's.
    Confirm { shown: String, email: String },
}

/// What they gave.
#[derive(Default)]
pub struct OidcGiven {
    pub password: Option<Secret<String>>,
    pub code: Option<String>,
    pub confirmed: bool,
    /// The mark of a device that they signed in from before.
    pub device: Option<String>,
}

/// How it goes on.
pub enum OidcStep {
    /// Something is asked for; the browser keeps this until then.
    Asks(Secret<String>),
    /// They are in, and go on to this address of ours.
    Opened { opened: Box<Opened>, to: String },
}

impl Services {
    /// What a page asks of whoever is back in this browser.
    pub fn oidc_asks(&self, cookie: Option<&str>) -> Result<OidcAsks, Problem> {
        let kept = self.open_kept(cookie)?;
        let Stage::Back(vouched) = &kept.stage else { return Err(refused_for("nothing_begun")) };
        self.asks(&kept.purpose, vouched)?.ok_or_else(|| refused_for("nothing_begun"))
    }

    fn asks(&self, purpose: &Purpose, vouched: &Vouched) -> Result<Option<OidcAsks>, Problem> {
        let code_of = |user: User, proofs: &Proofs| {
            proofs.has_totp().then_some(OidcAsks::Code { email: user.email })
        };
        match purpose {
            Purpose::SignIn { .. } => Ok(match self.oidc_found(vouched)? {
                Found::Nobody => None,
                Found::ByEmail(user, proofs) if proofs.password.is_some() => {
                    Some(OidcAsks::Password { email: user.email, code: proofs.has_totp() })
                }
                Found::Linked(user, proofs) | Found::ByEmail(user, proofs) => {
                    code_of(user, &proofs)
                }
            }),
            Purpose::Link { user, .. } => {
                let found = self.read_person(|view| person(view, *user))?;
                let confirm = |(user, _): (User, Proofs)| OidcAsks::Confirm {
                    shown: vouched.shown.clone(),
                    email: user.email,
                };
                Ok(found.map(confirm))
            }
            Purpose::Prove { user, .. } => {
                let found = self.read_person(|view| person(view, *user))?;
                Ok(found.and_then(|(user, proofs)| code_of(user, &proofs)))
            }
        }
    }

    /// Goes on with what was asked for.
    pub async fn oidc_finish(
        &self,
        given: &OidcGiven,
        (cookie, who): (Option<&str>, Option<&SignedIn>),
        visitor: &Visitor,
    ) -> Result<OidcStep, Problem> {
        let kept = self.open_kept(cookie)?;
        self.oidc_same_session(&kept.purpose, who, visitor).await?;
        self.oidc_let_in(kept, given, who, visitor).await
    }

    /// The same for somebody who is just back: what is asked for, is asked for first.
    pub(super) async fn oidc_finish_kept(
        &self,
        kept: Kept,
        who: Option<&SignedIn>,
        visitor: &Visitor,
    ) -> Result<OidcStep, Problem> {
        let Stage::Back(vouched) = &kept.stage else { return Err(refused_for("nothing_begun")) };
        self.oidc_same_session(&kept.purpose, who, visitor).await?;
        if self.asks(&kept.purpose, vouched)?.is_some() {
            return Ok(OidcStep::Asks(self.seal_kept(&kept)?));
        }
        self.oidc_let_in(kept, &OidcGiven::default(), who, visitor).await
    }

    /// What a session began, the same session ends; if another one does, whose it was is told.
    async fn oidc_same_session(
        &self,
        purpose: &Purpose,
        who: Option<&SignedIn>,
        visitor: &Visitor,
    ) -> Result<(), Problem> {
        let (Purpose::Link { user, session } | Purpose::Prove { user, session }) = purpose else {
            return Ok(());
        };
        if who.is_some_and(|who| who.user.id == *user && who.session.id == *session) {
            return Ok(());
        }
        if who.is_some() {
            self.tell_of(*user, "sign_in.other_session", &[], visitor).await?;
        }
        Err(refused_for("other_session"))
    }

    async fn oidc_let_in(
        &self,
        kept: Kept,
        given: &OidcGiven,
        who: Option<&SignedIn>,
        visitor: &Visitor,
    ) -> Result<OidcStep, Problem> {
        let Kept { purpose, stage, asked_at, .. } = kept;
        let Stage::Back(vouched) = stage else { return Err(refused_for("nothing_begun")) };
        let (opened, to) = match (purpose, who) {
            (Purpose::SignIn { next, invitation }, _) => {
                self.oidc_sign_in(vouched, given, (next, invitation), visitor).await?
            }
            (Purpose::Link { .. }, Some(who)) => (
                self.oidc_link(who, &vouched, given, visitor).await?,
                "/account?done=linked".to_owned(),
            ),
            (Purpose::Prove { .. }, Some(who)) => (
                self.oidc_prove(who, (&vouched, asked_at), given, visitor).await?,
                "/account?done=proved".to_owned(),
            ),
            (_, None) => return Err(refused_for("other_session")),
        };
        Ok(OidcStep::Opened { opened: Box::new(opened), to })
    }

    /// Makes an identity this account's, for whoever has just proved here that it is theirs.
    async fn oidc_link(
        &self,
        who: &SignedIn,
        vouched: &Vouched,
        given: &OidcGiven,
        visitor: &Visitor,
    ) -> Result<Opened, Problem> {
        if !given.confirmed {
            return Err(refused_for("not_confirmed"));
        }
        self.ask_fresh(who)?;
        let identity = self.oidc_identity(vouched)?;
        let token = new_token(self.rng.as_ref(), SESSION_PREFIX);
        let hash = token_hash(token.reveal());
        let (services, now, session) = (self.clone(), self.now(), who.session.clone());
        let (id, correlation) = (who.user.id, visitor.correlation);
        let written = self.store.write(move |tx| {
            let Some((user, mut proofs)) = person(&tx.view(), id)? else {
                return no(Problem::new(Code::Unauthenticated));
            };
            let replaced = proofs.identity.is_some();
            keep(tx, id, &mut proofs, identity.clone())?;
            for kind in replaced.then_some(UNLINKED).into_iter().chain([LINKED]) {
                let news = News { kind, actor: Actor::User(id), data: &[], correlation };
                services.tell(tx, id, &news)?;
            }
            Ok((user, proofs, change_token(tx, &session, hash, now)?))
        });
        let (user, proofs, session) = written.await.map_err(refused)?;
        Ok(self.opened(token, &session, (&user, &proofs)))
    }

    /// Proves anew that it is them: the provider must say that they were asked since they left, or they
    /// give a code here.
    async fn oidc_prove(
        &self,
        who: &SignedIn,
        (vouched, asked_at): (&Vouched, Timestamp),
        given: &OidcGiven,
        visitor: &Visitor,
    ) -> Result<Opened, Problem> {
        let (identity, attempt) = (self.oidc_hash(vouched)?, self.attempt_of(who, visitor)?);
        let token = new_token(self.rng.as_ref(), SESSION_PREFIX);
        let hash = token_hash(token.reveal());
        let (services, now, session) = (self.clone(), self.now(), who.session.clone());
        let (id, code) = (who.user.id, given.code.clone());
        let anew = vouched.authenticated_at.filter(|at| at.plus(SLACK) >= asked_at);
        let anew = anew.filter(|at| *at <= now.plus(SLACK) && now < at.plus(FRESH));
        let written = self.store.write(move |tx| {
            let theirs = |proofs: &Proofs| proofs.identity.as_ref().map(|it| it.hash);
            let found = person(&tx.view(), id)?.filter(|(_, it)| theirs(it) == Some(identity));
            let Some((user, mut proofs)) = found else {
                return no(refused_for("somebody_else"));
            };
            let by = services.take_code(tx, (id, &mut proofs), code.as_deref())?;
            let proved_at = match (by, anew) {
                (By::Password, None) => return no(refused_for("not_anew")),
                (By::Password, Some(at)) => at.min(now),
                _ => now,
            };
            let session = Session { proved_at, ..session.clone() };
            Ok((user, proofs, change_token(tx, &session, hash, now)?))
        });
        let written = written.await.map_err(refused);
        match &written {
            Ok(_) => attempt.succeed(),
            Err(problem) if problem.code == Code::SignInRefused => {}
            Err(_) => attempt.undo(),
        }
        let (user, proofs, session) = written?;
        Ok(self.opened(token, &session, (&user, &proofs)))
    }
}
