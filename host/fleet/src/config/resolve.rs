//! Resolution of settings from flags, environment, file and defaults, in this order of precedence.
//!
//! Clap has merged flags and environment already; this module adds the file and the defaults. It opens nothing for writing
//! and binds no socket, so that an error is found before the run begins.

mod broker_limits;
mod connection;
pub mod fetch;
mod groups;
pub mod http;
mod identity;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Map;
use wasmote_engine::cache::Cache;
use wasmote_engine::compile_process::CompileLimits;
use wasmote_live::credentials::CredentialStore;
use wasmote_registry::reference::has_scheme;
use wasmote_sim::limits::Limits;
use wasmote_sim::rng::Seed;

use super::compile_cache;
use super::file::FaultsEntry;
use super::fleet_shard::FleetShard;
use super::options::{GivenOptions, Options};
use super::values::{BrokerChoice, CompileMemory, DurationValue, MqttVersion};
use super::{ConfigError, DEFAULT_TOPIC_ROOT, Group, Settings};
use crate::document::{self, Format};
use crate::fault_models::FaultModels;
use crate::fault_set::{BROKER_FAULT_NEEDS_EMBEDDED, BROKER_FAULT_NEEDS_FLEET, FaultSet};
use crate::key_value::Assignments;

/// Paths on the command line are relative to the working directory.
const CURRENT_DIR: &str = "";
const DEFAULT_DRAIN: Duration = Duration::from_secs(5);
const DEFAULT_CANARY: Duration = Duration::from_secs(10);

/// Options by their origin.
struct Layers<'a> {
    given: GivenOptions,
    /// The folder that paths in the file are relative to.
    folder: &'a Path,
    /// Name of the file as the user wrote it; empty without a file.
    name: String,
    /// The components that faults of both layers may name.
    models: FaultModels,
    /// Credentials of single devices.
    credentials: Arc<CredentialStore>,
}

impl Layers<'_> {
    /// An option from the command line, or else from the file.
    fn get<T: Clone>(&self, option: impl Fn(&Options) -> &Option<T>) -> Option<T> {
        self.given.get(option)
    }

    /// An option that is a path. A path in the file is relative to the file's folder.
    fn path(&self, option: impl Fn(&Options) -> &Option<PathBuf>) -> Option<PathBuf> {
        let in_file = || Some(self.folder.join(option(&self.given.file).as_ref()?));
        option(&self.given.flags).clone().or_else(in_file)
    }

    /// An option that is a list: from the command line unless it is empty, or else from the file.
    fn list<T>(&self, option: impl Fn(&Options) -> &Vec<T>) -> &[T] {
        let (flags, file) = (option(&self.given.flags), option(&self.given.file));
        if flags.is_empty() { file } else { flags }
    }

    /// The faults that the file names or contains.
    fn faults_in_file(&self, entry: &FaultsEntry) -> Result<FaultSet, ConfigError> {
        self.faults(entry, self.folder)
    }

    fn faults(&self, entry: &FaultsEntry, folder: &Path) -> Result<FaultSet, ConfigError> {
        Ok(match entry {
            FaultsEntry::Named(name) => FaultSet::load(name, folder, &self.models)?,
            FaultsEntry::Inline(document) => {
                FaultSet::new(&self.name, document.clone(), &self.models.in_folder(folder))
                    .map_err(|error| error.in_file(&self.name))?
            }
        })
    }

    /// A field with the name of the file, for errors.
    fn field(&self, field: impl std::fmt::Display) -> String {
        if self.name.is_empty() { field.to_string() } else { format!("{}: {field}", self.name) }
    }
}

/// Resolves the settings of a run from flags, environment and the file that they name.
pub fn resolve(flags: &Options) -> Result<Settings, ConfigError> {
    let mut layers = match &flags.config_file {
        Some(path) => load(flags, path)?,
        None => Layers {
            given: GivenOptions { flags: flags.clone(), file: Options::default() },
            folder: Path::new(CURRENT_DIR),
            name: String::new(),
            models: FaultModels::default(),
            credentials: Arc::default(),
        },
    };
    layers.models = fault_models(&layers)?;
    let settings = build_settings(&layers)?;
    if matches!(settings.broker, BrokerChoice::Remote(_)) {
        let checked = settings.faults.reject_broker_faults(BROKER_FAULT_NEEDS_EMBEDDED);
        checked.map_err(|error| error.in_file(&settings.faults.origin))?;
    }
    Ok(settings)
}

