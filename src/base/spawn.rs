//! Starting a task as a parameter, so that a simulator can own the order in which tasks run.
//! Must not be bypassed by the engine.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio_util::task::TaskTracker;

/// Starts a task; its result goes wherever the task itself sends it.
pub type Spawner = Arc<dyn Fn(BoxFuture<'static, ()>) + Send + Sync>;

/// Tasks on the tokio runtime, counted by `tracker` so that a stop can wait for them.
pub fn tokio_spawner(tracker: TaskTracker) -> Spawner {
    Arc::new(move |task| drop(tracker.spawn(task)))
}
