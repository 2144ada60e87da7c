//! A timeline on a cluster: what a plan has happen in mid-run, the pods are asked to do over their own API.
//!
//! A pod knows its own group alone, and takes the faults of its group for those of its fleet. So what is set for the
//! fleet goes to the pods of every group that has none of its own, without what is for other groups.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use wasmote_sim::device_id::Identity;
use wasmote_sim::faults::target::Pattern;
use wasmote_sim::http::HttpRequest;
use wasmote_sim::message::Message;
use wasmote_sim::rng::Seed;

use super::deployment::WHOLE;
use super::samples::Reach;
use crate::cli::output::to_stderr;
use crate::config::{Group, Settings};
use crate::experiment::plan::Point;
use crate::experiment::script::whom::Chosen;
use crate::experiment::script::{Deed, Scope};
use crate::fault_set::{BROKER_IS_ANOTHERS, FaultSet};
use crate::gather::tell::{Body, Order, tell};
use crate::kubectl::KubectlError;
use crate::kubectl::pod::Pod;
use crate::manifests::fleet::{Fleet, PodGroup, faults_as_told};

/// How long a pod may take to do what it is told.
const PATIENCE: Duration = Duration::from_secs(10);
/// Later than this is worth a word.
const LATE: Duration = Duration::from_secs(1);

/// What is to be done in a run, and what has become of it.
pub struct Timeline<'a> {
    point: &'a Point,
    fleet: &'a Fleet,
    seed: Seed,
    /// Every device of the fleet.
    devices: Vec<Arc<Identity>>,
    faults: FaultsNow<'a>,
    next: usize,
    done: Vec<Done>,
}

/// A deed that has been carried out.
struct Done {
    due: Duration,
    at: Duration,
    words: &'static str,
    requests: usize,
    failed: Vec<String>,
}

/// The faults of groups, as they are at the time.
struct FaultsNow<'a> {
    settings: &'a Settings,
    fleet: FaultSet,
    own: BTreeMap<&'a str, FaultSet>,
}

/// Why a cluster cannot do it, if it cannot.
pub fn check(deed: &Deed, settings: &Settings) -> Result<(), String> {
    match deed {
        Deed::Faults(_, Some(set)) => {
            set.check_no_broker(BROKER_IS_ANOTHERS).map_err(|problem| problem.to_string())?;
            let groups = settings.groups.iter();
            groups.map(|group| told(set, &group.name)).collect::<Result<Vec<_>, _>>().map(drop)
        }
        Deed::Faults(_, None) | Deed::Crash(_) | Deed::Stop(_) | Deed::Start(_) | Deed::Ask(..) => Ok(()),
        Deed::PublishAs(_, message) => publication(message).map(drop),
        Deed::Publish(_) => {
            Err("`publish` without `device` is the host's own message; on a cluster name the devices that publish it"
                .to_owned())
        }
        other => Err(format!(
            "`{}` is only done in one process; on a cluster there are `faults`, `ramp`, `crash`, `stop`, `start`, and \
             `publish` and `request` for devices",
            other.words()
        )),
    }
}

/// A message as the API of a device takes it. A text goes out as it is.
fn publication(message: &Message) -> Result<Value, String> {
    let text = std::str::from_utf8(&message.payload).map_err(|problem| format!("`payload`: {problem}"))?;
    let (topic, qos) = (message.topic.as_str(), u8::from(message.qos));
    Ok(json!({"message": text, "topic": topic, "qos": qos, "retain": message.retain}))
}

fn told(set: &FaultSet, group: &str) -> Result<Value, String> {
    faults_as_told(set, group).map_err(|problem| problem.to_string())
}

