//! Fair shares: how much of the room each workspace, network and server has, and who is next.
//! Pure; must not know what the work is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::base::{Timestamp, WorkspaceId};
use crate::domain::place::Place;

/// The room for work, and who has how much of it.
pub(super) struct Room {
    pub per_server: usize,
    pub total: usize,
    running: usize,
    turns: u64,
    /// How much a workspace has, and when it last got something.
    workspaces: BTreeMap<WorkspaceId, (usize, u64)>,
    networks: BTreeMap<String, usize>,
    servers: BTreeMap<(Arc<Place>, Work), usize>,
}

/// Looks and sends have room of their own at a server, so that one full of doubts still publishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Work {
    Look,
    Send,
}

/// Whose turn it is: who has less goes first, then who was served longer ago.
type Rank = (usize, u64);

impl Room {
    pub fn new(per_server: usize, total: usize) -> Self {
        Self {
            per_server,
            total,
            running: 0,
            turns: 0,
            workspaces: BTreeMap::new(),
            networks: BTreeMap::new(),
            servers: BTreeMap::new(),
        }
    }

    pub fn take(&mut self, workspace: WorkspaceId, place: &Arc<Place>, work: Work) {
        self.running += 1;
        self.turns += 1;
        let mine = self.workspaces.entry(workspace).or_default();
        *mine = (mine.0 + 1, self.turns);
        *self.networks.entry(place.network.clone()).or_default() += 1;
        *self.servers.entry((Arc::clone(place), work)).or_default() += 1;
    }

    pub fn give_back(&mut self, workspace: WorkspaceId, place: &Arc<Place>, work: Work) {
        self.running = self.running.saturating_sub(1);
        if let Some(mine) = self.workspaces.get_mut(&workspace) {
            mine.0 = mine.0.saturating_sub(1);
        }
        if let Some(network) = self.networks.get_mut(&place.network) {
            *network = network.saturating_sub(1);
        }
        let server = (Arc::clone(place), work);
        let left = self.servers.remove(&server).unwrap_or(0).saturating_sub(1);
        if left > 0 {
            self.servers.insert(server, left);
        }
    }

    /// Whoever has so much may take one more only while more is free than that: one alone gets
    /// half of the room, two a third each, and there is always something left for a newcomer.
    fn is_fair(&self, has: usize) -> bool {
        has < self.total.saturating_sub(self.running)
    }

    fn rank(&self, workspace: WorkspaceId) -> Option<Rank> {
        let rank = self.workspaces.get(&workspace).copied().unwrap_or_default();
        self.is_fair(rank.0).then_some(rank)
    }

    fn has_room(&self, place: &Arc<Place>, work: Work, most: usize) -> bool {
        let network = self.networks.get(&place.network).copied().unwrap_or(0);
        let server = self.servers.get(&(Arc::clone(place), work)).copied().unwrap_or(0);
        self.is_fair(network) && server < most
    }
}

/// What waits for room, by workspace and place.
pub(super) struct Queue<T> {
    work: Work,
    workspaces: BTreeMap<WorkspaceId, Waiting<T>>,
    len: usize,
}

struct Waiting<T> {
    places: BTreeMap<Arc<Place>, BTreeSet<(Timestamp, T)>>,
    /// Each place by what is due first there.
    order: BTreeSet<(Timestamp, Arc<Place>)>,
}

impl<T: Copy + Ord> Waiting<T> {
    /// Changes what waits at a place, and keeps its place in the order.
    fn change(&mut self, place: &Arc<Place>, change: impl FnOnce(&mut BTreeSet<(Timestamp, T)>)) {
        let mut waiting = self.places.remove(place).unwrap_or_default();
        if let Some((due, _)) = waiting.first() {
            self.order.remove(&(*due, Arc::clone(place)));
        }
        change(&mut waiting);
        if let Some((due, _)) = waiting.first() {
            self.order.insert((*due, Arc::clone(place)));
            self.places.insert(Arc::clone(place), waiting);
        }
    }
}

impl<T: Copy + Ord> Queue<T> {
    pub fn new(work: Work) -> Self {
        Self { work, workspaces: BTreeMap::new(), len: 0 }
    }

    pub fn insert(&mut self, workspace: WorkspaceId, place: &Arc<Place>, entry: (Timestamp, T)) {
        let empty = || Waiting { places: BTreeMap::new(), order: BTreeSet::new() };
        let mine = self.workspaces.entry(workspace).or_insert_with(empty);
        mine.change(place, |waiting| self.len += usize::from(waiting.insert(entry)));
    }

    pub fn remove(&mut self, workspace: WorkspaceId, place: &Arc<Place>, entry: (Timestamp, T)) {
        let Some(mine) = self.workspaces.get_mut(&workspace) else { return };
        mine.change(place, |waiting| self.len -= usize::from(waiting.remove(&entry)));
        if mine.places.is_empty() {
            self.workspaces.remove(&workspace);
        }
    }

    pub fn clear(&mut self) {
        self.workspaces.clear();
        self.len = 0;
    }

    pub fn len(&self) -> usize {
        self.len
    }

    /// Everything that waits at a place.
    pub fn at(&self, place: &Arc<Place>) -> Vec<(WorkspaceId, T)> {
        let mine = self.workspaces.iter().filter_map(|(workspace, waiting)| {
            Some(waiting.places.get(place)?.iter().map(|(_, entry)| (*workspace, *entry)))
        });
        mine.flatten().collect()
    }

    /// Takes what is next out: of the workspace whose turn it is what is due first, where there is
    /// room. `most` is how much may be done at a place at once.
    pub fn pop(
        &mut self,
        room: &Room,
        most: impl Fn(&Arc<Place>) -> usize,
    ) -> Option<(WorkspaceId, T)> {
        if !room.is_fair(0) {
            return None;
        }
        let mut best: Option<(Rank, Timestamp, WorkspaceId, Arc<Place>)> = None;
        for (workspace, waiting) in &self.workspaces {
            let Some(rank) = room.rank(*workspace) else { continue };
            if best.as_ref().is_some_and(|(least, ..)| *least < rank) {
                continue;
            }
            let fits = |p: &&(Timestamp, Arc<Place>)| room.has_room(&p.1, self.work, most(&p.1));
            if let Some((due, place)) = waiting.order.iter().find(fits) {
                let this = (rank, *due, *workspace, Arc::clone(place));
                if best.as_ref().is_none_or(|best| this < *best) {
                    best = Some(this);
                }
            }
        }
        let (_, _, workspace, place) = best?;
        let first = *self.workspaces.get(&workspace)?.places.get(&place)?.first()?;
        self.remove(workspace, &place, first);
        Some((workspace, first.1))
    }
}
