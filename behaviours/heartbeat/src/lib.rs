//! Publishes heartbeats and monitors the heartbeats of its peers.
//!
//! [`Heartbeat`] is the behaviour. [`peers`] is the table of peers and their liveness.

mod peers;

use peers::{PeerChange, Peers};
use std::time::Duration;
use wasmote_sdk::json::Value;
use wasmote_sdk::{
    Behaviour, Command, ConnectionChange, Device, Message, Outgoing, Qos, Request, Response, StartCause,
    StopReason, config, decimal, object,
};

wasmote_sdk::export!(Heartbeat);

const HEARTBEAT_TIMER: u32 = 1;
const CHECK_TIMER: u32 = 2;

const MIN_INTERVAL: Duration = Duration::from_millis(10);

/// Successive heartbeats that may be lost before a peer counts as lost. At a loss of 10 %, five in a row are
/// lost once in 100,000 heartbeats.
const TOLERATED_LOSSES: u32 = 5;

/// Largest additional delay of a heartbeat relative to the previous one.
const MAX_DELAY: Duration = Duration::from_millis(500);

/// Longest excerpt of a message in the log.
const MAX_MESSAGE_CHARS: usize = 200;

struct Heartbeat {
    interval: Duration,
    jitter: f64,
    qos: Qos,
    seq: u64,
    started: Duration,
    next_heartbeat: Duration,
    peers: Peers,
    check_scheduled: bool,
}

impl Behaviour for Heartbeat {
    fn start(device: &mut Device, _cause: StartCause) -> Result<Self, String> {
        let config = device.config();
        config.deny_unknown_fields(&["interval", "jitter", "qos", "peers", "lost_after"])?;
        let interval = config.duration("interval", Duration::from_secs(5), MIN_INTERVAL..)?;
        let jitter = config.number("jitter", 0.1, 0.0..=1.0)?;
        let qos = config.qos("qos", Qos::AtMostOnce)?;
        let default_lost_after = interval.mul_f64(1.0 + jitter) * TOLERATED_LOSSES + MAX_DELAY;
        let lost_after = config.duration("lost_after", default_lost_after, MIN_INTERVAL..)?;

        device.set_offline_will();
        let own_commands = device.topic("cmd");
        device.subscribe(&own_commands, Qos::AtLeastOnce)?;
        // A message to all also reaches devices that monitor only a few neighbours.
        let to_all = device.topic_of("all", "message");
        device.subscribe(&to_all, Qos::AtLeastOnce)?;
        for peer in peers_to_watch(device)? {
            for leaf in ["heartbeat", "state", "message"] {
                let topic = device.topic_of(&peer, leaf);
                device.subscribe(&topic, Qos::AtLeastOnce)?;
            }
        }

        // Random phase, so that devices that start together do not publish together.
        let next_heartbeat = device.now() + interval.mul_f64(device.uniform());
        device.set_timer_at(HEARTBEAT_TIMER, next_heartbeat);
        Ok(Heartbeat {
            interval,
            jitter,
            qos,
            seq: device.state_get_u64("seq").unwrap_or(0),
            started: device.now(),
            next_heartbeat,
            peers: Peers::new(lost_after),
            check_scheduled: false,
        })
    }

    fn on_timer(&mut self, device: &mut Device, token: u32) {
        match token {
            HEARTBEAT_TIMER => {
                self.publish_heartbeat(device);
                let spread = device.between(1.0 - self.jitter, 1.0 + self.jitter);
                // Relative to the due time, so that intervals do not drift; at once if that has passed.
                self.next_heartbeat += self.interval.mul_f64(spread).max(MIN_INTERVAL);
                device.set_timer_at(HEARTBEAT_TIMER, self.next_heartbeat);
            }
            _ => self.check(device),
        }
    }

    fn on_message(&mut self, device: &mut Device, message: Message) {
        let Some((sender, leaf)) = device.sender(&message) else { return };
        if leaf == "cmd" {
            return self.handle_command(device, &message);
        }
        if sender == device.id() {
            return;
        }
        match leaf {
            "heartbeat" => self.on_heartbeat(device, sender, &message),
            "state" if message.payload == b"offline" => {
                let change = self.peers.mark_offline(sender);
                self.publish_change(device, sender, change);
            }
            "message" => {
                let (from, text) = read_message(sender, &message);
                device.info(format_args!("message from {from}: {text}"));
                device.count("messages_received_total", 1.0);
            }
            _ => {}
        }
    }

