//! Running a verb: from words to a use case, and its answer as JSON.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::super::{
    Access, AssetChange, Brought, ChannelChange, DeliveryFilter, NewImport, NewKey, NewPost,
    PostChange, PostFilter, Services, When, Word, words,
};
use super::Verb;
use crate::base::{
    ChannelId, Check, Code, CorrelationId, Id, Kind, Problem, Secret, Wrong, limits,
};
use crate::domain::access::{
    Approve, Entrust, HandOut, Manage, Publish, Read, Right, Scope as KeyScope, Write,
};
use crate::domain::post::PartDraft;
use crate::store::Operator;

pub(super) type Answer = Result<Value, Problem>;

/// The words that came with a verb.
pub(super) struct Words<'a> {
    args: &'a Map<String, Value>,
}

impl<'a> Words<'a> {
    /// Those of a verb; none that it does not know.
    pub(super) fn known(
        (noun, verb): (&str, &str),
        args: &'a Map<String, Value>,
    ) -> Result<(&'static Verb, Self), Problem> {
        let known = super::VERBS.iter().find(|v| v.noun == noun && v.verb == verb);
        let Some(known) = known else {
            return Err(Problem::new(Code::NotFound).with("verb", format!("{noun} {verb}")));
        };
        let mut check = Check::default();
        for name in args.keys().filter(|name| known.args.iter().all(|arg| arg.name != **name)) {
            check.wrong(name.as_str(), Wrong::Unknown);
        }
        check.finish()?;
        Ok((known, Self { args }))
    }

    pub(super) fn maybe(&self, name: &str) -> Result<Option<&str>, Problem> {
        match self.args.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(bad_type(name, "expected a string")),
        }
    }

    pub(super) fn word(&self, name: &str) -> Result<&str, Problem> {
        self.maybe(name)?.ok_or_else(|| Problem::field(name, Wrong::Missing))
    }

    /// Whether it was given at all.
    pub(super) fn has(&self, name: &str) -> bool {
        self.args.contains_key(name)
    }

    pub(super) fn flag(&self, name: &str) -> Result<bool, Problem> {
        match self.args.get(name) {
            None | Some(Value::Null) => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(_) => Err(bad_type(name, "expected true or false")),
        }
    }

    pub(super) fn many(&self, name: &str) -> Result<Vec<&str>, Problem> {
        let bad = || bad_type(name, "expected a list of strings");
        match self.args.get(name) {
            None | Some(Value::Null) => Ok(Vec::new()),
            Some(Value::Array(items)) => {
                items.iter().map(|item| item.as_str().ok_or_else(bad)).collect()
            }
            Some(Value::String(one)) => Ok(vec![one]),
            Some(_) => Err(bad()),
        }
    }

    pub(super) fn id<K: Kind>(&self, name: &str) -> Result<Id<K>, Problem> {
        words::id(name, self.word(name)?)
    }

    pub(super) fn secret(&self, name: &str) -> Result<Option<Secret<String>>, Problem> {
        Ok(self.maybe(name)?.map(|text| Secret::new(text.trim().to_owned())))
    }
}

fn bad_type(name: &str, expected: &str) -> Problem {
    Problem::field(name, Wrong::BadType { expected: expected.to_owned() })
}

pub(super) fn shown(value: impl Serialize) -> Answer {
    serde_json::to_value(value).map_err(|_| Problem::new(Code::Internal))
}

/// Does what an operator named, or with [`Services::rehearsal`] only says what would come of it.
/// `workspace` is an id or a slug.
pub async fn run(
    services: &Services,
    operator: Operator,
    (noun, verb): (&str, &str),
    workspace: Option<&str>,
    args: &Map<String, Value>,
    correlation: CorrelationId,
) -> Answer {
    let answer = answer(services, operator, (noun, verb), workspace, args, correlation).await;
    let mut answer = answer.map_err(in_own_words)?;
    if let Some(shown) = answer.as_object_mut().filter(|_| services.store.is_rehearsal()) {
        shown.insert("dry_run".to_owned(), Value::Bool(true));
    }
    Ok(answer)
}

