//! `wasmote manifests`: Kubernetes manifests of a fleet.

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use clap::builder::Resettable;
use clap::{Arg, Args as ClapArgs};
use wasmote_fleet::config::file::GroupEntry;
use wasmote_fleet::config::options::Options;
use wasmote_fleet::config::options::subset::{Components, Selection, Subset};
use wasmote_fleet::config::resolve::fetch::fetcher_of_flags;
use wasmote_fleet::config::resolve::{resolve, resolve_file};
use wasmote_fleet::config::values::{BrokerChoice, DeviceCount, format_broker_url};
use wasmote_fleet::config::{ConfigError, Settings};
use wasmote_fleet::fault_models::FaultModels;
use wasmote_fleet::term::{WARNING, to_stderr, to_stdout};
use wasmote_kubernetes::manifests::broker::BrokerEndpoint;
use wasmote_kubernetes::manifests::fleet::FleetManifests;
use wasmote_kubernetes::manifests::name::{Image, Name, PullPolicy, Quantity};
use wasmote_kubernetes::manifests::options::{BehaviourMount, DeployOptions, TokenSecret};
use wasmote_kubernetes::manifests::{self, ManifestPart};
use wasmote_live::config::WebSocketPath;
use wasmote_registry::reference::has_scheme;

use super::Failure;
use crate::exit::Exit;

/// Help text before the flags.
pub const EXAMPLES: &str = "\
Examples:
  wasmote manifests | kubectl apply --server-side -f -
  wasmote manifests --behaviour sensor --replicas 50 --devices 100 --image me/wasmote:0.1
  wasmote manifests --behaviour ./my.wasm --faults faults.toml --broker mqtt://broker.example
  wasmote manifests --behaviour sensor --behaviour aggregator=1
  wasmote manifests --behaviour routing --stable-names --device-config topology=grid
  wasmote manifests --config fleet.toml --tls --namespace lab";

/// Help text after the flags.
pub const NOTES: &str = "\
The manifests go to stdout as one YAML stream. Each behaviour becomes a ConfigMap, and each group becomes a Deployment \
with a headless Service, so several groups can coexist. A device has the name of its pod, which also selects its \
stream of random numbers; with --stable-names pods and devices are numbered instead, and devices know each other, as \
the behaviour `routing` requires.

Exit codes: 0 done; 1 a behaviour cannot be read or is too large; 2 the options are invalid.";

/// The options of `wasmote run` that can be set for all pods.
#[derive(Clone, Debug)]
enum PodOptions {}

impl Selection for PodOptions {
    const IDS: &[&str] = &[
        "device_config",
        "limit",
        "deny",
        "sha256",
        "faults",
        "seed",
        "topic_root",
        "ramp",
        "mqtt",
        "keepalive",
        "session_expiry",
        "interface",
        "tls_name",
        "tls_sni",
        "tls_alpn",
        "tls_resumption",
        "clean_up",
        "log",
        "log_messages",
    ];

    fn adapt(option: Arg) -> Arg {
        // The environment of this program is not that of the pods.
        let option = option.env(Resettable::Reset);
        match option.get_id().as_str() {
            "device_config" => option.help("Set one value of the behaviours' configuration for all devices"),
            "faults" => option.help_heading("Fleet"),
            "seed" => option.help_heading("Fleet").help(
                "Seed of all randomness; each device has a separate stream [default: each pod draws one]",
            ),
            "ramp" => {
                option.help("Devices to start per second in each pod, such as 50/s [default: all at once]")
            }
            "log" => option.help("How the pods write log lines [default: text]"),
            "log_messages" => option.help("Whether the pods write a line for each message [default: auto]"),
            _ => option,
        }
    }
}

