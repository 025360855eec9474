//! Tests on counts: are two sets of counts drawn from one distribution?

use super::special::{chi2_sf, normal_two_sided};

/// Which test gave the p-value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CountTest {
    /// Pearson's chi-square test of homogeneity.
    Chi2,
    /// The pooled two-proportion z test.
    Z,
    /// Fisher's exact test.
    Fisher,
}

/// The outcome of a test on counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CountOutcome {
    /// The test that was applied.
    pub test: CountTest,
    /// Chi-square, z (positive when the second share is larger) or, for Fisher's test, the sample odds ratio when it is finite.
    pub statistic: Option<f64>,
    /// Two-sided p-value.
    pub p_value: f64,
}

/// Expected counts below this are merged, or sent to the exact test.
const SMALLEST_EXPECTED: f64 = 5.0;

/// Tests whether two rows of counts over the same cells come from one distribution. Cells with an expected count below 5 are
/// merged into one; when two cells remain and one of them is still small, Fisher's exact test takes over. `None` when a row is
/// empty or only one cell has counts.
pub fn homogeneity(a: &[u64], b: &[u64]) -> Option<CountOutcome> {
    debug_assert_eq!(a.len(), b.len(), "counts of the same cells");
    let (n, m) = (a.iter().sum::<u64>(), b.iter().sum::<u64>());
    let mut cells: Vec<(u64, u64)> = a.iter().copied().zip(b.iter().copied()).filter(|(x, y)| x + y > 0).collect();
    if n == 0 || m == 0 || cells.len() < 2 {
        return None;
    }
    let smaller_share = n.min(m) as f64 / (n as f64 + m as f64);
    let is_small = |cell: &(u64, u64)| (cell.0 + cell.1) as f64 * smaller_share < SMALLEST_EXPECTED;
    cells.sort_unstable_by_key(|(x, y)| std::cmp::Reverse(x + y));
    let mut large = cells.iter().position(is_small).unwrap_or(cells.len()).max(1);
    let mut rest = sum(&cells[large..]);
    while is_small(&rest) && rest != (0, 0) && large > 1 {
        large -= 1;
        rest = sum(&cells[large..]);
    }
    cells.truncate(large);
    if rest != (0, 0) {
        cells.push(rest);
    }
    if let [x, y] = cells[..]
        && (is_small(&x) || is_small(&y))
    {
        return Some(fisher(x.0, y.0, x.1, y.1));
    }
    Some(chi2(&cells, n as f64, m as f64))
}

fn sum(cells: &[(u64, u64)]) -> (u64, u64) {
    cells.iter().fold((0, 0), |(x, y), cell| (x + cell.0, y + cell.1))
}

fn chi2(cells: &[(u64, u64)], n: f64, m: f64) -> CountOutcome {
    let all = n + m;
    let statistic = cells
        .iter()
        .map(|&(x, y)| {
            let total = (x + y) as f64;
            // Both rows miss their expected count by the same amount.
            let miss = x as f64 - total * (n / all);
            miss * miss * all / (total * n) + miss * miss * all / (total * m)
        })
        .sum();
    let p_value = chi2_sf(statistic, (cells.len() - 1) as f64);
    CountOutcome { test: CountTest::Chi2, statistic: Some(statistic), p_value }
}

/// Compares the shares `hits_a / n` and `hits_b / m`: the pooled z test, or Fisher's exact test when an expected count is below
/// 5. `None` when a sample is empty or when all or none of the rows are hits.
pub fn two_proportions(hits_a: u64, n: u64, hits_b: u64, m: u64) -> Option<CountOutcome> {
    let hits = hits_a + hits_b;
    if n == 0 || m == 0 || hits == 0 || hits == n + m {
        return None;
    }
    let all = n as f64 + m as f64;
    let rarer = hits.min(n + m - hits) as f64;
    if rarer * (n.min(m) as f64 / all) < SMALLEST_EXPECTED {
        return Some(fisher(hits_a, n - hits_a, hits_b, m - hits_b));
    }
    let pooled = hits as f64 / all;
    let deviation = (pooled * (1.0 - pooled) * (1.0 / n as f64 + 1.0 / m as f64)).sqrt();
    let z = (hits_b as f64 / m as f64 - hits_a as f64 / n as f64) / deviation;
    Some(CountOutcome { test: CountTest::Z, statistic: Some(z), p_value: normal_two_sided(z) })
}

/// Fisher's exact test, two-sided, of the table `[[a, b], [c, d]]`: the share of tables with these margins that are no more
/// likely than this one (Fisher 1934). Weights run from the mode by their ratios, so nothing overflows; the work is the smallest
/// margin.
pub fn fisher(a: u64, b: u64, c: u64, d: u64) -> CountOutcome {
    let (row, column, all) = (a + b, a + c, a + b + c + d);
    let lowest = (row + column).saturating_sub(all);
    let highest = row.min(column);
    // weight(k + 1) / weight(k) of the hypergeometric law.
    let ratio = |k: u64| ((row - k) as f64 * (column - k) as f64) / ((k + 1) as f64 * (all + k + 1 - row - column) as f64);
    let mode = ((row as f64 + 1.0) * (column as f64 + 1.0) / (all as f64 + 2.0)) as u64;
    let mode = mode.clamp(lowest, highest);
    let mut weights = vec![0.0; (highest - lowest + 1) as usize];
    weights[(mode - lowest) as usize] = 1.0;
    for k in mode..highest {
        weights[(k + 1 - lowest) as usize] = weights[(k - lowest) as usize] * ratio(k);
    }
    for k in (lowest..mode).rev() {
        weights[(k - lowest) as usize] = weights[(k + 1 - lowest) as usize] / ratio(k);
    }
    // The slack takes in tables that are equally likely but for rounding.
    let limit = weights[(a - lowest) as usize] * (1.0 + 1e-10);
    let total: f64 = weights.iter().sum();
    let unlikely: f64 = weights.iter().filter(|w| **w <= limit).sum();
    let odds = (a as f64 * d as f64) / (b as f64 * c as f64);
    CountOutcome { test: CountTest::Fisher, statistic: odds.is_finite().then_some(odds), p_value: (unlikely / total).min(1.0) }
}
