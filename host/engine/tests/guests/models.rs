//! Test fault models, generated from a template in the text format.

use super::encode;

/// Code of a model, inserted into the template.
#[derive(Default)]
pub struct Model<'a> {
    /// More imports.
    pub imports: &'a str,
    /// Instructions of `configure`.
    pub configure: &'a str,
    /// Instructions of `judge`.
    pub judge: &'a str,
}

impl Model<'_> {
    /// The model as a component.
    pub fn component(&self) -> Vec<u8> {
        self.in_world("package test:guest; world guest { include wasmote:device/fault@0.1.0; }")
    }

    /// The model as a component for another world called `guest`.
    pub fn in_world(&self, world: &str) -> Vec<u8> {
        let text = include_str!("model.wat")
            .replace("{imports}", self.imports)
            .replace("{configure}", self.configure)
            .replace("{judge}", self.judge);
        encode(wat::parse_str(text).expect("the filled template is a valid module"), world)
    }
}

/// A model with this `judge`.
pub fn with_judge(judge: &str) -> Vec<u8> {
    Model { judge, ..Model::default() }.component()
}

/// Drops every message.
pub const DROP: &str = "(call $answer (i32.const 2))";
/// Delays every message by a second.
pub const DELAY: &str = "(call $answer (i32.const 1)) (i64.store (i32.const 1032) (i64.const 1000000000))";
/// Drops each message with probability one half.
pub const COIN_FLIP: &str =
    "(if (f64.lt (call $uniform) (f64.const 0.5)) (then (call $answer (i32.const 2))))";
/// Loops forever.
pub const LOOP: &str = "(loop $ever (br $ever))";
/// Logs a line and traps, as a panic does.
pub const TRAP: &str = "(call $log-line) (unreachable)";
/// Grows its memory up to the limit, and then traps as an allocator does.
pub const EXHAUST_MEMORY: &str =
    "(loop $more (br_if $more (i32.ge_s (memory.grow (i32.const 1)) (i32.const 0)))) (unreachable)";
/// Requests four billion copies.
pub const COPIES: &str = "(call $answer (i32.const 3)) (i32.store (i32.const 1032) (i32.const -1))";
/// Holds every message back as long as possible.
pub const HOLD: &str = "(call $answer (i32.const 5)) (i32.store (i32.const 1032) (i32.const -1)) \
                        (i64.store (i32.const 1040) (i64.const -1))";
/// Returns a payload of 200,000 bytes.
pub const LARGE_PAYLOAD: &str = "(drop (memory.grow (i32.const 4))) (call $answer (i32.const 4)) \
                        (i32.store (i32.const 1032) (i32.const 0)) (i32.store (i32.const 1036) (i32.const 200000))";
