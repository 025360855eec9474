//! Profiles of columns that are read value by value. Up to a number of values the profile is exact; beyond it, quantiles come
//! from a sketch whose ranks are off by about a thousandth, and counts of distinct values from a HyperLogLog. Count, missing
//! values, smallest, largest, mean and deviation are exact always.

use std::collections::{BTreeMap, HashMap};

use super::novel::stable_hash;
use super::profile::{CategoryProfile, ColumnKind, ColumnProfile, NumericProfile};
use super::sketch::{Distinct, Quantiles};

/// Texts that are counted one by one at most; rarer ones make room and are counted together.
const MAX_TEXTS: usize = 20_000;
/// Longer texts are counted together with the rare ones.
const MAX_TEXT_BYTES: usize = 512;

/// Collects the values of one column.
#[derive(Debug)]
pub struct Collector {
    name: String,
    count: u64,
    nulls: u64,
    state: State,
}

#[derive(Debug)]
enum State {
    Kept { values: Vec<f64>, most: usize },
    Sketched(Box<Sketched>),
    Texts { counts: HashMap<String, u64>, other: u64, distinct: Distinct, complete: bool },
    Booleans([u64; 2]),
}

/// Numbers beyond those that are kept.
#[derive(Debug)]
struct Sketched {
    quantiles: Quantiles,
    distinct: Distinct,
    finite: u64,
    non_finite: u64,
    min: f64,
    max: f64,
    mean: f64,
    squares: f64,
}

impl Collector {
    /// Collects numbers; `most` are kept before a sketch takes over.
    pub fn numeric(name: impl Into<String>, most: usize) -> Self {
        Self::new(name, State::Kept { values: Vec::new(), most })
    }

    /// Collects texts.
    pub fn categorical(name: impl Into<String>) -> Self {
        let state = State::Texts { counts: HashMap::new(), other: 0, distinct: Distinct::default(), complete: true };
        Self::new(name, state)
    }

    /// Collects booleans.
    pub fn boolean(name: impl Into<String>) -> Self {
        Self::new(name, State::Booleans([0; 2]))
    }

    fn new(name: impl Into<String>, state: State) -> Self {
        Self { name: name.into(), count: 0, nulls: 0, state }
    }

    /// Counts a missing value.
    pub fn add_missing(&mut self) {
        self.count += 1;
        self.nulls += 1;
    }

    /// Takes a number; NaN is a missing value.
    pub fn add_number(&mut self, value: f64) {
        if value.is_nan() {
            return self.add_missing();
        }
        self.count += 1;
        match &mut self.state {
            State::Kept { values, most } if values.len() < *most => values.push(value),
            State::Kept { values, .. } => {
                let mut sketched = Sketched::new();
                values.drain(..).for_each(|kept| sketched.add(kept));
                sketched.add(value);
                self.state = State::Sketched(Box::new(sketched));
            }
            State::Sketched(sketched) => sketched.add(value),
            State::Texts { other, .. } => *other += 1,
            State::Booleans(counts) => counts[usize::from(value != 0.0)] += 1,
        }
    }

    /// Takes a text.
    pub fn add_text(&mut self, text: &str) {
        self.count += 1;
        let State::Texts { counts, other, distinct, complete } = &mut self.state else { return };
        distinct.add(stable_hash(text.as_bytes()));
        if let Some(count) = counts.get_mut(text) {
            *count += 1;
        } else if text.len() > MAX_TEXT_BYTES {
            *other += 1;
            *complete = false;
        } else {
            if counts.len() == MAX_TEXTS {
                *complete = false;
                *other += forget_rare(counts);
            }
            counts.insert(text.to_owned(), 1);
        }
    }

    /// Takes a boolean.
    pub fn add_boolean(&mut self, value: bool) {
        self.count += 1;
        if let State::Booleans(counts) = &mut self.state {
            counts[usize::from(value)] += 1;
        }
    }

    /// Makes the profile.
    pub fn finish(self) -> ColumnProfile {
        let Self { name, count, nulls, state } = self;
        let text = |distinct, distinct_is_exact, kind, categories| ColumnProfile {
            name: name.clone(),
            kind,
            count,
            nulls,
            distinct,
            distinct_is_exact,
            numeric: None,
            categories: Some(categories),
        };
        match state {
            State::Kept { values, .. } => ColumnProfile { count, nulls, ..ColumnProfile::numeric(name, &values) },
            State::Sketched(sketched) => sketched.finish(name, count, nulls),
            State::Texts { counts, other, distinct, complete } => {
                let number = if complete { counts.len() as u64 } else { distinct.estimate() };
                let mut categories = CategoryProfile::from_counts(counts);
                categories.other += other;
                text(number, complete, ColumnKind::Categorical, categories)
            }
            State::Booleans([no, yes]) => {
                let seen = [("false", no), ("true", yes)].into_iter().filter(|(_, n)| *n > 0);
                let counts: BTreeMap<String, u64> = seen.map(|(value, n)| (value.to_owned(), n)).collect();
                text(counts.len() as u64, true, ColumnKind::Boolean, CategoryProfile::from_counts(counts))
            }
        }
    }
}

/// Drops the rarer half of the texts; returns how often they occurred.
fn forget_rare(counts: &mut HashMap<String, u64>) -> u64 {
    let mut numbers: Vec<u64> = counts.values().copied().collect();
    let middle = numbers.len() / 2;
    let (_, median, _) = numbers.select_nth_unstable(middle);
    let bound = *median;
    let mut forgotten = 0;
    let mut room = middle;
    counts.retain(|_, count| {
        let keep = *count > bound || (*count == bound && room == 0);
        if !keep {
            room = room.saturating_sub(1);
            forgotten += *count;
        }
        keep
    });
    forgotten
}

impl Sketched {
    fn new() -> Self {
        Self {
            quantiles: Quantiles::default(),
            distinct: Distinct::default(),
            finite: 0,
            non_finite: 0,
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
            mean: 0.0,
            squares: 0.0,
        }
    }

    /// Mean and squares are updated as Welford (1962) does.
    fn add(&mut self, value: f64) {
        if !value.is_finite() {
            self.non_finite += 1;
            return;
        }
        self.finite += 1;
        self.min = self.min.min(value);
        self.max = self.max.max(value);
        let delta = value - self.mean;
        self.mean += delta / self.finite as f64;
        self.squares += delta * (value - self.mean);
        self.distinct.add(stable_hash(&(value + 0.0).to_bits().to_le_bytes()));
        self.quantiles.add(value);
    }

    fn finish(self, name: String, count: u64, nulls: u64) -> ColumnProfile {
        let Self { quantiles, distinct, finite, non_finite, min, max, mean, squares } = self;
        let mut numeric = NumericProfile::from_weighted(&quantiles.weighted());
        (numeric.count, numeric.non_finite, numeric.mean) = (finite, non_finite, mean);
        numeric.std = (squares / (finite as f64).max(1.0)).sqrt();
        if finite > 0 {
            (numeric.min, numeric.max) = (min, max);
        }
        ColumnProfile {
            name,
            kind: ColumnKind::Numeric,
            count,
            nulls,
            distinct: distinct.estimate(),
            distinct_is_exact: false,
            numeric: Some(numeric),
            categories: None,
        }
    }
}
