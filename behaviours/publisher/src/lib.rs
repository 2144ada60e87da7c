//! Publishes payloads of a fixed size at a fixed interval, for load tests and benchmarks.

use std::io::Write as _;
use std::time::Duration;

use wasmote_sdk::{Behaviour, Device, Outgoing, Qos, StartCause, config};

wasmote_sdk::export!(Publisher);

const PUBLISH_TIMER: u32 = 1;
const MIN_INTERVAL: Duration = Duration::from_millis(1);
/// The longest sequence number and a space.
const MIN_SIZE: i64 = 21;
const MAX_SIZE: i64 = 128 << 10;
const PADDING: u8 = b'.';

struct Publisher {
    interval: Duration,
    seq: u64,
    next: Duration,
    message: Outgoing,
}

impl Behaviour for Publisher {
    fn start(device: &mut Device, _cause: StartCause) -> Result<Self, String> {
        let config = device.config();
        config.deny_unknown_fields(&["interval", "size", "qos", "topic"])?;
        let interval = config.duration("interval", Duration::from_secs(1), MIN_INTERVAL..)?;
        let size = config.integer("size", 256, MIN_SIZE..=MAX_SIZE)? as usize;
        let qos = config.qos("qos", Qos::AtMostOnce)?;
        let leaf = config.text("topic")?.unwrap_or_else(|| "load".into());
        if leaf.is_empty() || leaf.contains(['+', '#']) {
            return Err(config::field_error(
                "topic",
                "expected the last levels of a topic, without wildcards",
            ));
        }
        let message = Outgoing::new(device.topic(&leaf), vec![PADDING; size]).qos(qos);
        // Random phase, so that a fleet does not publish at the same instant.
        let next = device.now() + interval.mul_f64(device.uniform());
        device.set_timer_at(PUBLISH_TIMER, next);
        Ok(Publisher { interval, seq: 0, next, message })
    }

    fn on_timer(&mut self, device: &mut Device, _token: u32) {
        self.seq += 1;
        // Overwrites only the number. The padding behind it stays valid because numbers only get longer, and
        // the smallest payload has space for the longest number.
        let _ = write!(&mut self.message.payload[..], "{} ", self.seq);
        device.send(&self.message);
        // Relative to the due time, so that intervals do not drift; at once if that has passed.
        self.next += self.interval;
        device.set_timer_at(PUBLISH_TIMER, self.next);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmote_sdk::bench::{Fleet, refusal};

    #[test]
    fn one_payload_of_the_configured_size_per_interval() {
        let config = r#"{"interval": "10ms", "size": 64, "topic": "a/b"}"#;
        let mut fleet = Fleet::<Publisher>::of("load", 3).config(config).start();
        fleet.run_for(Duration::from_secs(10));
        let published = fleet.published("wasmote/load-1/a/b");
        assert!((999..=1_000).contains(&published.len()), "{}", published.len());
        for (number, one) in (1..).zip(&published) {
            assert_eq!(one.message.payload.len(), 64);
            let expected = format!("{:.<64}", format!("{number} "));
            assert_eq!(one.text(), expected);
        }
        for pair in published.windows(2) {
            assert_eq!(pair[1].at - pair[0].at, Duration::from_millis(10));
        }
    }

    #[test]
    fn an_invalid_configuration_is_rejected_by_field() {
        for (config, name) in [
            (r#"{"interval": 0}"#, "interval"),
            (r#"{"size": 20}"#, "size"),
            (r#"{"topic": "a/+"}"#, "topic"),
            (r#"{"payload": "x"}"#, "payload"),
        ] {
            let problem = refusal::<Publisher>(config);
            assert!(problem.contains(name), "{config}: {problem}");
        }
    }
}
