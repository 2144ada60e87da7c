//! Hot swaps to another version of the behaviour.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use wasmote_mqtt::device_id::Identity;
use wasmote_mqtt::message::Qos;
use wasmote_mqtt::topic::TopicFilter;
use wasmote_sim::action::Action;
use wasmote_sim::behaviour::{Behaviour, BehaviourFactory, Trap, TrapKind, Version};
use wasmote_sim::context::{Context, LogLevel};
use wasmote_sim::device::{ConnectionState, Input, PowerState, SwapCounts, Upgrade};
use wasmote_sim::event::{Event, StartCause, StopReason};
use wasmote_sim::faults::document::{FaultEntry, Kind};
use wasmote_sim::faults::span::Span;
use wasmote_sim::notice::DeviceNotice;

use crate::harness::{Harness, document, fault, message};

/// Options of a version of the counter.
#[derive(Clone, Copy, Default)]
struct CounterOptions {
    saves: Response,
    starts: Response,
    restores: Response,
    /// Traps at this count.
    traps_at: Option<u64>,
}

#[derive(Clone, Copy, Default, PartialEq)]
enum Response {
    #[default]
    Succeeds,
    Refuses,
    Traps,
}

impl Response {
    fn result(self) -> Result<(), Trap> {
        match self {
            Self::Succeeds => Ok(()),
            Self::Refuses => Err(Trap::new(TrapKind::Refused, "this is not mine")),
            Self::Traps => Err(Trap::new(TrapKind::Trapped, "it broke")),
        }
    }
}

/// Counts once a second, and publishes the count with the name from its store.
struct Counter {
    name: &'static str,
    options: CounterOptions,
    count: u64,
}

impl Counter {
    fn publish(&self, context: &mut Context, what: &str) {
        let mut sent = message("t/count", "");
        let flash = context.store().get("flash").cloned().unwrap_or_default();
        sent.payload = format!("{} {what}", String::from_utf8_lossy(&flash)).into();
        context.publish(sent).expect("few messages are within the rate");
    }
}

impl Behaviour for Counter {
    fn handle(&mut self, event: Event, mut context: Context) -> (Context, Result<(), Trap>) {
        let outcome = match event {
            Event::Started(_) => {
                let filter = TopicFilter::new("t/#").expect("a filter");
                context.subscribe(filter, Qos::AtLeastOnce).expect("within the limits");
                context.store_value("flash".into(), self.name.into()).expect("within the limits");
                context.log(LogLevel::Info, format!("{} starts", self.name));
                context.set_timer(1, context.now() + Duration::from_secs(1)).expect("within the limits");
                self.options.starts.result()
            }
            Event::Timer(_) => {
                self.count += 1;
                self.publish(&mut context, &self.count.to_string());
                context.set_timer(1, context.now() + Duration::from_secs(1)).expect("within the limits");
                match self.options.traps_at == Some(self.count) {
                    true => Response::Traps.result(),
                    false => Ok(()),
                }
            }
            Event::Stopping(StopReason::Swap) => {
                self.publish(&mut context, "leaves");
                context.unsubscribe(TopicFilter::new("t/#").expect("a filter"));
                Ok(())
            }
            _ => Ok(()),
        };
        (context, outcome)
    }

    fn snapshot(&mut self, context: Context) -> (Context, Result<Vec<u8>, Trap>) {
        (context, self.options.saves.result().map(|()| self.count.to_le_bytes().to_vec()))
    }

    fn restore(&mut self, saved: &[u8], context: Context) -> (Context, Result<(), Trap>) {
        self.count = u64::from_le_bytes(saved.try_into().expect("eight bytes"));
        (context, self.options.restores.result())
    }
}

