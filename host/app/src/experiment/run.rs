//! One run: a point and a seed become a folder. What is written, counted and judged on the way is the same in
//! virtual and in real time.

use std::path::Path;

use wasmote_sim::device::Now;
use wasmote_sim::ledger::Ledger;
use wasmote_sim::rng::Seed;
use wasmote_sim::time::Time;

use super::ExperimentError;
use super::account::Account;
use super::accounts::{self, Accounts};
use super::cells::Cells;
use super::edits::Edited;
use super::parts;
use super::plan::Point;
use super::progress::Progress;
use super::recorder::{Eyes, Recorder};
use super::results::{pretty, write_atomically};
use super::so_far::SoFar;
use super::stage::{self, Stage};
use super::summary::{Remains, Summary};
use super::tables::{self, Row};
use super::threshold::ThresholdEntry;
use super::verdict::Breach;
use super::watched::SharedAccount;
use super::world::{Glance, Pace, World, virtual_world};
use crate::config::Settings;
use crate::config::values::Switch;
use crate::plan::Components;

/// Where and with what a run happens.
#[derive(Clone, Copy)]
pub struct Setting<'a> {
    /// The plan with its values.
    pub point: &'a Point,
    /// All randomness.
    pub seed: Seed,
    /// The behaviours.
    pub components: &'a Components,
    /// For what is seen; it must be there.
    pub folder: &'a Path,
    /// Who is told how far it is.
    pub progress: &'a Progress<'a>,
}

/// Run in virtual time.
pub fn run(setting: Setting<'_>) -> Result<Summary, ExperimentError> {
    let Setting { point, seed, components, .. } = setting;
    let eyes = setting.eyes(Pace::Virtual)?;
    let at = Now { run: Time::ZERO, wall: point.epoch };
    let options = stage::options(point);
    let begin = |devices| Ok(virtual_world(options, devices, eyes.clone()));
    let stage = Stage::new(point, seed, components, eyes.clone(), at, begin)?;
    setting.play(stage, &eyes, Vec::new)
}

/// How many single messages are written down. A run of some minutes can have a million of them, which is
/// hundreds of megabytes that hardly anybody reads, so that without a word the first ones have to do.
fn single_messages(settings: &Settings) -> u64 {
    const WITHOUT_A_WORD: u64 = 20_000;
    match settings.log_messages {
        Switch::Auto if settings.logs_messages() => WITHOUT_A_WORD,
        Switch::On => u64::MAX,
        Switch::Auto | Switch::Off => 0,
    }
}

