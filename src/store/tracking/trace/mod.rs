//! Traces, their tags and what does not change about them. `span` holds their spans, `assessment` what is said about them,
//! `search` compiles searches.

pub mod assessment;
pub mod search;
pub mod span;

use std::collections::{BTreeMap, HashMap};

use super::sql::{Dialect, Sql, execute, fetch};
use crate::domain::trace::summary::TraceSummary;
use crate::domain::trace::{FINALIZED_KEY, TraceInfo, TraceState};
use crate::domain::tracking::Pair;
use crate::store::{Error, Result, Tx, done, on};

/// Traces of one statement.
const ROWS: usize = 200;

type Row = (i64, String, String, i64, Option<i64>, String, Option<String>, Option<String>, Option<String>, bool);

const COLUMNS: &str = "select t.seq, t.id, t.experiment_id, t.request_time, t.end_time, t.state, t.client_request_id, t.request_preview, \
     t.response_preview, t.finalized from traces t";

/// A trace with its surrogate.
type Found = (i64, TraceInfo);

/// What the database knows of a trace after its spans touched it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Touched {
    /// Its surrogate.
    pub seq: i64,
    /// Its experiment.
    pub experiment_id: String,
    /// Whether its client has told all about it.
    pub finalized: bool,
}

/// Makes traces that are not there and widens those that are by what spans tell; all are locked until the transaction ends.
/// Summaries come by id, so that two batches can't wait for each other. Returns the traces by id.
pub async fn touch(tx: &mut Tx, workspace: &str, experiment_id: &str, summaries: &[TraceSummary]) -> Result<BTreeMap<String, Touched>> {
    let mut touched = BTreeMap::new();
    for chunk in summaries.chunks(ROWS) {
        let mut sql = Sql::new(
            Dialect::of(tx),
            "insert into traces (workspace, id, experiment_id, request_time, end_time, state, request_preview, response_preview, finalized)
             values ",
        );
        for (i, trace) in chunk.iter().enumerate() {
            sql.push(if i == 0 { "(" } else { ", (" }).text(workspace).push(", ").text(&trace.trace_id);
            sql.push(", ").text(experiment_id).push(", ").number(trace.start_ms).push(", ").maybe_number(trace.end_ms);
            sql.push(", ").text(trace.state.as_str()).push(", ").maybe_text(trace.request_preview.as_deref());
            sql.push(", ").maybe_text(trace.response_preview.as_deref()).push(", false)");
        }
        sql.push(
            " on conflict (workspace, id) do update set
                request_time = case when traces.finalized or traces.request_time <= excluded.request_time
                    then traces.request_time else excluded.request_time end,
                end_time = case when traces.finalized or excluded.end_time is null or traces.end_time >= excluded.end_time
                    then traces.end_time else excluded.end_time end,
                state = case when traces.state in ('IN_PROGRESS', 'STATE_UNSPECIFIED') and excluded.state != 'IN_PROGRESS'
                    then excluded.state else traces.state end,
                request_preview = coalesce(traces.request_preview, excluded.request_preview),
                response_preview = coalesce(traces.response_preview, excluded.response_preview)
             returning id, seq, experiment_id, finalized",
        );
        let rows: Vec<(String, i64, String, bool)> = fetch!(tx, sql);
        touched.extend(rows.into_iter().map(|(id, seq, experiment_id, finalized)| (id, Touched { seq, experiment_id, finalized })));
    }
    Ok(touched)
}

/// Makes a trace, or overwrites one that spans made before, with what its client tells. Returns its surrogate.
pub async fn put(tx: &mut Tx, workspace: &str, info: &TraceInfo, finalized: bool) -> Result<i64> {
    Ok(on!(tx, conn => sqlx::query_scalar(
        "insert into traces (workspace, id, experiment_id, request_time, end_time, state, client_request_id, request_preview,
            response_preview, finalized)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
         on conflict (workspace, id) do update set experiment_id = excluded.experiment_id, request_time = excluded.request_time,
            end_time = excluded.end_time, state = excluded.state, client_request_id = excluded.client_request_id,
            request_preview = coalesce(excluded.request_preview, traces.request_preview),
            response_preview = coalesce(excluded.response_preview, traces.response_preview), finalized = excluded.finalized
         returning seq")
        .bind(workspace).bind(&info.trace_id).bind(&info.experiment_id).bind(info.request_time).bind(info.end_time)
        .bind(info.state.as_str()).bind(&info.client_request_id).bind(&info.request_preview).bind(&info.response_preview)
        .bind(finalized).fetch_one(conn).await?))
}

/// Ends a trace.
pub async fn set_end(tx: &mut Tx, trace_seq: i64, end_time: i64, state: TraceState) -> Result<()> {
    on!(tx, conn => done(sqlx::query("update traces set end_time = $2, state = $3 where seq = $1")
        .bind(trace_seq).bind(end_time).bind(state.as_str()).execute(conn).await?));
    Ok(())
}

