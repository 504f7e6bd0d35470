//! Exports as answers: written while they are read. Must not hold more than one piece.

use std::io;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use futures_util::stream::try_unfold;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE, HeaderValue};

use super::live::Watch;
use crate::base::{Code, Problem};
use crate::domain::access::Manage;
use crate::service::EventExport;

/// A file of events. One that cannot be read to its end, or that its reader may not have any more,
/// is cut off, so that nobody takes it for whole.
pub(super) fn answer(export: EventExport, watch: Option<Watch>) -> Response {
    let format = export.format();
    let pieces = try_unfold((export, watch), async |(mut export, watch)| {
        if let Some(watch) = &watch
            && watch.access::<Manage>().await.is_none()
        {
            return Err(io::Error::other(Problem::new(Code::Forbidden)));
        }
        match export.next().await {
            Ok(piece) => Ok(piece.map(|piece| (piece, (export, watch)))),
            Err(problem) => Err(io::Error::other(problem)),
        }
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
