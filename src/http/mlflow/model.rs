//! Registered models and their aliases.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::refusal::Refusal;
use super::request::Fields;
use super::version::one;
use super::wire::nothing;
use super::wire_model::{WireModel, WireModels, WireVersion, WireVersions};
use crate::domain::identity::Caller;
use crate::domain::registry::TrackedModel;
use crate::domain::tracking::Pair;
use crate::service::{App, RegistrySearch};

/// Size of a page of models when none is asked for.
const DEFAULT_MODELS: i64 = 100;

fn answer(model: &TrackedModel) -> Response {
    Json(json!({ "registered_model": WireModel::from(model) })).into_response()
}

pub(super) async fn create(State(app): State<App>, caller: Caller, fields: Fields) -> Result<Response, Refusal> {
    let description = fields.text("description")?.unwrap_or_default();
    let tags = fields.pairs("tags")?;
    Ok(answer(&app.registry().create_model(&caller, fields.required("name")?, description, &tags).await?))
}

pub(super) async fn get(State(app): State<App>, caller: Caller, fields: Fields) -> Result<Response, Refusal> {
    Ok(answer(&app.registry().get_model(&caller, fields.required("name")?).await?))
}

pub(super) async fn update(State(app): State<App>, caller: Caller, fields: Fields) -> Result<Response, Refusal> {
    let description = fields.text("description")?.unwrap_or_default();
    Ok(answer(&app.registry().describe_model(&caller, fields.required("name")?, description).await?))
}

pub(super) async fn rename(State(app): State<App>, caller: Caller, fields: Fields) -> Result<Response, Refusal> {
    let (name, new_name) = (fields.required("name")?, fields.required("new_name")?);
    Ok(answer(&app.registry().rename_model(&caller, name, new_name).await?))
}

pub(super) async fn delete(State(app): State<App>, caller: Caller, fields: Fields) -> Result<Response, Refusal> {
    app.registry().delete_model(&caller, fields.required("name")?).await?;
    Ok(nothing())
}

pub(super) async fn search(State(app): State<App>, caller: Caller, fields: Fields) -> Result<Response, Refusal> {
    let request = request(&fields, DEFAULT_MODELS)?;
    let (found, next_page_token) = app.registry().search_models(&caller, &request).await?;
    Ok(Json(WireModels { registered_models: found.iter().map(WireModel::from).collect(), next_page_token }).into_response())
}

/// Reads a search of the registry.
pub(super) fn request(fields: &Fields, default_size: i64) -> Result<RegistrySearch, Refusal> {
    Ok(RegistrySearch {
        filter: fields.text("filter")?.unwrap_or_default().to_owned(),
        order_by: fields.texts("order_by")?,
        max_results: fields.integer("max_results")?.unwrap_or(default_size),
        page_token: fields.text("page_token")?.unwrap_or_default().to_owned(),
    })
}

pub(super) async fn set_tag(State(app): State<App>, caller: Caller, fields: Fields) -> Result<Response, Refusal> {
    app.registry().set_tag(&caller, fields.required("name")?, None, &tag(&fields)?).await?;
    Ok(nothing())
}

/// Reads a tag.
pub(super) fn tag(fields: &Fields) -> Result<Pair, Refusal> {
    Ok(Pair { key: fields.required("key")?.to_owned(), value: fields.text("value")?.unwrap_or_default().to_owned() })
}

pub(super) async fn delete_tag(State(app): State<App>, caller: Caller, fields: Fields) -> Result<Response, Refusal> {
    app.registry().delete_tag(&caller, fields.required("name")?, None, fields.required("key")?).await?;
    Ok(nothing())
}

pub(super) async fn latest_versions(State(app): State<App>, caller: Caller, fields: Fields) -> Result<Response, Refusal> {
    let found = app.registry().latest_versions(&caller, fields.required("name")?, &fields.texts("stages")?).await?;
    Ok(Json(WireVersions { model_versions: found.iter().map(WireVersion::from).collect(), next_page_token: None }).into_response())
}

pub(super) async fn set_alias(State(app): State<App>, caller: Caller, fields: Fields) -> Result<Response, Refusal> {
    let (name, alias, version) = (fields.required("name")?, fields.required("alias")?, fields.required("version")?);
    app.registry().set_alias(&caller, name, alias, version).await?;
    Ok(nothing())
}

pub(super) async fn delete_alias(State(app): State<App>, caller: Caller, fields: Fields) -> Result<Response, Refusal> {
    app.registry().delete_alias(&caller, fields.required("name")?, fields.required("alias")?).await?;
    Ok(nothing())
}

pub(super) async fn get_by_alias(State(app): State<App>, caller: Caller, fields: Fields) -> Result<Response, Refusal> {
    let (name, alias) = (fields.required("name")?, fields.required("alias")?);
    Ok(one(&app.registry().get_version_by_alias(&caller, name, alias).await?))
}
