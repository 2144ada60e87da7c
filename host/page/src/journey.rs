//! The journey of one message: what each fault decided, when the broker took it, who got it, and who should have and did not.
//!
//! It is computed from the steps of the message and from the subscriptions of the devices, in the same way for a host that
//! runs and for a finished run. What nobody observed is said to be unknown.

mod absences;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wasmote_results::{JourneyStep, Place};

pub use absences::Absences;

/// Time after which a message that has not arrived is missing, rather than on its way, in seconds.
const GRACE_S: f64 = 2.0;

/// The journey of one message.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Journey {
    /// Id of the message, `<device>/<number>`.
    pub id: String,
    /// The device that published it.
    pub device: String,
    /// Its number among the messages of the device, from 1.
    pub number: u64,
    /// Time at which the behaviour published it; absent if the host did not follow messages then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub published_s: Option<f64>,
    /// Its topic, if it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// Beginning of its payload.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload: Option<String>,
    /// Length of its payload.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload_bytes: Option<u64>,
    /// QoS with which it was published.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub qos: Option<u8>,
    /// What became of it: `received` by all that should have got it, `partly`, `lost`, `waiting`, or `unwanted` if no device
    /// of this host should have got it.
    pub outcome: String,
    /// The journey in a sentence.
    pub summary: String,
    /// Time at which the broker took it, or acknowledged it; absent if that is unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub broker_s: Option<f64>,
    /// When the broker took it, in words.
    pub broker: String,
    /// The devices that got it or should have got it.
    pub receivers: Vec<Receiver>,
    /// Clients of the broker that are no devices of this host, and to which it passed the message.
    pub others: Vec<String>,
    /// The steps, in order.
    pub steps: Vec<JourneyStep>,
    /// What cannot be known about it, in sentences.
    pub unknown: Vec<String>,
}

/// A device that got a message or should have got it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "JourneyReceiver")]
pub struct Receiver {
    /// Name of the device.
    pub device: String,
    /// Whether it was subscribed when the message was published.
    pub expected: bool,
    /// The filter that matches.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
    /// What became of its copy: `received`, `lost`, `waiting`, or `missing` if nobody saw where it was lost.
    pub outcome: String,
    /// Time of the first reception.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_s: Option<f64>,
    /// Number of receptions.
    pub copies: u64,
    /// Latency of the first reception.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_s: Option<f64>,
    /// Why it has not got the message, as far as that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A device that was subscribed when a message was published.
#[derive(Clone, Debug, PartialEq)]
pub struct Expected {
    /// Name of the device.
    pub device: String,
    /// The filter that matches.
    pub filter: String,
}

/// What a journey is computed from.
pub struct Facts<'a> {
    /// The device that published the message, and its number.
    pub message: (&'a str, u64),
    /// Steps of the message, in order.
    pub steps: Vec<JourneyStep>,
    /// Devices that were subscribed when it was published.
    pub expected: Vec<Expected>,
    /// Whether the steps at the broker are known.
    pub sees_broker: bool,
    /// Present time of the run, or its end, in seconds.
    pub now_s: f64,
    /// The state of a device at a time, as a clause, if it could not receive messages then.
    pub absence: &'a dyn Fn(&str, f64) -> Option<String>,
}

impl Journey {
    /// Computes the journey.
    pub fn new(facts: Facts<'_>) -> Self {
        let published = facts.steps.iter().find(|step| step.step == "published").cloned();
        let (broker_s, broker) = facts.broker();
        let receivers = facts.receivers();
        let others = facts.others();
        let mut journey = Self {
            id: format!("{}/{}", facts.message.0, facts.message.1),
            device: facts.message.0.to_owned(),
            number: facts.message.1,
            published_s: published.as_ref().map(|step| step.t_s),
            broker_s,
            broker,
            receivers,
            others,
            unknown: facts.unknown(published.is_some()),
            ..Self::default()
        };
        if let Some(published) = published {
            journey.topic = published.topic;
            journey.payload = published.payload;
            journey.payload_bytes = published.payload_bytes;
            journey.qos = published.qos;
        }
        (journey.outcome, journey.summary) = journey.conclude(&facts);
        journey.steps = facts.steps;
        journey.steps.iter_mut().for_each(|step| step.id.clear());
        journey
    }

