//! Fault models: what they may do to messages, and what becomes of those that would do harm.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use wasmote_engine::Engine;
use wasmote_sim::action::{Action, Cause, Notice};
use wasmote_sim::device::{Device, Input};
use wasmote_sim::faults::component::{Appoint, Component};
use wasmote_sim::faults::target::Target;
use wasmote_sim::faults::{Directions, Fault, Model};
use wasmote_sim::ledger::FaultCounts;
use wasmote_sim::limits::Limits;
use wasmote_sim::message::Message;
use wasmote_sim::topic::Topic;

use crate::bench::Bench;
use crate::guests;
use crate::guests::models::{self, judging};

/// A well-behaved device with this model on both ways of its link.
struct Lane(Bench);

fn faults(component: &[u8], config: Value) -> Result<Vec<Arc<Fault>>, String> {
    let engine = Engine::new().expect("this machine runs WebAssembly");
    let model = engine.load_fault_model("model", component, Arc::new(Limits::default()));
    let model: Arc<dyn Appoint> = Arc::new(model.map_err(|error| error.to_string())?);
    let Value::Object(config) = config else { panic!("a configuration is an object") };
    let component = Component::new(Directions::Both, config, model).map_err(|trap| trap.to_string())?;
    let model = Model::Component(component);
    Ok(vec![Arc::new(Fault { id: "mine".into(), target: Target::default(), model })])
}

impl Lane {
    fn new(component: &[u8]) -> Self {
        Self::with(component, json!({}))
    }

    fn with(component: &[u8], config: Value) -> Self {
        let mut bench = Bench::new(&guests::Guest::default().component()).start();
        bench.put(Input::SetFaults(faults(component, config).expect("the model can be used").into()));
        Self(bench)
    }

    /// The device publishes, and some time passes.
    fn publish(&mut self, payload: &[u8]) {
        let topic = Topic::new("wasmote/a/t").expect("a topic");
        self.0.put(Input::Publish(Message::new(topic, payload.to_vec())));
        self.0.run(Duration::from_millis(10));
    }

    fn device(&self) -> &Device {
        &self.0.device
    }

    fn counts(&self) -> FaultCounts {
        self.device().ledger().fault_total()
    }

    fn traps(&self) -> Vec<(String, bool)> {
        self.0.notices(|notice| match notice {
            Notice::FaultTrapped(id, trap, aside) if **id == *"mine" => Some((trap.to_string(), *aside)),
            _ => None,
        })
    }

    fn lines(&self) -> Vec<String> {
        self.0.notices(|notice| match notice {
            Notice::FaultLog(id, _, text) if **id == *"mine" => Some(text.clone()),
            _ => None,
        })
    }

    fn closes(&self) -> bool {
        let (out, inward) = self.device().waiting();
        self.device().ledger().closes(out, inward)
    }
}

#[test]
fn a_verdict_is_applied_and_entered_under_the_faults_id() {
    let mut lane = Lane::new(&judging(models::DROP));
    lane.publish(b"x");
    assert!(lane.0.published().is_empty());
    let dropped = |action: &Action| matches!(action, Action::Notice(Notice::Dropped(_, Cause::Fault(id))) if **id == *"mine");
    assert!(lane.0.actions.iter().any(dropped));
    assert_eq!(lane.counts(), FaultCounts { dropped_out: 1, ..FaultCounts::default() });

    let mut lane = Lane::new(&judging(models::DELAY));
    lane.publish(b"x");
    assert!(lane.0.published().is_empty(), "it waits for a second");
    lane.0.run(Duration::from_secs(1));
    assert_eq!(lane.0.published().len(), 1);
    assert!(lane.closes());
}

#[test]
fn a_model_sees_the_message_and_can_change_it() {
    // Cuts the topic out of the message and answers with it as the payload.
    let echo = "(call $answer (i32.const 4)) (i32.store (i32.const 1032) (local.get $topic))
                (i32.store (i32.const 1036) (local.get $topic-size))";
    let mut lane = Lane::new(&judging(echo));
    lane.publish(b"hidden");
    assert_eq!(&lane.0.published()[0].payload[..], b"wasmote/a/t");
    // Loses what is numbered 2, out of the device itself: `has-origin`, `sequence`.
    let second = "(if (i32.and (local.get $has-origin) (i64.eq (local.get $sequence) (i64.const 2)))
                    (then (call $answer (i32.const 2))))";
    let mut lane = Lane::new(&judging(second));
    (0..3).for_each(|_| lane.publish(b"x"));
    let numbers = lane.0.published().into_iter().filter_map(|it| Some(it.stamp.as_ref()?.sequence));
    assert_eq!(numbers.collect::<Vec<_>>(), [1, 3]);
}

