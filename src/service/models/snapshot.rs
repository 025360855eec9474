//! What the files of a version come to: which kind of model they hold, and whether a server here can load it.

use std::collections::HashMap;

use bytes::Bytes;
use serde::Deserialize as _;
use serde_json::{Value, json};

use super::Models;
use crate::blob::{BlobKey, Digest};
use crate::domain::artifact::Artifact;
use crate::domain::identity::Caller;
use crate::domain::mlmodel::{self, MlModel};
use crate::error::{Error, Result};
use crate::infer::engine::{EngineError, ErrorCode, Limits, LoadOptions};
use crate::infer::external;
use crate::infer::signature::{Signature, TensorSpec};
use crate::infer::tensor::DataType;
use crate::stats::baseline::Baseline;
use crate::stats::reference::Reference;
use crate::store;

/// Name of the model file where nothing says otherwise.
const MODEL_FILE: &str = "model.onnx";

/// Files as they were when a version was made of them, and what they are.
#[derive(Clone, Debug, Default)]
pub(crate) struct Snapshot {
    /// The files.
    pub(crate) artifacts: Vec<Artifact>,
    /// Digest of the model file; empty when there is none that can be served.
    pub(crate) model_digest: String,
    /// What the model is.
    pub(crate) flavor: String,
    /// Why it can't be served.
    pub(crate) unservable: Option<String>,
    /// Inputs and outputs.
    pub(crate) signature: Value,
    /// What its traffic is compared with.
    pub(crate) reference: Option<Value>,
}

impl Models<'_> {
    /// Finds out what files are. A model that can't be served is no error: clients keep such models as well.
    pub(crate) async fn inspect(&self, caller: &Caller, artifacts: Vec<Artifact>) -> Result<Snapshot> {
        let mlmodel = match artifacts.iter().find(|file| file.path == "MLmodel") {
            Some(file) => MlModel::parse(&String::from_utf8_lossy(&self.read_side_file(caller, file).await?)),
            None => MlModel::default(),
        };
        let path = mlmodel.onnx_file().or_else(|| mlmodel.flavors.is_empty().then_some(MODEL_FILE));
        let file = path.and_then(|path| artifacts.iter().find(|file| file.path == path)).cloned();
        let Some(file) = file else {
            let flavor = mlmodel.main_flavor().unwrap_or_default().to_owned();
            let unservable = match flavor.as_str() {
                _ if artifacts.is_empty() => "its files are not kept by this server".to_owned(),
                "" => format!("there is neither an MLmodel nor a {MODEL_FILE} among its files"),
                "onnx" => format!("the file {:?} that its MLmodel names is not there", path.unwrap_or(MODEL_FILE)),
                other => format!("only ONNX models are served, and this is one of flavor {other}; log it with mlflow.onnx as well"),
            };
            let signature = json!({ "inputs": [], "outputs": [] });
            return Ok(Snapshot { artifacts, flavor, unservable: Some(unservable), signature, ..Snapshot::default() });
        };
        let loaded = self.try_load(caller, &file, &artifacts).await?;
        let (read, unservable) = match loaded {
            Ok(signature) => (describe(&signature), None),
            Err(e) => (json!({ "inputs": [], "outputs": [] }), Some(e.to_string())),
        };
        let written = self.read_json(caller, &artifacts, "signature.json").await?;
        let signature = written.filter(|signature| signature["inputs"].is_array() && signature["outputs"].is_array()).unwrap_or(read);
        let reference = self.read_json(caller, &artifacts, "reference_profile.json").await?;
        reference.as_ref().map_or(Ok(()), check_reference)?;
        Ok(Snapshot { model_digest: file.digest, flavor: "onnx".to_owned(), unservable, signature, reference, artifacts })
    }

    async fn read_side_file(&self, caller: &Caller, file: &Artifact) -> Result<Vec<u8>> {
        if u64::try_from(file.size_bytes).unwrap_or(u64::MAX) > mlmodel::MAX_BYTES {
            return Err(Error::invalid("invalid_model_file", format!("{} has more than {} bytes", file.path, mlmodel::MAX_BYTES)));
        }
        Ok(self.0.blobs().get_bytes(&self.key(&caller.workspace, file).await?, mlmodel::MAX_BYTES).await?.to_vec())
    }

    async fn key(&self, workspace: &str, file: &Artifact) -> Result<BlobKey> {
        let mut tx = self.0.db().read().await?;
        let generation = store::artifact::find_generation(&mut tx, workspace, &file.digest).await?;
        Ok(BlobKey::new(workspace, file.digest.parse::<Digest>()?, generation)?)
    }

    /// Loads a model file as a server would, and lets it go again.
    async fn try_load(&self, caller: &Caller, file: &Artifact, files: &[Artifact]) -> Result<Result<Signature, EngineError>> {
        let options = LoadOptions::default();
        let bytes = match self.model_bytes(&caller.workspace, file, files, &options.limits).await? {
            Ok(bytes) => bytes,
            Err(e) => return Ok(Err(e)),
        };
        let engines = self.0.deck().engines();
        let work = move || engines.load(&bytes, None, &options).map(|model| model.signature().clone());
        tokio::task::spawn_blocking(work).await.map_err(|e| Error::internal("the engine panicked").caused_by(e))
    }

    /// Reads a model file, and into it the tensors that it keeps in files beside it.
    pub(crate) async fn model_bytes(
        &self,
        workspace: &str,
        file: &Artifact,
        files: &[Artifact],
        limits: &Limits,
    ) -> Result<Result<Bytes, EngineError>> {
        let limit = limits.max_model_bytes as u64;
        let too_large = || EngineError::new(ErrorCode::ModelTooLarge, format!("the model has more than {limit} bytes"));
        let fits = |file: &Artifact, left: u64| u64::try_from(file.size_bytes).is_ok_and(|size| size <= left);
        if !fits(file, limit) {
            return Ok(Err(too_large()));
        }
        let bytes = self.0.blobs().get_bytes(&self.key(workspace, file).await?, limit).await?;
        let (read, kept) = (bytes.clone(), *limits);
        let work = move || external::files(&read, &kept);
        let needed = tokio::task::spawn_blocking(work).await.map_err(|e| Error::internal("a model file can't be read").caused_by(e))?;
        let needed = match needed {
            Ok(needed) if needed.is_empty() => return Ok(Ok(bytes)),
            Ok(needed) => needed,
            Err(e) => return Ok(Err(e)),
        };
        let folder = file.path.rfind('/').map_or("", |slash| &file.path[..=slash]);
        let (mut others, mut left) = (HashMap::new(), limit.saturating_sub(bytes.len() as u64));
        for name in needed {
            // a file that is not there is told by `inline`
            let Some(other) = files.iter().find(|other| other.path == format!("{folder}{name}")) else { continue };
            if !fits(other, left) {
                return Ok(Err(too_large()));
            }
            let data = self.0.blobs().get_bytes(&self.key(workspace, other).await?, left).await?;
            left = left.saturating_sub(data.len() as u64);
            others.insert(name, data);
        }
        let kept = *limits;
        let work = move || external::inline(&bytes, &others, &kept).map(Bytes::from);
        tokio::task::spawn_blocking(work).await.map_err(|e| Error::internal("a model file can't be read").caused_by(e))
    }
}

