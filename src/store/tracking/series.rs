//! The points of one metric in bulk, and what is kept of them for charts: see `domain::series`.

use sqlx::AssertSqlSafe;

use crate::domain::series::{Bucket, COARSE, FINE, Point};
use crate::store::{Error, Result, Tx, done, on};

/// A metric of a run.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Its surrogate.
    pub seq: i64,
    /// How many visible points it has.
    pub points: u64,
    /// How often some of its points were hidden.
    pub rewrites: i64,
}

/// What is kept of a chunk.
#[derive(Clone, Debug)]
pub struct Chunk {
    /// Its place among the chunks of the key.
    pub number: i64,
    /// `rewrites` of the key when it was made.
    pub rewrites: i64,
    /// Its last point.
    pub last: Point,
    /// All of its points.
    pub bucket: Bucket,
}

/// Finds a metric of a run.
pub async fn find_key(tx: &mut Tx, run_seq: i64, key: &str) -> Result<Option<Key>> {
    let row: Option<(i64, i64, i64)> = on!(tx, conn => sqlx::query_as(
        "select seq, points, rewrites from metric_keys where run_seq = $1 and key = $2")
        .bind(run_seq).bind(key).fetch_optional(conn).await?);
    Ok(row.map(|(seq, points, rewrites)| Key { seq, points: points.cast_unsigned(), rewrites }))
}

/// Lists what is kept of the chunks of a metric.
pub async fn chunks(tx: &mut Tx, key_seq: i64) -> Result<Vec<Chunk>> {
    let rows: Vec<(i64, i64, i64, i64, Vec<u8>)> = on!(tx, conn => sqlx::query_as(
        "select number, rewrites, last_timestamp, last_bits, whole from metric_rollups where key_seq = $1 order by number")
        .bind(key_seq).fetch_all(conn).await?);
    let chunk = |(number, rewrites, timestamp, bits, whole): (i64, i64, i64, i64, Vec<u8>)| {
        let [bucket] = *unpack("whole", key_seq, number, &whole)? else { return Err(broken("whole", key_seq, number)) };
        Ok(Chunk { number, rewrites, last: (bucket.last_step, timestamp, bits), bucket })
    };
    rows.into_iter().map(chunk).collect()
}

/// Lists coarse or fine blocks of chunks, each with the chunk's number.
pub async fn blocks(tx: &mut Tx, key_seq: i64, fine: bool, (from, to): (i64, i64)) -> Result<Vec<(i64, Vec<Bucket>)>> {
    let sql = match fine {
        true => "select number, fine from metric_rollups where key_seq = $1 and number between $2 and $3 order by number",
        false => "select number, coarse from metric_rollups where key_seq = $1 and number between $2 and $3 order by number",
    };
    let rows: Vec<(i64, Vec<u8>)> = on!(tx, conn => sqlx::query_as(sql).bind(key_seq).bind(from).bind(to).fetch_all(conn).await?);
    rows.into_iter().map(|(number, bytes)| Ok((number, unpack("blocks", key_seq, number, &bytes)?.into_vec()))).collect()
}

fn unpack(column: &'static str, key_seq: i64, number: i64, bytes: &[u8]) -> Result<Box<[Bucket]>> {
    Bucket::unpack(bytes).map(Vec::into_boxed_slice).ok_or_else(|| broken(column, key_seq, number))
}

fn broken(column: &'static str, key_seq: i64, number: i64) -> Error {
    Error::decode("metric_rollups", column, &format!("{key_seq}/{number}"), "it is not what was written")
}

