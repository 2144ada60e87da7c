//! Who looks on while a run happens, and writes down what is seen.
//!
//! * `chain`: the digest of all steps, with a checkpoint every thousand.
//! * `events`: what devices tell, one JSON object a line. `logs`: the same for people, a file a device.
//! * `lines`: none of these files ever ends with half a line. `versions`: which version of its behaviour each device had, and from when on.
//! * `broker_log`: comings and goings at the broker. `outages`: what came over devices and the
//!   broker, and for how long.
//! * `refusals`: swaps that devices refused.
//! * `routes`: which way devices send, as far as they tell.

mod broker_log;
pub mod chain;
mod events;
mod lines;
mod logs;
pub mod outages;
pub mod refusals;
pub mod routes;
mod versions;

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use wasmote_live::broker::Peer;
use wasmote_live::broker::witness::BrokerWitness;
use wasmote_live::status::Happening;
use wasmote_live::witness::Witness;
use wasmote_sim::action::Notice;
use wasmote_sim::behaviour::Version;
use wasmote_sim::broker::packet::{Reply, Request};
use wasmote_sim::context::LogLevel;
use wasmote_sim::device::{Input, Now};
use wasmote_sim::device_id::Identity;
use wasmote_sim::event::StopReason;
use wasmote_sim::time::Time;
use wasmote_sim::virtual_time::observer::{DeviceIndex, Observer, Step};

use super::real::about_now;
use super::watched::SharedAccount;
use super::world::Pace;
use broker_log::{BrokerLog, Line};
use chain::Chain;
use events::Events;
use logs::Logs;
use outages::Outages;
use refusals::Refused;
use routes::Routes;
use versions::Versions;

/// Writes a run's files.
pub struct Recorder {
    pace: Pace,
    /// Whether the broker is seen, and not just what devices know of it.
    sees_broker: bool,
    devices: Vec<Arc<Identity>>,
    /// So many more of what there is one of for each message.
    messages: u64,
    no_more_told: bool,
    chain: Chain,
    events: Events,
    logs: Logs,
    broker: BrokerLog,
    outages: Outages,
    routes: Routes,
    refusals: Vec<Refused>,
    versions: Versions,
    problem: Option<io::Error>,
}

/// A recorder that looks on and can be asked afterwards, with the account of who should have been given what.
/// A run in virtual time is one thread, so nobody ever waits for it; in real time its shards take turns, and
/// what they hand over goes to buffers.
#[derive(Clone)]
pub struct Eyes {
    recorder: Arc<Mutex<Recorder>>,
    account: SharedAccount,
}

impl Recorder {
    /// Write into this folder, and so many single messages.
    pub fn new(folder: &Path, pace: Pace, messages: u64) -> io::Result<Self> {
        Ok(Self {
            pace,
            sees_broker: pace == Pace::Virtual,
            devices: Vec::new(),
            messages,
            // Where there are none, nobody misses them.
            no_more_told: messages == 0,
            chain: Chain::create(folder, pace)?,
            events: Events::create(folder)?,
            logs: Logs::create(folder)?,
            broker: BrokerLog::create(folder)?,
            outages: Outages::default(),
            routes: Routes::default(),
            refusals: Vec::new(),
            versions: Versions::create(folder)?,
            problem: None,
        })
    }

