//! Experiment runs on a Kubernetes cluster, through the user's `kubectl`.
//!
//! Each run deploys its own fleet: it applies the objects, waits for the pods, samples them every interval, and
//! collects their logs and metrics at the end. It always deletes the objects, even after a failure.
//!
//! * [`support`]: checks for parts of a plan that a cluster does not support, before anything is applied.
//! * [`deployment`]: apply, wait, delete. [`samples`]: metrics of the pods over time. [`timeline`]: execution of the
//!   plan's timeline; [`requests`]: its HTTP requests to pods.
//!   [`host_messages`]: messages of the host.
//! * [`artifacts`]: logs and final metrics of every pod.
//! * [`windows`]: sums between two samples. [`summary`]: results files.

pub mod access;
pub mod artifacts;
pub mod deployment;
pub mod host_messages;
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
use wasmote_fleet::http_access::HttpToken;
use wasmote_fleet::term::to_stderr;
use wasmote_results::{ClusterEntry, Row, Summary, TimelineRow, write_atomically, write_table};

use crate::fleet_query;
use crate::kubectl::proxy::Proxy;
use crate::kubectl::{Kubectl, KubectlError};
use crate::manifests::broker::BrokerEndpoint;
use crate::manifests::fleet::FleetManifests;
use crate::manifests::name::{Image, Name, PullPolicy, Quantity};
use crate::manifests::options::{BehaviourMount, DeployOptions, TokenSecret};
use crate::manifests::{self, ManifestError};
use access::ClusterAccess;
use artifacts::ArtifactCollector;
use deployment::Deployment;
use host_messages::HostMessages;
use samples::{RunEnd, Sampler};
use summary::ClusterRun;
use timeline::TimelineExecutor;
use windows::MeasuredWindows;

/// Options of a run on a cluster, in addition to the plan.
#[derive(Clone, Debug)]
pub struct Options {
    /// Access to the cluster.
    pub kubectl: Kubectl,
    /// The namespace, if given.
    pub namespace: Option<Name>,
    /// The context, if given.
    pub context: Option<String>,
    /// Image of this program.
    pub image: Image,
    /// Devices in each pod.
    pub devices_per_pod: DeviceCount,
    /// Memory limit of a pod; by default what its devices need.
    pub memory: Option<Quantity>,
    /// Memory limit of the init container that compiles a behaviour; by default there is one if it is needed.
    pub compile_memory: Option<Quantity>,
    /// Processor limit of a pod.
    pub cpu: Quantity,
    /// Timeout for all pods to become ready.
    pub ready_timeout: Duration,
}

