use std::time::Duration;

use wasmote_sdk::bench::{Fleet, refusal};

use super::Planted;

fn fleet(system: &str, count: usize) -> Fleet<Planted> {
    let config = format!(r#"{{"system": "{system}"}}"#);
    let mut fleet = Fleet::<Planted>::of("node", count).config(&config).start();
    fleet.run_for(Duration::from_secs(30));
    fleet
}

#[test]
fn an_invalid_configuration_is_rejected_by_field() {
    for (config, name) in [
        (r#"{"system": "locks"}"#, "system"),
        (r#"{"system": "lock", "role": "clerk"}"#, "role"),
        (r#"{"system": "route", "defect": 1}"#, "defect"),
        (r#"{"system": "route", "speed": 1}"#, "speed"),
    ] {
        let problem = refusal::<Planted>(config);
        assert!(problem.contains(name), "{config}: {problem}");
    }
}

#[test]
fn a_counter_goes_on_after_a_crash_and_a_swap() {
    let mut fleet = fleet("counter", 1);
    let last = fleet.last("wasmote/node-0/count").number("n");
    fleet.crash(0);
    fleet.run_for(Duration::from_secs(10));
    let after_crash = fleet.last("wasmote/node-0/count").number("n");
    assert!(after_crash > last);
    fleet.swap(0);
    fleet.run_for(Duration::from_secs(3));
    assert_eq!(fleet.last("wasmote/node-0/count").number("n"), after_crash + 3.0);
}

#[test]
fn packets_arrive_at_the_first_node() {
    let fleet = fleet("route", 6);
    assert!(fleet.published("wasmote/node-0/arrived").len() > 50);
}

#[test]
fn one_device_leads_and_another_follows_it_after_a_crash() {
    let mut fleet = fleet("leader", 3);
    let leads = |fleet: &Fleet<Planted>, index: usize| {
        fleet.last(&format!("wasmote/node-{index}/leader")).text().contains("true")
    };
    let leader = (0..3).find(|index| leads(&fleet, *index)).expect("one leads");
    assert_eq!((0..3).filter(|index| leads(&fleet, *index)).count(), 1);
    fleet.stop(leader);
    fleet.run_for(Duration::from_secs(10));
    assert_eq!((0..3).filter(|index| *index != leader && leads(&fleet, *index)).count(), 1);
}

#[test]
fn a_device_is_online_again_after_a_crash() {
    let mut fleet = fleet("presence", 1);
    fleet.crash(0);
    fleet.run_for(Duration::from_secs(20));
    assert_eq!(fleet.retained("wasmote/node-0/state").map(|it| it.payload), Some(b"online".to_vec()));
}
