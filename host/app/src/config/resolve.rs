//! Flag, environment, file, default: who has a say about a setting, in this order.
//!
//! Clap has let flags beat the environment already; here both meet the file. Nothing is opened for writing
//! and nothing is bound, so that a mistake is found before anything happens.

mod connection;
mod groups;

use std::path::{Path, PathBuf};
use std::time::Duration;

use wasmote_engine::cache::Cache;
use wasmote_sim::rng::Seed;

use super::args::{LiveArgs, RunArgs};
use super::file::{FaultsEntry, FileConfig};
use super::fleet_shard::FleetShard;
use super::values::{BrokerChoice, DurationValue, MqttVersion};
use super::{ConfigError, Group, Settings};
use crate::document::{self, Format};
use crate::fault_models::FaultModels;
use crate::fault_set::{BROKER_FAULT_NEEDS_EMBEDDED, BROKER_FAULT_NEEDS_FLEET, FaultSet};

/// Paths on the command line are relative to where it was given.
const CURRENT_DIR: &str = "";

/// The configuration file, and where it is.
struct FileLayer<'a> {
    config: FileConfig,
    /// Paths in it are relative to this.
    folder: &'a Path,
    /// As the user named it.
    name: String,
    /// What its faults, and those of the flags, may name.
    models: FaultModels,
}
const DEFAULT_DRAIN: Duration = Duration::from_secs(5);
const DEFAULT_CANARY: Duration = Duration::from_secs(10);

/// Put a run together.
pub fn resolve(args: RunArgs) -> Result<Settings, ConfigError> {
    let mut file_layer = match &args.config {
        Some(path) => load(path)?,
        None => FileLayer {
            folder: Path::new(CURRENT_DIR),
            config: FileConfig::default(),
            name: String::new(),
            models: FaultModels::default(),
        },
    };
    file_layer.models = fault_models(&args, &file_layer)?;
    let settings = build_settings(&args, &file_layer)?;
    if matches!(settings.broker, BrokerChoice::Remote(_)) {
        let checked = settings.faults.reject_broker_faults(BROKER_FAULT_NEEDS_EMBEDDED);
        checked.map_err(|error| error.in_file(&settings.faults.origin))?;
    }
    Ok(settings)
}

/// Put a run together from a file that has been read already, as an experiment's plan is. The paths in it
/// are relative to `folder`. What is live about it comes from the command line.
pub fn resolve_file(
    config: FileConfig,
    folder: &Path,
    name: &str,
    models: &FaultModels,
    live: &LiveArgs,
) -> Result<Settings, ConfigError> {
    let args = RunArgs { live: live.clone(), ..RunArgs::default() };
    build_settings(&args, &FileLayer { config, folder, name: name.to_owned(), models: models.clone() })
}

fn build_settings(args: &RunArgs, file_layer: &FileLayer<'_>) -> Result<Settings, ConfigError> {
    let file = &file_layer.config;
    let groups = groups::resolve(args, file_layer)?;
    let broker = args.live.broker.clone().or(file.broker.clone());
    let broker = broker.unwrap_or(BrokerChoice::Embedded(BrokerChoice::PORT));
    let names = || groups.iter().map(|group| group.name.as_str());
    let faults = fleet_faults(args, file_layer)?;
    for set in groups.iter().filter_map(|group| group.faults.as_ref()).chain([&faults]) {
        set.check_groups(names()).map_err(|error| error.in_file(&set.origin))?;
    }
    for set in groups.iter().filter_map(|group| group.faults.as_ref()) {
        set.reject_broker_faults(BROKER_FAULT_NEEDS_FLEET).map_err(|error| error.in_file(&set.origin))?;
    }
    Ok(Settings {
        connection: connection::resolve(args, file_layer, &broker)?,
        device_id: groups::device_id(args, file, groups.len())?,
        topic_root: args
            .topic_root
            .clone()
            .or(file.topic_root.clone())
            .map_or("wasmote".into(), |root| root.0.into()),
        protocol: args.mqtt.or(file.mqtt).map(|MqttVersion(protocol)| protocol).unwrap_or_default(),
        http: args.live.http.or(file.http).unwrap_or_default(),
        seed: args.seed.or(file.seed).unwrap_or_else(draw_seed),
        duration: args.duration.or(file.duration).map(|DurationValue(length)| length),
        drain: args.live.drain.or(file.drain).map_or(DEFAULT_DRAIN, |DurationValue(length)| length),
        ramp: args.ramp.or(file.ramp).map(|rate| rate.0),
        shard: shard(args, file, &groups)?,
        log: args.log.or(file.log).unwrap_or_default(),
        log_messages: args.log_messages.or(file.log_messages).unwrap_or_default(),
        watch: args.watch.or(file.watch).unwrap_or_default(),
        cache: cache(args, file_layer),
        compile: args.compile.or(file.compile).unwrap_or_default().into(),
        canary: args.canary.or(file.canary).map_or(DEFAULT_CANARY, |DurationValue(length)| length),
        groups,
        broker,
        faults,
        models: file_layer.models.clone(),
    })
}

