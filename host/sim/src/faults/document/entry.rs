//! One fault of a document: its name, its target, and the fields of its kind.
//!
//! Each field is deserialized while the parser is at its position, so that errors have a location. A field
//! that comes before `kind` gets the type that the first kind with a field of this name declares: a name has
//! the same type in every kind, which a test of the schemas checks.

use std::fmt;
use std::sync::LazyLock;

use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{DeserializeSeed, Error, IgnoredAny, IntoDeserializer, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};
use wasmote_mqtt::device_id::is_name;

use crate::faults::checks::{CheckContext, FieldError};
use crate::faults::component::Library;
use crate::faults::target::{Pattern, Target};
use crate::faults::{Fault, FaultSpec, Kind};

/// One fault.
#[derive(Clone, Debug, PartialEq)]
pub struct FaultEntry {
    /// Name in the ledger; the kind by default.
    pub id: Option<String>,
    /// Group that the fault is limited to.
    pub group: Option<String>,
    /// Devices that the fault is limited to, as a name in which `*` stands for any sequence of characters.
    pub device: Option<String>,
    /// The kind, with its fields.
    pub spec: FaultSpec,
    /// A field of another kind that the document gives. The check refuses it.
    pub foreign_field: Option<&'static str>,
}

impl From<FaultSpec> for FaultEntry {
    fn from(spec: FaultSpec) -> Self {
        Self { id: None, group: None, device: None, spec, foreign_field: None }
    }
}

impl FaultEntry {
    pub(super) fn check(&self, library: &dyn Library) -> Result<Fault, FieldError> {
        let kind = self.spec.kind();
        if let Some(field) = self.foreign_field {
            let (subject, taken) = self.spec.takes();
            return Err(FieldError::not_taken(field, &subject, taken));
        }
        let id = self.id.as_deref().unwrap_or(kind.name());
        if !is_name(id) {
            let problem = format!("`{id}` is no name; use letters, digits, `-`, `_` and `.`");
            return Err(FieldError::new("id", problem));
        }
        let target = Target { group: self.group.clone(), device: self.device.as_ref().map(Pattern::new) };
        let model = self.spec.check(&CheckContext { kind, target: &target, library })?;
        Ok(Fault { id: id.into(), target, model })
    }
}

impl Serialize for FaultEntry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let fields = self.spec.given().map_err(serde::ser::Error::custom)?;
        let mut map = serializer.serialize_map(None)?;
        if let Some(id) = &self.id {
            map.serialize_entry("id", id)?;
        }
        map.serialize_entry("kind", self.spec.kind().name())?;
        for (name, value) in [("group", &self.group), ("device", &self.device)] {
            if let Some(value) = value {
                map.serialize_entry(name, value)?;
            }
        }
        for (name, value) in &fields {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// The fields that every kind has.
const COMMON: [&str; 4] = ["id", "kind", "group", "device"];

/// The names of the fields of all kinds, each once.
static FIELDS: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
    let mut names = COMMON.to_vec();
    for name in Kind::ALL.iter().flat_map(|kind| kind.fields()) {
        if !names.contains(name) {
            names.push(name);
        }
    }
    names
});

/// The name of a field that at least one kind has.
struct Name(&'static str);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_identifier(NameVisitor)
    }
}

struct NameVisitor;

impl Visitor<'_> for NameVisitor {
    type Value = Name;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a field")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Name, E> {
        let known = FIELDS.iter().find(|name| **name == text);
        known.map(|name| Name(name)).ok_or_else(|| E::unknown_field(text, &FIELDS))
    }
}

impl<'de> Deserialize<'de> for FaultEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_struct("FaultEntry", &FIELDS, EntryVisitor)
    }
}

struct EntryVisitor;

