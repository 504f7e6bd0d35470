//! What the same machine can do at best: a bare axum server in front of one redb table, with the
//! durability and the batching of the store and as many bytes a post, and nothing else.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::body::Bytes;
use axum::http::StatusCode;
use axum::routing::post;
use redb::{Database, TableDefinition};
use tokio::sync::{mpsc, oneshot};

const ROWS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("rows");
const BATCH: usize = 1_024;
const CACHE: usize = 64 << 20;

struct Job {
    key: u64,
    reply: oneshot::Sender<()>,
}

/// Serves until killed; prints its address. Every POST writes one row of `row_bytes` and is answered
/// with `answer_bytes`.
pub async fn serve(folder: &Path, row_bytes: usize, answer_bytes: usize) {
    let database =
        Database::builder().set_cache_size(CACHE).create(folder.join("baseline.redb")).unwrap();
    let (sender, jobs) = mpsc::channel::<Job>(BATCH * 4);
    std::thread::spawn(move || write(&database, jobs, row_bytes));
    let count = Arc::new(AtomicU64::new(0));
    let answer = Bytes::from(vec![b'x'; answer_bytes]);
    let handler = move |_body: Bytes| async move {
        let (reply, done) = oneshot::channel();
        let key = count.fetch_add(1, Ordering::Relaxed);
        sender.send(Job { key, reply }).await.unwrap();
        done.await.unwrap();
        (StatusCode::CREATED, answer)
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("address: {}", listener.local_addr().unwrap());
    axum::serve(listener, Router::new().route("/", post(handler))).await.unwrap();
}

fn write(database: &Database, mut jobs: mpsc::Receiver<Job>, row_bytes: usize) {
    let row = vec![7; row_bytes];
    while let Some(first) = jobs.blocking_recv() {
        let mut batch = vec![first];
        while batch.len() < BATCH
            && let Ok(job) = jobs.try_recv()
        {
            batch.push(job);
        }
        let mut txn = database.begin_write().unwrap();
        txn.set_two_phase_commit(true);
        txn.set_quick_repair(true);
        {
            let mut table = txn.open_table(ROWS).unwrap();
            for job in &batch {
                table.insert(job.key, row.as_slice()).unwrap();
            }
        }
        txn.commit().unwrap();
        for job in batch {
            job.reply.send(()).unwrap();
        }
    }
}
