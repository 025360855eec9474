//! The search over logged models.

use super::Tracking;
use super::search::{check_experiments, check_size};
use crate::domain::identity::Caller;
use crate::domain::logged_model::LoggedModel;
use crate::domain::search::{
    DatasetFilter, MAX_DATASETS, Mark, ModelAttribute, ModelOrder, ModelOrderField, ModelSearch, OrderRequest, parse_model_filter,
    parse_model_order, rank,
};
use crate::error::{Error, Result};
use crate::store::tracking::logged_model_search::{Query, measured_bits, search};
use crate::store::{self, Tx};

/// What is looked for among logged models.
#[derive(Clone, Debug)]
pub struct LoggedModelSearch {
    /// In these experiments.
    pub experiments: Vec<String>,
    /// In MLflow's search language.
    pub filter: String,
    /// Data sets whose points count.
    pub datasets: Vec<DatasetFilter>,
    /// Columns.
    pub order_by: Vec<OrderRequest>,
    /// Size of the page.
    pub max_results: i64,
    /// Token of the page before, or empty.
    pub page_token: String,
}

impl Tracking<'_> {
    /// Returns a page of logged models that are not deleted, and the token of the next.
    pub async fn search_logged_models(&self, caller: &Caller, request: &LoggedModelSearch) -> Result<(Vec<LoggedModel>, Option<String>)> {
        check_size(request.max_results)?;
        check_experiments(&request.experiments)?;
        check_datasets(&request.datasets)?;
        let filter = parse_model_filter(&request.filter)?;
        let order = parse_model_order(&request.order_by)?;
        let of = ModelSearch::new(&request.experiments, &request.filter, &request.order_by);
        let after = of.position(&order, &request.page_token)?;
        let query = Query {
            workspace: &caller.workspace,
            experiments: &request.experiments,
            filter: &filter,
            datasets: &request.datasets,
            order: &order,
            after: after.as_deref(),
        };
        let mut tx = self.0.db().read().await?;
        let mut found = search(&mut tx, query, request.max_results + 1).await?;
        let size = usize::try_from(request.max_results).unwrap_or(usize::MAX);
        if found.len() <= size {
            return Ok((found, None));
        }
        found.truncate(size);
        let Some(last) = found.last() else { return Ok((found, None)) };
        let token = of.token(marks(&mut tx, caller, last, &order).await?);
        Ok((found, Some(token)))
    }
}

fn check_datasets(datasets: &[DatasetFilter]) -> Result<()> {
    let refused = |message: &str| Err(Error::invalid("invalid_parameter_value", message));
    if datasets.len() > MAX_DATASETS {
        return refused(&format!("at most {MAX_DATASETS} data sets may be named in the `datasets` clause"));
    }
    for DatasetFilter { name, digest } in datasets {
        if name.is_empty() {
            return refused("`dataset_name` in the `datasets` clause must be specified.");
        }
        if name.contains('\0') || digest.as_ref().is_some_and(|digest| digest.contains('\0')) {
            return refused("a data set in the `datasets` clause contains a NUL character");
        }
    }
    Ok(())
}

/// Returns where a model stands in an order.
async fn marks(tx: &mut Tx, caller: &Caller, model: &LoggedModel, order: &[ModelOrder]) -> Result<Vec<Mark>> {
    let mut marks = Vec::with_capacity(order.len());
    for ModelOrder { field, .. } in order {
        let text = |text: &str| Mark::Text(text.to_owned());
        marks.push(match field {
            ModelOrderField::Attribute(attribute) => match attribute {
                ModelAttribute::ModelId => text(&model.model_id),
                ModelAttribute::ExperimentId => text(&model.experiment_id),
                ModelAttribute::Name => text(&model.name),
                ModelAttribute::ArtifactLocation => text(&model.artifact_uri),
                ModelAttribute::Status => text(model.status.as_str()),
                ModelAttribute::ModelType => text(&model.model_type),
                ModelAttribute::SourceRunId => text(&model.source_run_id),
                ModelAttribute::CreationTime => Mark::Number(model.created_at.0),
                ModelAttribute::LastUpdateTime => Mark::Number(model.updated_at.0),
            },
            ModelOrderField::Metric { .. } => {
                let bits = measured_bits(tx, &caller.workspace, &model.model_id, field).await?;
                match bits.map(store::run::from_bits) {
                    None => Mark::Missing,
                    Some(value) if value.is_nan() => Mark::NotANumber,
                    Some(value) => Mark::Number(rank(value)),
                }
            }
        });
    }
    Ok(marks)
}
