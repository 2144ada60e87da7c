//! A fault document with where it comes from, checked and ready to be given to devices.

use std::path::Path;
use std::sync::Arc;

use wasmote_sim::faults::Fault;
use wasmote_sim::faults::document::FaultDocument;

use crate::document::{self, DocumentError, Format};
use crate::nearest::did_you_mean;

/// Faults and their origin.
#[derive(Clone, Debug)]
pub struct FaultSet {
    /// Where they come from: a preset's name, a file's, or `http`.
    pub origin: String,
    /// As written.
    pub document: FaultDocument,
    /// As devices take them.
    pub faults: Arc<[Arc<Fault>]>,
}

impl FaultSet {
    /// Check a document.
    pub fn new(origin: impl Into<String>, document: FaultDocument) -> Result<Self, DocumentError> {
        let faults = document.faults().map_err(|invalid| {
            DocumentError::at(format!("fault[{}].{}", invalid.index, invalid.field), invalid.problem)
        })?;
        Ok(Self { origin: origin.into(), document, faults: faults.into() })
    }

    /// Read a document.
    pub fn parse(origin: impl Into<String>, text: &str, format: Format) -> Result<Self, DocumentError> {
        Self::new(origin, document::parse(text, format)?)
    }

    /// A document that needs no file.
    pub fn preset(name: &str) -> Option<Self> {
        Self::new(name, FaultDocument::preset(name)?).ok()
    }

    /// A preset by its name, or else a file.
    pub fn load(name: &str, folder: &Path) -> Result<Self, DocumentError> {
        if let Some(preset) = Self::preset(name) {
            return Ok(preset);
        }
        let path = folder.join(name);
        let shown = path.display().to_string();
        let text = std::fs::read_to_string(&path).map_err(|error| {
            let hint = did_you_mean(name, FaultDocument::PRESETS);
            let presets = FaultDocument::PRESETS.join("`, `");
            DocumentError::at(
                "faults",
                format!("cannot read `{shown}`: {error}; presets are `{presets}`{hint}"),
            )
        })?;
        Self::parse(shown.clone(), &text, Format::of(&path)).map_err(|error| error.in_file(shown))
    }

    /// Check that the groups it names exist.
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
}
