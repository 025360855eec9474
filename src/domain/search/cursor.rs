//! Where a page ended: the value of each column of the order in its last row. The next page starts after it, so rows that are
//! added or deleted meanwhile shift nothing.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::parse::invalid;
use super::{OrderBy, OrderField, TraceOrder, TraceOrderField};
use crate::domain::Invalid;

/// The value of one column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mark {
    /// A number, or the rank of a metric's value.
    #[serde(rename = "n")]
    Number(i64),
    /// A text.
    #[serde(rename = "t")]
    Text(String),
    /// A metric that is NaN: after all numbers.
    #[serde(rename = "nan")]
    NotANumber,
    /// Nothing: after everything.
    #[serde(rename = "none")]
    Missing,
}

/// A position in an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor(pub Vec<Mark>);

impl Cursor {
    /// Writes the token that a client hands back.
    pub fn token(&self) -> String {
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(&self.0).unwrap_or_default())
    }

    /// Reads a token given out for the same order; none for an empty one.
    ///
    /// # Errors
    /// `invalid_filter` if it is not such a token.
    pub fn parse(order: &[OrderBy], token: &str) -> Result<Option<Self>, Invalid> {
        Self::read(token, |marks| marks.len() == order.len() && order.iter().zip(marks).all(|(column, mark)| fits(&column.field, mark)))
    }

    /// Reads a token given out for the same order of traces; none for an empty one.
    ///
    /// # Errors
    /// `invalid_filter` if it is not such a token.
    pub fn parse_traces(order: &[TraceOrder], token: &str) -> Result<Option<Self>, Invalid> {
        let fits = |(column, mark): (&TraceOrder, &Mark)| match (&column.field, mark) {
            (TraceOrderField::Field(field), Mark::Number(_)) => field.is_number(),
            (TraceOrderField::Field(field), Mark::Text(_)) if field.is_number() => false,
            (_, Mark::Text(text)) => !text.contains('\0'),
            (_, Mark::Missing) => true,
            (_, Mark::Number(_) | Mark::NotANumber) => false,
        };
        Self::read(token, |marks| marks.len() == order.len() && order.iter().zip(marks).all(fits))
    }

    fn read(token: &str, fits: impl FnOnce(&[Mark]) -> bool) -> Result<Option<Self>, Invalid> {
        if token.is_empty() {
            return Ok(None);
        }
        let bad = || invalid("Invalid page token, could not base64-decode it to a position that this server gave out for this order");
        let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| bad())?;
        let marks: Vec<Mark> = serde_json::from_slice(&bytes).map_err(|_| bad())?;
        if fits(&marks) { Ok(Some(Self(marks))) } else { Err(bad()) }
    }
}

fn fits(field: &OrderField, mark: &Mark) -> bool {
    match (field, mark) {
        (OrderField::Metric(_), Mark::Text(_)) => false,
        (OrderField::Metric(_), _) | (_, Mark::Missing) => true,
        (_, Mark::NotANumber) => false,
        (OrderField::Attribute(attribute), Mark::Number(_)) => attribute.is_number(),
        (_, Mark::Number(_)) => false,
        (OrderField::Attribute(attribute), Mark::Text(_)) if attribute.is_number() => false,
        (_, Mark::Text(text)) => !text.contains('\0'),
    }
}
