//! Compiles orders, and "after this position" in them.

use super::filter::column;
use super::sql::{Sql, rank, rank_of_bits};
use crate::domain::search::{Attribute, Direction, Mark, OrderBy, OrderField, rank as rank_of};

/// One column of an order as expressions.
pub(super) struct Term {
    /// 0 for values, 1 for NaN, and last the given number for nothing; always ascending. None where there is always a value.
    pub(super) flag: Option<(String, i64)>,
    pub(super) value: String,
    pub(super) direction: Direction,
}

/// Joins what the order needs and returns its columns. The metric of the first column is there already as `o0`, without NaN,
/// if `driven`.
pub(super) fn join(sql: &mut Sql, order: &[OrderBy], driven: bool) -> Vec<Term> {
    let mut terms = Vec::with_capacity(order.len());
    for (i, OrderBy { field, direction }) in order.iter().enumerate() {
        let table = format!("o{i}");
        let (flag, value) = match field {
            OrderField::Attribute(attribute) if attribute.is_number() => {
                let column = column(*attribute).to_owned();
                let missing = (*attribute == Attribute::EndTime).then(|| (absent(&column), 1));
                (missing, column)
            }
            OrderField::Attribute(Attribute::RunId) => (None, column(Attribute::RunId).to_owned()),
            OrderField::Attribute(attribute) => (None, sql.dialect.bytewise(&format!("({})", column(*attribute)))),
            OrderField::Metric(_) if i == 0 && driven => (None, rank(&table)),
            OrderField::Metric(key) => {
                left_join(sql, "metric_keys", &table, key);
                terms.push(measured(&format!("{table}.latest_bits"), *direction));
                continue;
            }
            OrderField::Param(key) | OrderField::Tag(key) => {
                left_join(sql, if matches!(field, OrderField::Param(_)) { "params" } else { "run_tags" }, &table, key);
                (Some((absent(&format!("{table}.value")), 1)), sql.dialect.bytewise(&format!("{table}.value")))
            }
        };
        terms.push(Term { flag, value, direction: *direction });
    }
    terms
}

/// A column that always has a value.
pub(super) fn plain(value: String, direction: Direction) -> Term {
    Term { flag: None, value, direction }
}

/// A metric whose bits are in a column that is null where there is none.
pub(super) fn measured(bits: &str, direction: Direction) -> Term {
    let rank = rank_of_bits(bits);
    let (least, greatest) = (rank_of(f64::NEG_INFINITY), rank_of(f64::INFINITY));
    let number = format!("{rank} between {least} and {greatest}");
    let flag = format!("case when {bits} is null then 2 when {number} then 0 else 1 end");
    Term { flag: Some((flag, 2)), value: format!("case when {number} then {rank} end"), direction }
}

pub(super) fn absent(column: &str) -> String {
    format!("case when {column} is null then 1 else 0 end")
}

fn left_join(sql: &mut Sql, from: &str, table: &str, key: &str) {
    sql.push(&format!(" left join {from} {table} on {table}.run_seq = r.seq and {table}.key = ")).text(key);
}

/// Appends `and …`, true for what comes after a position.
pub(super) fn push_after(sql: &mut Sql, terms: &[Term], marks: &[Mark]) {
    let mut steps: Vec<(&str, Direction, Mark)> = Vec::new();
    for (term, mark) in terms.iter().zip(marks) {
        if let Some((flag, missing)) = &term.flag {
            let value = match mark {
                Mark::Missing => *missing,
                Mark::NotANumber => 1,
                Mark::Number(_) | Mark::Text(_) => 0,
            };
            steps.push((flag, Direction::Ascending, Mark::Number(value)));
        }
        if matches!(mark, Mark::Number(_) | Mark::Text(_)) {
            steps.push((&term.value, term.direction, mark.clone()));
        }
    }
    let Some((first, direction, mark)) = steps.first() else { return };
    // implied by what follows; lets the engine start an index in the middle
    sql.push(" and ").push(first).push(if *direction == Direction::Ascending { " >= " } else { " <= " });
    bind(sql, mark);
    sql.push(" and (");
    for (i, (expression, direction, mark)) in steps.iter().enumerate() {
        sql.push(expression).push(if *direction == Direction::Ascending { " > " } else { " < " });
        bind(sql, mark);
        if i + 1 < steps.len() {
            sql.push(" or (").push(expression).push(" = ");
            bind(sql, mark);
            sql.push(" and (");
        }
    }
    sql.push(&"))".repeat(steps.len() - 1)).push(")");
}

fn bind(sql: &mut Sql, mark: &Mark) {
    match mark {
        Mark::Number(value) => sql.number(*value),
        Mark::Text(value) => sql.text(value),
        Mark::NotANumber | Mark::Missing => sql.push("null"),
    };
}

/// Appends ` order by …`.
pub(super) fn push_order(sql: &mut Sql, terms: &[Term]) {
    sql.push(" order by ");
    for (i, term) in terms.iter().enumerate() {
        sql.push(if i == 0 { "" } else { ", " });
        if let Some((flag, _)) = &term.flag {
            sql.push(flag).push(", ");
        }
        sql.push(&term.value).push(if term.direction == Direction::Ascending { "" } else { " desc" });
    }
}
