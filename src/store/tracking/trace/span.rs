//! Spans, written in bulk and read by trace.

use std::collections::BTreeMap;

use super::super::sql::{Dialect, Sql, execute, fetch};
use super::Touched;
use crate::domain::trace::span::{self, NewSpan, SpanStatus, StoredSpan};
use crate::domain::trace::summary::{UsageNode, usage_of};
use crate::store::{Error, Result, Tx, json, to_json};

/// Spans of one statement.
const ROWS: usize = 100;

/// Writes spans of traces; one that is there already is replaced.
pub async fn put(tx: &mut Tx, traces: &BTreeMap<String, Touched>, spans: &[NewSpan]) -> Result<()> {
    // a statement may touch no row twice, and locks are taken in one sequence by all
    let mut rows: BTreeMap<(i64, String), &NewSpan> = BTreeMap::new();
    for span in spans {
        if let Some(trace) = traces.get(&span.trace_id()) {
            rows.insert((trace.seq, span.span_id()), span);
        }
    }
    let rows: Vec<_> = rows.into_iter().collect();
    for chunk in rows.chunks(ROWS) {
        let mut sql = Sql::new(
            Dialect::of(tx),
            "insert into spans (trace_seq, span_id, parent_id, name, kind, status, start_ns, end_ns, usage, content) values ",
        );
        for (i, ((seq, id), span)) in chunk.iter().enumerate() {
            sql.push(if i == 0 { "(" } else { ", (" }).number(*seq).push(", ").text(id).push(", ");
            sql.maybe_text(span.parent_id().as_deref()).push(", ").text(&span.name).push(", ");
            sql.maybe_text(span.text(span::KIND)).push(", ").text(span.status.as_str()).push(", ").number(span.start_ns).push(", ");
            sql.maybe_number(span.end_ns).push(", ").maybe_text(usage_of(span).map(|usage| usage.to_string()).as_deref());
            sql.push(", ").text(&to_json(&span.content)).push(")");
        }
        sql.push(
            " on conflict (trace_seq, span_id) do update set parent_id = excluded.parent_id, name = excluded.name, kind = excluded.kind,
                status = excluded.status, start_ns = excluded.start_ns, end_ns = excluded.end_ns, usage = excluded.usage,
                content = excluded.content",
        );
        let _rows = execute!(tx, sql);
    }
    Ok(())
}

/// Lists the spans of traces by trace, roots first, then by the time they began.
pub async fn list(tx: &mut Tx, traces: &[(i64, String)]) -> Result<BTreeMap<i64, Vec<StoredSpan>>> {
    type Row = (i64, String, Option<String>, String, String, i64, Option<i64>, String);
    let mut found: BTreeMap<i64, Vec<StoredSpan>> = BTreeMap::new();
    for chunk in traces.chunks(ROWS) {
        let mut sql = Sql::new(
            Dialect::of(tx),
            "select trace_seq, span_id, parent_id, name, status, start_ns, end_ns, content from spans where trace_seq in ",
        );
        sql.numbers(chunk.iter().map(|(seq, _)| *seq));
        sql.push(" order by trace_seq, case when parent_id is null then 0 else 1 end, start_ns, span_id");
        let rows: Vec<Row> = fetch!(tx, sql);
        for (seq, span_id, parent_id, name, status, start_ns, end_ns, content) in rows {
            let status = SpanStatus::parse(&status).ok_or_else(|| Error::decode("spans", "status", &span_id, status))?;
            let content = json("spans", "content", &span_id, &content)?;
            let trace_id = chunk.iter().find(|(known, _)| *known == seq).map(|(_, id)| id.clone()).unwrap_or_default();
            found.entry(seq).or_default().push(StoredSpan { trace_id, span_id, parent_id, name, start_ns, end_ns, status, content });
        }
    }
    Ok(found)
}

/// Counts the spans of a trace.
pub async fn count(tx: &mut Tx, trace_seq: i64) -> Result<u64> {
    let mut sql = Sql::new(Dialect::of(tx), "select count(*) from spans where trace_seq = ");
    sql.number(trace_seq);
    let rows: Vec<(i64,)> = fetch!(tx, sql);
    Ok(rows.first().map_or(0, |(n,)| u64::try_from(*n).unwrap_or_default()))
}

/// Lists the tree of a trace with what its spans took; none if it has more than `most` spans.
pub async fn usage(tx: &mut Tx, trace_seq: i64, most: usize) -> Result<Option<Vec<UsageNode>>> {
    let mut sql = Sql::new(Dialect::of(tx), "select span_id, parent_id, usage from spans where trace_seq = ");
    sql.number(trace_seq).push(" limit ").number(i64::try_from(most).unwrap_or(i64::MAX).saturating_add(1));
    let rows: Vec<(String, Option<String>, Option<String>)> = fetch!(tx, sql);
    if rows.len() > most {
        return Ok(None);
    }
    let node = |(span_id, parent_id, usage): (String, Option<String>, Option<String>)| {
        let usage = usage.map(|text| json("spans", "usage", &span_id, &text)).transpose()?;
        Ok(UsageNode { span_id, parent_id, usage })
    };
    rows.into_iter().map(node).collect::<Result<_>>().map(Some)
}
