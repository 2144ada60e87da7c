//! A run in real time: loads behaviours, binds sockets, prints the banner, starts the fleet, waits, drains, and prints the
//! totals.

mod banner;
mod bottleneck;
mod totals;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep_until, timeout};
use wasmote_api::journeys::Journeys;
use wasmote_api::{Api, RunInfo};
use wasmote_engine::compile_process::CompileProcess;
use wasmote_engine::{Component, Engine};
use wasmote_fleet::blueprints::Blueprints;
use wasmote_fleet::config::values::format_broker_url;
use wasmote_fleet::config::{Group, Settings};
use wasmote_fleet::events::EventLogger;
use wasmote_fleet::preflight;
use wasmote_fleet::refusals;
use wasmote_fleet::signals::Signals;
use wasmote_fleet::source::Source;
use wasmote_fleet::startup::{RunError, access_notice, browsable_address, listen, start_broker};
use wasmote_fleet::versions::Versions;
use wasmote_fleet::watch;
use wasmote_live::broker::EmbeddedBroker;
use wasmote_live::config::FleetConfig;
use wasmote_live::fleet::Fleet;
use wasmote_live::status::{DeviceCounts, Totals};
use wasmote_mqtt::protocol::Protocol;
use wasmote_sim::health::FleetHealth;

use crate::browser;
use crate::exit::Exit;

/// Longest time to write the remaining events to the log.
const LOG_FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

/// Runs a fleet until its duration has elapsed or a signal arrives.
pub fn run(settings: &Settings, signals: Signals) -> Result<Exit, RunError> {
    preflight::check_threads()?;
    for warning in preflight::check(settings)? {
        tracing::warn!("{warning}");
    }
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(RunError::Runtime)?;
    let outcome = runtime.block_on(run_fleet(settings, signals));
    // Open event streams of HTTP clients would delay the shutdown otherwise.
    runtime.shutdown_timeout(Duration::from_millis(100));
    outcome
}

async fn run_fleet(settings: &Settings, mut signals: Signals) -> Result<Exit, RunError> {
    let (blueprints, engine) = tokio::select! {
        blueprints = load_blueprints(settings.clone()) => blueprints?,
        () = signals.first() => return Ok(stopped_during_startup(settings)),
    };
    for warning in target_warnings(settings, &blueprints) {
        tracing::warn!("{warning}");
    }
    let (listener, http) = listen(settings.given.get(|it| &it.http).unwrap_or_default())?;
    let listener = TcpListener::from_std(listener).map_err(RunError::Runtime)?;
    let (broker_url, broker) = start_broker(settings).await?;
    banner::print(settings, http, &broker_url, broker.is_some());
    if let Some(notice) = access_notice(http, &settings.http_access) {
        tracing::warn!("{notice}");
    }

    let Blueprints { devices, behaviours, components } = blueprints;
    let run_info = RunInfo::new(settings, format_broker_url(&broker_url));
    let logger = EventLogger { messages: settings.logs_messages(), format: settings.log };
    let fleet_config = FleetConfig {
        devices,
        broker: broker_url,
        embedded_broker: broker.as_ref().map(EmbeddedBroker::handle),
        connection: settings.connection.clone(),
        start_rate: settings.given.get(|it| &it.ramp).map(|rate| rate.0),
    };
    let journey_memory = settings.given.get(|it| &it.journey_memory).unwrap_or_default();
    let journeys = Journeys::new(journey_memory.0 as usize, logger.messages);
    let is_without_identity = broker.is_none() && settings.protocol == Protocol::V4;
    let journeys = Arc::new(if is_without_identity { journeys.recognising_contents() } else { journeys });
    if let Some(broker) = &broker {
        broker.handle().set_observer(Arc::clone(&journeys) as _);
    }
    let observer = Arc::clone(&journeys) as _;
    let (fleet, events) = Fleet::start_observed_with_events(fleet_config, logger.interest(), observer);
    if let Some(broker) = fleet.broker() {
        broker.set_faults(Arc::clone(&settings.faults.faults), settings.seed);
    }
    let (stop_log, log_stopped) = oneshot::channel::<()>();
    let log = tokio::spawn(logger.run(events, async { drop(log_stopped.await) }));
    let groups = fixed_groups(settings, &components);
    let versions = Versions::new(fleet.clone(), engine, groups, behaviours, settings.canary);
    let versions = versions.with_fetcher(settings.models.fetcher().clone());
    let versions = Arc::new(versions.with_changes(settings.clone(), components));
    if settings.given.get(|it| &it.open).unwrap_or_default() {
        browser::open(&format!("http://{}", browsable_address(http)));
    }
    if settings.given.get(|it| &it.watch).unwrap_or_default() {
        tokio::spawn(watch::watch(watched(settings), Arc::clone(&versions)));
    }
    let api = Arc::new(Api::new(fleet.clone(), run_info, versions, journeys));
    tokio::spawn(wasmote_api::serve(listener, api));
    tokio::spawn(bottleneck::watch(fleet.clone()));

    let began = Instant::now();
    let end = wait(settings, &mut signals, began).await;
    fleet.stop(settings.drain).await;
    let health = fleet.health().await.unwrap_or_default();
    let totals = fleet.shutdown(Duration::ZERO).await;
    if let Some(broker) = broker {
        broker.shutdown().await;
    }
    drop(stop_log);
    let _ = timeout(LOG_FLUSH_TIMEOUT, log).await;
    let outcome = exit_of(settings, end, &health, &totals);
    totals::print(settings, &totals, began.elapsed(), outcome.as_ref().err());
    if totals.ledger.generated == 0 && outcome.is_ok() {
        tracing::warn!("no device published a message");
    }
    health.warnings().iter().for_each(|warning| tracing::warn!("{warning}"));
    outcome
}

