//! After hours of downtime: what is too late is held, the rest goes out in order and spread, and
//! the operator sees how far it is.

use std::time::Duration;

use carillon::base::Timestamp;

use crate::stage::Stage;

const MINUTE: Duration = Duration::from_mins(1);
const SECOND: Duration = Duration::from_secs(1);

/// When the posts of each channel were due and went out, in due order.
fn times(stage: &mut Stage, channel: &str) -> Vec<(Timestamp, Option<Timestamp>, String)> {
    let parse = |text: &str| Timestamp::parse(text).unwrap();
    let of_channel = stage.deliveries().into_iter().filter(|d| d.channel == channel);
    let mut times: Vec<_> = of_channel
        .map(|d| (parse(&d.due), d.parts[0].published_at.as_deref().map(parse), d.state))
        .collect();
    times.sort();
    times
}

#[test]
fn overdue_posts_go_out_in_order_and_spread_and_the_too_late_are_held() {
    let mut stage = Stage::new(50);
    let channels = [stage.keyed, stage.listed, stage.feed];
    for n in 1..=50 {
        stage.post(&channels, &[&format!("post {n}")], n * 2 * MINUTE);
    }
    let on_time = stage.post(&[stage.hook], &["on time"], 105 * MINUTE);
    stage.sim.stop_engine();
    stage.sim.pass(100 * MINUTE + 30 * SECOND);
    assert!(stage.copies().is_empty());
    let start = stage.sim.now();
    stage.sim.crash().unwrap();
    stage.sim.pass(5 * SECOND);
    let behind = stage.sim.services.catching_up.get();
    // Twenty of each channel were due more than an hour ago; one of each is out. The last of each
    // was due just now.
    assert_eq!((behind.done, behind.of), (3 * 21, 3 * 49));
    stage.sim.pass(10 * MINUTE);
    let behind = stage.sim.services.catching_up.get();
    println!("catching up: {} of {}", behind.done, behind.of);
    assert_eq!((behind.done, behind.of), (3 * 31, 3 * 49));
    let hook = stage.delivery(&on_time.deliveries[0].id);
    assert_eq!(hook.state, "published");
    assert!(hook.finished_at.unwrap().as_str() < "2026-11-22T10:45:01", "others do not wait");
    stage.sim.pass(20 * MINUTE);
    assert_eq!(stage.sim.services.catching_up.get(), carillon::service::CatchingUp::default());
    for channel in channels {
        let times = times(&mut stage, &channel.to_string());
        assert_eq!(times.len(), 50);
        let mut last: Option<Timestamp> = None;
        for (due, out, state) in times {
            if start.since(due) > 60 * MINUTE {
                assert_eq!((out, state.as_str()), (None, "held"));
                continue;
            }
            assert_eq!(state, "published");
            if let Some(last) = last {
                assert!(out.unwrap().since(last) >= MINUTE, "{last} {out:?}");
            }
            last = out;
        }
        let took = last.unwrap().since(start);
        println!("30 posts of one channel caught up in {} s", took.as_secs());
        assert!(took < 30 * MINUTE, "{took:?}");
    }
}

/// A restart in the middle makes no burst: the last post is known from the disk.
#[test]
fn a_restart_while_catching_up_keeps_the_distance() {
    let mut stage = Stage::new(51);
    let channel = stage.keyed;
    for n in 1..=5 {
        stage.post(&[channel], &[&format!("post {n}")], n * MINUTE);
    }
    stage.sim.stop_engine();
    stage.sim.pass(30 * MINUTE);
    for n in 1..=5 {
        for _ in 0..3 {
            stage.sim.crash().unwrap();
            stage.sim.pass(15 * SECOND);
            assert_eq!(stage.copies().len(), n);
        }
        stage.sim.pass(16 * SECOND);
    }
    let times = times(&mut stage, &channel.to_string());
    let out: Vec<_> = times.iter().map(|(_, out, _)| out.unwrap()).collect();
    assert!(out.windows(2).all(|pair| pair[1].since(pair[0]) >= MINUTE), "{out:?}");
}
