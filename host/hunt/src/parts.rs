//! Parts of a case that can be removed from it.

use serde_json::Value;

use super::case::Case;

/// Place of a part that can be removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// A fault of the fleet, or of the group at this position.
    Fault(Option<usize>, usize),
    Action(usize),
    Setting(usize),
    Group(usize),
}

/// Parts of a case that can be removed.
pub(super) fn parts(case: &Case) -> Vec<Part> {
    let length = |list: Option<&Value>| list.and_then(Value::as_array).map_or(0, Vec::len);
    let groups = length(case.plan.get("group"));
    let mut parts: Vec<Part> = Vec::new();
    parts.extend((0..case.settings.len()).map(Part::Setting));
    parts.extend((0..length(case.plan.pointer("/faults/fault"))).map(|at| Part::Fault(None, at)));
    for group in 0..groups {
        let own = length(case.plan.pointer(&format!("/group/{group}/faults/fault")));
        parts.extend((0..own).map(|at| Part::Fault(Some(group), at)));
    }
    parts.extend((0..length(case.plan.get("timeline"))).map(Part::Action));
    if groups > 1 {
        parts.extend((0..groups).map(Part::Group));
    }
    parts
}

/// The case without some of its parts.
pub(super) fn without(case: &Case, removed: &[Part]) -> Case {
    let mut case = case.clone();
    // From the last to the first, so that positions stay valid.
    for part in removed.iter().rev() {
        match *part {
            Part::Setting(at) => drop(case.settings.remove(at)),
            Part::Fault(None, at) => take(case.plan.pointer_mut("/faults/fault"), at),
            Part::Fault(Some(group), at) => {
                take(case.plan.pointer_mut(&format!("/group/{group}/faults/fault")), at);
            }
            Part::Action(at) => take(case.plan.get_mut("timeline"), at),
            Part::Group(at) => take(case.plan.get_mut("group"), at),
        }
    }
    case
}

fn take(list: Option<&mut Value>, at: usize) {
    if let Some(list) = list.and_then(Value::as_array_mut).filter(|list| at < list.len()) {
        list.remove(at);
    }
}