/// Keeps what charts need of the points of a chunk, in place of what was there.
pub async fn put_chunk(tx: &mut Tx, key: &Key, number: i64, points: &[Point]) -> Result<()> {
    let (Some(bucket), Some((_, timestamp, bits))) = (Bucket::of_all(points), points.last()) else { return Ok(()) };
    let pack = |buckets: &[Bucket]| {
        let mut bytes = Vec::new();
        buckets.iter().for_each(|bucket| bucket.pack(&mut bytes));
        bytes
    };
    on!(tx, conn => done(sqlx::query(
        "insert into metric_rollups (key_seq, number, rewrites, last_timestamp, last_bits, whole, coarse, fine)
         values ($1, $2, $3, $4, $5, $6, $7, $8)
         on conflict (key_seq, number) do update set rewrites = excluded.rewrites, last_timestamp = excluded.last_timestamp,
            last_bits = excluded.last_bits, whole = excluded.whole, coarse = excluded.coarse, fine = excluded.fine")
        .bind(key.seq).bind(number).bind(key.rewrites).bind(timestamp).bind(bits)
        .bind(pack(&[bucket])).bind(pack(&Bucket::blocks(points, COARSE))).bind(pack(&Bucket::blocks(points, FINE)))
        .execute(conn).await?));
    Ok(())
}

/// Forgets what is kept of a metric's chunks from one on.
pub async fn forget_chunks(tx: &mut Tx, key_seq: i64, from: i64) -> Result<()> {
    on!(tx, conn => done(sqlx::query("delete from metric_rollups where key_seq = $1 and number >= $2")
        .bind(key_seq).bind(from).execute(conn).await?));
    Ok(())
}

/// Tells whether a metric is there, and keeps it there until the transaction ends.
pub async fn hold_key(tx: &mut Tx, key: &Key) -> Result<bool> {
    let rows = on!(tx, conn => sqlx::query("update metric_keys set rewrites = rewrites where seq = $1 and rewrites = $2")
        .bind(key.seq).bind(key.rewrites).execute(conn).await?.rows_affected());
    Ok(rows == 1)
}

/// Lists up to `limit` visible points after a position, in the order of step, timestamp and value bits.
pub async fn points(tx: &mut Tx, key_seq: i64, after: Point, limit: u64) -> Result<Vec<Point>> {
    let sql = lists(tx, ">", "");
    read_lists(tx, sql, key_seq, after, limit).await
}

/// Lists the last `limit` visible points up to a position, in the order of step, timestamp and value bits.
pub async fn points_until(tx: &mut Tx, key_seq: i64, last: Point, limit: u64) -> Result<Vec<Point>> {
    let sql = lists(tx, "<=", " desc");
    let mut points = read_lists(tx, sql, key_seq, last, limit).await?;
    points.reverse();
    Ok(points)
}

/// Points as three lists in one row, which either driver reads many times faster than rows.
fn lists(tx: &Tx, sign: &str, order: &str) -> String {
    let list = match tx {
        Tx::Postgres(_) => "array_agg",
        Tx::Sqlite(_) => "json_group_array",
    };
    format!(
        "select {list}(step), {list}(timestamp), {list}(bits) from (
            select step, timestamp, bits from metric_points
            where key_seq = $1 and not superseded and (step, timestamp, bits) {sign} ($2, $3, $4)
            order by step{order}, timestamp{order}, bits{order} limit $5) p"
    )
}

async fn read_lists(tx: &mut Tx, sql: String, key_seq: i64, (step, timestamp, bits): Point, limit: u64) -> Result<Vec<Point>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let sql = AssertSqlSafe(sql);
    let [steps, timestamps, bits] = match tx {
        Tx::Postgres(tx) => {
            let query = sqlx::query_as(sql).bind(key_seq).bind(step).bind(timestamp).bind(bits).bind(limit);
            let lists: (Option<Vec<i64>>, Option<Vec<i64>>, Option<Vec<i64>>) = query.fetch_one(&mut **tx).await?;
            [lists.0, lists.1, lists.2].map(Option::unwrap_or_default)
        }
        Tx::Sqlite(tx) => {
            let query = sqlx::query_as(sql).bind(key_seq).bind(step).bind(timestamp).bind(bits).bind(limit);
            let lists: (String, String, String) = query.fetch_one(&mut **tx).await?;
            [numbers(&lists.0)?, numbers(&lists.1)?, numbers(&lists.2)?]
        }
    };
    Ok(steps.into_iter().zip(timestamps).zip(bits).map(|((step, timestamp), bits)| (step, timestamp, bits)).collect())
}

fn numbers(json: &str) -> Result<Vec<i64>> {
    crate::store::json("metric_points", "step", "", json)
}
