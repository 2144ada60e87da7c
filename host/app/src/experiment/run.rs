//! One run: a point and a seed become a folder.

use std::path::Path;

use wasmote_sim::broker::Census;
use wasmote_sim::device::LinkState;
use wasmote_sim::ledger::Ledger;
use wasmote_sim::rng::Seed;
use wasmote_sim::time::Time;
use wasmote_sim::virtual_time::observer::DeviceIndex;

use super::account::Account;
use super::accounts::{self, Accounts};
use super::cells::Cells;
use super::plan::Point;
use super::progress::Progress;
use super::recorder::{Eyes, Recorder};
use super::results::write_atomically;
use super::stage::Stage;
use super::summary::Summary;
use super::tables::{self, Row};
use super::watched::SharedAccount;
use super::{ExperimentError, parts};
use crate::plan::Components;

/// Run a point with a seed, and leave what was seen in a folder, which must be there.
pub fn run(
    point: &Point,
    seed: Seed,
    components: &Components,
    folder: &Path,
    progress: &Progress,
) -> Result<Summary, ExperimentError> {
    let writing = |what: &str| ExperimentError::writing(&folder.join(what).display());
    let eyes = Recorder::new(folder, point.settings.logs_messages()).map_err(writing(""))?;
    let eyes = Eyes::new(eyes);
    let cells = Cells::new(point.stretches(), point.settings.groups.len());
    let account = SharedAccount::new(Account::new(cells));
    let stage = Stage::new(point, seed, components, account, eyes.clone())?;
    let mut run = Run {
        point,
        stage,
        rows: Vec::new(),
        last: Vec::new(),
        at_warm_up: Ledger::default(),
        is_interrupted: false,
    };
    let end = run.play(progress, &eyes, writing("events.ndjson"))?;

    let outages = eyes.finish(run.stage.world.now()).map_err(writing(""))?;
    let accounts = Accounts::of(&run.stage);
    let summary = run.summary(seed, end, &eyes, &accounts);
    let write = |name: &str, text: String| {
        write_atomically(&folder.join(name), text.as_bytes()).map_err(writing(name))
    };
    run.stage.account.with(|account| {
        let (groups, cells) = (&run.stage.groups, account.cells());
        write("timeseries.csv", tables::time_series(groups, cells, &run.rows))?;
        write("latency.csv", tables::latencies(groups, cells, parts::measured(point, end)))
    })?;
    write("outages.csv", tables::outages(&outages, &run.stage.devices, end))?;
    write("ledger.json", accounts::json(&accounts))?;
    write("summary.json", summary.json())?;
    Ok(summary)
}

struct Run<'a> {
    point: &'a Point,
    stage: Stage<'a>,
    rows: Vec<Row>,
    /// What each device had sent and lost to faults when it was last looked at.
    last: Vec<(u64, u64)>,
    at_warm_up: Ledger,
    /// Whether somebody ended it before its time.
    is_interrupted: bool,
}

