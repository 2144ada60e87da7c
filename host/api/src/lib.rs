//! HTTP API of a fleet, with one file for each resource. Its only state is the registry of active faults.
//!
//! * [`endpoint`]: table of endpoints, the source of the router and of the [`openapi`] document.
//! * [`extract`]: request parsing; [`error`]: error responses; [`state`]: names of device states.
//! * Resources: [`status`], [`devices`], `values`, [`power`], [`publish`], [`metrics`], [`faults`], [`behaviours`],
//!   [`groups`], [`events`], `page`, `by_hand` (the plan of changes), [`behaviour_http`] (requests to behaviours), [`health`], [`index`].
//! * [`recorder`]: what the page shows of this run. [`journeys`]: what became of single messages.
//! * [`viewer`]: the page for finished runs.
//! * `threads`: threads of connections and of requests.
//! * `connections`: limits of connections; [`guard`]: checks of every request, with `rates`; [`refusal`]: reasons of
//!   refused requests, and their counts.

pub mod behaviour_http;
pub mod behaviours;
mod by_hand;
mod connections;
pub mod devices;
pub mod endpoint;
pub mod error;
pub mod events;
pub mod extract;
pub mod faults;
pub mod groups;
pub mod guard;
pub mod health;
pub mod index;
pub mod journeys;
pub mod metrics;
pub mod openapi;
mod page;
pub mod power;
pub mod publish;
mod rates;
pub mod recorder;
pub mod refusal;
pub mod state;
pub mod status;
mod threads;
mod values;
pub mod viewer;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{Method, Uri};
use tokio::net::TcpListener;
use tokio::sync::Mutex;
use wasmote_fleet::actions::Action;
use wasmote_fleet::actions::audit::{AuditLog, BehaviourUpdate};
use wasmote_fleet::config::Settings;
use wasmote_fleet::fault_models::FaultModels;
use wasmote_fleet::fault_registry::FaultRegistry;
use wasmote_fleet::fault_set::FaultSet;
use wasmote_fleet::http_access::HttpAccess;
use wasmote_fleet::suggest::did_you_mean;
use wasmote_fleet::versions::Versions;
use wasmote_live::fleet::Fleet;
use wasmote_mqtt::device_id::Identity;
use wasmote_page::recording::Mark;
use wasmote_sim::layout::Layout;
use wasmote_sim::limits::Limits;
use wasmote_sim::rng::Seed;

use endpoint::Endpoint;
use error::ApiError;
use guard::Guard;
use refusal::Counters;

/// Maximum size of a request body, in bytes.
pub const BODY_LIMIT: usize = 1 << 20;

/// Maximum size of a request's header, in bytes.
pub const HEADER_LIMIT: usize = 16 << 10;
/// Maximum number of fields in a header.
pub const HEADER_COUNT: usize = 64;
/// Maximum size of path and query, in bytes.
pub const PATH_LIMIT: usize = 4 << 10;

/// Paths of the probes of Kubernetes. They are answered under every name and without a token.
pub const PROBES: [&str; 2] = ["/healthz", "/readyz"];

/// Timeout for receiving the header, and for receiving the body, of a request.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// Information about the run that the fleet does not hold.
#[derive(Clone, Debug)]
pub struct RunInfo {
    /// The seed.
    pub seed: Seed,
    /// The broker's URL.
    pub broker: String,
    /// Prefix of every topic.
    pub topic_root: Arc<str>,
    /// The initial faults.
    pub faults: FaultSet,
    /// The groups by name.
    pub groups: BTreeMap<String, GroupInfo>,
    /// Fault model components by name.
    pub models: FaultModels,
    /// Who may use the API, and how much.
    pub access: HttpAccess,
}

/// Information about a group.
#[derive(Clone, Debug)]
pub struct GroupInfo {
    /// Name of the group's behaviour.
    pub behaviour: String,
    /// Number of devices.
    pub count: u32,
    /// The group's own initial faults.
    pub faults: Option<FaultSet>,
    /// Resource limits of each device.
    pub limits: Arc<Limits>,
    /// Layout of the group's messages.
    pub layout: Option<Arc<Layout>>,
}

impl RunInfo {
    /// Collects the information from the settings of a run.
    pub fn new(settings: &Settings, broker: String) -> Self {
        let group = |group: &wasmote_fleet::config::Group| {
            let info = GroupInfo {
                behaviour: group.behaviour.name(),
                count: group.count,
                faults: group.faults.clone(),
                limits: Arc::clone(&group.limits),
                layout: group.layout().ok().flatten().map(Arc::new),
            };
            (group.name.clone(), info)
        };
        Self {
            seed: settings.seed,
            broker,
            topic_root: Arc::clone(&settings.topic_root),
            faults: settings.faults.clone(),
            groups: settings.groups.iter().map(group).collect(),
            models: settings.models.clone(),
            access: settings.http_access.clone(),
        }
    }
}

/// State shared by all handlers.
pub struct Api {
    /// The fleet.
    pub fleet: Fleet,
    /// The run.
    pub run_info: RunInfo,
    /// The active faults.
    pub faults: Arc<Mutex<FaultRegistry>>,
    /// The behaviours and their versions.
    pub versions: Arc<Versions>,
    /// Counts of connections, requests and refusals.
    pub http: Arc<Counters>,
    /// What the page shows of this run.
    pub recorder: recorder::Recorder,
    /// What became of recent messages.
    pub journeys: Arc<journeys::Journeys>,
    audit_log: Arc<dyn AuditLog>,
}

