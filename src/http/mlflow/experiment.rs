//! Experiments.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::refusal::Refusal;
use super::request::Fields;
use super::wire::{WireExperiment, nothing};
use crate::domain::identity::Caller;
use crate::domain::tracking::Pair;
use crate::service::App;

pub(super) async fn create(State(app): State<App>, caller: Caller, fields: Fields) -> Result<Response, Refusal> {
    let (name, tags) = (fields.required("name")?, fields.pairs("tags")?);
    let location = fields.text("artifact_location")?.unwrap_or_default();
    let id = app.tracking().create_experiment(&caller, name, location, &tags).await?;
    Ok(Json(json!({ "experiment_id": id })).into_response())
}

pub(super) async fn get(State(app): State<App>, caller: Caller, fields: Fields) -> Result<Response, Refusal> {
    let experiment = app.tracking().get_experiment(&caller, fields.required("experiment_id")?).await?;
    Ok(Json(json!({ "experiment": WireExperiment::from(&experiment) })).into_response())
}

pub(super) async fn get_by_name(State(app): State<App>, caller: Caller, fields: Fields) -> Result<Response, Refusal> {
    let experiment = app.tracking().get_experiment_by_name(&caller, fields.required("experiment_name")?).await?;
    Ok(Json(json!({ "experiment": WireExperiment::from(&experiment) })).into_response())
}

pub(super) async fn update(State(app): State<App>, caller: Caller, fields: Fields) -> Result<Response, Refusal> {
    let (id, name) = (fields.required("experiment_id")?, fields.required("new_name")?);
    app.tracking().rename_experiment(&caller, id, name).await?;
    Ok(nothing())
}

pub(super) async fn delete(State(app): State<App>, caller: Caller, fields: Fields) -> Result<Response, Refusal> {
    app.tracking().delete_experiment(&caller, fields.required("experiment_id")?).await?;
    Ok(nothing())
}

pub(super) async fn restore(State(app): State<App>, caller: Caller, fields: Fields) -> Result<Response, Refusal> {
    app.tracking().restore_experiment(&caller, fields.required("experiment_id")?).await?;
    Ok(nothing())
}

pub(super) async fn set_tag(State(app): State<App>, caller: Caller, fields: Fields) -> Result<Response, Refusal> {
    let value = fields.text("value")?.unwrap_or_default().to_owned();
    let tag = Pair { key: fields.required("key")?.to_owned(), value };
    app.tracking().set_experiment_tag(&caller, fields.required("experiment_id")?, &tag).await?;
    Ok(nothing())
}

pub(super) async fn delete_tag(State(app): State<App>, caller: Caller, fields: Fields) -> Result<Response, Refusal> {
    let (id, key) = (fields.required("experiment_id")?, fields.required("key")?);
    app.tracking().delete_experiment_tag(&caller, id, key).await?;
    Ok(nothing())
}
