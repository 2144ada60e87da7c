//! A happening in words and fields, the same for the log and for `GET /events`.

use std::time::Duration;

use serde::Serialize;
use wasmote_live::status::Happening;
use wasmote_sim::action::{Cause, Notice};
use wasmote_sim::context::LogLevel;
use wasmote_sim::device::Change;
use wasmote_sim::event::StartCause;

/// Characters of a payload that are worth showing.
const PAYLOAD_SHOWN: usize = 100;

/// What happened. Fields that say nothing about it are empty.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Told<'a> {
    /// One of [`KINDS`].
    pub kind: &'static str,
    /// A sentence.
    #[serde(rename = "message")]
    pub text: String,
    /// How serious it is.
    #[serde(skip)]
    pub level: LogLevel,
    /// The topic of a message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topic: Option<&'a str>,
    /// The beginning of its payload.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload: Option<String>,
    /// How long it was under way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_s: Option<f64>,
    /// The name of a fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<&'a str>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Seconds until the fault ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ends_after_s: Option<f64>,
    /// Seconds until the device tries or starts again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub again_after_s: Option<f64>,
    /// The version of the behaviour that goes on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// The kinds of happenings.
pub const KINDS: [&str; 17] = [
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
];

/// A happening as programs read it.
#[derive(Clone, Debug, Serialize)]
pub struct Record<'a> {
    /// Seconds since 1970, to the microsecond.
    pub ts: f64,
    /// The device.
    pub device: &'a str,
    /// Its group.
    pub group: &'a str,
    /// What happened.
    #[serde(flatten)]
    pub told: Told<'a>,
}

impl<'a> Record<'a> {
    /// What happened, when and to whom.
    pub fn of(happening: &'a Happening) -> Self {
        Self {
            ts: (happening.at.wall.as_nanos() / 1_000) as f64 / 1e6,
            device: happening.device.id.as_str(),
            group: &happening.device.group,
            told: Told::of(happening),
        }
    }
}

/// The kind of a happening, without the cost of telling it.
pub fn kind_of(notice: &Notice) -> &'static str {
    match notice {
        Notice::Started(_) => "started",
        Notice::Stopped(_) => "stopped",
        Notice::Trapped(..) => "trapped",
        Notice::Swapped(_) => "swapped",
        Notice::SwapRefused(..) => "swap_refused",
        Notice::SwapUndone(..) => "swap_undone",
        Notice::Crashed(_) => "crashed",
        Notice::Died(..) => "died",
        Notice::Connected(_) => "connected",
        Notice::Disconnected(..) => "disconnected",
        Notice::FaultBegan(..) => "fault_began",
        Notice::FaultEnded(..) => "fault_ended",
        Notice::FaultTrapped(..) => "fault_trapped",
        Notice::Log(..) | Notice::FaultLog(..) => "log",
        Notice::Sent(..) => "sent",
        Notice::Received(..) => "received",
        Notice::Dropped(..) => "dropped",
    }
}

