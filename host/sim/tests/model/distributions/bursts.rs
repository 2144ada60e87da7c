//! Loss bursts.

use serde_json::json;

use super::{DRAWS, World, Z, chi_squared};
use crate::harness::{document, fault, message};

const SHARE: f64 = 0.1;
const MEAN_RUN: f64 = 5.0;

fn losses() -> Vec<bool> {
    let loss = fault(json!({"kind": "loss", "probability": SHARE, "run_length": MEAN_RUN}));
    let mut world = World::new(document([loss]), "a");
    let tick = message("t", "x");
    (0..DRAWS).map(|_| world.pass(&tick).is_empty()).collect()
}

#[test]
fn losses_have_the_configured_share() {
    let lost = losses().iter().filter(|&&lost| lost).count() as f64;
    let n = DRAWS as f64;
    // Successive messages have a correlation of 1 - worsen - recover, which increases the variance.
    let recover = 1.0 / MEAN_RUN;
    let memory = 1.0 - recover - recover * SHARE / (1.0 - SHARE);
    let variance = n * SHARE * (1.0 - SHARE) * (1.0 + memory) / (1.0 - memory);
    let deviation = (lost - n * SHARE).abs() / variance.sqrt();
    assert!(deviation < Z, "{lost} of {DRAWS} is {deviation:.2} standard deviations off");
}

#[test]
fn bursts_have_the_configured_mean_length_and_are_geometric() {
    let losses = losses();
    let runs: Vec<usize> =
        losses.split(|&lost| !lost).map(<[bool]>::len).filter(|&length| length > 0).collect();
    let count = runs.len() as f64;
    let mean = runs.iter().sum::<usize>() as f64 / count;
    let error = (MEAN_RUN * (MEAN_RUN - 1.0) / count).sqrt();
    assert!((mean - MEAN_RUN).abs() < Z * error, "{mean}");

    // Lengths 1 to 20 and all beyond: 20 degrees of freedom, 45.3 at one in a thousand.
    let stays = 1.0 - 1.0 / MEAN_RUN;
    let mut left = count;
    let mut expected = Vec::new();
    for length in 1..=20 {
        let found = runs.iter().filter(|&&run| run == length).count();
        expected.push((found, left / MEAN_RUN));
        left *= stays;
    }
    expected.push((runs.iter().filter(|&&run| run > 20).count(), left));
    let chi_squared = chi_squared(expected);
    assert!(chi_squared < 45.3, "chi squared {chi_squared:.1}");
}
