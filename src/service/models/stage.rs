//! Stages: each active one has an alias that points at its newest version. Whoever moves one moves the other in the same
//! transaction, under the lock of the model's row.

use super::promote::{Moved, Step, contended, write_move};
use crate::domain::identity::Caller;
use crate::domain::model::{AliasEventKind, ModelVersion};
use crate::domain::promotion::GateResult;
use crate::domain::registry::ModelStage;
use crate::domain::time::Timestamp;
use crate::error::Result;
use crate::store::{self, Tx};

/// Lets versions follow the alias of a stage: the one that it points at enters, newer ones are archived; all are when it is gone.
pub(super) async fn follow(
    tx: &mut Tx,
    caller: &Caller,
    model_id: &str,
    stage: ModelStage,
    to: Option<i64>,
    reason: &str,
    now: Timestamp,
) -> Result<Vec<Moved>> {
    let ws = &caller.workspace;
    store::stage::archive(tx, ws, model_id, stage, (to.unwrap_or(0), None), now).await?;
    if let Some(version) = to {
        store::stage::enter(tx, ws, model_id, version, stage, now).await?;
    }
    settle(tx, caller, model_id, None, reason, now).await
}

/// Lets the aliases of stages follow versions that entered or left. An alias that moves to `promoted` moves by promotion, with what the
/// gates said; any other move goes back to an older version, or nowhere.
pub(crate) async fn settle(
    tx: &mut Tx,
    caller: &Caller,
    model_id: &str,
    promoted: Option<(&ModelVersion, &[GateResult])>,
    reason: &str,
    now: Timestamp,
) -> Result<Vec<Moved>> {
    let ws = &caller.workspace;
    let mut moves = Vec::new();
    for stage in ModelStage::ACTIVE {
        let at = store::alias::find(tx, ws, model_id, stage.as_str()).await?;
        let newest = store::stage::newest(tx, ws, model_id, stage).await?;
        if at.version == newest {
            continue;
        }
        let found = match newest {
            Some(number) => store::model::find_version_of(tx, ws, model_id, number).await?,
            None => None,
        };
        let by_promotion = promoted.filter(|(version, _)| newest == Some(version.version));
        let step = Step {
            kind: match (&found, by_promotion.is_some()) {
                (None, _) => AliasEventKind::Delete,
                (Some(_), true) => AliasEventKind::Promote,
                (Some(_), false) => AliasEventKind::Rollback,
            },
            to: found.as_ref(),
            reverts: (found.is_some() && by_promotion.is_none()).then_some(at.revision),
            gates: by_promotion.map_or(&[], |(_, gates)| gates),
            reason,
        };
        moves.push(write_move(tx, caller, model_id, stage.as_str(), at, &step, now).await?.ok_or_else(contended)?);
    }
    Ok(moves)
}
