//! A small map with string keys: a sorted vector, with a tenth of the code size of the standard library's
//! map.

/// A map with string keys in byte order, for up to a few thousand entries.
#[derive(Clone, Debug)]
pub struct SortedMap<V>(Vec<(String, V)>);

impl<V> Default for SortedMap<V> {
    fn default() -> Self {
        SortedMap(Vec::new())
    }
}

impl<V> SortedMap<V> {
    fn search(&self, name: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(known, _)| known.as_str().cmp(name))
    }

    /// The value of a key.
    pub fn get(&self, name: &str) -> Option<&V> {
        self.search(name).ok().map(|index| &self.0[index].1)
    }

    /// The mutable value of a key.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut V> {
        self.search(name).ok().map(|index| &mut self.0[index].1)
    }

    /// True if the key exists.
    pub fn contains(&self, name: &str) -> bool {
        self.search(name).is_ok()
    }

    /// Inserts or replaces a value.
    pub fn insert(&mut self, name: &str, value: V) {
        match self.search(name) {
            Ok(index) => self.0[index].1 = value,
            Err(index) => self.0.insert(index, (name.into(), value)),
        }
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True if the map is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Keys and values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&String, &V)> {
        self.0.iter().map(|(name, value)| (name, value))
    }

    /// Keys and mutable values, in order.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&String, &mut V)> {
        self.0.iter_mut().map(|(name, value)| (&*name, value))
    }

    /// Removes all entries.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::SortedMap;

    #[test]
    fn names_keep_their_order_and_their_values() {
        let mut table = SortedMap::default();
        for (name, value) in [("b", 1), ("a", 2), ("c", 3), ("b", 4)] {
            table.insert(name, value);
        }
        let all: Vec<_> = table.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        assert_eq!(all, [("a", 2), ("b", 4), ("c", 3)]);
        assert_eq!((table.get("c"), table.get("d"), table.len()), (Some(&3), None, 3));
    }
}