impl<'de> Visitor<'de> for EntryVisitor {
    type Value = FaultEntry;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("struct FaultEntry")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<FaultEntry, A::Error> {
        let mut common = Common::default();
        let mut early = Map::new();
        let kind = loop {
            let Some(Name(name)) = map.next_key()? else { return Err(Error::missing_field("kind")) };
            match name {
                "kind" => break map.next_value::<Kind>()?,
                _ if COMMON.contains(&name) => common.read(name, &mut map)?,
                _ if early.contains_key(name) => return Err(Error::duplicate_field(name)),
                _ => early.extend(read_before_kind(name, &mut map)?),
            }
        };
        let early = early.into_iter();
        let mut fields = KindFields { own: kind.fields(), map, early, value: None, common, foreign: None };
        let spec = kind.read(MapAccessDeserializer::new(&mut fields))?;
        let KindFields { common: Common { id, group, device }, foreign: foreign_field, .. } = fields;
        Ok(FaultEntry { id, group, device, spec, foreign_field })
    }
}

#[derive(Default)]
struct Common {
    id: Option<String>,
    group: Option<String>,
    device: Option<String>,
}

impl Common {
    fn read<'de, A: MapAccess<'de>>(&mut self, name: &'static str, map: &mut A) -> Result<(), A::Error> {
        let field = match name {
            "id" => &mut self.id,
            "group" => &mut self.group,
            _ => &mut self.device,
        };
        if field.is_some() {
            return Err(Error::duplicate_field(name));
        }
        *field = map.next_value()?;
        Ok(())
    }
}

/// Reads a field before the kind is known, and returns it in its normal form; nothing for null.
fn read_before_kind<'de, A: MapAccess<'de>>(
    name: &'static str,
    map: &mut A,
) -> Result<Map<String, Value>, A::Error> {
    let has_field = |kind: &&Kind| kind.fields().contains(&name);
    let Some(kind) = Kind::ALL.iter().find(has_field) else {
        return Err(Error::unknown_field(name, &FIELDS));
    };
    let spec = kind.read(MapAccessDeserializer::new(OneField { name: Some(name), map }))?;
    let field = spec.given().map_err(Error::custom)?;
    // A value that JSON cannot represent, such as NaN, is lost in `given`.
    if field.is_empty() && kind.read(Value::Object(Map::new())).is_ok_and(|empty| empty != spec) {
        return Err(Error::custom(format!("`{name}` is not a finite number")));
    }
    Ok(field)
}

/// The current field of a map, presented as a map with one entry.
struct OneField<'a, A> {
    name: Option<&'static str>,
    map: &'a mut A,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for OneField<'_, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        self.name.take().map(|name| seed.deserialize(key(name))).transpose()
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        self.map.next_value_seed(seed)
    }
}

/// The fields of one kind: those that came before the kind, then those that follow it. The fields that every
/// kind has and the name of a field of another kind are kept separately.
struct KindFields<A> {
    own: &'static [&'static str],
    map: A,
    early: serde_json::map::IntoIter,
    /// Value of the present field, if it came before the kind.
    value: Option<Value>,
    common: Common,
    foreign: Option<&'static str>,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for &mut KindFields<A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        for (name, value) in self.early.by_ref() {
            if self.own.contains(&name.as_str()) {
                self.value = Some(value);
                return seed.deserialize(key(&name)).map(Some);
            }
            self.foreign = FIELDS.iter().find(|known| **known == name).copied();
        }
        loop {
            let Some(Name(name)) = self.map.next_key()? else { return Ok(None) };
            match name {
                "kind" => return Err(Error::duplicate_field(name)),
                _ if COMMON.contains(&name) => {
                    let KindFields { common, map, .. } = &mut **self;
                    common.read(name, map)?;
                }
                _ if self.own.contains(&name) => return seed.deserialize(key(name)).map(Some),
                // Null stands for a field that is not given.
                _ => {
                    if self.map.next_value::<Option<IgnoredAny>>()?.is_some() {
                        self.foreign = Some(name);
                    }
                }
            }
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        match self.value.take() {
            Some(value) => seed.deserialize(value).map_err(Error::custom),
            None => self.map.next_value_seed(seed),
        }
    }
}

fn key<E: Error>(name: &str) -> StrDeserializer<'_, E> {
    name.into_deserializer()
}
