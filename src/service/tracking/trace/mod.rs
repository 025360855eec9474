//! Traces: what clients tell about them, read and delete. `ingest` takes spans in, `search` finds traces, `assess` keeps what is
//! said about them.

mod assess;
mod delete;
mod ingest;
mod link;
mod search;

use std::time::Duration;

pub use ingest::{Ingested, MAX_SPANS};
pub use search::{Correlation, TraceSearch};

use super::{Tracking, check, experiments};
use crate::domain::identity::Caller;
use crate::domain::trace::{LOCATION_TAG, NAME_TAG, SESSION_KEY, SPANS_HERE, SPANS_TAG, Trace, TraceInfo, TraceState};
use crate::domain::tracking::{Pair, TrackedExperiment};
use crate::error::{Error, Result};
use crate::service::Events;
use crate::store::Tx;
use crate::store::tracking::trace as traces;

/// Traces of one request that names them.
const MAX_IDS: usize = 1000;
/// Traces of one request that reads their spans.
const MAX_WITH_SPANS: usize = 500;
/// How long a reader waits for spans that are still on their way.
const PATIENCE: Duration = Duration::from_secs(3);
/// Tags that only the server writes.
const KEPT_TAGS: [&str; 3] = [SPANS_TAG, "mlflow.trace.archiveLocation", "mlflow.trace.archivalFailure"];

