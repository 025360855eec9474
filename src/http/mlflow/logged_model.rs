//! Logged models.

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::artifact::{FilePath, files, path_of};
use super::refusal::Refusal;
use super::request::{Fields, Message, missing, mistyped};
use super::wire::{WireLoggedModel, nothing};
use crate::domain::identity::Caller;
use crate::domain::logged_model::{LoggedModelStatus, ModelOutput};
use crate::domain::search::{DatasetFilter, OrderRequest};
use crate::service::{App, LoggedModelSearch, NewLoggedModel};

/// Size of a page when none is asked for.
const DEFAULT_PAGE: i64 = 50;

#[derive(Serialize)]
struct OneModel<'a> {
    model: WireLoggedModel<'a>,
}

#[derive(Serialize)]
struct Models<'a> {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    models: Vec<WireLoggedModel<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_page_token: Option<String>,
}

pub(super) async fn create(State(app): State<App>, caller: Caller, fields: Fields) -> Result<Response, Refusal> {
    let new = NewLoggedModel {
        experiment_id: fields.required("experiment_id")?.to_owned(),
        name: fields.text("name")?.filter(|name| !name.is_empty()).map(str::to_owned),
        model_type: fields.text("model_type")?.unwrap_or_default().to_owned(),
        source_run_id: fields.text("source_run_id")?.unwrap_or_default().to_owned(),
        params: fields.pairs("params")?,
        tags: fields.pairs("tags")?,
    };
    let model = app.tracking().create_logged_model(&caller, &new).await?;
    Ok(Json(OneModel { model: (&model).into() }).into_response())
}

pub(super) async fn get(State(app): State<App>, caller: Caller, id: FilePath, fields: Fields) -> Result<Response, Refusal> {
    let deleted_too = fields.text("allow_deleted")?.is_some_and(|text| text.eq_ignore_ascii_case("true"));
    let model = app.tracking().get_logged_model(&caller, &path_of(id)?, deleted_too).await?;
    Ok(Json(OneModel { model: (&model).into() }).into_response())
}

pub(super) async fn finalise(State(app): State<App>, caller: Caller, id: FilePath, fields: Fields) -> Result<Response, Refusal> {
    let status = status(&fields)?;
    let model = app.tracking().finalise_logged_model(&caller, &path_of(id)?, status).await?;
    Ok(Json(OneModel { model: (&model).into() }).into_response())
}

/// Reads a status by its name or its number.
fn status(fields: &Fields) -> Result<LoggedModelStatus, Refusal> {
    if let Ok(Some(number)) = fields.integer("status") {
        return match number {
            1 => Ok(LoggedModelStatus::Pending),
            2 => Ok(LoggedModelStatus::Ready),
            3 => Ok(LoggedModelStatus::Failed),
            _ => Err(Refusal::invalid(format!("Invalid model status: {number}"))),
        };
    }
    match fields.required("status")? {
        "LOGGED_MODEL_PENDING" => Ok(LoggedModelStatus::Pending),
        "LOGGED_MODEL_READY" => Ok(LoggedModelStatus::Ready),
        "LOGGED_MODEL_UPLOAD_FAILED" => Ok(LoggedModelStatus::Failed),
        other => Err(Refusal::invalid(format!("Invalid model status: {other:?}"))),
    }
}

pub(super) async fn delete(State(app): State<App>, caller: Caller, id: FilePath) -> Result<Response, Refusal> {
    app.tracking().delete_logged_model(&caller, &path_of(id)?).await?;
    Ok(nothing())
}

pub(super) async fn params(State(app): State<App>, caller: Caller, id: FilePath, fields: Fields) -> Result<Response, Refusal> {
    app.tracking().log_logged_model_params(&caller, &path_of(id)?, &fields.pairs("params")?).await?;
    Ok(nothing())
}

pub(super) async fn set_tags(State(app): State<App>, caller: Caller, id: FilePath, fields: Fields) -> Result<Response, Refusal> {
    app.tracking().set_logged_model_tags(&caller, &path_of(id)?, &fields.pairs("tags")?).await?;
    Ok(nothing())
}

