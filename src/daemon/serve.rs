//! Starting and stopping, in order: open, publish, listen; then no new work, finish what is being
//! sent, no new requests, close the store.

use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::select;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::console::{self, Sitting, Sources};
use super::listen::{allow_files, bind, bind_admin};
use super::notify::Notify;
use super::reload::{self, Reloader, Source};
use super::signals::{Asked, Signals};
use super::{Error, build, exposed_secrets};
use crate::base::{Clock, Live, Spawner, tokio_spawner};
use crate::config::{Config, Loaded, LogFormat, Rotate};
use crate::console::Console;
use crate::domain::space::Room;
use crate::engine;
use crate::http::{self, Face, Limits, Listener, Readiness, Server};
use crate::service::Services;
use crate::telemetry::log;

/// For requests that are being answered when everything else has stopped.
const HTTP_STOP_WAIT: Duration = Duration::from_secs(5);

/// A started installation.
pub(super) struct Running {
    console: Option<Console>,
    services: Services,
    stopping: Arc<AtomicBool>,
    stop_engine: CancellationToken,
    stop_http: CancellationToken,
    engine: TaskTracker,
    limits: Live<engine::Settings>,
    http: TaskTracker,
    socket: PathBuf,
}

/// Beyond its own wait the engine gets so long to end; what then still calls is left behind.
const ENGINE_END: Duration = Duration::from_secs(1);

/// Runs until a signal; a second one does not wait.
pub(super) async fn serve(
    loaded: &Loaded,
    again: Source,
    clock: &Arc<dyn Clock>,
    sitting: Option<Sitting>,
) -> Result<(), Error> {
    let config = &loaded.config;
    let mut signals = Signals::listen()?;
    let seated = sitting.is_some();
    let stream = if seated { log::Stream::None } else { log::Stream::Stdout };
    let log = log::start(&log_settings(config, stream), clock)?;
    let reloader = Arc::new(Reloader::new(loaded, again, log.levels()));
    for advice in config.advice().into_iter().chain(exposed_secrets(config)) {
        tracing::warn!(advice, "unwise settings");
    }
    allow_files(config.http.connections);
    let listener = bind(config.server.listen).await?;
    let address = listener.local_addr().map_err(Error::Runtime)?;
    let services = {
        let (timing, marks) = (reloader.timing.clone(), reloader.marks.clone());
        let controls = (timing, marks, reloader.plans.clone(), reload::controls(&reloader));
        build::open(config, clock, &config.server.url(address), controls)?
    };
    let sources = Sources::live(log.ring(), &reloader);
    let running = start(config, &services, (reloader.engine.clone(), sources), listener).await?;
    if let Some(sitting) = sitting {
        running.sit(sitting);
    }
    tracing::info!(
        %address,
        socket = %running.socket.display(),
        epoch = services.store.epoch(),
        version = env!("CARGO_PKG_VERSION"),
        "ready"
    );
    let notify = Notify::new(&config.supervisor);
    notify.say("READY=1");
    loop {
        tokio::select! {
            asked = signals.next() => match asked {
                Asked::Reload => {
                    notify.say("RELOADING=1");
                    // What came of it is in the log.
                    drop(reloader.reload());
                    notify.say("READY=1");
                }
                Asked::Stop => break,
            },
            () = notify.next_beat(clock.as_ref()) => notify.say("WATCHDOG=1"),
        }
    }
    notify.say("STOPPING=1");
    tracing::info!("stopping; what is being sent is finished first");
    tokio::select! {
        () = running.stop() => tracing::info!("stopped"),
        () = signals.stop() => {
            tracing::warn!("stopped at once; what was being sent stays armed");
            if seated {
                crate::console::restore();
            }
        }
    }
    Ok(())
}

fn log_settings(config: &Config, stream: log::Stream) -> log::LogSettings {
    log::LogSettings {
        stream,
        format: match config.log.format {
            LogFormat::Json => log::Format::Json,
            LogFormat::Text => log::Format::Text,
        },
        level: config.log.level.clone(),
        file: config.log.file.clone(),
        rotate: match config.log.rotate {
            Rotate::Daily => log::Rotate::Daily,
            Rotate::Hourly => log::Rotate::Hourly,
            Rotate::Never => log::Rotate::Never,
        },
        keep: config.log.keep,
    }
}

