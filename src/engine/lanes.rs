//! Lanes: which of the due deliveries goes next. One at a time per channel, in due order; so many
//! per network and in all. Pure; must not read rows or clocks.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::{ChannelId, DeliveryId, Timestamp, WorkspaceId};
use crate::store::rows::TimerKey;

/// A due delivery that somebody must work on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ticket {
    pub timer: TimerKey,
    pub channel: ChannelId,
    /// The network's word.
    pub network: &'static str,
    /// When its current part should go out.
    pub due: Timestamp,
    /// It may send something, so it needs its channel's lane. A look does not.
    pub sends: bool,
}

impl Ticket {
    pub fn delivery(&self) -> DeliveryId {
        self.timer.delivery()
    }

    fn lane(&self) -> LaneKey {
        (self.timer.scope.workspace(), self.channel)
    }
}

type LaneKey = (WorkspaceId, ChannelId);

#[derive(Default)]
struct Lane {
    network: &'static str,
    queue: BTreeMap<(Timestamp, DeliveryId), Ticket>,
    busy: bool,
    /// Nothing is sent on it before then.
    not_before: Timestamp,
    /// When something last went out.
    last_out: Option<Timestamp>,
}

/// Everything that is due and not done.
pub(super) struct Lanes {
    per_network: usize,
    total: usize,
    channels: BTreeMap<LaneKey, Lane>,
    /// Lanes that could send now, by network and due time of their first ticket.
    ready: BTreeMap<&'static str, BTreeSet<(Timestamp, LaneKey)>>,
    /// Lanes that have something to send later.
    asleep: BTreeSet<(Timestamp, LaneKey)>,
    looks: BTreeMap<&'static str, BTreeMap<(Timestamp, DeliveryId), Ticket>>,
    running: BTreeMap<DeliveryId, Ticket>,
    queued: BTreeSet<DeliveryId>,
}

impl Lanes {
    pub fn new(per_network: usize, total: usize) -> Self {
        Self {
            per_network,
            total,
            channels: BTreeMap::new(),
            ready: BTreeMap::new(),
            asleep: BTreeSet::new(),
            looks: BTreeMap::new(),
            running: BTreeMap::new(),
            queued: BTreeSet::new(),
        }
    }

    /// Changes how much is done at once; what is running goes on.
    pub fn limit(&mut self, per_network: usize, total: usize) {
        (self.per_network, self.total) = (per_network, total);
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
        self.ready.values().map(BTreeSet::len).sum()
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
        let place = (ticket.due, id);
        if !ticket.sends {
            self.looks.entry(ticket.network).or_default().insert(place, ticket);
            return;
        }
        let key = ticket.lane();
        self.unlist(key);
        let lane = self.channels.entry(key).or_default();
        lane.network = ticket.network;
        lane.queue.insert(place, ticket);
        self.list(key);
    }

    /// The next ticket to work on, if there is room for it. Looks and sends have room of their own,
    /// so that a network full of doubts still publishes.
    pub fn next(&mut self, now: Timestamp) -> Option<Ticket> {
        self.wake(now);
        if self.running.len() >= self.total {
            return None;
        }
        let ticket = self.next_look().or_else(|| self.next_send())?;
        self.queued.remove(&ticket.delivery());
        self.running.insert(ticket.delivery(), ticket);
        Some(ticket)
    }

    fn room(&self, network: &str, sends: bool) -> bool {
        let same = |t: &&Ticket| t.network == network && t.sends == sends;
        self.running.values().filter(same).count() < self.per_network
    }

    fn next_look(&mut self) -> Option<Ticket> {
        let network = self
            .looks
            .iter()
            .filter(|(network, looks)| !looks.is_empty() && self.room(network, false))
            .min_by_key(|(_, looks)| looks.keys().next().map(|(due, _)| *due))
            .map(|(network, _)| *network)?;
        self.looks.get_mut(network)?.pop_first().map(|(_, ticket)| ticket)
    }

    fn next_send(&mut self) -> Option<Ticket> {
        let (_, key) = self
            .ready
            .iter()
            .filter(|(network, _)| self.room(network, true))
            .filter_map(|(_, lanes)| lanes.first().copied())
            .min()?;
        self.unlist(key);
        let lane = self.channels.get_mut(&key)?;
        lane.busy = true;
        lane.queue.pop_first().map(|(_, ticket)| ticket)
    }

    /// Its work is over; `out` is when something of it went out.
    pub fn finish(&mut self, ticket: &Ticket, out: Option<Timestamp>) {
        self.running.remove(&ticket.delivery());
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
        let lane = self.channels.entry(key).or_default();
        lane.network = ticket.network;
        lane.not_before = lane.not_before.max(until);
        self.list(key);
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
        for looks in self.looks.values_mut() {
            looks.clear();
        }
        self.queued.clear();
        let keys: Vec<LaneKey> = self.channels.keys().copied().collect();
        for key in keys {
            self.unlist(key);
            if let Some(lane) = self.channels.get_mut(&key) {
                lane.queue.clear();
            }
            self.forget_if_idle(key);
        }
    }

