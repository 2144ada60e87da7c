//! Explanation: the causes of an event, backwards through messages, connections and faults.
//!
//! The events of a run name no causes, but in a run in virtual time they determine them: a behaviour publishes at the
//! instant of the event that it handles, a message is received after it was sent with the same topic and payload, and a
//! will is published when a connection ends. What none of this explains was caused by a timer of the behaviour.

use std::collections::BTreeSet;
use std::path::Path;

use serde::Serialize;
use wasmote_results::{EventLine, LineFile, Summary, read_json_if_exists, read_lines};

use super::error::Error;

/// The event to explain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// The first violation of an invariant; of the one with this name, if there is a name.
    Violation(Option<String>),
    /// The event of this step.
    Event(u64),
    /// The last message of this topic.
    Message(String),
}

/// One event of an explanation.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Cause {
    /// Number of effects between it and the event that is explained.
    pub depth: usize,
    /// Relation to its effect.
    pub relation: &'static str,
    /// Number of the step in the run.
    pub step: u64,
    /// Time, in seconds.
    pub t_s: f64,
    /// The device; `None` for the broker and the host.
    pub device: Option<String>,
    /// The event in words.
    pub text: String,
}

/// Number of events that an explanation has.
const MAX_CAUSES: usize = 200;

/// Explains an event of the run in a folder. The first cause is the event itself.
///
/// # Errors
/// The folder has no events, or not the event that is asked for.
pub fn explain(dir: &Path, subject: &Subject) -> Result<Vec<Cause>, Error> {
    let unknown = |problem: String| Error::Unexplained { dir: dir.to_owned(), problem };
    let events: Vec<EventLine<'static>> = read_lines(dir)
        .map_err(|problem| unknown(format!("{} cannot be read: {problem}", EventLine::FILE)))?;
    if events.is_empty() {
        return Err(unknown(format!(
            "it has no {}; name the folder of one run, such as runs/001-seed=1 of a results folder",
            EventLine::FILE
        )));
    }
    let summary: Option<Summary> = read_json_if_exists(dir)?;
    let at = find(&events, subject).map_err(unknown)?;
    let mut graph =
        Graph { events: &events, summary: summary.as_ref(), seen: BTreeSet::new(), causes: Vec::new() };
    graph.add(at, "", 0);
    Ok(graph.causes)
}

fn find(events: &[EventLine<'_>], subject: &Subject) -> Result<usize, String> {
    match subject {
        Subject::Violation(name) => {
            let prefix = name.as_ref().map(|name| format!("{name}: ")).unwrap_or_default();
            let is_it = |event: &EventLine<'_>| {
                event.kind == "violation"
                    && event.message.as_deref().is_some_and(|text| text.starts_with(&prefix))
            };
            events.iter().position(is_it).ok_or_else(|| match name {
                Some(name) => format!("no invariant `{name}` was broken in it"),
                None => "no invariant was broken in it; name an event with --event or --message".to_owned(),
            })
        }
        Subject::Event(step) => {
            let found = events.iter().position(|event| event.step == *step);
            found.ok_or_else(|| {
                format!("it has no event of step {step}; the numbers are in {}", EventLine::FILE)
            })
        }
        Subject::Message(topic) => {
            let is_it =
                |event: &EventLine<'_>| event.topic.as_deref() == Some(topic) && event.kind != "dropped";
            let found = events.iter().rposition(is_it);
            found.ok_or_else(|| {
                format!("it has no message of topic `{topic}`; log_messages = \"on\" in the plan keeps all of them")
            })
        }
    }
}

struct Graph<'a> {
    events: &'a [EventLine<'a>],
    summary: Option<&'a Summary>,
    seen: BTreeSet<usize>,
    causes: Vec<Cause>,
}

