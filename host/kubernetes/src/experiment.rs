//! Runs on a Kubernetes cluster, through the user's own `kubectl`.
//!
//! A run is a fleet of its own: its objects are applied, its pods awaited, looked at every interval, and asked for
//! everything at the end; then the objects are deleted, whatever has happened.
//!
//! * [`support`]: what a plan wants that a cluster cannot do yet, which is refused before anything is applied.
//! * [`deployment`]: apply, wait, delete. [`samples`]: what the pods say of themselves over time. [`timeline`]: what
//!   happens in mid-run; [`requests`]: the HTTP requests to pods for that.
//! * [`artifacts`]: logs and last words of every pod, and what of them is missing.
//! * [`windows`]: parts of a run, between two looks. [`summary`]: samples become the files that reports read.

pub mod access;
pub mod artifacts;
pub mod deployment;
pub mod requests;
pub mod samples;
pub mod summary;
pub mod support;
pub mod timeline;
pub mod windows;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use wasmote_experiment::ExperimentError;
use wasmote_experiment::plan::Experiment;
use wasmote_experiment::point::{Point, RunId};
use wasmote_experiment::progress::{Progress, Totals};
use wasmote_experiment::results::ResultsWriter;
use wasmote_fleet::config::values::DeviceCount;
use wasmote_fleet::term::to_stderr;
use wasmote_results::{ClusterEntry, Row, Summary, TimelineRow, write_atomically, write_table};

use crate::kubectl::proxy::Proxy;
use crate::kubectl::{Kubectl, KubectlError};
use crate::manifests::ManifestError;
use crate::manifests::broker::BrokerEndpoint;
use crate::manifests::fleet::{BehaviourMount, DeployOptions, FleetManifests};
use crate::manifests::name::{Image, Name, Quantity};
use access::ClusterAccess;
use artifacts::ArtifactCollector;
use deployment::Deployment;
use samples::{RunEnd, Sampler};
use summary::ClusterRun;
use timeline::TimelineExecutor;
use windows::MeasuredWindows;

/// What is to be known of a cluster beside the plan.
#[derive(Clone, Debug)]
pub struct Options {
    /// The way to it.
    pub kubectl: Kubectl,
    /// The namespace, where one was named.
    pub namespace: Option<Name>,
    /// The context, where one was named.
    pub context: Option<String>,
    /// The program's image.
    pub image: Image,
    /// Devices in each pod.
    pub devices_per_pod: DeviceCount,
    /// Most memory of a pod.
    pub memory: Quantity,
    /// Most processor time of a pod.
    pub cpu: Quantity,
    /// How long pods may take to become ready.
    pub ready_timeout: Duration,
}

/// Why a run on a cluster came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// The plan wants what a cluster cannot do.
    #[error("{field}: {problem}, so the plan cannot run with --on kubernetes")]
    Unsupported {
        /// The field of the plan.
        field: &'static str,
        /// What is missing, and what to do.
        problem: String,
    },
    /// There is something already, which would be mixed up with the experiment and deleted after it.
    #[error(
        "there is a fleet in this namespace already ({found}); run the experiment in another with --namespace NAME, \
         or remove that one: kubectl delete all,configmaps --selector app.kubernetes.io/part-of=wasmote"
    )]
    NamespaceInUse {
        /// What was found.
        found: String,
    },
    /// Pods that do not start.
    #[error("{ready} of {desired} pods were ready after {}: {why}", humantime::format_duration(*ready_timeout))]
    NotReady {
        /// Pods that are ready.
        ready: usize,
        /// Pods that there should be.
        desired: usize,
        /// How long was waited.
        ready_timeout: Duration,
        /// Who is not, and why.
        why: String,
    },
    /// The plan or its results, as in a run on this machine.
    #[error(transparent)]
    Experiment(#[from] ExperimentError),
    /// The plan gives no manifests.
    #[error(transparent)]
    Manifests(#[from] ManifestError),
    /// The cluster cannot be spoken with.
    #[error(transparent)]
    Kubectl(#[from] KubectlError),
    /// No HTTP client.
    #[error("the pods cannot be asked: {0}")]
    Client(String),
}

impl ClusterError {
    /// Whether the user asked for what cannot be.
    pub fn is_usage(&self) -> bool {
        match self {
            Self::Experiment(problem) => problem.is_usage(),
            Self::Unsupported { .. } | Self::Manifests(_) => true,
            _ => false,
        }
    }
}

/// Everything of an experiment on a cluster, one run after the other, as they share it.
pub fn execute(
    experiment: &Experiment,
    results: &mut ResultsWriter,
    options: &Options,
    totals: &Totals,
) -> Result<Vec<Summary>, ClusterError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|problem| ClusterError::Client(problem.to_string()))?;
    let mut entry = ClusterEntry {
        context: options.context.clone(),
        namespace: options.namespace.as_ref().map(ToString::to_string),
        image: options.image.as_str().to_owned(),
        missing: Vec::new(),
    };
    let mut summaries = Vec::new();
    let runs = experiment.runs();
    for run_id in &runs {
        if totals.is_interrupted() {
            break;
        }
        let folder = results.folder.join(&results.manifest.runs[run_id.index].path);
        let began = Instant::now();
        let run = Run { point: &experiment.points[run_id.point], run_id, options, folder: &folder, totals };
        let (summary, missing) = run.run(&runtime)?;
        entry.missing.extend(missing);
        results.manifest.runs[run_id.index].real_seconds = Some(began.elapsed().as_secs_f64());
        results.manifest.cluster = Some(entry.clone());
        results.write_manifest()?;
        summaries.push(summary);
    }
    let is_whole = summaries.len() == runs.len() && summaries.iter().all(|summary| !summary.interrupted);
    if is_whole && entry.missing.is_empty() {
        results.complete()?;
    }
    Ok(summaries)
}

