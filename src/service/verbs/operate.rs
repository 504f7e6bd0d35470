//! Verbs about the program itself: its settings, its backups, and what it does now and then.

use serde_json::json;

use super::super::{MediaMode, Order};
use super::run::{Answer, Caller, Words, shown};
use crate::base::{Problem, Wrong};

impl Caller<'_> {
    pub(super) fn settings(&self, verb: &str, words: &Words<'_>) -> Answer {
        let controls = &self.services.controls;
        match verb {
            "reload" => shown((controls.reload)()?),
            "preview" => shown((controls.preview)()?),
            "try" => shown((controls.try_setting)(words.word("key")?, words.maybe("to")?)?),
            _ => {
                let level = words.word("level")?;
                (controls.set_level)(level)?;
                Ok(json!({ "level": level }))
            }
        }
    }

    pub(super) async fn backup(&self, verb: &str, words: &Words<'_>) -> Answer {
        let services = self.services;
        match verb {
            "create" => {
                let media = match words.maybe("media")? {
                    None | Some("reference") => MediaMode::Reference,
                    Some("copy") => MediaMode::Copy,
                    Some(_) => {
                        let allowed = "reference, copy".to_owned();
                        return Err(Problem::field("media", Wrong::NotOneOf { allowed }));
                    }
                };
                shown(services.create_backup(media).await?)
            }
            "test" => {
                let identity = words.secret("identity")?;
                let identity =
                    identity.ok_or_else(|| Problem::field("identity", Wrong::Missing))?;
                let who = (self.operator, self.correlation);
                shown(services.test_backup(who, words.word("name")?, &identity).await?)
            }
            _ => Ok(json!({ "items": services.all_backups().await? })),
        }
    }

    pub(super) fn job(&self, verb: &str, words: &Words<'_>) -> Answer {
        let jobs = &self.services.jobs;
        let order = match verb {
            "list" => return Ok(json!({ "items": jobs.shown() })),
            "run" => Order::Run,
            "pause" => Order::Pause,
            "stop" => Order::Stop,
            _ => Order::Resume,
        };
        let name = words.word("name")?;
        let told = jobs.order(name, order)?;
        let actor = self.operator.actor().word();
        tracing::info!(job = name, verb, actor, "a job was told what to do");
        shown(told)
    }
}
