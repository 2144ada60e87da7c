//! `request`: sends an HTTP request to the behaviours of devices, as `/devices/NAME/app/...` does.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wasmote_sim::faults::target::Pattern;
use wasmote_sim::http::HttpRequest;

use super::TimelineAction;
use super::check::{Occasion, PlanState, Planned};
use super::pods::{PodFleet, PodRequests, RequestBody};
use super::problem::{Problem, at};
use super::selector::Devices;
use super::step::Step;
use super::target::{ApplyResult, Target};

/// Sends an HTTP request to behaviours.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// Devices that get it; `*` stands for any sequence of characters.
    pub device: String,
    /// The method; `GET` by default.
    #[serde(default = "get")]
    pub method: String,
    /// Path and query, as the behaviour receives them.
    #[schemars(extend("examples" = ["/interval?seconds=5"]))]
    pub path: String,
    /// Headers by name.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The body; empty by default.
    #[serde(default)]
    pub body: String,
}

fn get() -> String {
    "GET".to_owned()
}

impl Request {
    /// The action that sends a request to one device.
    pub fn of_device(device: &str, request: &HttpRequest) -> Self {
        let HttpRequest { method, url, headers, body } = request;
        Self {
            device: device.to_owned(),
            method: method.clone(),
            path: url.clone(),
            headers: headers.iter().cloned().collect(),
            body: String::from_utf8_lossy(body).into_owned(),
        }
    }
}

impl TimelineAction for Request {
    fn check(&self, occasion: Occasion, plan: &PlanState<'_>) -> Result<Vec<Planned>, Problem> {
        plan.check_device_pattern(&self.device).map_err(|problem| at("request.device", problem))?;
        let request = HttpRequest {
            method: self.method.to_ascii_uppercase(),
            url: self.path.clone(),
            headers: self.headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
            body: self.body.clone().into(),
        };
        Ok(vec![Planned::ready(occasion.at, SendRequest { devices: Pattern::new(&self.device), request })])
    }

    fn describe_edit(&self) -> Option<String> {
        Some(format!("{} asked: {} {}", self.device, self.method, self.path))
    }
}

#[derive(Debug)]
struct SendRequest {
    devices: Pattern,
    request: HttpRequest,
}

impl Step for SendRequest {
    fn name(&self) -> &'static str {
        "request"
    }

    fn describe(&self) -> Vec<String> {
        let HttpRequest { method, url, .. } = &self.request;
        vec![format!("devices {}", self.devices.as_str()), format!("{method} {url}")]
    }

    fn affected(&self, devices: Devices<'_>) -> Option<usize> {
        Some(devices.matching(&self.devices).len())
    }

    fn apply(&self, target: &mut dyn Target) -> ApplyResult {
        let matching = target.devices().matching(&self.devices);
        matching.into_iter().try_for_each(|device| target.request(device, self.request.clone()))
    }

    fn requests(&self, pods: &mut PodFleet) -> Result<PodRequests, String> {
        let HttpRequest { method, url, headers, body } = &self.request;
        let body = RequestBody { headers: headers.clone(), bytes: body.clone() };
        let devices = pods.devices().matching(&self.devices);
        Ok(PodFleet::request_each(devices, method, &format!("/app{url}"), Some(&body)))
    }
}
