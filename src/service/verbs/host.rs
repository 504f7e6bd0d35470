//! Verbs about hosts.

use super::run::{Answer, Caller, Words, shown};

impl Caller<'_> {
    pub(super) async fn host(&self, verb: &str, words: &Words<'_>) -> Answer {
        let (services, operator) = (self.services, self.operator);
        let who = (operator, self.correlation);
        match verb {
            "create" => {
                let origins: Vec<String> =
                    words.many("origin")?.into_iter().map(str::to_owned).collect();
                shown(services.create_host(who, words.word("name")?, &origins).await?)
            }
            "revoke" => shown(services.revoke_host(who, words.id("id")?).await?),
            _ => shown(services.hosts(operator).await?),
        }
    }
}
