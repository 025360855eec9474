//! The schema of a table, in MLflow's type words, and the formats that tables come in.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What the values of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ColumnType {
    /// `true` and `false`.
    Boolean,
    /// 64-bit integers.
    Long,
    /// Double precision numbers.
    Double,
    /// Text.
    String,
    /// Dates and times, kept as milliseconds since 1970 in UTC.
    Datetime,
}

impl ColumnType {
    /// Returns the name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Boolean => "boolean",
            Self::Long => "long",
            Self::Double => "double",
            Self::String => "string",
            Self::Datetime => "datetime",
        }
    }

    /// Reads a name.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Boolean, Self::Long, Self::Double, Self::String, Self::Datetime].into_iter().find(|t| t.as_str() == text)
    }
}

/// A column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ColumnSpec {
    /// Its name.
    pub name: String,
    /// What its values are.
    pub r#type: ColumnType,
    /// Whether values are missing.
    pub nullable: bool,
}

/// The columns of a table in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Schema {
    /// The columns.
    pub columns: Vec<ColumnSpec>,
}

/// How a table is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// RFC 4180 with a header; `,`, `;` or tab between fields.
    Csv,
    /// One JSON object a line.
    Jsonl,
    /// Apache Parquet with flat columns.
    Parquet,
}

impl Format {
    /// Returns the name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Jsonl => "jsonl",
            Self::Parquet => "parquet",
        }
    }

    /// Reads a name.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Csv, Self::Jsonl, Self::Parquet].into_iter().find(|format| format.as_str() == text)
    }

    /// Returns the media type.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv",
            Self::Jsonl => "application/jsonl",
            Self::Parquet => "application/vnd.apache.parquet",
        }
    }

    /// Recognises a media type; parameters after `;` are ignored.
    pub fn of_media_type(text: &str) -> Option<Self> {
        match text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
            "text/csv" | "application/csv" => Some(Self::Csv),
            "application/jsonl" | "application/jsonlines" | "application/x-ndjson" | "application/ndjson" => Some(Self::Jsonl),
            "application/vnd.apache.parquet" | "application/x-parquet" | "application/parquet" => Some(Self::Parquet),
            _ => None,
        }
    }
}
