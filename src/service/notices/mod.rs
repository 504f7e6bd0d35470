//! Writing to the people of a workspace about what needs them: what stopped, and what looks suspicious. Events
//! are read by cursor; what happens close together is one letter. Must not write more often than that, nor
//! forget anybody because a server was away.

mod alarms;
mod words;

use std::time::Duration;

use super::{Services, refused, trouble};
use crate::base::{Code, Problem, Timestamp, UserId, WorkspaceId, limits};
use crate::domain::access::{Member, Role};
use crate::domain::user::{Proofs, User, email};
use crate::domain::workspace::Workspace;
use crate::outbound::mail::{Letter, MailError, Mailer};
use crate::store::rows::{ChainedEvent, Told};
use crate::store::{Error, Operator, Scope, Span, View};
pub use alarms::Watch;
use words::{For, Line};

/// Between two letters about one workspace.
const PAUSE: Duration = Duration::from_mins(10);
/// Between two tries of a letter that was not taken.
const AGAIN: Duration = Duration::from_mins(5);
/// After so many tries, a day, somebody is given up.
const TRIES: u32 = 288;
/// Events that one letter can be about; of more, the rest is in the next.
const REACH: usize = 1_000;
/// Sentences of one letter.
const LINES: usize = 30;
/// How long ago something may be when people are first written to at all.
const RECENT: Duration = Duration::from_hours(1);
/// Events without anything to tell are passed over, and after so many that is written down.
const UNSAVED: u64 = 1_000;

/// How far the telling has come in a workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Telling {
    pub to: u64,
    /// There is more to tell, and not before so long.
    pub wait: Option<Duration>,
    /// Somebody was not reached.
    pub owed: bool,
}

/// What a letter is about, and whom it is for.
struct Matter {
    workspace: WorkspaceId,
    name: String,
    slug: String,
    /// It ends with this event.
    to: u64,
    lines: Vec<Line>,
    people: Vec<Person>,
}

struct Person {
    id: UserId,
    email: String,
    role: Role,
}

enum Looked {
    Nothing { to: u64, save: Option<Told> },
    Wait(Duration),
    Matter { told: Told, matter: Matter },
}

impl Services {
    /// Whether people can be written to.
    pub fn writes_mail(&self) -> bool {
        self.mail.is_some()
    }

    /// Writes to the people of a workspace about what happened since event number `from`, unless a moment ago
    /// somebody was written to.
    pub async fn write_letters(&self, scope: Scope, from: Option<u64>) -> Result<Telling, Problem> {
        let Some(mailer) = self.mail.clone() else {
            return Ok(Telling { to: 0, wait: None, owed: false });
        };
        let now = self.now();
        let looked = self.store.read(move |view| look(view, &scope, from, now));
        match looked.await.map_err(trouble)? {
            Looked::Nothing { to, save } => {
                if let Some(told) = save {
                    self.note_told(scope, told).await?;
                }
                Ok(Telling { to, wait: None, owed: false })
            }
            Looked::Wait(wait) => {
                Ok(Telling { to: from.unwrap_or(0), wait: Some(wait), owed: false })
            }
            Looked::Matter { told, matter } => self.write_to(&mailer, scope, told, matter).await,
        }
    }

