//! Messages that the library was handed and has not yet said it is done with.
//!
//! It tells of each what became of it: written, for QoS 0; acknowledged to the end, for QoS 1 and 2; or
//! thrown away, be it with the session or because the broker did not have the session any more. So what
//! is under way lives as long as the device, over all its sessions, and after each change it is asked
//! what came of it. A message that was thrown away goes back to the device.
//!
//! At QoS 2 a PUBREC is not enough: Mosquitto and the embedded broker pass a message on when its PUBREL
//! arrives, and forget it when the session ends before.

use std::collections::VecDeque;
use std::future::{Future, ready};
use std::pin::Pin;

use futures::FutureExt;
use wasmote_mqtt::message::{Message, Qos};
use wasmote_sim::device::Input;

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Written at QoS 0, or acknowledged to the end at 1 and 2.
    Taken,
    /// Thrown away together with a connection or a session.
    Lost,
    /// Thrown away, and would be again.
    Refused,
}

/// Done when it is known what became of a message.
pub(crate) type Outcome = Pin<Box<dyn Future<Output = Fate> + Send>>;

/// Below this many, nothing is gained by looking who is done.
const FEW: usize = 32;

struct Entry {
    message: Message,
    outcome: Outcome,
    fate: Option<Fate>,
}

impl Entry {
    /// What became of it, if that is known.
    fn fate(&mut self) -> Option<Fate> {
        if self.fate.is_none() {
            self.fate = (&mut self.outcome).now_or_never();
        }
        self.fate
    }

    fn is_done(&mut self) -> bool {
        self.fate() == Some(Fate::Taken)
    }
}

/// Messages under way, in order. As many as the library holds, and at most about as many again that it
/// is done with.
#[derive(Default)]
pub(crate) struct UnderWay {
    entries: VecDeque<Entry>,
    /// Length at which to look who is done behind one that is not.
    crowded: usize,
}

impl UnderWay {
    /// One more.
    pub(super) fn add(&mut self, message: Message, outcome: Outcome) {
        while self.entries.front_mut().is_some_and(Entry::is_done) {
            self.entries.pop_front();
        }
        if self.entries.len() >= self.crowded.max(FEW) {
            self.entries.retain_mut(|entry| !entry.is_done());
            self.crowded = self.entries.len() * 2;
        }
        self.entries.push_back(Entry { message, outcome, fate: None });
    }

    /// One more that met no connection. It goes back with the others, in its place among them.
    pub(crate) fn add_lost(&mut self, message: Message) {
        self.add(message, Box::pin(ready(Fate::Lost)));
    }

    /// What the library has thrown away, in order, for the device. The rest stays.
    pub(crate) fn take_lost(&mut self) -> Vec<Input> {
        let mut lost = Vec::new();
        for mut entry in std::mem::take(&mut self.entries) {
            match entry.fate() {
                None => self.entries.push_back(entry),
                Some(fate) => lost.extend(give_back(entry.message, fate)),
            }
        }
        lost
    }

    /// Everything that is not acknowledged, in order, for the device; what will come of it is of no
    /// interest any more.
    pub(crate) fn take_all(&mut self) -> Vec<Input> {
        let entries = std::mem::take(&mut self.entries);
        let unsettled = entries.into_iter().filter_map(|mut entry| {
            let fate = entry.fate().unwrap_or(Fate::Lost);
            give_back(entry.message, fate)
        });
        unsettled.collect()
    }

    /// Wait until it is known of all of them what became of them. May be abandoned and tried again.
    pub(crate) async fn settle(&mut self) {
        for entry in &mut self.entries {
            if entry.fate.is_none() {
                entry.fate = Some((&mut entry.outcome).await);
            }
        }
    }
}

fn give_back(message: Message, fate: Fate) -> Option<Input> {
    match fate {
        Fate::Taken => None,
        Fate::Refused => Some(Input::Refused(message)),
        Fate::Lost => Some(returned(message)),
    }
}

