//! Topology of a plan.
//!
//! ```toml
//! [topology]
//! kind = "grid"
//! columns = 4
//! groups = ["routing"]
//! ```
//!
//! The nodes are the devices of these groups, in the order of the groups, including those that join later.

use std::sync::Arc;

use wasmote_fleet::actions::entry::TimelineEntry;
use wasmote_fleet::config::{Group, Settings};
use wasmote_fleet::suggest::did_you_mean;
use wasmote_fleet::topology::layout::Position;
use wasmote_fleet::topology::{CONFIG_KEY, Graph, Link, TopologyEntry};

use super::plan_file::PlanFile;

/// A field and its problem.
type Problem = (String, String);

/// Checks a plan's topology and computes its graph, if there is one.
pub fn graph(plan: &PlanFile, settings: &Settings) -> Result<Option<Graph>, Problem> {
    let Some(entry) = &plan.topology else { return Ok(None) };
    let kind = entry.checked_kind().map_err(|error| (error.field, error.problem))?;
    let groups = groups_of(entry, settings)?;
    let names = groups.into_iter().flat_map(|group| names(plan, group)).collect();
    let graph = entry.graph(names).map_err(|error| (error.field, error.problem))?;
    match graph.links.is_empty() {
        true => {
            let problem = format!("a {} of {} devices has no links", kind.name(), graph.nodes.len());
            Err(("kind".to_owned(), problem))
        }
        false => Ok(Some(graph)),
    }
}

/// Sets the links of a plan's graph in the groups that are part of it. A group whose own configuration has a topology
/// keeps it.
pub fn assign(graph: &Graph, settings: &mut Settings, plan: &PlanFile) {
    let links = Arc::new(graph.neighbours());
    for group in &mut settings.groups {
        if is_assigned(plan, group) {
            group.links = Some(Arc::clone(&links));
        }
    }
}

/// Whether a group gets its links from the plan's topology.
pub fn is_assigned(plan: &PlanFile, group: &Group) -> bool {
    let is_in =
        |entry: &TopologyEntry| entry.groups.as_ref().is_none_or(|chosen| chosen.contains(&group.name));
    plan.topology.as_ref().is_some_and(is_in) && !group.config.contains_key(CONFIG_KEY)
}

/// Computes the links of groups that devices join later: their own topology includes these devices too.
pub fn include_joining(plan: &PlanFile, settings: &mut Settings) -> Result<(), Problem> {
    for group in &mut settings.groups {
        if plan.timeline.iter().filter_map(TimelineEntry::added).any(|add| add.group == group.name) {
            link_own(plan, group)?;
        }
    }
    Ok(())
}

/// Computes the links of a group from its own configuration.
pub fn link_own(plan: &PlanFile, group: &mut Group) -> Result<(), Problem> {
    let names = names(plan, group);
    group.link(|_| names).map_err(|error| {
        let path = error.path(&format!("group.{}.config.{CONFIG_KEY}", group.name));
        (path, error.problem)
    })
}

/// Network for `topology.json`, with positions rounded to four digits.
pub fn network(graph: &Graph) -> wasmote_results::Topology {
    let rounded = |part: f64| (part * 1e4).round() / 1e4;
    let node = |(name, (x, y)): &(String, Position)| wasmote_results::Node {
        device: name.clone(),
        x: rounded(*x),
        y: rounded(*y),
    };
    let link = |(a, b): &Link| (graph.nodes[*a].0.clone(), graph.nodes[*b].0.clone());
    wasmote_results::Topology {
        links: graph.links.iter().map(link).collect(),
        nodes: graph.nodes.iter().map(node).collect(),
    }
}

fn groups_of<'a>(entry: &TopologyEntry, settings: &'a Settings) -> Result<Vec<&'a Group>, Problem> {
    let Some(wanted) = &entry.groups else { return Ok(settings.groups.iter().collect()) };
    let error = |problem: String| ("groups".to_owned(), problem);
    let mut found: Vec<&Group> = Vec::new();
    for name in wanted {
        let known = || settings.groups.iter().map(|group| group.name.as_str());
        let Some(group) = settings.groups.iter().find(|group| group.name == *name) else {
            let (listed, hint) = (known().collect::<Vec<_>>().join("`, `"), did_you_mean(name, known()));
            return Err(error(format!("no group is called `{name}`; there are `{listed}`{hint}")));
        };
        if found.iter().any(|other| other.name == group.name) {
            return Err(error(format!("`{name}` is listed twice")));
        }
        found.push(group);
    }
    if found.is_empty() { Err(error("the list is empty; name a group".to_owned())) } else { Ok(found) }
}

/// Names of all devices that a group ever has, but at most `MAX_NODES + 1`, which is enough for the error about too many.
fn names(plan: &PlanFile, group: &Group) -> Vec<String> {
    let joining = plan.timeline.iter().filter_map(TimelineEntry::added);
    let joining = joining.filter(|add| add.group == group.name).map(|add| add.count.0);
    let count = joining.fold(group.count, u32::saturating_add);
    group.names_of(None, count)
}
