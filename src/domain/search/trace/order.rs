//! Reads what traces are ordered by.

use super::parse::{Named, Reader};
use super::{TraceField, TraceOrder, TraceOrderField};
use crate::domain::Invalid;
use crate::domain::search::lexer::tokens;
use crate::domain::search::parse::invalid;
use crate::domain::search::{Direction, MAX_ORDER};
use crate::domain::trace::RUN_KEY;

/// Parses columns, each with an optional `ASC` or `DESC`, and completes them to a total order: latest first, then by id.
///
/// # Errors
/// `invalid_filter` with a sentence that names the column.
pub fn parse_trace_order(columns: &[String]) -> Result<Vec<TraceOrder>, Invalid> {
    if columns.len() > MAX_ORDER {
        return Err(invalid(format!("Invalid order_by: it has {} columns, at most {MAX_ORDER} are read", columns.len())));
    }
    let mut order: Vec<TraceOrder> = Vec::with_capacity(columns.len() + 2);
    for column in columns {
        let parsed = parse_column(column)?;
        if order.iter().any(|known| known.field == parsed.field) {
            return Err(invalid(format!("`order_by` contains duplicate fields: {columns:?}")));
        }
        order.push(parsed);
    }
    for (field, direction) in [(TraceField::RequestTime, Direction::Descending), (TraceField::Id, Direction::Ascending)] {
        let field = TraceOrderField::Field(field);
        if !order.iter().any(|known| known.field == field) {
            order.push(TraceOrder { field, direction });
        }
    }
    Ok(order)
}

fn parse_column(column: &str) -> Result<TraceOrder, Invalid> {
    let unparsed = || invalid(format!("Invalid order_by clause '{column}'. Could not be parsed."));
    if column.len() > 2000 || column.contains('\0') {
        return Err(unparsed());
    }
    let all = tokens(column);
    let mut reader = Reader { tokens: &all, at: 0 };
    let field = match reader.named()?.ok_or_else(unparsed)? {
        Named::Field(field, _) => TraceOrderField::Field(field),
        Named::Tag(key) => TraceOrderField::Tag(key),
        Named::Metadata(key) => TraceOrderField::Metadata(key),
        Named::Run => TraceOrderField::Metadata(RUN_KEY.to_owned()),
        Named::Span(_) => return Err(invalid("Invalid identifier type 'span'")),
        Named::Prompt | Named::Assessment(..) | Named::Issue => return Err(invalid(format!("traces can't be ordered by '{column}'"))),
    };
    let direction = match reader.take() {
        None => Direction::Ascending,
        Some(word) if word.is_word("asc") => Direction::Ascending,
        Some(word) if word.is_word("desc") => Direction::Descending,
        Some(_) => return Err(invalid(format!("Invalid ordering key in order_by clause '{column}'."))),
    };
    if reader.peek().is_some() {
        return Err(unparsed());
    }
    Ok(TraceOrder { field, direction })
}
