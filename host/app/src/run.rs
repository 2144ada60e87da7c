//! A run from its settings to its totals: build, bind, announce, start, wait, drain, sum up.

mod announce;
mod signals;
mod totals;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::time::{Instant, sleep_until};
use wasmote_engine::{Engine, EngineError};
use wasmote_live::broker::{BrokerError, EmbeddedBroker};
use wasmote_live::fleet::Fleet;
use wasmote_live::spec::{BrokerUrl, FleetSpec};
use wasmote_live::status::Totals;

use crate::config::Settings;
use crate::config::values::{BrokerChoice, show_broker};
use crate::exit::Exit;
use crate::observer::Observer;
use crate::plan::{Plan, PlanError};
use crate::preflight::{self, TooManyDevices};
use crate::server::{self, Api, Facts};
use signals::Signals;

/// Why a run came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The fleet does not fit.
    #[error(transparent)]
    Preflight(#[from] TooManyDevices),
    /// The sandbox does not work here.
    #[error("the Wasm engine could not start: {0}")]
    Engine(#[from] EngineError),
    /// A behaviour cannot be used.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The operating system refused threads or signals.
    #[error("the runtime could not start: {0}")]
    Runtime(#[source] io::Error),
    /// The API's address is taken, or not ours.
    #[error(
        "the HTTP API cannot listen on {address}: {problem}; choose another address with --http ADDR:PORT"
    )]
    Http {
        /// What was asked for.
        address: SocketAddr,
        /// What the system said.
        problem: io::Error,
    },
    /// The embedded broker does not work here.
    #[error("{0}; use a broker of your own with --broker mqtt://HOST[:PORT]")]
    Broker(#[from] BrokerError),
    /// No device ever ran.
    #[error("every device refused to start; the log has the reasons")]
    AllRefused,
}

/// Run until the time is over or a signal comes.
pub fn run(settings: &Settings) -> Result<Exit, RunError> {
    for warning in preflight::check(settings)? {
        tracing::warn!("{warning}");
    }
    let plan = Plan::new(settings, &Engine::new()?)?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(RunError::Runtime)?;
    let outcome = runtime.block_on(bring_up(settings, plan));
    // Whoever still listens to events would hold it up.
    runtime.shutdown_timeout(Duration::from_millis(100));
    outcome
}

async fn bring_up(settings: &Settings, plan: Plan) -> Result<Exit, RunError> {
    let mut signals = Signals::new().map_err(RunError::Runtime)?;
    let address = settings.http.0;
    let unbound = |problem| RunError::Http { address, problem };
    let listener = TcpListener::bind(address).await.map_err(unbound)?;
    let http = listener.local_addr().map_err(unbound)?;
    let (broker_url, broker) = broker(&settings.broker).await?;
    announce::announce(settings, http, &broker_url, broker.is_some());

    let Plan { devices, behaviours } = plan;
    let facts = Facts::new(settings, show_broker(&broker_url), behaviours);
    let (fleet, happenings) = Fleet::start_watched(FleetSpec {
        devices,
        broker: broker_url,
        connection: settings.connection.clone(),
        start_rate: settings.start_rate,
    });
    let observer = Observer { messages: settings.logs_messages(), format: settings.log };
    tokio::spawn(observer.watch(happenings));
    let api = Arc::new(Api::new(fleet.clone(), facts));
    tokio::spawn(server::serve(listener, api));

    let began = Instant::now();
    let end = wait(settings, &mut signals, began).await;
    let totals = tokio::select! {
        totals = fleet.shutdown(settings.drain) => totals,
        () = signals.next() => return Ok(Exit::Interrupted),
    };
    if let Some(broker) = broker {
        broker.shutdown().await;
    }
    totals::print(settings, &totals, began.elapsed());
    judge(settings, end, &totals)
}

async fn broker(choice: &BrokerChoice) -> Result<(BrokerUrl, Option<EmbeddedBroker>), BrokerError> {
    match choice {
        BrokerChoice::Remote(url) => Ok((url.clone(), None)),
        BrokerChoice::Embedded(port) => {
            let broker = EmbeddedBroker::start(*port).await?;
            let address = broker.address();
            if *port != 0 && address.port() != *port {
                tracing::warn!("port {port} is taken; the embedded broker listens on {}", address.port());
            }
            let url = BrokerUrl { host: address.ip().to_string(), port: address.port(), tls: false };
            Ok((url, Some(broker)))
        }
    }
}

/// Why a run ends.
#[derive(Clone, Copy, Debug)]
enum End {
    TimeIsOver,
    Signal,
}

async fn wait(settings: &Settings, signals: &mut Signals, began: Instant) -> End {
    let time_is_over = async {
        match settings.duration {
            Some(duration) => sleep_until(began + duration).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = time_is_over => End::TimeIsOver,
        () = signals.next() => End::Signal,
    }
}

/// A run in which no device ever ran has failed, however it ended.
fn judge(settings: &Settings, end: End, totals: &Totals) -> Result<Exit, RunError> {
    match end {
        _ if totals.failed == totals.devices => Err(RunError::AllRefused),
        End::Signal if settings.duration.is_some() => Ok(Exit::Interrupted),
        End::Signal | End::TimeIsOver => Ok(Exit::Done),
    }
}
