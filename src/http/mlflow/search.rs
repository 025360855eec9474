//! Searches.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::refusal::Refusal;
use super::request::{Fields, mistyped};
use super::wire::{WireExperiment, WireRun};
use crate::domain::identity::Caller;
use crate::service::{App, SearchRequest};

/// Size of a page of runs when none is asked for.
const DEFAULT_RUNS: i64 = 1_000;
const MAX_RUNS: i64 = 50_000;

#[derive(Serialize)]
struct Experiments<'a> {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    experiments: Vec<WireExperiment<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_page_token: Option<String>,
}

#[derive(Serialize)]
struct Runs<'a> {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    runs: Vec<WireRun<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_page_token: Option<String>,
}

pub(super) async fn experiments(State(app): State<App>, caller: Caller, fields: Fields) -> Result<Response, Refusal> {
    // MLflow has no default here either: what is not given is 0, and 0 is refused
    let request = request(&fields, "view_type", fields.integer("max_results")?.unwrap_or(0))?;
    let (found, next_page_token) = app.tracking().search_experiments(&caller, &request).await?;
    let experiments = found.iter().map(WireExperiment::from).collect();
    Ok(Json(Experiments { experiments, next_page_token }).into_response())
}

pub(super) async fn runs(State(app): State<App>, caller: Caller, fields: Fields) -> Result<Response, Refusal> {
    let size = fields.integer("max_results")?.unwrap_or(DEFAULT_RUNS);
    if size > MAX_RUNS {
        return Err(mistyped("max_results", &size.into()));
    }
    let request = request(&fields, "run_view_type", size)?;
    let experiments = fields.texts("experiment_ids")?;
    let (found, next_page_token) = app.tracking().search_runs(&caller, &experiments, &request).await?;
    Ok(Json(Runs { runs: found.iter().map(WireRun::from).collect(), next_page_token }).into_response())
}

fn request(fields: &Fields, view: &str, max_results: i64) -> Result<SearchRequest, Refusal> {
    Ok(SearchRequest {
        filter: fields.text("filter")?.unwrap_or_default().to_owned(),
        order_by: fields.texts("order_by")?,
        view: fields.view(view)?,
        max_results,
        page_token: fields.text("page_token")?.unwrap_or_default().to_owned(),
    })
}