impl<'a> Timeline<'a> {
    /// Of a run that has not begun.
    pub fn new(point: &'a Point, fleet: &'a Fleet, seed: Seed) -> Self {
        let settings = &point.settings;
        let own =
            settings.groups.iter().filter_map(|group| Some((group.name.as_str(), group.faults.clone()?)));
        let faults = FaultsNow { settings, fleet: settings.faults.clone(), own: own.collect() };
        let devices = crate::plan::everybody(settings);
        Self { point, fleet, seed, devices, faults, next: 0, done: Vec::new() }
    }

    /// Do all that is due at this time of the run.
    pub fn carry_out(&mut self, now: Duration, reach: &Reach<'_>) -> Result<(), KubectlError> {
        let point = self.point;
        while let Some((due, deed)) = point.script.deeds.get(self.next) {
            if due.elapsed() > now {
                break;
            }
            self.next += 1;
            let orders = self.orders(deed);
            let requests = orders.len();
            let failed = send(orders, reach)?;
            let due = due.elapsed();
            if now > due + LATE {
                to_stderr(format_args!(
                    "{} of {:.1} s came {:.1} s late",
                    deed.words(),
                    due.as_secs_f64(),
                    (now - due).as_secs_f64()
                ));
            }
            self.done.push(Done { due, at: now, words: deed.words(), requests, failed });
        }
        Ok(())
    }

    /// What the pods are to be told for a deed.
    fn orders(&mut self, deed: &Deed) -> Vec<Order> {
        match deed {
            Deed::Faults(Scope::Devices(pattern), set) => {
                let fitting = self.devices.iter().filter(|device| pattern.matches(device.id.as_str()));
                fitting.filter_map(|device| self.device_faults(device, set.as_ref())).collect()
            }
            Deed::Faults(scope, set) => {
                let touched = self.faults.set(scope, set.as_ref());
                touched.into_iter().flat_map(|group| self.group_faults(group)).collect()
            }
            Deed::Crash(chosen) => self.power(chosen, "crash"),
            Deed::Stop(chosen) => self.power(chosen, "stop"),
            Deed::Start(chosen) => self.power(chosen, "start"),
            Deed::PublishAs(devices, message) => self.publish(devices, message),
            Deed::Ask(devices, request) => self.ask(devices, request),
            // Refused before anything was applied.
            _ => Vec::new(),
        }
    }

    /// A request of each of these devices.
    fn of_each(&self, devices: &Pattern, method: &Method, path: &str, body: Option<&Body>) -> Vec<Order> {
        let fitting = self.devices.iter().filter(|device| devices.matches(device.id.as_str()));
        fitting.filter_map(|device| self.order(device, method, path, body.cloned())).collect()
    }

    fn publish(&self, devices: &Pattern, message: &Message) -> Vec<Order> {
        let body = publication(message).ok().as_ref().map(Body::json);
        self.of_each(devices, &Method::POST, "/publish", body.as_ref())
    }

    fn ask(&self, devices: &Pattern, request: &HttpRequest) -> Vec<Order> {
        let HttpRequest { method, url, headers, body } = request;
        let Ok(method) = method.parse() else { return Vec::new() };
        let body = Body { headers: headers.clone(), bytes: body.clone() };
        self.of_each(devices, &method, &format!("/app{url}"), Some(&body))
    }

    fn power(&self, chosen: &Chosen, order: &str) -> Vec<Order> {
        let chosen = chosen.of(&self.devices, self.seed);
        let orders = chosen
            .into_iter()
            .filter_map(|at| self.order(self.devices.get(at)?, &Method::POST, &format!("/{order}"), None));
        orders.collect()
    }

    /// A request of one device.
    fn order(&self, device: &Identity, method: &Method, path: &str, body: Option<Body>) -> Option<Order> {
        let path = format!("/devices/{}{path}", device.id);
        Some(Order { to: self.pod_of(device)?, method: method.clone(), path, body })
    }

    fn device_faults(&self, device: &Identity, set: Option<&FaultSet>) -> Option<Order> {
        let (method, body) = match set {
            Some(set) => (Method::PUT, Some(Body::json(&told(set, &device.group).ok()?))),
            None => (Method::DELETE, None),
        };
        self.order(device, &method, "/faults", body)
    }