    fn see(&mut self, at: Now, step: &Step<'_>) -> io::Result<()> {
        self.chain.add(at, step)?;
        match step {
            Step::Notice(device, notice) => self.notice(at, *device, notice),
            Step::Up(link, request) => self.broker.up(at, Line::Device(*link), request),
            Step::Down(link, reply) => self.broker.down(at, Line::Device(*link), reply),
            Step::BrokerFault(turn) => {
                self.outages.broker(at.run, turn);
                self.broker.fails(at, turn)?;
                self.events.broker(at, self.chain.steps(), turn)
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
        self.routes.notice(device.0, at.run, notice);
        if !self.sees_broker {
            let device = &self.devices[device.0 as usize];
            self.broker.told(at, device, notice)?;
        }
        if is_of_each_message(notice) && !self.has_room(at)? {
            return Ok(());
        }
        let identity = Arc::clone(&self.devices[device.0 as usize]);
        refusals::enter(&mut self.refusals, &identity, at.run, notice);
        if let Notice::Swapped(change) | Notice::SwapUndone(change, _) = notice {
            self.versions.has(&identity, &change.to, at.run)?;
        }
        let happening = Happening { at, device: identity, notice: notice.clone() };
        self.events.notice(self.chain.steps(), &happening)?;
        self.logs.notice(device.0 as usize, &happening)
    }
}

/// What is told where room for single messages ends.
const NO_MORE: &str = "single messages are left out from here on; log_messages = \"on\" keeps all of them";

impl Recorder {
    /// Whether there is room for another single message. Where it ends, that is told.
    fn has_room(&mut self, at: Now) -> io::Result<bool> {
        if let Some(left) = self.messages.checked_sub(1) {
            self.messages = left;
            return Ok(true);
        }
        if !std::mem::replace(&mut self.no_more_told, true) {
            self.events.note(at, self.chain.steps(), "note", NO_MORE)?;
            self.logs.note(at, NO_MORE);
        }
        Ok(false)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.events.flush()?;
        self.logs.flush()?;
        self.broker.flush()
    }
}

/// Whether there is one of these for every message, as with what behaviours log for those who look for a
/// fault.
fn is_of_each_message(notice: &Notice) -> bool {
    match notice {
        Notice::Sent(..) | Notice::Received(..) | Notice::Dropped(..) => true,
        Notice::Log(level, _) | Notice::FaultLog(_, level, _) => *level < LogLevel::Info,
        _ => false,
    }
}

impl Eyes {
    /// See with this recorder.
    pub fn new(recorder: Recorder, account: SharedAccount) -> Self {
        Self { recorder: Arc::new(Mutex::new(recorder)), account }
    }

    fn recorder(&self) -> MutexGuard<'_, Recorder> {
        self.recorder.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who should have been given what.
    pub fn account(&self) -> SharedAccount {
        self.account.clone()
    }

    /// A device joins, in this column of tables. It has a line in its log from the start.
    pub fn add(&self, identity: &Arc<Identity>, column: usize, version: &Version, at: Now) -> io::Result<()> {
        self.account.with(|account| account.add(identity.id.clone(), column));
        let mut recorder = self.recorder();
        recorder.devices.push(Arc::clone(identity));
        recorder.versions.has(identity, version, at.run)?;
        recorder.logs.add(identity, &version.name, at)
    }

    /// A device has another version from now on, without a word of its own.
    pub fn version(&self, device: usize, version: &Version, at: Now) -> io::Result<()> {
        let mut recorder = self.recorder();
        let identity = Arc::clone(&recorder.devices[device]);
        recorder.versions.has(&identity, version, at.run)
    }

    /// How many steps there were, and the digest of them where there is one.
    pub fn digest(&self) -> (u64, Option<String>) {
        let recorder = self.recorder();
        (recorder.chain.steps(), recorder.chain.digest())
    }

    /// Whether all could be written so far. In real time it is on disk then: nobody could see it happen again.
    pub fn check(&self) -> io::Result<()> {
        let mut recorder = self.recorder();
        recorder.problem.take().map_or(Ok(()), Err)?;
        recorder.versions.flush()?;
        match recorder.pace {
            Pace::Virtual => Ok(()),
            Pace::Real => recorder.flush(),
        }
    }

    /// A run in real time has this broker; whether it is the embedded one, which is seen itself.
    pub fn broker_is(&self, at: Now, url: &str, embedded: bool) -> io::Result<()> {
        let mut recorder = self.recorder();
        recorder.sees_broker = embedded;
        recorder.broker.is(at, url, embedded)
    }

    /// See what happens at the broker itself.
    fn see_broker(&self, look: impl FnOnce(&mut BrokerLog, Now) -> io::Result<()>) {
        let mut recorder = self.recorder();
        let outcome = look(&mut recorder.broker, about_now());
        recorder.problem = recorder.problem.take().or(outcome.err());
    }

    /// A user did something, in words.
    pub fn told(&self, at: Now, message: &str) {
        let mut recorder = self.recorder();
        let step = recorder.chain.steps();
        let outcome = recorder.events.note(at, step, "edited", message);
        recorder.problem = recorder.problem.take().or(outcome.err());
    }

    /// Something that belongs to a run could not be written.
    pub fn fails(&self, problem: io::Error) {
        let mut recorder = self.recorder();
        recorder.problem = recorder.problem.take().or(Some(problem));
    }

    /// The version that a device has.
    pub fn version_of(&self, device: usize) -> Option<Version> {
        let recorder = self.recorder();
        recorder.versions.of(&recorder.devices.get(device)?.id)
    }

    /// A timeline's partition begins for these devices.
    pub fn parted(&self, devices: &[usize], fault: &str, at: Time) {
        let mut recorder = self.recorder();
        devices.iter().for_each(|device| recorder.outages.parted(*device as u32, fault, at));
    }

    /// A timeline's partition ends.
    pub fn mended(&self, fault: &str, at: Time) {
        self.recorder().outages.mended(fault, at);
    }

    /// A user is about to switch a device, which is then not the plan's doing.
    pub fn about_to_switch(&self, device: usize) {
        self.recorder().outages.about_to_switch(device as u32);
    }

    /// Write the rest, and take out what goes to tables.
    pub fn finish(&self, at: Now) -> io::Result<(Outages, Routes, Vec<Refused>)> {
        self.check()?;
        let mut recorder = self.recorder();
        recorder.chain.finish(at)?;
        recorder.broker.finish(at)?;
        recorder.versions.flush()?;
        recorder.flush()?;
        let (outages, routes) = (std::mem::take(&mut recorder.outages), std::mem::take(&mut recorder.routes));
        Ok((outages, routes, std::mem::take(&mut recorder.refusals)))
    }

    /// See one step.
    pub fn see(&self, at: Now, step: &Step<'_>) {
        match step {
            Step::Input(device, Input::Publish(message)) => {
                self.account.with(|account| account.publishes(device.0, &message.topic, at.run));
            }
            Step::Notice(device, Notice::Stopped(StopReason::Requested)) => {
                self.account.with(|account| account.stopped(device.0));
            }
            _ => {}
        }
        let mut recorder = self.recorder();
        if recorder.problem.is_none()
            && let Err(problem) = recorder.see(at, step)
        {
            recorder.problem = Some(problem);
        }
    }
}

/// Comings and goings at the embedded broker. What is there for every message it only glances at.
impl BrokerWitness for Eyes {
    fn up(&self, from: Peer, request: &Request) {
        if !matches!(request, Request::Publish(_) | Request::Ack(_) | Request::PingReq) {
            self.see_broker(|log, at| log.up(at, Line::Peer(from), request));
        }
    }

    fn down(&self, to: Peer, reply: &Reply) {
        if matches!(reply, Reply::ConnAck(_) | Reply::Refused(_) | Reply::Close(_)) {
            self.see_broker(|log, at| log.down(at, Line::Peer(to), reply));
        }
    }
}

impl Witness for Eyes {
    fn see(&self, at: Now, step: &Step<'_>) {
        Self::see(self, at, step);
    }
}

impl Observer for Eyes {
    fn observe(&mut self, at: Now, step: &Step<'_>) {
        self.see(at, step);
    }
}
