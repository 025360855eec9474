//! A server as a source, over MLflow's REST API.

use std::net::SocketAddr;

use bytes::Bytes;
use slipway::domain::identity::Caller;
use slipway::domain::run::{MetricPoint, Number, RunStatus};
use slipway::domain::tracking::{DatasetInput, LoggedDataset, Pair, Stage};
use slipway::service::{App, Batch, NewTrackedRun, RunChange};
use tokio::net::TcpListener;

use super::{experiments, files, points, runs, take};
use crate::support::db::{ENGINES, World};

/// Serves a world on a port of its own; ends with the task.
pub async fn serve(app: &App) -> (String, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = slipway::http::build(app, None).unwrap().router;
    let serving = tokio::spawn(async move {
        axum::serve(listener, router.into_make_service_with_connect_info::<SocketAddr>()).await.unwrap();
    });
    (url, serving)
}

fn pair(key: &str, value: &str) -> Pair {
    Pair { key: key.to_owned(), value: value.to_owned() }
}

/// Fills a world: two experiments, one of them deleted, `count` runs in the other.
pub async fn fill(app: &App, count: usize) -> Vec<String> {
    let caller = Caller::local();
    let tracking = app.tracking();
    let sea = tracking.create_experiment(&caller, "sea", "", &[pair("team", "tides")]).await.unwrap();
    let gone = tracking.create_experiment(&caller, "gone", "", &[]).await.unwrap();
    let mut ids = Vec::new();
    for i in 0..count {
        let experiment_id = if i == 1 { gone.clone() } else { sea.clone() };
        let start_time = Some(1_000 + i64::try_from(i).unwrap() / 2);
        let new = NewTrackedRun { experiment_id, name: format!("run {i}"), user: "ann".to_owned(), start_time, tags: vec![pair("k", "v")] };
        let run = tracking.create_run(&caller, &new).await.unwrap().info.run_id;
        let point =
            |key: &str, step: i64, value: f64| MetricPoint { key: key.to_owned(), value: Number(value), timestamp: 5_000 - step, step };
        let mut metrics: Vec<_> = (0..300).map(|step| point("loss", step, 1.0 / (step as f64 + 1.0))).collect();
        metrics.extend([
            point("odd", 0, f64::NAN),
            point("odd", 1, f64::INFINITY),
            point("odd", 2, f64::NEG_INFINITY),
            point("odd", 3, -0.0),
        ]);
        let batch = Batch { metrics, params: vec![pair("i", &i.to_string())], tags: Vec::new(), of_models: Vec::new() };
        tracking.log_batch(&caller, &run, &batch).await.unwrap();
        let dataset = LoggedDataset {
            name: "waves".to_owned(),
            digest: "d".to_owned(),
            source_type: "local".to_owned(),
            source: "{}".to_owned(),
            schema: None,
            profile: Some("{\"num_rows\": 2}".to_owned()),
        };
        tracking
            .log_inputs(&caller, &run, &[DatasetInput { dataset, tags: vec![pair("mlflow.data.context", "eval")] }], &[])
            .await
            .unwrap();
        for (path, text) in [("a.txt", format!("file {i}")), ("sub/däta.json", "{}".to_owned())] {
            let bytes = futures::stream::iter([Ok::<_, std::io::Error>(Bytes::from(text))]);
            tracking.upload_run_file(&caller, &run, path, "text/x-own", bytes).await.unwrap();
        }
        let change = RunChange { status: Some(RunStatus::Finished), end_time: Some(9_000), name: None };
        tracking.update_run(&caller, &run, &change).await.unwrap();
        ids.push(run);
    }
    tracking.delete_run(&caller, &ids[0]).await.unwrap();
    tracking.delete_experiment(&caller, &gone).await.unwrap();
    ids
}

/// Compares what two servers hold, except for the ids of experiments.
pub async fn assert_equal(a: &App, b: &App) {
    let plain = |mut found: Vec<slipway::domain::tracking::TrackedExperiment>| {
        for experiment in &mut found {
            experiment.artifact_location.clear();
            if experiment.id == "0" {
                (experiment.created_at.0, experiment.updated_at.0) = (0, 0);
            }
            experiment.id.clear();
        }
        found
    };
    assert_eq!(plain(experiments(a).await), plain(experiments(b).await));
    let (here, there) = (runs(a).await, runs(b).await);
    assert_eq!(here.len(), there.len());
    for (mut x, mut y) in here.into_iter().zip(there) {
        for run in [&mut x, &mut y] {
            run.info.experiment_id.clear();
            run.info.artifact_uri.clear();
        }
        assert_eq!(x, y);
        for metric in &x.metrics {
            let (x, y) = (points(a, &x.info.run_id, &metric.key).await, points(b, &x.info.run_id, &metric.key).await);
            let bits = |points: Vec<(i64, i64, f64)>| points.into_iter().map(|(s, t, v)| (s, t, v.to_bits())).collect::<Vec<_>>();
            assert_eq!(bits(x), bits(y));
        }
        assert_eq!(files(a, &x.info.run_id).await, files(b, &x.info.run_id).await);
    }
}

#[tokio::test]
async fn everything_of_a_server_comes_over_bit_by_bit() {
    for engine in ENGINES {
        let (there, here) = (World::new(engine).await, World::new(engine).await);
        let ids = fill(&there.app, 7).await;
        let (url, serving) = serve(&there.app).await;
        let report = take(&here.app, &url).await;
        assert!(report.is_good(), "{}", report.text());
        assert_eq!(["experiments", "runs", "files"].map(|noun| report.count_new(noun)), [3, 7, 14], "{}", report.text());
        assert_equal(&there.app, &here.app).await;
        assert_eq!(runs(&here.app).await[0].info.stage, Stage::Deleted);
        let media = here.app.artifacts().list(&Caller::local(), slipway::service::Owner::Run(&ids[2])).await.unwrap();
        assert!(media.iter().all(|file| file.media_type == "text/x-own"));
        let report = take(&here.app, &format!("{url}/")).await;
        assert!(report.is_good(), "{}", report.text());
        assert_eq!(["experiments", "runs", "items of runs", "files"].map(|noun| report.count_new(noun)), [0; 4]);
        let events = here.app.events().list_after(&Caller::local(), 0, 500).await.unwrap();
        assert_eq!(events.iter().filter(|event| event.kind == "import.finished").count(), 2);
        serving.abort();
        here.end().await;
        there.end().await;
    }
}
