//! A device with its MQTT client, against a broker that sends anything.
//!
//! The broker sends random bytes, and valid packets in wrong states: acknowledgements for nothing, wrong identifiers, answers
//! before CONNACK. After each step every message of the device is accounted for. A packet identifier is not used twice at a
//! time, every packet that the client sends is valid, and one packet of the broker causes only a few.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use wasmote_mqtt::answer::Disconnection;
use wasmote_mqtt::broker::packet::{Ack, AckStep, ConnAck, PacketId, Publish, Reply, Request, SubAck};
use wasmote_mqtt::broker::reason::{AckReason, SubscribeRefusal, UnsubscribeRefusal};
use wasmote_mqtt::client::ids::{ConnectionId, DeviceIndex};
use wasmote_mqtt::client::options::ClientOptions;
use wasmote_mqtt::client::{Client, Refusal};
use wasmote_mqtt::codec::Codec;
use wasmote_mqtt::codec::client::{ClientCodec, Credentials, Incoming};
use wasmote_mqtt::device_id::{DeviceId, Identity};
use wasmote_mqtt::message::{Message, Qos};
use wasmote_mqtt::protocol::Protocol;
use wasmote_mqtt::time::{Time, WallTime};
use wasmote_mqtt::topic::{Topic, TopicFilter};
use wasmote_sim::action::Action;
use wasmote_sim::behaviour::{Behaviour, BehaviourFactory, Trap};
use wasmote_sim::context::Context;
use wasmote_sim::device::{Blueprint, Device, Input as DeviceInput, Now, Outbox};
use wasmote_sim::event::{Event, StopReason};
use wasmote_sim::faults::Fault;
use wasmote_sim::faults::document::FaultDocument;
use wasmote_sim::limits::Limits;
use wasmote_sim::link::AtMostOnce;
use wasmote_sim::rng::Seed;

use crate::input::Input;

const QOS: [Qos; 3] = [Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce];
const STEPS: [AckStep; 4] = [AckStep::PubAck, AckStep::PubRec, AckStep::PubRel, AckStep::PubComp];
/// Most steps of one input, which bound its memory.
const MAX_STEPS: usize = 400;
/// Most packets that one step may cause: the window, the device's queue, and a few answers.
const MAX_PACKETS: usize = 200;
const FAULTS: [&str; 3] = [
    r#"{"fault": []}"#,
    r#"{"fault": [{"kind": "silence", "every": "1s", "probability": 0.5, "for": "700ms"}]}"#,
    r#"{"fault": [{"kind": "delay", "max": "2s", "direction": "both"},
        {"kind": "duplicate", "probability": 0.5, "direction": "both"}, {"kind": "loss", "probability": 0.1}]}"#,
];

/// Steps of the broker and of the device's user.
pub(super) fn check(bytes: &[u8]) -> bool {
    let mut input = Input::new(bytes);
    let mut run = Run::new(&mut input);
    run.put(DeviceInput::Start);
    for _ in 0..MAX_STEPS {
        if input.is_empty() {
            break;
        }
        run.step(&mut input);
    }
    run.put(DeviceInput::Stop(StopReason::Shutdown));
    for _ in 0..10 {
        run.advance(Duration::from_secs(5));
    }
    assert_eq!(run.client.connection(), None, "the connection of a stopped device ends");
    let in_flight = run.device.in_flight();
    assert!(run.session_expiry > 0 || in_flight == 0, "{in_flight} messages are in flight without a session");
    run.device.ledger().sent > 0
}

/// A behaviour that publishes every 200 ms, and answers messages.
struct Talkative;

impl BehaviourFactory for Talkative {
    fn instantiate(&self, _: &Identity) -> Result<Box<dyn Behaviour>, Trap> {
        let mut count = 0_usize;
        Ok(Box::new(move |event: Event, context: &mut Context| {
            count += 1;
            let message = |topic: &str| {
                let topic = Topic::new(topic).expect("a topic");
                Message::new(topic, count.to_string())
                    .with_qos(QOS[count % 3])
                    .with_retain(count.is_multiple_of(5))
            };
            let filter = |text: &str| TopicFilter::new(text).expect("a filter");
            match event {
                Event::Started(_) => {
                    let _ = context.subscribe(filter("t/#"), Qos::ExactlyOnce);
                    let _ = context.set_timer(1, context.now() + Duration::from_millis(200));
                }
                Event::Timer(_) => {
                    // A refusal is one of the results that the target covers.
                    let _ = context.publish(message("t/up"));
                    let _ = context.set_timer(1, context.now() + Duration::from_millis(200));
                    match count % 7 {
                        0 => drop(context.subscribe(filter("u"), Qos::AtMostOnce)),
                        1 => context.unsubscribe(filter("u")),
                        _ => {}
                    }
                }
                Event::Message(_) => drop(context.publish(message("t/echo"))),
                _ => {}
            }
            Ok(())
        }))
    }

