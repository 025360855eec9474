//! `Idempotency-Key`: a POST that is sent again with the same key is answered with what the first one was answered, by the draft
//! of the IETF (draft-ietf-httpapi-idempotency-key-header). Runs behind the gate, because a key belongs to its caller.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::FutureExt as _;
use futures::future::{Either, select};
use sha2::{Digest, Sha256};
use tracing::Instrument as _;

use super::problem::{Code, Problem};
use super::routes::{PolicyRow, Repeat};
use crate::domain::identity::Caller;
use crate::domain::key::hex;
use crate::service::{Answer, App, Reservation, Start};

/// The request header.
pub(super) const KEY: &str = "idempotency-key";
/// Says that an answer was given before.
pub(super) const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// A reservation is renewed this often, well within the time after which it counts as abandoned.
const RENEWAL: Duration = Duration::from_secs(20);

/// Which routes remember their answers, and how.
#[derive(Clone)]
pub(super) struct Memory {
    app: App,
    routes: Arc<HashMap<String, Repeat>>,
}

impl Memory {
    pub(super) fn new(app: App, rows: &[PolicyRow]) -> Self {
        let routes = rows.iter().filter(|row| row.method == "POST").map(|row| (row.path.clone(), row.repeat)).collect();
        Self { app, routes: Arc::new(routes) }
    }
}

/// Carries a request out once per key.
pub(super) async fn check(State(memory): State<Memory>, request: Request, next: Next) -> Response {
    let repeat = request.extensions().get::<MatchedPath>().and_then(|path| memory.routes.get(path.as_str()).copied());
    let caller = request.extensions().get::<Caller>().cloned();
    let (Some(repeat), Some(caller), &Method::POST) = (repeat.filter(|r| *r != Repeat::Unnoticed), caller, request.method()) else {
        return next.run(request).await;
    };
    let key = match key_of(request.headers()) {
        Ok(Some(key)) => key,
        Ok(None) => return next.run(request).await,
        Err(problem) => return problem.into_response(),
    };
    match begin(&memory.app, repeat, &caller, &key, request).await {
        Ok((reserved, request)) => {
            // the client may go away: what was begun is carried out, and its answer kept, all the same
            let work = run(memory.app, repeat, reserved, request, next).in_current_span();
            match tokio::spawn(work).await {
                Ok(response) => response,
                Err(e) if e.is_panic() => resume_unwind(e.into_panic()),
                Err(_) => Problem::new(StatusCode::SERVICE_UNAVAILABLE, "shutting_down", "the server is stopping").into_response(),
            }
        }
        Err(response) => response,
    }
}

fn key_of(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut values = headers.get_all(KEY).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let bytes = value.as_bytes();
    if values.next().is_some() || !(1..=255).contains(&bytes.len()) || !bytes.iter().all(u8::is_ascii_graphic) {
        let detail = "Idempotency-Key must be given once and have 1 to 255 visible ASCII characters";
        return Err(Problem::new(StatusCode::BAD_REQUEST, "invalid_idempotency_key", detail));
    }
    Ok(Some(String::from_utf8_lossy(bytes).into_owned()))
}

/// Reserves the key, or says what to answer instead.
async fn begin(app: &App, repeat: Repeat, caller: &Caller, key: &str, request: Request) -> Result<(Reservation, Request), Response> {
    let (parts, mut body) = request.into_parts();
    let mut digest = Sha256::new();
    digest.update(format!("{} {}\n", parts.method, parts.uri.path_and_query().map_or("", |p| p.as_str())));
    if repeat != Repeat::ByAddress {
        let limit = app.config().body_limit;
        let bytes = to_bytes(body, limit).await.map_err(|_| {
            let detail = format!("the body could not be read, or has more than {limit} bytes");
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", detail).into_response()
        })?;
        digest.update(&bytes);
        body = Body::from(bytes);
    }
    let fingerprint = hex(&digest.finalize());
    let problem = |status, code, detail: &str| Problem::new(status, code, detail).into_response();
    match app.idempotency().start(caller, key, &fingerprint).await.map_err(|e| Problem::from(e).into_response())? {
        Start::Run(reserved) => Ok((reserved, Request::from_parts(parts, body))),
        Start::Answered(_) if repeat == Repeat::Withheld => {
            let detail = "this was carried out before; its answer holds a secret and was not kept";
            Err(problem(StatusCode::CONFLICT, "answer_not_kept", detail))
        }
        Start::Answered(answer) => Err(replay(answer)),
        Start::Running => {
            let detail = "the first request with this Idempotency-Key is still running";
            Err(problem(StatusCode::CONFLICT, "idempotency_key_in_use", detail))
        }
        Start::Reused => {
            let detail = "this Idempotency-Key was sent with another request before";
            Err(problem(StatusCode::UNPROCESSABLE_ENTITY, "idempotency_key_reused", detail))
        }
    }
}

fn replay(answer: Answer) -> Response {
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if let Ok(value) = HeaderValue::from_str(&answer.content_type)
        && !answer.content_type.is_empty()
    {
        response.headers_mut().insert(header::CONTENT_TYPE, value);
    }
    response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    response
}

async fn run(app: App, repeat: Repeat, mut reserved: Reservation, request: Request, next: Next) -> Response {
    let mut work = std::pin::pin!(AssertUnwindSafe(next.run(request)).catch_unwind());
    let outcome = loop {
        match tokio::time::timeout(RENEWAL, &mut work).await {
            Ok(outcome) => break outcome,
            Err(_) => {
                // both go on: the renewal may have to wait for the writer that the work holds
                let keys = app.idempotency();
                let renewal = std::pin::pin!(keys.renew(&mut reserved));
                let (done, renewed) = match select(&mut work, renewal).await {
                    Either::Left((outcome, renewal)) => (Some(outcome), renewal.await.map(drop)),
                    Either::Right((renewed, _)) => (None, renewed.map(drop)),
                };
                if let Err(e) = renewed {
                    tracing::warn!(error = %e, "the reservation of an idempotency key was not renewed");
                }
                if let Some(outcome) = done {
                    break outcome;
                }
            }
        }
    };
    let kept = match outcome {
        Ok(response) => keep(&app, repeat, &reserved, response).await,
        Err(panic) => {
            let _ = app.idempotency().release(&reserved).await;
            resume_unwind(panic);
        }
    };
    kept.unwrap_or_else(|e| Problem::from(e).into_response())
}

/// Remembers an answer that would be the same the next time, and frees the key of any other.
async fn keep(app: &App, repeat: Repeat, reserved: &Reservation, response: Response) -> crate::error::Result<Response> {
    let status = response.status();
    let interrupted = response.extensions().get::<Code>().is_some_and(|code| code.0 == "upload_interrupted");
    if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS || interrupted {
        app.idempotency().release(reserved).await?;
        return Ok(response);
    }
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, usize::MAX).await.map_err(|e| crate::error::Error::internal("an answer broke off").caused_by(e))?;
    let content_type = parts.headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
    let kept = if repeat == Repeat::Withheld && status.is_success() { Vec::new() } else { body.to_vec() };
    if let Err(e) = app.idempotency().remember(reserved, Answer { status: status.as_u16(), content_type, body: kept }).await {
        // what was asked for is done: the client hears so
        tracing::error!(error = %e, "the answer of a request was not remembered");
    }
    Ok(Response::from_parts(parts, Body::from(body)))
}
