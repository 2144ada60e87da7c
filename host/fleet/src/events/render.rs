//! Text and fields of device events, for the log and for `GET /events`.

use std::time::Duration;

use serde::Serialize;
use wasmote_live::status::DeviceEvent;
use wasmote_mqtt::answer::NegativeAnswer;
use wasmote_mqtt::client::RefusedRequest;
use wasmote_mqtt::client::suspects::GIVE_UP_AFTER;
use wasmote_sim::context::LogLevel;
use wasmote_sim::device::VersionChange;
use wasmote_sim::event::StartCause;
use wasmote_sim::notice::{DeviceNotice, DropCause};

/// Maximum of characters of a payload that are shown.
const MAX_PAYLOAD_CHARS: usize = 100;

/// Text and fields of an event. Fields that do not apply to its kind are empty.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EventText<'a> {
    /// One of [`EVENT_KINDS`].
    pub kind: &'static str,
    /// Description for people.
    #[serde(rename = "message")]
    pub text: String,
    /// Log level.
    #[serde(skip)]
    pub level: LogLevel,
    /// The topic of a message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topic: Option<&'a str>,
    /// The beginning of its payload.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload: Option<String>,
    /// Latency of the message, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_s: Option<f64>,
    /// The name of a fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<&'a str>,
    /// The reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Seconds until the fault ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ends_after_s: Option<f64>,
    /// Seconds until the device tries or starts again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub again_after_s: Option<f64>,
    /// Packet type of a negative answer of the broker, such as `PUBACK`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub packet: Option<&'static str>,
    /// Reason code of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<u8>,
    /// Name of the reason code, such as `not authorized`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code_name: Option<&'static str>,
    /// Reason String that the broker sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason_string: Option<String>,
    /// The version of the behaviour that keeps running.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Id of the message, `<device>/<number>`, for `GET /messages/<device>/<number>`. A message without an origin of this
    /// host has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
}

/// All kinds of events.
pub const EVENT_KINDS: [&str; 18] = [
    "started",
    "stopped",
    "trapped",
    "swapped",
    "swap_refused",
    "swap_undone",
    "crashed",
    "died",
    "connected",
    "disconnected",
    "fault_began",
    "fault_ended",
    "fault_trapped",
    "log",
    "sent",
    "received",
    "dropped",
    "refused",
];

/// Record of an event, for programs.
#[derive(Clone, Debug, Serialize)]
pub struct EventRecord<'a> {
    /// Seconds since 1970, to the microsecond.
    pub ts: f64,
    /// The device.
    pub device: &'a str,
    /// Group of the device.
    pub group: &'a str,
    /// Text and fields.
    #[serde(flatten)]
    pub details: EventText<'a>,
}

impl<'a> EventRecord<'a> {
    /// Creates the record of an event.
    pub fn new(event: &'a DeviceEvent) -> Self {
        Self {
            ts: (event.at.wall.as_nanos() / 1_000) as f64 / 1e6,
            device: event.device.id.as_str(),
            group: &event.device.group,
            details: EventText::new(event),
        }
    }
}

/// The kind of an event, without the cost of its text.
pub fn event_kind(notice: &DeviceNotice) -> &'static str {
    match notice {
        DeviceNotice::Started(_) => "started",
        DeviceNotice::Stopped(_) => "stopped",
        DeviceNotice::Trapped(..) => "trapped",
        DeviceNotice::Swapped(_) => "swapped",
        DeviceNotice::SwapRefused(..) => "swap_refused",
        DeviceNotice::SwapRolledBack(..) => "swap_undone",
        DeviceNotice::Crashed(_) => "crashed",
        DeviceNotice::Died(..) => "died",
        DeviceNotice::Connected(_) => "connected",
        DeviceNotice::Disconnected(..) => "disconnected",
        DeviceNotice::FaultBegan(..) => "fault_began",
        DeviceNotice::FaultEnded(..) => "fault_ended",
        DeviceNotice::FaultTrapped(..) => "fault_trapped",
        DeviceNotice::Log(..) | DeviceNotice::FaultLog(..) => "log",
        DeviceNotice::Sent(..) => "sent",
        DeviceNotice::Received(..) => "received",
        DeviceNotice::RequestRefused(..) => "refused",
        DeviceNotice::Dropped(_, cause, _) if cause.is_refusal_of_broker() => "refused",
        DeviceNotice::Dropped(..) => "dropped",
    }
}

