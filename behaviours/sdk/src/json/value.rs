//! JSON values, and conversions from Rust types.

use std::borrow::Cow;

use crate::number::{integer, parse_integer};
use crate::timestamp;

/// Name of an object member. Literals are not allocated.
pub type Name = Cow<'static, str>;

/// All integers up to this one are exact as `f64`.
const MAX_EXACT_INTEGER: u64 = 1 << 53;

/// Any JSON value.
#[derive(Clone, Debug)]
pub enum Value {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number. Non-finite numbers are written as `null`, because JSON has no such numbers.
    Number(f64),
    /// A number as JSON text that [`Number`](Value::Number) would write in another way, such as an integer beyond 2⁵³ or
    /// `1.50`. A value that is sent back, such as the id of a command, keeps its digits.
    Literal(String),
    /// A string.
    Text(String),
    /// An array.
    List(Vec<Value>),
    /// An object: names and values in order of insertion.
    Object(Vec<(Name, Value)>),
}

impl Value {
    /// The member with this name, if this is an object that has it.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.members()?.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// The names and values, if this is an object.
    pub fn members(&self) -> Option<&[(Name, Value)]> {
        match self {
            Value::Object(members) => Some(members),
            _ => None,
        }
    }

    /// The elements, if this is an array.
    pub fn list(&self) -> Option<&[Value]> {
        match self {
            Value::List(items) => Some(items),
            _ => None,
        }
    }

    /// The string, if this is one.
    pub fn text(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The number, if this is one, to the precision of `f64`.
    pub fn number(&self) -> Option<f64> {
        match self {
            Value::Number(number) => Some(*number),
            Value::Literal(text) => crate::number::parse(text),
            _ => None,
        }
    }

    /// The time in seconds since 1970, if this is a number, a number in quotes, or a text in ISO 8601.
    pub fn timestamp(&self) -> Option<f64> {
        match self {
            Value::Text(text) => timestamp::parse(text),
            value => value.number(),
        }
    }

    /// The number, if this is an integer from 0 to 2⁶⁴ - 1, with all its digits. Integers with a point or an exponent are
    /// read up to 2⁵³, the range in which all of them are exact.
    pub fn unsigned(&self) -> Option<u64> {
        if let Value::Literal(text) = self
            && let Some(number) = parse_integer(text)
        {
            return Some(number);
        }
        let number = self.number()?;
        // `f64` rounds the integer after 2⁵³ to it.
        if number == MAX_EXACT_INTEGER as f64 && matches!(self, Value::Literal(_)) {
            return None;
        }
        ((0.0..=MAX_EXACT_INTEGER as f64).contains(&number) && number.fract() == 0.0).then_some(number as u64)
    }

    /// The boolean, if this is one.
    pub fn boolean(&self) -> Option<bool> {
        match self {
            Value::Bool(truth) => Some(*truth),
            _ => None,
        }
    }

    /// Adds a member to an object. No effect on other values.
    pub fn set(&mut self, name: impl Into<Name>, value: impl Into<Value>) {
        self.push_member(name.into(), value.into());
    }

    #[inline(never)]
    fn push_member(&mut self, name: Name, value: Value) {
        if let Value::Object(members) = self {
            members.push((name, value));
        }
    }
}

/// Numbers are equal if their values are, and if both have a text, if their texts are.
impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Value::Null, Value::Null) => true,
            (Value::Bool(a), Value::Bool(b)) => a == b,
            (Value::Literal(a), Value::Literal(b)) | (Value::Text(a), Value::Text(b)) => a == b,
            (Value::Number(_) | Value::Literal(_), Value::Number(_) | Value::Literal(_)) => {
                self.number() == other.number()
            }
            (Value::List(a), Value::List(b)) => a == b,
            (Value::Object(a), Value::Object(b)) => a == b,
            _ => false,
        }
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Value::Bool(truth)
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Value::Number(number)
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Value::Number(f64::from(number))
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        match number {
            0..=MAX_EXACT_INTEGER => Value::Number(number as f64),
            _ => Value::Literal(integer(number)),
        }
    }
}

impl From<usize> for Value {
    fn from(number: usize) -> Self {
        Value::Number(number as f64)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::Text(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Value::Text(text)
    }
}

impl From<&String> for Value {
    fn from(text: &String) -> Self {
        Value::Text(text.clone())
    }
}

impl<T: Into<Value>> From<Vec<T>> for Value {
    fn from(items: Vec<T>) -> Self {
        Value::List(items.into_iter().map(Into::into).collect())
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Value::Null, Into::into)
    }
}

impl<T: Into<Value>> FromIterator<T> for Value {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        Value::List(items.into_iter().map(Into::into).collect())
    }
}

impl FromIterator<(String, Value)> for Value {
    fn from_iter<I: IntoIterator<Item = (String, Value)>>(members: I) -> Self {
        Value::Object(members.into_iter().map(|(name, value)| (name.into(), value)).collect())
    }
}
