//! Suggestions for misspelt names.

/// The known name that is closest to a word, if the edit distance is at most a third of the word's length.
pub fn closest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let max_distance = (word.chars().count() / 3).max(1);
    known
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(word, name), name))
        .filter(|(distance, _)| *distance <= max_distance)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// Suggestion for the end of an error message; empty if no known name is close.
pub fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    closest(word, known).map(|name| format!("; did you mean `{name}`?")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typo_gets_a_suggestion_and_an_unrelated_word_none() {
        let known = ["probability", "min", "max", "heartbeat-1", "heartbeat-2"];
        assert_eq!(closest("probabilty", known), Some("probability"));
        assert_eq!(closest("mix", known), Some("min"));
        assert_eq!(closest("heartbeat_2", known), Some("heartbeat-2"));
        assert_eq!(closest("latency", known), None);
    }
}
