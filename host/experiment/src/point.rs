//! Point of a plan: the plan with one combination of swept values, checked, with the settings of its fleet.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use wasmote_fleet::actions::Action;
use wasmote_fleet::actions::entry::TimelineEntry;
use wasmote_fleet::config::Settings;
use wasmote_fleet::config::identity::options::IdentityOptions;
use wasmote_fleet::config::options::Options;
use wasmote_fleet::config::resolve::resolve_file;
use wasmote_fleet::config::values::LogFormat;
use wasmote_fleet::key_value::Assignments;
use wasmote_fleet::source::Source;
use wasmote_fleet::suggest::did_you_mean;
use wasmote_fleet::topology::Graph;
use wasmote_mqtt::time::{Time, WallTime};
use wasmote_results::PointValues;
use wasmote_sim::rng::Seed;

use super::ExperimentError;
use super::plan_file::PlanFile;
use super::source::PlanSource;
use super::sweep::{Combination, at_point};
use super::threshold::ThresholdScope;
use super::timeline::Timeline;
use super::topology;

/// Limit of rows in a time series.
const MAX_INTERVALS: u128 = 100_000;
/// Wall-clock time at the beginning of runs; fixed, so that results do not depend on the day of the run.
const EPOCH: &str = "2026-01-01T00:00:00Z";

/// One combination of swept values.
pub struct Point {
    /// Swept values under the names that results use.
    pub values: PointValues,
    /// Swept values as set in the plan.
    pub set: PointValues,
    /// The plan with these values.
    pub plan: PlanFile,
    /// Settings of the fleet.
    pub settings: Settings,
    /// Wall-clock time at the beginning of a run.
    pub epoch: WallTime,
    /// The graph of the plan's topology, if it has one.
    pub topology: Option<Graph>,
    /// The timeline.
    pub timeline: Timeline,
}

/// One run of an experiment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunId {
    /// Position, from 0.
    pub index: usize,
    /// Position of the run's point.
    pub point: usize,
    /// Seed of the run.
    pub seed: Seed,
}

/// Changes to a plan from the command line.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// Values by path.
    pub set: Vec<(String, Value)>,
    /// Number of seeds, starting with the plan's first.
    pub seeds: Option<u64>,
    /// Options of runs in real time that plans do not have, such as the broker.
    pub live: Options,
}

impl Overrides {
    /// Parses texts of the form `path=value`. A value is JSON if it parses as JSON, otherwise text.
    pub fn parse(texts: &[String], seeds: Option<u64>) -> Result<Self, ExperimentError> {
        let parse = |text: &String| {
            let expected =
                || ExperimentError::invalid("--set", format!("expected PATH=VALUE, found `{text}`"));
            let (path, value) = text.split_once('=').ok_or_else(expected)?;
            // The same rule applies to every KEY=VALUE option.
            let mut read = serde_json::Map::new();
            let assignment: Assignments = format!("v={value}").parse().map_err(|_| expected())?;
            assignment.apply(&mut read).map_err(|_| expected())?;
            Ok((path.trim().to_owned(), read.remove("v").unwrap_or_default()))
        };
        Ok(Self {
            set: texts.iter().map(parse).collect::<Result<_, ExperimentError>>()?,
            seeds,
            live: Options::default(),
        })
    }
}

impl Point {
    /// Checks a plan with one combination of swept values.
    pub fn new(
        source: &PlanSource,
        combination: Combination,
        live: &Options,
    ) -> Result<Self, ExperimentError> {
        let Combination { labels: values, set } = combination;
        let source = at_point(source, &set)?;
        let plan = source.plan_file()?;
        let invalid = |field: &str, problem: String| {
            ExperimentError::invalid(format!("{}: {field}", source.shown), problem)
        };
        check_secrets(&plan).map_err(|(field, problem)| invalid(&field, problem))?;
        check_times(&plan).map_err(|(field, problem)| invalid(field, problem))?;
        let file = Options {
            groups: plan.group.clone(),
            config: plan.config.clone(),
            limits: plan.limits.clone(),
            broker_limits: plan.broker_limits.clone(),
            topic_root: plan.topic_root.clone(),
            mqtt: plan.mqtt,
            keepalive: plan.keepalive,
            session_expiry: plan.session_expiry,
            faults: plan.faults.clone(),
            log: Some(LogFormat::Text),
            log_messages: Some(plan.log_messages),
            ..Options::default()
        };
        if plan.group.is_empty() {
            return Err(invalid("group", "there is none; write at least one `[[group]]`".into()));
        }
        let mut settings = resolve_file(live, file, &source.folder, &source.shown, &source.models)?;
        topology::include_joining(&plan, &mut settings)
            .map_err(|(field, problem)| invalid(&field, problem))?;
        let topology = topology::graph(&plan, &settings)
            .map_err(|(field, problem)| invalid(&format!("topology.{field}"), problem))?;
        if let Some(graph) = &topology {
            topology::assign(graph, &mut settings, &plan);
        }
        let timeline = Timeline::new(&plan, &settings, Path::new(&source.folder))
            .map_err(|(field, problem)| invalid(&field, problem))?;
        check_threshold_scopes(&plan, &settings, &timeline)
            .map_err(|(field, problem)| invalid(&field, problem))?;
        check_invariants(&plan, &settings).map_err(|(field, problem)| invalid(&field, problem))?;
        let epoch = epoch(plan.starts_at.as_deref()).map_err(|problem| invalid("starts_at", problem))?;
        Ok(Self { values, set, plan, settings, epoch, topology, timeline })
    }

