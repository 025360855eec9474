//! The artifact proxy: files behind `mlflow-artifacts:/…`, and those of a run by its id.

use axum::Json;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::refusal::Refusal;
use super::request::Fields;
use super::wire::nothing;
use crate::domain::artifact::Artifact;
use crate::domain::identity::Caller;
use crate::service::{App, Entry};

type FilePath = Result<Path<String>, PathRejection>;

fn path_of(path: FilePath) -> Result<String, Refusal> {
    path.map(|Path(path)| path).map_err(|_| Refusal::invalid("Invalid path"))
}

pub(super) async fn upload(
    State(app): State<App>,
    caller: Caller,
    path: FilePath,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media_type = given.filter(|text| !text.is_empty() && text.len() <= 200).unwrap_or("application/octet-stream");
    app.tracking().upload_file(&caller, &path_of(path)?, media_type, body.into_data_stream()).await?;
    Ok(nothing())
}

pub(super) async fn download(State(app): State<App>, caller: Caller, path: FilePath) -> Result<Response, Refusal> {
    let (file, stream) = app.tracking().open_file(&caller, &path_of(path)?).await?;
    let size = stream.size();
    Ok(hand_out(&file, size, Body::from_stream(stream)))
}

pub(super) async fn download_of_run(State(app): State<App>, caller: Caller, fields: Fields) -> Result<Response, Refusal> {
    let (file, stream) = app.tracking().open_run_file(&caller, fields.run_id()?, fields.required("path")?).await?;
    let size = stream.size();
    Ok(hand_out(&file, size, Body::from_stream(stream)))
}

/// Hands a file out as a download, which no browser takes for a page.
fn hand_out(file: &Artifact, size: u64, body: Body) -> Response {
    let name: String = file.path.rsplit('/').next().unwrap_or_default().chars().filter(|c| c.is_ascii_graphic() && *c != '"').collect();
    let headers = [
        (header::CONTENT_TYPE, file.media_type.clone()),
        (header::CONTENT_LENGTH, size.to_string()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
        (header::ETAG, format!("\"{}\"", file.digest)),
    ];
    (headers, body).into_response()
}

pub(super) async fn delete(State(app): State<App>, caller: Caller, path: FilePath) -> Result<Response, Refusal> {
    app.tracking().delete_files(&caller, &path_of(path)?).await?;
    Ok(nothing())
}

/// Lists a folder by its path behind `mlflow-artifacts:/`; the answer has names alone.
pub(super) async fn list(State(app): State<App>, caller: Caller, fields: Fields) -> Result<Response, Refusal> {
    let entries = app.tracking().list_files(&caller, fields.text("path")?.unwrap_or_default()).await?;
    let named: Vec<Value> = entries.iter().map(|entry| file(entry, entry.path.rsplit('/').next().unwrap_or_default())).collect();
    Ok(Json(if named.is_empty() { json!({}) } else { json!({ "files": named }) }).into_response())
}

/// Lists a folder of a run; the answer has paths within the run.
pub(super) async fn list_of_run(State(app): State<App>, caller: Caller, fields: Fields) -> Result<Response, Refusal> {
    let path = fields.text("path")?.unwrap_or_default();
    let (root_uri, entries) = app.tracking().list_run_files(&caller, fields.run_id()?, path).await?;
    let mut answer = json!({ "root_uri": root_uri });
    if !entries.is_empty() {
        answer["files"] = entries.iter().map(|entry| file(entry, &entry.path)).collect();
    }
    Ok(Json(answer).into_response())
}

fn file(entry: &Entry, shown: &str) -> Value {
    match entry.size_bytes {
        Some(size) => json!({ "path": shown, "is_dir": false, "file_size": size }),
        None => json!({ "path": shown, "is_dir": true }),
    }
}
