//! Accepts connections and serves HTTP/1.1 on them, TCP and Unix alike: bounded in number, and
//! patient only for so long. Not `axum::serve`, which keeps half-open connections for ever.

use std::convert::Infallible;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use futures_util::future::BoxFuture;
use futures_util::task::AtomicWaker;
use http::StatusCode;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tower::Service;

use super::Settings;
use super::limits::{Addresses, Seat};
use crate::base::{Clock, Spawner};
use crate::telemetry::Metrics;

/// Request line and headers together; more is answered with 431.
const HEAD_BYTES: usize = 32 * 1024;
/// After an accept that failed, as it does when no file descriptor is left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

pub enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// Who is at the other end; an extension of every request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    Tcp(SocketAddr),
    /// Somebody on this machine, by the uid that the kernel vouches for.
    Unix {
        uid: u32,
    },
}

/// What a listener needs to serve.
pub struct Server {
    pub router: Router,
    pub settings: Settings,
    pub metrics: Arc<Metrics>,
    pub clock: Arc<dyn Clock>,
    pub spawner: Spawner,
}

impl Server {
    /// Serves until `stop`; then accepts nothing any more, finishes what is being answered for at
    /// most `stop_wait`, and cuts the rest off.
    pub async fn serve(self, listener: Listener, stop: CancellationToken) {
        let Self { router, settings, metrics, clock, spawner } = self;
        let places = Arc::new(Semaphore::new(settings.connections));
        let addresses = Addresses::new(&settings);
        let cut = CancellationToken::new();
        while let Some((accepted, place)) = next(&listener, &places, &stop).await {
            let guest = |peer, seat| Guest {
                peer,
                router: router.clone(),
                patience: Arc::new(Patience::new(Arc::clone(&clock), &settings)),
                stop: stop.clone(),
                cut: cut.clone(),
                _place: (place, seat),
            };
            match accepted {
                Ok(Accepted::Tcp(stream, address)) => {
                    if let Some(seat) = addresses.seat(address.ip()) {
                        let guest = guest(Peer::Tcp(address), Some(seat));
                        spawner(Box::pin(guest.serve(stream)));
                    } else {
                        metrics.http_refused("address");
                        send_away(&stream);
                    }
                }
                Ok(Accepted::Unix(stream, peer)) => {
                    spawner(Box::pin(guest(peer, None).serve(stream)));
                }
                // They went before their turn came.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    clock.sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        drop(listener);
        let all = u32::try_from(settings.connections).unwrap_or(u32::MAX);
        tokio::select! {
            everybody_left = places.acquire_many(all) => drop(everybody_left),
            () = clock.sleep(settings.stop_wait) => {
                tracing::warn!("requests are cut off by the stop");
            }
        }
        cut.cancel();
    }
}

const TOO_MANY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\n\
    Connection: close\r\nContent-Length: 0\r\n\r\n";

/// Says why, as far as that costs nothing: nobody waits for whether it arrives.
fn send_away(stream: &tokio::net::TcpStream) {
    drop(stream.try_write(TOO_MANY));
    // What is left unread would turn the end of the connection into a reset.
    drop(stream.try_read(&mut [0; 4_096]));
}

enum Accepted {
    Tcp(tokio::net::TcpStream, SocketAddr),
    Unix(tokio::net::UnixStream, Peer),
}

/// The next connection, once there is a place for it; `None` when it is time to stop.
async fn next(
    listener: &Listener,
    places: &Arc<Semaphore>,
    stop: &CancellationToken,
) -> Option<(io::Result<Accepted>, OwnedSemaphorePermit)> {
    let accept = async {
        let place = Arc::clone(places).acquire_owned().await.ok()?;
        Some((accept(listener).await, place))
    };
    tokio::select! {
        next = accept => next,
        () = stop.cancelled() => None,
    }
}

async fn accept(listener: &Listener) -> io::Result<Accepted> {
    match listener {
        Listener::Tcp(listener) => {
            let (stream, address) = listener.accept().await?;
            // Only slower without it.
            drop(stream.set_nodelay(true));
            Ok(Accepted::Tcp(stream, address))
        }
        Listener::Unix(listener) => {
            let (stream, _) = listener.accept().await?;
            let uid = stream.peer_cred()?.uid();
            Ok(Accepted::Unix(stream, Peer::Unix { uid }))
        }
    }
}

/// One connection that was let in.
struct Guest {
    peer: Peer,
    router: Router,
    patience: Arc<Patience>,
    stop: CancellationToken,
    cut: CancellationToken,
    _place: (OwnedSemaphorePermit, Option<Seat>),
}

impl Guest {
    async fn serve<S>(self, stream: S)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let io = Patient { stream, patience: Arc::clone(&self.patience), alarm: None };
        let answer = service_fn(|request: hyper::Request<Incoming>| self.answer(request));
        let connection = http1::Builder::new()
            .max_header_size(HEAD_BYTES)
            .header_read_timeout(None)
            .serve_connection(TokioIo::new(io), answer)
            .with_upgrades();
        let mut connection = pin!(connection);
        // Nobody is cut off before they were asked to leave.
        let mut ending = Some(&self.stop);
        loop {
            tokio::select! {
                biased;
                ended = connection.as_mut() => {
                    if let Err(error) = ended {
                        tracing::debug!(%error, "a connection ended early");
                    }
                    return;
                }
                () = ending.unwrap_or(&self.cut).cancelled() => match ending.take() {
                    Some(_) => connection.as_mut().graceful_shutdown(),
                    None => return,
                },
            }
        }
    }

    fn answer(
        &self,
        mut request: hyper::Request<Incoming>,
    ) -> impl Future<Output = Result<Response, Infallible>> + use<> {
        self.patience.work();
        request.extensions_mut().insert(self.peer);
        let answer = self.router.clone().call(request.map(Body::new));
        let patience = Arc::clone(&self.patience);
        async move {
            let answer = answer.await;
            // What the connection turns into has its own patience.
            if answer.as_ref().is_ok_and(|a| a.status() != StatusCode::SWITCHING_PROTOCOLS) {
                patience.rest();
            }
            answer
        }
    }
}

/// How long the other end may take before it has to be heard of, in each phase of a connection:
/// sending a head, being answered, resting. Shared by the socket and the requests on it.
struct Patience {
    clock: Arc<dyn Clock>,
    header: Duration,
    keep_alive: Duration,
    /// Milliseconds of the monotonic clock; [`NEVER`] while an answer is being made.
    until: AtomicU64,
    /// The answer is made, and no byte of another request was seen.
    resting: AtomicBool,
    /// The connection, which else would not look at its socket before bytes come.
    socket: AtomicWaker,
}

const NEVER: u64 = u64::MAX;

impl Patience {
    fn new(clock: Arc<dyn Clock>, settings: &Settings) -> Self {
        let patience = Self {
            clock,
            header: settings.header_timeout,
            keep_alive: settings.keep_alive,
            until: AtomicU64::new(NEVER),
            resting: AtomicBool::new(false),
            socket: AtomicWaker::new(),
        };
        patience.wait(patience.header);
        patience
    }