/// Compiles on a blocking thread, so that signals are handled meanwhile.
async fn load_blueprints(settings: Settings) -> Result<(Blueprints, Engine), RunError> {
    let load = move || {
        let process = CompileProcess::with_limits(settings.compile_limits);
        let engine = Engine::with_compile_process(settings.compile, settings.cache.clone(), process)?;
        Ok((Blueprints::new(&settings, &engine)?, engine))
    };
    let loaded = spawn_blocking(load).await;
    loaded.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
}

/// The groups. One whose artefact is pinned by the digest of its manifest gets the digest of the component, which later versions
/// must have.
fn fixed_groups(settings: &Settings, components: &BTreeMap<String, Component>) -> Vec<Group> {
    let mut groups = settings.groups.clone();
    for group in &mut groups {
        if group.sha256.is_none() && group.behaviour.is_fixed() {
            group.sha256 =
                components.get(&group.behaviour.name()).map(|component| component.inspect().sha256);
        }
    }
    groups
}

/// The distinct sources of the behaviours.
fn watched(settings: &Settings) -> Vec<Source> {
    let sources: BTreeSet<Source> = settings.groups.iter().map(|group| group.behaviour.clone()).collect();
    if sources.iter().all(|source| source.file().is_none()) {
        let why =
            "--watch has nothing to watch: the behaviours are built in, or come from registries and URLs";
        tracing::warn!("{why}; name a file or a folder");
    }
    sources.into_iter().collect()
}

fn stopped_during_startup(settings: &Settings) -> Exit {
    let totals = Totals {
        devices: DeviceCounts { total: settings.devices() as u64, ..DeviceCounts::default() },
        ..Totals::default()
    };
    totals::print(settings, &totals, Duration::ZERO, None);
    stopped(settings)
}

/// Warnings about faults without a matching device.
fn target_warnings(settings: &Settings, blueprints: &Blueprints) -> Vec<String> {
    // The devices of other shards are not known here.
    if !settings.shard.is_whole() {
        return Vec::new();
    }
    let all = || blueprints.devices.iter().map(|device| &*device.identity);
    let own = |name: &str| {
        settings.groups.iter().find(|group| group.name == name).and_then(|group| group.faults.as_ref())
    };
    let mut warnings = settings.faults.warnings(all().filter(|device| own(&device.group).is_none()), all());
    for group in &settings.groups {
        let devices = all().filter(|device| *device.group == *group.name);
        warnings.extend(group.faults.iter().flat_map(|set| set.warnings(devices.clone(), all())));
    }
    warnings
}

/// Reason of the end of a run.
#[derive(Clone, Copy, Debug)]
enum StopReason {
    DurationElapsed,
    Signal,
}

async fn wait(settings: &Settings, signals: &mut Signals, began: Instant) -> StopReason {
    let duration_elapsed = async {
        match settings.duration {
            Some(duration) => sleep_until(began + duration).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = duration_elapsed => StopReason::DurationElapsed,
        () = signals.first() => StopReason::Signal,
    }
}

/// Outcome of a run. It fails if no device ever ran or was connected, if every behaviour had failed at the end, or if the
/// broker took no message although some were handed to it. A run that lasted for its whole `--duration` also fails if that is true of one group, or if a fault model was put aside.
fn exit_of(
    settings: &Settings,
    end: StopReason,
    health: &FleetHealth,
    totals: &Totals,
) -> Result<Exit, RunError> {
    let fail = |reasons: Vec<String>| match reasons.is_empty() {
        true => Ok(()),
        false => Err(RunError::DevicesFailed(reasons)),
    };
    fail(health.total_failures())?;
    match (end, health.never_connected()) {
        // The user may have stopped before the first attempt had ended.
        (StopReason::Signal, Some(_)) if health.unconnected_groups().is_empty() => {}
        (_, Some(reason)) => return Err(RunError::NeverConnected(reason)),
        (_, None) => {}
    }
    if let Some(why) = refusals::nothing_accepted(&totals.ledger) {
        return Err(RunError::NothingAccepted(why));
    }
    match end {
        StopReason::Signal => Ok(stopped(settings)),
        StopReason::DurationElapsed => {
            fail([health.failures(), health.unconnected_groups()].concat())?;
            Ok(Exit::Done)
        }
    }
}

/// Outcome of a run that a signal has ended.
fn stopped(settings: &Settings) -> Exit {
    if settings.duration.is_some() { Exit::Interrupted } else { Exit::Done }
}
