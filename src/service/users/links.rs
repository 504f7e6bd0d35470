//! Links for one use: the first user, an invitation, a new password, an
//! account to connect. Kept as hashes; a look does
//! not use one up. Must not say why one leads nowhere.

use super::accounts::{any, ownerless, set_password};
use super::operators::{found, signs_in};
use super::sessions::end_others;
use super::{LinkShown, NewUser, News, Opened, Visitor, new_token, person, token_hash};
use crate::base::{Code, CorrelationId, Problem, Secret, Timestamp, Wrong};
use crate::domain::event::Actor;
use crate::domain::user::{
    LinkTo, RESET_LIFE, SET_UP_LIFE, User, check_password, email as checked_email,
};
use crate::service::{Services, no, not_found, refused};
use crate::store::rows::Link;
use crate::store::{Error, Operator, Tx, View, WriteError};

/// Links that are looked through for those that are over, whenever one is made.
const TIDIED: usize = 100;

/// Where a link leads, for the page that it opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkLeads {
    SetUp {
        /// Names of workspaces that the first user takes over, instead of getting a new one.
        owns: Vec<String>,
    },
    Invitation {
        workspace: String,
        email: String,
        role: &'static str,
        /// There is an account with this address: sign in to accept.
        known: bool,
    },
    Reset {
        email: String,
    },
}

/// The live link with this token.
pub(super) fn find(view: &View<'_>, token: &str, now: Timestamp) -> Result<Option<LinkTo>, Error> {
    let link = view.get_global::<Link>(&token_hash(token))?;
    Ok(link.filter(|link| now < link.expires_at).map(|link| link.to))
}

/// The same, and it is used up.
pub(in crate::service) fn take(
    tx: &mut Tx<'_>,
    token: [u8; 32],
    now: Timestamp,
) -> Result<LinkTo, WriteError<Problem>> {
    let link = tx.view().get_global::<Link>(&token)?.filter(|link| now < link.expires_at);
    let Some(link) = link else { return no(not_found()) };
    tx.delete_global::<Link>(&token);
    Ok(link.to)
}

/// Keeps a link; some that are over go.
pub(in crate::service) fn keep(
    tx: &mut Tx<'_>,
    token: [u8; 32],
    link: &Link,
    now: Timestamp,
) -> Result<(), Error> {
    for (token, old) in tx.view().scan_global::<Link>(None, TIDIED)? {
        if old.expires_at <= now {
            tx.delete_global::<Link>(&token);
        }
    }
    tx.put_global(&token, link)
}

