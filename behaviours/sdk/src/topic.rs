//! MQTT topic names.
//!
//! A device's topics are `<root>/<device>/<leaf>`; the root may have several levels.

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
    use super::{below, device_and_leaf};

    #[test]
    fn a_topic_is_taken_apart_below_its_root() {
        assert_eq!(below("w/site", "w/site/link/a/b"), Some(vec!["link", "a", "b"]));
        assert_eq!(below("w", "wide/a"), None);
        assert_eq!(device_and_leaf("w/site", "w/site/a/state"), Some(("a", "state")));
        assert_eq!(device_and_leaf("w/site", "w/site/link/a/b"), None);
        assert_eq!(device_and_leaf("w", "other/a/state"), None);
    }
}
