//! Sessions: opaque tokens, kept as hashes; read with every request, changed when somebody proves
//! anew who they are, ended one by one or all. Must not ask for a password; `sign_in` does.

use super::{News, SignedIn, Visitor, new_token, person, seen, token_hash};
use super::{Opened, SessionShown};
use crate::base::{Code, CorrelationId, Problem, Secret, SessionId, Timestamp, UserId, limits};
use crate::domain::event::Actor;
use crate::domain::user::{NOTE, OVERLAP, Proofs, Session, User};
use crate::service::shown::Page;
use crate::service::{Services, no, not_found, refused};
use crate::store::rows::SessionToken;
use crate::store::{Error, Span, Tx, View, WriteError};

/// Sessions of somebody were ended, by themselves or an operator.
pub(super) const SIGNED_OUT: &str = "user.signed_out";

/// So that a token that leaked is recognized by scanners, and told from a key.
pub const SESSION_PREFIX: &str = "cs_";

/// What a token led to.
enum Found {
    Good(Box<SignedIn>),
    /// It was good before another took its place.
    Former(Session),
    Nothing,
}

fn find(view: &View<'_>, token: &[u8; 32], now: Timestamp) -> Result<Found, Error> {
    let Some(row) = view.get_global::<SessionToken>(token)? else { return Ok(Found::Nothing) };
    let Some(session) = view.get_global::<Session>(&(row.user, row.session))? else {
        return Ok(Found::Nothing);
    };
    if !session.is_live(now) {
        return Ok(Found::Nothing);
    }
    if session.token != *token {
        return Ok(Found::Former(session));
    }
    let user = view.get_global::<User>(&row.user)?.filter(|user| user.disabled_at.is_none());
    Ok(user.map_or(Found::Nothing, |user| Found::Good(Box::new(SignedIn { user, session }))))
}

pub(super) fn all(view: &View<'_>, user: UserId) -> Result<Vec<Session>, Error> {
    let span = Span::first(limits::SESSIONS_PER_USER + 1).under(&user);
    Ok(view.scan_global_span::<Session>(&span)?.into_iter().map(|(_, session)| session).collect())
}

/// When a session of theirs was last used.
pub(in crate::service) fn last_seen(
    view: &View<'_>,
    user: UserId,
) -> Result<Option<Timestamp>, Error> {
    Ok(all(view, user)?.into_iter().map(|session| session.used_at).max())
}

/// Removes a session with its tokens.
pub(super) fn remove(tx: &mut Tx<'_>, session: &Session) {
    tx.delete_global::<Session>(&(session.user, session.id));
    for token in [Some(session.token), session.former].into_iter().flatten() {
        tx.delete_global::<SessionToken>(&token);
    }
}

/// Ends all sessions of a user but one; how many.
pub(super) fn end_others(
    tx: &mut Tx<'_>,
    user: UserId,
    but: Option<SessionId>,
) -> Result<usize, Error> {
    let others: Vec<_> = all(&tx.view(), user)?.into_iter().filter(|s| Some(s.id) != but).collect();
    for session in &others {
        remove(tx, session);
    }
    Ok(others.len())
}

fn put(tx: &mut Tx<'_>, session: &Session) -> Result<(), Error> {
    let token = SessionToken { user: session.user, session: session.id };
    tx.put_global(&session.token, &token)?;
    tx.put_global(&(session.user, session.id), session)
}

/// Writes a new session; what is over goes, and the one that was used least when there are many.
pub(super) fn begin(tx: &mut Tx<'_>, session: &Session, now: Timestamp) -> Result<(), Error> {
    let (mut live, over): (Vec<_>, Vec<_>) =
        all(&tx.view(), session.user)?.into_iter().partition(|session| session.is_live(now));
    for session in &over {
        remove(tx, session);
    }
    live.sort_by_key(|session| session.used_at);
    let many = (live.len() + 1).saturating_sub(limits::SESSIONS_PER_USER);
    for session in live.iter().take(many) {
        remove(tx, session);
    }
    put(tx, session)
}

/// Gives a session a new token, for whoever has proved anew who they are.
pub(super) fn rotate(
    tx: &mut Tx<'_>,
    of: &Session,
    token: [u8; 32],
    now: Timestamp,
) -> Result<Session, WriteError<Problem>> {
    change_token(tx, &Session { proved_at: now, ..of.clone() }, token, now)
}

/// Gives a session a new token, with the proof that `of` has; the token before is known as such until
/// the next change.
pub(super) fn change_token(
    tx: &mut Tx<'_>,
    of: &Session,
    token: [u8; 32],
    now: Timestamp,
) -> Result<Session, WriteError<Problem>> {
    let Some(old) = tx.view().get_global::<Session>(&(of.user, of.id))? else {
        return no(Problem::new(Code::Unauthenticated));
    };
    // Two changes at once: one of them holds a token that is former by now.
    if old.token != of.token {
        return no(Problem::new(Code::Unauthenticated));
    }
    if let Some(former) = old.former {
        tx.delete_global::<SessionToken>(&former);
    }
    let former = Some(old.token);
    let proved_at = of.proved_at;
    let session = Session { token, former, rotated_at: now, used_at: now, proved_at, ..old };
    put(tx, &session)?;
    Ok(session)
}

