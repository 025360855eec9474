//! Where things come from: a server that speaks MLflow's REST API, or MLflow's own database. Both list the same in pages.

mod database;
mod files;
mod rest;
mod wire;
mod wire_model;

use super::{Result, Trouble};
use crate::domain::logged_model::LoggedModel;
use crate::domain::moving::{MovedExperiment, MovedRegistered, MovedRun, MovedVersion};
use crate::domain::run::MetricPoint;
use crate::store::mlflow::run::Position;

pub(super) use files::{Files, Found, media_type};

/// A source.
pub(super) struct Source {
    reader: Reader,
    files: Files,
}

enum Reader {
    Rest(rest::Rest),
    Database(database::Database),
}

/// Where a page of points ended.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Place {
    /// A server's token.
    Token(String),
    /// The last point.
    Point(Position),
}

impl Source {
    /// Opens a source by its URL. `artifacts` says where `mlflow-artifacts:` is, when the source is a database.
    pub(super) async fn open(url: &str, artifacts: Option<&str>) -> Result<Self> {
        if url.starts_with("http://") || url.starts_with("https://") {
            let rest = rest::Rest::open(url).await?;
            let files = Files::of_server(rest.clone());
            return Ok(Self { reader: Reader::Rest(rest), files });
        }
        let database = database::Database::open(url).await?;
        let files = match artifacts {
            Some(server) if server.starts_with("http://") || server.starts_with("https://") => {
                Files::of_uris(Some(Files::of_server(rest::Rest::open(server).await?)), None)
            }
            Some(root) => Files::of_uris(None, Some(root)),
            None => Files::of_uris(None, None),
        };
        Ok(Self { reader: Reader::Database(database), files })
    }

    pub(super) fn files(&self) -> &Files {
        &self.files
    }

    /// Returns how many runs there are, where that is known beforehand.
    pub(super) async fn count_runs(&self) -> Result<Option<i64>> {
        match &self.reader {
            Reader::Rest(_) => Ok(None),
            Reader::Database(database) => database.count_runs().await.map(Some),
        }
    }

    /// Lists experiments, deleted ones too.
    pub(super) async fn experiments(&self, token: &str) -> Result<(Vec<MovedExperiment>, Option<String>)> {
        match &self.reader {
            Reader::Rest(rest) => rest.experiments(token).await,
            Reader::Database(database) => database.experiments(token).await,
        }
    }

    /// Lists runs of an experiment, deleted ones too.
    pub(super) async fn runs(&self, experiment: &str, token: &str) -> Result<(Vec<MovedRun>, Option<String>)> {
        match &self.reader {
            Reader::Rest(rest) => rest.runs(experiment, token).await,
            Reader::Database(database) => database.runs(experiment, token).await,
        }
    }

    /// Adds to a run what its listing leaves out.
    pub(super) async fn complete(&self, run: &mut MovedRun) -> Result<()> {
        if let Reader::Rest(rest) = &self.reader {
            run.model_inputs = rest.used(&run.run_id).await?;
        }
        Ok(())
    }

    /// Lists logged models of an experiment that are not deleted, with all points that were measured on them.
    pub(super) async fn models(&self, experiment: &str, token: &str) -> Result<(Vec<LoggedModel>, Option<String>)> {
        match &self.reader {
            Reader::Rest(rest) => rest.models(experiment, token).await,
            Reader::Database(database) => database.models(experiment, token).await,
        }
    }

    /// Lists registered models; with `prompts`, those that are prompts and no others. A database lists all at once.
    pub(super) async fn registered(&self, prompts: bool, token: &str) -> Result<(Vec<MovedRegistered>, Option<String>)> {
        match &self.reader {
            Reader::Rest(rest) => rest.registered(prompts, token).await,
            Reader::Database(_) if prompts => Ok((Vec::new(), None)),
            Reader::Database(database) => database.registered(token).await,
        }
    }

    /// Lists the versions of a registered model by number.
    pub(super) async fn versions(&self, model: &str, prompt: bool, token: &str) -> Result<(Vec<MovedVersion>, Option<String>)> {
        match &self.reader {
            Reader::Rest(rest) => rest.versions(model, prompt, token).await,
            Reader::Database(database) => database.versions(model, token).await,
        }
    }

    /// Lists the points of a metric.
    pub(super) async fn points(&self, run_id: &str, key: &str, place: Option<Place>) -> Result<(Vec<MetricPoint>, Option<Place>)> {
        match (&self.reader, place) {
            (Reader::Rest(rest), None) => rest.points(run_id, key, "").await,
            (Reader::Rest(rest), Some(Place::Token(token))) => rest.points(run_id, key, &token).await,
            (Reader::Database(database), None) => database.points(run_id, key, None).await,
            (Reader::Database(database), Some(Place::Point(point))) => database.points(run_id, key, Some(point)).await,
            _ => Err(Trouble::Everything("a place of another source was given".to_owned())),
        }
    }
}
