//! Users, what proves who they are, their sessions, the links that make accounts, and what a
//! workspace asks at its door.

use serde::{Deserialize, Serialize};

use crate::base::{InvitationId, SessionId, Timestamp, UserId};
use crate::domain::approval::ApprovalRule;
use crate::domain::user::{BurstAct, DoorRule, Invitation, LinkTo, Proofs, Session, User};
use crate::store::record::{DecodeError, Global, Row, Scoped, decode_body};
use crate::store::schema::Table;

impl Row for User {
    type Key = UserId;
    const TABLE: Table = Table::Users;
    const VERSION: u8 = 1;
}

impl Global for User {}

/// An e-mail address is one user's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Email {
    pub user: UserId,
}

impl Row for Email {
    type Key = String;
    const TABLE: Table = Table::Emails;
    const VERSION: u8 = 1;
}

impl Global for Email {}

impl Row for Proofs {
    type Key = UserId;
    const TABLE: Table = Table::Proofs;
    const VERSION: u8 = 2;

    fn upgrade(version: u8, body: &[u8]) -> Result<Self, DecodeError> {
        match version {
            1 => {
                let (password, password_at, authenticator, recovery) = decode_body(body)?;
                Ok(Self { password, password_at, authenticator, recovery, identity: None })
            }
            other => Err(DecodeError::UnknownVersion(other)),
        }
    }
}

impl Global for Proofs {}

/// Who somebody at the identity provider is here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdentityHolder {
    pub user: UserId,
}

impl Row for IdentityHolder {
    /// As `identity_hash` made it.
    type Key = [u8; 32];
    const TABLE: Table = Table::Identities;
    const VERSION: u8 = 1;
}

impl Global for IdentityHolder {}

impl Row for Session {
    type Key = (UserId, SessionId);
    const TABLE: Table = Table::Sessions;
    const VERSION: u8 = 1;
}

impl Global for Session {}

/// Where the session with this token's SHA-256 is, whether the token is good or was before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionToken {
    pub user: UserId,
    pub session: SessionId,
}

impl Row for SessionToken {
    type Key = [u8; 32];
    const TABLE: Table = Table::SessionTokens;
    const VERSION: u8 = 1;
}

impl Global for SessionToken {}

/// What a link's token does; the row goes with its first use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    pub expires_at: Timestamp,
    pub to: LinkTo,
}

impl Row for Link {
    /// SHA-256 of the token.
    type Key = [u8; 32];
    const TABLE: Table = Table::Links;
    const VERSION: u8 = 1;
}

impl Global for Link {}

/// The user may change what is the whole installation's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Administers {
    pub since: Timestamp,
}

impl Row for Administers {
    type Key = UserId;
    const TABLE: Table = Table::Administrators;
    const VERSION: u8 = 1;
}

impl Global for Administers {}

impl Row for Invitation {
    type Key = InvitationId;
    const TABLE: Table = Table::Invitations;
    const VERSION: u8 = 1;
}

impl Scoped for Invitation {}

impl Row for DoorRule {
    type Key = ();
    const TABLE: Table = Table::DoorRules;
    const VERSION: u8 = 3;

    fn upgrade(version: u8, body: &[u8]) -> Result<Self, DecodeError> {
        let (totp_required, pause_bursts) = match version {
            1 => (decode_body(body)?, false),
            2 => decode_body(body)?,
            other => return Err(DecodeError::UnknownVersion(other)),
        };
        let bursts = if pause_bursts { BurstAct::Pause } else { BurstAct::Tell };
        Ok(Self { totp_required, bursts, approvals: ApprovalRule::Off })
    }
}

impl Scoped for DoorRule {}
