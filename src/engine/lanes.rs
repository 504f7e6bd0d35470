//! Lanes: which of the due deliveries goes next. One at a time per channel, in due order; fair
//! shares of the room; nothing to a place that rests. Pure; must not read rows or clocks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::fair::{Queue, Room, Work};
use crate::base::{ChannelId, DeliveryId, Timestamp, WorkspaceId};
use crate::domain::place::Place;
use crate::store::rows::TimerKey;

/// A due delivery that somebody must work on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ticket {
    pub timer: TimerKey,
    pub channel: ChannelId,
    /// The network's word.
    pub network: &'static str,
    /// The server that it goes to.
    pub place: Arc<Place>,
    /// When its current part should go out.
    pub due: Timestamp,
    /// It may send something, so it needs its channel's lane. A look does not.
    pub sends: bool,
}

impl Ticket {
    pub fn delivery(&self) -> DeliveryId {
        self.timer.delivery()
    }

    fn workspace(&self) -> WorkspaceId {
        self.timer.scope.workspace()
    }

    fn lane(&self) -> LaneKey {
        (self.workspace(), self.channel)
    }

    fn work(&self) -> Work {
        if self.sends { Work::Send } else { Work::Look }
    }
}

type LaneKey = (WorkspaceId, ChannelId);

struct Lane {
    place: Arc<Place>,
    queue: BTreeMap<(Timestamp, DeliveryId), Ticket>,
    busy: bool,
    /// Nothing is sent on it before then.
    not_before: Timestamp,
    /// When something last went out.
    last_out: Option<Timestamp>,
    listed: Option<Listed>,
}

/// Where a lane that has something to send is found.
#[derive(Clone, Copy)]
enum Listed {
    /// Under the due time of its first ticket.
    Ready(Timestamp),
    Asleep(Timestamp),
}

/// Everything that is due and not done.
pub(super) struct Lanes {
    room: Room,
    channels: BTreeMap<LaneKey, Lane>,
    /// Lanes that could send now.
    ready: Queue<ChannelId>,
    /// Lanes that have something to send later.
    asleep: BTreeSet<(Timestamp, LaneKey)>,
    /// Places that rest until then. After that they are on trial, one delivery at a time, until
    /// they are opened.
    resting: BTreeMap<Arc<Place>, Timestamp>,
    looks: Queue<DeliveryId>,
    looking: BTreeMap<DeliveryId, Ticket>,
    running: BTreeMap<DeliveryId, Ticket>,
    queued: BTreeSet<DeliveryId>,
}

impl Lanes {
    pub fn new(per_server: usize, total: usize) -> Self {
        Self {
            room: Room::new(per_server, total),
            channels: BTreeMap::new(),
            ready: Queue::new(Work::Send),
            asleep: BTreeSet::new(),
            resting: BTreeMap::new(),
            looks: Queue::new(Work::Look),
            looking: BTreeMap::new(),
            running: BTreeMap::new(),
            queued: BTreeSet::new(),
        }
    }

    /// Changes how much is done at once; what is running goes on.
    pub fn limit(&mut self, per_server: usize, total: usize) {
        (self.room.per_server, self.room.total) = (per_server, total);
    }

    pub fn knows(&self, id: DeliveryId) -> bool {
        self.queued.contains(&id) || self.running.contains_key(&id)
    }

    pub fn is_running(&self, id: DeliveryId) -> bool {
        self.running.contains_key(&id)
    }

    pub fn queued(&self) -> usize {
        self.queued.len()
    }

    /// Channels with a due delivery that could go if there were room.
    pub fn waiting(&self) -> usize {
        self.ready.len()
    }

    pub fn running(&self) -> usize {
        self.running.len()
    }

