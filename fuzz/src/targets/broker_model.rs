//! The broker model, compared with the reference broker after every step: equal replies for each connection, in order.
//!
//! An input is a sequence of steps of three clients on few topics. After each step the model's counts balance.

use std::collections::BTreeMap;
use std::num::NonZeroU16;
use std::time::Duration;

use wasmote_mqtt::broker::Broker;
use wasmote_mqtt::broker::limits::BrokerLimits;
use wasmote_mqtt::broker::packet::{
    Ack, AckStep, Connect, Disconnect, NEVER, PacketId, Publish, Reply, Request, RetainHandling, Subscribe,
    SubscribeOptions, Unsubscribe,
};
use wasmote_mqtt::broker::reason::AckReason;
use wasmote_mqtt::message::{Message, Properties, Qos, Will};
use wasmote_mqtt::protocol::Protocol;
use wasmote_mqtt::time::Time;
use wasmote_mqtt::topic::{Topic, TopicFilter};

use crate::input::Input;
use crate::reference_broker::{ReferenceBroker, Replies};

const CLIENTS: [&str; 4] = ["a", "b", "c", ""];
const TOPICS: [&str; 8] = ["t", "t/1", "t/2", "t/1/x", "u", "/", "$x/t", "$SYS/t"];
const FILTERS: [&str; 20] = [
    "t",
    "t/1",
    "#",
    "+",
    "t/#",
    "t/+",
    "+/1",
    "+/+",
    "t/+/x",
    "t/1/#",
    "/+",
    "/",
    "$x/#",
    "$SYS/#",
    "$share/g/t",
    "$share/g/t/#",
    "$share/h/t/#",
    "$share/g/+",
    "$share/g",
    "$share//t",
];
const QOS: [Qos; 3] = [Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce];
/// Connections, of which each client has several.
const CONNECTIONS: usize = 6;
/// Most steps of one input, which bound its memory.
const MAX_STEPS: usize = 400;

/// Steps of the model and of the reference.
pub(super) fn check(bytes: &[u8]) -> bool {
    let mut input = Input::new(bytes);
    let mut run = Run::new(&mut input);
    for _ in 0..MAX_STEPS {
        if input.is_empty() {
            break;
        }
        run.step(&mut input);
    }
    // Everything that is due in the next minutes, such as wills and ends of sessions.
    run.advance(Duration::from_secs(200));
    run.compare("the end");
    run.model.counters().delivered > 0
}

struct Run {
    model: Broker<u32>,
    reference: ReferenceBroker,
    now: Time,
    /// Payload of the next message.
    sequence: u32,
    /// Messages that the model has sent at QoS 1 and 2, by connection.
    unanswered: BTreeMap<u32, Vec<(PacketId, Qos)>>,
    from_model: Replies,
    from_reference: Replies,
}

impl Run {
    fn new(input: &mut Input<'_>) -> Self {
        let small = |number: usize| NonZeroU16::MIN.saturating_add(number as u16);
        let limits = BrokerLimits {
            inflight: small(input.below(4)),
            queued: 1 + input.below(4),
            queue_qos_0: input.flag(),
            receive_maximum: small(input.below(3)),
            keep_alive: input.flag().then(|| small(5)),
            // The reference broker has no limits in bytes, and the input is too short to reach those of the model.
            ..BrokerLimits::default()
        };
        Self {
            model: Broker::new(limits.clone()),
            reference: ReferenceBroker::new(limits),
            now: Time::ZERO,
            sequence: 0,
            unanswered: BTreeMap::new(),
            from_model: Vec::new(),
            from_reference: Vec::new(),
        }
    }

    fn step(&mut self, input: &mut Input<'_>) {
        // No two deadlines fall on the same nanosecond.
        self.now = self.now + Duration::from_nanos(1);
        let kind = input.below(16);
        let connection = input.below(CONNECTIONS) as u32;
        let request = match kind {
            0 | 1 => Request::Connect(Box::new(self.connect(input))),
            2..=5 => {
                let message = self.message(input);
                let packet_id =
                    PacketId::new(1 + input.below(3) as u16).filter(|_| message.qos != Qos::AtMostOnce);
                Request::Publish(Publish { duplicate: input.flag(), ..Publish::new(message, packet_id) })
            }
            6 | 7 => self.subscribe(input),
            8 => {
                let filters = (0..=input.below(2)).map(|_| filter(input)).collect();
                Request::Unsubscribe(Unsubscribe { packet_id: PacketId::MIN, filters })
            }
            9 | 10 => match self.answer(connection, input) {
                Some(request) => request,
                None => return,
            },
            11 => Request::Ack(Ack {
                step: input.choose(&[AckStep::PubAck, AckStep::PubRec, AckStep::PubRel, AckStep::PubComp]),
                packet_id: PacketId::MIN.saturating_add(input.below(4) as u16),
                reason: reason(input),
            }),
            12 => {
                let session_expiry = input.choose(&[None, None, Some(0), Some(2), Some(NEVER)]);
                Request::Disconnect(Disconnect { with_will: input.flag(), session_expiry })
            }
            13 if input.flag() => Request::Lost,
            13 => Request::PingReq,
            14 => {
                let message = self.message(input);
                self.model.publish(message.clone(), self.now, &mut self.from_model);
                self.reference.publish(message, self.now, &mut self.from_reference);
                return self.compare("a message of the host");
            }
            _ => return self.advance(Duration::from_millis(500 * (1 + input.below(16) as u64))),
        };
        self.model.handle(connection, request.clone(), self.now, &mut self.from_model);
        let what = format!("{connection}: {request:?}");
        self.reference.handle(connection, request, self.now, &mut self.from_reference);
        self.compare(&what);
    }

