//! Metric points. `push` makes them durable as one packed row a commit, `fold` puts them where reads look: the latest point of each
//! key into `metric_keys`, all of them into `metric_points`, as a set. A fold costs a handful of statements, however many batches,
//! runs and keys it covers, and a key that was logged a hundred times since the last one is written once.

use std::collections::BTreeMap;

use super::packed::{Row, Series, pack, unpack};
use super::sql::{Dialect, Sql, fetch};
use crate::domain::run::MetricPoint;
use crate::store::run::later;
use crate::store::{Error, Result, Tx, done, on, to_json};

/// Rows of one statement on SQLite.
const ROWS: usize = 500;

/// Points of one run to be made durable, with the attempt that they are of.
pub type Logged<'a> = (i64, i64, &'a [MetricPoint]);

/// Makes points of a workspace durable. Reads do not see them before a [`fold`].
pub async fn push(tx: &mut Tx, workspace: &str, batches: &[Logged<'_>]) -> Result<()> {
    let (mut packed, mut count) = (Vec::new(), 0);
    for (run_seq, attempt_no, points) in batches {
        pack(&mut packed, *run_seq, *attempt_no, points);
        count += points.len().cast_signed() as i64;
    }
    on!(tx, conn => done(sqlx::query("insert into metric_batches (workspace, points, packed) values ($1, $2, $3)")
        .bind(workspace).bind(count).bind(packed).execute(conn).await?));
    Ok(())
}

/// Tells whether points of a workspace wait to be folded: the number of their last batch.
pub async fn last_pushed(tx: &mut Tx, workspace: &str) -> Result<Option<i64>> {
    Ok(on!(tx, conn => sqlx::query_scalar("select max(seq) from metric_batches where workspace = $1")
        .bind(workspace).fetch_one(conn).await?))
}

/// Lists workspaces whose points wait to be folded.
pub async fn unfolded(tx: &mut Tx) -> Result<Vec<String>> {
    Ok(on!(tx, conn => sqlx::query_scalar("select distinct workspace from metric_batches order by workspace").fetch_all(conn).await?))
}

/// Puts waiting points of a workspace where reads look, oldest batches first, about `most` points; returns the number of the last
/// batch that was taken. One transaction folds a workspace at a time.
pub async fn fold(tx: &mut Tx, workspace: &str, most: i64) -> Result<Option<i64>> {
    if let Tx::Postgres(tx) = tx {
        sqlx::query("select pg_advisory_xact_lock(7501, hashtext($1))").bind(workspace).execute(&mut **tx).await?;
    }
    let rows: Vec<(i64, Vec<u8>)> = on!(tx, conn => sqlx::query_as(
        "delete from metric_batches where seq in (
            select seq from (select seq, sum(points) over (order by seq) - points as before from metric_batches where workspace = $1) b
            where before < $2)
         returning seq, packed")
        .bind(workspace).bind(most).fetch_all(conn).await?);
    let mut series = Series::new();
    for (seq, packed) in &rows {
        unpack(packed, &mut series)
            .ok_or_else(|| Error::decode("metric_batches", "packed", &seq.to_string(), "it is not packed points"))?;
    }
    append_series(tx, series).await?;
    Ok(rows.into_iter().map(|(seq, _)| seq).max())
}

/// Folds all that waits in a workspace.
pub async fn fold_all(tx: &mut Tx, workspace: &str) -> Result<()> {
    while fold(tx, workspace, 50_000).await?.is_some() {}
    Ok(())
}

/// What is known about a key while its points are written.
struct Key {
    points: Vec<Row>,
    latest: (i64, i64, i64),
    added: i64,
    changed: bool,
}

async fn append_series(tx: &mut Tx, mut series: Series) -> Result<()> {
    for points in series.values_mut() {
        points.sort_unstable();
        points.dedup();
    }
    let mut keys = lock(tx, series).await?;
    insert(tx, &mut keys).await?;
    for key in keys.values_mut() {
        for (step, timestamp, bits, _) in &key.points {
            let point = (*step, *timestamp, *bits);
            if later(point, key.latest) {
                key.latest = point;
                key.changed = true;
            }
        }
    }
    let changed: Vec<(i64, &Key)> = keys.iter().filter(|(_, key)| key.changed || key.added > 0).map(|(seq, key)| (*seq, key)).collect();
    summarise(tx, &changed).await
}

/// Locks the keys of points in their order until the transaction ends, and makes those that are missing.
async fn lock(tx: &mut Tx, mut series: Series) -> Result<BTreeMap<i64, Key>> {
    let mut keys = BTreeMap::new();
    take_locked(tx, &mut series, &mut keys).await?;
    // a second round finds the keys that another writer made just now
    while !series.is_empty() {
        make_keys(tx, &series).await?;
        take_locked(tx, &mut series, &mut keys).await?;
    }
    Ok(keys)
}

type KeyRow = (i64, String, i64, i64, i64, i64);

/// Locks keys that are there, and moves their points over.
async fn take_locked(tx: &mut Tx, series: &mut Series, keys: &mut BTreeMap<i64, Key>) -> Result<()> {
    let rows: Vec<KeyRow> = match tx {
        Tx::Postgres(tx) => {
            let (seqs, names): (Vec<i64>, Vec<&str>) = series.keys().map(|(seq, name)| (*seq, name.as_str())).unzip();
            sqlx::query_as(
                "select k.run_seq, k.key, k.seq, k.latest_step, k.latest_timestamp, k.latest_bits
                 from unnest($1::bigint[], $2::text[]) as n (run_seq, key) join metric_keys k on k.run_seq = n.run_seq and k.key = n.key
                 order by k.run_seq, k.key for update of k",
            )
            .bind(seqs)
            .bind(names)
            .fetch_all(&mut **tx)
            .await?
        }
        Tx::Sqlite(tx) => {
            sqlx::query_as(
                "select k.run_seq, k.key, k.seq, k.latest_step, k.latest_timestamp, k.latest_bits
                 from json_each($1) n cross join metric_keys k on k.run_seq = n.value ->> 0 and k.key = n.value ->> 1",
            )
            .bind(to_json(&series.keys().collect::<Vec<_>>()))
            .fetch_all(&mut **tx)
            .await?
        }
    };
    for (run_seq, name, seq, step, timestamp, bits) in rows {
        if let Some(points) = series.remove(&(run_seq, name)) {
            keys.insert(seq, Key { points, latest: (step, timestamp, bits), added: 0, changed: false });
        }
    }
    Ok(())
}

/// Makes keys; the first point of each stands for its latest until all are looked at.
async fn make_keys(tx: &mut Tx, series: &Series) -> Result<()> {
    let rows = series.iter().filter_map(|((seq, name), points)| points.first().map(|(step, at, bits, _)| (*seq, name, *step, *at, *bits)));
    match tx {
        Tx::Postgres(tx) => {
            let (mut seqs, mut names, mut latest) = (Vec::new(), Vec::new(), [const { Vec::new() }; 3]);
            for (seq, name, step, timestamp, bits) in rows {
                seqs.push(seq);
                names.push(name.as_str());
                for (column, value) in latest.iter_mut().zip([step, timestamp, bits]) {
                    column.push(value);
                }
            }
            let [steps, timestamps, bits] = latest;
            sqlx::query(
                "insert into metric_keys (run_seq, key, latest_step, latest_timestamp, latest_bits, points)
                 select n.*, 0 from unnest($1::bigint[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[]) as n
                 on conflict (run_seq, key) do nothing",
            )
            .bind(seqs)
            .bind(names)
            .bind(steps)
            .bind(timestamps)
            .bind(bits)
            .execute(&mut **tx)
            .await?;
        }
        Tx::Sqlite(tx) => {
            sqlx::query(
                "insert into metric_keys (run_seq, key, latest_step, latest_timestamp, latest_bits, points)
                 select value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, 0 from json_each($1)",
            )
            .bind(to_json(&rows.collect::<Vec<_>>()))
            .execute(&mut **tx)
            .await?;
        }
    }
    Ok(())
}

/// Inserts points and counts for each key how many are new.
async fn insert(tx: &mut Tx, keys: &mut BTreeMap<i64, Key>) -> Result<()> {
    let rows: Vec<(i64, Row)> = keys.iter().flat_map(|(seq, key)| key.points.iter().map(|point| (*seq, *point))).collect();
    let mut count = |(seq, added): (i64, i64)| {
        if let Some(key) = keys.get_mut(&seq) {
            key.added += added;
        }
    };
    if let Tx::Postgres(tx) = tx {
        let mut columns = [const { Vec::new() }; 5];
        for (seq, (step, timestamp, bits, attempt_no)) in &rows {
            for (column, value) in columns.iter_mut().zip([*seq, *step, *timestamp, *bits, *attempt_no]) {
                column.push(value);
            }
        }
        let [seqs, steps, timestamps, bits, attempts] = columns;
        let added: Vec<(i64, i64)> = sqlx::query_as(
            "with added as (
                insert into metric_points (key_seq, step, timestamp, bits, attempt_no, superseded)
                select n.*, false from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[]) as n
                on conflict do nothing returning key_seq)
             select key_seq, count(*) from added group by key_seq",
        )
        .bind(seqs)
        .bind(steps)
        .bind(timestamps)
        .bind(bits)
        .bind(attempts)
        .fetch_all(&mut **tx)
        .await?;
        added.into_iter().for_each(count);
        return Ok(());
    }
    for chunk in rows.chunks(ROWS) {
        let mut sql =
            Sql::new(Dialect::of(tx), "insert into metric_points (key_seq, step, timestamp, bits, attempt_no, superseded) values ");
        for (i, (seq, (step, timestamp, bits, attempt_no))) in chunk.iter().enumerate() {
            sql.push(if i == 0 { "(" } else { ", (" }).number(*seq).push(", ").number(*step).push(", ").number(*timestamp);
            sql.push(", ").number(*bits).push(", ").number(*attempt_no).push(", false)");
        }
        sql.push(" on conflict do nothing returning key_seq");
        let added: Vec<(i64,)> = fetch!(tx, sql);
        added.into_iter().for_each(|(seq,)| count((seq, 1)));
    }
    Ok(())
}