/// A message that met the end of a connection: at QoS 0 that is the end of it, otherwise it waits for the
/// next.
pub(crate) fn returned(message: Message) -> Input {
    match message.qos {
        Qos::AtMostOnce => Input::Refused(message),
        Qos::AtLeastOnce | Qos::ExactlyOnce => Input::Returned(message),
    }
}

#[cfg(test)]
mod tests {
    use futures::channel::oneshot;
    use wasmote_mqtt::topic::Topic;

    use super::*;

    fn message(number: usize, qos: Qos) -> Message {
        Message::new(Topic::new(number.to_string()).unwrap(), "").with_qos(qos)
    }

    fn add(under_way: &mut UnderWay, number: usize, qos: Qos) -> oneshot::Sender<Fate> {
        let (sender, fate) = oneshot::channel();
        let fate = async { fate.await.unwrap_or(Fate::Lost) };
        under_way.add(message(number, qos), Box::pin(fate));
        sender
    }

    fn told(inputs: Vec<Input>) -> Vec<String> {
        let told = inputs.into_iter().map(|input| match input {
            Input::Returned(message) => format!("returned {}", message.topic),
            Input::Refused(message) => format!("refused {}", message.topic),
            other => panic!("{other:?}"),
        });
        told.collect()
    }

    #[test]
    fn what_is_thrown_away_goes_back_once_and_in_order() {
        let mut under_way = UnderWay::default();
        let levels = [Qos::AtLeastOnce, Qos::AtMostOnce, Qos::ExactlyOnce, Qos::AtLeastOnce];
        let mut fates: Vec<_> =
            levels.into_iter().enumerate().map(|(at, qos)| add(&mut under_way, at, qos)).collect();
        let kept = fates.pop();
        fates.clear();
        under_way.add_lost(message(4, Qos::AtLeastOnce));
        assert_eq!(told(under_way.take_lost()), ["returned 0", "refused 1", "returned 2", "returned 4"]);
        assert_eq!(told(under_way.take_lost()), [""; 0]);
        drop(kept);
        assert_eq!(told(under_way.take_lost()), ["returned 3"]);
    }

    #[test]
    fn what_was_taken_or_refused_for_good_does_not_go_back() {
        let mut under_way = UnderWay::default();
        add(&mut under_way, 0, Qos::AtLeastOnce).send(Fate::Taken).unwrap();
        add(&mut under_way, 1, Qos::AtLeastOnce).send(Fate::Refused).unwrap();
        let _pending = add(&mut under_way, 2, Qos::AtLeastOnce);
        assert_eq!(told(under_way.take_all()), ["refused 1", "returned 2"]);
        assert!(under_way.entries.is_empty());
    }

    #[test]
    fn one_that_takes_long_does_not_make_the_others_pile_up() {
        let mut under_way = UnderWay::default();
        let slow = add(&mut under_way, 0, Qos::ExactlyOnce);
        for number in 1..10_000 {
            add(&mut under_way, number, Qos::AtMostOnce).send(Fate::Taken).unwrap();
            assert!(under_way.entries.len() <= FEW + 1);
        }
        drop(slow);
        assert_eq!(told(under_way.take_lost()), ["returned 0"]);
    }

    #[test]
    fn settling_may_be_abandoned() {
        let mut under_way = UnderWay::default();
        let first = add(&mut under_way, 0, Qos::AtLeastOnce);
        let second = add(&mut under_way, 1, Qos::AtLeastOnce);
        first.send(Fate::Taken).unwrap();
        assert_eq!(under_way.settle().now_or_never(), None);
        assert_eq!(under_way.settle().now_or_never(), None);
        drop(second);
        assert_eq!(under_way.settle().now_or_never(), Some(()));
        assert_eq!(told(under_way.take_lost()), ["returned 1"]);
    }
}
