//! Topologies: the links between devices.
//!
//! The host computes the links of every device, for `wasmote run`, for plans and on Kubernetes alike, and hands each
//! device its own in its configuration as `topology`: a list of pairs of names, its own first. The same kind, number
//! of nodes and seed give the same graph everywhere.
//!
//! A group's configuration names a topology by a word, by an object, or as a list of links ([`links_of`]); a plan does
//! so in its `[topology]`. Both become a [`Graph`].
//!
//! To add a topology: a file here with its `FIELDS`, its `Shape` and a function `shape` that creates it, and one line of
//! the list of kinds in this file, with the file's `mod`. Each parameter is also a field of [`TopologyEntry`].
//!
//! [`layout`]: where nodes are drawn.

mod edges;
mod grid;
pub mod layout;
mod line;
mod random_geometric;
mod ring;
mod star;
mod tree;

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::document::explain;
use layout::Position;

/// The key in a device's configuration under which behaviours find their links.
pub const CONFIG_KEY: &str = "topology";

/// The built-in behaviour that needs links.
const ROUTING: &str = "routing";

/// Positions of two nodes that are linked, the lower one first.
pub type Link = (usize, usize);

/// Devices by name, and the names of those that each is linked with.
pub type Links = BTreeMap<String, Vec<String>>;

/// A topology as configuration files write it.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TopologyEntry {
    /// The kind; not needed with `edges`.
    pub kind: Option<Kind>,
    /// Groups whose devices are the nodes, in a plan; all by default.
    #[schemars(length(min = 1), extend("uniqueItems" = true))]
    pub groups: Option<Vec<String>>,
    /// Nodes in a row of a grid; as square as possible by default.
    #[schemars(range(min = 1))]
    pub columns: Option<u32>,
    /// Children of each node of a tree; 2 by default.
    #[schemars(range(min = 1), extend("default" = 2))]
    pub fanout: Option<u32>,
    /// Maximum length of a link of a random geometric graph on a unit square.
    #[schemars(range(max = 2), extend("exclusiveMinimum" = 0))]
    pub radius: Option<f64>,
    /// Seed of the points of a random geometric graph, the same in all runs; 1 by default.
    #[schemars(extend("default" = 1))]
    pub seed: Option<u64>,
    /// The links themselves, as pairs of devices' names.
    #[schemars(length(min = 1))]
    pub edges: Option<Vec<(String, String)>>,
}

/// Declares [`Kind`] from one list: the description, the variant, and the module with its fields and its shape.
macro_rules! kinds {
    ($($(#[doc = $doc:literal])+ $variant:ident => $module:ident,)+) => {
        /// A kind of topology.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
        #[serde(rename_all = "snake_case")]
        #[schemars(rename = "TopologyKind")]
        pub enum Kind {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Kind {
            const ALL: &[Self] = &[$(Self::$variant),+];

            /// Fields of an entry that only this kind takes.
            fn fields(self) -> &'static [&'static str] {
                match self {
                    $(Self::$variant => $module::FIELDS,)+
                }
            }

            /// The shape that an entry of this kind describes.
            fn shape(self, entry: &TopologyEntry, names: &[String]) -> Result<Box<dyn Shape>, TopologyError> {
                Ok(match self {
                    $(Self::$variant => Box::new($module::shape(entry, names)?),)+
                })
            }
        }
    };
}

kinds! {
    /// Each node is linked with the one before it.
    Line => line,
    /// A line whose ends are linked.
    Ring => ring,
    /// The first node is linked with all others.
    Star => star,
    /// Rows of nodes, each linked with its neighbours in the row and in the column.
    Grid => grid,
    /// Each node is linked with its parent.
    Tree => tree,
    /// Points at random on a unit square; those that are close enough are linked.
    RandomGeometric => random_geometric,
    /// The links in `edges`.
    Edges => edges,
}

impl Kind {
    /// The name in configuration files.
    pub fn name(self) -> String {
        serde_json::to_value(self).ok().and_then(|it| it.as_str().map(str::to_owned)).unwrap_or_default()
    }
}

/// Links and positions of a number of nodes.
trait Shape {
    /// All links, each once, in any order.
    fn links(&self, nodes: usize) -> Vec<Link>;

    /// Positions at which the nodes are drawn.
    fn layout(&self, nodes: usize) -> Vec<Position>;
}

/// A graph of named devices.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Graph {
    /// The devices, and the positions at which they are drawn.
    pub nodes: Vec<(String, Position)>,
    /// The links, in order.
    pub links: Vec<Link>,
}

/// Invalid topology: the field and the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopologyError {
    /// The field, below the topology; empty for the topology itself.
    pub field: String,
    /// The reason, with a valid alternative.
    pub problem: String,
}

