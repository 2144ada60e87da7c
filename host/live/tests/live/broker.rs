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
