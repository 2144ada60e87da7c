//! Faults on a fleet: those of a document, and partitions and disconnections that a test sets one by one.

use super::{Fleet, device_index};
use crate::Behaviour;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use wasmote_sim::device::Input;
use wasmote_sim::faults::disconnect::Disconnect;
use wasmote_sim::faults::document::FaultDocument;
use wasmote_sim::faults::outage::Recurrence;
use wasmote_sim::faults::partition::Partition;
use wasmote_sim::faults::target::{Pattern, Target};
use wasmote_sim::faults::{Directions, Fault, Model};

/// Period of the recurrence of a disconnection: the shortest possible one, so that it begins at once.
const NOW: Duration = Duration::from_nanos(1);

/// The faults of a fleet.
#[derive(Default)]
pub(super) struct Faults {
    document: Vec<Arc<Fault>>,
    /// Devices that are partitioned from the broker.
    partitioned: BTreeSet<usize>,
    /// Pairs of sender and receiver between which messages are dropped.
    cuts: BTreeSet<(usize, usize)>,
}

impl Faults {
    /// Replaces the faults of the document.
    ///
    /// # Panics
    ///
    /// If the document has an error.
    pub fn set_document(&mut self, document: &str) {
        let parsed = match FaultDocument::preset(document) {
            Some(preset) => Ok(preset),
            None if document.trim_start().starts_with('{') => {
                serde_json::from_str(document).map_err(|error| error.to_string())
            }
            None => toml::from_str(document).map_err(|error| error.to_string()),
        };
        let faults =
            parsed.and_then(|document: FaultDocument| document.faults().map_err(|error| error.to_string()));
        self.document = faults.unwrap_or_else(|error| panic!("faults: {error}"));
    }

    fn all(&self, id_of: impl Fn(usize) -> String) -> Vec<Arc<Fault>> {
        let cut = |&(from, to): &(usize, usize)| {
            let peers = vec![Pattern::new(id_of(to))];
            partition(format!("cut-{from}-{to}"), id_of(from), Directions::Out, peers)
        };
        let partitioned = |&index: &usize| {
            partition(format!("partition-{index}"), id_of(index), Directions::Both, Vec::new())
        };
        let own = self.partitioned.iter().map(partitioned).chain(self.cuts.iter().map(cut));
        self.document.iter().cloned().chain(own).collect()
    }
}

fn partition(id: String, device: String, direction: Directions, peers: Vec<Pattern>) -> Arc<Fault> {
    fault(id, device, Model::Partition(Partition { direction, peers, recurrence: None }))
}

fn fault(id: String, device: String, model: Model) -> Arc<Fault> {
    let target = Target { group: None, device: Some(Pattern::new(device)) };
    Arc::new(Fault { id: id.into(), target, model })
}

/// Faults.
impl<B: Behaviour + Send + 'static> Fleet<B> {
    /// Replaces the faults of the fleet by those of a fault document, in TOML or JSON, or of a preset
    /// (`realistic`, `none`). `docs/faults.md` lists the kinds, including those of the broker; all except
    /// `component` can be used.
    ///
    /// # Panics
    ///
    /// If the document has an error.
    pub fn faults(&mut self, document: &str) {
        self.faults.set_document(document);
        self.apply_faults();
    }

    /// Cuts a device off from the broker in both directions, while both believe that they are connected. Its
    /// messages and those to it are lost, at any QoS.
    pub fn partition(&mut self, index: usize) {
        self.faults.partitioned.insert(index);
        self.apply_faults();
    }

    /// Ends the effect of [`partition`](Fleet::partition).
    pub fn heal(&mut self, index: usize) {
        self.faults.partitioned.remove(&index);
        self.apply_faults();
    }

    /// Drops all messages from `from` to `to`.
    pub fn cut(&mut self, from: usize, to: usize) {
        self.faults.cuts.insert((from, to));
        self.apply_faults();
    }

    /// Ends the effect of [`cut`](Fleet::cut).
    pub fn mend(&mut self, from: usize, to: usize) {
        self.faults.cuts.remove(&(from, to));
        self.apply_faults();
    }

    /// Breaks a device's connection without DISCONNECT for this time. The device is notified, the broker
    /// publishes the will, and the device reconnects afterwards.
    pub fn disconnect(&mut self, index: usize, time: Duration) {
        let recurrence = Recurrence { every: NOW, probability: 1.0, lasting: time, together: false };
        let id = self.device(index).identity().id.to_string();
        let mut faults = self.faults.all(|index| self.id(index));
        faults.push(fault("disconnect".into(), id, Model::Disconnect(Disconnect { recurrence })));
        self.simulation.put(device_index(index), Input::SetFaults(faults.into()));
        self.simulation.run_for(NOW);
        // The disconnection lasts its full time; this only prevents the next trial.
        self.apply_faults();
    }

    pub(super) fn apply_faults(&mut self) {
        let faults: Arc<[Arc<Fault>]> = self.faults.all(|index| self.id(index)).into();
        for index in 0..self.instances.len() {
            self.simulation.put(device_index(index), Input::SetFaults(Arc::clone(&faults)));
        }
        self.simulation.set_broker_faults(&faults, self.seed);
        self.settle();
    }

    fn id(&self, index: usize) -> String {
        self.device(index).identity().id.to_string()
    }
}
