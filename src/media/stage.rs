//! A file on its way in: filled piece by piece, examined, and written as it will be kept. Must not
//! hold a whole file in memory.

use std::fs::File;
use std::io::{self, Write as _};
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use super::probe::{self, Bounds, Piece, Probed};
use super::{Error, NotKept, Refusal, blocking};
use crate::domain::media::{Digest, MediaKind, Shape};

/// Between the memory and the disk.
const BUFFER: usize = 1024 * 1024;

/// A file that is being filled.
pub struct Staging {
    file: Arc<File>,
    buffer: Vec<u8>,
    bytes: u64,
    max: u64,
    hash: Sha256,
}

/// More came than a file may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong {
    pub max: u64,
}

/// A file as it came.
pub struct Staged {
    file: Arc<File>,
    pub bytes: u64,
    /// Of the bytes as they came.
    pub sha256: Digest,
}

/// What was said of a file by whoever sent it.
#[derive(Clone, Debug, Default)]
pub struct Claim {
    pub name: String,
    /// `Content-Type`; `None` and `application/octet-stream` say nothing.
    pub mime: Option<String>,
}

/// A file as it will be kept.
pub struct Examined {
    pub shape: Shape,
    pub object: Digest,
    pub miniature: Option<Miniature>,
    file: Arc<File>,
}

/// A small picture of it.
pub struct Miniature {
    pub object: Digest,
    pub width: u32,
    pub height: u32,
    pub jpeg: Bytes,
}

fn nameless(folder: Option<&Path>) -> io::Result<File> {
    match folder {
        Some(folder) => tempfile::tempfile_in(folder),
        None => tempfile::tempfile(),
    }
}

impl Staging {
    pub(super) async fn new(folder: Option<PathBuf>, max: u64) -> Result<Self, Error> {
        let file = blocking(move || nameless(folder.as_deref())).await??;
        let (file, buffer) = (Arc::new(file), Vec::with_capacity(64 * 1024));
        Ok(Self { file, buffer, bytes: 0, max, hash: Sha256::new() })
    }

    /// How many came so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    pub async fn push(&mut self, piece: &[u8]) -> Result<Result<(), TooLong>, Error> {
        let more = u64::try_from(piece.len()).unwrap_or(u64::MAX);
        let bytes = self.bytes.saturating_add(more);
        if bytes > self.max {
            return Ok(Err(TooLong { max: self.max }));
        }
        self.bytes = bytes;
        self.hash.update(piece);
        self.buffer.extend_from_slice(piece);
        if self.buffer.len() >= BUFFER {
            self.flush().await?;
        }
        Ok(Ok(()))
    }

    async fn flush(&mut self) -> Result<(), Error> {
        let (file, buffer) = (Arc::clone(&self.file), std::mem::take(&mut self.buffer));
        blocking(move || (&*file).write_all(&buffer)).await??;
        Ok(())
    }

    pub async fn finish(mut self) -> Result<Staged, Error> {
        self.flush().await?;
        let Self { file, bytes, hash, .. } = self;
        Ok(Staged { file, bytes, sha256: hash.finalize().into() })
    }
}

impl Staged {
    pub(super) fn of(file: Arc<File>, bytes: u64, sha256: Digest) -> Self {
        Self { file, bytes, sha256 }
    }
}

/// Everything that takes long or blocks.
pub(super) fn examine(
    staged: Staged,
    claim: &Claim,
    folder: Option<&Path>,
    bounds: &Bounds,
) -> Result<Examined, NotKept> {
    let Staged { file, bytes, sha256 } = staged;
    let Probed { mut shape, pieces } = match probe::probe(&file, bytes, bounds) {
        Ok(probed) => probed,
        Err(probe::Fault::Refused(refusal)) => return Err(NotKept::Refused(refusal)),
        Err(probe::Fault::Io(error)) => return Err(NotKept::Failed(error.into())),
    };
    judge(claim, shape.kind).map_err(NotKept::Refused)?;
    let (file, object) = if pieces == [Piece::Copy(0..bytes)] {
        (file, sha256)
    } else {
        let (clean, object, length) = rewrite(&file, &pieces, folder)?;
        shape.bytes = length;
        (Arc::new(clean), object)
    };
    Ok(Examined { shape, object, miniature: None, file })
}

