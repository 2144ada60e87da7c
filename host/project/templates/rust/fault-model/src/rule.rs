//! The messages that the model may drop.

/// Messages by the ending of their topic.
pub struct Rule {
    /// The last levels of a topic, such as `telemetry`.
    pub ending: String,
    /// Probability that such a message is dropped.
    pub probability: f64,
}

impl Rule {
    /// Whether the topic ends with the levels of the rule.
    pub fn matches(&self, topic: &str) -> bool {
        let rest = topic.strip_suffix(self.ending.as_str());
        rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('/'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_levels_match() {
        let rule = Rule { ending: "telemetry".into(), probability: 1.0 };
        assert!(rule.matches("wasmote/a/telemetry") && rule.matches("telemetry"));
        assert!(!rule.matches("wasmote/a/mytelemetry") && !rule.matches("wasmote/telemetry/a"));
    }
}