    /// Takes a ticket in, unless its delivery is in already.
    pub fn offer(&mut self, ticket: Ticket) {
        let id = ticket.delivery();
        if self.knows(id) {
            return;
        }
        self.queued.insert(id);
        if !ticket.sends {
            self.looks.insert(ticket.workspace(), &ticket.place, (ticket.due, id));
            self.looking.insert(id, ticket);
            return;
        }
        let key = ticket.lane();
        self.unlist(key);
        self.lane(&ticket).queue.insert((ticket.due, id), ticket);
        self.list(key);
    }

    fn lane(&mut self, ticket: &Ticket) -> &mut Lane {
        let lane = self.channels.entry(ticket.lane()).or_insert_with(|| Lane {
            place: Arc::clone(&ticket.place),
            queue: BTreeMap::new(),
            busy: false,
            not_before: Timestamp::default(),
            last_out: None,
            listed: None,
        });
        if lane.listed.is_none() {
            lane.place = Arc::clone(&ticket.place);
        }
        lane
    }

    /// The next ticket to work on, if there is room for it.
    pub fn next(&mut self, now: Timestamp) -> Option<Ticket> {
        self.wake(now);
        let ticket = self.next_look().or_else(|| self.next_send())?;
        self.queued.remove(&ticket.delivery());
        self.room.take(ticket.workspace(), &ticket.place, ticket.work());
        self.running.insert(ticket.delivery(), ticket.clone());
        Some(ticket)
    }

    fn next_look(&mut self) -> Option<Ticket> {
        let most = self.room.per_server;
        let (_, id) = self.looks.pop(&self.room, |_| most)?;
        self.looking.remove(&id)
    }

    fn next_send(&mut self) -> Option<Ticket> {
        let (most, resting) = (self.room.per_server, &self.resting);
        let at_once = |place: &Arc<Place>| if resting.contains_key(place) { 1 } else { most };
        let key = self.ready.pop(&self.room, at_once)?;
        let lane = self.channels.get_mut(&key)?;
        lane.listed = None;
        lane.busy = true;
        lane.queue.pop_first().map(|(_, ticket)| ticket)
    }

    /// Its work is over; `out` is when something of it went out.
    pub fn finish(&mut self, ticket: &Ticket, out: Option<Timestamp>) {
        if self.running.remove(&ticket.delivery()).is_some() {
            self.room.give_back(ticket.workspace(), &ticket.place, ticket.work());
        }
        if ticket.sends {
            let key = ticket.lane();
            if let Some(lane) = self.channels.get_mut(&key) {
                lane.busy = false;
                lane.last_out = out.or(lane.last_out);
            }
            self.list(key);
            self.forget_if_idle(key);
        }
    }

    /// Sends nothing on this ticket's lane before `until`.
    pub fn rest(&mut self, ticket: &Ticket, until: Timestamp) {
        let key = ticket.lane();
        self.unlist(key);
        let lane = self.lane(ticket);
        lane.not_before = lane.not_before.max(until);
        self.list(key);
    }

    /// Sends nothing to a place before `until`; then one at a time, until it is opened.
    pub fn rest_place(&mut self, place: &Arc<Place>, until: Timestamp) {
        self.resting.insert(Arc::clone(place), until);
        for key in self.ready.at(place) {
            self.unlist(key);
            self.list(key);
        }
    }

    /// Everything may be sent there again.
    pub fn open_place(&mut self, place: &Arc<Place>) {
        if self.resting.remove(place).is_none() {
            return;
        }
        let there = |key: &&LaneKey| self.channels.get(key).is_some_and(|l| l.place == *place);
        let keys: Vec<_> = self.asleep.iter().map(|(_, key)| key).filter(there).copied().collect();
        for key in keys {
            self.unlist(key);
            self.list(key);
        }
    }

    /// How many channels have something to send to a place that rests, by network.
    pub fn held_back(&self) -> BTreeMap<&str, usize> {
        let mut waiting = BTreeMap::new();
        if self.resting.is_empty() {
            return waiting;
        }
        for lane in self.channels.values() {
            if lane.listed.is_some() && self.resting.contains_key(&lane.place) {
                *waiting.entry(lane.place.network.as_str()).or_default() += 1;
            }
        }
        waiting
    }