    fn on_connection(&mut self, device: &mut Device, change: ConnectionChange) {
        match change {
            ConnectionChange::Up(_) => {
                device.publish_state(true);
                // No heartbeat could arrive while the connection was down, so every peer gets the full
                // timeout again.
                self.peers.set_listening_since(device.now());
                self.schedule_check(device);
            }
            ConnectionChange::Down(reason) => {
                device.debug(format_args!("connection lost: {reason}"));
                device.cancel_timer(CHECK_TIMER);
                self.check_scheduled = false;
            }
        }
    }

    fn on_http_request(&mut self, device: &mut Device, request: Request) -> Response {
        match request.route() {
            ("GET", "/") => Response::json(&self.describe(device)),
            ("GET", "/peers") => Response::json(&object! {
                "device": device.id(),
                "lost_after_s": self.peers.lost_after.as_secs_f64(),
                "peers": self.peers.describe(device.now()),
            }),
            _ => Response::fallback(&request, &["/", "/peers"]),
        }
    }

    fn stop(&mut self, device: &mut Device, reason: StopReason) {
        if reason != StopReason::Swap {
            device.publish_state(false);
        }
    }

    fn snapshot(&mut self, _device: &mut Device) -> Result<Vec<u8>, String> {
        let saved = object! {
            "seq": self.seq,
            "started_s": self.started.as_secs_f64(),
            "next_beat_s": self.next_heartbeat.as_secs_f64(),
            "peers": self.peers.save(),
        };
        Ok(saved.to_bytes())
    }

    fn restore(&mut self, device: &mut Device, saved: &[u8]) -> Result<(), String> {
        let saved = peers::parse_snapshot(saved)?;
        let time =
            |name| saved.get(name).and_then(Value::number).and_then(|s| Duration::try_from_secs_f64(s).ok());
        self.seq = saved.get("seq").and_then(Value::unsigned).ok_or("seq: expected a number")?;
        self.started = time("started_s").ok_or("started_s: expected a time")?;
        self.next_heartbeat = time("next_beat_s").ok_or("next_beat_s: expected a time")?;
        self.peers.load(saved.get("peers"));
        device.set_timer_at(HEARTBEAT_TIMER, self.next_heartbeat);
        self.schedule_check(device);
        Ok(())
    }
}

impl Heartbeat {
    fn publish_heartbeat(&mut self, device: &mut Device) {
        self.seq += 1;
        // Stored each time: eight bytes in a local store are cheap, and the sequence number survives a crash.
        device.state_set_u64("seq", self.seq);
        let mut report = device.report("heartbeat");
        report.set("seq", self.seq);
        report.set("uptime_s", self.uptime(device));
        device.send(&Outgoing::json(device.topic("heartbeat"), &report).qos(self.qos));
        device.count("heartbeats_sent_total", 1.0);
        device.debug(format_args!("heartbeat {} published", self.seq));
    }

    fn uptime(&self, device: &Device) -> f64 {
        device.now().saturating_sub(self.started).as_millis() as f64 / 1e3
    }

    fn on_heartbeat(&mut self, device: &mut Device, sender: &str, message: &Message) {
        let seq = message.json().ok().and_then(|body| body.get("seq")?.unsigned());
        let Some(seq) = seq else {
            device.debug(format_args!("heartbeat of {sender} not understood"));
            device.count("heartbeats_malformed_total", 1.0);
            return;
        };
        device.debug(format_args!("heartbeat {seq} of {sender} received"));
        device.count("heartbeats_received_total", 1.0);
        let change = self.peers.record_heartbeat(sender, seq, device.now());
        self.publish_change(device, sender, change);
        self.schedule_check(device);
    }

    /// Marks silent peers as lost. A heartbeat only moves a deadline back, so checking at the earliest
    /// deadline is sufficient.
    fn check(&mut self, device: &mut Device) {
        self.check_scheduled = false;
        for (peer, silent) in self.peers.expire(device.now()) {
            self.publish_change(device, &peer, PeerChange::Lost(Some(silent)));
        }
        self.schedule_check(device);
    }

