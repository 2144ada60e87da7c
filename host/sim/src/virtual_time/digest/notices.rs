//! What devices tell.

use super::Digest;
use super::mix::Mix;
use crate::action::{Cause, Notice};
use crate::behaviour::{Trap, TrapKind};
use crate::context::LogLevel;
use crate::device::{Change, SwapRefusal};
use crate::event::StartCause;

impl Mix for Notice {
    fn mix(&self, into: &mut Digest) {
        match self {
            // What is sent is mixed in as a packet.
            Self::Sent(..) => into.word(1),
            // So is its payload; its length tells whether a fault has changed it since.
            Self::Received(topic, payload, latency) => {
                into.put(2, &[topic, &(payload.len() as u64), latency]);
            }
            Self::Started(cause) => into.put(3, &[cause]),
            Self::Stopped(reason) => into.put(4, &[reason]),
            Self::Trapped(trap, pause) => into.put(5, &[trap, pause]),
            Self::Crashed(pause) => into.put(6, &[pause]),
            Self::Died(fault, pause) => into.put(7, &[fault, pause]),
            Self::Connected(session_present) => into.put(8, &[session_present]),
            Self::Disconnected(reason, pause) => into.put(9, &[reason, pause]),
            Self::FaultBegan(fault, kind, until) => into.put(10, &[fault, kind, until]),
            Self::FaultEnded(fault, kind) => into.put(11, &[fault, kind]),
            Self::Log(level, text) => into.put(12, &[level, text]),
            Self::Dropped(topic, cause) => into.put(13, &[topic, cause]),
            Self::Swapped(change) => into.put(14, &[change]),
            Self::SwapRefused(change, refusal) => into.put(15, &[change, refusal]),
            Self::FaultLog(fault, level, text) => into.put(17, &[fault, level, text]),
            Self::FaultTrapped(fault, trap, aside) => into.put(18, &[fault, trap, aside]),
            Self::SwapUndone(change, trap) => into.put(16, &[change, trap]),
        }
    }
}

impl Mix for Change {
    fn mix(&self, into: &mut Digest) {
        let Self { from, to } = self;
        into.put(0, &[from, to]);
    }
}

impl Mix for SwapRefusal {
    fn mix(&self, into: &mut Digest) {
        match self {
            Self::Snapshot(trap) => into.put(1, &[trap]),
            Self::Spawn(trap) => into.put(2, &[trap]),
            Self::Start(trap) => into.put(3, &[trap]),
            Self::Restore(trap) => into.put(4, &[trap]),
        }
    }
}

impl Mix for StartCause {
    fn mix(&self, into: &mut Digest) {
        into.word(match self {
            Self::PowerOn => 1,
            Self::Restart => 2,
            Self::Swap => 3,
        });
    }
}

impl Mix for Trap {
    fn mix(&self, into: &mut Digest) {
        let Self { kind, message } = self;
        into.put(0, &[kind, message]);
    }
}

impl Mix for TrapKind {
    fn mix(&self, into: &mut Digest) {
        into.word(match self {
            Self::Refused => 1,
            Self::Trapped => 2,
            Self::OutOfFuel => 3,
            Self::OutOfMemory => 4,
            Self::Host => 5,
            Self::OutOfTime => 6,
        });
    }
}

impl Mix for LogLevel {
    fn mix(&self, into: &mut Digest) {
        into.word(match self {
            Self::Trace => 1,
            Self::Debug => 2,
            Self::Info => 3,
            Self::Warn => 4,
            Self::Error => 5,
        });
    }
}

impl Mix for Cause {
    fn mix(&self, into: &mut Digest) {
        match self {
            Self::Fault(fault) => into.put(1, &[fault]),
            Self::Offline => into.word(2),
            Self::QueueFull => into.word(3),
            Self::TooLarge(most) => into.put(4, &[most]),
        }
    }
}
