//! The other end of the admin socket: one question, one answer. What the command line uses.

use std::io;
use std::path::Path;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::UnixStream;

/// Sends a verb to the server behind `socket`; its status and body. Errors mean that no server
/// answered there.
pub async fn ask_admin(socket: &Path, question: &Value) -> io::Result<(u16, Bytes)> {
    let stream = UnixStream::connect(socket).await?;
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    let request = hyper::Request::post("/admin/run")
        .header("host", "admin")
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from(question.to_string())))
        .map_err(io::Error::other)?;
    // The sender goes with the exchange, which ends the connection.
    let exchange = async move {
        let response = sender.send_request(request).await.map_err(io::Error::other)?;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.map_err(io::Error::other)?;
        Ok((status, body.to_bytes()))
    };
    let (answer, ()) = tokio::join!(exchange, async {
        // Ends when the answer is read; its own errors show there.
        drop(connection.await);
    });
    answer
}