impl<'a> EventText<'a> {
    /// Creates the text and fields of an event.
    pub fn new(event: &'a DeviceEvent) -> Self {
        let notice = &event.notice;
        let base = |level, text: String| EventText {
            kind: event_kind(notice),
            text,
            level,
            topic: None,
            payload: None,
            latency_s: None,
            fault: None,
            reason: None,
            again_after_s: None,
            ends_after_s: None,
            packet: None,
            code: None,
            code_name: None,
            reason_string: None,
            version: None,
            message_id: None,
        };
        let seconds = |span: Duration| Some(span.as_secs_f64());
        match notice {
            DeviceNotice::Started(cause) => base(LogLevel::Info, start_text(*cause).into()),
            DeviceNotice::Stopped(reason) => EventText {
                reason: Some(reason.to_string()),
                ..base(LogLevel::Info, format!("stopped: {reason}"))
            },
            DeviceNotice::Trapped(trap, restart_after) => {
                let next = match restart_after {
                    Some(pause) => format!("starts again in {}", short_duration(*pause)),
                    None => "stays off, as another try would end the same way".into(),
                };
                EventText {
                    reason: Some(trap.to_string()),
                    again_after_s: restart_after.and_then(seconds),
                    ..base(LogLevel::Error, format!("{trap}; {next}"))
                }
            }
            DeviceNotice::Swapped(VersionChange { from, to }) => EventText {
                version: Some(to.to_string()),
                ..base(LogLevel::Info, format!("swapped from {from} to {to}"))
            },
            DeviceNotice::SwapRefused(VersionChange { from, to }, refusal) => EventText {
                reason: Some(refusal.to_string()),
                version: Some(from.to_string()),
                ..base(LogLevel::Warn, format!("{from} stays, as {to} could not take over: {refusal}"))
            },
            DeviceNotice::SwapRolledBack(VersionChange { from, to }, trap) => EventText {
                reason: Some(trap.to_string()),
                version: Some(to.to_string()),
                ..base(LogLevel::Warn, format!("back to {to}, as {from} ended on trial: {trap}"))
            },
            DeviceNotice::Crashed(pause) => EventText {
                again_after_s: seconds(*pause),
                ..base(LogLevel::Warn, format!("crashed, starts again in {}", short_duration(*pause)))
            },
            DeviceNotice::Died(id, restart_after) => {
                let next = match restart_after {
                    Some(pause) => format!("starts again in {}", short_duration(*pause)),
                    None => "stays off until it is started".into(),
                };
                EventText {
                    fault: Some(id),
                    again_after_s: restart_after.and_then(seconds),
                    ..base(
                        LogLevel::Warn,
                        format!("the battery {} is empty; {next}", fault_label(id, "battery")),
                    )
                }
            }
            DeviceNotice::Connected(present) => {
                base(LogLevel::Info, if *present { "connected, session kept" } else { "connected" }.into())
            }
            DeviceNotice::Disconnected(end, pause) => EventText {
                reason: Some(end.to_string()),
                again_after_s: seconds(*pause),
                ..base(
                    LogLevel::Warn,
                    format!("disconnected: {end}; tries again in {}", short_duration(*pause)),
                )
                .answered(end.answer.as_ref())
            },
            DeviceNotice::RequestRefused(request, answer) => EventText {
                topic: match request {
                    RefusedRequest::Subscribe(filter) | RefusedRequest::Unsubscribe(filter) => {
                        Some(filter.as_str())
                    }
                    RefusedRequest::Exchange | RefusedRequest::Unknown => None,
                },
                reason: Some(answer.to_string()),
                ..base(LogLevel::Warn, request_refused(request, answer)).answered(Some(answer))
            },
            DeviceNotice::FaultBegan(id, kind, until) => {
                let duration = until.since(event.at.run);
                EventText {
                    fault: Some(id),
                    ends_after_s: seconds(duration),
                    ..base(
                        LogLevel::Warn,
                        format!("fault {} began, for {}", fault_label(id, kind), short_duration(duration)),
                    )
                }
            }
            DeviceNotice::FaultEnded(id, kind) => EventText {
                fault: Some(id),
                ..base(LogLevel::Info, format!("fault {} ended", fault_label(id, kind)))
            },
            DeviceNotice::FaultLog(id, level, text) => {
                EventText { fault: Some(id), ..base(*level, format!("fault `{id}`: {text}")) }
            }
            DeviceNotice::FaultTrapped(id, trap, disabled) => {
                let next = match disabled {
                    true => "it is put aside: all messages of this device pass it from now on",
                    false => "the message passed",
                };
                EventText {
                    fault: Some(id),
                    reason: Some(trap.to_string()),
                    ..base(LogLevel::Error, format!("the model of fault `{id}` {trap}; {next}"))
                }
            }
            DeviceNotice::Log(level, text) => base(*level, text.clone()),
            DeviceNotice::Sent(topic, payload, id) => EventText {
                message_id: id.id(),
                topic: Some(topic.as_str()),
                payload: Some(payload_preview(payload, event.payload_bytes)),
                ..base(LogLevel::Info, "sent".into())
            },
            DeviceNotice::Received(topic, payload, latency, id) => EventText {
                message_id: id.id(),
                topic: Some(topic.as_str()),
                payload: Some(payload_preview(payload, event.payload_bytes)),
                latency_s: latency.and_then(seconds),
                ..base(LogLevel::Info, "received".into())
            },
            DeviceNotice::Dropped(topic, cause, id) => EventText {
                message_id: id.id(),
                topic: Some(topic.as_str()),
                fault: match cause {
                    DropCause::Fault(id) => Some(id),
                    _ => None,
                },
                reason: Some(drop_reason(cause)),
                ..base(drop_level(cause), drop_text(cause)).answered(match cause {
                    DropCause::Answer(answer) => Some(answer),
                    DropCause::EndsConnection { answer, .. } => answer.as_ref(),
                    _ => None,
                })
            },
        }
    }
}

