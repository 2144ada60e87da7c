//! Clock and battery of a device.

use std::sync::Arc;

use wasmote_mqtt::time::{Time, WallTime};

use super::Injector;
use crate::faults::Fault;
use crate::faults::battery::EnergyUse;

impl Injector {
    /// Reading of the device's calendar clock.
    pub(crate) fn clock_reading(&self, now: Time, wall: WallTime) -> WallTime {
        self.skew.read(now, wall)
    }

    /// Consumes energy of the battery.
    pub(crate) fn spend(&mut self, usage: EnergyUse<'_>) {
        for battery in &mut self.batteries {
            battery.spend(usage);
        }
    }

    /// Records power-on. An empty battery has been replaced or recharged.
    pub(crate) fn switch_on(&mut self, now: Time) {
        for battery in &mut self.batteries {
            if battery.remaining_joules(now) <= 0.0 {
                battery.recharge();
            }
            battery.switch_on(now);
        }
    }

    /// Records power-off, which ends the consumption.
    pub(crate) fn switch_off(&mut self, now: Time) {
        for battery in &mut self.batteries {
            battery.switch_off(now);
        }
    }

    /// Takes over the batteries of earlier faults with the same names.
    pub(crate) fn keep_batteries(&mut self, before: &Self, now: Time, is_on: bool) {
        for battery in &mut self.batteries {
            let same = before.batteries.iter().find(|other| other.fault.id == battery.fault.id);
            if let Some(same) = same {
                battery.inherit_state(same, now);
            }
            if is_on {
                battery.switch_on(now);
            }
        }
    }

    /// Remaining energy in joules of the emptiest battery, if any.
    pub(crate) fn joules_left(&self, now: Time) -> Option<f64> {
        self.batteries.iter().map(|battery| battery.remaining_joules(now)).reduce(f64::min)
    }

    /// Time at which a battery is empty.
    pub(crate) fn empty_at(&self) -> Option<Time> {
        self.batteries.iter().filter_map(|battery| battery.empty_at()).min()
    }

    /// Returns a battery that has become empty, if any.
    pub(crate) fn take_empty_battery(&mut self, now: Time) -> Option<Arc<Fault>> {
        let is_empty = |at: Time| at <= now;
        let empty = self.batteries.iter_mut().find(|battery| battery.empty_at().is_some_and(is_empty))?;
        empty.drain();
        Some(Arc::clone(&empty.fault))
    }
}
