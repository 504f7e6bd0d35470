//! Social networks behind one trait: what each can take, how it is called, what its answers mean.
//! Must not see the store or the vault, read a clock, sleep, or repeat a commit; the engine does.

mod advice;
mod bluesky;
mod call;
mod credential;
mod feed;
mod hosts;
mod inbound;
mod linkedin;
mod mastodon;
mod media;
pub mod oauth;
mod told;
mod webhook;
mod x;

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;

use crate::base::{ChannelId, DeliveryId, Rng, Timestamp};
use crate::domain::capability::Capabilities;
use crate::domain::channel::{Account, Channel};
use crate::domain::connection::Offer;
use crate::domain::cost::{Charge, Prices};
use crate::domain::place::Place;
use crate::domain::post::{OptionValue, PartDraft};
use crate::domain::publish::{Failure, Outcome, ReadBack, Reading, Receipt};

pub use advice::next_step;
pub use call::{Call, CallError};
pub use credential::Credential;
pub use hosts::{Ending, Host, Hosts, Version};
pub use inbound::Inbound;
pub use media::Media;
pub use oauth::{App, Oauth};
pub use told::Told;

/// Every network, one line each.
pub static REGISTRY: &[&dyn Network] = &[
    &feed::Feed,
    &mastodon::Mastodon,
    &bluesky::Bluesky,
    &webhook::Webhook,
    &x::X,
    &linkedin::LinkedIn,
];

/// The network with this word.
pub fn named(word: &str) -> Option<&'static dyn Network> {
    REGISTRY.iter().copied().find(|network| network.word() == word)
}

/// Whose calls stand or fall with those of this channel.
pub fn place_of(channel: &Channel) -> Place {
    let hosts = named(&channel.network).map(Network::hosts).unwrap_or_default();
    let own = Place::of(channel);
    match hosts.first().and_then(|host| host.url.split_once("://")) {
        Some((_, server)) => Place { server: server.to_owned(), channel: None, ..own },
        None => own,
    }
}

/// Facts read from a network when a channel was connected; they rule limits and evidence.
pub type Facts = BTreeMap<String, String>;

/// One social network. Implementations hold no state.
#[async_trait]
pub trait Network: Send + Sync {
    /// The stable word, such as `mastodon`.
    fn word(&self) -> &'static str;

    /// How people call it.
    fn title(&self) -> &'static str;

    /// What a channel of this network is made from.
    fn asks(&self) -> Asks;

    /// Whether readers get what is out, and its media, from this installation.
    fn is_served_here(&self) -> bool {
        false
    }

    /// How accounts are connected on a page of the network's own; `None` where they are not.
    fn oauth(&self) -> Option<&'static Oauth> {
        None
    }

    /// The webhooks that it sends; `None` where it sends none.
    fn inbound(&self) -> Option<&'static Inbound> {
        None
    }

    /// Its hosts, if they are the same for every account; the first is the one that is called to
    /// publish.
    fn hosts(&self) -> &'static [Host] {
        &[]
    }

    /// The version that its calls name, where they must.
    fn version(&self) -> Option<&'static Version> {
        None
    }

    /// When a limit ends of which a refusal does not say that.
    fn unsaid_reset(&self, _now: Timestamp) -> Option<Timestamp> {
        None
    }

    fn capabilities(&self, facts: &Facts) -> Capabilities;

    /// How the fate of a part, by its place from 0, can be learnt afterwards.
    fn proof(&self, facts: &Facts, part: usize) -> Proof;

    /// Makes a channel out of what a person brought.
    async fn connect(&self, call: &Call<'_>, grant: Grant<'_>) -> Result<Connected, CallError>;

    /// Whom the credential speaks for: tests a channel, and confirms or clears a refused call.
    async fn identify(&self, call: &Call<'_>) -> Result<Account, CallError>;

    /// The accounts that a fresh grant, the call's credential, covers: one, or several to choose
    /// from.
    async fn offers(&self, call: &Call<'_>) -> Result<Vec<Offer>, CallError> {
        let account = self.identify(call).await?;
        Ok(vec![Offer { account, kind: String::new(), facts: Facts::new() }])
    }

    /// From when on the credential should be renewed; `None` for one that does not end.
    fn renew_from(&self, credential: &Credential) -> Option<Timestamp> {
        self.oauth().and_then(|_| oauth::renew_from(credential))
    }

    /// From when on the credential should be renewed even if nobody uses it, so that it does not
    /// end for want of use; `None` for one that does not.
    fn keep_from(&self, credential: &Credential) -> Option<Timestamp> {
        self.oauth().and_then(|_| oauth::keep_from(credential))
    }

    /// A credential in place of the call's, which is about to end or was refused. It is stored
    /// before it is used, and nobody else renews the same one meanwhile. `Unauthorized` means that
    /// a person is needed: more than one answer must have said so.
    async fn renew(&self, call: &Call<'_>) -> Result<Credential, CallError> {
        let oauth = self.oauth().ok_or(CallError::Missing("token"))?;
        match oauth.renew(call).await {
            // Used up by an answer that was lost, perhaps: a person is needed when the token is
            // refused too.
            Err(CallError::Unauthorized(said)) => match self.identify(call).await {
                Err(CallError::Unauthorized(_)) => Err(CallError::Unauthorized(said)),
                _ => Err(CallError::Unreachable(said)),
            },
            renewed => renewed,
        }
    }

    /// What a part with this text costs there.
    fn charge(&self, _prices: &Prices, _text: &str) -> Option<Charge> {
        None
    }

    /// Whether a limit that an answer told of counts all accounts of this installation together.
    fn is_shared(&self, _told: &Told) -> bool {
        false
    }

    /// Everything reversible before the commit.
    async fn prepare(&self, _call: &Call<'_>, _part: &PartCall<'_>) -> Prepared {
        Prepared::Ready
    }

    /// What a part waits for that is not prepared yet, by what was noted last: a stable word.
    fn waits_for(&self, _noted: &[u8]) -> &'static str {
        "media_upload"
    }

    /// The one irreversible call. `Outcome::Reconnect` means "refused as unauthorized"; whoever
    /// called confirms it by [`Network::identify`].
    async fn commit(&self, call: &Call<'_>, part: &PartCall<'_>) -> Outcome;

    /// Looks for a part that may be out.
    async fn read_back(&self, call: &Call<'_>, part: &PartCall<'_>, armed: Timestamp) -> Reading;
}

