//! Types of rules, as the parser produces them and the monitor evaluates them.

use std::fmt;
use std::time::Duration;

use wasmote_mqtt::topic::TopicFilter;
use wasmote_sim::context::LogLevel;

use super::lexer::{Key, PathText};

/// A rule about a run.
#[derive(Clone, Debug, PartialEq)]
pub enum Rule {
    /// The event never occurs.
    NeverEvent(Event),
    /// The event never occurs twice with equal values.
    NeverTwice {
        /// The event.
        event: Event,
        /// Paths of the values; without any, the whole payload counts.
        keys: Vec<Vec<Key>>,
        /// Whether events of different devices count as equal.
        any_device: bool,
    },
    /// Each event fulfils the condition.
    AlwaysEvent(Event, Logic<Comparison>),
    /// The state never holds.
    NeverState {
        /// The state of one device.
        state: Logic<StateTest>,
        /// Number of devices in this state that break the rule.
        devices: u32,
        /// Path to a value that must be equal on these devices.
        same: Option<Vec<Key>>,
        /// Time for which the state may hold.
        lasting: Duration,
    },
    /// After a trigger, or from the beginning on, the goal is reached in time.
    Eventually(Box<Eventually>),
}

/// A rule about the future.
#[derive(Clone, Debug, PartialEq)]
pub struct Eventually {
    /// The event that starts the time; `None` for the start of each device.
    pub trigger: Option<Event>,
    /// Time until the goal must be reached.
    pub within: Duration,
    /// The goal.
    pub goal: Goal,
    /// Event that releases the device from the goal.
    pub unless: Option<Event>,
}

/// Goal of a rule about the future.
#[derive(Clone, Debug, PartialEq)]
pub enum Goal {
    /// An event; whether one of any device counts.
    Event(Event, bool),
    /// A state of the device.
    State(Logic<StateTest>),
}

/// An event of a device or of the host.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// The kind.
    pub kind: EventKind,
    /// Condition on the message, for events with a message.
    pub condition: Option<Logic<Comparison>>,
}

/// Kinds of events.
#[derive(Clone, Debug, PartialEq)]
pub enum EventKind {
    /// A behaviour publishes a message.
    Publishes(TopicPattern),
    /// The host publishes a message.
    HostPublishes(TopicPattern),
    /// A behaviour receives a message.
    Receives(TopicPattern),
    /// The connection of a device comes up.
    Connects,
    /// The connection of a device ends.
    Disconnects,
    /// A behaviour starts.
    Starts,
    /// A behaviour stops cleanly.
    Stops,
    /// A device loses its power.
    Crashes,
    /// A behaviour traps.
    Traps,
    /// A behaviour logs a line of this level or a more severe one.
    Logs(LogLevel),
}

/// A topic filter in which `{device}` stands for the name of the device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicPattern {
    /// The text as written.
    pub text: String,
    /// The filter, if it is the same for all devices.
    pub fixed: Option<TopicFilter>,
}

/// Placeholder for the name of the device.
pub const DEVICE: &str = "{device}";

impl TopicPattern {
    /// The filter for a device.
    pub fn of(&self, device: &str) -> Option<TopicFilter> {
        self.fixed.clone().or_else(|| TopicFilter::new(self.text.replace(DEVICE, device)).ok())
    }
}

/// A condition of parts that are joined by `and`, `or` and `not`.
#[derive(Clone, Debug, PartialEq)]
pub enum Logic<T> {
    /// One part.
    Is(T),
    /// The opposite.
    Not(Box<Self>),
    /// All of them.
    All(Vec<Self>),
    /// At least one of them.
    Any(Vec<Self>),
}

impl<T> Logic<T> {
    /// Whether it holds, if each part holds as `test` says.
    pub fn holds(&self, test: &impl Fn(&T) -> bool) -> bool {
        match self {
            Self::Is(part) => test(part),
            Self::Not(inner) => !inner.holds(test),
            Self::All(parts) => parts.iter().all(|part| part.holds(test)),
            Self::Any(parts) => parts.iter().any(|part| part.holds(test)),
        }
    }

    /// Whether it holds, if some parts are unknown: the whole is unknown if it depends on one of them.
    pub fn truth(&self, test: &impl Fn(&T) -> Option<bool>) -> Option<bool> {
        // One decisive part is enough; otherwise all must be known.
        let joined = |parts: &[Self], decisive: bool| {
            let values: Vec<Option<bool>> = parts.iter().map(|part| part.truth(test)).collect();
            match values.contains(&Some(decisive)) {
                true => Some(decisive),
                false => values.into_iter().collect::<Option<Vec<bool>>>().map(|_| !decisive),
            }
        };
        match self {
            Self::Is(part) => test(part),
            Self::Not(inner) => inner.truth(test).map(|holds| !holds),
            Self::All(parts) => joined(parts, false),
            Self::Any(parts) => joined(parts, true),
        }
    }

    /// Calls `see` with each part.
    pub fn each<'a>(&'a self, see: &mut impl FnMut(&'a T)) {
        match self {
            Self::Is(part) => see(part),
            Self::Not(inner) => inner.each(see),
            Self::All(parts) | Self::Any(parts) => parts.iter().for_each(|part| part.each(see)),
        }
    }
}

/// A comparison of two values.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// Left value.
    pub left: Operand,
    /// The operator.
    pub operator: Operator,
    /// Right value.
    pub right: Operand,
}

