//! The declaration of fault kinds: the interface that a kind implements, and the macro that builds the enums
//! from the list in [`super`].

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{DeserializeOwned, Deserializer, Visitor, value};
use serde::{Serialize, forward_to_deserialize_any};

use super::broker::Failure;
use super::checks::{CheckContext, FieldError};
use super::outage::{Recurrence, Repeats};
use super::{Directions, Kind, RuleInput, Verdict};
use crate::digest::Encode;

/// The fields of a kind as written in a document. All of them are optional, because a sweep may fill in the
/// required ones later: `check` reports those that are missing. In the schema they are required if they have
/// the attribute `required`, or `with` for a type that has a schema of its own.
pub(super) trait KindSpec: DeserializeOwned + Serialize + JsonSchema {
    /// The checked parameters.
    type Model: KindModel;

    /// Whether a fault of this kind can be aimed at a group or at devices.
    const HAS_TARGET: bool = true;

    /// Checks the fields.
    fn check(&self, context: &CheckContext<'_>) -> Result<Self::Model, FieldError>;

    /// Text for errors: the name of the fault, and the fields that it has.
    fn takes(&self, kind: Kind) -> (String, &'static [&'static str]) {
        (format!("a fault of kind `{}`", kind.name()), kind.fields())
    }
}

/// The checked parameters of a kind, and its part in the simulation.
pub(super) trait KindModel: Encode {
    /// Directions of the messages that the fault judges, if it judges messages one by one.
    fn direction(&self) -> Option<Directions> {
        None
    }

    /// Trials that start the fault, unless it is always active.
    fn recurrence(&self) -> Option<&Recurrence> {
        None
    }

    /// Number of outages that one trial causes, if it can cause several.
    fn repeats(&self) -> Option<&Repeats> {
        None
    }

    /// Kind of broker failure, for faults of the broker.
    fn failure(&self) -> Option<Failure> {
        None
    }

    /// The verdict on one message.
    fn judge(&self, _passage: &mut RuleInput<'_>) -> Verdict {
        Verdict::Pass
    }
}

/// Builds [`Kind`], [`FaultSpec`] and [`Model`](super::Model) from one list of kinds.
macro_rules! fault_kinds {
    ($($(#[doc = $doc:literal])+ $Kind:ident = $name:literal $(| $alias:literal)?, $Spec:path, $Model:path;)+) => {
        /// The kinds of faults.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        pub enum Kind {
            $($(#[doc = $doc])+ #[serde(rename = $name $(, alias = $alias)?)] $Kind,)+
        }

        /// A fault as written in a document: the kind, and the fields of this kind.
        #[derive(Clone, Debug, PartialEq)]
        pub enum FaultSpec {
            $($(#[doc = $doc])+ $Kind($Spec),)+
        }

        /// The checked parameters of a fault.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Model {
            $($(#[doc = $doc])+ $Kind($Model),)+
        }

        impl Kind {
            /// All kinds.
            pub const ALL: &'static [Self] = &[$(Self::$Kind),+];

            /// The name in a document.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$Kind => $name,)+
                }
            }

            /// Every spelling of the name.
            pub fn spellings(self) -> &'static [&'static str] {
                match self {
                    $(Self::$Kind => &[$name $(, $alias)?],)+
                }
            }

            /// Names of the fields of this kind, without those that every kind has.
            pub fn fields(self) -> &'static [&'static str] {
                match self {
                    $(Self::$Kind => kind::field_names::<$Spec>(),)+
                }
            }

            /// Whether a fault of this kind can be aimed at a group or at devices.
            pub fn has_target(self) -> bool {
                match self {
                    $(Self::$Kind => <$Spec as KindSpec>::HAS_TARGET,)+
                }
            }

            /// Reads the fields of this kind.
            fn read<'de, D: serde::Deserializer<'de>>(self, fields: D) -> Result<FaultSpec, D::Error> {
                match self {
                    $(Self::$Kind => <$Spec as serde::Deserialize>::deserialize(fields).map(FaultSpec::$Kind),)+
                }
            }

            /// The schema of the fields of this kind.
            fn schema(self, generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                match self {
                    $(Self::$Kind => kind::inline_schema::<$Spec>(generator),)+
                }
            }
        }

        impl FaultSpec {
            /// The kind.
            pub fn kind(&self) -> Kind {
                match self {
                    $(Self::$Kind(_) => Kind::$Kind,)+
                }
            }

            /// Fields that have a value, by name.
            fn given(&self) -> serde_json::Result<serde_json::Map<String, serde_json::Value>> {
                match self {
                    $(Self::$Kind(spec) => kind::given(spec),)+
                }
            }

            fn takes(&self) -> (String, &'static [&'static str]) {
                match self {
                    $(Self::$Kind(spec) => spec.takes(Kind::$Kind),)+
                }
            }

            fn check(&self, context: &CheckContext<'_>) -> Result<Model, FieldError> {
                Ok(match self {
                    $(Self::$Kind(spec) => Model::$Kind(spec.check(context)?),)+
                })
            }
        }

        impl Model {
            /// The name of the kind in a document.
            pub fn kind(&self) -> &'static str {
                match self {
                    $(Self::$Kind(_) => $name,)+
                }
            }

            /// Directions of the messages that the fault judges, if it judges messages one by one.
            pub fn direction(&self) -> Option<Directions> {
                match self {
                    $(Self::$Kind(model) => model.direction(),)+
                }
            }

            /// Trials that start the fault, unless it is always active.
            pub fn recurrence(&self) -> Option<&outage::Recurrence> {
                match self {
                    $(Self::$Kind(model) => model.recurrence(),)+
                }
            }

            /// Number of outages that one trial causes, if it can cause several.
            pub fn repeats(&self) -> Option<&outage::Repeats> {
                match self {
                    $(Self::$Kind(model) => model.repeats(),)+
                }
            }

            /// Kind of broker failure, for faults of the broker.
            pub fn failure(&self) -> Option<broker::Failure> {
                match self {
                    $(Self::$Kind(model) => model.failure(),)+
                }
            }

            fn judge(&self, input: &mut RuleInput<'_>) -> Verdict {
                match self {
                    $(Self::$Kind(model) => model.judge(input),)+
                }
            }
        }

        impl Encode for Model {
            fn encode(&self, into: &mut Digest) {
                match self {
                    $(Self::$Kind(model) => model.encode(into),)+
                }
            }
        }
    };
}

pub(super) use fault_kinds;

/// The fields of a struct that have a value.
pub(super) fn given<T: Serialize>(
    spec: &T,
) -> serde_json::Result<serde_json::Map<String, serde_json::Value>> {
    let mut fields = match serde_json::to_value(spec)? {
        serde_json::Value::Object(fields) => fields,
        _ => serde_json::Map::new(),
    };
    fields.retain(|_, value| !value.is_null());
    Ok(fields)
}

/// The schema of a struct itself, rather than a reference to it.
pub(super) fn inline_schema<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    T::json_schema(generator)
}

/// The names of the fields of a struct, in the spelling and order of documents.
pub(super) fn field_names<T: DeserializeOwned>() -> &'static [&'static str] {
    let mut names: &'static [&'static str] = &[];
    let _ = T::deserialize(FieldNames(&mut names));
    names
}

/// A deserializer that only records the names of the fields that a struct requests.
struct FieldNames<'a>(&'a mut &'static [&'static str]);

impl<'de> Deserializer<'de> for FieldNames<'_> {
    type Error = value::Error;

    fn deserialize_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, value::Error> {
        Err(serde::de::Error::custom("only the names of fields are read"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, value::Error> {
        *self.0 = fields;
        self.deserialize_any(visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}
