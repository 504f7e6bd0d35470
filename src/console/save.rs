//! Files on their way to the terminal: made aside, in pieces, so that no screen waits for them. Must
//! not write any; the thin client does, with the rights of whoever runs it.

use serde_json::Map;
use tokio::sync::mpsc::Sender;

use super::model::Save;
use super::wire;
use crate::base::{CorrelationId, Problem};
use crate::service::{Download, EventExport, Services, download_verb};
use crate::store::Operator;

/// What a frame of a file holds.
const PIECE: usize = 64 * 1024;

/// Where frames go; whoever left does not wait for them.
pub type Frames = Sender<(u8, Vec<u8>)>;

/// Sends all frames of a file, in order.
pub async fn send(services: &Services, operator: Operator, save: Save, to: &Frames) {
    let why = match save {
        Save::Text { name, text } => {
            put(to, wire::FILE, name.into_bytes()).await;
            pieces(text.as_bytes(), to).await;
            None
        }
        Save::Events { name, workspace } => {
            put(to, wire::FILE, name.into_bytes()).await;
            events(services, operator, &workspace, to).await.err()
        }
    };
    if let Some(problem) = &why {
        tracing::warn!(%problem, "an export broke off");
    }
    let why = why.map(|problem| problem.to_string());
    put(to, wire::END, why.unwrap_or_default().into_bytes()).await;
}

async fn events(
    services: &Services,
    operator: Operator,
    workspace: &str,
    to: &Frames,
) -> Result<(), Problem> {
    let mut export = begin(services, operator, workspace).await?;
    while let Some(bytes) = export.next().await? {
        if !pieces(&bytes, to).await {
            return Ok(());
        }
    }
    Ok(())
}

async fn begin(
    services: &Services,
    operator: Operator,
    workspace: &str,
) -> Result<EventExport, Problem> {
    let correlation = CorrelationId::new(services.rng.as_ref());
    let (named, none) = (("event", "export"), Map::new());
    let made = download_verb(services, operator, named, Some(workspace), &none, correlation);
    match made.await? {
        Download::Events(export) => Ok(export),
        Download::Asset(..) => Err(Problem::new(crate::base::Code::Internal)),
    }
}

/// Whether somebody is still there.
async fn pieces(bytes: &[u8], to: &Frames) -> bool {
    for piece in bytes.chunks(PIECE) {
        if !put(to, wire::PIECE, piece.to_vec()).await {
            return false;
        }
    }
    true
}

async fn put(to: &Frames, kind: u8, payload: Vec<u8>) -> bool {
    to.send((kind, payload)).await.is_ok()
}
