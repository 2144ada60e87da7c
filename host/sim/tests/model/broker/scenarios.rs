//! Expected behaviour of a broker. A scenario uses only [`ScenarioClients`] and is independent of the
//! implementation.

use wasmote_mqtt::broker::limits::BrokerLimits;

use super::broker_under_test::BrokerUnderTest;
use super::clients::ScenarioClients;
use super::in_process::InProcess;
use super::mosquitto::Mosquitto;

/// Runs each scenario with each implementation. Scenarios after `beyond_mosquitto` test rules that Mosquitto
/// 2.0.11 violates; a comment at each describes its behaviour.
macro_rules! scenarios {
    ($($scenario:ident),+ $(,)? $(; beyond_mosquitto: $($beyond:ident),+ $(,)?)?) => {
        mod in_process {
            $(
                #[test]
                fn $scenario() {
                    crate::broker::scenarios::run_in_process(super::$scenario);
                }
            )+
            $($(
                #[test]
                fn $beyond() {
                    crate::broker::scenarios::run_in_process(super::$beyond);
                }
            )+)?
        }

        mod mosquitto {
            $(
                #[test]
                #[ignore = "needs mosquitto, and takes minutes"]
                fn $scenario() {
                    crate::broker::scenarios::run_on_mosquitto(super::$scenario);
                }
            )+
        }
    };
}

mod delivery;
mod expiry;
mod flow;
mod keepalive;
mod retained;
mod sessions;
mod shared;
mod subscriptions;
mod wills;

fn run_in_process(scenario: fn(&mut ScenarioClients<'_>)) {
    let mut in_process = InProcess::new(BrokerLimits::default());
    scenario(&mut ScenarioClients::new(&mut in_process));
    assert_balanced(&in_process);
    // The counts balance again after all messages and sessions have expired.
    in_process.wait(std::time::Duration::from_secs(100_000));
    assert_balanced(&in_process);
}

fn assert_balanced(in_process: &InProcess) {
    let waiting = in_process.broker.stats().waiting;
    assert!(
        in_process.broker.counters().closes(waiting),
        "{:?}, {waiting} waiting",
        in_process.broker.counters()
    );
}

fn run_on_mosquitto(scenario: fn(&mut ScenarioClients<'_>)) {
    scenario(&mut ScenarioClients::new(&mut Mosquitto::start()));
}
