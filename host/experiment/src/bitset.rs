//! Set of small integers.

/// Set with one bit for each number.
#[derive(Clone, Debug, Default)]
pub struct BitSet(Vec<u64>);

impl BitSet {
    /// Adds a number and returns true if it was not in the set.
    pub fn insert(&mut self, number: usize) -> bool {
        let (word, bit) = (number / 64, 1 << (number % 64));
        if word >= self.0.len() {
            self.0.resize(word + 1, 0);
        }
        let is_new = self.0[word] & bit == 0;
        self.0[word] |= bit;
        is_new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_new_once() {
        let mut set = BitSet::default();
        let added = [0, 63, 64, 1_000, 64, 0].map(|number| set.insert(number));
        assert_eq!(added, [true, true, true, true, false, false]);
    }
}
