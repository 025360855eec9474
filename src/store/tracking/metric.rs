//! Metric points in bulk: a batch costs a handful of statements, however many keys and points it has.

use std::collections::BTreeMap;

use super::sql::{Dialect, Sql, execute, fetch};
use crate::domain::run::MetricPoint;
use crate::store::run::{later, to_bits};
use crate::store::{Result, Tx, on};

/// Rows of one statement. SQLite takes few large ones best; for Postgres the bound values fit into one TLS record, since a message
/// of several waits for an acknowledgement in its middle (see `store::connect`).
fn rows_of(tx: &Tx) -> usize {
    match tx {
        Tx::Postgres(_) => 200,
        Tx::Sqlite(_) => 500,
    }
}

/// Step, timestamp and value bits.
type Point = (i64, i64, i64);

/// What is known about a key while a batch is written.
struct Key {
    points: Vec<Point>,
    latest: Point,
    added: i64,
    changed: bool,
}

/// Appends points as a set: one that is there already changes nothing. Keys are locked in their order, so that two batches
/// can't wait for each other.
pub async fn append(tx: &mut Tx, run_seq: i64, attempt_no: i64, points: &[MetricPoint]) -> Result<()> {
    let mut by_name: BTreeMap<&str, Vec<Point>> = BTreeMap::new();
    for point in points {
        by_name.entry(&point.key).or_default().push((point.step, point.timestamp, to_bits(point.value.0)));
    }
    let named: Vec<(&str, Vec<Point>)> = by_name.into_iter().collect();
    let mut keys: BTreeMap<i64, Key> = BTreeMap::new();
    let most = rows_of(tx);
    for chunk in named.chunks(most) {
        lock(tx, run_seq, chunk, &mut keys).await?;
    }
    let rows: Vec<(i64, Point)> = keys.iter().flat_map(|(seq, key)| key.points.iter().map(|point| (*seq, *point))).collect();
    for chunk in rows.chunks(most) {
        for (seq,) in insert(tx, attempt_no, chunk).await? {
            if let Some(key) = keys.get_mut(&seq) {
                key.added += 1;
            }
        }
    }
    for key in keys.values_mut() {
        for point in &key.points {
            if later(*point, key.latest) {
                key.latest = *point;
                key.changed = true;
            }
        }
    }
    let changed: Vec<(i64, &Key)> = keys.iter().filter(|(_, key)| key.changed || key.added > 0).map(|(seq, key)| (*seq, key)).collect();
    for chunk in changed.chunks(most) {
        summarise(tx, chunk).await?;
    }
    Ok(())
}

/// Makes missing keys and locks all of them until the transaction ends.
async fn lock(tx: &mut Tx, run_seq: i64, chunk: &[(&str, Vec<Point>)], keys: &mut BTreeMap<i64, Key>) -> Result<()> {
    let mut sql =
        Sql::new(Dialect::of(tx), "insert into metric_keys (run_seq, key, latest_step, latest_timestamp, latest_bits, points) values ");
    for (i, (name, points)) in chunk.iter().enumerate() {
        let Some((step, timestamp, bits)) = points.first().copied() else { continue };
        sql.push(if i == 0 { "(" } else { ", (" }).number(run_seq).push(", ").text(name).push(", ").number(step);
        sql.push(", ").number(timestamp).push(", ").number(bits).push(", 0)");
    }
    sql.push(
        " on conflict (run_seq, key) do update set points = metric_keys.points
         returning key, seq, latest_step, latest_timestamp, latest_bits",
    );
    let rows: Vec<(String, i64, i64, i64, i64)> = fetch!(tx, sql);
    let mut by_name: BTreeMap<&str, &Vec<Point>> = chunk.iter().map(|(name, points)| (*name, points)).collect();
    for (name, seq, step, timestamp, bits) in rows {
        if let Some(points) = by_name.remove(name.as_str()) {
            keys.insert(seq, Key { points: points.clone(), latest: (step, timestamp, bits), added: 0, changed: false });
        }
    }
    debug_assert!(by_name.is_empty(), "an upsert returns every key");
    Ok(())
}

/// Inserts points and returns the key of each that is new.
async fn insert(tx: &mut Tx, attempt_no: i64, chunk: &[(i64, Point)]) -> Result<Vec<(i64,)>> {
    let mut sql = Sql::new(Dialect::of(tx), "insert into metric_points (key_seq, step, timestamp, bits, attempt_no, superseded) values ");
    for (i, (seq, (step, timestamp, bits))) in chunk.iter().enumerate() {
        sql.push(if i == 0 { "(" } else { ", (" }).number(*seq).push(", ").number(*step).push(", ").number(*timestamp);
        sql.push(", ").number(*bits).push(", ").number(attempt_no).push(", false)");
    }
    sql.push(" on conflict do nothing returning key_seq");
    Ok(fetch!(tx, sql))
}

async fn summarise(tx: &mut Tx, chunk: &[(i64, &Key)]) -> Result<()> {
    let mut sql = Sql::new(
        Dialect::of(tx),
        "update metric_keys set latest_step = v.column2, latest_timestamp = v.column3, latest_bits = v.column4,
         points = metric_keys.points + v.column5 from (values ",
    );
    for (i, (seq, key)) in chunk.iter().enumerate() {
        sql.push(if i == 0 { "(" } else { ", (" }).number(*seq).push(", ").number(key.latest.0).push(", ").number(key.latest.1);
        sql.push(", ").number(key.latest.2).push(", ").number(key.added).push(")");
    }
    sql.push(") as v where metric_keys.seq = v.column1");
    let _rows = execute!(tx, sql);
    Ok(())
}

/// Lists visible points of a metric between two steps by step, timestamp and value bits: all of them or, where there are more
/// than `most`, that many at even distances, the first and the last among them; of one alone, the last.
pub async fn sample(tx: &mut Tx, run_seq: i64, key: &str, (from, to): (i64, i64), most: i64) -> Result<Vec<(i64, i64, i64)>> {
    let most = most.max(1);
    Ok(on!(tx, conn => sqlx::query_as(
        "select step, timestamp, bits from (
            select p.step, p.timestamp, p.bits, count(*) over () as n,
                row_number() over (order by p.step, p.timestamp, p.bits) - 1 as i
            from metric_points p join metric_keys k on k.seq = p.key_seq
            where k.run_seq = $1 and k.key = $2 and not p.superseded and p.step between $3 and $4) points
         where n <= $5 or i = n - 1 or ($5 > 1 and (i = 0 or i * ($5 - 1) / (n - 1) > (i - 1) * ($5 - 1) / (n - 1)))
         order by step, timestamp, bits")
        .bind(run_seq).bind(key).bind(from).bind(to).bind(most).fetch_all(conn).await?))
}
