//! All state of the practice networks of one process. Must not tell the time, sleep or open a
//! socket: whoever carries it passes the moment in.

use std::collections::{BTreeMap, VecDeque};

use super::fault::Faults;
use super::journal::Moment;
use super::page::ShownInstance;
use super::{
    Act, Answer, Fate, Fault, Instance, JournalEntry, Request, RequestLine, bluesky, linkedin,
    mastodon, no_such_host, webhook, x,
};
use crate::base::{SeededRng, Timestamp};

/// Requests that are remembered; older ones are dropped.
const REQUESTS_KEPT: usize = 10_000;

/// Instances by host name, what they did, what they were asked, and what is to go wrong.
pub struct World {
    instances: BTreeMap<String, Instance>,
    /// Other names of instances.
    aliases: BTreeMap<String, String>,
    journal: Vec<JournalEntry>,
    requests: VecDeque<RequestLine>,
    faults: Faults,
    late: Vec<Late>,
    rng: SeededRng,
}

/// A request whose connection is gone and which is still to be applied.
struct Late {
    at: Timestamp,
    host: String,
    request: Request,
}

impl World {
    /// An empty world; equal seeds and equal requests give equal answers.
    pub fn new(seed: u64) -> Self {
        Self {
            instances: BTreeMap::new(),
            aliases: BTreeMap::new(),
            journal: Vec::new(),
            requests: VecDeque::new(),
            faults: Faults::default(),
            late: Vec::new(),
            rng: SeededRng::new(seed),
        }
    }

    /// Adds a server that plays Mastodon, or replaces the one of this name.
    pub fn add_mastodon(&mut self, host: &str, settings: mastodon::Settings) {
        let server = Box::new(mastodon::Server::new(host, settings));
        self.instances.insert(host.to_owned(), Instance::Mastodon(server));
    }

    /// Adds a receiver of webhooks that knows this secret, or replaces the one of this name.
    pub fn add_webhook(&mut self, host: &str, secret: &str) {
        let receiver = webhook::Receiver::new(host, secret);
        self.instances.insert(host.to_owned(), Instance::Webhook(receiver));
    }

    /// Adds a server that plays Bluesky, or replaces the one of this name.
    pub fn add_bluesky(&mut self, host: &str, settings: bluesky::Settings) {
        if let Some((own, _)) = &settings.own {
            self.aliases.insert(own.clone(), host.to_owned());
        }
        let server = bluesky::Server::new(host, settings);
        self.instances.insert(host.to_owned(), Instance::Bluesky(Box::new(server)));
    }

    /// Adds a server that plays LinkedIn, or replaces the one of this name.
    pub fn add_linkedin(&mut self, host: &str, settings: linkedin::Settings) {
        let server = Box::new(linkedin::Server::new(host, settings));
        self.instances.insert(host.to_owned(), Instance::LinkedIn(server));
    }

    /// Adds a server that plays X, or replaces the one of this name.
    pub fn add_x(&mut self, host: &str, settings: x::Settings) {
        let server = Box::new(x::Server::new(host, settings));
        self.instances.insert(host.to_owned(), Instance::X(server));
    }

    /// Adds an account whose token exists already, or app password where a network has those;
    /// `scopes` are separated by spaces. Gives the account's id, or `None` when there is no such
    /// host.
    pub fn add_account(
        &mut self,
        host: &str,
        username: &str,
        token: &str,
        scopes: &str,
    ) -> Option<String> {
        Some(match self.instances.get_mut(host)? {
            Instance::Mastodon(server) => server.add_account(username, token, scopes),
            Instance::Bluesky(server) => server.add_account(username, token),
            Instance::X(server) => server.add_account(username, token, scopes),
            Instance::LinkedIn(server) => server.add_account(username, token, scopes),
            Instance::Webhook(_) => return None,
        })
    }

    /// The server of this host, to change its settings or to look inside.
    pub fn mastodon(&mut self, host: &str) -> Option<&mut mastodon::Server> {
        match self.instances.get_mut(host)? {
            Instance::Mastodon(server) => Some(server),
            _ => None,
        }
    }

    pub fn bluesky(&mut self, host: &str) -> Option<&mut bluesky::Server> {
        match self.instances.get_mut(host)? {
            Instance::Bluesky(server) => Some(server),
            _ => None,
        }
    }