impl EventText<'_> {
    /// Adds the fields of a negative answer.
    fn answered(self, answer: Option<&NegativeAnswer>) -> Self {
        let Some(NegativeAnswer { code, reason_string }) = answer else { return self };
        Self {
            packet: Some(code.packet.as_str()),
            code: Some(code.code),
            code_name: Some(code.name()),
            reason_string: reason_string.as_deref().map(str::to_owned),
            ..self
        }
    }
}

/// One line for an event of a message; `None` for other events.
pub fn message_line(event: &DeviceEvent) -> Option<String> {
    let total = event.payload_bytes;
    Some(match &event.notice {
        DeviceNotice::Sent(topic, payload, _) => format!("→ {topic} {}", payload_preview(payload, total)),
        DeviceNotice::Received(topic, payload, Some(latency), _) => {
            format!("← {topic} {} ({} ms)", payload_preview(payload, total), latency.as_millis())
        }
        DeviceNotice::Received(topic, payload, None, _) => {
            format!("← {topic} {}", payload_preview(payload, total))
        }
        DeviceNotice::Dropped(topic, cause, _) => format!("✗ {topic} {}", drop_text(cause)),
        _ => return None,
    })
}

fn start_text(cause: StartCause) -> &'static str {
    match cause {
        StartCause::PowerOn => "started",
        StartCause::Restart => "started again",
        StartCause::Swap => "started in a new version",
    }
}

/// What happened to a message that was not sent or not received, in the words of the totals: faults drop, a missing
/// connection loses, and limits and brokers refuse.
fn drop_text(cause: &DropCause) -> String {
    let verb = match cause {
        DropCause::Fault(_) | DropCause::TooLarge(_) => "dropped",
        DropCause::Offline => "lost offline",
        DropCause::QueueFull => "refused",
        DropCause::BeyondLimits(_) => "refused, not sent",
        DropCause::Answer(_) => "refused by the broker",
        DropCause::EndsConnection { .. } => "refused, given up",
    };
    match cause {
        DropCause::Fault(_) | DropCause::TooLarge(_) => format!("{verb} {}", drop_reason(cause)),
        _ => format!("{verb}: {}", drop_reason(cause)),
    }
}

