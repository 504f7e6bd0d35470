//! Verbs about what is wrong.

use super::super::words::number;
use super::run::{Answer, Caller, Words, shown};
use crate::base::{Problem, Wrong};

impl Caller<'_> {
    pub(super) async fn alert(&self, verb: &str, words: &Words<'_>) -> Answer {
        let (services, operator) = (self.services, self.operator);
        if verb == "list" {
            return shown(services.alerts(operator).await?);
        }
        let id = words.word("id")?;
        match verb {
            "acknowledge" => shown(services.mark_alert(operator, id, None).await?),
            "silence" => {
                let minutes = number("minutes", words.maybe("minutes")?)?;
                let minutes = minutes.ok_or_else(|| Problem::field("minutes", Wrong::Missing))?;
                shown(services.mark_alert(operator, id, Some(minutes)).await?)
            }
            _ => shown(services.reopen_alert(operator, id).await?),
        }
    }
}