    /// The outcome, and a sentence about it.
    fn conclude(&self, facts: &Facts<'_>) -> (String, String) {
        let expected: Vec<_> = self.receivers.iter().filter(|receiver| receiver.expected).collect();
        let count = |outcome: &str| expected.iter().filter(|receiver| receiver.outcome == outcome).count();
        let (received, waiting) = (count("received"), count("waiting"));
        let lacking = expected.len() - received - waiting;
        let of = |number: usize| format!("{number} of {}", devices(expected.len()));
        let stopped = facts.end_at_publisher();
        match (expected.len(), received, lacking) {
            (0, ..) => match &stopped {
                Some(End { is_final: true, reason }) => {
                    ("lost".into(), format!("It did not leave {}: {reason}.", self.device))
                }
                Some(End { reason, .. }) => {
                    ("waiting".into(), format!("It has not left {}: {reason}.", self.device))
                }
                None => ("unwanted".into(), "No device of this host was subscribed to its topic.".into()),
            },
            (all, got, _) if all == got => {
                ("received".into(), format!("All {} that should have got it got it.", devices(all)))
            }
            (_, 0, 0) => ("waiting".into(), format!("It is on its way to {}.", devices(waiting))),
            (_, 0, _) if waiting == 0 => {
                let reason =
                    expected.iter().find_map(|receiver| receiver.reason.as_deref()).unwrap_or("unknown");
                ("lost".into(), format!("None of {} got it: {reason}.", devices(expected.len())))
            }
            (_, _, 0) => {
                ("waiting".into(), format!("{} got it, and it is on its way to {waiting}.", of(received)))
            }
            _ => ("partly".into(), format!("{} got it, {lacking} did not.", of(received))),
        }
    }
}

fn devices(number: usize) -> String {
    if number == 1 { "1 device".into() } else { format!("{number} devices") }
}

/// End of a message at its publisher.
struct End {
    reason: String,
    is_final: bool,
}

impl Facts<'_> {
    fn at(&self, place: Place) -> impl DoubleEndedIterator<Item = &JourneyStep> {
        self.steps.iter().filter(move |step| step.place == place)
    }

    /// Why no copy has reached the broker; `None` if one has, or may have.
    fn end_at_publisher(&self) -> Option<End> {
        if self.at(Place::Broker).next().is_some() || self.at(Place::Receiver).next().is_some() {
            return None;
        }
        let last = self.at(Place::Publisher).next_back()?;
        let was_sent = self.at(Place::Publisher).any(|step| matches!(&*step.step, "sent" | "acknowledged"));
        match end_of(last, self.at(Place::Publisher)) {
            Some(end) if !was_sent || end.is_final => Some(end),
            _ => None,
        }
    }

    /// When the broker took the message, and the same in words.
    fn broker(&self) -> (Option<f64>, String) {
        let first = |place, step: &str| self.at(place).find(|it| it.step == step);
        if let Some(taken) = first(Place::Broker, "taken") {
            let number = taken.number.unwrap_or_default();
            return (
                Some(taken.t_s),
                format!(
                    "taken by the broker, for {number} subscription{}",
                    if number == 1 { "" } else { "s" }
                ),
            );
        }
        if let Some(refused) = first(Place::Broker, "refused") {
            return (
                None,
                format!("refused by the broker: {}", refused.reason.as_deref().unwrap_or("unknown")),
            );
        }
        if let Some(acknowledged) = first(Place::Publisher, "acknowledged") {
            return (
                Some(acknowledged.t_s),
                "acknowledged by the broker, which took it at this time or shortly before".into(),
            );
        }
        if let Some(end) = self.end_at_publisher() {
            return (None, format!("not taken: {}", end.reason));
        }
        match first(Place::Publisher, "sent") {
            Some(_) if self.sees_broker => (None, "it has not reached the broker".into()),
            Some(_) => (None, "unknown: an external broker does not tell when it takes a message, and none is acknowledged at QoS 0".into()),
            None => (None, "unknown".into()),
        }
    }

    fn receivers(&self) -> Vec<Receiver> {
        let mut all: BTreeMap<&str, Option<&str>> =
            self.expected.iter().map(|expected| (&*expected.device, Some(&*expected.filter))).collect();
        for step in self.steps.iter().filter(|step| step.place != Place::Publisher) {
            if let Some(device) = &step.device {
                all.entry(device).or_default();
            }
        }
        all.into_iter().map(|(device, filter)| self.receiver(device, filter)).collect()
    }

    fn receiver(&self, device: &str, filter: Option<&str>) -> Receiver {
        let is_of =
            |step: &&JourneyStep| step.place != Place::Publisher && step.device.as_deref() == Some(device);
        let steps: Vec<&JourneyStep> = self.steps.iter().filter(is_of).collect();
        let received: Vec<_> = steps.iter().filter(|step| step.step == "received").collect();
        let base = Receiver {
            device: device.to_owned(),
            expected: filter.is_some(),
            filter: filter.map(str::to_owned),
            copies: received.len() as u64,
            ..Receiver::default()
        };
        if let Some(first) = received.first() {
            return Receiver {
                outcome: "received".into(),
                at_s: Some(first.t_s),
                latency_s: first.latency_s,
                ..base
            };
        }
        let (outcome, reason) = self.why_not(device, &steps);
        Receiver { outcome: outcome.into(), reason: Some(reason), ..base }
    }

