//! Run in real time, with the HTTP API open for users who watch or change it.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Builder;
use wasmote_api::journeys::Journeys;
use wasmote_api::{Api, RunInfo};
use wasmote_engine::Engine;
use wasmote_fleet::component_info::ComponentInfo;
use wasmote_fleet::config::Settings;
use wasmote_fleet::config::values::{BrokerChoice, format_broker_url};
use wasmote_fleet::preflight;
use wasmote_fleet::source::Source;
use wasmote_fleet::startup::{self, RunError};
use wasmote_fleet::versions::Versions;
use wasmote_live::config::BrokerUrl;
use wasmote_live::host_client::{self, BrokerAnswer, HostConnection};
use wasmote_mqtt::protocol::Protocol;
use wasmote_results::TimeMode;

use super::ExperimentError;
use super::audit::AuditTrail;
use super::driver::{LiveDriver, LiveSetup};
use super::live_updates::LiveUpdates;
use super::orchestrator::Orchestrator;
use super::plan::Experiment;
use super::run::{FinishedRun, RunContext};
use super::wall_clock::wall_clock_now;

/// Timeout of the first connection to a broker.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Environment that successive runs in real time share.
pub struct LiveEnv {
    engine: Engine,
    listener: TcpListener,
    /// URL of the HTTP API.
    pub url: String,
}

impl LiveEnv {
    /// Checks that this machine can run an experiment, and opens the port of the HTTP API.
    pub fn open(experiment: &Experiment, engine: Engine) -> Result<Self, ExperimentError> {
        let mut warnings = BTreeSet::new();
        for point in &experiment.points {
            warnings.extend(preflight::check(&point.settings).map_err(RunError::Preflight)?);
        }
        warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
        let Some(first) = experiment.points.first() else {
            return Err(ExperimentError::invalid("plan", "it has no run"));
        };
        if let BrokerChoice::Remote(url) = &first.settings.broker {
            check_broker(url, &first.settings)?;
        }
        let (listener, address) =
            startup::listen(first.settings.given.get(|it| &it.http).unwrap_or_default())?;
        if let Some(notice) = startup::access_notice(address, &first.settings.http_access) {
            tracing::warn!("{notice}");
        }
        Ok(Self { engine, listener, url: format!("http://{}", startup::browsable_address(address)) })
    }
}

/// Checks before the run that the broker answers. A broker that refuses this connection may still accept those of the
/// devices, because it may know their client identifiers.
fn check_broker(url: &BrokerUrl, settings: &Settings) -> Result<(), ExperimentError> {
    let connection = HostConnection {
        broker: url.clone(),
        options: settings.connection.clone(),
        protocol: settings.protocol,
        client_id: format!("wasmote-check-{}", std::process::id()),
    };
    let runtime = Builder::new_current_thread().enable_all().build().map_err(RunError::Runtime)?;
    match runtime.block_on(host_client::check(connection, CONNECT_TIMEOUT)) {
        Ok(BrokerAnswer::Accepted) => Ok(()),
        Ok(BrokerAnswer::Refused(why)) => {
            tracing::warn!("the broker answers, but refuses the connection of the host: {why}");
            Ok(())
        }
        Err(problem) => Err(ExperimentError::NoBroker { url: format_broker_url(url), problem }),
    }
}

/// Runs a point in real time.
pub fn run(context: RunContext<'_>, live_env: &LiveEnv) -> Result<FinishedRun, ExperimentError> {
    let runtime = Builder::new_multi_thread().enable_all().build().map_err(RunError::Runtime)?;
    let outcome = run_on(context, live_env, runtime.handle());
    // HTTP clients that still read events would delay the shutdown.
    runtime.shutdown_timeout(Duration::from_millis(100));
    outcome
}

fn run_on(
    context: RunContext<'_>,
    live_env: &LiveEnv,
    runtime: &tokio::runtime::Handle,
) -> Result<FinishedRun, ExperimentError> {
    let RunContext { point, seed, components, .. } = context;
    let settings = Settings { seed, ..point.settings.clone() };
    let journey_memory = settings.given.get(|it| &it.journey_memory).unwrap_or_default();
    let journeys = Journeys::new(journey_memory.0 as usize, false);
    let is_without_identity =
        settings.protocol == Protocol::V4 && matches!(settings.broker, BrokerChoice::Remote(_));
    let journeys = Arc::new(if is_without_identity { journeys.recognising_contents() } else { journeys });
    let observer =
        context.observer(TimeMode::Real)?.with_journeys(Arc::clone(&journeys), is_without_identity);
    let start_driver = |devices| {
        let sends_host_messages = point.timeline.steps.iter().any(|(_, step)| step.needs_host_connection());
        let (signals, observer) = (context.progress.signals(), observer.clone());
        let setup = LiveSetup {
            settings: &settings,
            devices,
            sends_host_messages,
            signals,
            observer,
            now: wall_clock_now(),
        };
        LiveDriver::start(runtime.clone(), setup)
    };
    let mut orchestrator =
        Orchestrator::new(point, seed, components, observer.clone(), wall_clock_now(), start_driver)?;
    let fleet = orchestrator.driver.fleet.clone();

    let card = |(source, component): (&Source, &wasmote_engine::Component)| {
        ComponentInfo::new(source.described(settings.models.fetcher()), component.inspect())
    };
    let used = components.iter().filter(|(source, _)| point.sources().any(|used| used == *source));
    let facts = RunInfo::new(&settings, orchestrator.driver.broker_url.clone());
    let (groups, cards) = (settings.groups.clone(), used.map(card).collect());
    let updates = Arc::new(LiveUpdates::new(observer.tracker()));
    orchestrator.accept_updates(Arc::clone(&updates));
    let pending_updates = Arc::clone(&updates);
    let versions = Versions::new(fleet.clone(), live_env.engine.clone(), groups, cards, settings.canary);
    let versions = versions.with_fetcher(settings.models.fetcher().clone());
    let versions = Arc::new(
        versions.with_factory(Arc::new(move |group, component| pending_updates.prepare(group, component))),
    );
    let folder = context.folder.unwrap_or(Path::new(".")).to_owned();
    let audit = Arc::new(AuditTrail::new(fleet.clone(), observer.clone(), updates, folder));
    let api =
        Api::with_audit(fleet, facts, versions, Arc::clone(&orchestrator.faults), Arc::clone(&audit) as _)
            .with_journeys(journeys);
    let guard = runtime.enter();
    let listener = live_env.listener.try_clone().and_then(tokio::net::TcpListener::from_std);
    runtime.spawn(wasmote_api::serve(listener.map_err(RunError::Runtime)?, Arc::new(api)));
    drop(guard);

    let (devices, lasts) = (settings.devices(), humantime::format_duration(point.plan.duration.0));
    let (broker, http) = (&orchestrator.driver.broker_url, &live_env.url);
    tracing::info!("{devices} devices run for {lasts} with seed {seed} on {broker}; HTTP API at {http}");
    context.execute(orchestrator, &observer, || audit.take())
}
