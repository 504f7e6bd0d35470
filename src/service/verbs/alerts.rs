//! Verbs about what is wrong.

use super::super::words::number;
use super::run::{Answer, Caller, Words, shown};
use crate::base::{Problem, Wrong};

impl Caller<'_> {
    pub(super) async fn alert(&self, verb: &str, words: &Words<'_>) -> Answer {
        let (services, who) = (self.services, (self.operator, self.correlation));
        if verb == "list" {
            return shown(services.alerts(self.operator).await?);
        }
        let id = words.word("id")?;
        match verb {
            "acknowledge" => shown(services.mark_alert(who, id, None).await?),
            "silence" => {
                let minutes = number("minutes", words.maybe("minutes")?)?;
                let minutes = minutes.ok_or_else(|| Problem::field("minutes", Wrong::Missing))?;
                shown(services.mark_alert(who, id, Some(minutes)).await?)
            }
            "comment" => shown(services.comment_alert(who, id, words.word("text")?).await?),
            _ => shown(services.reopen_alert(who, id).await?),
        }
    }
}
