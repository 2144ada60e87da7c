//! Fault models: their verdicts, and the containment of failing models.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use wasmote_engine::Engine;
use wasmote_mqtt::message::{Message, Qos};
use wasmote_mqtt::topic::Topic;
use wasmote_sim::action::Action;
use wasmote_sim::device::{Device, Input};
use wasmote_sim::faults::component::{Component, FaultModelFactory};
use wasmote_sim::faults::target::Target;
use wasmote_sim::faults::{Directions, Fault, Model};
use wasmote_sim::ledger::FaultCounts;
use wasmote_sim::limits::Limits;
use wasmote_sim::notice::{DeviceNotice, DropCause};

use crate::guests;
use crate::guests::models::{self, with_judge};
use crate::harness::Harness;

/// A well-behaved device with this model in both directions of its link.
struct ModelHarness(Harness);

fn faults(component: &[u8], config: Value) -> Result<Vec<Arc<Fault>>, String> {
    let engine = Engine::new().expect("this machine runs WebAssembly");
    let model = engine.load_fault_model("model", component, Arc::new(Limits::default()));
    let model: Arc<dyn FaultModelFactory> = Arc::new(model.map_err(|error| error.to_string())?);
    let Value::Object(config) = config else { panic!("a configuration is an object") };
    let component = Component::new(Directions::Both, config, model).map_err(|trap| trap.to_string())?;
    let model = Model::Component(component);
    Ok(vec![Arc::new(Fault { id: "mine".into(), target: Target::default(), model })])
}

impl ModelHarness {
    fn new(component: &[u8]) -> Self {
        Self::with(component, json!({}))
    }

    fn with(component: &[u8], config: Value) -> Self {
        let mut harness = Harness::new(&guests::Guest::default().component()).start();
        harness.handle(Input::SetFaults(faults(component, config).expect("the model can be used").into()));
        Self(harness)
    }

