//! Sealed credentials: the only place that opens and seals them. Must not log or return a secret
//! in anything but a `Credential`.

use super::{Services, trouble};
use crate::base::{ChannelId, Code, Problem};
use crate::domain::channel::Channel;
use crate::networks::Credential;
use crate::store::rows::{SealedCredential, WrappedKey};
use crate::store::{Key as _, Row as _, Scope, View};
use crate::vault::{WorkspaceKey, WrappedKey as Wrapped};

/// A channel with what it takes to act for it.
pub struct OpenedChannel {
    pub channel: Channel,
    /// `None` for networks that need none.
    pub credential: Option<Credential>,
}

/// What the sealed bytes are tied to: table, workspace and channel.
fn key_path(scope: &Scope, channel: ChannelId) -> Vec<u8> {
    let mut path = SealedCredential::TABLE.row().name.as_bytes().to_vec();
    path.push(0);
    scope.workspace().encode(&mut path);
    channel.encode(&mut path);
    path
}

fn broken(error: impl std::fmt::Display) -> Problem {
    tracing::error!(%error, "a credential cannot be opened or sealed");
    Problem::new(Code::Internal)
}

impl Services {
    fn workspace_key(&self, scope: &Scope, row: WrappedKey) -> Result<WorkspaceKey, Problem> {
        self.vault.open_workspace_key(scope.workspace(), &Wrapped(row.wrapped)).map_err(broken)
    }

    /// Seals a credential for a channel's row.
    pub(super) async fn seal(
        &self,
        scope: Scope,
        channel: ChannelId,
        credential: &Credential,
    ) -> Result<SealedCredential, Problem> {
        let wrapped = self.store.read(move |view| view.get::<WrappedKey>(&scope, &())).await;
        let wrapped = wrapped.map_err(trouble)?.ok_or_else(|| broken("no data key"))?;
        let key = self.workspace_key(&scope, wrapped)?;
        let plain = credential.to_bytes();
        let sealed = key
            .seal(self.rng.as_ref(), &key_path(&scope, channel), plain.reveal())
            .map_err(broken)?;
        Ok(SealedCredential { sealed })
    }

    /// Opens what was read of a channel.
    pub fn open(&self, scope: &Scope, found: Found) -> Result<OpenedChannel, Problem> {
        let Found { channel, sealed, wrapped } = found;
        let credential = match (sealed, wrapped) {
            (Some(row), Some(wrapped)) => {
                let key = self.workspace_key(scope, wrapped)?;
                let plain = key.open(&key_path(scope, channel.id), &row.sealed).map_err(broken)?;
                let credential = Credential::from_bytes(plain.reveal());
                Some(credential.ok_or_else(|| broken("not a credential"))?)
            }
            (Some(_), None) => return Err(broken("no data key")),
            (None, _) => None,
        };
        Ok(OpenedChannel { channel, credential })
    }
}

/// The rows that make an [`OpenedChannel`].
pub struct Found {
    pub channel: Channel,
    sealed: Option<SealedCredential>,
    wrapped: Option<WrappedKey>,
}

impl Found {
    pub fn read(
        view: &View<'_>,
        scope: &Scope,
        id: ChannelId,
    ) -> Result<Option<Self>, crate::store::Error> {
        let Some(channel) = view.get::<Channel>(scope, &id)? else { return Ok(None) };
        let sealed = view.get::<SealedCredential>(scope, &id)?;
        let wrapped = view.get::<WrappedKey>(scope, &())?;
        Ok(Some(Self { channel, sealed, wrapped }))
    }
}