    fn now(&self) -> u64 {
        u64::try_from(self.clock.monotonic().as_millis()).unwrap_or(NEVER)
    }

    fn wait(&self, at_most: Duration) {
        let ms = u64::try_from(at_most.as_millis()).unwrap_or(NEVER);
        self.until.store(self.now().saturating_add(ms), Ordering::Relaxed);
    }

    /// A request has come: how long it takes is not the socket's business.
    fn work(&self) {
        self.resting.store(false, Ordering::Relaxed);
        self.until.store(NEVER, Ordering::Relaxed);
    }

    /// It is answered, but for the writing.
    fn rest(&self) {
        self.wait(self.keep_alive);
        self.resting.store(true, Ordering::Relaxed);
        self.socket.wake();
    }

    /// The other end takes the answer, which may be a long file.
    fn took(&self) {
        if self.resting.load(Ordering::Relaxed) {
            self.wait(self.keep_alive);
        }
    }

    /// Bytes came.
    fn heard(&self) {
        if self.resting.swap(false, Ordering::Relaxed) {
            self.wait(self.header);
        }
    }
}

/// A socket that fails once patience is at its end.
struct Patient<S> {
    stream: S,
    patience: Arc<Patience>,
    /// Set lazily, and kept when the end moves on: most requests never need one.
    alarm: Option<(u64, BoxFuture<'static, ()>)>,
}

impl<S> Patient<S> {
    fn poll_patience(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        self.patience.socket.register(cx.waker());
        loop {
            let until = self.patience.until.load(Ordering::Relaxed);
            if until == NEVER {
                self.patience.socket.register(cx.waker());
                return Poll::Pending;
            }
            if self.patience.now() >= until {
                return Poll::Ready(io::ErrorKind::TimedOut.into());
            }
            if self.alarm.as_ref().is_none_or(|(at, _)| *at > until) {
                let sleep = self.patience.clock.sleep_until(Duration::from_millis(until));
                self.alarm = Some((until, sleep));
            }
            if let Some((_, sleep)) = &mut self.alarm {
                ready!(sleep.as_mut().poll(cx));
                self.alarm = None;
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        match Pin::new(&mut self.stream).poll_read(cx, buf) {
            Poll::Pending => self.poll_patience(cx).map(Err),
            read @ Poll::Ready(_) => {
                if buf.filled().len() > before {
                    self.patience.heard();
                }
                read
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.stream).poll_write(cx, buf) {
            Poll::Pending => self.poll_patience(cx).map(Err),
            written @ Poll::Ready(_) => {
                self.patience.took();
                written
            }
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.stream).poll_write_vectored(cx, bufs) {
            Poll::Pending => self.poll_patience(cx).map(Err),
            written @ Poll::Ready(_) => {
                self.patience.took();
                written
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
