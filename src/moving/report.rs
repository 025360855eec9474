//! What came of an import.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Troubles that are shown one by one.
const SHOWN: usize = 50;

/// What was read, what of it is here, and what is not.
#[derive(Clone, Debug, Default)]
pub struct Report {
    source: String,
    counts: BTreeMap<&'static str, Count>,
    troubles: Vec<String>,
    untold: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Count {
    read: i64,
    there: i64,
    new: i64,
}

/// The nouns in the sequence in which they are shown.
const NOUNS: [&str; 7] = ["experiments", "runs", "items of runs", "logged models", "registered models", "model versions", "files"];

impl Report {
    pub(super) fn new(source: &str) -> Self {
        Self { source: source.to_owned(), ..Self::default() }
    }

    /// Counts what was read at the source.
    pub(super) fn read(&mut self, noun: &'static str, count: i64) {
        self.counts.entry(noun).or_default().read += count;
    }

    /// Counts what was found here and compared.
    pub(super) fn there(&mut self, noun: &'static str, count: i64) {
        self.counts.entry(noun).or_default().there += count;
    }

    /// Counts what came in or was renewed.
    pub(super) fn new_ones(&mut self, noun: &'static str, count: i64) {
        self.counts.entry(noun).or_default().new += count;
    }

    /// Notes something that did not come or is not equal.
    pub(super) fn trouble(&mut self, message: String) {
        match self.troubles.len() < SHOWN {
            true => self.troubles.push(message),
            false => self.untold += 1,
        }
    }

    /// Tells whether everything that was read is here and equal.
    pub fn is_good(&self) -> bool {
        self.troubles.is_empty() && self.counts.values().all(|count| count.read == count.there)
    }

    /// Returns how many of a noun came in or were renewed.
    pub fn count_new(&self, noun: &str) -> i64 {
        self.counts.get(noun).map_or(0, |count| count.new)
    }

    /// Returns how many of each noun are here.
    pub(super) fn totals(&self) -> BTreeMap<&'static str, i64> {
        self.counts.iter().map(|(noun, count)| (*noun, count.there)).collect()
    }

    /// Writes it for people.
    pub fn text(&self) -> String {
        let mut text = format!("import from {}\n", self.source);
        let _ = writeln!(text, "  {:<18}{:>12}{:>12}{:>12}", "", "read", "here, equal", "new");
        for noun in NOUNS {
            let Count { read, there, new } = self.counts.get(noun).copied().unwrap_or_default();
            let _ = writeln!(text, "  {noun:<18}{read:>12}{there:>12}{new:>12}");
        }
        for trouble in &self.troubles {
            let _ = writeln!(text, "  ! {trouble}");
        }
        if self.untold > 0 {
            let _ = writeln!(text, "  ! and {} more", self.untold);
        }
        let _ = writeln!(text, "{}", if self.is_good() { "all that was read is here" } else { "not all that was read is here" });
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_good_when_all_that_was_read_is_there() {
        let mut report = Report::new("here");
        report.read("runs", 3);
        report.there("runs", 2);
        assert!(!report.is_good());
        report.there("runs", 1);
        assert!(report.is_good());
        (0..60).for_each(|i| report.trouble(format!("run {i}")));
        assert!(!report.is_good());
        assert!(report.text().contains("! run 49\n  ! and 10 more\nnot all"), "{}", report.text());
    }
}