/// Finds the surrogate of a trace and locks it until the transaction ends.
pub async fn hold(tx: &mut Tx, workspace: &str, id: &str) -> Result<Option<i64>> {
    Ok(on!(tx, conn => sqlx::query_scalar("update traces set state = state where workspace = $1 and id = $2 returning seq")
        .bind(workspace).bind(id).fetch_optional(conn).await?))
}

/// Finds traces by id, in the sequence of the ids; what is not there, or not in one of the experiments, is left out.
pub async fn find_all(tx: &mut Tx, workspace: &str, ids: &[String], experiments: Option<&[String]>) -> Result<Vec<Found>> {
    let mut found: HashMap<String, Row> = HashMap::new();
    for chunk in ids.chunks(ROWS) {
        let mut sql = Sql::new(Dialect::of(tx), COLUMNS);
        sql.push(" where t.workspace = ").text(workspace).push(" and t.id in ").texts(chunk.iter().map(String::as_str));
        let rows: Vec<Row> = fetch!(tx, sql);
        found.extend(rows.into_iter().map(|row| (row.1.clone(), row)));
    }
    let rows = ids.iter().filter_map(|id| found.remove(id)).filter(|row| experiments.is_none_or(|ids| ids.contains(&row.2))).collect();
    fill(tx, rows).await
}

/// Finds a trace.
pub async fn find(tx: &mut Tx, workspace: &str, id: &str) -> Result<Option<Found>> {
    Ok(find_all(tx, workspace, &[id.to_owned()], None).await?.pop())
}

/// Reads tags, metadata and assessments, a round trip per kind for many traces at once.
async fn fill(tx: &mut Tx, rows: Vec<Row>) -> Result<Vec<Found>> {
    let mut traces = Vec::with_capacity(rows.len());
    for (seq, id, experiment_id, request_time, end_time, state, client_request_id, request_preview, response_preview, finalized) in rows {
        let state = TraceState::parse(&state).ok_or_else(|| Error::decode("traces", "state", &id, state))?;
        let mark = finalized.then(|| Pair { key: FINALIZED_KEY.to_owned(), value: "true".to_owned() });
        let (metadata, tags, assessments) = (mark.into_iter().collect(), Vec::new(), Vec::new());
        let info = TraceInfo {
            trace_id: id,
            experiment_id,
            request_time,
            end_time,
            state,
            client_request_id,
            request_preview,
            response_preview,
            metadata,
            tags,
            assessments,
        };
        traces.push((seq, info));
    }
    let at: HashMap<i64, usize> = traces.iter().enumerate().map(|(i, (seq, _))| (*seq, i)).collect();
    let seqs: Vec<i64> = traces.iter().map(|(seq, _)| *seq).collect();
    for chunk in seqs.chunks(ROWS) {
        for table in ["trace_tags", "trace_metadata"] {
            let mut sql = Sql::new(Dialect::of(tx), &format!("select trace_seq, key, value from {table} where trace_seq in "));
            sql.numbers(chunk.iter().copied()).push(" order by trace_seq, key");
            let rows: Vec<(i64, String, String)> = fetch!(tx, sql);
            for (seq, key, value) in rows {
                if let Some((_, info)) = at.get(&seq).and_then(|i| traces.get_mut(*i)) {
                    if table == "trace_tags" { &mut info.tags } else { &mut info.metadata }.push(Pair { key, value });
                }
            }
        }
        for (seq, assessment) in assessment::list(tx, chunk).await? {
            if let Some((_, info)) = at.get(&seq).and_then(|i| traces.get_mut(*i)) {
                info.assessments.push(assessment);
            }
        }
    }
    Ok(traces)
}

/// A pair of a trace.
pub type TracePair<'a> = (i64, &'a str, &'a str);

