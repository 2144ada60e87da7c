//! Rollout of a new version to a fleet of several groups.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use wasmote_live::fleet::{Fleet, Rollout, RolloutError};
use wasmote_mqtt::device_id::Identity;
use wasmote_mqtt::protocol::Protocol;
use wasmote_sim::behaviour::{Behaviour, BehaviourFactory, Trap, TrapKind, Version};
use wasmote_sim::context::Context;
use wasmote_sim::device::Blueprint;
use wasmote_sim::event::Event;

use crate::support::device::{check_ledgers, device, start};
use crate::support::eventually;
use crate::support::server::{Kind, Server, options};

const GROUPS: [&str; 3] = ["west", "east", "south"];
const DEVICES_PER_GROUP: usize = 3;

/// Failure of a version in the second group; the other groups succeed.
#[derive(Clone, Copy, Debug, PartialEq)]
enum FailureTime {
    Never,
    AtStart,
    AtTimer,
}

/// Factory of one version that records the devices of its instances.
struct RecordingFactory {
    version: &'static str,
    failure: FailureTime,
    instances: Mutex<Vec<String>>,
}

impl RecordingFactory {
    fn new(version: &'static str, failure: FailureTime) -> Arc<Self> {
        Arc::new(Self { version, failure, instances: Mutex::default() })
    }
}

impl BehaviourFactory for RecordingFactory {
    fn instantiate(&self, identity: &Identity) -> Result<Box<dyn Behaviour>, Trap> {
        self.instances.lock().unwrap().push(identity.id.to_string());
        let failure = if &*identity.group == GROUPS[1] { self.failure } else { FailureTime::Never };
        match failure {
            FailureTime::AtStart => Err(broken()),
            _ => Ok(Box::new(Ticking { failure })),
        }
    }

    fn name(&self) -> &str {
        "ticking"
    }

    fn version(&self) -> Version {
        Version { name: self.name().into(), sha256: self.version.into() }
    }
}

fn broken() -> Trap {
    Trap::new(TrapKind::Trapped, "it broke")
}

/// Behaviour with a periodic timer.
struct Ticking {
    failure: FailureTime,
}

impl Ticking {
    fn tick(context: &mut Context) {
        context.set_timer(1, context.now() + Duration::from_millis(200)).unwrap();
    }
}

impl Behaviour for Ticking {
    fn handle(&mut self, event: Event, mut context: Context) -> (Context, Result<(), Trap>) {
        let outcome = match event {
            Event::Timer(_) if self.failure == FailureTime::AtTimer => Err(broken()),
            Event::Timer(_) | Event::Started(_) => {
                Self::tick(&mut context);
                Ok(())
            }
            _ => Ok(()),
        };
        (context, outcome)
    }

    fn snapshot(&mut self, context: Context) -> (Context, Result<Vec<u8>, Trap>) {
        (context, Ok(Vec::new()))
    }

    fn restore(&mut self, _: &[u8], mut context: Context) -> (Context, Result<(), Trap>) {
        Self::tick(&mut context);
        (context, Ok(()))
    }
}

fn devices(old: &Arc<RecordingFactory>) -> Vec<Blueprint> {
    let of = |group: &'static str| {
        (0..DEVICES_PER_GROUP).map(move |number| {
            let template = device(&format!("{group}-{number}"), Protocol::V5, |_| {
                |_: Event, _: &mut Context| -> Result<(), Trap> { Ok(()) }
            });
            let identity = Identity { group: group.into(), ..(*template.identity).clone() };
            Blueprint {
                identity: Arc::new(identity),
                factory: Arc::clone(old) as Arc<dyn BehaviourFactory>,
                ..template
            }
        })
    };
    GROUPS.into_iter().flat_map(of).collect()
}

async fn versions(fleet: &Fleet) -> Vec<String> {
    let statuses = fleet.statuses(0..GROUPS.len() * DEVICES_PER_GROUP).await.unwrap();
    statuses.iter().map(|status| status.version.sha256.to_string()).collect()
}

async fn start_and_roll_out(
    failure: FailureTime,
    trial: Duration,
) -> (Fleet, Server, Arc<RecordingFactory>, Option<RolloutError>) {
    let server = Server::start(Kind::Local).await;
    let old = RecordingFactory::new("old", FailureTime::Never);
    let fleet = start(&server, options(), devices(&old));
    eventually("all connections", || async { fleet.is_ready().then_some(()) }).await;
    let new = RecordingFactory::new("new", failure);
    let all_devices = (0..GROUPS.len() * DEVICES_PER_GROUP)
        .map(|at| (at, Arc::clone(&new) as Arc<dyn BehaviourFactory>))
        .collect();
    let outcome = fleet.roll_out(Rollout { devices: all_devices, trial }).await;
    (fleet, server, new, outcome.err())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_canary_rolls_back_all_canaries() {
    for failure in [FailureTime::AtStart, FailureTime::AtTimer] {
        let (fleet, _server, new, error) = start_and_roll_out(failure, Duration::from_secs(20)).await;
        let Some(RolloutError::Canary { device, problem }) = error else { panic!("{failure:?}: {error:?}") };
        assert_eq!(device.as_str(), "east-0");
        assert!(problem.contains("it broke"), "{problem}");
        // At most one device of each group had the new version; an immediate failure stops before the later
        // groups.
        let mut tried = new.instances.lock().unwrap().clone();
        tried.dedup();
        let expected: &[&str] = if failure == FailureTime::AtStart {
            &["west-0", "east-0"]
        } else {
            &["west-0", "east-0", "south-0"]
        };
        assert_eq!(tried, expected, "{failure:?}");
        assert_eq!(versions(&fleet).await, ["old"; 9], "{failure:?}");
        // The devices run, and were never disconnected.
        check_ledgers(&fleet).await;
        let totals = fleet.shutdown(Duration::from_secs(5)).await;
        assert_eq!((totals.connects, totals.devices.failed), (9, 0), "{failure:?}");
    }
}

/// Control for the test above.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_successful_canary_rolls_the_version_out() {
    let (fleet, _server, _new, error) =
        start_and_roll_out(FailureTime::Never, Duration::from_millis(500)).await;
    assert_eq!(error, None);
    assert_eq!(versions(&fleet).await, ["new"; 9]);
    assert_eq!(fleet.shutdown(Duration::from_secs(5)).await.connects, 9);
}
