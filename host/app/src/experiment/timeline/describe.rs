//! What a step of a timeline says of itself beside its name: for whom it is, and with what.

use serde_json::Value;
use wasmote_sim::faults::document::FaultEntry;

use super::{Action, Scope, Timeline};
use crate::fault_set::FaultSet;

impl Timeline {
    /// For `timeline.csv`. So many devices are concerned, where it is for devices.
    pub fn describe(&self, action: &Action, affected: Option<usize>) -> String {
        let mut words = action.details();
        if let Action::EndFault(number) = action {
            words.extend(self.actions.iter().find_map(|(_, other)| match other {
                Action::BeginFault(other_number, timed_fault) if other_number == number => {
                    Some(timed_fault.fault.id.to_string())
                }
                _ => None,
            }));
        }
        words.extend(affected.map(|count| match count {
            1 => "1 device".to_owned(),
            count => format!("{count} devices"),
        }));
        words.join("; ")
    }
}

impl Action {
    fn details(&self) -> Vec<String> {
        let group = |name: &str| format!("group {name}");
        match self {
            Self::Faults(scope, None) => vec![scope.describe(), "as at the beginning".to_owned()],
            Self::Faults(scope, Some(set)) => vec![scope.describe(), describe_set(set)],
            Self::BeginFault(_, timed_fault) => {
                let selection_text = timed_fault.selection.as_ref().map(|selection| selection.describe());
                [describe_entry(&timed_fault.entry)].into_iter().chain(selection_text).collect()
            }
            Self::Crash(selection) | Self::Stop(selection) | Self::Start(selection) => {
                vec![selection.describe()]
            }
            Self::Broker(fault, _, lasting) => {
                vec![format!("{fault} for {}", humantime::format_duration(*lasting))]
            }
            Self::Publish(message) => vec![format!("topic {}", message.topic)],
            Self::PublishAs(devices, message) => {
                vec![format!("devices {}", devices.as_str()), format!("topic {}", message.topic)]
            }
            Self::Request(devices, request) => {
                vec![format!("devices {}", devices.as_str()), format!("{} {}", request.method, request.url)]
            }
            Self::Add(name, count) => vec![group(name), format!("{count} more")],
            Self::Configure(changed) => vec![group(&changed.name)],
            Self::Swap(changed, _, selection) => {
                let version = format!("behaviour {}", changed.behaviour.name());
                let selection_text = selection.as_ref().map(|selection| selection.describe());
                [group(&changed.name), version].into_iter().chain(selection_text).collect()
            }
            Self::EndFault(_) => Vec::new(),
        }
    }
}

impl Scope {
    fn describe(&self) -> String {
        match self {
            Self::Fleet => "all".to_owned(),
            Self::Group(name) => format!("group {name}"),
            Self::Devices(pattern) => format!("devices {}", pattern.as_str()),
        }
    }
}

/// By its faults: where they come from is another place in the results, whose plan has them written out.
fn describe_set(set: &FaultSet) -> String {
    let faults: Vec<String> = set.document.faults.iter().map(describe_entry).collect();
    if faults.is_empty() { "none".to_owned() } else { faults.join(", ") }
}

/// A fault with the fields that it has.
fn describe_entry(entry: &FaultEntry) -> String {
    let entry = serde_json::to_value(entry).unwrap_or_default();
    let fields = entry.as_object().into_iter().flatten();
    // Where its component lies is another place in the results, too.
    let fields = fields.filter(|(name, value)| !value.is_null() && *name != "file");
    let (kind, others): (Vec<_>, Vec<_>) = fields.partition(|(name, _)| *name == "kind");
    let shown = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let kind = kind.first().map(|(_, kind)| shown(kind)).unwrap_or_default();
    let others: Vec<String> =
        others.iter().map(|(name, value)| format!("{name} = {}", shown(value))).collect();
    if others.is_empty() { kind } else { format!("{kind} ({})", others.join(", ")) }
}
