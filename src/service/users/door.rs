//! What a workspace asks of people at its door: a second factor. Must not ask keys; they have none.

use super::{SecurityShown, person};
use crate::base::{Problem, UserId};
use crate::domain::access::{Manage, Read};
use crate::domain::user::DoorRule;
use crate::service::{Access, Services, no, refused, trouble};
use crate::store::{Error, Scope, View};

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
        Ok(SecurityShown { totp_required: rule.totp_required })
    }

    /// Asks every member for an authenticator, or no longer does. Whoever asks for it must have one,
    /// so that they do not lock themselves out.
    pub async fn change_security(
        &self,
        access: Access<Manage>,
        totp_required: bool,
    ) -> Result<SecurityShown, Problem> {
        let services = self.clone();
        let written = self.store.write(move |tx| {
            let scope = access.scope;
            if totp_required
                && let crate::domain::event::Actor::User(user) = &access.actor
                && !person(&tx.view(), *user)?.is_some_and(|(_, proofs)| proofs.has_totp())
            {
                return no(Problem::new(crate::base::Code::TotpNeeded));
            }
            let before = tx.get::<DoorRule>(&scope, &())?.unwrap_or_default();
            if before.totp_required != totp_required {
                tx.put(&scope, &(), &DoorRule { totp_required })?;
                let subject = scope.workspace().to_string();
                let mut event = access.event(&services, "workspace.security_changed", &subject);
                event.data.insert("totp_required".to_owned(), totp_required.to_string());
                tx.append_event(&scope, event)?;
            }
            Ok(SecurityShown { totp_required })
        });
        written.await.map_err(refused)
    }
}
