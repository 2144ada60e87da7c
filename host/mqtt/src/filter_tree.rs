//! Map from topic filters to values: a tree with one topic level at each step.
//!
//! A lookup visits only the branches of the topic's levels and of wildcards, so that its cost depends on the
//! number of matching filters and not on the size of the tree. The broker stores subscriptions in one;
//! experiments store expected receivers.

use std::collections::BTreeMap;

use crate::topic::Topic;

/// Leaves by topic filter, without the group of a shared subscription. The recursion is one call deep for
/// each level, see [`MAX_FILTER_LEVELS`](crate::broker::limits::MAX_FILTER_LEVELS).
#[derive(Debug, Default)]
pub struct FilterTree<L>(Node<L>);

/// Value of one topic filter.
pub trait Leaf: Default {
    /// Whether the value is empty, so that its branch can be removed.
    fn is_empty(&self) -> bool;
}

impl<K, V> Leaf for BTreeMap<K, V> {
    fn is_empty(&self) -> bool {
        Self::is_empty(self)
    }
}

#[derive(Debug, Default)]
struct Node<L> {
    /// Boxed, because a map allocates space for eleven values at once.
    children: BTreeMap<Box<str>, Box<Node<L>>>,
    /// Filters with `+` at the next level.
    single_level: Option<Box<Node<L>>>,
    /// Value of the filter that ends here.
    exact: L,
    /// Value of the filter that ends here with `#`, which matches this level too [MQTT-4.7.1.2].
    multi_level: L,
}

impl<L: Leaf> FilterTree<L> {
    /// Value of a filter. Inserts an empty value for an unknown filter.
    pub fn entry(&mut self, pattern: &str) -> &mut L {
        let mut node = &mut self.0;
        for level in pattern.split('/') {
            node = match level {
                "#" => return &mut node.multi_level,
                "+" => node.single_level.get_or_insert_default(),
                // A lookup first, so that existing levels are not copied.
                literal if node.children.contains_key(literal) => {
                    node.children.get_mut(literal).expect("it was just found")
                }
                literal => node.children.entry(literal.into()).or_default(),
            };
        }
        &mut node.exact
    }

    /// Applies `take` to the value of a filter and returns its result. Empty branches are then removed.
    pub fn take<T: Default>(&mut self, pattern: &str, take: impl FnOnce(&mut L) -> T) -> T {
        self.0.take(&mut pattern.split('/'), take)
    }

    /// Visits the values of all filters that match a topic, in an order that depends only on the filters.
    pub fn visit(&mut self, topic: &Topic, mut visitor: impl FnMut(&mut L)) {
        // Topics with `$` do not match filters that begin with a wildcard [MQTT-4.7.2-1].
        let wildcards = !topic.as_str().starts_with('$');
        self.0.visit(topic.as_str().split('/'), wildcards, &mut visitor);
    }

    /// Whether the tree has no values.
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

    /// The tree must agree with [`TopicFilter::matches`], which applies the rules one by one.
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
    fn removing_all_values_removes_all_branches() {
        let mut tree = FilterTree::<Numbers>::default();
        let filters = ["a/b/c", "a/+/c", "a/#", "a/b", "+/+/+"];
        for filter in filters {
            tree.entry(filter).insert(1, ());
        }
        for filter in filters {
            assert_eq!(tree.take(filter, |numbers| numbers.remove(&1)), Some(()));
            assert_eq!(tree.take(filter, |numbers| numbers.remove(&1)), None, "it is removed");
        }
        assert!(tree.is_empty(), "empty branches are removed");
    }

    #[test]
    fn a_lookup_does_not_scan_a_hundred_thousand_filters() {
        let mut tree = FilterTree::<Numbers>::default();
        for n in 0..100_000 {
            tree.entry(&format!("root/device-{n}/cmd")).insert(n, ());
        }
        // A scan of all filters for each topic would take minutes.
        for n in 0..100_000 {
            let topic = Topic::new(format!("root/device-{n}/cmd")).unwrap();
            assert_eq!(found(&mut tree, &topic), [n]);
        }
    }
}
