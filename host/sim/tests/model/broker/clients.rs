//! Clients of a scenario.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use wasmote_mqtt::broker::packet::{
    Ack, AckStep, ConnAck, Connect, Disconnect, PacketId, Publish, Reply, Request, SubAck, Subscribe,
    SubscribeOptions, Unsubscribe,
};
use wasmote_mqtt::message::{Message, Qos};
use wasmote_mqtt::topic::{Topic, TopicFilter};

use super::broker_under_test::BrokerUnderTest;

/// How a client acknowledges messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AckPolicy {
    /// Acknowledges at once.
    #[default]
    Immediate,
    /// Sends no acknowledgements.
    Never,
    /// At QoS 2, sends PUBREC and then nothing more.
    PubRecOnly,
}

#[derive(Default)]
struct TestClient {
    ack_policy: AckPolicy,
    received: Vec<String>,
    /// Messages at QoS 2 that were received and not yet released.
    held: BTreeSet<PacketId>,
    last_id: u16,
    acks: Vec<Ack>,
    subacks: Vec<SubAck>,
    unsubacks: Vec<Vec<bool>>,
    connack: Option<ConnAck>,
}

/// A broker and its clients.
pub struct ScenarioClients<'a> {
    broker: &'a mut dyn BrokerUnderTest,
    clients: BTreeMap<String, TestClient>,
}

/// A client of MQTT 5 whose session lasts ten minutes.
pub fn lasting(name: &str) -> Connect {
    Connect { clean_start: false, session_expiry: 600, ..Connect::new(name) }
}

pub fn message(topic: &str, payload: &str, qos: u8) -> Message {
    let topic = Topic::new(topic).expect("a topic");
    Message::new(topic, payload.to_owned()).with_qos(Qos::try_from(qos).expect("a QoS"))
}

pub fn filter(text: &str) -> TopicFilter {
    TopicFilter::new(text).expect("a filter")
}

pub fn at(qos: u8) -> SubscribeOptions {
    SubscribeOptions::at(Qos::try_from(qos).expect("a QoS"))
}

impl<'a> ScenarioClients<'a> {
    pub fn new(broker: &'a mut dyn BrokerUnderTest) -> Self {
        Self { broker, clients: BTreeMap::new() }
    }

    /// Connects a client under its own name. True if the broker still had its session.
    pub fn connect(&mut self, connect: Connect) -> bool {
        let name = connect.client_id.to_string();
        self.clients.entry(name.clone()).or_default();
        self.send(&name, Request::Connect(Box::new(connect)));
        let connack = self.client(&name).connack.take().expect("the broker accepts");
        connack.session_present
    }

    /// Connects a client with default options.
    pub fn join(&mut self, name: &str) {
        assert!(!self.connect(Connect::new(name)));
    }

    pub fn subscribe(&mut self, name: &str, pattern: &str, qos: u8) {
        self.subscribe_with(name, pattern, at(qos), None);
    }

    pub fn subscribe_with(&mut self, name: &str, pattern: &str, options: SubscribeOptions, id: Option<u32>) {
        let granted = self.try_subscribe(name, pattern, options, id);
        assert_eq!(granted.granted, [Ok(options.qos)]);
    }

    pub fn try_subscribe(
        &mut self,
        name: &str,
        pattern: &str,
        options: SubscribeOptions,
        identifier: Option<u32>,
    ) -> SubAck {
        self.start_subscribe(name, pattern, options, identifier);
        self.client(name).subacks.pop().expect("the broker answers")
    }

    /// Sends SUBSCRIBE without an expected result.
    pub fn start_subscribe(
        &mut self,
        name: &str,
        pattern: &str,
        options: SubscribeOptions,
        identifier: Option<u32>,
    ) {
        let packet_id = self.next_id(name);
        let filters = vec![(filter(pattern), options)];
        self.send(name, Request::Subscribe(Subscribe { packet_id, identifier, filters }));
    }

    /// True if the subscription existed.
    pub fn unsubscribe(&mut self, name: &str, pattern: &str) -> bool {
        let packet_id = self.next_id(name);
        let filters = vec![filter(pattern)];
        self.send(name, Request::Unsubscribe(Unsubscribe { packet_id, filters }));
        self.client(name).unsubacks.pop().expect("the broker answers")[0]
    }

    pub fn publish(&mut self, name: &str, topic: &str, payload: &str, qos: u8) {
        self.publish_message(name, message(topic, payload, qos));
    }

    /// Publishes a message and completes the exchange.
    pub fn publish_message(&mut self, name: &str, message: Message) {
        let qos = message.qos;
        let id = (qos != Qos::AtMostOnce).then(|| self.next_id(name));
        let answers = self.send_publish(name, Publish::new(message, id));
        let Some(id) = id else { return };
        if qos == Qos::AtLeastOnce {
            assert_eq!(steps(&answers), [(AckStep::PubAck, id)]);
        } else {
            assert_eq!(steps(&answers), [(AckStep::PubRec, id)]);
            assert_eq!(steps(&self.release(name, id)), [(AckStep::PubComp, id)]);
        }
    }

    /// Sends only the first packet of an exchange. Returns the broker's answers.
    pub fn send_publish(&mut self, name: &str, publish: Publish) -> Vec<Ack> {
        self.send(name, Request::Publish(publish));
        std::mem::take(&mut self.client(name).acks)
    }

