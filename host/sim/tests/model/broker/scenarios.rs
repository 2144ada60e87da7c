//! What is expected of a broker. A scenario acts through a [`Stage`] and knows nothing of the arm.

use wasmote_sim::broker::limits::BrokerLimits;

use super::arm::BrokerUnderTest;
use super::in_process::InProcess;
use super::mosquitto::Mosquitto;
use super::stage::Stage;

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

fn run_in_process(scenario: fn(&mut Stage<'_>)) {
    let mut arm = InProcess::new(BrokerLimits::default());
    scenario(&mut Stage::new(&mut arm));
    assert_account_closes(&arm);
    // Whatever is still waiting or about to happen, the account closes when all of it has.
    arm.wait(std::time::Duration::from_secs(100_000));
    assert_account_closes(&arm);
}

fn assert_account_closes(arm: &InProcess) {
    let waiting = arm.broker.census().waiting;
    assert!(arm.broker.tally().closes(waiting), "{:?}, {waiting} waiting", arm.broker.tally());
}

fn run_on_mosquitto(scenario: fn(&mut Stage<'_>)) {
    scenario(&mut Stage::new(&mut Mosquitto::start()));
}
