//! Life cycle of a guest: timers, publications, an HTTP response.

use std::time::Duration;

use bytes::Bytes;
use wasmote_sim::action::Action;
use wasmote_sim::device::Input;
use wasmote_sim::http::HttpRequest;

use crate::guests::{self, Guest};
use crate::harness::Harness;

#[test]
fn a_guest_publishes_by_its_timer() {
    let mut harness = Harness::new(&guests::well_behaved().component()).start();
    harness.run(Duration::from_secs(5));
    let published = harness.published();
    assert_eq!(published.len(), 5);
    assert_eq!(published[0].topic.as_str(), "wasmote/t/x");
    assert_eq!(published[0].payload, Bytes::from_static(b"final line"));
    // The host numbers every message, so latency can be measured for any payload.
    let sequence: Vec<u64> = published.iter().filter_map(|m| m.origin.as_ref().map(|s| s.sequence)).collect();
    assert_eq!(sequence, [1, 2, 3, 4, 5]);
}

#[test]
fn a_guest_answers_http_under_the_ticket_of_the_request() {
    let mut harness = Harness::new(&guests::well_behaved().component()).start();
    let request =
        HttpRequest { method: "GET".into(), url: "/".into(), headers: Vec::new(), body: Bytes::new() };
    harness.handle(Input::HttpRequest(77, request));
    let answer = harness.actions.iter().find_map(|action| match action {
        Action::HttpRespond(77, response) => Some(response.status),
        _ => None,
    });
    assert_eq!(answer, Some(204));
}

#[test]
fn an_import_called_during_instantiation_traps() {
    let early = Guest {
        imports: "(import \"wasmote:device/clock@0.1.0\" \"monotonic-now\" (func $now (result i64)))",
        functions: "(func $early (drop (call $now))) (start $early)",
        ..Guest::default()
    };
    let harness = Harness::new(&early.component()).start();
    assert!(harness.traps()[0].contains("only while it deals with an event"), "{:?}", harness.traps());
}