pub(super) async fn delete_tag(
    State(app): State<App>,
    caller: Caller,
    path: Result<Path<(String, String)>, axum::extract::rejection::PathRejection>,
) -> Result<Response, Refusal> {
    let Path((id, key)) = path.map_err(|_| Refusal::invalid("Invalid path"))?;
    app.tracking().delete_logged_model_tag(&caller, &id, &key).await?;
    Ok(nothing())
}

pub(super) async fn search(State(app): State<App>, caller: Caller, fields: Fields) -> Result<Response, Refusal> {
    let experiments = fields.texts("experiment_ids")?;
    if experiments.is_empty() {
        return Err(missing("experiment_ids"));
    }
    let request = LoggedModelSearch {
        experiments,
        filter: fields.text("filter")?.unwrap_or_default().to_owned(),
        datasets: fields.messages("datasets")?.iter().map(dataset).collect::<Result<_, _>>()?,
        order_by: fields.messages("order_by")?.iter().map(column).collect::<Result<_, _>>()?,
        // MLflow takes 0 as "not given" here
        max_results: fields.integer("max_results")?.filter(|size| *size != 0).unwrap_or(DEFAULT_PAGE),
        page_token: fields.text("page_token")?.unwrap_or_default().to_owned(),
    };
    let (found, next_page_token) = app.tracking().search_logged_models(&caller, &request).await?;
    Ok(Json(Models { models: found.iter().map(WireLoggedModel::from).collect(), next_page_token }).into_response())
}

fn dataset(message: &Message<'_>) -> Result<DatasetFilter, Refusal> {
    Ok(DatasetFilter {
        name: message.text("dataset_name")?.unwrap_or_default(),
        digest: message.text("dataset_digest")?.filter(|digest| !digest.is_empty()),
    })
}

fn column(message: &Message<'_>) -> Result<OrderRequest, Refusal> {
    Ok(OrderRequest {
        field_name: message.required("field_name")?,
        ascending: message.flag("ascending")?.unwrap_or(true),
        dataset_name: message.text("dataset_name")?.filter(|name| !name.is_empty()),
        dataset_digest: message.text("dataset_digest")?.filter(|digest| !digest.is_empty()),
    })
}

pub(super) async fn list_files(State(app): State<App>, caller: Caller, id: FilePath, fields: Fields) -> Result<Response, Refusal> {
    let path = fields.text("artifact_directory_path")?.unwrap_or_default();
    let (root_uri, entries) = app.tracking().list_model_files(&caller, &path_of(id)?, path).await?;
    Ok(files(&root_uri, &entries))
}

pub(super) async fn outputs(State(app): State<App>, caller: Caller, fields: Fields) -> Result<Response, Refusal> {
    let messages = fields.messages("models")?;
    if messages.is_empty() {
        return Err(missing("models"));
    }
    let output = |message: &Message<'_>| -> Result<ModelOutput, Refusal> {
        Ok(ModelOutput { model_id: message.required("model_id")?, step: message.integer("step")?.unwrap_or(0) })
    };
    let outputs = messages.iter().map(output).collect::<Result<Vec<_>, _>>()?;
    app.tracking().log_outputs(&caller, fields.run_id()?, &outputs).await?;
    Ok(nothing())
}

/// Takes a model as clients before MLflow 3 log it.
pub(super) async fn record(State(app): State<App>, caller: Caller, fields: Fields) -> Result<Response, Refusal> {
    let (run_id, text) = (fields.run_id()?, fields.required("model_json")?);
    let model: Map<String, Value> = serde_json::from_str(text)
        .map_err(|_| Refusal::invalid(format!("Malformed model info. \n {} \n is not a valid JSON.", shown(text))))?;
    let missing: Vec<&str> =
        ["artifact_path", "flavors", "utc_time_created", "run_id"].into_iter().filter(|name| !model.contains_key(*name)).collect();
    if !missing.is_empty() {
        return Err(Refusal::invalid(format!("Model json is missing mandatory fields: {{'{}'}}", missing.join("', '"))));
    }
    if !model.get("flavors").is_some_and(Value::is_object) {
        return Err(mistyped("model_json.flavors", model.get("flavors").unwrap_or(&json!(null))));
    }
    app.tracking().record_model(&caller, run_id, &model).await?;
    Ok(nothing())
}

/// Cuts what is shown of a text.
fn shown(text: &str) -> &str {
    text.char_indices().nth(500).map_or(text, |(end, _)| &text[..end])
}
