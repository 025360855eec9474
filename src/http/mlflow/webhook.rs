//! Webhooks as MLflow's clients make them.

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::refusal::Refusal;
use super::request::{Fields, missing, mistyped};
use super::wire::nothing;
use crate::domain::identity::Caller;
use crate::domain::page::PageRequest;
use crate::domain::webhook::{MLFLOW_KINDS, Webhook, WebhookStatus};
use crate::error::Error;
use crate::service::{App, WebhookChange};

/// Entities and actions by their numbers.
const ENTITIES: [&str; 11] = [
    "ENTITY_UNSPECIFIED",
    "REGISTERED_MODEL",
    "MODEL_VERSION",
    "MODEL_VERSION_TAG",
    "MODEL_VERSION_ALIAS",
    "PROMPT",
    "PROMPT_VERSION",
    "PROMPT_TAG",
    "PROMPT_VERSION_TAG",
    "PROMPT_ALIAS",
    "BUDGET_POLICY",
];
const ACTIONS: [&str; 6] = ["ACTION_UNSPECIFIED", "CREATED", "UPDATED", "DELETED", "SET", "EXCEEDED"];
const STATUSES: [&str; 3] = ["", "ACTIVE", "DISABLED"];

fn wire(hook: &Webhook) -> Value {
    // clients know MLflow's kinds alone
    let known = hook.events.iter().filter(|kind| MLFLOW_KINDS.contains(&kind.as_str())).filter_map(|kind| kind.split_once('.'));
    let events = known.map(|(entity, action)| json!({ "entity": entity.to_ascii_uppercase(), "action": action.to_ascii_uppercase() }));
    json!({
        "webhook_id": hook.webhook_id,
        "name": hook.name,
        "description": hook.description,
        "url": hook.url,
        "events": events.collect::<Vec<_>>(),
        "status": hook.status.as_str(),
        "creation_timestamp": hook.created_at.0,
        "last_updated_timestamp": hook.updated_at.0,
    })
}

fn one(hook: &Webhook) -> Response {
    Json(json!({ "webhook": wire(hook) })).into_response()
}

/// Reads a word of a list by its name or its number.
fn word<'a>(name: &str, value: Option<&Value>, known: &[&'a str]) -> Result<&'a str, Refusal> {
    let found = match value {
        Some(Value::String(text)) => known.iter().find(|known| *known == text),
        Some(number) => number.as_u64().and_then(|number| known.get(usize::try_from(number).ok()?)),
        None => None,
    };
    found.copied().filter(|word| !word.is_empty()).ok_or_else(|| mistyped(name, value.unwrap_or(&Value::Null)))
}

fn kind(event: &Value) -> Result<String, Refusal> {
    let entity = word("event.entity", event.get("entity"), &ENTITIES)?.to_ascii_lowercase();
    let action = word("event.action", event.get("action"), &ACTIONS)?.to_ascii_lowercase();
    let kind = format!("{entity}.{action}");
    match MLFLOW_KINDS.contains(&kind.as_str()) {
        true => Ok(kind),
        false => Err(Refusal::invalid(format!("Invalid action '{action}' for entity '{entity}'."))),
    }
}

fn kinds(fields: &Fields) -> Result<Option<Vec<String>>, Refusal> {
    match fields.value("events") {
        None => Ok(None),
        Some(Value::Array(events)) => events.iter().map(kind).collect::<Result<_, _>>().map(Some),
        Some(other) => Err(mistyped("events", other)),
    }
}

fn change(fields: &Fields) -> Result<WebhookChange, Refusal> {
    let text = |name: &str| Ok::<_, Refusal>(fields.text(name)?.map(str::to_owned));
    let status = fields.value("status").map(|value| word("status", Some(value), &STATUSES)).transpose()?;
    Ok(WebhookChange {
        name: text("name")?.filter(|name| !name.is_empty()),
        description: text("description")?,
        url: text("url")?.filter(|url| !url.is_empty()),
        events: kinds(fields)?.filter(|kinds| !kinds.is_empty()),
        secret: text("secret")?,
        status: status.and_then(WebhookStatus::parse),
    })
}

pub(super) async fn create(State(app): State<App>, caller: Caller, fields: Fields) -> Result<Response, Refusal> {
    fields.required("name")?;
    fields.required("url")?;
    let new = change(&fields)?;
    if new.events.is_none() {
        return Err(missing("events"));
    }
    Ok(one(&app.webhooks().create(&caller, new).await?))
}

pub(super) async fn list(State(app): State<App>, caller: Caller, fields: Fields) -> Result<Response, Refusal> {
    let size = match fields.integer("max_results")? {
        None | Some(0) => None,
        Some(size) => {
            let fits = u32::try_from(size).ok().filter(|size| (1..=1000).contains(size));
            Some(fits.ok_or_else(|| Refusal::invalid("max_results must be between 1 and 1000."))?)
        }
    };
    let page = PageRequest::parse(size, fields.text("page_token")?).map_err(Error::from)?;
    let found = app.webhooks().list(&caller, &page).await?;
    let mut answer = json!({ "webhooks": found.items.iter().map(wire).collect::<Vec<_>>() });
    if let Some(token) = found.next_page_token {
        answer["next_page_token"] = json!(token);
    }
    Ok(Json(answer).into_response())
}

pub(super) async fn get(State(app): State<App>, caller: Caller, Path(id): Path<String>) -> Result<Response, Refusal> {
    Ok(one(&app.webhooks().get(&caller, &id).await?))
}

pub(super) async fn update(State(app): State<App>, caller: Caller, Path(id): Path<String>, fields: Fields) -> Result<Response, Refusal> {
    Ok(one(&app.webhooks().update(&caller, &id, change(&fields)?).await?))
}

pub(super) async fn delete(State(app): State<App>, caller: Caller, Path(id): Path<String>) -> Result<Response, Refusal> {
    app.webhooks().delete(&caller, &id).await?;
    Ok(nothing())
}

pub(super) async fn test(State(app): State<App>, caller: Caller, Path(id): Path<String>, fields: Fields) -> Result<Response, Refusal> {
    let kind = fields.value("event").map(kind).transpose()?;
    let answered = app.webhooks().test(&caller, &id, kind.as_deref()).await?;
    let mut result = json!({ "success": answered.status.is_some_and(|status| status < 400) });
    match (answered.status, answered.error) {
        (Some(status), _) => {
            result["response_status"] = json!(status);
            result["response_body"] = json!(answered.body);
        }
        (None, error) => result["error_message"] = json!(format!("Failed to test webhook: {}", error.unwrap_or_default())),
    }
    Ok(Json(json!({ "result": result })).into_response())
}