/// Sets tags of traces. No trace may have a key twice.
pub async fn set_tags(tx: &mut Tx, pairs: &[TracePair<'_>]) -> Result<()> {
    set(tx, "trace_tags", pairs, "update set value = excluded.value").await
}

/// Sets metadata of traces. No trace may have a key twice.
pub async fn set_metadata(tx: &mut Tx, pairs: &[TracePair<'_>]) -> Result<()> {
    set(tx, "trace_metadata", pairs, "update set value = excluded.value").await
}

/// Adds metadata of traces where it is not there yet.
pub async fn add_metadata(tx: &mut Tx, pairs: &[TracePair<'_>]) -> Result<()> {
    set(tx, "trace_metadata", pairs, "nothing").await
}

async fn set(tx: &mut Tx, table: &str, pairs: &[TracePair<'_>], conflict: &str) -> Result<()> {
    let mut sorted = pairs.to_vec();
    sorted.sort_unstable();
    for chunk in sorted.chunks(ROWS) {
        let mut sql = Sql::new(Dialect::of(tx), &format!("insert into {table} (trace_seq, key, value) values "));
        for (i, (seq, key, value)) in chunk.iter().enumerate() {
            sql.push(if i == 0 { "(" } else { ", (" }).number(*seq).push(", ").text(key).push(", ").text(value).push(")");
        }
        sql.push(&format!(" on conflict (trace_seq, key) do {conflict}"));
        let _rows = execute!(tx, sql);
    }
    Ok(())
}

/// Deletes a tag; false when there is none.
pub async fn delete_tag(tx: &mut Tx, trace_seq: i64, key: &str) -> Result<bool> {
    let rows = on!(tx, conn => sqlx::query("delete from trace_tags where trace_seq = $1 and key = $2")
        .bind(trace_seq).bind(key).execute(conn).await?.rows_affected());
    Ok(rows == 1)
}

/// Reads a key of the metadata of some traces.
pub async fn with_metadata(tx: &mut Tx, seqs: &[i64], key: &str) -> Result<Vec<i64>> {
    let mut found = Vec::new();
    for chunk in seqs.chunks(ROWS) {
        let mut sql = Sql::new(Dialect::of(tx), "select trace_seq from trace_metadata where key = ");
        sql.text(key).push(" and trace_seq in ").numbers(chunk.iter().copied());
        let rows: Vec<(i64,)> = fetch!(tx, sql);
        found.extend(rows.into_iter().map(|(seq,)| seq));
    }
    Ok(found)
}

/// Links traces to a run; one that is linked already stays.
pub async fn link_run(tx: &mut Tx, workspace: &str, ids: &[String], run_id: &str) -> Result<()> {
    let mut sql = Sql::new(Dialect::of(tx), "insert into trace_runs (trace_seq, run_id) select t.seq, ");
    let run = sql.bound(run_id);
    // the engine can't tell the type of a value that stands alone
    sql.push(&format!("cast({run} as text) from traces t where t.workspace = ")).text(workspace).push(" and t.id in ");
    sql.texts(ids.iter().map(String::as_str)).push(" on conflict (trace_seq, run_id) do nothing");
    let _rows = execute!(tx, sql);
    Ok(())
}

/// Links a trace to versions of prompts; one that is linked already stays.
pub async fn link_prompts(tx: &mut Tx, trace_seq: i64, prompts: &[(String, String)]) -> Result<()> {
    for (name, version) in prompts {
        on!(tx, conn => done(sqlx::query(
            "insert into trace_prompts (trace_seq, name, version) values ($1, $2, $3) on conflict (trace_seq, name, version) do nothing")
            .bind(trace_seq).bind(name).bind(version).execute(conn).await?));
    }
    Ok(())
}

/// Which traces are to be deleted.
#[derive(Clone, Copy, Debug)]
pub struct Doomed<'a> {
    /// The workspace; all of them when absent.
    pub workspace: Option<&'a str>,
    /// The experiment; all of them when absent.
    pub experiment_id: Option<&'a str>,
    /// Only those that began then or before.
    pub until: Option<i64>,
    /// Only these.
    pub ids: Option<&'a [String]>,
}

/// Deletes up to `most` traces, oldest first, with all that hangs on them. Returns how many.
pub async fn delete(tx: &mut Tx, doomed: Doomed<'_>, most: i64) -> Result<u64> {
    let mut sql = Sql::new(Dialect::of(tx), "select t.seq from traces t where 1 = 1");
    if let Some(workspace) = doomed.workspace {
        sql.push(" and t.workspace = ").text(workspace);
    }
    if let Some(experiment_id) = doomed.experiment_id {
        sql.push(" and t.experiment_id = ").text(experiment_id);
    }
    if let Some(until) = doomed.until {
        sql.push(" and t.request_time <= ").number(until);
    }
    if let Some(ids) = doomed.ids {
        sql.push(" and t.id in ").texts(ids.iter().map(String::as_str));
    }
    sql.push(" order by t.request_time, t.id limit ").number(most);
    if sql.dialect == Dialect::Postgres {
        sql.push(" for update");
    }
    let seqs: Vec<(i64,)> = fetch!(tx, sql);
    for chunk in seqs.chunks(ROWS) {
        for table in ["spans", "assessments", "trace_tags", "trace_metadata", "trace_runs", "trace_prompts", "traces"] {
            let column = if table == "traces" { "seq" } else { "trace_seq" };
            let mut sql = Sql::new(Dialect::of(tx), &format!("delete from {table} where {column} in "));
            sql.numbers(chunk.iter().map(|(seq,)| *seq));
            let _rows = execute!(tx, sql);
        }
    }
    Ok(seqs.len() as u64)
}