/// Why a link for a new password would lead nowhere for them.
fn no_reset(view: &View<'_>, user: &User) -> Result<Option<&'static str>, Error> {
    Ok(if !signs_in(view, user)? {
        Some("is whom a host signs in: they have no password here")
    } else if user.disabled_at.is_some() {
        Some("is shut out, and could not sign in with a new password: let them in again first")
    } else {
        None
    })
}

impl Services {
    /// The address of a link under `folder`, and what is kept of its token.
    pub(in crate::service) fn new_link(&self, folder: &str) -> (String, [u8; 32]) {
        let token = new_token(self.rng.as_ref(), "");
        let hash = token_hash(token.reveal());
        (format!("{}/{folder}/{}", self.public_url, token.reveal()), hash)
    }

    /// A link that makes the first user; refused once there is one. Whoever makes one could use it
    /// themselves, so that it was made is on the installation's record; of nobody yet.
    pub async fn setup_link(
        &self,
        operator: Operator,
        correlation: CorrelationId,
    ) -> Result<LinkShown, Problem> {
        let (link, hash) = self.new_link("setup");
        let (services, now) = (self.clone(), self.now());
        let expires_at = now.plus(SET_UP_LIFE);
        let written = self.store.write(move |tx| {
            if any(&tx.view())? {
                return no(Problem::new(Code::SetUpDone));
            }
            keep(tx, hash, &Link { expires_at, to: LinkTo::SetUp }, now)?;
            let by = (operator.actor(), correlation);
            Ok(services.note_installation(tx, by, ("user.setup_link_made", ""), &[])?)
        });
        written.await.map_err(refused)?;
        Ok(LinkShown { link, expires_at: expires_at.to_string() })
    }

    /// Whether somebody could still be made by a set-up link.
    pub fn is_set_up(&self) -> Result<bool, Problem> {
        self.read_person(any)
    }

    /// Makes the first user, who owns the first workspace, and signs them in.
    pub async fn set_up(
        &self,
        token: &str,
        email: &str,
        new: &NewUser,
        workspace: Option<&str>,
        visitor: &Visitor,
    ) -> Result<Opened, Problem> {
        // Looked at first: hashing is not for whoever guesses links.
        if !matches!(self.link_leads(token).await?, LinkLeads::SetUp { .. }) {
            return Err(not_found());
        }
        if new.password.is_none() {
            return Err(Problem::field("password", Wrong::Missing));
        }
        let email = checked_email("email", email)?;
        let mut making = self.making(&email, new, workspace).await?;
        making.administers = true;
        let (session, opened) = self.first_session(&making, visitor);
        let (token, now, correlation) = (token_hash(token), self.now(), visitor.correlation);
        let services = self.clone();
        let written = self.store.write(move |tx| {
            if take(tx, token, now)? != LinkTo::SetUp || any(&tx.view())? {
                return no(not_found());
            }
            making.make_and_open(tx, &session, correlation)?;
            let id = making.user.id;
            Ok(services.note_right(tx, (Actor::User(id), correlation), id, true)?)
        });
        written.await.map_err(refused)?;
        Ok(opened)
    }

    /// Where a link leads, without using it.
    pub async fn link_leads(&self, token: &str) -> Result<LinkLeads, Problem> {
        let (token, now) = (token.to_owned(), self.now());
        let found = self.store.read(move |view| {
            Ok(match find(view, &token, now)? {
                // That of a connection has a page of its own.
                None | Some(LinkTo::Connect { .. }) => None,
                Some(LinkTo::SetUp) => {
                    let none = !any(view)?;
                    let homes = if none { ownerless(view)? } else { Vec::new() };
                    let owns = homes.into_iter().map(|(_, workspace)| workspace.name).collect();
                    none.then_some(LinkLeads::SetUp { owns })
                }
                Some(LinkTo::Invitation { workspace, invitation }) => {
                    super::invitations::leads(view, (workspace, invitation), now)?
                }
                Some(LinkTo::Reset { user, password_at }) => person(view, user)?
                    .filter(|(user, proofs)| {
                        proofs.password_at == password_at && user.disabled_at.is_none()
                    })
                    .map(|(user, _)| LinkLeads::Reset { email: user.email }),
            })
        });
        found.await.map_err(crate::service::trouble)?.ok_or_else(not_found)
    }

    /// A link by which a user sets a new password. The present one stays until then; the
    /// authenticator stays, too. Whoever makes one could use it themselves, so that it was made is
    /// on record, with the user and with the installation.
    pub async fn reset_link(
        &self,
        operator: Operator,
        name: &str,
        correlation: CorrelationId,
    ) -> Result<LinkShown, Problem> {
        let (link, hash) = self.new_link("reset");
        let (services, now, name) = (self.clone(), self.now(), name.to_owned());
        let expires_at = now.plus(RESET_LIFE);
        let written = self.store.write(move |tx| {
            let (user, proofs) = found(tx, &name)?;
            if let Some(why) = no_reset(&tx.view(), &user)? {
                return no(Problem::field("email", Wrong::NotPossible { why }));
            }
            let to = LinkTo::Reset { user: user.id, password_at: proofs.password_at };
            keep(tx, hash, &Link { expires_at, to }, now)?;
            let (kind, actor) = ("user.reset_link_made", operator.actor());
            let by = (actor.clone(), correlation);
            services.note_installation(tx, by, (kind, &user.id.to_string()), &[])?;
            Ok(services.tell(tx, user.id, &News { kind, actor, data: &[], correlation })?)
        });
        written.await.map_err(refused)?;
        Ok(LinkShown { link, expires_at: expires_at.to_string() })
    }

    /// Sets the password that such a link is for, and ends all sessions of its user.
    pub async fn reset_password(
        &self,
        token: &str,
        password: &Secret<String>,
        visitor: &Visitor,
    ) -> Result<(), Problem> {
        let LinkLeads::Reset { email } = self.link_leads(token).await? else {
            return Err(not_found());
        };
        check_password("password", password, &[&email])?;
        let hash = self.people.passwords.hash(self.rng.as_ref(), password).await?;
        let (token, now, correlation) = (token_hash(token), self.now(), visitor.correlation);
        let services = self.clone();
        let written = self.store.write(move |tx| {
            let LinkTo::Reset { user: id, password_at } = take(tx, token, now)? else {
                return no(not_found());
            };
            let found = person(&tx.view(), id)?.filter(|(user, proofs)| {
                proofs.password_at == password_at && user.disabled_at.is_none()
            });
            let Some((_, proofs)) = found else { return no(not_found()) };
            set_password(tx, id, proofs, &hash, now)?;
            end_others(tx, id, None)?;
            let (kind, actor) = ("user.password_reset", Actor::User(id));
            Ok(services.tell(tx, id, &News { kind, actor, data: &[], correlation })?)
        });
        written.await.map_err(refused)
    }
}
