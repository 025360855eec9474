//! Reads what a search is ordered by.

use super::lexer::tokens;
use super::parse::{Field, Reader, invalid};
use super::{Attribute, Subject, registry};
use crate::domain::Invalid;

/// Most columns of an order: each may be a join.
pub const MAX_ORDER: usize = 20;

/// Which end comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The smallest.
    Ascending,
    /// The largest.
    Descending,
}

/// What is ordered by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OrderField {
    /// A column of the thing itself.
    Attribute(Attribute),
    /// The latest value of a metric: numbers first, then NaN, then what has no such metric, whatever the direction.
    Metric(String),
    /// A param; what has none comes last.
    Param(String),
    /// A tag; what has none comes last.
    Tag(String),
}

/// One column of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderBy {
    /// What.
    pub field: OrderField,
    /// Which end first.
    pub direction: Direction,
}

/// Parses columns, each with an optional `ASC` or `DESC`, and completes them to a total order: runs by start time, latest
/// first, then by id; experiments by creation time, latest first, then by id; registered models by name; their versions by the last
/// change, latest first, then by name and by number, newest first.
///
/// # Errors
/// `invalid_filter` with a sentence that names the column.
pub fn parse_order(subject: Subject, columns: &[String]) -> Result<Vec<OrderBy>, Invalid> {
    if columns.len() > MAX_ORDER {
        return Err(invalid(format!("Invalid order_by: it has {} columns, at most {MAX_ORDER} are read", columns.len())));
    }
    let mut order: Vec<OrderBy> = Vec::with_capacity(columns.len() + 2);
    for column in columns {
        let parsed = parse_column(subject, column)?;
        if order.iter().any(|known| known.field == parsed.field) {
            return Err(invalid(format!("`order_by` contains duplicate fields: {columns:?}")));
        }
        order.push(parsed);
    }
    let (time, id, id_first) = match subject {
        Subject::Runs => (Attribute::StartTime, Attribute::RunId, Direction::Ascending),
        Subject::Experiments if columns.is_empty() => (Attribute::CreationTime, Attribute::ExperimentId, Direction::Ascending),
        // MLflow breaks ties by the id alone once an order is given, newest first
        Subject::Experiments => (Attribute::ExperimentId, Attribute::ExperimentId, Direction::Descending),
        Subject::Models | Subject::ModelVersions => return Ok(registry::complete(subject, order)),
    };
    for (attribute, direction) in [(time, Direction::Descending), (id, id_first)] {
        if !order.iter().any(|known| known.field == OrderField::Attribute(attribute)) {
            order.push(OrderBy { field: OrderField::Attribute(attribute), direction });
        }
    }
    Ok(order)
}

fn parse_column(subject: Subject, column: &str) -> Result<OrderBy, Invalid> {
    let unparsed = || invalid(format!("Invalid order_by clause '{column}'. Could not be parsed."));
    if column.len() > 2000 || column.contains('\0') {
        return Err(unparsed());
    }
    let all = tokens(column);
    let mut reader = Reader { subject, tokens: &all, at: 0 };
    if subject.is_registry() {
        return registry::column(&mut reader, column);
    }
    let field = match reader.field()?.ok_or_else(unparsed)? {
        Field::Attribute(attribute, _) => OrderField::Attribute(attribute),
        Field::Metric(key) => OrderField::Metric(key),
        Field::Param(key) => OrderField::Param(key),
        Field::Tag(_) if subject == Subject::Experiments => return Err(invalid("Invalid order_by entity: tag")),
        Field::Tag(key) => OrderField::Tag(key),
        Field::Dataset(_) => return Err(invalid("Invalid identifier type 'dataset'")),
    };
    Ok(OrderBy { field, direction: direction(&mut reader, column)? })
}

/// Reads what follows the name of a column, to its end.
pub(super) fn direction(reader: &mut Reader<'_>, column: &str) -> Result<Direction, Invalid> {
    let unparsed = || invalid(format!("Invalid order_by clause '{column}'. Could not be parsed."));
    let direction = match reader.take() {
        None => Direction::Ascending,
        Some(word) if word.is_word("asc") => Direction::Ascending,
        Some(word) if word.is_word("desc") => Direction::Descending,
        Some(_) if reader.peek().is_none() => return Err(invalid(format!("Invalid ordering key in order_by clause '{column}'."))),
        Some(_) => return Err(unparsed()),
    };
    if reader.peek().is_some() { Err(unparsed()) } else { Ok(direction) }
}
