//! Devices whose behaviour is a closure, and fleets of them.

use std::sync::Arc;

use tokio::sync::mpsc;
use wasmote_live::broker::BrokerHandle;
use wasmote_live::config::{BrokerUrl, ConnectionOptions, FleetConfig, TlsMaterial};
use wasmote_live::fleet::Fleet;
use wasmote_mqtt::device_id::{DeviceId, Identity};
use wasmote_mqtt::message::{Message, Qos};
use wasmote_mqtt::protocol::Protocol;
use wasmote_mqtt::topic::{Topic, TopicFilter};
use wasmote_sim::behaviour::{Behaviour, BehaviourFactory, Trap};
use wasmote_sim::context::Context;
use wasmote_sim::device::Blueprint;
use wasmote_sim::event::{ConnectionChange, Event};
use wasmote_sim::faults::Fault;
use wasmote_sim::faults::document::FaultDocument;
use wasmote_sim::limits::Limits;
use wasmote_sim::rng::Seed;

use super::server::{Server, options};
use super::wait_for;

pub const PROTOCOLS: [Protocol; 2] = [Protocol::V4, Protocol::V5];
pub const LEVELS: [Qos; 3] = [Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce];

struct Closures<F>(F);

impl<F, B> BehaviourFactory for Closures<F>
where
    F: Fn(&Identity) -> B + Send + Sync,
    B: Behaviour + 'static,
{
    fn instantiate(&self, identity: &Identity) -> Result<Box<dyn Behaviour>, Trap> {
        Ok(Box::new((self.0)(identity)))
    }

    fn name(&self) -> &str {
        "closure"
    }
}

/// Creates a device; `make` creates its behaviour at every start.
pub fn device<F, B>(name: &str, protocol: Protocol, make: F) -> Blueprint
where
    F: Fn(&Identity) -> B + Send + Sync + 'static,
    B: FnMut(Event, &mut Context) -> Result<(), Trap> + Send + 'static,
{
    let identity = Identity {
        id: DeviceId::new(name).unwrap(),
        client_id: None,
        group: "group".into(),
        index: 0,
        count: 1,
        topic_root: "t".into(),
        peers: None,
    };
    Blueprint {
        identity: Arc::new(identity),
        factory: Arc::new(Closures(make)),
        limits: Arc::new(Limits::default()),
        protocol,
        seed: Seed::new(1),
        faults: Arc::new([]),
    }
}

/// Device that subscribes and forwards all its events to a channel.
pub struct Listener {
    pub blueprint: Blueprint,
    pub seen: mpsc::UnboundedReceiver<Event>,
    probe: String,
}

/// Creates a listener. It subscribes to its probe last, and the probe is retained: its arrival proves that
/// the other subscriptions are active too.
pub fn listener(name: &str, protocol: Protocol, filters: &[&str]) -> Listener {
    let (sender, seen) = mpsc::unbounded_channel();
    let probe = format!("~probe/{name}");
    let mut filters: Vec<TopicFilter> =
        filters.iter().map(|filter| TopicFilter::new(*filter).unwrap()).collect();
    filters.push(TopicFilter::new(probe.as_str()).unwrap());
    let topic = probe.clone();
    let blueprint = device(name, protocol, move |_| {
        let (sender, filters, topic) = (sender.clone(), filters.clone(), topic.clone());
        move |event: Event, context: &mut Context| {
            match event {
                Event::Started(_) => {
                    for filter in &filters {
                        context.subscribe(filter.clone(), Qos::ExactlyOnce).unwrap();
                    }
                }
                Event::Connection(ConnectionChange::Up { .. }) => {
                    context.publish(message(&topic, "here").with_retain(true)).unwrap();
                }
                _ => {}
            }
            let _ = sender.send(event);
            Ok(())
        }
    });
    Listener { blueprint, seen, probe }
}

impl Listener {
    /// Waits until all subscriptions are active.
    pub async fn ready(&mut self) {
        let probe = &self.probe;
        let matches =
            |event: &Event| matches!(event, Event::Message(message) if message.topic.as_str() == probe);
        wait_for(&mut self.seen, "the device's own probe", matches).await;
    }

    /// Waits for the next message with this payload.
    pub async fn message(&mut self, payload: &str) -> Message {
        let matches =
            |event: &Event| matches!(event, Event::Message(message) if message.payload == payload.as_bytes());
        match wait_for(&mut self.seen, payload, matches).await {
            Event::Message(message) => message,
            other => panic!("{other:?} is not a message"),
        }
    }

    /// Waits for the next event that satisfies `matches`.
    pub async fn event(&mut self, what: &str, matches: impl FnMut(&Event) -> bool) -> Event {
        wait_for(&mut self.seen, what, matches).await
    }
}

/// Broker of a fleet: an address, or a test server.
pub struct Target {
    broker: BrokerUrl,
    embedded_broker: Option<BrokerHandle>,
    tls: Option<Arc<TlsMaterial>>,
}

impl From<BrokerUrl> for Target {
    fn from(broker: BrokerUrl) -> Self {
        Self { broker, embedded_broker: None, tls: None }
    }
}

impl From<&Server> for Target {
    fn from(server: &Server) -> Self {
        Self::through(server, server.device_port(), server.handle())
    }
}

impl Target {
    /// The server's broker, at another port.
    pub fn by_port(server: &Server, port: u16) -> Self {
        Self::through(server, port, None)
    }

    fn through(server: &Server, port: u16, embedded_broker: Option<BrokerHandle>) -> Self {
        Self { broker: server.url_at(port), embedded_broker, tls: server.trusted(options()).tls }
    }
}

pub fn start(to: impl Into<Target>, connection: ConnectionOptions, devices: Vec<Blueprint>) -> Fleet {
    let Target { broker, embedded_broker, tls } = to.into();
    let connection = ConnectionOptions { tls: tls.or(connection.tls), ..connection };
    Fleet::start(FleetConfig { devices, broker, embedded_broker, connection, start_rate: None })
}

pub fn message(topic: &str, payload: &str) -> Message {
    Message::new(Topic::new(topic).unwrap(), payload.to_owned())
}

/// Parses a fault document.
pub fn faults(document: serde_json::Value) -> Arc<[Arc<Fault>]> {
    let document: FaultDocument = serde_json::from_value(document).unwrap();
    document.faults().unwrap().into()
}

pub fn is_up(event: &Event) -> bool {
    matches!(event, Event::Connection(ConnectionChange::Up { .. }))
}

pub fn is_down(event: &Event) -> bool {
    matches!(event, Event::Connection(ConnectionChange::Down(_)))
}

/// Asserts that every device's ledger balances.
pub async fn check_ledgers(fleet: &Fleet) {
    for status in fleet.statuses(0..fleet.devices().len()).await.unwrap() {
        let (out, inward) = status.totals.waiting;
        assert!(
            status.totals.ledger.closes(out, inward),
            "{}: {:#?}",
            status.identity.id,
            status.totals.ledger
        );
    }
}
