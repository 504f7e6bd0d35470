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
use crate::store::rows::{ChainedEvent, Owed, Told};
use crate::store::{Error, Operator, Scope, Span, View};
pub use alarms::Watch;
use words::{For, Line};

/// Between two letters about one workspace.
const PAUSE: Duration = Duration::from_mins(10);
/// Between two tries of a letter that was not taken.
const AGAIN: Duration = Duration::from_mins(5);
/// Whoever cannot be reached for so long is given up.
const PATIENCE: Duration = Duration::from_hours(24);
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
    told: Told,
    /// It ends with this event.
    to: u64,
    /// What is new for everybody; nothing when only those are written to who are owed something.
    lines: Vec<Line>,
    people: Vec<Person>,
}

struct Person {
    id: UserId,
    email: String,
    role: Role,
    owed: Option<Owed>,
    /// What they are owed.
    older: Vec<Line>,
}

enum Looked {
    Nothing { to: u64, save: Option<Told> },
    Wait(Duration),
    Matter(Matter),
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
            Looked::Matter(matter) => self.write_about(&mailer, scope, &matter).await,
        }
    }

    async fn write_about(
        &self,
        mailer: &Mailer,
        scope: Scope,
        matter: &Matter,
    ) -> Result<Telling, Problem> {
        let (now, to) = (self.now(), matter.to);
        let (mut left, mut reached, mut down) = (Vec::new(), 0_u64, None);
        for person in &matter.people {
            let put_off = person.owed.unwrap_or(Owed {
                user: person.id,
                from: matter.told.sequence,
                since: now,
            });
            let Some((subject, text)) = letter(matter, person, &self.public_url) else { continue };
            if down.is_some() {
                left.push(put_off);
                continue;
            }
            let id = format!("{}.{to}.{}", matter.workspace, person.id);
            match self.hand_over(mailer, (&person.email, &id), (&subject, &text)).await {
                Ok(()) => reached += 1,
                // Whom it is for stands in no log.
                Err(MailError::Refused(_)) => {
                    tracing::warn!(workspace = %matter.workspace, user = %person.id,
                        "the mail server refused a letter to somebody");
                }
                Err(MailError::Later(_)) if now.since(put_off.since) >= PATIENCE => {
                    tracing::error!(workspace = %matter.workspace, user = %person.id,
                        "somebody could not be written to for a day, and is given up");
                }
                Err(MailError::Later(_)) => left.push(put_off),
                Err(MailError::Server(said)) => {
                    left.push(put_off);
                    down = Some(said);
                }
            }
        }
        if let Some(said) = down.filter(|_| reached == 0) {
            // Nothing has happened: as good as not having looked.
            return Err(Problem::new(Code::MailFailed).with("said", said));
        }
        tracing::info!(workspace = %matter.workspace, people = reached, owed = left.len(),
            "people were written to");
        let owed = !left.is_empty();
        let at = if matter.lines.is_empty() { matter.told.at } else { now };
        self.note_told(scope, Told { sequence: to, at, tried_at: now, left }).await?;
        Ok(Telling { to, wait: owed.then_some(AGAIN), owed })
    }

    /// Hands a letter over, and counts what came of it. A repeat has the same `id`.
    async fn hand_over(
        &self,
        mailer: &Mailer,
        (to, id): (&str, &str),
        (subject, text): (&str, &str),
    ) -> Result<(), MailError> {
        let letter = Letter { to, subject, text, at: self.now(), id };
        let sent = mailer.send(&letter, self.clock.as_ref()).await;
        self.metrics.mail(sent.as_ref().map_or_else(MailError::word, |()| "sent"));
        sent
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
        let id = format!("test.{}", self.now().as_millis());
        let text = format!(
            "This is a trial: somebody wanted to know whether mail of this Carillon arrives.\n\n{}\n",
            self.public_url
        );
        match self.hand_over(mailer, (&to, &id), ("Carillon can write to you", &text)).await {
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
    let from = from.map_or(told.sequence, |from| from.max(told.sequence));
    let rows = view.scan::<ChainedEvent>(scope, &Span::first(REACH).after(Some(&from)))?;
    let to = rows.last().map_or(from, |(sequence, _)| *sequence);
    let is_new = rows.iter().any(|(_, row)| words::is_told(&row.event.kind));
    let letter = is_new.then(|| told.at.plus(PAUSE).since(now));
    let again = (!told.left.is_empty()).then(|| told.tried_at.plus(AGAIN).since(now));
    let matter = match (letter, again) {
        (Some(Duration::ZERO), _) => matter(view, scope, &told, Some((from, to)))?,
        (_, Some(Duration::ZERO)) => matter(view, scope, &told, None)?,
        (None, None) => {
            let is_far = to.saturating_sub(told.sequence) >= UNSAVED;
            let save = is_far.then_some(Told { sequence: to, ..told });
            return Ok(Looked::Nothing { to, save });
        }
        (letter, again) => {
            let wait = letter.into_iter().chain(again).min();
            return Ok(Looked::Wait(wait.unwrap_or(PAUSE)));
        }
    };
    // Nobody is there to be told, or whoever is owed something is there no more.
    Ok(matter.map_or_else(
        || Looked::Nothing { to, save: Some(Told { sequence: to, left: Vec::new(), ..told }) },
        Looked::Matter,
    ))
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

/// What happened in a stretch of events, for everybody, and what some are owed of before; without a stretch for
/// those alone. `None` when there is nothing to tell, or nobody.
fn matter(
    view: &View<'_>,
    scope: &Scope,
    told: &Told,
    stretch: Option<(u64, u64)>,
) -> Result<Option<Matter>, Error> {
    let Some(workspace) = view.get::<Workspace>(scope, &())? else { return Ok(None) };
    let lines = stretch.map_or(Ok(Vec::new()), |stretch| lines(view, scope, stretch))?;
    let mut people = people(view, scope)?;
    for person in &mut people {
        person.owed = told.left.iter().find(|owed| owed.user == person.id).copied();
        if let Some(owed) = person.owed {
            person.older = self::lines(view, scope, (owed.from, told.sequence))?;
        }
    }
    people.retain(|person| stretch.is_some() || person.owed.is_some());
    if people.is_empty() {
        return Ok(None);
    }
    let to = stretch.map_or(told.sequence, |(_, to)| to);
    let Workspace { id, name, slug, .. } = workspace;
    let (name, told) = (words::plain(&name), told.clone());
    Ok(Some(Matter { workspace: id, name, slug, told, to, lines, people }))
}

/// What is told of the events after the first number, up to the second.
fn lines(view: &View<'_>, scope: &Scope, (from, to): (u64, u64)) -> Result<Vec<Line>, Error> {
    let mut lines = Vec::new();
    let span = Span::first(REACH).after(Some(&from));
    for (sequence, row) in view.scan::<ChainedEvent>(scope, &span)? {
        if sequence > to {
            break;
        }
        lines.extend(words::line(view, scope, &row.event)?);
    }
    Ok(lines)
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
            let (email, role) = (user.email, member.role);
            people.push(Person { id, email, role, owed: None, older: Vec::new() });
        }
    }
    Ok(people)
}

/// Subject and text for one person; `None` when nothing of it is for them.
fn letter(matter: &Matter, person: &Person, url: &str) -> Option<(String, String)> {
    let is_for = |line: &&Line| line.to == For::Admins || person.role == Role::Owner;
    let lines: Vec<&Line> = person.older.iter().chain(&matter.lines).filter(is_for).collect();
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
