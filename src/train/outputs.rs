//! What a fit leaves behind: the model as ONNX, its signature, its figures on held-out rows.

use ndarray::Array2;
use serde_json::{Value, json};

use crate::ml::{Coding, FitError, Fitted, Table, Trainer, onnx};

/// Rows that the answers of the reference are taken from at least; with fewer held-out rows all rows are used.
const MIN_REFERENCE: usize = 100;

/// A fitted model and what is known about it.
#[derive(Clone, Debug)]
pub struct Outputs {
    /// The model file.
    pub onnx: Vec<u8>,
    /// Names, types and shapes of inputs and outputs, task and class labels.
    pub signature: Value,
    /// Figures on held-out rows as `eval_…`, or on the training rows as `train_…` when none were held out.
    pub metrics: Vec<(String, f64)>,
    /// Counts `[truth][answer]` for classes.
    pub confusion: Option<Vec<Vec<u64>>>,
    /// Answers that the reference profile is made of: `[rows, units]`.
    pub answers: Array2<f32>,
    /// The columns that the model reads.
    pub features: Vec<String>,
    /// Labels of the classes; none for a number.
    pub class_labels: Vec<String>,
    /// Steps that were done.
    pub steps: u64,
}

/// Takes the result of a finished fit.
pub(super) fn of(trainer: Trainer, steps: u64, table: &Table, validation: Option<&Table>) -> Result<Outputs, FitError> {
    let held_out = match validation {
        Some(_) => None,
        None if trainer.held_out().is_empty() => None,
        None => Some(table.select(trainer.held_out())),
    };
    let fitted = trainer.finish();
    let unseen = validation.or(held_out.as_ref());
    let (prefix, judged) = unseen.map_or(("train", table), |rows| ("eval", rows));
    let evaluation = fitted.evaluate(judged)?;
    let metrics = evaluation.values().into_iter().map(|(key, value)| (format!("{prefix}_{key}"), value)).collect();
    let confusion = evaluation.confusion().map(|counts| counts.rows().into_iter().map(|row| row.to_vec()).collect());
    let typical = unseen.filter(|rows| rows.rows >= MIN_REFERENCE).unwrap_or(table);
    Ok(Outputs {
        onnx: fitted.export(),
        signature: signature(&fitted),
        metrics,
        confusion,
        answers: fitted.predict(typical)?,
        features: fitted.preparation.features.iter().map(|feature| feature.name.clone()).collect(),
        class_labels: fitted.class_labels().to_vec(),
        steps,
    })
}

fn signature(fitted: &Fitted) -> Value {
    let features = &fitted.preparation.features;
    let names: Vec<&str> = features.iter().map(|feature| feature.name.as_str()).collect();
    let inputs: Vec<Value> = if fitted.preparation.all_numeric() {
        vec![json!({ "name": onnx::INPUT, "datatype": "FP32", "shape": [-1, names.len()], "columns": names })]
    } else {
        let datatype = |coding: &Coding| if matches!(coding, Coding::Number { .. }) { "FP32" } else { "BYTES" };
        let input = |f: &crate::ml::FittedFeature| json!({ "name": f.name, "datatype": datatype(&f.coding), "shape": [-1, 1], "columns": [f.name] });
        features.iter().map(input).collect()
    };
    let units = fitted.network.layers().last().map_or(0, |layer| layer.units);
    json!({
        "inputs": inputs,
        "outputs": [{ "name": onnx::OUTPUT, "datatype": "FP32", "shape": [-1, units] }],
        "task": fitted.task(),
        "target": fitted.preparation.target.name,
        "class_labels": fitted.class_labels(),
    })
}

impl Outputs {
    /// Writes the `MLmodel` file that MLflow's clients look for beside a model.
    pub fn mlmodel(&self, run_id: &str, created: &str) -> String {
        let list = |key: &str| {
            let specs = self.signature[key].as_array().map(Vec::as_slice).unwrap_or_default();
            let spec = |s: &Value| {
                let dtype = if s["datatype"] == "BYTES" { "str" } else { "float32" };
                json!({ "name": s["name"], "type": "tensor", "tensor-spec": { "dtype": dtype, "shape": s["shape"] } })
            };
            Value::from(specs.iter().map(spec).collect::<Vec<_>>()).to_string().replace('\'', "''")
        };
        format!(
            "artifact_path: model\nflavors:\n  onnx:\n    data: model.onnx\n  python_function:\n    data: model.onnx\n    \
             loader_module: mlflow.onnx\nmodel_size_bytes: {}\nrun_id: {run_id}\nsignature:\n  inputs: '{}'\n  outputs: '{}'\n\
             utc_time_created: '{created}'\n",
            self.onnx.len(),
            list("inputs"),
            list("outputs"),
        )
    }
}
