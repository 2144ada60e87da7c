//! Test harness: a device driven by hand, with a wall clock that starts at a fixed date.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use wasmote_engine::cache::Cache;
use wasmote_engine::{CompileMode, Component, DeviceSettings, Engine};
use wasmote_mqtt::device_id::{DeviceId, Identity, PeerNames};
use wasmote_mqtt::message::Message;
use wasmote_mqtt::protocol::Protocol;
use wasmote_mqtt::time::{Time, WallTime};
use wasmote_sim::action::Action;
use wasmote_sim::device::{Blueprint, Device, Input, Now, Upgrade};
use wasmote_sim::limits::Limits;
use wasmote_sim::notice::DeviceNotice;
use wasmote_sim::rng::Seed;

pub struct Harness {
    pub device: Device,
    /// The same device with code of the quick compiler. Its actions must be equal.
    quick: Option<Device>,
    blueprint: Blueprint,
    pub actions: Vec<Action>,
    now: Time,
}

impl Harness {
    pub fn new(component: &[u8]) -> Self {
        Self::with(component, json!({}), Limits::default())
    }

    pub fn with(component: &[u8], config: Value, limits: Limits) -> Self {
        Self::pair(
            &compiled(CompileMode::Full, component),
            &compiled(CompileMode::Quick, component),
            config,
            limits,
        )
    }

    /// Two devices whose actions must be equal.
    pub fn pair(one: &Component, other: &Component, config: Value, limits: Limits) -> Self {
        let quick = Self::single(other, config.clone(), limits.clone()).device;
        Self { quick: Some(quick), ..Self::single(one, config, limits) }
    }

    pub fn single(component: &Component, config: Value, limits: Limits) -> Self {
        Self::for_hosts(component, config, limits, Vec::new().into())
    }

    /// A device that may send requests to these hosts.
    pub fn for_hosts(
        component: &Component,
        config: Value,
        limits: Limits,
        allow_hosts: Arc<[String]>,
    ) -> Self {
        let limits = Arc::new(limits);
        let settings = DeviceSettings { config, limits, allow_hosts };
        let blueprint = blueprint(component, settings, "guest", 0, 3);
        let device = Device::new(blueprint.clone(), Time::ZERO);
        Self { device, quick: None, blueprint, actions: Vec::new(), now: Time::ZERO }
    }

    /// Swaps the device to a component with the default settings.
    pub fn swap(&mut self, component: &Component) {
        let factory = component.behaviour_factory(default_settings());
        self.handle(Input::Swap(Upgrade { factory, trial: Duration::ZERO }));
    }

    /// The blueprint of the device.
    pub fn blueprint(&self) -> Blueprint {
        self.blueprint.clone()
    }

    /// Starts the device. Every requested connection succeeds at once.
    pub fn start(mut self) -> Self {
        self.handle(Input::Start);
        self
    }

    pub fn handle(&mut self, input: Input) {
        let wall = WallTime::from_nanos(1_800_000_000_000_000_000) + self.now.elapsed();
        let now = Now { run: self.now, wall };
        let before = self.actions.len();
        drive(&mut self.device, input.clone(), now, &mut self.actions);
        if let Some(quick) = &mut self.quick {
            let mut actions = Vec::new();
            drive(quick, input, now, &mut actions);
            assert_eq!(format!("{actions:?}"), format!("{:?}", &self.actions[before..]), "in quick mode");
            assert_eq!(quick.next_deadline(), self.device.next_deadline(), "in quick mode");
        }
    }

    /// Advances time from deadline to deadline.
    pub fn run(&mut self, span: Duration) {
        let end = self.now + span;
        while let Some(due) = self.device.next_deadline().filter(|due| *due <= end) {
            self.now = due.max(self.now);
            self.handle(Input::Wake);
        }
        self.now = end;
    }

    pub fn published(&self) -> Vec<&Message> {
        let messages = self.actions.iter().filter_map(|action| match action {
            Action::Publish(message) => Some(message),
            _ => None,
        });
        messages.collect()
    }

    pub fn traps(&self) -> Vec<String> {
        self.notices(|notice| match notice {
            DeviceNotice::Trapped(trap, _) => Some(trap.to_string()),
            _ => None,
        })
    }

    pub fn logs(&self) -> Vec<String> {
        self.notices(|notice| match notice {
            DeviceNotice::Log(_, text) => Some(text.clone()),
            _ => None,
        })
    }

    pub fn notices<T>(&self, pick: impl Fn(&DeviceNotice) -> Option<T>) -> Vec<T> {
        let notices = self.actions.iter().filter_map(|action| match action {
            Action::Notice(notice) => Some(notice),
            _ => None,
        });
        notices.filter_map(pick).collect()
    }
}

/// Settings without configuration and hosts, and the default limits.
pub fn default_settings() -> DeviceSettings {
    DeviceSettings { config: json!({}), limits: Limits::default().into(), allow_hosts: Vec::new().into() }
}

/// Device `index` of `count` in a group.
pub fn blueprint(
    component: &Component,
    settings: DeviceSettings,
    group: &str,
    index: u32,
    count: u32,
) -> Blueprint {
    let identity = Identity {
        id: DeviceId::new(&format!("{group}-{index}")).expect("a name"),
        client_id: None,
        group: group.into(),
        index,
        count,
        topic_root: "wasmote".into(),
        peers: Some(PeerNames::Numbered(format!("{group}-").into())),
    };
    Blueprint {
        identity: Arc::new(identity),
        limits: Arc::clone(&settings.limits),
        factory: component.behaviour_factory(settings),
        protocol: Protocol::V5,
        seed: Seed::new(1),
        faults: Vec::new().into(),
    }
}

/// A behaviour compiled in this mode.
pub fn compiled(mode: CompileMode, component: &[u8]) -> Component {
    let engine = Engine::with_compile_mode(mode, Cache::default()).expect("this machine runs WebAssembly");
    engine.load("guest", component).expect("the guest is a behaviour")
}

/// Handles an input. Every requested connection succeeds at once.
fn drive(device: &mut Device, input: Input, now: Now, actions: &mut Vec<Action>) {
    let before = actions.len();
    device.handle(input, now, actions);
    if actions[before..].iter().any(|action| matches!(action, Action::Connect(_))) {
        device.handle(Input::Connected { session_present: false }, now, actions);
    }
}