    fn connect(&mut self, input: &mut Input<'_>) -> Connect {
        let will =
            input.flag().then(|| Will { message: self.message(input), delay: input.choose(&[0, 0, 1, 5]) });
        Connect {
            protocol: input.choose(&[Protocol::V5, Protocol::V5, Protocol::V4]),
            clean_start: input.flag(),
            session_expiry: input.choose(&[0, 2, 7, NEVER]),
            keep_alive: input.choose(&[0, 1, 4, 60]),
            receive_maximum: NonZeroU16::new(input.below(4) as u16),
            will,
            ..Connect::new(input.choose(&CLIENTS))
        }
    }

    fn message(&mut self, input: &mut Input<'_>) -> Message {
        self.sequence += 1;
        let topic = Topic::new(input.choose(&TOPICS)).expect("a topic");
        let payload = if input.below(8) == 7 { String::new() } else { self.sequence.to_string() };
        let mut message =
            Message::new(topic, payload).with_qos(input.choose(&QOS)).with_retain(input.below(4) == 3);
        if input.below(4) == 3 {
            let message_expiry = Some(input.below(4) as u32);
            message.properties = Some(Box::new(Properties { message_expiry, ..Properties::default() }));
        }
        message
    }

    fn subscribe(&mut self, input: &mut Input<'_>) -> Request {
        let handling = [RetainHandling::Always, RetainHandling::IfNew, RetainHandling::Never];
        let one = |input: &mut Input<'_>| {
            let filter = filter(input);
            let options = SubscribeOptions {
                qos: input.choose(&QOS),
                no_local: input.below(5) == 4,
                retain_as_published: input.flag(),
                retain_handling: input.choose(&handling),
            };
            (filter, options)
        };
        let filters = (0..=input.below(3)).map(|_| one(input)).collect();
        let identifier = input.choose(&[None, Some(1), Some(2)]);
        Request::Subscribe(Subscribe { packet_id: PacketId::MIN, identifier, filters })
    }

    /// An acknowledgement of a message that the model has sent.
    fn answer(&mut self, connection: u32, input: &mut Input<'_>) -> Option<Request> {
        let sent = self.unanswered.get_mut(&connection).filter(|sent| !sent.is_empty())?;
        let (packet_id, qos) = sent.remove(input.below(sent.len()));
        let step = if qos == Qos::AtLeastOnce { AckStep::PubAck } else { AckStep::PubRec };
        Some(Request::Ack(Ack { step, packet_id, reason: reason(input) }))
    }

    /// Lets time pass, with all that comes due.
    fn advance(&mut self, by: Duration) {
        let end = self.now + by;
        // A wakeup of the model may be earlier than its due work. The reference looks at every half second, too, in case
        // the model has no wakeup where it needs one.
        while self.now < end {
            let half = self.now + Duration::from_millis(500);
            let due = self.model.next_deadline().map_or(half, |due| due.max(self.now).min(half)).min(end);
            self.now = due;
            self.model.wake(due, &mut self.from_model);
            self.reference.tick(due, &mut self.from_reference);
            self.compare("time");
            assert!(self.model.next_deadline().is_none_or(|next| next > due), "work that is due stays");
            if due == half && self.model.next_deadline().is_none() {
                self.now = end;
                self.reference.tick(end, &mut self.from_reference);
            }
        }
    }

    /// Compares the replies of each connection, and checks the model's counts.
    fn compare(&mut self, what: &str) {
        let by_connection = |replies: Replies| {
            let mut sorted: BTreeMap<u32, Vec<Reply>> = BTreeMap::new();
            for (connection, reply) in replies {
                sorted.entry(connection).or_default().push(reply);
            }
            sorted
        };
        let found = by_connection(std::mem::take(&mut self.from_model));
        let expected = by_connection(std::mem::take(&mut self.from_reference));
        assert_eq!(found, expected, "after {what} at {}: the model (left) and the reference", self.now);
        for (connection, replies) in &found {
            for reply in replies {
                match reply {
                    Reply::Publish(Publish { packet_id: Some(id), message, .. }) => {
                        self.unanswered.entry(*connection).or_default().push((*id, message.qos));
                    }
                    Reply::ConnAck(_) | Reply::Close(_) => drop(self.unanswered.remove(connection)),
                    _ => {}
                }
            }
        }
        let stats = self.model.stats();
        assert_eq!(stats.waiting, self.reference.waiting(), "waiting copies after {what}");
        assert_eq!(stats.sessions, self.reference.session_count(), "sessions after {what}");
        assert!(self.model.counters().closes(stats.waiting), "{:?} after {what}", self.model.counters());
    }
}

fn filter(input: &mut Input<'_>) -> TopicFilter {
    TopicFilter::new(input.choose(&FILTERS)).expect("a filter")
}

fn reason(input: &mut Input<'_>) -> AckReason {
    if input.below(6) == 5 { AckReason::Unspecified } else { AckReason::Success }
}
