//! What the broker tells of itself under `$SYS`, with the names that Mosquitto uses.

use std::time::Duration;

use wasmote_sim::message::Message;
use wasmote_sim::topic::Topic;

use super::report::BrokerReport;

/// How often.
pub(super) const INTERVAL: Duration = Duration::from_secs(10);

/// The messages of one round. They are retained.
pub(super) fn messages(report: &BrokerReport) -> Vec<Message> {
    let BrokerReport { tally, census, .. } = report;
    let connected = census.connected as u64;
    let counts = [
        ("clients/connected", connected),
        ("clients/disconnected", census.sessions as u64 - connected.min(census.sessions as u64)),
        ("clients/total", census.sessions as u64),
        ("messages/stored", census.waiting),
        ("publish/messages/received", tally.received - tally.own.min(tally.received)),
        ("publish/messages/sent", tally.delivered),
        ("publish/messages/dropped", tally.dropped_in_all()),
        ("retained messages/count", census.retained as u64),
        ("subscriptions/count", census.subscriptions as u64),
    ];
    let texts = [
        ("version", concat!("wasmote version ", env!("CARGO_PKG_VERSION")).to_owned()),
        ("uptime", format!("{} seconds", report.uptime.as_secs())),
    ];
    let counts = counts.map(|(name, count)| (name, count.to_string()));
    let all = texts.into_iter().chain(counts);
    all.filter_map(|(name, text)| {
        let topic = Topic::new(format!("$SYS/broker/{name}")).ok()?;
        Some(Message::new(topic, text).with_retain(true))
    })
    .collect()
}