impl Tracking<'_> {
    /// Keeps what a client tells about a trace, which it does at its end. It is laid over what spans told.
    pub async fn start_trace(&self, caller: &Caller, mut info: TraceInfo) -> Result<TraceInfo> {
        check_info(&info)?;
        let app = self.0;
        for assessment in &mut info.assessments {
            self.complete(assessment);
        }
        let mut tx = app.db().begin().await?;
        let experiment = experiments::active(&mut tx, caller, &info.experiment_id).await?;
        info.experiment_id.clone_from(&experiment.id);
        let seq = traces::put(&mut tx, &caller.workspace, &info, true).await?;
        self.write_pairs(&mut tx, seq, &experiment, &info).await?;
        for assessment in &info.assessments {
            traces::assessment::put(&mut tx, seq, assessment).await?;
        }
        let made = found(&mut tx, caller, &info.trace_id).await?.1;
        tx.commit().await?;
        app.nudge();
        Ok(made)
    }

    /// Starts a trace as clients of MLflow 2 do: the server makes its id, and it ends with [`Tracking::end_trace`].
    pub async fn begin_trace(&self, caller: &Caller, mut info: TraceInfo) -> Result<TraceInfo> {
        info.trace_id = format!("tr-{}", self.0.new_id());
        check_info(&info)?;
        let mut tx = self.0.db().begin().await?;
        let experiment = experiments::active(&mut tx, caller, &info.experiment_id).await?;
        let seq = traces::put(&mut tx, &caller.workspace, &info, false).await?;
        self.write_pairs(&mut tx, seq, &experiment, &info).await?;
        let made = found(&mut tx, caller, &info.trace_id).await?.1;
        tx.commit().await?;
        Ok(made)
    }

    /// Ends a trace that was started by [`Tracking::begin_trace`].
    pub async fn end_trace(
        &self,
        caller: &Caller,
        id: &str,
        (end_time, state): (i64, TraceState),
        (metadata, tags): (&[Pair], &[Pair]),
    ) -> Result<TraceInfo> {
        check_pairs(metadata)?;
        check_pairs(tags)?;
        let mut tx = self.0.db().begin().await?;
        let seq = held(&mut tx, caller, id).await?;
        traces::set_end(&mut tx, seq, end_time, state).await?;
        let (metadata, tags) = (last_of_each(metadata), last_of_each(tags));
        traces::set_metadata(&mut tx, &of_trace(seq, &metadata)).await?;
        traces::set_tags(&mut tx, &of_trace(seq, &tags)).await?;
        let ended = found(&mut tx, caller, id).await?.1;
        tx.commit().await?;
        Ok(ended)
    }

    async fn write_pairs(&self, tx: &mut Tx, seq: i64, experiment: &TrackedExperiment, info: &TraceInfo) -> Result<()> {
        let mut tags: Vec<Pair> = info.tags.iter().filter(|pair| !KEPT_TAGS.contains(&pair.key.as_str())).cloned().collect();
        tags.push(Pair { key: LOCATION_TAG.to_owned(), value: location(experiment, &info.trace_id) });
        // a client that counts its spans sends them here; it looks for the tag even before they came
        if info.spans_announced().is_some() {
            tags.push(Pair { key: SPANS_TAG.to_owned(), value: SPANS_HERE.to_owned() });
        }
        let (metadata, tags) = (last_of_each(&info.metadata), last_of_each(&tags));
        traces::set_metadata(tx, &of_trace(seq, &metadata)).await?;
        traces::set_tags(tx, &of_trace(seq, &tags)).await?;
        Ok(())
    }

    /// Returns a trace without its spans.
    pub async fn get_trace_info(&self, caller: &Caller, id: &str) -> Result<TraceInfo> {
        let mut tx = self.0.db().read().await?;
        Ok(found(&mut tx, caller, id).await?.1)
    }

    /// Returns a trace with its spans. Waits a moment for spans that its client has announced, unless a part of them will do.
    pub async fn get_trace(&self, caller: &Caller, id: &str, partial: bool) -> Result<Trace> {
        let patience = tokio::time::sleep(PATIENCE);
        tokio::pin!(patience);
        let mut changes = self.0.events().watch();
        loop {
            let mut tx = self.0.db().read().await?;
            let (seq, info) = found(&mut tx, caller, id).await?;
            let there = traces::span::count(&mut tx, seq).await?;
            if partial || is_whole(&info, there) {
                let spans = traces::span::list(&mut tx, &[(seq, info.trace_id.clone())]).await?.remove(&seq).unwrap_or_default();
                return Ok(Trace { info, spans });
            }
            drop(tx);
            tokio::select! {
                () = Events::changed(&mut changes) => {}
                () = &mut patience => {
                    let message = format!("Trace with ID {id} is not fully exported yet, please try again later.");
                    return Err(Error::not_found("trace_incomplete", message));
                }
            }
        }
    }

    /// Returns traces with their spans, in the sequence of the ids; those that are not there, or not whole yet, are left out.
    pub async fn get_traces(&self, caller: &Caller, ids: &[String], experiments: Option<&[String]>) -> Result<Vec<Trace>> {
        check_ids(ids, MAX_WITH_SPANS)?;
        let mut tx = self.0.db().read().await?;
        let infos = traces::find_all(&mut tx, &caller.workspace, &distinct(ids), experiments).await?;
        let named: Vec<(i64, String)> = infos.iter().map(|(seq, info)| (*seq, info.trace_id.clone())).collect();
        let mut spans = traces::span::list(&mut tx, &named).await?;
        let whole = infos.into_iter().filter_map(|(seq, info)| {
            let spans = spans.remove(&seq).unwrap_or_default();
            is_whole(&info, spans.len() as u64).then_some(Trace { info, spans })
        });
        Ok(whole.filter(|trace| !trace.spans.is_empty()).collect())
    }

    /// Returns traces without their spans, in the sequence of the ids; those that are not there are left out.
    pub async fn get_trace_infos(&self, caller: &Caller, ids: &[String], experiments: Option<&[String]>) -> Result<Vec<TraceInfo>> {
        check_ids(ids, MAX_IDS)?;
        let mut tx = self.0.db().read().await?;
        let infos = traces::find_all(&mut tx, &caller.workspace, &distinct(ids), experiments).await?;
        Ok(infos.into_iter().map(|(_, info)| info).collect())
    }

    /// Sets a tag of a trace.
    pub async fn set_trace_tag(&self, caller: &Caller, id: &str, tag: &Pair) -> Result<()> {
        if KEPT_TAGS.contains(&tag.key.as_str()) {
            return Err(kept(&tag.key, "set"));
        }
        let tag = check::tag(tag, "")?;
        let mut tx = self.0.db().begin().await?;
        let seq = held(&mut tx, caller, id).await?;
        traces::set_tags(&mut tx, &[(seq, &tag.key, &tag.value)]).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Deletes a tag of a trace.
    pub async fn delete_trace_tag(&self, caller: &Caller, id: &str, key: &str) -> Result<()> {
        if KEPT_TAGS.contains(&key) {
            return Err(kept(key, "deleted"));
        }
        let mut tx = self.0.db().begin().await?;
        let seq = held(&mut tx, caller, id).await?;
        if key.contains('\0') || !traces::delete_tag(&mut tx, seq, key).await? {
            return Err(Error::not_found("tag_not_found", format!("No trace tag with key '{key}' for trace with ID '{id}'")));
        }
        tx.commit().await?;
        Ok(())
    }
}