async fn summarise(tx: &mut Tx, changed: &[(i64, &Key)]) -> Result<()> {
    match tx {
        Tx::Postgres(tx) => {
            let mut columns = [const { Vec::new() }; 5];
            for (seq, key) in changed {
                for (column, value) in columns.iter_mut().zip([*seq, key.latest.0, key.latest.1, key.latest.2, key.added]) {
                    column.push(value);
                }
            }
            let [seqs, steps, timestamps, bits, added] = columns;
            sqlx::query(
                "update metric_keys set latest_step = n.step, latest_timestamp = n.at, latest_bits = n.bits, points = metric_keys.points + n.added
                 from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[]) as n (seq, step, at, bits, added)
                 where metric_keys.seq = n.seq",
            )
            .bind(seqs)
            .bind(steps)
            .bind(timestamps)
            .bind(bits)
            .bind(added)
            .execute(&mut **tx)
            .await?;
        }
        Tx::Sqlite(tx) => {
            let list: Vec<_> = changed.iter().map(|(seq, key)| (*seq, key.latest, key.added)).collect();
            sqlx::query(
                "update metric_keys set latest_step = n.v ->> '$[1][0]', latest_timestamp = n.v ->> '$[1][1]',
                    latest_bits = n.v ->> '$[1][2]', points = metric_keys.points + (n.v ->> 2)
                 from (select value as v, value ->> 0 as seq from json_each($1)) n where metric_keys.seq = n.seq",
            )
            .bind(to_json(&list))
            .execute(&mut **tx)
            .await?;
        }
    }
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
