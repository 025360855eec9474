//! Registered models and their versions as MLflow writes them.

use serde::Serialize;

use super::wire::{WirePair, pairs_of};
use crate::domain::model::{ModelVersion, ModelVersionState};
use crate::domain::registry::TrackedModel;

/// A version.
#[derive(Serialize)]
pub(super) struct WireVersion<'a> {
    name: &'a str,
    version: String,
    creation_timestamp: i64,
    last_updated_timestamp: i64,
    #[serde(skip_serializing_if = "str::is_empty")]
    user_id: &'a str,
    current_stage: &'static str,
    description: &'a str,
    source: &'a str,
    run_id: &'a str,
    status: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    status_message: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<WirePair<'a>>,
    run_link: &'a str,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    aliases: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    model_id: Option<&'a str>,
}

impl<'a> From<&'a ModelVersion> for WireVersion<'a> {
    fn from(version: &'a ModelVersion) -> Self {
        let (status, status_message) = status(version);
        Self {
            name: &version.name,
            version: version.version.to_string(),
            creation_timestamp: version.created_at.0,
            last_updated_timestamp: version.updated_at.0,
            user_id: &version.created_by,
            current_stage: version.stage.as_str(),
            description: &version.description,
            source: &version.source,
            run_id: version.run_id.as_deref().unwrap_or_default(),
            status,
            status_message,
            tags: pairs_of(&version.tags),
            run_link: &version.run_link,
            aliases: &version.aliases,
            model_id: version.logged_model_id.as_deref(),
        }
    }
}

/// Says where a version stands in MLflow's words, which are fewer.
fn status(version: &ModelVersion) -> (&'static str, String) {
    let told = match version.status {
        ModelVersionState::Ready => return ("READY", version.status_message.clone()),
        ModelVersionState::PendingRegistration => "PENDING_REGISTRATION",
        ModelVersionState::FailedRegistration | ModelVersionState::Quarantined => "FAILED_REGISTRATION",
        ModelVersionState::Deprecated | ModelVersionState::Archived | ModelVersionState::Deleted => "READY",
    };
    let message = [version.status.as_str(), &version.status_message].into_iter().filter(|part| !part.is_empty());
    (told, message.collect::<Vec<_>>().join(": "))
}

#[derive(Serialize)]
struct WireAlias<'a> {
    alias: &'a str,
    version: String,
}

/// A registered model.
#[derive(Serialize)]
pub(super) struct WireModel<'a> {
    name: &'a str,
    creation_timestamp: i64,
    last_updated_timestamp: i64,
    #[serde(skip_serializing_if = "str::is_empty")]
    user_id: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    description: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    latest_versions: Vec<WireVersion<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<WirePair<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    aliases: Vec<WireAlias<'a>>,
}

impl<'a> From<&'a TrackedModel> for WireModel<'a> {
    fn from(tracked: &'a TrackedModel) -> Self {
        let model = &tracked.model;
        let alias = |(alias, version): (&'a String, &i64)| WireAlias { alias, version: version.to_string() };
        Self {
            name: &model.name,
            creation_timestamp: model.created_at.0,
            last_updated_timestamp: model.updated_at.0,
            user_id: &model.created_by,
            description: &model.description,
            latest_versions: tracked.latest.iter().map(WireVersion::from).collect(),
            tags: pairs_of(&model.tags),
            aliases: model.aliases.iter().map(alias).collect(),
        }
    }
}

/// A page of models.
#[derive(Serialize)]
pub(super) struct WireModels<'a> {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) registered_models: Vec<WireModel<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next_page_token: Option<String>,
}

/// A page of versions.
#[derive(Serialize)]
pub(super) struct WireVersions<'a> {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) model_versions: Vec<WireVersion<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next_page_token: Option<String>,
}