/// What use cases call a field, and what the verbs call it.
const OWN_WORDS: &[(&str, &str)] = &[
    ("channels", "channel"),
    ("client_id", "client-id"),
    ("client_secret", "client-secret"),
    ("expires_at", "expires"),
    ("life_minutes", "minutes"),
    ("parts", "text"),
    ("schedule", "at"),
    ("schedule.at", "at"),
    ("schedule.now", "now"),
    ("schedule.zone", "zone"),
    ("scopes", "scope"),
    ("tags", "tag"),
    ("webhook_secret", "webhook-secret"),
];

/// All that a post can have instead of a time; completes "must be ...".
const TIMES: &str = "given, with `zone`; or give `now`, or `draft` to keep it without a time";

/// Names fields as a person typed them: `parts[1].text` was the second `text`.
fn in_own_words(mut problem: Problem) -> Problem {
    for named in &mut problem.fields {
        if named.field == "schedule" && named.wrong == Wrong::Missing {
            named.wrong = Wrong::BadFormat { expected: TIMES.to_owned() };
        }
        if named.field.starts_with("parts[") && named.field.contains("].media") {
            "media".clone_into(&mut named.field);
            continue;
        }
        let (name, rest) = match named.field.split_once('[') {
            Some((name, rest)) => (name, rest.split(']').next()),
            None => (named.field.as_str(), None),
        };
        let own = OWN_WORDS.iter().find(|(theirs, _)| *theirs == name);
        let own = own.map_or(name, |(_, own)| own);
        named.field = match rest {
            None | Some("0") => own.to_owned(),
            Some(index) => format!("{own}[{index}]"),
        };
    }
    problem
}

async fn answer(
    services: &Services,
    operator: Operator,
    (noun, verb): (&str, &str),
    workspace: Option<&str>,
    args: &Map<String, Value>,
    correlation: CorrelationId,
) -> Answer {
    let (known, words) = Words::known((noun, verb), args)?;
    if services.store.is_rehearsal() && !known.can_rehearse() {
        let why = "is not possible: this verb does more than write to the database, or nothing";
        return Err(Problem::field("dry_run", Wrong::NotPossible { why }));
    }
    let call = Caller { services, operator, correlation, name: format!("{noun} {verb}") };
    if known.right.is_empty() {
        return call.installation(noun, verb, &words).await;
    }
    let id = call.workspace(workspace).await?;
    let whole = call.whole_ids(id, known, args).await?;
    let words = whole.as_ref().map_or(words, |args| Words { args });
    match noun {
        "workspace" if verb == "security" => call.security(id, &words).await,
        "workspace" if verb == "approvals" => call.approvals(id, &words).await,
        "workspace" if matches!(verb, "delete" | "restore") => call.closing(id, verb).await,
        "invitation" => call.invitation(id, verb, &words).await,
        "workspace" | "key" => call.people(id, noun, verb, &words).await,
        "member" => call.member(id, verb, &words).await,
        "plan" => call.plan(id, verb, &words).await,
        "channel" => call.channel(id, verb, &words).await,
        "post" => call.post(id, verb, &words).await,
        "media" => call.media(id, verb, &words).await,
        "event" => call.event(id, verb, &words).await,
        _ => call.delivery(id, verb, &words).await,
    }
}

pub(super) struct Caller<'a> {
    pub(super) services: &'a Services,
    pub(super) operator: Operator,
    pub(super) correlation: CorrelationId,
    pub(super) name: String,
}

