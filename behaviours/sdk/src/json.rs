//! A small JSON parser and writer.
//!
//! A guest has a stack of 16 KiB and parses messages of unknown senders, so the parser limits the depth of
//! nesting and the number of values, and reports the position of an error. Numbers are `f64` with fifteen
//! digits ([`crate::number`]). Objects keep the order of their members; the last of several equal names wins.

mod parse;
mod value;
mod write;

pub use parse::{Limits, ParseError, parse, parse_with_limits};
pub use value::{Name, Value};

/// Creates an object: `object! { "device": id, "seq": 12u32 }`.
///
/// Each value is anything that converts to a [`Value`]; a `None` becomes `null`.
#[macro_export]
macro_rules! object {
    ($($name:literal : $value:expr),* $(,)?) => {{
        // A call for each member needs less Wasm code than a `vec!` of them.
        let mut object = $crate::json::Value::Object(Vec::new());
        $(object.set($name, $value);)*
        object
    }};
}

#[cfg(test)]
mod tests;
