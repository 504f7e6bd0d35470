//! X, on its practice server: what is special about its threads, its evidence and its refusals.

use std::time::Duration;

use carillon::practice::Effect;

use crate::stage::{Stage, TIMELINE};

const MINUTE: Duration = Duration::from_mins(1);

fn posted(stage: &Stage) -> Vec<(String, Option<String>)> {
    let world = stage.sim.world();
    let of = |effect: &Effect| match effect {
        Effect::StatusCreated { text, in_reply_to_id, .. } => {
            Some((text.clone(), in_reply_to_id.clone()))
        }
        _ => None,
    };
    let there = world.journal().iter().filter(|entry| entry.host == TIMELINE);
    there.filter_map(|entry| of(&entry.effect)).collect()
}

#[test]
fn a_thread_goes_out_part_by_part_and_each_has_its_address() {
    let mut stage = Stage::new(1);
    let texts = ["One & <two> https://example.com/a", "Two", "Three \u{1F950}"];
    let x = stage.x;
    stage.post(&[x], &texts, MINUTE);
    stage.sim.pass(5 * MINUTE);
    let delivery = stage.deliveries().remove(0);
    assert_eq!(delivery.state, "published", "{delivery:#?}");
    let ids: Vec<_> = delivery.parts.iter().map(|part| part.remote_id.clone().unwrap()).collect();
    let first = format!("https://x.com/acme/status/{}", ids[0]);
    assert_eq!(delivery.permalink, Some(first));
    let expected: Vec<_> = texts
        .iter()
        .zip([None, Some(ids[0].clone()), Some(ids[1].clone())])
        .map(|(text, parent)| ((*text).to_owned(), parent))
        .collect();
    assert_eq!(posted(&stage), expected);
}