    async fn write_to(
        &self,
        mailer: &Mailer,
        scope: Scope,
        told: Told,
        matter: Matter,
    ) -> Result<Telling, Problem> {
        let (now, is_again) = (self.now(), !told.left.is_empty());
        let (mut left, mut reached, mut down) = (Vec::new(), 0_u64, None);
        for person in &matter.people {
            if down.is_some() {
                left.push(person.id);
                continue;
            }
            let Some(letter) = letter(&matter, person, &self.public_url) else { continue };
            let id = format!("{}.{}.{}", matter.workspace, matter.to, person.id);
            let (subject, text) = (letter.0.as_str(), letter.1.as_str());
            let letter = Letter { to: &person.email, subject, text, at: now, id: &id };
            let sent = mailer.send(&letter, self.clock.as_ref()).await;
            self.metrics.mail(sent.as_ref().map_or_else(MailError::word, |()| "sent"));
            match sent {
                Ok(()) => reached += 1,
                // Whom it is for stands in no log.
                Err(MailError::Refused(_)) => {
                    tracing::warn!(workspace = %matter.workspace, user = %person.id,
                        "the mail server refused a letter to somebody");
                }
                Err(MailError::Later(_)) => left.push(person.id),
                Err(MailError::Server(said)) => {
                    left.push(person.id);
                    down = Some(said);
                }
            }
        }
        if let Some(said) = down.filter(|_| reached == 0 && !is_again) {
            // Nothing has happened: as good as not having looked.
            return Err(Problem::new(Code::MailFailed).with("said", said));
        }
        let tries = if is_again { told.tries + 1 } else { 1 };
        if tries >= TRIES && !left.is_empty() {
            tracing::error!(workspace = %matter.workspace, people = left.len(),
                "somebody could not be written to for a day, and is given up");
            left.clear();
        }
        tracing::info!(workspace = %matter.workspace, people = reached, lines = matter.lines.len(),
            "people were written to");
        let (to, owed) = (matter.to, !left.is_empty());
        let from = if is_again { told.from } else { told.sequence };
        let row = Told { from, sequence: to, at: now, tries, left };
        self.note_told(scope, row).await?;
        Ok(Telling { to, wait: owed.then_some(AGAIN), owed })
    }

    async fn note_told(&self, scope: Scope, told: Told) -> Result<(), Problem> {
        let noted = self.store.write(move |tx| {
            // A workspace that was erased meanwhile stays so.
            if tx.get::<Workspace>(&scope, &())?.is_some() {
                tx.put(&scope, &(), &told)?;
            }
            Ok(())
        });
        noted.await.map_err(refused)
    }

    /// Writes a letter of trial.
    pub async fn test_mail(&self, _: Operator, to: &str) -> Result<serde_json::Value, Problem> {
        let to = email("email", to)?;
        let Some(mailer) = self.mail.as_ref() else { return Err(Problem::new(Code::MailNotSet)) };
        let now = self.now();
        let id = format!("test.{}", now.as_millis());
        let text = format!(
            "This is a trial: somebody wanted to know whether mail of this Carillon arrives.\n\n{}\n",
            self.public_url
        );
        let subject = "Carillon can write to you";
        let letter = Letter { to: &to, subject, text: &text, at: now, id: &id };
        match mailer.send(&letter, self.clock.as_ref()).await {
            Ok(()) => {
                Ok(serde_json::json!({ "email": to, "server": mailer.place(), "result": "taken" }))
            }
            Err(error) => Err(Problem::new(Code::MailFailed).with("said", error.to_string())),
        }
    }
}

fn look(
    view: &View<'_>,
    scope: &Scope,
    from: Option<u64>,
    now: Timestamp,
) -> Result<Looked, Error> {
    let told = match (view.get::<Told>(scope, &())?, from) {
        (Some(told), _) => told,
        (None, Some(sequence)) => Told { sequence, ..Told::default() },
        (None, None) => begin(view, scope, now)?,
    };
    let again = !told.left.is_empty();
    let wait = told.at.plus(if again { AGAIN } else { PAUSE }).since(now);
    if again {
        if !wait.is_zero() {
            return Ok(Looked::Wait(wait));
        }
        let matter = matter(view, scope, (told.from, told.sequence))?;
        let owed = |person: &Person| told.left.contains(&person.id);
        if let Some(Matter { workspace, name, slug, to, lines, people }) = matter {
            let people = people.into_iter().filter(owed).collect();
            let matter = Matter { workspace, name, slug, to, lines, people };
            return Ok(Looked::Matter { told, matter });
        }
        // Whoever is owed it is not among them any more.
        let to = told.sequence;
        return Ok(Looked::Nothing { to, save: Some(Told { left: Vec::new(), ..told }) });
    }
    let from = from.map_or(told.sequence, |from| from.max(told.sequence));
    let rows = view.scan::<ChainedEvent>(scope, &Span::first(REACH).after(Some(&from)))?;
    let to = rows.last().map_or(from, |(sequence, _)| *sequence);
    if !rows.iter().any(|(_, row)| words::is_told(&row.event.kind)) {
        let is_far = to.saturating_sub(told.sequence) >= UNSAVED;
        let save = is_far.then_some(Told { sequence: to, ..told });
        return Ok(Looked::Nothing { to, save });
    }
    if !wait.is_zero() {
        return Ok(Looked::Wait(wait));
    }
    Ok(match matter(view, scope, (from, to))? {
        Some(matter) => Looked::Matter { told: Told { sequence: from, ..told }, matter },
        None => Looked::Nothing { to, save: Some(Told { sequence: to, ..told }) },
    })
}

