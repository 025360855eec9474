//! Events: as a list, and as a stream that a browser's `EventSource` can follow and take up again.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::IntoResponse;
use axum::response::sse::{Event as SseEvent, KeepAlive, Sse};
use futures::stream;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{Problem, ProblemSchema};
use crate::domain::event::Event;
use crate::domain::identity::Caller;
use crate::error::Error;
use crate::http::extract::Query;
use crate::service::{App, Events};

/// Where to start.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct After {
    /// Sequence number of the last event seen; 0 for all.
    after: Option<i64>,
    /// 1 to 1000, 100 when absent.
    limit: Option<u32>,
}

/// Events in the order of their commits.
#[derive(Serialize, ToSchema)]
pub(super) struct EventList {
    /// The events.
    items: Vec<Event>,
}

/// Lists events after a position.
#[utoipa::path(get, path = "/api/v1/events", tag = "events", params(After), responses(
    (status = 200, body = EventList), (status = "4XX", body = ProblemSchema, content_type = "application/problem+json")))]
pub(super) async fn list(State(app): State<App>, caller: Caller, Query(from): Query<After>) -> Result<impl IntoResponse, Problem> {
    let limit = from.limit.unwrap_or(100);
    if limit == 0 || limit > 1000 {
        return Err(Error::invalid("invalid_limit", "limit must be 1 to 1000").into());
    }
    let items = app.events().list_after(&caller, from.after.unwrap_or(0), limit).await?;
    Ok(axum::Json(EventList { items }))
}

/// Streams events as they are committed (server-sent events). `Last-Event-ID` or `after` replays what came after that position;
/// without either the stream starts now.
#[utoipa::path(get, path = "/api/v1/events/stream", tag = "events", params(After), responses(
    (status = 200, content_type = "text/event-stream", body = String),
    (status = "4XX", body = ProblemSchema, content_type = "application/problem+json")))]
pub(super) async fn stream(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Query(from): Query<After>,
) -> Result<impl IntoResponse, Problem> {
    let resumed = match headers.get("last-event-id") {
        None => from.after,
        Some(value) => Some(
            value
                .to_str()
                .ok()
                .and_then(|text| text.parse().ok())
                .ok_or_else(|| Error::invalid("invalid_last_event_id", "Last-Event-ID must be a number that this stream gave out"))?,
        ),
    };
    let start = match resumed {
        Some(seq) => seq,
        None => app.events().last_seq(&caller).await?,
    };
    let watch = app.events().watch();
    let events =
        stream::unfold((app, caller, start, watch, Vec::<Event>::new()), |(app, caller, mut seq, mut watch, mut ready)| async move {
            while ready.is_empty() {
                if app.events().is_closing() {
                    return None;
                }
                watch.mark_unchanged();
                match app.events().list_after(&caller, seq, 500).await {
                    Ok(mut events) => {
                        events.reverse();
                        ready = events;
                    }
                    Err(e) => {
                        tracing::warn!(error = %e, "an event stream ends because events can't be read");
                        return None;
                    }
                }
                if ready.is_empty() {
                    Events::changed(&mut watch).await;
                }
            }
            let event = ready.pop()?;
            seq = event.seq;
            let data = serde_json::to_string(&event).unwrap_or_default();
            let sse = SseEvent::default().id(event.seq.to_string()).event(event.kind).data(data);
            Some((Ok::<_, Infallible>(sse), (app, caller, seq, watch, ready)))
        });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(Duration::from_secs(15))))
}
