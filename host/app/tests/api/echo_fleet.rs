//! A fleet with a trivial behaviour and no broker, and its API. The fuzz target of the API uses it, too.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use wasmote_api::journeys::Journeys;
use wasmote_api::{Api, RunInfo, router};
use wasmote_engine::Engine;
use wasmote_fleet::component_info::{CompileMemory, ComponentInfo};
use wasmote_fleet::config::options::Options;
use wasmote_fleet::config::resolve::resolve;
use wasmote_fleet::config::values::DeviceCount;
use wasmote_fleet::versions::Versions;
use wasmote_live::config::{BrokerUrl, FleetConfig};
use wasmote_live::fleet::Fleet;
use wasmote_mqtt::device_id::{DeviceId, Identity, PeerNames};
use wasmote_sim::behaviour::{Behaviour, BehaviourFactory, Trap};
use wasmote_sim::context::Context;
use wasmote_sim::device::Blueprint;
use wasmote_sim::event::Event;
use wasmote_sim::http::HttpResponse;

/// A behaviour that responds to HTTP requests with a description of the request.
struct Echo;

impl BehaviourFactory for Echo {
    fn instantiate(&self, _: &Identity) -> Result<Box<dyn Behaviour>, Trap> {
        Ok(Box::new(|event: Event, context: &mut Context| {
            if let Event::HttpRequest(ticket, request) = event {
                let mut response = format!("{} {} {} bytes", request.method, request.url, request.body.len());
                if request.url == "/headers" {
                    response = format!("{:?}", request.headers);
                }
                context.http_respond(ticket, HttpResponse::text(200, response));
            }
            Ok(())
        }))
    }

    fn name(&self) -> &str {
        "heartbeat"
    }
}

/// Component information for the API.
fn component_info() -> ComponentInfo {
    ComponentInfo {
        role: "behaviour".into(),
        name: "heartbeat".into(),
        source: "built-in".into(),
        size_bytes: 1,
        sha256: "a".repeat(64),
        imports: Vec::new(),
        capabilities: Vec::new(),
        exports: Vec::new(),
        memory_bytes: 65_536,
        table_entries: 0,
        compile_memory: CompileMemory::default(),
    }
}

/// Starts devices `heartbeat-0`, `heartbeat-1` and so on, waits until they run, and returns the routes of their API.
pub async fn start(devices: u32, options: Options) -> Router {
    let args = Options { devices: Some(DeviceCount(devices)), ..options };
    let settings = resolve(&args).unwrap();
    let blueprint = |index| Blueprint {
        identity: Arc::new(Identity {
            id: DeviceId::new(&format!("heartbeat-{index}")).unwrap(),
            client_id: None,
            group: "heartbeat".into(),
            index,
            count: devices,
            topic_root: Arc::clone(&settings.topic_root),
            peers: Some(PeerNames::Numbered("heartbeat-".into())),
        }),
        factory: Arc::new(Echo),
        limits: Arc::clone(&settings.groups[0].limits),
        protocol: settings.protocol,
        seed: settings.seed,
        faults: Arc::clone(&settings.faults.faults),
    };
    let journeys = Arc::new(Journeys::new(1 << 20, false));
    let config = FleetConfig {
        devices: (0..devices).map(blueprint).collect(),
        // The discard port of this machine refuses connections at once.
        broker: BrokerUrl::mqtt("127.0.0.1", 9),
        embedded_broker: None,
        connection: settings.connection.clone(),
        start_rate: None,
    };
    let fleet = Fleet::start_observed(config, Arc::clone(&journeys) as _);
    while fleet.totals().await.unwrap().devices.running < u64::from(devices) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let run_info = RunInfo::new(&settings, "mqtt://127.0.0.1:9".into());
    let engine = Engine::new().expect("this machine runs WebAssembly");
    let groups = settings.groups.clone();
    let versions =
        Versions::new(fleet.clone(), engine, groups, vec![component_info()], Duration::from_secs(1));
    router(Arc::new(Api::new(fleet, run_info, Arc::new(versions), journeys)))
}
