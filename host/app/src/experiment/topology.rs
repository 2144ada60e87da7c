//! Who is linked with whom: given once in a plan, and handed to the behaviours of the groups it names.
//!
//! ```toml
//! [topology]
//! kind = "grid"
//! columns = 4
//! groups = ["routing"]
//! ```
//!
//! The nodes are the devices of these groups, in the order of the groups, those that join later included. Each
//! behaviour finds its own links in its configuration as `topology`: a list of pairs of names, its own first.

pub mod shape;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::plan_file::PlanFile;
use crate::actions::entry::TimelineEntry;
use crate::config::{Links, Settings};
use crate::suggest::did_you_mean;
use shape::{Link, Position, Shape};

/// A topology as people write it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TopologyEntry {
    /// The shape; not needed with `edges`.
    pub kind: Option<Kind>,
    /// Groups whose devices are the nodes; all by default.
    pub groups: Option<Vec<String>>,
    /// Of a grid: nodes in a row; as square as it can be by default.
    pub columns: Option<u32>,
    /// Of a tree: children of each node; 2 by default.
    pub fanout: Option<u32>,
    /// Of a random geometric graph on a unit square: how far links reach.
    pub radius: Option<f64>,
    /// Of a random geometric graph: what throws the points, for all runs alike; 1 by default.
    pub seed: Option<u64>,
    /// The links themselves, as pairs of devices' names.
    pub edges: Option<Vec<(String, String)>>,
}

/// A kind of shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// See [`Shape::Line`].
    Line,
    /// See [`Shape::Ring`].
    Ring,
    /// See [`Shape::Star`].
    Star,
    /// See [`Shape::Grid`].
    Grid,
    /// See [`Shape::Tree`].
    Tree,
    /// See [`Shape::RandomGeometric`].
    RandomGeometric,
    /// As listed.
    Edges,
}

impl Kind {
    fn name(self) -> String {
        serde_json::to_value(self).ok().and_then(|it| it.as_str().map(str::to_owned)).unwrap_or_default()
    }
}

/// A topology of devices with names.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Topology {
    /// The devices, and where to draw them.
    pub nodes: Vec<(String, Position)>,
    /// Positions of those that are linked.
    pub links: Vec<Link>,
}

/// A field and what is wrong with it.
type Problem = (&'static str, String);

impl Topology {
    /// Check a plan's topology and work it out, if there is one.
    pub fn of(plan: &PlanFile, settings: &Settings) -> Result<Option<Self>, Problem> {
        let Some(entry) = &plan.topology else { return Ok(None) };
        let kind = kind_of(entry)?;
        check_fields(entry, kind)?;
        let names = devices(plan, settings, groups_of(entry, settings)?);
        let (links, positions) = match kind {
            Kind::Edges => (edges(entry, &names)?, shape::circle(names.len())),
            kind => {
                let shape = shape_of(entry, kind, names.len())?;
                (shape.links(names.len()), shape.layout(names.len()))
            }
        };
        let topology = Self { nodes: names.into_iter().zip(positions).collect(), links };
        topology.check(kind)?;
        Ok(Some(topology))
    }

    /// Hand every group that has a part in it the links of its devices.
    pub fn apply_links(&self, settings: &mut Settings, plan: &PlanFile) {
        let mut links: Links = self.nodes.iter().map(|(name, _)| (name.clone(), Vec::new())).collect();
        for (a, b) in self.links.iter().map(|(a, b)| (&self.nodes[*a].0, &self.nodes[*b].0)) {
            for (one, other) in [(a, b), (b, a)] {
                links.entry(one.clone()).or_default().push(other.clone());
            }
        }
        let (links, chosen) = (Arc::new(links), plan.topology.as_ref().and_then(|it| it.groups.as_ref()));
        for group in &mut settings.groups {
            let is_in = chosen.is_none_or(|chosen| chosen.contains(&group.name));
            // What a group's own configuration says goes before.
            if is_in && !group.config.contains_key(CONFIG_KEY) {
                group.links = Some(Arc::clone(&links));
            }
        }
    }

    /// The network for `topology.json`, with positions rounded to four digits.
    pub fn network(&self) -> wasmote_results::Topology {
        let rounded = |part: f64| (part * 1e4).round() / 1e4;
        let node = |(name, (x, y)): &(String, Position)| wasmote_results::Node {
            device: name.clone(),
            x: rounded(*x),
            y: rounded(*y),
        };
        let link = |(a, b): &Link| (self.nodes[*a].0.clone(), self.nodes[*b].0.clone());
        wasmote_results::Topology {
            links: self.links.iter().map(link).collect(),
            nodes: self.nodes.iter().map(node).collect(),
        }
    }

    fn check(&self, kind: Kind) -> Result<(), Problem> {
        match self.links.is_empty() {
            true => Err(("kind", format!("a {} of {} devices has no links", kind.name(), self.nodes.len()))),
            false => Ok(()),
        }
    }
}

/// Where behaviours find their links.
pub const CONFIG_KEY: &str = "topology";

fn kind_of(entry: &TopologyEntry) -> Result<Kind, Problem> {
    match (entry.kind, &entry.edges) {
        (Some(kind), _) => Ok(kind),
        (None, Some(_)) => Ok(Kind::Edges),
        (None, None) => {
            let problem = "it is missing; write \"line\", \"ring\", \"star\", \"grid\", \"tree\" or \
                           \"random_geometric\", or list `edges`";
            Err(("kind", problem.to_owned()))
        }
    }
}

/// A field that means nothing to the kind is a mistake.
fn check_fields(entry: &TopologyEntry, kind: Kind) -> Result<(), Problem> {
    let fields = [
        ("columns", entry.columns.is_some(), Kind::Grid),
        ("fanout", entry.fanout.is_some(), Kind::Tree),
        ("radius", entry.radius.is_some(), Kind::RandomGeometric),
        ("seed", entry.seed.is_some(), Kind::RandomGeometric),
        ("edges", entry.edges.is_some(), Kind::Edges),
    ];
    match fields.into_iter().find(|(_, given, wanted)| *given && *wanted != kind) {
        None => Ok(()),
        Some((field, _, wanted)) => {
            let (found, wanted) = (kind.name(), wanted.name());
            Err((field, format!("it means nothing to `{found}`; it goes with `{wanted}`")))
        }
    }
}

fn groups_of<'a>(entry: &TopologyEntry, settings: &'a Settings) -> Result<Vec<&'a str>, Problem> {
    let known: Vec<&str> = settings.groups.iter().map(|group| group.name.as_str()).collect();
    let Some(wanted) = &entry.groups else { return Ok(known) };
    let mut found: Vec<&str> = Vec::new();
    for name in wanted {
        let Some(group) = known.iter().find(|group| *group == name) else {
            let hint = did_you_mean(name, known.iter().copied());
            let problem = format!("no group is called `{name}`; there are `{}`{hint}", known.join("`, `"));
            return Err(("groups", problem));
        };
        if found.contains(group) {
            return Err(("groups", format!("`{name}` is listed twice")));
        }
        found.push(group);
    }
    if found.is_empty() { Err(("groups", "the list is empty; name a group".to_owned())) } else { Ok(found) }
}

