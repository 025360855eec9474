//! Values that the reference does not know: exact counts for up to 64 of them.
//!
//! Which 64 are kept must not depend on the order in which windows are merged. The rule is therefore a property of the set: those
//! with the smallest hashes. A value among the 64 smallest of a union was among the 64 smallest of every part that held it, so
//! its count is complete; all other rows are counted together. The kept values are a random sample of the new ones, and the
//! largest of their hashes estimates how many there are (Bar-Yossef et al. 2002).

use std::collections::BTreeMap;

/// Most values kept one by one.
pub(crate) const KEPT: usize = 64;
/// Longest text kept of a value, in bytes; the hash covers all of it.
pub(crate) const TEXT_BYTES: usize = 64;

/// Counts of values outside the reference.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Novel {
    /// Text and rows of each kept value, by hash.
    pub(crate) kept: BTreeMap<u64, (String, u64)>,
    /// Rows of all values that are not kept.
    pub(crate) beyond: u64,
}

impl Novel {
    /// Counts one row of a value.
    pub(crate) fn add_text(&mut self, text: &str) {
        self.add(stable_hash(text.as_bytes()), 1, &text[..text.floor_char_boundary(TEXT_BYTES)]);
    }

    fn add(&mut self, hash: u64, rows: u64, text: &str) {
        if let Some((_, kept)) = self.kept.get_mut(&hash) {
            *kept = kept.saturating_add(rows);
            return;
        }
        if self.kept.len() == KEPT
            && let Some(largest) = self.kept.last_entry()
        {
            if *largest.key() < hash {
                self.beyond = self.beyond.saturating_add(rows);
                return;
            }
            let (_, evicted) = largest.remove();
            self.beyond = self.beyond.saturating_add(evicted);
        }
        self.kept.insert(hash, (text.to_owned(), rows));
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        for (hash, (text, rows)) in &other.kept {
            // Two values of one hash are one value; which text stays must not depend on the order either.
            if let Some((kept, _)) = self.kept.get_mut(hash)
                && text < kept
            {
                kept.clone_from(text);
            }
            self.add(*hash, *rows, text);
        }
        self.beyond = self.beyond.saturating_add(other.beyond);
    }

    /// Rows of all new values.
    pub(crate) fn rows(&self) -> u64 {
        self.kept.values().fold(self.beyond, |sum, (_, rows)| sum.saturating_add(*rows))
    }

    /// Number of new values: exact up to [`KEPT`], beyond that an estimate of about 13 % standard error.
    pub(crate) fn distinct(&self) -> u64 {
        match self.kept.last_key_value() {
            Some((largest, _)) if self.beyond > 0 => {
                let share = (*largest as f64 + 1.0) / 2.0_f64.powi(64);
                ((KEPT - 1) as f64 / share) as u64
            }
            _ => self.kept.len() as u64,
        }
    }
}

/// A 64-bit hash that is the same in every process and version: FNV-1a, finished by the mixer of splitmix64 so that all its bits
/// are equally good.
pub(crate) fn stable_hash(bytes: &[u8]) -> u64 {
    let fnv = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3));
    let mixed = (fnv ^ (fnv >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
