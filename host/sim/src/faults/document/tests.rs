use serde::de::IntoDeserializer;
use serde::de::value::Error;

use super::*;

fn problem(entry: FaultEntry) -> String {
    FaultDocument { faults: vec![entry] }.faults().unwrap_err().to_string()
}

fn entry(kind: Kind) -> FaultEntry {
    FaultEntry { kind, ..FaultEntry::default() }
}

fn millis(n: u64) -> Option<Span> {
    Some(Span(Duration::from_millis(n)))
}

#[test]
fn a_kind_is_read_by_its_name_and_takes_fields_that_there_are() {
    let all = FaultEntry::fields();
    for kind in Kind::ALL {
        let read = Kind::deserialize(IntoDeserializer::<Error>::into_deserializer(kind.name()));
        assert_eq!(read, Ok(kind));
        assert!(kind.fields(None).iter().all(|field| all.contains(field)), "{}", kind.name());
    }
    for kind in DelayKind::ALL {
        let read = DelayKind::deserialize(IntoDeserializer::<Error>::into_deserializer(kind.name()));
        assert_eq!(read, Ok(kind));
        assert!(Kind::Delay.fields(Some(kind)).iter().all(|field| all.contains(field)), "{}", kind.name());
    }
}

#[test]
fn what_is_wrong_is_named_with_what_to_write() {
    assert_eq!(
        problem(FaultEntry { probability: Some(10.0), ..entry(Kind::Loss) }),
        "fault[0].probability: 10 is not between 0 and 1; 10 % is 0.1"
    );
    assert_eq!(problem(entry(Kind::Delay)), "fault[0].max: a fault of kind `delay` needs it");
    assert_eq!(
        problem(FaultEntry { copies: Some(2), probability: Some(0.1), ..entry(Kind::Loss) }),
        "fault[0].copies: a fault of kind `loss` does not take it; it takes `direction`, `probability`, \
         `run_length`"
    );
    assert_eq!(
        problem(FaultEntry { min: millis(9), max: millis(5), ..entry(Kind::Delay) }),
        "fault[0].min: 9ms exceeds `max`, which is 5ms"
    );
}

#[test]
fn each_distribution_takes_its_own_fields() {
    let delay = |distribution| FaultEntry { distribution: Some(distribution), ..entry(Kind::Delay) };
    assert_eq!(
        problem(FaultEntry { min: millis(1), ..delay(DelayKind::Constant) }),
        "fault[0].min: a delay of distribution `constant` does not take it; it takes `direction`, \
         `probability`, `distribution`, `mean`"
    );
    assert!(problem(FaultEntry { mean: millis(1), ..delay(DelayKind::Normal) }).contains(".std: "));
    let pareto = FaultEntry { min: millis(1), shape: Some(0.0), ..delay(DelayKind::Pareto) };
    assert_eq!(problem(pareto), "fault[0].shape: 0 is not more than zero");
    let wild = FaultEntry { max: millis(1), correlation: Some(1.5), ..delay(DelayKind::Uniform) };
    assert_eq!(problem(wild), "fault[0].correlation: 1.5 is not between 0 and 1; 1.5 % is 0.015");
}

#[test]
fn what_cannot_be_is_refused() {
    for (entry, field) in [
        (
            FaultEntry { probability: Some(0.5), run_length: Some(1.5), ..entry(Kind::Loss) },
            "run_length: with a probability of 0.5 runs are 2.000 long or longer",
        ),
        (
            FaultEntry { probability: Some(1.0), run_length: Some(5.0), ..entry(Kind::Loss) },
            "run_length: where all is lost",
        ),
        (FaultEntry { bytes_per_second: Some(0), ..entry(Kind::Bandwidth) }, "bytes_per_second: 0 is not"),
        (FaultEntry { probability: Some(0.5), ..entry(Kind::Reorder) }, "max: a fault of kind `reorder`"),
        (entry(Kind::Clock), "offset: this clock is right"),
        (FaultEntry { drift_ppm: Some(-2e6), ..entry(Kind::Clock) }, "drift_ppm: -2000000 is not"),
        (FaultEntry { capacity_joules: Some(f64::NAN), ..entry(Kind::Battery) }, "capacity_joules: NaN"),
        (
            FaultEntry { capacity_joules: Some(1.0), idle_watts: Some(-1.0), ..entry(Kind::Battery) },
            "idle_watts: -1 is less than zero",
        ),
        (
            FaultEntry {
                every: millis(90),
                lasting: millis(90),
                probability: Some(0.5),
                uptime: millis(90),
                ..entry(Kind::Crash)
            },
            "uptime: there is no second crash",
        ),
        (FaultEntry { together: Some(true), ..entry(Kind::Partition) }, "together: a fault of kind"),
        (entry(Kind::Throttle), "bytes_per_second: a fault of kind `throttle` needs it"),
        (
            FaultEntry { bytes_per_second: Some(0), ..entry(Kind::Throttle) },
            "bytes_per_second: nothing would",
        ),
        (
            FaultEntry { bytes_per_second: Some(1), together: Some(true), ..entry(Kind::Throttle) },
            "together: it holds all the time",
        ),
        (
            FaultEntry { bytes_per_second: Some(1), every: millis(90), ..entry(Kind::Throttle) },
            "probability: a fault of kind `throttle` needs it",
        ),
        (FaultEntry { lasting: millis(90), ..entry(Kind::Reset) }, "for: a fault of kind `reset` does not"),
        (entry(Kind::HalfOpen), "every: a fault of kind `half_open` needs it"),
        (FaultEntry { every: millis(90), ..entry(Kind::Stall) }, "probability: a fault of kind `stall`"),
        (FaultEntry { group: Some("a".into()), ..entry(Kind::BrokerPause) }, "group: the broker serves all"),
        (FaultEntry { persistent: Some(true), ..entry(Kind::BrokerPause) }, "persistent: a fault of kind"),
    ] {
        let problem = problem(entry);
        assert!(problem.starts_with(&format!("fault[0].{field}")), "{problem}");
    }
}

#[test]
fn the_same_id_twice_is_an_error() {
    let loss = FaultEntry { probability: Some(0.1), ..FaultEntry::default() };
    let document = FaultDocument { faults: vec![loss.clone(), loss] };
    assert!(document.faults().unwrap_err().to_string().starts_with("fault[1].id: `loss` is taken"));
}

#[test]
fn presets_are_valid_documents() {
    for name in FaultDocument::PRESETS {
        assert!(FaultDocument::preset(name).unwrap().faults().is_ok(), "{name}");
    }
}
