//! This installation as an application of the networks that ask for one: set, tested, rotated and
//! removed while it runs, by an administrator. The secret goes in and never out.

use std::collections::BTreeSet;

use serde::Serialize;
use url::Url;
use utoipa::ToSchema;

use super::super::channels::{Asking, told};
use super::super::shown::Page;
use super::super::{Administrator, Services, no, refused, trouble};
use crate::base::{Code, Problem, Secret, Timestamp, Wrong, limits};
use crate::domain::connection::{App, Heard};
use crate::networks::{self, Call, CallError, Facts, Inbound, Network, Oauth};

/// An application, as people see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct AppShown {
    pub network: String,
    /// Whether id and secret are set.
    pub set: bool,
    pub client_id: Option<String>,
    pub set_at: Option<String>,
    /// When its secret was changed, if it was since.
    pub rotated_at: Option<String>,
    /// `ok` or `refused`, as the network said last; null before it was asked.
    pub tested: Option<&'static str>,
    pub tested_at: Option<String>,
    /// What the network must be told, to the letter, where people are sent back to.
    pub redirect_uri: String,
    /// What people are asked to grant.
    pub scopes: Vec<String>,
    /// Where an application is made.
    pub console: String,
    /// Where the network sends webhooks to, if it sends any.
    pub webhook_uri: Option<String>,
    /// Whether they can be checked: the secret is set that they are signed with.
    pub webhook_ready: bool,
}

/// What an operator says of an application.
#[derive(Debug)]
pub struct NewApp {
    pub client_id: String,
    pub client_secret: Secret<String>,
    /// Scopes that the network does not let it ask for.
    pub without: Vec<String>,
}

/// To what the secret is sealed: it opens nowhere else.
fn place(network: &str) -> String {
    format!("application of {network}")
}

/// The same, for the secret that webhooks are signed with.
fn webhook_place(network: &str) -> String {
    format!("webhooks of {network}")
}

fn unusable(error: &dyn std::fmt::Display) -> Problem {
    tracing::error!(%error, "an application's secret cannot be sealed or opened");
    Problem::new(Code::Internal)
}

/// A network that asks for an application.
pub(super) fn by_consent(
    field: &str,
    word: &str,
) -> Result<(&'static dyn Network, &'static Oauth), Problem> {
    let network = networks::named(word);
    network.and_then(|network| Some((network, network.oauth()?))).ok_or_else(|| {
        let known = networks::REGISTRY.iter().filter(|n| n.oauth().is_some()).map(|n| n.word());
        let allowed = known.collect::<Vec<_>>().join(", ");
        Problem::field(field, Wrong::NotOneOf { allowed })
    })
}

fn plain(field: &'static str, text: &str) -> Result<(), Problem> {
    let (max, actual) = (limits::APP_BYTES, text.len());
    let wrong = match actual {
        0 => Wrong::Empty,
        _ if actual > max => Wrong::TooLong { max, actual, unit: "bytes" },
        _ if !text.bytes().all(|byte| byte.is_ascii_graphic()) => {
            Wrong::BadFormat { expected: "visible ASCII characters without spaces".to_owned() }
        }
        _ => return Ok(()),
    };
    Err(Problem::field(field, wrong))
}

impl Services {
    fn redirect_text(&self, network: &str) -> String {
        format!("{}/oauth/{network}/callback", self.public_url)
    }

