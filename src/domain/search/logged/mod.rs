//! The search over logged models, which has a grammar of its own in MLflow: entities in one spelling only, lists for every
//! text, orders as messages, and metrics that are compared point by point and may be narrowed to data sets.

mod filter;
mod order;

use super::{Direction, Op, TextTest, Whole};

pub use filter::parse_model_filter;
pub use order::{ModelSearch, parse_model_order};

/// Most data sets that one search names.
pub const MAX_DATASETS: usize = 100;

/// A column of a logged model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum ModelAttribute {
    ModelId,
    ExperimentId,
    Name,
    ArtifactLocation,
    Status,
    ModelType,
    SourceRunId,
    CreationTime,
    LastUpdateTime,
}

const ATTRIBUTES: [(&str, ModelAttribute); 13] = [
    ("model_id", ModelAttribute::ModelId),
    ("experiment_id", ModelAttribute::ExperimentId),
    ("name", ModelAttribute::Name),
    ("artifact_location", ModelAttribute::ArtifactLocation),
    ("status", ModelAttribute::Status),
    ("model_type", ModelAttribute::ModelType),
    ("source_run_id", ModelAttribute::SourceRunId),
    ("creation_timestamp", ModelAttribute::CreationTime),
    ("creation_timestamp_ms", ModelAttribute::CreationTime),
    ("creation_time", ModelAttribute::CreationTime),
    ("last_updated_timestamp", ModelAttribute::LastUpdateTime),
    ("last_updated_timestamp_ms", ModelAttribute::LastUpdateTime),
    ("last_updated_time", ModelAttribute::LastUpdateTime),
];

impl ModelAttribute {
    /// Tells whether it holds a number.
    pub fn is_number(self) -> bool {
        matches!(self, Self::CreationTime | Self::LastUpdateTime)
    }

    fn find(name: &str) -> Option<Self> {
        ATTRIBUTES.iter().find(|(known, _)| *known == name).map(|(_, attribute)| *attribute)
    }
}

/// One clause of a filter.
#[derive(Clone, Debug, PartialEq)]
pub enum ModelClause {
    /// A number of the model itself.
    Number(ModelAttribute, Whole),
    /// A text of the model itself.
    Text(ModelAttribute, TextTest),
    /// Some point of a metric: NaN passes `!=` alone.
    Metric {
        /// The metric.
        key: String,
        /// How.
        op: Op,
        /// With what.
        value: f64,
    },
    /// A param that is there.
    Param(String, TextTest),
    /// A tag that is there.
    Tag(String, TextTest),
}

/// A data set whose points count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatasetFilter {
    /// Its name.
    pub name: String,
    /// Its digest; any when absent.
    pub digest: Option<String>,
}

/// What models are ordered by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModelOrderField {
    /// A column of the model itself.
    Attribute(ModelAttribute),
    /// The latest point of a metric by timestamp and step, of these data sets alone where they are named. Numbers come first,
    /// then NaN, then what has no such point, whatever the direction.
    Metric {
        /// The metric.
        key: String,
        /// Name of the data set.
        dataset_name: Option<String>,
        /// Digest of the data set.
        dataset_digest: Option<String>,
    },
}

/// One column of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelOrder {
    /// What.
    pub field: ModelOrderField,
    /// Which end first.
    pub direction: Direction,
}

/// A column of an order as it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderRequest {
    /// `metrics.…`, or an attribute.
    pub field_name: String,
    /// Smallest first.
    pub ascending: bool,
    /// Name of the data set of a metric.
    pub dataset_name: Option<String>,
    /// Its digest.
    pub dataset_digest: Option<String>,
}