/// Where the telling begins in a workspace that nobody was ever told of: not with what is long over.
fn begin(view: &View<'_>, scope: &Scope, now: Timestamp) -> Result<Told, Error> {
    let rows = view.scan::<ChainedEvent>(scope, &Span::last(REACH))?;
    let mut told = Told::default();
    for (sequence, row) in &rows {
        if now.since(row.event.at) > RECENT
            || (told.sequence == 0 && *sequence > 1 && rows.len() == REACH)
        {
            told.sequence = told.sequence.max(*sequence);
        }
    }
    Ok(told)
}

/// What happened after `from`, up to `to`; `None` when there is nothing to tell, or nobody.
fn matter(view: &View<'_>, scope: &Scope, (from, to): (u64, u64)) -> Result<Option<Matter>, Error> {
    let Some(workspace) = view.get::<Workspace>(scope, &())? else { return Ok(None) };
    let people = people(view, scope)?;
    let mut lines = Vec::new();
    for (sequence, row) in
        view.scan::<ChainedEvent>(scope, &Span::first(REACH).after(Some(&from)))?
    {
        if sequence > to {
            break;
        }
        lines.extend(words::line(view, scope, &row.event)?);
    }
    if lines.is_empty() || people.is_empty() {
        return Ok(None);
    }
    let Workspace { id, name, slug, .. } = workspace;
    Ok(Some(Matter { workspace: id, name: words::plain(&name), slug, to, lines, people }))
}

/// Owners and admins with an account of their own; those whom a host made hear from their host.
fn people(view: &View<'_>, scope: &Scope) -> Result<Vec<Person>, Error> {
    let mut people = Vec::new();
    for (id, member) in view.scan::<Member>(scope, &Span::first(limits::SCAN_MAX))? {
        if member.role < Role::Admin || !member.is_active() {
            continue;
        }
        let has_password = view.get_global::<Proofs>(&id)?.is_some_and(|it| it.password.is_some());
        let user = view.get_global::<User>(&id)?.filter(|user| user.disabled_at.is_none());
        if let Some(user) = user.filter(|user| has_password && !user.is_erased()) {
            people.push(Person { id, email: user.email, role: member.role });
        }
    }
    Ok(people)
}

/// Subject and text for one person; `None` when nothing of it is for them.
fn letter(matter: &Matter, person: &Person, url: &str) -> Option<(String, String)> {
    let is_for = |line: &&Line| line.to == For::Admins || person.role == Role::Owner;
    let lines: Vec<&Line> = matter.lines.iter().filter(is_for).collect();
    let first = lines.first()?;
    let more = lines.len() - 1;
    let name = &matter.name;
    let subject = match more {
        0 => format!("{name}: {}", first.text),
        _ => format!("{name}: {} And {more} more.", first.text),
    };
    let mut told: Vec<String> = lines.iter().take(LINES).map(|line| line.dated()).collect();
    if lines.len() > LINES {
        told.push(format!("... and {} more.", lines.len() - LINES));
    }
    let (slug, role, told) = (&matter.slug, person.role.word(), told.join("\n"));
    let text = format!(
        "What happened in the workspace {name} ({slug}), in UTC:\n\n{told}\n\n\
         All of it is on record: {url}, or `carillon event list -w {slug}` on the server.\n\
         You get this because you are an {role} of that workspace.\n"
    );
    Some((subject, text))
}
