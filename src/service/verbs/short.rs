//! Ids of which only the beginning was typed. Must not choose: what begins more than one is refused.

use serde_json::{Map, Value};

use super::super::{Access, not_found, trouble};
use super::run::Caller;
use super::{Arg, ArgKind, Verb, noun_named};
use crate::base::{Id, Kind, Problem, WorkspaceId, Wrong, limits};
use crate::domain::access::Read;
use crate::domain::channel::{Channel, ChannelState};
use crate::domain::delivery::Delivery;
use crate::domain::post::Post;
use crate::store::{Error, Row, Scope, Scoped, Span, View};

/// So many characters of an id are a beginning.
pub(super) const LEAST: usize = 8;
pub(super) const SEVERAL: &str = "is the beginning of more than one id; give more of it";
const FIRST: &str = "00000000-0000-0000-0000-000000000000";

impl Caller<'_> {
    /// What came with a verb, with whole ids of channels, posts and deliveries; `None` when they
    /// were whole.
    pub(super) async fn whole_ids(
        &self,
        workspace: WorkspaceId,
        verb: &'static Verb,
        args: &Map<String, Value>,
    ) -> Result<Option<Map<String, Value>>, Problem> {
        let is_short = |value: &Value| value.as_str().is_some_and(|text| beginning(text).is_some());
        let any = |given: &Value| match given {
            Value::Array(all) => all.iter().any(is_short),
            one => is_short(one),
        };
        if !named(verb).any(|(arg, _)| args.get(arg.name).is_some_and(any)) {
            return Ok(None);
        }
        let access = self.enter::<Read>(workspace).await?;
        let mut args = args.clone();
        for named in named(verb) {
            match args.get_mut(named.0.name) {
                Some(Value::String(text)) => self.complete(&access, named, text).await?,
                Some(Value::Array(all)) => {
                    for one in all {
                        if let Value::String(text) = one {
                            self.complete(&access, named, text).await?;
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(Some(args))
    }

    async fn complete(
        &self,
        access: &Access<Read>,
        (arg, noun): (&'static Arg, &'static str),
        text: &mut String,
    ) -> Result<(), Problem> {
        let Some(begin) = beginning(text).map(str::to_ascii_lowercase) else { return Ok(()) };
        let behind = text.get(begin.len()..).unwrap_or_default();
        let scope = access.scope;
        let read = self.services.store.read(move |view| match noun {
            "channel" => found::<Channel, _>(view, &scope, &begin, |channel| {
                !matches!(channel.state, ChannelState::Removed { .. })
            }),
            "post" => found::<Post, _>(view, &scope, &begin, |post| post.deleted_at.is_none()),
            _ => found::<Delivery, _>(view, &scope, &begin, |_| true),
        });
        match read.await.map_err(trouble)?.as_slice() {
            [one] => *text = format!("{one}{behind}"),
            [] if arg.kind == ArgKind::Word => return Err(not_found()),
            [] => return Err(Problem::field(arg.name, Wrong::NotFound)),
            _ => return Err(Problem::field(arg.name, Wrong::NotPossible { why: SEVERAL })),
        }
        Ok(())
    }
}

/// Arguments that take such an id, and of what it is.
fn named(verb: &'static Verb) -> impl Iterator<Item = (&'static Arg, &'static str)> {
    let named = move |arg: &'static Arg| Some((arg, noun_named(verb.noun, arg.name)?));
    // That of a connection, though the noun is the channel.
    let all = verb.args.iter().filter(move |_| verb.verb != "unlink").filter_map(named);
    all.filter(|(_, noun)| matches!(*noun, "channel" | "post" | "delivery"))
}

/// The beginning of an id; behind a colon may stand what it is for.
fn beginning(text: &str) -> Option<&str> {
    let id = text.split(':').next()?;
    let fits = id.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    (fits && (LEAST..FIRST.len()).contains(&id.len())).then_some(id)
}

/// Ids that begin so, of what is `there`; no more than it takes to see that there are several.
fn found<R, K>(
    view: &View<'_>,
    scope: &Scope,
    begin: &str,
    there: impl Fn(&R) -> bool,
) -> Result<Vec<String>, Error>
where
    R: Scoped + Row<Key = Id<K>>,
    K: Kind,
{
    let rest = FIRST.get(begin.len()..).unwrap_or_default();
    let Ok(first) = format!("{begin}{rest}").parse::<Id<K>>() else { return Ok(Vec::new()) };
    let mut ids = Vec::new();
    let mut span = Span::first(limits::PAGE_MAX).from(&first);
    loop {
        let rows = view.page::<R>(scope, &span)?;
        let last = rows.last().map(|(id, _)| *id);
        for (id, row) in rows {
            let text = id.to_string();
            if !text.starts_with(begin) || ids.len() > 1 {
                return Ok(ids);
            }
            ids.extend(row.as_ref().is_some_and(&there).then_some(text));
        }
        // Behind many that are gone there may be one that is not.
        let Some(last) = last else { return Ok(ids) };
        span = Span::first(limits::PAGE_MAX).from(&first).after(Some(&last));
    }
}