struct CounterFactory(&'static str, CounterOptions);

impl BehaviourFactory for CounterFactory {
    fn instantiate(&self, _identity: &Identity) -> Result<Box<dyn Behaviour>, Trap> {
        Ok(Box::new(Counter { name: self.0, options: self.1, count: 0 }))
    }

    fn name(&self) -> &str {
        "counter"
    }

    fn version(&self) -> Version {
        Version { name: "counter".into(), sha256: self.0.into() }
    }
}

const TRIAL: Duration = Duration::from_secs(10);

fn to(name: &'static str, options: CounterOptions) -> Input {
    Input::Swap(Upgrade { factory: Arc::new(CounterFactory(name, options)), trial: TRIAL })
}

/// A device that has counted to 3 in version `old`.
fn at_three(options: CounterOptions, faults: impl IntoIterator<Item = FaultEntry>) -> Harness {
    let mut harness = Harness::with_factory(Arc::new(CounterFactory("old", options)), document(faults));
    harness.run(Duration::from_millis(3_500));
    harness
}

fn payloads(harness: &Harness) -> Vec<String> {
    let payload = |action: &Action| match action {
        Action::Publish(message) => Some(String::from_utf8_lossy(&message.payload).into_owned()),
        _ => None,
    };
    harness.actions.iter().filter_map(payload).collect()
}

fn refusals(harness: &Harness) -> Vec<String> {
    harness.notices(|notice| match notice {
        DeviceNotice::SwapRefused(change, why) => Some(format!("{} → {}: {why}", change.from, change.to)),
        _ => None,
    })
}

fn counts(done: u64, refused: u64, rolled_back: u64) -> SwapCounts {
    SwapCounts { done, refused, rolled_back }
}

#[test]
fn the_new_version_continues_on_the_same_connection() {
    let mut harness = at_three(CounterOptions::default(), []);
    harness.actions.clear();
    harness.put(to("new", CounterOptions::default()));
    harness.run(Duration::from_secs(2));
    assert_eq!(payloads(&harness), ["old leaves", "new 4", "new 5"]);
    // Connection and subscription are unchanged, although both versions subscribe.
    let touched = |action: &Action| {
        matches!(
            action,
            Action::Connect(_) | Action::Disconnect(_) | Action::Subscribe(..) | Action::Unsubscribe(_)
        )
    };
    assert!(!harness.actions.iter().any(touched), "{:?}", harness.actions);
    assert_eq!(*harness.device.connection(), ConnectionState::Up);
    assert_eq!(harness.device.version().to_string(), "counter@new");
    assert_eq!(harness.device.swap_counts(), counts(1, 0, 0));
    assert!(harness.closes());
}

#[test]
fn message_numbers_and_ledger_continue_after_a_swap() {
    let mut harness = at_three(CounterOptions::default(), []);
    harness.put(to("new", CounterOptions::default()));
    harness.run(Duration::from_secs(2));
    let number = |action: &Action| match action {
        Action::Publish(message) => message.origin.as_ref().map(|origin| origin.sequence),
        _ => None,
    };
    let numbers: Vec<u64> = harness.actions.iter().filter_map(number).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5, 6]);
    assert_eq!(harness.device.ledger().generated, 6);
}

#[test]
fn a_new_subscription_is_sent_to_the_broker() {
    fn other(event: Event, context: &mut Context) -> Result<(), Trap> {
        if event == Event::Started(StartCause::Swap) {
            let filter = TopicFilter::new("t/#").expect("a filter");
            context.subscribe(filter, Qos::ExactlyOnce).expect("within the limits");
        }
        Ok(())
    }
    struct Other;
    impl BehaviourFactory for Other {
        fn instantiate(&self, _identity: &Identity) -> Result<Box<dyn Behaviour>, Trap> {
            Ok(Box::new(Stateless(other)))
        }
        fn name(&self) -> &str {
            "other"
        }
    }
    struct Stateless(fn(Event, &mut Context) -> Result<(), Trap>);
    impl Behaviour for Stateless {
        fn handle(&mut self, event: Event, mut context: Context) -> (Context, Result<(), Trap>) {
            let outcome = self.0(event, &mut context);
            (context, outcome)
        }
        fn restore(&mut self, _saved: &[u8], context: Context) -> (Context, Result<(), Trap>) {
            (context, Ok(()))
        }
    }
    let mut harness = at_three(CounterOptions::default(), []);
    harness.actions.clear();
    harness.put(Input::Swap(Upgrade { factory: Arc::new(Other), trial: TRIAL }));
    let subscribes =
        harness.actions.iter().filter(|action| matches!(action, Action::Subscribe(_, Qos::ExactlyOnce)));
    assert_eq!(subscribes.count(), 1);
}

