//! Statistics of the broker under `$SYS`, with the topic names of Mosquitto.

use std::time::Duration;

use wasmote_mqtt::message::Message;
use wasmote_mqtt::topic::Topic;

use super::report::BrokerReport;

/// Interval between two rounds of messages.
pub(super) const INTERVAL: Duration = Duration::from_secs(10);

/// Retained messages of one round.
pub(super) fn messages(report: &BrokerReport) -> Vec<Message> {
    let BrokerReport { counters, stats, .. } = report;
    let connected = stats.connected as u64;
    let counts = [
        ("clients/connected", connected),
        ("clients/disconnected", stats.sessions as u64 - connected.min(stats.sessions as u64)),
        ("clients/total", stats.sessions as u64),
        ("messages/stored", stats.waiting),
        ("publish/messages/received", counters.received - counters.own.min(counters.received)),
        ("publish/messages/sent", counters.delivered),
        ("publish/messages/dropped", counters.total_dropped()),
        ("retained messages/count", stats.retained as u64),
        ("subscriptions/count", stats.subscriptions as u64),
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
