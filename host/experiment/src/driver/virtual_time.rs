//! Driver in virtual time.

use std::sync::Arc;
use std::time::Duration;

use wasmote_fleet::fault_registry::Faults;
use wasmote_live::credentials::DeviceCredentials;
use wasmote_live::fleet::PowerCommand;
use wasmote_mqtt::message::Message;
use wasmote_mqtt::time::Time;
use wasmote_mqtt::topic::Topic;
use wasmote_results::TimeMode;
use wasmote_sim::device::{Blueprint, ConnectionState, Device, Input, Now, Upgrade};
use wasmote_sim::event::StopReason;
use wasmote_sim::faults::broker::Failure;
use wasmote_sim::faults::{Fault, FaultId};
use wasmote_sim::health::FleetHealth;
use wasmote_sim::http::HttpRequest;
use wasmote_sim::latency::ImplausibleCounts;
use wasmote_sim::rng::Seed;
use wasmote_sim::virtual_time::VirtualTime;
use wasmote_sim::virtual_time::observer::DeviceIndex;
use wasmote_sim::virtual_time::options::Options;

use super::{DeviceSnapshot, Driver, DriverResult, RetainedObserver, RunOutcome};
use crate::ExperimentError;
use crate::recorder::RunObserver;

/// Driver with these devices, all of them started.
pub fn virtual_driver(
    options: Options,
    devices: Vec<Blueprint>,
    observer: RunObserver,
) -> VirtualTime<RunObserver> {
    let follows = observer.follows_messages();
    let mut driver = VirtualTime::new(options, observer);
    if follows {
        driver.follow_messages();
    }
    let devices: Vec<DeviceIndex> = devices.into_iter().map(|device| driver.add(device)).collect();
    devices.into_iter().for_each(|device| driver.put(device, Input::Start));
    driver
}

/// Ticket of an HTTP response that is ignored.
const UNUSED_TICKET: u64 = 0;

fn index(device: usize) -> DeviceIndex {
    DeviceIndex(u32::try_from(device).unwrap_or(u32::MAX))
}

impl RetainedObserver for RunObserver {
    fn watches_retained(&self) -> bool {
        Self::watches_retained(self)
    }

    fn take_retained_change(&self) -> bool {
        Self::take_retained_change(self)
    }

    fn check_retained<'a>(&self, find: &dyn Fn(&Topic) -> Option<&'a Message>, at: Now) {
        Self::check_retained(self, find, at);
    }
}

impl<O: RetainedObserver> Driver for VirtualTime<O> {
    const TIME_MODE: TimeMode = TimeMode::Virtual;
    const POLL_INTERVAL: Duration = Duration::MAX;

    fn now(&self) -> Now {
        Self::now(self)
    }

    fn run_until(&mut self, end: Time) -> DriverResult {
        if self.observer().watches_retained() {
            while self.step(end) {
                if self.observer().take_retained_change() {
                    self.observer().check_retained(&|topic| self.broker().retained(topic), Self::now(self));
                }
            }
        }
        Self::run_until(self, end);
        Ok(())
    }

    fn set_credentials(&mut self, _: usize, _: &dyn Fn() -> Option<Arc<DeviceCredentials>>) -> DriverResult {
        Ok(())
    }

    fn add(&mut self, device: Blueprint) -> DriverResult {
        Self::add(self, device);
        Ok(())
    }

    fn order(&mut self, devices: &[usize], order: PowerCommand) -> DriverResult {
        for device in devices {
            let input = match order {
                PowerCommand::Start => Input::Start,
                PowerCommand::Stop => Input::Stop(StopReason::Requested),
                PowerCommand::Crash => Input::Crash,
            };
            self.put(index(*device), input);
        }
        Ok(())
    }

    fn set_faults(&mut self, faults: Vec<(usize, Faults)>) -> DriverResult {
        faults.into_iter().for_each(|(device, faults)| self.put(index(device), Input::SetFaults(faults)));
        Ok(())
    }

    fn set_broker_faults(&mut self, faults: &[Arc<Fault>], seed: Seed) -> DriverResult {
        Self::set_broker_faults(self, faults, seed);
        Ok(())
    }

    fn fail_broker(&mut self, fault: FaultId, failure: Failure, lasting: Duration) -> DriverResult {
        Self::fail_broker(self, fault, failure, lasting);
        Ok(())
    }

    fn swap(&mut self, devices: &[usize], upgrade: &Upgrade) -> DriverResult {
        devices.iter().for_each(|device| self.put(index(*device), Input::Swap(upgrade.clone())));
        Ok(())
    }

    fn publish(&mut self, message: Message) -> DriverResult {
        Self::publish(self, message);
        Ok(())
    }

    fn publish_as(&mut self, device: usize, message: Message) -> DriverResult {
        if self.device(index(device)).is_some_and(Device::is_running) {
            self.put(index(device), Input::Publish(message));
        }
        Ok(())
    }

    fn request(&mut self, device: usize, request: HttpRequest) -> Result<Option<u16>, ExperimentError> {
        self.take_http_status();
        self.put(index(device), Input::HttpRequest(UNUSED_TICKET, request));
        // A device answers during this call, unless it hangs.
        Ok(self.take_http_status())
    }

    fn snapshot(&mut self) -> Result<Vec<DeviceSnapshot>, ExperimentError> {
        let now = Self::now(self);
        Ok(self.devices().map(|device| device_snapshot(device, now)).collect())
    }

    fn finish(&mut self) -> Result<RunOutcome, ExperimentError> {
        let devices = self.devices().map(|device| (device.ledger().clone(), device.waiting()));
        let now = Self::now(self).run;
        let mut health = FleetHealth::default();
        self.devices().for_each(|device| health.count(&device.identity().group, device.health(now)));
        let broker = (self.broker().counters().clone(), self.broker().stats().waiting);
        Ok(RunOutcome {
            devices: devices.collect(),
            broker: Some(broker),
            events: self.counts().events(),
            health,
            implausible: ImplausibleCounts::default(),
            lag: None,
        })
    }
}

fn device_snapshot(device: &Device, now: Now) -> DeviceSnapshot {
    let is_silent = device.active_faults().iter().any(|fault| fault.kind == "silence");
    let is_running = device.is_running();
    DeviceSnapshot {
        ledger: device.ledger().clone(),
        is_running,
        is_up: is_running && *device.connection() == ConnectionState::Up && !is_silent,
        is_silent,
        joules: device.joules_left(now.run),
        clock_error_s: device.clock_error_s(now),
    }
}
