//! Hosts: products with a key of their own, which lets them open pages for their people and say what
//! plan the workspaces have that they made. Must not lead to anybody else's.

mod embed;

use std::collections::{BTreeMap, BTreeSet};

use data_encoding::BASE64URL_NOPAD;
use serde::Serialize;
use utoipa::ToSchema;

pub use embed::{EMBED_PREFIX, EmbedOpened, EmbedShown, NewEmbed, Person as EmbedPerson};

use super::access::key_hash;
use super::closing::is_closed;
use super::events::note;
use super::shown::Page;
use super::{Access, Services, no, not_found, refused, trouble};
use crate::base::{Check, Code, CorrelationId, HostId, Problem, UserId, Wrong, limits};
use crate::domain::access::Right;
use crate::domain::event::Actor;
use crate::domain::host::Host;
use crate::domain::workspace::check_name;
use crate::store::rows::{HostKey, HostedUser};
use crate::store::{Error, Operator, Scope, Span, View};

/// So that a key that leaked is recognized by scanners, and told from others.
const PREFIX: &str = "ch_";
/// Pages of one host come from few places.
const ORIGINS: usize = 20;
/// People whom hosts made that are looked at in one go.
const STEP: usize = 1_000;

/// A host, as people see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct HostShown {
    #[schema(format = "uuid")]
    pub id: String,
    pub name: String,
    pub origins: Vec<String>,
    pub created_at: String,
    pub revoked_at: Option<String>,
    /// Only when it was just made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// Proof that a host asks, by a live key of its own.
#[derive(Clone)]
pub struct AsHost {
    host: Host,
    correlation: CorrelationId,
}

impl AsHost {
    /// Which host it is; not a secret.
    pub fn id(&self) -> HostId {
        self.host.id
    }

    fn actor(&self) -> Actor {
        Actor::Host(self.host.id)
    }
}

fn shown(host: &Host) -> HostShown {
    HostShown {
        id: host.id.to_string(),
        name: host.name.clone(),
        origins: host.origins.iter().cloned().collect(),
        created_at: host.created_at.to_string(),
        revoked_at: host.revoked_at.map(|at| at.to_string()),
        key: None,
    }
}

/// `https://crm.example`, as browsers send it.
fn check_origins(field: &str, given: &[String]) -> Result<BTreeSet<String>, Problem> {
    let mut check = Check::default();
    check.that(!given.is_empty(), field, Wrong::Missing);
    let (max, actual) = (ORIGINS, given.len());
    check.that(actual <= max, field, Wrong::TooLong { max, actual, unit: "origins" });
    for (i, origin) in given.iter().take(max).enumerate() {
        let expected = "the address of a site without a path, such as https://crm.example";
        let wrong = Wrong::BadFormat { expected: expected.to_owned() };
        check.that(is_origin(origin), format!("{field}[{i}]"), wrong);
    }
    check.finish()?;
    Ok(given.iter().cloned().collect())
}

fn is_origin(text: &str) -> bool {
    let url = url::Url::parse(text).ok().filter(|_| text.len() <= limits::URL_BYTES);
    url.is_some_and(|url| {
        let plain = matches!(url.scheme(), "https" | "http") && !text.contains('*');
        plain && url.origin().ascii_serialization() == text
    })
}

impl Services {
    /// Makes a host; its key is in the answer and nowhere else.
    pub async fn create_host(
        &self,
        (operator, correlation): (Operator, CorrelationId),
        name: &str,
        origins: &[String],
    ) -> Result<HostShown, Problem> {
        self.room_for_more()?;
        let name = check_name("name", name)?;
        let origins = check_origins("origin", origins)?;
        let (now, rng) = (self.now(), self.rng.as_ref());
        let host =
            Host { id: HostId::new(now, rng), name, origins, created_at: now, revoked_at: None };
        let mut random = [0; 32];
        rng.fill(&mut random);
        let key = format!("{PREFIX}{}", BASE64URL_NOPAD.encode(&random));
        let hash = key_hash(&key);
        let by = (operator.actor(), correlation);
        let made = self.store.write(move |tx| {
            if all(&tx.view())?.len() >= limits::HOSTS {
                let wrong = Wrong::NotPossible { why: "would be one too many; revoked ones count" };
                return no(Problem::field("name", wrong));
            }
            tx.put_global(&host.id, &host)?;
            tx.put_global(&hash, &HostKey { host: host.id })?;
            let subject = host.id.to_string();
            let data = [("name", host.name.as_str())];
            note(tx, now, by.clone(), ("host.created", subject.as_str()), &data)?;
            Ok(shown(&host))
        });
        let made = made.await.map_err(refused)?;
        tracing::info!(host = made.id, name = made.name, "a host was made");
        Ok(HostShown { key: Some(key), ..made })
    }

    /// Every host, oldest first.
    pub async fn hosts(&self, _: Operator) -> Result<Page<HostShown>, Problem> {
        let found = self.store.read(all).await.map_err(trouble)?;
        Ok(Page { items: found.iter().map(shown).collect(), next: None })
    }

