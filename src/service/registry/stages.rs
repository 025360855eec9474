//! Stages, which MLflow's older clients use where others use aliases: a view of the same pointers.

use serde_json::json;

use super::{Registry, check, invalid, lock, model, version};
use crate::domain::identity::Caller;
use crate::domain::model::{ModelVersion, ModelVersionState};
use crate::domain::promotion::{Candidate, GateResult, Metrics, promote};
use crate::domain::registry::ModelStage;
use crate::error::Result;
use crate::service::models::{append, settle, tell_moves, told};
use crate::store::{self, Tx};

const REASON: &str = "a stage was set by a client of MLflow's API";

/// Reads a stage.
pub(super) fn parse(stage: &str) -> Result<ModelStage> {
    let known = ModelStage::ALL.map(ModelStage::as_str).join(", ");
    let bad = || invalid(format!("Invalid Model Version stage: {stage}. Value must be one of {known}."));
    ModelStage::parse(stage).ok_or_else(bad)
}

impl Registry<'_> {
    /// Puts a version into a stage, and archives the others that are in it if `archive` is true. Where the alias of the stage moves
    /// to the version, its bytes are verified first and it has to pass the model's gates.
    pub async fn transition(&self, caller: &Caller, name: &str, number: &str, stage: &str, archive: bool) -> Result<ModelVersion> {
        check::name(name)?;
        let to = parse(stage)?;
        if archive && !ModelStage::ACTIVE.contains(&to) {
            return Err(invalid(format!(
                "Model version transition cannot archive existing model versions because '{stage}' is not an Active stage. Valid stages \
                 are ['Staging', 'Production']"
            )));
        }
        let number = check::number(number)?;
        let (app, ws, now) = (self.0, &caller.workspace, self.0.now());
        if ModelStage::ACTIVE.contains(&to) {
            let found = self.get_version(caller, name, &number.to_string()).await?;
            if found.status == ModelVersionState::Ready {
                app.models().verify(caller, &found).await?;
            }
        }
        let mut tx = app.db().begin().await?;
        let model_id = lock(&mut tx, caller, name, now).await.map_err(|e| super::aliases::told(e, name, number));
        let model_id = match model_id {
            // MLflow looks for the version first
            Err(e) if e.code == "model_not_found" => return Err(super::no_version(name, number)),
            other => other?,
        };
        let found = version(&mut tx, caller, name, number).await?;
        if archive {
            store::stage::archive(&mut tx, ws, &model_id, to, (0, Some(number)), now).await?;
        }
        store::stage::enter(&mut tx, ws, &model_id, number, to, now).await?;
        let gates = self.judge(&mut tx, caller, &model_id, to, &found).await?;
        let promoted = gates.as_deref().map(|gates| (&found, gates));
        let moves = settle(&mut tx, caller, &model_id, promoted, REASON, now).await?;
        let changed = version(&mut tx, caller, name, number).await?;
        tell_moves(&mut tx, caller, name, &model_id, moves, now).await?;
        let payload = json!({ "version": number, "from": found.stage, "to": to });
        append(&mut tx, caller, "model_version.stage_changed", name, payload, now).await?;
        tx.commit().await?;
        app.nudge();
        Ok(changed)
    }

    /// Asks the gates about a version that has entered a stage; `None` where the alias of the stage does not move to it.
    async fn judge(
        &self,
        tx: &mut Tx,
        caller: &Caller,
        model_id: &str,
        to: ModelStage,
        candidate: &ModelVersion,
    ) -> Result<Option<Vec<GateResult>>> {
        let ws = &caller.workspace;
        if !ModelStage::ACTIVE.contains(&to) || store::stage::newest(tx, ws, model_id, to).await? != Some(candidate.version) {
            return Ok(None);
        }
        let at = store::alias::find(tx, ws, model_id, to.as_str()).await?;
        let gates = model(tx, caller, &candidate.name).await?.model.gates;
        let champion: Option<Metrics> = match at.version {
            Some(number) => store::model::find_version_of(tx, ws, model_id, number).await?.map(|version| version.metrics),
            None => None,
        };
        let ask = Candidate {
            version: candidate.version,
            state: candidate.status,
            metrics: &candidate.metrics,
            expected_revision: None,
            override_gates: false,
        };
        promote(at, &ask, &gates, champion.as_ref())
            .map_err(|refusal| super::aliases::told(told(refusal, at, candidate), &candidate.name, candidate.version))
    }
}