#[test]
fn both_ways_meet_one_instance() {
    // The third call is lost, whichever way it goes.
    let third = "(if (i32.eq (global.get $calls) (i32.const 3)) (then (call $answer (i32.const 2))))";
    let mut lane = Lane::new(&judging(third));
    lane.publish(b"x");
    let delivered = || Message::new(Topic::new("in").expect("a topic"), "x");
    lane.0.put(Input::Delivered(delivered()));
    lane.0.put(Input::Delivered(delivered()));
    assert_eq!(lane.counts(), FaultCounts { dropped_in: 1, ..FaultCounts::default() });
    assert!(lane.closes());
}

#[test]
fn random_numbers_are_the_faults_own_and_repeatable() {
    let fates = || {
        let mut lane = Lane::new(&judging(models::COIN));
        (0..200)
            .map(|_| {
                let before = lane.counts().dropped_out;
                lane.publish(b"x");
                lane.counts().dropped_out > before
            })
            .collect::<Vec<_>>()
    };
    let first = fates();
    assert_eq!(first, fates());
    let lost = first.iter().filter(|lost| **lost).count();
    assert!((65..135).contains(&lost), "{lost} of 200 with a chance of one half");
}

#[test]
fn a_model_that_fails_lets_messages_pass_and_is_put_aside_after_three_times() {
    for (judge, reason) in [
        (models::LOOP, "ran out of fuel: one call used more than 50000000 units"),
        (models::TRAP, "trapped: a panic or an explicit trap"),
        (models::EAT, "ran out of memory: it asked for"),
        (models::HUGE, "trapped: it answered with a payload of 200000 bytes; the most are 131072"),
    ] {
        let mut lane = Lane::new(&judging(judge));
        (0..5).for_each(|_| lane.publish(b"x"));
        assert_eq!(lane.0.published().len(), 5, "{reason}: every message passed");
        let traps = lane.traps();
        assert_eq!(
            traps.iter().map(|(_, aside)| *aside).collect::<Vec<_>>(),
            [false, false, true],
            "{reason}"
        );
        assert!(traps[0].0.starts_with(reason), "{}", traps[0].0);
        assert_eq!(lane.counts(), FaultCounts { traps: 3, ..FaultCounts::default() });
        assert!(lane.0.traps().is_empty(), "the device itself is well");
        assert!(lane.closes());
    }
}

#[test]
fn a_model_that_recovers_is_not_put_aside_and_its_last_words_are_read() {
    // A fresh instance passes one message and traps at the next.
    let judge =
        "(if (i32.ge_u (global.get $calls) (i32.const 2)) (then (call $say-last-words) (unreachable)))";
    let mut lane = Lane::new(&judging(judge));
    (0..20).for_each(|_| lane.publish(b"x"));
    assert_eq!((lane.0.published().len(), lane.counts().traps), (20, 10));
    assert!(lane.traps().iter().all(|(_, aside)| !aside));
    assert_eq!(lane.lines(), vec!["last words"; 10]);
}

#[test]
fn copies_and_held_messages_are_bounded() {
    let mut lane = Lane::new(&judging(models::COPIES));
    lane.publish(b"x");
    assert_eq!(lane.0.published().len(), 1_000);
    assert!(lane.closes());

    let mut lane = Lane::new(&judging(models::HOLD));
    (0..1_500).for_each(|_| lane.publish(b"x"));
    assert_eq!((lane.device().waiting().0, lane.0.published().len()), (1_000, 500));
    assert!(lane.closes());
}

#[test]
fn a_delay_of_centuries_is_a_message_that_waits() {
    let judge = "(call $answer (i32.const 1)) (i64.store (i32.const 1032) (i64.const -1))";
    let mut lane = Lane::new(&judging(judge));
    lane.publish(b"x");
    lane.0.run(Duration::from_secs(3_600));
    assert_eq!((lane.device().waiting().0, lane.0.published().len()), (1, 0));
    assert!(lane.closes());
}

