//! Verbs about users and invitations.

use serde_json::{Value, json};

use super::super::{NewInvitation, NewUser, SecurityChange, words};
use super::run::{Answer, Caller, Words, shown};
use crate::base::{Problem, Secret, WorkspaceId, Wrong};
use crate::domain::access::{Close, Manage, Read};

impl Caller<'_> {
    pub(super) async fn user(&self, verb: &str, words: &Words<'_>) -> Answer {
        let (services, operator, correlation) = (self.services, self.operator, self.correlation);
        if verb == "list" {
            let limit = words::page_limit(words.maybe("limit")?)?;
            return shown(services.users(operator, words.maybe("cursor")?, limit).await?);
        }
        if verb == "administrators" {
            return shown(services.administrators(operator).await?);
        }
        // Their e-mail or, but for whom is yet to be made, their id.
        let name = words.word("email")?;
        match verb {
            "create" => self.create_user(name, words).await,
            "disable" | "enable" => {
                let disable = verb == "disable";
                let done = services.disable_user(operator, name, disable, correlation).await?;
                let mut answer = shown(done.0)?;
                if let Some(fields) = answer.as_object_mut().filter(|_| disable) {
                    fields.insert("ownerless".to_owned(), json!(done.1));
                }
                Ok(answer)
            }
            "erase" => {
                let id = services.erase_user(operator, name, correlation).await?;
                Ok(json!({ "id": id, "erased": true }))
            }
            "promote" | "demote" => {
                let promote = verb == "promote";
                shown(services.promote_user(operator, name, promote, correlation).await?)
            }
            "unlink" => shown(services.unlink_user(operator, name, correlation).await?),
            "reset-link" => shown(services.reset_link(operator, name, correlation).await?),
            "reset-totp" => shown(services.reset_totp(operator, name, correlation).await?),
            "sessions" => shown(services.user_sessions(operator, name)?),
            "sign-out" => {
                let ended = services.sign_out_user(operator, name, correlation).await?;
                let user = services.user(operator, name)?.user;
                Ok(json!({ "id": user.id, "email": user.email, "sessions_ended": ended }))
            }
            _ => shown(services.user(operator, name)?),
        }
    }

    async fn create_user(&self, email: &str, words: &Words<'_>) -> Answer {
        let name = match words.maybe("name")? {
            Some(name) => name,
            None => email.trim().split('@').next().unwrap_or_default(),
        };
        let password = words.maybe("password")?.map(|text| Secret::new(text.to_owned()));
        let new = NewUser { name: name.to_owned(), password };
        let admin = words.flag("admin")?;
        let made =
            self.services.create_user(self.operator, email, new, admin, self.correlation).await?;
        let mut answer = shown(made.0)?;
        if let (Some(fields), Some(link)) = (answer.as_object_mut(), made.1) {
            fields.insert("link".to_owned(), Value::String(link.link));
            fields.insert("link_expires_at".to_owned(), Value::String(link.expires_at));
        }
        Ok(answer)
    }

    pub(super) async fn invitation(
        &self,
        workspace: WorkspaceId,
        verb: &str,
        words: &Words<'_>,
    ) -> Answer {
        let access = self.enter::<Manage>(workspace).await?;
        match verb {
            "create" => {
                let email = words.word("email")?.to_owned();
                let role = words::role("role", words.word("role")?)?;
                let new = NewInvitation { email, role, channels: super::members::grants(words)? };
                shown(self.services.invite(access, new).await?.value)
            }
            "revoke" => {
                shown(self.services.revoke_invitation(access, words.id("id")?).await?.value)
            }
            _ => {
                let limit = words::page_limit(words.maybe("limit")?)?;
                let cursor = words.maybe("cursor")?;
                shown(self.services.invitations(&access, cursor, limit).await?)
            }
        }
    }

    pub(super) async fn closing(&self, workspace: WorkspaceId, verb: &str) -> Answer {
        let access = self.enter::<Close>(workspace).await?;
        if verb == "delete" {
            return shown(self.services.delete_workspace(access).await?.value);
        }
        shown(self.services.restore_workspace(access).await?.value)
    }

    pub(super) async fn erasure(&self, verb: &str, words: &Words<'_>) -> Answer {
        let (services, operator) = (self.services, self.operator);
        if verb == "list" {
            let limit = words::page_limit(words.maybe("limit")?)?;
            return shown(services.erasures(operator, limit).await?);
        }
        shown(services.erasure(operator, words.id("workspace")?).await?)
    }

    pub(super) async fn security(&self, workspace: WorkspaceId, words: &Words<'_>) -> Answer {
        let change = SecurityChange {
            totp_required: either(words, "totp", ["required", "optional"])?,
            bursts: words.maybe("bursts")?.map(|word| words::bursts("bursts", word)).transpose()?,
            instead_of: None,
        };
        let access = self.enter::<Manage>(workspace).await?;
        shown(self.services.change_security(access, change).await?)
    }
}

impl Caller<'_> {
    /// Shows the rule, or changes it when one is given.
    pub(super) async fn approvals(&self, workspace: WorkspaceId, words: &Words<'_>) -> Answer {
        let named = words.many("reviewer")?;
        let rule = match words.maybe("rule")? {
            None if named.is_empty() => {
                let access = self.enter::<Read>(workspace).await?;
                return shown(self.services.approval_rule(&access).await?);
            }
            None => "reviewers".to_owned(),
            Some(word) => word.replace('-', "_"),
        };
        let rule = words::approvals(("rule", &rule), ("reviewer", &named))?;
        let access = self.enter::<Manage>(workspace).await?;
        shown(self.services.change_approvals(access, (rule, "reviewer")).await?)
    }
}

/// Whether it is the first of two words; `None` when none was given.
fn either(words: &Words<'_>, name: &str, two: [&str; 2]) -> Result<Option<bool>, Problem> {
    match words.maybe(name)? {
        None => Ok(None),
        Some(word) if two.contains(&word) => Ok(Some(word == two[0])),
        Some(_) => Err(Problem::field(name, Wrong::NotOneOf { allowed: two.join(", ") })),
    }
}
