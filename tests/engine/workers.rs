//! What is done now and then, apart from publishing.

use std::time::Duration;

use carillon::store::Stats;

use crate::stage::Stage;

const DAY: Duration = Duration::from_hours(24);

fn stats(stage: &Stage) -> Stats {
    stage.sim.services.store.stats()
}

#[test]
fn staged_rows_go_to_their_tables_once_it_is_quiet() {
    let mut stage = Stage::new(1);
    let channels = [stage.keyed, stage.listed];
    for n in 0..1_600 {
        stage.post(&channels, &["text"], DAY + Duration::from_secs(n * 7_919 % 86_400));
    }
    assert!(stats(&stage).staged > 4_500, "{:?}", stats(&stage));
    // The round that ends now saw the load; the next one is quiet.
    stage.sim.pass(Duration::from_secs(20));
    let after = stats(&stage);
    assert_eq!(after.staged, 0);
    stage.sim.pass(Duration::from_hours(1));
    assert_eq!(stats(&stage).commits, after.commits, "it rests when there is nothing to do");
}