#[test]
fn a_failed_swap_leaves_the_old_version_unchanged() {
    use Response::{Refuses, Traps};
    for (options, why) in [
        (CounterOptions { starts: Refuses, ..CounterOptions::default() }, "did not start: this is not mine"),
        (CounterOptions { starts: Traps, ..CounterOptions::default() }, "did not start: trapped: it broke"),
        (CounterOptions { restores: Refuses, ..CounterOptions::default() }, "snapshot: this is not mine"),
        (CounterOptions { restores: Traps, ..CounterOptions::default() }, "snapshot: trapped: it broke"),
    ] {
        let mut harness = at_three(CounterOptions::default(), []);
        harness.actions.clear();
        harness.put(to("new", options));
        let refused = refusals(&harness);
        assert!(
            matches!(&refused[..], [one] if one.starts_with("counter@old → counter@new: ") && one.ends_with(why))
        );
        harness.run(Duration::from_secs(1));
        // `start` of the new version neither moved the old version's timer, which is due half a second after
        // the swap, nor changed its store, which provides the name in the message.
        assert_eq!(payloads(&harness), ["old 4"]);
        let logs =
            harness.notices(|it| if let DeviceNotice::Log(_, line) = it { Some(line.clone()) } else { None });
        assert_eq!(logs, ["new starts"], "log lines of the failed version are kept");
        assert_eq!(harness.device.version().to_string(), "counter@old");
        assert_eq!(harness.device.swap_counts(), counts(0, 1, 0));
    }
}

#[test]
fn a_refused_snapshot_keeps_the_old_version_and_a_trap_restarts_it() {
    let mut refusing = at_three(CounterOptions { saves: Response::Refuses, ..CounterOptions::default() }, []);
    refusing.put(to("new", CounterOptions::default()));
    refusing.run(Duration::from_secs(1));
    assert_eq!(payloads(&refusing).last().map(String::as_str), Some("old 4"));

    let mut trapping = at_three(CounterOptions { saves: Response::Traps, ..CounterOptions::default() }, []);
    trapping.put(to("new", CounterOptions::default()));
    assert!(matches!(trapping.device.power(), PowerState::Down { .. }));
    assert_eq!(
        refusals(&trapping),
        ["counter@old → counter@new: the old version gave no snapshot: trapped: it broke"]
    );
    trapping.run(Duration::from_secs(5));
    assert!(trapping.device.is_running());
}

#[test]
fn a_trap_on_trial_rolls_back_on_the_same_connection() {
    let mut harness = at_three(CounterOptions::default(), []);
    harness.actions.clear();
    harness.put(to("new", CounterOptions { traps_at: Some(5), ..CounterOptions::default() }));
    harness.run(Duration::from_secs(4));
    // The new version counted to 4; the old one continues from its own snapshot at 3.
    assert_eq!(payloads(&harness), ["old leaves", "new 4", "old 4", "old 5"]);
    let rolled_back = harness.notices(|notice| match notice {
        DeviceNotice::SwapRolledBack(change, trap) => Some((change.to.to_string(), trap.message.clone())),
        _ => None,
    });
    assert_eq!(rolled_back, [("counter@old".to_owned(), "it broke".to_owned())]);
    assert!(!harness.actions.iter().any(|action| matches!(action, Action::Disconnect(_))));
    assert_eq!(harness.device.swap_counts(), counts(1, 0, 1));
    assert_eq!(harness.device.traps(), 1);
    assert!(harness.closes());
}

#[test]
fn a_trap_after_the_trial_is_not_rolled_back() {
    let mut harness = at_three(CounterOptions::default(), []);
    harness.put(to("new", CounterOptions { traps_at: Some(15), ..CounterOptions::default() }));
    harness.run(Duration::from_secs(12));
    assert!(matches!(harness.device.power(), PowerState::Down { .. }));
    assert_eq!(harness.device.version().to_string(), "counter@new");
}

