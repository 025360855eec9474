//! What charts show of metrics. Long ones are put together from blocks that were counted before, so that the size of an answer
//! says what it costs; who asks first for points that are in no block counts them.

use super::{App, Runs};
use crate::domain::Invalid;
use crate::domain::identity::Caller;
use crate::domain::run::check_metric_key;
use crate::domain::series::{Bucket, CHUNK, COARSE, FINE, Merger, Numbers, Point, Shown, WHOLE, Window, reduce};
use crate::error::{Error, Result};
use crate::store::tracking::series::{self as rows, Chunk, Key};
use crate::store::{self, Tx};

/// Metrics that one request may ask for.
const MAX_SERIES: usize = 50;
/// Points or buckets of a metric in an answer.
const MAX_POINTS: u64 = 10_000;
/// Position before every point.
const START: Point = (i64::MIN, i64::MIN, i64::MIN);
/// Chunks of one transaction while blocks are counted.
const AT_ONCE: u64 = 64;
/// Times that blocks are counted for one answer before it is worked out without.
const PATIENCE: usize = 2;

/// A metric of a run.
#[derive(Clone, Debug)]
pub struct SeriesName {
    /// The run.
    pub run_id: String,
    /// The metric.
    pub key: String,
}

/// What is shown of a metric.
#[derive(Clone, Debug)]
pub struct Series {
    /// The metric.
    pub name: SeriesName,
    /// How many points it has.
    pub total: u64,
    /// What the window shows of them.
    pub shown: Shown,
}

/// Blocks are missing, or hold no more.
struct Behind;

impl Runs<'_> {
    /// Shows at most `most` points or buckets of each metric; one that a run has not is empty.
    pub async fn series(&self, caller: &Caller, names: Vec<SeriesName>, window: Window, most: u64) -> Result<Vec<Series>> {
        if names.is_empty() || names.len() > MAX_SERIES {
            return Err(Invalid::new("invalid_series", format!("ask for 1 to {MAX_SERIES} metrics, not {}", names.len())).into());
        }
        if !(1..=MAX_POINTS).contains(&most) {
            return Err(Invalid::new("invalid_limit", format!("max_points must be 1 to {MAX_POINTS}, not {most}")).into());
        }
        names.iter().try_for_each(|name| check_metric_key(&name.key))?;
        let mut found = Vec::with_capacity(names.len());
        let mut tx = self.0.db().read().await?;
        for name in names {
            let run_seq = store::run::find_seq(&mut tx, &caller.workspace, &name.run_id).await?;
            let run_seq = run_seq.ok_or_else(|| Error::not_found("run_not_found", format!("there is no run {}", name.run_id)))?;
            let mut tries = 0;
            let (total, shown) = loop {
                let Some(key) = rows::find_key(&mut tx, run_seq, &name.key).await? else { break (0, Shown::Points(Vec::new())) };
                if tries == PATIENCE {
                    let points = rows::points(&mut tx, key.seq, START, key.points).await?;
                    break (key.points, reduce(&points, &window, most));
                }
                match show(&mut tx, &key, &window, most).await? {
                    Ok(shown) => break (key.points, shown),
                    Err(Behind) => {
                        drop(tx);
                        count_blocks(self.0, &key, tries > 0).await?;
                        tx = self.0.db().read().await?;
                    }
                }
                tries += 1;
            };
            found.push(Series { name, total, shown });
        }
        Ok(found)
    }
}

/// Points at hand, with the number of each.
type Numbered = Vec<(u64, Point)>;

/// What is known of the points that a window may show, in their order.
enum Part {
    /// A chunk that it shows as a whole.
    Whole(Chunk),
    /// Points that it shows.
    Points(Numbered),
}

async fn show(tx: &mut Tx, key: &Key, window: &Window, most: u64) -> Result<Result<Shown, Behind>> {
    let chunks = rows::chunks(tx, key.seq).await?;
    let good = (0..).zip(&chunks).all(|(number, chunk)| chunk.number == number && chunk.rewrites == key.rewrites);
    let Some(rest) = key.points.checked_sub(chunks.len() as u64 * CHUNK).filter(|rest| good && *rest < CHUNK) else {
        return Ok(Err(Behind));
    };
    let tail_from = chunks.last().map_or(START, |chunk| chunk.last);
    let tail = rows::points(tx, key.seq, tail_from, rest + 1).await?;
    // points were added between those that blocks were made of
    if tail.len() as u64 != rest {
        return Ok(Err(Behind));
    }
    let parts = parts(tx, key, window, chunks, tail).await?;
    let mut numbers = Numbers::default();
    for part in &parts {
        match part {
            Part::Whole(chunk) => numbers.push(first_of(chunk.number), first_of(chunk.number + 1)),
            Part::Points(points) => points.iter().for_each(|(number, _)| numbers.push(*number, number + 1)),
        }
    }
    if numbers.count() <= most {
        let points = all_points(tx, key, parts).await?;
        return Ok(Ok(Shown::Points(points.into_iter().map(|(_, point)| point).collect())));
    }
    let mut merger = Merger::new(numbers.digits(most));
    merge(tx, key, parts, numbers.digits(most), &mut merger).await?;
    Ok(Ok(Shown::Buckets(merger.buckets)))
}

