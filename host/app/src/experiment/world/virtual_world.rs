//! Virtual time as the world of a run.

use std::sync::Arc;
use std::time::Duration;

use wasmote_live::fleet::Order;
use wasmote_sim::device::{Blueprint, Device, Input, LinkState, Now, Upgrade};
use wasmote_sim::event::StopReason;
use wasmote_sim::faults::broker::Failure;
use wasmote_sim::faults::{Fault, FaultId};
use wasmote_sim::http::HttpRequest;
use wasmote_sim::message::Message;
use wasmote_sim::rng::Seed;
use wasmote_sim::time::Time;
use wasmote_sim::virtual_time::VirtualTime;
use wasmote_sim::virtual_time::observer::DeviceIndex;
use wasmote_sim::virtual_time::options::Options;

use super::{Done, Ending, Glance, World};
use crate::experiment::ExperimentError;
use crate::experiment::recorder::Eyes;
use crate::server::faults::book::Faults;

/// A world with these devices, all of them switched on.
pub fn virtual_world(options: Options, devices: Vec<Blueprint>, eyes: Eyes) -> VirtualTime<Eyes> {
    let mut world = VirtualTime::new(options, eyes);
    let devices: Vec<DeviceIndex> = devices.into_iter().map(|device| world.add(device)).collect();
    devices.into_iter().for_each(|device| world.put(device, Input::Start));
    world
}

/// The ticket of an answer that nobody waits for.
const NOBODY: u64 = 0;

fn index(device: usize) -> DeviceIndex {
    DeviceIndex(u32::try_from(device).unwrap_or(u32::MAX))
}

impl World for VirtualTime<Eyes> {
    const STRIDE: Duration = Duration::MAX;

    fn now(&self) -> Now {
        Self::now(self)
    }

    fn run_until(&mut self, end: Time) -> Done {
        Self::run_until(self, end);
        Ok(())
    }

    fn add(&mut self, device: Blueprint) -> Done {
        Self::add(self, device);
        Ok(())
    }

    fn order(&mut self, devices: &[usize], order: Order) -> Done {
        for device in devices {
            let input = match order {
                Order::Start => Input::Start,
                Order::Stop => Input::Stop(StopReason::Requested),
                Order::Crash => Input::Crash,
            };
            self.put(index(*device), input);
        }
        Ok(())
    }

    fn set_faults(&mut self, faults: Vec<(usize, Faults)>) -> Done {
        faults.into_iter().for_each(|(device, faults)| self.put(index(device), Input::SetFaults(faults)));
        Ok(())
    }

    fn set_broker_faults(&mut self, faults: &[Arc<Fault>], seed: Seed) -> Done {
        Self::set_broker_faults(self, faults, seed);
        Ok(())
    }

    fn fail_broker(&mut self, fault: FaultId, failure: Failure, lasting: Duration) -> Done {
        Self::fail_broker(self, fault, failure, lasting);
        Ok(())
    }

    fn swap(&mut self, devices: &[usize], upgrade: &Upgrade) -> Done {
        devices.iter().for_each(|device| self.put(index(*device), Input::Swap(upgrade.clone())));
        Ok(())
    }

    fn publish(&mut self, message: Message) -> Done {
        Self::publish(self, message);
        Ok(())
    }

    fn publish_as(&mut self, device: usize, message: Message) -> Done {
        if self.device(index(device)).is_some_and(Device::is_running) {
            self.put(index(device), Input::Publish(message));
        }
        Ok(())
    }

    fn ask(&mut self, device: usize, request: HttpRequest) -> Done {
        self.put(index(device), Input::HttpRequest(NOBODY, request));
        Ok(())
    }

    fn look(&mut self) -> Result<Vec<Glance>, ExperimentError> {
        let now = Self::now(self);
        Ok(self.devices().map(|device| glance(device, now)).collect())
    }

    fn finish(&mut self) -> Result<Ending, ExperimentError> {
        let devices = self.devices().map(|device| (device.ledger().clone(), device.waiting()));
        let broker = (self.broker().tally().clone(), self.broker().census().waiting);
        Ok(Ending {
            devices: devices.collect(),
            broker: Some(broker),
            events: self.counts().events(),
            late: None,
        })
    }
}

fn glance(device: &Device, now: Now) -> Glance {
    let is_silent = device.active_faults().iter().any(|fault| fault.kind == "silence");
    let is_running = device.is_running();
    Glance {
        ledger: device.ledger().clone(),
        is_running,
        is_up: is_running && *device.link() == LinkState::Up && !is_silent,
        is_silent,
        joules: device.joules_left(now.run),
        clock_error_s: device.clock_error_s(now),
    }
}
