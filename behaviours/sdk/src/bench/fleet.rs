//! Devices of one behaviour in virtual time.
//!
//! `inspect`: queries for tests. `faults`: faults of the devices and of the links between them.

mod faults;
mod inspect;

use super::behaviour::{Factory, Instances};
use super::convert;
use super::journal::Journal;
use super::native_host::{identity, with_files};
use crate::json::{self, Value};
use crate::{Behaviour, Failure, Outgoing, Request, Response};
use faults::Faults;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;
use wasmote_mqtt::protocol::Protocol;
use wasmote_mqtt::time::Time;
use wasmote_sim::device::{Blueprint, Device as SimDevice, Input, PowerState, Upgrade};
use wasmote_sim::event::StopReason;
use wasmote_sim::layout::Layout;
use wasmote_sim::limits::Limits;
use wasmote_sim::rng::Seed;
use wasmote_sim::virtual_time::VirtualTime;
use wasmote_sim::virtual_time::observer::DeviceIndex;
use wasmote_sim::virtual_time::options::{Options, OutboundHttp};

/// A fleet before it starts.
pub struct Plan<B> {
    group: String,
    count: usize,
    seed: u64,
    config: String,
    faults: Faults,
    behaviour: PhantomData<B>,
}

impl<B: Behaviour + Send + 'static> Plan<B> {
    /// The configuration of every device, as JSON, with the `layout` that the host reads. `{}` unless set.
    pub fn config(mut self, json: &str) -> Self {
        self.config = json.into();
        self
    }

    /// The seed of all randomness. 1 unless set.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// The faults from the start on, as for [`Fleet::faults`]. None unless set.
    ///
    /// # Panics
    ///
    /// If the document has an error.
    pub fn faults(mut self, document: &str) -> Self {
        self.faults.set_document(document);
        self
    }

    /// Starts and connects all devices.
    ///
    /// # Panics
    ///
    /// If a behaviour refuses its configuration; see [`refusal`](super::refusal) for tests of that.
    pub fn start(self) -> Fleet<B> {
        self.try_start().unwrap_or_else(|reason| panic!("the behaviour refuses to start: {reason}"))
    }

    /// The same, or the error of the behaviour that refuses to start.
    pub(super) fn try_start(self) -> Result<Fleet<B>, String> {
        let count = u32::try_from(self.count).expect("fewer than four billion devices");
        let options = Options { outbound_http: OutboundHttp::AnsweredByCaller, ..Options::default() };
        let identities: Vec<_> =
            (0..count).map(|index| Arc::new(identity(&self.group, index, count))).collect();
        let ids = identities.iter().map(|identity| identity.id.to_string()).collect();
        let journal = Journal::new(ids, options.epoch);
        let mut simulation = VirtualTime::new(options, journal);
        let mut config: serde_json::Value =
            serde_json::from_str(&self.config).expect("the configuration is JSON");
        // The host reads the layout, as in a run.
        let layout = match config.as_object_mut() {
            Some(config) => Layout::take(config, None).map_err(|error| format!("configuration: {error}"))?,
            None => None,
        };
        let (config, layout) = (with_files(config), layout.map(Arc::new));
        let (seed, limits) = (Seed::new(self.seed), Arc::new(Limits::default()));
        let mut instances = Vec::with_capacity(self.count);
        for identity in identities {
            let own = Arc::new(Instances::new(config.clone(), layout.clone()));
            simulation.add(Blueprint {
                identity,
                factory: Arc::new(Factory(Arc::clone(&own))),
                limits: Arc::clone(&limits),
                protocol: Protocol::V5,
                seed,
                faults: Vec::new().into(),
            });
            instances.push(own);
        }
        let mut fleet = Fleet { simulation, instances, faults: self.faults, seed, last_ticket: 0 };
        fleet.apply_faults();
        for index in 0..self.count {
            fleet.input(index, Input::Start);
            if let PowerState::Failed(reason) = fleet.device(index).power() {
                return Err(reason.clone());
            }
        }
        Ok(fleet)
    }
}

/// A running fleet. Devices are named by their index; their ids are `<group>-<index>`, and their topics
/// begin with `wasmote`.
///
/// Methods that act on a device return after all events that are due at the same time have been handled.
pub struct Fleet<B> {
    simulation: VirtualTime<Journal>,
    instances: Vec<Arc<Instances<B>>>,
    faults: Faults,
    seed: Seed,
    last_ticket: u64,
}

