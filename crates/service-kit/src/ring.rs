//! The newest of what comes, and no more.

use std::collections::VecDeque;

/// Keeps the newest entries, up to a bound.
#[derive(Debug)]
pub struct Ring<T> {
    kept: VecDeque<T>,
    bound: usize,
}

impl<T> Ring<T> {
    /// Keeps at most `bound` entries; 0 counts as 1.
    pub fn new(bound: usize) -> Self {
        Self { kept: VecDeque::new(), bound: bound.max(1) }
    }

    /// Adds one; the oldest goes where there are too many.
    pub fn push(&mut self, item: T) {
        if self.kept.len() == self.bound {
            self.kept.pop_front();
        }
        self.kept.push_back(item);
    }

    /// Oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &T> {
        self.kept.iter()
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.kept.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_is_bounded() {
        let mut ring = Ring::new(10);
        (0..15).for_each(|n| ring.push(n));
        assert_eq!(ring.iter().copied().collect::<Vec<_>>(), (5..15).collect::<Vec<_>>());
    }
}