impl Setting<'_> {
    /// What is to be seen of a run goes here.
    pub(super) fn eyes(&self, pace: Pace) -> Result<Eyes, ExperimentError> {
        let settings = &self.point.settings;
        let recorder = Recorder::new(self.folder, pace, single_messages(settings));
        let recorder = recorder.map_err(ExperimentError::writing(&self.folder.display()))?;
        let cells = Cells::new(self.point.stretches(), settings.groups.len());
        Ok(Eyes::new(recorder, SharedAccount::new(Account::new(cells))))
    }

    /// Go through the whole run, and leave behind what was seen. What users did is asked for at its end.
    pub(super) fn play<W: World>(
        self,
        stage: Stage<'_, W>,
        eyes: &Eyes,
        edits: impl FnOnce() -> Vec<Edited>,
    ) -> Result<Summary, ExperimentError> {
        let writing = |what: &str| ExperimentError::writing(&self.folder.join(what).display());
        let mut run = Run {
            setting: self,
            eyes,
            stage,
            rows: Vec::new(),
            done: Vec::new(),
            so_far: SoFar::create(&self.folder.join("timeseries.csv")).map_err(writing("timeseries.csv"))?,
            seen: 0,
            last: Vec::new(),
            glances: Vec::new(),
            at_warm_up: Ledger::default(),
            breaches: Vec::new(),
            is_interrupted: false,
        };
        let end = run.play()?;
        let ending = run.stage.world.finish()?;
        let (outages, routes, refused) = eyes.finish(run.stage.world.now()).map_err(writing(""))?;
        let (events, late) = (ending.events, ending.late);
        let published = |at: usize| eyes.account().with(|account| account.published(at as u32));
        let accounts = Accounts::new(&run.stage.company.devices, ending, published);
        let company = &run.stage.company;
        let write = |name: &str, text: String| {
            write_atomically(&self.folder.join(name), text.as_bytes()).map_err(writing(name))
        };
        let summary = eyes.account().with(|account| {
            let (groups, cells) = (&company.groups, account.cells());
            write("timeseries.csv", tables::time_series(groups, cells, &run.rows))?;
            write("latency.csv", tables::latencies(groups, cells, parts::measured(self.point, end)))?;
            let remains = Remains {
                company,
                end,
                breaches: run.breaches.clone(),
                interrupted: run.is_interrupted,
                digest: eyes.digest().1,
                events,
                faults: accounts::difference(&run.ledger(), &run.at_warm_up),
                ledger_closes: accounts.close(),
                edits: edits(),
                refused,
                late,
            };
            Ok::<_, ExperimentError>(Summary::new(self.point, self.seed, cells, remains))
        })?;
        write("outages.csv", tables::outages(&outages, &company.devices, end))?;
        if !routes.is_empty() {
            write("routes.csv", tables::routes(&routes, &company.devices))?;
        }
        if !self.point.script.deeds.is_empty() {
            write("timeline.csv", tables::timeline(&run.done, end))?;
        }
        if let Some(topology) = &self.point.topology {
            write("topology.json", pretty(&topology.json()))?;
        }
        write("ledger.json", accounts::json(&accounts))?;
        write("summary.json", summary.json())?;
        Ok(summary)
    }
}

struct Run<'a, W> {
    setting: Setting<'a>,
    eyes: &'a Eyes,
    stage: Stage<'a, W>,
    rows: Vec<Row>,
    /// What was done of the script, and when: its name, and for whom and with what.
    done: Vec<(Time, &'static str, String)>,
    /// The table while it grows.
    so_far: SoFar,
    /// Steps that somebody was told of.
    seen: u64,
    /// What each device had sent and lost to faults when it was last looked at.
    last: Vec<(u64, u64)>,
    /// How the devices were then.
    glances: Vec<Glance>,
    at_warm_up: Ledger,
    /// What was found of each threshold when one of them ended the run.
    breaches: Vec<Option<Breach>>,
    /// Whether somebody ended it before its time.
    is_interrupted: bool,
}

