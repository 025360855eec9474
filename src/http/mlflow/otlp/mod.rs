//! Spans as OpenTelemetry's exporters send them: `POST /v1/traces`, protobuf or JSON, plain or compressed. The experiment stands
//! in a header. `protobuf` and `json` read the two spellings into the same spans; both are bounded in size, number and depth.

mod json;
mod protobuf;
mod shape;

use std::io::Read;

use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use prost::Message;

use super::refusal::Refusal;
use crate::domain::identity::Caller;
use crate::domain::trace::span::NewSpan;
use crate::domain::tracking::DEFAULT_EXPERIMENT_ID;
use crate::error::Kind;
use crate::service::{App, MAX_SPANS};

/// Where exporters send spans to.
pub(super) const PATH: &str = "/v1/traces";

/// What was read from a request.
#[derive(Debug, Default, PartialEq)]
struct Received {
    /// Spans that can be kept.
    spans: Vec<NewSpan>,
    /// How many can't.
    rejected: i64,
    /// Why the last of them can't.
    problem: String,
    /// Groups of spans, empty ones among them.
    groups: usize,
}

/// A request that can't be read.
#[derive(Debug, PartialEq, Eq)]
struct Unreadable(String);

/// How much of a request is read.
#[derive(Debug)]
struct Budget {
    spans: usize,
    values: usize,
}

impl Budget {
    /// Values within all attributes: each takes far more memory than bytes of a request.
    const VALUES: usize = 1_000_000;
    /// Values within values.
    const DEPTH: usize = 32;

    fn new() -> Self {
        Self { spans: MAX_SPANS, values: Self::VALUES }
    }

    fn span(&mut self) -> Result<(), Unreadable> {
        self.spans = self.spans.checked_sub(1).ok_or_else(|| Unreadable(format!("a request may have at most {MAX_SPANS} spans")))?;
        Ok(())
    }

    fn value(&mut self, depth: usize) -> Result<(), Unreadable> {
        if depth > Self::DEPTH {
            return Err(Unreadable(format!("attributes are nested more than {} deep", Self::DEPTH)));
        }
        let message = || Unreadable(format!("a request may have at most {} values", Self::VALUES));
        self.values = self.values.checked_sub(1).ok_or_else(message)?;
        Ok(())
    }
}

/// The answer, as OpenTelemetry's messages have it.
#[derive(Clone, PartialEq, Message)]
struct Answer {
    #[prost(message, optional, tag = "1")]
    partial_success: Option<PartialSuccess>,
}

#[derive(Clone, PartialEq, Message)]
struct PartialSuccess {
    #[prost(int64, tag = "1")]
    rejected_spans: i64,
    #[prost(string, tag = "2")]
    error_message: String,
}

pub(super) async fn export(State(app): State<App>, caller: Caller, headers: HeaderMap, body: Body) -> Result<Response, Refusal> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim).filter(|text| !text.is_empty());
    let media_type = text("content-type").and_then(|value| value.split(';').next()).unwrap_or_default().trim().to_ascii_lowercase();
    let is_json = match media_type.as_str() {
        "application/json" => true,
        "application/x-protobuf" => false,
        other => {
            let message = format!("Invalid Content-Type: {other}. Expected: application/x-protobuf or application/json");
            return Err(Refusal::invalid(message));
        }
    };
    let encoding = text("content-encoding").unwrap_or("identity").to_ascii_lowercase();
    let limit = app.config().trace_body_limit;
    let body = to_bytes(body, limit).await.map_err(|_| too_large(limit))?;
    let received = tokio::task::spawn_blocking(move || {
        let body = decompress(&body, &encoding, limit)?;
        let read = if is_json { json::read(&body) } else { protobuf::read(&body) };
        read.map_err(|e| Refusal::invalid(format!("Invalid OpenTelemetry format: {}", e.0)))
    });
    let Received { spans, rejected, problem, groups } =
        received.await.map_err(|e| crate::error::Error::internal("spans could not be read").caused_by(e))??;
    if groups == 0 {
        return Err(Refusal::invalid("Invalid OpenTelemetry format - no spans found"));
    }
    if spans.is_empty() && rejected > 0 {
        let message = format!("Cannot convert OpenTelemetry span to MLflow span: {problem}");
        return Err(Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, "INVALID_PARAMETER_VALUE", message));
    }
    let experiment = text("x-mlflow-experiment-id").unwrap_or(DEFAULT_EXPERIMENT_ID);
    let ingested = app.tracking().ingest_spans(&caller, experiment, spans).await?;
    let mut told = PartialSuccess { rejected_spans: rejected, error_message: problem };
    if let Some(run) = text("x-mlflow-run-id") {
        for ids in ingested.ended.chunks(100) {
            match app.tracking().link_traces(&caller, ids, run).await {
                Ok(()) => {}
                // the spans are kept: a run that is not there is a warning
                Err(e) if e.kind == Kind::NotFound => told.error_message = e.message,
                Err(e) => return Err(e.into()),
            }
        }
    }
    Ok(answer(is_json, told))
}

fn answer(is_json: bool, told: PartialSuccess) -> Response {
    let partial_success = (told != PartialSuccess::default()).then_some(told);
    if !is_json {
        let bytes = Answer { partial_success }.encode_to_vec();
        return ([(header::CONTENT_TYPE, "application/x-protobuf")], bytes).into_response();
    }
    let body = match partial_success {
        // a whole number of 64 bits is a text in this JSON
        Some(told) => serde_json::json!({
            "partialSuccess": { "rejectedSpans": told.rejected_spans.to_string(), "errorMessage": told.error_message }
        }),
        None => serde_json::json!({}),
    };
    axum::Json(body).into_response()
}

fn too_large(limit: usize) -> Refusal {
    Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "BAD_REQUEST", format!("spans of one request may have at most {limit} bytes"))
}

/// Decompresses a body that may become no larger than the limit.
fn decompress(body: &[u8], encoding: &str, limit: usize) -> Result<Vec<u8>, Refusal> {
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    let mut bytes = Vec::new();
    let read = match encoding {
        "identity" => return Ok(body.to_vec()),
        "gzip" => flate2::read::MultiGzDecoder::new(body).take(most).read_to_end(&mut bytes),
        "deflate" => match flate2::read::ZlibDecoder::new(body).take(most).read_to_end(&mut bytes) {
            // some clients send it without the wrapping that the name stands for
            Err(_) => {
                bytes.clear();
                flate2::read::DeflateDecoder::new(body).take(most).read_to_end(&mut bytes)
            }
            read => read,
        },
        other => return Err(Refusal::invalid(format!("Unsupported Content-Encoding: {other}"))),
    };
    read.map_err(|_| Refusal::invalid(format!("Failed to decompress {encoding} payload")))?;
    if bytes.len() > limit { Err(too_large(limit)) } else { Ok(bytes) }
}
