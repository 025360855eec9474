//! The decision: is a window of traffic unlike the reference, and does it matter?
//!
//! A column drifts when its difference is significant over all tests of the window *and* large enough. The window drifts when at
//! least 30 % of its columns do, or an output does, or one column alone does so severely: a single broken sensor among thirty
//! features is what a person wants to hear of, and thirty slight shifts are too. [`Rules`] holds the numbers.

use super::measure::{Measured, Rate, measure};
use super::multiple::benjamini_hochberg;
use super::report::{ColumnDrift, Comparison, DriftReport, RateDrift, Role};
use super::rules::{Levels, Rules, Verdict};
use super::window::WindowProfile;

/// Compares a window with the reference that it was counted against.
///
/// The reference comes from the window's baseline and not as an argument of its own: counts only mean something against the edges
/// and categories that they were taken with. All tests of the window (distributions, missing values, new values) are adjusted
/// together; a test on too few rows is not made.
pub fn evaluate(window: &WindowProfile, rules: &Rules) -> DriftReport {
    let profiles = window.baseline().profiles();
    let mut measured: Vec<(usize, Measured)> = (0..profiles.len()).filter_map(|index| Some((index, measure(window, index)?))).collect();
    for (_, column) in &mut measured {
        drop_small(column, rules);
    }
    let p_values: Vec<f64> = measured.iter().flat_map(|(_, column)| p_values(column)).collect();
    let mut adjusted = benjamini_hochberg(&p_values).into_iter();
    let columns = measured
        .into_iter()
        .map(|(index, column)| {
            let name = profiles[index].name.clone();
            let role = if rules.outputs.contains(&name) { Role::Output } else { Role::Feature };
            judge(name, role, column, rules, &mut adjusted)
        })
        .collect();
    summarise(columns, window.rows(), rules)
}

fn min_n(kind: Comparison, rules: &Rules) -> u64 {
    match kind {
        Comparison::Numeric => rules.min_numeric,
        Comparison::Discrete | Comparison::Categorical => rules.min_categorical,
        Comparison::Binary => rules.min_binary,
    }
}

/// Takes out the tests that have too few rows.
fn drop_small(column: &mut Measured, rules: &Rules) {
    let least = min_n(column.kind, rules);
    if column.n.iter().any(|n| *n < least) {
        column.test = None;
    }
    column.missing.take_if(|rate| rate.rows.iter().any(|n| *n < rules.min_missing));
    column.new_values.take_if(|rate| rate.rows.iter().any(|n| *n < least));
}

/// The p-values of a column in the order in which [`judge`] takes their adjusted values.
fn p_values(column: &Measured) -> impl Iterator<Item = f64> {
    let rates = [&column.missing, &column.new_values].map(|rate| rate.as_ref().map(|rate| rate.test.p_value));
    [column.test.map(|test| test.p_value)].into_iter().chain(rates).flatten()
}

fn judge(name: String, role: Role, column: Measured, rules: &Rules, adjusted: &mut impl Iterator<Item = f64>) -> ColumnDrift {
    let min_n = min_n(column.kind, rules);
    let thresholds = match column.kind {
        Comparison::Numeric => rules.wasserstein,
        Comparison::Discrete | Comparison::Categorical => rules.jensen_shannon,
        Comparison::Binary => rules.share,
    };
    let p_adjusted = column.test.and_then(|_| adjusted.next());
    let distribution_verdict = match (p_adjusted, column.effect) {
        (Some(p), Some(effect)) if p <= rules.q => thresholds.judge(effect),
        // Without a test but with enough rows all values are the same on both sides.
        _ if column.n.iter().all(|n| *n >= min_n) => Verdict::Ok,
        _ => Verdict::InsufficientData,
    };
    let mut rate = |rate: Option<Rate>, levels: Levels, effect: fn([f64; 2]) -> f64| {
        let (rate, p_adjusted) = rate.and_then(|rate| Some((rate, adjusted.next()?)))?;
        let effect = effect(rate.shares);
        Some(RateDrift {
            reference: rate.shares[0],
            window: rate.shares[1],
            effect,
            statistic_name: rate.test.name,
            statistic: rate.test.statistic,
            p_value: rate.test.p_value,
            p_adjusted,
            thresholds: levels,
            verdict: if p_adjusted <= rules.q { levels.judge(effect) } else { Verdict::Ok },
        })
    };
    let missing = rate(column.missing, rules.missing, |[reference, window]| (window - reference).abs());
    let new_values = rate(column.new_values, rules.new_values, |[reference, window]| window - reference);
    // A passed side test does not make up for a distribution that could not be judged.
    let side = [missing, new_values].into_iter().flatten().map(|rate| rate.verdict);
    let verdict = side.filter(|verdict| *verdict > Verdict::Ok).fold(distribution_verdict, Verdict::max);
    ColumnDrift {
        name,
        role,
        kind: column.kind,
        verdict,
        distribution_verdict,
        statistic_name: column.test.map(|test| test.name),
        statistic: column.test.and_then(|test| test.statistic),
        p_value: column.test.map(|test| test.p_value),
        p_adjusted,
        effect_name: column.effect_name,
        effect: column.effect,
        thresholds,
        min_n,
        n_reference: column.n[0],
        n_window: column.n[1],
        missing,
        new_values,
        also_shown: column.also_shown,
    }
}

fn summarise(columns: Vec<ColumnDrift>, rows: u64, rules: &Rules) -> DriftReport {
    let count = |from: Verdict| columns.iter().filter(|column| column.verdict >= from).count();
    let share = |of: usize, all: usize| (all > 0).then(|| of as f64 / all as f64);
    let evaluated = count(Verdict::Ok);
    // The window is as bad as the worst verdict that enough columns, or an output, reach; one severe column alone makes an alert
    // of it, no more, so that `severe` still says that it is not one column alone.
    let reaches = |from: Verdict| {
        share(count(from), evaluated).is_some_and(|share| share >= rules.drifted_share && count(from) > 0)
            || rules.output_decides && columns.iter().any(|column| column.role == Role::Output && column.verdict >= from)
    };
    let verdict = match () {
        () if reaches(Verdict::Severe) => Verdict::Severe,
        () if reaches(Verdict::Alert) || rules.severe_decides && count(Verdict::Severe) > 0 => Verdict::Alert,
        () if count(Verdict::Warn) > 0 => Verdict::Warn,
        () if evaluated > 0 => Verdict::Ok,
        () => Verdict::InsufficientData,
    };
    let drifted_columns = count(Verdict::Alert);
    DriftReport {
        verdict,
        drifted: verdict.is_drift(),
        drifted_columns: drifted_columns as u64,
        evaluated_columns: evaluated as u64,
        share: share(drifted_columns, evaluated),
        share_threshold: rules.drifted_share,
        rows,
        q: rules.q,
        columns,
    }
}
