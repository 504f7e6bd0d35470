//! What a workspace asks of people at its door: a second factor; and what is done about keys that write very
//! much at once. Must not ask keys for a factor; they have none.

use super::{SecurityShown, person};
use crate::base::{Problem, UserId};
use crate::domain::access::{Manage, Proof, Read};
use crate::domain::user::{BurstAct, DoorRule};
use crate::service::{Access, Services, no, refused, trouble};
use crate::store::{Error, Scope, View, WriteError};

/// What changes of it; `None` leaves it as it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct SecurityChange {
    pub totp_required: Option<bool>,
    pub bursts: Option<BurstAct>,
    /// `bursts` counts only where this is what is done now.
    pub instead_of: Option<BurstAct>,
}

/// Whether a person may go in, as far as this is concerned.
pub fn door_stands_open(view: &View<'_>, scope: &Scope, user: UserId) -> Result<bool, Error> {
    let asks = view.get::<DoorRule>(scope, &())?.is_some_and(|rule| rule.totp_required);
    Ok(!asks || person(view, user)?.is_some_and(|(_, proofs)| proofs.has_totp()))
}

impl Services {
    pub async fn security(&self, access: &Access<Read>) -> Result<SecurityShown, Problem> {
        let scope = access.scope;
        let rule = self.store.read(move |view| view.get::<DoorRule>(&scope, &())).await;
        let rule = rule.map_err(trouble)?.unwrap_or_default();
        Ok(shown(&rule))
    }

    /// Changes what is given. Whoever asks every member for an authenticator must have one, so that they
    /// do not lock themselves out; whoever asks for none any more must have proved a moment ago who they
    /// are, for that opens the door to whoever knows a password.
    pub async fn change_security(
        &self,
        access: Access<Manage>,
        change: SecurityChange,
    ) -> Result<SecurityShown, Problem> {
        let services = self.clone();
        let written = self.store.write(move |tx| {
            let scope = access.scope;
            if change.totp_required == Some(true)
                && let crate::domain::event::Actor::User(user) = &access.actor
                && !person(&tx.view(), *user)?.is_some_and(|(_, proofs)| proofs.has_totp())
            {
                return no(Problem::new(crate::base::Code::TotpNeeded));
            }
            let before = tx.get::<DoorRule>(&scope, &())?.unwrap_or_default();
            if before.totp_required && change.totp_required == Some(false) {
                access.proved(Proof::Own).map_err(WriteError::Refused)?;
            }
            let meant = change.instead_of.is_none_or(|old| old == before.bursts);
            let after = DoorRule {
                totp_required: change.totp_required.unwrap_or(before.totp_required),
                bursts: change.bursts.filter(|_| meant).unwrap_or(before.bursts),
                approvals: before.approvals.clone(),
            };
            if before != after {
                tx.put(&scope, &(), &after)?;
                let subject = scope.workspace().to_string();
                let mut event = access.event(&services, "workspace.security_changed", &subject);
                let totp = after.totp_required.to_string();
                for (name, value) in [("totp_required", &*totp), ("bursts", after.bursts.word())] {
                    event.data.insert(name.to_owned(), value.to_owned());
                }
                tx.append_event(&scope, event)?;
            }
            Ok(shown(&after))
        });
        written.await.map_err(refused)
    }
}

fn shown(rule: &DoorRule) -> SecurityShown {
    SecurityShown {
        totp_required: rule.totp_required,
        bursts: rule.bursts.word(),
        pause_bursts: rule.bursts == BurstAct::Pause,
    }
}
