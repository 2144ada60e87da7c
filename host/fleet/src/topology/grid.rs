//! A grid: rows of a fixed number of columns, each node linked with its neighbours in row and column.

use super::layout::{Position, fraction};
use super::{Link, Shape, TopologyEntry, TopologyError, positive};

/// Fields of an entry that only this kind takes.
pub(super) const FIELDS: &[&str] = &["columns"];

pub(super) struct Grid {
    columns: usize,
}

/// A grid with the given `columns`, or else as square as possible.
pub(super) fn shape(entry: &TopologyEntry, names: &[String]) -> Result<Grid, TopologyError> {
    let columns = match entry.columns {
        Some(columns) => positive("columns", columns)?,
        None => (1..).find(|side| side * side >= names.len()).unwrap_or(1),
    };
    Ok(Grid { columns })
}

impl Shape for Grid {
    fn links(&self, nodes: usize) -> Vec<Link> {
        let columns = self.columns;
        let right = (1..nodes).filter(|node| node % columns > 0).map(|node| (node - 1, node));
        right.chain((columns..nodes).map(|node| (node - columns, node))).collect()
    }

    fn layout(&self, nodes: usize) -> Vec<Position> {
        let columns = self.columns;
        let rows = nodes.div_ceil(columns);
        let position = |node| (fraction(node % columns, columns.min(nodes)), fraction(node / columns, rows));
        (0..nodes).map(position).collect()
    }
}
