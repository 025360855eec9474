//! Compiles searches over traces. A clause about something beside the trace itself becomes an `exists`, which a probe of a
//! primary key answers.

use super::super::filter::{keyed, number, text};
use super::super::order::{Term, absent, push_after, push_order};
use super::super::sql::{Dialect, Sql, fetch};
use super::{COLUMNS, Found, Row, fill};
use crate::domain::search::{AssessmentTest, Cursor, Op, SpanField, TextTest, TraceClause, TraceField, TraceOrder, TraceOrderField, rank};
use crate::domain::trace::RUN_KEY;
use crate::store::{Result, Tx};

/// Where a search looks.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'a> {
    /// The workspace.
    pub workspace: &'a str,
    /// The experiments.
    pub experiments: &'a [String],
}

/// Lists up to `limit` traces that pass all clauses, after a position.
pub async fn search(
    tx: &mut Tx,
    scope: Scope<'_>,
    filter: &[TraceClause],
    (order, after): (&[TraceOrder], Option<&Cursor>),
    limit: i64,
) -> Result<Vec<Found>> {
    if scope.experiments.is_empty() {
        return Ok(Vec::new());
    }
    let mut sql = Sql::new(Dialect::of(tx), COLUMNS);
    let terms = join(&mut sql, order);
    narrow(&mut sql, scope, filter);
    if let Some(cursor) = after {
        push_after(&mut sql, &terms, &cursor.0);
    }
    push_order(&mut sql, &terms);
    sql.push(" limit ").number(limit);
    let rows: Vec<Row> = fetch!(tx, sql);
    fill(tx, rows).await
}

/// Counts the traces that pass all clauses.
pub async fn count(tx: &mut Tx, scope: Scope<'_>, filter: &[TraceClause]) -> Result<i64> {
    if scope.experiments.is_empty() {
        return Ok(0);
    }
    let mut sql = Sql::new(Dialect::of(tx), "select count(*) from traces t");
    narrow(&mut sql, scope, filter);
    let rows: Vec<(i64,)> = fetch!(tx, sql);
    Ok(rows.first().map_or(0, |(n,)| *n))
}

fn narrow(sql: &mut Sql, scope: Scope<'_>, filter: &[TraceClause]) {
    sql.push(" where t.workspace = ").text(scope.workspace).push(" and t.experiment_id in ");
    sql.texts(scope.experiments.iter().map(String::as_str));
    for clause in filter {
        sql.push(" and ");
        push(sql, clause);
    }
}

fn column(field: TraceField) -> &'static str {
    match field {
        TraceField::Id => "t.id",
        TraceField::ClientRequestId => "t.client_request_id",
        TraceField::State => "t.state",
        TraceField::ExperimentId => "t.experiment_id",
        TraceField::RequestTime => "t.request_time",
        TraceField::Duration => "(t.end_time - t.request_time)",
        TraceField::EndTime => "coalesce(t.end_time, t.request_time)",
    }
}

fn push(sql: &mut Sql, clause: &TraceClause) {
    match clause {
        TraceClause::Number(field, whole) => number(sql, column(*field), *whole),
        TraceClause::Text(field, test) => text(sql, column(*field), test),
        TraceClause::Tag(key, test) => keyed(sql, "trace_tags k where k.trace_seq = t.seq", key, test),
        TraceClause::Metadata(key, test) => keyed(sql, "trace_metadata k where k.trace_seq = t.seq", key, test),
        TraceClause::Run(run) => {
            sql.push("(").exists("select 1 from trace_runs l where l.trace_seq = t.seq and l.run_id = ").text(run).closed();
            sql.push(" or ").exists("select 1 from trace_metadata k where k.trace_seq = t.seq and k.key = ").text(RUN_KEY);
            sql.push(" and k.value = ").text(run).closed().push(")");
        }
        TraceClause::Prompt(name, version) => {
            sql.exists("select 1 from trace_prompts p where p.trace_seq = t.seq and p.name = ").text(name);
            sql.push(" and p.version = ").text(version).closed();
        }
        TraceClause::Span(tests) => {
            sql.exists("select 1 from spans s where s.trace_seq = t.seq");
            for (field, test) in tests {
                sql.push(" and ");
                span(sql, field, test);
            }
            sql.closed();
        }
        TraceClause::Assessment(kind, name, test) => {
            if *test == AssessmentTest::Missing {
                sql.push("not ");
            }
            sql.exists("select 1 from assessments a where a.trace_seq = t.seq and a.valid and a.kind = ").text(kind.as_str());
            sql.push(" and a.name = ").text(name);
            match test {
                AssessmentTest::Missing | AssessmentTest::Present => {}
                AssessmentTest::Text(test) => said(sql.push(" and "), test),
                AssessmentTest::Number(op, value) => compare(sql.push(" and "), *op, *value),
            }
            sql.closed();
        }
        TraceClause::Issue(id) => {
            sql.exists("select 1 from assessments a where a.trace_seq = t.seq and a.kind = 'issue' and a.name = ").text(id);
            sql.closed();
        }
    }
}