    fn schedule_check(&mut self, device: &mut Device) {
        if self.check_scheduled || !device.connected() {
            return;
        }
        if let Some(deadline) = self.peers.next_deadline() {
            device.set_timer_at(CHECK_TIMER, deadline);
            self.check_scheduled = true;
        }
    }

    fn publish_change(&mut self, device: &mut Device, peer: &str, change: PeerChange) {
        let (event, silent) = match change {
            PeerChange::None => return,
            PeerChange::Found => {
                device.debug(format_args!("peer {peer} found"));
                return device.gauge("peers_alive", self.peers.alive() as f64);
            }
            PeerChange::Full => return device.count("peers_not_tracked_total", 1.0),
            PeerChange::Lost(Some(silent)) => {
                device.info(format_args!(
                    "peer {peer} lost: silent for {} s",
                    decimal(silent.as_secs_f64(), 1)
                ));
                ("lost", Some(silent))
            }
            PeerChange::Lost(None) => {
                device.info(format_args!("peer {peer} lost: its state is offline"));
                ("lost", None)
            }
            PeerChange::Back(silent) => {
                device.info(format_args!("peer {peer} back after {} s", decimal(silent.as_secs_f64(), 1)));
                ("back", Some(silent))
            }
        };
        let mut report = device.report("peer");
        report.set("event", event);
        report.set("peer", peer);
        report.set("silent_s", silent.map(|time| time.as_millis() as f64 / 1e3));
        report.set("alive", self.peers.alive());
        device.send(&Outgoing::json(device.topic("peers"), &report).qos(self.qos));
        device.count(if event == "lost" { "peers_lost_total" } else { "peers_back_total" }, 1.0);
        device.gauge("peers_alive", self.peers.alive() as f64);
    }

    fn handle_command(&mut self, device: &mut Device, message: &Message) {
        let Some(command) = Command::read(device, message) else { return };
        let outcome = match command.name.as_str() {
            "beat" => {
                self.publish_heartbeat(device);
                Ok(())
            }
            _ => Err("cmd: expected \"beat\"".into()),
        };
        command.acknowledge(device, message, outcome);
    }

    fn describe(&self, device: &Device) -> Value {
        object! {
            "device": device.id(),
            "seq": self.seq,
            "uptime_s": self.uptime(device),
            "interval_s": self.interval.as_secs_f64(),
            "connected": device.connected(),
            "peers_alive": self.peers.alive(),
            "peers_lost": self.peers.lost(),
        }
    }
}

/// Ids of the monitored devices: `+` for all, some ring neighbours, or none.
fn peers_to_watch(device: &mut Device) -> Result<Vec<String>, String> {
    let config = device.config();
    let reach = match config.text("peers") {
        Ok(None) => return Ok(vec!["+".into()]),
        Ok(Some(word)) if word == "all" => return Ok(vec!["+".into()]),
        Ok(Some(_)) => {
            return Err(config::field_error(
                "peers",
                "expected \"all\" or a number of neighbours on each side",
            ));
        }
        Err(_) => config.integer("peers", 0, 0..=1_000)?,
    };
    let (own, size) = (i64::from(device.index()), i64::from(device.group_size()));
    let mut neighbours = Vec::new();
    for offset in (1..=reach).flat_map(|distance| [distance, -distance]) {
        let index = (own + offset).rem_euclid(size.max(1));
        match device.peer(index as u32) {
            // A small ring has fewer neighbours than configured.
            Some(id) if id != device.id() && !neighbours.contains(&id) => neighbours.push(id),
            Some(_) => {}
            None => {
                device.warn("the host does not know the other devices here: set peers to \"all\" or 0");
                break;
            }
        }
    }
    Ok(neighbours)
}

/// Sender of a message, and its text in one line.
fn read_message<'m>(sender: &'m str, message: &'m Message) -> (String, String) {
    let body = message.json().ok();
    let field = |name| body.as_ref().and_then(|body| body.get(name));
    let text = match field("message") {
        Some(Value::Text(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => String::from_utf8_lossy(&message.payload).into_owned(),
    };
    let from = if sender == "all" { field("device").and_then(Value::text).unwrap_or(sender) } else { sender };
    let line = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter });
    (from.into(), line.take(MAX_MESSAGE_CHARS).collect())
}

#[cfg(test)]
mod tests;
