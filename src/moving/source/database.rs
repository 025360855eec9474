//! MLflow's database as a source.

use super::Place;
use crate::domain::logged_model::LoggedModel;
use crate::domain::moving::{MovedExperiment, MovedRegistered, MovedRun, MovedVersion};
use crate::domain::run::MetricPoint;
use crate::moving::{Result, Trouble};
use crate::store::mlflow::run::Position;
use crate::store::mlflow::{self, Schema};
use crate::store::{Db, Tx};

const EXPERIMENTS: i64 = 500;
const RUNS: i64 = 200;
const MODELS: i64 = 100;
const POINTS: i64 = 10_000;
/// Before every point.
const START: Position = (i64::MIN, i64::MIN, f64::NEG_INFINITY, false);

/// An open database.
pub(super) struct Database {
    db: Db,
    schema: Schema,
}

impl Database {
    pub(super) async fn open(url: &str) -> Result<Self> {
        let (db, schema) = mlflow::open(url).await.map_err(|e| Trouble::Everything(format!("can't read the source: {e}")))?;
        Ok(Self { db, schema })
    }

    async fn read(&self) -> Result<Tx> {
        Ok(self.db.read().await?)
    }

    pub(super) async fn count_runs(&self) -> Result<i64> {
        Ok(mlflow::experiment::count_runs(&mut self.read().await?, self.schema).await?)
    }

    pub(super) async fn experiments(&self, token: &str) -> Result<(Vec<MovedExperiment>, Option<String>)> {
        let after = if token.is_empty() { i64::MIN } else { number(token)? };
        let found = mlflow::experiment::list(&mut self.read().await?, self.schema, after, EXPERIMENTS).await?;
        let next = next(&found, EXPERIMENTS, |last| last.source_id.clone());
        Ok((found, next))
    }

    pub(super) async fn runs(&self, experiment: &str, token: &str) -> Result<(Vec<MovedRun>, Option<String>)> {
        let found = mlflow::run::list(&mut self.read().await?, self.schema, number(experiment)?, token, RUNS).await?;
        let next = next(&found, RUNS, |last| last.run_id.clone());
        Ok((found, next))
    }

    pub(super) async fn models(&self, experiment: &str, token: &str) -> Result<(Vec<LoggedModel>, Option<String>)> {
        if !self.schema.logged_models {
            return Ok((Vec::new(), None));
        }
        let found = mlflow::logged_model::list(&mut self.read().await?, number(experiment)?, token, MODELS).await?;
        let next = next(&found, MODELS, |last| last.model_id.clone());
        Ok((found, next))
    }

    pub(super) async fn registered(&self, token: &str) -> Result<(Vec<MovedRegistered>, Option<String>)> {
        let found = mlflow::registry::list_models(&mut self.read().await?, self.schema, token, MODELS).await?;
        let next = next(&found, MODELS, |last| last.name.clone());
        Ok((found, next))
    }

    pub(super) async fn versions(&self, model: &str, token: &str) -> Result<(Vec<MovedVersion>, Option<String>)> {
        let after = if token.is_empty() { 0 } else { number(token)? };
        let found = mlflow::registry::list_versions(&mut self.read().await?, self.schema, model, after, RUNS).await?;
        let next = next(&found, RUNS, |last| last.version.to_string());
        Ok((found, next))
    }

    pub(super) async fn points(&self, run_id: &str, key: &str, after: Option<Position>) -> Result<(Vec<MetricPoint>, Option<Place>)> {
        let after = after.unwrap_or(START);
        let (found, last) = mlflow::run::points(&mut self.read().await?, run_id, key, after, POINTS).await?;
        Ok((found, last.map(Place::Point)))
    }
}

fn number(id: &str) -> Result<i64> {
    id.parse().map_err(|_| Trouble::Thing(format!("{id:?} is no number")))
}

fn next<T>(found: &[T], limit: i64, token: impl Fn(&T) -> String) -> Option<String> {
    let full = i64::try_from(found.len()).is_ok_and(|count| count == limit);
    found.last().filter(|_| full).map(token)
}
