//! Driver in real time: a live fleet and its broker, driven from one thread.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::mpsc::UnboundedReceiver;
use wasmote_fleet::config::Settings;
use wasmote_fleet::fault_registry::Faults;
use wasmote_fleet::fault_set::BROKER_FAULT_NEEDS_EMBEDDED;
use wasmote_fleet::signals::Signals;
use wasmote_fleet::startup::{self, RunError};
use wasmote_live::broker::{BrokerFaultEvent, BrokerHandle, EmbeddedBroker};
use wasmote_live::config::FleetConfig;
use wasmote_live::credentials::{CredentialStore, DeviceCredentials};
use wasmote_live::fleet::{Fleet, FleetError, PowerCommand};
use wasmote_live::host_client::{HostClient, HostConnection, HostMessage};
use wasmote_live::status::DeviceStatus;
use wasmote_live::tls::TlsError;
use wasmote_mqtt::message::Message;
use wasmote_mqtt::time::Time;
use wasmote_results::TimeMode;
use wasmote_sim::device::{Blueprint, ConnectionState, Now, PowerState, Upgrade};
use wasmote_sim::faults::broker::{BrokerTransition, Failure};
use wasmote_sim::faults::{Fault, FaultId};
use wasmote_sim::http::HttpRequest;
use wasmote_sim::rng::Seed;
use wasmote_sim::virtual_time::observer::TraceEvent;

use super::{DeviceSnapshot, Driver, DriverResult, RunOutcome, lag_summary};
use crate::ExperimentError;
use crate::recorder::RunObserver;

/// Client identifier of the host's own connection.
const HOST: &str = "wasmote-host";
/// Timeout of the host's own connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A live fleet.
pub struct LiveDriver {
    runtime: Handle,
    /// The devices.
    pub fleet: Fleet,
    /// The broker's URL.
    pub broker_url: String,
    broker: Option<EmbeddedBroker>,
    /// Publishes the plan's own messages, if it has any.
    host: Option<HostClient>,
    signals: Option<Signals>,
    drain: Duration,
    credentials: Arc<CredentialStore>,
    observer: RunObserver,
    was_connected: bool,
    was_refused: bool,
}

/// Inputs for starting a live fleet.
pub struct LiveSetup<'a> {
    /// Connection settings, and the drain time at the end.
    pub settings: &'a Settings,
    /// The devices.
    pub devices: Vec<Blueprint>,
    /// Whether the timeline publishes messages as the host.
    pub sends_host_messages: bool,
    /// Signals that end the run early.
    pub signals: Option<Signals>,
    /// Observer of all events.
    pub observer: RunObserver,
    /// Wall-clock time; the run's own clock starts with the devices.
    pub now: Now,
}

impl LiveDriver {
    /// Starts the embedded broker, if the settings ask for it, and the devices.
    pub fn start(runtime: Handle, setup: LiveSetup<'_>) -> Result<Self, ExperimentError> {
        let LiveSetup { settings, devices, sends_host_messages, signals, observer, now } = setup;
        let (url, broker) = runtime.block_on(startup::start_broker(settings)).map_err(RunError::Broker)?;
        let broker_url = wasmote_fleet::config::values::format_broker_url(&url);
        // The first line of the broker's log comes before those of devices.
        observer
            .set_broker(now, &broker_url, broker.is_some())
            .map_err(ExperimentError::writing(&"broker.log"))?;
        if let Some(broker) = &broker {
            broker.handle().set_observer(Arc::new(observer.clone()));
        }
        let guard = runtime.enter();
        let own = HostConnection {
            broker: url.clone(),
            options: settings.connection.clone(),
            protocol: settings.protocol,
            client_id: HOST.into(),
        };
        let host = sends_host_messages.then(|| runtime.block_on(connected(own))).transpose();
        let host =
            host.map_err(|problem| ExperimentError::invalid("--ca, --cert, --key", problem.to_string()))?;
        let fleet_config = FleetConfig {
            devices,
            broker: url,
            connection: settings.connection.clone(),
            start_rate: None,
            embedded_broker: broker.as_ref().map(EmbeddedBroker::handle),
        };
        let fleet = Fleet::start_observed(fleet_config, Arc::new(observer.clone()));
        if let Some(broker) = &broker {
            runtime.spawn(forward_broker_events(
                broker.handle().fault_events(),
                fleet.clone(),
                observer.clone(),
            ));
        }
        drop(guard);
        Ok(Self {
            broker_url,
            runtime,
            fleet,
            broker,
            host,
            signals,
            drain: settings.drain,
            credentials: Arc::clone(&settings.connection.devices),
            observer,
            was_connected: false,
            was_refused: false,
        })
    }

