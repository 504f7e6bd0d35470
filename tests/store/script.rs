//! A script of writes that touch many tables, and what the store holds after the first so many of
//! them. Each write leaves a mark, as a request with an `Idempotency-Key` does.

use carillon::base::{ChannelId, DeliveryId, PostId, Timestamp};
use carillon::domain::publish::State;
use carillon::domain::workspace::Workspace;
use carillon::store::rows::{
    Attention, CalendarEntry, ChainedEvent, Remembered, SealedCredential, TimerKey, verify_chain,
};
use carillon::store::{Error, FaultDisk, Key as _, Scope, Scoped, Span, Store, Tx, View, encode};

use crate::rig::{self, Written, id};

pub const WRITES: usize = 60;
const WORKSPACES: usize = 3;
const ALL: usize = 10_000;

/// The workspaces that a script writes to.
#[derive(Clone, Copy)]
pub struct Script([Scope; WORKSPACES]);

impl Script {
    /// A fresh store on `disk`, with the workspaces.
    pub fn begin(disk: &FaultDisk) -> (Store, Self) {
        let store = rig::inline(disk).unwrap();
        let script = rig::write(&store, Self::prepare).unwrap();
        (store, script)
    }

    /// Makes the workspaces.
    pub fn prepare(tx: &mut Tx<'_>) -> Written<Self> {
        Ok(Self([rig::make(tx, id(0))?, rig::make(tx, id(1))?, rig::make(tx, id(2))?]))
    }

    fn scope(&self, n: usize) -> Scope {
        self.0[n % WORKSPACES]
    }

    /// Write number `n`: all of it, or nothing when its mark is there already.
    pub fn step(&self, tx: &mut Tx<'_>, n: usize) -> Written<()> {
        if self.has(&tx.view(), n)? {
            return Ok(());
        }
        self.mark(tx, n)?;
        self.rest(tx, n)
    }

    /// The part of a write that says that it was done.
    pub fn mark(&self, tx: &mut Tx<'_>, n: usize) -> Written<()> {
        let remembered = Remembered { request: [7; 16], object: format!("object {n}"), at: at(n) };
        tx.put(&self.scope(n), &mark(n), &remembered)?;
        Ok(())
    }

    /// What a write does.
    pub fn rest(&self, tx: &mut Tx<'_>, n: usize) -> Written<()> {
        let scope = self.scope(n);
        tx.put(&scope, &(at(n), post(n)), &CalendarEntry)?;
        tx.put_timer(&TimerKey::of_delivery(at(n), scope, delivery(n)))?;
        // A row that every write changes, one that spans pages, and rows that go again.
        let state = State::ALL[n % State::ALL.len()];
        tx.put(&scope, &id(5), &Attention { state, acknowledged: false })?;
        let channel: ChannelId = id(n % 7);
        let length = if n.is_multiple_of(13) { 5_000 } else { 20 * (n % 9) };
        let sealed = vec![u8::try_from(n).unwrap(); length];
        tx.put(&scope, &channel, &SealedCredential { sealed })?;
        if let Some(old) = n.checked_sub(3 * WORKSPACES) {
            tx.delete::<CalendarEntry>(&scope, &(at(old), post(old)));
            tx.delete_timer(&TimerKey::of_delivery(at(old), scope, delivery(old)));
        }
        tx.append_event(&scope, rig::event(n))?;
        Ok(())
    }

    /// Whether write number `n` left its mark.
    pub fn has(&self, view: &View<'_>, n: usize) -> Result<bool, Error> {
        let found = view.get::<Remembered>(&self.scope(n), &mark(n))?;
        Ok(found.is_some())
    }

    /// Every row that the script may have written.
    fn dump(&self, view: &View<'_>) -> Result<Vec<u8>, Error> {
        let mut out = Vec::new();
        for scope in &self.0 {
            table::<Workspace>(&mut out, view, scope)?;
            table::<Remembered>(&mut out, view, scope)?;
            table::<CalendarEntry>(&mut out, view, scope)?;
            table::<Attention>(&mut out, view, scope)?;
            table::<ChainedEvent>(&mut out, view, scope)?;
            table::<SealedCredential>(&mut out, view, scope)?;
        }
        for timer in view.timers(None, Timestamp::MAX, ALL)? {
            out.extend((timer.due, timer.kind, timer.scope.workspace(), timer.id).to_bytes());
        }
        Ok(out)
    }

    fn marks(&self, view: &View<'_>) -> Result<usize, Error> {
        let mut marks = 0;
        for scope in &self.0 {
            marks += view.scan::<Remembered>(scope, &Span::first(ALL))?.len();
        }
        Ok(marks)
    }

    /// Whether every workspace's chain of events is whole; they have `writes` rows together.
    pub fn chains_hold(&self, store: &Store, writes: usize) -> bool {
        let mut events = 0;
        for scope in self.0 {
            match store.read_now(|view| verify_chain(view, &scope)).unwrap() {
                Ok(head) => events += head.sequence,
                Err(_) => return false,
            }
        }
        usize::try_from(events) == Ok(writes)
    }

    /// How many writes of the script the store holds; `None` when what it holds is not exactly
    /// what these leave behind.
    pub fn found(&self, store: &Store, expected: &Expected) -> Option<usize> {
        let held = store.read_now(|view| Ok((self.marks(view)?, self.dump(view)?)));
        let (marks, dump) = held.unwrap();
        (expected.0.get(marks) == Some(&dump)).then_some(marks)
    }
}

/// What the store holds after the first 0, 1, 2 ... writes.
pub struct Expected(Vec<Vec<u8>>);

impl Expected {
    /// As found on a disk without faults.
    pub fn new() -> Self {
        let (store, script) = Script::begin(&FaultDisk::new());
        let mut dumps = vec![store.read_now(|view| script.dump(view)).unwrap()];
        for n in 0..WRITES {
            rig::write(&store, move |tx| script.step(tx, n)).unwrap();
            dumps.push(store.read_now(|view| script.dump(view)).unwrap());
        }
        Self(dumps)
    }
}

fn table<R: Scoped>(out: &mut Vec<u8>, view: &View<'_>, scope: &Scope) -> Result<(), Error> {
    for (key, row) in view.scan::<R>(scope, &Span::first(ALL))? {
        out.extend(key.to_bytes());
        out.extend(encode(&row).unwrap());
    }
    Ok(())
}

fn mark(n: usize) -> (Timestamp, [u8; 16]) {
    (Timestamp::from_millis(0), [u8::try_from(n).unwrap(); 16])
}

fn at(n: usize) -> Timestamp {
    Timestamp::from_millis(1_000 + u64::try_from(n).unwrap())
}

fn post(n: usize) -> PostId {
    id(n)
}

fn delivery(n: usize) -> DeliveryId {
    id(1_000 + n)
}
