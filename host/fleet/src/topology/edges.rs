//! Links that the entry lists itself.

use std::collections::{BTreeMap, BTreeSet};

use super::layout::{Position, circle};
use super::{Link, Shape, TopologyEntry, TopologyError};
use crate::suggest::did_you_mean;

/// Fields of an entry that only this kind takes.
pub(super) const FIELDS: &[&str] = &["edges"];

pub(super) struct Edges(Vec<Link>);

pub(super) fn shape(entry: &TopologyEntry, names: &[String]) -> Result<Edges, TopologyError> {
    links(entry.edges.as_deref().unwrap_or_default(), names).map(Edges)
}

impl Shape for Edges {
    fn links(&self, _nodes: usize) -> Vec<Link> {
        self.0.clone()
    }

    fn layout(&self, nodes: usize) -> Vec<Position> {
        circle(nodes)
    }
}

fn links(listed: &[(String, String)], names: &[String]) -> Result<Vec<Link>, TopologyError> {
    if listed.is_empty() {
        let problem = "there is none; write pairs such as [\"a-0\", \"a-1\"]";
        return Err(TopologyError::new("edges", problem));
    }
    let indices: BTreeMap<&str, usize> =
        names.iter().enumerate().map(|(at, name)| (name.as_str(), at)).collect();
    let find = |name: &str| {
        indices.get(name).copied().ok_or_else(|| {
            let hint = did_you_mean(name, names.iter().map(String::as_str));
            let ends = match names {
                [first, .., last] => format!("; they are `{first}` to `{last}`"),
                _ => String::new(),
            };
            let problem = format!("no device of these groups is called `{name}`{ends}{hint}");
            TopologyError::new("edges", problem)
        })
    };
    let mut links = BTreeSet::new();
    for (one, other) in listed {
        let (a, b) = (find(one)?, find(other)?);
        if a == b {
            return Err(TopologyError::new("edges", format!("`{one}` is linked with itself")));
        }
        links.insert((a.min(b), a.max(b)));
    }
    Ok(links.into_iter().collect())
}