/// Most devices of one topology.
pub const MAX_NODES: usize = 100_000;

/// Rejects names beyond [`MAX_NODES`], of which callers need to make only one.
fn check_size(names: &[String]) -> Result<(), TopologyError> {
    if names.len() <= MAX_NODES {
        return Ok(());
    }
    let problem = format!(
        "it links more than {MAX_NODES} devices; use fewer, or several groups with their own topology"
    );
    Err(TopologyError::new("", problem))
}

impl TopologyError {
    fn new(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { field: field.into(), problem: problem.into() }
    }

    /// Path of the field below that of the topology.
    pub fn path(&self, topology: &str) -> String {
        let dot = if self.field.is_empty() { "" } else { "." };
        format!("{topology}{dot}{}", self.field)
    }
}

impl TopologyEntry {
    /// Returns the kind after a check that all other given fields belong to it.
    pub fn checked_kind(&self) -> Result<Kind, TopologyError> {
        let kind = match (self.kind, &self.edges) {
            (Some(kind), _) => kind,
            (None, Some(_)) => Kind::Edges,
            (None, None) => {
                let computed = Kind::ALL.iter().filter(|kind| **kind != Kind::Edges);
                let names: Vec<_> = computed.map(|kind| format!("\"{}\"", kind.name())).collect();
                let (last, others) = names.split_last().expect("there are kinds");
                let problem =
                    format!("it is missing; write {} or {last}, or list `edges`", others.join(", "));
                return Err(TopologyError::new("kind", problem));
            }
        };
        match self.given().into_iter().find(|field| !kind.fields().contains(field)) {
            None => Ok(kind),
            Some(field) => {
                let takes = Kind::ALL.iter().copied().find(|kind| kind.fields().contains(&field));
                let (found, wanted) = (kind.name(), takes.unwrap_or(kind).name());
                let problem = format!("it means nothing to `{found}`; it goes with `{wanted}`");
                Err(TopologyError::new(field, problem))
            }
        }
    }

    /// Given fields that only some kinds take.
    fn given(&self) -> Vec<&'static str> {
        let fields = [
            ("columns", self.columns.is_some()),
            ("fanout", self.fanout.is_some()),
            ("radius", self.radius.is_some()),
            ("seed", self.seed.is_some()),
            ("edges", self.edges.is_some()),
        ];
        fields.into_iter().filter_map(|(field, is_given)| is_given.then_some(field)).collect()
    }

    /// The graph of these devices.
    pub fn graph(&self, names: Vec<String>) -> Result<Graph, TopologyError> {
        check_size(&names)?;
        let shape = self.checked_kind()?.shape(self, &names)?;
        let nodes = names.len();
        let mut links = shape.links(nodes);
        links.sort_unstable();
        Ok(Graph { nodes: names.into_iter().zip(shape.layout(nodes)).collect(), links })
    }
}

impl Graph {
    /// The neighbours of each device.
    pub fn neighbours(&self) -> Links {
        let mut links: Links = self.nodes.iter().map(|(name, _)| (name.clone(), Vec::new())).collect();
        for (a, b) in self.links.iter().map(|(a, b)| (&self.nodes[*a].0, &self.nodes[*b].0)) {
            for (one, other) in [(a, b), (b, a)] {
                links.entry(one.clone()).or_default().push(other.clone());
            }
        }
        links
    }
}

fn positive(field: &'static str, value: u32) -> Result<usize, TopologyError> {
    match value {
        0 => Err(TopologyError::new(field, "it is 0; use 1 or more")),
        value => Ok(value as usize),
    }
}

