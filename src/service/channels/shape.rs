//! The one shape of a channel and of its limits, for every face. Must not hold a secret, except the field
//! that shows a new signing secret once.

use serde::Serialize;
use utoipa::ToSchema;

use super::super::grants::GrantShown;
use super::super::waits::RateLimitShown;
use crate::domain::channel::{Channel, ChannelState};
use crate::domain::media::MediaRules;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ChannelShown {
    #[schema(format = "uuid")]
    pub id: String,
    pub revision: u64,
    pub network: String,
    pub name: String,
    /// connected, connecting or `reconnect_needed`.
    pub state: String,
    /// Why a person is needed.
    pub reason: Option<String>,
    pub paused: bool,
    pub instance: Option<String>,
    pub handle: Option<String>,
    pub url: Option<String>,
    /// Open this address to get the code that completes the connection.
    pub authorize_url: Option<String>,
    pub grace_minutes: Option<u64>,
    pub limits: LimitsShown,
    /// What its network takes no more of for now; only where one channel is shown.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rate_limits: Vec<RateLimitShown>,
    /// What the account has granted; only where one channel is shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grant: Option<GrantShown>,
    pub created_at: String,
    /// The signing secret that was made with the channel: shown then, and never again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct LimitsShown {
    pub text_max: usize,
    /// A second limit, in bytes of UTF-8; null where there is none.
    pub text_bytes_max: Option<usize>,
    pub parts_max: usize,
    /// Assets of one part; what each may be is under `media`.
    pub media_max: usize,
    pub media: MediaLimitsShown,
    /// What the parts after the first are held to, where those are comments under it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub later: Option<LaterShown>,
}

/// The limits of a comment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct LaterShown {
    pub text_max: usize,
    pub media_max: usize,
}

/// What one asset may be. Bounds that are null are not known to exist.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct MediaLimitsShown {
    /// Such as `image/jpeg`; empty when none are taken.
    pub types: Vec<String>,
    pub image_bytes: Option<u64>,
    pub image_pixels: Option<u64>,
    pub video_bytes: Option<u64>,
    pub video_pixels: Option<u64>,
    pub video_seconds: Option<u64>,
    pub document_bytes: Option<u64>,
    pub alt_chars: Option<usize>,
    /// A video stands alone, without images or a second one.
    pub video_alone: bool,
    /// So does a document.
    pub document_alone: bool,
}

pub(in crate::service) fn channel(channel: &Channel) -> ChannelShown {
    let limits = crate::networks::named(&channel.network)
        .map(|network| limits(&network.capabilities(&channel.facts)));
    let (reason, authorize_url) = match &channel.state {
        ChannelState::ReconnectNeeded { code, .. } => (Some(code.clone()), None),
        ChannelState::Connecting { authorize_url } => (None, Some(authorize_url.clone())),
        ChannelState::Connected | ChannelState::Removed { .. } => (None, None),
    };
    ChannelShown {
        id: channel.id.to_string(),
        revision: channel.revision,
        network: channel.network.clone(),
        name: channel.name.clone(),
        state: channel.state.word().to_owned(),
        reason,
        paused: channel.paused,
        instance: channel.instance.clone(),
        handle: channel.account.as_ref().map(|a| a.handle.clone()).filter(|h| !h.is_empty()),
        url: channel.account.as_ref().and_then(|a| a.url.clone()),
        authorize_url,
        grace_minutes: channel.grace.map(|grace| grace.as_secs() / 60),
        limits: limits.unwrap_or(LimitsShown {
            text_max: 0,
            text_bytes_max: None,
            parts_max: 0,
            media_max: 0,
            media: MediaLimitsShown::default(),
            later: None,
        }),
        rate_limits: Vec::new(),
        grant: None,
        created_at: channel.created_at.to_string(),
        secret: None,
    }
}

pub(in crate::service) fn limits(of: &crate::domain::capability::Capabilities) -> LimitsShown {
    let later = of.later.map(|it| LaterShown { text_max: it.text_max, media_max: it.media_max });
    LimitsShown {
        text_max: of.text_max,
        text_bytes_max: of.text_bytes_max,
        parts_max: of.parts_max,
        media_max: of.media_max,
        media: media_limits(&of.media),
        later,
    }
}

fn media_limits(of: &MediaRules) -> MediaLimitsShown {
    MediaLimitsShown {
        types: of.kinds.iter().map(|kind| kind.mime().to_owned()).collect(),
        image_bytes: of.image_bytes,
        image_pixels: of.image_pixels,
        video_bytes: of.video_bytes,
        video_pixels: of.video_pixels,
        video_seconds: of.video_seconds,
        document_bytes: of.document_bytes,
        alt_chars: of.alt_chars,
        video_alone: of.video_alone,
        document_alone: of.document_alone,
    }
}
