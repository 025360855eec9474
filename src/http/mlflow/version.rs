//! Versions of registered models.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::artifact::hand_out;
use super::model::{request, tag};
use super::refusal::Refusal;
use super::request::Fields;
use super::wire::nothing;
use super::wire_model::{WireVersion, WireVersions};
use crate::domain::identity::Caller;
use crate::domain::model::ModelVersion;
use crate::service::{App, NewTrackedVersion};

/// Size of a page of versions when none is asked for.
const DEFAULT_VERSIONS: i64 = 200_000;

/// Answers with a version.
pub(super) fn one(version: &ModelVersion) -> Response {
    Json(json!({ "model_version": WireVersion::from(version) })).into_response()
}

fn named(fields: &Fields) -> Result<(&str, &str), Refusal> {
    Ok((fields.required("name")?, fields.required("version")?))
}

pub(super) async fn create(State(app): State<App>, caller: Caller, fields: Fields) -> Result<Response, Refusal> {
    let text = |name: &str| Ok::<_, Refusal>(fields.text(name)?.unwrap_or_default().to_owned());
    let new = NewTrackedVersion {
        model: fields.required("name")?.to_owned(),
        source: fields.required("source")?.to_owned(),
        run_id: fields.text("run_id")?.map(str::to_owned),
        logged_model_id: fields.text("model_id")?.filter(|id| !id.is_empty()).map(str::to_owned),
        run_link: text("run_link")?,
        description: text("description")?,
        tags: fields.pairs("tags")?,
    };
    Ok(one(&app.registry().create_version(&caller, &new).await?))
}

pub(super) async fn get(State(app): State<App>, caller: Caller, fields: Fields) -> Result<Response, Refusal> {
    let (name, version) = named(&fields)?;
    Ok(one(&app.registry().get_version(&caller, name, version).await?))
}

pub(super) async fn update(State(app): State<App>, caller: Caller, fields: Fields) -> Result<Response, Refusal> {
    let (name, version) = named(&fields)?;
    let description = fields.text("description")?.unwrap_or_default();
    Ok(one(&app.registry().describe_version(&caller, name, version, description).await?))
}

pub(super) async fn delete(State(app): State<App>, caller: Caller, fields: Fields) -> Result<Response, Refusal> {
    let (name, version) = named(&fields)?;
    app.registry().delete_version(&caller, name, version).await?;
    Ok(nothing())
}

pub(super) async fn search(State(app): State<App>, caller: Caller, fields: Fields) -> Result<Response, Refusal> {
    let request = request(&fields, DEFAULT_VERSIONS)?;
    let (found, next_page_token) = app.registry().search_versions(&caller, &request).await?;
    Ok(Json(WireVersions { model_versions: found.iter().map(WireVersion::from).collect(), next_page_token }).into_response())
}

pub(super) async fn transition(State(app): State<App>, caller: Caller, fields: Fields) -> Result<Response, Refusal> {
    let (name, version) = named(&fields)?;
    let (stage, archive) = (fields.required("stage")?, fields.flag("archive_existing_versions")?);
    Ok(one(&app.registry().transition(&caller, name, version, stage, archive).await?))
}

pub(super) async fn download_uri(State(app): State<App>, caller: Caller, fields: Fields) -> Result<Response, Refusal> {
    let (name, version) = named(&fields)?;
    let uri = app.registry().download_uri(&caller, name, version).await?;
    Ok(Json(json!({ "artifact_uri": uri })).into_response())
}

pub(super) async fn download(State(app): State<App>, caller: Caller, fields: Fields) -> Result<Response, Refusal> {
    let (name, version) = named(&fields)?;
    let (file, stream) = app.registry().open_version_file(&caller, name, version, fields.required("path")?).await?;
    let size = stream.size();
    Ok(hand_out(&file, size, Body::from_stream(stream)))
}

pub(super) async fn set_tag(State(app): State<App>, caller: Caller, fields: Fields) -> Result<Response, Refusal> {
    let (name, version) = named(&fields)?;
    app.registry().set_tag(&caller, name, Some(version), &tag(&fields)?).await?;
    Ok(nothing())
}

pub(super) async fn delete_tag(State(app): State<App>, caller: Caller, fields: Fields) -> Result<Response, Refusal> {
    let (name, version) = named(&fields)?;
    app.registry().delete_tag(&caller, name, Some(version), fields.required("key")?).await?;
    Ok(nothing())
}
