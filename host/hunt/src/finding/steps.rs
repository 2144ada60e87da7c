//! Steps that lead to a failure, from the events of a run.

use std::collections::BTreeSet;

use wasmote_report::sequence::{SequenceStep, StepKind};
use wasmote_results::EventLine;

use super::super::failure::Failure;

/// Number of steps that a diagram shows.
const SHOWN: usize = 60;
/// Number of lanes of devices that a diagram shows.
const LANES: usize = 8;
const BROKER: &str = "broker";

/// Lanes and steps of a sequence diagram.
#[derive(Clone, Debug, Default)]
pub(super) struct Diagram {
    pub(super) lanes: Vec<String>,
    pub(super) steps: Vec<SequenceStep>,
    /// Number of earlier steps that are left out.
    pub(super) left_out: usize,
}

/// The last steps up to the failure.
pub(super) fn diagram(events: &[EventLine<'_>], failure: &Failure) -> Diagram {
    let end = failure.at_s;
    // The note of the violation follows events of the same time.
    let until: Vec<&EventLine<'_>> = events.iter().filter(|event| event.t_s <= end).collect();
    let relevant: Vec<&EventLine<'_>> = until.into_iter().filter(|event| is_relevant(event)).collect();
    let left_out = relevant.len().saturating_sub(SHOWN);
    let shown = &relevant[left_out..];
    let mut lanes = lanes(shown, failure);
    lanes.push(BROKER.to_owned());
    let mut steps: Vec<SequenceStep> = shown.iter().filter_map(|event| step(event, &lanes)).collect();
    let lane = failure.devices.iter().find_map(|device| position(&lanes, device)).unwrap_or(lanes.len() - 1);
    steps.push(SequenceStep {
        time: seconds(end),
        from: lane,
        to: None,
        text: failure.message.clone(),
        kind: StepKind::Violation,
    });
    Diagram { lanes, steps, left_out }
}

fn is_relevant(event: &EventLine<'_>) -> bool {
    !matches!(&*event.kind, "violation" | "note" | "edited")
}

/// The devices of the failure first, then those with most events.
fn lanes(events: &[&EventLine<'_>], failure: &Failure) -> Vec<String> {
    let mut lanes = failure.devices.clone();
    let others: BTreeSet<&str> = events.iter().filter_map(|event| event.device.as_deref()).collect();
    let mut others: Vec<&str> =
        others.into_iter().filter(|name| !lanes.iter().any(|lane| lane == name)).collect();
    let count = |name: &str| events.iter().filter(|event| event.device.as_deref() == Some(name)).count();
    others.sort_by_key(|name| std::cmp::Reverse(count(name)));
    lanes.extend(others.into_iter().map(str::to_owned));
    lanes.truncate(LANES);
    lanes
}

fn position(lanes: &[String], name: &str) -> Option<usize> {
    lanes.iter().position(|lane| lane == name)
}

fn step(event: &EventLine<'_>, lanes: &[String]) -> Option<SequenceStep> {
    let broker = lanes.len() - 1;
    let lane = match &event.device {
        Some(device) => position(lanes, device)?,
        None => broker,
    };
    let topic = event.topic.as_deref().unwrap_or_default();
    let payload = event.payload.as_deref().unwrap_or_default();
    let short = topic.split_once('/').map_or(topic, |(_, rest)| rest);
    let message = event.message.as_deref().unwrap_or_default();
    let (from, to, text, kind) = match &*event.kind {
        "sent" => (lane, Some(broker), format!("{short} {payload}"), StepKind::Message),
        "received" => (broker, Some(lane), format!("{short} {payload}"), StepKind::Message),
        "published" => (broker, None, format!("host: {short} {payload}"), StepKind::Message),
        "dropped" | "refused" => (lane, Some(broker), format!("{short}: {message}"), StepKind::Lost),
        "broker_fault_began" => {
            let kind = event.fault_kind.as_deref().unwrap_or("fault");
            (
                broker,
                None,
                format!("{kind} until {}", seconds(event.until_s.unwrap_or(event.t_s))),
                StepKind::Fault,
            )
        }
        "broker_fault_ended" => (broker, None, "runs again".to_owned(), StepKind::Change),
        "fault_began" | "crashed" | "died" | "disconnected" | "trapped" | "swap_refused" | "swap_undone" => {
            (lane, None, message.to_owned(), StepKind::Fault)
        }
        _ => (lane, None, message.to_owned(), StepKind::Change),
    };
    Some(SequenceStep { time: seconds(event.t_s), from, to, text, kind })
}

/// A time with three decimals.
fn seconds(time: f64) -> String {
    format!("{time:.3} s")
}

#[cfg(test)]
mod tests {
    use super::super::super::failure::Signature;
    use super::*;

    fn event(t_s: f64, device: &'static str, kind: &'static str) -> EventLine<'static> {
        EventLine {
            t_s,
            device: Some(device.into()),
            kind: kind.into(),
            message: Some("crashed, starts again in 5 s".into()),
            topic: Some("wasmote/a-0/lock".into()),
            ..EventLine::default()
        }
    }

    #[test]
    fn the_diagram_ends_with_the_violation_and_has_its_devices_first() {
        let events = [event(1.0, "b-0", "sent"), event(2.0, "a-0", "crashed"), event(9.0, "b-0", "sent")];
        let failure = Failure {
            signature: Signature::Ledger,
            at_s: 3.0,
            message: "two holders".into(),
            devices: vec!["a-0".into()],
        };
        let diagram = diagram(&events, &failure);
        assert_eq!(diagram.lanes, ["a-0", "b-0", "broker"]);
        let texts: Vec<&str> = diagram.steps.iter().map(|step| step.text.as_str()).collect();
        assert_eq!(texts, ["a-0/lock ", "crashed, starts again in 5 s", "two holders"]);
        assert_eq!((diagram.steps[0].from, diagram.steps[0].to), (1, Some(2)));
    }
}
