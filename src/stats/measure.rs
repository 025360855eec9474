//! Measures one column of a window against its reference: statistics and effects, no judgement yet.

use super::contingency::{CountOutcome, CountTest, homogeneity, two_proportions};
use super::distance::{self, Binned, jensen_shannon, l_infinity, wasserstein_binned};
use super::kolmogorov::ks_binned;
use super::profile::{ColumnKind, ColumnProfile, NumericProfile};
use super::report::{AlsoShown, Comparison, EffectName, TestName};
use super::tables::CellTable;
use super::window::{ColumnSummary, WindowProfile};

/// What was measured of a column.
pub(crate) struct Measured {
    pub(crate) kind: Comparison,
    pub(crate) n: [u64; 2],
    pub(crate) test: Option<Tested>,
    pub(crate) effect_name: EffectName,
    pub(crate) effect: Option<f64>,
    pub(crate) missing: Option<Rate>,
    pub(crate) new_values: Option<Rate>,
    pub(crate) also_shown: AlsoShown,
}

/// A test that was made.
#[derive(Clone, Copy)]
pub(crate) struct Tested {
    pub(crate) name: TestName,
    pub(crate) statistic: Option<f64>,
    pub(crate) p_value: f64,
}

/// A share of rows in the reference and in the window.
pub(crate) struct Rate {
    pub(crate) shares: [f64; 2],
    pub(crate) rows: [u64; 2],
    pub(crate) test: Tested,
}

impl From<CountOutcome> for Tested {
    fn from(outcome: CountOutcome) -> Self {
        let name = match outcome.test {
            CountTest::Chi2 => TestName::ChiSquare,
            CountTest::Z => TestName::TwoProportionZ,
            CountTest::Fisher => TestName::FisherExact,
        };
        Self { name, statistic: finite(outcome.statistic), p_value: outcome.p_value }
    }
}

fn finite(value: Option<f64>) -> Option<f64> {
    value.filter(|v| v.is_finite())
}

/// Measures the column at `index`; `None` when there is no such column.
pub(crate) fn measure(window: &WindowProfile, index: usize) -> Option<Measured> {
    let profile = window.baseline().profiles().get(index)?;
    let table = window.baseline().tables.get(index)?;
    let seen = window.summary(index)?;
    let mut measured = match (&table.cells, &table.bins, &profile.numeric) {
        (Some(cells), _, _) => by_cells(profile, cells, &seen),
        (None, Some(bins), Some(numeric)) => by_bins(numeric, bins.spread, &seen)?,
        _ => return None,
    };
    if let (Some(bins), Some(numeric)) = (&table.bins, &profile.numeric) {
        show_moments(&mut measured.also_shown, numeric, bins.spread, &seen);
    }
    measured.missing = missing(profile, &seen);
    Some(measured)
}

fn by_bins(numeric: &NumericProfile, spread: f64, seen: &ColumnSummary) -> Option<Measured> {
    let (counts, sums) = (seen.bin_counts.as_ref()?, seen.bin_sums.as_ref()?);
    let range = (seen.min.unwrap_or(0.0), seen.max.unwrap_or(0.0));
    let moved = wasserstein_binned(
        &numeric.edges,
        Binned { counts: &numeric.counts, sums: &numeric.sums, range: (numeric.min, numeric.max) },
        Binned { counts, sums, range },
    );
    let ks = ks_binned(&numeric.counts, counts);
    let (reference_deciles, window_deciles) = distance::deciles(&numeric.counts, counts);
    let mut also_shown = show_cells(&reference_deciles, &window_deciles);
    also_shown.wasserstein = finite(moved.map(|m| m.distance));
    also_shown.wasserstein_bound = finite(moved.map(|m| m.bound));
    Some(Measured {
        kind: Comparison::Numeric,
        n: [numeric.count, counts.iter().sum()],
        test: ks.map(|ks| Tested { name: TestName::KolmogorovSmirnov, statistic: Some(ks.statistic), p_value: ks.p_value }),
        effect_name: EffectName::WassersteinPerStd,
        effect: finite(moved.map(|m| m.distance / spread)),
        missing: None,
        new_values: None,
        also_shown,
    })
}

