//! Topic filters of subscriptions, including shared subscriptions [MQTT-4.8.2].

use super::limits::MAX_FILTER_LEVELS;
use super::reason::SubscribeRefusal;
use crate::topic::TopicFilter;

/// Parts of a filter: `$share/<group>/<pattern>`, or only a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ParsedFilter<'a> {
    pub(super) group: Option<&'a str>,
    pub(super) pattern: &'a str,
}

impl<'a> ParsedFilter<'a> {
    pub(super) fn parse(filter: &'a TopicFilter) -> Result<Self, SubscribeRefusal> {
        let parts = Self::split(filter.as_str()).ok_or(SubscribeRefusal::TopicFilterInvalid)?;
        match parts.pattern.split('/').nth(MAX_FILTER_LEVELS) {
            None => Ok(parts),
            Some(_) => Err(SubscribeRefusal::TopicFilterInvalid),
        }
    }

    fn split(text: &'a str) -> Option<Self> {
        let Some(shared) = text.strip_prefix("$share/") else {
            return Some(Self { group: None, pattern: text });
        };
        let (group, pattern) = shared.split_once('/')?;
        // [MQTT-4.8.2-1], [MQTT-4.8.2-2]
        let usable = !group.is_empty() && !group.contains(['+', '#']) && !pattern.is_empty();
        usable.then_some(Self { group: Some(group), pattern })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> Option<(Option<String>, String)> {
        let filter = TopicFilter::new(text).unwrap();
        let parts = ParsedFilter::parse(&filter).ok()?;
        Some((parts.group.map(Into::into), parts.pattern.into()))
    }

    #[test]
    fn a_shared_subscription_has_a_group_and_a_pattern() {
        assert_eq!(parts("a/b"), Some((None, "a/b".into())));
        assert_eq!(parts("$share/g/a/+"), Some((Some("g".into()), "a/+".into())));
        assert_eq!(parts("$share/g//a"), Some((Some("g".into()), "/a".into())));
        for bad in ["$share/g", "$share/g/", "$share//a", "$share/+/a"] {
            assert_eq!(parts(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_levels_of_a_filter_are_limited() {
        assert!(parts(&vec!["a"; MAX_FILTER_LEVELS].join("/")).is_some());
        assert!(parts(&vec!["a"; MAX_FILTER_LEVELS + 1].join("/")).is_none());
    }
}