/// What was said of the file and what it is must agree.
fn judge(claim: &Claim, found: MediaKind) -> Result<(), Refusal> {
    // The two video formats are one family, and programs mix up their names.
    let alike = |kind: MediaKind| kind == found || (kind.is_video() && found.is_video());
    if let Some(declared) = &claim.mime {
        let bare = declared.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let known = match bare.as_str() {
            "" | "application/octet-stream" => Some(found),
            "image/jpg" | "image/pjpeg" => Some(MediaKind::Jpeg),
            "image/apng" => Some(MediaKind::Png),
            "video/x-m4v" => Some(MediaKind::Mp4),
            "application/x-pdf" => Some(MediaKind::Pdf),
            other => MediaKind::from_mime(other),
        };
        if !known.is_some_and(alike) {
            let declared = bare.chars().take(60).collect();
            return Err(Refusal::Declared { declared, found });
        }
    }
    let Some((_, ending)) = claim.name.rsplit_once('.') else { return Ok(()) };
    let ending = ending.to_ascii_lowercase();
    if !ending.chars().any(char::is_alphabetic) {
        // A number, as in the names that cameras give.
        return Ok(());
    }
    let right = MediaKind::ALL
        .into_iter()
        .any(|kind| alike(kind) && kind.endings().contains(&ending.as_str()));
    let ending = ending.chars().take(20).collect();
    if right { Ok(()) } else { Err(Refusal::Ending { ending, found }) }
}

/// Writes the pieces to a fresh file.
fn rewrite(
    file: &File,
    pieces: &[Piece],
    folder: Option<&Path>,
) -> Result<(File, Digest, u64), Error> {
    let mut clean = nameless(folder)?;
    let (mut hash, mut length) = (Sha256::new(), 0_u64);
    let mut write = |bytes: &[u8]| {
        hash.update(bytes);
        length = length.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        clean.write_all(bytes)
    };
    let mut buffer = vec![0; BUFFER];
    for piece in pieces {
        match piece {
            Piece::Bytes(bytes) => write(bytes)?,
            Piece::Zeroes(n) => {
                let mut left = *n;
                let zeroes = [0; 4_096];
                while left > 0 {
                    let n = usize::try_from(left).unwrap_or(zeroes.len()).min(zeroes.len());
                    write(zeroes.get(..n).unwrap_or_default())?;
                    left = left.saturating_sub(u64::try_from(n).unwrap_or(u64::MAX));
                }
            }
            Piece::Copy(range) => {
                let mut at = range.start;
                while at < range.end {
                    let n = usize::try_from(range.end - at).unwrap_or(BUFFER).min(BUFFER);
                    let Some(part) = buffer.get_mut(..n) else { break };
                    file.read_exact_at(part, at)?;
                    write(part)?;
                    at = at.saturating_add(u64::try_from(n).unwrap_or(u64::MAX));
                }
            }
        }
    }
    Ok((clean, hash.finalize().into(), length))
}

impl Examined {
    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// A stretch of the file as it will be kept.
    pub(super) async fn read(&self, range: Range<u64>) -> Result<Bytes, Error> {
        let file = Arc::clone(&self.file);
        let length = usize::try_from(range.end - range.start).unwrap_or(0);
        let read = blocking(move || {
            let mut bytes = vec![0; length];
            file.read_exact_at(&mut bytes, range.start)?;
            Ok::<_, io::Error>(Bytes::from(bytes))
        });
        Ok(read.await??)
    }
}

#[cfg(test)]
mod tests {
    use MediaKind::{Jpeg, Mov, Mp4, Png};

    use super::*;

    #[test]
    fn what_is_said_of_a_file_must_agree_with_it() {
        let judged = |name: &str, mime: Option<&str>, found| {
            let claim = Claim { name: name.to_owned(), mime: mime.map(str::to_owned) };
            judge(&claim, found).map_err(|refusal| refusal.word())
        };
        assert_eq!(judged("a.JPG", Some("image/jpeg"), Jpeg), Ok(()));
        assert_eq!(judged("a", None, Jpeg), Ok(()));
        assert_eq!(judged("a.b.jpeg", Some("image/jpg; x=y"), Jpeg), Ok(()));
        assert_eq!(judged("clip.mp4", Some("video/quicktime"), Mp4), Ok(()));
        assert_eq!(judged("clip.mp4", Some("application/octet-stream"), Mov), Ok(()));
        assert_eq!(judged("a.png", None, Jpeg), Err("name_mismatch"));
        assert_eq!(judged("a.html", None, Png), Err("name_mismatch"));
        assert_eq!(judged("Shot 9.30", None, Png), Ok(()));
        assert_eq!(judged("a.png", Some("text/html"), Png), Err("type_mismatch"));
        assert_eq!(judged("a.png", Some("video/mp4"), Png), Err("type_mismatch"));
    }
}