/// Comparison operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// Equal; numbers by their value.
    Equal,
    /// Not equal.
    NotEqual,
    /// Less than; numbers only.
    Less,
    /// At most; numbers only.
    AtMost,
    /// More than; numbers only.
    More,
    /// At least; numbers only.
    AtLeast,
    /// The left text or list contains the right value.
    Contains,
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::AtMost => "<=",
            Self::More => ">",
            Self::AtLeast => ">=",
            Self::Contains => "contains",
        })
    }
}

impl Operator {
    /// Whether the operator compares numbers only.
    pub fn is_order(self) -> bool {
        matches!(self, Self::Less | Self::AtMost | Self::More | Self::AtLeast)
    }

    /// Whether it holds between two numbers.
    pub fn holds(self, left: f64, right: f64) -> bool {
        match self {
            Self::Equal => left == right,
            Self::NotEqual => left != right,
            Self::Less => left < right,
            Self::AtMost => left <= right,
            Self::More => left > right,
            Self::AtLeast => left >= right,
            Self::Contains => false,
        }
    }
}

/// A value in a comparison.
#[derive(Clone, Debug, PartialEq)]
pub enum Operand {
    /// A constant.
    Constant(serde_json::Value),
    /// A value of a message, plus a number.
    Path(MessageRef, Vec<Key>, f64),
    /// Name of the device.
    Device,
    /// Topic of the message.
    Topic,
}

/// A message that a comparison refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageRef {
    /// The message of the event.
    This,
    /// The message of the preceding event of this kind and device.
    Previous,
    /// The message of the trigger.
    Trigger,
}

impl fmt::Display for Operand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Constant(value) => value.fmt(f),
            Self::Path(message, keys, plus) => {
                f.write_str(match message {
                    MessageRef::This => "",
                    MessageRef::Previous => "previous ",
                    MessageRef::Trigger => "trigger ",
                })?;
                PathText(keys).fmt(f)?;
                if *plus == 0.0 { Ok(()) } else { write!(f, " + {plus}") }
            }
            Self::Device => f.write_str("device"),
            Self::Topic => f.write_str("topic"),
        }
    }
}

/// A test of the present state of a device.
#[derive(Clone, Debug, PartialEq)]
pub enum StateTest {
    /// The device is connected.
    Connected,
    /// The behaviour runs.
    Running,
    /// The message that the broker retains for a topic fulfils a condition.
    Retained(TopicPattern, Logic<Comparison>),
    /// The last message that the device published fulfils a condition.
    LastPublished(TopicPattern, Logic<Comparison>),
    /// The last message that the behaviour received fulfils a condition.
    LastReceived(TopicPattern, Logic<Comparison>),
    /// A metric of the behaviour compares with a number.
    Metric(String, Operator, f64),
}

impl Rule {
    /// Every event of the rule.
    pub fn events(&self) -> Vec<&Event> {
        match self {
            Self::NeverEvent(event) | Self::NeverTwice { event, .. } | Self::AlwaysEvent(event, _) => {
                vec![event]
            }
            Self::NeverState { .. } => Vec::new(),
            Self::Eventually(rule) => {
                let goal = match &rule.goal {
                    Goal::Event(event, _) => Some(event),
                    Goal::State(_) => None,
                };
                rule.trigger.iter().chain(goal).chain(&rule.unless).collect()
            }
        }
    }

    /// The state of the rule, if it has one.
    pub fn state(&self) -> Option<&Logic<StateTest>> {
        match self {
            Self::NeverState { state, .. } => Some(state),
            Self::Eventually(rule) => match &rule.goal {
                Goal::State(state) => Some(state),
                Goal::Event(..) => None,
            },
            _ => None,
        }
    }

    /// Whether a condition of the rule refers to the preceding message.
    pub fn uses_previous(&self) -> bool {
        let mut found = false;
        let mut see = |comparison: &Comparison| {
            found |= [&comparison.left, &comparison.right]
                .into_iter()
                .any(|operand| matches!(operand, Operand::Path(MessageRef::Previous, ..)));
        };
        let conditions = self.events().into_iter().filter_map(|event| event.condition.as_ref());
        conditions.for_each(|condition| condition.each(&mut see));
        if let Self::AlwaysEvent(_, condition) = self {
            condition.each(&mut see);
        }
        found
    }

    /// Whether the rule depends on the broker's retained messages.
    pub fn uses_retained(&self) -> bool {
        let mut found = false;
        let mut see = |test: &StateTest| found |= matches!(test, StateTest::Retained(..));
        self.state().into_iter().for_each(|state| state.each(&mut see));
        found
    }

    /// Whether the rule depends on metrics of behaviours.
    pub fn uses_metrics(&self) -> bool {
        let mut found = false;
        let mut see = |test: &StateTest| found |= matches!(test, StateTest::Metric(..));
        self.state().into_iter().for_each(|state| state.each(&mut see));
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_depends_on_an_unknown_part_is_unknown() {
        let is = |value: Option<bool>| Logic::Is(value);
        let truth = |logic: Logic<Option<bool>>| logic.truth(&|value| *value);
        let (yes, no, unknown) = (Some(true), Some(false), None);
        assert_eq!(truth(Logic::Not(Box::new(is(unknown)))), None);
        assert_eq!(truth(Logic::All(vec![is(yes), is(unknown)])), None);
        assert_eq!(truth(Logic::All(vec![is(no), is(unknown)])), no);
        assert_eq!(truth(Logic::Any(vec![is(yes), is(unknown)])), yes);
        assert_eq!(truth(Logic::Any(vec![is(no), is(unknown)])), None);
        assert_eq!(truth(Logic::All(vec![is(yes), Logic::Not(Box::new(is(no)))])), yes);
    }
}
