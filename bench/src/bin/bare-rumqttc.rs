//! The same load without Wasm: independent rumqttc clients.
//!
//! Follows the examples of rumqttc: each client has one task that polls the connection and one that publishes
//! at each interval. Late messages are sent at once, as in the host.

use std::io::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use clap::Parser;
use rumqttc::{AsyncClient, Broker, EventLoop, MqttOptions, PublishOptions, QoS};
use tokio::time::{Instant, interval_at, sleep};

/// Publish over many connections with bare rumqttc clients.
#[derive(Clone, Parser)]
struct Args {
    /// The broker
    #[arg(long, default_value = "127.0.0.1:1883")]
    broker: SocketAddr,
    /// Number of clients
    #[arg(long, default_value_t = 100)]
    clients: u32,
    /// Time from one message of a client to the next; 0 for connections that only live
    #[arg(long, default_value = "1s")]
    interval: humantime::Duration,
    /// Payload, in bytes
    #[arg(long, default_value_t = 256)]
    size: usize,
    /// QoS of messages
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=2))]
    qos: u8,
    /// Connections begun in each second
    #[arg(long, default_value_t = 4000)]
    ramp: u32,
    /// How long to run
    #[arg(long, default_value = "10s")]
    duration: humantime::Duration,
}

/// The options of the host's clients.
fn options(args: &Args, number: u32) -> MqttOptions {
    let broker = Broker::tcp(args.broker.ip().to_string(), args.broker.port());
    let mut options = MqttOptions::new(format!("bare-{number}"), broker);
    options.set_keep_alive(10);
    options.set_clean_start(true);
    options.set_max_packet_size(Some(256 << 10));
    options.set_outgoing_inflight_upper_limit(20);
    options
}

async fn poll(mut events: EventLoop) {
    loop {
        if let Err(error) = events.poll().await {
            eprintln!("connection lost: {error}");
            sleep(Duration::from_secs(1)).await;
        }
    }
}

async fn publish(args: Args, client: AsyncClient, number: u32) {
    let every = *args.interval;
    if every.is_zero() {
        return std::future::pending().await;
    }
    let qos = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce][usize::from(args.qos)];
    let topic = format!("wasmote/bare-{number}/load");
    // Spread over the interval, so that clients do not publish at the same instant.
    let offset = every.mul_f64(f64::from(number % 997) / 997.0);
    let mut ticks = interval_at(Instant::now() + offset, every);
    for message in 1_u64.. {
        ticks.tick().await;
        let mut payload = Vec::with_capacity(args.size);
        let _ = write!(payload, "{message} ");
        payload.resize(args.size, b'.');
        // A message that does not fit the queue of the client is not sent, so the broker does not count it.
        let _ = client.try_publish(topic.as_str(), payload, PublishOptions::new(qos));
    }
}

#[tokio::main]
async fn main() {
    let args = Args::parse();
    let mut ramp = interval_at(Instant::now(), Duration::from_secs(1) / args.ramp.max(1));
    for number in 0..args.clients {
        ramp.tick().await;
        let (client, mut events) = AsyncClient::builder(options(&args, number)).capacity(100).build();
        events.state.events.shrink_to_fit();
        tokio::spawn(poll(events));
        tokio::spawn(publish(args.clone(), client, number));
    }
    sleep(*args.duration).await;
}
