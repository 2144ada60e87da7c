//! A thermostat: it heats a simulated room to a target temperature, reports both, and takes commands.
//!
//! [`Thermostat`] is the behaviour; each of its methods handles one event of the device. The module `room` has no device, so
//! `cargo test` tests it natively. `wasmote test` runs the whole behaviour in the scenarios of `tests/`.

mod room;

use std::time::Duration;

use room::Room;
use wasmote_sdk::{
    Behaviour, Command, ConnectionChange, Device, Message, Outgoing, Qos, Request, Response, StartCause, StopReason, json,
    object,
};

wasmote_sdk::export!(Thermostat);

const REPORT_TIMER: u32 = 1;
/// Key of the target in the store, which survives a loss of power.
const TARGET: &str = "target";

struct Thermostat {
    interval: Duration,
    seq: u64,
    room: Room,
}

impl Behaviour for Thermostat {
    fn start(device: &mut Device, _cause: StartCause) -> Result<Self, String> {
        let config = device.config();
        config.deny_unknown_fields(&["interval", "target"])?;
        let interval = config.duration("interval", Duration::from_secs(1), Duration::from_millis(100)..)?;
        let configured = config.number("target", 21.0, room::TARGETS)?;
        let stored = device.state_get(TARGET).and_then(|bytes| String::from_utf8(bytes).ok()?.parse().ok());

        device.set_offline_will();
        device.subscribe(&device.topic("cmd"), Qos::AtLeastOnce)?;
        device.set_timer(REPORT_TIMER, interval);
        Ok(Thermostat { interval, seq: 0, room: Room::new(stored.unwrap_or(configured)) })
    }

    fn on_connection(&mut self, device: &mut Device, change: ConnectionChange) {
        if let ConnectionChange::Up(_) = change {
            device.publish_state(true);
        }
    }

    fn on_timer(&mut self, device: &mut Device, _token: u32) {
        device.set_timer(REPORT_TIMER, self.interval);
        self.room.heat();
        self.seq += 1;
        let mut report = device.report("telemetry");
        report.set("seq", self.seq);
        report.set("values", object! { "room": self.room.temperature, "target": self.room.target });
        device.send(&Outgoing::json(device.topic("telemetry"), &report));
        device.count("reports_total", 1.0);
    }

    fn on_message(&mut self, device: &mut Device, message: Message) {
        if let Some(command) = Command::read(device, &message) {
            let outcome = self.execute(device, &command);
            command.acknowledge(device, &message, outcome);
        }
    }

    fn on_http_request(&mut self, device: &mut Device, request: Request) -> Response {
        match request.route() {
            ("GET", "/") => Response::json(&object! {
                "device": device.id(), "seq": self.seq, "room": self.room.temperature, "target": self.room.target,
            }),
            _ => Response::fallback(&request, &["/"]),
        }
    }

    fn stop(&mut self, device: &mut Device, reason: StopReason) {
        // During a swap the new version goes on with the same connection.
        if reason != StopReason::Swap {
            device.publish_state(false);
        }
    }

    fn snapshot(&mut self, _device: &mut Device) -> Result<Vec<u8>, String> {
        let saved = object! { "seq": self.seq, "room": self.room.temperature, "target": self.room.target };
        Ok(saved.to_bytes())
    }

    fn restore(&mut self, _device: &mut Device, saved: &[u8]) -> Result<(), String> {
        let saved = json::parse(saved).map_err(|error| format!("the snapshot is no JSON: {error}"))?;
        let number = |name: &str| saved.get(name).and_then(json::Value::number);
        self.seq = saved.get("seq").and_then(json::Value::unsigned).ok_or("the snapshot has no `seq`")?;
        self.room.temperature = number("room").ok_or("the snapshot has no `room`")?;
        self.room.target = number("target").ok_or("the snapshot has no `target`")?;
        Ok(())
    }
}

impl Thermostat {
    fn execute(&mut self, device: &mut Device, command: &Command) -> Result<(), String> {
        match command.name.as_str() {
            "target" => {
                let value = command.body.get("value").and_then(json::Value::number).ok_or("value: expected a number")?;
                self.room.set_target(value)?;
                let text = wasmote_sdk::decimal(value, 2);
                device.state_set(TARGET, text.to_string().as_bytes())?;
                Ok(())
            }
            other => Err(format!("there is no command `{other}`; this device knows `target`")),
        }
    }
}