    fn app_shown(&self, network: &str, oauth: &Oauth, app: Option<&App>) -> AppShown {
        let without = app.map(|app| app.without.as_slice()).unwrap_or_default();
        let (scopes, heard) = (oauth.scopes(without), app.and_then(|app| app.heard));
        let inbound = networks::named(network).and_then(Network::inbound);
        AppShown {
            network: network.to_owned(),
            set: app.is_some(),
            client_id: app.map(|app| app.client_id.clone()),
            set_at: app.map(|app| app.set_at.to_string()),
            rotated_at: app.and_then(|app| app.rotated_at).map(|at| at.to_string()),
            tested: heard.map(|heard| if heard.known { "ok" } else { "refused" }),
            tested_at: heard.map(|heard| heard.at.to_string()),
            redirect_uri: self.redirect_text(network),
            scopes: scopes.into_iter().map(str::to_owned).collect(),
            console: oauth.console.to_owned(),
            webhook_uri: inbound.map(|_| format!("{}/hooks/{network}", self.public_url)),
            webhook_ready: inbound
                .zip(app)
                .is_some_and(|(inbound, app)| !inbound.own_secret || app.webhook_secret.is_some()),
        }
    }

    /// Every network that asks for an application, with what is set.
    pub async fn apps(&self, _: &Administrator) -> Result<Page<AppShown>, Problem> {
        let mut items = Vec::new();
        for network in networks::REGISTRY {
            if let Some(oauth) = network.oauth() {
                let app = self.app_row(network.word()).await?;
                items.push(self.app_shown(network.word(), oauth, app.as_ref()));
            }
        }
        Ok(Page { items, next: None })
    }

    pub async fn app(&self, _: &Administrator, network: &str) -> Result<AppShown, Problem> {
        let (network, oauth) = by_consent("network", network)?;
        let app = self.app_row(network.word()).await?;
        Ok(self.app_shown(network.word(), oauth, app.as_ref()))
    }

    /// Sets an application; it counts from the next call on. Channels that were connected by
    /// another one must be connected again when their tokens end.
    pub async fn set_app(
        &self,
        by: Administrator,
        network: &str,
        new: NewApp,
    ) -> Result<AppShown, Problem> {
        let (network, oauth) = by_consent("network", network)?;
        let word = network.word();
        plain("client_id", &new.client_id)?;
        plain("client_secret", new.client_secret.reveal())?;
        let known = [oauth.more, oauth.insights].concat();
        let (max, actual) = (limits::APP_SCOPES, new.without.len());
        if actual > max {
            return Err(Problem::field("without", Wrong::TooLong { max, actual, unit: "items" }));
        }
        let unknown = new.without.iter().position(|scope| !known.contains(&scope.as_str()));
        if let (Some(_), true) = (unknown, known.is_empty()) {
            let why = "is not for this network, which lets nothing be left out";
            return Err(Problem::field("without", Wrong::NotPossible { why }));
        }
        if let Some(at) = unknown {
            let allowed = known.join(", ");
            return Err(Problem::field(format!("without[{at}]"), Wrong::NotOneOf { allowed }));
        }
        let (client_id, without) = (new.client_id, new.without);
        let secret = self.seal_secret(&place(word), &new.client_secret)?;
        let rest = move |old: Option<App>, set_at| {
            let revision = old.as_ref().map_or(0, |old| old.revision);
            // Another application signs with another secret.
            let same = old.filter(|old| old.client_id == client_id);
            Ok(App {
                revision,
                client_id: client_id.clone(),
                secret: secret.clone(),
                without: without.clone(),
                set_at,
                rotated_at: None,
                heard: None,
                webhook_secret: same.and_then(|old| old.webhook_secret),
            })
        };
        let app = self.put_app((by, "app.set"), word, rest).await?;
        Ok(self.app_shown(word, oauth, Some(&app)))
    }

    /// Gives an application another secret; everything else stays.
    pub async fn rotate_app(
        &self,
        by: Administrator,
        network: &str,
        secret: Secret<String>,
    ) -> Result<AppShown, Problem> {
        let (network, oauth) = by_consent("network", network)?;
        let word = network.word();
        plain("client_secret", secret.reveal())?;
        let secret = self.seal_secret(&place(word), &secret)?;
        let keep = move |old: Option<App>, now| match old {
            Some(old) => {
                Ok(App { secret: secret.clone(), rotated_at: Some(now), heard: None, ..old })
            }
            None => Err(missing(word)),
        };
        let app = self.put_app((by, "app.rotated"), word, keep).await?;
        Ok(self.app_shown(word, oauth, Some(&app)))
    }

