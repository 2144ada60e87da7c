//! Health of devices over a run: whether they ever ran and were connected, and whether they fail.
//!
//! The results of a run mean nothing if its devices never worked. [`FleetHealth::failures`] lists the reasons.

use std::collections::BTreeMap;
use std::fmt;

use wasmote_mqtt::device_id::DeviceId;

use crate::behaviour::{Trap, TrapKind};
use crate::faults::FaultId;

/// What happened to a device since it was created.
#[derive(Debug, Default)]
pub(crate) struct History {
    pub(crate) has_run: bool,
    pub(crate) has_connected: bool,
    /// True from a trap, or from the stop of a device that trapped again and again, until the next successful start.
    pub(crate) is_failing: bool,
    pub(crate) last_trap: Option<Box<Trap>>,
    /// The latest reason for a failed connection, until the first successful one.
    refusal: Option<Box<str>>,
}

impl History {
    pub(crate) fn started(&mut self) {
        (self.has_run, self.is_failing) = (true, false);
    }

    pub(crate) fn trapped(&mut self, trap: &Trap) {
        self.is_failing = true;
        self.last_trap = Some(Box::new(trap.clone()));
    }

    pub(crate) fn connected(&mut self) {
        self.has_connected = true;
        self.refusal = None;
    }

    pub(crate) fn disconnected(&mut self, reason: &str) {
        if !self.has_connected {
            self.refusal = Some(reason.into());
        }
    }

    pub(crate) fn refusal(&self) -> Option<&str> {
        self.refusal.as_deref()
    }
}

/// Health of the devices of a group. Examples are of the first device that was counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupHealth {
    /// Number of devices.
    pub devices: u64,
    /// Devices whose behaviour started at least once.
    pub ran: u64,
    /// Devices that were connected at least once.
    pub connected: u64,
    /// Devices that are down because their behaviour failed, or that fail again and again.
    pub failing: u64,
    /// Traps of behaviours.
    pub traps: u64,
    /// Example of a trap.
    pub trap: Option<(DeviceId, Trap)>,
    /// Example of a reason for which a device that was never connected could not connect.
    pub refusal: Option<String>,
    /// Fault models that were put aside: on how many devices, and the trap on one of them.
    pub models: BTreeMap<FaultId, (u64, Trap)>,
}

/// Health of the groups of a fleet, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FleetHealth(pub BTreeMap<String, GroupHealth>);

impl FleetHealth {
    /// Adds a device of a group.
    pub fn count(&mut self, group: &str, device: GroupHealth) {
        match self.0.get_mut(group) {
            Some(known) => known.add(device),
            None => drop(self.0.insert(group.to_owned(), device)),
        }
    }

    /// Adds another part of the fleet.
    pub fn add(&mut self, other: Self) {
        for (group, health) in other.0 {
            self.0.entry(group).or_default().add(health);
        }
    }

    /// Whether no device was ever connected, with the reason.
    pub fn never_connected(&self) -> Option<String> {
        if self.0.values().any(|group| group.connected > 0) {
            return None;
        }
        let reason = self.0.values().find_map(|group| group.refusal.clone());
        Some(reason.unwrap_or_else(|| match self.0.values().any(|group| group.ran > 0) {
            true => "the run was too short; it ended before the broker had answered".into(),
            false => "the run was too short; it ended before the first device had started".into(),
        }))
    }

    /// Reasons why the run as a whole failed; empty if any device worked to the end.
    pub fn total_failures(&self) -> Vec<String> {
        let worked = |group: &GroupHealth| group.ran > group.failing;
        match self.0.values().any(worked) {
            true => Vec::new(),
            false => self.groups().filter_map(|group| group.behaviour_failure()).collect(),
        }
    }

    /// Reasons why the run failed: groups whose behaviour failed on every device, and fault models that were put aside.
    pub fn failures(&self) -> Vec<String> {
        self.groups()
            .flat_map(|group| group.behaviour_failure().into_iter().chain(group.model_failures()))
            .collect()
    }

    /// Groups of which no device was ever connected, because the broker or the network refused.
    pub fn unconnected_groups(&self) -> Vec<String> {
        self.groups().filter_map(|group| group.connection_failure()).collect()
    }

    /// Traps on devices of groups that worked otherwise.
    pub fn warnings(&self) -> Vec<String> {
        self.groups().filter_map(|group| group.warning()).collect()
    }

    fn groups(&self) -> impl Iterator<Item = Named<'_>> {
        self.0.iter().map(|(name, health)| Named { name, health })
    }
}

impl GroupHealth {
    fn add(&mut self, other: Self) {
        self.devices += other.devices;
        self.ran += other.ran;
        self.connected += other.connected;
        self.failing += other.failing;
        self.traps += other.traps;
        self.trap = self.trap.take().or(other.trap);
        self.refusal = self.refusal.take().or(other.refusal);
        for (fault, (devices, trap)) in other.models {
            self.models.entry(fault).or_insert((0, trap)).0 += devices;
        }
    }
}

