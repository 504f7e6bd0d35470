//! What lies between the program and the networks: it sees every request, and the process can die
//! at one. Must not know a network's protocol.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use crate::base::{Clock as _, ManualClock, Timestamp};
use crate::store::FaultDisk;

/// One request, as it was handed over.
#[derive(Clone, Debug)]
pub struct Sent {
    /// By our wall clock.
    pub at: Timestamp,
    pub host: String,
    pub body: Bytes,
}

/// A carrier that breaks the rules, to show that the checks see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// Repeats a post by itself when its answer is lost, as many HTTP clients do.
    Repeats,
    /// Answers every other post with the answer to the one before, and sends nothing.
    MadeUp,
}

/// What becomes of a call.
pub(super) enum Way {
    Carried,
    /// It arrives, and nobody is left to hear the answer.
    Orphaned,
    /// The process is dead.
    Dead,
}

/// The wire of one installation; clones are the same.
#[derive(Clone)]
pub struct Wire {
    clock: ManualClock,
    disk: FaultDisk,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    calls: u64,
    /// The call at which the process dies, and whether that call still arrives.
    cut: Option<(u64, bool)>,
    dead: bool,
    sent: Vec<Sent>,
    carrier: Option<Carrier>,
}

impl Wire {
    pub(super) fn new(clock: ManualClock, disk: FaultDisk) -> Self {
        Self { clock, disk, state: Arc::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The process dies at the call after so many more; `arrives`: right after it was handed over.
    pub fn cut_after(&self, calls: u64, arrives: bool) {
        let mut state = self.state();
        state.cut = Some((state.calls + calls, arrives));
    }

    /// Whether the process died at a call or at an operation of the disk.
    pub fn is_cut(&self) -> bool {
        self.state().dead || self.disk.is_cut()
    }

    /// A new process.
    pub(super) fn mend(&self) {
        let mut state = self.state();
        (state.dead, state.cut) = (false, None);
    }

    pub fn set_carrier(&self, carrier: Option<Carrier>) {
        self.state().carrier = carrier;
    }

    pub(super) fn carrier(&self) -> Option<Carrier> {
        self.state().carrier
    }

    /// What was handed over since this was last asked.
    pub fn take_sent(&self) -> Vec<Sent> {
        std::mem::take(&mut self.state().sent)
    }

    /// Says whether a call may go, and notes it.
    pub(super) fn call(&self, host: &str, body: &Bytes) -> Way {
        if self.is_cut() {
            return Way::Dead;
        }
        let mut state = self.state();
        state.calls += 1;
        let way = match state.cut {
            Some((at, arrives)) if state.calls > at => {
                state.dead = true;
                if arrives { Way::Orphaned } else { Way::Dead }
            }
            _ => Way::Carried,
        };
        if !matches!(way, Way::Dead) {
            let (at, host) = (self.clock.now(), host.to_owned());
            state.sent.push(Sent { at, host, body: body.clone() });
        }
        way
    }
}