    /// Sets the secret that the network signs webhooks with, where that is one of its own.
    pub async fn set_webhook_secret(
        &self,
        by: Administrator,
        network: &str,
        secret: Secret<String>,
    ) -> Result<AppShown, Problem> {
        let (network, oauth) = by_consent("network", network)?;
        let word = network.word();
        if network.inbound().is_none_or(|inbound| !inbound.own_secret) {
            let why = "is not for this network, which signs webhooks with the client secret, if it \
                       sends any";
            return Err(Problem::field("webhook_secret", Wrong::NotPossible { why }));
        }
        plain("webhook_secret", secret.reveal())?;
        let sealed = self.seal_secret(&webhook_place(word), &secret)?;
        let keep = move |old: Option<App>, _| match old {
            Some(old) => Ok(App { webhook_secret: Some(sealed.clone()), ..old }),
            None => Err(missing(word)),
        };
        let app = self.put_app((by, "app.webhook_secret_set"), word, keep).await?;
        Ok(self.app_shown(word, oauth, Some(&app)))
    }

    /// The secret that a network signs webhooks with; `None` before it is set.
    pub(in crate::service) async fn hook_secret(
        &self,
        network: &str,
        inbound: &Inbound,
    ) -> Result<Option<Secret<Vec<u8>>>, Problem> {
        let Some(row) = self.app_row(network).await? else { return Ok(None) };
        let (place, sealed) = if inbound.own_secret {
            (webhook_place(network), row.webhook_secret)
        } else {
            (place(network), Some(row.secret))
        };
        let opened = sealed.map(|sealed| self.vault.open(&place, &sealed));
        opened.transpose().map_err(|error| unusable(&error))
    }

    fn seal_secret(&self, place: &str, secret: &Secret<String>) -> Result<Vec<u8>, Problem> {
        let sealed = self.vault.seal(self.rng.as_ref(), place, secret.reveal().as_bytes());
        sealed.map_err(|error| unusable(&error))
    }

