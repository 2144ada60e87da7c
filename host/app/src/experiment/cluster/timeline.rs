//! A timeline on a cluster: what a plan has happen in mid-run, the pods are asked to do over their own API.

use std::sync::Arc;
use std::thread::sleep;
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
use super::faults::{self, Faults};
use super::orders::Orders;
use super::samples::Reach;
use crate::cli::output::to_stderr;
use crate::config::Settings;
use crate::experiment::plan::Point;
use crate::experiment::script::whom::Chosen;
use crate::experiment::script::{Deed, Passing};
use crate::fault_set::BROKER_IS_ANOTHERS;
use crate::gather::tell::{Body, Order, tell};
use crate::kubectl::pod::Pod;
use crate::manifests::fleet::Fleet;

/// How long a pod may take to do what it is told.
const PATIENCE: Duration = Duration::from_secs(10);
/// Later than this is worth a word.
const LATE: Duration = Duration::from_secs(1);
/// How long a fault that cuts devices off is there. It takes hold within 10 ms, in a pod that gets a tenth of a processor
/// within 100.
const HOLD: Duration = Duration::from_millis(300);
/// Shortest time for which devices can be cut off. Were the fault still there after it, they would be cut off again.
const SHORTEST_CUT: Duration = Duration::from_secs(2);

/// What is to be done in a run, and what has become of it.
pub struct Timeline<'a> {
    seed: Seed,
    devices: &'a [Arc<Identity>],
    faults: Faults<'a>,
    orders: Orders<'a>,
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
        Deed::Begin(_, passing) if passing.entry.lasting.is_some_and(|it| it.0 < SHORTEST_CUT) => {
            let shortest = humantime::format_duration(SHORTEST_CUT);
            Err(format!("a `disconnect` lasts {shortest} or longer there, since orders to pods take a moment"))
        }
        Deed::Begin(..) | Deed::End(_) | Deed::Faults(_, None) => Ok(()),
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

/// A message as the API of a device takes it. A text goes out as it is.
fn publication(message: &Message) -> Result<Value, String> {
    let text = std::str::from_utf8(&message.payload).map_err(|problem| format!("`payload`: {problem}"))?;
    let (topic, qos) = (message.topic.as_str(), u8::from(message.qos));
    Ok(json!({"message": text, "topic": topic, "qos": qos, "retain": message.retain}))
}

/// The fault that cuts devices off, if it is one.
fn cut(deed: &Deed) -> Option<usize> {
    match deed {
        Deed::Begin(number, passing) if passing.chosen.is_some() => Some(*number),
        _ => None,
    }
}

impl<'a> Timeline<'a> {
    /// Of a run that has not begun, with every device of its fleet.
    pub fn new(point: &'a Point, fleet: &'a Fleet, seed: Seed, devices: &'a [Arc<Identity>]) -> Self {
        let deeds = &point.script.deeds;
        let is_done = |deed: &Deed| !point.script.is_over_by_itself(deed);
        let faults = Faults::new(&point.settings, devices);
        Self {
            seed,
            devices,
            orders: Orders::new(fleet, devices, &faults),
            faults,
            deeds: deeds.iter().filter(|(_, deed)| is_done(deed)).map(|(due, deed)| (*due, deed)).collect(),
            next: 0,
            done: Vec::new(),
        }
    }

    /// Do what is next, if it is due at this time of the run. Says whether something was.
    pub fn carry_out_next(&mut self, now: Duration, reach: &Reach<'_>) -> bool {
        let Some(&(due, deed)) = self.deeds.get(self.next).filter(|(due, _)| due.elapsed() <= now) else {
            return false;
        };
        self.next += 1;
        let due = due.elapsed();
        if now > due + LATE {
            let (words, due_s, late_s) = (deed.words(), due.as_secs_f64(), (now - due).as_secs_f64());
            to_stderr(format_args!("{words} of {due_s:.1} s came {late_s:.1} s late"));
        }
        let orders = self.orders_for(deed);
        let mut done = Done { due, at: now, words: deed.words(), requests: 0, failed: Vec::new() };
        self.send(orders, reach, &mut done);
        if let Some(number) = cut(deed) {
            sleep(HOLD);
            self.faults.end(number);
            let orders = self.orders.of_faults(&self.faults);
            self.send(orders, reach, &mut done);
        }
        self.done.push(done);
        true
    }

    /// Tell pods of their faults once more that may not have heard of them.
    pub fn repair(&mut self, reach: &Reach<'_>) {
        for (order, _) in send(self.orders.of_faults(&self.faults), reach) {
            self.orders.came_to_nothing(&order);
        }
    }

    fn send(&mut self, orders: Vec<Order>, reach: &Reach<'_>, done: &mut Done) {
        done.requests += orders.len();
        for (order, problem) in send(orders, reach) {
            self.orders.came_to_nothing(&order);
            done.failed.push(format!("{}: {problem}", order.to));
        }
    }

    /// What the pods are to be told for a deed.
    fn orders_for(&mut self, deed: &Deed) -> Vec<Order> {
        match deed {
            Deed::Faults(scope, set) => self.faults.set(scope, set.as_ref()),
            Deed::Begin(number, passing) => {
                let Passing { entry, chosen, .. } = &**passing;
                let chosen = chosen.as_ref().map(|chosen| chosen.of(self.devices, self.seed));
                self.faults.begin(*number, entry.clone(), chosen);
            }
            Deed::End(number) => self.faults.end(*number),
            Deed::Crash(chosen) => return self.power(chosen, "crash"),
            Deed::Stop(chosen) => return self.power(chosen, "stop"),
            Deed::Start(chosen) => return self.power(chosen, "start"),
            Deed::PublishAs(devices, message) => return self.publish(devices, message),
            Deed::Ask(devices, request) => return self.ask(devices, request),
            // Refused before anything was applied.
            _ => return Vec::new(),
        }
        self.orders.of_faults(&self.faults)
    }

    /// A request of each of these devices.
    fn of_each(&self, devices: &Pattern, method: &Method, path: &str, body: Option<&Body>) -> Vec<Order> {
        let positions = 0..self.devices.len();
        let fitting = positions.filter(|at| devices.matches(self.devices[*at].id.as_str()));
        fitting.filter_map(|at| self.orders.of_device(at, method, path, body.cloned())).collect()
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
        let chosen = chosen.of(self.devices, self.seed).into_iter();
        chosen.filter_map(|at| self.orders.of_device(at, &Method::POST, &format!("/{order}"), None)).collect()
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
        if self.deeds.is_empty() {
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

/// Send them all. Those that came to nothing are returned, each with the reason.
fn send(orders: Vec<Order>, reach: &Reach<'_>) -> Vec<(Order, String)> {
    if orders.is_empty() {
        return Vec::new();
    }
    let pods = match reach.kubectl.pods(WHOLE) {
        Ok(pods) => pods,
        Err(problem) => return orders.into_iter().map(|order| (order, problem.to_string())).collect(),
    };
    let url = |name: &str| match pods.iter().find(|pod: &&Pod| pod.name == name) {
        Some(pod) if pod.running => Ok(reach.proxy.pod(pod)),
        Some(pod) => Err(pod.why.clone()),
        None => Err("there is no such pod".to_owned()),
    };
    reach.runtime.block_on(tell(reach.client, orders, url, PATIENCE))
}
