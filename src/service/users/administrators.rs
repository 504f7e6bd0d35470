//! Who may change what is the whole installation's and no workspace's, such as its applications at
//! networks: operators, and people whom an operator made administrators. Who may, since when and by
//! whom, is on the installation's record. Must not lead into a workspace.

use super::operators::signs_in;
use super::{News, Services, UserShown, person, seen};
use crate::base::{Code, CorrelationId, Problem, UserId, Wrong, limits};
use crate::domain::access::Proof;
use crate::domain::event::Actor;
use crate::service::access::step_up;
use crate::service::attempts::Attempt;
use crate::service::shown::Page;
use crate::service::{Principal, no, trouble};
use crate::store::rows::Administers;
use crate::store::{Error, Operator, Tx};

/// Somebody may now change what is the whole installation's.
pub(super) const PROMOTED: &str = "user.promoted";
/// They may not any more.
const DEMOTED: &str = "user.demoted";

/// Proof that somebody may change what is the whole installation's.
pub struct Administrator {
    by: Actor,
    correlation: CorrelationId,
}

impl Administrator {
    pub fn of_operator(operator: Operator, correlation: CorrelationId) -> Self {
        Self { by: operator.actor(), correlation }
    }

    pub fn correlation(&self) -> CorrelationId {
        self.correlation
    }

    /// Who it is, as events name them.
    pub fn actor(&self) -> &Actor {
        &self.by
    }
}

impl Services {
    /// The right of whoever asks, if they are an administrator in a session of their own; to change
    /// something they must have proved a moment ago that it is them.
    pub async fn administrator(
        &self,
        principal: &Principal,
        changes: bool,
        correlation: CorrelationId,
    ) -> Result<Administrator, Problem> {
        let Some((user, _)) = principal.own_session() else {
            return Err(Problem::new(Code::PersonNeeded));
        };
        let by = Actor::User(user);
        if self.read_person(|view| view.get_global::<Administers>(&user))?.is_none() {
            let home = self.read_person(|view| principal.home(view))?;
            let lacks = ("role", "administrator");
            self.note_attempt(home, by, Attempt::denied([lacks]), correlation).await?;
            return Err(Problem::new(Code::Forbidden).with(lacks.0, lacks.1));
        }
        if changes && principal.proof(self.now()) < Proof::Own {
            return Err(step_up());
        }
        Ok(Administrator { by, correlation })
    }

    /// What an administrator did: an event of the installation, and one in each workspace of theirs.
    pub(in crate::service) fn note_change(
        &self,
        tx: &mut Tx<'_>,
        by: &Administrator,
        kind: &str,
        data: &[(&str, &str)],
    ) -> Result<(), Error> {
        let (actor, subject) = (by.by.clone(), data.first().map_or("", |(_, value)| *value));
        let who = (actor.clone(), by.correlation);
        self.note_installation(tx, who, (kind, subject), data)?;
        let Actor::User(user) = by.by else { return Ok(()) };
        self.tell(tx, user, &News { kind, actor, data, correlation: by.correlation })
    }

    /// That somebody has this right from now on, or has it no more: an event of the installation.
    pub(super) fn note_right(
        &self,
        tx: &mut Tx<'_>,
        by: (Actor, CorrelationId),
        user: UserId,
        promoted: bool,
    ) -> Result<(), Error> {
        let kind = if promoted { PROMOTED } else { DEMOTED };
        self.note_installation(tx, by, (kind, &user.to_string()), &[])
    }

    /// Lets somebody change what is the whole installation's, or not any more.
    pub async fn promote_user(
        &self,
        operator: Operator,
        name: &str,
        promote: bool,
        correlation: CorrelationId,
    ) -> Result<UserShown, Problem> {
        let (services, now) = (self.clone(), self.now());
        let kind = if promote { PROMOTED } else { DEMOTED };
        self.change_user(operator, name, kind, correlation, move |tx, user, proofs| {
            if promote && !signs_in(&tx.view(), user)? {
                // The right takes a session of their own, which they cannot have.
                let why = "is whom a host signs in; only who signs in here can administer it";
                return no(Problem::field("email", Wrong::NotPossible { why }));
            }
            let before = tx.view().get_global::<Administers>(&user.id)?.is_some();
            if before != promote {
                if promote {
                    tx.put_global(&user.id, &Administers { since: now })?;
                } else {
                    tx.delete_global::<Administers>(&user.id);
                }
                services.note_right(tx, (operator.actor(), correlation), user.id, promote)?;
            }
            Ok(seen::user(user, proofs))
        })
        .await
    }

    /// Everybody who may; at most a page of them is shown.
    pub async fn administrators(&self, _: Operator) -> Result<Page<UserShown>, Problem> {
        let rows = self.store.read(|view| {
            let mut found = Vec::new();
            let after: Option<&UserId> = None;
            for (id, Administers { .. }) in view.scan_global(after, limits::PAGE_MAX)? {
                found.extend(person(view, id)?.map(|(user, proofs)| seen::user(&user, &proofs)));
            }
            Ok(found)
        });
        Ok(Page { items: rows.await.map_err(trouble)?, next: None })
    }
}
