//! Banner at the start of a run: devices, addresses, and how to stop it.

use std::net::SocketAddr;

use wasmote_fleet::config::Settings;
use wasmote_fleet::config::values::{LogFormat, format_broker_url};
use wasmote_fleet::startup::browsable_address;
use wasmote_fleet::term::{STRONG, to_stderr};
use wasmote_live::config::BrokerUrl;
use wasmote_mqtt::protocol::Protocol;

pub(super) fn print(settings: &Settings, http: SocketAddr, broker: &BrokerUrl, embedded: bool) {
    let url = format!("http://{}", browsable_address(http));
    let version = env!("CARGO_PKG_VERSION");
    let mqtt = if settings.protocol == Protocol::V5 { "MQTT 5" } else { "MQTT 3.1.1" };
    let (groups, faults, seed) = (groups(settings), &settings.faults.origin, settings.seed.value());
    let broker = format_broker_url(broker);
    if settings.log == LogFormat::Json {
        let devices = settings.devices();
        tracing::info!(version, devices, groups, broker, mqtt, http = url, faults, seed, "wasmote starts");
        return;
    }
    let owner = if embedded { "embedded, " } else { "" };
    to_stderr(format_args!("{STRONG}wasmote {version}{STRONG:#}: {groups}"));
    to_stderr(format_args!("  broker  {broker} ({owner}{mqtt}), topics under {}/", settings.topic_root));
    if !settings.shard.is_whole() {
        let (devices, share, names) = (settings.devices(), settings.shard, own_devices(settings));
        to_stderr(format_args!(
            "  share   {share}: {devices} of the fleet's devices ({names}), the others in other processes"
        ));
    }
    to_stderr(format_args!("  faults  {faults}"));
    to_stderr(format_args!("  seed    {seed} (draw the same again with --seed {seed})"));
    to_stderr(format_args!("  http    {url}   for a browser; or try: curl {url}/status"));
    to_stderr(format_args!("  stop    {}", stop(settings)));
}

/// The first devices of this process: parts of a fleet are numbered from 1, and devices from 0.
fn own_devices(settings: &Settings) -> String {
    const SHOWN: usize = 3;
    let numbered = settings.groups.iter().flat_map(|group| {
        let prefix = group.device_prefix(settings.device_id.as_ref());
        (0..group.count).map(move |number| format!("{prefix}{number}"))
    });
    let own = numbered.enumerate().filter(|(position, _)| settings.shard.contains(*position));
    let names: Vec<String> = own.map(|(_, name)| name).take(SHOWN).collect();
    let more = if settings.devices() > SHOWN { ", …" } else { "" };
    format!("{}{more}", names.join(", "))
}

fn groups(settings: &Settings) -> String {
    let one = |group: &wasmote_fleet::config::Group| {
        let behaviour = group.behaviour.name();
        match group.name == behaviour {
            true => format!("{} × {behaviour}", group.count),
            false => format!("{} × {behaviour} ({})", group.count, group.name),
        }
    };
    settings.groups.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn stop(settings: &Settings) -> String {
    match settings.duration {
        Some(duration) => format!("after {}, or Ctrl-C", humantime::format_duration(duration)),
        None => "Ctrl-C".into(),
    }
}
