//! State and counts of devices and of the whole fleet.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use schemars::JsonSchema;
use serde::Serialize;
use wasmote_mqtt::answer::NegativeAnswer;
use wasmote_mqtt::budget::BudgetReport;
use wasmote_mqtt::device_id::Identity;
use wasmote_mqtt::message::{Qos, Will};
use wasmote_mqtt::protocol::Protocol;
use wasmote_mqtt::topic::{Topic, TopicFilter};
use wasmote_sim::behaviour::Version;
use wasmote_sim::context::Refusals;
use wasmote_sim::device::{ConnectionState, Now, PowerState, SwapCounts};
use wasmote_sim::faults::ActiveFault;
use wasmote_sim::histogram::Histogram;
use wasmote_sim::latency::ImplausibleCounts;
use wasmote_sim::ledger::Ledger;
use wasmote_sim::metrics::MetricSums;
use wasmote_sim::notice::{DeviceNotice, DropCause};

use crate::broker::BrokerReport;
use crate::lag::LagStats;

/// Status of one device.
#[derive(Clone, Debug)]
pub struct DeviceStatus {
    /// Name, group and position of the device.
    pub identity: Arc<Identity>,
    /// Name of its behaviour.
    pub behaviour: String,
    /// Version of the behaviour that runs, or starts next.
    pub version: Version,
    /// Whether it runs, and if not, the reason.
    pub power: PowerState,
    /// Whether it is connected, and if not, the reason.
    pub link: ConnectionState,
    /// Time since its behaviour started; `None` when it does not run.
    pub uptime: Option<Duration>,
    /// Energy left in its battery, if it has one.
    pub joules: Option<f64>,
    /// Seconds by which its calendar clock is ahead.
    pub clock_error_s: f64,
    /// Faults that act on it now.
    pub active_faults: Vec<ActiveFault>,
    /// Counts of this device alone.
    pub totals: Totals,
}

/// What one device has agreed with its broker, and what it asks of it.
#[derive(Clone, Debug)]
pub struct DeviceDetail {
    /// The MQTT session.
    pub session: SessionStatus,
    /// Message that the broker publishes if the connection ends without DISCONNECT.
    pub will: Option<Will>,
    /// Topic filters of the behaviour, with their QoS.
    pub subscriptions: Vec<(TopicFilter, Qos)>,
}

/// The MQTT session of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionStatus {
    /// Version of the protocol.
    pub protocol: Protocol,
    /// Keepalive in seconds, as negotiated; zero means none.
    pub keep_alive_s: u16,
    /// Seconds that the broker keeps the session without a connection; zero for a clean start at each connection.
    pub expiry_s: u32,
    /// Time for which a ping has had no answer.
    pub unanswered: Option<Duration>,
}

/// Connected devices whose broker is late with the answer to a ping.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unanswered {
    /// Number of devices that have waited for at least [`Self::LATE`].
    pub devices: u64,
    /// The longest wait of them.
    pub longest: Duration,
}

impl Unanswered {
    /// Time without an answer after which a broker is late. A ping over the slowest usual links takes a second.
    pub const LATE: Duration = Duration::from_secs(3);

    /// Counts a device whose ping has had no answer for this time.
    pub(crate) fn count(&mut self, waited: Duration) {
        if waited >= Self::LATE {
            self.devices += 1;
            self.longest = self.longest.max(waited);
        }
    }

    /// Adds the counts of another shard.
    pub(crate) fn add(&mut self, other: Self) {
        self.devices += other.devices;
        self.longest = self.longest.max(other.longest);
    }
}

/// Counts and distributions at one moment: of one device, or summed over a shard or a fleet.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    /// Devices by state.
    pub devices: DeviceCounts,
    /// Ledger of the messages.
    pub ledger: Ledger,
    /// Waiting messages, outbound and inbound. Those in flight are waiting.
    pub waiting: (u64, u64),
    /// Messages that were handed to the connection and have not left for good.
    pub in_flight: u64,
    /// Latency of received messages, in seconds.
    pub latency: Histogram,
    /// Latency of received messages from the intended times of their publication, in seconds.
    pub intended_latency: Histogram,
    /// Received messages whose latency cannot be right. They are in no histogram.
    pub implausible: ImplausibleCounts,
    /// The latest latencies, oldest first; at most ten.
    pub latency_samples: Vec<Duration>,
    /// Traps of behaviours.
    pub traps: u64,
    /// Swaps of behaviours to other versions.
    pub swaps: SwapCounts,
    /// Devices by the version that runs, or starts next.
    pub versions: BTreeMap<Version, u64>,
    /// Refused requests of behaviours.
    pub refusals: Refusals,
    /// Metrics that behaviours record about themselves.
    pub metrics: MetricSums,
    /// Devices whose broker is late with an answer. Counted by shard, so they are 0 for one device.
    pub unanswered: Unanswered,
    /// Number of connections, including reconnects. Counted by shard, so it is 0 for one device.
    pub connects: u64,
    /// Lateness of the host's timers. Measured by shard, so it is empty for one device.
    pub lag: LagStats,
    /// Writes to the sockets of the devices. Counted by shard, so they are 0 for one device.
    pub socket_writes: SocketWrites,
    /// Log lines that exceeded the log rates of their devices, other than those in `refusals`.
    pub suppressed_lines: u64,
    /// Devices that used more than their share of a thread while others waited, the heaviest first; at most ten.
    pub delayed_devices: Vec<DelayedDevice>,
    /// Number of all such devices.
    pub delayed: u64,
    /// Bytes of the devices' HTTP requests and answers in flight.
    pub http_bytes: BudgetReport,
    /// Number of shards that were too busy to answer, so that earlier totals of their devices are included.
    pub stale_shards: u64,
    /// Report of the embedded broker, for a fleet that is linked to it.
    pub broker: Option<BrokerReport>,
}

