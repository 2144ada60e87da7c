//! Values that the imports return.

use serde_json::json;
use wasmote_engine::CompileMode;
use wasmote_sim::limits::Limits;

use super::{number, reports};
use crate::guests::Guest;
use crate::harness::{Harness, compiled};

const CONFIG: &str = r#"
    (import "wasmote:device/config@0.1.0" "whoami" (func $whoami (param i32)))
    (import "wasmote:device/config@0.1.0" "peer" (func $peer (param i32 i32)))
    (import "wasmote:device/config@0.1.0" "json" (func $json (param i32)))
    (import "wasmote:device/config@0.1.0" "integer" (func $integer (param i32 i32 i32)))"#;
/// Reports the text whose address and length are stored here.
fn text(at: u32) -> String {
    format!("(call $report (i32.load (i32.const {at})) (i32.load (i32.const {})))", at + 4)
}

#[test]
fn a_device_knows_its_identity_and_its_peers() {
    let start = format!(
        "(call $whoami (i32.const 2048)) {} {} (call $report (i32.const 2064) (i32.const 8)) {}
         (call $peer (i32.const 2) (i32.const 2048)) {}
         (call $peer (i32.const 3) (i32.const 2048)) (call $report (i32.const 2048) (i32.const 1))",
        text(2048),
        text(2056),
        text(2072),
        text(2052)
    );
    let reported = reports(CONFIG, &start);
    assert_eq!(reported[..2], [b"guest-0".to_vec(), b"guest".to_vec()]);
    assert_eq!((number(&reported[2], 0), number(&reported[2], 4)), (0, 3), "index and count");
    assert_eq!(reported[3..], [b"wasmote".to_vec(), b"guest-2".to_vec(), vec![0]]);
}

#[test]
fn the_configuration_is_json_and_empty_without_one() {
    let start = format!("(call $json (i32.const 2048)) {}", text(2048));
    assert_eq!(reports(CONFIG, &start), [br#"{"list":[7,2.5],"name":"x"}"#]);
    let guest = Guest { imports: CONFIG, start: &start, ..Guest::default() };
    let component = compiled(CompileMode::Full, &guest.component());
    let harness = Harness::single(&component, json!({}), Limits::default()).start();
    assert_eq!(&harness.published()[0].payload[..], b"{}");
}

#[test]
fn a_value_is_selected_by_a_pointer_and_its_error_shows_it() {
    let functions = r#"(data (i32.const 200) "/list/0/list/1name")"#;
    let integer = |at: u32, length: u32| {
        let start = format!(
            "(call $integer (i32.const {at}) (i32.const {length}) (i32.const 2048))
             (call $report (i32.const 2048) (i32.const 32)) {}",
            text(2072)
        );
        let guest = Guest { imports: CONFIG, functions, start: &start, ..Guest::default() };
        let harness = super::started(&guest);
        harness.published().iter().map(|message| message.payload.to_vec()).collect::<Vec<_>>()
    };
    let seven = &integer(200, 7)[0];
    assert_eq!((seven[0], seven[8], number(seven, 16)), (0, 1, 7));
    let fraction = integer(207, 7);
    assert_eq!((fraction[0][0], &*fraction[1]), (1, &b"2.5"[..]), "an error shows the value");
    let none = &integer(200, 3)[0];
    assert_eq!((none[0], none[8]), (0, 0), "ok(none)");
}

#[test]
fn random_bytes_are_limited_and_numbers_lie_below_one() {
    let imports = r#"(import "wasmote:device/random@0.1.0" "bytes" (func $bytes (param i32 i32)))
        (import "wasmote:device/random@0.1.0" "uniform" (func $uniform (result f64)))"#;
    // The allocator of the template returns less memory than 65,536 bytes, so the guest only asks for few.
    let start = "(call $bytes (i32.const 16) (i32.const 2048)) (call $report (i32.load (i32.const 2048)) (i32.load (i32.const 2052)))
        (global.set $left (i32.const 1000))
        (loop $more
          (f64.store (i32.const 5000) (call $uniform))
          (if (i32.or (f64.lt (f64.load (i32.const 5000)) (f64.const 0)) (f64.ge (f64.load (i32.const 5000)) (f64.const 1)))
            (then (unreachable)))
          (global.set $left (i32.sub (global.get $left) (i32.const 1))) (br_if $more (global.get $left)))";
    let globals = "(global $left (mut i32) (i32.const 0))";
    let harness = super::started(&Guest { imports, globals, start, ..Guest::default() });
    assert_eq!(harness.traps(), [""; 0]);
    assert_eq!(harness.published()[0].payload.len(), 16);

    let large = Guest {
        imports,
        start: "(drop (memory.grow (i32.const 15))) (call $bytes (i32.const -1) (i32.const 2048))
            (call $report (i32.const 2052) (i32.const 4))",
        ..Guest::default()
    };
    let harness = super::started(&large);
    assert_eq!(harness.traps(), [""; 0]);
    assert_eq!(number(&harness.published()[0].payload, 0), 65_536, "a larger count is reduced");
}

#[test]
fn keys_are_in_byte_order_and_unknown_ones_are_ignored() {
    let imports = r#"(import "wasmote:device/state@0.1.0" "set" (func $store (param i32 i32 i32 i32 i32)))
        (import "wasmote:device/state@0.1.0" "delete" (func $delete (param i32 i32)))
        (import "wasmote:device/state@0.1.0" "keys" (func $keys (param i32)))"#;
    let functions = r#"(data (i32.const 200) "baZ")"#;
    let start = "(call $store (i32.const 200) (i32.const 1) (i32.const 96) (i32.const 10) (i32.const 2048))
        (call $store (i32.const 201) (i32.const 1) (i32.const 96) (i32.const 10) (i32.const 2048))
        (call $store (i32.const 202) (i32.const 1) (i32.const 96) (i32.const 10) (i32.const 2048))
        (call $delete (i32.const 96) (i32.const 5)) (call $delete (i32.const 201) (i32.const 1))
        (call $keys (i32.const 2048)) (call $report (i32.const 2052) (i32.const 4))
        (call $report (i32.load (i32.load (i32.const 2048))) (i32.const 1))
        (call $report (i32.load offset=8 (i32.load (i32.const 2048))) (i32.const 1))";
    let harness = super::started(&Guest { imports, functions, start, ..Guest::default() });
    assert_eq!(harness.traps(), [""; 0]);
    let reported: Vec<_> = harness.published().iter().map(|message| message.payload.to_vec()).collect();
    assert_eq!((number(&reported[0], 0), &*reported[1], &*reported[2]), (2, &b"Z"[..], &b"b"[..]));
}
