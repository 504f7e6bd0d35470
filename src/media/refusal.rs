//! Why a file is not kept: a stable word, and a sentence with what would be right.

use std::fmt;

use crate::domain::media::MediaKind;

/// The file's own fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    Empty,
    /// None of the formats that are kept.
    NotMedia,
    /// Of a format that is kept, and not what its format demands.
    Broken(&'static str),
    /// Right, but of a form that hardly any network can show.
    Unusual(&'static str),
    /// A film that is written piece by piece: hardly any network takes it.
    Fragmented,
    /// Something stands behind the end: two files in one.
    Trailing {
        bytes: u64,
    },
    /// Something in it would run in a browser.
    Disguised,
    TooManyPixels {
        max: u64,
        actual: u64,
    },
    /// It was sent as something else.
    Declared {
        declared: String,
        found: MediaKind,
    },
    /// Nobody but those who know its password could read it.
    Locked,
    /// Its name ends like something else.
    Ending {
        ending: String,
        found: MediaKind,
    },
}

impl Refusal {
    pub fn word(&self) -> &'static str {
        match self {
            Self::Empty => "empty_file",
            Self::NotMedia => "not_media",
            Self::Broken(_) => "broken_file",
            Self::Unusual(_) => "unusual_file",
            Self::Fragmented => "fragmented_film",
            Self::Trailing { .. } => "trailing_data",
            Self::Disguised => "active_content",
            Self::TooManyPixels { .. } => "too_many_pixels",
            Self::Declared { .. } => "type_mismatch",
            Self::Locked => "locked_file",
            Self::Ending { .. } => "name_mismatch",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("is empty; send the file's bytes"),
            Self::NotMedia => {
                let kinds = MediaKind::ALL.map(MediaKind::mime).join(", ");
                write!(f, "is none of {kinds}; save it as one of them")
            }
            Self::Broken(what) => write!(f, "is damaged: {what}; save it again"),
            Self::Unusual(what) => write!(f, "is {what}; save it in the usual form"),
            Self::Fragmented => f.write_str(
                "is a film in fragments, as browsers and streaming servers write them; join it, \
                 for instance with `ffmpeg -i in.mp4 -c copy out.mp4`",
            ),
            Self::Trailing { bytes } => {
                write!(f, "has {bytes} bytes behind its end; save it again without them")
            }
            Self::Disguised => f.write_str("holds HTML or a script; save it again without it"),
            Self::TooManyPixels { max, actual } => {
                write!(f, "has {actual} pixels; at most {max} are taken, so make it smaller")
            }
            Self::Declared { declared, found } => {
                let found = found.mime();
                write!(f, "was sent as {declared} and is {found}; send it with its own type")
            }
            Self::Locked => f.write_str("needs a password to be read; save it again without one"),
            Self::Ending { ending, found } => {
                let right = found.endings().first().copied().unwrap_or_default();
                let found = found.mime();
                write!(f, "ends with .{ending} and is {found}; name it .{right}")
            }
        }
    }
}
