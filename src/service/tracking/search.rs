//! Searches over experiments and runs.

use super::Tracking;
use crate::domain::identity::Caller;
use crate::domain::search::{Attribute, Cursor, Mark, OrderBy, OrderField, Subject, parse_filter, parse_order};
use crate::domain::tracking::{Pair, TrackedExperiment, TrackedRun, View};
use crate::error::{Error, Result};
use crate::store;

/// Largest page.
const MAX_RESULTS: i64 = 50_000;
/// Experiments that one search looks into: each is a bound value.
pub(super) const MAX_EXPERIMENTS: usize = 10_000;

/// What is looked for.
#[derive(Clone, Debug)]
pub struct SearchRequest {
    /// In MLflow's search language.
    pub filter: String,
    /// Columns in MLflow's search language.
    pub order_by: Vec<String>,
    /// Which stages.
    pub view: View,
    /// Size of the page.
    pub max_results: i64,
    /// Token of the page before, or empty.
    pub page_token: String,
}

impl Tracking<'_> {
    /// Returns a page of experiments and the token of the next.
    pub async fn search_experiments(&self, caller: &Caller, request: &SearchRequest) -> Result<(Vec<TrackedExperiment>, Option<String>)> {
        check_size(request.max_results)?;
        let filter = parse_filter(Subject::Experiments, &request.filter)?;
        let order = parse_order(Subject::Experiments, &request.order_by)?;
        let after = Cursor::parse(&order, &request.page_token)?;
        let mut tx = self.0.db().read().await?;
        let limit = request.max_results + 1;
        let within = (request.view, filter.as_slice());
        let found = store::tracking::experiment::search(&mut tx, &caller.workspace, within, (&order, after.as_ref()), limit).await?;
        Ok(page(found, request.max_results, |last| experiment_cursor(&order, last)))
    }

    /// Returns a page of runs of some experiments and the token of the next.
    pub async fn search_runs(
        &self,
        caller: &Caller,
        experiments: &[String],
        request: &SearchRequest,
    ) -> Result<(Vec<TrackedRun>, Option<String>)> {
        check_size(request.max_results)?;
        check_experiments(experiments)?;
        let filter = parse_filter(Subject::Runs, &request.filter)?;
        let order = parse_order(Subject::Runs, &request.order_by)?;
        let after = Cursor::parse(&order, &request.page_token)?;
        let scope = store::tracking::run::Scope { workspace: &caller.workspace, experiments, view: request.view };
        let mut tx = self.0.db().read().await?;
        let found = store::tracking::run::search(&mut tx, scope, &filter, (&order, after.as_ref()), request.max_results + 1).await?;
        Ok(page(found, request.max_results, |last| run_cursor(&order, last)))
    }
}

pub(super) fn check_experiments(experiments: &[String]) -> Result<()> {
    if experiments.len() > MAX_EXPERIMENTS || experiments.iter().any(|id| id.contains('\0')) {
        let message = format!("Invalid value for parameter 'experiment_ids' supplied: at most {MAX_EXPERIMENTS} ids without NUL");
        return Err(Error::invalid("invalid_parameter_value", message));
    }
    Ok(())
}

pub(super) fn check_size(max_results: i64) -> Result<()> {
    let refused = |what: &str| {
        let message = format!("Invalid value {max_results} for parameter 'max_results' supplied. It must be {what}");
        Err(Error::invalid("invalid_parameter_value", message))
    };
    match max_results {
        ..1 => refused("a positive integer"),
        1..=MAX_RESULTS => Ok(()),
        _ => refused(&format!("at most {MAX_RESULTS}")),
    }
}

/// Cuts a list that was read with one item too many.
pub(super) fn page<T>(mut found: Vec<T>, size: i64, cursor: impl Fn(&T) -> Cursor) -> (Vec<T>, Option<String>) {
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    if found.len() <= size {
        return (found, None);
    }
    found.truncate(size);
    let token = found.last().map(|last| cursor(last).token());
    (found, token)
}

fn experiment_cursor(order: &[OrderBy], last: &TrackedExperiment) -> Cursor {
    let mark = |column: &OrderBy| match &column.field {
        OrderField::Attribute(Attribute::CreationTime) => Mark::Number(last.created_at.0),
        OrderField::Attribute(Attribute::LastUpdateTime) => Mark::Number(last.updated_at.0),
        OrderField::Attribute(Attribute::Name) => Mark::Text(last.name.clone()),
        _ => Mark::Text(last.id.clone()),
    };
    Cursor(order.iter().map(mark).collect())
}

fn run_cursor(order: &[OrderBy], last: &TrackedRun) -> Cursor {
    let info = &last.info;
    let pair =
        |pairs: &[Pair], key: &str| pairs.iter().find(|pair| pair.key == key).map_or(Mark::Missing, |pair| Mark::Text(pair.value.clone()));
    let mark = |column: &OrderBy| match &column.field {
        OrderField::Attribute(attribute) => match attribute {
            Attribute::StartTime => Mark::Number(info.start_time),
            Attribute::EndTime => info.end_time.map_or(Mark::Missing, Mark::Number),
            Attribute::RunName => Mark::Text(info.run_name.clone()),
            Attribute::Status => Mark::Text(info.status.as_str().to_owned()),
            Attribute::ArtifactUri => Mark::Text(info.artifact_uri.clone()),
            Attribute::UserId => Mark::Text(info.user_id.clone()),
            _ => Mark::Text(info.run_id.clone()),
        },
        OrderField::Metric(key) => match last.metrics.iter().find(|point| point.key == *key) {
            None => Mark::Missing,
            Some(point) if point.value.0.is_nan() => Mark::NotANumber,
            Some(point) => Mark::Number(crate::domain::search::rank(point.value.0)),
        },
        OrderField::Param(key) => pair(&last.params, key),
        OrderField::Tag(key) => pair(&last.tags, key),
    };
    Cursor(order.iter().map(mark).collect())
}