    fn name(&self) -> &str {
        "talkative"
    }
}

/// A packet of the client that awaits an answer.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Awaits {
    PubAck,
    PubRec,
    PubComp,
    /// Of an earlier connection, and not sent again yet.
    Resend(Qos),
    Subscription,
}

struct Run {
    device: Device,
    client: Client,
    protocol: Protocol,
    session_expiry: u32,
    /// The network connection, while there is one.
    codec: Option<ClientCodec>,
    silent: bool,
    out: Outbox,
    now: Time,
    unanswered: BTreeMap<PacketId, Awaits>,
}

impl Run {
    fn new(input: &mut Input<'_>) -> Self {
        let protocol = input.choose(&[Protocol::V5, Protocol::V4]);
        let session_expiry = input.choose(&[0, 60]);
        let identity = Identity {
            id: DeviceId::new("d-0").expect("a name"),
            client_id: None,
            group: "d".into(),
            index: 0,
            count: 1,
            topic_root: "t".into(),
            peers: None,
        };
        let limits = Limits { queued_messages: 20, delayed_messages: 30, ..Limits::default() };
        let blueprint = Blueprint {
            identity: Arc::new(identity),
            factory: Arc::new(Talkative),
            limits: Arc::new(limits),
            protocol,
            seed: Seed::new(input.byte().into()),
            faults: Arc::from([]),
        };
        let options = ClientOptions { session_expiry, queued: 10, unread: 10, ..ClientOptions::default() };
        let before = ConnectionId { device: DeviceIndex(0), attempt: 0 };
        Self {
            device: Device::new(blueprint, Time::ZERO),
            client: Client::new(before, "d-0".into(), protocol, Arc::new(options)),
            protocol,
            session_expiry,
            codec: None,
            silent: false,
            out: Outbox::default(),
            now: Time::ZERO,
            unanswered: BTreeMap::new(),
        }
    }

    fn step(&mut self, input: &mut Input<'_>) {
        match input.below(12) {
            0 => {
                let length = input.below(24);
                self.receive(input.take(length));
            }
            1 => self.reply(&connack(input)),
            2 | 3 => self.reply(&reply(input)),
            4..=6 => {
                if let Some(answer) = self.right_answer(input) {
                    self.reply(&answer);
                }
            }
            7 => {
                let topic = Topic::new("t/user").expect("a topic");
                self.put(DeviceInput::Publish(Message::new(topic, "x").with_qos(input.choose(&QOS))));
            }
            8 | 9 => self.advance(Duration::from_millis(50 * (1 + input.below(40) as u64))),
            10 => self.lose("the network is gone"),
            _ => self.disturb(input),
        }
    }

    /// Something that a user or a fault does to the device.
    fn disturb(&mut self, input: &mut Input<'_>) {
        match input.below(6) {
            0 => self.put(DeviceInput::Stop(StopReason::Requested)),
            1 | 2 => self.put(DeviceInput::Start),
            3 => self.put(DeviceInput::Crash),
            _ => {
                let document: FaultDocument =
                    serde_json::from_str(input.choose(&FAULTS)).expect("a document");
                let faults: Vec<Arc<Fault>> = document.faults().expect("valid faults");
                self.put(DeviceInput::SetFaults(faults.into()));
            }
        }
    }

    /// The answer that a packet of the client awaits.
    fn right_answer(&self, input: &mut Input<'_>) -> Option<Reply> {
        let (&packet_id, &awaits) = self.unanswered.iter().nth(input.below(self.unanswered.len()))?;
        let ack = |step| Reply::Ack(Ack { reason: reason(input.clone()), ..Ack::new(step, packet_id) });
        Some(match awaits {
            Awaits::PubAck | Awaits::Resend(Qos::AtLeastOnce) => ack(AckStep::PubAck),
            Awaits::PubRec | Awaits::Resend(_) => ack(AckStep::PubRec),
            Awaits::PubComp => ack(AckStep::PubComp),
            Awaits::Subscription => Reply::SubAck(SubAck { packet_id, granted: vec![Ok(Qos::AtLeastOnce)] }),
        })
    }

    fn reply(&mut self, reply: &Reply) {
        let mut encoded = BytesMut::new();
        if Codec::new(self.protocol).encode(reply, &mut encoded).is_ok() {
            self.receive(&encoded);
        }
    }

