//! MLflow's search language as types: a filter is a list of clauses that all have to hold, an order is a list of columns.
//! `lexer` cuts text into tokens, `parse` and `order` read them, `logged` does for logged models. What the clauses mean on a database
//! is `store::tracking`'s part.
//!
//! The words and refusals follow MLflow's `search_utils.py`, which clients and their tests look at.

mod cursor;
mod lexer;
mod logged;
mod order;
mod parse;
mod registry;
#[cfg(test)]
mod tests;
mod trace;

use std::cmp::Ordering;

pub use cursor::{Cursor, Mark};
pub use logged::{
    DatasetFilter, MAX_DATASETS, ModelAttribute, ModelClause, ModelOrder, ModelOrderField, ModelSearch, OrderRequest, parse_model_filter,
    parse_model_order,
};
pub use order::{Direction, MAX_ORDER, OrderBy, OrderField, parse_order};
pub use parse::{MAX_CLAUSES, MAX_FILTER, parse_filter};
pub use registry::{Kind, split_kind};
pub use trace::{AssessmentTest, SpanField, TraceClause, TraceField, TraceOrder, TraceOrderField, parse_trace_filter, parse_trace_order};

/// What is searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Runs.
    Runs,
    /// Experiments.
    Experiments,
    /// Registered models.
    Models,
    /// Versions of registered models.
    ModelVersions,
}

impl Subject {
    /// Tells whether it is a part of the registry, which has a dialect of its own.
    fn is_registry(self) -> bool {
        matches!(self, Self::Models | Self::ModelVersions)
    }
}

/// A column of the searched thing itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Attribute {
    RunId,
    RunName,
    Status,
    ArtifactUri,
    UserId,
    StartTime,
    EndTime,
    ExperimentId,
    Name,
    CreationTime,
    LastUpdateTime,
    ModelName,
    ModelUpdated,
    VersionNumber,
    VersionRun,
    VersionSource,
    VersionCreated,
    VersionUpdated,
}

impl Attribute {
    /// Tells whether it holds a number.
    pub fn is_number(self) -> bool {
        matches!(
            self,
            Self::StartTime
                | Self::EndTime
                | Self::CreationTime
                | Self::LastUpdateTime
                | Self::ModelUpdated
                | Self::VersionNumber
                | Self::VersionCreated
                | Self::VersionUpdated
        )
    }

    /// Finds the attribute that a filter names.
    pub fn find(subject: Subject, name: &str) -> Option<Self> {
        let names: &[(&str, Self)] = match subject {
            Subject::Runs => &RUN_ATTRIBUTES,
            Subject::Experiments => &EXPERIMENT_ATTRIBUTES,
            Subject::Models => &registry::MODEL_ATTRIBUTES,
            Subject::ModelVersions => &registry::VERSION_ATTRIBUTES,
        };
        names.iter().find(|(known, _)| *known == name).map(|(_, attribute)| *attribute)
    }
}

const RUN_ATTRIBUTES: [(&str, Attribute); 12] = [
    ("artifact_uri", Attribute::ArtifactUri),
    ("end_time", Attribute::EndTime),
    ("run_id", Attribute::RunId),
    ("run_name", Attribute::RunName),
    ("start_time", Attribute::StartTime),
    ("status", Attribute::Status),
    ("user_id", Attribute::UserId),
    ("created", Attribute::StartTime),
    ("Created", Attribute::StartTime),
    ("run name", Attribute::RunName),
    ("Run name", Attribute::RunName),
    ("Run Name", Attribute::RunName),
];
const EXPERIMENT_ATTRIBUTES: [(&str, Attribute); 4] = [
    ("creation_time", Attribute::CreationTime),
    ("experiment_id", Attribute::ExperimentId),
    ("last_update_time", Attribute::LastUpdateTime),
    ("name", Attribute::Name),
];

/// A column of a data set that a run names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DatasetField {
    /// Its name.
    Name,
    /// Its digest.
    Digest,
    /// What it was used for.
    Context,
}

/// How numbers are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Op {
    Less,
    AtMost,
    Equal,
    NotEqual,
    AtLeast,
    Greater,
}

