//! Faults that a device is given. Kinds are told by their names, which documents have made public.

use super::Digest;
use super::encode::Encode;
use crate::faults::battery::Battery;
use crate::faults::broker::{BrokerFault, Failure};
use crate::faults::byte_stream::{HalfOpen, Stall, Throttle, ThrottleRate};
use crate::faults::clock::Clock;
use crate::faults::component::Component;
use crate::faults::delay::Delay;
use crate::faults::delay::distribution::Distribution;
use crate::faults::loss::{GilbertElliott, Loss};
use crate::faults::outage::{Recurrence, Repeats};
use crate::faults::partition::Partition;
use crate::faults::target::{Pattern, Target};
use crate::faults::{Direction, Directions, Fault, Model};

impl Encode for Fault {
    fn encode(&self, into: &mut Digest) {
        let Self { id, target: Target { group, device }, model } = self;
        into.write_variant(0, &[id, group, device, &model.kind(), model]);
    }
}

impl Encode for Pattern {
    fn encode(&self, into: &mut Digest) {
        into.write_bytes(self.as_str().as_bytes());
    }
}

impl Encode for Direction {
    fn encode(&self, into: &mut Digest) {
        into.write_word(match self {
            Self::Out => 1,
            Self::In => 2,
        });
    }
}

impl Encode for Directions {
    fn encode(&self, into: &mut Digest) {
        into.write_word(match self {
            Self::Out => 1,
            Self::In => 2,
            Self::Both => 3,
        });
    }
}

impl Encode for Model {
    fn encode(&self, into: &mut Digest) {
        match self {
            Self::Delay(delay) => delay.encode(into),
            Self::Loss(loss) => loss.encode(into),
            Self::Duplicate(it) => {
                into.write_variant(0, &[&it.direction, &it.probability, &it.copies, &it.apart])
            }
            Self::Corrupt(it) => into.write_variant(0, &[&it.direction, &it.probability, &it.bits]),
            Self::Reorder(it) => {
                into.write_variant(0, &[&it.direction, &it.probability, &it.gap, &it.at_most])
            }
            Self::Bandwidth(it) => {
                into.write_variant(0, &[&it.direction, &it.bytes_per_second, &it.queue_bytes])
            }
            Self::Partition(partition) => partition.encode(into),
            Self::Component(component) => component.encode(into),
            Self::Stall(Stall { direction, recurrence })
            | Self::HalfOpen(HalfOpen { direction, recurrence }) => {
                into.write_variant(0, &[direction, recurrence]);
            }
            Self::Throttle(Throttle { direction, rate, recurrence }) => {
                let ThrottleRate { bytes_per_second, buffer_bytes } = rate;
                into.write_variant(0, &[direction, &bytes_per_second.get(), buffer_bytes, recurrence]);
            }
            Self::Reset(recurrence)
            | Self::Silence(recurrence)
            | Self::Hang(recurrence)
            | Self::Disconnect(recurrence) => {
                recurrence.encode(into);
            }
            Self::Crash(recurrence, repeats) => into.write_variant(0, &[recurrence, repeats]),
            Self::Clock(clock) => clock.encode(into),
            Self::Battery(battery) => battery.encode(into),
            Self::Broker(BrokerFault { failure, recurrence }) => {
                into.write_variant(0, &[failure, recurrence])
            }
        }
    }
}

impl Encode for Failure {
    fn encode(&self, into: &mut Digest) {
        match self {
            Self::Pause => into.write_word(1),
            Self::Restart { persistent } => into.write_variant(2, &[persistent]),
        }
    }
}

impl Encode for Delay {
    fn encode(&self, into: &mut Digest) {
        let Self { direction, probability, distribution, correlation } = self;
        into.write_variant(0, &[direction, probability, distribution, correlation]);
    }
}

impl Encode for Distribution {
    fn encode(&self, into: &mut Digest) {
        match self {
            Self::Constant(span) => into.write_variant(1, &[span]),
            Self::Uniform { min, max } => into.write_variant(2, &[min, max]),
            Self::Normal { mean, std } => into.write_variant(3, &[mean, std]),
            Self::LogNormal { median, sigma } => into.write_variant(4, &[median, sigma]),
            Self::Pareto { min, shape } => into.write_variant(5, &[min, shape]),
        }
    }
}

impl Encode for Loss {
    fn encode(&self, into: &mut Digest) {
        let Self { direction, probability, bursts } = self;
        into.write_variant(0, &[direction, probability, bursts]);
    }
}

impl Encode for GilbertElliott {
    fn encode(&self, into: &mut Digest) {
        let Self { worsen, recover } = self;
        into.write_variant(0, &[worsen, recover]);
    }
}

impl Encode for Partition {
    fn encode(&self, into: &mut Digest) {
        let Self { direction, peers, recurrence } = self;
        into.write_variant(0, &[direction, peers, recurrence]);
    }
}

impl Encode for Component {
    fn encode(&self, into: &mut Digest) {
        into.write_variant(0, &[&self.direction, &self.name(), &self.sha256(), &self.config_text()]);
    }
}

impl Encode for Recurrence {
    fn encode(&self, into: &mut Digest) {
        let Self { every, probability, lasting, together } = self;
        into.write_variant(0, &[every, probability, lasting, together]);
    }
}

impl Encode for Repeats {
    fn encode(&self, into: &mut Digest) {
        let Self { times, apart } = self;
        into.write_variant(0, &[times, apart]);
    }
}

impl Encode for Clock {
    fn encode(&self, into: &mut Digest) {
        let Self { offset, offset_spread, drift_ppm, drift_spread_ppm } = self;
        into.write_variant(0, &[offset, offset_spread, drift_ppm, drift_spread_ppm]);
    }
}

impl Encode for Battery {
    fn encode(&self, into: &mut Digest) {
        let Self {
            capacity_joules,
            idle_watts,
            send_joules,
            send_joules_per_byte,
            receive_joules,
            receive_joules_per_byte,
            event_joules,
            recharge,
        } = self;
        into.write_variant(0, &[capacity_joules, idle_watts, send_joules, send_joules_per_byte]);
        into.write_variant(0, &[receive_joules, receive_joules_per_byte, event_joules, recharge]);
    }
}
