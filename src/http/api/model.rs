//! Registered models, their versions and aliases.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{PageQuery, Problem, ProblemSchema};
use crate::domain::identity::Caller;
use crate::domain::model::{Alias, AliasEvent, ModelVersion, ModelVersionState, RegisteredModel};
use crate::domain::page::Page;
use crate::domain::promotion::Gate;
use crate::domain::time::Timestamp;
use crate::error::Error;
use crate::http::extract::{Json, Path, Query};
use crate::service::{App, Promotion, Rollback, Target};

/// A model to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewModel {
    /// Its name.
    name: String,
    /// What it is for.
    #[serde(default)]
    description: String,
    /// What a version has to pass before it is promoted.
    #[serde(default)]
    gates: Vec<Gate>,
}

/// A change of a model; what is absent stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ModelChange {
    /// What it is for.
    description: Option<String>,
    /// What a version has to pass before it is promoted.
    gates: Option<Vec<Gate>>,
}

/// A version to be registered.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewVersion {
    /// The run that left the model.
    run_id: String,
    /// The model's folder among the run's files.
    #[serde(default = "model_folder")]
    path: String,
    /// What the version is.
    #[serde(default)]
    description: String,
}

fn model_folder() -> String {
    "model".to_owned()
}

/// A state that people may choose.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct StateChange {
    /// `READY`, `DEPRECATED`, `ARCHIVED` or `DELETED`.
    status: ModelVersionState,
}

/// A tag's value.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TagValue {
    /// At most 5000 bytes.
    value: String,
}

/// A promotion.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PromoteBody {
    /// The version.
    version: i64,
    /// Moves the alias only from this revision.
    expected_revision: Option<i64>,
    /// Why.
    #[serde(default)]
    reason: String,
    /// Moves the alias though gates fail; needs the role admin and a reason.
    #[serde(default)]
    override_gates: bool,
}

/// A rollback: to the version before, unless `to_version` or `to_time` says where.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RollbackBody {
    /// A version that the alias pointed at once.
    to_version: Option<i64>,
    /// To where the alias pointed at this time.
    to_time: Option<Timestamp>,
    /// Moves the alias only from this revision.
    expected_revision: Option<i64>,
    /// Why.
    #[serde(default)]
    reason: String,
}

/// How an alias is taken away.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct DeleteQuery {
    /// Only at this revision.
    expected_revision: Option<i64>,
    /// Why.
    reason: Option<String>,
}

/// A moment.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct TimeQuery {
    /// RFC 3339.
    #[param(value_type = String, format = DateTime)]
    time: Timestamp,
}

/// Makes a model.
#[utoipa::path(post, path = "/api/v1/models", tag = "models", request_body = NewModel, responses(
    (status = 201, body = RegisteredModel), (status = "4XX", body = ProblemSchema, content_type = "application/problem+json")))]
pub(super) async fn create(State(app): State<App>, caller: Caller, Json(new): Json<NewModel>) -> Result<impl IntoResponse, Problem> {
    let model = app.models().create(&caller, &new.name, &new.description, &new.gates).await?;
    Ok((StatusCode::CREATED, axum::Json(model)))
}

/// Lists models by name.
#[utoipa::path(get, path = "/api/v1/models", tag = "models", params(PageQuery), responses(
    (status = 200, body = Page<RegisteredModel>), (status = "4XX", body = ProblemSchema, content_type = "application/problem+json")))]
pub(super) async fn list(State(app): State<App>, caller: Caller, Query(page): Query<PageQuery>) -> Result<impl IntoResponse, Problem> {
    Ok(axum::Json(app.models().list(&caller, &page.parse()?).await?))
}

/// Returns a model.
#[utoipa::path(get, path = "/api/v1/models/{name}", tag = "models", params(("name" = String, Path)), responses(
    (status = 200, body = RegisteredModel), (status = "4XX", body = ProblemSchema, content_type = "application/problem+json")))]
