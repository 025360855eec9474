//! Answers as MLflow writes them: whole numbers as numbers, what has no value left out.

use std::collections::BTreeMap;

use axum::Json;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Value, json};

use crate::domain::logged_model::{LoggedModel, LoggedModelStatus, ModelPoint};
use crate::domain::run::{MetricPoint, Number};
use crate::domain::tracking::{DatasetInput, Pair, RunInfo, RunPoint, TrackedExperiment, TrackedRun};

/// An answer without fields.
pub(super) fn nothing() -> Response {
    Json(json!({})).into_response()
}

/// A key with its value.
#[derive(Serialize)]
pub(super) struct WirePair<'a> {
    key: &'a str,
    value: &'a str,
}

fn pairs(pairs: &[Pair]) -> Vec<WirePair<'_>> {
    pairs.iter().map(|Pair { key, value }| WirePair { key, value }).collect()
}

/// Writes what is kept by key.
pub(super) fn pairs_of(pairs: &BTreeMap<String, String>) -> Vec<WirePair<'_>> {
    pairs.iter().map(|(key, value)| WirePair { key, value }).collect()
}

/// A point.
#[derive(Serialize)]
pub(super) struct WireMetric<'a> {
    key: &'a str,
    value: Number,
    timestamp: i64,
    step: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    dataset_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dataset_digest: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    run_id: Option<&'a str>,
}

impl<'a> From<&'a MetricPoint> for WireMetric<'a> {
    fn from(point: &'a MetricPoint) -> Self {
        Self {
            key: &point.key,
            value: point.value,
            timestamp: point.timestamp,
            step: point.step,
            dataset_name: None,
            dataset_digest: None,
            model_id: None,
            run_id: None,
        }
    }
}

impl<'a> From<&'a RunPoint> for WireMetric<'a> {
    fn from(of_run: &'a RunPoint) -> Self {
        Self { run_id: Some(&of_run.run_id), ..Self::from(&of_run.point) }
    }
}

impl<'a> From<&'a ModelPoint> for WireMetric<'a> {
    fn from(of_model: &'a ModelPoint) -> Self {
        let given = |text: &'a String| (!text.is_empty()).then_some(text.as_str());
        Self {
            dataset_name: given(&of_model.dataset_name),
            dataset_digest: given(&of_model.dataset_digest),
            model_id: Some(&of_model.model_id),
            run_id: Some(&of_model.run_id),
            ..Self::from(&of_model.point)
        }
    }
}

/// Points and the token of the next page.
#[derive(Serialize)]
pub(super) struct WireMetrics<'a> {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) metrics: Vec<WireMetric<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next_page_token: Option<String>,
}

/// An experiment.
#[derive(Serialize)]
pub(super) struct WireExperiment<'a> {
    experiment_id: &'a str,
    name: &'a str,
    artifact_location: &'a str,
    lifecycle_stage: &'static str,
    last_update_time: i64,
    creation_time: i64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<WirePair<'a>>,
}

impl<'a> From<&'a TrackedExperiment> for WireExperiment<'a> {
    fn from(experiment: &'a TrackedExperiment) -> Self {
        Self {
            experiment_id: &experiment.id,
            name: &experiment.name,
            artifact_location: &experiment.artifact_location,
            lifecycle_stage: experiment.stage.as_str(),
            last_update_time: experiment.updated_at.0,
            creation_time: experiment.created_at.0,
            tags: pairs(&experiment.tags),
        }
    }
}

/// What a run is.
#[derive(Serialize)]
pub(super) struct WireRunInfo<'a> {
    run_uuid: &'a str,
    experiment_id: &'a str,
    run_name: &'a str,
    user_id: &'a str,
    status: &'static str,
    start_time: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_time: Option<i64>,
    artifact_uri: &'a str,
    lifecycle_stage: &'static str,
    run_id: &'a str,
}

impl<'a> From<&'a RunInfo> for WireRunInfo<'a> {
    fn from(info: &'a RunInfo) -> Self {
        Self {
            run_uuid: &info.run_id,
            experiment_id: &info.experiment_id,
            run_name: &info.run_name,
            user_id: &info.user_id,
            status: info.status.as_str(),
            start_time: info.start_time,
            end_time: info.end_time,
            artifact_uri: &info.artifact_uri,
            lifecycle_stage: info.stage.as_str(),
            run_id: &info.run_id,
        }
    }
}