/// Writes to sockets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SocketWrites {
    /// Writes that the socket accepted at least in part, each of one or more packets.
    pub writes: u64,
    /// Number of times that a socket was full, so that packets waited until it was ready again.
    pub waits: u64,
}

impl SocketWrites {
    /// Adds the writes of another shard.
    pub(crate) fn add(&mut self, other: Self) {
        self.writes += other.writes;
        self.waits += other.waits;
    }
}

/// A device that used more than its share of a thread while others waited, so that its calls were delayed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DelayedDevice {
    /// The device.
    pub device: Arc<Identity>,
    /// Time that it has used since its first pause.
    pub used: Duration,
    /// Number of pauses.
    pub pauses: u64,
}

impl DelayedDevice {
    /// Maximum number of devices that are named.
    pub const MAX_NAMED: usize = 10;
}

/// Counts of devices by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct DeviceCounts {
    /// Total number of devices.
    pub total: u64,
    /// Devices whose behaviour runs.
    pub running: u64,
    /// Devices that are connected.
    pub connected: u64,
    /// Devices under a silence fault.
    pub silent: u64,
    /// Devices whose behaviour refused to start.
    pub failed: u64,
}

impl DeviceCounts {
    /// Adds the counts of other devices.
    pub(crate) fn add(&mut self, other: Self) {
        self.total += other.total;
        self.running += other.running;
        self.connected += other.connected;
        self.silent += other.silent;
        self.failed += other.failed;
    }
}

/// Event of a device.
#[derive(Clone, Debug)]
pub struct DeviceEvent {
    /// Time of the event.
    pub at: Now,
    /// The device.
    pub device: Arc<Identity>,
    /// The event, with only the beginning of a long text, topic or payload.
    pub notice: DeviceNotice,
    /// Length of the whole payload of a message.
    pub payload_bytes: usize,
    /// Whether the event is within the log rate of the device.
    pub in_log: bool,
}

/// Number of bytes of a text that an event keeps.
const MAX_TEXT: usize = 4 << 10;
/// Number of bytes of a topic or payload that an event keeps.
const MAX_MESSAGE_PART: usize = 1 << 10;

impl DeviceEvent {
    /// Creates an event. It keeps only the beginning of a long text, topic or payload, so that subscribers that are behind
    /// take little memory.
    pub fn new(at: Now, device: Arc<Identity>, mut notice: DeviceNotice, in_log: bool) -> Self {
        let mut payload_bytes = 0;
        match &mut notice {
            DeviceNotice::Sent(topic, payload, _) | DeviceNotice::Received(topic, payload, ..) => {
                payload_bytes = payload.len();
                clip_topic(topic);
                // A short payload may share the buffer of a long packet, so it is copied in any case.
                *payload = Bytes::copy_from_slice(&payload[..payload.len().min(MAX_MESSAGE_PART)]);
            }
            DeviceNotice::Dropped(topic, cause, _) => {
                clip_topic(topic);
                if let DropCause::Answer(answer) = cause {
                    clip_reason_string(answer);
                }
            }
            DeviceNotice::RequestRefused(_, answer) => clip_reason_string(answer),
            DeviceNotice::Disconnected(end, _) => {
                clip(&mut end.reason, MAX_TEXT);
                end.answer.iter_mut().for_each(clip_reason_string);
            }
            DeviceNotice::Log(_, text) | DeviceNotice::FaultLog(_, _, text) => clip(text, MAX_TEXT),
            DeviceNotice::Trapped(trap, _)
            | DeviceNotice::FaultTrapped(_, trap, _)
            | DeviceNotice::SwapRolledBack(_, trap) => clip(&mut trap.message, MAX_TEXT),
            _ => {}
        }
        Self { at, device, notice, payload_bytes, in_log }
    }
}

fn clip(text: &mut String, limit: usize) {
    if text.len() > limit {
        text.truncate(text.floor_char_boundary(limit));
        text.push('…');
    }
}

fn clip_reason_string(answer: &mut NegativeAnswer) {
    if let Some(reason_string) = answer.reason_string.as_mut().filter(|text| text.len() > MAX_TEXT) {
        let mut text = reason_string.to_string();
        clip(&mut text, MAX_TEXT);
        *reason_string = text.into();
    }
}

fn clip_topic(topic: &mut Topic) {
    if topic.as_str().len() > MAX_MESSAGE_PART {
        let mut text = topic.as_str().to_owned();
        clip(&mut text, MAX_MESSAGE_PART);
        // The beginning of a topic is a topic.
        if let Ok(clipped) = Topic::new(text) {
            *topic = clipped;
        }
    }
}
