//! A map that remembers which of its entries may have changed, so that what is derived from them can follow.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;

/// Reads as a [`BTreeMap`]. Whoever is given an entry to change has touched it.
#[derive(Debug, Clone)]
pub(crate) struct Tracked<K, V> {
    all: BTreeMap<K, V>,
    touched: BTreeSet<K>,
}

impl<K, V> Default for Tracked<K, V> {
    fn default() -> Self {
        Self { all: BTreeMap::new(), touched: BTreeSet::new() }
    }
}

impl<K: Ord + Copy, V> From<BTreeMap<K, V>> for Tracked<K, V> {
    fn from(all: BTreeMap<K, V>) -> Self {
        Self { touched: all.keys().copied().collect(), all }
    }
}

impl<K, V> Deref for Tracked<K, V> {
    type Target = BTreeMap<K, V>;

    fn deref(&self) -> &BTreeMap<K, V> {
        &self.all
    }
}

impl<K: Ord + Copy, V> Tracked<K, V> {
    /// An entry to be changed.
    pub(crate) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let found = self.all.get_mut(key)?;
        self.touched.insert(*key);
        Some(found)
    }

    /// All entries, to be changed.
    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.touched.extend(self.all.keys().copied());
        self.all.values_mut()
    }

    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<V> {
        self.touched.insert(key);
        self.all.insert(key, value)
    }

    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        self.touched.insert(*key);
        self.all.remove(key)
    }

    /// Whether nothing was touched since [`Self::take_touched`].
    pub(crate) fn at_rest(&self) -> bool {
        self.touched.is_empty()
    }

    /// The entries that were touched and are there.
    pub(crate) fn touched(&self) -> impl Iterator<Item = &V> {
        self.touched.iter().filter_map(|key| self.all.get(key))
    }

    /// The keys that were touched, also of entries that are gone.
    pub(crate) fn take_touched(&mut self) -> BTreeSet<K> {
        std::mem::take(&mut self.touched)
    }

    /// Entries that may match: those that were touched, and those that an index names. The caller checks them.
    pub(crate) fn candidates<'a>(
        &'a self,
        indexed: impl IntoIterator<Item = K> + 'a,
    ) -> impl Iterator<Item = &'a V> + 'a
    where
        K: 'a,
    {
        self.touched().chain(indexed.into_iter().filter_map(|key| self.all.get(&key)))
    }
}