/// What a run logged.
#[derive(Serialize)]
pub(super) struct WireRunData<'a> {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    metrics: Vec<WireMetric<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    params: Vec<WirePair<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<WirePair<'a>>,
}

/// What a run read.
#[derive(Serialize)]
pub(super) struct WireInputs {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    dataset_inputs: Vec<Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    model_inputs: Vec<Value>,
}

/// What a run made.
#[derive(Serialize)]
pub(super) struct WireOutputs {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    model_outputs: Vec<Value>,
}

/// A run.
#[derive(Serialize)]
pub(super) struct WireRun<'a> {
    info: WireRunInfo<'a>,
    data: WireRunData<'a>,
    inputs: WireInputs,
    outputs: WireOutputs,
}

impl<'a> From<&'a TrackedRun> for WireRun<'a> {
    fn from(run: &'a TrackedRun) -> Self {
        Self {
            info: (&run.info).into(),
            data: WireRunData {
                metrics: run.metrics.iter().map(WireMetric::from).collect(),
                params: pairs(&run.params),
                tags: pairs(&run.tags),
            },
            inputs: WireInputs {
                dataset_inputs: run.inputs.iter().map(input).collect(),
                model_inputs: run.model_inputs.iter().map(|id| json!({ "model_id": id })).collect(),
            },
            outputs: WireOutputs {
                model_outputs: run.model_outputs.iter().map(|made| json!({ "model_id": made.model_id, "step": made.step })).collect(),
            },
        }
    }
}

/// The answer that holds a run.
#[derive(Serialize)]
pub(super) struct OneRun<'a> {
    pub(super) run: WireRun<'a>,
}

fn input(input: &DatasetInput) -> Value {
    let d = &input.dataset;
    let mut dataset = json!({ "name": d.name, "digest": d.digest, "source_type": d.source_type, "source": d.source });
    for (name, value) in [("schema", &d.schema), ("profile", &d.profile)] {
        if let Some(value) = value {
            dataset[name] = json!(value);
        }
    }
    match input.tags.is_empty() {
        true => json!({ "dataset": dataset }),
        false => json!({ "tags": pairs(&input.tags), "dataset": dataset }),
    }
}

/// What a logged model is.
#[derive(Serialize)]
struct WireLoggedModelInfo<'a> {
    model_id: &'a str,
    experiment_id: &'a str,
    name: &'a str,
    creation_timestamp_ms: i64,
    last_updated_timestamp_ms: i64,
    artifact_uri: &'a str,
    status: &'static str,
    model_type: &'a str,
    source_run_id: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<WirePair<'a>>,
}

/// What was said and measured about a logged model.
#[derive(Serialize)]
struct WireLoggedModelData<'a> {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    params: Vec<WirePair<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    metrics: Vec<WireMetric<'a>>,
}

/// A logged model.
#[derive(Serialize)]
pub(super) struct WireLoggedModel<'a> {
    info: WireLoggedModelInfo<'a>,
    data: WireLoggedModelData<'a>,
}

impl<'a> From<&'a LoggedModel> for WireLoggedModel<'a> {
    fn from(model: &'a LoggedModel) -> Self {
        let status = match model.status {
            LoggedModelStatus::Pending => "LOGGED_MODEL_PENDING",
            LoggedModelStatus::Ready => "LOGGED_MODEL_READY",
            LoggedModelStatus::Failed => "LOGGED_MODEL_UPLOAD_FAILED",
        };
        Self {
            info: WireLoggedModelInfo {
                model_id: &model.model_id,
                experiment_id: &model.experiment_id,
                name: &model.name,
                creation_timestamp_ms: model.created_at.0,
                last_updated_timestamp_ms: model.updated_at.0,
                artifact_uri: &model.artifact_uri,
                status,
                model_type: &model.model_type,
                source_run_id: &model.source_run_id,
                tags: pairs(&model.tags),
            },
            data: WireLoggedModelData { params: pairs(&model.params), metrics: model.metrics.iter().map(WireMetric::from).collect() },
        }
    }
}
