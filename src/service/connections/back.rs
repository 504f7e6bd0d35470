//! Somebody comes back from the network: the state is used up, the code is traded at once (that of X
//! lives 30 seconds), and what it covers is kept until it is confirmed. Must not make a channel.

use std::time::Duration;

use super::super::channels::Asking;
use super::super::{Services, no, refused};
use super::{Bearing, VERIFIER, by_consent, event, find, may_still, named_by, place};
use crate::base::{Code, ConnectionId, CorrelationId, Problem, Secret, Timestamp, WorkspaceId};
use crate::domain::connection::{CONFIRM, Connection, Offer, Refused, Stage};
use crate::networks::{Call, CallError, Facts, Network, oauth};
use crate::service::users::token_hash;
use crate::store::{Scope, Tx, WriteError};

/// What the address says with which the network sends somebody back.
#[derive(Debug, Default)]
pub struct Back {
    /// Of the address's path.
    pub network: String,
    pub state: Option<String>,
    pub code: Option<String>,
    pub error: Option<String>,
}

/// Where that leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CameBack {
    /// To the page of a connection, which says more to whoever may read it.
    To(WorkspaceId, ConnectionId),
    /// Nowhere: it belongs to nothing that was begun by whoever came.
    Astray(Option<Refused>),
}

/// What a state led to.
enum Taken {
    /// Trade the code.
    Good {
        scope: Scope,
        row: Box<Connection>,
        verifier: Option<Vec<u8>>,
    },
    Over(CameBack),
}

/// How much a credential may be sealed: its connection is one row of the store.
const OFFERS: usize = 60;

/// networks.md 2.7: how often, and how long, a new token is given time.
const YOUNG: usize = 2;
const YOUNG_WAIT: Duration = Duration::from_secs(5);

/// Words by which networks say that a person said no.
const DENIED: &[&str] =
    &["access_denied", "user_cancelled_login", "user_cancelled_authorize", "user_denied"];

impl Services {
    /// Takes what the network sent somebody back with.
    pub async fn come_back(
        &self,
        back: Back,
        bearing: &Bearing<'_>,
        correlation: CorrelationId,
    ) -> Result<CameBack, Problem> {
        let (scope, row, verifier) = match self.take_state(&back, bearing, correlation).await? {
            Taken::Over(over) => return Ok(over),
            Taken::Good { scope, row, verifier } => (scope, row, verifier),
        };
        let stage = match self.granted(&scope, &row, verifier, &back, correlation).await? {
            Ok(stage) => stage,
            Err(why) => Stage::Failed { why, at: self.now() },
        };
        let (id, now) = (row.id, self.now());
        let written = self.store.write(move |tx| {
            let Some(mut row) = tx.get::<Connection>(&scope, &id)? else { return Ok(()) };
            if matches!(row.stage, Stage::Done { .. } | Stage::Revoked { .. }) {
                return no(Problem::new(Code::ConnectionOver));
            }
            row.stage = stage.clone();
            tx.put(&scope, &id, &row)?;
            let told = match &stage {
                Stage::Failed { why, .. } => {
                    event(&row, "connection.failed", (now, correlation), &[("reason", why.word())])
                }
                _ => event(&row, "connection.granted", (now, correlation), &[]),
            };
            Ok(tx.append_event(&scope, told)?)
        });
        written.await.map_err(refused)?;
        Ok(CameBack::To(scope.workspace(), id))
    }

    /// Uses the state up, whoever brings it: one that went astray is good for nobody.
    async fn take_state(
        &self,
        back: &Back,
        bearing: &Bearing<'_>,
        correlation: CorrelationId,
    ) -> Result<Taken, Problem> {
        let Some((state, (workspace, id))) =
            back.state.as_deref().and_then(|state| Some((token_hash(state), named_by(state)?)))
        else {
            return Ok(Taken::Over(CameBack::Astray(None)));
        };
        let found = self.store.read(move |view| find(view, workspace, id)).await;
        let found = found.map_err(super::super::trouble)?;
        let Some((scope, row)) = found else { return Ok(Taken::Over(CameBack::Astray(None))) };
        let (ours, network, now) = (row.bound.is(bearing), back.network.clone(), self.now());
        let written = self.store.write(move |tx| {
            let Some(row) = tx.get::<Connection>(&scope, &id)? else {
                return Ok(Taken::Over(CameBack::Astray(None)));
            };
            take(tx, &scope, row, (state, ours, &network), (now, correlation))
        });
        written.await.map_err(refused)
    }

