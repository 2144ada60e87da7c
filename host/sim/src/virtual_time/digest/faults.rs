//! Faults that a device is given. Kinds are told by their names, which documents have made public.

use super::Digest;
use super::mix::Mix;
use crate::faults::battery::Battery;
use crate::faults::broker::{BrokerFault, Failure};
use crate::faults::byte_stream::{HalfOpen, Pace, Stall, Throttle};
use crate::faults::clock::Clock;
use crate::faults::component::Component;
use crate::faults::delay::Delay;
use crate::faults::delay::distribution::Distribution;
use crate::faults::loss::{Loss, Runs};
use crate::faults::outage::{Rounds, Trials};
use crate::faults::partition::Partition;
use crate::faults::target::{Pattern, Target};
use crate::faults::{Direction, Directions, Fault, Model};

impl Mix for Fault {
    fn mix(&self, into: &mut Digest) {
        let Self { id, target: Target { group, device }, model } = self;
        into.put(0, &[id, group, device, &model.kind(), model]);
    }
}

impl Mix for Pattern {
    fn mix(&self, into: &mut Digest) {
        into.bytes(self.as_str().as_bytes());
    }
}

impl Mix for Direction {
    fn mix(&self, into: &mut Digest) {
        into.word(match self {
            Self::Out => 1,
            Self::In => 2,
        });
    }
}

impl Mix for Directions {
    fn mix(&self, into: &mut Digest) {
        into.word(match self {
            Self::Out => 1,
            Self::In => 2,
            Self::Both => 3,
        });
    }
}

impl Mix for Model {
    fn mix(&self, into: &mut Digest) {
        match self {
            Self::Delay(delay) => delay.mix(into),
            Self::Loss(loss) => loss.mix(into),
            Self::Duplicate(it) => into.put(0, &[&it.direction, &it.probability, &it.copies, &it.apart]),
            Self::Corrupt(it) => into.put(0, &[&it.direction, &it.probability, &it.bits]),
            Self::Reorder(it) => into.put(0, &[&it.direction, &it.probability, &it.gap, &it.at_most]),
            Self::Bandwidth(it) => into.put(0, &[&it.direction, &it.bytes_per_second, &it.queue_bytes]),
            Self::Partition(partition) => partition.mix(into),
            Self::Component(component) => component.mix(into),
            Self::Stall(Stall { direction, trials }) | Self::HalfOpen(HalfOpen { direction, trials }) => {
                into.put(0, &[direction, trials]);
            }
            Self::Throttle(Throttle { direction, pace, trials }) => {
                let Pace { bytes_per_second, buffer_bytes } = pace;
                into.put(0, &[direction, &bytes_per_second.get(), buffer_bytes, trials]);
            }
            Self::Reset(trials) | Self::Silence(trials) | Self::Hang(trials) | Self::Disconnect(trials) => {
                trials.mix(into);
            }
            Self::Crash(trials, rounds) => into.put(0, &[trials, rounds]),
            Self::Clock(clock) => clock.mix(into),
            Self::Battery(battery) => battery.mix(into),
            Self::Broker(BrokerFault { failure, trials }) => into.put(0, &[failure, trials]),
        }
    }
}

impl Mix for Failure {
    fn mix(&self, into: &mut Digest) {
        match self {
            Self::Pause => into.word(1),
            Self::Restart { persistent } => into.put(2, &[persistent]),
        }
    }
}

impl Mix for Delay {
    fn mix(&self, into: &mut Digest) {
        let Self { direction, probability, distribution, correlation } = self;
        into.put(0, &[direction, probability, distribution, correlation]);
    }
}

impl Mix for Distribution {
    fn mix(&self, into: &mut Digest) {
        match self {
            Self::Constant(span) => into.put(1, &[span]),
            Self::Uniform { min, max } => into.put(2, &[min, max]),
            Self::Normal { mean, std } => into.put(3, &[mean, std]),
            Self::LogNormal { median, sigma } => into.put(4, &[median, sigma]),
            Self::Pareto { min, shape } => into.put(5, &[min, shape]),
        }
    }
}

impl Mix for Loss {
    fn mix(&self, into: &mut Digest) {
        let Self { direction, probability, runs } = self;
        into.put(0, &[direction, probability, runs]);
    }
}

impl Mix for Runs {
    fn mix(&self, into: &mut Digest) {
        let Self { worsen, recover } = self;
        into.put(0, &[worsen, recover]);
    }
}

impl Mix for Partition {
    fn mix(&self, into: &mut Digest) {
        let Self { direction, peers, trials } = self;
        into.put(0, &[direction, peers, trials]);
    }
}

impl Mix for Component {
    fn mix(&self, into: &mut Digest) {
        into.put(0, &[&self.direction, &self.name(), &self.sha256(), &self.config_text()]);
    }
}

impl Mix for Trials {
    fn mix(&self, into: &mut Digest) {
        let Self { every, probability, lasting, together } = self;
        into.put(0, &[every, probability, lasting, together]);
    }
}

impl Mix for Rounds {
    fn mix(&self, into: &mut Digest) {
        let Self { times, apart } = self;
        into.put(0, &[times, apart]);
    }
}

impl Mix for Clock {
    fn mix(&self, into: &mut Digest) {
        let Self { offset, offset_spread, drift_ppm, drift_spread_ppm } = self;
        into.put(0, &[offset, offset_spread, drift_ppm, drift_spread_ppm]);
    }
}

impl Mix for Battery {
    fn mix(&self, into: &mut Digest) {
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
        into.put(0, &[capacity_joules, idle_watts, send_joules, send_joules_per_byte]);
        into.put(0, &[receive_joules, receive_joules_per_byte, event_joules, recharge]);
    }
}
