//! Rate limits that networks have told of: until when calls of a kind would be refused. Must not
//! know how a network says it.

use serde::{Deserialize, Serialize};

use crate::base::Timestamp;

/// What a call is for. Networks count these apart (networks.md 10.4, 11.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    Post,
    Upload,
    Read,
}

/// A network's word that it takes no more calls for now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RateLimit {
    pub until: Timestamp,
    /// How many calls it takes in its window, where it says so.
    pub allowed: Option<u32>,
    /// When it said it.
    pub said: Timestamp,
    /// By refusing a call (429), rather than by announcing that none is left.
    pub refused: bool,
}

/// The limits of an account, or of a server, by purpose. What is over stays until something newer
/// is told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RateLimits {
    pub post: Option<RateLimit>,
    pub upload: Option<RateLimit>,
    pub read: Option<RateLimit>,
}

impl Purpose {
    pub const ALL: [Self; 3] = [Self::Post, Self::Upload, Self::Read];

    pub fn word(self) -> &'static str {
        match self {
            Self::Post => "post",
            Self::Upload => "upload",
            Self::Read => "read",
        }
    }
}

impl RateLimits {
    pub fn get(&self, purpose: Purpose) -> Option<&RateLimit> {
        match purpose {
            Purpose::Post => self.post.as_ref(),
            Purpose::Upload => self.upload.as_ref(),
            Purpose::Read => self.read.as_ref(),
        }
    }

    pub fn set(&mut self, purpose: Purpose, limit: RateLimit) {
        *match purpose {
            Purpose::Post => &mut self.post,
            Purpose::Upload => &mut self.upload,
            Purpose::Read => &mut self.read,
        } = Some(limit);
    }

    /// The limit that holds calls of this purpose back now.
    pub fn holds(&self, purpose: Purpose, now: Timestamp) -> Option<&RateLimit> {
        self.get(purpose).filter(|limit| limit.until > now)
    }
}
