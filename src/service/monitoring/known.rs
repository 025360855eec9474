//! The reference of a version, ready for counting its traffic.

use std::collections::HashMap;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::infer::signature::Signature;
use crate::infer::tensor::{Tensor, TensorData};
use crate::service::App;
use crate::stats::baseline::{Baseline, WindowError};
use crate::stats::reference::{PREDICTED_CLASS, PREDICTION, Reference, likeliest};
use crate::stats::rules::Rules;
use crate::stats::window::WindowProfile;
use crate::store::{self, Tx};

/// Versions whose reference is kept in memory.
const MOST: usize = 256;

/// A version's reference.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) baseline: Arc<Baseline>,
    outputs: Vec<String>,
}

/// References by version.
#[derive(Default)]
pub(super) struct Cache(HashMap<String, Option<Arc<Known>>>);

impl Cache {
    /// Finds a version's reference; `None` when it has none, and then its traffic is not watched.
    pub(super) async fn get(&mut self, app: &App, workspace: &str, version_id: &str) -> Result<Option<Arc<Known>>> {
        if let Some(known) = self.0.get(version_id) {
            return Ok(known.clone());
        }
        let mut tx = app.db().read().await?;
        let known = Known::read(&mut tx, workspace, version_id).await?.map(Arc::new);
        drop(tx);
        if self.0.len() == MOST {
            self.0.clear();
        }
        self.0.insert(version_id.to_owned(), known.clone());
        Ok(known)
    }
}

impl Known {
    pub(super) async fn read(tx: &mut Tx, workspace: &str, version_id: &str) -> Result<Option<Self>> {
        let Some(text) = store::model::find_reference(tx, workspace, version_id).await? else { return Ok(None) };
        let broken = |e: Box<dyn std::error::Error + Send + Sync>| Error::internal("a stored reference can't be read").caused_by(e);
        let reference: Reference = serde_json::from_str(&text).map_err(|e| broken(e.into()))?;
        let baseline = Baseline::new(reference.columns()).map_err(|e| broken(e.into()))?;
        Ok(Some(Self { baseline: Arc::new(baseline), outputs: reference.output_names() }))
    }

    /// Completes the rules with what is an output here.
    pub(super) fn rules(&self, rules: &Rules) -> Rules {
        Rules { outputs: self.outputs.clone(), ..rules.clone() }
    }

    /// Counts the rows of a request and its answer.
    pub(super) fn observe(
        &self,
        window: &mut WindowProfile,
        signature: &Signature,
        inputs: &[Tensor],
        outputs: &[Tensor],
    ) -> Result<(), WindowError> {
        for (spec, tensor) in signature.inputs.iter().zip(inputs) {
            let width = tensor.shape.get(1).copied().unwrap_or(1).max(1);
            let names: &[String] = if spec.columns.len() == width { &spec.columns } else { std::slice::from_ref(&spec.name) };
            for (place, name) in names.iter().enumerate() {
                if let Some(column) = self.baseline.find_column(name) {
                    observe(window, column, &tensor.data, place, width)?;
                }
            }
        }
        let [answer] = outputs else { return Ok(()) };
        let width = answer.shape.get(1).copied().unwrap_or(1).max(1);
        let TensorData::Fp32(scores) = &answer.data else { return Ok(()) };
        if let Some(column) = self.baseline.find_column(&Reference::output_name(PREDICTION)) {
            return if width == 1 { window.observe_numeric(column, scores) } else { Ok(()) };
        }
        if let Some(column) = self.baseline.find_column(&Reference::output_name(PREDICTED_CLASS)) {
            let classes: Vec<String> = scores.chunks_exact(width).map(|row| likeliest(row, &signature.class_labels)).collect();
            return window.observe_text(column, &classes);
        }
        Ok(())
    }
}

/// Counts one column of a row-major tensor.
fn observe(window: &mut WindowProfile, column: usize, data: &TensorData, place: usize, width: usize) -> Result<(), WindowError> {
    fn pick<T: Clone>(values: &[T], place: usize, width: usize) -> impl Iterator<Item = T> {
        values.iter().skip(place).step_by(width).cloned()
    }
    match data {
        TensorData::Fp32(v) => window.observe_numeric(column, &pick(v, place, width).collect::<Vec<f32>>()),
        TensorData::Fp64(v) => window.observe_numeric(column, &pick(v, place, width).collect::<Vec<f64>>()),
        TensorData::Int64(v) => window.observe_numeric(column, &pick(v, place, width).map(|x| x as f64).collect::<Vec<f64>>()),
        TensorData::Int32(v) => window.observe_numeric(column, &pick(v, place, width).map(f64::from).collect::<Vec<f64>>()),
        TensorData::Bool(v) => window.observe_bool(column, &pick(v, place, width).collect::<Vec<bool>>()),
        TensorData::Bytes(v) => {
            let (missing, texts): (Vec<String>, Vec<String>) = pick(v, place, width).partition(String::is_empty);
            window.observe_nulls(column, missing.len() as u64)?;
            window.observe_text(column, &texts)
        }
        _ => Ok(()),
    }
}
