//! Fault set: a checked fault document with its origin, in the form that devices use.

use std::path::Path;
use std::sync::Arc;

use wasmote_mqtt::device_id::Identity;
use wasmote_sim::faults::Fault;
use wasmote_sim::faults::component::{ComponentSpec, Library, NoLibrary};
use wasmote_sim::faults::document::{FaultDocument, FaultEntry, FaultSpec};
use wasmote_sim::faults::partition::PartitionSpec;
use wasmote_sim::faults::target::Pattern;

use crate::document::{self, DocumentError, Format};
use crate::fault_models::FaultModels;
use crate::regular_file;
use crate::suggest::did_you_mean;

/// Error text for a broker fault in the fault set of a group or device.
pub const BROKER_FAULT_NEEDS_FLEET: &str =
    "is for the broker, which serves all devices; put it with the fleet's faults";
/// Error text for a broker fault with a broker that is not embedded.
pub const BROKER_FAULT_NEEDS_EMBEDDED: &str = "cannot be done to another program's broker; use the embedded one (--broker \
    embedded), stop that broker by hand, or run a plan in virtual time with `wasmote experiment run`";

/// Faults and their origin.
#[derive(Clone, Debug)]
pub struct FaultSet {
    /// Name of a preset or a file, or `http`.
    pub origin: String,
    /// The document as written.
    pub document: FaultDocument,
    /// The faults in the form that devices use.
    pub faults: Arc<[Arc<Fault>]>,
}

impl FaultSet {
    /// Checks a document, whose components are in a library.
    pub fn new(
        origin: impl Into<String>,
        document: FaultDocument,
        library: &dyn Library,
    ) -> Result<Self, DocumentError> {
        let faults = document.faults_with(library).map_err(|invalid| {
            DocumentError::at(format!("fault[{}].{}", invalid.index, invalid.field), invalid.problem)
        })?;
        for (index, entry) in document.faults.iter().enumerate() {
            if let Some((field, problem)) = empty_selector(entry) {
                return Err(DocumentError::at(format!("fault[{index}].{field}"), problem));
            }
        }
        Ok(Self { origin: origin.into(), document, faults: faults.into() })
    }

    /// Parses and checks a document.
    pub fn parse(
        origin: impl Into<String>,
        text: &str,
        format: Format,
        library: &dyn Library,
    ) -> Result<Self, DocumentError> {
        Self::new(origin, document::parse(text, format)?, library)
    }

    /// The preset with this name.
    pub fn preset(name: &str) -> Option<Self> {
        Self::new(name, FaultDocument::preset(name)?, &NoLibrary).ok()
    }

    /// Loads a preset by its name, or else a file relative to `folder`. Component files are relative to the folder of the
    /// document; their paths are rewritten to be relative to `folder`.
    pub fn load(name: &str, folder: &Path, models: &FaultModels) -> Result<Self, DocumentError> {
        if let Some(preset) = Self::preset(name) {
            return Ok(preset);
        }
        let path = folder.join(name);
        let shown = path.display().to_string();
        let text = regular_file::read_text(&path).map_err(|error| {
            let hint = did_you_mean(name, FaultDocument::PRESETS);
            let presets = FaultDocument::PRESETS.join("`, `");
            DocumentError::at(
                "faults",
                format!("cannot read `{shown}`: {error}; presets are `{presets}`{hint}"),
            )
        })?;
        let set = document::parse(&text, Format::of(&path)).and_then(|mut document: FaultDocument| {
            let parent = Path::new(name).parent().unwrap_or(Path::new(""));
            for entry in &mut document.faults {
                if let FaultSpec::Component(ComponentSpec { file: Some(file), .. }) = &mut entry.spec {
                    *file = models.rebase(file, parent);
                }
            }
            Self::new(shown.clone(), document, &models.in_folder(folder))
        });
        set.map_err(|error| error.in_file(shown))
    }

