//! Spans, scopes and the overlay of a transaction, against a model: an ordered map of values, and
//! a filter on it. What a view and a transaction answer must be what the model says.

use std::collections::BTreeMap;
use std::fmt::Debug;

use carillon::base::{Timestamp, WorkspaceId};
use carillon::domain::event::Actor;
use carillon::domain::publish::State;
use carillon::store::rows::{
    Attention, CalendarEntry, ChainedEvent, Inflight, Pause, PublishedEntry, Remembered, TimerKey,
    WrappedKey,
};
use carillon::store::{
    Error, FaultDisk, Key, KeyBytes, Scope, Scoped, Span, Table, Tx, View, WriteError,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::sample::select;

use crate::rig::{self, No, Written, near_id, run};

const CASES: u32 = 128;

/// Bytes with which a key may begin: also parts of its parts.
#[derive(Clone, Debug)]
struct Beginning(Vec<u8>);

impl Key for Beginning {
    fn encode(&self, out: &mut KeyBytes) {
        out.extend_from_slice(&self.0);
    }

    fn decode(bytes: &mut &[u8]) -> Option<Self> {
        Some(Self(std::mem::take(bytes).to_vec()))
    }
}

#[derive(Clone, Debug)]
struct Query<K> {
    under: Option<Beginning>,
    from: Option<Beginning>,
    to: Option<Beginning>,
    after: Option<K>,
    backwards: bool,
    limit: usize,
}

impl<K: Key + Clone> Query<K> {
    fn span(&self) -> Span {
        let mut span =
            if self.backwards { Span::last(self.limit) } else { Span::first(self.limit) };
        if let Some(under) = &self.under {
            span = span.under(under);
        }
        if let Some(from) = &self.from {
            span = span.from(from);
        }
        if let Some(to) = &self.to {
            span = span.to(to);
        }
        span.after(self.after.as_ref())
    }

    /// The model: every bound holds, whatever the others are.
    fn takes(&self, key: &[u8]) -> bool {
        let under = self.under.as_ref().is_none_or(|b| key.starts_with(&b.0));
        let from = self.from.as_ref().is_none_or(|b| key >= b.0.as_slice());
        let to = self.to.as_ref().is_none_or(|b| key < b.0.as_slice());
        let after = self.after.as_ref().map(Key::to_bytes).is_none_or(|after| {
            if self.backwards { key < after.as_slice() } else { key > after.as_slice() }
        });
        under && from && to && after
    }
}

/// A change to one of two workspaces: a row put, or deleted.
type Change<K, R> = (bool, K, Option<R>);
type Model<K, R> = BTreeMap<(bool, K), R>;

#[derive(Clone, Debug)]
struct Case<K, R> {
    workspaces: (WorkspaceId, WorkspaceId),
    stored: Vec<Change<K, R>>,
    changed: Vec<Change<K, R>>,
    gets: Vec<K>,
    queries: Vec<Query<K>>,
    /// Whether the second transaction refuses in the end.
    refuses: bool,
}

/// Every answer of a view: to the gets and the queries, in both workspaces.
type Seen<K, R> = (Vec<Option<R>>, Vec<Vec<(K, R)>>);

impl<K: Key + Ord + Clone, R: Scoped<Key = K> + Clone> Case<K, R> {
    fn see(&self, view: &View<'_>, scopes: [Scope; 2]) -> Result<Seen<K, R>, Error> {
        let (mut rows, mut lists) = (Vec::new(), Vec::new());
        for scope in &scopes {
            for key in &self.gets {
                rows.push(view.get(scope, key)?);
            }
            for query in &self.queries {
                lists.push(view.scan(scope, &query.span())?);
            }
        }
        Ok((rows, lists))
    }

    fn predict(&self, model: &Model<K, R>) -> Seen<K, R> {
        let (mut rows, mut lists) = (Vec::new(), Vec::new());
        for second in [false, true] {
            for key in &self.gets {
                rows.push(model.get(&(second, key.clone())).cloned());
            }
            for query in &self.queries {
                let mut list: Vec<(K, R)> = model
                    .iter()
                    .filter(|((of, key), _)| *of == second && query.takes(&key.to_bytes()))
                    .map(|((_, key), row)| (key.clone(), row.clone()))
                    .collect();
                if query.backwards {
                    list.reverse();
                }
                list.truncate(query.limit);
                lists.push(list);
            }
        }
        (rows, lists)
    }
}

fn change<K: Key, R: Scoped<Key = K>>(
    tx: &mut Tx<'_>,
    scopes: [Scope; 2],
    changes: &[Change<K, R>],
) -> Written<()> {
    for (second, key, row) in changes {
        let scope = &scopes[usize::from(*second)];
        match row {
            Some(row) => tx.put(scope, key, row)?,
            None => tx.delete::<R>(scope, key),
        }
    }
    Ok(())
}

fn apply<K: Ord + Clone, R: Clone>(model: &mut Model<K, R>, changes: &[Change<K, R>]) {
    for (second, key, row) in changes {
        let key = (*second, key.clone());
        match row {
            Some(row) => drop(model.insert(key, row.clone())),
            None => drop(model.remove(&key)),
        }
    }
}

fn hold<K, R>(case: &Case<K, R>)
where
    K: Key + Ord + Clone + Debug + Send + 'static,
    R: Scoped<Key = K> + Clone + PartialEq + Debug + Send + 'static,
{
    let store = rig::inline(&FaultDisk::new()).unwrap();
    let mut model = Model::new();
    let first = case.clone();
    let scopes = rig::write(&store, move |tx| {
        let (a, b) = first.workspaces;
        let scopes = [rig::make(tx, a)?, rig::make(tx, b)?];
        change(tx, scopes, &first.stored)?;
        Ok(scopes)
    });
    let scopes = scopes.unwrap();
    apply(&mut model, &case.stored);
    let seen = store.read_now(|view| case.see(view, scopes)).unwrap();
    assert_eq!(seen, case.predict(&model), "stored");

    let mut changed = model.clone();
    apply(&mut changed, &case.changed);
    let (second, expected) = (case.clone(), case.predict(&changed));
    let written = rig::write(&store, move |tx| {
        change(tx, scopes, &second.changed)?;
        assert_eq!(second.see(&tx.view(), scopes)?, expected, "overlaid");
        if second.refuses { Err(WriteError::Refused(No)) } else { Ok(()) }
    });
    if case.refuses {
        assert_eq!(written, Err(WriteError::Refused(No)));
    } else {
        assert_eq!(written, Ok(()));
        model = changed;
    }
    let seen = store.read_now(|view| case.see(view, scopes)).unwrap();
    assert_eq!(seen, case.predict(&model), "in the end");
}

/// Two workspaces that are often neighbours, at the ends of all ids too.
fn neighbours() -> impl Strategy<Value = (WorkspaceId, WorkspaceId)> {
    let edges = [0, 0xff, 0xff00, u128::MAX << 8, u128::MAX - 1, u128::MAX];
    let one = prop_oneof![select(edges.to_vec()), any::<u128>()];
    let step = prop_oneof![Just(1), Just(u128::MAX), any::<u128>()];
    (one, step).prop_filter("two workspaces", |(_, step)| *step != 0).prop_map(|(one, step)| {
        let other = one.wrapping_add(step);
        let [one, other] = [one, other].map(|n| WorkspaceId::from_bytes(n.to_be_bytes()));
        (one, other)
    })
}

fn beginning<K: Key + Debug>(keys: impl Strategy<Value = K>) -> impl Strategy<Value = Beginning> {
    (keys, 0..=80_usize).prop_map(|(key, length)| {
        let mut bytes = key.to_bytes().into_vec();
        bytes.truncate(length);
        Beginning(bytes)
    })
}

fn cases<K, R>(
    keys: impl Strategy<Value = K> + Clone,
    row: fn(u8) -> R,
) -> impl Strategy<Value = Case<K, R>>
where
    K: Key + Clone + Debug,
    R: Clone + Debug,
{
    let changes = |max: usize| {
        let row = option::weighted(0.7, any::<u8>().prop_map(row));
        vec((any::<bool>(), keys.clone(), row), 0..max)
    };
    let bound = || option::weighted(0.4, beginning(keys.clone()));
    let query = (
        bound(),
        bound(),
        bound(),
        option::of(keys.clone()),
        any::<bool>(),
        prop_oneof![0..5_usize, Just(1_000)],
    )
        .prop_map(|(under, from, to, after, backwards, limit)| Query {
            under,
            from,
            to,
            after,
            backwards,
            limit,
        });
    let asked = (vec(keys.clone(), 8), vec(query, 24));
    (neighbours(), changes(24), changes(16), asked, any::<bool>()).prop_map(
        |(workspaces, stored, changed, (gets, queries), refuses)| Case {
            workspaces,
            stored,
            changed,
            gets,
            queries,
            refuses,
        },
    )
}

fn table<K, R>(keys: impl Strategy<Value = K> + Clone, row: fn(u8) -> R)
where
    K: Key + Ord + Clone + Debug + Send + 'static,
    R: Scoped<Key = K> + Clone + PartialEq + Debug + Send + 'static,
{
    run(CASES, &cases(keys, row), |case| hold(&case));
}

/// A few moments, so that keys meet.
fn time() -> impl Strategy<Value = Timestamp> + Clone {
    select(vec![0, 1, 255, 256, u64::MAX]).prop_map(Timestamp::from_millis)
}

fn remembered(n: u8) -> Remembered {
    Remembered { request: [n; 16], object: n.to_string(), at: Timestamp::from_millis(0) }
}

#[test]
fn one_row_of_a_workspace() {
    table(Just(()), |n| WrappedKey { wrapped: vec![n] });
}

#[test]
fn rows_under_an_id() {
    table(near_id(), |n| Attention {
        state: State::ALL[usize::from(n) % State::ALL.len()],
        acknowledged: n % 2 == 0,
    });
}

#[test]
fn rows_under_a_digest() {
    let digest = (time(), select(vec![0, 1, 254, 255]), any::<bool>());
    let digest = digest.prop_map(|(day, byte, odd)| {
        let mut digest = [byte; 16];
        digest[15] ^= u8::from(odd);
        (day, digest)
    });
    table(digest, remembered);
}

#[test]
fn rows_under_a_number() {
    table(select(vec![0, 1, 2, 255, 256, u64::MAX]), |n| ChainedEvent {
        previous: [n; 32],
        event: rig::event(usize::from(n)),
    });
}

#[test]
fn rows_under_two_and_three_parts() {
    table((time(), near_id()), |_| CalendarEntry);
    table((near_id(), near_id()), |_| Inflight);
    table((near_id(), time(), near_id()), |_| PublishedEntry);
}

/// Rows of a global table, put under texts; then pages of them, stored and overlaid.
#[test]
fn global_rows_under_a_text() {
    let name = select(vec!["", "a", "aa", "ab", "b", "\0", "\u{10ffff}"]).prop_map(str::to_owned);
    let changes = || vec((name.clone(), option::of(0..9_u64)), 0..12);
    let pages = vec((option::of(name.clone()), 0..9_usize), 12);
    run(CASES, &(changes(), changes(), pages), |(stored, changed, pages)| {
        let store = rig::inline(&FaultDisk::new()).unwrap();
        let change = |tx: &mut Tx<'_>, changes: &[(String, Option<u64>)]| -> Written<()> {
            for (name, since) in changes {
                match since {
                    Some(since) => tx.put_global(name, &pause(*since))?,
                    None => tx.delete_global::<Pause>(name),
                }
            }
            Ok(())
        };
        let mut model = BTreeMap::new();
        let first = stored.clone();
        rig::write(&store, move |tx| change(tx, &first)).unwrap();
        for (name, since) in stored.into_iter().chain(changed.clone()) {
            match since {
                Some(since) => drop(model.insert(name, pause(since))),
                None => drop(model.remove(&name)),
            }
        }
        rig::write(&store, move |tx| {
            change(tx, &changed)?;
            for (after, limit) in &pages {
                let rows =
                    model.iter().filter(|(key, _)| after.is_none() || Some(*key) > after.as_ref());
                let rows: Vec<_> = rows.take(*limit).map(|(k, v)| (k.clone(), v.clone())).collect();
                assert_eq!(tx.view().scan_global(after.as_ref(), *limit)?, rows);
            }
            for (name, row) in &model {
                assert_eq!(tx.view().get_global(name)?.as_ref(), Some(row));
            }
            Ok(())
        })
        .unwrap();
    });
}

