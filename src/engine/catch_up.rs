//! How far the engine is with what was overdue when it could look again: after a start, a jump of
//! the clock, or a pause. Counts only; the order is the lanes'.

use std::collections::BTreeSet;

use crate::base::DeliveryId;
use crate::service::CatchingUp;

/// The overdue deliveries that were not worked on yet, and how many were.
#[derive(Default)]
pub(super) struct CatchUp {
    left: BTreeSet<DeliveryId>,
    done: usize,
}

impl CatchUp {
    /// Its timer came due long ago, and nobody looked then.
    pub fn joins(&mut self, id: DeliveryId) {
        self.left.insert(id);
    }

    /// It was worked on.
    pub fn leaves(&mut self, id: DeliveryId) {
        self.done += usize::from(self.left.remove(&id));
    }

    /// What is queued is read anew; what is still overdue joins again.
    pub fn start_over(&mut self) {
        self.left.clear();
    }

    /// Where it stands; nothing of nothing when all is done.
    pub fn state(&mut self) -> CatchingUp {
        if self.left.is_empty() {
            self.done = 0;
        }
        CatchingUp { done: self.done, of: self.done + self.left.len() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Id;

    #[test]
    fn it_counts_each_once_and_ends() {
        let ids: Vec<DeliveryId> = (0..3).map(|n| Id::from_bytes([n; 16])).collect();
        let mut catch_up = CatchUp::default();
        assert_eq!(catch_up.state(), CatchingUp::default());
        for id in ids.iter().chain(&ids) {
            catch_up.joins(*id);
        }
        catch_up.leaves(ids[0]);
        catch_up.leaves(ids[0]);
        assert_eq!(catch_up.state(), CatchingUp { done: 1, of: 3 });
        catch_up.start_over();
        catch_up.joins(ids[1]);
        assert_eq!(catch_up.state(), CatchingUp { done: 1, of: 2 }, "one was cancelled meanwhile");
        catch_up.leaves(ids[1]);
        assert_eq!(catch_up.state(), CatchingUp::default());
    }
}