    pub fn last_out(&self, ticket: &Ticket) -> Option<Timestamp> {
        self.channels.get(&ticket.lane())?.last_out
    }

    /// When a lane that is asleep wakes up.
    pub fn next_wake(&self) -> Option<Timestamp> {
        self.asleep.first().map(|(at, _)| *at)
    }

    /// Forgets what is queued; what is running stays.
    pub fn clear_queues(&mut self) {
        self.looks.clear();
        self.looking.clear();
        self.ready.clear();
        self.asleep.clear();
        self.queued.clear();
        // By a clock that may have jumped: whoever set it sets it again.
        self.resting.values_mut().for_each(|until| *until = Timestamp::default());
        for lane in self.channels.values_mut() {
            lane.queue.clear();
            lane.listed = None;
            lane.not_before = Timestamp::default();
        }
        self.channels.retain(|_, lane| !lane.is_idle());
    }

    fn wake(&mut self, now: Timestamp) {
        for until in self.resting.values_mut().filter(|until| **until <= now) {
            *until = Timestamp::default();
        }
        while let Some((at, key)) = self.asleep.first().copied()
            && at <= now
        {
            self.unlist(key);
            if let Some(lane) = self.channels.get_mut(&key)
                && lane.not_before <= now
            {
                lane.not_before = Timestamp::default();
            }
            self.list(key);
        }
    }

    /// Puts a lane where `next` finds it, if it can send.
    fn list(&mut self, key: LaneKey) {
        let Some(lane) = self.channels.get_mut(&key) else { return };
        let Some(((due, _), _)) = lane.queue.first_key_value() else { return };
        if lane.busy || lane.listed.is_some() {
            return;
        }
        let rest = self.resting.get(&lane.place).copied().unwrap_or_default();
        let not_before = lane.not_before.max(rest);
        if not_before > Timestamp::default() {
            self.asleep.insert((not_before, key));
            lane.listed = Some(Listed::Asleep(not_before));
        } else {
            self.ready.insert(key.0, &lane.place, (*due, key.1));
            lane.listed = Some(Listed::Ready(*due));
        }
    }

    fn unlist(&mut self, key: LaneKey) {
        let Some(lane) = self.channels.get_mut(&key) else { return };
        match lane.listed.take() {
            Some(Listed::Ready(due)) => self.ready.remove(key.0, &lane.place, (due, key.1)),
            Some(Listed::Asleep(at)) => drop(self.asleep.remove(&(at, key))),
            None => {}
        }
    }

    /// A lane is kept only while it holds something: there are many channels.
    fn forget_if_idle(&mut self, key: LaneKey) {
        if self.channels.get(&key).is_some_and(Lane::is_idle) {
            self.channels.remove(&key);
        }
    }

    /// Forgets when things went out, once that is longer ago than anybody asks.
    pub fn forget_before(&mut self, then: Timestamp) {
        for lane in self.channels.values_mut() {
            lane.last_out = lane.last_out.filter(|out| *out >= then);
        }
        self.channels.retain(|_, lane| !lane.is_idle());
    }
}