fn pause(since: u64) -> Pause {
    Pause { since: Timestamp::from_millis(since), by: Actor::System, why: None }
}

/// Timers of two workspaces: those that are due, in order, a page at a time.
#[test]
fn timers_come_in_the_order_of_their_time() {
    let timer = || (any::<bool>(), time(), near_id());
    let timers = || vec((timer(), any::<bool>()), 0..16);
    let pages = vec((option::of(timer()), time(), 0..9_usize), 16);
    let all = (neighbours(), timers(), timers(), pages);
    run(CASES, &all, |(workspaces, stored, changed, pages)| {
        let store = rig::inline(&FaultDisk::new()).unwrap();
        let scopes = rig::write(&store, move |tx| {
            Ok([rig::make(tx, workspaces.0)?, rig::make(tx, workspaces.1)?])
        });
        let scopes = scopes.unwrap();
        let key = move |(second, due, id): (bool, _, _)| {
            TimerKey::of_delivery(due, scopes[usize::from(second)], id)
        };
        let mut model = std::collections::BTreeSet::new();
        for (timer, there) in stored.iter().chain(&changed) {
            if *there {
                model.insert(key(*timer));
            } else {
                model.remove(&key(*timer));
            }
        }
        let change = move |tx: &mut Tx<'_>, timers: &[((bool, _, _), bool)]| -> Written<()> {
            for (timer, there) in timers {
                if *there {
                    tx.put_timer(&key(*timer))?;
                } else {
                    tx.delete_timer(&key(*timer));
                }
            }
            Ok(())
        };
        rig::write(&store, move |tx| change(tx, &stored)).unwrap();
        rig::write(&store, move |tx| {
            change(tx, &changed)?;
            for (after, until, limit) in &pages {
                let after = after.map(key);
                let due = model.iter().filter(|timer| timer.due < *until);
                let due = due.filter(|timer| after.is_none_or(|after| **timer > after));
                let due: Vec<_> = due.take(*limit).copied().collect();
                assert_eq!(tx.view().timers(after.as_ref(), *until, *limit)?, due);
            }
            Ok(())
        })
        .unwrap();
    });
}

/// Broken on purpose: a scan that begins at the workspace and has no end there.
#[test]
fn a_scan_without_the_clamp_meets_the_neighbour() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("carillon.redb");
    let store = rig::on_file(&path).unwrap();
    let workspaces: [WorkspaceId; 2] = [rig::id(1), rig::id(2)];
    let written = store.write(move |tx| -> Written<_> {
        let scopes = [rig::make(tx, workspaces[0])?, rig::make(tx, workspaces[1])?];
        for scope in &scopes {
            tx.put(scope, &rig::id(7), &Attention { state: State::Held, acknowledged: false })?;
        }
        Ok(scopes)
    });
    let scopes = rig::wait(written).unwrap();
    for scope in scopes {
        let span = Span::first(10);
        let rows = store.read_now(|view| view.scan::<Attention>(&scope, &span)).unwrap();
        assert_eq!(rows.len(), 1);
    }
    rig::wait(store.close()).unwrap();
    rig::tamper(&path, Table::Attention, |rows| {
        let from = workspaces[0].to_bytes();
        assert_eq!(redb::ReadableTable::range(rows, from.as_slice()..).unwrap().count(), 2);
    });
}
