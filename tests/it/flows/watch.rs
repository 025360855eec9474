//! Watching traffic on both databases, with a clock that the test moves: what is counted is written once, each closed window gets one
//! report whoever scans, drift raises one alert, and rows that come late make a second revision.

use std::sync::Arc;

use bytes::Bytes;
use slipway::domain::identity::Caller;
use slipway::domain::monitor::{DriftReport, ReportState};
use slipway::domain::page::PageRequest;
use slipway::domain::schema::Format;
use slipway::infer::router::Selector;
use slipway::infer::tensor::{Tensor, TensorData};
use slipway::service::{App, Promotion};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::support::db::{ENGINES, START, World};
use crate::support::rng::Rng;

const MINUTE: i64 = 60_000;

/// Rows of two features; the first decides the class.
fn rows(n: usize, seed: u64) -> Vec<[f32; 2]> {
    let mut rng = Rng::new(seed);
    (0..n).map(|_| [rng.below(1000) as f32 / 1000.0, rng.below(1000) as f32 / 250.0]).collect()
}

/// Trains, promotes and loads a model in this process.
pub(super) async fn given_a_champion(world: &World) {
    let me = Caller::local();
    let lines = rows(500, 1).into_iter().map(|[x, z]| format!("{x},{z},{}\n", if x > 0.4 { "high" } else { "low" }));
    let csv = format!("x,z,tide\n{}", lines.collect::<String>());
    let bytes = futures::stream::iter([Ok::<_, std::io::Error>(Bytes::from(csv))]);
    world.app.datasets().upload(&me, "tides", Format::Csv, Default::default(), bytes).await.unwrap();
    train(world, 1).await;
    let promotion = Promotion { version: 1, ..Promotion::default() };
    world.app.models().promote(&me, "tides", "champion", &promotion).await.unwrap();
    world.app.serving().reconcile().await.unwrap();
    world.app.monitoring().update(&me, "tides", true, MINUTE, &serde_json::json!({})).await.unwrap();
}

/// Trains a version of the model in this process.
pub(super) async fn train(world: &World, seed: u64) {
    let me = Caller::local();
    let network = serde_json::json!({ "layers": [{ "units": 1, "activation": "sigmoid" }], "epochs": 2, "seed": seed });
    let spec = serde_json::json!({ "dataset": "tides", "target": "tide", "register_as": "tides", "network": network });
    let job = world.app.jobs().submit(&me, serde_json::from_value(spec).unwrap()).await.unwrap();
    let claim = world.app.jobs().claim("worker").await.unwrap().unwrap();
    let (_tell, stop) = watch::channel(false);
    world.app.training().execute(claim, stop).await;
    let job = world.app.jobs().get(&me, &job.job_id).await.unwrap();
    assert!(job.result.is_some(), "{job:?}");
}

/// Predicts for all rows, shifted by `by`.
async fn predict(app: &App, rows: &[[f32; 2]], by: f32) {
    let served = app.serving().find(&Caller::local(), "tides", Selector::Default).unwrap();
    for chunk in rows.chunks(50) {
        let values = chunk.iter().flat_map(|[x, z]| [x + by, *z]).collect();
        let inputs = vec![Tensor::new(vec![chunk.len(), 2], TensorData::Fp32(values)).unwrap()];
        app.serving().predict(&served, inputs, &[0]).await.unwrap();
    }
}

/// The recorder of a process.
struct Recording {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Recording {
    fn start(app: &App) -> Self {
        let ((stop, stopped), app) = (watch::channel(false), app.clone());
        Self { stop, task: tokio::spawn(async move { app.monitoring().record(stopped).await }) }
    }