    fn embedded_broker(&self) -> Result<&BrokerHandle, ExperimentError> {
        let not_embedded = || {
            ExperimentError::invalid("faults", format!("a fault of the broker {BROKER_FAULT_NEEDS_EMBEDDED}"))
        };
        self.fleet.broker().ok_or_else(not_embedded)
    }

    fn fleet_result(&self, outcome: Result<(), FleetError>) -> DriverResult {
        outcome.map_err(|problem| ExperimentError::Fleet(problem.to_string()))
    }

    fn statuses(&self) -> Result<Vec<DeviceStatus>, ExperimentError> {
        let all = 0..self.fleet.devices().len();
        let statuses = self.runtime.block_on(self.fleet.statuses(all));
        statuses.map_err(|problem| ExperimentError::Fleet(problem.to_string()))
    }

    fn name(&self, device: usize) -> String {
        self.fleet.devices().get(device).map(|device| device.id.to_string()).unwrap_or_default()
    }
}

impl Driver for LiveDriver {
    const TIME_MODE: TimeMode = TimeMode::Real;
    const POLL_INTERVAL: Duration = Duration::from_millis(200);

    fn now(&self) -> Now {
        self.fleet.now()
    }

    fn run_until(&mut self, end: Time) -> DriverResult {
        let (fleet, signals) = (&self.fleet, self.signals.as_mut());
        let interrupted = async {
            match signals {
                Some(signals) => signals.first().await,
                None => std::future::pending().await,
            }
        };
        self.runtime.block_on(async {
            tokio::select! {
                () = fleet.sleep_until(end) => {}
                () = interrupted => {}
            }
        });
        Ok(())
    }

    fn set_credentials(
        &mut self,
        device: usize,
        new: &dyn Fn() -> Option<Arc<DeviceCredentials>>,
    ) -> DriverResult {
        if let Some(credentials) = new() {
            self.credentials.set(&self.name(device), credentials);
        }
        Ok(())
    }

    fn add(&mut self, device: Blueprint) -> DriverResult {
        let outcome = self.fleet.add(vec![device]).map(drop);
        self.fleet_result(outcome)
    }

    fn order(&mut self, devices: &[usize], order: PowerCommand) -> DriverResult {
        self.fleet_result(self.runtime.block_on(self.fleet.power_all(devices, order)))
    }

    fn set_faults(&mut self, faults: Vec<(usize, Faults)>) -> DriverResult {
        self.fleet_result(self.runtime.block_on(self.fleet.assign_faults(faults)))
    }

    fn set_broker_faults(&mut self, faults: &[Arc<Fault>], seed: Seed) -> DriverResult {
        self.embedded_broker()?.set_faults(faults.into(), seed);
        Ok(())
    }

    fn fail_broker(&mut self, fault: FaultId, failure: Failure, lasting: Duration) -> DriverResult {
        self.embedded_broker()?.fail(fault, failure, lasting);
        Ok(())
    }

    fn swap(&mut self, devices: &[usize], upgrade: &Upgrade) -> DriverResult {
        self.fleet_result(self.runtime.block_on(self.fleet.swap(devices, upgrade)))
    }

    fn publish(&mut self, message: Message) -> DriverResult {
        self.observer.record(self.fleet.now(), &TraceEvent::HostPublish(&message));
        if let Some(host) = &mut self.host {
            let _inside = self.runtime.enter();
            let Message { topic, payload, qos, retain, .. } = message;
            let message = HostMessage { topic: topic.clone(), payload, qos, retain };
            if let Err(problem) = host.publish(message) {
                tracing::warn!(%topic, "the host could not send a message: {problem}");
            }
        }
        Ok(())
    }

