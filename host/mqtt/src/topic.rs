//! Topic names and topic filters [MQTT-4.7].

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

/// The longest topic or filter in bytes [MQTT-1.5.4].
pub const MAX_TOPIC_LENGTH: usize = 65_535;

/// Reason for which a text is not a valid topic name or topic filter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTopic {
    /// [MQTT-4.7.3-1]
    #[error("it is empty; a topic has at least one character")]
    Empty,
    /// [MQTT-4.7.3-3]
    #[error("it has {0} bytes; MQTT allows {MAX_TOPIC_LENGTH}")]
    TooLong(usize),
    /// [MQTT-4.7.3-2]
    #[error("it holds a NUL character")]
    Nul,
    /// [MQTT-3.3.2-2]
    #[error("`{0}` is a wildcard, which only a subscription may hold")]
    Wildcard(char),
    /// [MQTT-4.7.1-1]
    #[error("`#` has to be the last level, alone, as in `plant/#`")]
    MisplacedHash,
    /// [MQTT-4.7.1-2]
    #[error("`+` has to be a whole level, as in `plant/+/state`")]
    MisplacedPlus,
}

fn check_length(text: &str) -> Result<(), InvalidTopic> {
    match text.len() {
        0 => Err(InvalidTopic::Empty),
        1..=MAX_TOPIC_LENGTH if !text.contains('\0') => Ok(()),
        1..=MAX_TOPIC_LENGTH => Err(InvalidTopic::Nul),
        longer => Err(InvalidTopic::TooLong(longer)),
    }
}

/// Topic name of a message.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Topic(Arc<str>);

impl Topic {
    /// Parses a topic name.
    pub fn new(name: impl Into<Arc<str>>) -> Result<Self, InvalidTopic> {
        let name = name.into();
        check_length(&name)?;
        match name.chars().find(|c| matches!(c, '+' | '#')) {
            Some(wildcard) => Err(InvalidTopic::Wildcard(wildcard)),
            None => Ok(Self(name)),
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Topic filter of a subscription: `+` matches one level, `#` all following levels.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicFilter(Arc<str>);

impl TopicFilter {
    /// Parses a topic filter.
    pub fn new(pattern: impl Into<Arc<str>>) -> Result<Self, InvalidTopic> {
        let pattern = pattern.into();
        check_length(&pattern)?;
        let mut levels = pattern.split('/').peekable();
        while let Some(level) = levels.next() {
            if level.contains('#') && (level != "#" || levels.peek().is_some()) {
                return Err(InvalidTopic::MisplacedHash);
            }
            if level.contains('+') && level != "+" {
                return Err(InvalidTopic::MisplacedPlus);
            }
        }
        Ok(Self(pattern))
    }

    /// The filter as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a topic matches this filter. A filter that begins with a wildcard does not match topics that
    /// begin with `$` [MQTT-4.7.2-1].
    pub fn matches(&self, topic: &Topic) -> bool {
        let pattern = &*self.0;
        if topic.0.starts_with('$') && pattern.starts_with(['+', '#']) {
            return false;
        }
        let mut levels = topic.0.split('/');
        for wanted in pattern.split('/') {
            match (wanted, levels.next()) {
                ("#", _) => return true,
                ("+", Some(_)) => {}
                (literal, Some(level)) if literal == level => {}
                _ => return false,
            }
        }
        levels.next().is_none()
    }
}

impl Borrow<str> for TopicFilter {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TopicFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(filter: &str, topic: &str) -> bool {
        TopicFilter::new(filter).unwrap().matches(&Topic::new(topic).unwrap())
    }

    #[test]
    fn wildcards_match_as_the_standard_lists() {
        // Examples of section 4.7.1, matches and mismatches.
        for topic in ["sport/tennis/player1", "sport/tennis/player1/ranking"] {
            assert!(matches("sport/tennis/player1/#", topic));
        }
        assert!(matches("sport/#", "sport"));
        assert!(matches("#", "sport/tennis"));
        assert!(matches("sport/tennis/+", "sport/tennis/player1"));
        assert!(!matches("sport/tennis/+", "sport/tennis/player1/ranking"));
        assert!(!matches("sport/+", "sport"));
        assert!(matches("sport/+", "sport/"));
        assert!(matches("+/+", "/finance"));
        assert!(matches("/+", "/finance"));
        assert!(!matches("+", "/finance"));
        assert!(!matches("sport", "sport/tennis"));
    }

    #[test]
    fn leading_wildcards_leave_dollar_topics_alone() {
        assert!(!matches("#", "$SYS/uptime"));
        assert!(!matches("+/uptime", "$SYS/uptime"));
        assert!(matches("$SYS/#", "$SYS/uptime"));
        assert!(matches("a/#", "a/$b"));
    }

    #[test]
    fn malformed_names_and_filters_say_what_is_wrong() {
        assert_eq!(Topic::new(""), Err(InvalidTopic::Empty));
        assert_eq!(Topic::new("a/+/b"), Err(InvalidTopic::Wildcard('+')));
        assert_eq!(Topic::new("a\0"), Err(InvalidTopic::Nul));
        assert_eq!(Topic::new("x".repeat(70_000)), Err(InvalidTopic::TooLong(70_000)));
        assert_eq!(TopicFilter::new("a/#/b"), Err(InvalidTopic::MisplacedHash));
        assert_eq!(TopicFilter::new("a#"), Err(InvalidTopic::MisplacedHash));
        assert_eq!(TopicFilter::new("a+/b"), Err(InvalidTopic::MisplacedPlus));
    }
}
