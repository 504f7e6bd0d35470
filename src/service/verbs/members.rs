//! Verbs on members, and the words for what a member or key may do on which channels.

use std::collections::BTreeMap;

use serde_json::json;

use super::super::{MemberChange, words};
use super::run::{Answer, Caller, Words, shown};
use crate::base::{Problem, UserId, WorkspaceId, Wrong, limits};
use crate::domain::access::{Grants, Manage, Read};

impl Caller<'_> {
    pub(super) async fn member(
        &self,
        workspace: WorkspaceId,
        verb: &str,
        words: &Words<'_>,
    ) -> Answer {
        let services = self.services;
        if verb == "list" {
            let access = self.enter::<Read>(workspace).await?;
            return shown(services.members(&access, None, limits::PAGE_MAX).await?);
        }
        let named = words.word("user")?;
        let user: UserId = if named.contains('@') {
            words::id("user", &services.user(self.operator, named)?.user.id)?
        } else {
            words::id("user", named)?
        };
        if verb == "show" {
            let access = self.enter::<Read>(workspace).await?;
            return shown(services.member(&access, user).await?);
        }
        let role = || words::role("role", words.word("role")?);
        let none = MemberChange::default();
        let change = match verb {
            "add" => {
                let (role, channels) = (role()?, grants(words)?);
                let access = self.enter::<Manage>(workspace).await?;
                return shown(services.add_member(access, user, role, channels).await?.value);
            }
            "remove" => {
                let access = self.enter::<Manage>(workspace).await?;
                services.remove_member(access, user).await?;
                return Ok(json!({ "user": user, "state": "removed" }));
            }
            "set-role" => MemberChange { role: Some(role()?), ..none },
            "limit" => MemberChange { channels: Some(grants(words)?), ..none },
            _ => MemberChange { suspended: Some(verb == "suspend"), ..none },
        };
        let access = self.enter::<Manage>(workspace).await?;
        shown(services.change_member(access, user, change).await?.value)
    }
}

/// `CHANNEL:GRANT` each in `channel`; without any, every channel.
pub(super) fn grants(words: &Words<'_>) -> Result<Grants, Problem> {
    let mut named = BTreeMap::new();
    for text in words.many("channel")? {
        let expected = || "a channel and what it is for, such as ID:publish".to_owned();
        let bad = || Problem::field("channel", Wrong::BadFormat { expected: expected() });
        let (channel, grant) = text.split_once(':').ok_or_else(bad)?;
        if named.insert(channel.to_owned(), grant.to_owned()).is_some() {
            return Err(Problem::field("channel", Wrong::Twice));
        }
    }
    words::grants("channel", Some(&named).filter(|named| !named.is_empty()))
}
