//! The serving doors: TensorFlow Serving's REST API under `/v1`, the Open Inference protocol under `/v2`.

pub mod codec;
mod document;
mod oip;
mod tfs;

use axum::body::{Body, Bytes};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::routes::Routes;
use crate::infer::engine::EngineError;
use crate::infer::router::Served;
use crate::service::App;

use codec::CodecError;

/// Names the version that answered.
const VERSION: HeaderName = HeaderName::from_static("x-slipway-model-version");

pub(super) fn routes(routes: Routes) -> Routes {
    oip::routes(tfs::routes(routes)).document(document::openapi())
}

/// A refusal in the form that both protocols share.
struct Refusal(StatusCode, String);

impl Refusal {
    fn not_found(message: impl Into<String>) -> Self {
        Self(StatusCode::NOT_FOUND, message.into())
    }
}

impl From<CodecError> for Refusal {
    fn from(error: CodecError) -> Self {
        Self(StatusCode::BAD_REQUEST, error.message)
    }
}

impl From<EngineError> for Refusal {
    fn from(error: EngineError) -> Self {
        use crate::infer::engine::ErrorCode;
        // what an accepted model fails on is in the request
        let own_fault = !error.code.is_callers_fault() && error.code != ErrorCode::RunFailed;
        Self(if own_fault { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::BAD_REQUEST }, error.to_string())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        json(self.0, codec::write_error(&self.1))
    }
}

fn json(status: StatusCode, body: Vec<u8>) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

/// An answer that names the version it comes from.
fn answered(served: &Served, body: Vec<u8>) -> Response {
    served.answered.increment(1);
    let headers = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json")), (VERSION, HeaderValue::from(served.version))];
    (headers, body).into_response()
}

async fn read(app: &App, body: Body) -> Result<Bytes, Refusal> {
    let limit = app.config().predict_body_limit;
    let too_large = |_| Refusal(StatusCode::PAYLOAD_TOO_LARGE, format!("the body could not be read, or has more than {limit} bytes"));
    axum::body::to_bytes(body, limit).await.map_err(too_large)
}
