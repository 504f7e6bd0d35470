//! Users: how they come to be, how they prove who they are, and how long that is believed. What
//! they may do in a workspace, `members` and `access` know.

mod accounts;
mod administrators;
mod authenticator;
mod door;
mod erasure;
mod invitations;
mod links;
mod oidc;
mod operators;
mod passwords;
mod seen;
mod sessions;
mod sign_in;
mod spread;
mod throttle;

use std::net::IpAddr;

use data_encoding::BASE64URL_NOPAD;
use sha2::{Digest, Sha256};

use super::keys::UsedKeys;
use super::{Services, trouble};
use crate::base::{CorrelationId, Problem, Rng, Secret, UserId};
use crate::domain::event::{Actor, Event};
use crate::domain::user::{Proofs, Session, User};
use crate::store::rows::Email;
use crate::store::{Error, Scope, Tx, View};
use passwords::Passwords;
use spread::Spread;
use throttle::Throttle;

pub use accounts::{AccountChange, NewUser};
pub use administrators::Administrator;
pub use authenticator::Enrolment;
pub use door::{SecurityChange, door_stands_open};
pub use invitations::{Accepted, NewInvitation};
pub use links::LinkLeads;
pub(super) use links::{keep as keep_link, take as take_link};
pub use oidc::{Oidc, OidcAnswer, OidcAsks, OidcFor, OidcGiven, OidcGone, OidcSettings, OidcStep};
pub(super) use operators::signs_in;
pub use passwords::Cost;
pub use seen::{
    InvitationShown, LinkShown, Opened, RecoveryCodes, SecurityShown, SessionShown, UserShown,
};
pub use sessions::SESSION_PREFIX;
pub(super) use sessions::last_seen;
pub use sign_in::Credentials;

/// Workspaces of a user that are told what became of their account.
const TOLD: usize = 50;

/// What the process keeps about those who come: hashing in progress, and attempts; and when the use
/// of a key was written down.
#[derive(Default)]
pub struct People {
    pub passwords: Passwords,
    throttle: Throttle,
    spread: Spread,
    pub(super) used_keys: UsedKeys,
}

impl People {
    pub fn new(cost: Cost) -> Self {
        Self { passwords: Passwords::new(cost), ..Self::default() }
    }
}

/// Where a request comes from.
#[derive(Clone, Debug)]
pub struct Visitor {
    pub address: Option<IpAddr>,
    /// What the browser or program calls itself.
    pub agent: String,
    pub correlation: CorrelationId,
}

/// A person with a live session.
#[derive(Clone, Debug)]
pub struct SignedIn {
    pub user: User,
    pub session: Session,
}

/// 256 random bits as text that goes into headers and addresses.
pub(super) fn new_token(rng: &dyn Rng, prefix: &str) -> Secret<String> {
    let mut random = [0; 32];
    rng.fill(&mut random);
    Secret::new(format!("{prefix}{}", BASE64URL_NOPAD.encode(&random)))
}

/// How a token is kept. It has 256 random bits, so one round of a fast hash is enough.
pub(super) fn token_hash(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

fn person(view: &View<'_>, id: UserId) -> Result<Option<(User, Proofs)>, Error> {
    let Some(user) = view.get_global::<User>(&id)? else { return Ok(None) };
    Ok(view.get_global::<Proofs>(&id)?.map(|proofs| (user, proofs)))
}

fn person_of(view: &View<'_>, email: &str) -> Result<Option<(User, Proofs)>, Error> {
    match view.get_global::<Email>(&email.to_owned())? {
        Some(row) => person(view, row.user),
        None => Ok(None),
    }
}

impl Services {
    fn read_person<T>(&self, f: impl FnOnce(&View<'_>) -> Result<T, Error>) -> Result<T, Problem> {
        self.store.read_now(f).map_err(trouble)
    }

    /// Something that concerns a person: an event in each of their workspaces.
    fn tell(&self, tx: &mut Tx<'_>, user: UserId, news: &News<'_>) -> Result<(), Error> {
        for scope in Scope::of_user(&tx.view(), user, None, TOLD)? {
            tx.append_event(&scope, news.event(self, user))?;
        }
        Ok(())
    }
}

/// What happened to a user, and by whom.
struct News<'a> {
    kind: &'a str,
    actor: Actor,
    data: &'a [(&'a str, &'a str)],
    correlation: CorrelationId,
}

impl News<'_> {
    fn event(&self, services: &Services, user: UserId) -> Event {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Event {
            at: services.now(),
            actor: self.actor.clone(),
            kind: self.kind.to_owned(),
            subject: user.to_string(),
            data: self.data.iter().map(own).collect(),
            correlation: self.correlation,
        }
    }
}
