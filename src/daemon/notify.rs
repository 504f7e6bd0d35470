//! Telling the program's supervisor how far it is, as systemd's `sd_notify`(3) describes. Must not
//! fail anything: nobody may be listening.

use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use crate::base::Clock;
use crate::config::Supervisor;

pub(super) struct Notify {
    socket: Option<UnixDatagram>,
    /// How often it wants to hear that the program lives.
    beat: Option<Duration>,
}

impl Notify {
    pub fn new(supervisor: &Supervisor) -> Self {
        let socket = supervisor.socket.as_deref().and_then(|name| {
            let connected = connect(name);
            if let Err(error) = &connected {
                tracing::warn!(%error, socket = name, "the supervisor cannot be told anything");
            }
            connected.ok()
        });
        // Half of what it waits for, as its manual advises.
        Self { socket, beat: supervisor.watchdog.map(|longest| longest / 2) }
    }

    /// One or more lines such as `READY=1`.
    pub fn say(&self, state: &str) {
        if let Some(Err(error)) = self.socket.as_ref().map(|socket| socket.send(state.as_bytes())) {
            tracing::warn!(%error, state, "the supervisor could not be told");
        }
    }

    /// Ends when it should hear from us; never, if it does not want to.
    pub async fn next_beat(&self, clock: &dyn Clock) {
        match self.beat {
            Some(beat) if self.socket.is_some() => clock.sleep(beat).await,
            _ => std::future::pending().await,
        }
    }
}

/// A path, or a name without a file, which begins with `@`.
fn connect(name: &str) -> io::Result<UnixDatagram> {
    let address = match name.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(name)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.connect_addr(&address)?;
    // A supervisor that does not read must not stop us.
    socket.set_nonblocking(true)?;
    Ok(socket)
}