impl Caller<'_> {
    pub(super) async fn enter<R: Right>(
        &self,
        workspace: crate::base::WorkspaceId,
    ) -> Result<Access<R>, Problem> {
        self.services.operate(self.operator, workspace, &self.name, self.correlation).await
    }

    async fn installation(&self, noun: &str, verb: &str, words: &Words<'_>) -> Answer {
        let (services, operator) = (self.services, self.operator);
        let who = (operator, self.correlation);
        match (noun, verb) {
            ("status", _) => services.status().await,
            ("alert", _) => self.alert(verb, words).await,
            ("mail", _) => services.test_mail(operator, words.word("email")?).await,
            ("event", _) => {
                let limit = words::page_limit(words.maybe("limit")?)?;
                let cursor = words.maybe("cursor")?;
                shown(services.installation_events(operator, cursor, limit).await?)
            }
            ("setup-link", _) => shown(services.setup_link(operator, self.correlation).await?),
            ("user", _) => self.user(verb, words).await,
            ("host", _) => self.host(verb, words).await,
            ("erasure", _) => self.erasure(verb, words).await,
            ("app", _) => self.app(verb, words).await,
            ("hook", _) => self.hook(verb, words).await,
            ("config" | "log", _) => self.settings(verb, words),
            ("backup", _) => self.backup(verb, words).await,
            ("job", _) => self.job(verb, words),
            ("publishing", _) => {
                services.pause_installation(who, None, verb == "pause").await?;
                Ok(json!({ "paused": verb == "pause" }))
            }
            ("network", "list") => shown(services.networks().await?),
            ("network", "show") => {
                let name = words.word("name")?;
                let mut all = services.networks().await?.items.into_iter();
                shown(all.find(|one| one.id == name).ok_or_else(|| {
                    let known: Vec<_> =
                        crate::networks::REGISTRY.iter().map(|n| n.word()).collect();
                    Problem::field("name", Wrong::NotOneOf { allowed: known.join(", ") })
                })?)
            }
            ("network", _) => {
                let name = words.word("name")?;
                services.pause_installation(who, Some(name), verb == "pause").await?;
                Ok(json!({ "id": name, "paused": verb == "pause" }))
            }
            ("workspace", "create") => {
                let (name, slug) = (words.word("name")?, words.maybe("slug")?);
                let made = services.create_workspace(operator, name, slug, self.correlation);
                shown(made.await?)
            }
            _ => shown(services.all_workspaces(operator, None, limits::PAGE_MAX).await?),
        }
    }

    async fn people(
        &self,
        workspace: crate::base::WorkspaceId,
        noun: &str,
        verb: &str,
        words: &Words<'_>,
    ) -> Answer {
        if (noun, verb) == ("key", "create") {
            let scopes = scopes(&words.many("scope")?)?;
            let expires = words.maybe("expires")?;
            let expires_at = expires.map(|text| words::instant("expires", text)).transpose()?;
            let name = words.word("name")?.to_owned();
            let channels = super::members::grants(words)?;
            let nets = words.many("address")?;
            let nets = Some(nets.as_slice()).filter(|nets| !nets.is_empty());
            let addresses = words::addresses("address", nets)?;
            let access = self.enter::<HandOut>(workspace).await?;
            let new = NewKey { name, scopes, expires_at, channels, addresses };
            return shown(self.services.create_key(access, new).await?.value);
        }
        let access = self.enter::<Manage>(workspace).await?;
        match (noun, verb) {
            ("workspace", _) => {
                shown(self.services.pause_workspace(access, verb == "pause").await?)
            }
            (_, "revoke") => shown(self.services.revoke_key(access, words.id("id")?).await?.value),
            _ => shown(self.services.keys(&access, None, limits::PAGE_MAX).await?),
        }
    }

    async fn channel(
        &self,
        workspace: crate::base::WorkspaceId,
        verb: &str,
        words: &Words<'_>,
    ) -> Answer {
        let services = self.services;
        if matches!(verb, "list" | "show") {
            let access = self.enter::<Read>(workspace).await?;
            return if verb == "list" {
                shown(services.channels(&access, None, limits::PAGE_MAX).await?)
            } else {
                shown(services.channel(&access, words.id("id")?).await?)
            };
        }
        if verb == "decide" {
            let word = words.word("as")?.replace('-', "_");
            let decision = words::decision("as", &word, None)?;
            let access = self.enter::<Publish>(workspace).await?;
            return shown(services.decide_restored(access, words.id("id")?, decision).await?);
        }
        if verb == "add" {
            let brought = Brought {
                network: words.word("network")?.to_owned(),
                name: words.word("name")?.to_owned(),
                instance: words.maybe("instance")?.map(str::to_owned),
                identifier: words.maybe("identifier")?.map(str::to_owned),
                url: words.maybe("url")?.map(str::to_owned),
                token: words.secret("token")?,
            };
            let access = self.enter::<Entrust>(workspace).await?;
            return shown(services.add_channel(access, brought).await?.value);
        }
        if verb == "remove" {
            let id = words.id("id")?;
            let access = self.enter::<Entrust>(workspace).await?;
            let cancelled = services.remove_channel(access, id).await?.value;
            return Ok(json!({ "id": id, "state": "removed", "cancelled": cancelled }));
        }
        if matches!(verb, "link" | "links" | "unlink" | "refresh" | "refresh-due") {
            return self.connection(workspace, verb, words).await;
        }
        let access = self.enter::<Manage>(workspace).await?;
        let change = match verb {
            "test" => return shown(services.test_channel(access, words.id("id")?).await?),
            "connect" => {
                let (token, code) = (words.secret("token")?, words.secret("code")?);
                if token.is_none() && code.is_none() {
                    return Err(Problem::field("code", Wrong::Missing));
                }
                ChannelChange { token, code, ..ChannelChange::default() }
            }
            _ => ChannelChange { paused: Some(verb == "pause"), ..ChannelChange::default() },
        };
        shown(services.change_channel(access, words.id("id")?, change).await?.value)
    }

    async fn post(
        &self,
        workspace: crate::base::WorkspaceId,
        verb: &str,
        words: &Words<'_>,
    ) -> Answer {
        let services = self.services;
        match verb {
            "create" => self.create_post(workspace, words).await,
            "edit" => self.edit_post(workspace, words).await,
            "cancel" => {
                let access = self.enter::<Publish>(workspace).await?;
                shown(services.cancel_post(access, words.id("id")?, None).await?.value)
            }
            "approve" | "decline" => {
                let seen = words::number("revision", words.maybe("revision")?)?;
                let (post, note) = ((words.id("id")?, seen), words.maybe("note")?);
                let word = if verb == "approve" { Word::Approve } else { Word::Decline };
                let access = self.enter::<Approve>(workspace).await?;
                let done = services.approve_post(access, post, word, note.unwrap_or_default());
                shown(done.await?.value)
            }
            "delete" => {
                let access = self.enter::<Write>(workspace).await?;
                let id = words.id("id")?;
                services.delete_post(access, id, None).await?;
                Ok(json!({ "id": id, "state": "deleted" }))
            }
            "show" => {
                let access = self.enter::<Read>(workspace).await?;
                shown(services.post(&access, words.id("id")?).await?)
            }
            _ => {
                let filter = PostFilter {
                    state: words.maybe("state")?.map(words::post_state).transpose()?,
                    approval: words.maybe("approval")?.map(words::approval).transpose()?,
                    limit: words::page_limit(words.maybe("limit")?)?,
                    cursor: words.maybe("cursor")?.map(str::to_owned),
                    ..PostFilter::default()
                };
                let access = self.enter::<Read>(workspace).await?;
                shown(services.posts(&access, filter).await?)
            }
        }
    }

    async fn media(
        &self,
        workspace: crate::base::WorkspaceId,
        verb: &str,
        words: &Words<'_>,
    ) -> Answer {
        let services = self.services;
        let alt = words.maybe("alt")?.map(str::to_owned);
        match verb {
            "upload" => Err(Problem::field("file", Wrong::Missing)),
            "import" => {
                let new =
                    NewImport { url: words.word("url")?.to_owned(), alt: alt.unwrap_or_default() };
                let access = self.enter::<Write>(workspace).await?;
                shown(services.import_asset(access, new).await?.value)
            }
            "edit" => {
                let change = AssetChange { alt, ..AssetChange::default() };
                let access = self.enter::<Write>(workspace).await?;
                shown(services.change_asset(access, words.id("id")?, change).await?.value)
            }
            "delete" => {
                let access = self.enter::<Write>(workspace).await?;
                let id = words.id("id")?;
                services.delete_asset(access, id).await?;
                Ok(json!({ "id": id, "state": "deleted" }))
            }
            "list" => {
                let limit = words::page_limit(words.maybe("limit")?)?;
                let access = self.enter::<Read>(workspace).await?;
                shown(services.assets(&access, words.maybe("cursor")?, limit).await?)
            }
            // Also what a download would get, for whoever asks without a file to put it in.
            _ => {
                let access = self.enter::<Read>(workspace).await?;
                shown(services.asset(&access, words.id("id")?).await?)
            }
        }
    }

    async fn delivery(
        &self,
        workspace: crate::base::WorkspaceId,
        verb: &str,
        words: &Words<'_>,
    ) -> Answer {
        let services = self.services;
        match verb {
            "resolve" => {
                // Typed by hand: `it-is-there` is as good.
                let word = words.word("as")?.replace('-', "_");
                let decision = words::decision("as", &word, words.maybe("url")?)?;
                let access = self.enter::<Publish>(workspace).await?;
                let done = services.resolve_delivery(access, words.id("id")?, decision);
                shown(done.await?.value)
            }
            "acknowledge" => {
                let access = self.enter::<Publish>(workspace).await?;
                shown(services.acknowledge_delivery(access, words.id("id")?).await?.value)
            }
            "show" => {
                let access = self.enter::<Read>(workspace).await?;
                shown(services.delivery(&access, words.id("id")?).await?)
            }
            _ => {
                let state = words.maybe("state")?.map(words::delivery_state).transpose()?;
                let cursor = words.maybe("cursor")?.map(str::to_owned);
                let filter = DeliveryFilter {
                    state,
                    limit: words::page_limit(words.maybe("limit")?)?,
                    cursor,
                };
                let access = self.enter::<Read>(workspace).await?;
                shown(services.deliveries(&access, filter).await?)
            }
        }
    }
}

