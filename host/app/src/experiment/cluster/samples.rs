//! What the pods say of themselves, again and again.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::thread::sleep;
use std::time::{Duration, Instant};

use reqwest::Client;
use tokio::runtime::Runtime;
use wasmote_sim::time::Time;

use super::timeline::Timeline;
use crate::experiment::plan::Point;
use crate::experiment::progress::Progress;
use crate::gather::answer::{Answer, Messages};
use crate::gather::ask::ask;
use crate::gather::target::Target;
use crate::kubectl::proxy::Proxy;
use crate::kubectl::{Kubectl, KubectlError};
use crate::manifests::workload::APP;

/// How the pods are reached.
#[derive(Clone, Copy)]
pub struct Reach<'a> {
    /// For what the cluster says of them.
    pub kubectl: &'a Kubectl,
    /// For what they say themselves.
    pub proxy: &'a Proxy,
    /// Who asks.
    pub client: &'a Client,
    /// Where it is waited for.
    pub runtime: &'a Runtime,
}

/// Looks at the pods of a run.
pub struct Sampler<'a> {
    reach: Reach<'a>,
    samples: Vec<Sample>,
    /// Pods that were missed, with how often and the last reason.
    missed: BTreeMap<String, (u64, String)>,
    /// Pods whose counts have begun anew.
    restarted: BTreeMap<String, u64>,
}

/// All pods at one time.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Seconds since the run began.
    pub at_s: f64,
    /// Every pod, with its group and its last answer so far.
    pub pods: BTreeMap<String, (String, Answer)>,
}

/// How a run came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// As the plan has it.
    Whole,
    /// A threshold was missed that ends it.
    Breached,
    /// Somebody wanted no more.
    Interrupted,
}

/// How long a pod may take to answer: it has a tenth of a processor.
const PATIENCE: Duration = Duration::from_secs(10);

impl<'a> Sampler<'a> {
    /// Nothing has been seen yet.
    pub fn new(reach: Reach<'a>) -> Self {
        let (missed, restarted) = Default::default();
        Self { reach, samples: Vec::new(), missed, restarted }
    }

    /// What was seen, in order; the first is of the beginning.
    pub fn samples(&self) -> &[Sample] {
        &self.samples
    }

    /// Look every interval until the end of the run, until a threshold is breached that ends it, or until somebody wants
    /// no more. Meanwhile what the timeline says is done.
    pub fn watch(
        &mut self,
        point: &Point,
        timeline: &mut Timeline<'_>,
        progress: &Progress<'_>,
        is_breached: &dyn Fn(&[Sample]) -> bool,
    ) -> Result<Ended, KubectlError> {
        let began = Instant::now();
        let (interval, duration) = (point.document.interval.0, point.document.duration.0);
        // What was counted until these moments has to be known.
        let phases = point.script.phases.iter().map(|phase| phase.from.elapsed());
        let moments: BTreeSet<Duration> = phases.chain([point.document.warm_up.0, duration]).collect();
        let mut next = Duration::ZERO;
        loop {
            while began.elapsed() < next && !progress.is_interrupted() {
                sleep(Duration::from_millis(50).min(next.saturating_sub(began.elapsed())));
                timeline.carry_out(began.elapsed(), &self.reach)?;
                progress.advance(Time::ZERO + began.elapsed().min(duration), 0);
            }
            self.look(began.elapsed().as_secs_f64())?;
            match () {
                () if next >= duration => return Ok(Ended::Whole),
                () if progress.is_interrupted() => return Ok(Ended::Interrupted),
                () if is_breached(&self.samples) => return Ok(Ended::Breached),
                () => {}
            }
            let moment = moments.range((Bound::Excluded(next), Bound::Unbounded)).next();
            next = moment.map_or(duration, |moment| (next + interval).min(*moment));
        }
    }

    fn look(&mut self, at_s: f64) -> Result<(), KubectlError> {
        let pods = self.reach.kubectl.pods(&format!("app={APP}"))?;
        let here: Vec<_> = pods.iter().filter(|pod| !pod.leaving).collect();
        let target = |pod: &&crate::kubectl::pod::Pod| Target {
            name: pod.name.clone(),
            url: if pod.running { Ok(self.reach.proxy.pod(pod)) } else { Err(pod.why.clone()) },
        };
        let targets: Vec<Target> = here.iter().map(target).collect();
        let asked = self.reach.runtime.block_on(ask(self.reach.client, &targets, PATIENCE));
        let mut seen = self.samples.last().map(|sample| sample.pods.clone()).unwrap_or_default();
        for (pod, asked) in here.iter().zip(asked) {
            match asked.answer {
                Ok(answer) => {
                    let before = seen.insert(pod.name.clone(), (pod.instance().to_owned(), answer));
                    let began_anew = before.is_some_and(|(_, before)| {
                        seen[&pod.name].1.messages.generated < before.messages.generated
                    });
                    if began_anew {
                        self.restarted.insert(pod.name.clone(), pod.restarts);
                    }
                }
                Err(problem) => {
                    let missed = self.missed.entry(pod.name.clone()).or_default();
                    *missed = (missed.0 + 1, problem);
                }
            }
        }
        self.samples.push(Sample { at_s, pods: seen });
        Ok(())
    }

    /// What the figures lack.
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
    /// When it was taken.
    pub fn at(&self) -> Time {
        Time::ZERO + Duration::from_secs_f64(self.at_s)
    }

    /// The pods of a group, or all.
    pub fn of<'s>(&'s self, group: Option<&'s str>) -> impl Iterator<Item = (&'s String, &'s Answer)> {
        let wanted = move |name: &str| group.is_none_or(|group| group == name);
        self.pods.iter().filter(move |(_, (name, _))| wanted(name)).map(|(pod, (_, answer))| (pod, answer))
    }
}

/// What happened to a pod's messages from one look to another. After a restart all that it has is new.
pub fn since<'m>(now: &'m Messages, before: Option<&'m Messages>) -> Messages {
    let Some(before) = before.filter(|before| before.generated <= now.generated) else { return now.clone() };
    let mut since = now.clone();
    for (count, before) in [
        (&mut since.generated, before.generated),
        (&mut since.sent, before.sent),
        (&mut since.arrived, before.arrived),
        (&mut since.received, before.received),
        (&mut since.lost_offline, before.lost_offline),
        (&mut since.traps, before.traps),
    ] {
        *count = count.saturating_sub(before);
    }
    for (fault, count) in &mut since.dropped {
        *count = count.saturating_sub(before.dropped.get(fault).copied().unwrap_or(0));
    }
    for (fault, counts) in &mut since.faults {
        for (what, count) in counts {
            let earlier = before.faults.get(fault).and_then(|counts| counts.get(what));
            *count = count.saturating_sub(earlier.copied().unwrap_or(0));
        }
    }
    since.latency.take_away(&before.latency);
    since
}
