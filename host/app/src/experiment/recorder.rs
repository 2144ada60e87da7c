//! Who looks on while a run happens, and writes down what is seen.
//!
//! * `chain`: the digest of all steps, with a checkpoint every thousand.
//! * `events`: what devices tell, one JSON object a line. `logs`: the same for people, a file a device.
//! * `broker_log`: comings and goings at the broker. `outages`: what came over devices, and for how long.

mod broker_log;
pub mod chain;
mod events;
mod logs;
pub mod outages;

use std::cell::RefCell;
use std::io;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use wasmote_live::status::Happening;
use wasmote_sim::action::Notice;
use wasmote_sim::context::LogLevel;
use wasmote_sim::device::Now;
use wasmote_sim::device_id::Identity;
use wasmote_sim::virtual_time::observer::{DeviceIndex, Observer, Step};

use broker_log::BrokerLog;
use chain::Chain;
use events::Events;
use logs::Logs;
use outages::Outages;

/// Writes a run's files.
pub struct Recorder {
    devices: Vec<Arc<Identity>>,
    messages: bool,
    chain: Chain,
    events: Events,
    logs: Logs,
    broker: BrokerLog,
    outages: Outages,
    problem: Option<io::Error>,
}

/// A recorder that looks on and can be asked afterwards.
#[derive(Clone)]
pub struct Eyes(Rc<RefCell<Recorder>>);

impl Recorder {
    /// Write into this folder; every single message too, if wanted.
    pub fn new(folder: &Path, messages: bool) -> io::Result<Self> {
        Ok(Self {
            devices: Vec::new(),
            messages,
            chain: Chain::create(folder)?,
            events: Events::create(folder)?,
            logs: Logs::create(folder)?,
            broker: BrokerLog::create(folder)?,
            outages: Outages::default(),
            problem: None,
        })
    }

    fn see(&mut self, at: Now, step: &Step<'_>) -> io::Result<()> {
        self.chain.add(at, step)?;
        match step {
            Step::Notice(device, notice) => self.notice(at, *device, notice),
            Step::Up(link, request) => {
                let device = &self.devices[link.device.0 as usize];
                self.broker.up(at, *link, device, request)
            }
            Step::Down(link, reply) => {
                let device = &self.devices[link.device.0 as usize];
                self.broker.down(at, *link, device, reply)
            }
            Step::HostPublish(message) => {
                self.broker.published(at, message)?;
                self.events.published(at, self.chain.steps(), message)
            }
            _ => Ok(()),
        }
    }

    fn notice(&mut self, at: Now, device: DeviceIndex, notice: &Notice) -> io::Result<()> {
        self.outages.notice(device.0, at.run, notice);
        if !self.messages && is_of_each_message(notice) {
            return Ok(());
        }
        let identity = Arc::clone(&self.devices[device.0 as usize]);
        let happening = Happening { at, device: identity, notice: notice.clone() };
        self.events.notice(self.chain.steps(), &happening)?;
        self.logs.notice(device.0 as usize, &happening)
    }
}

/// Whether there is one of these for every message, as with what behaviours log for those who look for a
/// fault.
fn is_of_each_message(notice: &Notice) -> bool {
    match notice {
        Notice::Sent(..) | Notice::Received(..) | Notice::Dropped(..) => true,
        Notice::Log(level, _) => *level < LogLevel::Info,
        _ => false,
    }
}

impl Eyes {
    /// See with this recorder.
    pub fn new(recorder: Recorder) -> Self {
        Self(Rc::new(RefCell::new(recorder)))
    }

    /// A device joins. It has a line in its log from the start.
    pub fn add(&self, identity: &Arc<Identity>, behaviour: &str, at: Now) -> io::Result<()> {
        let mut recorder = self.0.borrow_mut();
        recorder.devices.push(Arc::clone(identity));
        recorder.logs.add(identity, behaviour, at)
    }

    /// How many steps there were, and the digest of them.
    pub fn digest(&self) -> (u64, String) {
        let recorder = self.0.borrow();
        (recorder.chain.steps(), recorder.chain.digest())
    }

    /// Whether all could be written so far.
    pub fn check(&self) -> io::Result<()> {
        self.0.borrow_mut().problem.take().map_or(Ok(()), Err)
    }

    /// Write the rest, and take the outages out.
    pub fn finish(&self, at: Now) -> io::Result<Outages> {
        self.check()?;
        let mut recorder = self.0.borrow_mut();
        recorder.chain.finish(at)?;
        recorder.events.finish()?;
        recorder.logs.finish()?;
        recorder.broker.finish(at)?;
        Ok(std::mem::take(&mut recorder.outages))
    }
}

impl Observer for Eyes {
    fn observe(&mut self, at: Now, step: &Step<'_>) {
        let mut recorder = self.0.borrow_mut();
        if recorder.problem.is_none()
            && let Err(problem) = recorder.see(at, step)
        {
            recorder.problem = Some(problem);
        }
    }
}
