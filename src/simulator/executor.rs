//! Runs tasks in one thread, in the order in which they became ready. Must not wait: when nothing
//! is ready it says so.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use futures_util::future::BoxFuture;

use crate::base::Spawner;

type Queue = Arc<Mutex<VecDeque<Arc<Task>>>>;

/// The tasks of one simulated process.
pub struct Executor {
    ready: Queue,
    /// Every task, so that a crash can drop those that wait.
    all: Arc<Mutex<Vec<Arc<Task>>>>,
}

struct Task {
    future: Mutex<Option<BoxFuture<'static, ()>>>,
    ready: Queue,
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        let mut ready = lock(&self.ready);
        if !ready.iter().any(|task| Arc::ptr_eq(task, &self)) {
            ready.push_back(Arc::clone(&self));
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Executor {
    #[expect(clippy::new_without_default, reason = "an executor is made on purpose")]
    pub fn new() -> Self {
        Self { ready: Queue::default(), all: Arc::default() }
    }

    pub fn spawn(&self, future: BoxFuture<'static, ()>) {
        let task =
            Arc::new(Task { future: Mutex::new(Some(future)), ready: Arc::clone(&self.ready) });
        lock(&self.all).push(Arc::clone(&task));
        task.wake();
    }

    /// Starts tasks here, for whoever was given it.
    pub fn spawner(&self) -> Spawner {
        let (ready, all) = (Arc::clone(&self.ready), Arc::clone(&self.all));
        Arc::new(move |future| {
            Self { ready: Arc::clone(&ready), all: Arc::clone(&all) }.spawn(future);
        })
    }

    /// Polls until no task is ready.
    pub fn run_ready(&self) {
        while self.turn() {}
    }

    /// Polls at most so many times.
    pub fn run_turns(&self, turns: usize) {
        for _ in 0..turns {
            if !self.turn() {
                return;
            }
        }
    }

    /// Polls one task; `false` when none is ready.
    pub fn turn(&self) -> bool {
        let Some(task) = lock(&self.ready).pop_front() else { return false };
        // Taken out while it runs: a task that wakes itself is queued again, not polled twice.
        let Some(mut future) = lock(&task.future).take() else { return true };
        let waker = Waker::from(Arc::clone(&task));
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Pending => *lock(&task.future) = Some(future),
            Poll::Ready(()) => lock(&self.all).retain(|other| !Arc::ptr_eq(other, &task)),
        }
        true
    }

    /// Drops every task where it stands.
    pub fn clear(&self) {
        lock(&self.ready).clear();
        let tasks = std::mem::take(&mut *lock(&self.all));
        for task in tasks {
            drop(lock(&task.future).take());
        }
        lock(&self.ready).clear();
    }
}