/// Error of a run on a cluster.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// The plan needs a feature that clusters do not support.
    #[error("{field}: {problem}, so the plan cannot run with --on kubernetes")]
    Unsupported {
        /// The field of the plan.
        field: &'static str,
        /// The problem and its remedy.
        problem: String,
    },
    /// The namespace already has a fleet, or objects with the names that the run needs.
    #[error(
        "this namespace already has a fleet, or objects with the names that the run needs ({found}); run the experiment in \
         another namespace with --namespace NAME, or remove them: kubectl delete {found}"
    )]
    NamespaceInUse {
        /// Kinds and names of the objects, as `kubectl delete` takes them.
        found: String,
    },
    /// Pods are not ready within the timeout.
    #[error("{ready} of {desired} pods were ready after {}: {why}", humantime::format_duration(*ready_timeout))]
    NotReady {
        /// Number of ready pods.
        ready: usize,
        /// Number of desired pods.
        desired: usize,
        /// The timeout.
        ready_timeout: Duration,
        /// Names of the other pods, with reasons.
        why: String,
    },
    /// Error of the plan or its results, as in a local run.
    #[error(transparent)]
    Experiment(#[from] ExperimentError),
    /// No manifests could be created from the plan.
    #[error(transparent)]
    Manifests(#[from] ManifestError),
    /// Error of `kubectl`.
    #[error(transparent)]
    Kubectl(#[from] KubectlError),
    /// No HTTP client could be created.
    #[error("the pods cannot be queried: {0}")]
    Client(String),
}

impl ClusterError {
    /// True if the cause is invalid input from the user.
    pub fn is_usage(&self) -> bool {
        match self {
            Self::Experiment(problem) => problem.is_usage(),
            Self::Unsupported { .. } | Self::Manifests(_) => true,
            _ => false,
        }
    }
}

/// Executes all runs of an experiment, one after the other, because they share the cluster.
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
    /// Deploys the fleet, runs the experiment, and removes the fleet.
    fn run(&self, runtime: &Runtime) -> Result<(Summary, Vec<String>), ClusterError> {
        fs::create_dir_all(self.folder).map_err(ExperimentError::writing(&self.folder.display()))?;
        let fleet = self.fleet()?;
        let mut deployment = Deployment::new(&self.options.kubectl, &fleet);
        deployment.check_namespace()?;
        let outcome = self.observe(&mut deployment, &fleet, runtime);
        to_stderr("removing the fleet from the cluster");
        let removed = deployment.delete();
        let (summary, mut missing) = outcome?;
        // A failed removal keeps the results, but the user has to know about the remaining objects.
        if let Err(problem) = removed {
            to_stderr(format_args!(
                "the fleet could not be removed: {problem}; remove it with: kubectl delete {}",
                deployment.created().join(" ")
            ));
            missing.push(format!("clean-up: {problem}"));
        }
        Ok((summary, missing))
    }

    /// A new token for this run, if its timeline sends requests that change pods.
    fn token(&self) -> Result<TokenSecret, ClusterError> {
        let name = |text: &str| text.parse().map_err(ClusterError::Client);
        let changes_pods = self.point.timeline.steps.iter().any(|(_, step)| !step.is_implicit());
        if !changes_pods {
            return name("wasmote-http").map(TokenSecret::Optional);
        }
        let token = HttpToken::generate().map_err(|problem| ClusterError::Client(problem.to_string()))?;
        name("wasmote-run-http").map(|name| TokenSecret::Deployed(name, token))
    }

    fn fleet(&self) -> Result<FleetManifests, ClusterError> {
        let options = self.options;
        let mut settings = self.point.settings.clone();
        settings.seed = self.run_id.seed;
        let fleet = FleetManifests::new(
            &settings,
            DeployOptions {
                namespace: options.namespace.clone(),
                image: options.image.clone(),
                pull_policy: PullPolicy::IfNotPresent,
                devices_per_pod: options.devices_per_pod.0,
                // The same names draw the same faults as in virtual time.
                stable_names: true,
                memory: support::memory_limit(self.point, options),
                compile_memory: options.compile_memory.clone(),
                cpu: options.cpu.clone(),
                behaviour: BehaviourMount::ConfigMap,
                broker: BrokerEndpoint::mosquitto(false),
                same_seed: true,
                hashed_config_maps: true,
                http_token: self.token()?,
            },
        );
        Ok(fleet?)
    }

    fn observe(
        &self,
        deployment: &mut Deployment<'_>,
        fleet: &FleetManifests,
        runtime: &Runtime,
    ) -> Result<(Summary, Vec<String>), ClusterError> {
        let kubectl = &self.options.kubectl;
        let interrupted = || self.totals.is_interrupted();
        if let Some(note) = manifests::local_image_note(&self.options.image) {
            to_stderr(note);
        }
        fleet.groups.iter().flat_map(|group| &group.memory.notes).for_each(to_stderr);
        to_stderr(format_args!("creating {} pods", deployment.desired()));
        deployment.create()?;
        if let Err(problem) = deployment.wait(self.options.ready_timeout, &interrupted) {
            // The log of a pod often has the reason why it does not start.
            let missing = ArtifactCollector::new(kubectl, self.folder).logs()?;
            write_atomically(&self.folder.join("missing.txt"), missing.join("\n").as_bytes())
                .map_err(ExperimentError::writing(&self.folder.display()))?;
            return Err(problem);
        }
        let token = fleet.options.http_token.token();
        let client = fleet_query::client(token).map_err(ClusterError::Client)?;
        let proxy = Proxy::start(kubectl)?;
        let mut sampler = Sampler::new(ClusterAccess { kubectl, proxy: &proxy, client: &client, runtime });
        let sends_messages = self.point.timeline.steps.iter().any(|(_, step)| step.needs_host_connection());
        let host = sends_messages.then(|| HostMessages::open(kubectl, &self.point.settings)).transpose()?;
        let mut timeline = TimelineExecutor::new(self.point, fleet, self.run_id.seed, host.as_ref());
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