impl Services {
    /// A session that is about to be, and its token.
    pub(super) fn new_session(&self, user: UserId, visitor: &Visitor) -> (Session, Secret<String>) {
        let (now, rng) = (self.now(), self.rng.as_ref());
        let token = new_token(rng, SESSION_PREFIX);
        let kept = |text: &str| {
            text.chars().filter(|c| !c.is_control()).take(limits::AGENT_CHARS).collect()
        };
        let session = Session {
            id: SessionId::new(now, rng),
            user,
            created_at: now,
            used_at: now,
            proved_at: now,
            agent: kept(&visitor.agent),
            address: visitor.address.map(|ip| ip.to_canonical().to_string()).unwrap_or_default(),
            token: token_hash(token.reveal()),
            former: None,
            rotated_at: now,
        };
        (session, token)
    }

    /// The answer to whoever got a new token.
    pub(super) fn opened(
        &self,
        token: Secret<String>,
        session: &Session,
        (user, proofs): (&User, &Proofs),
    ) -> Opened {
        Opened {
            token,
            device: self.device_mark(user.id, proofs),
            session: seen::session(session, true),
            user: seen::user(user, proofs),
        }
    }

    /// Whose token this is. Unknown, ended and former ones look the same; but a former one that
    /// comes back was copied, and ends the session.
    pub async fn signed_in(&self, token: &str) -> Result<SignedIn, Problem> {
        let (hash, now) = (token_hash(token), self.now());
        let refused = || Problem::new(Code::Unauthenticated);
        match self.read_person(|view| find(view, &hash, now))? {
            Found::Good(who) => {
                if now >= who.session.used_at.plus(NOTE) {
                    self.note_use(&who.session, now).await?;
                }
                Ok(*who)
            }
            Found::Former(session) if now < session.rotated_at.plus(OVERLAP) => Err(refused()),
            Found::Former(session) => {
                self.end_copied(session).await?;
                Err(refused())
            }
            Found::Nothing => Err(refused()),
        }
    }

    async fn note_use(&self, session: &Session, now: Timestamp) -> Result<(), Problem> {
        let key = (session.user, session.id);
        let noted = self.store.write(move |tx| {
            // It may have ended meanwhile, or been given a new token.
            if let Some(session) = tx.view().get_global::<Session>(&key)? {
                let session = Session { used_at: now.max(session.used_at), ..session };
                tx.put_global(&key, &session)?;
            }
            Ok(())
        });
        noted.await.map_err(refused)
    }

    async fn end_copied(&self, session: Session) -> Result<(), Problem> {
        let services = self.clone();
        let correlation = CorrelationId::new(self.rng.as_ref());
        let ended = self.store.write(move |tx| {
            remove(tx, &session);
            let id = session.id.to_string();
            let (actor, data) = (Actor::System, &[("session", id.as_str())][..]);
            let news = News { kind: "session.reused", actor, data, correlation };
            Ok(services.tell(tx, session.user, &news)?)
        });
        ended.await.map_err(refused)
    }

    /// Where a person is signed in, the newest first.
    pub fn sessions(&self, who: &SignedIn) -> Result<Page<SessionShown>, Problem> {
        let current = Some(who.session.id);
        self.sessions_of(who.user.id, current)
    }

    pub(super) fn sessions_of(
        &self,
        user: UserId,
        current: Option<SessionId>,
    ) -> Result<Page<SessionShown>, Problem> {
        let now = self.now();
        let mut sessions = self.read_person(|view| all(view, user))?;
        sessions.retain(|session| session.is_live(now));
        sessions.reverse();
        let shown = |session: &Session| seen::session(session, Some(session.id) == current);
        Ok(Page { items: sessions.iter().map(shown).collect(), next: None })
    }

    /// Ends one session of a person, perhaps the one that asks.
    pub async fn end_session(
        &self,
        who: &SignedIn,
        id: SessionId,
        correlation: CorrelationId,
    ) -> Result<(), Problem> {
        let (user, services) = (who.user.id, self.clone());
        let ended = self.store.write(move |tx| {
            let Some(session) = tx.view().get_global::<Session>(&(user, id))? else {
                return no(not_found());
            };
            remove(tx, &session);
            let id = id.to_string();
            let (actor, data) = (Actor::User(user), &[("session", id.as_str())][..]);
            let news = News { kind: SIGNED_OUT, actor, data, correlation };
            Ok(services.tell(tx, user, &news)?)
        });
        ended.await.map_err(refused)
    }

    /// Ends all sessions of a person but the one that asks.
    pub async fn end_other_sessions(
        &self,
        who: &SignedIn,
        correlation: CorrelationId,
    ) -> Result<usize, Problem> {
        let (user, current) = (who.user.id, Some(who.session.id));
        let services = self.clone();
        let ended = self.store.write(move |tx| {
            let ended = end_others(tx, user, current)?;
            // With nothing to end, nothing happened.
            if ended > 0 {
                let count = ended.to_string();
                let (actor, data) = (Actor::User(user), &[("sessions", count.as_str())][..]);
                services.tell(tx, user, &News { kind: SIGNED_OUT, actor, data, correlation })?;
            }
            Ok(ended)
        });
        ended.await.map_err(refused)
    }

    /// A person as they are now.
    pub fn me(&self, who: &SignedIn) -> Result<super::UserShown, Problem> {
        let id = who.user.id;
        let found = self.read_person(|view| person(view, id))?;
        found.map(|(user, proofs)| seen::user(&user, &proofs)).ok_or_else(not_found)
    }
}