/// Time.
impl<B: Behaviour + Send + 'static> Fleet<B> {
    /// Plans a fleet of `count` devices in one group.
    pub fn of(group: &str, count: usize) -> Plan<B> {
        Plan {
            group: group.into(),
            count,
            seed: 1,
            config: "{}".into(),
            faults: Faults::default(),
            behaviour: PhantomData,
        }
    }

    /// Time since the start.
    pub fn now(&self) -> Duration {
        self.simulation.now().run.elapsed()
    }

    /// Advances time by this duration, and handles all due events in the order of their times.
    pub fn run_for(&mut self, time: Duration) {
        self.simulation.run_for(time);
    }

    /// Handles the next event if it is due by `end`. A test can inspect the fleet between events. False if
    /// no event is due; the clock then stays where it is.
    pub fn step_until(&mut self, end: Duration) -> bool {
        self.simulation.step(Time::ZERO + end)
    }
}

/// Power, updates and messages.
impl<B: Behaviour + Send + 'static> Fleet<B> {
    /// Crashes a device: its behaviour is not called, the broker publishes the will, memory and timers are
    /// lost. The device starts again after five seconds, or with [`restart`](Fleet::restart).
    pub fn crash(&mut self, index: usize) {
        self.input(index, Input::Crash);
    }

    /// Starts a crashed or stopped device now. Its store is unchanged.
    pub fn restart(&mut self, index: usize) {
        self.input(index, Input::Start);
    }

    /// Stops a device cleanly: its last messages are sent, and the broker publishes no will.
    pub fn stop(&mut self, index: usize) {
        self.input(index, Input::Stop(StopReason::Requested));
    }

    /// Replaces a device's behaviour with a new instance that restores its snapshot, while the connection
    /// stays up.
    ///
    /// # Panics
    ///
    /// If the behaviour cannot save, start or restore.
    pub fn swap(&mut self, index: usize) {
        let factory = Arc::new(Factory(Arc::clone(&self.instances[index])));
        self.input(index, Input::Swap(Upgrade { factory, trial: Duration::ZERO }));
        if let Some(error) = self.device(index).last_swap_error() {
            panic!("the swap failed: {error}");
        }
    }

    /// Publishes a message from outside the fleet.
    ///
    /// # Panics
    ///
    /// If the topic is invalid.
    pub fn send(&mut self, topic: &str, payload: impl Into<Vec<u8>>) {
        self.send_message(Outgoing::new(topic, payload));
    }

    /// Publishes a message with QoS, retain flag and properties from outside the fleet.
    ///
    /// # Panics
    ///
    /// If the topic is invalid.
    pub fn send_message(&mut self, message: Outgoing) {
        let Outgoing { topic, payload, qos, retain, properties } = message;
        let message = convert::message(&topic, &payload, qos, retain, properties);
        self.simulation.publish(message.unwrap_or_else(|error| panic!("{topic}: {error}")));
        self.settle();
    }
}

/// HTTP.
impl<B: Behaviour + Send + 'static> Fleet<B> {
    /// Sends an HTTP request to a device. A device that does not run answers 503.
    ///
    /// # Panics
    ///
    /// If the device does not answer.
    pub fn request(&mut self, index: usize, request: Request) -> Response {
        self.last_ticket += 1;
        self.input(index, Input::HttpRequest(self.last_ticket, convert::request_from_wit(request)));
        let response = self.simulation.observer().responses.get(&self.last_ticket);
        convert::response_to_wit(response.expect("the device answers").clone())
    }

    /// Sends a GET to a device, and reads the JSON of its answer.
    ///
    /// # Panics
    ///
    /// If the answer is not 200 with JSON.
    pub fn get(&mut self, index: usize, path: &str) -> Value {
        let response = self.request(index, Request::get(path));
        let body = String::from_utf8_lossy(&response.body).into_owned();
        assert_eq!(response.status, 200, "{path}: {body}");
        let limits = json::Limits { depth: 64, values: u32::MAX };
        json::parse_with_limits(&response.body, limits)
            .unwrap_or_else(|error| panic!("{path}: {error}: {body}"))
    }

    /// Answers a request that a device sent with `send_http`. Without an answer it stays open.
    pub fn reply(&mut self, index: usize, id: u64, reply: Result<Response, Failure>) {
        self.input(index, Input::HttpReply(id, convert::reply_from_test(reply)));
    }
}

impl<B: Behaviour + Send + 'static> Fleet<B> {
    fn device(&self, index: usize) -> &SimDevice {
        let device = self.simulation.device(device_index(index));
        device.unwrap_or_else(|| panic!("there is no device {index}"))
    }

    fn input(&mut self, index: usize, input: Input) {
        self.simulation.put(device_index(index), input);
        self.settle();
    }

    /// Handles all events that are due now.
    fn settle(&mut self) {
        self.simulation.run_until(self.simulation.now().run);
    }
}

fn device_index(index: usize) -> DeviceIndex {
    DeviceIndex(u32::try_from(index).expect("fewer than four billion devices"))
}
