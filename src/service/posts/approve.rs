//! Letting a post out, or not: a person's word on what somebody else wrote, bound to what it says.

use super::super::idempotency::{recall, remember};
use super::super::shown::{self, PostShown};
use super::super::{Access, Done, Services, approvals, no, refused};
use super::create::replay;
use super::{must, save, unchanged};
use crate::base::{Code, PostId, Problem, Wrong};
use crate::domain::access::Approve;
use crate::domain::approval::{Approval, NOTE_CHARS};
use crate::domain::delivery::Delivery;
use crate::domain::post::Post;
use crate::domain::publish::Refusal;
use crate::store::{Tx, WriteError};

/// What somebody says of a post that waits for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    Approve,
    Decline,
}

impl Services {
    /// Lets a post out as it is at revision `seen`, or keeps it in until it is changed. 403 for whoever is
    /// not asked, 409 when nobody is.
    pub async fn approve_post(
        &self,
        access: Access<Approve>,
        (id, seen): (PostId, Option<u64>),
        word: Word,
        note: &str,
    ) -> Result<Done<PostShown>, Problem> {
        let note = checked(&word, note)?;
        let (services, glance) = (self.clone(), self.glance());
        let decide = move |tx: &mut Tx<'_>| {
            let now = glance.now;
            if let Some(id) = recall(tx, &access, now)? {
                return replay(tx, &access, &id, &glance);
            }
            let before = must(tx, &access, id)?;
            may_decide(tx, &access, &before)?;
            unchanged(&before, seen)?;
            let mut after = before.clone();
            after.revision += 1;
            after.updated_at = now;
            let by = access.actor.clone();
            after.approval = match word {
                Word::Approve => Approval::Given { by, at: now, digest: before.digest() },
                Word::Decline => Approval::Declined { by, at: now, note: note.clone() },
            };
            fits(tx, &access, (&before, &word))?;
            save(tx, &access, Some(&before), &after)?;
            let kind = match word {
                Word::Approve => "post.approved",
                Word::Decline => "post.declined",
            };
            let mut event = access.event(&services, kind, &id.to_string());
            if !note.is_empty() {
                event.data.insert("note".to_owned(), note.clone());
            }
            tx.append_event(&access.scope, event)?;
            approvals::follow(tx, &access, (Some(&before), &after), now)?;
            remember(tx, &access, now, &id.to_string())?;
            let value = shown::post(&tx.view(), &access.scope, &after, &glance)?;
            Ok(Done { value, replayed: false })
        };
        self.store.write(decide).await.map_err(refused)
    }
}

/// Whoever declines says why.
fn checked(word: &Word, note: &str) -> Result<String, Problem> {
    let (note, max) = (note.trim(), NOTE_CHARS);
    if note.is_empty() && *word == Word::Decline {
        return Err(Problem::field("note", Wrong::Empty));
    }
    let actual = note.chars().count();
    if actual > max {
        return Err(Problem::field("note", Wrong::TooLong { max, actual, unit: "characters" }));
    }
    if note.chars().any(char::is_control) {
        let expected = "one line, without control characters".to_owned();
        return Err(Problem::field("note", Wrong::BadFormat { expected }));
    }
    Ok(note.to_owned())
}

/// Refuses whom the workspace does not ask, and whoever could not publish it themselves.
fn may_decide(
    tx: &Tx<'_>,
    access: &Access<Approve>,
    post: &Post,
) -> Result<(), WriteError<Problem>> {
    let (view, scope) = (tx.view(), &access.scope);
    let rule = approvals::rule(&view, scope)?;
    if !approvals::is_approver(&view, scope, (&access.actor, &rule))? {
        return no(Problem::new(Code::Forbidden).with("approvals", rule.word()));
    }
    let let_out = Post { approval: Approval::Unneeded, draft: false, ..post.clone() };
    Ok(tx.may_write(scope, &let_out)?)
}

/// Refuses a word that nobody waits for, or that comes too late.
fn fits(
    tx: &Tx<'_>,
    access: &Access<Approve>,
    (post, word): (&Post, &Word),
) -> Result<(), WriteError<Problem>> {
    let asked = match (&post.approval, word) {
        (Approval::Asked { .. }, _) | (Approval::Given { .. }, Word::Decline) => true,
        (Approval::Given { .. }, Word::Approve) => !post.may_go_out(),
        _ => false,
    };
    if post.draft || !asked || !approvals::begins_any(&tx.view(), &access.scope, post)? {
        return no(Problem::new(Code::NothingToApprove));
    }
    if *word == Word::Decline {
        for id in post.targets.iter().filter_map(|target| target.delivery) {
            let row = tx.get::<Delivery>(&access.scope, &id)?;
            if row.is_some_and(|row| row.flow.is_in_flight()) {
                return no(super::refusal_problem(Refusal::InFlight));
            }
        }
    }
    Ok(())
}
