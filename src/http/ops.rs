//! What operators ask: is it alive, is it ready, what does it count. And the counting of every request.

use std::time::Instant;

use axum::Json;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use metrics_exporter_prometheus::PrometheusHandle;
use serde::Serialize;
use tracing::Instrument as _;
use utoipa::{OpenApi as _, ToSchema};
use utoipa_axum::routes;

use super::routes::Routes;
use crate::domain::identity::Permission;
use crate::service::App;

pub(super) fn routes(routes: Routes, metrics: Option<PrometheusHandle>) -> Routes {
    let render = get(|| async move {
        let text = metrics.map(|handle| handle.render()).unwrap_or_default();
        ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text)
    });
    routes
        .add(Permission::Public, routes!(livez))
        .add(Permission::Public, routes!(readyz))
        .add_foreign(Permission::Public, "GET", "/metrics", render)
        .document(Documented::openapi())
}

#[derive(utoipa::OpenApi)]
#[openapi(paths(metrics))]
struct Documented;

/// Returns counters for Prometheus.
#[utoipa::path(get, path = "/metrics", tag = "operation", responses(
    (status = 200, description = "text exposition format 0.0.4", body = String, content_type = "text/plain")))]
#[expect(dead_code, reason = "its documentation is what counts; the handler needs the recorder")]
fn metrics() {}

/// One part of the readiness answer.
#[derive(Serialize, ToSchema)]
struct Check {
    /// `database`, `migrations` or `store`.
    name: String,
    /// `ok`, or what is wrong.
    status: String,
}

/// The readiness answer.
#[derive(Serialize, ToSchema)]
struct Readiness {
    /// Whether requests will be served.
    ready: bool,
    /// The parts.
    checks: Vec<Check>,
}

/// Tells that the process runs.
#[utoipa::path(get, path = "/livez", tag = "operation", responses((status = 200, description = "the process runs", body = String)))]
async fn livez() -> &'static str {
    "ok"
}

/// Tells whether database, schema and object store are usable.
#[utoipa::path(get, path = "/readyz", tag = "operation",
    responses((status = 200, description = "ready", body = Readiness), (status = 503, description = "not ready", body = Readiness)))]
async fn readyz(State(app): State<App>) -> Response {
    let (ready, parts) = app.readiness().await;
    let checks = parts.into_iter().map(|(name, status)| Check { name: name.to_owned(), status }).collect();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Readiness { ready, checks })).into_response()
}

/// Names a method in a counter: clients may make up methods, but no new series with them.
fn counted(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}

/// Gives each request a span with its id and counts it.
pub(super) async fn observe(request: Request, next: Next) -> Response {
    let start = Instant::now();
    let id = request.headers().get(super::REQUEST_ID).and_then(|v| v.to_str().ok()).unwrap_or("").to_owned();
    let method = request.method().clone();
    let path = request.extensions().get::<MatchedPath>().map_or("unmatched", MatchedPath::as_str).to_owned();
    let span = tracing::info_span!("http", %method, path, request.id = id);
    let mut response = next.run(request).instrument(span.clone()).await;
    // nobody is to take an uploaded file for a page of ours
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let seconds = start.elapsed().as_secs_f64();
    let status = response.status().as_u16().to_string();
    metrics::counter!("slipway_http_requests_total", "method" => counted(&method), "path" => path.clone(), "status" => status).increment(1);
    metrics::histogram!("slipway_http_request_seconds", "path" => path).record(seconds);
    span.in_scope(|| tracing::debug!(status = response.status().as_u16(), duration_ms = seconds * 1e3, "answered"));
    response
}