    /// Passes bytes of the broker to the client, as a socket does.
    fn receive(&mut self, bytes: &[u8]) {
        let Some(codec) = self.codec.as_mut().filter(|_| !self.silent) else { return };
        let mut incoming = Vec::new();
        let outcome = codec.read(bytes, &mut incoming);
        for one in incoming {
            match one {
                Incoming::Reply(reply) => {
                    self.answered(&reply);
                    let link = self.client.connection();
                    if let Some(link) = link {
                        self.client.receive(link, reply, self.now, &mut self.out);
                        self.settle();
                    }
                }
                Incoming::Explained(reply, text) => {
                    self.answered(&reply);
                    let link = self.client.connection();
                    if let Some(link) = link {
                        self.client.receive_explained(link, reply, text, self.now, &mut self.out);
                        self.settle();
                    }
                }
                Incoming::Closed(end) => return self.lose(end),
            }
        }
        if let Err(reason) = outcome {
            self.lose(reason.to_string());
        }
    }

    fn lose(&mut self, end: impl Into<Disconnection>) {
        if self.codec.take().is_some() {
            self.connection_ended();
        }
        self.client.connection_lost(end, self.now, &mut self.out);
        self.settle();
    }

    /// Identifiers of subscriptions are free, and those of messages if the session has ended.
    fn connection_ended(&mut self) {
        if self.session_expiry == 0 {
            return self.unanswered.clear();
        }
        self.unanswered.retain(|_, awaits| *awaits != Awaits::Subscription);
        for awaits in self.unanswered.values_mut() {
            match awaits {
                Awaits::PubAck => *awaits = Awaits::Resend(Qos::AtLeastOnce),
                Awaits::PubRec => *awaits = Awaits::Resend(Qos::ExactlyOnce),
                _ => {}
            }
        }
    }

    /// Identifiers that an answer frees.
    fn answered(&mut self, reply: &Reply) {
        match reply {
            Reply::ConnAck(accepted) if !accepted.session_present => self.unanswered.clear(),
            Reply::Ack(ack) => match (ack.step, self.unanswered.get(&ack.packet_id)) {
                (AckStep::PubAck, Some(Awaits::PubAck)) | (AckStep::PubComp, Some(Awaits::PubComp)) => {
                    self.unanswered.remove(&ack.packet_id);
                }
                (AckStep::PubRec, Some(Awaits::PubRec | Awaits::PubComp)) if ack.reason.is_error() => {
                    self.unanswered.remove(&ack.packet_id);
                }
                (AckStep::PubRec, Some(Awaits::PubRec)) => {
                    self.unanswered.insert(ack.packet_id, Awaits::PubComp);
                }
                _ => {}
            },
            Reply::SubAck(SubAck { packet_id, .. }) | Reply::UnsubAck(packet_id, _)
                if self.unanswered.get(packet_id) == Some(&Awaits::Subscription) =>
            {
                self.unanswered.remove(packet_id);
            }
            _ => {}
        }
    }

    fn put(&mut self, input: DeviceInput) {
        self.out.inputs.push_back(input);
        self.settle();
    }

    fn advance(&mut self, by: Duration) {
        let end = self.now + by;
        for _ in 0..1_000 {
            let due = [self.device.next_deadline(), self.client.next_deadline()].into_iter().flatten().min();
            let Some(due) = due.filter(|due| *due <= end) else { break };
            self.now = self.now.max(due);
            self.client.wake(self.now, &mut self.out);
            self.put(DeviceInput::Wake);
        }
        self.now = end;
    }

    /// Carries out everything that follows from a step, and checks the counts.
    fn settle(&mut self) {
        let mut packets = 0;
        loop {
            while let Some(input) = self.out.inputs.pop_front() {
                let now = Now { run: self.now, wall: WallTime::from_nanos(1 << 60) + self.now.elapsed() };
                let mut actions = Vec::new();
                self.device.handle(input, now, &mut actions);
                for action in actions {
                    self.apply(action);
                }
            }
            for (_, request) in std::mem::take(&mut self.out.packets) {
                packets += 1;
                assert!(packets < MAX_PACKETS, "one step causes {packets} packets");
                self.send(request);
            }
            if self.out.inputs.is_empty() && self.out.packets.is_empty() {
                break;
            }
        }
        self.device.count_sent(std::mem::take(&mut self.out.sent));
        let (out, inward) = self.device.waiting();
        let ledger = self.device.ledger();
        assert!(ledger.closes(out, inward), "{ledger:?} does not close with {out} and {inward} waiting");
    }

    fn apply(&mut self, action: Action) {
        let (now, out) = (self.now, &mut self.out);
        match action {
            Action::Connect(will) => self.client.connect(will, now, out),
            Action::Disconnect(mode) => self.client.disconnect(mode, now, out),
            Action::Publish(message) => self.client.publish(message, now, out),
            Action::Subscribe(filter, qos) => drop(self.client.subscribe(filter, qos, now, out)),
            Action::Unsubscribe(filter) => drop(self.client.unsubscribe(filter, now, out)),
            Action::Silence => {
                self.silent = true;
                self.client.silence();
            }
            Action::Resume => {
                self.silent = false;
                self.client.resume(now, out);
            }
            _ => {}
        }
    }

