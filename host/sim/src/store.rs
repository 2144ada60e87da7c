//! State store of a device, which survives a crash like flash memory.

use std::collections::BTreeMap;

use bytes::Bytes;

/// The quota is exceeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the state store holds at most {0} bytes")]
pub struct StateFull(pub u32);

/// Keys and values within a quota.
#[derive(Clone, Debug)]
pub struct StateStore {
    quota: u32,
    used: usize,
    entries: BTreeMap<String, Bytes>,
}

impl StateStore {
    /// Creates an empty store with a quota in bytes for keys and values.
    pub fn new(quota: u32) -> Self {
        Self { quota, used: 0, entries: BTreeMap::new() }
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&Bytes> {
        self.entries.get(key)
    }

    /// Stores a value. If it does not fit, the old one is kept.
    pub fn set(&mut self, key: String, value: Bytes) -> Result<(), StateFull> {
        let freed = self.get(&key).map_or(0, |old| key.len() + old.len());
        let used = self.used - freed + key.len() + value.len();
        if used > self.quota as usize {
            return Err(StateFull(self.quota));
        }
        self.used = used;
        self.entries.insert(key, value);
        Ok(())
    }

    /// Deletes a key.
    pub fn delete(&mut self, key: &str) {
        if let Some(old) = self.entries.remove(key) {
            self.used -= key.len() + old.len();
        }
    }

    /// Keys in byte order.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quota_counts_keys_and_values_and_frees_what_is_replaced() {
        let mut store = StateStore::new(10);
        store.set("ab".into(), Bytes::from_static(b"12345678")).unwrap();
        assert_eq!(store.set("c".into(), Bytes::new()), Err(StateFull(10)));
        store.set("ab".into(), Bytes::from_static(b"1")).unwrap();
        store.set("c".into(), Bytes::from_static(b"23456789")).unwrap_err();
        store.delete("ab");
        store.set("c".into(), Bytes::from_static(b"234567")).unwrap();
        assert_eq!(store.keys().collect::<Vec<_>>(), ["c"]);
    }
}
