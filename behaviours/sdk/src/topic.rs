//! MQTT topic names and topic filters.
//!
//! A device's topics are `<root>/<device>/<leaf>`; the root may have several levels.

/// True if a topic name matches a topic filter [MQTT-4.7.1-2], [MQTT-4.7.1-3], [MQTT-4.7.2-1].
pub fn matches(filter: &str, topic: &str) -> bool {
    if topic.starts_with('$') && filter.starts_with(['+', '#']) {
        return false;
    }
    let mut levels = topic.split('/');
    for wanted in filter.split('/') {
        if wanted == "#" {
            return true;
        }
        match levels.next() {
            Some(level) if wanted == "+" || wanted == level => {}
            _ => return false,
        }
    }
    levels.next().is_none()
}

/// The levels of a topic below a root: `below("site/a", "site/a/pump/state")` is `["pump", "state"]`. `None`
/// if the topic is not below it.
pub fn below<'t>(root: &str, topic: &'t str) -> Option<Vec<&'t str>> {
    Some(topic.strip_prefix(root)?.strip_prefix('/')?.split('/').collect())
}

/// Device and leaf of `<root>/<device>/<leaf>`; `None` for any other topic.
pub fn device_and_leaf<'t>(root: &str, topic: &'t str) -> Option<(&'t str, &'t str)> {
    topic.strip_prefix(root)?.strip_prefix('/')?.split_once('/').filter(|(_, leaf)| !leaf.contains('/'))
}

#[cfg(test)]
mod tests {
    use super::{below, device_and_leaf, matches};

    #[test]
    fn a_plus_stands_for_one_level() {
        assert!(matches("w/+/state", "w/a/state"));
        assert!(matches("+", "w"));
        assert!(!matches("+", "w/a"));
        assert!(!matches("w/+/state", "w/state"));
        assert!(matches("w/+", "w/"));
    }

    #[test]
    fn a_hash_stands_for_the_parent_and_all_below() {
        assert!(matches("w/#", "w/a/b"));
        assert!(matches("w/#", "w"));
        assert!(matches("#", "w/a"));
        assert!(!matches("w/#", "v/a"));
    }

    #[test]
    fn wildcards_at_the_front_leave_the_brokers_own_topics_out() {
        assert!(!matches("#", "$SYS/uptime"));
        assert!(!matches("+/uptime", "$SYS/uptime"));
        assert!(matches("$SYS/#", "$SYS/uptime"));
    }

    #[test]
    fn a_topic_is_taken_apart_below_its_root() {
        assert_eq!(below("w/site", "w/site/link/a/b"), Some(vec!["link", "a", "b"]));
        assert_eq!(below("w", "wide/a"), None);
        assert_eq!(device_and_leaf("w/site", "w/site/a/state"), Some(("a", "state")));
        assert_eq!(device_and_leaf("w/site", "w/site/link/a/b"), None);
        assert_eq!(device_and_leaf("w", "other/a/state"), None);
    }
}
