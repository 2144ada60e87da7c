//! Steps of single messages as lines of a journey.

use std::time::Duration;

use wasmote_mqtt::broker::counters::DropReason;
use wasmote_mqtt::broker::steps::BrokerStepKind;
use wasmote_mqtt::message::MessageOrigin;
use wasmote_results::{JourneyStep, Place};
use wasmote_sim::faults::delay::distribution::Distribution;
use wasmote_sim::faults::{Direction, Fault, Model};
use wasmote_sim::journey::{Decision, DeviceStep, MessageStep, StepKind};
use wasmote_sim::notice::DropCause;

use super::render::{drop_reason, payload_preview};

/// The line for a step at this device. `payload_bytes` is the length of a payload that was shortened.
pub fn device_step(t_s: f64, device: &str, step: &DeviceStep, payload_bytes: Option<usize>) -> JourneyStep {
    let base = JourneyStep {
        t_s,
        device: Some(device.to_owned()),
        place: Place::Receiver,
        ..JourneyStep::default()
    };
    match step {
        DeviceStep::Message(step) => message_step(base, step, payload_bytes),
        DeviceStep::Subscribed(filter, qos) => JourneyStep {
            step: "subscribed".into(),
            filter: Some(filter.to_string()),
            qos: Some((*qos).into()),
            ..base
        },
        DeviceStep::Unsubscribed(filter) => {
            JourneyStep { step: "unsubscribed".into(), filter: Some(filter.to_string()), ..base }
        }
    }
}

fn message_step(base: JourneyStep, step: &MessageStep, payload_bytes: Option<usize>) -> JourneyStep {
    let MessageStep { origin, direction, kind } = step;
    let place = match direction {
        Direction::Out => Place::Publisher,
        Direction::In => Place::Receiver,
    };
    let base = JourneyStep { id: origin.id(), place, ..base };
    let named = |name: &str| JourneyStep { step: name.into(), ..base.clone() };
    match kind {
        StepKind::Published { topic, payload, qos, retain } => {
            let length = payload_bytes.unwrap_or(payload.len());
            JourneyStep {
                topic: Some(topic.to_string()),
                payload: Some(payload_preview(payload, length)),
                payload_bytes: Some(length as u64),
                qos: Some((*qos).into()),
                retain: *retain,
                ..named("published")
            }
        }
        StepKind::Judged(fault, decision) => judged(named("judged"), fault, decision, origin, *direction),
        StepKind::Dropped(cause) => JourneyStep {
            fault: match cause {
                DropCause::Fault(id) => Some(id.to_string()),
                _ => None,
            },
            code: match cause {
                DropCause::Answer(answer) => Some(answer.code.code),
                _ => None,
            },
            reason: Some(match cause {
                DropCause::Fault(id) => format!("the fault `{id}` dropped it"),
                DropCause::Offline => {
                    "its device had no connection, and at QoS 0 it does not wait for one".into()
                }
                DropCause::Answer(answer) => format!("the broker refused it: {answer}"),
                other => drop_reason(other),
            }),
            ..named("dropped")
        },
        StepKind::Lost(reason) => JourneyStep { reason: Some((*reason).to_owned()), ..named("lost") },
        StepKind::Queued => named("queued"),
        StepKind::Sent => named("sent"),
        StepKind::Returned => named("returned"),
        StepKind::Acknowledged => named("acknowledged"),
        StepKind::Arrived => named("arrived"),
        StepKind::Deferred => named("deferred"),
        StepKind::Received(latency, retain) => JourneyStep {
            latency_s: latency.map(|latency| latency.as_secs_f64()),
            retain: *retain,
            ..named("received")
        },
    }
}