pub(super) async fn get(State(app): State<App>, caller: Caller, Path(name): Path<String>) -> Result<impl IntoResponse, Problem> {
    Ok(axum::Json(app.models().get(&caller, &name).await?))
}

/// Changes a model's description or gates.
#[utoipa::path(patch, path = "/api/v1/models/{name}", tag = "models", params(("name" = String, Path)), request_body = ModelChange, responses(
    (status = 200, body = RegisteredModel), (status = "4XX", body = ProblemSchema, content_type = "application/problem+json")))]
pub(super) async fn update(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
    Json(change): Json<ModelChange>,
) -> Result<impl IntoResponse, Problem> {
    Ok(axum::Json(app.models().update(&caller, &name, change.description.as_deref(), change.gates.as_deref()).await?))
}

/// Registers the model that a run left as a new version.
#[utoipa::path(post, path = "/api/v1/models/{name}/versions", tag = "models", params(("name" = String, Path)), request_body = NewVersion,
    responses((status = 201, body = ModelVersion), (status = "4XX", body = ProblemSchema, content_type = "application/problem+json")))]
pub(super) async fn register(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
    Json(new): Json<NewVersion>,
) -> Result<impl IntoResponse, Problem> {
    let version = app.models().register(&caller, &name, &new.run_id, &new.path, &new.description).await?;
    Ok((StatusCode::CREATED, axum::Json(version)))
}

/// Lists the versions of a model, newest first.
#[utoipa::path(get, path = "/api/v1/models/{name}/versions", tag = "models", params(("name" = String, Path), PageQuery), responses(
    (status = 200, body = Page<ModelVersion>), (status = "4XX", body = ProblemSchema, content_type = "application/problem+json")))]
pub(super) async fn list_versions(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
    Query(page): Query<PageQuery>,
) -> Result<impl IntoResponse, Problem> {
    Ok(axum::Json(app.models().list_versions(&caller, &name, &page.parse()?).await?))
}

/// Returns a version.
#[utoipa::path(get, path = "/api/v1/models/{name}/versions/{version}", tag = "models",
    params(("name" = String, Path), ("version" = i64, Path)), responses(
    (status = 200, body = ModelVersion), (status = "4XX", body = ProblemSchema, content_type = "application/problem+json")))]
pub(super) async fn get_version(
    State(app): State<App>,
    caller: Caller,
    Path((name, version)): Path<(String, i64)>,
) -> Result<impl IntoResponse, Problem> {
    Ok(axum::Json(app.models().get_version(&caller, &name, version).await?))
}

/// Deprecates, archives, deletes or restores a version. A quarantined one is verified before it is ready again.
#[utoipa::path(put, path = "/api/v1/models/{name}/versions/{version}/status", tag = "models",
    params(("name" = String, Path), ("version" = i64, Path)), request_body = StateChange, responses(
    (status = 200, body = ModelVersion), (status = "4XX", body = ProblemSchema, content_type = "application/problem+json")))]
pub(super) async fn set_status(
    State(app): State<App>,
    caller: Caller,
    Path((name, version)): Path<(String, i64)>,
    Json(change): Json<StateChange>,
) -> Result<impl IntoResponse, Problem> {
    Ok(axum::Json(app.models().set_state(&caller, &name, version, change.status).await?))
}

/// Sets a tag of a model.
#[utoipa::path(put, path = "/api/v1/models/{name}/tags/{key}", tag = "models", params(("name" = String, Path), ("key" = String, Path)),
    request_body = TagValue, responses((status = 204), (status = "4XX", body = ProblemSchema, content_type = "application/problem+json")))]
pub(super) async fn set_tag(
    State(app): State<App>,
    caller: Caller,
    Path((name, key)): Path<(String, String)>,
    Json(tag): Json<TagValue>,
) -> Result<impl IntoResponse, Problem> {
    app.models().set_tag(&caller, &name, None, &key, Some(&tag.value)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Removes a tag of a model.
#[utoipa::path(delete, path = "/api/v1/models/{name}/tags/{key}", tag = "models", params(("name" = String, Path), ("key" = String, Path)),
    responses((status = 204), (status = "4XX", body = ProblemSchema, content_type = "application/problem+json")))]