    fn group_faults(&self, group: &Group) -> Vec<Order> {
        let Ok(body) = told(self.faults.of(&group.name), &group.name) else { return Vec::new() };
        let pods = self.pods(&group.name).map_or(0, |pods| pods.replicas);
        let order = |number| {
            let to = self.pod(&group.name, number)?;
            Some(Order { to, method: Method::PUT, path: "/faults".into(), body: Some(Body::json(&body)) })
        };
        (0..pods).filter_map(order).collect()
    }

    fn pods(&self, group: &str) -> Option<&PodGroup> {
        self.fleet.groups.iter().find(|pods| pods.group == group)
    }

    /// The pod with this number of a group, from 0 on. Kubernetes counts them from 1, as shares are counted.
    fn pod(&self, group: &str, number: u32) -> Option<String> {
        Some(format!("{}-{}", self.pods(group)?.name, number + 1))
    }

    /// Devices are dealt out to pods in turn.
    fn pod_of(&self, device: &Identity) -> Option<String> {
        self.pod(&device.group, device.index % self.pods(&device.group)?.replicas.max(1))
    }

    /// What could not be done.
    pub fn missing(&self) -> Vec<String> {
        let tell = |done: &Done| {
            let first = done.failed.first()?;
            let (at, words, failed) = (done.due.as_secs_f64(), done.words, done.failed.len());
            Some(format!(
                "timeline at {at} s, {words}: {failed} of {} requests failed; {first}",
                done.requests
            ))
        };
        self.done.iter().filter_map(tell).collect()
    }

    /// What was done when, as CSV as in other runs, with more columns; nothing where there was no timeline.
    pub fn csv(&self) -> Option<String> {
        if self.point.script.deeds.is_empty() {
            return None;
        }
        let line = |done: &Done| {
            let (due, at) = (done.due.as_secs_f64(), done.at.as_secs_f64());
            format!("{at:.3},plan,{},{due},{},{}\n", done.words, done.requests, done.failed.len())
        };
        let lines: String = self.done.iter().map(line).collect();
        Some(format!("time_s,source,what,due_s,requests,failed\n{lines}"))
    }
}

impl<'a> FaultsNow<'a> {
    /// Change them; the groups that now have others.
    fn set(&mut self, scope: &Scope, set: Option<&FaultSet>) -> Vec<&'a Group> {
        let groups = self.settings.groups.iter();
        match scope {
            Scope::Fleet => {
                self.fleet = set.unwrap_or(&self.settings.faults).clone();
                groups.filter(|group| !self.own.contains_key(group.name.as_str())).collect()
            }
            Scope::Group(name) => {
                let touched: Vec<&Group> = groups.filter(|group| group.name == *name).collect();
                for group in &touched {
                    match set {
                        Some(set) => drop(self.own.insert(&group.name, set.clone())),
                        None => drop(self.own.remove(group.name.as_str())),
                    }
                }
                touched
            }
            Scope::Devices(_) => Vec::new(),
        }
    }

    fn of(&self, group: &str) -> &FaultSet {
        self.own.get(group).unwrap_or(&self.fleet)
    }
}

/// Send them all, and say what came to nothing.
fn send(orders: Vec<Order>, reach: &Reach<'_>) -> Result<Vec<String>, KubectlError> {
    let pods = reach.kubectl.pods(WHOLE)?;
    let url = |name: &str| match pods.iter().find(|pod: &&Pod| pod.name == name) {
        Some(pod) if pod.running => Ok(reach.proxy.pod(pod)),
        Some(pod) => Err(pod.why.clone()),
        None => Err("there is no such pod".to_owned()),
    };
    let failed = reach.runtime.block_on(tell(reach.client, orders, url, PATIENCE));
    Ok(failed.into_iter().map(|(order, problem)| format!("{}: {problem}", order.to)).collect())
}
