//! What stands at topic filters: a tree with one level of the topic at each step.
//!
//! A topic visits only the branches that it names and the wildcards beside them, so that its cost follows the
//! number of filters that match and not the number of those that there are. The broker keeps subscriptions in one,
//! and an experiment who wants what.

use std::collections::BTreeMap;

use crate::topic::Topic;

/// Leaves by pattern. A pattern is a topic filter as it is matched, without the name of a shared subscription. Each of
/// its levels is a call deep: see [`MAX_FILTER_LEVELS`](crate::broker::limits::MAX_FILTER_LEVELS).
#[derive(Debug, Default)]
pub struct FilterTree<L>(Node<L>);

/// What stands at one pattern.
pub trait Leaf: Default {
    /// Whether nothing is left of it, so that its branch can go.
    fn is_empty(&self) -> bool;
}

impl<K, V> Leaf for BTreeMap<K, V> {
    fn is_empty(&self) -> bool {
        Self::is_empty(self)
    }
}

#[derive(Debug, Default)]
struct Node<L> {
    children: BTreeMap<Box<str>, Node<L>>,
    /// Filters with `+` at the next level.
    single_level: Option<Box<Node<L>>>,
    /// Filters that end here.
    exact: L,
    /// Filters that end here with `#`, which stands for this level too [MQTT-4.7.1.2].
    multi_level: L,
}

impl<L: Leaf> FilterTree<L> {
    /// What stands at a pattern. Where nothing did, it is there now, and empty.
    pub fn entry(&mut self, pattern: &str) -> &mut L {
        let mut node = &mut self.0;
        for level in pattern.split('/') {
            node = match level {
                "#" => return &mut node.multi_level,
                "+" => node.single_level.get_or_insert_default(),
                // A lookup first, so that a level that exists is not copied.
                literal if node.children.contains_key(literal) => {
                    node.children.get_mut(literal).expect("it was just found")
                }
                literal => node.children.entry(literal.into()).or_default(),
            };
        }
        &mut node.exact
    }

    /// Take something from what stands at a pattern, and say what `take` says. Branches that bear nothing then go.
    pub fn take<T: Default>(&mut self, pattern: &str, take: impl FnOnce(&mut L) -> T) -> T {
        self.0.take(&mut pattern.split('/'), take)
    }

    /// Visit what stands at every pattern that matches a topic, in an order that depends on nothing but the patterns.
    pub fn visit(&mut self, topic: &Topic, mut visitor: impl FnMut(&mut L)) {
        // Topics with `$` are not for filters that begin with a wildcard [MQTT-4.7.2-1].
        let wildcards = !topic.as_str().starts_with('$');
        self.0.visit(topic.as_str().split('/'), wildcards, &mut visitor);
    }

    /// Whether nothing stands anywhere.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<L: Leaf> Node<L> {
    fn visit<'a>(
        &mut self,
        mut levels: impl Iterator<Item = &'a str> + Clone,
        wildcards: bool,
        visitor: &mut impl FnMut(&mut L),
    ) {
        if wildcards {
            visitor(&mut self.multi_level);
        }
        let Some(level) = levels.next() else { return visitor(&mut self.exact) };
        if let Some(child) = self.children.get_mut(level) {
            child.visit(levels.clone(), true, visitor);
        }
        if let Some(single_level) = self.single_level.as_deref_mut().filter(|_| wildcards) {
            single_level.visit(levels, true, visitor);
        }
    }

    fn take<'a, T: Default>(
        &mut self,
        levels: &mut impl Iterator<Item = &'a str>,
        take: impl FnOnce(&mut L) -> T,
    ) -> T {
        match levels.next() {
            None => take(&mut self.exact),
            Some("#") => take(&mut self.multi_level),
            Some("+") => {
                let Some(single_level) = &mut self.single_level else { return T::default() };
                let taken = single_level.take(levels, take);
                self.single_level.take_if(|single_level| single_level.is_empty());
                taken
            }
            Some(literal) => {
                let Some(child) = self.children.get_mut(literal) else { return T::default() };
                let taken = child.take(levels, take);
                if child.is_empty() {
                    self.children.remove(literal);
                }
                taken
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.children.is_empty()
            && self.single_level.is_none()
            && self.exact.is_empty()
            && self.multi_level.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topic::TopicFilter;

    type Numbers = BTreeMap<usize, ()>;

    fn found(tree: &mut FilterTree<Numbers>, topic: &Topic) -> Vec<usize> {
        let mut found = Vec::new();
        tree.visit(topic, |numbers| found.extend(numbers.keys()));
        found.sort_unstable();
        found
    }

    /// The tree has to agree with [`TopicFilter::matches`], which reads the rules one by one.
    #[test]
    fn the_tree_finds_what_the_filters_match() {
        let filters =
            ["#", "+", "a", "a/#", "a/+", "a/+/c", "+/b", "/a", "/+", "$SYS/#", "$SYS/a", "a//b", "+/+"];
        let topics = ["a", "a/b", "a/b/c", "a/b/c/d", "/a", "/", "$SYS/a", "$SYS", "a//b", "b"];
        let mut tree = FilterTree::<Numbers>::default();
        for (number, filter) in filters.into_iter().enumerate() {
            tree.entry(filter).insert(number, ());
        }
        for topic in topics.map(|topic| Topic::new(topic).unwrap()) {
            let matches = |filter: &&str| TopicFilter::new(*filter).unwrap().matches(&topic);
            let expected: Vec<usize> = filters
                .iter()
                .enumerate()
                .filter(|(_, filter)| matches(filter))
                .map(|(number, _)| number)
                .collect();
            assert_eq!(found(&mut tree, &topic), expected, "{topic}");
        }
    }

    #[test]
    fn taking_everything_back_leaves_nothing_behind() {
        let mut tree = FilterTree::<Numbers>::default();
        let filters = ["a/b/c", "a/+/c", "a/#", "a/b", "+/+/+"];
        for filter in filters {
            tree.entry(filter).insert(1, ());
        }
        for filter in filters {
            assert_eq!(tree.take(filter, |numbers| numbers.remove(&1)), Some(()));
            assert_eq!(tree.take(filter, |numbers| numbers.remove(&1)), None, "it is gone");
        }
        assert!(tree.is_empty(), "no empty branch is kept");
    }

    #[test]
    fn a_hundred_thousand_filters_cost_a_topic_nothing() {
        let mut tree = FilterTree::<Numbers>::default();
        for n in 0..100_000 {
            tree.entry(&format!("root/device-{n}/cmd")).insert(n, ());
        }
        // A scan of all for each of these would take minutes.
        for n in 0..100_000 {
            let topic = Topic::new(format!("root/device-{n}/cmd")).unwrap();
            assert_eq!(found(&mut tree, &topic), [n]);
        }
    }
}
