//! Runs, and the histories of their metrics.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::refusal::Refusal;
use super::request::Fields;
use super::wire::{OneRun, WireMetric, WireMetrics, WireRun, WireRunInfo, nothing};
use crate::domain::identity::Caller;
use crate::domain::run::RunStatus;
use crate::domain::tracking::DEFAULT_EXPERIMENT_ID;
use crate::service::{App, NewTrackedRun, RunChange};

/// Points of one bulk answer.
const MAX_BULK: i64 = 25_000;
/// Points of one run in a sampled answer.
const MAX_SAMPLE: i64 = 2_500;

pub(super) async fn create(State(app): State<App>, caller: Caller, fields: Fields) -> Result<Response, Refusal> {
    let experiment_id = fields.text("experiment_id")?.filter(|id| !id.is_empty()).unwrap_or(DEFAULT_EXPERIMENT_ID);
    let new = NewTrackedRun {
        experiment_id: experiment_id.to_owned(),
        name: fields.text("run_name")?.unwrap_or_default().to_owned(),
        user: fields.text("user_id")?.unwrap_or_default().to_owned(),
        start_time: fields.integer("start_time")?,
        tags: fields.pairs("tags")?,
    };
    let run = app.tracking().create_run(&caller, &new).await?;
    Ok(Json(OneRun { run: WireRun::from(&run) }).into_response())
}

pub(super) async fn get(State(app): State<App>, caller: Caller, fields: Fields) -> Result<Response, Refusal> {
    let run = app.tracking().get_run(&caller, fields.run_id()?).await?;
    Ok(Json(OneRun { run: WireRun::from(&run) }).into_response())
}

pub(super) async fn update(State(app): State<App>, caller: Caller, fields: Fields) -> Result<Response, Refusal> {
    let change =
        RunChange { status: status(&fields)?, end_time: fields.integer("end_time")?, name: fields.text("run_name")?.map(str::to_owned) };
    let info = app.tracking().update_run(&caller, fields.run_id()?, &change).await?;
    Ok(Json(json!({ "run_info": WireRunInfo::from(&info) })).into_response())
}

/// Reads a status by its name or its number.
fn status(fields: &Fields) -> Result<Option<RunStatus>, Refusal> {
    if let Ok(Some(number)) = fields.integer("status") {
        let known = [RunStatus::Running, RunStatus::Scheduled, RunStatus::Finished, RunStatus::Failed, RunStatus::Killed];
        let found = usize::try_from(number - 1).ok().and_then(|i| known.get(i).copied());
        return found.map(Some).ok_or_else(|| Refusal::invalid(format!("Invalid value {number} for parameter 'status' supplied.")));
    }
    let Some(text) = fields.text("status")? else { return Ok(None) };
    let found = RunStatus::parse(text);
    found.map(Some).ok_or_else(|| Refusal::invalid(format!("Invalid value {text:?} for parameter 'status' supplied.")))
}

pub(super) async fn delete(State(app): State<App>, caller: Caller, fields: Fields) -> Result<Response, Refusal> {
    app.tracking().delete_run(&caller, fields.run_id()?).await?;
    Ok(nothing())
}

pub(super) async fn restore(State(app): State<App>, caller: Caller, fields: Fields) -> Result<Response, Refusal> {
    app.tracking().restore_run(&caller, fields.run_id()?).await?;
    Ok(nothing())
}

pub(super) async fn history(State(app): State<App>, caller: Caller, fields: Fields) -> Result<Response, Refusal> {
    let (run_id, key) = (fields.run_id()?, fields.required("metric_key")?);
    let (size, token) = (fields.integer("max_results")?, fields.text("page_token")?.unwrap_or_default());
    let (points, next_page_token) = app.tracking().metric_history(&caller, run_id, key, size, token).await?;
    Ok(Json(WireMetrics { metrics: points.iter().map(WireMetric::from).collect(), next_page_token }).into_response())
}

pub(super) async fn history_bulk(State(app): State<App>, caller: Caller, fields: Fields) -> Result<Response, Refusal> {
    let (run_ids, key) = (fields.texts("run_id")?, fields.text("metric_key")?);
    let size = fields.integer("max_results")?.unwrap_or(MAX_BULK).min(MAX_BULK);
    let key = key.ok_or_else(|| Refusal::invalid("GetMetricHistoryBulk request must specify a metric_key."))?;
    let points = app.tracking().bulk_history(&caller, &run_ids, key, size).await?;
    // unlike its sisters this answer has the field even when it is empty
    Ok(Json(json!({ "metrics": points.iter().map(WireMetric::from).collect::<Vec<_>>() })).into_response())
}

pub(super) async fn history_sampled(State(app): State<App>, caller: Caller, fields: Fields) -> Result<Response, Refusal> {
    let (run_ids, key) = (fields.texts("run_ids")?, fields.required("metric_key")?);
    let size = fields.integer("max_results")?.unwrap_or(MAX_SAMPLE);
    if !(1..=MAX_SAMPLE).contains(&size) {
        return Err(Refusal::invalid(format!("max_results must be between 1 and {MAX_SAMPLE}.")));
    }
    let steps = match (fields.integer("start_step")?, fields.integer("end_step")?) {
        (Some(start), Some(end)) => Some((start, end)),
        (None, None) => None,
        _ => return Err(Refusal::invalid("If either start step or end step are specified, both must be specified.")),
    };
    let points = app.tracking().sampled_history(&caller, &run_ids, key, steps, size).await?;
    Ok(Json(WireMetrics { metrics: points.iter().map(WireMetric::from).collect(), next_page_token: None }).into_response())
}