    /// Ends it as a shutdown does.
    async fn end(self) {
        self.stop.send_replace(true);
        self.task.await.unwrap();
    }
}

/// Rows that the minutes from `from` to `to` hold, after this process has written down what it knows.
async fn counted(app: &App, from: i64, to: i64) -> i64 {
    let report = app.monitoring().evaluate(&Caller::local(), "tides", Some(1), START.plus_ms(from), START.plus_ms(to), false).await;
    report.unwrap().num_rows
}

/// All reports, superseded ones too, oldest window and revision first.
async fn reports(app: &App) -> Vec<DriftReport> {
    let page = PageRequest::parse(Some(1000), None).unwrap();
    let me = Caller::local();
    let mut found = app.monitoring().reports(&me, "tides", None, None, &page).await.unwrap().items;
    found.extend(app.monitoring().reports(&me, "tides", None, Some(ReportState::Superseded), &page).await.unwrap().items);
    found.sort_by_key(|report| (report.window_start, report.revision));
    found
}

/// Lets processes scan at the same time; returns how many reports they made.
async fn scan(apps: &[App]) -> usize {
    let tasks: Vec<_> =
        apps.iter().cycle().take(6).cloned().map(|app| tokio::spawn(async move { app.monitoring().scan().await })).collect();
    let mut made = 0;
    for task in tasks {
        made += task.await.unwrap().unwrap();
    }
    made
}

async fn alerts(app: &App) -> Vec<serde_json::Value> {
    let events = app.events().list_after(&Caller::local(), 0, 1000).await.unwrap();
    events.into_iter().filter(|event| event.kind == "drift.detected").map(|event| event.payload).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_answered_is_counted_once_however_often_it_is_written() {
    for engine in ENGINES {
        let world = World::new(engine).await;
        given_a_champion(&world).await;
        let (rows, recording) = (rows(100, 2), Recording::start(&world.app));
        predict(&world.app, &rows, 0.0).await;
        assert_eq!(counted(&world.app, 0, MINUTE).await, 100, "{engine:?}");
        assert_eq!(counted(&world.app, 0, MINUTE).await, 100);
        predict(&world.app, &rows[..50], 0.0).await;
        assert_eq!(counted(&world.app, 0, MINUTE).await, 150);

        // a minute that was forgotten and comes again, as when the clock is set back, adds to what was written
        world.clock.advance_ms(3 * MINUTE);
        predict(&world.app, &rows, 0.0).await;
        assert_eq!(counted(&world.app, 3 * MINUTE, 4 * MINUTE).await, 100);
        world.clock.advance_ms(-3 * MINUTE);
        predict(&world.app, &rows[..50], 0.0).await;
        assert_eq!(counted(&world.app, 0, MINUTE).await, 200, "{engine:?}");

        // and a shutdown writes the rest
        predict(&world.app, &rows[..50], 0.0).await;
        recording.end().await;
        assert_eq!(counted(&world.app, 0, MINUTE).await, 250, "{engine:?}");
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_closed_window_is_reported_once_and_drift_is_told_once() {
    for engine in ENGINES {
        let world = World::new(engine).await;
        given_a_champion(&world).await;
        let other = world.another();
        other.serving().reconcile().await.unwrap();
        let apps = [world.app.clone(), other.clone()];
        let rows = rows(400, 3);
        let recording = Recording::start(&world.app);

        // given a usual minute, and a drifted one of which the other process has not written its part yet
        predict(&world.app, &rows, 0.0).await;
        world.clock.advance_ms(MINUTE);
        predict(&world.app, &rows, 0.5).await;
        predict(&other, &rows[..100], 0.5).await;
        assert_eq!(counted(&world.app, 0, 2 * MINUTE).await, 800, "{engine:?}");

        // then only the window that is over for long enough is compared, and then the next
        world.clock.advance_ms(20_000);
        assert_eq!(scan(&apps).await, 1, "{engine:?}: the second window is still open");
        world.clock.advance_ms(MINUTE);
        assert_eq!(scan(&apps).await, 1, "{engine:?}");
        assert_eq!(scan(&apps).await, 0, "{engine:?}");
        let found = reports(&world.app).await;
        let seen: Vec<_> = found.iter().map(|r| (r.window_start.0 - START.0, r.revision, r.state, r.num_rows)).collect();
        assert_eq!(seen, [(0, 1, ReportState::Ok, 400), (MINUTE, 1, ReportState::Drifted, 400)], "{engine:?}: {found:?}");
        let told = alerts(&world.app).await;
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!((&told[0]["columns"][0], &told[0]["revision"]), (&"x".into(), &1.into()));

        // when the other process writes late, the window gets one more revision and nobody is alarmed again
        let late = Recording::start(&other);
        assert_eq!(counted(&other, MINUTE, 2 * MINUTE).await, 500);
        assert_eq!(scan(&apps).await, 1, "{engine:?}");
        assert_eq!(scan(&apps).await, 0, "{engine:?}");
        let found = reports(&world.app).await;
        let seen: Vec<_> = found.iter().map(|r| (r.window_start.0 - START.0, r.revision, r.state, r.num_rows)).collect();
        let (first, second) = ((MINUTE, 1, ReportState::Superseded, 400), (MINUTE, 2, ReportState::Drifted, 500));
        assert_eq!(seen, [(0, 1, ReportState::Ok, 400), first, second], "{engine:?}");
        assert_eq!(alerts(&world.app).await.len(), 1, "{engine:?}");
        recording.end().await;
        late.end().await;
        drop((apps, other));
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_two_processes_count_is_one_window() {
    for engine in ENGINES {
        let world = World::new(engine).await;
        given_a_champion(&world).await;
        let other = world.another();
        other.serving().reconcile().await.unwrap();
        let recordings = [Recording::start(&world.app), Recording::start(&other)];
        let rows = Arc::new(rows(200, 4));
        tokio::join!(predict(&world.app, &rows, 0.0), predict(&other, &rows, 0.0));
        for recording in recordings {
            recording.end().await;
        }
        assert_eq!(counted(&world.app, 0, MINUTE).await, 400, "{engine:?}");
        world.end().await;
    }
}