#[test]
fn a_swap_back_restores_its_own_snapshot_if_the_successors_is_unreadable() {
    // Version `picky` restores only the count 3, like a version that knows one format.
    struct Picky(Counter);
    impl Behaviour for Picky {
        fn handle(&mut self, event: Event, context: Context) -> (Context, Result<(), Trap>) {
            self.0.handle(event, context)
        }
        fn snapshot(&mut self, context: Context) -> (Context, Result<Vec<u8>, Trap>) {
            self.0.snapshot(context)
        }
        fn restore(&mut self, saved: &[u8], context: Context) -> (Context, Result<(), Trap>) {
            let (context, outcome) = self.0.restore(saved, context);
            let known = self.0.count == 3;
            (context, outcome.and(if known { Ok(()) } else { Response::Refuses.result() }))
        }
    }
    struct PickyFactory;
    impl BehaviourFactory for PickyFactory {
        fn instantiate(&self, _identity: &Identity) -> Result<Box<dyn Behaviour>, Trap> {
            Ok(Box::new(Picky(Counter { name: "picky", options: CounterOptions::default(), count: 0 })))
        }
        fn name(&self) -> &str {
            "counter"
        }
    }
    let picky: Arc<dyn BehaviourFactory> = Arc::new(PickyFactory);
    let mut harness = Harness::with_factory(Arc::clone(&picky), document([]));
    harness.run(Duration::from_millis(3_500));
    harness.put(to("new", CounterOptions::default()));
    harness.run(Duration::from_secs(2));
    harness.put(Input::Swap(Upgrade { factory: picky, trial: TRIAL }));
    harness.run(Duration::from_secs(1));
    let sent = payloads(&harness);
    assert_eq!(sent[sent.len() - 4..], ["new 4", "new 5", "new leaves", "picky 4"]);
}

#[test]
fn a_device_that_is_off_or_down_starts_with_the_new_version() {
    let mut off = at_three(CounterOptions::default(), []);
    off.put(Input::Stop(StopReason::Requested));
    off.put(to("new", CounterOptions::default()));
    assert_eq!(*off.device.power(), PowerState::Off(StopReason::Requested), "it stays off");
    off.put(Input::Start);
    off.run(Duration::from_secs(1));
    assert_eq!(payloads(&off).last().map(String::as_str), Some("new 1"));

    let mut down = at_three(CounterOptions::default(), []);
    down.put(Input::Crash);
    down.put(to("new", CounterOptions::default()));
    down.run(Duration::from_millis(6_500));
    assert_eq!(payloads(&down).last().map(String::as_str), Some("new 1"));
}

#[test]
fn a_swap_starts_a_device_whose_behaviour_refused_to_start() {
    let mut harness = Harness::with_factory(
        Arc::new(CounterFactory(
            "old",
            CounterOptions { starts: Response::Refuses, ..CounterOptions::default() },
        )),
        document([]),
    );
    assert!(matches!(harness.device.power(), PowerState::Failed(_)));
    harness.put(to("new", CounterOptions::default()));
    harness.run(Duration::from_secs(1));
    assert_eq!(payloads(&harness), ["new 1"]);
}

#[test]
fn a_hung_device_swaps_after_the_hang() {
    let hang = fault(json!({
        "kind": Kind::Hang,
        "every": Span(Duration::from_secs(4)),
        "probability": 1.0,
        "for": Span(Duration::from_secs(3)),
    }));
    let mut harness = at_three(CounterOptions::default(), [hang]);
    while !harness.device.active_faults().iter().any(|fault| fault.kind == "hang") {
        harness.run(Duration::from_millis(100));
    }
    harness.put(to("new", CounterOptions::default()));
    assert!(harness.device.has_pending_swap());
    assert_eq!(harness.device.version().to_string(), "counter@old");
    while harness.device.has_pending_swap() {
        harness.run(Duration::from_millis(100));
    }
    harness.run(Duration::from_millis(100));
    assert_eq!(harness.device.version().to_string(), "counter@new");
    assert_eq!(harness.device.swap_counts(), counts(1, 0, 0));
}
