//! Every target on its corpus and on mutated inputs.

use wasmote_fuzz::{Target, campaign};

/// One test for each target, so that they run side by side.
macro_rules! targets {
    ($($test:ident: $name:literal),+ $(,)?) => {
        $(
            #[test]
            fn $test() {
                let target = Target::find($name).expect("the target exists");
                let counts = campaign::run(target);
                eprintln!("{}: {counts:?}", target.name);
                let least = counts.inputs * u64::from(target.accepted_percent) / 100;
                assert!(counts.accepted >= least, "{counts:?}: too few are accepted");
            }
        )+

        #[test]
        fn every_target_has_a_test() {
            let tested = [$($name),+];
            let all: Vec<&str> = wasmote_fuzz::targets::ALL.iter().map(|target| target.name).collect();
            assert_eq!(all, tested);
        }
    };
}

targets! {
    packets_from_clients: "packets-from-clients",
    packets_from_brokers: "packets-from-brokers",
    topics: "topics",
    broker: "broker",
    client: "client",
    plan: "plan",
    faults: "faults",
    run_file: "run-file",
    http: "http",
    component: "component",
}
