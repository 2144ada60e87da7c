//! Commands that must be executed once.
//!
//! The controller numbers its commands and publishes them at QoS 1, which delivers a message at least once: if the
//! connection of the actuator ends before its acknowledgement has arrived, the broker delivers the command again. The
//! defect: the actuator executes a command without a look at its number.

use std::time::Duration;

use wasmote_sdk::json::Value;
use wasmote_sdk::{Device, Qos, object};

use crate::{number, send, send_to};

const TICK: u32 = 1;

/// The controller.
pub(crate) struct Controller {
    next: u64,
    interval: Duration,
}

impl Controller {
    pub(crate) fn start(device: &mut Device) -> Self {
        let interval = device.config().duration("interval", Duration::from_secs(1), ..).unwrap_or_default();
        let interval = interval.max(Duration::from_millis(50));
        device.set_timer(TICK, interval);
        Self { next: device.state_get_u64("next").unwrap_or(1), interval }
    }

    pub(crate) fn on_timer(&mut self, device: &mut Device) {
        device.set_timer(TICK, self.interval);
        if device.connected() {
            let id = self.next;
            self.next += 1;
            device.state_set_u64("next", self.next);
            send_to(device, "actuators", "cmd", &object! { "id": id });
        }
    }
}

/// The actuator.
pub(crate) struct Actuator {
    defect: bool,
    last: u64,
}

impl Actuator {
    pub(crate) fn start(device: &mut Device, defect: bool) -> Result<Self, String> {
        let filter = device.topic_of("actuators", "cmd");
        device.subscribe(&filter, Qos::AtLeastOnce)?;
        Ok(Self { defect, last: device.state_get_u64("last").unwrap_or(0) })
    }

    pub(crate) fn on_message(&mut self, device: &mut Device, body: &Value) {
        let id = number(body, "id");
        if !self.defect && id <= self.last {
            return;
        }
        self.last = id;
        device.state_set_u64("last", id);
        send(device, "executed", &object! { "id": id });
    }
}
