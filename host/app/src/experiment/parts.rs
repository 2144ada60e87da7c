//! Parts of a run: the whole after the warm-up, groups, and phases.

use wasmote_sim::time::Time;

use super::cells::Cells;
use super::figures::Figures;
use super::plan::Point;
use super::script::Phase;
use super::threshold::Part;

/// The stretch of time that is measured: after the warm-up.
pub fn measured(point: &Point, end: Time) -> (Time, Time) {
    (Time::ZERO + point.document.warm_up.0, end)
}

/// The stretch of a phase that is measured.
pub fn phase(point: &Point, phase: &Phase, end: Time) -> (Time, Time) {
    let (from, to) = measured(point, end);
    (phase.from.max(from), phase.to.min(to))
}

/// What was counted in a part of a run up to some time.
pub fn figures(point: &Point, cells: &Cells, part: &Part, until: Time) -> Figures {
    let (from, to) = measured(point, until);
    match part {
        Part::Whole => cells.sum(from, to, None),
        Part::Group(name) => {
            let group = point.settings.groups.iter().position(|group| group.name == *name);
            cells.sum(from, to, group)
        }
        Part::Phase(name) => match point.script.phases.iter().find(|phase| phase.name == *name) {
            Some(found) => {
                let (from, to) = phase(point, found, until);
                cells.sum(from, to, None)
            }
            None => Figures::default(),
        },
    }
}
