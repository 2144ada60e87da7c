//! Plan snapshot: a plan whose component paths point into the results folder, so that its runs can be repeated
//! without the original files.

use serde_json::{Value, json};
use wasmote_engine::Role;
use wasmote_fleet::config::identity::options::IdentityOptions;
use wasmote_fleet::source::Source;
use wasmote_fleet::strip_nulls::strip_nulls;
use wasmote_results::COMPONENTS_FOLDER;

use super::plan::Experiment;
use super::sweep::label_and_value;

/// Changes the component paths of a plan to those in the results folder; `up` is the relative path to it from the
/// plan's folder.
pub(super) fn relocate(mut plan: Value, experiment: &Experiment, up: &str) -> Value {
    let relocator = Relocator { experiment, up };
    entries(&mut plan, "group").for_each(|group| relocator.behaviour(&mut group["behaviour"]));
    for (index, group) in entries(&mut plan, "group").enumerate() {
        if let Some(identity) = group.get_mut("identity") {
            relocator.identity(index, identity);
        }
    }
    for entry in entries(&mut plan, "timeline") {
        for action in ["rotate", "expire"] {
            // The results contain no credentials: an empty table stands for them.
            if let Some(action) = entry.get_mut(action).and_then(Value::as_object_mut) {
                action.insert("identity".to_owned(), json!({}));
            }
        }
        let actions = entry.as_object_mut().into_iter().flat_map(|entry| entry.values_mut());
        actions.filter_map(|action| action.get_mut("behaviour")).for_each(|name| relocator.behaviour(name));
    }
    relocator.faults_of(&mut plan);
    for list in ["group", "timeline"] {
        entries(&mut plan, list).for_each(|entry| relocator.faults_of(entry));
    }
    for (path, values) in plan.get_mut("sweep").and_then(Value::as_object_mut).into_iter().flatten() {
        let field = SweptField::of(path);
        values.as_array_mut().into_iter().flatten().for_each(|value| relocator.sweep_value(field, value));
    }
    strip_nulls(&mut plan);
    plan
}

/// Path of a component in the results folder. Components with the same name are numbered.
pub(super) fn component_path(experiment: &Experiment, source: &Source, role: Role) -> String {
    let (name, all) = (source.name(), experiment.inspections());
    let folder = match role {
        Role::Behaviour => COMPONENTS_FOLDER.to_owned(),
        Role::FaultModel => format!("{COMPONENTS_FOLDER}/faults"),
    };
    let same_name = all.iter().filter(|(other, inspection)| inspection.role == role && other.name() == name);
    // A group may pin the component of another group; it is the same file.
    match same_name.take_while(|(other, _)| other.unpinned() != source.unpinned()).count() {
        0 => format!("{folder}/{name}.wasm"),
        n => format!("{folder}/{}/{name}.wasm", n + 1),
    }
}

/// Entries of a list; none if it is missing.
fn entries<'a>(value: &'a mut Value, list: &str) -> impl Iterator<Item = &'a mut Value> {
    value.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten()
}

/// Relocates the paths of one plan.
struct Relocator<'a> {
    experiment: &'a Experiment,
    up: &'a str,
}

impl Relocator<'_> {
    fn path(&self, source: &Source, role: Role) -> Value {
        format!("{}{}", self.up, component_path(self.experiment, source, role)).into()
    }

    fn behaviour(&self, name: &mut Value) {
        let found = name.as_str().and_then(|it| Source::find(it, &self.experiment.source.folder).ok());
        found.into_iter().for_each(|source| *name = self.path(&source, Role::Behaviour));
    }

    /// Replaces the files that name the devices of a group by the names.
    fn identity(&self, group: usize, identity: &mut Value) {
        let groups = self.experiment.points.first().and_then(|point| point.settings.groups.get(group));
        let names = groups.and_then(|group| group.names.as_ref()?.entries());
        if let Some(names) = names {
            *identity = json!({ "names": names });
        } else if let Some(fields) = identity.as_object_mut() {
            // Templates of names need no file, and credentials are not part of results.
            fields.retain(|field, _| IdentityOptions::names_devices(field));
        }
    }

    fn fault_model(&self, name: &mut Value) {
        let plan = &self.experiment.source;
        let found = name.as_str().and_then(|it| plan.models.source(it, &plan.folder).ok());
        found.into_iter().for_each(|source| *name = self.path(&source, Role::FaultModel));
    }

    /// The faults of a plan, a group or an entry of the timeline.
    fn faults_of(&self, owner: &mut Value) {
        let faults = owner.get_mut("faults").into_iter().flat_map(|faults| entries(faults, "fault"));
        faults.filter_map(|fault| fault.get_mut("file")).for_each(|name| self.fault_model(name));
    }

    /// Relocates a swept value and keeps the user's text as its label.
    fn sweep_value(&self, field: SweptField, written: &mut Value) {
        let (label, value) = label_and_value(written);
        let mut relocated = value.clone();
        match field {
            SweptField::Behaviour => self.behaviour(&mut relocated),
            SweptField::FaultModel => self.fault_model(&mut relocated),
            SweptField::Faults => {
                self.experiment.source.expand_faults(&mut relocated);
                let mut owner = json!({ "faults": relocated });
                self.faults_of(&mut owner);
                relocated = owner["faults"].take();
            }
            SweptField::Other => return,
        }
        if relocated != *value {
            *written = json!({ "label": label, "value": relocated });
        }
    }
}

/// Kind of field that a sweep sets.
#[derive(Clone, Copy)]
enum SweptField {
    Behaviour,
    /// A fault document, or its name.
    Faults,
    FaultModel,
    Other,
}

impl SweptField {
    fn of(path: &str) -> Self {
        // A behaviour's configuration may have fields of any name.
        if path.split('.').any(|part| part == "config") {
            return Self::Other;
        }
        match path.rsplit('.').next() {
            Some("behaviour") => Self::Behaviour,
            Some("faults") => Self::Faults,
            Some("file") => Self::FaultModel,
            _ => Self::Other,
        }
    }
}
