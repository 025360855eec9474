//! Bringing a version into memory: its bytes verified by digest, loaded, tried once.

use super::Serving;
use crate::domain::identity::Caller;
use crate::error::Error;
use crate::infer::engine::{EngineError, LoadOptions, Model};
use crate::infer::router::Served;
use crate::infer::signature::TensorSpec;
use crate::infer::tensor::{DataType, Tensor, TensorData};
use crate::store::{self, serving::Wanted};

impl Serving<'_> {
    /// Loads a version; says why it can't be served otherwise. Damaged bytes quarantine the version.
    pub(super) async fn load(&self, wanted: &Wanted) -> Result<Served, String> {
        let app = self.0;
        let options = LoadOptions::default();
        let read = async {
            let mut tx = app.db().read().await?;
            let files = store::artifact::list_artifacts(&mut tx, &wanted.workspace, "model_version", &wanted.version_id).await?;
            drop(tx);
            let missing = || Error::internal("the model file is not among the files of its version");
            let file = files.iter().find(|file| file.digest == wanted.digest).ok_or_else(missing)?;
            app.models().model_bytes(&wanted.workspace, file, &files, &options.limits).await
        };
        let bytes = match read.await {
            Ok(Ok(bytes)) => bytes,
            Ok(Err(e)) => return Err(e.to_string()),
            Err(e) => {
                self.judge(wanted, &e).await;
                return Err(e.to_string());
            }
        };
        let engines = app.deck().engines.clone();
        let work = move || {
            let model = engines.load(&bytes, None, &options)?;
            warm_up(model.as_ref());
            Ok::<_, EngineError>(model)
        };
        let model = tokio::task::spawn_blocking(work).await.map_err(|_| "the engine panicked".to_owned())?.map_err(|e| e.to_string())?;
        let Wanted { workspace, name, version_id, version, digest, .. } = wanted.clone();
        let answered = metrics::counter!("slipway_predictions_total", "model" => name.clone(), "version" => version.to_string());
        Ok(Served { workspace, name, version_id, version, digest, model, answered })
    }

    async fn judge(&self, wanted: &Wanted, error: &Error) {
        if error.code != "digest_mismatch" {
            return;
        }
        let caller = Caller::system(&wanted.workspace);
        let models = self.0.models();
        let quarantined = match models.get_version(&caller, &wanted.name, wanted.version).await {
            Ok(version) => models.quarantine(&caller, &version, &error.message).await.map(|_| ()),
            Err(e) => Err(e),
        };
        if let Err(e) = quarantined {
            tracing::warn!(error = %e, "a damaged version could not be quarantined");
        }
    }
}

/// Runs the model once on a row of missing values, which every model of ours takes; one that fails on it is still served, since
/// it may know no missing values.
fn warm_up(model: &dyn Model) {
    let signature = model.signature();
    let tensors: Vec<Tensor> = signature.inputs.iter().filter_map(row).collect();
    if tensors.len() == signature.inputs.len() {
        let inputs: Vec<(&str, &Tensor)> = signature.inputs.iter().map(|spec| spec.name.as_str()).zip(&tensors).collect();
        if let Err(e) = model.run(&inputs, &[])
            && !e.code.is_callers_fault()
        {
            tracing::warn!(error = %e, "a model failed on a row of missing values");
        }
    }
}

fn row(spec: &TensorSpec) -> Option<Tensor> {
    let shape: Vec<usize> = spec.shape.iter().map(|axis| axis.unwrap_or(1)).collect();
    let n = shape.iter().try_fold(1usize, |n, axis| n.checked_mul(*axis)).filter(|n| *n <= 1 << 20)?;
    let data = match spec.data_type {
        DataType::Bool => TensorData::Bool(vec![false; n]),
        DataType::Uint8 => TensorData::Uint8(vec![0; n]),
        DataType::Int8 => TensorData::Int8(vec![0; n]),
        DataType::Int16 => TensorData::Int16(vec![0; n]),
        DataType::Int32 => TensorData::Int32(vec![0; n]),
        DataType::Int64 => TensorData::Int64(vec![0; n]),
        DataType::Fp32 => TensorData::Fp32(vec![f32::NAN; n]),
        DataType::Fp64 => TensorData::Fp64(vec![f64::NAN; n]),
        DataType::Bytes => TensorData::Bytes(vec![String::new(); n]),
    };
    Tensor::new(shape, data)
}