pub(super) async fn delete_tag(
    State(app): State<App>,
    caller: Caller,
    Path((name, key)): Path<(String, String)>,
) -> Result<impl IntoResponse, Problem> {
    app.models().set_tag(&caller, &name, None, &key, None).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Sets a tag of a version.
#[utoipa::path(put, path = "/api/v1/models/{name}/versions/{version}/tags/{key}", tag = "models",
    params(("name" = String, Path), ("version" = i64, Path), ("key" = String, Path)), request_body = TagValue,
    responses((status = 204), (status = "4XX", body = ProblemSchema, content_type = "application/problem+json")))]
pub(super) async fn set_version_tag(
    State(app): State<App>,
    caller: Caller,
    Path((name, version, key)): Path<(String, i64, String)>,
    Json(tag): Json<TagValue>,
) -> Result<impl IntoResponse, Problem> {
    app.models().set_tag(&caller, &name, Some(version), &key, Some(&tag.value)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Removes a tag of a version.
#[utoipa::path(delete, path = "/api/v1/models/{name}/versions/{version}/tags/{key}", tag = "models",
    params(("name" = String, Path), ("version" = i64, Path), ("key" = String, Path)),
    responses((status = 204), (status = "4XX", body = ProblemSchema, content_type = "application/problem+json")))]
pub(super) async fn delete_version_tag(
    State(app): State<App>,
    caller: Caller,
    Path((name, version, key)): Path<(String, i64, String)>,
) -> Result<impl IntoResponse, Problem> {
    app.models().set_tag(&caller, &name, Some(version), &key, None).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Promotes: points an alias at a version that passes the model's gates.
#[utoipa::path(post, path = "/api/v1/models/{name}/aliases/{alias}", tag = "models",
    params(("name" = String, Path), ("alias" = String, Path)), request_body = PromoteBody, responses(
    (status = 200, body = Alias), (status = "4XX", body = ProblemSchema, content_type = "application/problem+json")))]
pub(super) async fn promote(
    State(app): State<App>,
    caller: Caller,
    Path((name, alias)): Path<(String, String)>,
    Json(body): Json<PromoteBody>,
) -> Result<impl IntoResponse, Problem> {
    let PromoteBody { version, expected_revision, reason, override_gates } = body;
    let ask = Promotion { version, expected_revision, reason, override_gates };
    Ok(axum::Json(app.models().promote(&caller, &name, &alias, &ask).await?))
}

/// Rolls an alias back to a version of its history.
#[utoipa::path(post, path = "/api/v1/models/{name}/aliases/{alias}/rollback", tag = "models",
    params(("name" = String, Path), ("alias" = String, Path)), request_body = RollbackBody, responses(
    (status = 200, body = Alias), (status = "4XX", body = ProblemSchema, content_type = "application/problem+json")))]
pub(super) async fn rollback(
    State(app): State<App>,
    caller: Caller,
    Path((name, alias)): Path<(String, String)>,
    Json(body): Json<RollbackBody>,
) -> Result<impl IntoResponse, Problem> {
    let to = match (body.to_version, body.to_time) {
        (None, None) => Target::Previous,
        (Some(version), None) => Target::Version(version),
        (None, Some(time)) => Target::Time(time),
        (Some(_), Some(_)) => return Err(Error::invalid("ambiguous_target", "give to_version or to_time, not both").into()),
    };
    let ask = Rollback { to, expected_revision: body.expected_revision, reason: body.reason };
    Ok(axum::Json(app.models().rollback(&caller, &name, &alias, &ask).await?))
}

/// Returns an alias.
#[utoipa::path(get, path = "/api/v1/models/{name}/aliases/{alias}", tag = "models",
    params(("name" = String, Path), ("alias" = String, Path)), responses(
    (status = 200, body = Alias), (status = "4XX", body = ProblemSchema, content_type = "application/problem+json")))]
