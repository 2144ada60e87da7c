//! The clock on the wall as the world of a run: a live fleet and its broker, driven from one thread.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc::UnboundedReceiver;
use wasmote_live::broker::{BrokerLinks, BrokerTurn, EmbeddedBroker};
use wasmote_live::fleet::{AskError, Fleet, Order};
use wasmote_live::spec::FleetSpec;
use wasmote_live::status::DeviceStatus;
use wasmote_live::watchers::Interest;
use wasmote_sim::action::Notice;
use wasmote_sim::behaviour::{Behaviour, Spawn, Trap};
use wasmote_sim::context::Context;
use wasmote_sim::device::{Blueprint, LinkState, Now, PowerState, Upgrade};
use wasmote_sim::device_id::{DeviceId, Identity};
use wasmote_sim::event::Event;
use wasmote_sim::faults::broker::{Failure, Turn};
use wasmote_sim::faults::{Fault, FaultId};
use wasmote_sim::http::HttpRequest;
use wasmote_sim::message::Message;
use wasmote_sim::rng::Seed;
use wasmote_sim::time::Time;
use wasmote_sim::virtual_time::observer::Step;

use super::{Done, Ending, Glance, Late, World};
use crate::config::Settings;
use crate::experiment::ExperimentError;
use crate::experiment::recorder::Eyes;
use crate::fault_set::BROKER_IS_ANOTHERS;
use crate::run::signals::Signals;
use crate::run::{self, RunError};
use crate::server::faults::book::Faults;

/// Under this name the host publishes.
const HOST: &str = "wasmote-host";
/// How long the host's own connection may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// A live fleet.
pub struct RealTime {
    runtime: Handle,
    /// The devices.
    pub fleet: Fleet,
    /// The broker's URL.
    pub broker_url: String,
    broker: Option<EmbeddedBroker>,
    /// Publishes what the script does, where it does.
    host: Option<Fleet>,
    signals: Option<Signals>,
    drain: Duration,
    eyes: Eyes,
    was_connected: bool,
    last_refusal: Option<String>,
}

/// What a fleet is brought up with.
pub struct Beginning<'a> {
    /// How the devices reach their broker, and how long they may take at the end.
    pub settings: &'a Settings,
    /// The devices.
    pub devices: Vec<Blueprint>,
    /// Whether the script publishes messages of the host's own.
    pub speaks: bool,
    /// What may end it before its time.
    pub signals: Option<Signals>,
    /// Who looks on.
    pub eyes: Eyes,
    /// By the calendar; the run's own clock starts with the devices.
    pub now: Now,
}

impl RealTime {
    /// Bring up a broker, if it is to be ours, and the devices. They start at once.
    pub fn begin(runtime: Handle, beginning: Beginning<'_>) -> Result<Self, ExperimentError> {
        let Beginning { settings, devices, speaks, signals, eyes, now } = beginning;
        let (url, broker) = runtime.block_on(run::broker(&settings.broker)).map_err(RunError::Broker)?;
        let broker_url = crate::config::values::show_broker(&url);
        // The first line of its log comes before those of devices.
        eyes.broker_is(now, &broker_url, broker.is_some())
            .map_err(ExperimentError::writing(&"broker.log"))?;
        if let Some(broker) = &broker {
            broker.links().watch(Arc::new(eyes.clone()));
        }
        let spec = |devices| FleetSpec {
            devices,
            broker: url.clone(),
            connection: settings.connection.clone(),
            start_rate: None,
            links: broker.as_ref().map(EmbeddedBroker::links),
        };
        let inside = runtime.enter();
        let host = speaks.then(|| host(settings)).flatten();
        let host = host.map(|host| runtime.block_on(connected(spec(vec![host]))));
        let fleet = Fleet::start_witnessed(spec(devices), Arc::new(eyes.clone()));
        if let Some(broker) = &broker {
            runtime.spawn(tell_turns(broker.links().turns(), fleet.clone(), eyes.clone()));
        }
        drop(inside);
        Ok(Self {
            broker_url,
            runtime,
            fleet,
            broker,
            host,
            signals,
            drain: settings.drain,
            eyes,
            was_connected: false,
            last_refusal: None,
        })
    }

    fn our_broker(&self) -> Result<&BrokerLinks, ExperimentError> {
        let others =
            || ExperimentError::invalid("faults", format!("a fault of the broker {BROKER_IS_ANOTHERS}"));
        self.fleet.broker().ok_or_else(others)
    }