/// The names of all devices that these groups ever have.
fn devices(plan: &PlanFile, settings: &Settings, groups: Vec<&str>) -> Vec<String> {
    let mut counts: BTreeMap<&str, u32> =
        settings.groups.iter().map(|group| (group.name.as_str(), group.count)).collect();
    for add in plan.timeline.iter().filter_map(TimelineEntry::added) {
        if let Some(count) = counts.get_mut(add.group.as_str()) {
            *count = count.saturating_add(add.count.0);
        }
    }
    let named = |group: &&str| {
        let (group, count) = ((*group).to_owned(), counts.get(group).copied().unwrap_or(0));
        (0..count).map(move |index| format!("{group}-{index}"))
    };
    groups.iter().flat_map(named).collect()
}

fn shape_of(entry: &TopologyEntry, kind: Kind, nodes: usize) -> Result<Shape, Problem> {
    let positive = |field, value: u32| match value {
        0 => Err((field, "it is 0; use 1 or more".to_owned())),
        value => Ok(value as usize),
    };
    Ok(match kind {
        Kind::Line | Kind::Edges => Shape::Line,
        Kind::Ring => Shape::Ring,
        Kind::Star => Shape::Star,
        Kind::Grid => Shape::Grid(match entry.columns {
            Some(columns) => positive("columns", columns)?,
            None => (1..).find(|side| side * side >= nodes).unwrap_or(1),
        }),
        Kind::Tree => Shape::Tree(positive("fanout", entry.fanout.unwrap_or(2))?),
        Kind::RandomGeometric => {
            let radius = entry.radius.unwrap_or_else(|| shape::connecting_radius(nodes));
            if !(radius > 0.0 && radius <= 2.0) {
                return Err((
                    "radius",
                    format!("{radius} is no distance on a unit square; use above 0 to 2"),
                ));
            }
            Shape::RandomGeometric(radius, entry.seed.unwrap_or(1))
        }
    })
}

fn edges(entry: &TopologyEntry, names: &[String]) -> Result<Vec<Link>, Problem> {
    let listed = entry.edges.as_deref().unwrap_or_default();
    if listed.is_empty() {
        return Err(("edges", "there is none; write pairs such as [\"a-0\", \"a-1\"]".to_owned()));
    }
    let positions: BTreeMap<&str, usize> =
        names.iter().enumerate().map(|(at, name)| (name.as_str(), at)).collect();
    let find = |name: &str| {
        positions.get(name).copied().ok_or_else(|| {
            let hint = did_you_mean(name, names.iter().map(String::as_str));
            let ends = match names {
                [first, .., last] => format!("; they are `{first}` to `{last}`"),
                _ => String::new(),
            };
            ("edges", format!("no device of these groups is called `{name}`{ends}{hint}"))
        })
    };
    let mut links = BTreeSet::new();
    for (one, other) in listed {
        let (a, b) = (find(one)?, find(other)?);
        if a == b {
            return Err(("edges", format!("`{one}` is linked with itself")));
        }
        links.insert((a.min(b), a.max(b)));
    }
    Ok(links.into_iter().collect())
}
