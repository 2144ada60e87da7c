//! Another version for a fleet of several groups.

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
const OF_EACH: usize = 3;

/// When a version fails in the second group; in the others it does well.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Breaks {
    Never,
    AtOnce,
    Later,
}

/// Makes one version, and remembers whose instances it made.
struct Maker {
    version: &'static str,
    breaks: Breaks,
    made: Mutex<Vec<String>>,
}

impl Maker {
    fn new(version: &'static str, breaks: Breaks) -> Arc<Self> {
        Arc::new(Self { version, breaks, made: Mutex::default() })
    }
}

impl BehaviourFactory for Maker {
    fn instantiate(&self, identity: &Identity) -> Result<Box<dyn Behaviour>, Trap> {
        self.made.lock().unwrap().push(identity.id.to_string());
        let breaks = if &*identity.group == GROUPS[1] { self.breaks } else { Breaks::Never };
        match breaks {
            Breaks::AtOnce => Err(broken()),
            _ => Ok(Box::new(Ticking { breaks })),
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

/// Has a timer that fires again and again.
struct Ticking {
    breaks: Breaks,
}

impl Ticking {
    fn tick(context: &mut Context) {
        context.set_timer(1, context.now() + Duration::from_millis(200)).unwrap();
    }
}

impl Behaviour for Ticking {
    fn handle(&mut self, event: Event, mut context: Context) -> (Context, Result<(), Trap>) {
        let outcome = match event {
            Event::Timer(_) if self.breaks == Breaks::Later => Err(broken()),
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

fn devices(old: &Arc<Maker>) -> Vec<Blueprint> {
    let of = |group: &'static str| {
        (0..OF_EACH).map(move |number| {
            let usual = device(&format!("{group}-{number}"), Protocol::V5, |_| {
                |_: Event, _: &mut Context| -> Result<(), Trap> { Ok(()) }
            });
            let identity = Identity { group: group.into(), ..(*usual.identity).clone() };
            Blueprint {
                identity: Arc::new(identity),
                factory: Arc::clone(old) as Arc<dyn BehaviourFactory>,
                ..usual
            }
        })
    };
    GROUPS.into_iter().flat_map(of).collect()
}

async fn versions(fleet: &Fleet) -> Vec<String> {
    let statuses = fleet.statuses(0..GROUPS.len() * OF_EACH).await.unwrap();
    statuses.iter().map(|status| status.version.sha256.to_string()).collect()
}

async fn rolled_out(breaks: Breaks, trial: Duration) -> (Fleet, Server, Arc<Maker>, Option<RolloutError>) {
    let server = Server::start(Kind::Local).await;
    let old = Maker::new("old", Breaks::Never);
    let fleet = start(&server, options(), devices(&old));
    eventually("all connections", || async { fleet.is_ready().then_some(()) }).await;
    let new = Maker::new("new", breaks);
    let everybody =
        (0..GROUPS.len() * OF_EACH).map(|at| (at, Arc::clone(&new) as Arc<dyn BehaviourFactory>)).collect();
    let outcome = fleet.roll_out(Rollout { devices: everybody, trial }).await;
    (fleet, server, new, outcome.err())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_canary_rolls_back_all_canaries() {
    for breaks in [Breaks::AtOnce, Breaks::Later] {
        let (fleet, _server, new, error) = rolled_out(breaks, Duration::from_secs(20)).await;
        let Some(RolloutError::Canary { device, problem }) = error else { panic!("{breaks:?}: {error:?}") };
        assert_eq!(device.as_str(), "east-0");
        assert!(problem.contains("it broke"), "{problem}");
        // One of each group at most had the new version: those after the one that failed at once had not.
        let mut tried = new.made.lock().unwrap().clone();
        tried.dedup();
        let expected: &[&str] =
            if breaks == Breaks::AtOnce { &["west-0", "east-0"] } else { &["west-0", "east-0", "south-0"] };
        assert_eq!(tried, expected, "{breaks:?}");
        assert_eq!(versions(&fleet).await, ["old"; 9], "{breaks:?}");
        // They are well, and were never disconnected.
        check_ledgers(&fleet).await;
        let totals = fleet.shutdown(Duration::from_secs(5)).await;
        assert_eq!((totals.connects, totals.devices.failed), (9, 0), "{breaks:?}");
    }
}

/// Else the test above would prove nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_successful_canary_rolls_the_version_out() {
    let (fleet, _server, _new, error) = rolled_out(Breaks::Never, Duration::from_millis(500)).await;
    assert_eq!(error, None);
    assert_eq!(versions(&fleet).await, ["new"; 9]);
    assert_eq!(fleet.shutdown(Duration::from_secs(5)).await.connects, 9);
}