    /// Sources of its behaviours.
    pub fn sources(&self) -> impl Iterator<Item = &Source> {
        self.settings.groups.iter().map(|group| &group.behaviour).chain(&self.timeline.sources)
    }

    /// End of a run.
    pub fn end(&self) -> Time {
        Time::ZERO + self.plan.duration.0
    }

    /// End times of the measured windows: rows of the time series, the warm-up, and phases.
    pub fn window_ends(&self) -> Vec<Time> {
        let (interval, end) = (self.plan.interval.0, self.end());
        let rows = std::iter::successors(Some(Time::ZERO + interval), |row| Some(*row + interval));
        let mut ends: Vec<Time> = rows.take_while(|row| *row < end).chain([end]).collect();
        ends.push(Time::ZERO + self.plan.warm_up.0);
        ends.extend(self.timeline.phases.iter().map(|phase| phase.from));
        ends.retain(|at| *at > Time::ZERO);
        ends.sort_unstable();
        ends.dedup();
        ends
    }
}

/// The new credentials of a timeline entry, with their place.
fn new_credentials((index, entry): (usize, &TimelineEntry)) -> Option<(String, &IdentityOptions)> {
    let (name, identity) = entry.actions.iter().find_map(|action| match action {
        Action::Rotate(rotate) => Some(("rotate", rotate.identity.as_ref()?)),
        Action::Expire(expire) => Some(("expire", expire.0.identity.as_ref()?)),
        _ => None,
    })?;
    Some((format!("timeline[{index}].{name}"), identity))
}

/// Refuses secrets that stand in the plan itself, because results contain the plan.
fn check_secrets(plan: &PlanFile) -> Result<(), (String, String)> {
    let groups = plan.group.iter().enumerate();
    let groups = groups.map(|(index, group)| (format!("group[{index}]"), &group.identity));
    let timeline = plan.timeline.iter().enumerate().filter_map(new_credentials);
    for (place, identity) in groups.chain(timeline) {
        if let Some(field) = identity.inline_secret() {
            let problem = format!(
                "results contain the plan, so a secret must not stand in it; put it into a file, and name the file as `{field}_file`"
            );
            return Err((format!("{place}.identity.{field}"), problem));
        }
    }
    Ok(())
}

fn check_times(plan: &PlanFile) -> Result<(), (&'static str, String)> {
    let (duration, interval) = (plan.duration.0, plan.interval.0);
    if duration.is_zero() {
        return Err(("duration", "it is zero; write a time such as \"20m\"".into()));
    }
    if plan.warm_up.0 >= duration {
        return Err(("warm_up", "it is not shorter than `duration`, so nothing would be measured".into()));
    }
    if interval.is_zero() || duration.as_nanos() / interval.as_nanos() > MAX_INTERVALS {
        let problem = format!("it divides the run into more than {MAX_INTERVALS} rows; write a longer time");
        return Err(("interval", problem));
    }
    Ok(())
}

/// Rejects thresholds of groups and phases that do not exist.
fn check_threshold_scopes(
    plan: &PlanFile,
    settings: &Settings,
    timeline: &Timeline,
) -> Result<(), (String, String)> {
    let groups: Vec<&str> = settings.groups.iter().map(|group| group.name.as_str()).collect();
    let phases: Vec<&str> = timeline.phases.iter().map(|phase| phase.name.as_str()).collect();
    for (index, entry) in plan.thresholds.iter().enumerate() {
        let (what, name, known) = match &entry.check.scope {
            ThresholdScope::Whole => continue,
            ThresholdScope::Group(name) => ("group", name, &groups),
            ThresholdScope::Phase(name) => ("phase", name, &phases),
        };
        if !known.contains(&name.as_str()) {
            let hint = did_you_mean(name, known.iter().copied());
            let problem = match known.is_empty() {
                true => format!("no {what} is called `{name}`; there is none"),
                false => format!("no {what} is called `{name}`; there are `{}`{hint}", known.join("`, `")),
            };
            return Err((format!("thresholds[{index}]"), problem));
        }
    }
    Ok(())
}

/// Rejects invariants of groups that do not exist, and several of one name.
fn check_invariants(plan: &PlanFile, settings: &Settings) -> Result<(), (String, String)> {
    let groups = || settings.groups.iter().map(|group| group.name.as_str());
    for (index, entry) in plan.invariant.iter().enumerate() {
        if let Some(name) = &entry.group
            && !groups().any(|known| known == name)
        {
            let (known, hint) = (groups().collect::<Vec<_>>().join("`, `"), did_you_mean(name, groups()));
            let problem = format!("no group is called `{name}`; there are `{known}`{hint}");
            return Err((format!("invariant[{index}].group"), problem));
        }
        if plan.invariant[..index].iter().any(|other| other.name == entry.name) {
            let problem = format!("`{}` is taken by an earlier invariant; write another name", entry.name);
            return Err((format!("invariant[{index}].name"), problem));
        }
    }
    Ok(())
}

fn epoch(text: Option<&str>) -> Result<WallTime, String> {
    let text = text.unwrap_or(EPOCH);
    let parsed = humantime::parse_rfc3339(text).ok();
    let since = parsed.and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
    let nanos = since.map(|since: Duration| since.as_nanos()).and_then(|nanos| u64::try_from(nanos).ok());
    nanos
        .map(WallTime::from_nanos)
        .ok_or_else(|| format!("`{text}` is not a time; write it like \"{EPOCH}\""))
}
