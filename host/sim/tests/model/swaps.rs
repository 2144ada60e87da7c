//! Another version takes over while the device runs.

use std::sync::Arc;
use std::time::Duration;

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

use crate::harness::{Harness, document, message};

/// How a version of the counter behaves.
#[derive(Clone, Copy, Default)]
struct CounterOptions {
    saves: Response,
    starts: Response,
    restores: Response,
    /// Traps when it has counted this far.
    breaks_at: Option<u64>,
}

#[derive(Clone, Copy, Default, PartialEq)]
enum Response {
    #[default]
    Well,
    Declines,
    Traps,
}

impl Response {
    fn result(self) -> Result<(), Trap> {
        match self {
            Self::Well => Ok(()),
            Self::Declines => Err(Trap::new(TrapKind::Refused, "this is not mine")),
            Self::Traps => Err(Trap::new(TrapKind::Trapped, "it broke")),
        }
    }
}

/// Counts once a second, and publishes with the count the name that it kept in its flash.
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
                context.subscribe(filter, Qos::AtLeastOnce).expect("there is room");
                context.store_value("flash".into(), self.name.into()).expect("there is room");
                context.log(LogLevel::Info, format!("{} starts", self.name));
                context.set_timer(1, context.now() + Duration::from_secs(1)).expect("there is room");
                self.options.starts.result()
            }
            Event::Timer(_) => {
                self.count += 1;
                self.publish(&mut context, &self.count.to_string());
                context.set_timer(1, context.now() + Duration::from_secs(1)).expect("there is room");
                match self.options.breaks_at == Some(self.count) {
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

fn counts(done: u64, refused: u64, undone: u64) -> SwapCounts {
    SwapCounts { done, refused, rolled_back: undone }
}

#[test]
fn the_new_version_goes_on_counting_on_the_same_connection() {
    let mut harness = at_three(CounterOptions::default(), []);
    harness.actions.clear();
    harness.put(to("new", CounterOptions::default()));
    harness.run(Duration::from_secs(2));
    assert_eq!(payloads(&harness), ["old leaves", "new 4", "new 5"]);
    // Neither the connection nor the subscription was touched, though both versions speak of it.
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
fn the_numbers_of_messages_and_the_account_go_on() {
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
fn a_subscription_that_is_new_is_asked_for() {
    fn other(event: Event, context: &mut Context) -> Result<(), Trap> {
        if event == Event::Started(StartCause::Swap) {
            let filter = TopicFilter::new("t/#").expect("a filter");
            context.subscribe(filter, Qos::ExactlyOnce).expect("there is room");
        }
        Ok(())
    }
    struct Other;
    impl BehaviourFactory for Other {
        fn instantiate(&self, _identity: &Identity) -> Result<Box<dyn Behaviour>, Trap> {
            Ok(Box::new(Forgetful(other)))
        }
        fn name(&self) -> &str {
            "other"
        }
    }
    struct Forgetful(fn(Event, &mut Context) -> Result<(), Trap>);
    impl Behaviour for Forgetful {
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
    let asked =
        harness.actions.iter().filter(|action| matches!(action, Action::Subscribe(_, Qos::ExactlyOnce)));
    assert_eq!(asked.count(), 1);
}

#[test]
fn whatever_goes_wrong_before_it_runs_leaves_the_old_version_as_it_was() {
    use Response::{Declines, Traps};
    for (options, why) in [
        (CounterOptions { starts: Declines, ..CounterOptions::default() }, "did not start: this is not mine"),
        (CounterOptions { starts: Traps, ..CounterOptions::default() }, "did not start: trapped: it broke"),
        (CounterOptions { restores: Declines, ..CounterOptions::default() }, "snapshot: this is not mine"),
        (CounterOptions { restores: Traps, ..CounterOptions::default() }, "snapshot: trapped: it broke"),
    ] {
        let mut harness = at_three(CounterOptions::default(), []);
        harness.actions.clear();
        harness.put(to("new", options));
        let told = refusals(&harness);
        assert!(
            matches!(&told[..], [one] if one.starts_with("counter@old → counter@new: ") && one.ends_with(why))
        );
        harness.run(Duration::from_secs(1));
        // The new one's start neither moved the old one's timer, which is due half a second after the swap, nor
        // wrote to its flash, where the name in the message is from.
        assert_eq!(payloads(&harness), ["old 4"]);
        let logs =
            harness.notices(|it| if let DeviceNotice::Log(_, line) = it { Some(line.clone()) } else { None });
        assert_eq!(logs, ["new starts"], "what the failed one said is heard");
        assert_eq!(harness.device.version().to_string(), "counter@old");
        assert_eq!(harness.device.swap_counts(), counts(0, 1, 0));
    }
}

#[test]
fn an_old_version_that_declines_to_save_goes_on_and_one_that_traps_starts_again() {
    let mut declining =
        at_three(CounterOptions { saves: Response::Declines, ..CounterOptions::default() }, []);
    declining.put(to("new", CounterOptions::default()));
    declining.run(Duration::from_secs(1));
    assert_eq!(payloads(&declining).last().map(String::as_str), Some("old 4"));

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
fn a_trap_on_trial_brings_the_old_version_back_on_the_same_connection() {
    let mut harness = at_three(CounterOptions::default(), []);
    harness.actions.clear();
    harness.put(to("new", CounterOptions { breaks_at: Some(5), ..CounterOptions::default() }));
    harness.run(Duration::from_secs(4));
    // The new one got to 4; the old one knows of 3, as it left.
    assert_eq!(payloads(&harness), ["old leaves", "new 4", "old 4", "old 5"]);
    let undone = harness.notices(|notice| match notice {
        DeviceNotice::SwapRolledBack(change, trap) => Some((change.to.to_string(), trap.message.clone())),
        _ => None,
    });
    assert_eq!(undone, [("counter@old".to_owned(), "it broke".to_owned())]);
    assert!(!harness.actions.iter().any(|action| matches!(action, Action::Disconnect(_))));
    assert_eq!(harness.device.swap_counts(), counts(1, 0, 1));
    assert_eq!(harness.device.traps(), 1);
    assert!(harness.closes());
}

#[test]
fn after_the_trial_a_trap_is_a_trap() {
    let mut harness = at_three(CounterOptions::default(), []);
    harness.put(to("new", CounterOptions { breaks_at: Some(15), ..CounterOptions::default() }));
    harness.run(Duration::from_secs(12));
    assert!(matches!(harness.device.power(), PowerState::Down { .. }));
    assert_eq!(harness.device.version().to_string(), "counter@new");
}

#[test]
fn a_swap_back_restores_its_own_snapshot_if_the_successors_is_unreadable() {
    // Version `picky` reads 3 and nothing else, as a version does that knows one format.
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
            (context, outcome.and(if known { Ok(()) } else { Response::Declines.result() }))
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
fn a_device_that_is_off_or_down_starts_in_the_new_version() {
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
fn a_device_whose_behaviour_refused_to_start_gets_another_chance() {
    let mut harness = Harness::with_factory(
        Arc::new(CounterFactory(
            "old",
            CounterOptions { starts: Response::Declines, ..CounterOptions::default() },
        )),
        document([]),
    );
    assert!(matches!(harness.device.power(), PowerState::Failed(_)));
    harness.put(to("new", CounterOptions::default()));
    harness.run(Duration::from_secs(1));
    assert_eq!(payloads(&harness), ["new 1"]);
}

#[test]
fn a_device_that_hangs_swaps_when_it_goes_on() {
    let hang = FaultEntry {
        kind: Kind::Hang,
        every: Some(Span(Duration::from_secs(4))),
        probability: Some(1.0),
        lasting: Some(Span(Duration::from_secs(3))),
        ..FaultEntry::default()
    };
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
