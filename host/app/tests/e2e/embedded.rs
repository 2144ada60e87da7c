//! The embedded broker: a fleet on a laptop where nothing else is installed and little is allowed.

use std::collections::BTreeSet;

use crate::fleet::Fleet;
use crate::lines::PATIENCE;
use crate::mosquitto::{free_port, subscribe, topic};

const DEVICES: usize = 2_000;

#[test]
fn two_thousand_devices_run_where_a_process_may_open_256_files() {
    let port = free_port();
    let fleet = Fleet::run_within(
        256,
        &[
            "--broker",
            &format!("embedded:{port}"),
            "--devices",
            &DEVICES.to_string(),
            "--faults",
            "none",
            "--device-config",
            "interval=2s",
            "--device-config",
            "peers=0",
        ],
    );
    let outside = subscribe(port, "wasmote/+/heartbeat", || {});
    let fleet = fleet.ready();
    let heard =
        || outside.lines.all().iter().map(|line| topic(line).to_owned()).collect::<BTreeSet<_>>().len();
    fleet.until("a client from outside hears every device", PATIENCE, |_| heard() == DEVICES);
    let broker = &fleet.get("/metrics")["broker"];
    assert_eq!(broker["connected"], DEVICES + 1, "{broker}");
    assert_eq!(broker["account_closes"], true, "{broker}");
    let (_, text) = fleet.curl(&["-H", "accept: text/plain"], "/metrics");
    assert!(text.contains("wasmote_broker_messages_dropped_total{reason=\"slow_consumer\"}"), "{text}");
    let printed = fleet.stop();
    assert!(printed[0].starts_with("2000 devices"), "{printed:?}");
}