/// The links of a group's devices, by the group's own configuration; none if it has no topology. `names` are those of
/// its devices, in order.
///
/// The default of `routing` is a line. Other behaviours may use `topology` for values of their own, so a value that
/// describes no topology is left as it is.
pub fn links_of(
    behaviour: &str,
    config: &Map<String, Value>,
    names: impl FnOnce() -> Vec<String>,
) -> Result<Option<Links>, TopologyError> {
    match config.get(CONFIG_KEY) {
        None if behaviour == ROUTING => {
            let line = TopologyEntry { kind: Some(Kind::Line), ..TopologyEntry::default() };
            line.graph(names()).map(|graph| Some(graph.neighbours()))
        }
        None => Ok(None),
        Some(value) if behaviour == ROUTING => parse_links(value, names()).map(Some),
        Some(value) => Ok(parse_links(value, names()).ok()),
    }
}

/// The links that a configuration's `topology` describes.
fn parse_links(value: &Value, names: Vec<String>) -> Result<Links, TopologyError> {
    let entry = match value {
        Value::Array(links) => {
            check_size(&names)?;
            return links_from_pairs(links, &names);
        }
        Value::String(_) => {
            let kind = serde_json::from_value(value.clone());
            let kind = kind.map_err(|error| TopologyError::new("", explain(&error.to_string())))?;
            TopologyEntry { kind: Some(kind), ..TopologyEntry::default() }
        }
        Value::Object(_) => serde_path_to_error::deserialize::<_, TopologyEntry>(value).map_err(|error| {
            let path = error.path().to_string();
            let field = if path == "." { String::new() } else { path };
            TopologyError::new(field, explain(&error.inner().to_string()))
        })?,
        other => {
            let problem = format!(
                "expected a kind such as \"grid\", an object with a `kind`, or a list of links, found {other}"
            );
            return Err(TopologyError::new("", problem));
        }
    };
    if entry.groups.is_some() {
        let problem =
            "a group's own topology is that of its devices; a plan's `[topology]` links several groups";
        return Err(TopologyError::new("groups", problem));
    }
    entry.graph(names).map(|graph| graph.neighbours())
}

/// Links from a list of pairs. Each end is the index of a device of the group, or the name of any device.
fn links_from_pairs(pairs: &[Value], names: &[String]) -> Result<Links, TopologyError> {
    let mut links: Links = names.iter().map(|name| (name.clone(), Vec::new())).collect();
    for (position, pair) in pairs.iter().enumerate() {
        let error = |problem: String| TopologyError::new(position.to_string(), problem);
        let Some([one, other]) = pair.as_array().map(Vec::as_slice) else {
            return Err(error("expected a pair of nodes".to_owned()));
        };
        let name = |end: &Value| {
            let index = || names.get(usize::try_from(end.as_u64()?).ok()?).map(String::as_str);
            let name = end.as_str().or_else(index).map(str::to_owned);
            name.ok_or_else(|| error(format!("expected the index or id of a node, found {end}")))
        };
        let (one, other) = (name(one)?, name(other)?);
        if one == other {
            return Err(error("expected two different nodes".to_owned()));
        }
        for (own, neighbour) in [(&one, &other), (&other, &one)] {
            let neighbours = links.entry(own.clone()).or_default();
            if !neighbours.contains(neighbour) {
                neighbours.push(neighbour.clone());
            }
        }
    }
    Ok(links)
}

/// The links of these devices as a configuration lists them, each link once.
pub fn as_pairs(links: &Links, names: &[String]) -> Value {
    let own: BTreeSet<&String> = names.iter().collect();
    let of = |name: &String| links.get(name).cloned().unwrap_or_default();
    let pairs = names.iter().flat_map(|name| {
        let neighbours = of(name).into_iter().filter(|other| !own.contains(other) || name < other);
        neighbours.map(|other| Value::from(vec![name.clone(), other])).collect::<Vec<_>>()
    });
    pairs.collect::<Vec<_>>().into()
}

#[cfg(test)]
mod tests;
