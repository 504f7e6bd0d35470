//! What was asked for and refused, on record: what is not there, when another workspace has it, and
//! what whoever was let in may not do. Must not change the answer, nor let anybody keep the disk busy.

use super::Face;
use super::around::Asked;
use crate::base::{Code, Problem};

/// Looks for the last thing that the address names, a minute's worth of times for each caller; by
/// then a key that finds something is long gone.
pub(super) async fn look(face: &Face, route: &str, path: &str, asked: &Asked) {
    let Some((principal, workspace)) = asked.entered.get() else { return };
    let named = route.split('/').zip(path.split('/')).filter_map(|(noun, id)| {
        let noun = noun.strip_prefix('{')?.strip_suffix('}')?;
        (noun != "workspace").then_some((noun, id))
    });
    let Some(named) = named.last() else { return };
    if !face.limits.looks(principal.bearer(), face.services.clock.monotonic()) {
        return;
    }
    let looked = face.services.look_for_foreign(principal, *workspace, named, asked.correlation);
    if let Err(problem) = looked.await {
        tracing::error!(%problem, "an attempt could not be written down");
    }
}

/// Writes down that somebody was refused for what they are, after they were let in: what lets them in
/// has its own note.
pub(super) async fn note(face: &Face, problem: Option<&Problem>, asked: &Asked) {
    let Some(problem) = problem.filter(|problem| problem.code == Code::Forbidden) else { return };
    let Some((principal, workspace)) = asked.entered.get() else { return };
    let noted = face.services.note_denied(principal, *workspace, problem, asked.correlation);
    if let Err(problem) = noted.await {
        tracing::error!(%problem, "a denial could not be written down");
    }
}
