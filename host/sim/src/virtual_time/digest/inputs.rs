//! What devices deal with.

use super::Digest;
use super::mix::Mix;
use crate::behaviour::Version;
use crate::device::Input;
use crate::event::StopReason;
use crate::http::{HttpFailure, HttpRequest, HttpResponse};

impl Mix for Input {
    fn mix(&self, into: &mut Digest) {
        match self {
            Self::Wake => into.word(1),
            // Just before, the packet was mixed in with all that is in it.
            Self::Delivered(_) => into.word(2),
            Self::Start => into.word(3),
            Self::Stop(reason) => into.put(4, &[reason]),
            Self::Crash => into.word(5),
            Self::Connected { session_present } => into.put(6, &[session_present]),
            Self::Resumed => into.word(7),
            Self::Disconnected(reason) => into.put(8, &[reason]),
            Self::Refused(message) => into.put(9, &[message]),
            Self::Returned(message) => into.put(10, &[message]),
            Self::Publish(message) => into.put(11, &[message]),
            Self::HttpRequest(ticket, request) => into.put(12, &[ticket, request]),
            Self::HttpReply(id, Ok(response)) => into.put(13, &[id, response]),
            Self::HttpReply(id, Err(failure)) => into.put(14, &[id, failure]),
            Self::SetFaults(faults) => {
                into.put(15, &[&(faults.len() as u64)]);
                faults.iter().for_each(|fault| fault.mix(into));
            }
            Self::Swallowed(direction, message, fault) => into.put(17, &[direction, message, fault]),
            // By what the version is, not by where it lies.
            Self::Swap(upgrade) => into.put(16, &[&upgrade.spawn.version(), &upgrade.trial]),
        }
    }
}

impl Mix for Version {
    fn mix(&self, into: &mut Digest) {
        let Self { name, sha256 } = self;
        into.put(0, &[name, sha256]);
    }
}

impl Mix for StopReason {
    fn mix(&self, into: &mut Digest) {
        into.word(match self {
            Self::Requested => 1,
            Self::Shutdown => 2,
            Self::Swap => 3,
        });
    }
}

impl Mix for HttpRequest {
    fn mix(&self, into: &mut Digest) {
        let Self { method, url, headers, body } = self;
        into.put(0, &[method, url, headers, body]);
    }
}

impl Mix for HttpResponse {
    fn mix(&self, into: &mut Digest) {
        let Self { status, headers, body } = self;
        into.put(0, &[status, headers, body]);
    }
}

impl Mix for HttpFailure {
    fn mix(&self, into: &mut Digest) {
        match self {
            Self::TimedOut => into.word(1),
            Self::Unreachable(why) => into.put(2, &[why]),
            Self::TooLarge(most) => into.put(3, &[most]),
        }
    }
}