/// Starts the engine and both servers.
pub(super) async fn start(
    config: &Config,
    services: &Services,
    (limits, sources): (Live<engine::Settings>, Sources),
    listener: TcpListener,
) -> Result<Running, Error> {
    let socket = config.server.admin_socket();
    let admin = bind_admin(&socket).await?;
    let mut running = Running {
        console: None,
        services: services.clone(),
        stopping: Arc::default(),
        stop_engine: CancellationToken::new(),
        stop_http: CancellationToken::new(),
        engine: TaskTracker::new(),
        limits: limits.clone(),
        http: TaskTracker::new(),
        socket,
    };
    let engine: Spawner = tokio_spawner(running.engine.clone());
    let stop = running.stop_engine.clone();
    engine(Box::pin(engine::run(services.clone(), limits, Spawner::clone(&engine), stop)));
    let console = console::start(services, sources, &running);
    running.console = Some(console.clone());
    let consoles = move |uid, line| console.take(uid, line);
    let face = Arc::new(face(config, services, &running.stopping, Box::new(consoles)));
    running.listen(&face, Listener::Tcp(listener));
    running.listen(&face, Listener::Unix(admin));
    Ok(running)
}

fn face(
    config: &Config,
    services: &Services,
    stopping: &Arc<AtomicBool>,
    consoles: Box<http::Consoles>,
) -> Face {
    let (stopping, of) = (Arc::clone(stopping), services.clone());
    let readiness = move || {
        if stopping.load(Ordering::Relaxed) {
            Readiness::Stopping
        } else if !of.store.is_healthy() {
            Readiness::StoreFailing
        } else if of.room() == Room::Out {
            Readiness::DiskFull
        } else {
            Readiness::Ready
        }
    };
    let settings = http::Settings {
        header_timeout: config.http.header_timeout,
        body_timeout: config.http.body_timeout,
        request_timeout: config.http.request_timeout,
        connections: config.http.connections,
        connections_per_address: config.http.connections_per_address,
        proxies: config.http.proxies.iter().filter_map(|net| net.parse().ok()).collect(),
        names: names(config),
        country: config.http.country_header.as_ref().and_then(|name| name.parse().ok()),
        requests: config.http.requests,
        key_rate: config.http.key_rate,
        stop_wait: HTTP_STOP_WAIT,
        ..http::Settings::default()
    };
    Face {
        services: services.clone(),
        limits: Limits::new(&settings),
        settings,
        readiness: Box::new(readiness),
        consoles,
    }
}

/// What the server may be asked for by.
fn names(config: &Config) -> http::Names {
    let public = config.server.public_url.as_ref().and_then(url::Url::host_str);
    http::Names::new(config.http.hosts.iter().map(String::as_str).chain(public))
}

impl Running {
    /// How what serves guests is started, and told to end. Consoles go first.
    pub fn guests(&self) -> (Spawner, CancellationToken) {
        (tokio_spawner(self.http.clone()), self.stop_engine.clone())
    }

    /// Shows the console on the terminal of this process.
    pub fn sit(&self, sitting: Sitting) {
        if let Some(console) = self.console.clone() {
            let (spawner, _) = self.guests();
            spawner(Box::pin(async move { console::sit(&console, sitting).await }));
        }
    }

    /// Serves the public on TCP and operators on the socket.
    fn listen(&self, face: &Arc<Face>, listener: Listener) {
        let router = match listener {
            Listener::Tcp(_) => http::public_router(face),
            Listener::Unix(_) => http::admin_router(face),
        };
        let clock = Arc::clone(&self.services.clock);
        let spawner = tokio_spawner(self.http.clone());
        let (settings, metrics) = (face.settings.clone(), Arc::clone(&self.services.metrics));
        let server = Server { router, settings, metrics, clock, spawner: Spawner::clone(&spawner) };
        spawner(Box::pin(server.serve(listener, self.stop_http.clone())));
    }

    /// Stops in order. Bounded by the engine's and the servers' own waits.
    pub async fn stop(self) {
        self.stopping.store(true, Ordering::Relaxed);
        self.stop_engine.cancel();
        self.engine.close();
        let patience = self.limits.get().stop_wait + ENGINE_END;
        drop(select(pin!(self.engine.wait()), self.services.clock.sleep(patience)).await);
        self.stop_http.cancel();
        self.http.close();
        self.http.wait().await;
        // An answer that is on its way may hold the only token that an account has left.
        let longest = self.services.timing.get().deadline;
        let renewed = self.services.renewals.settled();
        drop(select(pin!(renewed), self.services.clock.sleep(longest)).await);
        if let Err(error) = self.services.store.close().await {
            tracing::error!(%error, "the database was not closed well");
        }
        // A socket that nobody answers on would only confuse.
        drop(std::fs::remove_file(&self.socket));
    }
}