fn judged(
    base: JourneyStep,
    fault: &Fault,
    decision: &Decision,
    origin: &MessageOrigin,
    direction: Direction,
) -> JourneyStep {
    let device = base.device.as_deref().unwrap_or_default();
    let why = Some(why(fault, decision, (device, origin), direction));
    let base = JourneyStep {
        fault: Some(fault.id.to_string()),
        fault_kind: Some(fault.model.kind().to_owned()),
        why,
        ..base
    };
    let decided = |name: &str| JourneyStep { decision: Some(name.into()), ..base.clone() };
    match decision {
        Decision::Passed => decided("passed"),
        Decision::Dropped => decided("dropped"),
        Decision::Delayed(by) => JourneyStep { delay_s: Some(by.as_secs_f64()), ..decided("delayed") },
        Decision::Duplicated(copies, apart) => JourneyStep {
            number: Some((*copies).into()),
            delay_s: (!apart.is_zero()).then_some(apart.as_secs_f64()),
            ..decided("duplicated")
        },
        Decision::Corrupted(bytes) => JourneyStep { number: Some(*bytes as u64), ..decided("corrupted") },
        Decision::HeldBack(others, at_most) => JourneyStep {
            number: Some((*others).into()),
            delay_s: Some(at_most.as_secs_f64()),
            ..decided("held_back")
        },
    }
}

/// Why a fault decided so.
fn why(
    fault: &Fault,
    decision: &Decision,
    (device, origin): (&str, &MessageOrigin),
    direction: Direction,
) -> String {
    let rule = match &fault.model {
        Model::Loss(loss) => {
            let share = share(loss.probability);
            match &loss.bursts {
                None => format!("it loses {share} of the messages"),
                Some(bursts) => {
                    format!(
                        "it loses {share} of the messages, in bursts of {:.1} on average",
                        1.0 / bursts.recover
                    )
                }
            }
        }
        Model::Delay(delay) => {
            format!(
                "it delays {} of the messages by {}",
                share(delay.probability),
                distribution(&delay.distribution)
            )
        }
        Model::Duplicate(duplicate) => format!("it copies {} of the messages", share(duplicate.probability)),
        Model::Corrupt(corrupt) => {
            format!("it flips {} bits in {} of the messages", corrupt.bits, share(corrupt.probability))
        }
        Model::Reorder(reorder) => format!("it holds back {} of the messages", share(reorder.probability)),
        Model::Bandwidth(bandwidth) => format!("it passes {} bytes a second", bandwidth.bytes_per_second),
        Model::Partition(_) => {
            return match (decision, direction) {
                (Decision::Dropped, Direction::Out) => format!("it cuts {device} off from the broker"),
                (Decision::Dropped, Direction::In) => format!("it cuts {device} off from {}", origin.from),
                (_, Direction::Out) => format!("it does not cut {device} off from the broker"),
                (_, Direction::In) => format!("it does not cut {device} off from {}", origin.from),
            };
        }
        Model::Component(_) => return "its component decided so".into(),
        other => return format!("a fault of the kind {}", other.kind()),
    };
    match decision {
        Decision::Passed => format!("{rule}, and not this one"),
        _ => rule,
    }
}

fn share(probability: f64) -> String {
    let percent = probability * 100.0;
    if percent == 100.0 { "all".into() } else { format!("{} %", (percent * 1e6).round() / 1e6) }
}

fn distribution(distribution: &Distribution) -> String {
    match distribution {
        Distribution::Constant(delay) => short(*delay),
        Distribution::Uniform { min, max } => format!("{} to {}", short(*min), short(*max)),
        Distribution::Normal { mean, std } => format!("{} ± {}", short(*mean), short(*std)),
        Distribution::LogNormal { median, .. } => {
            format!("a lognormal time, half of them by more than {}", short(*median))
        }
        Distribution::Pareto { min, .. } => format!("{} or more, with a Pareto tail", short(*min)),
    }
}

fn short(span: Duration) -> String {
    match span.as_secs_f64() {
        seconds if seconds < 1.0 => format!("{} ms", (seconds * 1e6).round() / 1e3),
        seconds => format!("{} s", (seconds * 1e3).round() / 1e3),
    }
}

