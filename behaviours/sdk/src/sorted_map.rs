//! A small map from names to values: a sorted vector, which weighs a tenth of the standard library's map.

/// A map from names to values, in byte order of the names. Made for up to a few thousand.
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

    /// The value of a name.
    pub fn get(&self, name: &str) -> Option<&V> {
        self.search(name).ok().map(|index| &self.0[index].1)
    }

    /// The value of a name, to be changed.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut V> {
        self.search(name).ok().map(|index| &mut self.0[index].1)
    }

    /// Whether there is a value of this name.
    pub fn contains(&self, name: &str) -> bool {
        self.search(name).is_ok()
    }

    /// Enter a value, in place of the one that may be there.
    pub fn insert(&mut self, name: &str, value: V) {
        match self.search(name) {
            Ok(index) => self.0[index].1 = value,
            Err(index) => self.0.insert(index, (name.into(), value)),
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Names and values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&String, &V)> {
        self.0.iter().map(|(name, value)| (name, value))
    }

    /// Names and values, in order, the values to be changed.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&String, &mut V)> {
        self.0.iter_mut().map(|(name, value)| (&*name, value))
    }

    /// Remove all.
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
