//! What traces have to do with runs and prompts.

use super::{check_ids, distinct, held, invalid, traces};
use crate::domain::identity::Caller;
use crate::error::Result;
use crate::service::Tracking;
use crate::service::tracking::{no_run, run};

/// Traces, or prompts, of one request that links them.
const MAX_LINKS: usize = 100;

impl Tracking<'_> {
    /// Links traces to a run; those that are not there are left out.
    pub async fn link_traces(&self, caller: &Caller, ids: &[String], run_id: &str) -> Result<()> {
        if ids.is_empty() {
            return Ok(());
        }
        if ids.len() > MAX_LINKS {
            let message = format!("Cannot link more than {MAX_LINKS} traces to a run in a single request. Provided {} traces.", ids.len());
            return Err(invalid(message));
        }
        check_ids(ids, MAX_LINKS)?;
        if run_id.contains('\0') {
            return Err(no_run(run_id));
        }
        let mut tx = self.0.db().begin().await?;
        run(&mut tx, &caller.workspace, run_id).await?;
        traces::link_run(&mut tx, &caller.workspace, &distinct(ids), run_id).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Says which versions of prompts a trace was made with.
    pub async fn link_prompts(&self, caller: &Caller, id: &str, prompts: &[(String, String)]) -> Result<()> {
        if prompts.len() > MAX_LINKS {
            return Err(invalid(format!("at most {MAX_LINKS} versions of prompts can be linked in one request")));
        }
        for text in prompts.iter().flat_map(|(name, version)| [name, version]) {
            if text.contains('\0') || text.len() > 1000 {
                return Err(invalid("the name or version of a prompt is too long, or contains a NUL character"));
            }
        }
        let mut tx = self.0.db().begin().await?;
        let seq = held(&mut tx, caller, id).await?;
        traces::link_prompts(&mut tx, seq, prompts).await?;
        tx.commit().await?;
        Ok(())
    }
}
