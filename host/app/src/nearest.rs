//! What somebody may have meant who wrote a name that is not known.

/// The known name that is closest to a word, if one is close enough to be a slip of the finger.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let tolerated = (word.chars().count() / 3).max(1);
    known
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(word, name), name))
        .filter(|(distance, _)| *distance <= tolerated)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// A question to close an error with, or nothing.
pub fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(word, known).map(|name| format!("; did you mean `{name}`?")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_understood_and_another_word_is_not() {
        let known = ["probability", "min", "max", "heartbeat-1", "heartbeat-2"];
        assert_eq!(nearest("probabilty", known), Some("probability"));
        assert_eq!(nearest("mix", known), Some("min"));
        assert_eq!(nearest("heartbeat_2", known), Some("heartbeat-2"));
        assert_eq!(nearest("latency", known), None);
    }
}
