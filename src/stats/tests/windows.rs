//! Windows are merged, written and read without losing or inventing anything.

use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use super::Random;
use crate::stats::baseline::{Baseline, WindowError};
use crate::stats::profile::ColumnProfile;
use crate::stats::window::WindowProfile;

/// A row as it may come in: a number (or not), one of few numbers, a truth value, a text.
#[derive(Clone, Debug)]
struct Row {
    number: f64,
    discrete: f64,
    truth: Option<bool>,
    text: Option<String>,
}

fn row() -> impl Strategy<Value = Row> {
    let number = prop_oneof![
        8 => -50.0..50.0f64,
        1 => any::<f64>(),
        1 => prop_oneof![Just(f64::NAN), Just(f64::INFINITY), Just(f64::NEG_INFINITY), Just(-0.0), Just(0.0), Just(f64::MAX)],
    ];
    let discrete = prop_oneof![5 => (0..5).prop_map(f64::from), 1 => any::<i16>().prop_map(f64::from), 1 => Just(f64::NAN)];
    let text = prop_oneof![4 => "[a-f]", 2 => "[a-z]{1,3}", 1 => "\\PC{30,60}"];
    (number, discrete, any::<Option<bool>>(), proptest::option::of(text)).prop_map(|(number, discrete, truth, text)| Row {
        number,
        discrete,
        truth,
        text,
    })
}

fn baseline() -> Arc<Baseline> {
    let mut random = Random(1);
    let numbers: Vec<f64> = (0..500).map(|_| 10.0 * random.normal()).collect();
    let discrete: Vec<f64> = (0..500).map(|i| f64::from(i % 5)).collect();
    let truths: Vec<Option<bool>> = (0..500).map(|i| Some(i % 3 == 0)).collect();
    let texts: Vec<Option<&str>> = (0..500).map(|i| ["a", "b", "c", "d"].get(i % 5).copied()).collect();
    let profiles = vec![
        ColumnProfile::numeric("number", &numbers),
        ColumnProfile::numeric("discrete", &discrete),
        ColumnProfile::boolean("truth", &truths),
        ColumnProfile::categorical("text", &texts),
    ];
    Arc::new(Baseline::new(profiles).unwrap())
}

fn observe(window: &mut WindowProfile, rows: &[Row]) {
    window.observe_numeric(0, &rows.iter().map(|row| row.number).collect::<Vec<_>>()).unwrap();
    window.observe_numeric(1, &rows.iter().map(|row| row.discrete).collect::<Vec<_>>()).unwrap();
    for row in rows {
        match row.truth {
            Some(truth) => window.observe_bool(2, &[truth]).unwrap(),
            None => window.observe_nulls(2, 1).unwrap(),
        }
    }
    let texts: Vec<Option<&str>> = rows.iter().map(|row| row.text.as_deref()).collect();
    observe_texts(window, &texts);
}

fn observe_texts(window: &mut WindowProfile, texts: &[Option<&str>]) {
    for text in texts {
        match text {
            Some(text) => window.observe_text(3, &[text]).unwrap(),
            None => window.observe_nulls(3, 1).unwrap(),
        }
    }
}

fn window(baseline: &Arc<Baseline>, rows: &[Row]) -> WindowProfile {
    let mut window = WindowProfile::new(baseline.clone());
    observe(&mut window, rows);
    window
}

