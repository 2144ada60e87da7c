use std::time::Duration;

use serde_json::json;
use wasmote_mqtt::answer::{AnswerPacket, NegativeAnswer};
use wasmote_mqtt::broker::packet::{Connect, Reply, Request};
use wasmote_mqtt::client::ids::ConnectionId;
use wasmote_mqtt::client::{Refusal, RefusedRequest};
use wasmote_mqtt::codec::client::SendError;
use wasmote_mqtt::message::{Message, Will};
use wasmote_mqtt::topic::Topic;

use super::*;
use crate::behaviour::{Trap, TrapKind};
use crate::context::LogLevel;
use crate::device::Input;
use crate::faults::document::{FaultDocument, fault};
use crate::http::HttpFailure;
use crate::notice::{DeviceNotice, DropCause, MessageRef};
use crate::virtual_time::observer::DeviceIndex;

fn of(texts: &[&str]) -> u128 {
    let mut digest = Digest::default();
    for text in texts {
        digest.write_bytes(text.as_bytes());
    }
    digest.value()
}

#[test]
fn the_boundaries_and_the_order_of_texts_matter() {
    let different =
        [of(&[]), of(&[""]), of(&["ab"]), of(&["a", "b"]), of(&["b", "a"]), of(&["ab", ""]), of(&["ab\0"])];
    for (at, one) in different.iter().enumerate() {
        assert!(!different[..at].contains(one), "digest {at} is not unique");
    }
}

#[test]
fn one_bit_changes_half_of_the_digest() {
    let base = of(&["the quick brown fox"]);
    let flipped = of(&["the quick brown foy"]);
    assert!((40..88).contains(&(base ^ flipped).count_ones()));
}

fn after(event: &TraceEvent<'_>) -> u128 {
    let mut digest = Digest::default();
    digest.observe(Now::default(), event);
    digest.value()
}

fn faults(probability: f64) -> Input {
    let entry = fault(json!({"kind": "loss", "probability": probability}));
    Input::SetFaults(FaultDocument { faults: vec![entry] }.faults().unwrap().into())
}

fn inputs() -> Vec<Input> {
    let message = Message::new(Topic::new("t").unwrap(), "x");
    vec![
        Input::Start,
        Input::Crash,
        Input::Connected { session_present: true },
        Input::Connected { session_present: false },
        Input::Disconnected("a".into()),
        Input::Disconnected("b".into()),
        Input::Refused(message.clone(), Refusal::QueueFull),
        Input::Refused(message.clone(), Refusal::Offline),
        Input::Refused(message.clone(), Refusal::BeyondLimits(SendError::Qos)),
        Input::Refused(message.clone(), Refusal::BeyondLimits(SendError::Retain)),
        Input::Refused(message.clone(), Refusal::Answer(answer(0x87))),
        Input::Refused(message.clone(), Refusal::Answer(answer(0x97))),
        Input::Refused(message.clone(), Refusal::EndsConnection(None)),
        Input::Refused(message.clone(), Refusal::EndsConnection(Some(answer(0x95)))),
        Input::RequestRefused(RefusedRequest::Unknown, answer(0x87)),
        Input::RequestRefused(RefusedRequest::Exchange, answer(0x87)),
        Input::Returned(message.clone()),
        Input::Publish(message.clone()),
        Input::Publish(message.with_retain(true)),
        Input::HttpReply(1, Err(HttpFailure::TimedOut)),
        Input::HttpReply(1, Err(HttpFailure::TooLarge(9))),
        faults(0.1),
        faults(0.1 + f64::EPSILON),
        Input::SetFaults(Vec::new().into()),
    ]
}

fn answer(code: u8) -> NegativeAnswer {
    NegativeAnswer::new(AnswerPacket::PubAck, code)
}

fn none() -> MessageRef {
    MessageRef::default()
}

fn notices() -> Vec<DeviceNotice> {
    let topic = Topic::new("t").unwrap();
    vec![
        DeviceNotice::Crashed(Duration::from_secs(1)),
        DeviceNotice::Died("battery".into(), Some(Duration::from_secs(1))),
        DeviceNotice::Died("battery".into(), None),
        DeviceNotice::FaultEnded("f".into(), "silence"),
        DeviceNotice::FaultEnded("f".into(), "hang"),
        DeviceNotice::FaultLog("f".into(), LogLevel::Info, "x".into()),
        DeviceNotice::FaultTrapped("f".into(), Trap::new(TrapKind::Trapped, "x"), false),
        DeviceNotice::FaultTrapped("f".into(), Trap::new(TrapKind::Trapped, "x"), true),
        DeviceNotice::Dropped(topic.clone(), DropCause::Offline, none()),
        DeviceNotice::Dropped(topic.clone(), DropCause::BeyondLimits(SendError::TooLarge), none()),
        DeviceNotice::Dropped(
            topic.clone(),
            DropCause::EndsConnection { payload_bytes: 1, answer: None },
            none(),
        ),
        DeviceNotice::Dropped(
            topic.clone(),
            DropCause::EndsConnection { payload_bytes: 2, answer: None },
            none(),
        ),
        DeviceNotice::Dropped(topic.clone(), DropCause::Answer(answer(0x87)), none()),
        DeviceNotice::RequestRefused(RefusedRequest::Exchange, answer(0x92)),
        DeviceNotice::Dropped(topic, DropCause::Fault("f".into()), none()),
    ]
}

fn requests() -> Vec<Request> {
    let connect = Connect::new("c");
    let message = Message::new(Topic::new("t").unwrap(), "gone");
    let with_will = Connect { will: Some(Will { message, delay: 3 }), ..connect.clone() };
    let lasting = Connect { session_expiry: 60, ..connect.clone() };
    let connects = [connect, with_will, lasting].map(|connect| Request::Connect(Box::new(connect)));
    connects.into_iter().chain([Request::PingReq, Request::Lost]).collect()
}

fn all() -> Vec<u128> {
    let device = DeviceIndex(7);
    let connection = ConnectionId { device, attempt: 1 };
    let mut all: Vec<u128> = inputs().iter().map(|input| after(&TraceEvent::Input(device, input))).collect();
    all.extend(notices().iter().map(|notice| after(&TraceEvent::Notice(device, notice))));
    all.extend(requests().iter().map(|request| after(&TraceEvent::Up(connection, request))));
    all.extend([after(&TraceEvent::Down(connection, &Reply::PingResp)), after(&TraceEvent::BrokerWake)]);
    all
}

#[test]
fn every_step_and_every_field_of_it_matters() {
    let all = all();
    for (at, one) in all.iter().enumerate() {
        assert!(!all[..at].contains(one), "digest {at} is not unique");
    }
}

/// Recorded values. A failure means that the encoding has changed: raise the version, and record new values.
#[test]
fn equal_versions_give_equal_digests_in_every_release() {
    let sum = all().into_iter().fold(0_u128, u128::wrapping_add);
    assert_eq!((Digest::VERSION, format!("{sum:032x}").as_str()), (2, "b596637b7cda1a1075656801c89d0827"));
}
