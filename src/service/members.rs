//! Members: who belongs to a workspace, and as what. Must not know how a person proves who they
//! are; `users` does.

use super::no;
use crate::base::{Code, CorrelationId, Problem, UserId};
use crate::domain::access::Member;
use crate::domain::event::{Actor, Event};
use crate::store::rows::Membership;
use crate::store::{Scope, Tx, WriteError};

/// Makes somebody a member, by whoever asked them in; refuses who is one already. Their right to
/// give this role is to be checked before.
pub(super) fn join(
    tx: &mut Tx<'_>,
    scope: &Scope,
    member: &Member,
    by: &Actor,
    correlation: CorrelationId,
) -> Result<(), WriteError<Problem>> {
    if tx.get::<Member>(scope, &member.user)?.is_some() {
        return no(Problem::new(Code::AlreadyMember));
    }
    put(tx, scope, member)?;
    let event = Event {
        at: member.joined_at,
        actor: by.clone(),
        kind: "member.joined".to_owned(),
        subject: member.user.to_string(),
        data: [("role".to_owned(), member.role.word().to_owned())].into(),
        correlation,
    };
    Ok(tx.append_event(scope, event)?)
}

/// The row and the way to it are one.
fn put(tx: &mut Tx<'_>, scope: &Scope, member: &Member) -> Result<(), WriteError<Problem>> {
    let user: UserId = member.user;
    tx.put(scope, &user, member)?;
    Ok(tx.put_global(&(user, scope.workspace()), &Membership)?)
}
