//! Writing to those who run the installation about what is wrong with it: administrators, each alert once. Must
//! not write about what somebody has seen already, nor each time that something comes and goes.

use std::collections::BTreeMap;
use std::time::Duration;

use super::super::alerts::{AlertShown, Level};
use super::super::{Services, refused, trouble};
use crate::base::{Code, Problem, limits};
use crate::domain::user::User;
use crate::outbound::mail::MailError;
use crate::store::rows::{Administers, OpenAlert, ToldAlert};
use crate::store::{Error, Operator, View};

/// How long something is wrong before it is written about: what ends by itself wakes nobody.
const PATIENCE: Duration = Duration::from_mins(2);
/// How long it is over before it is news again.
const QUIET: Duration = Duration::from_hours(1);

/// When each alert of which was written was last seen; by the monotonic clock, since the server began.
#[derive(Debug, Default)]
pub struct Watch(BTreeMap<String, Duration>);

impl Services {
    /// Looks at the alerts, and writes about those that are new; about how many.
    pub async fn write_alarms(&self, watch: &mut Watch) -> Result<usize, Problem> {
        if self.mail.is_none() {
            return Ok(0);
        }
        // So that it is known since when each is open.
        self.follow_alerts().await?;
        let all = self.alerts(Operator::new(0)).await?.items;
        let rows = self.store.read(|view| {
            let open = view.scan_global::<OpenAlert>(None, limits::PAGE_MAX)?;
            Ok((open, view.scan_global::<ToldAlert>(None, limits::PAGE_MAX)?))
        });
        let (open, told) = rows.await.map_err(trouble)?;
        let open: BTreeMap<String, OpenAlert> = open.into_iter().collect();
        let told: BTreeMap<String, ToldAlert> = told.into_iter().collect();
        let now = self.now();
        let lasts = |id: &str| open.get(id).is_some_and(|it| now.since(it.since) >= PATIENCE);
        let is_new = |alert: &&AlertShown| {
            let urgent = alert.state == "open" && alert.level != Level::Note.word();
            urgent && lasts(alert.id) && !told.contains_key(alert.id)
        };
        let new: Vec<&AlertShown> = all.iter().filter(is_new).collect();
        let (now, mut over) = (self.clock.monotonic(), Vec::new());
        for id in told.keys() {
            let seen = watch.0.entry(id.clone()).or_insert(now);
            if all.iter().any(|alert| alert.id == id) {
                *seen = now;
            } else if now.saturating_sub(*seen) >= QUIET {
                over.push(id.clone());
            }
        }
        watch.0.retain(|id, _| told.contains_key(id) && !over.contains(id));
        if !new.is_empty() {
            self.alarm(&new).await?;
        }
        if new.is_empty() && over.is_empty() {
            return Ok(0);
        }
        let (at, count) = (self.now(), new.len());
        let new: Vec<String> = new.iter().map(|alert| alert.id.to_owned()).collect();
        let noted = self.store.write(move |tx| {
            for id in &new {
                tx.put_global(id, &ToldAlert { at })?;
            }
            for id in &over {
                tx.delete_global::<ToldAlert>(id);
            }
            Ok(())
        });
        noted.await.map_err(refused)?;
        Ok(count)
    }

    /// Why nobody is written to about what is wrong, if it is so.
    pub async fn nobody_is_told(&self) -> Result<Option<&'static str>, Problem> {
        if self.mail.is_none() {
            return Ok(Some("no mail server is set"));
        }
        let people = self.store.read(administrators).await.map_err(trouble)?;
        Ok(people.is_empty().then_some("nobody is an administrator"))
    }

    /// One letter about these to each administrator. That nobody is one is told by an alert.
    async fn alarm(&self, new: &[&AlertShown]) -> Result<(), Problem> {
        let Some(mailer) = &self.mail else { return Ok(()) };
        let people = self.store.read(administrators).await.map_err(trouble)?;
        let now = self.now();
        let (subject, text) = letter(new, &self.public_url);
        let mut down = None;
        let mut reached = 0_u64;
        for person in &people {
            let id = format!("alerts.{}.{}", now.as_millis(), person.id);
            match self.hand_over(mailer, (&person.email, &id), (&subject, &text)).await {
                Ok(()) => reached += 1,
                Err(MailError::Refused(_)) => {
                    tracing::warn!(user = %person.id, "the mail server refused a letter to somebody");
                }
                Err(MailError::Later(said) | MailError::Server(said)) => down = Some(said),
            }
        }
        // Whoever was put off while another was reached looks with them.
        match down {
            Some(said) if reached == 0 => Err(Problem::new(Code::MailFailed).with("said", said)),
            _ => Ok(()),
        }
    }
}

fn administrators(view: &View<'_>) -> Result<Vec<User>, Error> {
    let mut people = Vec::new();
    for (id, Administers { .. }) in view.scan_global::<Administers>(None, limits::PAGE_MAX)? {
        let user = view.get_global::<User>(&id)?;
        people.extend(user.filter(|user| user.disabled_at.is_none() && !user.is_erased()));
    }
    Ok(people)
}

/// Subject and text.
fn letter(new: &[&AlertShown], url: &str) -> (String, String) {
    let first = new.first().map_or("", |alert| alert.what.as_str());
    let subject = match new.len() {
        0 | 1 => format!("Carillon: {first}"),
        n => format!("Carillon: {first}; and {} more", n - 1),
    };
    let told = new.iter().map(|AlertShown { level, what, look, .. }| {
        format!("[{level}] {what}\n       carillon {look}\n")
    });
    let told: String = told.collect();
    let text = format!(
        "What is wrong with {url}:\n\n{told}\n\
         `carillon alert list` on the server, or `carillon console`, shows how it is now; what is \
         acknowledged or silenced there is not written about.\n\
         You get this because you are an administrator of that installation.\n"
    );
    (subject, text)
}
