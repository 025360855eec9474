//! Extractors whose refusals are problem documents.

use axum::body::{Body, Bytes};
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use super::problem::Problem;
use crate::domain::identity::Caller;

/// A JSON body. Text with NUL in it is refused, because Postgres can't hold it.
pub(super) struct Json<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let whole = Request::from_parts(parts.clone(), body);
        let bytes = Bytes::from_request(whole, state).await.map_err(|e| match e.status() {
            StatusCode::PAYLOAD_TOO_LARGE => Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", e.body_text()),
            _ => Problem::new(StatusCode::BAD_REQUEST, "unreadable_body", e.body_text()),
        })?;
        if escapes_nul(&bytes) {
            return Err(Problem::new(StatusCode::BAD_REQUEST, "invalid_body", "text must not hold NUL"));
        }
        match axum::Json::<T>::from_request(Request::from_parts(parts, Body::from(bytes)), state).await {
            Ok(axum::Json(value)) => Ok(Self(value)),
            Err(e) => {
                let (status, code) = match &e {
                    JsonRejection::JsonSyntaxError(_) => (StatusCode::BAD_REQUEST, "invalid_json"),
                    JsonRejection::MissingJsonContentType(_) => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "json_expected"),
                    _ => (StatusCode::BAD_REQUEST, "invalid_body"),
                };
                Err(Problem::new(status, code, e.body_text()))
            }
        }
    }
}

/// Tells whether a JSON text spells NUL, which it can do in one way only.
fn escapes_nul(json: &[u8]) -> bool {
    let mut rest = json;
    while let Some(at) = rest.iter().position(|byte| *byte == b'\\') {
        if rest[at..].starts_with(b"\\u0000") {
            return true;
        }
        // whatever is escaped, a second backslash among it begins nothing
        rest = rest.get(at + 2..).unwrap_or_default();
    }
    false
}

/// A query string. A parameter that is given twice, or has NUL in it, is refused.
pub(super) struct Query<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        if parts.uri.query().is_some_and(|query| query.contains("%00")) {
            return Err(Problem::new(StatusCode::BAD_REQUEST, "invalid_query", "the query must not hold NUL"));
        }
        axum::extract::Query::<T>::from_request_parts(parts, state)
            .await
            .map(|axum::extract::Query(value)| Self(value))
            .map_err(|e: QueryRejection| Problem::new(StatusCode::BAD_REQUEST, "invalid_query", e.body_text()))
    }
}

/// Parts of the path. None may have NUL in it.
pub(super) struct Path<T>(pub(super) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        if parts.uri.path().contains("%00") {
            return Err(Problem::new(StatusCode::BAD_REQUEST, "invalid_path", "the path must not hold NUL"));
        }
        axum::extract::Path::<T>::from_request_parts(parts, state)
            .await
            .map(|axum::extract::Path(value)| Self(value))
            .map_err(|e: PathRejection| Problem::new(StatusCode::BAD_REQUEST, "invalid_path", e.body_text()))
    }
}

/// The caller that `auth::check` found.
impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let missing = || Problem::new(StatusCode::UNAUTHORIZED, "missing_key", "this needs an API key");
        parts.extensions.get::<Self>().cloned().ok_or_else(missing)
    }
}

#[cfg(test)]
mod tests {
    use super::escapes_nul;

    #[test]
    fn an_escaped_nul_is_told_from_an_escaped_backslash() {
        for nul in [r#""\u0000""#, r#"{"a\u0000b": 1}"#, r#"["\\\u0000"]"#] {
            assert!(escapes_nul(nul.as_bytes()), "{nul}");
        }
        for text in [r#""\\u0000""#, r#""\u0001\"u0000""#, r#""u0000""#, "\\", ""] {
            assert!(!escapes_nul(text.as_bytes()), "{text}");
        }
    }
}
