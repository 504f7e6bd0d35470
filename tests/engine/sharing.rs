//! Bulkheads: what goes wrong for one workspace or one server takes nothing from the others.

use std::time::Duration;

use carillon::base::{ChannelId, Timestamp};
use carillon::practice::{Act, Matcher, RequestLine};

use crate::stage::{KEYED, LISTED, Stage};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);

/// One workspace has 5,000 posts due on a server that hangs, another one post on a good server of
/// the same network, due a moment later.
#[test]
fn a_backlog_on_a_hanging_server_delays_nobody_else() {
    let mut stage = Stage::new(1);
    let hanging: Vec<ChannelId> =
        (0..50).map(|_| stage.add("mastodon", Some(KEYED), Some("token-keyed"))).collect();
    stage.fault(KEYED, Matcher::Write, u32::MAX, Act::SlowStart { delay: MINUTE });
    let start = stage.sim.now().plus(MINUTE);
    for n in 0..100 {
        let left = start.since(stage.sim.now());
        stage.post(&hanging, &[&format!("post {n}")], left);
    }
    let first = stage.enter_new("Bolt");
    let good = stage.add("mastodon", Some(LISTED), Some("token-listed"));
    let after = start.since(stage.sim.now()) + SECOND;
    stage.post(&[good], &["on time"], after);
    let due = stage.sim.now().plus(after);
    stage.sim.pass(after + 2 * SECOND);
    let delivery = stage.deliveries().remove(0);
    assert_eq!(delivery.state, "published");
    let out: Timestamp =
        Timestamp::parse(delivery.parts[0].published_at.as_ref().unwrap()).unwrap();
    assert!(out.since(due) < SECOND, "due {due}, out {out}");
    // The backlog is real, and the server has got no more at once than it may have.
    let write = |line: &&RequestLine| line.host == KEYED && line.path == "/api/v1/statuses";
    assert_eq!(stage.sim.world().requests().filter(write).count(), 8);
    stage.workspace = first;
    let shown = stage.deliveries();
    assert_eq!(shown.iter().filter(|d| d.state == "scheduled").count(), shown.len());
}