/// What a person must bring to connect a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asks {
    /// The address of a server.
    pub instance: bool,
    /// A name to sign in with; the token then is the password that goes with it.
    pub identifier: bool,
    /// An access token, or a code from the network's own page.
    pub token: bool,
    /// A whole address; the token then is the secret that messages to it are signed with, and one
    /// is made and shown once when none is brought.
    pub url: bool,
}

/// How the fate of a part can be learnt; the engine turns it into `publish::Evidence`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proof {
    /// How long a write's key is remembered by the network.
    pub key_memory: Option<Duration>,
    pub read_back: Option<ReadBack>,
}

/// The credential's field that signs messages.
pub const SIGNING_SECRET: &str = "signing_secret";

/// What a person brought.
pub enum Grant<'a> {
    Nothing,
    Token(&'a str),
    Password {
        identifier: &'a str,
        password: &'a str,
    },
    /// Register this installation with the server, and tell where a person gets a code; or make
    /// the signing secret.
    Register {
        rng: &'a dyn Rng,
    },
    /// That code, and the credential that the registration gave.
    Code {
        code: &'a str,
        pending: &'a Credential,
    },
}

/// What connecting came to.
pub enum Connected {
    Account {
        account: Account,
        facts: Facts,
        credential: Option<Credential>,
    },
    /// A person must open the address and bring back a code.
    Pending {
        authorize_url: String,
        credential: Credential,
    },
}

pub enum Prepared {
    Ready,
    /// Ask again then, with this note. What [`Network::commit`] needs of a preparation must be in
    /// the note before `Ready` is said.
    NotReady {
        again: Timestamp,
        ticket: Vec<u8>,
    },
    Wrong(Outcome),
}

/// One part on its way to a network.
pub struct PartCall<'a> {
    pub channel: ChannelId,
    pub delivery: DeliveryId,
    /// Counts from 0.
    pub index: usize,
    pub draft: &'a PartDraft,
    /// The assets that `draft` names, in its order.
    pub media: &'a [Media],
    pub options: Option<&'a BTreeMap<String, OptionValue>>,
    /// When it should go out; the same for every attempt.
    pub due: Timestamp,
    /// The same for every attempt of the same words; new after an edit.
    pub key: &'a str,
    /// What `prepare` noted last for these words; it is kept through retries and restarts.
    pub ticket: &'a [u8],
    /// The parts before this one, in order.
    pub before: &'a [Receipt],
    /// Other parts of the channel, newest first: what they are cannot be this one.
    pub known: &'a [Receipt],
    /// An earlier attempt may have got through.
    pub in_doubt: bool,
}

impl PartCall<'_> {
    pub fn text_option(&self, name: &str) -> Option<&str> {
        match self.options?.get(name)? {
            OptionValue::Text(text) => Some(text),
            OptionValue::Flag(_) => None,
        }
    }

    pub fn flag_option(&self, name: &str) -> bool {
        matches!(self.options.and_then(|o| o.get(name)), Some(OptionValue::Flag(true)))
    }
}

/// A failure in the words of `domain::publish`, shared by all networks.
pub(crate) fn failure(code: &str, detail: &str, status: Option<u16>) -> Failure {
    Failure { code: code.to_owned(), detail: detail.to_owned(), status }
}
