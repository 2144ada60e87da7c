use crate::Routing;
use std::time::Duration;
use wasmote_sdk::Request;
use wasmote_sdk::bench::{Fleet, refusal};
use wasmote_sdk::json::Value;

const SECOND: Duration = Duration::from_secs(1);

fn line(count: u32) -> Vec<(u32, u32)> {
    (1..count).map(|node| (node - 1, node)).collect()
}

fn ring(count: u32) -> Vec<(u32, u32)> {
    [line(count), vec![(0, count - 1)]].concat()
}

fn grid(count: u32, columns: u32) -> Vec<(u32, u32)> {
    let beside = (1..count).filter(|node| node % columns > 0).map(|node| (node - 1, node));
    beside.chain((columns..count).map(|node| (node - columns, node))).collect()
}

/// A configuration with these links, as the host hands them over.
fn with_links(links: &[(u32, u32)], config: &str) -> String {
    let pairs: Vec<String> =
        links.iter().map(|(a, b)| format!(r#"["routing-{a}", "routing-{b}"]"#)).collect();
    let others = config.trim_start_matches('{');
    let comma = if others.starts_with('}') { "" } else { ", " };
    format!(r#"{{"topology": [{}]{comma}{others}"#, pairs.join(", "))
}

fn fleet(count: usize, config: &str) -> Fleet<Routing> {
    Fleet::of("routing", count).config(config).start()
}

/// Faults on every delivery: lost with this probability, and late by 10 ms up to this maximum.
fn lossy(probability: f64, max: &str) -> String {
    format!(
        r#"
        [[fault]]
        kind = "loss"
        direction = "in"
        probability = {probability}

        [[fault]]
        kind = "delay"
        direction = "in"
        min = "10ms"
        max = "{max}"
        "#
    )
}

fn index(id: &str) -> usize {
    id.rsplit('-').next().unwrap().parse().unwrap()
}

fn next_hop(fleet: &Fleet<Routing>, node: usize) -> Option<usize> {
    fleet.behaviour(node).routes.next_hop.as_deref().map(index)
}

fn hops(fleet: &Fleet<Routing>, node: usize) -> Option<u64> {
    fleet.behaviour(node).routes.distance().map(|distance| distance.hops)
}

/// Follows the next hops from each node. A chain may end anywhere, but must not contain a cycle.
fn assert_no_loop(fleet: &Fleet<Routing>, count: usize) {
    for start in 0..count {
        let mut node = start;
        for _ in 0..count {
            match next_hop(fleet, node) {
                Some(next) => node = next,
                None => break,
            }
        }
        assert!(
            next_hop(fleet, node).is_none(),
            "a loop at {:?} from node {start} by way of {node}",
            fleet.now()
        );
    }
}

/// Runs the fleet and checks the successor graph after every event.
fn run_checked(fleet: &mut Fleet<Routing>, count: usize, time: Duration) {
    let end = fleet.now() + time;
    while fleet.step_until(end) {
        assert_no_loop(fleet, count);
    }
    fleet.run_for(end.saturating_sub(fleet.now()));
}

/// Expected distances to node 0, by breadth-first search.
fn distances(count: u32, neighbours: impl Fn(u32) -> Vec<u32>) -> Vec<Option<u64>> {
    let mut found = vec![None; count as usize];
    found[0] = Some(0);
    let mut edge = vec![0];
    while !edge.is_empty() {
        let mut next = Vec::new();
        for node in edge {
            for other in neighbours(node) {
                if found[other as usize].is_none() {
                    found[other as usize] = Some(found[node as usize].unwrap() + 1);
                    next.push(other);
                }
            }
        }
        edge = next;
    }
    found
}

fn assert_converges(topology: &str, links: &[(u32, u32)]) {
    let count = 1 + links.iter().map(|(_, node)| *node).max().unwrap_or(0);
    let mut fleet = fleet(count as usize, &with_links(links, "{}"));
    run_checked(&mut fleet, count as usize, 20 * SECOND);
    let neighbours = |node: u32| {
        let ends = links.iter().flat_map(|(a, b)| [(*a, *b), (*b, *a)]);
        ends.filter(|(own, _)| *own == node).map(|(_, other)| other).collect()
    };
    let expected = distances(count, neighbours);
    for (node, expected) in expected.iter().enumerate().skip(1) {
        assert_eq!(hops(&fleet, node), *expected, "{topology}: node {node}");
    }
    assert!(!fleet.observations("convergence_seconds").is_empty());
}

#[test]
fn every_topology_converges_to_shortest_routes_without_a_loop() {
    assert_converges("line", &line(12));
    assert_converges("ring", &ring(12));
    assert_converges("grid", &grid(16, 4));
    let tree: Vec<_> = (1..20).map(|node| ((node - 1) / 3, node)).collect();
    assert_converges("tree", &tree);
    let meshed: Vec<_> =
        (1..20).flat_map(|node| [(node / 2, node), (node * 7 % node.min(5), node)]).collect();
    assert_converges("mesh", &meshed);
    assert_converges("list", &[(0, 1), (1, 2), (2, 3), (0, 3)]);
}

#[test]
fn data_reaches_the_sink_over_the_hops_it_takes() {
    let mut fleet = fleet(5, &with_links(&line(5), r#"{"data_interval": "2s"}"#));
    fleet.run_for(100 * SECOND);
    let generated = fleet.counter("data_generated_total");
    let delivered = fleet.counter("data_delivered_total");
    assert!(delivered >= generated - 4.0 && generated > 150.0, "{delivered} of {generated}");
    assert!(fleet.counter("data_confirmed_total") >= delivered - 4.0);
    let hops = fleet.observations("hops");
    assert!((1..=4).all(|wanted| hops.contains(&f64::from(wanted))));
    assert_eq!(fleet.gauge(0, "delivery_ratio"), Some(1.0));
    assert_eq!(fleet.counter("retransmissions_total"), 0.0);
}

#[test]
fn a_silent_node_is_routed_around() {
    let mut fleet = fleet(9, &with_links(&ring(9), r#"{"data_interval": "2s"}"#));
    fleet.run_for(20 * SECOND);
    assert_eq!(next_hop(&fleet, 2), Some(1));
    fleet.partition(1);
    run_checked(&mut fleet, 9, 40 * SECOND);
    assert_eq!(next_hop(&fleet, 2), Some(3), "the long way round");
    assert_eq!(hops(&fleet, 2), Some(7));
    fleet.heal(1);
    run_checked(&mut fleet, 9, 20 * SECOND);
    assert_eq!(hops(&fleet, 2), Some(2));
}

#[test]
fn a_link_that_works_one_way_only_is_not_used() {
    let mut fleet = fleet(3, &with_links(&ring(3), "{}"));
    fleet.run_for(20 * SECOND);
    assert_eq!(hops(&fleet, 1), Some(1));
    // Node 1 still hears the sink, but the sink does not hear node 1.
    fleet.cut(1, 0);
    run_checked(&mut fleet, 3, 30 * SECOND);
    assert_eq!((next_hop(&fleet, 1), hops(&fleet, 1)), (Some(2), Some(2)));
    fleet.mend(1, 0);
    run_checked(&mut fleet, 3, 20 * SECOND);
    assert_eq!(hops(&fleet, 1), Some(1));
}

#[test]
fn hop_by_hop_retransmission_recovers_losses() {
    let mut fleet = fleet(6, &with_links(&line(6), r#"{"data_interval": "5s"}"#));
    fleet.faults(&lossy(0.1, "500ms"));
    fleet.run_for(600 * SECOND);
    let (generated, delivered) =
        (fleet.counter("data_generated_total"), fleet.counter("data_delivered_total"));
    // Without retransmission a fifth to a third would be lost.
    assert!(delivered / generated > 0.97, "{delivered} of {generated}");
    assert!(fleet.counter("retransmissions_total") > 50.0);
    assert!(fleet.gauge(0, "delivery_ratio").unwrap() > 0.97);
}

#[test]
fn no_loop_forms_under_faults() {
    for seed in 0..12 {
        let mut fleet = Fleet::<Routing>::of("routing", 12)
            .config(&with_links(&grid(12, 4), r#"{"data_interval": "3s"}"#))
            .seed(seed)
            .start();
        // Some delays exceed the hello interval, so that hellos overtake each other.
        fleet.faults(&lossy(0.15, "2500ms"));
        let mut chance = seed;
        for _ in 0..40 {
            chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let (what, node, other) =
                (chance >> 60, (chance >> 40) as usize % 12, (chance >> 20) as usize % 12);
            match what {
                0..4 => fleet.partition(node),
                4..8 => fleet.heal(node),
                8..10 => fleet.cut(node, other),
                10..12 => fleet.mend(node, other),
                12..14 => {
                    fleet.stop(node);
                    fleet.restart(node);
                }
                _ => {
                    fleet.crash(node);
                    fleet.restart(node);
                }
            }
            run_checked(&mut fleet, 12, 5 * SECOND);
        }
    }
}

#[test]
fn undeliverable_packets_are_dropped_with_a_reason() {
    let mut fleet =
        fleet(2, &with_links(&line(2), r#"{"data_interval": "1s", "keep_for": "10s", "queue": 5}"#));
    fleet.partition(0);
    fleet.run_for(60 * SECOND);
    assert!(fleet.counter("drops_no_route_total") > 5.0);
    assert!(fleet.counter("drops_queue_full_total") > 5.0);
    assert!(fleet.get(1, "/").get("waiting").unwrap().number().unwrap() <= 5.0);
}

#[test]
fn the_ttl_bounds_the_path() {
    let mut fleet = fleet(5, &with_links(&line(5), r#"{"data_interval": "2s", "ttl": 2}"#));
    fleet.run_for(60 * SECOND);
    assert!(fleet.observations("hops").iter().all(|hops| *hops <= 2.0));
    assert!(fleet.counter("drops_ttl_total") > 10.0);
}

#[test]
fn any_node_can_be_the_sink() {
    for sink in ["3", "\"routing-3\""] {
        let mut fleet = fleet(5, &with_links(&line(5), &format!(r#"{{"sink": {sink}}}"#)));
        fleet.run_for(20 * SECOND);
        assert_eq!((hops(&fleet, 0), hops(&fleet, 4)), (Some(3), Some(1)));
    }
}

#[test]
fn a_swap_keeps_routes_and_packets() {
    let mut fleet = fleet(4, &with_links(&line(4), r#"{"data_interval": "2s"}"#));
    fleet.run_for(20 * SECOND);
    for node in 0..4 {
        let before = hops(&fleet, node);
        fleet.swap(node);
        assert_eq!(hops(&fleet, node), before, "node {node}");
    }
    run_checked(&mut fleet, 4, 30 * SECOND);
    let (generated, delivered) =
        (fleet.counter("data_generated_total"), fleet.counter("data_delivered_total"));
    assert!(delivered >= generated - 3.0, "{delivered} of {generated}");
}

#[test]
fn it_answers_http_requests() {
    let mut fleet = fleet(3, &with_links(&line(3), "{}"));
    fleet.run_for(20 * SECOND);
    let route = fleet.get(2, "/routes");
    assert_eq!(route.get("next_hop").unwrap().text(), Some("routing-1"));
    assert_eq!(route.get("sink").unwrap().text(), Some("routing-0"));
    let neighbours = fleet.get(1, "/neighbours");
    let rows = neighbours.get("neighbours").unwrap().list().unwrap();
    assert_eq!(rows.len(), 2);
    assert!(rows.iter().all(|row| row.get("usable").and_then(Value::boolean) == Some(true)));
    assert_eq!(fleet.get(2, "/").get("hops").unwrap().number(), Some(2.0));
    assert_eq!(fleet.request(0, Request::new("POST", "/routes")).status, 405);
}

#[test]
fn messages_over_unknown_links_are_ignored() {
    let mut fleet = fleet(3, &with_links(&line(3), "{}"));
    fleet.run_for(20 * SECOND);
    let lie = r#"{"type":"hello","ts":9e15,"distance":[9000000,0],"heard":["routing-2"]}"#;
    fleet.send("wasmote/link/routing-0/routing-2", lie);
    fleet.run_for(SECOND);
    assert_eq!(next_hop(&fleet, 2), Some(1));
}

#[test]
fn hostile_input_does_not_panic() {
    let mut fleet = fleet(3, &with_links(&line(3), "{}"));
    fleet.run_for(5 * SECOND);
    let values =
        ["null", "-1", "1e300", "9007199254740992", "[]", "[9007199254740992,254]", "[1,255]", "\"\"", "{}"];
    for kind in ["hello", "data", "ack", "confirm", "other"] {
        for value in values {
            let message = format!(
                r#"{{"type":"{kind}","ts":{value},"distance":{value},"heard":{value},"id":{value},"origin":{value},
                    "number":{value},"made":{value},"ttl":{value},"path":{value}}}"#
            );
            let nearly = format!(
                r#"{{"type":"{kind}","ts":1e15,"distance":{value},"heard":["routing-1"],"id":"a/1","origin":"a",
                    "number":{value},"made":1e300,"ttl":0,"path":["a"]}}"#
            );
            for to in 0..3 {
                for from in ["routing-0", "routing-1", "routing-2", "x"] {
                    fleet.send(&format!("wasmote/link/{from}/routing-{to}"), message.clone());
                    fleet.send(&format!("wasmote/link/{from}/routing-{to}"), nearly.clone());
                }
            }
        }
    }
    fleet.send("wasmote/link/routing-0/routing-1", vec![b'['; 10_000]);
    fleet.run_for(120 * SECOND);
    fleet.get(1, "/neighbours");
}

#[test]
fn an_invalid_configuration_is_rejected_by_field() {
    for (config, problem) in [
        ("{}", "configuration: topology: expected a list of links, as the host computes it"),
        (
            r#"{"topology": "star"}"#,
            "configuration: topology: expected a list of links, as the host computes it",
        ),
        (r#"{"topology": [["a"]]}"#, "configuration: topology.0: expected the ids of two nodes"),
        (r#"{"topology": [["a", "b"], [0, 1]]}"#, "configuration: topology.1: expected the ids of two nodes"),
        (r#"{"sink": 5}"#, "configuration: sink: there is no node 5 in this group"),
        (r#"{"ttl": 0}"#, "configuration: ttl: expected at least 1 and at most 255, found 0"),
    ] {
        assert_eq!(refusal::<Routing>(config), problem);
    }
    let links: Vec<_> = (1..=65).map(|node| format!(r#"["device-0", "device-{node}"]"#)).collect();
    assert_eq!(
        refusal::<Routing>(&format!(r#"{{"topology": [{}]}}"#, links.join(","))),
        "configuration: topology: device-0 has more than 64 links"
    );
}

#[test]
fn data_arrives_over_links_with_a_layout() {
    for layout in [
        r#"{"topics": {"link": "mesh/{group}/{device}/to-{to}"}, "payloads": {"link": {"encoding": "cbor"}}}"#,
        r#"{"topics": {"link": "/{to}/{device}"}, "payload": {"encoding": "messagepack", "time": "epoch_us", "times": ["ts", "made"]}}"#,
    ] {
        let config = with_links(&line(3), &format!(r#"{{"data_interval": "1s", "layout": {layout}}}"#));
        let mut fleet = fleet(3, &config);
        fleet.run_for(30 * SECOND);
        assert!(fleet.counter("data_delivered_total") > 20.0, "{layout}");
        assert_eq!(fleet.counter("malformed_total"), 0.0, "{layout}");
        let delivered = fleet.observations("delivery_seconds");
        assert!(delivered.iter().all(|took| (0.0..20.0).contains(took)), "{layout}: {delivered:?}");
        assert!(fleet.published("wasmote/link/#").is_empty(), "{layout}");
    }
}