    /// What became of a copy that was not received, and why.
    fn why_not(&self, device: &str, steps: &[&JourneyStep]) -> (&'static str, String) {
        if let Some(last) = steps.last() {
            if let Some(end) = end_of(last, steps.iter().copied()) {
                return (if end.is_final { "lost" } else { "waiting" }, end.reason);
            }
            let on_way = if last.place == Place::Broker {
                "the broker sent it to its connection"
            } else {
                "it arrived at the device"
            };
            return self.overdue(device, last.t_s, on_way);
        }
        if let Some(end) = self.end_at_publisher() {
            return (if end.is_final { "lost" } else { "waiting" }, end.reason);
        }
        let publisher = self.message.0;
        let taken = self.at(Place::Broker).find(|step| step.step == "taken");
        let sent = self.at(Place::Publisher).rfind(|step| step.step == "sent");
        let Some(sent) = taken.or(sent) else {
            return ("missing", "where it was lost is unknown".into());
        };
        match taken {
            Some(taken) => {
                let absence = self.absence_at(device, taken.t_s).map(|text| format!(": {text}"));
                (
                    "lost",
                    format!(
                        "the broker had no subscription of it when it took the message{}",
                        absence.unwrap_or_default()
                    ),
                )
            }
            None if self.sees_broker => self.overdue(
                device,
                sent.t_s,
                &format!("{publisher} sent it, and it has not reached the broker"),
            ),
            None => self.overdue(device, sent.t_s, &format!("{publisher} sent it")),
        }
    }

    /// A copy of which nothing is known since this time.
    fn overdue(&self, device: &str, since_s: f64, what: &str) -> (&'static str, String) {
        if let Some(absence) = self.absence_at(device, since_s) {
            return ("missing", format!("{what}, and {absence}"));
        }
        match self.now_s - since_s < GRACE_S {
            true => ("waiting", what.to_owned()),
            false => ("missing", format!("{what}; where it was lost is unknown")),
        }
    }

    fn absence_at(&self, device: &str, at_s: f64) -> Option<String> {
        (self.absence)(device, at_s).map(|text| format!("{device} {text}"))
    }

    fn others(&self) -> Vec<String> {
        let sent = self.at(Place::Broker).filter(|step| step.step == "sent");
        let mut others: Vec<String> = sent.filter_map(|step| step.client.clone()).collect();
        others.sort_unstable();
        others.dedup();
        others
    }

    fn unknown(&self, is_published_known: bool) -> Vec<String> {
        let mut unknown = Vec::new();
        if !is_published_known {
            unknown.push("When it was published, with what, and who was subscribed then: nobody followed messages at that time.".to_owned());
        }
        if !self.sees_broker {
            unknown.push(
                "What the broker did with it: it is another program. Receivers that are no devices of this host are not known."
                    .to_owned(),
            );
        }
        unknown
    }
}

/// The end that the last of some steps is; `None` if the message went on from there.
fn end_of<'a>(last: &JourneyStep, steps: impl Iterator<Item = &'a JourneyStep>) -> Option<End> {
    let reason = || last.reason.clone().unwrap_or_else(|| "unknown".into());
    let by_fault = |what: &str| {
        let fault = last.fault.as_deref().unwrap_or_default();
        let why = last.why.as_deref().map(|why| format!(" ({why})")).unwrap_or_default();
        format!("the fault `{fault}` {what}{why}")
    };
    let end = |reason: String, is_final: bool| Some(End { reason, is_final });
    match (&*last.step, last.decision.as_deref()) {
        ("dropped" | "refused", _) if last.place == Place::Broker => {
            end(format!("the broker dropped it: {}", reason()), true)
        }
        ("dropped" | "lost", _) => end(reason(), true),
        ("queued", _) if last.place == Place::Broker => {
            end("it waits at the broker, because the device has no connection".into(), false)
        }
        ("queued" | "returned", _) => end("it waits for the connection of its publisher".into(), false),
        ("deferred", _) => end("it waits, because the behaviour hangs or is paused".into(), false),
        ("judged", Some("dropped")) => end(by_fault("dropped it"), true),
        ("judged", Some("held_back")) => end(by_fault("holds it back"), false),
        ("judged", _) => {
            let delay: f64 = steps.filter(|step| step.step == "judged").filter_map(|step| step.delay_s).sum();
            end(format!("faults delay it by {delay:.3} s"), false)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
