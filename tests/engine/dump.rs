//! Everything that a store holds, as bytes to compare, and the invariants across its tables.

use std::collections::{BTreeMap, BTreeSet};

use carillon::base::{DeliveryId, Timestamp};
use carillon::domain::access::Key;
use carillon::domain::channel::Channel;
use carillon::domain::delivery::Delivery;
use carillon::domain::media::Asset;
use carillon::domain::post::Post;
use carillon::domain::publish::{Phase, State};
use carillon::domain::workspace::Workspace;
use carillon::store::rows::{
    AssetHome, AssetUse, Attention, CalendarEntry, ChainedEvent, ChannelLimits, Feed, Inflight,
    KeyHash, MediaTotal, ObjectUse, Pause, Preparation, PublishedEntry, Remembered,
    SealedCredential, ServerLimits, Slug, TimerKey, Upload, WrappedKey, verify_chain,
};
use carillon::store::{
    Error, Global, Key as _, Scope, Scoped, Span, Store, Tx, View, WriteError, encode,
};
use futures_util::FutureExt as _;

use crate::stage::Stage;

const ALL: usize = 10_000;

/// Rows as bytes, table by table; and what the result slots hold whole.
pub type Dump = Vec<u8>;

fn scopes(view: &View<'_>) -> Result<Vec<Scope>, Error> {
    Ok(Scope::rounds(view, None, ALL)?.into_iter().map(|(_, scope)| scope).collect())
}

fn of_scope<R: Scoped>(out: &mut Dump, view: &View<'_>, scope: &Scope) -> Result<(), Error> {
    for (key, row) in view.scan::<R>(scope, &Span::first(ALL))? {
        out.extend(key.to_bytes());
        out.extend(encode(&row).unwrap());
    }
    // Between tables, so that a row cannot pass for one of the next.
    out.extend([0xff; 8]);
    Ok(())
}

fn of_all<R: Global>(out: &mut Dump, view: &View<'_>) -> Result<(), Error> {
    for (key, row) in view.scan_global::<R>(None, ALL)? {
        out.extend(key.to_bytes());
        out.extend(encode(&row).unwrap());
    }
    out.extend([0xff; 8]);
    Ok(())
}

/// All rows but those that count openings and batches, and the log of the stage.
pub fn dump(store: &Store) -> Dump {
    let dumped = store.read_now(|view| {
        let mut out = Dump::new();
        of_all::<Slug>(&mut out, view)?;
        of_all::<KeyHash>(&mut out, view)?;
        of_all::<Feed>(&mut out, view)?;
        of_all::<Pause>(&mut out, view)?;
        of_all::<AssetHome>(&mut out, view)?;
        of_all::<ServerLimits>(&mut out, view)?;
        for timer in view.timers(None, Timestamp::MAX, ALL)? {
            out.extend((timer.due, timer.kind, timer.scope.workspace(), timer.id).to_bytes());
        }
        for orphan in view.orphans(Timestamp::MAX, ALL)? {
            out.extend((orphan.due, orphan.scope.workspace(), orphan.object).to_bytes());
        }
        for scope in scopes(view)? {
            of_scope::<Workspace>(&mut out, view, &scope)?;
            of_scope::<WrappedKey>(&mut out, view, &scope)?;
            of_scope::<Key>(&mut out, view, &scope)?;
            of_scope::<Channel>(&mut out, view, &scope)?;
            of_scope::<SealedCredential>(&mut out, view, &scope)?;
            of_scope::<Post>(&mut out, view, &scope)?;
            of_scope::<CalendarEntry>(&mut out, view, &scope)?;
            of_scope::<Delivery>(&mut out, view, &scope)?;
            of_scope::<Inflight>(&mut out, view, &scope)?;
            of_scope::<Attention>(&mut out, view, &scope)?;
            of_scope::<PublishedEntry>(&mut out, view, &scope)?;
            of_scope::<ChainedEvent>(&mut out, view, &scope)?;
            of_scope::<Remembered>(&mut out, view, &scope)?;
            of_scope::<Asset>(&mut out, view, &scope)?;
            of_scope::<AssetUse>(&mut out, view, &scope)?;
            of_scope::<ObjectUse>(&mut out, view, &scope)?;
            of_scope::<MediaTotal>(&mut out, view, &scope)?;
            of_scope::<Preparation>(&mut out, view, &scope)?;
            of_scope::<Upload>(&mut out, view, &scope)?;
            of_scope::<ChannelLimits>(&mut out, view, &scope)?;
        }
        Ok(out)
    });
    dumped.unwrap()
}