/// Resolves the settings of a file that has been parsed already, such as an experiment's plan. Paths in it are relative to
/// `folder`.
pub fn resolve_file(
    flags: &Options,
    file: Options,
    folder: &Path,
    name: &str,
    models: &FaultModels,
) -> Result<Settings, ConfigError> {
    let given = GivenOptions { flags: flags.clone(), file };
    build_settings(&Layers {
        given,
        folder,
        name: name.to_owned(),
        models: models.clone(),
        credentials: Arc::default(),
    })
}

fn build_settings(layers: &Layers<'_>) -> Result<Settings, ConfigError> {
    let mut groups = groups::resolve(layers)?;
    let device_id = groups::device_id(layers, groups.len())?;
    identity::check_unique(&groups, device_id.as_ref()).map_err(|error| identity::located(layers, error))?;
    for group in &mut groups {
        // The names take memory in a fleet of millions.
        group.link(|group| group.device_names(device_id.as_ref())).map_err(|error| {
            let path = error.path(&format!("group.{}.config.topology", group.name));
            ConfigError::invalid(layers.field(path), error.problem)
        })?;
    }
    let broker = layers.get(|it| &it.broker).unwrap_or(BrokerChoice::Embedded(BrokerChoice::PORT));
    let shard = shard(layers, &groups)?;
    identity::load_credentials(layers, &groups, shard, &broker)?;
    let protocol = layers.get(|it| &it.mqtt).map(|MqttVersion(protocol)| protocol).unwrap_or_default();
    let names = || groups.iter().map(|group| group.name.as_str());
    let faults = fleet_faults(layers)?;
    for set in groups.iter().filter_map(|group| group.faults.as_ref()).chain([&faults]) {
        set.check_groups(names()).map_err(|error| error.in_file(&set.origin))?;
        let named = groups.iter().filter(|group| group.names.is_some()).map(|group| group.name.as_str());
        set.reject_group_partitions(named).map_err(|error| error.in_file(&set.origin))?;
    }
    for set in groups.iter().filter_map(|group| group.faults.as_ref()) {
        set.reject_broker_faults(BROKER_FAULT_NEEDS_FLEET).map_err(|error| error.in_file(&set.origin))?;
    }
    let length = |option: fn(&Options) -> &Option<DurationValue>| layers.get(option).map(|length| length.0);
    Ok(Settings {
        given: Arc::new(layers.given.clone()),
        connection: connection::resolve(layers, &broker, protocol)?,
        device_id,
        topic_root: layers.get(|it| &it.topic_root).map_or(DEFAULT_TOPIC_ROOT.into(), |root| root.0.into()),
        protocol,
        http_access: http::resolve(layers)?,
        seed: layers.get(|it| &it.seed).unwrap_or_else(draw_seed),
        duration: length(|it| &it.duration),
        drain: length(|it| &it.drain).unwrap_or(DEFAULT_DRAIN),
        shard,
        log: layers.get(|it| &it.log).unwrap_or_default(),
        log_messages: layers.get(|it| &it.log_messages).unwrap_or_default(),
        cache: Cache {
            precompiled: layers.path(|it| &it.precompiled),
            ..compile_cache::cache(
                layers.path(|it| &it.cache).as_deref(),
                layers.get(|it| &it.cache_size).map(|size| size.0),
            )
        },
        compile: layers.get(|it| &it.compile).unwrap_or_default().into(),
        compile_limits: compile_limits(layers),
        canary: length(|it| &it.canary).unwrap_or(DEFAULT_CANARY),
        groups,
        broker_limits: broker_limits::resolve(layers, &broker)?,
        broker,
        faults,
        models: layers.models.clone(),
    })
}

/// The limits of the process that compiles.
fn compile_limits(layers: &Layers<'_>) -> CompileLimits {
    limits_of_compiling(layers.get(|it| &it.compile_memory), layers.get(|it| &it.compile_time))
}

/// The limits of the process that compiles, without a file.
pub fn compile_limits_of_flags(flags: &Options) -> CompileLimits {
    limits_of_compiling(flags.compile_memory, flags.compile_time)
}

