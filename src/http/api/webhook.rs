//! Webhooks, and the history of what they were told.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{PageQuery, Problem, ProblemSchema};
use crate::domain::identity::Caller;
use crate::domain::page::Page;
use crate::domain::webhook::{Delivery, Webhook, WebhookStatus};
use crate::http::extract::{Json, Path, Query};
use crate::service::{App, WebhookChange};

/// A webhook to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewWebhook {
    /// What people call it.
    name: String,
    /// Where it is told.
    url: String,
    /// Kinds of events, for instance `model_version_alias.created`.
    events: Vec<String>,
    /// What it is for.
    #[serde(default)]
    description: Option<String>,
    /// Signs deliveries. It is never shown.
    #[serde(default)]
    secret: Option<String>,
    /// `ACTIVE` when absent.
    #[serde(default)]
    status: Option<WebhookStatus>,
}

/// What changes about a webhook; what is absent stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WebhookPatch {
    /// What people call it.
    #[serde(default)]
    name: Option<String>,
    /// Where it is told.
    #[serde(default)]
    url: Option<String>,
    /// Kinds of events.
    #[serde(default)]
    events: Option<Vec<String>>,
    /// What it is for.
    #[serde(default)]
    description: Option<String>,
    /// Signs deliveries; an empty one takes the signature away.
    #[serde(default)]
    secret: Option<String>,
    /// Whether it is told of anything.
    #[serde(default)]
    status: Option<WebhookStatus>,
}

/// Which example a webhook is sent.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WebhookTest {
    /// A kind of event; the first of the webhook when absent.
    #[serde(default)]
    event: Option<String>,
}

/// What came of a test.
#[derive(Serialize, ToSchema)]
pub(super) struct WebhookTested {
    /// Whether the receiver took it.
    delivered: bool,
    /// Status of its answer.
    response_status: Option<u16>,
    /// The beginning of its answer.
    response_body: String,
    /// Why there was none.
    error: Option<String>,
}

/// Makes a webhook. It is told of what happens from now on.
#[utoipa::path(post, path = "/api/v1/webhooks", tag = "webhooks", request_body = NewWebhook, responses(
    (status = 201, body = Webhook), (status = "4XX", body = ProblemSchema, content_type = "application/problem+json")))]
pub(super) async fn create(State(app): State<App>, caller: Caller, Json(new): Json<NewWebhook>) -> Result<impl IntoResponse, Problem> {
    let new = WebhookChange {
        name: Some(new.name),
        description: new.description,
        url: Some(new.url),
        events: Some(new.events),
        secret: new.secret,
        status: new.status,
    };
    Ok((StatusCode::CREATED, axum::Json(app.webhooks().create(&caller, new).await?)))
}

/// Lists webhooks, newest first.
#[utoipa::path(get, path = "/api/v1/webhooks", tag = "webhooks", params(PageQuery), responses(
    (status = 200, body = Page<Webhook>), (status = "4XX", body = ProblemSchema, content_type = "application/problem+json")))]
pub(super) async fn list(State(app): State<App>, caller: Caller, Query(page): Query<PageQuery>) -> Result<impl IntoResponse, Problem> {
    Ok(axum::Json(app.webhooks().list(&caller, &page.parse()?).await?))
}

/// Returns a webhook.
#[utoipa::path(get, path = "/api/v1/webhooks/{webhook_id}", tag = "webhooks", params(("webhook_id" = String, Path)), responses(
    (status = 200, body = Webhook), (status = "4XX", body = ProblemSchema, content_type = "application/problem+json")))]
pub(super) async fn get(State(app): State<App>, caller: Caller, Path(id): Path<String>) -> Result<impl IntoResponse, Problem> {
    Ok(axum::Json(app.webhooks().get(&caller, &id).await?))
}

/// Changes a webhook.
#[utoipa::path(patch, path = "/api/v1/webhooks/{webhook_id}", tag = "webhooks", params(("webhook_id" = String, Path)),
    request_body = WebhookPatch, responses(
    (status = 200, body = Webhook), (status = "4XX", body = ProblemSchema, content_type = "application/problem+json")))]
pub(super) async fn update(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Json(patch): Json<WebhookPatch>,
) -> Result<impl IntoResponse, Problem> {
    let WebhookPatch { name, url, events, description, secret, status } = patch;
    let change = WebhookChange { name, description, url, events, secret, status };
    Ok(axum::Json(app.webhooks().update(&caller, &id, change).await?))
}

/// Deletes a webhook, and what is on its way to it.
#[utoipa::path(delete, path = "/api/v1/webhooks/{webhook_id}", tag = "webhooks", params(("webhook_id" = String, Path)), responses(
    (status = 204), (status = "4XX", body = ProblemSchema, content_type = "application/problem+json")))]
pub(super) async fn delete(State(app): State<App>, caller: Caller, Path(id): Path<String>) -> Result<impl IntoResponse, Problem> {
    app.webhooks().delete(&caller, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Sends a webhook an example, once and now.
#[utoipa::path(post, path = "/api/v1/webhooks/{webhook_id}/test", tag = "webhooks", params(("webhook_id" = String, Path)),
    request_body = WebhookTest, responses(
    (status = 200, body = WebhookTested), (status = "4XX", body = ProblemSchema, content_type = "application/problem+json")))]
pub(super) async fn test(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Json(test): Json<WebhookTest>,
) -> Result<impl IntoResponse, Problem> {
    let answered = app.webhooks().test(&caller, &id, test.event.as_deref()).await?;
    let delivered = answered.is_delivered();
    Ok(axum::Json(WebhookTested { delivered, response_status: answered.status, response_body: answered.body, error: answered.error }))
}

/// Lists what a webhook was told or is about to be, newest first; what was over more than 30 days ago is gone.
#[utoipa::path(get, path = "/api/v1/webhooks/{webhook_id}/deliveries", tag = "webhooks",
    params(("webhook_id" = String, Path), PageQuery), responses(
    (status = 200, body = Page<Delivery>), (status = "4XX", body = ProblemSchema, content_type = "application/problem+json")))]
pub(super) async fn deliveries(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Query(page): Query<PageQuery>,
) -> Result<impl IntoResponse, Problem> {
    Ok(axum::Json(app.webhooks().deliveries(&caller, &id, &page.parse()?).await?))
}

/// Delivers once more what was delivered or given up, under its old id.
#[utoipa::path(post, path = "/api/v1/webhooks/{webhook_id}/deliveries/{delivery_id}/replay", tag = "webhooks",
    params(("webhook_id" = String, Path), ("delivery_id" = String, Path)), responses(
    (status = 200, body = Delivery), (status = "4XX", body = ProblemSchema, content_type = "application/problem+json")))]
pub(super) async fn replay(
    State(app): State<App>,
    caller: Caller,
    Path((id, delivery_id)): Path<(String, String)>,
) -> Result<impl IntoResponse, Problem> {
    Ok(axum::Json(app.webhooks().replay(&caller, &id, &delivery_id).await?))
}
