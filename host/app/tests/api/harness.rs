//! A fleet with a trivial behaviour, and its API.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request};
use serde_json::Value;
use tower::ServiceExt;
use wasmote_api::guard::Ends;
use wasmote_api::{Api, RunInfo, router};
use wasmote_engine::Engine;
use wasmote_fleet::component_info::ComponentInfo;
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
    }
}

pub struct Harness(Router);

/// The connection of a client on the same machine.
pub const LOCAL: Ends = ends([127, 0, 0, 1]);
/// The connection of a client on another machine.
pub const REMOTE: Ends = ends([192, 0, 2, 7]);

const fn ends(client: [u8; 4]) -> Ends {
    let [a, b, c, d] = client;
    let client = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(a, b, c, d)), 40_000);
    Ends { client, host: SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 5_000) }
}

pub struct Answer {
    pub status: u16,
    pub content_type: String,
    headers: HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|why| panic!("{why}: {}", self.text))
    }

    /// A header; empty if it is absent.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Status and field of an error.
    pub fn refusal(&self) -> (u16, String) {
        let error = &self.json()["error"];
        assert!(error["message"].as_str().is_some_and(|message| message.len() > 5), "{error}");
        (self.status, error["field"].as_str().unwrap().to_owned())
    }
}

impl Harness {
    /// Starts devices `heartbeat-0`, `heartbeat-1` and so on, and waits until they run.
    pub async fn new(devices: u32) -> Self {
        Self::with(devices, Options::default()).await
    }

    /// The same with these options.
    pub async fn with(devices: u32, options: Options) -> Self {
        let args = Options { devices: Some(DeviceCount(devices)), ..options };
        let settings = resolve(&args).unwrap();
        let blueprint = |index| Blueprint {
            identity: Arc::new(Identity {
                id: DeviceId::new(&format!("heartbeat-{index}")).unwrap(),
                group: "heartbeat".into(),
                index,
                count: devices,
                topic_root: Arc::clone(&settings.topic_root),
                peers: Some(PeerNames { prefix: "heartbeat-".into() }),
            }),
            factory: Arc::new(Echo),
            limits: Arc::clone(&settings.groups[0].limits),
            protocol: settings.protocol,
            seed: settings.seed,
            faults: Arc::clone(&settings.faults.faults),
        };
        let fleet = Fleet::start(FleetConfig {
            devices: (0..devices).map(blueprint).collect(),
            // The discard port of this machine refuses connections at once.
            broker: BrokerUrl { host: "127.0.0.1".into(), port: 9, tls: false },
            embedded_broker: None,
            connection: settings.connection.clone(),
            start_rate: None,
        });
        while fleet.totals().await.unwrap().devices.running < u64::from(devices) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let run_info = RunInfo::new(&settings, "mqtt://127.0.0.1:9".into());
        let engine = Engine::new().expect("this machine runs WebAssembly");
        let groups = settings.groups.clone();
        let versions =
            Versions::new(fleet.clone(), engine, groups, vec![component_info()], Duration::from_secs(1));
        Self(router(Arc::new(Api::new(fleet, run_info, Arc::new(versions)))))
    }

    /// Sends a request of a client on the same machine, unless it comes over another connection.
    pub async fn ask(&self, mut request: Request<Body>) -> Answer {
        if request.extensions().get::<Ends>().is_none() {
            request.extensions_mut().insert(LOCAL);
        }
        if !request.headers().contains_key("host") {
            request.headers_mut().insert("host", "localhost:5000".parse().unwrap());
        }
        let response = self.0.clone().oneshot(request).await.unwrap();
        let content_type =
            response.headers().get("content-type").map(|value| value.to_str().unwrap().to_owned());
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = to_bytes(response.into_body(), 10 << 20).await.unwrap();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        Answer { status, content_type: content_type.unwrap_or_default(), headers, text }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.ask(Request::get(path).body(Body::empty()).unwrap()).await
    }

    pub async fn send(&self, method: &str, path: &str, content_type: &str, body: &str) -> Answer {
        let request = Request::builder().method(method).uri(path).header("content-type", content_type);
        self.ask(request.body(Body::from(body.to_owned())).unwrap()).await
    }

    pub async fn json(&self, method: &str, path: &str, body: &str) -> Answer {
        self.send(method, path, "application/json", body).await
    }
}
