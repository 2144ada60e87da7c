//! A timeline on a cluster: what a plan has happen in mid-run, the pods are asked to do over their own API.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use wasmote_sim::device_id::Identity;
use wasmote_sim::faults::target::Pattern;
use wasmote_sim::http::HttpRequest;
use wasmote_sim::message::Message;
use wasmote_sim::rng::Seed;
use wasmote_sim::time::Time;

use super::deployment::WHOLE;
use super::faults::{self, Faults, News};
use super::samples::Reach;
use crate::cli::output::to_stderr;
use crate::config::Settings;
use crate::experiment::plan::Point;
use crate::experiment::script::whom::Chosen;
use crate::experiment::script::{Deed, Passing};
use crate::fault_set::BROKER_IS_ANOTHERS;
use crate::gather::tell::{Body, Order, tell};
use crate::kubectl::KubectlError;
use crate::kubectl::pod::Pod;
use crate::manifests::fleet::{Fleet, PodGroup};

/// How long a pod may take to do what it is told.
const PATIENCE: Duration = Duration::from_secs(10);
/// Later than this is worth a word.
const LATE: Duration = Duration::from_secs(1);

/// What is to be done in a run, and what has become of it.
pub struct Timeline<'a> {
    point: &'a Point,
    fleet: &'a Fleet,
    seed: Seed,
    devices: &'a [Arc<Identity>],
    faults: Faults<'a>,
    /// With their times, soonest first.
    deeds: Vec<(Time, &'a Deed)>,
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

/// Why a cluster cannot do it, if it cannot.
pub fn check(deed: &Deed, settings: &Settings) -> Result<(), String> {
    match deed {
        Deed::Faults(_, Some(set)) => {
            set.check_no_broker(BROKER_IS_ANOTHERS).map_err(|problem| problem.to_string())?;
            settings.groups.iter().try_for_each(|group| faults::check(set, &group.name))
        }
        Deed::Begin(_, passing) => passing.entry.group.iter().try_for_each(|name| is_told_apart(name, settings)),
        Deed::Faults(_, None) | Deed::End(_) => Ok(()),
        Deed::Crash(_) | Deed::Stop(_) | Deed::Start(_) | Deed::Ask(..) => Ok(()),
        Deed::PublishAs(_, message) => publication(message).map(drop),
        Deed::Publish(_) => {
            Err("`publish` without `device` is the host's own message; on a cluster name the devices that publish it"
                .to_owned())
        }
        other => Err(format!(
            "`{}` is only done in one process; on a cluster there are `faults`, `ramp`, `partition`, `disconnect`, \
             `crash`, `stop`, `start`, and `publish` and `request` for devices",
            other.words()
        )),
    }
}

/// Pods know the devices of another group by the beginning of their names.
fn is_told_apart(group: &str, settings: &Settings) -> Result<(), String> {
    let begins = format!("{group}-");
    match settings.groups.iter().find(|other| other.name.starts_with(&begins)) {
        None => Ok(()),
        Some(other) => Err(format!(
            "pods could not tell devices of the group `{group}` from those of `{}`, whose names begin alike; call one \
             of the groups otherwise",
            other.name
        )),
    }
}

/// A message as the API of a device takes it. A text goes out as it is.
fn publication(message: &Message) -> Result<Value, String> {
    let text = std::str::from_utf8(&message.payload).map_err(|problem| format!("`payload`: {problem}"))?;
    let (topic, qos) = (message.topic.as_str(), u8::from(message.qos));
    Ok(json!({"message": text, "topic": topic, "qos": qos, "retain": message.retain}))
}

/// When what is done has to come. A disconnection in one process is begun, and taken away 10 ms later with all who were to
/// lose their connection cut off. Orders to pods come less exactly: they are given half of the time that it lasts, in
/// which nobody is cut off twice.
fn in_order(deeds: &[(Time, Deed)]) -> Vec<(Time, &Deed)> {
    let half = |number: usize| {
        deeds.iter().find_map(|(began, deed)| match deed {
            Deed::Begin(other, passing) if *other == number && passing.chosen.is_some() => {
                Some(*began + passing.entry.lasting?.0 / 2)
            }
            _ => None,
        })
    };
    let time = |(due, deed): &(Time, Deed)| match deed {
        Deed::End(number) => half(*number).map_or(*due, |half| half.max(*due)),
        _ => *due,
    };
    let mut all: Vec<_> = deeds.iter().map(|it| (time(it), &it.1)).collect();
    all.sort_by_key(|(due, _)| *due);
    all
}

impl<'a> Timeline<'a> {
    /// Of a run that has not begun, with every device of its fleet.
    pub fn new(point: &'a Point, fleet: &'a Fleet, seed: Seed, devices: &'a [Arc<Identity>]) -> Self {
        let faults = Faults::new(&point.settings, devices);
        Self {
            point,
            fleet,
            seed,
            devices,
            faults,
            deeds: in_order(&point.script.deeds),
            next: 0,
            done: Vec::new(),
        }
    }

    /// Do all that is due at this time of the run.
    pub fn carry_out(&mut self, now: Duration, reach: &Reach<'_>) -> Result<(), KubectlError> {
        while let Some(&(due, deed)) = self.deeds.get(self.next) {
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
            Deed::Faults(scope, set) => {
                self.faults.set(scope, set.as_ref());
                self.tell_faults()
            }
            Deed::Begin(number, passing) => {
                let Passing { entry, chosen, .. } = &**passing;
                let chosen = chosen.as_ref().map(|chosen| chosen.of(self.devices, self.seed));
                self.faults.begin(*number, entry.clone(), chosen);
                self.tell_faults()
            }
            Deed::End(number) => {
                self.faults.end(*number);
                self.tell_faults()
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
        let chosen = chosen.of(self.devices, self.seed);
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

    /// Whoever has other faults now.
    fn tell_faults(&mut self) -> Vec<Order> {
        let News { groups, devices } = self.faults.news();
        let groups = groups.into_iter().flat_map(|(group, now)| {
            let pods = self.pods(group).map_or(0, |pods| pods.replicas);
            (0..pods)
                .filter_map(|number| self.pod(group, number))
                .map(move |to| Order {
                    to,
                    method: Method::PUT,
                    path: "/faults".into(),
                    body: Some(Body::json(&now)),
                })
                .collect::<Vec<_>>()
        });
        let devices = devices.into_iter().filter_map(|(position, now)| {
            let method = if now.is_some() { Method::PUT } else { Method::DELETE };
            self.order(self.devices.get(position)?, &method, "/faults", now.as_ref().map(Body::json))
        });
        groups.chain(devices).collect()
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