fn first_of(chunk: i64) -> u64 {
    chunk.cast_unsigned() * CHUNK
}

/// Reads the points of the chunks that a window shows in part.
async fn parts(tx: &mut Tx, key: &Key, window: &Window, chunks: Vec<Chunk>, tail: Vec<Point>) -> Result<Vec<Part>> {
    let tail_number = chunks.len() as u64 * CHUNK;
    let mut before = START;
    let mut parts = Vec::new();
    for chunk in chunks {
        let (after, last) = (before, chunk.last);
        before = last;
        if window.covers(&chunk.bucket) {
            parts.push(Part::Whole(chunk));
        } else if window.meets(&chunk.bucket) {
            let points = rows::points(tx, key.seq, after, CHUNK).await?;
            parts.push(Part::Points(shown(window, first_of(chunk.number), points)));
        }
    }
    parts.push(Part::Points(shown(window, tail_number, tail)));
    Ok(parts)
}

fn shown(window: &Window, first: u64, points: Vec<Point>) -> Numbered {
    (first..).zip(points).filter(|(_, point)| window.shows(*point)).collect()
}

async fn all_points(tx: &mut Tx, key: &Key, parts: Vec<Part>) -> Result<Numbered> {
    let mut all = Vec::new();
    for part in parts {
        match part {
            Part::Points(points) => all.extend(points),
            Part::Whole(chunk) => all.extend((first_of(chunk.number)..).zip(points_of(tx, key, &chunk).await?)),
        }
    }
    Ok(all)
}

/// Reads the points of a chunk: those up to its last, of which there are [`CHUNK`].
async fn points_of(tx: &mut Tx, key: &Key, chunk: &Chunk) -> Result<Vec<Point>> {
    Ok(rows::points_until(tx, key.seq, chunk.last, CHUNK).await?)
}

/// Puts buckets together from the largest blocks that fit into them.
async fn merge(tx: &mut Tx, key: &Key, parts: Vec<Part>, digits: u32, merger: &mut Merger) -> Result<()> {
    let whole: Vec<i64> = parts.iter().filter_map(|part| if let Part::Whole(chunk) = part { Some(chunk.number) } else { None }).collect();
    let range = whole.first().copied().zip(whole.last().copied());
    let block_digits = if digits >= COARSE { COARSE } else { FINE };
    let mut blocks = match range {
        Some(range) if (FINE..WHOLE).contains(&digits) => rows::blocks(tx, key.seq, digits < COARSE, range).await?,
        _ => Vec::new(),
    }
    .into_iter()
    .peekable();
    for part in parts {
        let chunk = match part {
            Part::Points(points) => {
                points.iter().for_each(|(number, point)| merger.push(*number, &Bucket::of(*point)));
                continue;
            }
            Part::Whole(chunk) => chunk,
        };
        let first = first_of(chunk.number);
        if digits >= WHOLE {
            merger.push(first, &chunk.bucket);
        } else if digits >= FINE {
            while blocks.next_if(|(number, _)| *number < chunk.number).is_some() {}
            let (_, buckets) = blocks.next().unwrap_or_default();
            (0..).zip(&buckets).for_each(|(i, bucket)| merger.push(first + (i << block_digits), bucket));
        } else {
            let points = points_of(tx, key, &chunk).await?;
            (first..).zip(points).for_each(|(number, point)| merger.push(number, &Bucket::of(point)));
        }
    }
    Ok(())
}

/// Counts blocks of all full chunks that have none yet, or of all.
async fn count_blocks(app: &App, key: &Key, anew: bool) -> Result<()> {
    let mut tx = app.db().read().await?;
    let chunks = rows::chunks(&mut tx, key.seq).await?;
    let good = (0..).zip(&chunks).take_while(|(number, chunk)| chunk.number == *number && chunk.rewrites == key.rewrites);
    let good: Vec<&Chunk> = if anew { Vec::new() } else { good.map(|(_, chunk)| chunk).collect() };
    let mut number = good.len().cast_signed() as i64;
    let mut after = good.last().map_or(START, |chunk| chunk.last);
    let mut left = (key.points / CHUNK).saturating_sub(good.len() as u64);
    let mut forget = good.len() < chunks.len();
    drop(tx);
    while left > 0 || forget {
        let mut tx = app.db().read().await?;
        let points = rows::points(&mut tx, key.seq, after, left.min(AT_ONCE) * CHUNK).await?;
        drop(tx);
        let mut tx = app.db().begin().await?;
        if !rows::hold_key(&mut tx, key).await? {
            return Ok(());
        }
        if std::mem::take(&mut forget) {
            rows::forget_chunks(&mut tx, key.seq, number).await?;
        }
        let (full, _) = points.as_chunks::<{ CHUNK as usize }>();
        for chunk in full {
            rows::put_chunk(&mut tx, key, number, chunk).await?;
            number += 1;
            after = chunk[chunk.len() - 1];
        }
        tx.commit().await?;
        left = if full.is_empty() { 0 } else { left - full.len() as u64 };
    }
    Ok(())
}
