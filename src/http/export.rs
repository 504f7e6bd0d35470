//! Exports as answers: written while they are read. Must not hold more than one piece.

use std::io;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use futures_util::stream::try_unfold;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE, HeaderValue};

use crate::service::EventExport;

/// A file of events. One that cannot be read to its end is cut off, so that nobody takes it for
/// whole.
pub(super) fn answer(export: EventExport) -> Response {
    let format = export.format();
    let pieces = try_unfold(export, async |mut export| match export.next().await {
        Ok(piece) => Ok(piece.map(|piece| (piece, export))),
        Err(problem) => Err(io::Error::other(problem)),
    });
    let mut response = Body::from_stream(pieces).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(format.mime()));
    let name = format!("attachment; filename=\"events.{}\"", format.word());
    if let Ok(name) = HeaderValue::try_from(name) {
        headers.insert(CONTENT_DISPOSITION, name);
    }
    response
}