fn by_cells(profile: &ColumnProfile, table: &CellTable, seen: &ColumnSummary) -> Measured {
    let known: Vec<u64> = seen.categories.iter().flatten().map(|(_, count)| *count).collect();
    let mut reference = table.reference.clone();
    let mut window = known;
    let is_binary = match profile.kind {
        ColumnKind::Boolean => true,
        ColumnKind::Numeric => reference.len() == 2,
        ColumnKind::Categorical => false,
    };
    let n_reference = reference.iter().sum::<u64>() + table.reference_other;
    let n_window = window.iter().sum::<u64>() + seen.new_rows;
    let new_values = new_values(table, seen, [n_reference, n_window]);

    let (test, effect_name, effect) = if is_binary {
        let [n, m] = [reference.iter().sum(), window.iter().sum::<u64>()];
        let share = |hits: u64, of: u64| (of > 0).then(|| hits as f64 / of as f64);
        let difference = share(reference[1], n).zip(share(window[1], m)).map(|(p, q)| (p - q).abs());
        (two_proportions(reference[1], n, window[1], m), EffectName::ShareDifference, difference)
    } else {
        reference.push(table.reference_other);
        window.push(seen.new_rows);
        (homogeneity(&reference, &window), EffectName::JensenShannonDistance, jensen_shannon(&reference, &window))
    };
    // A cell that is empty on both sides says nothing and would only soften the index.
    let (reference, window): (Vec<u64>, Vec<u64>) = reference.into_iter().zip(window).filter(|(x, y)| x + y > 0).unzip();
    let mut also_shown = show_cells(&reference, &window);
    let new = seen.new_categories.as_deref().unwrap_or_default();
    also_shown.new_distinct = Some(seen.new_distinct);
    also_shown.new_examples = new.iter().take(5).cloned().collect();
    Measured {
        kind: match profile.kind {
            _ if is_binary => Comparison::Binary,
            ColumnKind::Numeric => Comparison::Discrete,
            _ => Comparison::Categorical,
        },
        n: [n_reference, n_window],
        test: test.map(Tested::from),
        effect_name,
        effect: finite(effect),
        missing: None,
        new_values,
        also_shown,
    }
}

fn show_cells(reference: &[u64], window: &[u64]) -> AlsoShown {
    let psi = distance::psi(reference, window);
    AlsoShown {
        psi: finite(psi.map(|psi| psi.value)),
        psi_p_value: finite(psi.map(|psi| psi.p_value)),
        jensen_shannon: finite(jensen_shannon(reference, window)),
        l_infinity: finite(l_infinity(reference, window)),
        ..AlsoShown::default()
    }
}

fn show_moments(shown: &mut AlsoShown, numeric: &NumericProfile, spread: f64, seen: &ColumnSummary) {
    let beside =
        |reference: f64, window: Option<f64>| window.filter(|w| w.is_finite() && numeric.count > 0).map(|window| [reference, window]);
    shown.mean = beside(numeric.mean, seen.mean);
    shown.std = beside(numeric.std, seen.std);
    shown.min = beside(numeric.min, seen.min);
    shown.max = beside(numeric.max, seen.max);
    shown.mean_shift = finite(shown.mean.map(|[reference, window]| (window - reference) / spread));
}

/// Compares rows without a usable value: missing ones and not-finite ones together, since which of the two a broken sender
/// produces is chance.
fn missing(profile: &ColumnProfile, seen: &ColumnSummary) -> Option<Rate> {
    let non_finite = profile.numeric.as_ref().map_or(0, |numeric| numeric.non_finite);
    let hits = [profile.nulls.saturating_add(non_finite).min(profile.count), seen.nulls + seen.non_finite];
    rate(hits, [profile.count, seen.rows])
}

/// Compares rows with values outside the reference. When the reference lists all its values, those seen only once tell how much
/// of the next rows is new without drift (Good 1953); when it lists the most frequent ones, its other rows do.
fn new_values(table: &CellTable, seen: &ColumnSummary, n: [u64; 2]) -> Option<Rate> {
    let expected =
        if table.reference_other > 0 { table.reference_other } else { table.reference.iter().filter(|count| **count == 1).count() as u64 };
    if seen.new_rows == 0 {
        return None;
    }
    rate([expected, seen.new_rows], n)
}

fn rate(hits: [u64; 2], rows: [u64; 2]) -> Option<Rate> {
    if hits == [0, 0] || rows.contains(&0) {
        return None;
    }
    let shares = [hits[0] as f64 / rows[0] as f64, hits[1] as f64 / rows[1] as f64];
    let all = hits == rows;
    let outcome = two_proportions(hits[0], rows[0], hits[1], rows[1]);
    let test = match outcome {
        Some(outcome) => outcome.into(),
        None if all => Tested { name: TestName::TwoProportionZ, statistic: Some(0.0), p_value: 1.0 },
        None => return None,
    };
    Some(Rate { shares, rows, test })
}