    /// Sends PUBREL.
    pub fn release(&mut self, name: &str, id: PacketId) -> Vec<Ack> {
        self.send(name, Request::Ack(Ack::new(AckStep::PubRel, id)));
        std::mem::take(&mut self.client(name).acks)
    }

    pub fn next_id(&mut self, name: &str) -> PacketId {
        let client = self.client(name);
        client.last_id += 1;
        PacketId::new(client.last_id).expect("it began at one")
    }

    /// Sends DISCONNECT.
    pub fn disconnect(&mut self, name: &str) {
        self.leave_with(name, Disconnect::default());
    }

    pub fn leave_with(&mut self, name: &str, farewell: Disconnect) {
        self.send(name, Request::Disconnect(farewell));
    }

    /// Breaks the connection.
    pub fn lose_connection(&mut self, name: &str) {
        self.send(name, Request::Lost);
    }

    pub fn ping(&mut self, name: &str) {
        self.send(name, Request::PingReq);
    }

    pub fn set_ack_policy(&mut self, name: &str, ack_policy: AckPolicy) {
        self.clients.entry(name.to_owned()).or_default().ack_policy = ack_policy;
    }

    pub fn wait(&mut self, seconds: u64) {
        self.broker.wait(Duration::from_secs(seconds));
        self.settle();
    }

    /// Time since the start.
    pub fn passed(&self) -> Duration {
        self.broker.passed()
    }

    /// Messages that a client received since the last call, as `topic=payload @qos`, with ` retained`,
    /// ` again` for DUP, ` expires n` and ` for n` (the subscription identifier) where they apply. Duplicates
    /// at QoS 2 are omitted, as in any client.
    pub fn received(&mut self, name: &str) -> Vec<String> {
        std::mem::take(&mut self.client(name).received)
    }

    /// Whether a client's newest connection is open.
    pub fn is_connected(&mut self, name: &str) -> bool {
        self.broker.is_open(name, 0)
    }

    /// Whether a client's previous connection is closed.
    pub fn was_replaced(&mut self, name: &str) -> bool {
        !self.broker.is_open(name, 1)
    }

    fn client(&mut self, name: &str) -> &mut TestClient {
        self.clients.get_mut(name).expect("the client has connected")
    }

    fn send(&mut self, name: &str, request: Request) {
        self.broker.send(name, request);
        self.settle();
    }

    /// Exchanges packets until all clients are quiet.
    fn settle(&mut self) {
        let names: Vec<String> = self.clients.keys().cloned().collect();
        while names.iter().any(|name| self.read(name)) {}
    }

    fn read(&mut self, name: &str) -> bool {
        let replies = self.broker.receive(name);
        let any = !replies.is_empty();
        for reply in replies {
            let answer = self.client(name).handle_packet(reply);
            if let Some(ack) = answer {
                self.broker.send(name, Request::Ack(ack));
            }
        }
        any
    }
}

fn steps(acks: &[Ack]) -> Vec<(AckStep, PacketId)> {
    acks.iter().map(|ack| (ack.step, ack.packet_id)).collect()
}

impl TestClient {
    fn handle_packet(&mut self, reply: Reply) -> Option<Ack> {
        match reply {
            Reply::ConnAck(connack) => {
                if !connack.session_present {
                    // [MQTT-3.2.2-5]: without a session at the broker, the client discards its state.
                    self.held.clear();
                }
                self.connack = Some(connack);
            }
            Reply::SubAck(suback) => self.subacks.push(suback),
            Reply::UnsubAck(_, existed) => {
                self.unsubacks.push(existed.into_iter().collect::<Result<_, _>>().expect("no refusal"))
            }
            Reply::Publish(publish) => return self.receive(&publish),
            Reply::Ack(ack) if ack.step == AckStep::PubRel => {
                self.held.remove(&ack.packet_id);
                let answers = self.ack_policy == AckPolicy::Immediate;
                return answers.then(|| Ack::new(AckStep::PubComp, ack.packet_id));
            }
            Reply::Ack(ack) => self.acks.push(ack),
            Reply::Refused(_) | Reply::Close(_) | Reply::PingResp => {}
        }
        None
    }

    fn receive(&mut self, publish: &Publish) -> Option<Ack> {
        let Some(id) = publish.packet_id else {
            self.received.push(written(publish));
            return None;
        };
        let exactly_once = publish.message.qos == Qos::ExactlyOnce;
        if !exactly_once || self.held.insert(id) {
            self.received.push(written(publish));
        }
        match (self.ack_policy, exactly_once) {
            (AckPolicy::Never, _) | (AckPolicy::PubRecOnly, false) => None,
            (_, true) => Some(Ack::new(AckStep::PubRec, id)),
            (_, false) => Some(Ack::new(AckStep::PubAck, id)),
        }
    }
}

fn written(publish: &Publish) -> String {
    let message = &publish.message;
    let payload = String::from_utf8_lossy(&message.payload);
    let mut text = format!("{}={payload} @{}", message.topic, u8::from(message.qos));
    if message.retain {
        text += " retained";
    }
    if publish.duplicate {
        text += " again";
    }
    if let Some(expiry) = message.properties.as_ref().and_then(|properties| properties.message_expiry) {
        text += &format!(" expires {expiry}");
    }
    for id in &publish.subscription_ids {
        text += &format!(" for {id}");
    }
    text
}