    /// Writes what becomes of the one before, with the next revision.
    async fn put_app(
        &self,
        (by, kind): (Administrator, &'static str),
        word: &'static str,
        rest: impl Fn(Option<App>, Timestamp) -> Result<App, Problem> + Send + 'static,
    ) -> Result<App, Problem> {
        let now = self.now();
        let (services, actor) = (self.clone(), by.actor().word());
        let written = self.store.write(move |tx| {
            let key = word.to_owned();
            let old = tx.view().get_global::<App>(&key)?;
            let mut app = match rest(old, now) {
                Ok(app) => app,
                Err(problem) => return no(problem),
            };
            app.revision += 1;
            tx.put_global(&key, &app)?;
            services.note_change(tx, &by, kind, &[("network", word)])?;
            Ok(app)
        });
        let app = written.await.map_err(refused)?;
        tracing::info!(network = word, client_id = app.client_id, actor, "an application was set");
        Ok(app)
    }

    /// Forgets an application. Channels stay connected until their tokens end.
    pub async fn remove_app(&self, by: Administrator, network: &str) -> Result<AppShown, Problem> {
        let (network, oauth) = by_consent("network", network)?;
        let word = network.word();
        let (services, actor) = (self.clone(), by.actor().word());
        let removed = self.store.write(move |tx| {
            let key = word.to_owned();
            if tx.view().get_global::<App>(&key)?.is_none() {
                return no(missing(word));
            }
            tx.delete_global::<App>(&key);
            Ok(services.note_change(tx, &by, "app.removed", &[("network", word)])?)
        });
        removed.await.map_err(refused)?;
        tracing::info!(network = word, actor, "an application was removed");
        Ok(self.app_shown(word, oauth, None))
    }

    /// Asks the network whether it knows the application.
    pub async fn test_app(&self, by: &Administrator, network: &str) -> Result<AppShown, Problem> {
        let (network, oauth) = by_consent("network", network)?;
        let word = network.word();
        let row = self.app_row(word).await?.ok_or_else(|| missing(word))?;
        let (app, facts) = (self.open_app(word, &row)?, Facts::new());
        let asking = Asking {
            instance: None,
            credential: None,
            account: None,
            facts: &facts,
            correlation: by.correlation(),
        };
        match oauth.test(&Call { app: Some(&app), ..self.call(&asking) }).await {
            Ok(()) => {
                let heard = Some(self.app_heard(word, row.revision, true).await?);
                Ok(self.app_shown(word, oauth, Some(&App { heard, ..row })))
            }
            Err(CallError::Refused(said)) if said.code == "app_refused" => {
                self.app_heard(word, row.revision, false).await?;
                Err(Problem::new(Code::AppRefused).with("network", word).with("said", said.detail))
            }
            Err(error) => Err(told(error)),
        }
    }

    /// Keeps what a network said of an application, unless another has taken its place meanwhile.
    pub(in crate::service) async fn app_heard(
        &self,
        word: &str,
        revision: u64,
        known: bool,
    ) -> Result<Heard, Problem> {
        let (key, heard) = (word.to_owned(), Heard { at: self.now(), known });
        let written = self.store.write(move |tx| {
            let app = tx.view().get_global::<App>(&key)?;
            if let Some(app) = app.filter(|app| app.revision == revision) {
                tx.put_global(&key, &App { heard: Some(heard), ..app })?;
            }
            Ok(())
        });
        written.await.map_err(refused)?;
        if !known {
            tracing::warn!(network = word, "the network does not know this application");
        }
        Ok(heard)
    }

    async fn app_row(&self, network: &str) -> Result<Option<App>, Problem> {
        let key = network.to_owned();
        self.store.read(move |view| view.get_global::<App>(&key)).await.map_err(trouble)
    }

    /// The networks that do not know their application any more.
    pub(in crate::service) async fn apps_refused(&self) -> Result<Vec<String>, Problem> {
        let rows = self.store.read(|view| view.scan_global::<App>(None, limits::PAGE_MAX)).await;
        let refused = |app: &App| app.heard.is_some_and(|heard| !heard.known);
        let rows = rows.map_err(trouble)?.into_iter().filter(|(_, app)| refused(app));
        Ok(rows.map(|(word, _)| word).collect())
    }

    /// The networks that have an application.
    pub(in crate::service) async fn app_words(&self) -> Result<BTreeSet<String>, Problem> {
        let rows = self.store.read(|view| view.scan_global::<App>(None, limits::PAGE_MAX)).await;
        Ok(rows.map_err(trouble)?.into_iter().map(|(word, _)| word).collect())
    }

    /// The application with its secret, and its row.
    pub(in crate::service) async fn opened_app(
        &self,
        network: &str,
    ) -> Result<(networks::App, App), Problem> {
        let row = self.app_row(network).await?.ok_or_else(|| missing(network))?;
        Ok((self.open_app(network, &row)?, row))
    }

    fn open_app(&self, network: &str, row: &App) -> Result<networks::App, Problem> {
        let secret = self.vault.open(&place(network), &row.secret);
        let secret = secret.map_err(|error| unusable(&error))?;
        let secret = String::from_utf8(secret.reveal().clone()).map_err(|e| unusable(&e))?;
        Ok(networks::App {
            client_id: row.client_id.clone(),
            client_secret: Secret::new(secret),
            redirect: Url::parse(&self.redirect_text(network)).map_err(|e| unusable(&e))?,
        })
    }
}

fn missing(network: &str) -> Problem {
    Problem::new(Code::AppMissing).with("network", network)
}