fn channels(words: &Words<'_>) -> Result<Vec<ChannelId>, Problem> {
    let given = words.many("channel")?.into_iter().enumerate();
    given.map(|(i, text)| words::id(&format!("channel[{i}]"), text)).collect()
}

fn parts(words: &Words<'_>) -> Result<Vec<PartDraft>, Problem> {
    let part = |text: &str| PartDraft { text: text.to_owned(), ..PartDraft::default() };
    let mut parts: Vec<PartDraft> = words.many("text")?.into_iter().map(part).collect();
    let last = parts.len();
    for given in words.many("media")? {
        let (number, id) = given.split_once(':').unwrap_or(("1", given));
        let place = number.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
        match place.and_then(|place| parts.get_mut(place)) {
            Some(part) => part.media.push(id.to_owned()),
            None if last == 0 => return Err(Problem::field("text", Wrong::Missing)),
            None => {
                let allowed = format!("ID, or N:ID with N from 1 to {last}");
                return Err(Problem::field("media", Wrong::NotOneOf { allowed }));
            }
        }
    }
    Ok(parts)
}

fn when(words: &Words<'_>) -> Result<Option<When>, Problem> {
    Ok(match (words.maybe("at")?, words.maybe("zone")?, words.flag("now")?) {
        (Some(_), _, true) => return Err(Problem::field("now", Wrong::Excludes { other: "at" })),
        (Some(at), Some(zone), false) => {
            Some(When::At { local: at.to_owned(), zone: zone.to_owned() })
        }
        (Some(_), None, false) => return Err(Problem::field("zone", Wrong::Missing)),
        (None, _, true) => Some(When::Now),
        (None, Some(_), false) => return Err(Problem::field("at", Wrong::Missing)),
        (None, None, false) => None,
    })
}