fn merged(mut left: WindowProfile, right: &WindowProfile) -> WindowProfile {
    left.merge(right).unwrap();
    left
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn merging_is_associative_and_commutative_to_the_byte(a in vec(row(), 0..40), b in vec(row(), 0..40), c in vec(row(), 0..40)) {
        let baseline = baseline();
        let [a, b, c] = [a, b, c].map(|rows| window(&baseline, &rows));
        let left = merged(merged(a.clone(), &b), &c);
        let right = merged(a.clone(), &merged(b.clone(), &c));
        let turned = merged(merged(c, &b), &a);
        prop_assert_eq!(left.to_bytes(), right.to_bytes());
        prop_assert_eq!(left.to_bytes(), turned.to_bytes());
        prop_assert_eq!(left, right);
        let empty = WindowProfile::new(baseline);
        prop_assert_eq!(merged(empty, &a).to_bytes(), a.to_bytes());
    }

    #[test]
    fn any_split_of_the_rows_in_any_order_gives_the_same_bytes(
        rows in vec((row(), 0..5usize), 0..300),
        order in Just([0usize, 1, 2, 3, 4]).prop_shuffle(),
    ) {
        let baseline = baseline();
        let whole = window(&baseline, &rows.iter().map(|(row, _)| row.clone()).collect::<Vec<_>>());
        let part = |part: usize| rows.iter().filter(|(_, at)| *at == part).map(|(row, _)| row.clone()).collect::<Vec<_>>();
        let parts = order.map(|at| window(&baseline, &part(at)));
        let joined = parts.iter().fold(WindowProfile::new(baseline.clone()), merged);
        prop_assert_eq!(joined.to_bytes(), whole.to_bytes());
        prop_assert_eq!(joined.rows(), rows.len() as u64);
    }

    #[test]
    fn what_is_written_is_read(rows in vec(row(), 0..200)) {
        let baseline = baseline();
        let window = window(&baseline, &rows);
        let read = WindowProfile::from_bytes(baseline, &window.to_bytes()).unwrap();
        prop_assert_eq!(&read, &window);
        prop_assert_eq!(read.to_bytes(), window.to_bytes());
    }

    #[test]
    fn damaged_bytes_are_refused_or_mean_exactly_what_they_say(
        rows in vec(row(), 0..60),
        changes in vec((any::<Index>(), any::<u8>()), 1..6),
        cut in proptest::option::of(any::<Index>()),
        more in vec(any::<u8>(), 0..3),
    ) {
        let baseline = baseline();
        let mut bytes = window(&baseline, &rows).to_bytes();
        for (place, value) in changes {
            let place = place.index(bytes.len());
            bytes[place] = value;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        bytes.extend(more);
        if let Ok(read) = WindowProfile::from_bytes(baseline.clone(), &bytes) {
            prop_assert_eq!(read.to_bytes(), bytes);
            // Whatever was read can be counted on and described.
            let mut read = read;
            observe(&mut read, &rows);
            (0..4).for_each(|column| assert!(read.summary(column).is_some()));
            crate::stats::drift::evaluate(&read, &crate::stats::rules::Rules::default());
        }
    }

    #[test]
    fn arbitrary_bytes_are_refused(bytes in vec(any::<u8>(), 0..300)) {
        prop_assert!(WindowProfile::from_bytes(baseline(), &bytes).is_err());
    }

    #[test]
    fn mean_and_deviation_are_those_of_the_values(values in vec(-100.0..100.0f64, 1..200)) {
        let baseline = baseline();
        let mut window = WindowProfile::new(baseline);
        window.observe_numeric(0, &values).unwrap();
        let summary = window.summary(0).unwrap();
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let std = (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n).sqrt();
        prop_assert!((summary.mean.unwrap() - mean).abs() <= 1e-9);
        prop_assert!((summary.std.unwrap() - std).abs() <= 1e-3, "{} is not {}", summary.std.unwrap(), std);
        prop_assert_eq!(summary.min, values.iter().copied().reduce(f64::min));
        prop_assert_eq!(summary.max, values.iter().copied().reduce(f64::max));
    }
}

#[test]
fn windows_of_other_references_are_not_mixed() {
    let ours = window(&baseline(), &[]);
    let other = Arc::new(Baseline::new(vec![ColumnProfile::numeric("number", &[1.0, 2.0, 3.0])]).unwrap());
    let mut theirs = WindowProfile::new(other.clone());
    assert_eq!(theirs.merge(&ours), Err(WindowError::OtherBaseline));
    assert_eq!(WindowProfile::from_bytes(other, &ours.to_bytes()).unwrap_err(), WindowError::OtherBaseline);
    assert_eq!(theirs.observe_numeric(7, &[1.0]), Err(WindowError::NoColumn(7)));
    assert_eq!(theirs.observe_bool(0, &[true]), Err(WindowError::WrongKind(0)));
}

#[test]
fn two_hundred_new_texts_keep_the_same_sample_however_they_come() {
    let baseline = baseline();
    let texts: Vec<String> = (0..200).map(|i| format!("new {i}")).collect();
    let one_way: Vec<Option<&str>> = texts.iter().map(|text| Some(text.as_str())).collect();
    let other_way: Vec<Option<&str>> = one_way.iter().rev().copied().collect();
    let bytes = |texts: &[Option<&str>]| {
        let mut window = WindowProfile::new(baseline.clone());
        observe_texts(&mut window, texts);
        let summary = window.summary(3).unwrap();
        assert_eq!((summary.new_rows, summary.new_categories.map(|kept| kept.len())), (200, Some(64)));
        window.to_bytes()
    };
    assert_eq!(bytes(&one_way), bytes(&other_way));
}