fn limits_of_compiling(memory: Option<CompileMemory>, time: Option<DurationValue>) -> CompileLimits {
    let default = CompileLimits::default();
    CompileLimits {
        memory_bytes: memory.map_or(default.memory_bytes, |memory| memory.0),
        cpu: time.map_or(default.cpu, |time| time.0),
    }
}

/// The limits of a device that flags set, without a file.
pub fn limits_of_flags(set: &[Assignments]) -> Result<Arc<Limits>, ConfigError> {
    groups::limits(&Map::new(), &Map::new(), set)
}

/// The shard, which must contain at least one device.
fn shard(layers: &Layers<'_>, groups: &[Group]) -> Result<FleetShard, ConfigError> {
    let shard = layers.get(|it| &it.shard).unwrap_or_default();
    let devices = groups.iter().map(|group| group.count as usize).sum();
    match shard.device_count(devices) {
        0 => {
            let problem = format!("the fleet has {devices} devices, of which part {shard} has none");
            Err(ConfigError::invalid("--shard", problem))
        }
        _ => Ok(shard),
    }
}

fn load<'a>(flags: &'a Options, path: &'a Path) -> Result<Layers<'a>, ConfigError> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|problem| ConfigError::Unreadable {
        path: name.clone(),
        named_by: "--config",
        problem,
    })?;
    let file = document::parse(&text, Format::of(path)).map_err(|error| error.in_file(&name))?;
    let folder = path.parent().unwrap_or(Path::new(CURRENT_DIR));
    let given = GivenOptions { flags: flags.clone(), file };
    Ok(Layers { given, folder, name, models: FaultModels::default(), credentials: Arc::default() })
}

/// A path of a file, relative to its folder, or a reference.
fn in_folder(folder: &Path, file: &Path) -> PathBuf {
    if file.to_str().is_some_and(has_scheme) { file.to_owned() } else { folder.join(file) }
}

/// Loads all components that flags and file name.
fn fault_models(layers: &Layers<'_>) -> Result<FaultModels, ConfigError> {
    let from_file = layers
        .given
        .file
        .fault_models
        .iter()
        .map(|(name, file)| (name.clone(), in_folder(layers.folder, file)));
    let from_flags =
        layers.given.flags.fault_model.iter().map(|named| (named.name.clone(), named.file.clone()));
    let models =
        FaultModels::named(from_file.chain(from_flags).collect()).with_fetcher(fetch::fetcher(layers)?);
    models
        .load_named()
        .map_err(|(name, problem)| ConfigError::invalid(format!("--fault-model {name}"), problem))?;
    Ok(models)
}

fn fleet_faults(layers: &Layers<'_>) -> Result<FaultSet, ConfigError> {
    let current_dir = Path::new(CURRENT_DIR);
    match (&layers.given.flags.faults, &layers.given.file.faults) {
        (Some(entry), _) => layers.faults(entry, current_dir),
        (None, Some(entry)) => layers.faults_in_file(entry),
        (None, None) => Ok(FaultSet::load("realistic", current_dir, &layers.models)?),
    }
}

