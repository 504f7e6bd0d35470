//! Users, their sessions, and the links that make or mend accounts: who people are. What they may
//! do in a workspace is a member's; see `access`. Must not hold a secret in clear.

mod code;
mod password;
mod throttle;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::access::{Grants, Role};
use super::approval::ApprovalRule;
use super::event::Actor;
use crate::base::{
    ConnectionId, InvitationId, Problem, SessionId, Timestamp, UserId, WorkspaceId, Wrong, limits,
};

pub use code::{Authenticator, RECOVERY_CODES, plain_code, recovery_code, recovery_hash};
pub use password::{PASSWORD_MIN, check_password};
pub use throttle::{Bucket, Pace, Rule, Wait};

/// A person, in all workspaces at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    pub id: UserId,
    /// Grows with every change; the `ETag`.
    pub revision: u64,
    /// As [`email`] made it; unique. Empty once they are erased.
    pub email: String,
    pub name: String,
    pub created_at: Timestamp,
    /// Since when they cannot sign in, and no session of theirs is good for anything.
    pub disabled_at: Option<Timestamp>,
}

impl User {
    /// What is left of somebody who was erased: an id, and since when it is nobody's.
    #[must_use]
    pub fn erased(self, now: Timestamp) -> Self {
        let (email, name) = (String::new(), "(erased)".to_owned());
        let disabled_at = self.disabled_at.or(Some(now));
        Self { revision: self.revision + 1, email, name, disabled_at, ..self }
    }

    pub fn is_erased(&self) -> bool {
        self.email.is_empty()
    }
}

/// What proves that it is them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proofs {
    /// argon2id as a PHC string, which names its costs; `None` until one is set by a link.
    pub password: Option<String>,
    /// When the password was last set. Links for a new one, and the marks of known devices, end
    /// with it.
    pub password_at: Timestamp,
    pub authenticator: Option<SealedAuthenticator>,
    /// SHA-256 of the recovery codes that are left.
    pub recovery: Vec<[u8; 32]>,
    /// Who they are elsewhere, if somebody elsewhere may say that it is them.
    pub identity: Option<Identity>,
}

/// A person at the installation's identity provider (`OpenID` Connect).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Of issuer and subject; see [`identity_hash`]. Never of an e-mail, which may become another's.
    pub hash: [u8; 32],
    /// Whom people know by it: the e-mail or the name that the provider gave when it was linked.
    pub shown: String,
    pub linked_at: Timestamp,
}

/// SHA-256 of who vouches and for whom. An issuer is an address, so that no space is in it.
#[must_use]
pub fn identity_hash(issuer: &str, subject: &str) -> [u8; 32] {
    Sha256::digest(format!("{issuer} {subject}")).into()
}

impl Proofs {
    /// Whether a code is asked for.
    pub fn has_totp(&self) -> bool {
        self.authenticator.as_ref().is_some_and(|it| it.confirmed_at.is_some())
    }
}

/// An authenticator (RFC 6238) whose secret the vault has sealed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedAuthenticator {
    pub sealed: Vec<u8>,
    /// A code was given that fits; before that it counts for nothing.
    pub confirmed_at: Option<Timestamp>,
    /// The step of the last code that was taken: none up to it is taken again.
    pub last_step: u64,
}

/// Somebody who is signed in, in one browser or program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    pub id: SessionId,
    pub user: UserId,
    pub created_at: Timestamp,
    /// Noted once a minute at most.
    pub used_at: Timestamp,
    /// When the user last proved who they are.
    pub proved_at: Timestamp,
    pub agent: String,
    pub address: String,
    /// SHA-256 of the token that is good now.
    pub token: [u8; 32],
    /// The token before; whoever brings it has stolen one of the two.
    pub former: Option<[u8; 32]>,
    pub rotated_at: Timestamp,
}

/// Without a request.
pub const IDLE: Duration = Duration::from_hours(12);
/// From sign-in, whatever happens.
pub const ABSOLUTE: Duration = Duration::from_hours(7 * 24);
/// How long a proof is fresh, for what asks for one.
pub const FRESH: Duration = Duration::from_mins(10);
/// Requests that were under way when a token was changed are refused and no more.
pub const OVERLAP: Duration = Duration::from_mins(1);
/// Between two notes of the last use.
pub const NOTE: Duration = Duration::from_mins(1);

impl Session {
    pub fn is_live(&self, now: Timestamp) -> bool {
        now < self.used_at.plus(IDLE) && now < self.created_at.plus(ABSOLUTE)
    }

    pub fn ends_at(&self) -> Timestamp {
        self.used_at.plus(IDLE).min(self.created_at.plus(ABSOLUTE))
    }

    /// Whether the user has proved a moment ago who they are.
    pub fn is_fresh(&self, now: Timestamp) -> bool {
        now < self.proved_at.plus(FRESH)
    }
}

/// An invitation into a workspace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invitation {
    pub id: InvitationId,
    pub email: String,
    pub role: Role,
    pub channels: Grants,
    pub by: Actor,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    pub ended: Option<Ended>,
    /// SHA-256 of its link's token.
    pub token: [u8; 32],
}

/// How an invitation ended, if not by time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ended {
    Accepted { by: UserId, at: Timestamp },
    Revoked { at: Timestamp },
}