    /// Sends a packet, as a socket does, and checks it.
    fn send(&mut self, request: Request) {
        match &request {
            Request::Connect(_) => {
                assert!(self.codec.is_none(), "a second connection while one is open");
                self.codec = Some(ClientCodec::new(self.protocol));
            }
            Request::Lost => {
                if self.codec.take().is_some() {
                    self.connection_ended();
                }
                return;
            }
            _ => {}
        }
        let Some(codec) = &mut self.codec else {
            // A message at QoS 0 that no socket takes is lost.
            let refused = |message| DeviceInput::Refused(message, Refusal::Offline);
            return self.out.inputs.extend(request.into_qos_0_message().map(refused));
        };
        let mut encoded = BytesMut::new();
        match (codec.encode(&request, Credentials::default(), &mut encoded), request) {
            (Ok(()), request) => {
                self.out.sent += u64::from(request.is_qos_0());
                self.assert_decodes(&request, &mut encoded);
                self.sent(&request);
            }
            (Err(why), Request::Publish(publish)) => {
                self.client.return_unsendable(publish, why, self.now, &mut self.out);
            }
            (Err(error), request) => panic!("{request:?} cannot be sent: {error}"),
        }
    }

    fn assert_decodes(&self, request: &Request, encoded: &mut BytesMut) {
        let is_connect = matches!(request, Request::Connect(_));
        let is_valid = match is_connect {
            true => matches!(Codec::decode_connect(encoded), Ok(Some(_))),
            false => matches!(Codec::new(self.protocol).decode(encoded), Ok(Some(_))),
        };
        assert!(is_valid, "a broker refuses {request:?}");
    }

    fn sent(&mut self, request: &Request) {
        let (packet_id, awaits, again) = match request {
            Request::Publish(Publish { packet_id: Some(id), duplicate, message, .. }) => {
                let awaits = if message.qos == Qos::AtLeastOnce { Awaits::PubAck } else { Awaits::PubRec };
                (*id, awaits, *duplicate)
            }
            Request::Subscribe(subscribe) => (subscribe.packet_id, Awaits::Subscription, false),
            Request::Unsubscribe(unsubscribe) => (unsubscribe.packet_id, Awaits::Subscription, false),
            Request::Disconnect(_) => {
                self.codec = None;
                return self.connection_ended();
            }
            _ => return,
        };
        let before = self.unanswered.insert(packet_id, awaits);
        assert!(again || before.is_none(), "{request:?} takes the identifier of {before:?}");
    }
}

fn connack(input: &mut Input<'_>) -> Reply {
    Reply::ConnAck(ConnAck {
        session_present: input.flag(),
        assigned_client_id: None,
        receive_maximum: PacketId::MIN.saturating_add(input.below(30) as u16),
        server_keep_alive: input.choose(&[None, Some(0), Some(1), Some(60)]),
    })
}

fn reply(input: &mut Input<'_>) -> Reply {
    let packet_id = PacketId::MIN.saturating_add(input.below(24) as u16);
    match input.below(5) {
        0 => {
            let topic = Topic::new(input.choose(&["t/1", "u", "other"])).expect("a topic");
            let message = Message::new(topic, "x").with_qos(input.choose(&QOS)).with_retain(input.flag());
            let packet_id = Some(packet_id).filter(|_| message.qos != Qos::AtMostOnce);
            Reply::Publish(Publish {
                duplicate: packet_id.is_some() && input.flag(),
                ..Publish::new(message, packet_id)
            })
        }
        1 => Reply::Ack(Ack { reason: reason(input.clone()), ..Ack::new(input.choose(&STEPS), packet_id) }),
        2 => {
            let granted = [Ok(Qos::AtMostOnce), Ok(Qos::ExactlyOnce), Err(SubscribeRefusal::NotAuthorized)];
            Reply::SubAck(SubAck { packet_id, granted: granted[..=input.below(3)].to_vec() })
        }
        3 => Reply::UnsubAck(
            packet_id,
            vec![input.choose(&[Ok(true), Ok(false), Err(UnsubscribeRefusal(0x87))])],
        ),
        _ => Reply::PingResp,
    }
}

fn reason(mut input: Input<'_>) -> AckReason {
    input.choose(&[
        AckReason::Success,
        AckReason::Success,
        AckReason::NoMatchingSubscribers,
        AckReason::NotAuthorized,
        AckReason::Other(0x96),
    ])
}
