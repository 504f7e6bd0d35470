//! What networks' answers say about themselves: circuits of servers and accounts, and learned rate
//! limits. The engine asks here before it posts. Must not send anything by itself.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use super::Services;
use crate::base::{ChannelId, Timestamp};
use crate::domain::channel::Channel;
use crate::domain::circuit::{Circuit, Gate, Open, Rules, Why};
use crate::domain::place::Place;
use crate::domain::rate::{Purpose, RateLimit, RateLimits};
use crate::networks::{self, Told};
use crate::outbound::{Request, Response, SendError, Transport};
use crate::store::rows::{ChannelLimits, ServerLimits};
use crate::store::{Error, Scope, View};

/// The circuits of all places where something went wrong lately, or is being counted.
#[derive(Default)]
pub struct Circuits(Mutex<BTreeMap<Place, Circuit>>);

/// More of them than this are looked through for idle ones.
const MANY: usize = 1_024;
/// A network that refuses a call and does not say until when.
const UNSAID: Duration = Duration::from_mins(5);

/// A circuit that is open, by the wall clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenCircuit {
    pub place: Place,
    /// When it is tried again.
    pub until: Timestamp,
    pub why: Why,
}

/// Whether a post may go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MayPost {
    Yes,
    /// After a read that shows that the place is well again; tell by [`Services::probed`].
    AfterProbe,
    No(OpenCircuit),
}

impl Circuits {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Place, Circuit>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The server and the account that a post of this channel goes to.
fn places(place: &Place, channel: ChannelId) -> BTreeSet<Place> {
    [place.clone(), place.account(channel)].into()
}

impl Services {
    fn rules(&self) -> Rules {
        let timing = self.timing.get();
        Rules::new(timing.retry_base, timing.deadline * 3)
    }

    fn open_circuit(&self, place: &Place, open: Open) -> OpenCircuit {
        let left = open.until.saturating_sub(self.clock.monotonic());
        OpenCircuit { place: place.clone(), until: self.now().plus(left), why: open.why }
    }

    /// Whether a post of this channel may go to this place now.
    pub fn may_post(&self, place: &Place, channel: ChannelId) -> MayPost {
        let (rules, at) = (self.rules(), self.clock.monotonic());
        let mut circuits = self.circuits.lock();
        let places = places(place, channel);
        for place in &places {
            if let Some(open) = circuits.get(place).and_then(Circuit::is_open)
                && at < open.until
            {
                return MayPost::No(self.open_circuit(place, open));
            }
        }
        let mut ask = |place| circuits.get_mut(place).map_or(Gate::Go, |c| c.ask(&rules, at));
        // All are asked: a probe speaks for each of them.
        let probes = places.iter().filter(|place| ask(place) != Gate::Go).count();
        if probes == 0 { MayPost::Yes } else { MayPost::AfterProbe }
    }

    /// How the probe of a post's server and account went.
    pub fn probed(&self, place: &Place, channel: ChannelId, well: bool) {
        let (rules, at) = (self.rules(), self.clock.monotonic());
        let mut circuits = self.circuits.lock();
        for place in places(place, channel) {
            let Some(circuit) = circuits.get_mut(&place) else { continue };
            if circuit.is_open().is_some() {
                circuit.probed(&rules, at, well);
                tracing::info!(place = %place, well, "a circuit was probed");
            }
        }
    }

    /// A post of the account was sent; `unknown` when nobody knows whether it is out.
    pub fn posted(&self, place: &Place, channel: ChannelId, unknown: bool) {
        let account = place.account(channel);
        if unknown || self.circuits.lock().contains_key(&account) {
            self.note(&account, |circuit, rules, at| circuit.posted(rules, at, unknown));
        }
    }

    fn note(&self, place: &Place, note: impl FnOnce(&mut Circuit, &Rules, Duration)) {
        let (rules, at) = (self.rules(), self.clock.monotonic());
        let mut circuits = self.circuits.lock();
        if circuits.len() > MANY {
            circuits.retain(|_, circuit| !circuit.is_idle(&rules, at));
        }
        let circuit = circuits.entry(place.clone()).or_default();
        let before = circuit.is_open();
        note(circuit, &rules, at);
        if let (None, Some(open)) = (before, circuit.is_open()) {
            tracing::warn!(place = %place, why = ?open.why, "a circuit opened: posts wait");
        }
    }

    /// The circuit of a place, if it is open.
    pub fn open_at(&self, place: &Place) -> Option<OpenCircuit> {
        let open = self.circuits.lock().get(place).and_then(Circuit::is_open)?;
        Some(self.open_circuit(place, open))
    }