/// A share with nothing in it is a mistake.
fn shard(args: &RunArgs, file: &FileConfig, groups: &[Group]) -> Result<FleetShard, ConfigError> {
    let shard = args.shard.or(file.shard).unwrap_or_default();
    let devices = groups.iter().map(|group| group.count as usize).sum();
    match shard.device_count(devices) {
        0 => {
            let problem = format!("the fleet has {devices} devices, which leaves none for {shard}");
            Err(ConfigError::invalid("--shard", problem))
        }
        _ => Ok(shard),
    }
}

/// Folders named in the file are relative to it.
fn cache(args: &RunArgs, file_layer: &FileLayer<'_>) -> Cache {
    let folder = |flag: &Option<PathBuf>, field: &Option<PathBuf>| {
        flag.clone().or_else(|| Some(file_layer.folder.join(field.as_ref()?)))
    };
    Cache {
        dir: folder(&args.cache, &file_layer.config.cache),
        precompiled: folder(&args.precompiled, &file_layer.config.precompiled),
    }
}

fn load(path: &Path) -> Result<FileLayer<'_>, ConfigError> {
    let shown = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|problem| ConfigError::Unreadable {
        path: shown.clone(),
        named_by: "--config",
        problem,
    })?;
    let config = document::parse(&text, Format::of(path)).map_err(|error| error.in_file(&shown))?;
    Ok(FileLayer {
        config,
        folder: path.parent().unwrap_or(Path::new(CURRENT_DIR)),
        name: shown,
        models: FaultModels::default(),
    })
}

/// The models that flags and file give names to, all of them loaded.
fn fault_models(args: &RunArgs, file_layer: &FileLayer<'_>) -> Result<FaultModels, ConfigError> {
    let of_file = file_layer
        .config
        .fault_models
        .iter()
        .map(|(name, file)| (name.clone(), file_layer.folder.join(file)));
    let of_flags = args.fault_model.iter().map(|named| (named.name.clone(), named.file.clone()));
    let models = FaultModels::named(of_file.chain(of_flags).collect());
    models
        .load_named()
        .map_err(|(name, problem)| ConfigError::invalid(format!("--fault-model {name}"), problem))?;
    Ok(models)
}

fn fleet_faults(args: &RunArgs, file_layer: &FileLayer<'_>) -> Result<FaultSet, ConfigError> {
    let models = &file_layer.models;
    match (&args.faults, &file_layer.config.faults) {
        (Some(name), _) => Ok(FaultSet::load(name, Path::new(CURRENT_DIR), models)?),
        (None, Some(entry)) => file_layer.faults(entry),
        (None, None) => Ok(FaultSet::load("realistic", Path::new(CURRENT_DIR), models)?),
    }
}

impl FileLayer<'_> {
    /// Faults that the file names, or holds.
    fn faults(&self, entry: &FaultsEntry) -> Result<FaultSet, ConfigError> {
        Ok(match entry {
            FaultsEntry::Named(name) => FaultSet::load(name, self.folder, &self.models)?,
            FaultsEntry::Inline(document) => {
                FaultSet::new(&self.name, document.clone(), &self.models.in_folder(self.folder))
                    .map_err(|error| error.in_file(&self.name))?
            }
        })
    }

    /// A field of the file, for an error.
    fn field(&self, field: impl std::fmt::Display) -> String {
        if self.name.is_empty() { field.to_string() } else { format!("{}: {field}", self.name) }
    }
}

