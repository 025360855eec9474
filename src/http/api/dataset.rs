//! Data sets.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::{PageQuery, Problem, ProblemSchema};
use crate::domain::dataset::{Dataset, DatasetVersion};
use crate::domain::identity::Caller;
use crate::domain::page::Page;
use crate::domain::schema::{ColumnType, Format, Schema};
use crate::error::Error;
use crate::http::extract::{Path, Query};
use crate::service::App;

/// How an upload is to be read.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct UploadQuery {
    /// `csv`, `jsonl` or `parquet`; taken from the content type when absent.
    format: Option<String>,
    /// Types of columns that should not be guessed: `name:type` pairs between commas, the types `boolean`, `long`, `double`,
    /// `string` and `datetime`.
    types: Option<String>,
}

/// Which part of a preview.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct PreviewQuery {
    /// 1 to 100 rows, 20 when absent.
    limit: Option<usize>,
}

/// The first rows of a version.
#[derive(Serialize, ToSchema)]
pub(super) struct Preview {
    /// The columns.
    schema: Schema,
    /// A list of values per row; missing ones are null, times RFC 3339.
    rows: Vec<Value>,
}

/// A profile per column.
#[derive(Serialize, ToSchema)]
pub(super) struct Profile {
    /// Count, missing and distinct values, moments and histogram or most frequent values of each column.
    #[schema(value_type = Vec<Object>)]
    columns: Vec<crate::service::ColumnProfile>,
}

/// Uploads a file as a new version. The body is the file itself, of any size. The same bytes again give the same version.
#[utoipa::path(post, path = "/api/v1/datasets/{name}/versions", tag = "data sets", params(("name" = String, Path), UploadQuery),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"), responses(
    (status = 201, body = DatasetVersion), (status = 200, body = DatasetVersion, description = "the version was there already"),
    (status = "4XX", body = ProblemSchema, content_type = "application/problem+json")))]
pub(super) async fn upload(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
    Query(query): Query<UploadQuery>,
    headers: HeaderMap,
    body: Body,
) -> Result<impl IntoResponse, Problem> {
    let format = format_of(&query, &headers)?;
    let types = types_of(query.types.as_deref().unwrap_or_default())?;
    let (version, new) = app.datasets().upload(&caller, &name, format, types, body.into_data_stream()).await?;
    Ok((if new { StatusCode::CREATED } else { StatusCode::OK }, axum::Json(version)))
}

fn format_of(query: &UploadQuery, headers: &HeaderMap) -> Result<Format, Error> {
    let named = match &query.format {
        Some(name) => Format::parse(name),
        None => headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).and_then(Format::of_media_type),
    };
    named.ok_or_else(|| Error::invalid("unknown_format", "say how the file is written: format=csv, jsonl or parquet, or a content type"))
}

fn types_of(text: &str) -> Result<crate::service::Overrides, Error> {
    let bad = |pair: &str| Error::invalid("invalid_types", format!("{pair:?} is not of the form name:type with a known type"));
    let pairs = text.split(',').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, kind) = pair.rsplit_once(':').ok_or_else(|| bad(pair))?;
            Ok((name.to_owned(), ColumnType::parse(kind).ok_or_else(|| bad(pair))?))
        })
        .collect()
}

/// Lists data sets by name.
#[utoipa::path(get, path = "/api/v1/datasets", tag = "data sets", params(PageQuery), responses(
    (status = 200, body = Page<Dataset>), (status = "4XX", body = ProblemSchema, content_type = "application/problem+json")))]
pub(super) async fn list(State(app): State<App>, caller: Caller, Query(page): Query<PageQuery>) -> Result<impl IntoResponse, Problem> {
    Ok(axum::Json(app.datasets().list(&caller, &page.parse()?).await?))
}

/// Returns a data set.
#[utoipa::path(get, path = "/api/v1/datasets/{name}", tag = "data sets", params(("name" = String, Path)), responses(
    (status = 200, body = Dataset), (status = "4XX", body = ProblemSchema, content_type = "application/problem+json")))]
pub(super) async fn get(State(app): State<App>, caller: Caller, Path(name): Path<String>) -> Result<impl IntoResponse, Problem> {
    Ok(axum::Json(app.datasets().get(&caller, &name).await?))
}

/// Lists the versions of a data set, newest first.
#[utoipa::path(get, path = "/api/v1/datasets/{name}/versions", tag = "data sets", params(("name" = String, Path), PageQuery), responses(
    (status = 200, body = Page<DatasetVersion>), (status = "4XX", body = ProblemSchema, content_type = "application/problem+json")))]
pub(super) async fn list_versions(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
    Query(page): Query<PageQuery>,
) -> Result<impl IntoResponse, Problem> {
    Ok(axum::Json(app.datasets().list_versions(&caller, &name, &page.parse()?).await?))
}

/// Returns a version.
#[utoipa::path(get, path = "/api/v1/datasets/{name}/versions/{version}", tag = "data sets",
    params(("name" = String, Path), ("version" = i64, Path)), responses(
    (status = 200, body = DatasetVersion), (status = "4XX", body = ProblemSchema, content_type = "application/problem+json")))]
pub(super) async fn get_version(
    State(app): State<App>,
    caller: Caller,
    Path((name, version)): Path<(String, i64)>,
) -> Result<impl IntoResponse, Problem> {
    Ok(axum::Json(app.datasets().get_version(&caller, &name, version).await?))
}