    /// Every circuit that is open.
    pub fn open_circuits(&self) -> Vec<OpenCircuit> {
        let circuits = self.circuits.lock();
        let open = circuits.iter().filter_map(|(place, c)| Some((place, c.is_open()?)));
        open.map(|(place, open)| self.open_circuit(place, open)).collect()
    }

    /// The way to a channel's network on which answers are taken note of.
    pub fn watched(&self, scope: &Scope, channel: &Channel, purpose: Purpose) -> Watched {
        let (services, place) = (self.clone(), networks::place_of(channel));
        Watched { services, scope: *scope, place, channel: channel.id, purpose }
    }
}

/// A transport that listens to what comes back.
pub struct Watched {
    services: Services,
    scope: Scope,
    place: Place,
    channel: ChannelId,
    purpose: Purpose,
}

#[async_trait]
impl Transport for Watched {
    async fn send(&self, request: Request) -> Result<Response, SendError> {
        let result = self.services.transport.send(request).await;
        let failed = match &result {
            // Our own guard's word, not the server's.
            Err(SendError::Refused { .. }) => return result,
            Err(SendError::NotSent { .. } | SendError::Lost { .. }) => true,
            Ok(response) => matches!(response.status, 408 | 500..),
        };
        self.services.note(&self.place, |circuit, rules, at| circuit.called(rules, at, failed));
        if let Ok(response) = &result {
            self.learn(response).await;
        }
        result
    }
}

impl Watched {
    /// Keeps what the answer says about how often the server may be called; durable before
    /// anybody acts on the answer.
    async fn learn(&self, response: &Response) {
        let now = self.services.now();
        let told = Told::by(&response.headers, now);
        let refused = response.status == 429;
        let network = networks::named(&self.place.network);
        let until = match (refused, told.remaining, told.reset) {
            (true, _, reset) => {
                let usual = || network.and_then(|network| network.unsaid_reset(now));
                reset.or_else(usual).unwrap_or_else(|| now.plus(UNSAID))
            }
            (false, Some(0), Some(reset)) => reset,
            _ => return,
        };
        let shared = network.is_some_and(|network| network.is_shared(&told));
        let limit = RateLimit { until, allowed: told.allowed, said: now, refused };
        tracing::info!(
            place = %self.place, channel = %self.channel, purpose = self.purpose.word(),
            %until, refused, shared, "a network takes no more calls for now"
        );
        let (scope, channel, purpose) = (self.scope, self.channel, self.purpose);
        let server = self.place.to_string();
        let written = self.services.store.write(move |tx| {
            if shared {
                let mut row = tx.view().get_global::<ServerLimits>(&server)?.unwrap_or_default();
                // One count for everything.
                for purpose in Purpose::ALL {
                    row.0.set(purpose, limit.clone());
                }
                tx.put_global(&server, &row)?;
            } else {
                let mut row = tx.get::<ChannelLimits>(&scope, &channel)?.unwrap_or_default();
                row.0.set(purpose, limit.clone());
                tx.put(&scope, &channel, &row)?;
            }
            Ok(())
        });
        if let Err(problem) = written.await.map_err(super::refused) {
            tracing::error!(%problem, "a rate limit could not be kept");
        }
    }
}

/// The limits that networks have told of, for a channel and for its server.
pub struct Limits {
    pub channel: RateLimits,
    pub server: RateLimits,
}

impl Limits {
    pub fn read(view: &View<'_>, scope: &Scope, channel: &Channel) -> Result<Self, Error> {
        let server = networks::place_of(channel).to_string();
        let channel = view.get::<ChannelLimits>(scope, &channel.id)?.unwrap_or_default().0;
        let server = view.get_global::<ServerLimits>(&server)?.unwrap_or_default().0;
        Ok(Self { channel, server })
    }

    /// The limit that holds a post back the longest; `uploads`: its media, too.
    pub fn holds_post(&self, uploads: bool, now: Timestamp) -> Option<&RateLimit> {
        let upload = self.holds(Purpose::Upload, now).filter(|_| uploads);
        let both = [self.holds(Purpose::Post, now), upload];
        both.into_iter().flatten().max_by_key(|limit| limit.until)
    }

    /// The limit that holds calls of this purpose back the longest.
    pub fn holds(&self, purpose: Purpose, now: Timestamp) -> Option<&RateLimit> {
        let both = [self.channel.holds(purpose, now), self.server.holds(purpose, now)];
        both.into_iter().flatten().max_by_key(|limit| limit.until)
    }
}
