//! JSON, as small as a device needs it.
//!
//! A guest has a stack of 16 KiB and reads what strangers send, so the reader bounds both the depth of
//! nesting and the number of values, and says where a text went wrong instead of giving up. Numbers are
//! `f64` of fifteen digits ([`crate::number`]); objects keep the order of their members, and the last of equal names counts.

mod parse;
mod value;
mod write;

pub use parse::{Limits, ParseError, parse, parse_with_limits};
pub use value::{Name, Value};

/// An object written down in place: `object! { "device": id, "seq": 12u32 }`.
///
/// Each value is anything that turns into a [`Value`]; a member whose value is
/// [`Value::Null`] because of an `Option` that was `None` is written as `null`.
#[macro_export]
macro_rules! object {
    ($($name:literal : $value:expr),* $(,)?) => {{
        // One call for each member is shorter than what a `vec!` of them comes to in Wasm.
        let mut object = $crate::json::Value::Object(Vec::new());
        $(object.set($name, $value);)*
        object
    }};
}

#[cfg(test)]
mod tests;