/// Arguments of `wasmote manifests`.
#[derive(ClapArgs, Clone, Debug)]
pub struct Args {
    /// A built-in behaviour or a .wasm file, with a number of pods if it differs from --replicas; may be given
    /// several times [default: heartbeat]
    #[arg(short, long, value_name = "BEHAVIOUR[=N]", help_heading = "Fleet")]
    behaviour: Vec<String>,
    /// File that describes the fleet with its groups, as for `wasmote run --config`
    #[arg(short, long, value_name = "FILE", conflicts_with_all = ["behaviour", "replicas"], help_heading = "Fleet")]
    config: Option<PathBuf>,
    /// Pods of each behaviour [default: 9]
    #[arg(short, long, value_name = "N", help_heading = "Fleet")]
    replicas: Option<DeviceCount>,
    /// Devices in each pod
    #[arg(short = 'n', long, value_name = "N", default_value = "1", help_heading = "Fleet")]
    devices: DeviceCount,
    /// Number pods and devices, and let devices know each other: a StatefulSet instead of a Deployment
    #[arg(long, help_heading = "Fleet")]
    stable_names: bool,

    /// An existing broker: mqtt://HOST[:PORT], mqtts://HOST[:PORT], ws://HOST[:PORT]/PATH or wss://HOST[:PORT]/PATH [default:
    /// Mosquitto is deployed with the fleet]
    #[arg(long, value_name = "URL", help_heading = "MQTT")]
    broker: Option<String>,
    /// Deploy Mosquitto with TLS and passwords from Secrets: see deploy/tls
    #[arg(long, conflicts_with = "broker", help_heading = "MQTT")]
    tls: bool,
    /// Secret with `username` and `password` for the broker
    #[arg(long, value_name = "SECRET", conflicts_with = "tls", help_heading = "MQTT")]
    credentials: Option<Name>,
    /// Secret with the trusted `ca.crt` for mqtts:// and wss:// [default: the system's authorities]
    #[arg(long, value_name = "SECRET", conflicts_with = "tls", help_heading = "MQTT")]
    ca: Option<Name>,
    /// Secret with the `url` of a proxy between the pods and the broker
    #[arg(long, value_name = "SECRET", requires = "broker", help_heading = "MQTT")]
    proxy: Option<Name>,
    /// Secret with the `headers` of the WebSocket handshake, one on each line
    #[arg(long, value_name = "SECRET", conflicts_with = "tls", help_heading = "MQTT")]
    ws_headers: Option<Name>,

    /// Image of this program
    #[arg(long, value_name = "IMAGE", default_value = Image::DEFAULT, help_heading = "Kubernetes")]
    image: Image,
    /// When nodes pull the image; by default, one that was loaded into the node is used
    #[arg(
        long,
        value_name = "POLICY",
        value_enum,
        default_value = "IfNotPresent",
        help_heading = "Kubernetes"
    )]
    image_pull_policy: PullPolicy,
    /// Namespace of all objects [default: none, so kubectl's namespace applies]
    #[arg(long, value_name = "NAME", help_heading = "Kubernetes")]
    namespace: Option<Name>,
    /// Secret with the `token` of the pods' HTTP API; without this Secret, pods accept changes only from themselves
    #[arg(long, value_name = "SECRET", default_value = "wasmote-http", help_heading = "Kubernetes")]
    http_token: Name,
    /// Memory limit of a pod [default: what its devices and the code of the behaviour need, at least 64Mi]
    #[arg(long, value_name = "AMOUNT", help_heading = "Kubernetes")]
    memory: Option<Quantity>,
    /// Memory limit of an init container that compiles the mounted behaviour [default: there is one only if the memory of a
    /// pod does not suffice to compile]
    #[arg(long, value_name = "AMOUNT", conflicts_with = "built_in", help_heading = "Kubernetes")]
    compile_memory: Option<Quantity>,
    /// CPU limit of a pod
    #[arg(long, value_name = "AMOUNT", default_value = "100m", help_heading = "Kubernetes")]
    cpu: Quantity,
    /// Use the behaviours in the program's image instead of mounting them
    #[arg(long, help_heading = "Kubernetes")]
    built_in: bool,
    /// Image with the component at its root, mounted as a volume: for components that are too large for a ConfigMap
    #[arg(long, value_name = "IMAGE", conflicts_with = "built_in", help_heading = "Kubernetes")]
    behaviour_image: Option<Image>,

    #[command(flatten)]
    options: Subset<PodOptions>,

    #[command(flatten)]
    components: Subset<Components>,

    /// Add a PodMonitor, alert rules and a Grafana dashboard, for the Prometheus operator
    #[arg(long, help_heading = "Output")]
    monitoring: bool,
    /// Only these parts
    #[arg(long, value_name = "PART", value_delimiter = ',', help_heading = "Output")]
    only: Vec<ManifestPart>,
}

