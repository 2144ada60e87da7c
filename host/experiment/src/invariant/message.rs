//! Messages as rules see them: a topic and the JSON of the payload.

use std::cell::OnceCell;

use serde_json::Value;

use super::lexer::Key;
use super::syntax::{Comparison, Logic, MessageRef, Operand, Operator};

/// A message whose payload is parsed when a rule first asks for it. A payload that is not JSON counts as a text.
#[derive(Clone, Debug)]
pub struct SeenMessage {
    /// Topic of the message.
    pub topic: String,
    payload: Vec<u8>,
    json: OnceCell<Value>,
}

impl SeenMessage {
    /// A message with this topic and payload.
    pub fn new(topic: &str, payload: &[u8]) -> Self {
        Self { topic: topic.to_owned(), payload: payload.to_vec(), json: OnceCell::new() }
    }

    /// The payload as JSON.
    pub fn json(&self) -> &Value {
        self.json.get_or_init(|| {
            serde_json::from_slice(&self.payload)
                .unwrap_or_else(|_| String::from_utf8_lossy(&self.payload).into_owned().into())
        })
    }

    /// The value at a path; null if there is none.
    pub fn at(&self, path: &[Key]) -> &Value {
        const NULL: Value = Value::Null;
        let mut value = self.json();
        for key in path {
            let next = match key {
                Key::Name(name) => value.get(name.as_str()),
                Key::Index(index) => value.get(index),
            };
            let Some(next) = next else { return &NULL };
            value = next;
        }
        value
    }

    /// Whether it has this payload.
    pub fn has_payload(&self, payload: &[u8]) -> bool {
        self.payload == payload
    }

    /// The payload for a report, in one line and cut after some characters.
    pub fn excerpt(&self) -> String {
        const LONGEST: usize = 120;
        let text = String::from_utf8_lossy(&self.payload);
        let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST).collect();
        if text.chars().count() > LONGEST { line + "…" } else { line }
    }
}

/// Messages and names that a comparison can refer to.
#[derive(Clone, Copy)]
pub struct Scope<'a> {
    /// Name of the device.
    pub device: &'a str,
    /// The message of the event or state.
    pub this: &'a SeenMessage,
    /// The preceding message, if there is one.
    pub previous: Option<&'a SeenMessage>,
    /// The message of the trigger, if there is one.
    pub trigger: Option<&'a SeenMessage>,
}

impl Scope<'_> {
    /// Whether a condition holds.
    pub fn holds(&self, condition: &Logic<Comparison>) -> bool {
        condition.holds(&|comparison| self.compare(comparison))
    }

    fn value(&self, operand: &Operand) -> Value {
        match operand {
            Operand::Constant(value) => value.clone(),
            Operand::Device => self.device.into(),
            Operand::Topic => self.this.topic.as_str().into(),
            Operand::Path(message, path, plus) => {
                let message = match message {
                    MessageRef::This => Some(self.this),
                    MessageRef::Previous => self.previous,
                    MessageRef::Trigger => self.trigger,
                };
                let value = message.map_or(&Value::Null, |message| message.at(path));
                match (value.as_f64(), *plus) {
                    (_, 0.0) => value.clone(),
                    (Some(number), plus) => (number + plus).into(),
                    (None, _) => Value::Null,
                }
            }
        }
    }

    fn compare(&self, Comparison { left, operator, right }: &Comparison) -> bool {
        let (left, right) = (self.value(left), self.value(right));
        match (operator, left.as_f64(), right.as_f64()) {
            (Operator::Contains, ..) => contains(&left, &right),
            (_, Some(left), Some(right)) => operator.holds(left, right),
            (Operator::Equal, ..) => left == right,
            (Operator::NotEqual, ..) => left != right,
            _ => false,
        }
    }
}

fn contains(whole: &Value, part: &Value) -> bool {
    match whole {
        Value::String(text) => part.as_str().is_some_and(|part| text.contains(part)),
        Value::Array(list) => list.iter().any(|item| match (item.as_f64(), part.as_f64()) {
            (Some(item), Some(part)) => item == part,
            _ => item == part,
        }),
        _ => false,
    }
}
