//! Checks of what a fleet is made of: its broker and its behaviours.

use std::path::Path;
use std::time::Duration;

use wasmote_engine::{CompileMode, Engine};
use wasmote_fleet::config::Settings;
use wasmote_fleet::config::values::{BrokerChoice, format_broker_url};
use wasmote_fleet::source::Source;
use wasmote_kubernetes::manifests::gzip::CompressedComponent;
use wasmote_live::host_client::{self, BrokerAnswer, HostConnection};
use wasmote_registry::fetcher::Fetcher;
use wasmote_sim::limits::Limits;

use super::Finding;

/// Time in which a broker has to answer.
const BROKER_TIMEOUT: Duration = Duration::from_secs(5);

/// Connects to the broker that was named; nothing is published.
pub fn broker(settings: &Settings) -> Option<Finding> {
    let BrokerChoice::Remote(url) = &settings.broker else { return None };
    let shown = format_broker_url(url);
    let connection = HostConnection {
        broker: url.clone(),
        options: settings.connection.clone(),
        protocol: settings.protocol,
        client_id: format!("wasmote-doctor-{}", std::process::id()),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let answer = match runtime {
        Ok(runtime) => runtime.block_on(host_client::check(connection, BROKER_TIMEOUT)),
        Err(problem) => Err(problem.to_string()),
    };
    Some(match answer {
        Ok(BrokerAnswer::Accepted) => Finding::ok("broker", format!("{shown} accepts a connection")),
        Ok(BrokerAnswer::Refused(why)) => Finding::warning(
            "broker",
            format!("{shown} answers, and refuses a connection without the name of a device: {why}"),
            "check user name, password and certificate; devices with names that it knows may still be accepted",
        ),
        Err(problem) => Finding::failed(
            "broker",
            format!("{shown} cannot be used: {problem}"),
            "start the broker, check URL, firewall and certificates, or use the embedded one (--broker embedded)",
        ),
    })
}

/// What the behaviours need.
#[derive(Clone, Copy, Debug, Default)]
pub struct Needs {
    /// Memory of the largest one at its start, in bytes.
    pub memory_bytes: u64,
}

/// Checks the behaviours: that they can be read, that this host runs them, and that they fit where they have to.
pub fn behaviours(names: &[String], fetcher: &Fetcher, on_cluster: bool) -> (Vec<Finding>, Needs) {
    let (mut findings, mut needs) = (Vec::new(), Needs::default());
    let engine = match Engine::new() {
        Ok(engine) => engine,
        // The check of the engine reports it.
        Err(_) => return (findings, needs),
    };
    for name in names {
        let bytes = Source::find(name, Path::new("")).and_then(|source| Ok((source.read(fetcher)?, source)));
        let (bytes, source) = match bytes {
            Ok(found) => found,
            Err(problem) => {
                let fix =
                    "name a built-in behaviour, a file, a folder, oci://REGISTRY/NAME:TAG or an https URL";
                findings.push(Finding::failed("behaviour", problem.to_string(), fix));
                continue;
            }
        };
        let inspected = engine.inspect(&source.name(), &bytes).and_then(|inspection| {
            inspection.check_limits(&Limits::default())?;
            Ok(inspection)
        });
        match inspected {
            Ok(inspection) => {
                needs.memory_bytes = needs.memory_bytes.max(inspection.memory_bytes);
                let compile = inspection.compiling.compile_bytes(CompileMode::Full).div_ceil(1 << 20);
                let found = format!(
                    "`{name}` can be run: {} KiB of memory for each device at the start, and about {compile} MiB to compile",
                    inspection.memory_bytes >> 10
                );
                findings.push(Finding::ok("behaviour", found));
            }
            Err(problem) => {
                let fix = "`wasmote behaviours inspect FILE` shows what it imports and needs; --limit raises limits of devices";
                findings.push(Finding::failed("behaviour", format!("`{name}`: {problem}"), fix));
            }
        }
        findings.push(config_map(name, &bytes, on_cluster));
    }
    (findings, needs)
}

/// A ConfigMap holds 1 MiB, and `kubectl apply` stores an object in an annotation of 256 KiB.
fn config_map(name: &str, bytes: &[u8], on_cluster: bool) -> Finding {
    match CompressedComponent::new(bytes) {
        Ok(packed) if packed.needs_server_side() => Finding::ok(
            "config map",
            format!(
                "`{name}` fits a ConfigMap with {} KiB packed; apply it with `kubectl apply --server-side`",
                packed.size_bytes.div_ceil(1024)
            ),
        ),
        Ok(packed) => Finding::ok(
            "config map",
            format!("`{name}` fits a ConfigMap with {} KiB packed", packed.size_bytes.div_ceil(1024)),
        ),
        Err(problem) => Finding::problem(
            on_cluster,
            "config map",
            format!("`{name}` fits no ConfigMap: {problem}"),
            "put it into an image: `wasmote manifests --behaviour-image IMAGE`",
        ),
    }
}