/// Checks that traffic can be compared with a reference.
fn check_reference(reference: &Value) -> Result<()> {
    let bad = |why: String| Error::invalid("invalid_model_file", format!("reference_profile.json is no reference profile: {why}"));
    let reference = Reference::deserialize(reference).map_err(|e| bad(e.to_string()))?;
    Baseline::new(reference.columns()).map_err(|e| bad(e.to_string()))?;
    Ok(())
}

/// Writes a signature as versions have it.
fn describe(signature: &Signature) -> Value {
    let spec = |spec: &TensorSpec| {
        let shape: Vec<i64> = spec.shape.iter().map(|axis| axis.and_then(|n| i64::try_from(n).ok()).unwrap_or(-1)).collect();
        let mut told = json!({ "name": spec.name, "datatype": datatype(spec.data_type), "shape": shape });
        if !spec.columns.is_empty() {
            told["columns"] = json!(spec.columns);
        }
        told
    };
    json!({
        "inputs": signature.inputs.iter().map(spec).collect::<Vec<_>>(),
        "outputs": signature.outputs.iter().map(spec).collect::<Vec<_>>(),
        "class_labels": signature.class_labels,
    })
}

fn datatype(data_type: DataType) -> &'static str {
    match data_type {
        DataType::Bool => "BOOL",
        DataType::Uint8 => "UINT8",
        DataType::Int8 => "INT8",
        DataType::Int16 => "INT16",
        DataType::Int32 => "INT32",
        DataType::Int64 => "INT64",
        DataType::Fp32 => "FP32",
        DataType::Fp64 => "FP64",
        DataType::Bytes => "BYTES",
    }
}
