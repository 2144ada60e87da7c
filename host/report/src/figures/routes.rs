//! Routes of devices: as graphs at several times, and the number of changes over time.

use std::collections::BTreeSet;
use std::f64::consts::TAU;

use wasmote_results::OutageRow;

use super::over_time::{Bin, Line, POINTS, describe_line, duration, extent, line, sum};
use super::{Figure, PlotInput};
use crate::number::{seconds, significant};
use crate::plot::axis::Axis;
use crate::plot::chart::Chart;
use crate::plot::graph::{Arrow, Graph, Node, NodeState, Panel};
use crate::results::Run;
use crate::results::routes_at;

/// Number of graphs.
const SNAPSHOTS: usize = 6;

/// Both plots, if behaviours logged routes.
pub fn figures(input: PlotInput<'_>) -> Vec<Figure> {
    let runs = input.cohorts.iter().flat_map(|cohort| &cohort.runs);
    let Some(run) = runs.into_iter().find(|run| !run.routes.is_empty()) else { return Vec::new() };
    vec![graphs(run), changes(input)]
}

fn graphs(run: &Run) -> Figure {
    let nodes = nodes(run);
    let panels: Vec<Panel> =
        snapshot_times(run).into_iter().map(|(at, name)| panel(run, &nodes, at, &name)).collect();
    let descriptions: Vec<String> =
        panels.iter().map(|panel| format!("{}: {} routes", panel.title, panel.arrows.len())).collect();
    let graph = Graph {
        name: "routes-over-time",
        title: "Routes over time".to_owned(),
        description: format!("Next hops of the devices. {}.", descriptions.join("; ")),
        nodes: nodes.iter().map(|(name, place)| Node { name: name.clone(), place: *place }).collect(),
        links: links(run),
        panels,
    };
    let caption = format!(
        "Arrows point to the next hop; thin lines are links without a route. Squares are destinations; filled \
         discs have a route, rings have none, crosses are out. From the run with seed {}{}.",
        run.entry.seed,
        if run.entry.path == "." { String::new() } else { format!(", {}", run.entry.path) }
    );
    Figure { drawing: graph.draw(), caption }
}

/// Times of the graphs: late in each phase, when its changes have settled; without phases, at equal distances.
fn snapshot_times(run: &Run) -> Vec<(f64, String)> {
    let end = run.summary.duration_s;
    let phases = run.summary.phases.iter().filter_map(|phase| {
        let (from, to) = (phase.from_s, phase.to_s);
        (to > from).then(|| (from + (to - from) * 0.9, format!("{}, ", phase.name)))
    });
    let mut snapshot_times: Vec<(f64, String)> = phases.take(SNAPSHOTS).collect();
    if snapshot_times.is_empty() {
        snapshot_times =
            (1..=SNAPSHOTS).map(|i| (end * i as f64 / SNAPSHOTS as f64, String::new())).collect();
    }
    snapshot_times.into_iter().map(|(at, name)| (at, format!("{name}at {}", seconds(at)))).collect()
}

/// Names and positions of the nodes: from the topology, or on a circle.
fn nodes(run: &Run) -> Vec<(String, (f64, f64))> {
    if let Some(topology) = &run.topology {
        return topology.nodes.iter().map(|node| (node.device.clone(), (node.x, node.y))).collect();
    }
    let names: BTreeSet<&String> =
        run.routes.iter().flat_map(|it| [Some(&it.device), it.next_hop.as_ref()]).flatten().collect();
    let mut names: Vec<&String> = names.into_iter().collect();
    names.sort_by_key(|name| (name.len(), *name));
    let places = circle(names.len());
    names.into_iter().cloned().zip(places).collect()
}

/// Positions at equal distances on a circle, starting at the top.
fn circle(nodes: usize) -> Vec<(f64, f64)> {
    let angle = |node: usize| TAU * node as f64 / nodes.max(1) as f64;
    (0..nodes).map(|node| (0.5 + 0.5 * angle(node).sin(), 0.5 - 0.5 * angle(node).cos())).collect()
}

fn links(run: &Run) -> Vec<(String, String)> {
    if let Some(topology) = &run.topology {
        return topology.links.clone();
    }
    let used = run.routes.iter().filter_map(|it| Some((it.device.clone(), it.next_hop.clone()?)));
    used.map(|(a, b)| if a < b { (a, b) } else { (b, a) }).collect::<BTreeSet<_>>().into_iter().collect()
}

fn panel(run: &Run, nodes: &[(String, (f64, f64))], at: f64, name: &str) -> Panel {
    let routes = routes_at(&run.routes, at);
    let arrows: BTreeSet<(&str, &str)> =
        routes.iter().map(|((device, _), next_hop)| (*device, *next_hop)).collect();
    let senders: BTreeSet<&str> = run.routes.iter().map(|it| it.device.as_str()).collect();
    let out = |name: &str| {
        let at_it = |outage: &&OutageRow| outage.device == name && outage.from_s <= at && outage.end_s() > at;
        // A partitioned device still runs.
        run.outages.iter().filter(at_it).any(|outage| outage.kind != "partition")
    };
    let state = |(name, _): &(String, (f64, f64))| match name.as_str() {
        name if out(name) => NodeState::Down,
        // A destination never sends to others.
        name if !senders.contains(name) => NodeState::Destination,
        name if routes.keys().any(|(device, _)| *device == name) => NodeState::Routed,
        _ => NodeState::Unrouted,
    };
    Panel {
        title: name.to_owned(),
        states: nodes.iter().map(state).collect(),
        arrows: arrows.into_iter().map(|(from, to)| Arrow { from: from.into(), to: to.into() }).collect(),
    }
}

fn changes(input: PlotInput<'_>) -> Figure {
    let cohorts = input.representative_cohorts();
    let duration = duration(&cohorts);
    let counts: Vec<(&str, Line)> = cohorts
        .iter()
        .map(|cohort| {
            let count = |bin: &Bin<'_>| Some(sum(bin, |sample| sample.route_changes as f64));
            (cohort.label.as_str(), line(cohort, POINTS / 2, count))
        })
        .collect();
    let (_, hi) = extent(counts.iter().map(|(_, line)| line)).unwrap_or((0.0, 1.0));
    let descriptions: Vec<_> = counts
        .iter()
        .map(|(name, line)| format!("{name} {}", describe_line(line, |it| significant(it, 3))))
        .collect();
    let chart = Chart {
        name: "route-changes",
        title: "Changes of routes over time".to_owned(),
        description: format!("Changes of next hops: {}.", descriptions.join("; ")),
        x: Axis::time(duration),
        y: Axis::counts("changes", hi.max(1.0)),
        marks: input.marks_within(
            counts.iter().map(|(name, line)| (*name, line)),
            false,
            (0.0, f64::INFINITY),
        ),
        legend: input.labels.to_owned(),
        lanes: Vec::new(),
        annotations: input.annotations(),
    };
    let caption = "Number of times that a device logged another next hop, or the loss of its route.";
    Figure { drawing: chart.draw(), caption: format!("{caption} {}", input.note()).trim().to_owned() }
}
