//! Histories of metrics.

use super::{Tracking, run};
use crate::domain::identity::Caller;
use crate::domain::page::{Page, PageRequest};
use crate::domain::run::{MetricPoint, Number};
use crate::domain::tracking::RunPoint;
use crate::error::{Error, Result};
use crate::store;

/// Position before every point.
const START: (i64, i64, i64) = (i64::MIN, i64::MIN, i64::MIN);
/// Runs that one bulk request may name.
const MAX_RUNS: usize = 100;

type Row = (i64, i64, i64);

impl Tracking<'_> {
    /// Lists points of a metric by step, timestamp and value: all, or a page and the token of the next.
    pub async fn metric_history(
        &self,
        caller: &Caller,
        run_id: &str,
        key: &str,
        max_results: Option<i64>,
        token: &str,
    ) -> Result<(Vec<MetricPoint>, Option<String>)> {
        if let Some(size @ ..1) = max_results {
            let message = format!("Invalid value {size} for parameter 'max_results' supplied. It must be a positive integer.");
            return Err(Error::invalid("invalid_parameter_value", message));
        }
        let size = max_results.map_or(u32::MAX - 1, |size| u32::try_from(size).unwrap_or(u32::MAX - 1));
        let bad = || Error::invalid("invalid_parameter_value", "Invalid page token: it is not one that this server gave out");
        let after = PageRequest::parse(None, Some(token)).map_err(|_| bad())?.after;
        let position = after.as_deref().map_or(Some(START), position).ok_or_else(bad)?;
        let request = PageRequest { size, after: None };
        if key.contains('\0') || run_id.contains('\0') {
            return Ok((Vec::new(), None));
        }
        let mut tx = self.0.read_logged(&caller.workspace).await?;
        let Some((seq, _)) = store::tracking::run::find_info(&mut tx, &caller.workspace, run_id).await? else {
            return Ok((Vec::new(), None));
        };
        let rows = store::run::history(&mut tx, seq, key, position, request.limit()).await?;
        let page = Page::cut(rows, &request, |(step, timestamp, bits)| format!("{step},{timestamp},{bits}"));
        let page = page.map(|row| point(key, row));
        Ok((page.items, page.next_page_token))
    }

    /// Lists points of one metric of many runs, run by run, until there are `max_results`.
    pub async fn bulk_history(&self, caller: &Caller, run_ids: &[String], key: &str, max_results: i64) -> Result<Vec<RunPoint>> {
        check_runs("GetMetricHistoryBulk", run_ids)?;
        let mut sorted: Vec<&String> = run_ids.iter().filter(|id| !id.contains('\0')).collect();
        sorted.sort();
        sorted.dedup();
        let mut points = Vec::new();
        let mut tx = self.0.read_logged(&caller.workspace).await?;
        for run_id in sorted {
            let left = max_results - i64::try_from(points.len()).unwrap_or(i64::MAX);
            if left <= 0 || key.contains('\0') {
                break;
            }
            let Some((seq, _)) = store::tracking::run::find_info(&mut tx, &caller.workspace, run_id).await? else { continue };
            let rows = store::run::history(&mut tx, seq, key, START, left).await?;
            points.extend(rows.into_iter().map(|row| RunPoint { run_id: run_id.clone(), point: point(key, row) }));
        }
        Ok(points)
    }

    /// Lists at most `max_results` points of one metric for each run, at even distances, first and last included.
    pub async fn sampled_history(
        &self,
        caller: &Caller,
        run_ids: &[String],
        key: &str,
        steps: Option<(i64, i64)>,
        max_results: i64,
    ) -> Result<Vec<RunPoint>> {
        check_runs("GetMetricHistoryBulkInterval", run_ids)?;
        if let Some((start, end)) = steps.filter(|(start, end)| start > end) {
            let message = format!("end_step must be greater than start_step. Found start_step={start} and end_step={end}.");
            return Err(Error::invalid("invalid_parameter_value", message));
        }
        let mut points = Vec::new();
        let mut tx = self.0.read_logged(&caller.workspace).await?;
        for run_id in run_ids.iter().filter(|id| !id.contains('\0') && !key.contains('\0')) {
            let (seq, _) = run(&mut tx, &caller.workspace, run_id).await?;
            let range = steps.unwrap_or((i64::MIN, i64::MAX));
            let rows = store::tracking::metric::sample(&mut tx, seq, key, range, max_results).await?;
            points.extend(rows.into_iter().map(|row| RunPoint { run_id: run_id.clone(), point: point(key, row) }));
        }
        Ok(points)
    }
}

fn point(key: &str, (step, timestamp, bits): Row) -> MetricPoint {
    MetricPoint { key: key.to_owned(), value: Number(store::run::from_bits(bits)), timestamp, step }
}

fn position(text: &str) -> Option<Row> {
    let mut parts = text.split(',').map(str::parse);
    let (a, b, c) = (parts.next()?.ok()?, parts.next()?.ok()?, parts.next()?.ok()?);
    parts.next().is_none().then_some((a, b, c))
}

fn check_runs(request: &str, run_ids: &[String]) -> Result<()> {
    let refused = |message: String| Err(Error::invalid("invalid_parameter_value", message));
    match run_ids.len() {
        0 => refused(format!("{request} request must specify at least one run_id.")),
        1..=MAX_RUNS => Ok(()),
        count => refused(format!("{request} request cannot specify more than {MAX_RUNS} run_ids. Received {count} run_ids.")),
    }
}
