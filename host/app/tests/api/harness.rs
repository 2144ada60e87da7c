//! A fleet with a trivial behaviour, and its API.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request};
use serde_json::Value;
use tower::ServiceExt;
use wasmote_api::guard::Ends;
use wasmote_fleet::config::options::Options;

use crate::echo_fleet;

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
        Self(echo_fleet::start(devices, options).await)
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
