//! The two-sample Kolmogorov-Smirnov test, on raw samples and on histograms.
//!
//! A histogram sees the difference of the two distribution functions only at its edges, so its statistic never exceeds the raw
//! one (by at most the mass of one bin) and its p-value errs to the careful side.

use super::special::ln_gamma;

/// Above this product of sample sizes the law of the statistic is the finite-n one-sample law instead of the exact one.
pub const EXACT_LIMIT: u64 = 1_000_000;

/// Below this `n·d²` the one-sample law is Pelz and Good's expansion, above it twice the one-sided law.
const BODY: f64 = 2.2;

/// A Kolmogorov-Smirnov statistic with its two-sided p-value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ks {
    /// Largest difference of the two distribution functions.
    pub statistic: f64,
    /// Probability of a difference at least as large when both samples come from one continuous law.
    pub p_value: f64,
}

/// Tests two raw samples of finite values. `None` when one is empty. Sorts copies: O(n log n), and O(n·m) more below
/// [`EXACT_LIMIT`].
pub fn ks_samples(a: &[f64], b: &[f64]) -> Option<Ks> {
    let (mut a, mut b) = (a.to_vec(), b.to_vec());
    a.sort_unstable_by(f64::total_cmp);
    b.sort_unstable_by(f64::total_cmp);
    let (mut i, mut j) = (0, 0);
    let mut largest = 0;
    while i < a.len() && j < b.len() {
        let here = a[i].min(b[j]);
        i += a[i..].iter().take_while(|v| **v <= here).count();
        j += b[j..].iter().take_while(|v| **v <= here).count();
        largest = largest.max(gap(i as u64, a.len() as u64, j as u64, b.len() as u64));
    }
    finish(largest, a.len() as u64, b.len() as u64)
}

/// Tests two histograms over the same bins. `None` when one is empty.
pub fn ks_binned(a: &[u64], b: &[u64]) -> Option<Ks> {
    debug_assert_eq!(a.len(), b.len(), "histograms of the same bins");
    let (n, m) = (a.iter().sum::<u64>(), b.iter().sum::<u64>());
    let (mut below_a, mut below_b, mut largest) = (0, 0, 0);
    for (x, y) in a.iter().zip(b) {
        below_a += x;
        below_b += y;
        largest = largest.max(gap(below_a, n, below_b, m));
    }
    finish(largest, n, m)
}

/// `|i/n − j/m|` in units of `1/(n·m)`, exact.
fn gap(i: u64, n: u64, j: u64, m: u64) -> u128 {
    (u128::from(i) * u128::from(m)).abs_diff(u128::from(j) * u128::from(n))
}

fn finish(gap: u128, n: u64, m: u64) -> Option<Ks> {
    if n == 0 || m == 0 {
        return None;
    }
    let statistic = gap as f64 / (n as f64 * m as f64);
    let p_value = if n.saturating_mul(m) <= EXACT_LIMIT {
        exact_two_sample(gap as u64, n, m)
    } else {
        let effective = (n as f64 * (m as f64 / (n as f64 + m as f64))).round();
        one_sample_sf(effective, statistic)
    };
    Some(Ks { statistic, p_value })
}

/// Returns the exact `P(D ≥ gap/(n·m))` without ties.
///
/// All lattice paths from (0, 0) to (n, m) are equally likely under the hypothesis (Hodges 1957). The chance that a path which
/// stands at (i, j) has already touched the forbidden region follows from its two predecessors, weighted `i/(i+j)` and
/// `j/(i+j)`; summing the upper tail directly keeps small p-values precise.
fn exact_two_sample(gap: u64, n: u64, m: u64) -> f64 {
    if gap == 0 {
        return 1.0;
    }
    let mut row: Vec<f64> = (0..=m).map(|j| if j * n >= gap { 1.0 } else { 0.0 }).collect();
    for i in 1..=n {
        let height = i * m;
        if height >= gap {
            row[0] = 1.0;
        }
        for j in 1..=m as usize {
            row[j] = if height.abs_diff(j as u64 * n) >= gap {
                1.0
            } else {
                let total = (i + j as u64) as f64;
                (i as f64 * row[j] + j as f64 * row[j - 1]) / total
            };
        }
    }
    row[m as usize]
}

