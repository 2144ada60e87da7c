//! Conformance of the embedded broker: the scenarios that the model and Mosquitto pass also run here, over
//! TCP.

#[path = "../../../sim/tests/model/broker/broker_under_test.rs"]
mod broker_under_test;
#[path = "../../../sim/tests/model/broker/clients.rs"]
#[allow(dead_code)]
mod clients;
#[path = "../../../sim/tests/model/broker/over_tcp.rs"]
mod over_tcp;
#[path = "../../../sim/tests/model/broker/wire.rs"]
mod wire;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use wasmote_live::broker::EmbeddedBroker;

use clients::ScenarioClients;
use over_tcp::OverTcp;

/// Time without a packet after which a connection counts as quiet.
const QUIET: Duration = Duration::from_millis(100);

type Scenario = (&'static str, fn(&mut ScenarioClients<'_>));

/// Lists all scenarios of a file, including those that Mosquitto does not pass.
macro_rules! scenarios {
    ($($scenario:ident),+ $(,)? $(; beyond_mosquitto: $($beyond:ident),+ $(,)?)?) => {
        pub const ALL: &[crate::broker::Scenario] = &[
            $((stringify!($scenario), $scenario),)+
            $($((stringify!($beyond), $beyond),)+)?
        ];
    };
}

#[path = "../../../sim/tests/model/broker/scenarios/delivery.rs"]
mod delivery;
#[path = "../../../sim/tests/model/broker/scenarios/expiry.rs"]
mod expiry;
#[path = "../../../sim/tests/model/broker/scenarios/flow.rs"]
mod flow;
#[path = "../../../sim/tests/model/broker/scenarios/keepalive.rs"]
mod keepalive;
#[path = "../../../sim/tests/model/broker/scenarios/retained.rs"]
mod retained;
#[path = "../../../sim/tests/model/broker/scenarios/sessions.rs"]
mod sessions;
#[path = "../../../sim/tests/model/broker/scenarios/shared.rs"]
mod shared;
#[path = "../../../sim/tests/model/broker/scenarios/subscriptions.rs"]
mod subscriptions;
#[path = "../../../sim/tests/model/broker/scenarios/wills.rs"]
mod wills;

const THEMES: [&[Scenario]; 9] = [
    delivery::ALL,
    expiry::ALL,
    flow::ALL,
    keepalive::ALL,
    retained::ALL,
    sessions::ALL,
    shared::ALL,
    subscriptions::ALL,
    wills::ALL,
];

/// Each scenario has its own broker. They mostly wait, so all run concurrently.
#[test]
fn every_model_scenario_passes_over_tcp() {
    let running: Vec<_> = THEMES
        .into_iter()
        .flatten()
        .map(|&(name, scenario)| {
            (name, thread::Builder::new().name(name.into()).spawn(move || run(scenario)))
        })
        .collect();
    assert!(running.len() >= 60, "the list is not empty: {}", running.len());
    let failed: Vec<_> = running
        .into_iter()
        .filter_map(|(name, thread)| thread.expect("a thread").join().is_err().then_some(name))
        .collect();
    assert!(failed.is_empty(), "{failed:?}");
}

fn run(scenario: fn(&mut ScenarioClients<'_>)) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let broker = runtime.block_on(EmbeddedBroker::start(0)).unwrap();
    scenario(&mut ScenarioClients::new(&mut OverTcp::new(broker.address().port(), QUIET)));
    let report = runtime.block_on(broker.report()).unwrap();
    assert!(report.counters.closes(report.stats.waiting), "{report:?}");
    runtime.block_on(broker.shutdown());
}

/// Sends SUBSCRIBE for one filter, and returns the code of its SUBACK on MQTT 5.
fn subscribe(stream: &mut TcpStream, filter: &str) -> u8 {
    let text = u16::try_from(filter.len()).unwrap().to_be_bytes();
    let body = [&[0, 1, 0][..], &text, filter.as_bytes(), &[0]].concat();
    let length = [(body.len() % 128) as u8 | 0x80, (body.len() / 128) as u8];
    stream.write_all(&[&[0x82][..], &length, &body].concat()).unwrap();
    let mut suback = [0; 6];
    stream.read_exact(&mut suback).unwrap();
    assert_eq!(suback[..5], [0x90, 4, 0, 1, 0]);
    suback[5]
}

#[test]
fn a_refused_subscription_has_its_code_on_the_wire() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let broker = runtime.block_on(EmbeddedBroker::start(0)).unwrap();
    let mut stream = TcpStream::connect(("127.0.0.1", broker.address().port())).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream.write_all(b"\x10\x0e\x00\x04MQTT\x05\x02\x00\x0a\x00\x00\x01a").unwrap();
    let mut header = [0; 2];
    stream.read_exact(&mut header).unwrap();
    assert_eq!(header[0], 0x20);
    stream.read_exact(&mut vec![0; header[1].into()]).unwrap();
    // A shared subscription without a filter.
    assert_eq!(subscribe(&mut stream, "$share/group"), 0x8f);
    let levels = ["a"; 190].join("/");
    let refused =
        (0..1_000).map(|number| subscribe(&mut stream, &format!("{number}/{levels}"))).find(|it| *it != 0);
    assert_eq!(refused, Some(0x97), "the client has as many subscriptions as the broker stores for it");
    runtime.block_on(broker.shutdown());
}
