//! Encoding of device notices.

use super::Digest;
use crate::behaviour::{Trap, TrapKind};
use crate::context::LogLevel;
use crate::device::{SwapRefusal, VersionChange};
use crate::digest::Encode;
use crate::event::StartCause;
use crate::notice::{DeviceNotice, DropCause};

impl Encode for DeviceNotice {
    fn encode(&self, into: &mut Digest) {
        match self {
            // The message is mixed in as a packet.
            Self::Sent(..) => into.write_word(1),
            // The payload is mixed in as a packet; its length shows whether a fault changed it since.
            Self::Received(topic, payload, latency, _) => {
                into.write_variant(2, &[topic, &(payload.len() as u64), latency]);
            }
            Self::Started(cause) => into.write_variant(3, &[cause]),
            Self::Stopped(reason) => into.write_variant(4, &[reason]),
            Self::Trapped(trap, pause) => into.write_variant(5, &[trap, pause]),
            Self::Crashed(pause) => into.write_variant(6, &[pause]),
            Self::Died(fault, pause) => into.write_variant(7, &[fault, pause]),
            Self::Connected(session_present) => into.write_variant(8, &[session_present]),
            Self::Disconnected(end, pause) => into.write_variant(9, &[end, pause]),
            Self::RequestRefused(request, answer) => into.write_variant(19, &[request, answer]),
            Self::FaultBegan(fault, kind, until) => into.write_variant(10, &[fault, kind, until]),
            Self::FaultEnded(fault, kind) => into.write_variant(11, &[fault, kind]),
            Self::Log(level, text) => into.write_variant(12, &[level, text]),
            Self::Dropped(topic, cause, _) => into.write_variant(13, &[topic, cause]),
            Self::Swapped(change) => into.write_variant(14, &[change]),
            Self::SwapRefused(change, refusal) => into.write_variant(15, &[change, refusal]),
            Self::FaultLog(fault, level, text) => into.write_variant(17, &[fault, level, text]),
            Self::FaultTrapped(fault, trap, aside) => into.write_variant(18, &[fault, trap, aside]),
            Self::SwapRolledBack(change, trap) => into.write_variant(16, &[change, trap]),
        }
    }
}

impl Encode for VersionChange {
    fn encode(&self, into: &mut Digest) {
        let Self { from, to } = self;
        into.write_variant(0, &[from, to]);
    }
}

impl Encode for SwapRefusal {
    fn encode(&self, into: &mut Digest) {
        match self {
            Self::Snapshot(trap) => into.write_variant(1, &[trap]),
            Self::Instantiate(trap) => into.write_variant(2, &[trap]),
            Self::Start(trap) => into.write_variant(3, &[trap]),
            Self::Restore(trap) => into.write_variant(4, &[trap]),
        }
    }
}

impl Encode for StartCause {
    fn encode(&self, into: &mut Digest) {
        into.write_word(match self {
            Self::PowerOn => 1,
            Self::Restart => 2,
            Self::Swap => 3,
        });
    }
}

impl Encode for Trap {
    fn encode(&self, into: &mut Digest) {
        let Self { kind, message } = self;
        into.write_variant(0, &[kind, message]);
    }
}

impl Encode for TrapKind {
    fn encode(&self, into: &mut Digest) {
        into.write_word(match self {
            Self::Refused => 1,
            Self::Trapped => 2,
            Self::OutOfFuel => 3,
            Self::OutOfMemory => 4,
            Self::Host => 5,
            Self::OutOfTime => 6,
        });
    }
}

impl Encode for LogLevel {
    fn encode(&self, into: &mut Digest) {
        into.write_word(match self {
            Self::Trace => 1,
            Self::Debug => 2,
            Self::Info => 3,
            Self::Warn => 4,
            Self::Error => 5,
        });
    }
}

impl Encode for DropCause {
    fn encode(&self, into: &mut Digest) {
        match self {
            Self::Fault(fault) => into.write_variant(1, &[fault]),
            Self::Offline => into.write_word(2),
            Self::QueueFull => into.write_word(3),
            Self::TooLarge(most) => into.write_variant(4, &[most]),
            Self::BeyondLimits(why) => into.write_variant(5, &[&why.name()]),
            Self::Answer(answer) => into.write_variant(6, &[answer]),
            Self::EndsConnection { payload_bytes, answer } => {
                into.write_variant(7, &[payload_bytes, answer]);
            }
        }
    }
}