/// Every invariant across tables that does not hold, in words.
pub fn wrong(store: &Store) -> Vec<String> {
    let found = store.read_now(|view| {
        let mut found = Vec::new();
        let mut timers: BTreeSet<_> = view
            .timers(None, Timestamp::MAX, ALL)?
            .into_iter()
            .map(|timer| (timer.scope, timer.due, timer.delivery()))
            .collect();
        for scope in scopes(view)? {
            deliveries(view, &scope, &mut timers, &mut found)?;
            posts(view, &scope, &mut found)?;
            media(view, &scope, &mut found)?;
            if verify_chain(view, &scope)?.is_err() {
                found.push("the chain of events is broken".to_owned());
            }
        }
        if !timers.is_empty() {
            found.push(format!("timers of nothing: {timers:?}"));
        }
        Ok(found)
    });
    found.unwrap()
}

fn keys<R: Scoped>(view: &View<'_>, scope: &Scope) -> Result<BTreeSet<R::Key>, Error>
where
    R::Key: Ord,
{
    let rows = view.scan::<R>(scope, &Span::first(ALL))?;
    Ok(rows.into_iter().map(|(key, _)| key).collect())
}

/// Says so when two ways to the same facts differ.
fn same<T: PartialEq + std::fmt::Debug>(found: &mut Vec<String>, what: &str, one: &T, other: &T) {
    if one != other {
        found.push(format!("{what}: {one:?} and {other:?}"));
    }
}

type Timers = BTreeSet<(Scope, Timestamp, DeliveryId)>;

fn deliveries(
    view: &View<'_>,
    scope: &Scope,
    timers: &mut Timers,
    found: &mut Vec<String>,
) -> Result<(), Error> {
    let (mut inflight, mut attention, mut published) =
        (BTreeSet::new(), BTreeMap::new(), BTreeSet::new());
    for (id, delivery) in view.scan::<Delivery>(scope, &Span::first(ALL))? {
        if let Some(wake) = delivery.flow.wake
            && !timers.remove(&(*scope, wake, id))
        {
            found.push(format!("no timer of {id}"));
        }
        let state = delivery.flow.state();
        match state {
            State::Held | State::Partial | State::Failed => drop(attention.insert(id, state)),
            _ => {}
        }
        if delivery.flow.is_in_flight() {
            inflight.insert((delivery.channel, id));
        }
        if let Some(Phase::Published(receipt)) = delivery.flow.parts.first().map(|p| &p.phase) {
            published.insert((delivery.channel, receipt.at, id));
        }
        let post = view.get::<Post>(scope, &delivery.post)?;
        let target = post.and_then(|p| p.targets.into_iter().find(|t| t.id == delivery.target));
        if target.and_then(|target| target.delivery) != Some(id) {
            found.push(format!("no post of {id}"));
        }
    }
    same(found, "inflight", &inflight, &keys::<Inflight>(view, scope)?);
    let noted = view.scan::<Attention>(scope, &Span::first(ALL))?;
    let noted = noted.into_iter().map(|(id, row)| (id, row.state)).collect();
    same(found, "attention", &attention, &noted);
    same(found, "published", &published, &keys::<PublishedEntry>(view, scope)?);
    Ok(())
}

fn posts(view: &View<'_>, scope: &Scope, found: &mut Vec<String>) -> Result<(), Error> {
    let mut calendar = BTreeSet::new();
    for (id, post) in view.scan::<Post>(scope, &Span::first(ALL))? {
        if let Some(schedule) = post.schedule.as_ref().filter(|_| post.deleted_at.is_none()) {
            calendar.insert((schedule.due(), id));
        }
        for delivery in post.targets.iter().filter_map(|target| target.delivery) {
            if view.get::<Delivery>(scope, &delivery)?.is_none() {
                found.push(format!("{id} has no delivery {delivery}"));
            }
        }
    }
    same(found, "calendar", &calendar, &keys::<CalendarEntry>(view, scope)?);
    Ok(())
}

fn media(view: &View<'_>, scope: &Scope, found: &mut Vec<String>) -> Result<(), Error> {
    let (mut total, mut objects) = (MediaTotal::default(), BTreeSet::new());
    for (id, asset) in view.scan::<Asset>(scope, &Span::first(ALL))? {
        total.assets += 1;
        total.bytes += asset.shape.bytes;
        objects.insert((asset.object, id));
        objects.extend(asset.thumbnail.iter().map(|small| (small.object, id)));
        if view.get_global::<AssetHome>(&id)?.is_none() {
            found.push(format!("{id} has no home"));
        }
    }
    same(found, "objects", &objects, &keys::<ObjectUse>(view, scope)?);
    same(found, "total", &total, &view.get::<MediaTotal>(scope, &())?.unwrap_or_default());
    let named = view.scan::<Post>(scope, &Span::first(ALL))?;
    let named = named.into_iter().filter(|(_, post)| post.deleted_at.is_none());
    let mut uses = BTreeSet::new();
    for (id, post) in named {
        let media = post.parts.iter().flat_map(|part| &part.media);
        uses.extend(media.map(|asset| (asset.parse().unwrap(), id)));
    }
    same(found, "uses", &uses, &keys::<AssetUse>(view, scope)?);
    Ok(())
}

/// Broken on purpose: one row less, table by table. Each must be seen.
#[test]
fn a_row_that_is_missing_is_seen() {
    type Break = fn(&mut Tx<'_>, &Scope) -> Result<(), Error>;
    fn one<R: Scoped>(tx: &mut Tx<'_>, scope: &Scope) -> Result<(), Error> {
        let (key, _) = tx.view().scan::<R>(scope, &Span::first(1))?.remove(0);
        tx.delete::<R>(scope, &key);
        Ok(())
    }
    let breaks: [(&str, Break); 10] = [
        ("timer", |tx, _| {
            let timer: TimerKey = tx.view().timers(None, Timestamp::MAX, 1)?.remove(0);
            tx.delete_timer(&timer);
            Ok(())
        }),
        ("delivery", one::<Delivery>),
        ("post", one::<Post>),
        ("calendar", one::<CalendarEntry>),
        ("inflight", one::<Inflight>),
        ("published", one::<PublishedEntry>),
        ("event", one::<ChainedEvent>),
        ("asset", one::<Asset>),
        ("use", one::<AssetUse>),
        ("object", one::<ObjectUse>),
    ];
    let mut stage = Stage::new(1);
    let minute = std::time::Duration::from_mins(1);
    let slow = carillon::practice::Act::SlowStart { delay: minute / 6 };
    stage.fault(crate::stage::KEYED, carillon::practice::Matcher::Write, 1, slow);
    let picture = stage.picture("stripes");
    stage.post_pictures(stage.feed, std::slice::from_ref(&picture), minute);
    stage.post(&[stage.keyed], &["slow"], minute);
    stage.post(&[stage.listed], &["later"], 60 * minute);
    stage.sim.pass(minute + minute / 30);
    let disk = &stage.sim.disk;
    assert_eq!(wrong(&stage.sim.services.store), Vec::<String>::new());
    for (what, damage) in breaks {
        let options = carillon::store::Options { inline: true, ..Default::default() };
        let place = carillon::store::Disk::Memory(disk.copy());
        let store = Store::open(place, options).unwrap();
        let damaged = store.write::<(), (), _>(move |tx| {
            let scope = scopes(&tx.view())?.remove(0);
            damage(tx, &scope).map_err(WriteError::Store)
        });
        damaged.now_or_never().unwrap().unwrap();
        let found = wrong(&store);
        assert!(!found.is_empty(), "a missing {what} must be seen");
    }
    println!("{} ways to break an invariant, each seen", breaks.len());
}
