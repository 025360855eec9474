//! The artifact proxy: files behind `mlflow-artifacts:/…`, and those of a run or a logged model by its id.

use std::convert::Infallible;

use axum::Json;
use axum::body::{Body, to_bytes};
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use futures::stream;
use serde_json::{Value, json};

use super::refusal::Refusal;
use super::request::Fields;
use super::wire::nothing;
use crate::domain::artifact::Artifact;
use crate::domain::identity::Caller;
use crate::service::{App, Entry};

const UNKNOWN_TYPE: &str = "application/octet-stream";
/// Largest file that a page may send.
const MAX_PAGE_UPLOAD: usize = 10 << 20;

pub(super) type FilePath = Result<Path<String>, PathRejection>;

pub(super) fn path_of(path: FilePath) -> Result<String, Refusal> {
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
    let media_type = given.filter(|text| !text.is_empty() && text.len() <= 200).unwrap_or(UNKNOWN_TYPE);
    app.tracking().upload_file(&caller, &path_of(path)?, media_type, body.into_data_stream()).await?;
    Ok(nothing())
}

pub(super) async fn download(State(app): State<App>, caller: Caller, path: FilePath) -> Result<Response, Refusal> {
    let path = path_of(path)?;
    let (file, stream) = match app.registry().open_at(&caller, &path).await? {
        Some(found) => found,
        None => app.tracking().open_file(&caller, &path).await?,
    };
    let size = stream.size();
    Ok(hand_out(&file, size, Body::from_stream(stream)))
}

pub(super) async fn download_of_run(State(app): State<App>, caller: Caller, fields: Fields) -> Result<Response, Refusal> {
    let (file, stream) = app.tracking().open_run_file(&caller, fields.run_id()?, fields.required("path")?).await?;
    let size = stream.size();
    Ok(hand_out(&file, size, Body::from_stream(stream)))
}

pub(super) async fn download_of_model(State(app): State<App>, caller: Caller, id: FilePath, fields: Fields) -> Result<Response, Refusal> {
    let missing = || Refusal::bad_request("Request must include the \"artifact_file_path\" query parameter.");
    let path = fields.text("artifact_file_path")?.filter(|path| !path.is_empty()).ok_or_else(missing)?;
    let (file, stream) = app.tracking().open_model_file(&caller, &path_of(id)?, path).await?;
    let size = stream.size();
    Ok(hand_out(&file, size, Body::from_stream(stream)))
}

/// Takes a small file of a run in, as the pages of a browser send it.
pub(super) async fn upload_of_run(
    State(app): State<App>,
    caller: Caller,
    RawQuery(query): RawQuery,
    body: Body,
) -> Result<Response, Refusal> {
    let fields = Fields::of_query(query.as_deref().unwrap_or_default());
    let wanted = |name: &str| -> Result<String, Refusal> {
        let value = fields.text(name)?.filter(|value| !value.is_empty());
        value.map(str::to_owned).ok_or_else(|| Refusal::invalid(format!("Request must specify {name}.")))
    };
    let (run_id, path) = (wanted("run_uuid")?, wanted("path")?);
    let bytes = to_bytes(body, MAX_PAGE_UPLOAD).await.map_err(|_| Refusal::invalid("Artifact size is too large. Max size is 10MB."))?;
    if bytes.is_empty() {
        return Err(Refusal::invalid("Request must specify data."));
    }
    app.tracking().upload_run_file(&caller, &run_id, &path, UNKNOWN_TYPE, stream::iter([Ok::<_, Infallible>(bytes)])).await?;
    Ok(nothing())
}

/// Hands a file out as a download, which no browser takes for a page.
pub(super) fn hand_out(file: &Artifact, size: u64, body: Body) -> Response {
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
    let path = fields.text("path")?.unwrap_or_default();
    let entries = match app.registry().list_at(&caller, path).await? {
        Some(entries) => entries,
        None => app.tracking().list_files(&caller, path).await?,
    };
    let named: Vec<Value> = entries.iter().map(|entry| file(entry, entry.path.rsplit('/').next().unwrap_or_default())).collect();
    Ok(Json(if named.is_empty() { json!({}) } else { json!({ "files": named }) }).into_response())
}

/// Lists a folder of a run; the answer has paths within the run.
pub(super) async fn list_of_run(State(app): State<App>, caller: Caller, fields: Fields) -> Result<Response, Refusal> {
    let path = fields.text("path")?.unwrap_or_default();
    let (root_uri, entries) = app.tracking().list_run_files(&caller, fields.run_id()?, path).await?;
    Ok(files(&root_uri, &entries))
}

/// Answers with where files are, and their paths below.
pub(super) fn files(root_uri: &str, entries: &[Entry]) -> Response {
    let mut answer = json!({ "root_uri": root_uri });
    if !entries.is_empty() {
        answer["files"] = entries.iter().map(|entry| file(entry, &entry.path)).collect();
    }
    Json(answer).into_response()
}

fn file(entry: &Entry, shown: &str) -> Value {
    match entry.size_bytes {
        Some(size) => json!({ "path": shown, "is_dir": false, "file_size": size }),
        None => json!({ "path": shown, "is_dir": true }),
    }
}
