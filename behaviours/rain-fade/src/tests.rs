use super::RainFade;
use std::time::Duration;
use wasmote_sdk::bench::Lane;
use wasmote_sdk::fault::Verdict;

const SECOND: Duration = Duration::from_secs(1);

/// A link with a sharp threshold, whose losses show the attenuation directly.
const SHARP: &str = r#"{"median_db": 20, "spread": 10, "margin_db": 20, "retries": 0, "memory": "60s"}"#;

fn is_lost(verdict: &Verdict) -> bool {
    *verdict == Verdict::Drop
}

fn delay(verdict: &Verdict) -> Duration {
    match verdict {
        Verdict::Delay(nanoseconds) => Duration::from_nanos(*nanoseconds),
        _ => Duration::ZERO,
    }
}

#[test]
fn without_rain_nothing_happens() {
    let mut lane = Lane::<RainFade>::with(1, r#"{"median_db": 0, "margin_db": 40}"#);
    for _ in 0..1_000 {
        lane.wait(SECOND);
        assert_eq!(lane.out("wasmote/a/telemetry", "21.5"), Verdict::Pass);
    }
    assert!(lane.log().is_empty());
}

#[test]
fn losses_follow_time_and_not_messages() {
    // Both runs have 2,000 messages, over 20 s and over two weeks: successive states are equal far more often
    // in the short run.
    let changes = |pause: Duration| {
        let mut lane = Lane::<RainFade>::with(7, SHARP);
        let mut states = Vec::new();
        for _ in 0..2_000 {
            lane.wait(pause);
            states.push(is_lost(&lane.out("t", "x")));
        }
        states.windows(2).filter(|pair| pair[0] != pair[1]).count()
    };
    let (dense, sparse) = (changes(SECOND / 100), changes(600 * SECOND));
    assert!(dense * 5 < sparse, "{dense} changes at a hundred a second, {sparse} at one in ten minutes");
    // Independent states of equal probability differ half of the time.
    assert!((850..1_150).contains(&sparse), "{sparse}");
}

#[test]
fn the_link_is_down_as_long_as_the_distribution_says() {
    // ln(10 dB / 1 dB) / 1.2 = 1.92 standard deviations: the attenuation exceeds the margin 2.7 % of the
    // time.
    let config = r#"{"median_db": 1, "spread": 1.2, "margin_db": 10, "memory": "10s"}"#;
    let mut lane = Lane::<RainFade>::with(3, config);
    let mut faded = 0;
    let looks = 50_000;
    for _ in 0..looks {
        lane.wait(30 * SECOND);
        lane.out("t", "x");
        faded += u32::from(lane.model().faded);
    }
    // Five standard errors. Samples three time constants apart are nearly independent.
    let share = f64::from(faded) / f64::from(looks);
    assert!((0.0235..0.0312).contains(&share), "{share}");
}

#[test]
fn both_directions_share_the_attenuation() {
    let mut lane = Lane::<RainFade>::with(11, SHARP);
    let mut alike = 0;
    for _ in 0..1_000 {
        lane.wait(600 * SECOND);
        alike += u32::from(is_lost(&lane.out("t", "x")) == is_lost(&lane.inward("t", "x")));
    }
    assert!(alike > 900, "{alike} of 1,000 had the same fate at the same time");
}

#[test]
fn long_messages_suffer_first() {
    // At the margin, half of all frames are lost.
    let config = r#"{"median_db": 10, "spread": 0, "margin_db": 10, "frame_bytes": 100, "retries": 5}"#;
    let mut lane = Lane::<RainFade>::with(5, config);
    let mut of = |bytes: usize| {
        let verdicts: Vec<Verdict> = (0..5_000).map(|_| lane.out("", vec![0; bytes])).collect();
        let lost = verdicts.iter().filter(|verdict| is_lost(verdict)).count() as f64 / 5_000.0;
        let late = verdicts.iter().map(|verdict| delay(verdict).as_secs_f64()).sum::<f64>() / 5_000.0;
        (lost, late)
    };
    let ((short_lost, short_late), (long_lost, long_late)) = (of(50), of(1_000));
    // A frame is lost in all six tries with probability 1/64; at least one of ten frames is, with 1 -
    // (63/64)^10 = 0.146.
    assert!((0.010..0.022).contains(&short_lost), "{short_lost}");
    assert!((0.121..0.171).contains(&long_lost), "{long_lost}");
    assert!(long_late > 5.0 * short_late && short_late > 0.03, "{short_late} s, {long_late} s");
}

#[test]
fn fade_transitions_are_logged_once() {
    let mut lane = Lane::<RainFade>::with(2, r#"{"median_db": 20, "spread": 0, "margin_db": 10}"#);
    (0..10).for_each(|_| drop(lane.out("t", "x")));
    let lines: Vec<String> = lane.log().into_iter().map(|line| line.text).collect();
    assert_eq!(lines, ["the link fades: rain takes 20 dB, and the margin is 10 dB"]);
    lane.reconfigure(r#"{"median_db": 5, "spread": 0, "margin_db": 10}"#).unwrap();
    lane.out("t", "x");
    assert_eq!(lane.log()[1].text, "the link is back: rain takes 5 dB");
}

#[test]
fn reconfiguration_keeps_the_current_attenuation() {
    let outcomes_of = |changed: bool| {
        let mut lane = Lane::<RainFade>::with(9, SHARP);
        let mut outcomes = Vec::new();
        for step in 0..200 {
            lane.wait(SECOND);
            if changed && step == 100 {
                lane.reconfigure(SHARP).unwrap();
            }
            outcomes.push(is_lost(&lane.out("t", "x")));
        }
        outcomes
    };
    assert_eq!(outcomes_of(false), outcomes_of(true), "the same climate again changes nothing");
}

#[test]
fn an_invalid_configuration_is_rejected_by_field() {
    assert_eq!(
        Lane::<RainFade>::refusal(r#"{"margin": 5}"#),
        "configuration: margin: unknown field; known are median_db, spread, memory, margin_db, frame_bytes, \
         retries, retry_delay"
    );
    assert_eq!(
        Lane::<RainFade>::refusal(r#"{"margin_db": -1}"#),
        "configuration: margin_db: expected at least 0 and at most 1000, found -1"
    );
    assert!(
        Lane::<RainFade>::refusal(r#"{"memory": "soon"}"#)
            .starts_with("configuration: memory: expected a duration")
    );
}
