//! A simulated room with a heater.

use std::ops::RangeInclusive;

use wasmote_sdk::decimal;

/// Targets that the thermostat accepts, in degrees Celsius.
pub const TARGETS: RangeInclusive<f64> = 5.0..=30.0;
/// Temperature at the start.
const COLD: f64 = 15.0;
/// Share of the difference to the target that the heater makes up between two reports.
const HEATING: f64 = 0.1;

/// A room and the temperature that it should have.
pub struct Room {
    /// Temperature in degrees Celsius, to a hundredth.
    pub temperature: f64,
    /// Temperature to reach.
    pub target: f64,
}

impl Room {
    /// A cold room.
    pub fn new(target: f64) -> Self {
        Room { temperature: COLD, target }
    }

    /// Heats or cools the room until the next report.
    pub fn heat(&mut self) {
        let temperature = self.temperature + HEATING * (self.target - self.temperature);
        self.temperature = (temperature * 100.0).round() / 100.0;
    }

    /// Changes the target. The error tells the sender of the command what is allowed.
    pub fn set_target(&mut self, target: f64) -> Result<(), String> {
        if !TARGETS.contains(&target) {
            return Err(format!("value: expected 5 to 30, found {}", decimal(target, 2)));
        }
        self.target = target;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_reaches_its_target() {
        let mut room = Room::new(21.0);
        room.heat();
        assert_eq!(room.temperature, 15.6);
        (0..100).for_each(|_| room.heat());
        assert!((room.temperature - 21.0).abs() < 0.1);
    }

    #[test]
    fn an_impossible_target_is_refused() {
        let mut room = Room::new(21.0);
        assert_eq!(room.set_target(99.5), Err("value: expected 5 to 30, found 99.5".into()));
        assert_eq!(room.target, 21.0);
    }
}
