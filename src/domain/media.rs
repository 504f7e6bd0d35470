//! Assets and what networks take of them. Must not read a file; `media` does, and fills a [`Shape`].

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::base::{AssetId, Timestamp, Wrong};
use crate::domain::event::Actor;

/// SHA-256 of a stored object: its name.
pub type Digest = [u8; 32];

/// The formats that are kept. Everything else is refused at the door.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum MediaKind {
    Jpeg,
    Png,
    Gif,
    Webp,
    Mp4,
    Mov,
    /// A document; how many pages it has is not known.
    Pdf,
}

/// What a file is, as read from the file itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shape {
    pub kind: MediaKind,
    pub bytes: u64,
    /// As shown, so after its rotation; of a document nothing, as its height.
    pub width: u32,
    pub height: u32,
    /// Degrees clockwise that a viewer turns the stored picture by.
    pub rotation: u16,
    /// Pictures of an animation or a video; 1 for a still.
    pub frames: u32,
    /// `None` for a still.
    pub duration_ms: Option<u64>,
    /// Of a video; four letters such as `avc1`.
    pub video_codec: Option<String>,
    /// `None` for a silent one.
    pub audio_codec: Option<String>,
}

/// One uploaded file. Its bytes are an object named by their hash; several assets may share one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asset {
    pub id: AssetId,
    pub revision: u64,
    pub created_at: Timestamp,
    pub author: Actor,
    /// The name of the file as it came, without a path.
    pub name: String,
    /// What it shows, for those who do not see it.
    pub alt: String,
    pub shape: Shape,
    pub object: Digest,
    pub thumbnail: Option<Thumbnail>,
}

/// A small JPEG of an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Thumbnail {
    pub object: Digest,
    pub bytes: u64,
    pub width: u32,
    pub height: u32,
}

/// The assets that a post names, by id.
pub type Assets = BTreeMap<AssetId, Asset>;

impl MediaKind {
    pub const ALL: [Self; 7] =
        [Self::Jpeg, Self::Png, Self::Gif, Self::Webp, Self::Mp4, Self::Mov, Self::Pdf];

    pub fn mime(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
            Self::Gif => "image/gif",
            Self::Webp => "image/webp",
            Self::Mp4 => "video/mp4",
            Self::Mov => "video/quicktime",
            Self::Pdf => "application/pdf",
        }
    }

    pub fn from_mime(mime: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.mime() == mime)
    }

    /// The endings that a file of this kind may have; the first is the usual one.
    pub fn endings(self) -> &'static [&'static str] {
        match self {
            Self::Jpeg => &["jpg", "jpeg", "jpe", "jfif"],
            Self::Png => &["png", "apng"],
            Self::Gif => &["gif"],
            Self::Webp => &["webp"],
            Self::Mp4 => &["mp4", "m4v"],
            Self::Mov => &["mov", "qt"],
            Self::Pdf => &["pdf"],
        }
    }

    pub fn is_video(self) -> bool {
        matches!(self, Self::Mp4 | Self::Mov)
    }

    /// Read, and not looked at: few networks take one.
    pub fn is_document(self) -> bool {
        self == Self::Pdf
    }
}

impl Shape {
    /// A picture that moves.
    pub fn is_animated(&self) -> bool {
        !self.kind.is_video() && !self.kind.is_document() && self.frames > 1
    }

    pub fn pixels(&self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }
}

/// What a network takes in one part. Bounds that are `None` are not known to exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaRules {
    /// Empty: none at all.
    pub kinds: Vec<MediaKind>,
    pub image_bytes: Option<u64>,
    pub image_pixels: Option<u64>,
    /// Of a picture that moves, where it may be more than of one that does not.
    pub animation_bytes: Option<u64>,
    pub video_bytes: Option<u64>,
    pub video_pixels: Option<u64>,
    pub video_seconds: Option<u64>,
    pub document_bytes: Option<u64>,
    pub alt_chars: Option<usize>,
    /// A video stands alone, without images or a second one.
    pub video_alone: bool,
    /// So does a document.
    pub document_alone: bool,
    /// So does a picture that moves.
    pub animation_alone: bool,
}

impl MediaRules {
    /// No media.
    pub const NONE: Self = Self {
        kinds: Vec::new(),
        image_bytes: None,
        image_pixels: None,
        animation_bytes: None,
        video_bytes: None,
        video_pixels: None,
        video_seconds: None,
        document_bytes: None,
        alt_chars: None,
        video_alone: false,
        document_alone: false,
        animation_alone: false,
    };

