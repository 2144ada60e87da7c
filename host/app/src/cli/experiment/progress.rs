//! Progress line on stderr, if it is a terminal.

use std::io::{IsTerminal, Write, stderr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use wasmote_experiment::plan::Experiment;
use wasmote_experiment::progress::Totals;

/// Interval of updates of the line.
const REDRAW_INTERVAL: Duration = Duration::from_millis(200);

/// Does the work and shows a progress line meanwhile.
pub(super) fn with_progress<T>(
    experiment: &Experiment,
    totals: &Totals,
    work: impl FnOnce(&Totals) -> T,
) -> T {
    if !stderr().is_terminal() {
        return work(totals);
    }
    let seeds = experiment.plan.seeds.0.len() as f64;
    let points = experiment.points.iter().map(|point| point.plan.duration.0.as_secs_f64());
    let progress_line = ProgressLine { seconds: points.sum::<f64>() * seeds, runs: experiment.runs().len() };
    let is_done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let painter = scope.spawn(|| progress_line.redraw_until(totals, &is_done));
        let outcome = work(totals);
        is_done.store(true, Ordering::Relaxed);
        painter.thread().unpark();
        outcome
    })
}

struct ProgressLine {
    /// Planned duration of all runs together.
    seconds: f64,
    runs: usize,
}

impl ProgressLine {
    fn redraw_until(&self, totals: &Totals, is_done: &AtomicBool) {
        let began = Instant::now();
        while !is_done.load(Ordering::Relaxed) {
            let line = self.line(totals, began.elapsed().as_secs_f64());
            let mut err = stderr().lock();
            let _ = write!(err, "\r\x1b[2K{line}").and_then(|()| err.flush());
            drop(err);
            std::thread::park_timeout(REDRAW_INTERVAL);
        }
        let _ = write!(stderr(), "\r\x1b[2K");
    }

    fn line(&self, totals: &Totals, took: f64) -> String {
        let simulated = totals.simulated.load(Ordering::Relaxed) as f64 / 1e9;
        let steps = totals.steps.load(Ordering::Relaxed) as f64;
        let done = totals.finished.load(Ordering::Relaxed);
        let share = (simulated / self.seconds).clamp(0.0, 1.0);
        let left = match share > 0.0 {
            true => format!("{:.0} s left", took * (1.0 - share) / share),
            false => "...".to_owned(),
        };
        format!(
            "{:3.0} %  {simulated:.0} of {:.0} seconds of the plan, run {} of {}, {} events/s, {left}",
            share * 100.0,
            self.seconds,
            (done + 1).min(self.runs),
            self.runs,
            rate(steps / took.max(1e-3)),
        )
    }
}

fn rate(per_second: f64) -> String {
    match per_second {
        few if few < 1e5 => format!("{few:.0}"),
        many => format!("{:.2} million", many / 1e6),
    }
}
