//! What a step of a timeline says of itself beside its name: for whom it is, and with what.

use serde_json::Value;
use wasmote_sim::faults::document::FaultEntry;

use super::{Deed, Scope, Script};
use crate::fault_set::FaultSet;

impl Script {
    /// For `timeline.csv`. So many devices are concerned, where it is for devices.
    pub fn detail(&self, deed: &Deed, concerned: Option<usize>) -> String {
        let mut words = deed.whom_and_what();
        if let Deed::End(number) = deed {
            words.extend(self.deeds.iter().find_map(|(_, other)| match other {
                Deed::Begin(begun, passing) if begun == number => Some(passing.fault.id.to_string()),
                _ => None,
            }));
        }
        words.extend(concerned.map(|count| match count {
            1 => "1 device".to_owned(),
            count => format!("{count} devices"),
        }));
        words.join("; ")
    }
}

impl Deed {
    fn whom_and_what(&self) -> Vec<String> {
        let group = |name: &str| format!("group {name}");
        match self {
            Self::Faults(scope, None) => vec![scope.words(), "as at the beginning".to_owned()],
            Self::Faults(scope, Some(set)) => vec![scope.words(), set_words(set)],
            Self::Begin(_, passing) => {
                let whom = passing.chosen.as_ref().map(|chosen| chosen.words());
                [entry_words(&passing.entry)].into_iter().chain(whom).collect()
            }
            Self::Crash(chosen) | Self::Stop(chosen) | Self::Start(chosen) => vec![chosen.words()],
            Self::Broker(fault, _, lasting) => {
                vec![format!("{fault} for {}", humantime::format_duration(*lasting))]
            }
            Self::Publish(message) => vec![format!("topic {}", message.topic)],
            Self::PublishAs(devices, message) => {
                vec![format!("devices {}", devices.as_str()), format!("topic {}", message.topic)]
            }
            Self::Ask(devices, request) => {
                vec![format!("devices {}", devices.as_str()), format!("{} {}", request.method, request.url)]
            }
            Self::Add(name, count) => vec![group(name), format!("{count} more")],
            Self::Configure(changed) => vec![group(&changed.name)],
            Self::Swap(changed, _, chosen) => {
                let version = format!("behaviour {}", changed.behaviour.name());
                let whom = chosen.as_ref().map(|chosen| chosen.words());
                [group(&changed.name), version].into_iter().chain(whom).collect()
            }
            Self::End(_) => Vec::new(),
        }
    }
}

impl Scope {
    fn words(&self) -> String {
        match self {
            Self::Fleet => "all".to_owned(),
            Self::Group(name) => format!("group {name}"),
            Self::Devices(pattern) => format!("devices {}", pattern.as_str()),
        }
    }
}

/// By its faults: where they come from is another place in the results, whose plan has them written out.
fn set_words(set: &FaultSet) -> String {
    let faults: Vec<String> = set.document.faults.iter().map(entry_words).collect();
    if faults.is_empty() { "none".to_owned() } else { faults.join(", ") }
}

/// A fault with the fields that it has.
fn entry_words(entry: &FaultEntry) -> String {
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