impl Graph<'_> {
    fn add(&mut self, at: usize, relation: &'static str, depth: usize) {
        if self.causes.len() >= MAX_CAUSES || !self.seen.insert(at) {
            return;
        }
        let event = &self.events[at];
        self.causes.push(Cause {
            depth,
            relation,
            step: event.step,
            t_s: event.t_s,
            device: event.device.as_deref().map(str::to_owned),
            text: describe(event),
        });
        for (cause, relation) in self.causes_of(at) {
            self.add(cause, relation, depth + 1);
        }
    }

    /// The last event before `at` that fits.
    fn last(&self, at: usize, fits: impl Fn(&EventLine<'_>) -> bool) -> Option<usize> {
        self.events[..at].iter().rposition(fits)
    }

    fn causes_of(&self, at: usize) -> Vec<(usize, &'static str)> {
        let event = &self.events[at];
        let device = event.device.as_deref();
        let of_device = |other: &EventLine<'_>| other.device.as_deref() == device;
        match &*event.kind {
            "violation" => self.causes_of_violation(at),
            "received" => self.origin(at).into_iter().collect(),
            // A behaviour acts at the instant of what it handles.
            "sent" | "log" => {
                let handled = |other: &EventLine<'_>| {
                    let kinds = ["received", "started", "connected", "disconnected", "swapped"];
                    of_device(other) && other.t_s == event.t_s && kinds.contains(&&*other.kind)
                };
                self.last(at, handled).map(|cause| (cause, "in response to")).into_iter().collect()
            }
            "connected" => {
                let ended = |other: &EventLine<'_>| of_device(other) && is_end(other);
                let started = |other: &EventLine<'_>| of_device(other) && other.kind == "started";
                let cause = self.last(at, ended).or_else(|| self.last(at, started));
                cause.map(|cause| (cause, "after")).into_iter().collect()
            }
            "started" => {
                let ended = |other: &EventLine<'_>| of_device(other) && is_end(other);
                self.last(at, ended).map(|cause| (cause, "after")).into_iter().collect()
            }
            "disconnected" | "crashed" | "dropped" | "stopped" => {
                let began = |other: &EventLine<'_>| {
                    let is_own = of_device(other) && other.kind == "fault_began" && other.t_s == event.t_s;
                    let is_named = event.fault.is_some() && other.fault == event.fault && of_device(other);
                    is_own || (is_named && other.kind == "fault_began")
                };
                let broker = |other: &EventLine<'_>| {
                    other.kind == "broker_fault_began"
                        && other.until_s.is_some_and(|until| until >= event.t_s)
                };
                let cause = self.last(at, began).or_else(|| self.last(at, broker));
                cause.map(|cause| (cause, "because of")).into_iter().collect()
            }
            _ => Vec::new(),
        }
    }

    /// The publication of a received message, or the end of the connection whose will it is.
    fn origin(&self, at: usize) -> Option<(usize, &'static str)> {
        let event = &self.events[at];
        let is_same = |other: &EventLine<'_>| other.topic == event.topic && other.payload == event.payload;
        let sent = |other: &EventLine<'_>| matches!(&*other.kind, "sent" | "published") && is_same(other);
        if let Some(cause) = self.last(at, sent) {
            return Some((cause, "sent before"));
        }
        let topic = event.topic.as_deref().unwrap_or_default();
        let is_sender = |other: &EventLine<'_>| {
            is_end(other)
                && other.device.as_deref().is_some_and(|name| topic.split('/').any(|level| level == name))
        };
        self.last(at, is_sender).map(|cause| (cause, "the will after"))
    }

    /// For each device of a violation, the message that the violation names, and what has happened to the device since.
    fn causes_of_violation(&self, at: usize) -> Vec<(usize, &'static str)> {
        let message = self.events[at].message.as_deref().unwrap_or_default();
        let (name, text) = message.split_once(": ").unwrap_or((message, ""));
        let outcome = self.summary.and_then(|summary| summary.invariants.iter().find(|it| it.name == name));
        let first = outcome.and_then(|outcome| outcome.first.as_ref()).filter(|first| first.message == text);
        let devices = first.map(|first| first.devices.clone()).unwrap_or_default();
        let mut causes = Vec::new();
        for device in &devices {
            let of_device = |other: &EventLine<'_>| other.device.as_deref() == Some(device);
            let is_named = |other: &EventLine<'_>| {
                let payload = other.payload.as_deref().unwrap_or_default();
                let topic = other.topic.as_deref().unwrap_or_default();
                of_device(other) && !topic.is_empty() && text.contains(&format!("{topic} {payload}"))
            };
            let named = self.last(at, is_named);
            if let Some(named) = named {
                causes.push((named, "involves"));
            }
            let since = named.unwrap_or(0);
            let trouble =
                |other: &EventLine<'_>| of_device(other) && (is_end(other) || other.kind == "connected");
            if let Some(trouble) =
                self.last(at, trouble).filter(|trouble| *trouble > since || named.is_none())
            {
                causes.push((trouble, "meanwhile"));
            }
        }
        if causes.is_empty() {
            causes.extend(at.checked_sub(1).map(|before| (before, "after")));
        }
        causes
    }
}

/// Whether a connection ends with the event.
fn is_end(event: &EventLine<'_>) -> bool {
    matches!(&*event.kind, "disconnected" | "crashed" | "stopped" | "trapped" | "died")
}

