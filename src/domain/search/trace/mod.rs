//! The search language of traces: its fields are other than those of runs, its tokens and tests are the same.

mod order;
mod parse;
#[cfg(test)]
mod tests;

pub use order::parse_trace_order;
pub use parse::parse_trace_filter;

use super::{Direction, KeyedTest, Op, TextTest, Whole};
use crate::domain::trace::assessment::AssessmentKind;

/// A column of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum TraceField {
    Id,
    ClientRequestId,
    State,
    ExperimentId,
    RequestTime,
    Duration,
    EndTime,
}

impl TraceField {
    /// Tells whether it holds a number.
    pub fn is_number(self) -> bool {
        matches!(self, Self::RequestTime | Self::Duration | Self::EndTime)
    }
}

/// What a clause about spans looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SpanField {
    /// What it is called.
    Name,
    /// What it is.
    Kind,
    /// How it ended.
    Status,
    /// One of its attributes.
    Attribute(String),
    /// All of it.
    Text,
}

/// How what was said about a trace is tested.
#[derive(Clone, Debug, PartialEq)]
pub enum AssessmentTest {
    /// Its value as text.
    Text(TextTest),
    /// Its value as a number; what is none passes nothing.
    Number(Op, f64),
    /// Nothing was said.
    Missing,
    /// Something was said.
    Present,
}

/// One clause of a filter over traces.
#[derive(Clone, Debug, PartialEq)]
pub enum TraceClause {
    /// A number of the trace.
    Number(TraceField, Whole),
    /// A text of the trace.
    Text(TraceField, TextTest),
    /// A tag.
    Tag(String, KeyedTest),
    /// What does not change.
    Metadata(String, KeyedTest),
    /// It was made in a run, or linked to it.
    Run(String),
    /// It was made with a version of a prompt.
    Prompt(String, String),
    /// It has a span that passes all of these.
    Span(Vec<(SpanField, TextTest)>),
    /// What was said under a name.
    Assessment(AssessmentKind, String, AssessmentTest),
    /// It shows a known problem.
    Issue(String),
}

/// What traces are ordered by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TraceOrderField {
    /// A column.
    Field(TraceField),
    /// A tag; what has none comes last.
    Tag(String),
    /// What does not change; what has none comes last.
    Metadata(String),
}

/// One column of an order of traces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceOrder {
    /// What.
    pub field: TraceOrderField,
    /// Which end first.
    pub direction: Direction,
}