/// Returns `P(D_n ≥ d)` for the one-sample statistic of `n` values, whose law with `n = n₁n₂/(n₁+n₂)` approximates that of the
/// two-sample statistic.
///
/// In the tail it is twice the one-sided law (error below `e^{-6nd²}`, relative), in the body the expansion of Pelz and Good
/// (1976). Agrees with the exact law within 2e-5 from n = 99 on; see Simard and L'Ecuyer (2011) for both.
pub(super) fn one_sample_sf(n: f64, d: f64) -> f64 {
    if d <= 0.5 / n {
        return 1.0;
    }
    if d >= 1.0 {
        return 0.0;
    }
    if n * d * d >= BODY { (2.0 * one_sided_sf(n, d)).min(1.0) } else { (1.0 - pelz_good(n, n.sqrt() * d)).clamp(0.0, 1.0) }
}

/// Returns `P(D⁺_n ≥ d)`: the sum of Birnbaum and Tingey (1951), or for large n its limit with the first correction
/// `exp(−(6nd+1)²/(18n))`, whose relative error is then below 5e-3 wherever p exceeds 1e-12.
fn one_sided_sf(n: f64, d: f64) -> f64 {
    const LONGEST_SUM: f64 = 20_000.0;
    if n > LONGEST_SUM {
        return (-(6.0 * n * d + 1.0).powi(2) / (18.0 * n)).exp();
    }
    let ln_n_factorial = ln_gamma(n + 1.0);
    let mut sum = 0.0;
    let mut j = 0.0;
    while j / n + d < 1.0 {
        let at = d + j / n;
        let ln_choose = ln_n_factorial - ln_gamma(j + 1.0) - ln_gamma(n - j + 1.0);
        sum += (ln_choose + (j - 1.0) * at.ln() + (n - j) * (-at).ln_1p()).exp();
        j += 1.0;
    }
    d * sum
}

/// Returns `P(√n·D_n ≤ z)` by the four-term expansion K₀ + K₁/√n + K₂/n + K₃/n^{3/2} of Pelz and Good (1976), in the form of
/// Simard and L'Ecuyer (2011), equations 8 to 12.
fn pelz_good(n: f64, z: f64) -> f64 {
    const PI2: f64 = std::f64::consts::PI * std::f64::consts::PI;
    let (z2, z4) = (z * z, z.powi(4));
    let (z6, z8) = (z.powi(6), z.powi(8));
    let [mut k0, mut k1, mut k2, mut k3] = [0.0; 4];
    let [mut whole2, mut whole3] = [0.0; 2];
    // Both signs of the index give the same term, hence the factor 2 below; twelve terms are far below 1e-16 for z < 2.
    for index in 0..12 {
        let half = PI2 * (f64::from(index) + 0.5).powi(2);
        let e = (-half / (2.0 * z2)).exp();
        k0 += e;
        k1 += (half - z2) * e;
        k2 += (6.0 * z6 + 2.0 * z4 + (2.0 * z4 - 5.0 * z2) * half + (1.0 - 2.0 * z2) * half * half) * e;
        k3 += (half.powi(3) * (5.0 - 30.0 * z2) + half * half * (212.0 * z4 - 60.0 * z2) + half * (135.0 * z4 - 96.0 * z6)
            - 30.0 * z6
            - 90.0 * z8)
            * e;
        let whole = PI2 * f64::from(index).powi(2);
        let e = (-whole / (2.0 * z2)).exp();
        whole2 += whole * e;
        whole3 += (3.0 * whole * z2 - whole * whole) * e;
    }
    let root = 2.0 * (std::f64::consts::PI / 2.0).sqrt();
    let k0 = root * k0 / z;
    let k1 = root * k1 / (6.0 * z4);
    let k2 = root * (k2 / (72.0 * z.powi(7)) - whole2 / (36.0 * z.powi(3)));
    let k3 = root * (k3 / (6480.0 * z.powi(10)) + whole3 / (216.0 * z6));
    k0 + k1 / n.sqrt() + k2 / n + k3 / n.powf(1.5)
}
