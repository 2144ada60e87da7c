//! What is expected of a broker. A scenario acts through a [`ScenarioClients`] and knows nothing of the arm.

use wasmote_mqtt::broker::limits::BrokerLimits;

use super::broker_under_test::BrokerUnderTest;
use super::clients::ScenarioClients;
use super::in_process::InProcess;
use super::mosquitto::Mosquitto;

/// Run each scenario on each arm. After `beyond_mosquitto` stand rules that Mosquitto 2.0.11 does not keep,
/// with what it does instead beside each.
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
    assert_account_closes(&in_process);
    // Whatever is still waiting or about to happen, the account closes when all of it has.
    in_process.wait(std::time::Duration::from_secs(100_000));
    assert_account_closes(&in_process);
}

fn assert_account_closes(in_process: &InProcess) {
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