    /// Ends a host's key and the bearers of all its pages at once. What it made stays.
    pub async fn revoke_host(
        &self,
        (operator, correlation): (Operator, CorrelationId),
        id: HostId,
    ) -> Result<HostShown, Problem> {
        let (now, by) = (self.now(), (operator.actor(), correlation));
        let revoked = self.store.write(move |tx| {
            let Some(mut host) = tx.view().get_global::<Host>(&id)? else {
                return no(not_found());
            };
            if host.is_live() {
                host.revoked_at = Some(now);
                tx.put_global(&id, &host)?;
                let subject = id.to_string();
                let data = [("name", host.name.as_str())];
                note(tx, now, by.clone(), ("host.revoked", subject.as_str()), &data)?;
            }
            Ok(shown(&host))
        });
        let revoked = revoked.await.map_err(refused)?;
        tracing::info!(host = revoked.id, "a host was revoked");
        Ok(revoked)
    }

    /// Whose key this is. Unknown and revoked ones look the same.
    pub fn as_host(&self, key: &str, correlation: CorrelationId) -> Result<AsHost, Problem> {
        let hash = key_hash(key);
        let found = self.store.read_now(|view| match view.get_global::<HostKey>(&hash)? {
            Some(HostKey { host }) => view.get_global::<Host>(&host),
            None => Ok(None),
        });
        let host = found.map_err(trouble)?.filter(Host::is_live);
        let host = host.ok_or_else(|| Problem::new(Code::Unauthenticated))?;
        Ok(AsHost { host, correlation })
    }

    /// The workspace that the host made under this name. Others', and those that there are not,
    /// look the same; of one that was deleted it is told what it is told when it comes with a page.
    pub async fn hosted<R: Right>(
        &self,
        host: &AsHost,
        external: &str,
    ) -> Result<Access<R>, Problem> {
        let (id, external) = (host.host.id, external.to_owned());
        let found = self.store.read(move |view| {
            let Some(scope) = Scope::by_host(view, id, &external)? else { return Ok(None) };
            let closed = !R::OF_CLOSED && is_closed(view, &scope)?;
            Ok(Some((scope, closed)))
        });
        let (scope, closed) = found.await.map_err(trouble)?.ok_or_else(not_found)?;
        if closed {
            return Err(Problem::new(Code::Forbidden).with("workspace", "deleted"));
        }
        Ok(Access::of_host(scope, host.actor(), host.correlation))
    }

    /// Whether pages of some live host are at this origin: what a browser asks before it sends a
    /// bearer there.
    pub fn is_host_origin(&self, origin: &str) -> Result<bool, Problem> {
        let hosts = self.store.read_now(all).map_err(trouble)?;
        Ok(hosts.iter().any(|host| host.is_live() && host.origins.contains(origin)))
    }
}

fn all(view: &View<'_>) -> Result<Vec<Host>, Error> {
    let rows = view.scan_global::<Host>(None, limits::HOSTS)?;
    Ok(rows.into_iter().map(|(_, host)| host).collect())
}

/// Which of these hosts made each of these users, where one of them did; nobody is made by two.
/// Looks through all whom they made: from a user no way leads back.
fn makers<'h>(
    view: &View<'_>,
    hosts: &'h [Host],
    mut users: BTreeSet<UserId>,
) -> Result<BTreeMap<UserId, &'h Host>, Error> {
    let mut found = BTreeMap::new();
    for host in hosts {
        let mut after: Option<(HostId, String)> = None;
        while !users.is_empty() {
            let span = Span::first(STEP).under(&host.id).after(after.as_ref());
            let page = view.scan_global_span::<HostedUser>(&span)?;
            for (_, HostedUser { user }) in &page {
                if users.remove(user) {
                    found.insert(*user, host);
                }
            }
            let Some((last, _)) = page.last() else { break };
            after = Some(last.clone());
        }
    }
    Ok(found)
}

/// The name of the host that made each of these users, where one did.
pub(super) fn names_of_makers(
    view: &View<'_>,
    users: BTreeSet<UserId>,
) -> Result<BTreeMap<UserId, String>, Error> {
    let hosts = all(view)?;
    let found = makers(view, &hosts, users)?;
    Ok(found.into_iter().map(|(user, host)| (user, host.name.clone())).collect())
}

/// Whether any of these users, who do not sign in here themselves, has a way in: whom a host made
/// has none once that was revoked.
pub(super) fn let_any_in(view: &View<'_>, users: &BTreeSet<UserId>) -> Result<bool, Error> {
    let mut revoked = all(view)?;
    revoked.retain(|host| !host.is_live());
    Ok(makers(view, &revoked, users.clone())?.len() < users.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_what_a_browser_sends() {
        for good in ["https://crm.example", "http://localhost:3000", "https://a.b:8443"] {
            assert!(is_origin(good), "{good}");
        }
        for bad in [
            "",
            "*",
            "null",
            "crm.example",
            "https://crm.example/",
            "https://CRM.example",
            "https://crm.example:443",
            "https://crm.example/app",
            "https://u@crm.example",
            "ftp://crm.example",
            "https://*.example",
            "javascript:alert(1)",
        ] {
            assert!(!is_origin(bad), "{bad}");
        }
    }
}