/// Writes the manifests to stdout.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    let settings = args.settings().map_err(Failure::usage)?;
    let options = args.deploy_options(&settings).map_err(Failure::usage)?;
    let fleet = FleetManifests::new(&settings, options).map_err(Failure::failed)?;
    let default = [ManifestPart::Broker, ManifestPart::Behaviours, ManifestPart::Devices];
    let mut parts = if args.only.is_empty() { default.to_vec() } else { args.only.clone() };
    if args.monitoring {
        parts.push(ManifestPart::Monitoring);
    }
    for warning in manifests::warnings(&fleet) {
        to_stderr(format_args!("{WARNING}warning:{WARNING:#} {warning}"));
    }
    if parts.contains(&ManifestPart::Devices)
        && let Some(note) = manifests::numbering_note(&fleet)
    {
        to_stderr(note);
    }
    if parts.contains(&ManifestPart::Devices)
        && let Some(note) = manifests::local_image_note(&args.image)
    {
        to_stderr(note);
    }
    to_stdout(manifests::stream(&manifests::objects(&fleet, &parts)).trim_end());
    Ok(Exit::Done)
}

impl Args {
    /// The settings of the fleet, checked as those of a run.
    fn settings(&self) -> Result<Settings, ConfigError> {
        // The checks of TLS options need the broker. Without these flags, a file may name another one than that of the pods.
        let broker = match (&self.broker, self.tls) {
            (Some(url), _) => Some(url.parse().map_err(|problem| invalid("--broker", problem))?),
            (None, true) => BrokerEndpoint::mosquitto(true).url.parse().ok(),
            (None, false) => None,
        };
        if let Some(config) = &self.config {
            let from = Options::clone(&self.components);
            let flags = Options {
                config_file: Some(config.clone()),
                broker,
                behaviour_key: from.behaviour_key,
                downloads: from.downloads,
                download_time: from.download_time,
                plain_http: from.plain_http,
                ..Options::clone(&self.options)
            };
            return resolve(&flags);
        }
        if self.options.sha256.is_some() && self.behaviour.len() > 1 {
            let problem =
                "it is that of one behaviour, and there are several; set `sha256` in a file, see --config";
            return Err(invalid("--sha256", problem.to_owned()));
        }
        let groups = Options { groups: self.groups()?, ..Options::default() };
        // The only group has it.
        let flags = Options { sha256: None, broker, ..Options::clone(&self.options) };
        let models = FaultModels::default().with_fetcher(fetcher_of_flags(&self.components)?);
        resolve_file(&flags, groups, Path::new(""), "", &models)
    }

    fn groups(&self) -> Result<Vec<GroupEntry>, ConfigError> {
        let default = self.replicas.unwrap_or(DeviceCount(9));
        let heartbeat = vec!["heartbeat".to_owned()];
        let wanted = if self.behaviour.is_empty() { &heartbeat } else { &self.behaviour };
        wanted.iter().map(|text| self.group(text, default)).collect()
    }