fn describe(event: &EventLine<'_>) -> String {
    let topic = event.topic.as_deref().unwrap_or_default();
    let payload = event.payload.as_deref().unwrap_or_default();
    let message = event.message.as_deref().unwrap_or_default();
    match &*event.kind {
        "sent" => format!("sent {topic} {payload}"),
        "received" => format!("received {topic} {payload}"),
        "published" => format!("the host published {topic} {payload}"),
        "dropped" => format!("{message} {topic}").trim().to_owned(),
        "broker_fault_began" | "broker_fault_ended" => {
            let kind = event.fault_kind.as_deref().unwrap_or("fault");
            let what = if event.kind == "broker_fault_began" { "began" } else { "ended" };
            format!("{kind} `{}` {what}", event.fault.as_deref().unwrap_or_default())
        }
        kind if message.is_empty() => kind.to_owned(),
        _ => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use wasmote_results::{InvariantOutcome, Violation, write_json};

    use super::*;

    fn folder(violated: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let event = |step: u64, t_s: f64, device: &str, kind: &str, more: Value| {
            let mut event = json!({"step": step, "t_s": t_s, "kind": kind});
            if !device.is_empty() {
                event["device"] = device.into();
            }
            event.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
            event.to_string()
        };
        let message = |topic: &str, payload: &str| json!({"topic": topic, "payload": payload});
        let held = "client-0 and client-1 hold: w/client-0/lock held; w/client-1/lock held";
        let lines = [
            event(1, 1.0, "client-1", "sent", message("w/client-1/lock", "held")),
            event(
                2,
                2.0,
                "client-1",
                "fault_began",
                json!({"message": "fault `timeline-0` began", "fault": "timeline-0"}),
            ),
            event(3, 2.0, "client-1", "disconnected", json!({"message": "disconnected"})),
            event(4, 2.1, "server-0", "received", message("w/client-1/state", "offline")),
            event(5, 3.0, "client-0", "sent", message("w/client-0/request", "1")),
            event(6, 3.1, "server-0", "received", message("w/client-0/request", "1")),
            event(7, 3.1, "server-0", "sent", message("w/client-0/grant", "1")),
            event(8, 3.2, "client-0", "received", message("w/client-0/grant", "1")),
            event(9, 3.2, "client-0", "sent", message("w/client-0/lock", "held")),
            event(10, 3.3, "", "violation", json!({"message": format!("one-holder: {held}")})),
        ];
        std::fs::write(folder.path().join(EventLine::FILE), lines.join("\n") + "\n").unwrap();
        let first = Violation {
            at_s: 3.3,
            devices: violated.iter().map(|name| (*name).to_owned()).collect(),
            message: held.to_owned(),
        };
        let outcome =
            InvariantOutcome { name: "one-holder".into(), first: Some(first), ..InvariantOutcome::default() };
        write_json(folder.path(), &Summary { invariants: vec![outcome], ..Summary::default() }).unwrap();
        folder
    }

    fn steps(causes: &[Cause]) -> Vec<(usize, &'static str, u64)> {
        causes.iter().map(|cause| (cause.depth, cause.relation, cause.step)).collect()
    }

    #[test]
    fn a_violation_leads_back_to_timers_and_faults() {
        let folder = folder(&["client-0", "client-1"]);
        let causes = explain(folder.path(), &Subject::Violation(None)).unwrap();
        let expected = [
            (0, "", 10),
            (1, "involves", 9),
            (2, "in response to", 8),
            (3, "sent before", 7),
            (4, "in response to", 6),
            (5, "sent before", 5),
            (1, "involves", 1),
            (1, "meanwhile", 3),
            (2, "because of", 2),
        ];
        assert_eq!(steps(&causes), expected);
    }

    #[test]
    fn a_will_leads_back_to_the_end_of_its_connection() {
        let folder = folder(&[]);
        let causes = explain(folder.path(), &Subject::Event(4)).unwrap();
        assert_eq!(steps(&causes), [(0, "", 4), (1, "the will after", 3), (2, "because of", 2)]);
        let last = explain(folder.path(), &Subject::Message("w/client-0/grant".into())).unwrap();
        assert_eq!(last[0].step, 8, "the last event of the message");
    }

    #[test]
    fn what_is_not_there_is_an_error_with_a_remedy() {
        let folder = folder(&[]);
        let problem = |subject| explain(folder.path(), &subject).unwrap_err().to_string();
        assert!(problem(Subject::Event(99)).contains("no event of step 99"));
        assert!(problem(Subject::Message("x".into())).contains("log_messages"));
        assert!(
            problem(Subject::Violation(Some("other".into()))).contains("no invariant `other` was broken")
        );
        let empty = tempfile::tempdir().unwrap();
        let problem = explain(empty.path(), &Subject::Violation(None)).unwrap_err().to_string();
        assert!(problem.contains("name the folder of one run"), "{problem}");
    }
}