impl Run<'_> {
    /// Go through the script and the stretches of time. Returns when the run ended.
    fn play(
        &mut self,
        progress: &Progress,
        eyes: &Eyes,
        writing: impl Fn(std::io::Error) -> ExperimentError,
    ) -> Result<Time, ExperimentError> {
        let point = self.point;
        let mut deeds = point.script.deeds.iter().peekable();
        let mut next_row = Time::ZERO + point.document.interval.0;
        let mut seen = 0;
        for end in point.stretches() {
            while let Some((at, deed)) = deeds.next_if(|(at, _)| *at <= end) {
                self.stage.world.run_until(*at);
                self.stage.carry_out(deed)?;
            }
            self.stage.world.run_until(end);
            eyes.check().map_err(&writing)?;
            self.count(end);
            if end == Time::ZERO + point.document.warm_up.0 {
                self.at_warm_up = self.ledger();
            }
            let breached = self.breached(end);
            self.is_interrupted = progress.is_interrupted() && !breached && end < point.end();
            let over = breached || self.is_interrupted;
            if end >= next_row || end == point.end() || over {
                self.rows.extend(self.look(end));
                next_row = end + point.document.interval.0;
            }
            let steps = eyes.digest().0;
            progress.advance(end, steps - seen);
            seen = steps;
            if over {
                return Ok(end);
            }
        }
        Ok(point.end())
    }

    /// Enter into the table what only the devices' own ledgers know.
    fn count(&mut self, end: Time) {
        let Stage { world, devices, groups, account, .. } = &self.stage;
        self.last.resize(devices.len(), (0, 0));
        for ((device, identity), last) in world.devices().zip(devices).zip(&mut self.last) {
            let now = (device.ledger().sent, device.ledger().fault_total().dropped());
            let column = groups.iter().position(|group| **group == *identity.group).unwrap_or(0);
            account.with(|account| {
                let cell = account.cells_mut().at(end, column);
                // A message that the connection gives back is taken off again.
                cell.sent += now.0.saturating_sub(last.0);
                cell.dropped += now.1 - last.1;
            });
            *last = (now.0.max(last.0), now.1);
        }
    }

    /// The state of each group, and of all.
    fn look(&self, end: Time) -> Vec<Row> {
        let Stage { world, devices, groups, .. } = &self.stage;
        let mut rows: Vec<Row> = (0..groups.len()).map(|group| Row::new(end, Some(group))).collect();
        let mut all = Row::new(end, None);
        for (device, identity) in world.devices().zip(devices) {
            let column = groups.iter().position(|group| **group == *identity.group).unwrap_or(0);
            let up = device.is_running() && *device.link() == LinkState::Up;
            let silent = device.active_faults().iter().any(|fault| fault.kind == "silence");
            for row in [&mut rows[column], &mut all] {
                row.devices += 1;
                row.up += u64::from(up && !silent);
                row.silent += u64::from(silent);
            }
        }
        rows.push(all);
        rows
    }

    fn ledger(&self) -> Ledger {
        let mut total = Ledger::default();
        self.stage.world.devices().for_each(|device| total.add(device.ledger()));
        total
    }

    /// Whether a threshold that ends the run is missed. Messages of the last interval may still be under
    /// way, so those before it are looked at.
    fn breached(&self, now: Time) -> bool {
        let settled = now - self.point.document.interval.0;
        self.stage.account.with(|account| {
            let aborts = self.point.document.thresholds.iter().filter(|entry| entry.abort);
            aborts.map(|entry| &entry.check).any(|check| {
                let figures = parts::figures(self.point, account.cells(), &check.part, settled);
                figures.generated > 0 && check.value(&figures).is_some_and(|value| !check.holds(Some(value)))
            })
        })
    }

    fn summary(&self, seed: Seed, end: Time, eyes: &Eyes, accounts: &Accounts) -> Summary {
        let digest = eyes.digest().1;
        let events = self.stage.world.counts().events();
        let faults = accounts::difference(&self.ledger(), &self.at_warm_up);
        self.stage.account.with(|account| {
            Summary::new(
                self.point,
                seed,
                end,
                digest,
                events,
                faults,
                &self.stage,
                account,
                accounts.close(),
                self.is_interrupted,
            )
        })
    }
}

impl Accounts {
    fn of(stage: &Stage<'_>) -> Self {
        let census: Census = stage.world.broker().census();
        let device = |(at, identity)| {
            let device = stage.world.device(DeviceIndex(at as u32));
            device.map(|device| (identity, device.ledger().clone(), device.waiting()))
        };
        let published = |at: usize| stage.account.with(|account| account.published(at as u32));
        let devices = stage.devices.iter().cloned().enumerate().filter_map(device);
        Self::new(devices.collect(), published, stage.world.broker().tally().clone(), census.waiting)
    }
}