/// Tells whether all spans are there that the client announced.
fn is_whole(info: &TraceInfo, there: u64) -> bool {
    there > 0 && info.spans_announced().is_none_or(|announced| there >= announced)
}

/// Finds a trace with its surrogate.
async fn found(tx: &mut Tx, caller: &Caller, id: &str) -> Result<(i64, TraceInfo)> {
    if id.contains('\0') {
        return Err(no_trace(id));
    }
    traces::find(tx, &caller.workspace, id).await?.ok_or_else(|| no_trace(id))
}

/// Locks a trace.
async fn held(tx: &mut Tx, caller: &Caller, id: &str) -> Result<i64> {
    if id.contains('\0') {
        return Err(no_trace(id));
    }
    traces::hold(tx, &caller.workspace, id).await?.ok_or_else(|| no_trace(id))
}

fn no_trace(id: &str) -> Error {
    Error::not_found("trace_not_found", format!("Trace with ID '{id}' not found."))
}

fn kept(key: &str, what: &str) -> Error {
    invalid(format!("Tag '{key}' is immutable and cannot be {what} on a trace."))
}

fn invalid(message: impl Into<String>) -> Error {
    Error::invalid("invalid_parameter_value", message)
}

/// Returns where the attachments of a trace are.
fn location(experiment: &TrackedExperiment, trace_id: &str) -> String {
    format!("{}/traces/{trace_id}/artifacts", experiment.artifact_location.trim_end_matches('/'))
}

fn check_info(info: &TraceInfo) -> Result<()> {
    if info.trace_id.is_empty() || info.trace_id.len() > 250 || info.trace_id.contains(|c: char| c.is_control()) {
        return Err(invalid("Invalid value for parameter 'trace_id' supplied: it must have 1 to 250 bytes without control characters"));
    }
    check_pairs(&info.metadata)?;
    check_pairs(&info.tags)?;
    if info.metadata.iter().any(|pair| pair.key == SESSION_KEY && pair.value.chars().count() > 250) {
        return Err(invalid("'Session ID' exceeds the maximum length of 250 characters"));
    }
    if info.tags.iter().any(|pair| pair.key == NAME_TAG && pair.value.chars().count() > 4096) {
        return Err(invalid("'Trace name' exceeds the maximum length of 4096 characters"));
    }
    for text in [&info.client_request_id, &info.request_preview, &info.response_preview].into_iter().flatten() {
        if text.contains('\0') {
            return Err(invalid("Invalid value supplied: it contains a NUL character"));
        }
    }
    info.assessments.iter().try_for_each(assess::check)
}

fn check_pairs(pairs: &[Pair]) -> Result<()> {
    for Pair { key, value } in pairs {
        if key.is_empty() || key.chars().count() > 250 {
            return Err(invalid(format!("Invalid key {:?}: it must have 1 to 250 characters", key.chars().take(60).collect::<String>())));
        }
        if value.chars().count() > 8000 {
            return Err(invalid(format!("the value of '{key}' exceeds the maximum length of 8000 characters")));
        }
        if key.contains('\0') || value.contains('\0') {
            return Err(invalid(format!("Invalid value for '{}': it contains a NUL character", key.replace('\0', "\\0"))));
        }
    }
    Ok(())
}

fn check_ids(ids: &[String], most: usize) -> Result<()> {
    if ids.len() > most {
        return Err(invalid(format!("at most {most} traces can be named in one request, not {}", ids.len())));
    }
    if ids.iter().any(|id| id.contains('\0')) {
        return Err(invalid("Invalid value for parameter 'trace_ids' supplied: it contains a NUL character"));
    }
    Ok(())
}

fn distinct(ids: &[String]) -> Vec<String> {
    let mut seen = std::collections::HashSet::new();
    ids.iter().filter(|id| seen.insert(id.as_str())).cloned().collect()
}

/// Keeps the last value of each key.
fn last_of_each(pairs: &[Pair]) -> Vec<Pair> {
    let by_key: std::collections::BTreeMap<&str, &Pair> = pairs.iter().map(|pair| (pair.key.as_str(), pair)).collect();
    by_key.into_values().cloned().collect()
}

fn of_trace(seq: i64, pairs: &[Pair]) -> Vec<traces::TracePair<'_>> {
    pairs.iter().map(|pair| (seq, pair.key.as_str(), pair.value.as_str())).collect()
}
