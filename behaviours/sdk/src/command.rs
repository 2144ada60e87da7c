//! Commands to a device as JSON over MQTT, and their acknowledgements.
//!
//! A command is `{"id": ..., "cmd": "name", ...}` on `<root>/<device>/cmd`. The acknowledgement goes to the
//! response topic of the message, with its correlation data (MQTT 5), or else to `<root>/<device>/ack`:
//! `{"device","type":"ack","ts","id","cmd","ok":true}`, or `"ok":false` with an `"error"`.

use crate::json::Value;
use crate::{Device, Message, Outgoing, Qos};

/// A parsed command.
#[derive(Debug)]
pub struct Command {
    /// Id given by the sender; `null` without one.
    pub id: Value,
    /// Name of the command.
    pub name: String,
    /// The whole JSON object.
    pub body: Value,
}

impl Command {
    /// Parses a command. Sends a negative acknowledgement and returns `None` if the message is not a command.
    pub fn read(device: &mut Device, message: &Message) -> Option<Command> {
        let refusal = match message.json() {
            Err(error) => format!("the command is no JSON: {error}"),
            Ok(body) => match body.get("cmd").and_then(Value::text).map(String::from) {
                Some(name) => return Some(Command { id: body.get("id").cloned().into(), name, body }),
                None => "cmd: expected the name of a command".into(),
            },
        };
        acknowledge(device, message, Value::Null, Value::Null, Err(refusal));
        None
    }

    /// Logs the result of the command and sends the acknowledgement.
    pub fn acknowledge(self, device: &mut Device, message: &Message, outcome: Result<(), String>) {
        match &outcome {
            Ok(()) => device.info(format_args!("command {} done", self.name)),
            Err(reason) => device.warn(format_args!("command {} refused: {reason}", self.name)),
        }
        acknowledge(device, message, self.id, self.name.into(), outcome);
    }
}

fn acknowledge(device: &mut Device, message: &Message, id: Value, name: Value, outcome: Result<(), String>) {
    let mut report = device.report("ack");
    report.set("id", id);
    report.set("cmd", name);
    report.set("ok", outcome.is_ok());
    if let Err(reason) = outcome {
        report.set("error", reason);
    }
    let own_topic = device.topic("ack");
    let topic = message.response_topic().unwrap_or(&own_topic);
    let answer = Outgoing::json(topic, &report).qos(Qos::AtLeastOnce).correlated(message.correlation_data());
    device.send(&answer);
}
