//! Answers of MLflow's REST API about logged and registered models.

use serde::Deserialize;

use super::wire::{Whole, WirePair, pairs};
use crate::domain::logged_model::{LoggedModel, LoggedModelStatus, ModelPoint};
use crate::domain::model::ModelVersionState;
use crate::domain::moving::{MovedRegistered, MovedVersion};
use crate::domain::registry::ModelStage;
use crate::domain::run::{MetricPoint, Number};
use crate::domain::time::Timestamp;
use crate::domain::tracking::Stage;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Models {
    pub(super) models: Vec<WireModel>,
    pub(super) next_page_token: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct WireModel {
    info: WireInfo,
    data: WireData,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct WireInfo {
    model_id: String,
    experiment_id: String,
    name: String,
    creation_timestamp_ms: Whole,
    last_updated_timestamp_ms: Whole,
    artifact_uri: String,
    status: String,
    model_type: String,
    source_run_id: String,
    tags: Vec<WirePair>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct WireData {
    params: Vec<WirePair>,
    metrics: Vec<WirePoint>,
}

#[derive(Debug, Deserialize)]
struct WirePoint {
    key: String,
    #[serde(default)]
    value: Option<Number>,
    #[serde(default)]
    timestamp: Whole,
    #[serde(default)]
    step: Whole,
    #[serde(default)]
    run_id: String,
    #[serde(default)]
    dataset_name: String,
    #[serde(default)]
    dataset_digest: String,
}

impl WireModel {
    pub(super) fn moved(self) -> Result<LoggedModel, String> {
        let info = self.info;
        let status = info.status.trim_start_matches("LOGGED_MODEL_");
        let status = match status {
            "UPLOAD_FAILED" => Some(LoggedModelStatus::Failed),
            other => LoggedModelStatus::parse(other),
        };
        let point = |point: WirePoint| ModelPoint {
            model_id: info.model_id.clone(),
            run_id: point.run_id,
            dataset_name: point.dataset_name,
            dataset_digest: point.dataset_digest,
            point: MetricPoint {
                key: point.key,
                value: point.value.unwrap_or(Number(0.0)),
                timestamp: point.timestamp.0,
                step: point.step.0,
            },
        };
        Ok(LoggedModel {
            metrics: self.data.metrics.into_iter().map(point).collect(),
            status: status.ok_or_else(|| format!("logged model {}: unknown status {:?}", info.model_id, info.status))?,
            model_id: info.model_id,
            experiment_id: info.experiment_id,
            name: info.name,
            artifact_uri: info.artifact_uri,
            model_type: info.model_type,
            source_run_id: info.source_run_id,
            stage: Stage::Active,
            created_at: Timestamp(info.creation_timestamp_ms.0),
            updated_at: Timestamp(info.last_updated_timestamp_ms.0),
            params: pairs(self.data.params),
            tags: pairs(info.tags),
        })
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Registered {
    pub(super) registered_models: Vec<WireRegistered>,
    pub(super) next_page_token: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct WireRegistered {
    name: String,
    description: String,
    creation_timestamp: Whole,
    last_updated_timestamp: Whole,
    tags: Vec<WirePair>,
    aliases: Vec<WireAlias>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct WireAlias {
    alias: String,
    version: Whole,
}

impl WireRegistered {
    pub(super) fn moved(self) -> MovedRegistered {
        MovedRegistered {
            name: self.name,
            description: self.description,
            created_at: Timestamp(self.creation_timestamp.0),
            updated_at: Timestamp(self.last_updated_timestamp.0),
            tags: pairs(self.tags),
            aliases: self.aliases.into_iter().map(|pointer| (pointer.alias, pointer.version.0)).collect(),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Versions {
    pub(super) model_versions: Vec<WireVersion>,
    pub(super) next_page_token: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct WireVersion {
    name: String,
    version: Whole,
    description: String,
    user_id: String,
    current_stage: String,
    source: String,
    run_id: String,
    run_link: String,
    status: String,
    status_message: String,
    creation_timestamp: Whole,
    last_updated_timestamp: Whole,
    tags: Vec<WirePair>,
}

impl WireVersion {
    pub(super) fn moved(self) -> Result<MovedVersion, String> {
        let at = format!("version {} of {}", self.version.0, self.name);
        let stage = if self.current_stage.is_empty() { "None" } else { &self.current_stage };
        Ok(MovedVersion {
            version: self.version.0,
            stage: ModelStage::parse(stage).ok_or_else(|| format!("{at}: unknown stage {stage:?}"))?,
            state: ModelVersionState::parse(&self.status).ok_or_else(|| format!("{at}: unknown status {:?}", self.status))?,
            description: self.description,
            user: self.user_id,
            source: self.source,
            run_id: self.run_id,
            run_link: self.run_link,
            state_message: self.status_message,
            created_at: Timestamp(self.creation_timestamp.0),
            updated_at: Timestamp(self.last_updated_timestamp.0),
            tags: pairs(self.tags),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_come_with_and_without_their_prefix() {
        let status = |text: &str| {
            let model: WireModel = serde_json::from_value(serde_json::json!({ "info": { "model_id": "m-1", "status": text } })).unwrap();
            model.moved().map(|model| model.status)
        };
        assert_eq!(status("LOGGED_MODEL_READY").unwrap(), LoggedModelStatus::Ready);
        assert_eq!(status("PENDING").unwrap(), LoggedModelStatus::Pending);
        assert_eq!(status("LOGGED_MODEL_UPLOAD_FAILED").unwrap(), LoggedModelStatus::Failed);
        assert_eq!(status("ODD").unwrap_err(), "logged model m-1: unknown status \"ODD\"");
        let version: WireVersion = serde_json::from_str(r#"{"name": "a", "version": "3", "status": "READY"}"#).unwrap();
        let version = version.moved().unwrap();
        assert_eq!((version.version, version.stage), (3, ModelStage::None));
    }
}