impl<'a> Told<'a> {
    /// Tell it.
    pub fn of(happening: &'a Happening) -> Self {
        let notice = &happening.notice;
        let told = |level, text: String| Told {
            kind: kind_of(notice),
            text,
            level,
            topic: None,
            payload: None,
            latency_s: None,
            fault: None,
            reason: None,
            again_after_s: None,
            ends_after_s: None,
            version: None,
        };
        let seconds = |span: Duration| Some(span.as_secs_f64());
        match notice {
            Notice::Started(cause) => told(LogLevel::Info, started(*cause).into()),
            Notice::Stopped(reason) => Told {
                reason: Some(reason.to_string()),
                ..told(LogLevel::Info, format!("stopped: {reason}"))
            },
            Notice::Trapped(trap, again) => {
                let next = match again {
                    Some(pause) => format!("starts again in {}", short(*pause)),
                    None => "stays off, as another try would end the same way".into(),
                };
                Told {
                    reason: Some(trap.to_string()),
                    again_after_s: again.and_then(seconds),
                    ..told(LogLevel::Error, format!("{trap}; {next}"))
                }
            }
            Notice::Swapped(Change { from, to }) => Told {
                version: Some(to.to_string()),
                ..told(LogLevel::Info, format!("swapped from {from} to {to}"))
            },
            Notice::SwapRefused(Change { from, to }, refusal) => Told {
                reason: Some(refusal.to_string()),
                version: Some(from.to_string()),
                ..told(LogLevel::Warn, format!("{from} stays, as {to} could not take over: {refusal}"))
            },
            Notice::SwapUndone(Change { from, to }, trap) => Told {
                reason: Some(trap.to_string()),
                version: Some(to.to_string()),
                ..told(LogLevel::Warn, format!("back to {to}, as {from} ended on trial: {trap}"))
            },
            Notice::Crashed(pause) => Told {
                again_after_s: seconds(*pause),
                ..told(LogLevel::Warn, format!("crashed, starts again in {}", short(*pause)))
            },
            Notice::Died(id, again) => {
                let next = match again {
                    Some(pause) => format!("starts again in {}", short(*pause)),
                    None => "stays off until it is started".into(),
                };
                Told {
                    fault: Some(id),
                    again_after_s: again.and_then(seconds),
                    ..told(LogLevel::Warn, format!("the battery {} is empty; {next}", named(id, "battery")))
                }
            }
            Notice::Connected(present) => {
                told(LogLevel::Info, if *present { "connected, session kept" } else { "connected" }.into())
            }
            Notice::Disconnected(reason, pause) => Told {
                reason: Some(reason.clone()),
                again_after_s: seconds(*pause),
                ..told(LogLevel::Warn, format!("disconnected: {reason}; tries again in {}", short(*pause)))
            },
            Notice::FaultBegan(id, kind, until) => {
                let lasting = until.since(happening.at.run);
                Told {
                    fault: Some(id),
                    ends_after_s: seconds(lasting),
                    ..told(LogLevel::Warn, format!("fault {} began, for {}", named(id, kind), short(lasting)))
                }
            }
            Notice::FaultEnded(id, kind) => {
                Told { fault: Some(id), ..told(LogLevel::Info, format!("fault {} ended", named(id, kind))) }
            }
            Notice::FaultLog(id, level, text) => {
                Told { fault: Some(id), ..told(*level, format!("fault `{id}`: {text}")) }
            }
            Notice::FaultTrapped(id, trap, aside) => {
                let next = match aside {
                    true => "it is put aside: all messages of this device pass it from now on",
                    false => "the message passed",
                };
                Told {
                    fault: Some(id),
                    reason: Some(trap.to_string()),
                    ..told(LogLevel::Error, format!("the model of fault `{id}` {trap}; {next}"))
                }
            }
            Notice::Log(level, text) => told(*level, text.clone()),
            Notice::Sent(topic, payload) => Told {
                topic: Some(topic.as_str()),
                payload: Some(shown(payload)),
                ..told(LogLevel::Info, "sent".into())
            },
            Notice::Received(topic, payload, latency) => Told {
                topic: Some(topic.as_str()),
                payload: Some(shown(payload)),
                latency_s: latency.and_then(seconds),
                ..told(LogLevel::Info, "received".into())
            },
            Notice::Dropped(topic, cause) => Told {
                topic: Some(topic.as_str()),
                fault: match cause {
                    Cause::Fault(id) => Some(id),
                    _ => None,
                },
                reason: Some(cause_of(cause)),
                ..told(LogLevel::Info, format!("dropped {}", cause_of(cause)))
            },
        }
    }
}

/// A happening to a message in one line.
pub fn message_line(notice: &Notice) -> Option<String> {
    Some(match notice {
        Notice::Sent(topic, payload) => format!("→ {topic} {}", shown(payload)),
        Notice::Received(topic, payload, Some(latency)) => {
            format!("← {topic} {} ({} ms)", shown(payload), latency.as_millis())
        }
        Notice::Received(topic, payload, None) => format!("← {topic} {}", shown(payload)),
        Notice::Dropped(topic, cause) => format!("✗ {topic} dropped {}", cause_of(cause)),
        _ => return None,
    })
}

fn started(cause: StartCause) -> &'static str {
    match cause {
        StartCause::PowerOn => "started",
        StartCause::Restart => "started again",
        StartCause::Swap => "started in a new version",
    }
}

fn cause_of(cause: &Cause) -> String {
    match cause {
        Cause::Fault(id) => format!("by fault `{id}`"),
        Cause::Offline => "at QoS 0, as there is no connection".into(),
        Cause::QueueFull => "as the queue is full".into(),
        Cause::TooLarge(most) => format!("as it exceeds the {most} bytes that the device takes"),
    }
}

