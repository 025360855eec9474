//! Errors on the native API: RFC 9457 problem documents with a stable `code`.

use std::any::Any;

use axum::body::Body;
use axum::http::{Response, StatusCode, header};
use axum::response::IntoResponse;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use crate::error::{Error, Kind};

/// A problem document.
#[derive(Clone, Debug)]
pub struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: String,
    more: Vec<(&'static str, Value)>,
}

/// The code of a problem, on the response for what looks at it on the way out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Code(pub(super) &'static str);

/// The schema of a [`Problem`] in the API document.
#[derive(ToSchema)]
#[schema(as = Problem)]
#[expect(dead_code, reason = "read by the schema derive only")]
pub(super) struct ProblemSchema {
    /// `urn:slipway:problem:` and the code.
    r#type: String,
    /// The HTTP status in words.
    title: String,
    /// The HTTP status.
    status: u16,
    /// Stable, snake_case, one per cause.
    code: String,
    /// What is wrong, for people.
    detail: String,
}

impl Problem {
    pub(super) fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into(), more: Vec::new() }
    }

    pub(super) fn status(&self) -> StatusCode {
        self.status
    }

    pub(super) fn detail(&self) -> &str {
        &self.detail
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let status = match error.kind {
            Kind::InvalidArgument => StatusCode::BAD_REQUEST,
            Kind::Unauthenticated => StatusCode::UNAUTHORIZED,
            Kind::PermissionDenied => StatusCode::FORBIDDEN,
            Kind::NotFound => StatusCode::NOT_FOUND,
            Kind::AlreadyExists | Kind::Conflict => StatusCode::CONFLICT,
            Kind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Kind::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
            Kind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Kind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        };
        if status.is_server_error() {
            tracing::error!(code = error.code, error = %error, "a request failed");
        }
        Self { status, code: error.code, detail: error.message, more: error.details }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> axum::response::Response {
        let mut body = Map::new();
        body.insert("type".to_owned(), json!(format!("urn:slipway:problem:{}", self.code)));
        body.insert("title".to_owned(), json!(self.status.canonical_reason().unwrap_or("error")));
        body.insert("status".to_owned(), json!(self.status.as_u16()));
        body.insert("code".to_owned(), json!(self.code));
        body.insert("detail".to_owned(), json!(self.detail));
        body.extend(self.more.into_iter().map(|(name, value)| (name.to_owned(), value)));
        let mut response = Response::new(Body::from(Value::Object(body).to_string()));
        *response.status_mut() = self.status;
        response.extensions_mut().insert(Code(self.code));
        response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/problem+json"));
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static("Bearer"));
        }
        say_when(&mut response);
        response
    }
}

/// Says when to come again, where that may help.
pub(super) fn say_when(response: &mut axum::response::Response) {
    if matches!(response.status(), StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
        response.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from_static("1"));
    }
}

/// Answers for a handler that panicked; the panic hook has logged it.
pub(super) fn from_panic(_: Box<dyn Any + Send + 'static>) -> axum::response::Response {
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the server met a bug; its log says more").into_response()
}
