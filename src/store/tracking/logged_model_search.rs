//! The search over logged models.

use super::filter::{self, number, text};
use super::logged_model::{ARTIFACT_URI, Row, columns, fill};
use super::order::{Term, measured, plain, push_after, push_order};
use super::sql::{Dialect, Sql, fetch, rank_of_bits};
use crate::domain::logged_model::LoggedModel;
use crate::domain::search::{DatasetFilter, Mark, ModelAttribute, ModelClause, ModelOrder, ModelOrderField, TextTest};
use crate::store::{Result, Tx};

/// What is looked for.
#[derive(Clone, Copy, Debug)]
pub struct Query<'a> {
    /// The workspace.
    pub workspace: &'a str,
    /// The experiments.
    pub experiments: &'a [String],
    /// What a model has to pass.
    pub filter: &'a [ModelClause],
    /// Data sets whose points count; all points do when there are none.
    pub datasets: &'a [DatasetFilter],
    /// In which order.
    pub order: &'a [ModelOrder],
    /// The position that the page comes after.
    pub after: Option<&'a [Mark]>,
}

fn column(attribute: ModelAttribute) -> &'static str {
    match attribute {
        ModelAttribute::ModelId => "l.id",
        ModelAttribute::ExperimentId => "l.experiment_id",
        ModelAttribute::Name => "l.name",
        ModelAttribute::ArtifactLocation => ARTIFACT_URI,
        ModelAttribute::Status => "l.status",
        ModelAttribute::ModelType => "l.model_type",
        ModelAttribute::SourceRunId => "l.source_run_id",
        ModelAttribute::CreationTime => "l.created_at",
        ModelAttribute::LastUpdateTime => "l.updated_at",
    }
}

/// Lists up to `limit` models that are not deleted and pass all clauses, after a position.
pub async fn search(tx: &mut Tx, query: Query<'_>, limit: i64) -> Result<Vec<LoggedModel>> {
    if query.experiments.is_empty() {
        return Ok(Vec::new());
    }
    let mut sql = Sql::new(Dialect::of(tx), &columns());
    // what is measured becomes columns first, since order and position name it several times
    sql.push(" from (select m.*");
    let terms = terms(&mut sql, query.order);
    sql.push(" from logged_models m where m.workspace = ").text(query.workspace).push(" and m.experiment_id in ");
    sql.texts(query.experiments.iter().map(String::as_str)).push(" and m.lifecycle_stage = 'active') l where 1 = 1");
    for clause in query.filter {
        push(&mut sql, clause, query.datasets);
    }
    let narrowed = query.filter.iter().any(|clause| matches!(clause, ModelClause::Metric { .. }));
    if !query.datasets.is_empty() && !narrowed {
        sql.push(" and ").exists("select 1 from logged_model_metrics p where p.model_seq = l.seq");
        of_datasets(&mut sql, query.datasets);
        sql.closed();
    }
    if let Some(marks) = query.after {
        push_after(&mut sql, &terms, marks);
    }
    push_order(&mut sql, &terms);
    sql.push(" limit ").number(limit);
    let rows: Vec<Row> = fetch!(tx, sql);
    fill(tx, rows).await
}

/// Returns the bits of what a model is ordered by in a column of an order; none where it has no such point.
pub async fn measured_bits(tx: &mut Tx, workspace: &str, model_id: &str, field: &ModelOrderField) -> Result<Option<i64>> {
    let mut sql = Sql::new(Dialect::of(tx), "select ");
    latest(&mut sql, field);
    sql.push(" from logged_models m where m.workspace = ").text(workspace).push(" and m.id = ").text(model_id);
    let rows: Vec<(Option<i64>,)> = fetch!(tx, sql);
    Ok(rows.into_iter().next().and_then(|(bits,)| bits))
}

/// Appends a column for each metric of an order, and returns the order.
fn terms(sql: &mut Sql, order: &[ModelOrder]) -> Vec<Term> {
    let mut terms = Vec::with_capacity(order.len());
    for (i, ModelOrder { field, direction }) in order.iter().enumerate() {
        terms.push(match field {
            ModelOrderField::Attribute(attribute) if attribute.is_number() => plain(column(*attribute).to_owned(), *direction),
            ModelOrderField::Attribute(attribute) => plain(sql.dialect.bytewise(&format!("({})", column(*attribute))), *direction),
            ModelOrderField::Metric { .. } => {
                sql.push(", ");
                latest(sql, field);
                sql.push(&format!(" as o{i}"));
                measured(&format!("l.o{i}"), *direction)
            }
        });
    }
    terms
}

/// Appends the bits of the latest point of the model `m`; null for anything but a metric.
fn latest(sql: &mut Sql, field: &ModelOrderField) {
    let ModelOrderField::Metric { key, dataset_name, dataset_digest } = field else {
        sql.push("null");
        return;
    };
    sql.push("(select p.bits from logged_model_metrics p where p.model_seq = m.seq and p.key = ").text(key);
    for (column, value) in [(" and p.dataset_name = ", dataset_name), (" and p.dataset_digest = ", dataset_digest)] {
        if let Some(value) = value {
            sql.push(column).text(value);
        }
    }
    sql.push(" order by p.timestamp desc, p.step desc, p.run_seq, p.bits, p.dataset_name, p.dataset_digest limit 1)");
}

/// Appends `and …` for a clause.
fn push(sql: &mut Sql, clause: &ModelClause, datasets: &[DatasetFilter]) {
    sql.push(" and ");
    match clause {
        ModelClause::Number(attribute, whole) => number(sql, column(*attribute), *whole),
        ModelClause::Text(attribute, test) => text(sql, &format!("({})", column(*attribute)), test),
        ModelClause::Metric { key, op, value } => {
            sql.exists("select 1 from logged_model_metrics p where p.model_seq = l.seq and p.key = ").text(key).push(" and ");
            filter::metric(sql, &rank_of_bits("p.bits"), *op, *value);
            of_datasets(sql, datasets);
            sql.push(" limit 1").closed();
        }
        ModelClause::Param(key, test) => keyed(sql, "logged_model_params", key, test),
        ModelClause::Tag(key, test) => keyed(sql, "logged_model_tags", key, test),
    }
}

fn keyed(sql: &mut Sql, table: &str, key: &str, test: &TextTest) {
    sql.exists(&format!("select 1 from {table} k where k.model_seq = l.seq and k.key = ")).text(key).push(" and ");
    text(sql, "k.value", test);
    sql.closed();
}

/// Appends `and …`, true for points `p` of one of the data sets, or of anything when there are none.
fn of_datasets(sql: &mut Sql, datasets: &[DatasetFilter]) {
    for (i, dataset) in datasets.iter().enumerate() {
        sql.push(if i == 0 { " and (" } else { " or " }).push("(p.dataset_name = ").text(&dataset.name);
        if let Some(digest) = &dataset.digest {
            sql.push(" and p.dataset_digest = ").text(digest);
        }
        sql.push(")");
    }
    sql.push(if datasets.is_empty() { "" } else { ")" });
}
