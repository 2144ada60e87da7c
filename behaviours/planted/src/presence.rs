//! The retained `online` or `offline` of a device.
//!
//! When the connection ends, the broker publishes the will, `offline`. The device publishes `online` when it is
//! connected again. The defect: it does so only if the broker has lost its session, in the belief that a broker that
//! kept the session has kept `online`, too. But the will has overwritten it.

use wasmote_sdk::{Device, Outgoing, Qos, object};

use crate::send;

/// The device.
pub(crate) struct Presence {
    defect: bool,
}

fn state(device: &Device, online: bool) -> Outgoing {
    let state = if online { "online" } else { "offline" };
    Outgoing::new(device.topic("state"), state).qos(Qos::AtLeastOnce).retained()
}

impl Presence {
    pub(crate) fn start(device: &mut Device, defect: bool) -> Self {
        device.set_offline_will();
        send(device, "boot", &object! { "device": device.id() });
        Self { defect }
    }

    pub(crate) fn on_connection(&mut self, device: &mut Device, up: Option<bool>) {
        if let Some(session_present) = up
            && !(self.defect && session_present)
        {
            let online = state(device, true);
            device.send(&online);
        }
    }

    pub(crate) fn stop(device: &mut Device) {
        let offline = state(device, false);
        device.send(&offline);
    }
}
