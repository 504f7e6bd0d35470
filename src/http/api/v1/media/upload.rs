//! Takes a file as a form, and streams it to where it is examined.

use axum::extract::multipart::Field;
use axum::extract::{Request, State};
use utoipa::ToSchema;

use super::super::super::problems::WriteProblems;
use crate::base::{Problem, Wrong, limits};
use crate::domain::access::Write;
use crate::http::answer::Answer;
use crate::http::extract::{Authorized, Repeatable};
use crate::http::problem::Refusal;
use crate::http::{Face, Shared, form};
use crate::media::Staged;
use crate::service::{AssetShown, NewAsset};

/// A file, and what it shows.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used: the form is read as it comes")]
pub struct AssetForm {
    /// JPEG, PNG, GIF, WebP, MP4 or MOV, with its name and type.
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
    /// What it shows, for those who do not see it.
    #[schema(max_length = 10000)]
    alt: Option<String>,
}

/// Upload an asset
///
/// The file is looked into, and kept without what tells of its maker (EXIF, GPS, XMP, comments).
/// `fitness` says which networks would take it.
#[utoipa::path(
    post,
    path = "/api/v1/workspaces/{workspace}/media",
    tag = "media",
    params(Authorized<Write>, Repeatable),
    request_body(content = AssetForm, content_type = "multipart/form-data"),
    responses(
        (status = 201, description = "The asset.", body = AssetShown,
            headers(("Location" = String, description = "Where it is."), ("ETag" = String))),
        WriteProblems
    )
)]
pub async fn upload_asset(
    State(face): State<Shared>,
    caller: Authorized<Write>,
    request: Request,
) -> Result<Answer, Refusal> {
    let new = Upload::read(&face, request).await?;
    let media = format!("/api/v1/workspaces/{}/media", caller.access.workspace());
    let done = face.services.add_asset(caller.access, new).await?;
    let answer = Answer::created(&done.value, &format!("{media}/{}", done.value.id));
    Ok(answer.tagged(done.value.revision).replayed(done.replayed))
}

const FIELDS: &str = "a form (multipart/form-data) with the fields `file` and `alt`";

/// The fields of the form so far.
#[derive(Default)]
struct Upload {
    file: Option<(Staged, String, Option<String>)>,
    alt: Option<String>,
}

fn wrong(field: &str, wrong: Wrong) -> Problem {
    Problem::field(field, wrong)
}

impl Upload {
    async fn read(face: &Face, request: Request) -> Result<NewAsset, Problem> {
        let mut form = form::open(request, FIELDS).await?;
        let mut upload = Self::default();
        while let Some(field) = form::timely(face, FIELDS, form.next_field()).await? {
            upload.take(face, field).await?;
        }
        let (staged, name, mime) = upload.file.ok_or_else(|| wrong("file", Wrong::Missing))?;
        Ok(NewAsset { staged, name, mime, alt: upload.alt.unwrap_or_default() })
    }

    async fn take(&mut self, face: &Face, field: Field<'_>) -> Result<(), Problem> {
        match field.name().unwrap_or_default() {
            "file" if self.file.is_some() => Err(wrong("file", Wrong::Twice)),
            "alt" if self.alt.is_some() => Err(wrong("alt", Wrong::Twice)),
            "file" => {
                let name = field.file_name().unwrap_or_default().to_owned();
                let mime = field.content_type().map(str::to_owned);
                self.file = Some((form::staged(face, FIELDS, field).await?, name, mime));
                Ok(())
            }
            "alt" => {
                self.alt = Some(form::text(face, FIELDS, field, limits::ALT_CHARS * 4).await?);
                Ok(())
            }
            other => Err(wrong(&other.chars().take(100).collect::<String>(), Wrong::Unknown)),
        }
    }
}