/// A group with its name.
struct Named<'a> {
    name: &'a str,
    health: &'a GroupHealth,
}

impl Named<'_> {
    fn behaviour_failure(&self) -> Option<String> {
        let GroupHealth { devices, ran, failing, trap, .. } = self.health;
        let trap = trap.as_ref().filter(|_| failing == devices)?;
        let name = self.name;
        let traps = Traps(self.health.traps, trap);
        Some(match (*ran, *devices) {
            (0, _) => format!("no device of group `{name}` ever ran: {traps}"),
            (_, 1) => format!("the only device of group `{name}` had failed at the end: {traps}"),
            _ => format!("all {devices} devices of group `{name}` had failed at the end: {traps}"),
        })
    }

    fn connection_failure(&self) -> Option<String> {
        let reason = self.health.refusal.as_ref().filter(|_| self.health.connected == 0)?;
        Some(format!("no device of group `{}` was ever connected: {reason}", self.name))
    }

    fn model_failures(&self) -> Vec<String> {
        let devices = self.health.devices;
        let failures = self.health.models.iter().map(|(fault, (on, trap))| {
            format!(
                "the fault model `{fault}` failed on {on} of {devices} devices of group `{}`, and messages passed \
                 without it: {trap}",
                self.name
            )
        });
        failures.collect()
    }

    fn warning(&self) -> Option<String> {
        let trap = self.health.trap.as_ref().filter(|_| self.behaviour_failure().is_none())?;
        let at_end = match self.health.failing {
            0 => String::new(),
            failing => format!(", {failing} of {} devices had failed at the end", self.health.devices),
        };
        Some(format!("group `{}`{at_end}: {}", self.name, Traps(self.health.traps, trap)))
    }
}

/// Number of traps, with an example.
struct Traps<'a>(u64, &'a (DeviceId, Trap));

impl fmt::Display for Traps<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(traps, (device, trap)) = self;
        match traps {
            // A refusal is not a trap.
            _ if trap.kind == TrapKind::Refused => {}
            1 => f.write_str("1 trap: ")?,
            traps => write!(f, "{traps} traps, such as: ")?,
        }
        write!(f, "{device} {trap}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trapped(devices: u64, ran: u64, failing: u64) -> GroupHealth {
        let trap = Trap::new(TrapKind::OutOfFuel, "more than 5 units");
        let trap = Some((DeviceId::new("a-0").unwrap(), trap));
        GroupHealth { devices, ran, failing, traps: 7, trap, ..GroupHealth::default() }
    }

    fn fleet(groups: Vec<(&str, GroupHealth)>) -> FleetHealth {
        FleetHealth(groups.into_iter().map(|(name, health)| (name.to_owned(), health)).collect())
    }

    #[test]
    fn a_group_fails_if_all_its_devices_do() {
        let works = GroupHealth { devices: 2, ran: 2, connected: 2, ..GroupHealth::default() };
        let health = fleet(vec![("a", trapped(3, 0, 3)), ("b", works)]);
        let never =
            "no device of group `a` ever ran: 7 traps, such as: a-0 ran out of fuel: more than 5 units";
        assert_eq!(health.failures(), [never]);
        assert_eq!(health.total_failures(), [""; 0]);
        assert_eq!(fleet(vec![("a", trapped(3, 0, 3))]).total_failures(), [never]);
        let later = fleet(vec![("a", trapped(3, 3, 3))]).failures();
        assert!(
            later[0].starts_with("all 3 devices of group `a` had failed at the end: 7 traps"),
            "{later:?}"
        );
    }

    #[test]
    fn single_traps_are_a_warning() {
        let health = fleet(vec![("a", trapped(3, 3, 1))]);
        assert_eq!(health.failures(), [""; 0]);
        let warning = &health.warnings()[0];
        assert!(warning.starts_with("group `a`, 1 of 3 devices had failed at the end: 7 traps"), "{warning}");
        assert_eq!(fleet(vec![("a", trapped(3, 0, 3))]).warnings(), [""; 0]);
    }

    #[test]
    fn a_fleet_that_was_never_connected_has_a_reason() {
        let refused =
            GroupHealth { devices: 1, ran: 1, refusal: Some("not authorized".into()), ..Default::default() };
        let up = GroupHealth { devices: 1, ran: 1, connected: 1, ..GroupHealth::default() };
        let health = fleet(vec![("a", refused.clone())]);
        assert_eq!(health.never_connected().unwrap(), "not authorized");
        let health = fleet(vec![("a", refused), ("b", up.clone())]);
        assert_eq!(health.never_connected(), None);
        assert_eq!(
            health.unconnected_groups(),
            ["no device of group `a` was ever connected: not authorized"]
        );
        let short = fleet(vec![("a", GroupHealth { connected: 0, ..up })]);
        assert!(short.never_connected().unwrap().contains("before the broker had answered"));
        assert!(fleet(vec![("a", trapped(1, 0, 0))]).never_connected().unwrap().contains("had started"));
    }
}