#[test]
fn a_configuration_that_cannot_work_is_told_before_anything_starts() {
    let component = models::Model { configure: "(call $refuse)", ..models::Model::default() }.component();
    assert_eq!(faults(&component, json!({})).unwrap_err(), "refused to start: no such thing");
    let component = models::Model { configure: models::LOOP, ..models::Model::default() }.component();
    assert!(faults(&component, json!({})).unwrap_err().starts_with("ran out of fuel"));
}

#[test]
fn another_configuration_in_mid_run_keeps_what_the_instance_knows() {
    // Loses everything from the fourth call on, and counts calls of `configure` by lines.
    let component = models::Model {
        configure: "(call $say-last-words)",
        judge: "(if (i32.ge_u (global.get $calls) (i32.const 4)) (then (call $answer (i32.const 2))))",
        ..models::Model::default()
    };
    let component = component.component();
    let mut lane = Lane::new(&component);
    (0..3).for_each(|_| lane.publish(b"x"));
    // The same again changes nothing, another configuration is told to the instance.
    for (config, configured) in [(json!({}), 1), (json!({"loss": 1}), 2)] {
        let same = faults(&component, config).expect("the model can be used");
        lane.0.put(Input::SetFaults(same.into()));
        lane.publish(b"x");
        assert_eq!(lane.lines().len(), configured);
    }
    assert_eq!(lane.counts().dropped_out, 2, "it still counts from the beginning");
}

#[test]
fn a_crash_of_the_device_is_nothing_to_the_world_around_it() {
    let third = "(if (i32.eq (global.get $calls) (i32.const 3)) (then (call $answer (i32.const 2))))";
    let mut lane = Lane::new(&judging(third));
    (0..2).for_each(|_| lane.publish(b"x"));
    lane.0.put(Input::Crash);
    lane.0.run(Duration::from_secs(10));
    lane.publish(b"x");
    assert_eq!(lane.counts().dropped_out, 1, "the instance went on counting");
}

#[test]
fn each_kind_of_component_is_named_where_the_other_is_wanted() {
    let engine = Engine::new().unwrap();
    let told = engine.load("x", &judging("")).err().unwrap().to_string();
    assert!(told.starts_with("it is a fault model, not a behaviour: name it as `file`"), "{told}");
    let told = faults(&guests::well_behaved().component(), json!({})).unwrap_err();
    assert!(told.starts_with("it is a behaviour, not a fault model: give it to devices"), "{told}");
    let module = wat::parse_str("(module (func (export \"hello\")))").unwrap();
    let other = guests::encode(module, "package test:guest; world guest { export hello: func(); }");
    let told = faults(&other, json!({})).unwrap_err();
    assert!(told.starts_with("it does not export `wasmote:device/fault-model@0.1.0`"), "{told}");
    assert!(told.ends_with("A fault model targets one of the worlds in `wit/worlds.wit`"), "{told}");
}

#[test]
fn a_model_reaches_no_broker_and_no_clock() {
    let imports = "(import \"wasmote:device/clock@0.1.0\" \"wall-now\" (func $wall-now (result i64)))";
    let judge = "(drop (call $wall-now))";
    let world = "package test:guest;
        world guest { include wasmote:device/fault@0.1.0; import wasmote:device/clock@0.1.0; }";
    let model = models::Model { imports, judge, ..models::Model::default() };
    let told = faults(&model.in_world(world), json!({})).unwrap_err();
    let wanted = "it imports `wasmote:device/clock@0.1.0`, which this host does not offer; a fault model may import \
                  `random`, `config`, `log` and `types` of `wasmote:device@0.1.0` and WASI";
    assert_eq!(told, wanted);
}

#[test]
fn an_inspection_tells_the_role() {
    let engine = Engine::new().unwrap();
    let model = engine.inspect("x", &judging(models::COIN)).unwrap();
    assert_eq!(model.role.to_string(), "fault model");
    assert_eq!(model.exports, ["wasmote:device/fault-model@0.1.0"]);
    assert_eq!(
        engine.inspect("x", &guests::well_behaved().component()).unwrap().role.to_string(),
        "behaviour"
    );
}

#[test]
fn what_a_digest_contains_says_which_model_it_is() {
    let shown = |judge| format!("{:?}", faults(&judging(judge), json!({"a": 1})).unwrap());
    let (first, second) = (shown(models::DROP), shown(models::DELAY));
    assert!(first.contains("sha256") && first.contains("\"a\""), "{first}");
    assert_eq!(first, shown(models::DROP));
    assert_ne!(first, second);
}
