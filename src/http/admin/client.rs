//! The other end of the admin socket: one question, one answer. What the command line uses.

use std::io::{self, Write};
use std::path::Path;

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::http1;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::fs::File;
use tokio::io::AsyncReadExt as _;
use tokio::net::UnixStream;

use super::console::{Line, PROTOCOL};

type Body = BoxBody<Bytes, io::Error>;

/// Sends a verb to the server behind `socket`; its status and body. Errors mean that no server
/// answered there.
pub async fn ask_admin(socket: &Path, question: &Value) -> io::Result<(u16, Bytes)> {
    call(socket, words("/admin/run", question)?, whole).await
}

/// Sends a verb that brings a file.
pub async fn send_admin(socket: &Path, question: &Value, file: File) -> io::Result<(u16, Bytes)> {
    // A line of JSON never begins with two hyphens, and what follows a file is the end.
    let boundary = "carillon-file-7d1f0c52b86e4a93a1f5";
    let head = format!(
        "--{boundary}\r\ncontent-disposition: form-data; name=\"question\"\r\n\r\n{question}\r\n\
         --{boundary}\r\ncontent-disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\n"
    );
    let tail = format!("\r\n--{boundary}--\r\n");
    let once = |text: String| stream::once(std::future::ready(Ok(Bytes::from(text))));
    let body = once(head).chain(pieces(file)).chain(once(tail)).map_ok(Frame::data);
    let request = Request::post("/admin/upload")
        .header("host", "admin")
        .header("content-type", format!("multipart/form-data; boundary={boundary}"))
        .body(http_body_util::BodyExt::boxed(StreamBody::new(body)))
        .map_err(io::Error::other)?;
    call(socket, request, whole).await
}

/// Sends a verb that is answered with a file, and writes that to what `open` gives. The body is
/// that of a refusal.
pub async fn fetch_admin<W: Write>(
    socket: &Path,
    question: &Value,
    open: impl FnOnce() -> io::Result<W>,
) -> io::Result<(u16, Bytes)> {
    call(socket, words("/admin/download", question)?, async |mut response| {
        if !response.status().is_success() {
            return whole(response).await;
        }
        let mut to = open()?;
        while let Some(frame) = response.body_mut().frame().await {
            let piece = frame.map_err(io::Error::other)?.into_data().unwrap_or_default();
            to.write_all(&piece)?;
        }
        to.flush()?;
        Ok((response.status().as_u16(), Bytes::new()))
    })
    .await
}

/// Turns a connection to the server behind `socket` into a console's line. `Err` holds the body of
/// a refusal; the outer error means that no server answered there.
pub async fn open_console(socket: &Path) -> io::Result<Result<Line, Bytes>> {
    let stream = UnixStream::connect(socket).await?;
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    let request = Request::get("/admin/console")
        .header("host", "admin")
        .header("connection", "upgrade")
        .header("upgrade", PROTOCOL)
        .body(Full::new(Bytes::new()))
        .map_err(io::Error::other)?;
    let exchange = async {
        let response = sender.send_request(request).await.map_err(io::Error::other)?;
        if response.status() != http::StatusCode::SWITCHING_PROTOCOLS {
            return Ok(Err(response
                .into_body()
                .collect()
                .await
                .map_err(io::Error::other)?
                .to_bytes()));
        }
        let upgraded = hyper::upgrade::on(response).await.map_err(io::Error::other)?;
        let line: Line = Box::new(TokioIo::new(upgraded));
        Ok(Ok(line))
    };
    let (answer, ()) = tokio::join!(exchange, async {
        drop(connection.with_upgrades().await);
    });
    answer
}

fn words(path: &str, question: &Value) -> io::Result<Request<Body>> {
    Request::post(path)
        .header("host", "admin")
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from(question.to_string())).map_err(|never| match never {}).boxed())
        .map_err(io::Error::other)
}

fn pieces(file: File) -> impl stream::Stream<Item = io::Result<Bytes>> + Send + Sync {
    stream::try_unfold(file, async |mut file| {
        let mut piece = Vec::with_capacity(64 * 1024);
        let n = (&mut file).take(64 * 1024).read_to_end(&mut piece).await?;
        Ok((n > 0).then(|| (Bytes::from(piece), file)))
    })
}

async fn whole(response: Response<Incoming>) -> io::Result<(u16, Bytes)> {
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.map_err(io::Error::other)?;
    Ok((status, body.to_bytes()))
}

async fn call<T>(
    socket: &Path,
    request: Request<Body>,
    read: impl AsyncFnOnce(Response<Incoming>) -> io::Result<T>,
) -> io::Result<T> {
    let stream = UnixStream::connect(socket).await?;
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    // The sender goes with the exchange, which ends the connection.
    let exchange =
        async move { read(sender.send_request(request).await.map_err(io::Error::other)?).await };
    let (answer, ()) = tokio::join!(exchange, async {
        // Ends when the answer is read; its own errors show there.
        drop(connection.await);
    });
    answer
}
