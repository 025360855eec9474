//! Transfers that go past this server: multipart uploads and downloads at signed addresses of the object store.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::artifact::{FilePath, path_of};
use super::refusal::Refusal;
use super::request::{Fields, missing};
use super::wire::nothing;
use crate::domain::identity::Caller;
use crate::service::App;

/// Says that the store is out of clients' reach. They know this sentence, and send the file here instead.
fn unsupported(what: &str) -> Refusal {
    let message = format!("{what} is not supported for the current artifact repository");
    Refusal::of(StatusCode::NOT_IMPLEMENTED, "NOT_IMPLEMENTED", message)
}

/// Returns the path of a file from that of its folder, in the address, and its path at the client's, in the body.
fn file_path(folder: FilePath, fields: &Fields) -> Result<String, Refusal> {
    let name = fields.required("path")?.rsplit(['/', '\\']).next().unwrap_or_default();
    match name {
        "" | "." | ".." => Err(Refusal::invalid("Invalid path")),
        name => Ok(format!("{}/{name}", path_of(folder)?.trim_end_matches('/'))),
    }
}

pub(super) async fn create(State(app): State<App>, caller: Caller, folder: FilePath, fields: Fields) -> Result<Response, Refusal> {
    let path = file_path(folder, &fields)?;
    let parts = fields.integer("num_parts")?.unwrap_or(1);
    let Some(begun) = app.tracking().begin_upload(&caller, &path, parts).await? else { return Err(unsupported("Multipart upload")) };
    let credentials: Vec<Value> = (1..).zip(&begun.addresses).map(|(number, url)| json!({ "url": url, "part_number": number })).collect();
    Ok(Json(json!({ "upload_id": begun.upload_id, "credentials": credentials })).into_response())
}

pub(super) async fn complete(State(app): State<App>, caller: Caller, folder: FilePath, fields: Fields) -> Result<Response, Refusal> {
    let path = file_path(folder, &fields)?;
    let part = |part: &super::request::Message<'_>| part.integer("part_number")?.ok_or_else(|| missing(&part.path("part_number")));
    let numbers = fields.messages("parts")?.iter().map(part).collect::<Result<Vec<_>, _>>()?;
    app.tracking().complete_upload(&caller, &path, fields.required("upload_id")?, &numbers).await?;
    Ok(nothing())
}

pub(super) async fn abort(State(app): State<App>, caller: Caller, folder: FilePath, fields: Fields) -> Result<Response, Refusal> {
    app.tracking().abort_upload(&caller, &file_path(folder, &fields)?, fields.required("upload_id")?).await?;
    Ok(nothing())
}

pub(super) async fn sign_download(State(app): State<App>, caller: Caller, path: FilePath) -> Result<Response, Refusal> {
    let signed = app.tracking().sign_download(&caller, &path_of(path)?).await?;
    let signed = signed.ok_or_else(|| unsupported("Multipart download"))?;
    Ok(Json(json!({ "url": signed.address, "headers": {}, "file_size": signed.size_bytes })).into_response())
}

/// Refuses to sign an upload of a file of a run or a logged model: all of these keep their files behind this server, which has to
/// have seen the bytes before it names them.
pub(super) async fn sign_upload_of(State(app): State<App>, caller: Caller, fields: Fields) -> Result<Response, Refusal> {
    let given = |name: &str| -> Result<Option<String>, Refusal> { Ok(fields.text(name)?.filter(|id| !id.is_empty()).map(str::to_owned)) };
    fields.required("path")?;
    let uri = match (given("run_id")?, given("model_id")?) {
        (Some(run), None) => app.tracking().get_run(&caller, &run).await?.info.artifact_uri,
        (None, Some(model)) => app.tracking().get_logged_model(&caller, &model, false).await?.artifact_uri,
        _ => return Err(Refusal::invalid("Exactly one of run_id and model_id must be provided.")),
    };
    Err(proxied("Presigned upload is not supported for proxied artifact storage", &uri))
}

/// Refuses to sign a download of a file of a run, as MLflow does where the files are behind the server.
pub(super) async fn sign_download_of(State(app): State<App>, caller: Caller, fields: Fields) -> Result<Response, Refusal> {
    let run_id = fields.required("run_id")?;
    fields.required("path")?;
    let seconds = fields.integer("expiration")?.unwrap_or(900);
    if !(1..=604_800).contains(&seconds) {
        return Err(Refusal::invalid(format!("expiration must be between 1 and 604800 seconds (got {seconds}).")));
    }
    let uri = app.tracking().get_run(&caller, run_id).await?.info.artifact_uri;
    Err(proxied("Presigned download is not supported for runs with proxied artifact storage", &uri))
}

fn proxied(what: &str, uri: &str) -> Refusal {
    let scheme = uri.split(':').next().unwrap_or_default();
    Refusal::invalid(format!("{what} (artifact URI scheme: {scheme}). This endpoint requires a direct cloud storage artifact URI."))
}
