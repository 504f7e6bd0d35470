//! Approval: whether somebody must let a post out, and what they said of it. What was let out is known
//! by a digest of what its readers will see. Must not look up who anybody is.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::base::{ChannelId, Timestamp, UserId};
use crate::domain::access::{Member, Role};
use crate::domain::event::Actor;
use crate::domain::post::{OptionValue, PartDraft, Post};
use crate::domain::publish::{Doubt, Flow, State};

/// Whose word a workspace asks for before a post goes out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ApprovalRule {
    /// Nobody's.
    #[default]
    Off,
    /// That of an owner or an admin.
    AnyAdmin,
    /// That of one of these, or of an owner.
    Reviewers(BTreeSet<UserId>),
}

/// Where a post stands with it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Approval {
    #[default]
    Unneeded,
    /// It waits for somebody's word; `why` is `rule`, `grant`, `changed` or the kind of a rule of suspicion.
    Asked { since: Timestamp, why: String },
    /// They let out what has this digest, and nothing else.
    Given { by: Actor, at: Timestamp, digest: [u8; 32] },
    /// It stays here until it is changed.
    Declined { by: Actor, at: Timestamp, note: String },
}

/// Members that a workspace can name.
pub const REVIEWERS: usize = 50;
/// Characters of what is said with an approval or a refusal.
pub const NOTE_CHARS: usize = 500;

impl ApprovalRule {
    pub fn word(&self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::AnyAdmin => "any_admin",
            Self::Reviewers(_) => "reviewers",
        }
    }

    /// Whether a member lets posts out. Owners always do, so that no workspace is locked out of itself;
    /// where nobody is asked, admins let out what a rule of suspicion stopped.
    pub fn trusts(&self, member: &Member) -> bool {
        let named = match self {
            Self::Off | Self::AnyAdmin => member.role == Role::Admin,
            Self::Reviewers(named) => named.contains(&member.user),
        };
        member.is_active() && (named || member.role == Role::Owner)
    }
}

impl Approval {
    /// What people see it as; `None` when none is needed.
    pub fn word(&self) -> Option<&'static str> {
        match self {
            Self::Unneeded => None,
            Self::Asked { .. } => Some("asked"),
            Self::Given { .. } => Some("given"),
            Self::Declined { .. } => Some("declined"),
        }
    }

    /// Whether it keeps a post in, whatever the post says.
    pub fn keeps_in(&self) -> bool {
        matches!(self, Self::Asked { .. } | Self::Declined { .. })
    }
}

impl Post {
    /// Whether it may go out as it is now, as far as approval is concerned.
    pub fn may_go_out(&self) -> bool {
        match &self.approval {
            Approval::Unneeded => true,
            Approval::Given { digest, .. } => *digest == self.digest(),
            Approval::Asked { .. } | Approval::Declined { .. } => false,
        }
    }

    /// SHA-256 of what its readers will see: for each channel, in the order of their ids, the parts and
    /// options that go there, and the tags. Not of when that is. The form is this function's own, and must stay what it
    /// is: what was approved before an upgrade is approved after it.
    pub fn digest(&self) -> [u8; 32] {
        let mut all = Form(Sha256::new());
        let channels: BTreeSet<ChannelId> = self.targets.iter().map(|to| to.channel).collect();
        all.number(channels.len());
        for channel in channels {
            all.0.update(channel.as_bytes());
            all.parts(self.parts_for(channel));
            all.options(self.options_for(channel));
        }
        // A feed shows them.
        all.number(self.tags.len());
        self.tags.iter().for_each(|tag| all.text(tag));
        all.0.finalize().into()
    }
}

/// Whether nothing of a delivery has gone out, nor may have: then it must be approved before it does.
pub fn begins(flow: &Flow) -> bool {
    let first = flow.parts.first();
    let untouched = first.is_some_and(|part| !matches!(part.doubt, Doubt::Open { .. }));
    untouched
        && flow.current() == Some(0)
        && matches!(flow.state(), State::Scheduled | State::Preparing | State::Held)
}

/// Everything with its length in front, so that no two posts have one form.
struct Form(Sha256);

impl Form {
    fn number(&mut self, number: usize) {
        self.0.update(u64::try_from(number).unwrap_or(u64::MAX).to_be_bytes());
    }

    fn text(&mut self, text: &str) {
        self.number(text.len());
        self.0.update(text);
    }

    fn parts(&mut self, parts: &[PartDraft]) {
        self.number(parts.len());
        for part in parts {
            self.text(&part.text);
            self.number(part.media.len());
            part.media.iter().for_each(|id| self.text(id));
            self.0.update(part.delay_minutes.to_be_bytes());
        }
    }

    fn options(&mut self, options: Option<&BTreeMap<String, OptionValue>>) {
        self.number(options.map_or(0, BTreeMap::len));
        for (name, value) in options.into_iter().flatten() {
            self.text(name);
            match value {
                OptionValue::Flag(flag) => self.0.update([0, u8::from(*flag)]),
                OptionValue::Text(text) => {
                    self.0.update([1]);
                    self.text(text);
                }
            }
        }
    }
}
