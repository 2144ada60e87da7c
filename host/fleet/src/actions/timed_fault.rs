//! Timed faults: the steps by which `disconnect` and `partition` add a temporary fault.

use std::time::Duration;

use wasmote_sim::faults::FaultId;
use wasmote_sim::faults::document::{FaultDocument, FaultEntry};

use super::check::{Occasion, Planned};
use super::faults::describe_entry;
use super::pods::{PodFleet, PodRequests};
use super::problem::{Problem, at};
use super::selector::{Devices, Selection};
use super::step::Step;
use super::target::{ApplyResult, Target};
use crate::fault_registry::TemporaryFault;

/// Shortest time for which a cluster can disconnect devices: pods take up to a second to get and to lose the fault, and
/// devices that still have it after they have reconnected would be disconnected again.
const MIN_DISCONNECT: Duration = Duration::from_secs(2);

/// Makes a temporary fault from an entry of a fault document, for the devices at these positions, or for all.
pub(super) fn temporary(entry: FaultEntry, devices: Option<Vec<usize>>) -> Result<TemporaryFault, Problem> {
    let faults = FaultDocument { faults: vec![entry.clone()] }.faults();
    let fault = faults.map(|mut faults| faults.pop());
    let fault = fault.map_err(|invalid| at(invalid.field, invalid.problem))?;
    let fault = fault.ok_or_else(|| at("", "it makes no fault"))?;
    Ok(TemporaryFault { entry, fault, devices })
}

/// Begin of a timed fault.
#[derive(Debug)]
pub(super) struct BeginFault {
    number: usize,
    /// The fault; its `devices` are set from the selection when it is applied.
    fault: TemporaryFault,
    selection: Option<Selection>,
    /// Duration of the effect on each device, for a fault that is removed as soon as all devices have started
    /// it.
    hold: Option<Duration>,
}

/// End of a timed fault.
#[derive(Debug)]
pub(super) struct EndFault {
    number: usize,
    id: FaultId,
    is_implicit: bool,
}

impl BeginFault {
    /// Makes a fault for all devices, or for some, from an entry of a fault document.
    pub(super) fn new(
        occasion: Occasion,
        entry: FaultEntry,
        selection: Option<Selection>,
        hold: Option<Duration>,
    ) -> Result<Self, Problem> {
        let fault = temporary(entry, None)?;
        Ok(Self { number: occasion.index, fault, selection, hold })
    }

    /// The step that ends the fault.
    pub(super) fn end(&self) -> EndFault {
        EndFault { number: self.number, id: self.fault.fault.id.clone(), is_implicit: self.hold.is_some() }
    }

    /// The start at the time of the entry, and the end at its own time.
    pub(super) fn until(self, occasion: Occasion, end: Option<wasmote_mqtt::time::Time>) -> Vec<Planned> {
        let end = end.map(|time| Planned::ready(time, self.end()));
        [Planned::ready(occasion.at, self)].into_iter().chain(end).collect()
    }

    fn for_devices(&self, devices: Devices<'_>) -> TemporaryFault {
        let selection = self.selection.as_ref().map(|selection| selection.resolve(devices));
        TemporaryFault { devices: selection, ..self.fault.clone() }
    }
}

impl Step for BeginFault {
    fn name(&self) -> &'static str {
        self.fault.fault.model.kind()
    }

    fn describe(&self) -> Vec<String> {
        let selection = self.selection.as_ref().map(Selection::describe);
        [describe_entry(&self.fault.entry)].into_iter().chain(selection).collect()
    }

    fn affected(&self, devices: Devices<'_>) -> Option<usize> {
        Some(match &self.selection {
            Some(selection) => selection.resolve(devices).len(),
            None => devices.identities.len(),
        })
    }

    fn apply(&self, target: &mut dyn Target) -> ApplyResult {
        let fault = self.for_devices(target.devices());
        target.begin_fault(self.number, fault)
    }

    fn requests(&self, pods: &mut PodFleet) -> Result<PodRequests, String> {
        if self.hold.is_some_and(|hold| hold < MIN_DISCONNECT) {
            let shortest = humantime::format_duration(MIN_DISCONNECT);
            return Err(format!(
                "a `disconnect` lasts {shortest} or longer on a cluster, because requests to pods take up to a second"
            ));
        }
        let fault = self.for_devices(pods.devices());
        pods.faults.begin(self.number, fault);
        Ok(match self.hold {
            Some(_) => PodRequests::BriefFault(self.number),
            None => PodRequests::Faults,
        })
    }
}

impl Step for EndFault {
    fn name(&self) -> &'static str {
        "end of a fault"
    }

    fn describe(&self) -> Vec<String> {
        vec![self.id.to_string()]
    }

    fn apply(&self, target: &mut dyn Target) -> ApplyResult {
        target.end_fault(self.number)
    }

    fn requests(&self, pods: &mut PodFleet) -> Result<PodRequests, String> {
        pods.faults.end(self.number);
        Ok(PodRequests::Faults)
    }

    fn is_implicit(&self) -> bool {
        self.is_implicit
    }
}