/// The line for a step at the broker. `device` returns the device with a client identifier.
pub fn broker_step(
    t_s: f64,
    origin: &MessageOrigin,
    kind: &BrokerStepKind,
    device: impl Fn(&str) -> Option<String>,
) -> JourneyStep {
    let base = JourneyStep { t_s, id: origin.id(), place: Place::Broker, ..JourneyStep::default() };
    let for_client = |name: &str, client: &str| {
        let device = device(client);
        let client = device.is_none().then(|| client.to_owned());
        JourneyStep { step: name.into(), device, client, ..base.clone() }
    };
    match kind {
        BrokerStepKind::Taken(subscriptions) => {
            JourneyStep { step: "taken".into(), number: Some(*subscriptions as u64), ..base }
        }
        BrokerStepKind::Refused(reason) => {
            JourneyStep { step: "refused".into(), reason: Some((*reason).to_owned()), ..base }
        }
        BrokerStepKind::Queued(client) => for_client("queued", client),
        BrokerStepKind::Sent(client) => for_client("sent", client),
        BrokerStepKind::Dropped(client, reason) => {
            JourneyStep { reason: Some(broker_reason(*reason).to_owned()), ..for_client("dropped", client) }
        }
    }
}

fn broker_reason(reason: DropReason) -> &'static str {
    match reason {
        DropReason::Absent => "the client had no connection, and at QoS 0 a message does not wait for one",
        DropReason::QueueFull => "the queue of the client was full",
        DropReason::Expired => "it expired before it could be sent",
        DropReason::SessionEnded => "the session of the client ended while it waited",
        DropReason::Refused => "the client answered with an error",
        DropReason::SlowConsumer => "the client did not read its connection",
        DropReason::TooLarge => "it exceeds the largest packet that the client takes",
        DropReason::BrokerLost => "the broker stopped and lost what waited",
        DropReason::BrokerFull => "the broker had no room for waiting messages",
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use wasmote_mqtt::device_id::DeviceId;
    use wasmote_mqtt::time::WallTime;
    use wasmote_sim::faults::document::FaultDocument;

    use super::*;

    fn judge(fault: serde_json::Value, direction: Direction, decision: Decision) -> JourneyStep {
        let document: FaultDocument = serde_json::from_value(serde_json::json!({"faults": [fault]})).unwrap();
        let fault = Arc::clone(&document.faults().unwrap()[0]);
        let origin = Arc::new(MessageOrigin {
            from: DeviceId::new("a-0").unwrap(),
            sequence: 3,
            sent: WallTime::default(),
            late: Duration::ZERO,
            is_claimed: false,
        });
        let step = MessageStep { origin, direction, kind: StepKind::Judged(fault, decision) };
        device_step(1.5, "b-1", &DeviceStep::Message(step), None)
    }

    #[test]
    fn a_decision_says_what_and_why() {
        let loss = serde_json::json!({"kind": "loss", "probability": 0.1});
        let dropped = judge(loss.clone(), Direction::Out, Decision::Dropped);
        assert_eq!((&*dropped.id, dropped.place), ("a-0/3", Place::Publisher));
        assert_eq!(dropped.decision.as_deref(), Some("dropped"));
        assert_eq!(dropped.why.as_deref(), Some("it loses 10 % of the messages"));
        let passed = judge(loss, Direction::Out, Decision::Passed);
        assert_eq!(passed.why.as_deref(), Some("it loses 10 % of the messages, and not this one"));
        let delay = serde_json::json!({"kind": "delay", "direction": "in", "max": "500ms"});
        let delayed = judge(delay, Direction::In, Decision::Delayed(Duration::from_millis(120)));
        assert_eq!((delayed.delay_s, delayed.place), (Some(0.12), Place::Receiver));
        assert_eq!(delayed.why.as_deref(), Some("it delays all of the messages by 0 ms to 500 ms"));
        let partition =
            serde_json::json!({"kind": "partition", "direction": "in", "peers": ["a-*"], "device": "b-1"});
        let cut = judge(partition, Direction::In, Decision::Dropped);
        assert_eq!(cut.why.as_deref(), Some("it cuts b-1 off from a-0"));
    }
}
