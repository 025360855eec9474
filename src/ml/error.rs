//! What can be wrong with a table, a configuration, a run or a checkpoint, each with a stable code.

use std::fmt;

/// An error of the trainer. [`FitError::code`] is stable; the message is for people.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the message of each variant says what it means")]
pub enum FitError {
    ColumnLength { column: String, rows: usize, expected: usize },
    DuplicateColumn { column: String },
    BadCode { column: String, row: usize },
    UnknownColumn { column: String },
    ColumnKind { column: String, expected: &'static str, found: &'static str },
    TargetIsFeature { column: String },
    AllMissing { column: String },
    InvalidImpute { column: String, strategy: &'static str, kind: &'static str },
    InfiniteValue { column: String, row: usize },
    TooManyLevels { column: String, levels: usize, limit: usize },
    ReservedName { column: String },
    MissingTarget { column: String, row: usize },
    OneClass { column: String, label: String },
    TooManyClasses { column: String, classes: usize, limit: usize },
    UnknownClass { column: String, label: String },
    TargetNotNumeric { column: String },
    OutputUnits { units: usize, expected: usize },
    TooFewRows { rows: usize, needed: usize },
    InvalidConfig { field: String, reason: String },
    Diverged { epoch: usize, step: u64 },
    CheckpointDamaged { reason: &'static str },
    CheckpointVersion { found: u32, supported: u32 },
    CheckpointMismatch,
}

impl FitError {
    /// Builds an [`FitError::InvalidConfig`].
    pub(crate) fn config(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::InvalidConfig { field: field.into(), reason: reason.into() }
    }

    /// Returns the stable code of the cause.
    pub fn code(&self) -> &'static str {
        match self {
            Self::ColumnLength { .. } => "column_length",
            Self::DuplicateColumn { .. } => "duplicate_column",
            Self::BadCode { .. } => "bad_code",
            Self::UnknownColumn { .. } => "unknown_column",
            Self::ColumnKind { .. } => "column_kind",
            Self::TargetIsFeature { .. } => "target_is_feature",
            Self::AllMissing { .. } => "all_missing",
            Self::InvalidImpute { .. } => "invalid_impute",
            Self::InfiniteValue { .. } => "infinite_value",
            Self::TooManyLevels { .. } => "too_many_levels",
            Self::ReservedName { .. } => "reserved_name",
            Self::MissingTarget { .. } => "missing_target",
            Self::OneClass { .. } => "one_class",
            Self::TooManyClasses { .. } => "too_many_classes",
            Self::UnknownClass { .. } => "unknown_class",
            Self::TargetNotNumeric { .. } => "target_not_numeric",
            Self::OutputUnits { .. } => "output_units",
            Self::TooFewRows { .. } => "too_few_rows",
            Self::InvalidConfig { .. } => "invalid_config",
            Self::Diverged { .. } => "diverged",
            Self::CheckpointDamaged { .. } => "checkpoint_damaged",
            Self::CheckpointVersion { .. } => "checkpoint_version",
            Self::CheckpointMismatch => "checkpoint_mismatch",
        }
    }
}

impl fmt::Display for FitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ColumnLength { column, rows, expected } => {
                write!(f, "column {column:?} has {rows} rows where the table has {expected}")
            }
            Self::DuplicateColumn { column } => write!(f, "column {column:?} appears twice"),
            Self::BadCode { column, row } => {
                write!(f, "column {column:?} has a code without a level in row {row}")
            }
            Self::UnknownColumn { column } => write!(f, "there is no column {column:?}"),
            Self::ColumnKind { column, expected, found } => {
                write!(f, "column {column:?} is {found} where the model expects {expected}")
            }
            Self::TargetIsFeature { column } => {
                write!(f, "column {column:?} is both the target and a feature")
            }
            Self::AllMissing { column } => {
                write!(f, "column {column:?} has no value in the training rows")
            }
            Self::InvalidImpute { column, strategy, kind } => {
                write!(f, "column {column:?} is {kind} and cannot be imputed by {strategy}")
            }
            Self::InfiniteValue { column, row } => {
                write!(f, "column {column:?} has an infinite value in row {row}")
            }
            Self::TooManyLevels { column, levels, limit } => {
                write!(f, "column {column:?} has {levels} levels, which makes more than {limit} inputs")
            }
            Self::ReservedName { column } => {
                write!(f, "a feature cannot be called {column:?} beside text features, as the model's output has that name")
            }
            Self::MissingTarget { column, row } => {
                write!(f, "target {column:?} has no value in row {row}")
            }
            Self::OneClass { column, label } => {
                write!(f, "target {column:?} has only one class, {label:?}")
            }
            Self::TooManyClasses { column, classes, limit } => {
                write!(f, "target {column:?} has {classes} classes where at most {limit} are possible")
            }
            Self::UnknownClass { column, label } => {
                write!(f, "target {column:?} has no class {label:?}")
            }
            Self::TargetNotNumeric { column } => {
                write!(f, "target {column:?} is text, and the mse loss needs numbers")
            }
            Self::OutputUnits { units, expected } => {
                write!(f, "the last layer has {units} units where the target needs {expected}")
            }
            Self::TooFewRows { rows, needed } => {
                write!(f, "there are {rows} rows for training where {needed} are needed")
            }
            Self::InvalidConfig { field, reason } => write!(f, "{field} {reason}"),
            Self::Diverged { epoch, step } => {
                write!(f, "the loss became infinite or undefined in epoch {epoch}, step {step}; a lower learning rate may help")
            }
            Self::CheckpointDamaged { reason } => write!(f, "the checkpoint is damaged: {reason}"),
            Self::CheckpointVersion { found, supported } => {
                write!(f, "the checkpoint has version {found} where {supported} is supported")
            }
            Self::CheckpointMismatch => f.write_str("the checkpoint belongs to another configuration or other data"),
        }
    }
}

impl std::error::Error for FitError {}