/// What is given replaces what was there, whole; only new texts keep the media that stand beside
/// them, when none are given.
pub(super) fn post_change(words: &Words<'_>) -> Result<PostChange, Problem> {
    let given = |name: &str| words.has(name);
    let tags = || words.many("tag").map(|tags| tags.into_iter().map(str::to_owned).collect());
    let draft = match words.maybe("draft")? {
        None => None,
        Some("yes") => Some(true),
        Some("no") => Some(false),
        Some(_) => {
            let allowed = "yes, no".to_owned();
            return Err(Problem::field("draft", Wrong::NotOneOf { allowed }));
        }
    };
    Ok(PostChange {
        parts: (given("text") || given("media")).then(|| parts(words)).transpose()?,
        channels: given("channel").then(|| channels(words)).transpose()?,
        when: when(words)?,
        tags: given("tag").then(tags).transpose()?,
        draft,
        ..PostChange::default()
    })
}

pub(super) fn new_post(words: &Words<'_>) -> Result<NewPost, Problem> {
    Ok(NewPost {
        parts: parts(words)?,
        channels: channels(words)?,
        when: when(words)?,
        tags: words.many("tag")?.into_iter().map(str::to_owned).collect(),
        draft: words.flag("draft")?,
        ..NewPost::default()
    })
}

fn scopes(given: &[&str]) -> Result<BTreeSet<KeyScope>, Problem> {
    if given.is_empty() {
        return Err(Problem::field("scope", Wrong::Missing));
    }
    given.iter().map(|word| words::scope("scope", word)).collect()
}
