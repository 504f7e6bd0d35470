//! Verbs about plans: operators give them, everybody else looks.

use super::super::words;
use super::run::{Answer, Caller, Words, shown};
use crate::base::{Problem, WorkspaceId, Wrong};
use crate::domain::access::{Manage, Read};
use crate::domain::plan::{Entitlement, Overrides};

/// The plan of the installation, for whoever was given none.
const DEFAULT: &str = "default";

impl Caller<'_> {
    pub(super) async fn plan(
        &self,
        workspace: WorkspaceId,
        verb: &str,
        words: &Words<'_>,
    ) -> Answer {
        let services = self.services;
        match verb {
            "set" => {
                let given = given(words)?;
                let access = self.enter::<Manage>(workspace).await?;
                shown(services.set_plan(access, given).await?.value)
            }
            "preview" => {
                let given = given(words)?;
                let access = self.enter::<Read>(workspace).await?;
                shown(services.preview_plan(&access, given).await?)
            }
            _ => {
                let access = self.enter::<Read>(workspace).await?;
                shown(services.plan_of(&access).await?)
            }
        }
    }
}

/// What is not given is as the plan says.
fn given(given: &Words<'_>) -> Result<Option<Entitlement>, Problem> {
    let cap = |name: &str| given.maybe(name)?.map(|word| words::cap(name, word)).transpose();
    let mut overrides =
        Overrides { channels: cap("channels")?, posts: cap("posts")?, ..Overrides::default() };
    for (name, has) in [("allow", true), ("deny", false)] {
        for (i, word) in given.many(name)?.into_iter().enumerate() {
            overrides.set(words::feature(&format!("{name}[{i}]"), word)?, has);
        }
    }
    let plan = given.word("plan")?;
    if plan == DEFAULT && overrides == Overrides::default() {
        return Ok(None);
    }
    if plan == DEFAULT {
        let why = "has no overrides; name the plan that they are for";
        return Err(Problem::field("plan", Wrong::NotPossible { why }));
    }
    Ok(Some(Entitlement { plan: words::plan("plan", plan)?, overrides }))
}