    fn done(&self, outcome: Result<(), AskError>) -> Done {
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

impl World for RealTime {
    const STRIDE: Duration = Duration::from_millis(200);

    fn now(&self) -> Now {
        self.fleet.now()
    }

    fn run_until(&mut self, end: Time) -> Done {
        let (fleet, signals) = (&self.fleet, self.signals.as_mut());
        let interrupted = async {
            match signals {
                Some(signals) => signals.first().await,
                None => std::future::pending().await,
            }
        };
        self.runtime.block_on(async {
            tokio::select! {
                () = fleet.reach(end) => {}
                () = interrupted => {}
            }
        });
        Ok(())
    }

    fn add(&mut self, device: Blueprint) -> Done {
        let outcome = self.fleet.add(vec![device]).map(drop);
        self.done(outcome)
    }

    fn order(&mut self, devices: &[usize], order: Order) -> Done {
        self.done(self.runtime.block_on(self.fleet.order_all(devices, order)))
    }

    fn set_faults(&mut self, faults: Vec<(usize, Faults)>) -> Done {
        self.done(self.runtime.block_on(self.fleet.assign_faults(faults)))
    }

    fn set_broker_faults(&mut self, faults: &[Arc<Fault>], seed: Seed) -> Done {
        self.our_broker()?.set_faults(faults.into(), seed);
        Ok(())
    }

    fn fail_broker(&mut self, fault: FaultId, failure: Failure, lasting: Duration) -> Done {
        self.our_broker()?.fail(fault, failure, lasting);
        Ok(())
    }

    fn swap(&mut self, devices: &[usize], upgrade: &Upgrade) -> Done {
        self.done(self.runtime.block_on(self.fleet.swap(devices, upgrade)))
    }

    fn publish(&mut self, message: Message) -> Done {
        self.eyes.see(self.fleet.now(), &Step::HostPublish(&message));
        let Some(host) = &self.host else { return Ok(()) };
        self.done(self.runtime.block_on(host.publish(HOST, message)))
    }

    fn publish_as(&mut self, device: usize, message: Message) -> Done {
        let device = self.name(device);
        match self.runtime.block_on(self.fleet.publish(&device, message)) {
            Err(AskError::NotRunning(_)) => Ok(()),
            outcome => self.done(outcome),
        }
    }

    fn ask(&mut self, device: usize, request: HttpRequest) -> Done {
        let device = self.name(device);
        // Whatever it answers, or if it does not: it was asked.
        let _ = self.runtime.block_on(self.fleet.ask(&device, request));
        Ok(())
    }

    fn look(&mut self) -> Result<Vec<Glance>, ExperimentError> {
        let statuses = self.statuses()?;
        self.was_connected |= statuses.iter().any(|status| status.link == LinkState::Up);
        let refused = statuses.iter().find_map(|status| match &status.link {
            LinkState::Down(reason) if status.power == PowerState::On => Some(reason.clone()),
            _ => None,
        });
        if !self.was_connected && refused.is_some() && self.last_refusal.is_none() {
            tracing::warn!("no device is connected yet: {}", refused.as_deref().unwrap_or_default());
        }
        self.last_refusal = refused.or(self.last_refusal.take());
        Ok(statuses.into_iter().map(glance).collect())
    }

    fn finish(&mut self) -> Result<Ending, ExperimentError> {
        let punctuality = self.runtime.block_on(self.fleet.punctuality());
        let late = punctuality.ok().map(|measured| Late::of(&measured.lateness));
        self.runtime.block_on(self.fleet.stop(self.drain));
        let devices = self.statuses()?.into_iter().map(|status| (status.ledger, status.waiting)).collect();
        let totals = self.runtime.block_on(self.fleet.shutdown(Duration::ZERO));
        if let Some(host) = &self.host {
            self.runtime.block_on(host.shutdown(self.drain));
        }
        let mut account = None;
        if let Some(broker) = self.broker.take() {
            let report = self.runtime.block_on(broker.report());
            account = report.map(|report| (report.tally, report.census.waiting));
            self.runtime.block_on(broker.shutdown());
        }
        if totals.connects == 0 {
            let reason = self.last_refusal.take().unwrap_or_else(|| "the time was too short".into());
            return Err(RunError::NeverConnected(reason).into());
        }
        Ok(Ending { devices, broker: account, events: self.eyes.digest().0, late })
    }
}

/// Let those who look on see how the broker fails, until it ends.
async fn tell_turns(mut turns: UnboundedReceiver<BrokerTurn>, fleet: Fleet, eyes: Eyes) {
    while let Some(BrokerTurn { fault, failure, lasting }) = turns.recv().await {
        let now = fleet.now();
        let until = lasting.map(|lasting| now.run + lasting);
        eyes.see(now, &Step::BrokerFault(&Turn { fault, failure, until }));
    }
}

fn glance(status: DeviceStatus) -> Glance {
    let is_silent = status.active_faults.iter().any(|fault| fault.kind == "silence");
    let is_running = status.power == PowerState::On;
    Glance {
        is_running,
        is_up: is_running && status.link == LinkState::Up && !is_silent,
        is_silent,
        joules: status.joules,
        clock_error_s: status.clock_error_s,
        ledger: status.ledger,
    }
}

/// A device that does nothing by itself, has no faults, and is none of the plan's.
fn host(settings: &Settings) -> Option<Blueprint> {
    let identity = Identity {
        id: DeviceId::new(HOST).ok()?,
        group: HOST.into(),
        index: 0,
        count: 1,
        topic_root: Arc::clone(&settings.topic_root),
        peers: None,
    };
    Some(Blueprint {
        identity: Arc::new(identity),
        spawn: Arc::new(Idle),
        limits: Arc::clone(&settings.groups.first()?.limits),
        protocol: settings.protocol,
        seed: settings.seed,
        faults: Arc::default(),
    })
}

/// A fleet that is up, so that nothing it is to publish is lost.
async fn connected(spec: FleetSpec) -> Fleet {
    let (fleet, mut happenings) = Fleet::start_watched(spec, Interest::Notable);
    let connected = async {
        loop {
            match happenings.recv().await {
                Ok(happening) if matches!(happening.notice, Notice::Connected(_)) => return,
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            }
        }
    };
    if tokio::time::timeout(PATIENCE, connected).await.is_err() {
        tracing::warn!("the host itself is not connected yet; what the plan publishes may be lost");
    }
    fleet
}

struct Idle;

impl Spawn for Idle {
    fn spawn(&self, _: &Identity) -> Result<Box<dyn Behaviour>, Trap> {
        Ok(Box::new(|_: Event, _: &mut Context| Ok(())))
    }

    fn name(&self) -> &str {
        HOST
    }
}