    /// Every picture and film that is kept here, without bounds of its own.
    pub fn whatever_is_seen() -> Self {
        let seen = MediaKind::ALL.into_iter().filter(|kind| !kind.is_document());
        Self { kinds: seen.collect(), ..Self::NONE }
    }

    /// All for which `network` would refuse this asset.
    pub fn misfits(&self, network: &str, shape: &Shape, alt: &str) -> Vec<Wrong> {
        if !self.kinds.contains(&shape.kind) {
            let takes: Vec<_> = self.kinds.iter().map(|kind| kind.mime()).collect();
            return vec![Wrong::NotTaken {
                network: network.to_owned(),
                what: shape.kind.mime(),
                takes: if takes.is_empty() { "no media".to_owned() } else { takes.join(", ") },
            }];
        }
        let video = shape.kind.is_video();
        let (bytes, pixels) = if video {
            (self.video_bytes, self.video_pixels)
        } else if shape.kind.is_document() {
            (self.document_bytes, None)
        } else {
            let moving = self.animation_bytes.filter(|_| shape.is_animated());
            (moving.or(self.image_bytes), self.image_pixels)
        };
        let seconds = self.video_seconds.filter(|_| video);
        // Begun seconds count: a limit of 60 s takes 60.0 s.
        let lasts = shape.duration_ms.unwrap_or(0).div_ceil(1_000);
        let alt_chars = self.alt_chars.map(|n| u64::try_from(n).unwrap_or(u64::MAX));
        let alt = u64::try_from(alt.chars().count()).unwrap_or(u64::MAX);
        [
            (bytes, shape.bytes, "bytes"),
            (pixels, shape.pixels(), "pixels"),
            (seconds, lasts, "seconds"),
            (alt_chars, alt, "characters of alt text"),
        ]
        .into_iter()
        .filter_map(|(max, actual, unit)| {
            let max = max.filter(|max| actual > *max)?;
            let number = |n| usize::try_from(n).unwrap_or(usize::MAX);
            let network = network.to_owned();
            Some(Wrong::OverLimit { network, max: number(max), actual: number(actual), unit })
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(kind: MediaKind) -> Shape {
        Shape {
            kind,
            bytes: 1_000,
            width: 40,
            height: 30,
            rotation: 0,
            frames: 1,
            duration_ms: kind.is_video().then_some(60_001),
            video_codec: None,
            audio_codec: None,
        }
    }

    #[test]
    fn every_bound_is_told_with_its_number() {
        let rules = MediaRules {
            kinds: vec![MediaKind::Jpeg, MediaKind::Mp4],
            image_bytes: Some(1_000),
            image_pixels: Some(1_199),
            video_bytes: Some(999),
            video_pixels: Some(1_200),
            video_seconds: Some(60),
            alt_chars: Some(3),
            ..MediaRules::NONE
        };
        let said = |kind, alt: &str| {
            let wrongs = rules.misfits("net", &shape(kind), alt);
            wrongs.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
        };
        assert!(said(MediaKind::Jpeg, "abc").contains("1200"), "{}", said(MediaKind::Jpeg, ""));
        assert_eq!(rules.misfits("net", &shape(MediaKind::Jpeg), "abcd").len(), 2);
        assert_eq!(rules.misfits("net", &shape(MediaKind::Mp4), "").len(), 2);
        let png = said(MediaKind::Png, "");
        assert!(png.contains("image/png") && png.contains("image/jpeg, video/mp4"), "{png}");
        let seen = MediaRules::whatever_is_seen();
        assert!(seen.misfits("net", &shape(MediaKind::Mov), "x").is_empty());
        assert!(!seen.misfits("net", &shape(MediaKind::Pdf), "x").is_empty());
        let paper = MediaRules { document_bytes: Some(999), ..MediaRules::NONE };
        let paper = MediaRules { kinds: vec![MediaKind::Pdf], image_bytes: Some(1), ..paper };
        let told = paper.misfits("net", &shape(MediaKind::Pdf), "");
        assert!(matches!(told.as_slice(), [Wrong::OverLimit { max: 999, .. }]), "{told:?}");
    }

    #[test]
    fn kinds_have_one_type_and_no_shared_ending() {
        let mut endings = std::collections::BTreeSet::new();
        for kind in MediaKind::ALL {
            assert_eq!(MediaKind::from_mime(kind.mime()), Some(kind));
            assert!(kind.endings().iter().all(|ending| endings.insert(*ending)));
        }
    }
}
