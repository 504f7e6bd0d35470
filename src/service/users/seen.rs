//! What people and programs see of users. Must not hold a secret, except those that are shown once.

use serde::Serialize;
use utoipa::ToSchema;

use crate::base::{Secret, Timestamp};
use crate::domain::access::{ChannelGrant, Grants};
use crate::domain::user::{Invitation, Proofs, Session, User};

/// A person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct UserShown {
    #[schema(format = "uuid")]
    pub id: String,
    /// Grows with every change; the `ETag`.
    pub revision: u64,
    pub email: String,
    pub name: String,
    pub created_at: String,
    /// Since when they cannot sign in.
    pub disabled_at: Option<String>,
    /// Whether they have a password.
    pub password: bool,
    /// Whom the identity provider knows them by, if they can sign in there.
    pub identity: Option<String>,
    /// Whether an authenticator is asked for at sign-in.
    pub totp: bool,
    /// Recovery codes that are left.
    pub recovery_codes: usize,
}

/// Where somebody is signed in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct SessionShown {
    #[schema(format = "uuid")]
    pub id: String,
    pub created_at: String,
    /// To the minute.
    pub used_at: String,
    /// When it ends if it is not used until then.
    pub ends_at: String,
    /// When the user last proved who they are.
    pub proved_at: String,
    /// What the browser or program called itself.
    pub agent: String,
    pub address: String,
    /// It is the one that asks.
    pub current: bool,
}

/// A session that was opened, or whose token was changed.
#[derive(Debug, Serialize, ToSchema)]
pub struct Opened {
    /// To be sent as `Authorization: Bearer TOKEN`. Shown once; the one before is good no more.
    #[schema(value_type = String)]
    #[serde(serialize_with = "reveal")]
    pub token: Secret<String>,
    /// Give it with the next sign-in from here, which then does not wait for others' failures.
    #[schema(value_type = String)]
    #[serde(serialize_with = "reveal")]
    pub device: Secret<String>,
    pub session: SessionShown,
    pub user: UserShown,
}

/// Codes that stand in for the authenticator, each once.
#[derive(Debug, Serialize, ToSchema)]
pub struct RecoveryCodes {
    /// Shown once.
    pub recovery_codes: Vec<String>,
}

/// An invitation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct InvitationShown {
    #[schema(format = "uuid")]
    pub id: String,
    pub email: String,
    pub role: String,
    /// What they will be able to do, by channel; null for every channel.
    #[schema(value_type = Option<Object>)]
    pub channels: Option<std::collections::BTreeMap<String, &'static str>>,
    /// `open`, `accepted`, `revoked` or `expired`.
    pub state: &'static str,
    pub invited_by: String,
    pub created_at: String,
    pub expires_at: String,
    /// Shown once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
}

/// A link for one use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LinkShown {
    pub link: String,
    pub expires_at: String,
}

/// What a workspace asks of people who enter it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct SecurityShown {
    /// Whoever has no authenticator is answered with 403 `totp_needed`.
    pub totp_required: bool,
    /// What is done about what looks like spam (very many posts at once, a text that many workspaces have):
    /// tell, pause (the channels concerned) or approve (the posts concerned wait for somebody's word).
    pub bursts: &'static str,
    /// Whether that is to pause.
    pub pause_bursts: bool,
}

fn reveal<S: serde::Serializer>(secret: &Secret<String>, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_str(secret.reveal())
}

pub(super) fn user(user: &User, proofs: &Proofs) -> UserShown {
    UserShown {
        id: user.id.to_string(),
        revision: user.revision,
        email: user.email.clone(),
        name: user.name.clone(),
        created_at: user.created_at.to_string(),
        disabled_at: user.disabled_at.map(|at| at.to_string()),
        password: proofs.password.is_some(),
        identity: proofs.identity.as_ref().map(|identity| identity.shown.clone()),
        totp: proofs.has_totp(),
        recovery_codes: proofs.recovery.len(),
    }
}

pub(super) fn session(session: &Session, current: bool) -> SessionShown {
    SessionShown {
        id: session.id.to_string(),
        created_at: session.created_at.to_string(),
        used_at: session.used_at.to_string(),
        ends_at: session.ends_at().to_string(),
        proved_at: session.proved_at.to_string(),
        agent: session.agent.clone(),
        address: session.address.clone(),
        current,
    }
}

pub(super) fn invitation(invitation: &Invitation, now: Timestamp) -> InvitationShown {
    let channels = match &invitation.channels {
        Grants::All => None,
        Grants::Only(channels) => {
            let grant = |(id, grant): (&crate::base::ChannelId, &ChannelGrant)| {
                (id.to_string(), grant.word())
            };
            Some(channels.iter().map(grant).collect())
        }
    };
    InvitationShown {
        id: invitation.id.to_string(),
        email: invitation.email.clone(),
        role: invitation.role.word().to_owned(),
        channels,
        state: invitation.state(now),
        invited_by: invitation.by.word(),
        created_at: invitation.created_at.to_string(),
        expires_at: invitation.expires_at.to_string(),
        link: None,
    }
}
