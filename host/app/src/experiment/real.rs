//! One run in real time, with the HTTP API open to those who want to look, or to change something.

use std::collections::BTreeSet;
use std::io;
use std::net::{TcpListener, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Builder;
use wasmote_engine::Engine;
use wasmote_live::spec::BrokerUrl;
use wasmote_sim::device::Now;
use wasmote_sim::time::{Time, WallTime};

use super::ExperimentError;
use super::edits::Edits;
use super::plan::Experiment;
use super::run::Setting;
use super::script::Deed;
use super::sent::Sent;
use super::stage::Stage;
use super::summary::Summary;
use super::world::{Beginning, Pace, RealTime};
use crate::cli::behaviours::Card;
use crate::config::values::{BrokerChoice, show_broker};
use crate::preflight;
use crate::run::{self, RunError};
use crate::server::{self, Api, Facts};
use crate::versions::Versions;

/// How long a broker may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// What runs in real time share, one after the other.
pub struct Reality {
    engine: Engine,
    door: TcpListener,
    /// Where the HTTP API listens, as a URL.
    pub url: String,
}

impl Reality {
    /// Make sure that an experiment can run here, and listen for those who ask over HTTP.
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
            reach(url)?;
        }
        let (door, address) = run::listen(first.settings.http)?;
        Ok(Self { engine, door, url: format!("http://{}", run::announce::reachable(address)) })
    }
}

/// Somebody has to listen where the broker is said to be: better to know now than after a run without anybody.
fn reach(url: &BrokerUrl) -> Result<(), ExperimentError> {
    let address = (url.host.trim_matches(['[', ']']), url.port);
    let tried = address.to_socket_addrs().and_then(|all| {
        let mut problem = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in all {
            match TcpStream::connect_timeout(&address, PATIENCE) {
                Ok(_) => return Ok(()),
                Err(refused) => problem = refused,
            }
        }
        Err(problem)
    });
    tried.map_err(|problem| ExperimentError::NoBroker { url: show_broker(url), problem })
}

/// Run in real time.
pub fn run(setting: Setting<'_>, reality: &Reality) -> Result<Summary, ExperimentError> {
    let runtime = Builder::new_multi_thread().enable_all().build().map_err(RunError::Runtime)?;
    let outcome = run_in(setting, reality, runtime.handle());
    // Whoever still listens to events would hold it up.
    runtime.shutdown_timeout(Duration::from_millis(100));
    outcome
}

fn run_in(
    setting: Setting<'_>,
    reality: &Reality,
    runtime: &tokio::runtime::Handle,
) -> Result<Summary, ExperimentError> {
    let Setting { point, seed, components, .. } = setting;
    let settings = crate::config::Settings { seed, ..point.settings.clone() };
    let eyes = setting.eyes(Pace::Real)?;
    let begin = |devices| {
        let speaks = point.script.deeds.iter().any(|(_, deed)| matches!(deed, Deed::Publish(_)));
        let (signals, eyes) = (setting.progress.signals(), eyes.clone());
        let beginning = Beginning { settings: &settings, devices, speaks, signals, eyes, now: about_now() };
        RealTime::begin(runtime.clone(), beginning)
    };
    let mut stage = Stage::new(point, seed, components, eyes.clone(), about_now(), begin)?;
    let fleet = stage.world.fleet.clone();

    let card = |(source, component): (_, &wasmote_engine::Component)| Card::new(source, component.inspect());
    let ours = components.iter().filter(|(source, _)| point.sources().any(|ours| ours == *source));
    let facts = Facts::new(&settings, stage.world.broker_url.clone());
    let (groups, cards) = (settings.groups.clone(), ours.map(card).collect());
    let sent = Arc::new(Sent::new(eyes.account()));
    stage.listen(Arc::clone(&sent));
    let trying = Arc::clone(&sent);
    let versions = Versions::new(fleet.clone(), reality.engine.clone(), groups, cards, settings.canary);
    let versions =
        Arc::new(versions.in_guise(Arc::new(move |group, component| trying.try_on(group, component))));
    let edits = Arc::new(Edits::new(fleet.clone(), eyes.clone(), sent, setting.folder.to_owned()));
    let api = Api::recorded(fleet, facts, versions, Arc::clone(&stage.faults), Arc::clone(&edits) as _);
    let inside = runtime.enter();
    let door = reality.door.try_clone().and_then(tokio::net::TcpListener::from_std);
    runtime.spawn(server::serve(door.map_err(RunError::Runtime)?, Arc::new(api)));
    drop(inside);

    let (devices, lasts) = (settings.devices(), humantime::format_duration(point.document.duration.0));
    let (broker, http) = (&stage.world.broker_url, &reality.url);
    tracing::info!("{devices} devices run for {lasts} with seed {seed} on {broker}; {http} tells of them");
    setting.play(stage, &eyes, || edits.take())
}

/// The calendar's time, for what is written before the run's own clock starts, or beside it.
pub(super) fn about_now() -> Now {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let nanos = u64::try_from(since.as_nanos()).unwrap_or(u64::MAX);
    Now { run: Time::ZERO, wall: WallTime::from_nanos(nanos) }
}