    /// Warnings about device and group selectors that match no device. `devices` have this fault set; `all` are the devices
    /// of this process. If other processes run further devices, as in pods, it warns of nothing, because their names are
    /// not known.
    pub fn warnings<'a>(
        &self,
        devices: impl Iterator<Item = &'a Identity> + Clone,
        all: impl Iterator<Item = &'a Identity> + Clone,
    ) -> Vec<String> {
        let mut warnings = Vec::new();
        if all.clone().any(|device| device.peers.is_none()) {
            return warnings;
        }
        for (index, (entry, fault)) in self.document.faults.iter().zip(self.faults.iter()).enumerate() {
            let aimed = entry.device.is_some() || entry.group.is_some();
            if aimed && !devices.clone().any(|device| fault.target.includes(device)) {
                let field = if entry.device.is_some() { "device" } else { "group" };
                let aim = [&entry.device, &entry.group].into_iter().flatten().map(String::as_str);
                let aim = aim.collect::<Vec<_>>().join("` of group `");
                warnings.push(format!("fault[{index}].{field}: no device that has this fault fits `{aim}`"));
            }
            for peer in peers(entry).into_iter().flatten() {
                let pattern = Pattern::new(peer);
                if !all.clone().any(|device| pattern.matches(device.id.as_str())) {
                    warnings.push(format!("fault[{index}].peers: no device fits `{peer}`"));
                }
            }
        }
        warnings
    }

    /// Whether the set contains a broker fault.
    pub fn has_broker_faults(&self) -> bool {
        self.faults.iter().any(|fault| fault.model.failure().is_some())
    }

    /// Refuses broker faults; `instead` is the rest of the error text after the fault's kind.
    pub fn reject_broker_faults(&self, instead: &str) -> Result<(), DocumentError> {
        match self.faults.iter().position(|fault| fault.model.failure().is_some()) {
            None => Ok(()),
            Some(index) => {
                let kind = self.faults[index].model.kind();
                Err(DocumentError::at(format!("fault[{index}].kind"), format!("`{kind}` {instead}")))
            }
        }
    }

    /// Checks that the groups named by the set exist.
    pub fn check_groups<'a>(
        &self,
        groups: impl Iterator<Item = &'a str> + Clone,
    ) -> Result<(), DocumentError> {
        for (index, entry) in self.document.faults.iter().enumerate() {
            if let Some(name) = &entry.group
                && !groups.clone().any(|group| group == name)
            {
                let known = groups.clone().collect::<Vec<_>>().join("`, `");
                let hint = did_you_mean(name, groups);
                let problem = format!("no group is called `{name}`; there are `{known}`{hint}");
                return Err(DocumentError::at(format!("fault[{index}].group"), problem));
            }
        }
        Ok(())
    }

    /// Refuses partitions of these groups, whose devices have names of their own, from other devices: a message has only the
    /// name of its sender.
    pub fn reject_group_partitions<'a>(
        &self,
        named: impl Iterator<Item = &'a str> + Clone,
    ) -> Result<(), DocumentError> {
        for (index, entry) in self.document.faults.iter().enumerate() {
            let is_named = |group: &String| named.clone().any(|named| named == group);
            if entry.device.is_none() && peers(entry).is_some() && entry.group.as_ref().is_some_and(is_named)
            {
                let problem = "the devices of this group have names of their own, from which the sides of a partition cannot \
                    be told; write their names as `device`, such as \"sn-*\"";
                return Err(DocumentError::at(format!("fault[{index}].group"), problem));
            }
        }
        Ok(())
    }
}

/// The other side of a partition, if the document gives one.
fn peers(entry: &FaultEntry) -> Option<&Vec<String>> {
    match &entry.spec {
        FaultSpec::Partition(PartitionSpec { peers, .. }) => peers.as_ref(),
        _ => None,
    }
}

/// The selector field that excludes all devices, and the remedy.
fn empty_selector(entry: &FaultEntry) -> Option<(&'static str, &'static str)> {
    let no_device = entry.device.as_ref().is_some_and(String::is_empty);
    let no_peers = peers(entry).is_some_and(|peers| peers.iter().all(String::is_empty));
    match (no_device, no_peers) {
        (true, _) => {
            Some(("device", "it is empty; leave it out for all devices, or write it like `sensor-1*`"))
        }
        (_, true) => Some((
            "peers",
            "it is empty; leave it out to cut devices off from all, or write it like [\"sensor-1*\"]",
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use wasmote_mqtt::device_id::{DeviceId, PeerNames};

    use super::*;

    fn fleet(group: &str, count: u32) -> Vec<Identity> {
        let identity = |index| Identity {
            id: DeviceId::new(&format!("{group}-{index}")).unwrap(),
            client_id: None,
            group: group.into(),
            index,
            count,
            topic_root: "root".into(),
            peers: Some(PeerNames::Numbered(format!("{group}-").into())),
        };
        (0..count).map(identity).collect()
    }

    fn warned(text: &str, devices: &[Identity]) -> Vec<String> {
        let set = FaultSet::parse("test", text, Format::Toml, &NoLibrary).unwrap();
        set.warnings(devices.iter(), devices.iter())
    }

    #[test]
    fn a_fault_that_matches_no_device_is_a_warning() {
        let fleet = fleet("west", 3);
        let loss = "[[fault]]\nkind = \"loss\"\nprobability = 0.1\n";
        for fits in ["", "device = \"west-*\"", "group = \"west\"", "group = \"west\"\ndevice = \"*-2\""] {
            assert!(warned(&format!("{loss}{fits}\n"), &fleet).is_empty(), "{fits}");
        }
        let warnings = warned(&format!("{loss}group = \"west\"\ndevice = \"zz*\"\n"), &fleet);
        assert_eq!(warnings, ["fault[0].device: no device that has this fault fits `zz*` of group `west`"]);
        let partition = "[[fault]]\nkind = \"partition\"\npeers = [\"west-0\", \"east-*\"]\n";
        assert_eq!(warned(partition, &fleet), ["fault[0].peers: no device fits `east-*`"]);
    }

    #[test]
    fn a_pod_has_no_warnings_about_devices_elsewhere() {
        let pod = Identity { peers: None, ..fleet("west", 1).remove(0) };
        let loss = "[[fault]]\nkind = \"loss\"\nprobability = 0.1\ndevice = \"zz*\"\n";
        assert!(warned(loss, &[pod]).is_empty());
    }
}
