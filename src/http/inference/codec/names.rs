//! Which of a fixed list of names a key is, fast when keys come in the list's order, as they nearly always do.

use std::collections::HashMap;

/// A list of names, and which of them the current object already has.
pub(super) struct Names<'a> {
    names: Vec<&'a str>,
    positions: HashMap<&'a str, usize>,
    next: usize,
    /// The number of the object that a name was last seen in.
    seen: Vec<usize>,
    object: usize,
    count: usize,
}

impl<'a> Names<'a> {
    pub(super) fn new(names: impl Iterator<Item = &'a str>) -> Self {
        let names: Vec<&str> = names.collect();
        let seen = vec![0; names.len()];
        Self { names, positions: HashMap::new(), next: 0, seen, object: 0, count: 0 }
    }

    /// Starts with the next object.
    pub(super) fn next_object(&mut self) {
        self.object += 1;
        self.next = 0;
        self.count = 0;
    }

    /// Returns the position of a name.
    pub(super) fn find(&mut self, key: &str) -> Option<usize> {
        if self.names.get(self.next) == Some(&key) {
            self.next += 1;
            return Some(self.next - 1);
        }
        if self.positions.is_empty() {
            self.positions = self.names.iter().enumerate().map(|(index, name)| (*name, index)).collect();
        }
        let index = *self.positions.get(key)?;
        self.next = index + 1;
        Some(index)
    }

    /// Notes that the current object has this name; false if it had it before.
    pub(super) fn mark(&mut self, index: usize) -> bool {
        let first = self.seen[index] != self.object;
        self.seen[index] = self.object;
        self.count += usize::from(first);
        first
    }

    /// Returns how many names the current object has.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Returns the first name that the current object lacks.
    pub(super) fn first_missing(&self) -> Option<&'a str> {
        self.seen.iter().position(|seen| *seen != self.object).map(|index| self.names[index])
    }
}
