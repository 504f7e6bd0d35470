//! Verbs about hosts.

use super::run::{Answer, Caller, Words, shown};

impl Caller<'_> {
    pub(super) async fn host(&self, verb: &str, words: &Words<'_>) -> Answer {
        let (services, operator) = (self.services, self.operator);
        match verb {
            "create" => {
                let origins: Vec<String> =
                    words.many("origin")?.into_iter().map(str::to_owned).collect();
                shown(services.create_host(operator, words.word("name")?, &origins).await?)
            }
            "revoke" => shown(services.revoke_host(operator, words.id("id")?).await?),
            _ => shown(services.hosts(operator).await?),
        }
    }
}
