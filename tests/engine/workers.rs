//! What is done now and then, apart from publishing.

use std::time::Duration;

use carillon::domain::access::Close;
use carillon::store::{Stats, Table};

use crate::stage::{KEYED, Stage};

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
    // The round that ends now saw the load; the next one is quiet. By then it is also noted since
    // when there is no backup.
    stage.sim.pass(Duration::from_secs(40));
    let after = stats(&stage);
    assert_eq!(after.staged, 0);
    stage.sim.pass(Duration::from_hours(1));
    assert_eq!(stats(&stage).commits, after.commits, "it rests when there is nothing to do");
}

fn delete(stage: &mut Stage) {
    let access = stage.sim.access::<Close>(stage.workspace).unwrap();
    let services = stage.sim.services.clone();
    stage.sim.run(async move { services.delete_workspace(access).await }).unwrap().unwrap();
}

#[test]
fn a_deleted_workspace_sends_nothing_and_is_erased_after_its_day() {
    let mut stage = Stage::new(1);
    let keyed = [stage.keyed];
    stage.post(&keyed, &["soon"], Duration::from_hours(1));
    stage.post(&keyed, &["later"], DAY * 2);
    let gone = stage.workspace;
    let other = stage.enter_new("Others");
    assert_eq!(other, gone);
    let others = stage.add("mastodon", Some(KEYED), Some("token-keyed"));
    stage.post(&[others], &["theirs"], DAY * 2);
    let kept = std::mem::replace(&mut stage.workspace, gone);
    delete(&mut stage);
    stage.sim.pass(DAY + Duration::from_hours(2));
    let mut left = std::collections::BTreeSet::new();
    let all = stage.sim.services.store.dump(|table, key, _| {
        if key.starts_with(gone.as_bytes()) {
            left.insert(table);
        }
        Ok::<(), ()>(())
    });
    all.unwrap().unwrap();
    // What happened, and that it was erased.
    assert_eq!(left, [Table::Events, Table::Erasures].into());
    stage.workspace = kept;
    stage.sim.pass(DAY * 2);
    assert_eq!(stage.copies(), [(format!("{KEYED} theirs"), 1)].into());
}

#[test]
fn a_workspace_that_is_had_back_goes_on() {
    let mut stage = Stage::new(1);
    let keyed = [stage.keyed];
    stage.post(&keyed, &["meanwhile"], Duration::from_hours(1));
    stage.post(&keyed, &["later"], Duration::from_hours(3));
    delete(&mut stage);
    stage.sim.pass(Duration::from_mins(90));
    assert_eq!(stage.copies().len(), 0);
    let access = stage.sim.access::<Close>(stage.workspace).unwrap();
    let services = stage.sim.services.clone();
    stage.sim.run(async move { services.restore_workspace(access).await }).unwrap().unwrap();
    stage.sim.pass(DAY * 2);
    let sent = ["later", "meanwhile"].map(|text| (format!("{KEYED} {text}"), 1));
    assert_eq!(stage.copies(), sent.into(), "half an hour is within the grace of lateness");
}