/// A seed that nobody chose. It is printed, and short enough to be typed again.
fn draw_seed() -> Seed {
    use rand::TryRng;
    let drawn = rand::rngs::SysRng.try_next_u32().unwrap_or_else(|_| std::process::id());
    Seed::new(u64::from(drawn))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::values::format_broker_url;
    use clap::Parser;

    #[derive(Parser)]
    struct Flags {
        #[command(flatten)]
        run: RunArgs,
    }

    fn run(flags: &[&str]) -> Result<Settings, ConfigError> {
        let flags =
            Flags::try_parse_from(["run"].iter().chain(flags)).unwrap_or_else(|error| panic!("{error}"));
        resolve(flags.run)
    }

    fn with_file(name: &str, text: &str, flags: &[&str]) -> Result<Settings, ConfigError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        run(&[&["--config", path.to_str().unwrap()], flags].concat())
    }

    #[test]
    fn without_flags_nine_heartbeats_run_with_realistic_faults() {
        let settings = run(&[]).unwrap();
        assert_eq!(settings.devices(), 9);
        assert_eq!(settings.groups[0].name, "heartbeat");
        assert_eq!(settings.broker, BrokerChoice::Embedded(1883));
        assert_eq!(settings.http.0.to_string(), "127.0.0.1:5000");
        assert_eq!((settings.faults.origin.as_str(), settings.faults.faults.len()), ("realistic", 3));
        assert_eq!(&*settings.topic_root, "wasmote");
        assert!(settings.logs_messages());
    }

    #[test]
    fn a_flag_overrides_the_file_and_the_file_overrides_the_default() {
        let text = "broker = \"mqtt://file\"\nseed = 1\nkeepalive = \"20s\"\n[config]\npeers = 3\ninterval = \"9s\"\n";
        let settings =
            with_file("run.toml", text, &["--seed", "2", "--device-config", "interval=1s"]).unwrap();
        let BrokerChoice::Remote(url) = &settings.broker else { panic!("{:?}", settings.broker) };
        assert_eq!(format_broker_url(url), "mqtt://file:1883");
        assert_eq!(settings.seed.value(), 2);
        assert_eq!(settings.connection.keepalive, Duration::from_secs(20));
        let config = serde_json::to_value(&settings.groups[0].config).unwrap();
        assert_eq!(config, serde_json::json!({"peers": 3, "interval": "1s"}));
    }

    #[test]
    fn a_file_may_be_json_and_describe_groups_with_faults_of_their_own() {
        let text = r#"{"faults": "none", "limits": {"timers": 8}, "group": [
            {"behaviour": "heartbeat", "count": 3, "limits": {"metrics": 2},
             "faults": {"fault": [{"kind": "loss", "probability": 0.5}]}},
            {"name": "quiet", "behaviour": "heartbeat"}]}"#;
        let settings = with_file("run.json", text, &[]).unwrap();
        assert_eq!(settings.devices(), 4);
        let limits = &settings.groups[0].limits;
        assert_eq!((limits.timers, limits.metrics), (8, 2));
        assert_eq!(settings.groups[0].faults.as_ref().unwrap().faults.len(), 1);
        assert!(settings.groups[1].faults.is_none());
    }

    #[test]
    fn conflicting_settings_are_an_error() {
        let problem = |flags: &[&str]| run(flags).unwrap_err().to_string();
        assert!(problem(&["--cert", "x", "--broker", "mqtts://b"]).contains("--key"));
        assert!(problem(&["--ca", "x"]).contains("mqtts://"));
        assert!(problem(&["--limit", "timer=1"]).contains("did you mean `timers`?"));
        assert!(problem(&["hartbeat"]).contains("did you mean `heartbeat`?"));
        assert!(problem(&["--faults", "realistc"]).contains("did you mean `realistic`?"));
        let empty = problem(&["--devices", "3", "--shard", "5/6"]);
        assert!(empty.contains("--shard") && empty.contains("leaves none for 5/6"), "{empty}");
        let groups = "[[group]]\nbehaviour = \"heartbeat\"\n";
        let found = with_file("run.toml", groups, &["--devices", "3"]).unwrap_err().to_string();
        assert!(found.contains("groups"), "{found}");
        let twice = with_file("run.toml", &groups.repeat(2), &[]).unwrap_err().to_string();
        assert!(twice.contains("group[1].name") && twice.contains("`heartbeat` is taken"), "{twice}");
    }

    #[test]
    fn a_fault_for_an_unknown_group_is_an_error() {
        let text = "[[faults.fault]]\nkind = \"loss\"\nprobability = 0.1\ngroup = \"hearbeat\"\n";
        let found = with_file("run.toml", text, &[]).unwrap_err().to_string();
        assert!(found.contains("fault[0].group") && found.contains("did you mean `heartbeat`?"), "{found}");
    }
}
