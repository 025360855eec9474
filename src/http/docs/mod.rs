//! The API document, and a page to browse it. The page is part of the program and asks nobody else for anything.

use std::sync::OnceLock;

use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use utoipa_axum::routes;

use super::problem::Problem;
use super::routes::Routes;
use crate::domain::identity::Permission;

/// The page loads its own script and style and may talk to this server; nothing else.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'";

pub(super) fn routes(routes: Routes) -> Routes {
    routes
        .add(Permission::Public, routes!(document))
        .add(Permission::Public, routes!(page))
        .add(Permission::Public, routes!(script))
        .add(Permission::Public, routes!(style))
}

fn asset(media_type: &'static str, text: &'static str) -> impl IntoResponse {
    let referrer = HeaderName::from_static("referrer-policy");
    ([(header::CONTENT_TYPE, media_type), (header::CONTENT_SECURITY_POLICY, POLICY), (referrer, "no-referrer")], text)
}

/// Returns this document.
#[utoipa::path(get, path = "/openapi.json", tag = "operation", operation_id = "openapi", responses(
    (status = 200, description = "OpenAPI 3.1", body = serde_json::Value)))]
async fn document() -> Response {
    static TEXT: OnceLock<Result<String, String>> = OnceLock::new();
    match TEXT.get_or_init(|| super::openapi().and_then(|document| document.to_json().map_err(|e| e.to_string()))) {
        Ok(text) => ([(header::CONTENT_TYPE, "application/json")], text.as_str()).into_response(),
        Err(e) => Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", e.as_str()).into_response(),
    }
}

/// Shows this document as a page.
#[utoipa::path(get, path = "/docs", tag = "operation", operation_id = "docs", responses(
    (status = 200, body = String, content_type = "text/html")))]
async fn page() -> impl IntoResponse {
    asset("text/html; charset=utf-8", include_str!("page.html"))
}

/// The page's script.
#[utoipa::path(get, path = "/docs/app.js", tag = "operation", operation_id = "docs_script", responses(
    (status = 200, body = String, content_type = "text/javascript")))]
async fn script() -> impl IntoResponse {
    asset("text/javascript; charset=utf-8", include_str!("app.js"))
}

/// The page's style.
#[utoipa::path(get, path = "/docs/style.css", tag = "operation", operation_id = "docs_style", responses(
    (status = 200, body = String, content_type = "text/css")))]
async fn style() -> impl IntoResponse {
    asset("text/css; charset=utf-8", include_str!("style.css"))
}
