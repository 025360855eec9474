//! Assessments: what people, judges and programs say about a trace.

use serde_json::{Map, Value};

use super::super::time::Timestamp;

/// What kind of thing is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AssessmentKind {
    /// How good it was.
    Feedback,
    /// What would have been right.
    Expectation,
    /// A known problem that it shows.
    Issue,
}

impl AssessmentKind {
    /// Returns the name as stored, which is MLflow's.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Feedback => "feedback",
            Self::Expectation => "expectation",
            Self::Issue => "issue",
        }
    }

    /// Reads a stored name.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Feedback, Self::Expectation, Self::Issue].into_iter().find(|kind| kind.as_str() == text)
    }
}

/// Something that is said about a trace.
#[derive(Clone, Debug, PartialEq)]
pub struct Assessment {
    /// Its id.
    pub id: String,
    /// What it is about, for instance `correctness`.
    pub name: String,
    /// What kind it is.
    pub kind: AssessmentKind,
    /// What is said.
    pub value: Value,
    /// Why nothing could be said: code, message and stack.
    pub error: Option<Value>,
    /// `HUMAN`, `LLM_JUDGE` or `CODE`.
    pub source_type: String,
    /// Who.
    pub source_id: String,
    /// The run that it came from.
    pub run_id: Option<String>,
    /// The span that it is about.
    pub span_id: Option<String>,
    /// Why.
    pub rationale: Option<String>,
    /// The assessment that it replaces.
    pub overrides: Option<String>,
    /// False once another replaces it.
    pub valid: bool,
    /// Facts about it; texts.
    pub metadata: Map<String, Value>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

impl Assessment {
    /// Returns the number by which a value is compared; none for what is no finite number.
    pub fn number(&self) -> Option<f64> {
        self.value.as_f64().filter(|value| value.is_finite())
    }
}

/// What changes about an assessment; the rest stays.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AssessmentChange {
    /// What it is about.
    pub name: Option<String>,
    /// What is said, with why nothing could be said.
    pub feedback: Option<(Value, Option<Value>)>,
    /// What would have been right.
    pub expectation: Option<Value>,
    /// Why.
    pub rationale: Option<String>,
    /// Facts, laid over those that are there.
    pub metadata: Map<String, Value>,
}
