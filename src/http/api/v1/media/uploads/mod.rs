//! Uploads in stretches, as tus 1.0.0 has them (core, creation, expiration, termination): for files
//! that are too large to be sent again when a line breaks. Must not be told from other servers of
//! tus by its clients.

pub mod create;
mod headers;
pub mod show;
pub mod stop;
pub mod write;

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::header::{HeaderName, HeaderValue};

use crate::http::Shared;
use crate::http::answer::Answer;
use crate::service::UploadShown;

const RESUMABLE: HeaderName = HeaderName::from_static("tus-resumable");
const VERSION: HeaderName = HeaderName::from_static("tus-version");
const EXTENSION: HeaderName = HeaderName::from_static("tus-extension");
const MAX_SIZE: HeaderName = HeaderName::from_static("tus-max-size");
const OFFSET: HeaderName = HeaderName::from_static("upload-offset");
const LENGTH: HeaderName = HeaderName::from_static("upload-length");
const METADATA: HeaderName = HeaderName::from_static("upload-metadata");
const EXPIRES: HeaderName = HeaderName::from_static("upload-expires");
const TUS: &str = "1.0.0";

/// The addresses of uploads, for what the document does not describe.
pub const ADDRESSES: [&str; 2] = [
    "/api/v1/workspaces/{workspace}/media/uploads",
    "/api/v1/workspaces/{workspace}/media/uploads/{asset}",
];

/// Every answer says that it speaks the protocol.
pub async fn say(mut response: Response) -> Response {
    response.headers_mut().insert(RESUMABLE, HeaderValue::from_static(TUS));
    response.headers_mut().insert(VERSION, HeaderValue::from_static(TUS));
    response
}

/// What is spoken here, for whoever asks.
pub async fn options(State(face): State<Shared>) -> Response {
    let max = face.services.blobs.settings().max_bytes;
    let answer = Answer::done()
        .header(EXTENSION, "creation,expiration,termination")
        .header(MAX_SIZE, &max.to_string());
    say(answer.into_response()).await
}

/// How far an upload is.
fn told(answer: Answer, upload: &UploadShown) -> Answer {
    let ends = upload.ends_at.to_jiff().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    answer.header(OFFSET, &upload.offset.to_string()).header(EXPIRES, &ends)
}