    /// Trades the code; what it covers, or why not.
    async fn granted(
        &self,
        scope: &Scope,
        row: &Connection,
        verifier: Option<Vec<u8>>,
        back: &Back,
        correlation: CorrelationId,
    ) -> Result<Result<Stage, Refused>, Problem> {
        if let Some(error) = back.error.as_deref() {
            let denied = DENIED.contains(&error);
            let said: String = error.chars().filter(|c| !c.is_control()).take(100).collect();
            tracing::info!(
                network = row.network,
                said,
                "a network sent somebody back without a code"
            );
            return Ok(Err(if denied { Refused::Denied } else { Refused::Network }));
        }
        let Some(code) = back.code.as_deref().filter(|code| !code.is_empty()) else {
            return Ok(Err(Refused::Network));
        };
        let (network, oauth) = by_consent("network", &row.network)?;
        let (app, app_row) = self.opened_app(network.word()).await?;
        let verifier = match verifier {
            Some(sealed) => {
                let kept = self.unseal_at(scope, &place(scope, row.id), &sealed).await?;
                kept.get(VERIFIER).map(|text| Secret::new(text.to_owned()))
            }
            None => None,
        };
        let facts = Facts::new();
        let asking =
            Asking { instance: None, credential: None, account: None, facts: &facts, correlation };
        let call = Call { app: Some(&app), ..self.call(&asking) };
        let asked = oauth.scopes(&app_row.without);
        let credential = match oauth.redeem(&call, code, verifier.as_ref(), &asked).await {
            Ok(credential) => credential,
            Err(error) => {
                let why = not_granted(network, error);
                if why == Refused::App {
                    self.app_heard(network.word(), app_row.revision, false).await?;
                }
                return Ok(Err(why));
            }
        };
        if app_row.heard.is_some_and(|heard| !heard.known) {
            self.app_heard(network.word(), app_row.revision, true).await?;
        }
        let grant = oauth::grant(&credential, &asked, self.now());
        let missing = oauth.missing(&grant.scopes);
        if !missing.is_empty() {
            tracing::info!(network = row.network, ?missing, "scopes were not granted");
            return Ok(Err(Refused::Scope));
        }
        let call = Call { credential: Some(&credential), now: self.now(), ..call };
        let mut offers = match self.offers(network, call).await {
            Ok(offers) => offers,
            Err(error) => return Ok(Err(not_granted(network, error))),
        };
        offers.truncate(OFFERS);
        if offers.is_empty() {
            return Ok(Err(Refused::Network));
        }
        let sealed = self.seal_at(*scope, &place(scope, row.id), &credential).await?;
        let until = self.now().plus(CONFIRM);
        Ok(Ok(Stage::Granted { offers, until, sealed, grant }))
    }

    /// What the credential covers. Some networks do not know a token yet that they have just given.
    async fn offers(&self, network: &dyn Network, call: Call<'_>) -> Result<Vec<Offer>, CallError> {
        for _ in 0..YOUNG {
            match network.offers(&call).await {
                Err(CallError::Unreachable(said)) if said.code == "token_not_active_yet" => {
                    self.clock.sleep(YOUNG_WAIT).await;
                }
                told => return told,
            }
        }
        network.offers(&call).await
    }
}

/// Says in the log why there is nothing.
fn not_granted(network: &dyn Network, error: CallError) -> Refused {
    let why = match &error {
        CallError::Unauthorized(_) => Refused::Code,
        CallError::Refused(said) if said.code == "app_refused" => Refused::App,
        CallError::Unreachable(_) => Refused::Unreachable,
        _ => Refused::Network,
    };
    let said = error.into_failure();
    tracing::warn!(
        network = network.word(),
        code = said.code,
        detail = said.detail,
        status = said.status,
        why = why.word(),
        "a code led to no account"
    );
    why
}

/// Uses a state up, if it is the connection's.
fn take(
    tx: &mut Tx<'_>,
    scope: &Scope,
    mut row: Connection,
    (state, ours, network): ([u8; 32], bool, &str),
    (now, correlation): (Timestamp, CorrelationId),
) -> Result<Taken, WriteError<Problem>> {
    let (workspace, id) = (scope.workspace(), row.id);
    let astray = |why| if ours { CameBack::To(workspace, id) } else { CameBack::Astray(Some(why)) };
    let stage = row.stage.clone();
    let Stage::Away { state: expected, until, verifier } = stage else {
        return Ok(Taken::Over(replayed(tx, scope, &row, (state, ours), (now, correlation))?));
    };
    if expected != state {
        return Ok(Taken::Over(replayed(tx, scope, &row, (state, ours), (now, correlation))?));
    }
    let why = if !ours {
        Some(Refused::OtherSession)
    } else if row.network != network {
        Some(Refused::OtherNetwork)
    } else if now >= until || !may_still(&tx.view(), scope, &row.by, now)? {
        Some(Refused::Expired)
    } else {
        None
    };
    row.former = Some(state);
    row.stage = match why {
        Some(why) => Stage::Failed { why, at: now },
        None => Stage::Open,
    };
    tx.put(scope, &id, &row)?;
    match why {
        None => Ok(Taken::Good { scope: *scope, row: Box::new(row), verifier }),
        Some(why) => {
            let told = [("reason", why.word())];
            let told = event(&row, "connection.failed", (now, correlation), &told);
            tx.append_event(scope, told)?;
            Ok(Taken::Over(astray(why)))
        }
    }
}

/// A state that is not, or no more, the connection's. What it is changes nothing.
fn replayed(
    tx: &mut Tx<'_>,
    scope: &Scope,
    row: &Connection,
    (state, ours): ([u8; 32], bool),
    (now, correlation): (Timestamp, CorrelationId),
) -> Result<CameBack, WriteError<Problem>> {
    if row.former != Some(state) {
        return Ok(CameBack::Astray(None));
    }
    // Whoever reloads the page is told how far it is.
    if ours {
        return Ok(CameBack::To(scope.workspace(), row.id));
    }
    let told = [("reason", Refused::Replayed.word())];
    tx.append_event(scope, event(row, "connection.replayed", (now, correlation), &told))?;
    Ok(CameBack::Astray(Some(Refused::Replayed)))
}
