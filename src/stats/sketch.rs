//! Small summaries of many values: quantiles and the number of distinct values. Both are deterministic.

/// Values of a level before half of them move up. The rank error is below one over this, times the number of levels.
const LEVEL: usize = 4096;

/// Quantiles by compaction, after Karnin, Lang and Liberty (2016) with levels of equal size and alternating instead of random
/// offsets: values at level i stand for 2^i values each.
#[derive(Debug, Default)]
pub(crate) struct Quantiles {
    levels: Vec<Vec<f64>>,
    odd: Vec<bool>,
}

impl Quantiles {
    pub(crate) fn add(&mut self, value: f64) {
        self.push(0, value);
        let mut level = 0;
        while self.levels[level].len() >= LEVEL {
            let mut full = std::mem::take(&mut self.levels[level]);
            full.sort_unstable_by(f64::total_cmp);
            self.odd[level] = !self.odd[level];
            let offset = usize::from(self.odd[level]);
            // an even number of values moves, so that weights add up to the number of values
            for pair in full.chunks_exact(2) {
                self.push(level + 1, pair[offset]);
            }
            level += 1;
        }
    }

    fn push(&mut self, level: usize, value: f64) {
        if self.levels.len() <= level {
            self.levels.resize_with(level + 1, Vec::new);
            self.odd.resize(level + 1, false);
        }
        self.levels[level].push(value);
    }

    /// Returns values with the number of values that each stands for, ascending.
    pub(crate) fn weighted(&self) -> Vec<(f64, u64)> {
        let each = |(level, values): (usize, &Vec<f64>)| values.iter().map(move |v| (*v, 1 << level)).collect::<Vec<_>>();
        let mut all: Vec<(f64, u64)> = self.levels.iter().enumerate().flat_map(each).collect();
        all.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        all
    }
}

/// HyperLogLog (Flajolet et al. 2007) with 4096 registers over 64-bit hashes: a standard error of 1.6 %.
#[derive(Debug)]
pub(crate) struct Distinct(Vec<u8>);

/// Bits of a hash that choose the register.
const INDEX_BITS: u32 = 12;

impl Default for Distinct {
    fn default() -> Self {
        Self(vec![0; 1 << INDEX_BITS])
    }
}

impl Distinct {
    pub(crate) fn add(&mut self, hash: u64) {
        let register = &mut self.0[(hash >> (64 - INDEX_BITS)) as usize];
        let rank = ((hash << INDEX_BITS) | (1 << (INDEX_BITS - 1))).leading_zeros() as u8 + 1;
        *register = (*register).max(rank);
    }

    pub(crate) fn estimate(&self) -> u64 {
        let m = self.0.len() as f64;
        let sum: f64 = self.0.iter().map(|rank| 2f64.powi(-i32::from(*rank))).sum();
        let raw = 0.7213 / (1.0 + 1.079 / m) * m * m / sum;
        let empty = self.0.iter().filter(|rank| **rank == 0).count();
        let estimate = if raw <= 2.5 * m && empty > 0 { m * (m / empty as f64).ln() } else { raw };
        estimate.round() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::super::novel::stable_hash;
    use super::*;

    #[test]
    fn weights_add_up_and_ranks_are_close() {
        let n = 300_000u64;
        let mut sketch = Quantiles::default();
        for i in 0..n {
            sketch.add((i * 7_919 % n) as f64);
        }
        let weighted = sketch.weighted();
        assert_eq!(weighted.iter().map(|(_, w)| w).sum::<u64>(), n);
        let mut below = 0;
        for (value, weight) in weighted {
            let off = (below as f64 - value).abs() / n as f64;
            assert!(off < 2e-3, "rank of {value} is off by {off}");
            below += weight;
        }
    }

    #[test]
    fn distinct_values_are_counted_within_five_percent() {
        for n in [0u64, 1, 100, 5_000, 200_000] {
            let mut distinct = Distinct::default();
            for i in 0..n * 2 {
                distinct.add(stable_hash(&(i % n.max(1)).to_le_bytes()));
            }
            let found = distinct.estimate() as f64;
            assert!((found - n as f64).abs() <= 0.05 * n as f64, "{found} instead of {n}");
        }
    }
}
