//! What is said about whole windows.

use std::sync::Arc;

use super::Random;
use crate::stats::baseline::Baseline;
use crate::stats::drift::evaluate;
use crate::stats::profile::ColumnProfile;
use crate::stats::report::{Comparison, DriftReport, Role, TestName};
use crate::stats::rules::{Rules, Verdict};
use crate::stats::window::WindowProfile;

const ROWS: usize = 20_000;

/// Evenly spread values of mean 0 and deviation 1, moved by `shift` deviations.
fn spread(shift: f64) -> Vec<f64> {
    let step = 12f64.sqrt() / ROWS as f64;
    (0..ROWS).map(|i| (i as f64 - (ROWS - 1) as f64 / 2.0) * step + shift).collect()
}

/// Compares ten columns that moved by the given shifts; the last may be the model's output.
fn moved(shifts: [f64; 10], rules: &Rules) -> DriftReport {
    let profiles = (0..10).map(|i| ColumnProfile::numeric(format!("x{i}"), &spread(0.0))).collect();
    let mut window = WindowProfile::new(Arc::new(Baseline::new(profiles).unwrap()));
    for (column, shift) in shifts.into_iter().enumerate() {
        window.observe_numeric(column, &spread(shift)).unwrap();
    }
    evaluate(&window, rules)
}

/// As many columns as asked for are moved by `shift`, from the first on.
fn some(count: usize, shift: f64, rules: &Rules) -> DriftReport {
    moved(std::array::from_fn(|i| if i < count { shift } else { 0.0 }), rules)
}

const WARN: f64 = 0.07;
const ALERT: f64 = 0.15;
const SEVERE: f64 = 0.4;

fn verdict(report: &DriftReport) -> (Verdict, bool, u64) {
    (report.verdict, report.drifted, report.drifted_columns)
}

#[test]
fn a_column_is_judged_by_significance_and_effect() {
    let report = moved([0.0, WARN, ALERT, SEVERE, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0], &Rules::default());
    let verdicts: Vec<Verdict> = report.columns.iter().take(5).map(|column| column.verdict).collect();
    assert_eq!(verdicts, [Verdict::Ok, Verdict::Warn, Verdict::Alert, Verdict::Severe, Verdict::Ok]);
    for (column, shift) in report.columns.iter().zip([0.0, WARN, ALERT, SEVERE]) {
        assert!((column.effect.unwrap() - shift).abs() < 1e-3, "{column:?}");
        assert_eq!((column.kind, column.statistic_name), (Comparison::Numeric, Some(TestName::KolmogorovSmirnov)));
        assert_eq!((column.n_reference, column.n_window), (20_000, 20_000));
    }
    assert_eq!(report.evaluated_columns, 10);
}

#[test]
fn two_of_ten_columns_are_a_warning_and_three_are_drift() {
    let rules = Rules::default();
    assert_eq!(verdict(&some(0, ALERT, &rules)), (Verdict::Ok, false, 0));
    assert_eq!(verdict(&some(9, WARN, &rules)), (Verdict::Warn, false, 0));
    assert_eq!(verdict(&some(2, ALERT, &rules)), (Verdict::Warn, false, 2));
    let three = some(3, ALERT, &rules);
    assert_eq!(verdict(&three), (Verdict::Alert, true, 3));
    assert_eq!((three.share, three.share_threshold), (Some(0.3), 0.3));
}

#[test]
fn one_severe_column_is_drift() {
    let rules = Rules::default();
    let one = some(1, SEVERE, &rules);
    assert_eq!(verdict(&one), (Verdict::Alert, true, 1));
    assert_eq!(one.share, Some(0.1));
    assert_eq!(verdict(&some(3, SEVERE, &rules)), (Verdict::Severe, true, 3));
    let lenient = Rules { severe_decides: false, ..Rules::default() };
    assert_eq!(verdict(&some(1, SEVERE, &lenient)), (Verdict::Warn, false, 1));
}

#[test]
fn nine_of_thirty_one_columns_with_three_severe_are_drift() {
    let profiles = (0..31).map(|i| ColumnProfile::numeric(format!("x{i}"), &spread(0.0))).collect();
    let mut window = WindowProfile::new(Arc::new(Baseline::new(profiles).unwrap()));
    for column in 0..31 {
        let shift = [SEVERE, SEVERE, SEVERE, ALERT, ALERT, ALERT, ALERT, ALERT, ALERT].get(column).copied().unwrap_or(0.0);
        window.observe_numeric(column, &spread(shift)).unwrap();
    }
    let report = evaluate(&window, &Rules::default());
    assert_eq!(verdict(&report), (Verdict::Alert, true, 9));
    assert_eq!(report.share, Some(9.0 / 31.0));
}

#[test]
fn an_output_decides_alone() {
    let rules = Rules { outputs: vec!["x0".to_owned()], ..Rules::default() };
    let report = some(1, ALERT, &rules);
    assert_eq!((report.columns[0].role, report.columns[1].role), (Role::Output, Role::Feature));
    assert_eq!(verdict(&report), (Verdict::Alert, true, 1));
    assert_eq!(verdict(&some(1, SEVERE, &rules)), (Verdict::Severe, true, 1));
    let lenient = Rules { output_decides: false, ..rules };
    assert_eq!(verdict(&some(1, ALERT, &lenient)), (Verdict::Warn, false, 1));
}