    fn publish_as(&mut self, device: usize, message: Message) -> DriverResult {
        let device = self.name(device);
        match self.runtime.block_on(self.fleet.publish(&device, message)) {
            Err(FleetError::NotRunning(_)) => Ok(()),
            outcome => self.fleet_result(outcome.map(drop)),
        }
    }

    fn request(&mut self, device: usize, request: HttpRequest) -> Result<Option<u16>, ExperimentError> {
        let device = self.name(device);
        let answer = self.runtime.block_on(self.fleet.http_request(&device, request));
        Ok(answer.ok().map(|response| response.status))
    }

    fn snapshot(&mut self) -> Result<Vec<DeviceSnapshot>, ExperimentError> {
        let statuses = self.statuses()?;
        self.was_connected |= statuses.iter().any(|status| status.link == ConnectionState::Up);
        let refused = statuses.iter().find_map(|status| match &status.link {
            ConnectionState::Down(reason) if status.power == PowerState::On => Some(reason.clone()),
            _ => None,
        });
        if let Some(reason) = refused.filter(|_| !self.was_connected && !self.was_refused) {
            tracing::warn!("no device is connected yet: {reason}");
            self.was_refused = true;
        }
        Ok(statuses.into_iter().map(device_snapshot).collect())
    }

    fn finish(&mut self) -> Result<RunOutcome, ExperimentError> {
        let lag = self.runtime.block_on(self.fleet.lag());
        let lag = lag.ok().map(|measured| lag_summary(&measured.lateness));
        self.runtime.block_on(self.fleet.stop(self.drain));
        let devices = self
            .statuses()?
            .into_iter()
            .map(|status| (status.totals.ledger, status.totals.waiting))
            .collect();
        let health = self.runtime.block_on(self.fleet.health());
        let health = health.map_err(|problem| ExperimentError::Fleet(problem.to_string()))?;
        let implausible = self.runtime.block_on(self.fleet.shutdown(Duration::ZERO)).implausible;
        if let Some(host) = self.host.take() {
            let left = self.runtime.block_on(host.close(self.drain));
            if left > 0 {
                tracing::warn!("the broker did not acknowledge {left} messages of the host");
            }
        }
        let mut broker_stats = None;
        if let Some(broker) = self.broker.take() {
            let report = self.runtime.block_on(broker.report());
            broker_stats = report.map(|report| (report.counters, report.stats.waiting));
            self.runtime.block_on(broker.shutdown());
        }
        let events = self.observer.digest().0;
        Ok(RunOutcome { devices, broker: broker_stats, events, health, implausible, lag })
    }
}

/// Forwards failures of the broker to the observer until the broker ends.
async fn forward_broker_events(
    mut turns: UnboundedReceiver<BrokerFaultEvent>,
    fleet: Fleet,
    observer: RunObserver,
) {
    while let Some(BrokerFaultEvent { fault, failure, lasting }) = turns.recv().await {
        let now = fleet.now();
        let until = lasting.map(|lasting| now.run + lasting);
        observer.record(now, &TraceEvent::BrokerFault(&BrokerTransition { fault, failure, until }));
    }
}

fn device_snapshot(status: DeviceStatus) -> DeviceSnapshot {
    let is_silent = status.active_faults.iter().any(|fault| fault.kind == "silence");
    let is_running = status.power == PowerState::On;
    DeviceSnapshot {
        is_running,
        is_up: is_running && status.link == ConnectionState::Up && !is_silent,
        is_silent,
        joules: status.joules,
        clock_error_s: status.clock_error_s,
        ledger: status.totals.ledger,
    }
}

/// Waits until the host's own connection is up, so that its messages are on time.
async fn connected(connection: HostConnection) -> Result<HostClient, TlsError> {
    let client = HostClient::start(connection)?;
    if let Err(problem) = client.connected(CONNECT_TIMEOUT).await {
        tracing::warn!(
            "the host's own connection is not up yet, so messages of the plan may be late: {problem}"
        );
    }
    Ok(client)
}
