//! The HTTP doors. Each dialect owns its wire types and calls the service in domain words; every route is registered together
//! with the permission it asks for, so none can exist without one.

mod api;
mod auth;
mod docs;
mod extract;
mod idempotency;
pub mod inference;
mod mlflow;
mod ops;
mod problem;
mod routes;
mod session;
mod web;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderMap, HeaderName, Method, Request, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use metrics_exporter_prometheus::PrometheusHandle;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::request_id::{MakeRequestId, PropagateRequestIdLayer, RequestId, SetRequestIdLayer};

use crate::service::App;

pub use mlflow::COMPATIBLE_WITH;
pub use problem::Problem;
pub use routes::{PolicyRow, Repeat};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// A router ready to serve, and what it was made of.
pub struct Http {
    /// Serves all doors.
    pub router: Router,
    /// One row per method and path.
    pub policy: Vec<PolicyRow>,
    /// The API document.
    pub openapi: utoipa::openapi::OpenApi,
}

/// Builds all doors. Fails when a documented route has no policy row or the other way round.
pub fn build(app: &App, metrics: Option<PrometheusHandle>) -> Result<Http, String> {
    let (router, policy, openapi) = all(metrics).finish()?;
    let gate = auth::Gate::new(app.clone(), policy.clone());
    let memory = idempotency::Memory::new(app.clone(), &policy);
    let ids = app.clone();
    let router = router
        .fallback(nothing_here)
        .layer(axum::middleware::from_fn_with_state(memory, idempotency::check))
        .layer(axum::middleware::from_fn_with_state(gate, auth::check))
        .layer(DefaultBodyLimit::max(app.config().body_limit))
        .layer(CatchPanicLayer::custom(problem::from_panic))
        .layer(axum::middleware::from_fn(ops::observe))
        .layer(PropagateRequestIdLayer::new(REQUEST_ID))
        .layer(SetRequestIdLayer::new(REQUEST_ID, NextId(ids)))
        .with_state(app.clone());
    Ok(Http { router, policy, openapi })
}

async fn nothing_here(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    if mlflow::is_here(uri.path()) {
        return mlflow::nothing_here();
    }
    if web::is_page(&method, uri.path(), &headers) {
        return web::page(&headers);
    }
    Problem::new(StatusCode::NOT_FOUND, "no_such_route", "there is nothing at this path").into_response()
}

/// Builds the API document alone.
pub fn openapi() -> Result<utoipa::openapi::OpenApi, String> {
    let (_, _, openapi) = all(None).finish()?;
    Ok(openapi)
}

fn all(metrics: Option<PrometheusHandle>) -> routes::Routes {
    let routes = docs::routes(ops::routes(routes::Routes::new(), metrics));
    web::routes(mlflow::routes(inference::routes(api::routes(routes))))
}

#[derive(Clone)]
struct NextId(App);

impl MakeRequestId for NextId {
    fn make_request_id<B>(&mut self, _: &Request<B>) -> Option<RequestId> {
        self.0.ids().next().parse().ok().map(RequestId::new)
    }
}