    fn wake(&mut self, now: Timestamp) {
        while let Some((at, key)) = self.asleep.first().copied()
            && at <= now
        {
            self.asleep.pop_first();
            if let Some(lane) = self.channels.get_mut(&key) {
                lane.not_before = Timestamp::default();
            }
            self.list(key);
        }
    }

    /// Puts a lane where `next` finds it, if it can send.
    fn list(&mut self, key: LaneKey) {
        let Some(lane) = self.channels.get(&key) else { return };
        let Some(((due, _), _)) = lane.queue.first_key_value() else { return };
        if lane.busy {
            return;
        }
        if lane.not_before > Timestamp::default() {
            self.asleep.insert((lane.not_before, key));
        } else {
            self.ready.entry(lane.network).or_default().insert((*due, key));
        }
    }

    fn unlist(&mut self, key: LaneKey) {
        let Some(lane) = self.channels.get(&key) else { return };
        self.asleep.remove(&(lane.not_before, key));
        if let Some(((due, _), _)) = lane.queue.first_key_value()
            && let Some(ready) = self.ready.get_mut(lane.network)
        {
            ready.remove(&(*due, key));
        }
    }

    /// A lane is kept only while it holds something: there are many channels.
    fn forget_if_idle(&mut self, key: LaneKey) {
        let idle = |lane: &Lane| lane.queue.is_empty() && !lane.busy && lane.last_out.is_none();
        if self.channels.get(&key).is_some_and(idle) {
            self.channels.remove(&key);
        }
    }

    /// Forgets when things went out, once that is longer ago than anybody asks.
    pub fn forget_before(&mut self, then: Timestamp) {
        for lane in self.channels.values_mut() {
            lane.last_out = lane.last_out.filter(|out| *out >= then);
        }
        self.channels.retain(|_, l| !l.queue.is_empty() || l.busy || l.last_out.is_some());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Id;
    use crate::store::rows::TimerKind;

    fn ticket(n: u8, channel: u8, due: u64, sends: bool) -> Ticket {
        let due = Timestamp::from_millis(due);
        let scope = crate::store::Scope::for_tests(Id::from_bytes([9; 16]));
        let timer = TimerKey { due, kind: TimerKind::Delivery, scope, id: [n; 16] };
        let channel = ChannelId::from_bytes([channel; 16]);
        Ticket { timer, channel, network: "feed", due, sends }
    }

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    #[test]
    fn a_channel_sends_one_at_a_time_in_due_order() {
        let mut lanes = Lanes::new(8, 8);
        let (a, b, c) = (ticket(1, 1, 20, true), ticket(2, 1, 10, true), ticket(3, 2, 30, true));
        for t in [a, b, c, a] {
            lanes.offer(t);
        }
        assert_eq!(lanes.queued(), 3);
        assert_eq!(lanes.next(at(50)), Some(b));
        assert_eq!(lanes.next(at(50)), Some(c));
        assert_eq!(lanes.next(at(50)), None);
        lanes.offer(b);
        assert_eq!(lanes.queued(), 1, "what runs is not taken in again");
        lanes.finish(&b, None);
        assert_eq!(lanes.next(at(50)), Some(a));
    }

    #[test]
    fn rooms_are_per_network_and_looks_have_their_own() {
        let mut lanes = Lanes::new(1, 3);
        let (a, b, look) = (ticket(1, 1, 1, true), ticket(2, 2, 2, true), ticket(3, 1, 3, false));
        for t in [a, b, look] {
            lanes.offer(t);
        }
        assert_eq!(lanes.next(at(9)), Some(look));
        assert_eq!(lanes.next(at(9)), Some(a));
        assert_eq!(lanes.next(at(9)), None);
        lanes.finish(&a, None);
        assert_eq!(lanes.next(at(9)), Some(b));
    }

    #[test]
    fn a_resting_lane_wakes_in_time_and_holds_no_other_back() {
        let mut lanes = Lanes::new(8, 8);
        let (a, b) = (ticket(1, 1, 1, true), ticket(2, 2, 2, true));
        lanes.offer(a);
        lanes.rest(&a, at(100));
        lanes.offer(b);
        assert_eq!(lanes.next_wake(), Some(at(100)));
        assert_eq!(lanes.next(at(50)), Some(b));
        assert_eq!(lanes.next(at(50)), None);
        assert_eq!(lanes.next(at(100)), Some(a));
        lanes.finish(&a, Some(at(100)));
        assert_eq!(lanes.last_out(&a), Some(at(100)));
        lanes.forget_before(at(101));
        assert_eq!(lanes.last_out(&a), None);
    }
}
