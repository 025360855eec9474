//! Answers of MLflow's REST API, of any server that speaks it: whole numbers come as numbers or as text, and what has no value is
//! left out.

use serde::Deserialize;

use crate::domain::logged_model::ModelOutput;
use crate::domain::moving::{MovedExperiment, MovedRun};
use crate::domain::run::{MetricPoint, Number, RunStatus};
use crate::domain::time::Timestamp;
use crate::domain::tracking::{DatasetInput, LoggedDataset, Pair, Stage};

/// A whole number in either form.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Whole(pub(super) i64);

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Number(i64),
            Text(String),
        }
        match Form::deserialize(deserializer)? {
            Form::Number(number) => Ok(Self(number)),
            Form::Text(text) => text.parse().map(Self).map_err(serde::de::Error::custom),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct WirePair {
    key: String,
    value: String,
}

pub(super) fn pairs(pairs: Vec<WirePair>) -> Vec<Pair> {
    pairs.into_iter().map(|WirePair { key, value }| Pair { key, value }).collect()
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Experiments {
    pub(super) experiments: Vec<WireExperiment>,
    pub(super) next_page_token: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct WireExperiment {
    experiment_id: String,
    name: String,
    artifact_location: String,
    lifecycle_stage: String,
    creation_time: Whole,
    last_update_time: Whole,
    tags: Vec<WirePair>,
}

impl WireExperiment {
    pub(super) fn moved(self) -> Result<MovedExperiment, String> {
        let stage = Stage::parse(&self.lifecycle_stage);
        Ok(MovedExperiment {
            stage: stage.ok_or_else(|| format!("experiment {}: unknown stage {:?}", self.experiment_id, self.lifecycle_stage))?,
            source_id: self.experiment_id,
            name: self.name,
            location: self.artifact_location,
            created_at: Timestamp(self.creation_time.0),
            updated_at: Timestamp(self.last_update_time.0),
            tags: pairs(self.tags),
        })
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Runs {
    pub(super) runs: Vec<WireRun>,
    pub(super) next_page_token: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct OneRun {
    pub(super) run: WireRun,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct WireRun {
    info: WireInfo,
    data: WireData,
    inputs: WireInputs,
    outputs: WireOutputs,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct WireInfo {
    run_id: String,
    run_name: String,
    user_id: String,
    status: String,
    start_time: Whole,
    end_time: Option<Whole>,
    artifact_uri: String,
    lifecycle_stage: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct WireData {
    metrics: Vec<WireMetric>,
    params: Vec<WirePair>,
    tags: Vec<WirePair>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct WireInputs {
    dataset_inputs: Vec<WireInput>,
    model_inputs: Vec<WireModel>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct WireOutputs {
    model_outputs: Vec<WireModel>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct WireModel {
    model_id: String,
    step: Whole,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct WireInput {
    tags: Vec<WirePair>,
    dataset: WireDataset,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct WireDataset {
    name: String,
    digest: String,
    source_type: String,
    source: String,
    schema: Option<String>,
    profile: Option<String>,
}

impl WireInput {
    fn moved(self) -> DatasetInput {
        let WireDataset { name, digest, source_type, source, schema, profile } = self.dataset;
        DatasetInput { dataset: LoggedDataset { name, digest, source_type, source, schema, profile }, tags: pairs(self.tags) }
    }
}

impl WireRun {
    /// Returns the ids of the logged models that it used.
    pub(super) fn used(self) -> Vec<String> {
        self.inputs.model_inputs.into_iter().map(|used| used.model_id).collect()
    }

    pub(super) fn moved(self) -> Result<MovedRun, String> {
        let info = self.info;
        let mut metrics: Vec<String> = self.data.metrics.into_iter().map(|metric| metric.key).collect();
        metrics.sort();
        metrics.dedup();
        Ok(MovedRun {
            status: RunStatus::parse(&info.status).ok_or_else(|| format!("run {}: unknown status {:?}", info.run_id, info.status))?,
            stage: Stage::parse(&info.lifecycle_stage)
                .ok_or_else(|| format!("run {}: unknown stage {:?}", info.run_id, info.lifecycle_stage))?,
            run_id: info.run_id,
            name: info.run_name,
            user: info.user_id,
            start_time: info.start_time.0,
            end_time: info.end_time.map(|end| end.0),
            artifact_uri: info.artifact_uri,
            params: pairs(self.data.params),
            tags: pairs(self.data.tags),
            inputs: self.inputs.dataset_inputs.into_iter().map(WireInput::moved).collect(),
            metrics,
            model_inputs: self.inputs.model_inputs.into_iter().map(|used| used.model_id).collect(),
            model_outputs: model_outputs(self.outputs.model_outputs),
        })
    }
}

/// MLflow lists an output as often as it was logged.
fn model_outputs(outputs: Vec<WireModel>) -> Vec<ModelOutput> {
    let mut found: Vec<ModelOutput> = outputs.into_iter().map(|made| ModelOutput { model_id: made.model_id, step: made.step.0 }).collect();
    found.sort_by(|a, b| (a.step, &a.model_id).cmp(&(b.step, &b.model_id)));
    found.dedup();
    found
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Metrics {
    pub(super) metrics: Vec<WireMetric>,
    pub(super) next_page_token: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct WireMetric {
    #[serde(default)]
    key: String,
    #[serde(default = "zero")]
    value: Number,
    #[serde(default)]
    timestamp: Whole,
    #[serde(default)]
    step: Whole,
}

fn zero() -> Number {
    Number(0.0)
}

impl WireMetric {
    pub(super) fn moved(self) -> MetricPoint {
        MetricPoint { key: self.key, value: self.value, timestamp: self.timestamp.0, step: self.step.0 }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Listing {
    pub(super) files: Vec<WireFile>,
    pub(super) next_page_token: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct WireFile {
    pub(super) path: String,
    pub(super) is_dir: bool,
    pub(super) file_size: Whole,
}

/// A refusal.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Refusal {
    pub(super) error_code: String,
    pub(super) message: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_in_either_form_and_what_is_missing_has_no_value() {
        let text = r#"{"runs": [{"info": {"run_id": "a", "status": "FINISHED", "lifecycle_stage": "active", "start_time": "5", "new": {}},
            "data": {"metrics": [{"key": "m", "value": "NaN", "timestamp": 7, "step": "9"}, {"key": "b"}]}}]}"#;
        let mut runs: Runs = serde_json::from_str(text).unwrap();
        let metric = runs.runs[0].data.metrics.remove(0).moved();
        assert!(metric.value.0.is_nan());
        assert_eq!((metric.timestamp, metric.step), (7, 9));
        let run = runs.runs.remove(0).moved().unwrap();
        assert_eq!((run.start_time, run.end_time, run.metrics), (5, None, vec!["b".to_owned()]));
        let unknown: WireRun = serde_json::from_str(r#"{"info": {"run_id": "a", "status": "ODD"}}"#).unwrap();
        assert_eq!(unknown.moved().unwrap_err(), r#"run a: unknown status "ODD""#);
    }
}
