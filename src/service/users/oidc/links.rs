//! Who somebody at the provider is here: kept with what proves who a person is, and by the identity's
//! hash. One person has one, and no identity is two people's. Must not let anybody in.

use super::refused_for;
use crate::base::{CorrelationId, Problem, UserId, Wrong};
use crate::domain::event::Actor;
use crate::domain::user::{Identity, Proofs};
use crate::service::users::sessions::end_others;
use crate::service::users::{News, SignedIn, UserShown, Visitor, person, seen};
use crate::service::{Services, no, not_found, refused};
use crate::store::rows::{Administers, IdentityHolder};
use crate::store::{Operator, Tx, WriteError};

pub(in crate::service::users) const LINKED: &str = "user.identity_linked";
pub(super) const UNLINKED: &str = "user.identity_unlinked";

/// From now on this identity is this person; the one before is nobody.
pub(in crate::service::users) fn keep(
    tx: &mut Tx<'_>,
    id: UserId,
    proofs: &mut Proofs,
    identity: Identity,
) -> Result<(), WriteError<Problem>> {
    let holder = tx.view().get_global::<IdentityHolder>(&identity.hash)?;
    if holder.is_some_and(|holder| holder.user != id) {
        return no(refused_for("taken"));
    }
    let_go(tx, proofs);
    tx.put_global(&identity.hash, &IdentityHolder { user: id })?;
    proofs.identity = Some(identity);
    Ok(tx.put_global(&id, &*proofs)?)
}

/// Their identity is nobody from now on; the caller stores or removes what proves who they are.
pub(in crate::service::users) fn let_go(tx: &mut Tx<'_>, proofs: &mut Proofs) {
    if let Some(identity) = proofs.identity.take() {
        tx.delete_global::<IdentityHolder>(&identity.hash);
    }
}

fn unlink(tx: &mut Tx<'_>, id: UserId, proofs: &mut Proofs) -> Result<(), WriteError<Problem>> {
    if proofs.identity.is_none() {
        let why = "is known by nobody at the identity provider";
        return no(Problem::field("email", Wrong::NotPossible { why }));
    }
    let_go(tx, proofs);
    Ok(tx.put_global(&id, &*proofs)?)
}

impl Services {
    /// The identity of whoever asks is nobody from now on. Refused to somebody of whom no password is
    /// taken, who could not come in any more.
    pub async fn unlink_identity(&self, who: &SignedIn, visitor: &Visitor) -> Result<(), Problem> {
        self.ask_fresh(who)?;
        let (services, id, correlation) = (self.clone(), who.user.id, visitor.correlation);
        let written = self.store.write(move |tx| {
            let Some((_, mut proofs)) = person(&tx.view(), id)? else { return no(not_found()) };
            let takes_passwords =
                services.oidc.passwords() || tx.view().get_global::<Administers>(&id)?.is_some();
            if proofs.password.is_none() || !takes_passwords {
                let why = "is your only way in";
                return no(Problem::field("identity", Wrong::NotPossible { why }));
            }
            unlink(tx, id, &mut proofs)?;
            let news = News { kind: UNLINKED, actor: Actor::User(id), data: &[], correlation };
            Ok(services.tell(tx, id, &news)?)
        });
        written.await.map_err(refused)
    }

    /// The same for somebody whom the provider knows by another name now, or whose identity is not theirs: all
    /// their sessions end with it.
    pub async fn unlink_user(
        &self,
        operator: Operator,
        name: &str,
        correlation: CorrelationId,
    ) -> Result<UserShown, Problem> {
        self.change_user(operator, name, UNLINKED, correlation, |tx, user, proofs| {
            unlink(tx, user.id, proofs)?;
            end_others(tx, user.id, None)?;
            Ok(seen::user(user, proofs))
        })
        .await
    }
}