fn span(sql: &mut Sql, field: &SpanField, test: &TextTest) {
    match field {
        SpanField::Name => text(sql, "s.name", test),
        SpanField::Kind => text(sql, "s.kind", test),
        SpanField::Status => text(sql, "s.status", test),
        SpanField::Text => {
            text(sql.push("("), "s.content", test);
            text(sql.push(" or "), "s.name", test);
            sql.push(")");
        }
        SpanField::Attribute(name) => {
            let name = sql.bound(name);
            let content = if sql.dialect == Dialect::Postgres { "s.content::json" } else { "s.content" };
            let value = format!("({content} -> 'attributes' -> {name})");
            let (raw, plain) = match sql.dialect {
                Dialect::Postgres => (format!("{value}::text"), format!("{value} #>> '{{}}'")),
                Dialect::Sqlite => (value.clone(), format!("({value} ->> '$')")),
            };
            // a text without its quotes, anything else as JSON
            text(sql, &format!("(case when substr({raw}, 1, 1) = '\"' then {plain} else {raw} end)"), test);
        }
    }
}

/// Tests a value that is kept as JSON: a text with or without its quotes.
fn said(sql: &mut Sql, test: &TextTest) {
    let both = |value: &str| vec![value.to_owned(), serde_json::Value::from(value).to_string()];
    match test {
        TextTest::Is(value) => text(sql, "a.value", &TextTest::In(both(value))),
        TextTest::IsNot(value) => text(sql, "a.value", &TextTest::NotIn(both(value))),
        other => text(sql, "a.value", other),
    }
}

/// Compares the rank of a value; what is no number has none and passes nothing.
fn compare(sql: &mut Sql, op: Op, value: f64) {
    // both zeros are one value
    let (low, high) = if value == 0.0 { (rank(-0.0), rank(0.0)) } else { (rank(value), rank(value)) };
    match op {
        Op::Less => sql.push("a.rank < ").number(low),
        Op::AtMost => sql.push("a.rank <= ").number(high),
        Op::AtLeast => sql.push("a.rank >= ").number(low),
        Op::Greater => sql.push("a.rank > ").number(high),
        Op::Equal => sql.push("a.rank between ").number(low).push(" and ").number(high),
        Op::NotEqual => sql.push("a.rank not between ").number(low).push(" and ").number(high),
    };
}

/// Joins what the order needs and returns its columns.
fn join(sql: &mut Sql, order: &[TraceOrder]) -> Vec<Term> {
    let mut terms = Vec::with_capacity(order.len());
    for (i, TraceOrder { field, direction }) in order.iter().enumerate() {
        let (flag, value) = match field {
            TraceOrderField::Field(field @ (TraceField::RequestTime | TraceField::EndTime)) => (None, column(*field).to_owned()),
            TraceOrderField::Field(TraceField::Duration) => (Some((absent("t.end_time"), 1)), column(TraceField::Duration).to_owned()),
            TraceOrderField::Field(field @ TraceField::ClientRequestId) => {
                (Some((absent(column(*field)), 1)), sql.dialect.bytewise(column(*field)))
            }
            // as the index has it
            TraceOrderField::Field(TraceField::Id) => (None, column(TraceField::Id).to_owned()),
            TraceOrderField::Field(field) => (None, sql.dialect.bytewise(column(*field))),
            TraceOrderField::Tag(key) | TraceOrderField::Metadata(key) => {
                let table = if matches!(field, TraceOrderField::Tag(_)) { "trace_tags" } else { "trace_metadata" };
                sql.push(&format!(" left join {table} o{i} on o{i}.trace_seq = t.seq and o{i}.key = ")).text(key);
                (Some((absent(&format!("o{i}.value")), 1)), sql.dialect.bytewise(&format!("o{i}.value")))
            }
        };
        terms.push(Term { flag, value, direction: *direction });
    }
    terms
}
