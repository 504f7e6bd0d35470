//! Forms with a file, read piece by piece as they come. Must not hold a file in memory.

use axum::extract::multipart::{Field, MultipartError};
use axum::extract::{DefaultBodyLimit, FromRequest as _, Multipart, Request};
use futures_util::future::{Either, select};

use super::Face;
use crate::base::{Code, Problem, Wrong};
use crate::media::Staged;

fn not_a_form(expected: &str) -> Problem {
    Problem::field("", Wrong::BadFormat { expected: expected.to_owned() })
}

pub(super) async fn open(mut request: Request, expected: &str) -> Result<Multipart, Problem> {
    // Whoever takes the file knows how long it may be; axum's own limit would cut it.
    DefaultBodyLimit::disable().apply(&mut request);
    Multipart::from_request(request, &()).await.map_err(|_| not_a_form(expected))
}

/// The next piece of the form, which must not be long in coming.
pub(super) async fn timely<T>(
    face: &Face,
    expected: &str,
    next: impl Future<Output = Result<T, MultipartError>>,
) -> Result<T, Problem> {
    let next = std::pin::pin!(next);
    match select(next, face.services.clock.sleep(face.settings.body_timeout)).await {
        Either::Left((next, _)) => next.map_err(|_| not_a_form(expected)),
        Either::Right(_) => Err(Problem::new(Code::TooSlow)),
    }
}

/// A file, on the disk.
pub(super) async fn staged(
    face: &Face,
    expected: &str,
    mut field: Field<'_>,
) -> Result<Staged, Problem> {
    let mut staging = face.services.stage().await?;
    while let Some(piece) = timely(face, expected, field.chunk()).await? {
        face.services.fill(&mut staging, &piece).await?;
    }
    face.services.staged(staging).await
}

/// Text of at most `max` bytes.
pub(super) async fn text(
    face: &Face,
    expected: &str,
    mut field: Field<'_>,
    max: usize,
) -> Result<String, Problem> {
    let name = field.name().unwrap_or_default().to_owned();
    let mut bytes = Vec::new();
    while let Some(piece) = timely(face, expected, field.chunk()).await? {
        bytes.extend_from_slice(&piece);
        if bytes.len() > max {
            let too_long = Wrong::TooLong { max, actual: bytes.len(), unit: "bytes" };
            return Err(Problem::field(name, too_long));
        }
    }
    let expected = "text in UTF-8".to_owned();
    String::from_utf8(bytes).map_err(|_| Problem::field(name, Wrong::BadFormat { expected }))
}