impl Op {
    /// Returns the sign that MLflow and SQL share.
    pub fn sign(self) -> &'static str {
        match self {
            Self::Less => "<",
            Self::AtMost => "<=",
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::AtLeast => ">=",
            Self::Greater => ">",
        }
    }

    /// Tells whether it holds between two values; nothing but "not equal" holds for values that can't be ordered.
    pub fn holds(self, ordering: Option<Ordering>) -> bool {
        match ordering {
            None => self == Self::NotEqual,
            Some(Ordering::Less) => matches!(self, Self::Less | Self::AtMost | Self::NotEqual),
            Some(Ordering::Equal) => matches!(self, Self::AtMost | Self::Equal | Self::AtLeast),
            Some(Ordering::Greater) => matches!(self, Self::Greater | Self::AtLeast | Self::NotEqual),
        }
    }
}

/// A test of a whole number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whole {
    /// Compares with a whole number.
    Is(Op, i64),
    /// Holds for every number.
    Always,
    /// Holds for none.
    Never,
}

impl Whole {
    /// Turns a comparison with any number into one with a whole number that holds for the same whole numbers.
    pub fn new(op: Op, value: f64) -> Self {
        const TOP: f64 = 9_223_372_036_854_775_808.0;
        if value.is_nan() {
            return if op == Op::NotEqual { Self::Always } else { Self::Never };
        }
        let above = value >= TOP;
        if above || value < -TOP {
            let holds = match op {
                Op::Less | Op::AtMost => above,
                Op::Greater | Op::AtLeast => !above,
                Op::NotEqual => true,
                Op::Equal => false,
            };
            return if holds { Self::Always } else { Self::Never };
        }
        #[expect(clippy::cast_possible_truncation, reason = "the range was checked")]
        let whole = |v: f64| v as i64;
        match op {
            Op::Equal if value.fract() != 0.0 => Self::Never,
            Op::NotEqual if value.fract() != 0.0 => Self::Always,
            // ceil(v) may be 2^63, which saturates to the largest number: nothing fractional is that large
            Op::Less | Op::AtLeast => Self::Is(op, whole(value.ceil())),
            _ => Self::Is(op, whole(value.floor())),
        }
    }
}

/// A test of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TextTest {
    /// The same, to the byte.
    Is(String),
    /// Another.
    IsNot(String),
    /// Matches a pattern in which `%` stands for any characters and `_` for one.
    Like(String),
    /// As `Like`, with upper and lower case of ASCII letters taken as one.
    ILike(String),
    /// One of these.
    In(Vec<String>),
    /// None of these.
    NotIn(Vec<String>),
}

impl TextTest {
    /// Tells whether a text passes.
    pub fn holds(&self, text: &str) -> bool {
        match self {
            Self::Is(value) => text == value,
            Self::IsNot(value) => text != value,
            Self::Like(pattern) => matches(&chars(pattern), &chars(text)),
            Self::ILike(pattern) => matches(&chars(&pattern.to_ascii_lowercase()), &chars(&text.to_ascii_lowercase())),
            Self::In(values) => values.iter().any(|value| value == text),
            Self::NotIn(values) => values.iter().all(|value| value != text),
        }
    }
}

fn chars(text: &str) -> Vec<char> {
    text.chars().collect()
}

/// Matches by going back to the last `%` only, which is enough and takes at most the product of both lengths.
fn matches(pattern: &[char], text: &[char]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('%') => {
                back = Some((p + 1, t));
                p += 1;
            }
            Some(c) if *c == '_' || text.get(t) == Some(c) => {
                p += 1;
                t += 1;
            }
            _ => {
                let Some((after, at)) = back else { return false };
                back = Some((after, at + 1));
                p = after;
                t = at + 1;
            }
        }
    }
    pattern.iter().skip(p).all(|c| *c == '%')
}

/// A test of something that may be missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyedTest {
    /// It is there and its value passes.
    Value(TextTest),
    /// It is not there.
    Missing,
    /// It is there.
    Present,
}

/// One clause of a filter.
#[derive(Clone, Debug, PartialEq)]
pub enum Clause {
    /// A number of the thing itself; a missing one passes nothing.
    Number(Attribute, Whole),
    /// A text of the thing itself.
    Text(Attribute, TextTest),
    /// The latest value of a metric, compared as doubles are: NaN passes `!=` alone.
    Metric {
        /// The metric.
        key: String,
        /// How.
        op: Op,
        /// With what.
        value: f64,
    },
    /// A param.
    Param(String, KeyedTest),
    /// A tag.
    Tag(String, KeyedTest),
    /// Some data set of the run.
    Dataset(DatasetField, TextTest),
}

/// Orders doubles as their bits can be ordered: negative infinity first, -0 before 0, NaN outside of the infinities.
pub fn rank(value: f64) -> i64 {
    let bits = value.to_bits().cast_signed();
    if bits >= 0 { bits } else { (-1 - bits) + i64::MIN }
}