pub(super) async fn alias(
    State(app): State<App>,
    caller: Caller,
    Path((name, alias)): Path<(String, String)>,
) -> Result<impl IntoResponse, Problem> {
    Ok(axum::Json(app.models().alias(&caller, &name, &alias).await?))
}

/// Takes an alias away; its history stays.
#[utoipa::path(delete, path = "/api/v1/models/{name}/aliases/{alias}", tag = "models",
    params(("name" = String, Path), ("alias" = String, Path), DeleteQuery),
    responses((status = 204), (status = "4XX", body = ProblemSchema, content_type = "application/problem+json")))]
pub(super) async fn delete_alias(
    State(app): State<App>,
    caller: Caller,
    Path((name, alias)): Path<(String, String)>,
    Query(query): Query<DeleteQuery>,
) -> Result<impl IntoResponse, Problem> {
    let reason = query.reason.unwrap_or_default();
    app.models().delete_alias(&caller, &name, &alias, query.expected_revision, &reason).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lists the moves of an alias, newest first: who, when, why, from where, to where.
#[utoipa::path(get, path = "/api/v1/models/{name}/aliases/{alias}/history", tag = "models",
    params(("name" = String, Path), ("alias" = String, Path), PageQuery), responses(
    (status = 200, body = Page<AliasEvent>), (status = "4XX", body = ProblemSchema, content_type = "application/problem+json")))]
pub(super) async fn history(
    State(app): State<App>,
    caller: Caller,
    Path((name, alias)): Path<(String, String)>,
    Query(page): Query<PageQuery>,
) -> Result<impl IntoResponse, Problem> {
    Ok(axum::Json(app.models().history(&caller, &name, &alias, &page.parse()?).await?))
}

/// Returns the version that an alias pointed at at a time.
#[utoipa::path(get, path = "/api/v1/models/{name}/aliases/{alias}/at", tag = "models",
    params(("name" = String, Path), ("alias" = String, Path), TimeQuery), responses(
    (status = 200, body = ModelVersion), (status = "4XX", body = ProblemSchema, content_type = "application/problem+json")))]
pub(super) async fn version_at(
    State(app): State<App>,
    caller: Caller,
    Path((name, alias)): Path<(String, String)>,
    Query(query): Query<TimeQuery>,
) -> Result<impl IntoResponse, Problem> {
    Ok(axum::Json(app.models().version_at(&caller, &name, &alias, query.time).await?))
}

/// What servers say about the versions of a model.
#[derive(Serialize, ToSchema)]
pub(super) struct Replicas {
    /// One line per server and version.
    items: Vec<Replica>,
}

/// What a server says about a version.
#[derive(Serialize, ToSchema)]
pub(super) struct Replica {
    /// The server process.
    replica_id: String,
    /// Where it is reached.
    url: String,
    /// The version.
    version: i64,
    /// `AVAILABLE` or `FAILED`.
    state: String,
    /// What is wrong.
    message: String,
    /// Aliases that mean the version.
    aliases: Vec<String>,
}

/// Lists which server serves which version of a model.
#[utoipa::path(get, path = "/api/v1/models/{name}/replicas", tag = "models", params(("name" = String, Path)), responses(
    (status = 200, body = Replicas), (status = "4XX", body = ProblemSchema, content_type = "application/problem+json")))]
pub(super) async fn replicas(State(app): State<App>, caller: Caller, Path(name): Path<String>) -> Result<impl IntoResponse, Problem> {
    app.models().get(&caller, &name).await?;
    let line = |(replica_id, url, version, state, message, labels): (String, String, i64, String, String, String)| Replica {
        replica_id,
        url,
        version,
        state,
        message,
        aliases: labels.split(',').filter(|alias| !alias.is_empty()).map(str::to_owned).collect(),
    };
    Ok(axum::Json(Replicas { items: app.serving().replicas(&caller, &name).await?.into_iter().map(line).collect() }))
}