pub(super) fn drop_reason(cause: &DropCause) -> String {
    match cause {
        DropCause::Fault(id) => format!("by fault `{id}`"),
        DropCause::Offline => "there is no connection".into(),
        DropCause::QueueFull => "the queue is full".into(),
        DropCause::TooLarge(limit) => format!("as it exceeds the {limit} bytes that the device takes"),
        DropCause::BeyondLimits(why) => why.to_string(),
        DropCause::Answer(answer) => answer.to_string(),
        DropCause::EndsConnection { payload_bytes, answer } => {
            let cause = match answer {
                Some(answer) => answer.to_string(),
                None => "it may exceed the broker's size limit, or its topic may not be allowed".into(),
            };
            format!(
                "at this message of {payload_bytes} bytes the broker ended {GIVE_UP_AFTER} connections in a row: {cause}"
            )
        }
    }
}

fn drop_level(cause: &DropCause) -> LogLevel {
    if cause.is_refusal_of_broker() { LogLevel::Warn } else { LogLevel::Info }
}

fn request_refused(request: &RefusedRequest, answer: &NegativeAnswer) -> String {
    match request {
        RefusedRequest::Subscribe(filter) => {
            format!("the broker refused the subscription to {filter}: {answer}")
        }
        RefusedRequest::Unsubscribe(filter) => {
            format!("the broker refused to end the subscription to {filter}: {answer}")
        }
        RefusedRequest::Exchange => {
            format!("the broker ended the exchange of a message with an error: {answer}")
        }
        RefusedRequest::Unknown => {
            format!("the broker sent an error for nothing that was requested: {answer}")
        }
    }
}

fn fault_label(id: &str, kind: &str) -> String {
    if id == kind { format!("`{id}`") } else { format!("`{id}` ({kind})") }
}

/// Formats a duration to a tenth of a second.
fn short_duration(span: Duration) -> String {
    format!("{:.1} s", span.as_secs_f64())
}

/// The beginning of a payload of `total` bytes on one line; bytes that are not UTF-8 in hexadecimal.
pub(super) fn payload_preview(payload: &[u8], total: usize) -> String {
    // Four bytes make the longest character.
    let head = &payload[..payload.len().min(MAX_PAYLOAD_CHARS * 4)];
    let text = match std::str::from_utf8(head) {
        Ok(text) => text,
        Err(cut) if cut.error_len().is_none() && head.len() < payload.len() => {
            std::str::from_utf8(&head[..cut.valid_up_to()]).unwrap_or_default()
        }
        Err(_) => {
            let hex: String =
                payload.iter().take(MAX_PAYLOAD_CHARS / 4).map(|byte| format!("{byte:02x}")).collect();
            return format!("0x{hex} ({total} bytes)");
        }
    };
    let clean = |c: char| if c.is_control() { ' ' } else { c };
    let mut line: String = text.chars().take(MAX_PAYLOAD_CHARS).map(clean).collect();
    if line.len() < total {
        line.push_str(&format!("… ({total} bytes)"));
    }
    line
}

#[cfg(test)]
mod tests {
    use wasmote_mqtt::answer::{AnswerPacket, Disconnection};
    use wasmote_mqtt::codec::client::SendError;
    use wasmote_mqtt::device_id::{DeviceId, Identity};
    use wasmote_mqtt::time::Time;
    use wasmote_mqtt::topic::Topic;
    use wasmote_sim::behaviour::{Trap, TrapKind};
    use wasmote_sim::device::Now;
    use wasmote_sim::notice::MessageRef;

    use super::*;

    fn text(notice: DeviceNotice) -> String {
        EventText::new(&event(notice)).text
    }

    fn event(notice: DeviceNotice) -> DeviceEvent {
        let device = Identity {
            id: DeviceId::new("a-0").unwrap(),
            client_id: None,
            group: "a".into(),
            index: 0,
            count: 1,
            topic_root: "root".into(),
            peers: None,
        };
        let at = Now { run: Time::from_nanos(2_000_000_000), ..Now::default() };
        DeviceEvent::new(at, device.into(), notice, true)
    }

