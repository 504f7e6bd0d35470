//! Being told to stop: the first signal asks, the second insists.

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::Error;

/// The signals that stop the program.
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Option<Signal>,
}

impl Signals {
    /// From now on, these signals no longer kill the process at once.
    pub fn listen() -> Result<Self, Error> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt()).map_err(Error::Runtime)?,
            terminate: signal(SignalKind::terminate()).map_err(Error::Runtime)?,
            hangup: None,
        })
    }

    /// Also when the terminal goes away: for what somebody watches.
    pub fn listen_in_terminal() -> Result<Self, Error> {
        let hangup = signal(SignalKind::hangup()).map_err(Error::Runtime)?;
        Ok(Self { hangup: Some(hangup), ..Self::listen()? })
    }

    pub async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            () = hung_up(&mut self.hangup) => {}
        }
    }
}

async fn hung_up(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => drop(signal.recv().await),
        None => std::future::pending().await,
    }
}