    fn group(&self, text: &str, default: DeviceCount) -> Result<GroupEntry, ConfigError> {
        // The query of a URL may have an equals sign, too.
        let is_count = |count: &str| !has_scheme(text) || count.bytes().all(|byte| byte.is_ascii_digit());
        let (behaviour, DeviceCount(replicas)) = match text.rsplit_once('=') {
            Some((behaviour, count)) if is_count(count) => {
                (behaviour, count.parse().map_err(|problem| invalid("--behaviour", problem))?)
            }
            _ => (text, default),
        };
        let DeviceCount(devices) = self.devices;
        let count = replicas.checked_mul(devices).ok_or_else(|| {
            invalid(
                "--replicas",
                format!("{replicas} pods with {devices} devices each are more than {} devices", u32::MAX),
            )
        })?;
        Ok(GroupEntry {
            behaviour: behaviour.into(),
            count: Some(DeviceCount(count)),
            sha256: self.options.sha256.clone(),
            ..GroupEntry::default()
        })
    }

    fn deploy_options(&self, settings: &Settings) -> Result<DeployOptions, anyhow::Error> {
        let DeviceCount(devices_per_pod) = self.devices;
        let behaviour = match (&self.behaviour_image, self.built_in) {
            (Some(image), _) => BehaviourMount::Volume(image.clone()),
            (None, true) => BehaviourMount::Program,
            (None, false) => BehaviourMount::ConfigMap,
        };
        if matches!(behaviour, BehaviourMount::Volume(_)) && settings.groups.len() > 1 {
            return Err(anyhow!(
                "--behaviour-image: one image holds one behaviour, and there are several groups"
            ));
        }
        Ok(DeployOptions {
            namespace: self.namespace.clone(),
            image: self.image.clone(),
            pull_policy: self.image_pull_policy,
            devices_per_pod,
            stable_names: self.stable_names,
            memory: self.memory.clone(),
            compile_memory: self.compile_memory.clone(),
            cpu: self.cpu.clone(),
            behaviour,
            broker: self.broker()?,
            same_seed: self.options.seed.is_some(),
            hashed_config_maps: false,
            http_token: TokenSecret::Optional(self.http_token.clone()),
        })
    }

    fn broker(&self) -> Result<BrokerEndpoint, anyhow::Error> {
        let Some(url) = &self.broker else { return Ok(BrokerEndpoint::mosquitto(self.tls)) };
        let choice: BrokerChoice = url.parse().map_err(|problem| anyhow!("--broker: {problem}"))?;
        let BrokerChoice::Remote(url) = choice else {
            return Err(anyhow!(
                "--broker: each pod would have its own embedded broker, and devices of different pods could not exchange \
                 messages; leave --broker out to deploy Mosquitto, or name a broker with mqtt://HOST[:PORT]"
            ));
        };
        if self.ca.is_some() && !url.tls {
            return Err(anyhow!(
                "--ca: a certificate authority needs a broker with TLS; use --broker mqtts://HOST[:PORT] or wss://HOST[:PORT]/PATH"
            ));
        }
        if self.ws_headers.is_some() && url.websocket.is_none() {
            return Err(anyhow!(
                "--ws-headers: headers are for WebSocket; use --broker ws://HOST[:PORT]/PATH"
            ));
        }
        if url.websocket.as_ref().is_some_and(WebSocketPath::has_query) {
            return Err(anyhow!(
                "--broker: the query of the URL may hold a token, and manifests hold no secret; set WASMOTE_BROKER of the pods \
                 from a Secret, or give the token in a header with --ws-headers SECRET"
            ));
        }
        Ok(BrokerEndpoint {
            deployed: false,
            url: format_broker_url(&url),
            credentials: self.credentials.clone(),
            authority: self.ca.clone(),
            headers: self.ws_headers.clone(),
            proxy: self.proxy.clone(),
        })
    }
}

fn invalid(flag: &str, problem: String) -> ConfigError {
    ConfigError::Invalid { setting: flag.into(), problem }
}
