//! New versions: from a run by hand, and from a training job within its last transaction.

use serde_json::Value;

use super::{Models, append};
use crate::blob::{BlobKey, Digest};
use crate::domain::artifact::Artifact;
use crate::domain::check_name;
use crate::domain::identity::Caller;
use crate::domain::model::ModelVersion;
use crate::domain::promotion::Metrics;
use crate::error::{Error, Result};
use crate::service::App;
use crate::store::model::NewModel;
use crate::store::{self, Tx};

/// Name of the model file.
const MODEL_FILE: &str = "model.onnx";
/// Most bytes of a description of a model that is read into memory.
const SIDE_FILE_LIMIT: u64 = 64 << 20;

/// What becomes a version.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Registration<'a> {
    /// The model; made when there is none of that name.
    pub(crate) model: &'a str,
    /// What the version is.
    pub(crate) description: &'a str,
    /// The run that made it.
    pub(crate) run_id: &'a str,
    /// The model's folder among the run's files.
    pub(crate) path: &'a str,
    /// Its files, by their paths in the model's folder.
    pub(crate) artifacts: &'a [Artifact],
    /// Inputs and outputs.
    pub(crate) signature: &'a Value,
    /// What its traffic is compared with.
    pub(crate) reference: Option<&'a Value>,
    /// Digests of the data that it was made from.
    pub(crate) dataset_digests: &'a [String],
    /// Figures of the run.
    pub(crate) metrics: &'a Metrics,
}

/// Registers within a transaction that ends soon: its last statement is an event.
pub(crate) async fn register_in(app: &App, tx: &mut Tx, caller: &Caller, new: &Registration<'_>) -> Result<i64> {
    check_name("model", new.model)?;
    let (ws, now) = (&caller.workspace, app.now());
    let file = new.artifacts.iter().find(|file| file.path == MODEL_FILE);
    let file = file.ok_or_else(|| Error::invalid("no_model_file", format!("there is no {MODEL_FILE} among the files")))?;
    let created = store::model::insert(
        tx,
        ws,
        NewModel { id: &app.new_id(), name: new.model, description: "", gates: &[], by: &caller.principal },
        now,
    )
    .await?;
    let model_id = super::find_id(tx, caller, new.model).await?;
    let id = app.new_id();
    let row = store::model::NewVersion {
        id: &id,
        model_id: &model_id,
        description: new.description,
        run_id: Some(new.run_id),
        artifacts: new.artifacts,
        model_digest: &file.digest,
        flavor: "onnx",
        unservable: None,
        source: &format!("runs:/{}/{}", new.run_id, new.path),
        location: "",
        run_link: "",
        logged_model_id: None,
        signature: new.signature,
        reference: new.reference,
        dataset_digests: new.dataset_digests,
        metrics: new.metrics,
        created_by: &caller.principal,
    };
    let version = store::model::insert_version(tx, ws, &row, now).await?;
    if created {
        append(tx, caller, "registered_model.created", new.model, serde_json::json!({ "description": "", "tags": {} }), now).await?;
    }
    let payload = serde_json::json!({
        "version": version, "run_id": new.run_id, "source": row.source, "description": new.description, "tags": {},
    });
    append(tx, caller, "model_version.created", new.model, payload, now).await?;
    Ok(version)
}

impl Models<'_> {
    /// Makes a version of the model that a run left in its folder `path`.
    pub async fn register(&self, caller: &Caller, model: &str, run_id: &str, path: &str, description: &str) -> Result<ModelVersion> {
        check_name("model", model)?;
        let app = self.0;
        let ws = &caller.workspace;
        let mut tx = app.db().read().await?;
        let run = store::run::find(&mut tx, ws, run_id).await?.ok_or_else(|| Error::not_found("run_not_found", "there is no such run"))?;
        let seq = store::run::find_seq(&mut tx, ws, run_id).await?.unwrap_or_default();
        let prefix = format!("{}/", path.trim_matches('/'));
        let all = store::artifact::list_artifacts(&mut tx, ws, "run", run_id).await?;
        let inside = |file: Artifact| Some(Artifact { path: file.path.strip_prefix(&prefix)?.to_owned(), ..file });
        let artifacts: Vec<Artifact> = all.into_iter().filter_map(inside).collect();
        let dataset_digests = store::run::input_digests(&mut tx, seq).await?;
        drop(tx);
        if artifacts.is_empty() {
            return Err(Error::not_found("no_model_files", format!("the run has no files under {prefix:?}")));
        }
        let signature = self.read_json(caller, &artifacts, "signature.json").await?;
        let signature = signature.ok_or_else(|| Error::invalid("no_signature", "there is no signature.json among the files"))?;
        let reference = self.read_json(caller, &artifacts, "reference_profile.json").await?;
        let new = Registration {
            model,
            description,
            run_id,
            path: path.trim_matches('/'),
            artifacts: &artifacts,
            signature: &signature,
            reference: reference.as_ref(),
            dataset_digests: &dataset_digests,
            metrics: &run.metrics,
        };
        let mut tx = app.db().begin().await?;
        let version = register_in(app, &mut tx, caller, &new).await?;
        tx.commit().await?;
        app.nudge();
        self.get_version(caller, model, version).await
    }

    pub(super) async fn read_json(&self, caller: &Caller, artifacts: &[Artifact], path: &str) -> Result<Option<Value>> {
        let Some(file) = artifacts.iter().find(|file| file.path == path) else { return Ok(None) };
        let mut tx = self.0.db().read().await?;
        let generation = store::artifact::find_generation(&mut tx, &caller.workspace, &file.digest).await?;
        drop(tx);
        let key = BlobKey::new(&caller.workspace, file.digest.parse::<Digest>()?, generation)?;
        let bytes = self.0.blobs().get_bytes(&key, SIDE_FILE_LIMIT).await?;
        let invalid = |e: serde_json::Error| Error::invalid("invalid_model_file", format!("{path} is not JSON")).caused_by(e);
        serde_json::from_slice(&bytes).map(Some).map_err(invalid)
    }
}
