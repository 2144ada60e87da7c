use serde_json::json;

use super::*;

fn names(nodes: usize) -> Vec<String> {
    (0..nodes).map(|node| format!("n-{node}")).collect()
}

fn graph(entry: Value, nodes: usize) -> Graph {
    serde_json::from_value::<TopologyEntry>(entry).unwrap().graph(names(nodes)).unwrap()
}

fn links(entry: Value, nodes: usize) -> Vec<Link> {
    graph(entry, nodes).links
}

fn all() -> [Value; 7] {
    [
        json!({"kind": "line"}),
        json!({"kind": "ring"}),
        json!({"kind": "star"}),
        json!({"kind": "grid", "columns": 4}),
        json!({"kind": "tree", "fanout": 1}),
        json!({"kind": "tree", "fanout": 3}),
        json!({"kind": "random_geometric", "radius": 0.3, "seed": 5}),
    ]
}

#[test]
fn every_link_is_between_two_nodes_and_unique() {
    for entry in all() {
        for nodes in [0, 1, 2, 3, 10, 37] {
            let graph = graph(entry.clone(), nodes);
            let links = &graph.links;
            assert!(links.iter().all(|(a, b)| a < b && *b < nodes), "{entry} of {nodes}: {links:?}");
            assert!(links.windows(2).all(|pair| pair[0] < pair[1]), "{entry} of {nodes}");
            assert_eq!(graph.nodes.len(), nodes, "{entry}");
            let is_inside = |at: &f64| (-1e-9..=1.0 + 1e-9).contains(at);
            let mut positions = graph.nodes.iter().map(|(_, position)| position);
            assert!(positions.all(|(x, y)| is_inside(x) && is_inside(y)), "{entry}: {:?}", graph.nodes);
        }
    }
}

#[test]
fn each_kind_has_its_links() {
    assert_eq!(links(json!({"kind": "line"}), 4), [(0, 1), (1, 2), (2, 3)]);
    assert_eq!(links(json!({"kind": "ring"}), 4), [(0, 1), (0, 3), (1, 2), (2, 3)]);
    assert_eq!(links(json!({"kind": "star"}), 4), [(0, 1), (0, 2), (0, 3)]);
    assert_eq!(links(json!({"kind": "grid", "columns": 2}), 5), [(0, 1), (0, 2), (1, 3), (2, 3), (2, 4)]);
    assert_eq!(links(json!({"kind": "tree"}), 6), [(0, 1), (0, 2), (1, 3), (1, 4), (2, 5)]);
    let random = |radius: f64, seed: u64| {
        links(json!({"kind": "random_geometric", "radius": radius, "seed": seed}), 30)
    };
    let near = random(0.3, 5);
    assert_ne!(near, random(0.3, 6), "the seed places the points");
    assert!(near.len() < random(0.5, 5).len(), "a larger radius gives more links");
}

#[test]
fn a_random_geometric_graph_links_exactly_the_points_within_the_radius() {
    for radius in [0.05, 0.3, 1.0, 2.0] {
        let graph = graph(json!({"kind": "random_geometric", "radius": radius, "seed": 9}), 60);
        let position = |node: usize| graph.nodes[node].1;
        let is_near = |a: usize, b: usize| {
            let ((ax, ay), (bx, by)) = (position(a), position(b));
            (ax - bx) * (ax - bx) + (ay - by) * (ay - by) <= radius * radius
        };
        let pairs = (0..60).flat_map(|a| (a + 1..60).map(move |b| (a, b)));
        let expected: Vec<Link> = pairs.filter(|(a, b)| is_near(*a, *b)).collect();
        assert_eq!(graph.links, expected, "radius {radius}");
    }
}

fn routing(topology: Value, nodes: usize) -> Result<Links, TopologyError> {
    let config = json!({"topology": topology});
    let links = links_of("routing", config.as_object().unwrap(), || names(nodes))?;
    Ok(links.unwrap())
}

#[test]
fn a_configuration_and_a_plan_describe_the_same_graph() {
    for entry in all() {
        assert_eq!(routing(entry.clone(), 20), Ok(graph(entry, 20).neighbours()));
    }
    assert_eq!(routing(json!("grid"), 16), Ok(graph(json!({"kind": "grid"}), 16).neighbours()));
    let random = json!({"kind": "random_geometric"});
    assert_eq!(routing(json!("random_geometric"), 16), Ok(graph(random, 16).neighbours()));
}

#[test]
fn a_list_names_devices_by_index_or_by_name() {
    let links = routing(json!([[0, 1], ["n-1", "n-2"], [1, 0], ["n-2", "elsewhere-7"]]), 4).unwrap();
    assert_eq!(links["n-1"], ["n-0", "n-2"]);
    assert_eq!(links["n-2"], ["n-1", "elsewhere-7"]);
    assert!(links["n-3"].is_empty());
}

#[test]
fn links_written_as_pairs_are_read_back() {
    let grid = graph(json!({"kind": "grid"}), 9).neighbours();
    let sorted = |mut links: Links| {
        links.values_mut().for_each(|neighbours| neighbours.sort());
        links
    };
    let again = routing(as_pairs(&grid, &names(9)), 9).unwrap();
    assert_eq!(sorted(again), sorted(grid));
}

#[test]
fn routing_defaults_to_a_line_and_others_to_none() {
    let empty = Map::new();
    let line = links_of("routing", &empty, || names(3)).unwrap();
    assert_eq!(line, Some(graph(json!({"kind": "line"}), 3).neighbours()));
    assert_eq!(links_of("mine", &empty, || names(3)), Ok(None));
    let config = |topology: Value| json!({"topology": topology}).as_object().unwrap().clone();
    assert_eq!(links_of("mine", &config(json!("line")), || names(3)), Ok(line));
    assert_eq!(links_of("mine", &config(json!("of my own")), || names(3)), Ok(None));
}

#[test]
fn a_bad_topology_is_refused_by_field() {
    for (topology, field, problem) in [
        (json!("gird"), "", "`gird`: there is no such value; did you mean `grid`?"),
        (json!({"kind": "tree", "fanout": 0}), "fanout", "it is 0; use 1 or more"),
        (json!({"kind": "ring", "columns": 2}), "columns", "it means nothing to `ring`; it goes with `grid`"),
        (json!({"kind": "grid", "column": 2}), "column", "there is no such field; did you mean `columns`?"),
        (
            json!({"kind": "random_geometric", "radius": 0}),
            "radius",
            "0 is not a distance on a unit square; use above 0 to 2",
        ),
        (json!([[0]]), "0", "expected a pair of nodes"),
        (json!([[0, 7]]), "0", "expected the index or id of a node, found 7"),
        (json!([[0, 1], [0, 0]]), "1", "expected two different nodes"),
    ] {
        let error = routing(topology, 3).unwrap_err();
        assert_eq!(error.field, field, "{}", error.problem);
        assert!(error.problem.contains(problem), "{}", error.problem);
    }
    let missing = routing(json!({"columns": 2}), 3).unwrap_err();
    assert_eq!(missing.path("topology"), "topology.kind");
    for kind in Kind::ALL {
        assert!(missing.problem.contains(&kind.name()), "{kind:?}: {}", missing.problem);
    }
    let other = routing(json!(5), 3).unwrap_err();
    assert!(other.problem.contains("found 5") && other.path("topology") == "topology", "{}", other.problem);
}