impl Lane {
    fn is_idle(&self) -> bool {
        self.queue.is_empty() && !self.busy && self.last_out.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Id;
    use crate::store::Scope;
    use crate::store::rows::TimerKind;

    fn place(network: &str, server: &str) -> Arc<Place> {
        let (network, server) = (network.to_owned(), server.to_owned());
        Arc::new(Place { network, server, channel: None })
    }

    fn ticket(n: u16, channel: u16, due: u64, sends: bool) -> Ticket {
        let due = Timestamp::from_millis(due);
        let id = |n: u16| {
            let mut bytes = [7; 16];
            bytes[14..].copy_from_slice(&n.to_be_bytes());
            bytes
        };
        let scope = Scope::for_tests(Id::from_bytes([9; 16]));
        let timer = TimerKey { due, kind: TimerKind::Delivery, scope, id: id(n) };
        let channel = ChannelId::from_bytes(id(channel));
        Ticket { timer, channel, network: "feed", place: place("feed", ""), due, sends }
    }

    /// The same, of another workspace to another server.
    fn of(workspace: u8, server: &str, ticket: &Ticket) -> Ticket {
        let scope = Scope::for_tests(Id::from_bytes([workspace; 16]));
        let mut timer = TimerKey { scope, ..ticket.timer };
        timer.id[0] = workspace;
        let network = server.split_once('/').map_or("mastodon", |(network, _)| network);
        Ticket { timer, place: place(network, server), ..ticket.clone() }
    }

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    /// Starts everything that can be; by workspace and server.
    fn start(lanes: &mut Lanes, now: u64) -> Vec<Ticket> {
        std::iter::from_fn(|| lanes.next(at(now))).collect()
    }

    #[test]
    fn a_channel_sends_one_at_a_time_in_due_order() {
        let mut lanes = Lanes::new(8, 8);
        let (a, b, c) = (ticket(1, 1, 20, true), ticket(2, 1, 10, true), ticket(3, 2, 30, true));
        for t in [&a, &b, &c, &a] {
            lanes.offer(t.clone());
        }
        assert_eq!(lanes.queued(), 3);
        assert_eq!(lanes.next(at(50)), Some(b.clone()));
        assert_eq!(lanes.next(at(50)), Some(c));
        assert_eq!(lanes.next(at(50)), None);
        lanes.offer(b.clone());
        assert_eq!(lanes.queued(), 1, "what runs is not taken in again");
        lanes.finish(&b, None);
        assert_eq!(lanes.next(at(50)), Some(a));
    }

    #[test]
    fn rooms_are_per_server_and_looks_have_their_own() {
        let mut lanes = Lanes::new(1, 8);
        let (a, b, look) = (ticket(1, 1, 1, true), ticket(2, 2, 2, true), ticket(3, 1, 3, false));
        let elsewhere = of(9, "other.test", &ticket(4, 4, 4, true));
        for t in [&a, &b, &look, &elsewhere] {
            lanes.offer(t.clone());
        }
        assert_eq!(start(&mut lanes, 9), [look, a.clone(), elsewhere]);
        lanes.finish(&a, None);
        assert_eq!(lanes.next(at(9)), Some(b));
    }

    #[test]
    fn a_resting_lane_wakes_in_time_and_holds_no_other_back() {
        let mut lanes = Lanes::new(8, 8);
        let (a, b) = (ticket(1, 1, 1, true), ticket(2, 2, 2, true));
        lanes.offer(a.clone());
        lanes.rest(&a, at(100));
        lanes.offer(b.clone());
        assert_eq!(lanes.next_wake(), Some(at(100)));
        assert_eq!(lanes.next(at(50)), Some(b));
        assert_eq!(lanes.next(at(50)), None);
        assert_eq!(lanes.next(at(100)), Some(a.clone()));
        lanes.finish(&a, Some(at(100)));
        assert_eq!(lanes.last_out(&a), Some(at(100)));
        lanes.forget_before(at(101));
        assert_eq!(lanes.last_out(&a), None);
    }

    #[test]
    fn one_alone_gets_half_and_a_newcomer_always_something() {
        let mut lanes = Lanes::new(8, 64);
        for n in 0..5_000 {
            let server = format!("hangs-{}.test", n % 100);
            lanes.offer(of(1, &server, &ticket(n, n, 1, true)));
        }
        assert_eq!(start(&mut lanes, 10).len(), 32);
        // Another network, and then another workspace, for which there is room at once.
        for n in 0..100 {
            lanes.offer(of(2, &format!("webhook/{n}"), &ticket(n, n, 9, true)));
        }
        assert_eq!(start(&mut lanes, 10).len(), 16, "as much as is left then");
        lanes.offer(of(3, "fine.test", &ticket(1, 1, 10, true)));
        assert_eq!(start(&mut lanes, 10).len(), 0, "a network has its share too");
        lanes.offer(of(3, "webhook/fine", &ticket(2, 2, 10, true)));
        lanes.offer(of(3, "bluesky/fine", &ticket(3, 3, 10, true)));
        let places: Vec<_> = start(&mut lanes, 10).iter().map(|t| t.place.to_string()).collect();
        assert_eq!(places, ["bluesky/bluesky/fine"]);
    }

    /// A backlog of one workspace, a trickle of another, one place at a time.
    #[test]
    fn workspaces_take_turns() {
        let mut lanes = Lanes::new(1, 2);
        for n in 0..50 {
            lanes.offer(of(1, "one.test", &ticket(n, n, 1, true)));
        }
        for n in 0..3 {
            lanes.offer(of(2, "one.test", &ticket(n, n, 5, true)));
        }
        let mut order = String::new();
        for _ in 0..10 {
            let ticket = lanes.next(at(10)).unwrap();
            assert_eq!(lanes.next(at(10)), None);
            order.push(if ticket.workspace() == Id::from_bytes([1; 16]) { 'a' } else { 'b' });
            lanes.finish(&ticket, None);
        }
        assert_eq!(order, "abababaaaa");
    }

    #[test]
    fn a_place_rests_whole_and_is_tried_one_at_a_time() {
        let mut lanes = Lanes::new(8, 64);
        for n in 0..9 {
            lanes.offer(of(1, "down.test", &ticket(n, n, 1, true)));
        }
        let first = lanes.next(at(1)).unwrap();
        lanes.rest_place(&first.place, at(100));
        lanes.finish(&first, None);
        lanes.offer(first.clone());
        lanes.offer(of(1, "up.test", &ticket(20, 20, 2, true)));
        let started = start(&mut lanes, 50);
        assert_eq!(
            started.iter().map(|t| t.place.server.as_str()).collect::<Vec<_>>(),
            ["up.test"]
        );
        assert_eq!(
            (lanes.next_wake(), lanes.held_back()),
            (Some(at(100)), [("mastodon", 9)].into())
        );
        // On trial: one, and again one, and all when it is open.
        let one = start(&mut lanes, 100);
        assert_eq!(one.len(), 1);
        lanes.finish(&one[0], None);
        let two = start(&mut lanes, 101);
        assert_eq!(two.len(), 1);
        lanes.rest_place(&first.place, at(300));
        lanes.finish(&two[0], None);
        assert_eq!(start(&mut lanes, 200), []);
        lanes.open_place(&first.place);
        assert_eq!(start(&mut lanes, 200).len(), 7);
        assert_eq!(lanes.held_back(), BTreeMap::new());
    }

    #[test]
    fn what_is_cleared_leaves_no_trace() {
        let mut lanes = Lanes::new(1, 8);
        let running = of(1, "one.test", &ticket(1, 1, 1, true));
        lanes.offer(running.clone());
        assert_eq!(lanes.next(at(1)), Some(running.clone()));
        for n in 2..9 {
            lanes.offer(of(1, "one.test", &ticket(n, n, 1, n % 2 == 0)));
        }
        lanes.rest(&of(1, "one.test", &ticket(4, 4, 1, true)), at(500));
        lanes.clear_queues();
        assert_eq!((lanes.queued(), lanes.waiting(), lanes.next_wake()), (0, 0, None));
        lanes.offer(of(1, "one.test", &ticket(4, 4, 1, true)));
        assert_eq!(lanes.next(at(1)), None, "the server's one place is still taken");
        lanes.finish(&running, None);
        assert_eq!(start(&mut lanes, 1).len(), 1);
    }
}