    /// Publishes a message and advances time.
    fn publish(&mut self, payload: &[u8]) {
        let topic = Topic::new("wasmote/a/t").expect("a topic");
        self.0.handle(Input::Publish(Message::new(topic, payload.to_vec())));
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
            DeviceNotice::FaultTrapped(id, trap, disabled) if **id == *"mine" => {
                Some((trap.to_string(), *disabled))
            }
            _ => None,
        })
    }

    fn lines(&self) -> Vec<String> {
        self.0.notices(|notice| match notice {
            DeviceNotice::FaultLog(id, _, text) if **id == *"mine" => Some(text.clone()),
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
    let mut harness = ModelHarness::new(&with_judge(models::DROP));
    harness.publish(b"x");
    assert!(harness.0.published().is_empty());
    let dropped = |action: &Action| matches!(action, Action::Notice(DeviceNotice::Dropped(_, DropCause::Fault(id), _)) if **id == *"mine");
    assert!(harness.0.actions.iter().any(dropped));
    assert_eq!(harness.counts(), FaultCounts { dropped_out: 1, ..FaultCounts::default() });

    let mut harness = ModelHarness::new(&with_judge(models::DELAY));
    harness.publish(b"x");
    assert!(harness.0.published().is_empty(), "it waits for a second");
    harness.0.run(Duration::from_secs(1));
    assert_eq!(harness.0.published().len(), 1);
    assert!(harness.closes());
}

#[test]
fn a_model_sees_the_message_and_can_change_it() {
    // Returns the topic of the message as the new payload.
    let echo = "(call $answer (i32.const 4)) (i32.store (i32.const 1032) (local.get $topic))
                (i32.store (i32.const 1036) (local.get $topic-size))";
    let mut harness = ModelHarness::new(&with_judge(echo));
    harness.publish(b"hidden");
    assert_eq!(&harness.0.published()[0].payload[..], b"wasmote/a/t");
    // Drops the message with sequence number 2: `has-origin`, `sequence`.
    let second = "(if (i32.and (local.get $has-origin) (i64.eq (local.get $sequence) (i64.const 2)))
                    (then (call $answer (i32.const 2))))";
    let mut harness = ModelHarness::new(&with_judge(second));
    (0..3).for_each(|_| harness.publish(b"x"));
    let numbers = harness.0.published().into_iter().filter_map(|it| Some(it.origin.as_ref()?.sequence));
    assert_eq!(numbers.collect::<Vec<_>>(), [1, 3]);
}

#[test]
fn both_directions_share_one_instance() {
    // Drops the third message in either direction.
    let third = "(if (i32.eq (global.get $calls) (i32.const 3)) (then (call $answer (i32.const 2))))";
    let mut harness = ModelHarness::new(&with_judge(third));
    harness.publish(b"x");
    let delivered = || Message::new(Topic::new("in").expect("a topic"), "x");
    harness.0.handle(Input::Delivered(delivered()));
    harness.0.handle(Input::Delivered(delivered()));
    assert_eq!(harness.counts(), FaultCounts { dropped_in: 1, ..FaultCounts::default() });
    assert!(harness.closes());
}

#[test]
fn random_numbers_are_the_faults_own_and_repeatable() {
    let outcomes = || {
        let mut harness = ModelHarness::new(&with_judge(models::COIN_FLIP));
        (0..200)
            .map(|_| {
                let before = harness.counts().dropped_out;
                harness.publish(b"x");
                harness.counts().dropped_out > before
            })
            .collect::<Vec<_>>()
    };
    let first = outcomes();
    assert_eq!(first, outcomes());
    let lost = first.iter().filter(|lost| **lost).count();
    assert!((65..135).contains(&lost), "{lost} of 200 with a chance of one half");
}

#[test]
fn a_failing_model_passes_messages_and_is_disabled_after_three_traps() {
    for (judge, reason) in [
        (models::LOOP, "ran out of fuel: one call used more than 50000000 units"),
        (models::TRAP, "trapped: a panic or an explicit trap"),
        (models::EXHAUST_MEMORY, "ran out of memory: it asked for"),
        (models::LARGE_PAYLOAD, "trapped: it answered with a payload of 200000 bytes; the most are 131072"),
    ] {
        let mut harness = ModelHarness::new(&with_judge(judge));
        (0..5).for_each(|_| harness.publish(b"x"));
        assert_eq!(harness.0.published().len(), 5, "{reason}: every message passed");
        let traps = harness.traps();
        assert_eq!(
            traps.iter().map(|(_, disabled)| *disabled).collect::<Vec<_>>(),
            [false, false, true],
            "{reason}"
        );
        assert!(traps[0].0.starts_with(reason), "{}", traps[0].0);
        assert_eq!(harness.counts(), FaultCounts { traps: 3, ..FaultCounts::default() });
        assert!(harness.0.traps().is_empty(), "the device itself is well");
        assert!(harness.closes());
    }
}

#[test]
fn a_model_that_recovers_stays_enabled_and_its_log_is_kept() {
    // A new instance passes one message and traps at the next.
    let judge = "(if (i32.ge_u (global.get $calls) (i32.const 2)) (then (call $log-line) (unreachable)))";
    let mut harness = ModelHarness::new(&with_judge(judge));
    (0..20).for_each(|_| harness.publish(b"x"));
    assert_eq!((harness.0.published().len(), harness.counts().traps), (20, 10));
    assert!(harness.traps().iter().all(|(_, disabled)| !disabled));
    assert_eq!(harness.lines(), vec!["final line"; 10]);
}

#[test]
fn copies_and_held_messages_are_bounded() {
    let mut harness = ModelHarness::new(&with_judge(models::COPIES));
    harness.publish(b"x");
    assert_eq!(harness.0.published().len(), 1_000);
    assert!(harness.closes());

    let mut harness = ModelHarness::new(&with_judge(models::HOLD));
    (0..1_500).for_each(|_| harness.publish(b"x"));
    let in_flight = harness.device().in_flight();
    assert_eq!((harness.device().waiting().0 - in_flight, harness.0.published().len()), (1_000, 500));
    assert!(harness.closes());
}

#[test]
fn a_delay_of_centuries_keeps_the_message_waiting() {
    let judge = "(call $answer (i32.const 1)) (i64.store (i32.const 1032) (i64.const -1))";
    let mut harness = ModelHarness::new(&with_judge(judge));
    harness.publish(b"x");
    harness.0.run(Duration::from_secs(3_600));
    assert_eq!((harness.device().waiting().0, harness.0.published().len()), (1, 0));
    assert!(harness.closes());
}

#[test]
fn a_fault_model_reads_its_configuration_and_the_device_of_its_link() {
    let imports = r#"(import "wasmote:device/config@0.1.0" "whoami" (func $whoami (param i32)))
        (import "wasmote:device/config@0.1.0" "json" (func $json (param i32)))"#;
    let log = |at: u32| {
        format!("(call $log (i32.const 2) (i32.load (i32.const {at})) (i32.load (i32.const {})))", at + 4)
    };
    let judge =
        format!("(call $whoami (i32.const 2048)) {} (call $json (i32.const 2048)) {}", log(2048), log(2048));
    let model = models::Model { imports, judge: &judge, ..models::Model::default() };
    let mut harness = ModelHarness::with(&model.component(), json!({"n": 7}));
    harness.publish(b"x");
    assert_eq!(harness.lines(), ["guest-0", r#"{"n":7}"#]);
}

#[test]
fn a_model_tells_the_directions_apart() {
    // Logs direction, QoS, retain and whether there is an origin as digits, and traps if the time falls.
    let digit = |at: u32, name: &str| {
        format!("(i32.store8 (i32.const {at}) (i32.add (i32.const 48) (local.get ${name})))")
    };
    let judge = format!(
        "{} {} {} {} (call $log (i32.const 2) (i32.const 5000) (i32.const 4))
         (if (i64.lt_u (local.get $now) (i64.load (i32.const 5008))) (then (unreachable)))
         (i64.store (i32.const 5008) (local.get $now))",
        digit(5000, "direction"),
        digit(5001, "qos"),
        digit(5002, "retain"),
        digit(5003, "has-origin")
    );
    let mut harness = ModelHarness::new(&with_judge(&judge));
    let message = |qos| Message::new(Topic::new("t").expect("a topic"), "x").with_qos(qos);
    harness.0.handle(Input::Publish(message(Qos::AtLeastOnce).with_retain(true)));
    harness.0.run(Duration::from_secs(1));
    harness.0.handle(Input::Delivered(message(Qos::ExactlyOnce)));
    harness.0.handle(Input::Delivered(message(Qos::AtMostOnce).with_retain(true)));
    assert_eq!(harness.lines(), ["0111", "1200", "1010"]);
    assert!(harness.traps().is_empty());
    assert_eq!(harness.0.published().len(), 1, "the verdict is `pass`");
}

#[test]
fn the_reason_of_a_model_is_cut_at_the_limit() {
    let configure = "(drop (memory.grow (i32.const 15)))
        (memory.fill (i32.const 100000) (i32.const 120) (i32.const 900000)) (i32.store8 (i32.const 1024) (i32.const 1))
        (i32.store (i32.const 1028) (i32.const 100000)) (i32.store (i32.const 1032) (i32.const 900000))";
    let component = models::Model { configure, ..models::Model::default() }.component();
    let reason = faults(&component, json!({})).unwrap_err();
    assert_eq!(reason, format!("refused to start: {}", "x".repeat(262_144)));
}

#[test]
fn an_invalid_configuration_is_rejected_before_the_start() {
    let component = models::Model { configure: "(call $refuse)", ..models::Model::default() }.component();
    assert_eq!(faults(&component, json!({})).unwrap_err(), "refused to start: no such thing");
    let component = models::Model { configure: models::LOOP, ..models::Model::default() }.component();
    assert!(faults(&component, json!({})).unwrap_err().starts_with("ran out of fuel"));
}

#[test]
fn reconfiguration_keeps_the_state_of_the_instance() {
    // Drops all messages from the fourth call on, and logs a line in each `configure`.
    let component = models::Model {
        configure: "(call $log-line)",
        judge: "(if (i32.ge_u (global.get $calls) (i32.const 4)) (then (call $answer (i32.const 2))))",
        ..models::Model::default()
    };
    let component = component.component();
    let mut harness = ModelHarness::new(&component);
    (0..3).for_each(|_| harness.publish(b"x"));
    // Setting equal faults changes nothing; another configuration reaches the instance.
    for (config, configured) in [(json!({}), 1), (json!({"loss": 1}), 2)] {
        let same = faults(&component, config).expect("the model can be used");
        harness.0.handle(Input::SetFaults(same.into()));
        harness.publish(b"x");
        assert_eq!(harness.lines().len(), configured);
    }
    assert_eq!(harness.counts().dropped_out, 2, "it still counts from the beginning");
}

#[test]
fn a_crash_of_the_device_keeps_the_instance() {
    let third = "(if (i32.eq (global.get $calls) (i32.const 3)) (then (call $answer (i32.const 2))))";
    let mut harness = ModelHarness::new(&with_judge(third));
    (0..2).for_each(|_| harness.publish(b"x"));
    harness.0.handle(Input::Crash);
    harness.0.run(Duration::from_secs(10));
    harness.publish(b"x");
    assert_eq!(harness.counts().dropped_out, 1, "the instance went on counting");
}

#[test]
fn loading_the_wrong_kind_of_component_names_its_kind() {
    let engine = Engine::new().unwrap();
    let message = engine.load("x", &with_judge("")).err().unwrap().to_string();
    assert!(message.starts_with("it is a fault model, not a behaviour: name it as `file`"), "{message}");
    let message = faults(&guests::well_behaved().component(), json!({})).unwrap_err();
    assert!(message.starts_with("it is a behaviour, not a fault model: give it to devices"), "{message}");
    let module = wat::parse_str("(module (func (export \"hello\")))").unwrap();
    let other = guests::encode(module, "package test:guest; world guest { export hello: func(); }");
    let message = faults(&other, json!({})).unwrap_err();
    assert!(message.starts_with("it does not export `wasmote:device/fault-model@0.1.0`"), "{message}");
    assert!(message.ends_with("A fault model targets one of the worlds in `wit/worlds.wit`"), "{message}");
}

#[test]
fn a_model_can_import_neither_clock_nor_mqtt() {
    let imports = "(import \"wasmote:device/clock@0.1.0\" \"wall-now\" (func $wall-now (result i64)))";
    let judge = "(drop (call $wall-now))";
    let world = "package test:guest;
        world guest { include wasmote:device/fault@0.1.0; import wasmote:device/clock@0.1.0; }";
    let model = models::Model { imports, judge, ..models::Model::default() };
    let message = faults(&model.in_world(world), json!({})).unwrap_err();
    let wanted = "it imports `wasmote:device/clock@0.1.0`, which this host does not offer; a fault model may import \
                  `random`, `config`, `log` and `types` of `wasmote:device@0.1.0` and WASI 0.2";
    assert_eq!(message, wanted);
}

#[test]
fn an_inspection_includes_the_role() {
    let engine = Engine::new().unwrap();
    let model = engine.inspect("x", &with_judge(models::COIN_FLIP)).unwrap();
    assert_eq!(model.role.to_string(), "fault model");
    assert_eq!(model.exports, ["wasmote:device/fault-model@0.1.0"]);
    assert_eq!(
        engine.inspect("x", &guests::well_behaved().component()).unwrap().role.to_string(),
        "behaviour"
    );
}

#[test]
fn the_debug_text_identifies_the_model() {
    let debug_text = |judge| format!("{:?}", faults(&with_judge(judge), json!({"a": 1})).unwrap());
    let (first, second) = (debug_text(models::DROP), debug_text(models::DELAY));
    assert!(first.contains("sha256") && first.contains("\"a\""), "{first}");
    assert_eq!(first, debug_text(models::DROP));
    assert_ne!(first, second);
}

#[test]
fn an_endless_loop_of_host_calls_in_a_model_runs_out_of_fuel() {
    let mut harness = ModelHarness::new(&with_judge("(loop $ever (call $log-line) (br $ever))"));
    harness.publish(b"1");
    let (trap, disabled) = &harness.traps()[0];
    assert!(trap.starts_with("ran out of fuel: the host calls of one call"), "{trap}");
    assert!(trap.ends_with("the last was `log.write`") && !disabled, "{trap}");
    assert_eq!(harness.0.published().len(), 1, "the message passes");
}
