//! Searches over models and their versions.

use super::{Registry, invalid};
use crate::domain::identity::Caller;
use crate::domain::model::ModelVersion;
use crate::domain::registry::TrackedModel;
use crate::domain::search::{Attribute, Cursor, Mark, OrderBy, OrderField, Subject, parse_filter, parse_order, split_kind};
use crate::error::Result;
use crate::store;

/// Largest page of models.
const MAX_MODELS: i64 = 1000;
/// Largest page of versions that may be asked for, and that is given: clients go on by the token.
const MAX_VERSIONS: i64 = 200_000;
const VERSIONS_GIVEN: i64 = 10_000;

/// What is looked for.
#[derive(Clone, Debug, Default)]
pub struct RegistrySearch {
    /// In MLflow's search language.
    pub filter: String,
    /// Columns in MLflow's search language.
    pub order_by: Vec<String>,
    /// Size of the page.
    pub max_results: i64,
    /// Token of the page before, or empty.
    pub page_token: String,
}

impl Registry<'_> {
    /// Returns a page of models and the token of the next. Prompts are found only by who asks for them.
    pub async fn search_models(&self, caller: &Caller, request: &RegistrySearch) -> Result<(Vec<TrackedModel>, Option<String>)> {
        check_size(request.max_results, MAX_MODELS)?;
        let (kind, clauses) = split_kind(parse_filter(Subject::Models, &request.filter)?);
        let order = parse_order(Subject::Models, &request.order_by)?;
        let after = Cursor::parse(&order, &request.page_token)?;
        let mut tx = self.0.db().read().await?;
        let limit = request.max_results + 1;
        let within = (kind, clauses.as_slice());
        let found = store::tracking::registry::search_models(&mut tx, &caller.workspace, within, (&order, after.as_ref()), limit).await?;
        Ok(page(found, request.max_results, |last| model_cursor(&order, last)))
    }

    /// Returns a page of versions and the token of the next.
    pub async fn search_versions(&self, caller: &Caller, request: &RegistrySearch) -> Result<(Vec<ModelVersion>, Option<String>)> {
        check_size(request.max_results, MAX_VERSIONS)?;
        let size = request.max_results.min(VERSIONS_GIVEN);
        let (kind, clauses) = split_kind(parse_filter(Subject::ModelVersions, &request.filter)?);
        let order = parse_order(Subject::ModelVersions, &request.order_by)?;
        let after = Cursor::parse(&order, &request.page_token)?;
        let mut tx = self.0.db().read().await?;
        let within = (kind, clauses.as_slice());
        let found =
            store::tracking::registry::search_versions(&mut tx, &caller.workspace, within, (&order, after.as_ref()), size + 1).await?;
        Ok(page(found, size, |last| version_cursor(&order, last)))
    }
}

fn check_size(max_results: i64, limit: i64) -> Result<()> {
    if max_results < 1 {
        return Err(invalid(format!("Invalid value for max_results. It must be a positive integer, but got {max_results}")));
    }
    if max_results > limit {
        let message = format!("Invalid value for request parameter max_results. It must be at most {limit}, but got value {max_results}");
        return Err(invalid(message));
    }
    Ok(())
}

/// Cuts a list that was read with one item too many.
fn page<T>(mut found: Vec<T>, size: i64, cursor: impl Fn(&T) -> Cursor) -> (Vec<T>, Option<String>) {
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    if found.len() <= size {
        return (found, None);
    }
    found.truncate(size);
    let token = found.last().map(|last| cursor(last).token());
    (found, token)
}

fn model_cursor(order: &[OrderBy], last: &TrackedModel) -> Cursor {
    let mark = |column: &OrderBy| match column.field {
        OrderField::Attribute(Attribute::ModelUpdated) => Mark::Number(last.model.updated_at.0),
        _ => Mark::Text(last.model.name.clone()),
    };
    Cursor(order.iter().map(mark).collect())
}

fn version_cursor(order: &[OrderBy], last: &ModelVersion) -> Cursor {
    let mark = |column: &OrderBy| match column.field {
        OrderField::Attribute(Attribute::VersionNumber) => Mark::Number(last.version),
        OrderField::Attribute(Attribute::VersionCreated) => Mark::Number(last.created_at.0),
        OrderField::Attribute(Attribute::VersionUpdated) => Mark::Number(last.updated_at.0),
        _ => Mark::Text(last.name.clone()),
    };
    Cursor(order.iter().map(mark).collect())
}