/// Draws a random seed of 32 bits, short enough to be copied by hand from the output.
fn draw_seed() -> Seed {
    use rand::TryRng;
    let drawn = rand::rngs::SysRng.try_next_u32().unwrap_or_else(|_| std::process::id());
    Seed::new(u64::from(drawn))
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use wasmote_mqtt::broker::limits::BrokerLimits;

    use super::*;
    use crate::config::values::format_broker_url;

    #[derive(Parser)]
    struct Flags {
        #[command(flatten)]
        options: Options,
    }

    fn run(flags: &[&str]) -> Result<Settings, ConfigError> {
        let flags =
            Flags::try_parse_from(["run"].iter().chain(flags)).unwrap_or_else(|error| panic!("{error}"));
        resolve(&flags.options)
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
        assert_eq!(settings.given.get(|it| &it.http).unwrap_or_default().0.to_string(), "127.0.0.1:5000");
        assert_eq!((settings.faults.origin.as_str(), settings.faults.faults.len()), ("realistic", 3));
        assert_eq!(&*settings.topic_root, "wasmote");
        assert!(settings.logs_messages());
    }

    #[test]
    fn limits_of_the_embedded_broker_are_set_by_flag_and_file() {
        let default = BrokerLimits::default();
        assert_eq!(run(&[]).unwrap().broker_limits, default);
        let text = "[broker_limits]\nretained_bytes = 1000\nqueued = 7\n";
        let limits = with_file("run.toml", text, &["--broker-limit", "queued=8"]).unwrap().broker_limits;
        assert_eq!(limits, BrokerLimits { retained_bytes: 1_000, queued: 8, ..default });
        for (flags, problem) in [
            (
                &["--broker-limit", "retained=1"][..],
                "broker_limits.retained: `retained`: there is no such field",
            ),
            (
                &["--broker-limit", "clients=0"],
                "broker_limits.clients: 0 is too little for a broker; use 1 or more",
            ),
            (&["--broker-limit", "queued_bytes=-1"], "broker_limits.queued_bytes"),
            (
                &["--broker-limit", "clients=9", "--broker", "mqtt://localhost"],
                "broker_limits.clients: only the embedded broker has these limits",
            ),
        ] {
            let found = run(flags).unwrap_err().to_string();
            assert!(found.contains(problem), "{found}");
        }
        let found = with_file("run.toml", "[broker_limits]\ninflight = 0\n", &[]).unwrap_err().to_string();
        assert!(found.contains("run.toml: broker_limits.inflight"), "{found}");
    }

    #[test]
    fn a_byte_order_mark_in_the_file_and_in_a_password_is_skipped() {
        let folder = tempfile::tempdir().unwrap();
        let password = folder.path().join("password");
        std::fs::write(&password, "\u{feff}secret\r\n").unwrap();
        let flags =
            ["--broker-user", "me", "--broker-password-file", password.to_str().unwrap(), "--seed", "2"];
        for (name, text) in [
            ("run.toml", "\u{feff}broker = \"mqtt://file\"\n"),
            ("run.json", "\u{feff}{\"broker\": \"mqtt://file\"}"),
        ] {
            let settings = with_file(name, text, &flags).unwrap();
            assert!(matches!(settings.broker, BrokerChoice::Remote(_)), "{:?}", settings.broker);
            assert_eq!(settings.connection.password.as_deref(), Some("secret"));
        }
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
    fn a_file_may_be_json_and_describe_groups_with_their_own_faults() {
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
        assert!(empty.contains("--shard") && empty.contains("part 5/6 has none"), "{empty}");
        let groups = "[[group]]\nbehaviour = \"heartbeat\"\n";
        let found = with_file("run.toml", groups, &["--devices", "3"]).unwrap_err().to_string();
        assert!(found.contains("groups"), "{found}");
        let duplicate = with_file("run.toml", &groups.repeat(2), &[]).unwrap_err().to_string();
        assert!(
            duplicate.contains("group[1].name") && duplicate.contains("`heartbeat` is taken"),
            "{duplicate}"
        );
    }

    #[test]
    fn a_password_without_a_user_needs_mqtt_5() {
        let password = ["--broker-password", "secret", "--broker", "mqtt://b"];
        let settings = run(&password).unwrap();
        assert_eq!(
            (settings.connection.username, settings.connection.password.as_deref()),
            (None, Some("secret"))
        );
        let problem = run(&[&password[..], &["--mqtt", "3.1.1"]].concat()).unwrap_err().to_string();
        assert!(
            problem.starts_with("--broker-password: MQTT 3.1.1 allows no password without a user"),
            "{problem}"
        );
        let user = run(&["--broker-user", "me", "--broker", "mqtt://b", "--mqtt", "3.1.1"]).unwrap();
        assert_eq!((user.connection.username.as_deref(), user.connection.password), (Some("me"), None));
    }

    #[test]
    fn an_unusable_certificate_is_named_with_its_flag_and_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        std::fs::write(&path, "").unwrap();
        let path = path.to_str().unwrap();
        let problem = run(&["--ca", path, "--broker", "mqtts://b"]).unwrap_err().to_string();
        assert_eq!(problem, format!("--ca {path}: the CA certificate is empty"));
    }

    #[test]
    fn a_fault_for_an_unknown_group_is_an_error() {
        let text = "[[faults.fault]]\nkind = \"loss\"\nprobability = 0.1\ngroup = \"hearbeat\"\n";
        let found = with_file("run.toml", text, &[]).unwrap_err().to_string();
        assert!(found.contains("fault[0].group") && found.contains("did you mean `heartbeat`?"), "{found}");
    }
}
