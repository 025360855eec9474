//! What is said about traces.

use serde_json::Value;

use super::super::sql::{Dialect, Sql, fetch};
use crate::domain::search::rank;
use crate::domain::time::Timestamp;
use crate::domain::trace::assessment::{Assessment, AssessmentKind};
use crate::store::{Error, Result, Tx, done, json, on, to_json};

const COLUMNS: &str = "select trace_seq, id, name, kind, value, error, source_type, source_id, run_id, span_id, rationale, overrides, \
     valid, metadata, created_at, updated_at from assessments";

#[derive(sqlx::FromRow)]
struct Row {
    trace_seq: i64,
    id: String,
    name: String,
    kind: String,
    value: String,
    error: Option<String>,
    source_type: String,
    source_id: String,
    run_id: Option<String>,
    span_id: Option<String>,
    rationale: Option<String>,
    overrides: Option<String>,
    valid: bool,
    metadata: String,
    created_at: i64,
    updated_at: i64,
}

fn read(row: Row) -> Result<(i64, Assessment)> {
    let id = row.id;
    let kind = AssessmentKind::parse(&row.kind).ok_or_else(|| Error::decode("assessments", "kind", &id, row.kind))?;
    let error = row.error.map(|text| json("assessments", "error", &id, &text)).transpose()?;
    let value = json("assessments", "value", &id, &row.value)?;
    let metadata = json("assessments", "metadata", &id, &row.metadata)?;
    let assessment = Assessment {
        id,
        name: row.name,
        kind,
        value,
        error,
        source_type: row.source_type,
        source_id: row.source_id,
        run_id: row.run_id,
        span_id: row.span_id,
        rationale: row.rationale,
        overrides: row.overrides,
        valid: row.valid,
        metadata,
        created_at: Timestamp(row.created_at),
        updated_at: Timestamp(row.updated_at),
    };
    Ok((row.trace_seq, assessment))
}

/// Lists what is said about some traces, oldest first.
pub async fn list(tx: &mut Tx, traces: &[i64]) -> Result<Vec<(i64, Assessment)>> {
    let mut sql = Sql::new(Dialect::of(tx), COLUMNS);
    sql.push(" where trace_seq in ").numbers(traces.iter().copied()).push(" order by trace_seq, created_at, id");
    let rows: Vec<Row> = fetch!(tx, sql);
    rows.into_iter().map(read).collect()
}

/// Finds an assessment of a trace.
pub async fn find(tx: &mut Tx, trace_seq: i64, id: &str) -> Result<Option<Assessment>> {
    let mut sql = Sql::new(Dialect::of(tx), COLUMNS);
    sql.push(" where trace_seq = ").number(trace_seq).push(" and id = ").text(id);
    let mut rows: Vec<Row> = fetch!(tx, sql);
    rows.pop().map(|row| read(row).map(|(_, assessment)| assessment)).transpose()
}

/// Writes an assessment; one of the same id is replaced.
pub async fn put(tx: &mut Tx, trace_seq: i64, a: &Assessment) -> Result<()> {
    on!(tx, conn => done(sqlx::query(
        "insert into assessments (trace_seq, id, name, kind, value, rank, error, source_type, source_id, run_id, span_id, rationale,
            overrides, valid, metadata, created_at, updated_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
         on conflict (trace_seq, id) do update set name = excluded.name, value = excluded.value, rank = excluded.rank,
            error = excluded.error, rationale = excluded.rationale, valid = excluded.valid, metadata = excluded.metadata,
            updated_at = excluded.updated_at")
        .bind(trace_seq).bind(&a.id).bind(&a.name).bind(a.kind.as_str()).bind(a.value.to_string()).bind(a.number().map(rank))
        .bind(a.error.as_ref().map(Value::to_string)).bind(&a.source_type).bind(&a.source_id).bind(&a.run_id).bind(&a.span_id)
        .bind(&a.rationale).bind(&a.overrides).bind(a.valid).bind(to_json(&a.metadata)).bind(a.created_at.0).bind(a.updated_at.0)
        .execute(conn).await?));
    Ok(())
}

/// Says whether an assessment counts; false when there is none.
pub async fn set_valid(tx: &mut Tx, trace_seq: i64, id: &str, valid: bool) -> Result<bool> {
    let rows = on!(tx, conn => sqlx::query("update assessments set valid = $3 where trace_seq = $1 and id = $2")
        .bind(trace_seq).bind(id).bind(valid).execute(conn).await?.rows_affected());
    Ok(rows == 1)
}

/// Deletes an assessment.
pub async fn delete(tx: &mut Tx, trace_seq: i64, id: &str) -> Result<()> {
    on!(tx, conn => done(sqlx::query("delete from assessments where trace_seq = $1 and id = $2")
        .bind(trace_seq).bind(id).execute(conn).await?));
    Ok(())
}