    #[test]
    fn a_trap_has_the_guests_message_and_the_restart() {
        let trap = Trap::new(TrapKind::Trapped, "panicked at lib.rs:7: no such channel");
        assert_eq!(
            text(DeviceNotice::Trapped(trap.clone(), Some(Duration::from_millis(1_500)))),
            "trapped: panicked at lib.rs:7: no such channel; starts again in 1.5 s"
        );
        assert!(text(DeviceNotice::Trapped(trap, None)).contains("stays off"));
    }

    #[test]
    fn a_fault_model_trap_says_whether_the_message_passed() {
        let trap = Trap::new(TrapKind::Trapped, "a panic or an explicit trap");
        assert_eq!(
            text(DeviceNotice::FaultTrapped("rain".into(), trap.clone(), false)),
            "the model of fault `rain` trapped: a panic or an explicit trap; the message passed"
        );
        assert!(
            text(DeviceNotice::FaultTrapped("rain".into(), trap, true))
                .ends_with("; it is put aside: all messages of this device pass it from now on")
        );
        assert_eq!(
            text(DeviceNotice::FaultLog("rain".into(), LogLevel::Info, "it pours".into())),
            "fault `rain`: it pours"
        );
    }

    #[test]
    fn a_fault_begins_with_its_duration() {
        let until = Time::from_nanos(32_000_000_000);
        assert_eq!(
            text(DeviceNotice::FaultBegan("deaf".into(), "silence", until)),
            "fault `deaf` (silence) began, for 30.0 s"
        );
    }

    #[test]
    fn an_event_of_a_refusal_names_packet_number_and_words() {
        let answer = NegativeAnswer::new(AnswerPacket::PubAck, 0x97);
        let answer = answer.with_reason_string(Some("too many".into()));
        let topic = Topic::new("root/a-0/x").unwrap();
        let refused = DeviceNotice::Dropped(topic.clone(), DropCause::Answer(answer), MessageRef::default());
        assert_eq!(event_kind(&refused), "refused");
        let line = "✗ root/a-0/x refused by the broker: PUBACK 0x97 quota exceeded: too many";
        assert_eq!(message_line(&event(refused.clone())).unwrap(), line);
        let unsendable = DeviceNotice::Dropped(
            topic.clone(),
            DropCause::BeyondLimits(SendError::TooLarge),
            MessageRef::default(),
        );
        assert_eq!(event_kind(&unsendable), "refused");
        assert_eq!(
            text(unsendable),
            "refused, not sent: the message exceeds the broker's maximum packet size"
        );
        let lost = DeviceNotice::Dropped(topic, DropCause::Offline, MessageRef::default());
        assert_eq!(
            (event_kind(&lost), text(lost)),
            ("dropped", "lost offline: there is no connection".to_owned())
        );
        let ended = NegativeAnswer::new(AnswerPacket::Disconnect, 0x97);
        let ended = Disconnection::by_broker("the broker ended the connection: quota exceeded", ended);
        assert_eq!(
            text(DeviceNotice::Disconnected(ended, Duration::from_secs(1))),
            "disconnected: the broker ended the connection: quota exceeded (DISCONNECT 0x97); tries again in 1.0 s"
        );
    }

    #[test]
    fn a_message_is_one_short_line() {
        let topic = Topic::new("wasmote/a/heartbeat").unwrap();
        let received = DeviceNotice::Received(
            topic.clone(),
            "{\"seq\":1}".into(),
            Some(Duration::from_millis(123)),
            MessageRef::default(),
        );
        assert_eq!(message_line(&event(received)).unwrap(), "← wasmote/a/heartbeat {\"seq\":1} (123 ms)");
        let long = DeviceNotice::Sent(topic, "ü\n".repeat(500).into(), MessageRef::default());
        let line = message_line(&event(long)).unwrap();
        assert!(line.ends_with("ü … (1500 bytes)") && !line.contains('\n'), "{line}");
    }

    #[test]
    fn binary_payloads_are_hexadecimal() {
        assert_eq!(payload_preview(&[0xff, 0x00, 0x10], 3), "0xff0010 (3 bytes)");
        assert_eq!(payload_preview(b"", 0), "");
    }
}
