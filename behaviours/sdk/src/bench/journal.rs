//! Records of a run: publications, log lines and HTTP responses.

use super::convert;
use crate::Outgoing;
use crate::imports::{Level, level_to_wit};
use crate::json::{self, Value};
use std::collections::BTreeMap;
use std::time::Duration;
use wasmote_mqtt::broker::packet::Request;
use wasmote_mqtt::message::Message;
use wasmote_mqtt::time::WallTime;
use wasmote_sim::device::Now;
use wasmote_sim::http::HttpResponse;
use wasmote_sim::notice::DeviceNotice;
use wasmote_sim::virtual_time::observer::{Observer, TraceEvent};

/// A message that reached the broker.
#[derive(Clone, Debug)]
pub struct Published {
    /// Time since the start at which the behaviour published it.
    pub at: Duration,
    /// The device that published it; None for a message from outside the fleet.
    pub from: Option<usize>,
    /// The message.
    pub message: Outgoing,
}

impl Published {
    /// The payload as text.
    ///
    /// # Panics
    ///
    /// If it is not UTF-8.
    pub fn text(&self) -> &str {
        str::from_utf8(&self.message.payload).expect("the payload is UTF-8")
    }

    /// The payload as JSON.
    ///
    /// # Panics
    ///
    /// If it is not JSON.
    pub fn json(&self) -> Value {
        json::parse(&self.message.payload).expect("the payload is JSON")
    }

    /// A number in the payload.
    ///
    /// # Panics
    ///
    /// If the payload has no such number.
    pub fn number(&self, name: &str) -> f64 {
        self.json().get(name).and_then(Value::number).expect(name)
    }
}

/// A line of a device's log.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// Level of the line.
    pub level: Level,
    /// Text of the line.
    pub text: String,
}

/// Observer of a run in virtual time.
pub(super) struct Journal {
    epoch: WallTime,
    indices: BTreeMap<String, usize>,
    pub published: Vec<Published>,
    pub lines: Vec<Vec<Line>>,
    pub responses: BTreeMap<u64, HttpResponse>,
}

impl Journal {
    /// Creates a journal for devices with these ids, in this order.
    pub fn new(ids: Vec<String>, epoch: WallTime) -> Self {
        Journal {
            epoch,
            lines: vec![Vec::new(); ids.len()],
            indices: ids.into_iter().enumerate().map(|(index, id)| (id, index)).collect(),
            published: Vec::new(),
            responses: BTreeMap::new(),
        }
    }

    fn record(&mut self, message: &Message, now: Now) {
        let origin = message.origin.as_ref();
        self.published.push(Published {
            at: origin.map_or(now.run.elapsed(), |origin| origin.sent.since(self.epoch)),
            from: origin.and_then(|origin| self.indices.get(origin.from.as_str()).copied()),
            message: convert::outgoing(message),
        });
    }
}

impl Observer for Journal {
    fn observe(&mut self, now: Now, step: &TraceEvent<'_>) {
        match step {
            TraceEvent::Up(_, Request::Publish(publish)) if !publish.duplicate => {
                self.record(&publish.message, now);
            }
            TraceEvent::HostPublish(message) => self.record(message, now),
            TraceEvent::Notice(device, DeviceNotice::Log(level, text)) => {
                let line = Line { level: level_to_wit(*level), text: text.clone() };
                self.lines[device.0 as usize].push(line);
            }
            TraceEvent::HttpResponse(_, ticket, response) => {
                self.responses.insert(*ticket, (*response).clone());
            }
            _ => {}
        }
    }
}