/// Returns the columns of a version.
#[utoipa::path(get, path = "/api/v1/datasets/{name}/versions/{version}/schema", tag = "data sets",
    params(("name" = String, Path), ("version" = i64, Path)), responses(
    (status = 200, body = Schema), (status = "4XX", body = ProblemSchema, content_type = "application/problem+json")))]
pub(super) async fn schema(
    State(app): State<App>,
    caller: Caller,
    Path((name, version)): Path<(String, i64)>,
) -> Result<impl IntoResponse, Problem> {
    Ok(axum::Json(app.datasets().schema(&caller, &name, version).await?))
}

/// Returns the profile of a version's columns: what drift is later measured against.
#[utoipa::path(get, path = "/api/v1/datasets/{name}/versions/{version}/profile", tag = "data sets",
    params(("name" = String, Path), ("version" = i64, Path)), responses(
    (status = 200, body = Profile), (status = "4XX", body = ProblemSchema, content_type = "application/problem+json")))]
pub(super) async fn profile(
    State(app): State<App>,
    caller: Caller,
    Path((name, version)): Path<(String, i64)>,
) -> Result<impl IntoResponse, Problem> {
    Ok(axum::Json(Profile { columns: app.datasets().profile(&caller, &name, version).await? }))
}

/// Returns the first rows of a version.
#[utoipa::path(get, path = "/api/v1/datasets/{name}/versions/{version}/preview", tag = "data sets",
    params(("name" = String, Path), ("version" = i64, Path), PreviewQuery), responses(
    (status = 200, body = Preview), (status = "4XX", body = ProblemSchema, content_type = "application/problem+json")))]
pub(super) async fn preview(
    State(app): State<App>,
    caller: Caller,
    Path((name, version)): Path<(String, i64)>,
    Query(query): Query<PreviewQuery>,
) -> Result<impl IntoResponse, Problem> {
    let limit = query.limit.unwrap_or(20);
    if !(1..=100).contains(&limit) {
        return Err(Error::invalid("invalid_limit", "limit must be 1 to 100").into());
    }
    let (schema, rows) = app.datasets().preview(&caller, &name, version, limit).await?;
    Ok(axum::Json(Preview { schema, rows }))
}

/// Downloads the file as it was uploaded. Its bytes are verified on the way: where they are damaged the transfer breaks off.
#[utoipa::path(get, path = "/api/v1/datasets/{name}/versions/{version}/content", tag = "data sets",
    params(("name" = String, Path), ("version" = i64, Path)), responses(
    (status = 200, body = Vec<u8>, content_type = "application/octet-stream"),
    (status = "4XX", body = ProblemSchema, content_type = "application/problem+json")))]
pub(super) async fn content(
    State(app): State<App>,
    caller: Caller,
    Path((name, version)): Path<(String, i64)>,
) -> Result<Response, Problem> {
    let (version, stream) = app.datasets().content(&caller, &name, version).await?;
    let headers = [
        (header::CONTENT_TYPE, version.format.media_type().to_owned()),
        (header::CONTENT_LENGTH, stream.size().to_string()),
        (header::CONTENT_DISPOSITION, disposition(&version)),
        (header::ETAG, format!("\"{}\"", version.digest.unwrap_or_default())),
    ];
    Ok((headers, Body::from_stream(stream)).into_response())
}

/// Names the file after data set and version. Names may hold any letters, so the name proper is spelled by RFC 8187.
fn disposition(version: &DatasetVersion) -> String {
    let number = version.version.unwrap_or_default();
    let name = version.dataset.bytes().fold(String::new(), |mut name, byte| {
        match byte {
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'-' | b'.' | b'_' => name.push(char::from(byte)),
            _ => name.push_str(&format!("%{byte:02X}")),
        }
        name
    });
    format!("attachment; filename*=UTF-8''{name}-v{number}.{}", version.format.as_str())
}

/// Puts a version aside: it can't be trained on until it is restored.
#[utoipa::path(post, path = "/api/v1/datasets/{name}/versions/{version}/archive", tag = "data sets",
    params(("name" = String, Path), ("version" = i64, Path)), responses(
    (status = 200, body = DatasetVersion), (status = "4XX", body = ProblemSchema, content_type = "application/problem+json")))]
pub(super) async fn archive(
    State(app): State<App>,
    caller: Caller,
    Path((name, version)): Path<(String, i64)>,
) -> Result<impl IntoResponse, Problem> {
    Ok(axum::Json(app.datasets().archive(&caller, &name, version).await?))
}

/// Makes an archived version usable again, or a quarantined one after its bytes were read and found right.
#[utoipa::path(post, path = "/api/v1/datasets/{name}/versions/{version}/restore", tag = "data sets",
    params(("name" = String, Path), ("version" = i64, Path)), responses(
    (status = 200, body = DatasetVersion), (status = "4XX", body = ProblemSchema, content_type = "application/problem+json")))]
pub(super) async fn restore(
    State(app): State<App>,
    caller: Caller,
    Path((name, version)): Path<(String, i64)>,
) -> Result<impl IntoResponse, Problem> {
    Ok(axum::Json(app.datasets().restore(&caller, &name, version).await?))
}
