//! The console's place in the running program: what it is given, and the one that sits in this
//! process. Must not draw.

use std::future::ready;
use std::io;
use std::sync::Arc;

use super::reload::Reloader;
use super::serve::Running;
use crate::config::{Change, Shown, settings};
use crate::console::{Attached, Console, Parts, Setting, Wishes, attach, view};
use crate::service::Services;
use crate::telemetry::Ring;

/// What consoles show of the program around the services.
pub(super) struct Sources {
    pub ring: Ring,
    pub settings: Box<dyn Fn() -> Vec<Setting> + Send + Sync>,
}

impl Sources {
    /// Of settings that can be read again.
    pub fn live(ring: Ring, reloader: &Arc<Reloader>) -> Self {
        let reloader = Arc::clone(reloader);
        Self { ring, settings: Box::new(move || shown(&reloader.counts())) }
    }

    /// Of settings that stay as they are.
    pub fn fixed(ring: Ring, counts: &[Shown]) -> Self {
        let all = shown(counts);
        Self { ring, settings: Box::new(move || all.clone()) }
    }
}

fn shown(counts: &[Shown]) -> Vec<Setting> {
    let table = settings();
    let of = |shown: &Shown| {
        let row = table.iter().find(|row| row.name() == shown.key);
        let live = row.is_some_and(|row| row.change == Change::Reload);
        Setting {
            key: shown.key.clone(),
            value: shown.value.clone(),
            from: shown.place.as_ref().map_or("default".to_owned(), ToString::to_string),
            takes_effect: if live { "reload" } else { "restart" },
            about: row.map(|row| row.help.clone()).unwrap_or_default(),
        }
    };
    counts.iter().map(of).collect()
}

/// Starts what consoles need.
pub(super) fn start(services: &Services, sources: Sources, running: &Running) -> Console {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let (spawner, stop) = running.guests();
    Console::start(Parts {
        services: services.clone(),
        ring: sources.ring,
        host: host.trim().to_owned(),
        settings: sources.settings,
        name_of,
        spawner,
        stop,
        view,
    })
}

/// The name of a user of this machine, or its number.
fn name_of(uid: u32) -> String {
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let number = uid.to_string();
    let found = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == number).then(|| name.to_owned())
    });
    found.unwrap_or_else(|| format!("uid {uid}"))
}

/// A console in this process, on its own terminal.
pub struct Sitting {
    pub wishes: Wishes,
    /// Tells whoever sits there what came of it.
    pub say: fn(&str),
}

/// The thin client and the console as everywhere else, with a pipe between them.
pub(super) async fn sit(console: &Console, sitting: Sitting) {
    const PIPE: usize = 256 * 1024;
    let (ours, theirs) = tokio::io::duplex(PIPE);
    let uid = rustix::process::geteuid().as_raw();
    let line: io::Result<tokio::io::DuplexStream> = Ok(theirs);
    if let Err(problem) = console.take(uid, Box::pin(ready(line))) {
        (sitting.say)(&problem.to_string());
        return;
    }
    match attach(ours, sitting.wishes, None).await {
        Ok(Attached::Ended(bye)) => {
            (sitting.say)(&bye.message);
            if bye.code == "left" {
                (sitting.say)("ctrl-c stops it; its log is in log.file, if that is set");
            }
        }
        Ok(Attached::Lost | Attached::Signal) => {}
        Err(error) => (sitting.say)(&format!("no console here: {error}")),
    }
}