    pub fn linkedin(&mut self, host: &str) -> Option<&mut linkedin::Server> {
        match self.instances.get_mut(host)? {
            Instance::LinkedIn(server) => Some(server),
            _ => None,
        }
    }

    pub fn x(&mut self, host: &str) -> Option<&mut x::Server> {
        match self.instances.get_mut(host)? {
            Instance::X(server) => Some(server),
            _ => None,
        }
    }

    /// The receiver of this host, to change it.
    pub fn webhook(&mut self, host: &str) -> Option<&mut webhook::Receiver> {
        match self.instances.get_mut(host)? {
            Instance::Webhook(receiver) => Some(receiver),
            _ => None,
        }
    }

    /// Every accepted side effect, oldest first.
    pub fn journal(&self) -> &[JournalEntry] {
        &self.journal
    }

    /// The last requests, oldest first.
    pub fn requests(&self) -> impl Iterator<Item = &RequestLine> {
        self.requests.iter()
    }

    pub fn add_fault(&mut self, fault: Fault) {
        self.faults.add(fault);
    }

    /// Ends the script and the chaos; requests that are still to land do land.
    pub fn clear_faults(&mut self) {
        self.faults.clear();
    }

    /// From now on each write that no script line matches draws one of these acts, each so many
    /// times in a thousand.
    pub fn chaos(&mut self, seed: u64, per_mille: Vec<(Act, u16)>) {
        self.faults.set_chaos(seed, per_mille);
    }

    /// Applies what lands late and is due by `now`, in the order of landing.
    pub fn settle(&mut self, now: Timestamp) {
        let (mut due, rest) = std::mem::take(&mut self.late)
            .into_iter()
            .partition::<Vec<_>, _>(|late| late.at <= now);
        self.late = rest;
        due.sort_by_key(|late| late.at);
        for late in due {
            // The connection is gone, so nobody gets the answer.
            drop(self.apply(&late.host, &late.request, late.at));
        }
    }

    /// When the next late request lands, if one is under way.
    pub fn next_landing(&self) -> Option<Timestamp> {
        self.late.iter().map(|late| late.at).min()
    }

    /// What a person would see on each instance, newest first.
    pub fn timeline(&self) -> Vec<ShownInstance> {
        self.instances.values().map(Instance::shown).collect()
    }

    /// What goes wrong with this call, if something does.
    pub(super) fn draw(&mut self, host: &str, request: &Request) -> Option<Act> {
        let host = self.real_name(host).to_owned();
        let call = self.instances.get(&host)?.kind_of_call(request);
        self.faults.draw(&host, call)
    }

    pub(super) fn instance(&mut self, host: &str) -> Option<&mut Instance> {
        let host = self.real_name(host).to_owned();
        self.instances.get_mut(&host)
    }

    fn real_name<'a>(&'a self, host: &'a str) -> &'a str {
        self.aliases.get(host).map_or(host, String::as_str)
    }

    /// The host whose name, up to its first dot, is `name`.
    pub(super) fn host_named(&self, name: &str) -> Option<String> {
        let is_it = |host: &&String| host.split('.').next() == Some(name);
        self.instances.keys().chain(self.aliases.keys()).find(is_it).cloned()
    }

    pub(super) fn knows(&self, host: &str) -> bool {
        self.instances.contains_key(self.real_name(host))
    }

    pub(super) fn land_late(&mut self, host: &str, request: &Request, at: Timestamp) {
        self.late.push(Late { at, host: host.to_owned(), request: request.clone() });
    }

    pub(super) fn apply(&mut self, host: &str, request: &Request, now: Timestamp) -> Answer {
        let name = self.real_name(host).to_owned();
        let (rng, journal) = (&self.rng, &mut self.journal);
        let mut moment = Moment { now, host: &name, called: host, rng, journal };
        match self.instances.get_mut(&name) {
            Some(instance) => instance.answer(&mut moment, request),
            None => no_such_host(),
        }
    }

    pub(super) fn log(
        &mut self,
        host: &str,
        request: &Request,
        now: Timestamp,
        (answer, fault): (&Answer, Option<Act>),
    ) {
        if self.requests.len() == REQUESTS_KEPT {
            self.requests.pop_front();
        }
        self.requests.push_back(RequestLine {
            at: now,
            host: host.to_owned(),
            method: request.method.to_string(),
            path: request.path.clone(),
            status: (answer.fate != Fate::HangUp).then_some(answer.status),
            fault,
        });
    }
}
