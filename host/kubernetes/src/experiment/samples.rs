//! Samples of the pods' metrics during a run.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::thread::sleep;
use std::time::{Duration, Instant};

use wasmote_experiment::point::Point;
use wasmote_experiment::progress::Progress;
use wasmote_mqtt::time::Time;

use super::access::ClusterAccess;
use super::timeline::TimelineExecutor;
use crate::fleet_query::fetch::fetch_all;
use crate::fleet_query::pod_metrics::{Messages, PodMetrics};
use crate::fleet_query::target::Target;
use crate::kubectl::pod::Pod;
use crate::manifests::workload::APP;

/// Samples the metrics of a run's pods.
pub struct Sampler<'a> {
    access: ClusterAccess<'a>,
    samples: Vec<Sample>,
    /// Failed samples by pod: their number and the last reason.
    missed: BTreeMap<String, (u64, String)>,
    /// Pods whose counts were reset by a restart, with their number of restarts.
    restarted: BTreeMap<String, u64>,
}

/// Metrics of all pods at one time.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Seconds since the run began.
    pub at_s: f64,
    /// Group and latest metrics of every pod.
    pub pods: BTreeMap<String, (String, PodMetrics)>,
}

/// Interval of checks for due actions.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Reason of the end of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunEnd {
    /// The planned duration was reached.
    Completed,
    /// A threshold with `abort` was missed.
    ThresholdMissed,
    /// The user interrupted the run.
    Interrupted,
}

/// Timeout of a pod's response. It is long because a pod has a tenth of a processor.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

impl<'a> Sampler<'a> {
    /// Creates a sampler without samples.
    pub fn new(access: ClusterAccess<'a>) -> Self {
        let (missed, restarted) = Default::default();
        Self { access, samples: Vec::new(), missed, restarted }
    }

    /// The samples in order of time. The first is from the start of the run.
    pub fn samples(&self) -> &[Sample] {
        &self.samples
    }

    /// Samples every interval and executes the timeline. Returns at the end of the run, when a threshold with
    /// `abort` is missed, or when the user interrupts the run.
    pub fn observe(
        &mut self,
        point: &Point,
        timeline: &mut TimelineExecutor<'_>,
        progress: &Progress<'_>,
        threshold_missed: &dyn Fn(&[Sample]) -> bool,
    ) -> RunEnd {
        let began = Instant::now();
        let (interval, duration) = (point.plan.interval.0, point.plan.duration.0);
        // Measured windows start and end at these times.
        let phases = point.timeline.phases.iter().map(|phase| phase.from.elapsed());
        let sample_times: BTreeSet<Duration> = phases.chain([point.plan.warm_up.0, duration]).collect();
        let mut next = Duration::ZERO;
        loop {
            // The timeline is checked at least once, even if a sample takes longer than the interval.
            while !progress.is_interrupted() {
                progress.advance(Time::ZERO + began.elapsed().min(duration), 0);
                if timeline.run_next(began.elapsed(), &self.access) {
                    continue;
                }
                match next.saturating_sub(began.elapsed()) {
                    Duration::ZERO => break,
                    left => sleep(left.min(POLL_INTERVAL)),
                }
            }
            self.take_sample(began.elapsed().as_secs_f64());
            match () {
                () if progress.is_interrupted() && began.elapsed() < duration => return RunEnd::Interrupted,
                () if next >= duration => return RunEnd::Completed,
                () if threshold_missed(&self.samples) => return RunEnd::ThresholdMissed,
                () => timeline.resend_faults(&self.access),
            }
            let sample_time = sample_times.range((Bound::Excluded(next), Bound::Unbounded)).next();
            let usual = (next + interval).max(began.elapsed());
            next = sample_time.map_or(duration, |sample_time| usual.min(*sample_time));
        }
    }

    fn take_sample(&mut self, at_s: f64) {
        let mut latest = self.samples.last().map(|sample| sample.pods.clone()).unwrap_or_default();
        match self.access.kubectl.pods(&format!("app={APP}")) {
            Ok(pods) => self.query_pods(&pods, &mut latest),
            Err(problem) => self.record_missed("all pods", problem.to_string()),
        }
        self.samples.push(Sample { at_s, pods: latest });
    }

    fn query_pods(&mut self, pods: &[Pod], latest: &mut BTreeMap<String, (String, PodMetrics)>) {
        let here: Vec<_> = pods.iter().filter(|pod| !pod.terminating).collect();
        let target = |pod: &&Pod| Target {
            name: pod.name.clone(),
            url: if pod.running { Ok(self.access.proxy.pod_url(pod)) } else { Err(pod.reason.clone()) },
        };
        let targets: Vec<Target> = here.iter().map(target).collect();
        let replies = self.access.runtime.block_on(fetch_all(self.access.client, &targets, REQUEST_TIMEOUT));
        for (pod, reply) in here.iter().zip(replies) {
            match reply.answer {
                Ok(answer) => {
                    let generated = answer.messages.ledger.generated;
                    let before = latest.insert(pod.name.clone(), (pod.instance().to_owned(), answer));
                    if before.is_some_and(|(_, before)| generated < before.messages.ledger.generated) {
                        self.restarted.insert(pod.name.clone(), pod.restarts);
                    }
                }
                Err(problem) => self.record_missed(&pod.name, problem),
            }
        }
    }

    fn record_missed(&mut self, pod: &str, problem: String) {
        let missed = self.missed.entry(pod.to_owned()).or_default();
        *missed = (missed.0 + 1, problem);
    }

    /// Descriptions of missing metrics.
    pub fn missing(&self) -> Vec<String> {
        let missed = self.missed.iter().map(|(pod, (times, problem))| {
            format!("metrics of {pod}: not there at {times} of {} looks: {problem}", self.samples.len())
        });
        let restarted = self.restarted.keys().map(|pod| {
            format!(
                "counts of {pod} from before it started again; its first log is in logs/{pod}.previous.log"
            )
        });
        missed.chain(restarted).collect()
    }
}

impl Sample {
    /// Time of the sample.
    pub fn at(&self) -> Time {
        Time::ZERO + Duration::from_secs_f64(self.at_s)
    }

    /// The pods of a group, or all pods.
    pub fn of<'s>(&'s self, group: Option<&'s str>) -> impl Iterator<Item = (&'s String, &'s PodMetrics)> {
        let wanted = move |name: &str| group.is_none_or(|group| group == name);
        self.pods.iter().filter(move |(_, (name, _))| wanted(name)).map(|(pod, (_, answer))| (pod, answer))
    }
}

/// Message counts of a pod between two samples. After a restart, all counts are new.
pub fn since(now: &Messages, before: Option<&Messages>) -> Messages {
    let mut since = now.clone();
    if let Some(before) = before.filter(|before| before.ledger.generated <= now.ledger.generated) {
        since.subtract(before);
    }
    since
}
