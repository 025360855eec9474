//! Watching the traffic of models.

use axum::extract::State;
use axum::response::IntoResponse;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::{Problem, ProblemSchema, page_of};
use crate::domain::identity::Caller;
use crate::domain::monitor::{DEFAULT_WINDOW_MS, DriftReport, Monitor, ReportState};
use crate::domain::page::Page;
use crate::domain::time::Timestamp;
use crate::http::extract::{Json, Path, Query};
use crate::service::App;

/// How a model is to be watched; what is absent has its default.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct MonitorBody {
    /// Whether windows are compared as they close.
    #[serde(default = "yes")]
    enabled: bool,
    /// Length of a window in milliseconds, whole minutes; ten minutes when absent.
    #[serde(default = "window")]
    window_ms: i64,
    /// Thresholds that differ from the defaults.
    #[serde(default)]
    rules: serde_json::Map<String, serde_json::Value>,
}

fn yes() -> bool {
    true
}

fn window() -> i64 {
    DEFAULT_WINDOW_MS
}

/// A span of traffic.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Span {
    /// The version; the champion when absent.
    version: Option<i64>,
    /// Start, rounded down to the minute.
    from: Timestamp,
    /// End, rounded up to the minute.
    to: Timestamp,
    /// Whether the report is stored.
    #[serde(default)]
    store: bool,
}

/// Which reports.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct ReportQuery {
    /// Only about this version.
    version: Option<i64>,
    /// Only in this state; superseded ones are listed only when asked for.
    state: Option<ReportState>,
    /// 1 to 1000, 100 when absent.
    page_size: Option<u32>,
    /// `next_page_token` of the page before.
    page_token: Option<String>,
}

/// Returns how a model is watched.
#[utoipa::path(get, path = "/api/v1/models/{name}/monitor", tag = "monitoring", params(("name" = String, Path)), responses(
    (status = 200, body = Monitor), (status = "4XX", body = ProblemSchema, content_type = "application/problem+json")))]
pub(super) async fn get(State(app): State<App>, caller: Caller, Path(name): Path<String>) -> Result<impl IntoResponse, Problem> {
    Ok(axum::Json(app.monitoring().get(&caller, &name).await?))
}

/// Changes how a model is watched.
#[utoipa::path(put, path = "/api/v1/models/{name}/monitor", tag = "monitoring", params(("name" = String, Path)), request_body = MonitorBody,
    responses((status = 200, body = Monitor), (status = "4XX", body = ProblemSchema, content_type = "application/problem+json")))]
pub(super) async fn update(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
    Json(body): Json<MonitorBody>,
) -> Result<impl IntoResponse, Problem> {
    let rules = serde_json::Value::Object(body.rules);
    Ok(axum::Json(app.monitoring().update(&caller, &name, body.enabled, body.window_ms, &rules).await?))
}

/// Compares a span of traffic with what the model was made from, now.
#[utoipa::path(post, path = "/api/v1/models/{name}/monitor/evaluate", tag = "monitoring", params(("name" = String, Path)),
    request_body = Span, responses(
    (status = 200, body = DriftReport), (status = "4XX", body = ProblemSchema, content_type = "application/problem+json")))]
pub(super) async fn evaluate(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
    Json(span): Json<Span>,
) -> Result<impl IntoResponse, Problem> {
    Ok(axum::Json(app.monitoring().evaluate(&caller, &name, span.version, span.from, span.to, span.store).await?))
}

/// Lists drift reports, newest window first.
#[utoipa::path(get, path = "/api/v1/models/{name}/drift-reports", tag = "monitoring", params(("name" = String, Path), ReportQuery),
    responses((status = 200, body = Page<DriftReport>), (status = "4XX", body = ProblemSchema, content_type = "application/problem+json")))]
pub(super) async fn list(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
    Query(query): Query<ReportQuery>,
) -> Result<impl IntoResponse, Problem> {
    let page = page_of(query.page_size, query.page_token.as_deref())?;
    Ok(axum::Json(app.monitoring().reports(&caller, &name, query.version, query.state, &page).await?))
}

/// Returns a drift report.
#[utoipa::path(get, path = "/api/v1/models/{name}/drift-reports/{report_id}", tag = "monitoring",
    params(("name" = String, Path), ("report_id" = String, Path)), responses(
    (status = 200, body = DriftReport), (status = "4XX", body = ProblemSchema, content_type = "application/problem+json")))]
pub(super) async fn report(
    State(app): State<App>,
    caller: Caller,
    Path((name, id)): Path<(String, String)>,
) -> Result<impl IntoResponse, Problem> {
    Ok(axum::Json(app.monitoring().report(&caller, &name, &id).await?))
}