impl Invitation {
    pub fn is_open(&self, now: Timestamp) -> bool {
        self.ended.is_none() && now < self.expires_at
    }

    /// `open`, `accepted`, `revoked` or `expired`.
    pub fn state(&self, now: Timestamp) -> &'static str {
        match self.ended {
            Some(Ended::Accepted { .. }) => "accepted",
            Some(Ended::Revoked { .. }) => "revoked",
            None if now < self.expires_at => "open",
            None => "expired",
        }
    }
}

/// What a link does, once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LinkTo {
    /// Makes the first user.
    SetUp,
    Invitation {
        workspace: WorkspaceId,
        invitation: InvitationId,
    },
    /// Sets a new password, as long as the present one is of this time.
    Reset {
        user: UserId,
        password_at: Timestamp,
    },
    /// Connects an account, for whoever uses it first.
    Connect {
        workspace: WorkspaceId,
        connection: ConnectionId,
    },
}

pub const SET_UP_LIFE: Duration = Duration::from_mins(30);
pub const INVITATION_LIFE: Duration = Duration::from_hours(72);
pub const RESET_LIFE: Duration = Duration::from_hours(24);

/// What a workspace asks of whoever enters it or writes there, and what it has done against thieves of keys.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DoorRule {
    /// People without an authenticator are not let in.
    pub totp_required: bool,
    /// What is done about very many posts at once, and about a text that many workspaces have.
    pub bursts: BurstAct,
    /// Who must let posts out.
    pub approvals: ApprovalRule,
}

/// What is done about what looks like spam.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum BurstAct {
    /// People are told, and nothing else.
    #[default]
    Tell,
    /// The channels concerned are paused.
    Pause,
    /// The posts concerned wait until somebody approves them.
    Approve,
}

impl BurstAct {
    pub const ALL: [Self; 3] = [Self::Tell, Self::Pause, Self::Approve];

    pub fn word(self) -> &'static str {
        match self {
            Self::Tell => "tell",
            Self::Pause => "pause",
            Self::Approve => "approve",
        }
    }

    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|act| act.word() == word)
    }
}

/// An e-mail address in the one form in which it is kept and compared: trimmed, in lower case.
pub fn email(field: &str, text: &str) -> Result<String, Problem> {
    let text = text.trim();
    let (max, actual) = (limits::EMAIL_BYTES, text.len());
    if text.is_empty() {
        return Err(Problem::field(field, Wrong::Empty));
    }
    if actual > max {
        return Err(Problem::field(field, Wrong::TooLong { max, actual, unit: "bytes" }));
    }
    let plain =
        |c: char| c.is_alphanumeric() || (c.is_ascii_graphic() && !"\"(),:;<>[\\]@".contains(c));
    let is_one = text.split_once('@').is_some_and(|(local, domain)| {
        let label = |label: &str| {
            !label.is_empty() && label.chars().all(|c| c.is_alphanumeric() || c == '-')
        };
        let local_is = !local.is_empty() && local.len() <= 64 && local.chars().all(plain);
        local_is && domain.split('.').all(label)
    });
    // The sign of Kelvin in lower case is a plain k: another mailbox, and the same account.
    let turns = |c: char| !c.is_ascii() && c.to_lowercase().any(|low| low.is_ascii());
    if !is_one || text.chars().any(turns) {
        let expected = "an e-mail address, such as ann@example.org".to_owned();
        return Err(Problem::field(field, Wrong::BadFormat { expected }));
    }
    Ok(text.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_one_form() {
        for (text, kept) in [
            (" Ann@Example.ORG ", "ann@example.org"),
            ("a+b.c'd@sub-1.example", "a+b.c'd@sub-1.example"),
            ("j\u{d6}rg@b\u{fc}ro.example", "j\u{f6}rg@b\u{fc}ro.example"),
            ("root@localhost", "root@localhost"),
        ] {
            assert_eq!(email("email", text).as_deref(), Ok(kept));
        }
        let long = format!("{}@x.example", "a".repeat(65));
        let longer = format!("a@{}.example", "b".repeat(300));
        for bad in [
            "",
            " ",
            "a",
            "@x",
            "a@",
            "a@b@c",
            "a b@c.example",
            "a@b..c",
            "a@.b",
            "a@b.",
            "<a@b.c>",
            "a\u{202e}@b.c",
            "a\n@b.c",
            "a@b.c, d@e.f",
            "a@b_c",
            "\u{212a}en@b.c",
            &long,
            &longer,
        ] {
            assert!(email("email", bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn sessions_end_for_want_of_use_and_after_a_week() {
        let at = |hours: u64| Timestamp::from_millis(0).plus(Duration::from_hours(hours));
        let session = |used: u64| Session {
            id: SessionId::from_bytes([1; 16]),
            user: UserId::from_bytes([2; 16]),
            created_at: at(0),
            used_at: at(used),
            proved_at: at(0),
            agent: String::new(),
            address: String::new(),
            token: [0; 32],
            former: None,
            rotated_at: at(0),
        };
        assert!(session(0).is_live(at(11)) && !session(0).is_live(at(12)));
        assert!(session(160).is_live(at(167)) && !session(160).is_live(at(168)));
        assert_eq!((session(0).ends_at(), session(160).ends_at()), (at(12), at(168)));
        assert!(session(0).is_fresh(at(0)) && !session(0).is_fresh(at(1)));
    }
}
