//! Tests of journeys.

use super::*;

fn step(t_s: f64, place: Place, device: &str, step: &str) -> JourneyStep {
    JourneyStep { t_s, place, device: Some(device.into()), step: step.into(), ..JourneyStep::default() }
}

fn expected(devices: &[&str]) -> Vec<Expected> {
    devices.iter().map(|device| Expected { device: (*device).into(), filter: "t/#".into() }).collect()
}

fn journey(steps: Vec<JourneyStep>, devices: &[&str], sees_broker: bool) -> Journey {
    let absence = |device: &str, _: f64| (device == "off").then(|| "was offline: no route".to_owned());
    Journey::new(Facts {
        message: ("a", 7),
        steps,
        expected: expected(devices),
        sees_broker,
        now_s: 100.0,
        absence: &absence,
    })
}

fn published() -> Vec<JourneyStep> {
    vec![step(1.0, Place::Publisher, "a", "published"), step(1.0, Place::Publisher, "a", "sent")]
}

#[test]
fn a_message_that_a_fault_dropped_is_lost_for_all() {
    let mut steps = vec![step(1.0, Place::Publisher, "a", "published")];
    steps.push(JourneyStep {
        fault: Some("rain".into()),
        decision: Some("dropped".into()),
        why: Some("it loses 10 %".into()),
        ..step(1.0, Place::Publisher, "a", "judged")
    });
    let journey = journey(steps, &["b", "c"], true);
    assert_eq!((&*journey.outcome, journey.broker_s), ("lost", None));
    assert_eq!(journey.receivers[1].reason.as_deref(), Some("the fault `rain` dropped it (it loses 10 %)"));
    assert_eq!(journey.broker, "not taken: the fault `rain` dropped it (it loses 10 %)");
}

#[test]
fn each_receiver_has_its_own_end() {
    let mut steps = published();
    steps.extend([
        JourneyStep { number: Some(4), ..step(1.1, Place::Broker, "", "taken") },
        step(1.1, Place::Broker, "b", "sent"),
        JourneyStep { reason: Some("its queue is full".into()), ..step(1.1, Place::Broker, "c", "dropped") },
        step(1.1, Place::Broker, "d", "queued"),
        JourneyStep { latency_s: Some(0.2), ..step(1.2, Place::Receiver, "b", "received") },
        step(1.3, Place::Receiver, "b", "received"),
    ]);
    steps[2].device = None;
    let journey = journey(steps, &["b", "c", "d", "off"], true);
    let outcomes: Vec<_> =
        journey.receivers.iter().map(|it| (&*it.device, &*it.outcome, it.copies)).collect();
    assert_eq!(outcomes, [("b", "received", 2), ("c", "lost", 0), ("d", "waiting", 0), ("off", "lost", 0)]);
    assert!(journey.receivers[3].reason.as_deref().unwrap().ends_with("off was offline: no route"));
    assert_eq!((&*journey.outcome, journey.broker_s), ("partly", Some(1.1)));
}

#[test]
fn an_external_broker_says_nothing_about_a_message_at_qos_0() {
    let journey = journey(published(), &["b", "off"], false);
    assert!(journey.broker.starts_with("unknown") && journey.broker_s.is_none());
    let outcomes: Vec<_> = journey.receivers.iter().map(|it| &*it.outcome).collect();
    assert_eq!(outcomes, ["missing", "missing"]);
    assert!(journey.receivers[0].reason.as_deref().unwrap().ends_with("unknown"));
    assert!(journey.receivers[1].reason.as_deref().unwrap().contains("no route"));
    assert!(journey.unknown[0].contains("another program"));
}

#[test]
fn a_reception_without_a_publication_is_shown_and_the_rest_is_unknown() {
    let journey = journey(vec![step(3.0, Place::Receiver, "b", "received")], &[], true);
    assert_eq!((journey.published_s, journey.receivers[0].expected), (None, false));
    assert!(journey.unknown[0].starts_with("When it was published"));
}
