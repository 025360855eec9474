//! Making an attempt's results durable: checkpoints on the way, the model at the end. Objects are written and verified first; the
//! rows that name them are written under the attempt's fence.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::{Value, json};

use super::halt::Halt;
use super::{Failure, Training, fenced, rest};
use crate::domain::artifact::Artifact;
use crate::domain::run::{MetricPoint, Number, RunStatus};
use crate::error::Result;
use crate::service::artifacts::keep;
use crate::service::jobs::{fence, no_job};
use crate::service::models::{Registration, register_in};
use crate::service::{Claim, Close};
use crate::stats::profile::ColumnProfile;
use crate::stats::reference::Reference;
use crate::store::{self, Tx};
use crate::train::Outputs;

/// Folder of the model among the artifacts of a run.
const MODEL: &str = "model";

/// Path, media type and bytes.
type File = (&'static str, &'static str, Bytes);

/// An object that was stored, and its place in the model's folder.
struct Placed {
    artifact: Artifact,
    generation: u32,
}

impl Training<'_> {
    pub(super) async fn save_checkpoint(&self, claim: &Claim, halt: &Halt, step: u64, bytes: Vec<u8>) -> Result<(), Failure> {
        let bytes = Bytes::from(bytes);
        loop {
            match self.try_checkpoint(claim, step, bytes.clone()).await {
                Ok(kept) => return fenced(halt, kept),
                Err(e) => rest(halt, e).await?,
            }
        }
    }

    async fn try_checkpoint(&self, claim: &Claim, step: u64, bytes: Bytes) -> Result<bool> {
        let app = self.0;
        let placed = self.place(claim, "checkpoint", "application/octet-stream", bytes).await?;
        let mut tx = app.db().begin().await?;
        if !fence(&mut tx, claim).await? {
            return Ok(false);
        }
        let (ws, now) = (&claim.caller.workspace, app.now());
        record_blob(&mut tx, ws, &placed, now).await?;
        let (digest, size) = (placed.artifact.digest.as_str(), placed.artifact.size_bytes);
        store::job::insert_checkpoint(&mut tx, ws, &claim.job_id, (step.cast_signed(), claim.attempt_no), (digest, size), now).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Stores the model and ends the job, in one transaction with the registration of a new version when one is wanted.
    pub(super) async fn publish(&self, claim: &Claim, halt: &Halt, outputs: Outputs) -> Result<(), Failure> {
        let reference = self.reference(claim, &outputs).await?;
        let files = files(&outputs, &claim.run_id, &self.0.now().to_rfc3339(), &reference);
        loop {
            match self.try_publish(claim, &outputs, &reference, &files).await {
                Ok(true) => return Ok(()),
                Ok(false) => return fenced(halt, false),
                Err(e) => rest(halt, e).await?,
            }
        }
    }

    async fn try_publish(&self, claim: &Claim, outputs: &Outputs, reference: &Reference, files: &[File]) -> Result<bool> {
        let mut placed = Vec::with_capacity(files.len());
        for (path, media_type, bytes) in files {
            placed.push(self.place(claim, path, media_type, bytes.clone()).await?);
        }
        let mut closing = match self.0.jobs().close(claim).await? {
            Close::Open(closing) => closing,
            Close::Done => return Ok(true),
            Close::Fenced => return Ok(false),
        };
        let result = match closing.succeeds() {
            true => Some(self.record_outputs(&mut closing.tx, claim, outputs, reference, &placed).await?),
            false => None,
        };
        closing.commit(self.0, claim, result.as_ref()).await
    }

    async fn record_outputs(
        &self,
        tx: &mut Tx,
        claim: &Claim,
        outputs: &Outputs,
        reference: &Reference,
        placed: &[Placed],
    ) -> Result<Value> {
        let app = self.0;
        let (ws, now) = (&claim.caller.workspace, app.now());
        // the run's row before the counter of events, as everybody locks them
        store::run::set_status(tx, ws, &claim.run_id, RunStatus::Finished, Some(now)).await?;
        for file in placed {
            record_blob(tx, ws, file, now).await?;
            let path = format!("{MODEL}/{}", file.artifact.path);
            store::artifact::add_artifact(tx, ws, "run", &claim.run_id, &Artifact { path, ..file.artifact.clone() }, now).await?;
        }
        let step = outputs.steps.cast_signed();
        let point = |(key, value): &(String, f64)| MetricPoint { key: key.clone(), value: Number(*value), timestamp: now.0, step };
        let points: Vec<MetricPoint> = outputs.metrics.iter().map(point).collect();
        let seq = store::run::find_seq(tx, ws, &claim.run_id).await?.ok_or_else(no_job)?;
        store::run::append_metrics(tx, seq, claim.attempt_no, &points).await?;
        let mut result = json!({ "model_uri": format!("runs:/{}/{MODEL}", claim.run_id) });
        if let Some(model) = &claim.spec.register_as {
            let artifacts: Vec<Artifact> = placed.iter().map(|file| file.artifact.clone()).collect();
            let reference =
                serde_json::to_value(reference).map_err(|e| crate::error::Error::internal("a profile can't be written").caused_by(e))?;
            let dataset_digests = store::run::input_digests(tx, seq).await?;
            let metrics = outputs.metrics.iter().map(|(key, value)| (key.clone(), Number(*value))).collect();
            let new = Registration {
                model,
                description: "",
                run_id: &claim.run_id,
                path: MODEL,
                artifacts: &artifacts,
                signature: &outputs.signature,
                reference: Some(&reference),
                dataset_digests: &dataset_digests,
                metrics: &metrics,
            };
            let version = register_in(app, tx, &claim.caller, &new).await?;
            result["model"] = json!(model);
            result["version"] = json!(version);
        }
        Ok(result)
    }

    async fn place(&self, claim: &Claim, path: &str, media_type: &str, bytes: Bytes) -> Result<Placed> {
        let app = self.0;
        let digest = crate::blob::Digest::of(&bytes);
        let (ws, size_bytes) = (&claim.caller.workspace, bytes.len() as i64);
        let generation = keep(app, ws, &digest.to_string(), |generation| app.blobs().put_bytes(ws, generation, bytes.clone())).await?;
        let artifact = Artifact { path: path.to_owned(), digest: digest.to_string(), size_bytes, media_type: media_type.to_owned() };
        Ok(Placed { artifact, generation })
    }

    /// Describes the data that the model knows: its features as the data set's profile has them, its answers on rows that it was
    /// not fitted to.
    async fn reference(&self, claim: &Claim, outputs: &Outputs) -> Result<Reference, Failure> {
        let version = claim.spec.dataset_version.unwrap_or(0);
        let profiles = self.0.datasets().profile(&claim.caller, &claim.spec.dataset, version).await?;
        let features = outputs.features.iter().filter_map(|name| profiles.iter().find(|p| p.name == *name).cloned());
        let features: Vec<ColumnProfile> = features.collect();
        Ok(Reference::new(features, &outputs.answers, &outputs.class_labels))
    }
}

async fn record_blob(tx: &mut Tx, workspace: &str, placed: &Placed, now: crate::domain::time::Timestamp) -> Result<()> {
    let Artifact { digest, size_bytes, .. } = &placed.artifact;
    Ok(store::artifact::record_blob(tx, workspace, digest, placed.generation, *size_bytes, now).await?)
}

fn files(outputs: &Outputs, run_id: &str, created: &str, reference: &Reference) -> Vec<File> {
    let pretty = |value: &Value| Bytes::from(format!("{value:#}\n"));
    let figures: BTreeMap<&str, f64> = outputs.metrics.iter().map(|(key, value)| (key.as_str(), *value)).collect();
    let evaluation = json!({ "metrics": figures, "confusion_matrix": outputs.confusion, "class_labels": outputs.class_labels });
    vec![
        ("model.onnx", "application/octet-stream", Bytes::from(outputs.onnx.clone())),
        ("MLmodel", "text/yaml", Bytes::from(outputs.mlmodel(run_id, created))),
        ("signature.json", "application/json", pretty(&outputs.signature)),
        ("reference_profile.json", "application/json", pretty(&json!(reference))),
        ("evaluation.json", "application/json", pretty(&evaluation)),
    ]
}