impl<W: World> Run<'_, W> {
    /// Go through the script and the stretches of time. Returns when the run ended.
    fn play(&mut self) -> Result<Time, ExperimentError> {
        let point = self.setting.point;
        // Who takes part is on disk from the start.
        self.eyes.check().map_err(ExperimentError::writing(&self.setting.folder.display()))?;
        let mut deeds = point.script.deeds.iter().peekable();
        let mut next_row = Time::ZERO + point.document.interval.0;
        for planned in point.stretches() {
            let mut reached = true;
            while reached && let Some((at, deed)) = deeds.next_if(|(at, _)| *at <= planned) {
                reached = self.pass(*at)?;
                if reached {
                    if !point.script.is_over_by_itself(deed) {
                        let detail = point.script.detail(deed, self.stage.concerned(deed));
                        self.done.push((*at, deed.words(), detail));
                    }
                    self.stage.carry_out(deed)?;
                }
            }
            reached = reached && self.pass(planned)?;
            let end = if reached { planned } else { self.stage.world.now().run.min(planned) };
            self.eyes
                .check()
                .map_err(ExperimentError::writing(&self.setting.folder.join("events.ndjson").display()))?;
            self.glances = self.stage.world.look()?;
            self.count(end);
            if end == Time::ZERO + point.document.warm_up.0 {
                self.at_warm_up = self.ledger();
            }
            let breached = reached && end < point.end() && self.is_breached(end);
            self.is_interrupted = self.setting.progress.is_interrupted() && !breached && end < point.end();
            let over = breached || self.is_interrupted;
            if end >= next_row || end == point.end() || over {
                self.write_settled()?;
                let rows = self.state(end);
                self.rows.extend(rows);
                next_row = end + point.document.interval.0;
            }
            if over {
                self.eyes.account().with(|account| account.end(end));
                return Ok(end);
            }
        }
        Ok(point.end())
    }

    /// Let time pass, and tell how far it is. Says whether it got there: in real time nobody who wants to end a
    /// run has to wait.
    fn pass(&mut self, end: Time) -> Result<bool, ExperimentError> {
        loop {
            let stop = end.min(self.stage.world.now().run + W::STRIDE);
            self.stage.world.run_until(stop)?;
            let now = self.stage.world.now().run.min(stop);
            let steps = self.eyes.digest().0;
            self.setting.progress.advance(now, steps - self.seen);
            self.seen = steps;
            if now < stop || stop == end {
                return Ok(now == end);
            }
        }
    }

    fn column(&self, device: usize) -> usize {
        let devices = &self.stage.company.devices;
        devices.get(device).map_or(0, |device| self.stage.company.column(&device.group))
    }

    /// Enter into the table what only the devices' own ledgers know.
    fn count(&mut self, end: Time) {
        self.last.resize(self.glances.len(), (0, 0));
        for (device, glance) in self.glances.iter().enumerate() {
            let now = (glance.ledger.sent, glance.ledger.fault_total().dropped());
            let (column, last) = (self.column(device), self.last[device]);
            self.eyes.account().with(|account| {
                let cell = account.cells_mut().at(end, column);
                // A message that the connection gives back is taken off again.
                cell.sent += now.0.saturating_sub(last.0);
                cell.dropped += now.1 - last.1;
            });
            self.last[device] = (now.0.max(last.0), now.1);
        }
    }

    /// The state of each group, and of all.
    fn state(&self, end: Time) -> Vec<Row> {
        let groups = self.stage.company.groups.len();
        let mut rows: Vec<Row> = (0..groups).map(|group| Row::new(end, Some(group))).collect();
        let mut all = Row::new(end, None);
        for (device, glance) in self.glances.iter().enumerate() {
            for row in [&mut rows[self.column(device)], &mut all] {
                row.add(glance);
            }
        }
        rows.push(all);
        rows
    }

    /// Write what is known of intervals before the last one, for whoever looks before the end, or has none.
    fn write_settled(&mut self) -> Result<(), ExperimentError> {
        let groups = &self.stage.company.groups;
        let outcome =
            self.eyes.account().with(|account| self.so_far.write(groups, account.cells(), &self.rows));
        outcome.map_err(ExperimentError::writing(&self.setting.folder.join("timeseries.csv").display()))
    }

    fn ledger(&self) -> Ledger {
        let mut total = Ledger::default();
        self.glances.iter().for_each(|glance| total.add(&glance.ledger));
        total
    }

    /// Whether a threshold that ends the run is missed, which is kept. Messages of the last interval may still be
    /// under way, so those before it are looked at.
    fn is_breached(&mut self, now: Time) -> bool {
        let point = self.setting.point;
        let settled = now - point.document.interval.0;
        self.breaches = self.eyes.account().with(|account| {
            let breach = |entry: &ThresholdEntry| {
                let figures = parts::figures(point, account.cells(), &entry.check.part, settled);
                let value = entry.check.value(&figures).filter(|_| entry.abort && figures.generated > 0)?;
                let (at_s, settled_s) = (now.elapsed().as_secs_f64(), settled.elapsed().as_secs_f64());
                (!entry.check.holds(Some(value))).then_some(Breach { at_s, settled_s, value })
            };
            point.document.thresholds.iter().map(breach).collect()
        });
        self.breaches.iter().any(Option::is_some)
    }
}
