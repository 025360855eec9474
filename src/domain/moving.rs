//! What is carried from one server to another, and the sum by which both ends are compared.

use sha2::{Digest as _, Sha256};

use super::run::{MetricPoint, RunStatus};
use super::time::Timestamp;
use super::tracking::{DatasetInput, Pair, Stage};

/// An experiment at its source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MovedExperiment {
    /// Its id there.
    pub source_id: String,
    /// Its name.
    pub name: String,
    /// Where its runs put their files.
    pub location: String,
    /// Whether it is deleted.
    pub stage: Stage,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Its tags.
    pub tags: Vec<Pair>,
}

/// A run at its source, without its points and files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MovedRun {
    /// Its id, which it keeps.
    pub run_id: String,
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub status: RunStatus,
    /// Who started it.
    pub user: String,
    /// When it started.
    pub start_time: i64,
    /// When it ended.
    pub end_time: Option<i64>,
    /// Whether it is deleted.
    pub stage: Stage,
    /// Where its files are.
    pub artifact_uri: String,
    /// Its params.
    pub params: Vec<Pair>,
    /// Its tags.
    pub tags: Vec<Pair>,
    /// Data sets that it read.
    pub inputs: Vec<DatasetInput>,
    /// The names of its metrics.
    pub metrics: Vec<String>,
}

/// A number of items and a digest of all of them that does not depend on their order: the sum of their hashes. Two ends that list
/// the same things in different sequences come to the same tally, in constant memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many items.
    pub items: i64,
    high: u128,
    low: u128,
}

impl Tally {
    /// Counts an item, given by what it is and its fields.
    pub fn add(&mut self, what: &str, fields: &[&[u8]]) {
        let mut hasher = Sha256::new();
        for field in std::iter::once(&what.as_bytes()).chain(fields) {
            // with its length before it, so that no two lists of fields read the same
            hasher.update((field.len() as u64).to_le_bytes());
            hasher.update(field);
        }
        let hash = hasher.finalize();
        let half = |bytes: &[u8]| bytes.iter().fold(0_u128, |sum, byte| sum << 8 | u128::from(*byte));
        self.items += 1;
        self.high = self.high.wrapping_add(half(&hash[..16]));
        self.low = self.low.wrapping_add(half(&hash[16..]));
    }

    /// Counts all items of another tally.
    pub fn join(&mut self, other: &Self) {
        self.items += other.items;
        self.high = self.high.wrapping_add(other.high);
        self.low = self.low.wrapping_add(other.low);
    }

    /// Returns the digest: 64 hex digits.
    pub fn digest(&self) -> String {
        format!("{:032x}{:032x}", self.high, self.low)
    }

    /// Counts what a run is, its params, its tags and its inputs.
    pub fn add_run(&mut self, run: &MovedRun) {
        let end = run.end_time.map_or_else(String::new, |end| end.to_string());
        let info = [&run.run_id, &run.name, run.status.as_str(), &run.user, &run.start_time.to_string(), &end, run.stage.as_str()];
        self.add("run", &info.map(str::as_bytes));
        for (what, pairs) in [("param", &run.params), ("tag", &run.tags)] {
            pairs.iter().for_each(|pair| self.add(what, &[pair.key.as_bytes(), pair.value.as_bytes()]));
        }
        for input in &run.inputs {
            let d = &input.dataset;
            let texts = |text: &Option<String>| text.clone().unwrap_or_default();
            let fields = [&d.name, &d.digest, &d.source_type, &d.source, &texts(&d.schema), &texts(&d.profile)];
            self.add("input", &fields.map(|field| field.as_bytes()));
            for tag in &input.tags {
                self.add("input tag", &[&d.name, &d.digest, &tag.key, &tag.value].map(|field| field.as_bytes()));
            }
        }
    }

    /// Counts a point.
    pub fn add_point(&mut self, point: &MetricPoint) {
        // all NaN are one value
        let bits = if point.value.0.is_nan() { f64::NAN } else { point.value.0 }.to_bits();
        let fields: [&[u8]; 4] = [point.key.as_bytes(), &point.step.to_le_bytes(), &point.timestamp.to_le_bytes(), &bits.to_le_bytes()];
        self.add("point", &fields);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tally_does_not_know_the_order_of_items_but_their_number_and_their_fields() {
        let tally = |items: &[(&str, &[&[u8]])]| {
            let mut tally = Tally::default();
            items.iter().for_each(|(what, fields)| tally.add(what, fields));
            tally
        };
        let (a, b): (&[&[u8]], &[&[u8]]) = (&[b"1", b"2"], &[b"12"]);
        assert_eq!(tally(&[("x", a), ("x", b)]), tally(&[("x", b), ("x", a)]));
        assert_ne!(tally(&[("x", a)]), tally(&[("x", b)]));
        assert_ne!(tally(&[("x", a)]), tally(&[("y", a)]));
        assert_ne!(tally(&[("x", a)]), tally(&[("x", a), ("x", a)]));
        let mut both = tally(&[("x", a)]);
        both.join(&tally(&[("x", b)]));
        assert_eq!((both, both.digest().len()), (tally(&[("x", a), ("x", b)]), 64));
    }
}
