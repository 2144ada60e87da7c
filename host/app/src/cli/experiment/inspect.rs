//! `wasmote experiment inspect DIR --at TIME`

use std::path::Path;
use std::time::Duration;

use anyhow::anyhow;
use serde_json::{Value, json};
use wasmote_engine::Engine;
use wasmote_experiment::inspect::{Inspection, inspect};
use wasmote_experiment::plan::Experiment;
use wasmote_experiment::point::Overrides;
use wasmote_experiment::source::PlanSource;
use wasmote_experiment::verify::RecordedResults;
use wasmote_fleet::config::compile_cache;
use wasmote_fleet::config::options::subset::{Components, Subset};
use wasmote_fleet::config::resolve::fetch::fetcher_of_flags;
use wasmote_fleet::printable::Printable;
use wasmote_fleet::suggest::did_you_mean;
use wasmote_fleet::term::{FAINT, STRONG, json_to_stdout, to_stdout};
use wasmote_mqtt::time::Time;
use wasmote_results::{Manifest, TimeMode};

use super::failure;
use crate::cli::Failure;
use crate::exit::Exit;

/// Notes after the help.
pub const NOTES: &str = "\
Runs a plan in virtual time up to an instant and prints the state of the devices and of the broker at it: connections,
subscriptions, timers, stores, metrics, sessions, retained messages, and what the behaviours would hand to a new version. WHAT is a
results folder of runs in virtual time, or a plan. The run is executed again from its beginning, so the folder needs no more files
than `experiment verify` does.";

/// Arguments of `wasmote experiment inspect`.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// A results folder, or a plan
    what: String,
    /// The instant, from the beginning of the run, such as 12m3.5s
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    at: Duration,
    /// Only devices whose names match; `*` stands for any sequence of characters
    #[arg(long, value_name = "NAME")]
    device: Option<String>,
    /// The run, counted from 1, if there are several
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    run: u32,
    #[command(flatten)]
    components: Subset<Components>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Reads a time such as `12m3.5s`, or a number of seconds.
fn parse_time(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<f64>().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds
        .or_else(|| humantime::parse_duration(text).ok())
        .ok_or_else(|| format!("`{text}` is no time; write it like 90s, 12m3.5s or 42.5"))
}

/// Prints the state.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    let engine = Engine::with_cache(compile_cache::of_environment()).map_err(Failure::failed)?;
    let experiment = load(args, &engine)?;
    let runs = experiment.runs();
    let Some(run) = runs.get(args.run as usize - 1) else {
        return Err(Failure::usage(anyhow!("--run: there are only {} runs", runs.len())));
    };
    let point = &experiment.points[run.point];
    let at = Time::ZERO + args.at;
    if at > point.end() {
        let lasts = humantime::format_duration(point.plan.duration.0);
        return Err(Failure::usage(anyhow!("--at: the run ends after {lasts}; give an earlier time")));
    }
    let state =
        inspect(point, run.seed, &experiment.components, at, args.device.as_deref()).map_err(failure)?;
    if let (true, Some(name)) = (state.devices.is_empty(), &args.device) {
        let all = inspect(point, run.seed, &experiment.components, at, None).map_err(failure)?;
        let hint = did_you_mean(name, all.devices.iter().map(|device| device.device.as_str()));
        return Err(Failure::usage(anyhow!("--device: no device is called `{name}` at that time{hint}")));
    }
    if args.json {
        json_to_stdout(format_args!("{:#}", json!(state)));
    } else {
        print(&state);
    }
    Ok(Exit::Done)
}

fn load(args: &Args, engine: &Engine) -> Result<Experiment, Failure> {
    let what = args.what.as_str();
    let folder = Path::new(what);
    if !folder.is_dir() {
        let fetcher = fetcher_of_flags(&args.components).map_err(Failure::usage)?;
        let source = PlanSource::find(what, &fetcher).map_err(failure)?;
        return Experiment::validated(source, &Overrides::default(), engine).map_err(failure);
    }
    let manifest = Manifest::read(folder).map_err(Failure::usage)?;
    if manifest.time == TimeMode::Real {
        return Err(Failure::usage(anyhow!("`{what}` was run in real time, which no second run repeats")));
    }
    Ok(RecordedResults::read(folder, engine).map_err(failure)?.experiment)
}

fn print(state: &Inspection) {
    to_stdout(format_args!("{STRONG}at {} s{STRONG:#}, after {} events", state.at_s, state.events));
    for device in &state.devices {
        to_stdout(format_args!(
            "{STRONG}{}{STRONG:#} {FAINT}{}, {}{FAINT:#}",
            device.device, device.group, device.version
        ));
        fields(&json!(device), &["device", "group", "version"]);
    }
    to_stdout(format_args!("{STRONG}broker{STRONG:#}"));
    fields(&json!(state.broker), &[]);
}

/// Prints the fields of an object that say something.
fn fields(object: &Value, skipped: &[&str]) {
    for (name, value) in object.as_object().into_iter().flatten() {
        let is_empty = match value {
            Value::Null => true,
            Value::Array(list) => list.is_empty(),
            Value::Object(fields) => fields.is_empty(),
            _ => false,
        };
        if !is_empty && !skipped.contains(&name.as_str()) {
            let shown = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            to_stdout(format_args!("  {FAINT}{name}{FAINT:#} {}", Printable(shown)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_may_have_fractions() {
        let millis = |text: &str| parse_time(text).map(|time| time.as_millis());
        assert_eq!(millis("12m3.5s"), Ok(723_500));
        assert_eq!(millis("42.25"), Ok(42_250));
        assert_eq!(millis("1m 30s"), Ok(90_000));
        assert_eq!(millis("0.5s"), Ok(500));
        assert!(millis("soon").is_err() && millis("5x").is_err() && millis("-1").is_err());
    }
}