#[test]
fn ninety_nine_rows_say_nothing_and_a_hundred_do() {
    let profile = ColumnProfile::numeric("x", &spread(0.0));
    let mut window = WindowProfile::new(Arc::new(Baseline::new(vec![profile]).unwrap()));
    window.observe_numeric(0, &[5.0; 99]).unwrap();
    let report = evaluate(&window, &Rules::default());
    assert_eq!(verdict(&report), (Verdict::InsufficientData, false, 0));
    assert_eq!((report.evaluated_columns, report.share), (0, None));
    window.observe_numeric(0, &[5.0]).unwrap();
    assert_eq!(verdict(&evaluate(&window, &Rules::default())), (Verdict::Severe, true, 1));
}

#[test]
fn categories_booleans_and_missing_values_are_compared_by_their_own_tests() {
    let colours = |reds: usize, other: &'static str| -> Vec<Option<&'static str>> {
        (0..1000)
            .map(|i| {
                Some(if i < reds {
                    "red"
                } else if i % 2 == 0 {
                    other
                } else {
                    "blue"
                })
            })
            .collect()
    };
    let truths = |yes: usize| -> Vec<Option<bool>> { (0..1000).map(|i| Some(i < yes)).collect() };
    let gaps = |missing: usize| -> Vec<f64> { (0..1000).map(|i| if i < missing { f64::NAN } else { i as f64 }).collect() };
    let profiles = vec![
        ColumnProfile::categorical("colour", &colours(500, "green")),
        ColumnProfile::boolean("truth", &truths(500)),
        ColumnProfile::numeric("gaps", &gaps(0)),
        ColumnProfile::categorical("new", &colours(500, "green")),
    ];
    let mut window = WindowProfile::new(Arc::new(Baseline::new(profiles).unwrap()));
    let present = |texts: Vec<Option<&'static str>>| texts.into_iter().flatten().collect::<Vec<_>>();
    window.observe_text(0, &present(colours(700, "green"))).unwrap();
    window.observe_bool(1, &truths(600).into_iter().flatten().collect::<Vec<_>>()).unwrap();
    window.observe_numeric(2, &gaps(250)).unwrap();
    window.observe_text(3, &present(colours(500, "violet"))).unwrap();
    let report = evaluate(&window, &Rules::default());
    let [colour, truth, gap, new] = &report.columns[..] else { panic!("four columns") };
    assert_eq!((colour.kind, colour.statistic_name, colour.verdict), (Comparison::Categorical, Some(TestName::ChiSquare), Verdict::Alert));
    assert_eq!((truth.kind, truth.statistic_name, truth.verdict), (Comparison::Binary, Some(TestName::TwoProportionZ), Verdict::Alert));
    assert!((truth.effect.unwrap() - 0.1).abs() < 1e-12);
    let missing = gap.missing.unwrap();
    assert_eq!((missing.reference, missing.window, missing.verdict), (0.0, 0.25, Verdict::Severe));
    assert_eq!(gap.verdict, Verdict::Severe);
    let novel = new.new_values.unwrap();
    assert_eq!((novel.reference, novel.window, novel.verdict), (0.0, 0.25, Verdict::Severe));
    assert_eq!(new.also_shown.new_examples, [("violet".to_owned(), 250)]);
    assert!(report.drifted);
}

/// Traffic that is as the reference was: 200 windows of 30 columns, 20 numeric and 5 each of texts and booleans.
#[test]
fn traffic_without_drift_hardly_ever_raises_an_alarm() {
    let mut random = Random(2026);
    let text = |random: &mut Random| ["a", "b", "c", "d", "e", "f"][(6.0 * random.unit() * random.unit()) as usize];
    let numbers = |random: &mut Random, n: usize| (0..n).map(|_| random.normal()).collect::<Vec<_>>();
    let mut profiles = Vec::new();
    for column in 0..20 {
        profiles.push(ColumnProfile::numeric(format!("n{column}"), &numbers(&mut random, 2000)));
    }
    for column in 0..5 {
        let texts: Vec<Option<&str>> = (0..2000).map(|_| Some(text(&mut random))).collect();
        profiles.push(ColumnProfile::categorical(format!("t{column}"), &texts));
        let truths: Vec<Option<bool>> = (0..2000).map(|_| Some(random.unit() < 0.3)).collect();
        profiles.push(ColumnProfile::boolean(format!("b{column}"), &truths));
    }
    let baseline = Arc::new(Baseline::new(profiles).unwrap());
    let (mut drifted, mut flagged, mut significant) = (0, 0, 0);
    for round in 0..200 {
        let n = [120, 600, 900, 1500][round % 4];
        let mut window = WindowProfile::new(baseline.clone());
        for column in 0..20 {
            window.observe_numeric(column, &numbers(&mut random, n)).unwrap();
        }
        for column in 0..5 {
            let texts: Vec<&str> = (0..n).map(|_| text(&mut random)).collect();
            window.observe_text(20 + 2 * column, &texts).unwrap();
            let truths: Vec<bool> = (0..n).map(|_| random.unit() < 0.3).collect();
            window.observe_bool(21 + 2 * column, &truths).unwrap();
        }
        let report = evaluate(&window, &Rules::default());
        drifted += u32::from(report.drifted);
        flagged += report.drifted_columns;
        significant += u32::from(report.columns.iter().any(|column| column.p_adjusted.is_some_and(|p| p <= 0.01)));
    }
    // 6,000 columns were compared. Without drift at most 1 % of the windows, here 2, may have a significant column at q = 0.01;
    // the tests stay below that, as the histogram errs to the careful side.
    assert_eq!((drifted, flagged, significant), (0, 0, 0));
}