struct Run<'a> {
    point: &'a Point,
    run_id: &'a RunId,
    options: &'a Options,
    folder: &'a Path,
    totals: &'a Totals,
}

impl Run<'_> {
    /// From nothing to nothing; what is left is the folder.
    fn run(&self, runtime: &Runtime) -> Result<(Summary, Vec<String>), ClusterError> {
        fs::create_dir_all(self.folder).map_err(ExperimentError::writing(&self.folder.display()))?;
        let fleet = self.fleet()?;
        let deployment = Deployment::new(&self.options.kubectl, &fleet);
        deployment.check_namespace()?;
        let outcome = self.observe(&deployment, &fleet, runtime);
        to_stderr("removing the fleet from the cluster");
        let removed = deployment.delete();
        let (summary, mut missing) = outcome?;
        // The results are there all the same; what stays behind has to be known.
        if let Err(problem) = removed {
            to_stderr(format_args!(
                "the fleet could not be removed: {problem}; do it with: kubectl delete \
                 statefulsets,deployments,services,configmaps --selector app.kubernetes.io/part-of=wasmote"
            ));
            missing.push(format!("clean-up: {problem}"));
        }
        Ok((summary, missing))
    }

    fn fleet(&self) -> Result<FleetManifests, ManifestError> {
        let options = self.options;
        let mut settings = self.point.settings.clone();
        settings.seed = self.run_id.seed;
        FleetManifests::new(
            &settings,
            DeployOptions {
                namespace: options.namespace.clone(),
                image: options.image.clone(),
                devices_per_pod: options.devices_per_pod.0,
                // As in virtual time: the same names draw the same faults.
                stable_names: true,
                memory: options.memory.clone(),
                cpu: options.cpu.clone(),
                behaviour: BehaviourMount::ConfigMap,
                broker: BrokerEndpoint::mosquitto(false),
                same_seed: true,
            },
        )
    }

    fn observe(
        &self,
        deployment: &Deployment<'_>,
        fleet: &FleetManifests,
        runtime: &Runtime,
    ) -> Result<(Summary, Vec<String>), ClusterError> {
        let kubectl = &self.options.kubectl;
        let interrupted = || self.totals.is_interrupted();
        to_stderr(format_args!("applying {} pods", deployment.desired()));
        deployment.apply()?;
        if let Err(problem) = deployment.wait(self.options.ready_timeout, &interrupted) {
            // Why a pod does not start is often in its log.
            let missing = ArtifactCollector::new(kubectl, self.folder).logs()?;
            write_atomically(&self.folder.join("missing.txt"), missing.join("\n").as_bytes())
                .map_err(ExperimentError::writing(&self.folder.display()))?;
            return Err(problem.into());
        }
        let client = wasmote_live::http::client().map_err(ClusterError::Client)?;
        let proxy = Proxy::start(kubectl)?;
        let mut sampler = Sampler::new(ClusterAccess { kubectl, proxy: &proxy, client: &client, runtime });
        let devices = wasmote_fleet::blueprints::all_identities(&self.point.settings);
        let mut timeline = TimelineExecutor::new(self.point, fleet, self.run_id.seed, &devices);
        let progress = Progress::new(self.totals);
        let mut run_end = RunEnd::Interrupted;
        if !interrupted() {
            to_stderr(format_args!(
                "all are ready; running for {}",
                humantime::format_duration(self.point.plan.duration.0)
            ));
            let threshold_missed =
                |samples: &[_]| MeasuredWindows::new(self.point, fleet, samples).threshold_missed();
            run_end = sampler.observe(self.point, &mut timeline, &progress, &threshold_missed);
            if run_end == RunEnd::ThresholdMissed {
                to_stderr("a threshold is missed that ends the run");
            }
        }
        to_stderr("collecting logs and metrics");
        let artifacts = ArtifactCollector::new(kubectl, self.folder);
        let mut missing = sampler.missing();
        missing.extend(timeline.missing());
        if let Some(rows) = timeline.rows() {
            write_table(self.folder, rows)
                .map_err(ExperimentError::writing(&self.folder.join(TimelineRow::FILE).display()))?;
        }
        missing.extend(artifacts.logs()?);
        missing.extend(artifacts.pod_metrics(&proxy, &client, runtime)?);
        let (point, seed) = (self.point, self.run_id.seed);
        let run = ClusterRun { point, seed, fleet, sampler: &sampler, run_end, missing: &missing };
        let summary = run.write(self.folder)?;
        Ok((summary, missing))
    }
}
