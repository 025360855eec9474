//! The end of traces: because somebody wants it, or because they are old.

use super::{MAX_IDS, check_ids, distinct, invalid, traces};
use crate::domain::identity::Caller;
use crate::error::Result;
use crate::service::Tracking;

/// Traces that one transaction deletes.
const DELETED_AT_ONCE: i64 = 500;

impl Tracking<'_> {
    /// Deletes traces of an experiment: those of the ids, or those that began until a time, at most so many. Returns how many.
    pub async fn delete_traces(
        &self,
        caller: &Caller,
        experiment_id: &str,
        until: Option<i64>,
        most: Option<i64>,
        ids: &[String],
    ) -> Result<u64> {
        match (until, ids.is_empty()) {
            (None, true) => return Err(invalid("Either `max_timestamp_millis` or `trace_ids` must be specified.")),
            (Some(_), false) => return Err(invalid("Only one of `max_timestamp_millis` and `trace_ids` can be specified.")),
            _ => {}
        }
        if most.is_some() && !ids.is_empty() {
            return Err(invalid("`max_traces` can't be specified if `trace_ids` is specified."));
        }
        if most.is_some_and(|most| most <= 0) {
            return Err(invalid(format!("`max_traces` must be a positive integer, received {}.", most.unwrap_or_default())));
        }
        check_ids(ids, MAX_IDS)?;
        if experiment_id.contains('\0') {
            return Ok(0);
        }
        let ids = distinct(ids);
        let doomed = traces::Doomed {
            workspace: Some(&caller.workspace),
            experiment_id: Some(experiment_id),
            until,
            ids: Some(ids.as_slice()).filter(|ids| !ids.is_empty()),
        };
        self.delete_all(doomed, most.unwrap_or(i64::MAX)).await
    }

    /// Deletes traces that are older than the settings want to keep any. Returns how many.
    pub async fn prune_traces(&self) -> Result<u64> {
        let days = i64::from(self.0.config().trace_retention_days);
        if days == 0 {
            return Ok(0);
        }
        let until = self.0.now().plus_ms(-days * 86_400_000).0;
        self.delete_all(traces::Doomed { workspace: None, experiment_id: None, until: Some(until), ids: None }, i64::MAX).await
    }

    /// Deletes in transactions of bounded size, oldest first.
    async fn delete_all(&self, doomed: traces::Doomed<'_>, most: i64) -> Result<u64> {
        let (mut left, mut deleted) = (most, 0);
        while left > 0 {
            let mut tx = self.0.db().begin().await?;
            let gone = traces::delete(&mut tx, doomed, left.min(DELETED_AT_ONCE)).await?;
            tx.commit().await?;
            deleted += gone;
            let gone = i64::try_from(gone).unwrap_or(i64::MAX);
            if gone < left.min(DELETED_AT_ONCE) {
                break;
            }
            left -= gone;
        }
        Ok(deleted)
    }
}