impl Api {
    /// Creates the API of a fleet whose faults change only through this API. The journeys observe the fleet.
    pub fn new(
        fleet: Fleet,
        run_info: RunInfo,
        versions: Arc<Versions>,
        journeys: Arc<journeys::Journeys>,
    ) -> Self {
        let groups = run_info.groups.iter();
        let own = groups.filter_map(|(name, group)| Some((name.clone(), group.faults.clone()?)));
        let faults = FaultRegistry::from_sets(run_info.faults.clone(), own.collect());
        let faults = Arc::new(Mutex::new(faults));
        Self::with_audit(fleet, run_info, versions, faults, Arc::new(())).with_journeys(journeys)
    }

    /// Creates the API of a fleet whose fault registry is shared, with an audit log for changes made by users.
    pub fn with_audit(
        fleet: Fleet,
        run_info: RunInfo,
        versions: Arc<Versions>,
        faults: Arc<Mutex<FaultRegistry>>,
        audit_log: Arc<dyn AuditLog>,
    ) -> Self {
        Self {
            fleet,
            run_info,
            faults,
            versions,
            http: Arc::default(),
            recorder: recorder::Recorder::default(),
            journeys: Arc::new(journeys::Journeys::new(0, false)),
            audit_log,
        }
    }

    /// The same API, with journeys that observe the fleet.
    pub fn with_journeys(self, journeys: Arc<journeys::Journeys>) -> Self {
        Self { journeys, ..self }
    }

    /// Time since the fleet started; equals the run's clock.
    pub fn uptime(&self) -> Duration {
        self.fleet.now().run.elapsed()
    }

    /// Looks up the position of a device by its name.
    pub fn position(&self, id: &str) -> Result<usize, ApiError> {
        self.fleet.position(id).ok_or_else(|| {
            let devices = self.fleet.devices();
            let hint = did_you_mean(id, devices.iter().map(|device| device.id.as_str()));
            ApiError::not_found("device", format!("no device is called `{id}`{hint}"), id)
        })
    }

    /// The device of a fleet with exactly one device.
    pub fn only_device(&self) -> Option<Arc<Identity>> {
        match &*self.fleet.devices() {
            [device] => Some(Arc::clone(device)),
            _ => None,
        }
    }

    /// Records a user's action.
    pub fn audit(&self, action: Action) {
        self.recorder.record_action(self.fleet.now().run, &action);
        self.audit_log.record(action);
    }

    /// Records a behaviour update sent by a user.
    pub fn audit_update(&self, update: BehaviourUpdate) {
        self.recorder.mark(Mark {
            at_s: update.began.elapsed().as_secs_f64(),
            until_s: None,
            kind: "updated".to_owned(),
            text: format!("{} is now {}", update.behaviour, &update.sha256[..update.sha256.len().min(12)]),
        });
        self.audit_log.record_update(update);
    }

    /// Looks up a group by its name.
    pub fn group(&self, name: &str) -> Result<&GroupInfo, ApiError> {
        self.run_info.groups.get(name).ok_or_else(|| {
            let hint = did_you_mean(name, self.run_info.groups.keys().map(String::as_str));
            ApiError::not_found("group", format!("no group is called `{name}`{hint}"), name)
        })
    }
}

/// All endpoints.
pub fn endpoints() -> Vec<Endpoint> {
    let resources = [
        index::endpoints(),
        status::endpoints(),
        publish::endpoints(),
        metrics::endpoints(),
        health::endpoints(),
        devices::endpoints(),
        values::endpoints(),
        power::endpoints(),
        faults::endpoints(),
        behaviours::endpoints(),
        groups::endpoints(),
        events::endpoints(),
        journeys::endpoints(),
        page::endpoints(),
        by_hand::endpoints(),
        behaviour_http::endpoints(),
        openapi::endpoints(),
    ];
    resources.into_iter().flatten().collect()
}

/// Router of the whole API.
pub fn router(api: Arc<Api>) -> Router {
    let table = endpoints().into_iter();
    let guard = Arc::new(Guard::new(api.run_info.access.clone(), Arc::clone(&api.http)));
    table
        .fold(Router::new(), |router, endpoint| router.route(endpoint.path, endpoint.handler))
        .method_not_allowed_fallback(wrong_method)
        .fallback(unknown_path)
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(axum::middleware::from_fn_with_state(guard, guard::check))
        .with_state(api)
}

/// Serves requests until the process ends.
pub async fn serve(listener: TcpListener, api: Arc<Api>) {
    recorder::Recorder::start(&api);
    let (limit, counters) = (api.run_info.access.connections, Arc::clone(&api.http));
    threads::serve(listener, router(api), limit, counters).await;
}

async fn wrong_method(method: Method, uri: Uri) -> ApiError {
    let problem = format!(
        "{} does not accept {method}; GET /openapi.json lists the methods that it accepts",
        uri.path()
    );
    ApiError::new(axum::http::StatusCode::METHOD_NOT_ALLOWED, "method", problem).found(method.as_str())
}

async fn unknown_path(uri: Uri) -> ApiError {
    let paths: Vec<_> = endpoints().iter().map(|endpoint| endpoint.path).collect();
    let hint = did_you_mean(uri.path(), paths);
    ApiError::not_found(
        "path",
        format!("no endpoint has the path {}; GET / lists the endpoints{hint}", uri.path()),
        uri.path(),
    )
}
