//! Topics and filters: validity and matches equal a reference that is written from the standard's text, and the filter tree
//! finds the filters that match.

use std::collections::{BTreeMap, BTreeSet};

use wasmote_mqtt::broker::limits::MAX_FILTER_LEVELS;
use wasmote_mqtt::filter_tree::FilterTree;
use wasmote_mqtt::topic::{Topic, TopicFilter};

/// Lines are topics and filters alike.
pub(super) fn check(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let lines: Vec<&str> = text.split('\n').collect();
    let mut tree: FilterTree<BTreeMap<usize, ()>> = FilterTree::default();
    let mut topics = Vec::new();
    let mut filters = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let (topic, filter) = (Topic::new(*line), TopicFilter::new(*line));
        assert_eq!(topic.is_ok(), is_topic(line), "topic {line:?}: {topic:?}");
        assert_eq!(filter.is_ok(), is_filter(line), "filter {line:?}: {filter:?}");
        for error in [topic.as_ref().err(), filter.as_ref().err()].into_iter().flatten() {
            assert!(error.to_string().len() > 10, "`{error}` says nothing");
        }
        topics.extend(topic);
        if let Ok(filter) = filter
            && line.split('/').count() <= MAX_FILTER_LEVELS
        {
            tree.entry(filter.as_str()).insert(index, ());
            filters.push((index, filter));
        }
    }
    let mut matched = false;
    for topic in &topics {
        let expected: BTreeSet<usize> = filters
            .iter()
            .filter(|(_, filter)| {
                let matches = is_match(filter.as_str(), topic.as_str());
                assert_eq!(filter.matches(topic), matches, "{filter} and {topic}");
                matches
            })
            .map(|(index, _)| *index)
            .collect();
        let mut found = BTreeSet::new();
        tree.visit(topic, |leaf| {
            for index in leaf.keys() {
                assert!(found.insert(*index), "the filter {} is found twice", lines[*index]);
            }
        });
        assert_eq!(found, expected, "{topic}");
        matched |= !found.is_empty();
    }
    for (index, filter) in &filters {
        assert_eq!(tree.take(filter.as_str(), |leaf| leaf.remove(index)), Some(()), "{filter}");
    }
    assert!(tree.is_empty(), "empty branches stay after {filters:?}");
    matched
}

/// Sections 4.7.3 and 3.3.2.1.
fn is_topic(text: &str) -> bool {
    (1..=65_535).contains(&text.len()) && !text.contains(['\0', '+', '#'])
}

/// Sections 4.7.1.2 and 4.7.1.3.
fn is_filter(text: &str) -> bool {
    let levels: Vec<&str> = text.split('/').collect();
    let is_level = |(index, level): (usize, &&str)| match *level {
        "+" => true,
        "#" => index + 1 == levels.len(),
        other => !other.contains(['+', '#']),
    };
    (1..=65_535).contains(&text.len()) && !text.contains('\0') && levels.iter().enumerate().all(is_level)
}

/// Sections 4.7.1 and 4.7.2.
pub(crate) fn is_match(filter: &str, topic: &str) -> bool {
    fn levels_match(filter: &[&str], topic: &[&str]) -> bool {
        match (filter, topic) {
            (["#"], _) | ([], []) => true,
            (["+", filter @ ..], [_, topic @ ..]) => levels_match(filter, topic),
            ([wanted, filter @ ..], [level, topic @ ..]) => wanted == level && levels_match(filter, topic),
            _ => false,
        }
    }
    let (filter, topic): (Vec<&str>, Vec<&str>) = (filter.split('/').collect(), topic.split('/').collect());
    let hidden = topic[0].starts_with('$') && matches!(filter[0], "+" | "#");
    !hidden && levels_match(&filter, &topic)
}