fn named(id: &str, kind: &str) -> String {
    if id == kind { format!("`{id}`") } else { format!("`{id}` ({kind})") }
}

/// A length of time to a tenth of a second.
fn short(span: Duration) -> String {
    format!("{:.1} s", span.as_secs_f64())
}

/// The beginning of a payload on one line; bytes that are no text in hexadecimal.
fn shown(payload: &[u8]) -> String {
    // Four bytes make the longest character.
    let head = &payload[..payload.len().min(PAYLOAD_SHOWN * 4)];
    let text = match std::str::from_utf8(head) {
        Ok(text) => text,
        Err(cut) if cut.error_len().is_none() && head.len() < payload.len() => {
            std::str::from_utf8(&head[..cut.valid_up_to()]).unwrap_or_default()
        }
        Err(_) => {
            let hex: String =
                payload.iter().take(PAYLOAD_SHOWN / 4).map(|byte| format!("{byte:02x}")).collect();
            return format!("0x{hex} ({} bytes)", payload.len());
        }
    };
    let clean = |c: char| if c.is_control() { ' ' } else { c };
    let mut line: String = text.chars().take(PAYLOAD_SHOWN).map(clean).collect();
    if line.len() < payload.len() {
        line.push_str(&format!("… ({} bytes)", payload.len()));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmote_sim::behaviour::{Trap, TrapKind};
    use wasmote_sim::device::Now;
    use wasmote_sim::device_id::{DeviceId, Identity};
    use wasmote_sim::time::Time;
    use wasmote_sim::topic::Topic;

    fn text(notice: Notice) -> String {
        let device = Identity {
            id: DeviceId::new("a-0").unwrap(),
            group: "a".into(),
            index: 0,
            count: 1,
            topic_root: "root".into(),
            peers: None,
        };
        let at = Now { run: Time::from_nanos(2_000_000_000), ..Now::default() };
        Told::of(&Happening { at, device: device.into(), notice }).text
    }

    #[test]
    fn a_trap_is_told_with_the_guests_words_and_what_comes_next() {
        let trap = Trap::new(TrapKind::Trapped, "panicked at lib.rs:7: no such channel");
        assert_eq!(
            text(Notice::Trapped(trap.clone(), Some(Duration::from_millis(1_500)))),
            "trapped: panicked at lib.rs:7: no such channel; starts again in 1.5 s"
        );
        assert!(text(Notice::Trapped(trap, None)).contains("stays off"));
    }

    #[test]
    fn a_model_that_fails_is_told_with_what_becomes_of_messages() {
        let trap = Trap::new(TrapKind::Trapped, "a panic or an explicit trap");
        assert_eq!(
            text(Notice::FaultTrapped("rain".into(), trap.clone(), false)),
            "the model of fault `rain` trapped: a panic or an explicit trap; the message passed"
        );
        assert!(
            text(Notice::FaultTrapped("rain".into(), trap, true))
                .ends_with("; it is put aside: all messages of this device pass it from now on")
        );
        assert_eq!(
            text(Notice::FaultLog("rain".into(), LogLevel::Info, "it pours".into())),
            "fault `rain`: it pours"
        );
    }

    #[test]
    fn a_fault_is_told_with_how_long_it_lasts() {
        let until = Time::from_nanos(32_000_000_000);
        assert_eq!(
            text(Notice::FaultBegan("deaf".into(), "silence", until)),
            "fault `deaf` (silence) began, for 30.0 s"
        );
    }

    #[test]
    fn a_message_is_one_short_line() {
        let topic = Topic::new("wasmote/a/heartbeat").unwrap();
        let received =
            Notice::Received(topic.clone(), "{\"seq\":1}".into(), Some(Duration::from_millis(123)));
        assert_eq!(message_line(&received).unwrap(), "← wasmote/a/heartbeat {\"seq\":1} (123 ms)");
        let long = Notice::Sent(topic, "ü\n".repeat(500).into());
        let line = message_line(&long).unwrap();
        assert!(line.ends_with("ü … (1500 bytes)") && !line.contains('\n'), "{line}");
    }

    #[test]
    fn bytes_that_are_no_text_are_shown_as_such() {
        assert_eq!(shown(&[0xff, 0x00, 0x10]), "0xff0010 (3 bytes)");
        assert_eq!(shown(b""), "");
    }
}
