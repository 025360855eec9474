//! How far two distributions are apart: the effect sizes that stand beside every p-value.

use super::special::chi2_sf;

/// Returns the first Wasserstein distance `∫|F − G|` of two raw samples of finite values; `None` when one is empty.
pub fn wasserstein_samples(a: &[f64], b: &[f64]) -> Option<f64> {
    let weigh = |values: &[f64]| {
        let each = 1.0 / values.len() as f64;
        values.iter().map(|v| (*v, each)).collect::<Vec<_>>()
    };
    (!a.is_empty() && !b.is_empty()).then(|| between_atoms(weigh(a), weigh(b)))
}

/// A histogram with the sum of the values in each bin.
#[derive(Clone, Copy, Debug)]
pub struct Binned<'a> {
    /// Values per bin.
    pub counts: &'a [u64],
    /// Sum of the values per bin.
    pub sums: &'a [f64],
    /// Smallest and largest value.
    pub range: (f64, f64),
}

/// A Wasserstein distance computed from histograms.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BinnedWasserstein {
    /// Distance of the two distributions after each bin's mass is moved to that bin's mean.
    pub distance: f64,
    /// The distance of the raw samples differs from `distance` by at most this.
    pub bound: f64,
}

/// Returns the Wasserstein distance of two histograms over the same inner `edges`, each bin's mass standing at its mean; `None`
/// when one is empty. Values of one bin `[l, h]` with mean μ lie on average at most `2(μ−l)(h−μ)/(h−l)` from μ, which summed
/// over the bins of both histograms gives the bound.
pub fn wasserstein_binned(edges: &[f64], a: Binned<'_>, b: Binned<'_>) -> Option<BinnedWasserstein> {
    let (atoms_a, moved_a) = atoms(edges, a)?;
    let (atoms_b, moved_b) = atoms(edges, b)?;
    Some(BinnedWasserstein { distance: between_atoms(atoms_a, atoms_b), bound: moved_a + moved_b })
}

fn atoms(edges: &[f64], histogram: Binned<'_>) -> Option<(Vec<(f64, f64)>, f64)> {
    let total: u64 = histogram.counts.iter().sum();
    if total == 0 {
        return None;
    }
    let (smallest, largest) = histogram.range;
    let mut moved = 0.0;
    let mut atoms = Vec::with_capacity(histogram.counts.len());
    for (bin, (&count, &sum)) in histogram.counts.iter().zip(histogram.sums).enumerate() {
        if count == 0 {
            continue;
        }
        let low = if bin == 0 { smallest } else { edges[bin - 1].max(smallest) };
        let high = edges.get(bin).map_or(largest, |edge| edge.min(largest));
        // Bins cut at f32 precision can be off by a rounding, hence the order of the two bounds.
        let mean = (sum / count as f64).min(high).max(low);
        let share = count as f64 / total as f64;
        if high > low {
            moved += share * 2.0 * (mean - low) * (high - mean) / (high - low);
        }
        atoms.push((mean, share));
    }
    Some((atoms, moved))
}

/// `∫|F − G|` of two discrete distributions given as (position, mass).
fn between_atoms(a: Vec<(f64, f64)>, b: Vec<(f64, f64)>) -> f64 {
    let signed = a.into_iter().chain(b.into_iter().map(|(at, mass)| (at, -mass)));
    let mut steps: Vec<(f64, f64)> = signed.collect();
    steps.sort_unstable_by(|x, y| x.0.total_cmp(&y.0).then(x.1.total_cmp(&y.1)));
    let (mut area, mut difference) = (0.0, 0.0);
    for pair in steps.windows(2) {
        difference += pair[0].1;
        area += f64::abs(difference) * (pair[1].0 - pair[0].0);
    }
    area
}

/// Returns the Jensen-Shannon distance, base 2, of two rows of counts: the square root of the divergence, between 0 and 1
/// (Lin 1991; Endres and Schindelin 2003). `None` when a row is empty.
pub fn jensen_shannon(a: &[u64], b: &[u64]) -> Option<f64> {
    let (p, q) = (shares(a)?, shares(b)?);
    let against_middle = |x: f64, middle: f64| if x > 0.0 { x * (x / middle).log2() } else { 0.0 };
    let divergence: f64 = p
        .iter()
        .zip(&q)
        .map(|(&p, &q)| {
            let middle = 0.5 * (p + q);
            0.5 * (against_middle(p, middle) + against_middle(q, middle))
        })
        .sum();
    Some(divergence.clamp(0.0, 1.0).sqrt())
}

/// Returns the largest difference of a share between two rows of counts; `None` when a row is empty.
pub fn l_infinity(a: &[u64], b: &[u64]) -> Option<f64> {
    let (p, q) = (shares(a)?, shares(b)?);
    Some(p.iter().zip(&q).map(|(p, q)| (p - q).abs()).fold(0.0, f64::max))
}

fn shares(counts: &[u64]) -> Option<Vec<f64>> {
    let total: u64 = counts.iter().sum();
    (total > 0).then(|| counts.iter().map(|c| *c as f64 / total as f64).collect())
}

/// A population stability index with the p-value of its null law.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Psi {
    /// `Σ (p − q) ln(p/q)`.
    pub value: f64,
    /// Without drift `PSI / (1/n + 1/m)` follows a chi-square law of k − 1 degrees of freedom (Yurdakul 2018).
    pub p_value: f64,
}

/// Returns the population stability index of two rows of counts over k ≥ 2 cells, each cell raised by Jeffreys' 0.5 so that
/// empty ones stay finite; `None` when a row is empty or there is one cell.
pub fn psi(a: &[u64], b: &[u64]) -> Option<Psi> {
    let (n, m) = (a.iter().sum::<u64>() as f64, b.iter().sum::<u64>() as f64);
    if n == 0.0 || m == 0.0 || a.len() < 2 {
        return None;
    }
    let cells = a.len() as f64;
    let share = |count: u64, total: f64| (count as f64 + 0.5) / (total + 0.5 * cells);
    let value: f64 = a
        .iter()
        .zip(b)
        .map(|(&x, &y)| {
            let (p, q) = (share(x, n), share(y, m));
            (p - q) * (p / q).ln()
        })
        .sum();
    Some(Psi { value, p_value: chi2_sf(value / (1.0 / n + 1.0 / m), cells - 1.0) })
}

/// Joins neighbouring bins of both rows into about ten groups of equal mass in the first.
pub fn deciles(reference: &[u64], window: &[u64]) -> (Vec<u64>, Vec<u64>) {
    let total: u64 = reference.iter().sum();
    let mut grouped = (vec![0], vec![0]);
    let mut below = 0;
    let mut next_tenth = 1;
    for (&x, &y) in reference.iter().zip(window) {
        // A new group starts only where reference values remain: an empty one would be noise.
        if below * 10 >= next_tenth * total && below < total {
            next_tenth = below * 10 / total + 1;
            grouped.0.push(0);
            grouped.1.push(0);
        }
        let group = grouped.0.len() - 1;
        grouped.0[group] += x;
        grouped.1[group] += y;
        below += x;
    }
    grouped
}
