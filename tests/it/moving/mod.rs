//! Imports: from MLflow's database and over its REST API, into both databases; repeated, cut off, and with things in the way.

mod copy;
mod database;
mod kill;
mod server;

use slipway::domain::identity::Caller;
use slipway::domain::tracking::{TrackedExperiment, TrackedRun, View};
use slipway::moving::{Options, Progress, Report, import};
use slipway::service::{App, Owner, SearchRequest};

pub async fn take(app: &App, from: &str) -> Report {
    import(app, &Caller::local(), &options(from), &Progress::default()).await.unwrap()
}

pub fn options(from: &str) -> Options {
    Options { from: from.to_owned(), ..Options::default() }
}

/// All experiments by name and stage, without what differs between two servers.
pub async fn experiments(app: &App) -> Vec<TrackedExperiment> {
    let (mut found, token) = app.tracking().search_experiments(&Caller::local(), &everything()).await.unwrap();
    assert_eq!(token, None);
    found.sort_by_key(|experiment| (experiment.name.clone(), experiment.stage.as_str()));
    found
}

/// All runs of all experiments by id.
pub async fn runs(app: &App) -> Vec<TrackedRun> {
    let ids: Vec<String> = experiments(app).await.into_iter().map(|experiment| experiment.id).collect();
    let (mut found, token) = app.tracking().search_runs(&Caller::local(), &ids, &everything()).await.unwrap();
    assert_eq!(token, None);
    found.sort_by_key(|run| run.info.run_id.clone());
    found
}

fn everything() -> SearchRequest {
    SearchRequest { filter: String::new(), order_by: Vec::new(), view: View::All, max_results: 50_000, page_token: String::new() }
}

/// All points of a metric: step, timestamp and value.
pub async fn points(app: &App, run_id: &str, key: &str) -> Vec<(i64, i64, f64)> {
    let (points, _) = app.tracking().metric_history(&Caller::local(), run_id, key, None, "").await.unwrap();
    points.into_iter().map(|point| (point.step, point.timestamp, point.value.0)).collect()
}

/// Paths and digests of the files of a run.
pub async fn files(app: &App, run_id: &str) -> Vec<(String, String)> {
    let files = app.artifacts().list(&Caller::local(), Owner::Run(run_id)).await.unwrap();
    files.into_iter().map(|file| (file.path, file.digest)).collect()
}
