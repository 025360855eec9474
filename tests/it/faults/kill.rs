//! `kill -9` at any moment of training, again and again: what was acknowledged is there once, no job hangs, and the model is bit for
//! bit that of a fit which nobody interrupted. `SLIPWAY_KILLS` sets how often, `SLIPWAY_SEED` when.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use slipway::store::{Db, Options};

use super::{CSV, Place, job};
use crate::support::db::Engine;
use crate::support::process::{Client, Process, Setup, last_lines};
use crate::support::rng::{Rng, setting};

const PATIENCE: Duration = Duration::from_secs(120);
/// What a run of the job logs.
const METRICS: [&str; 8] = ["epoch", "loss", "accuracy", "val_loss", "val_accuracy", "eval_loss", "eval_accuracy", "eval_roc_auc"];

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_again_and_again_loses_and_doubles_nothing_on_sqlite() {
    let place = Place::new(Engine::Sqlite, "kill-sqlite").await;
    kill_again_and_again(&place, false).await;
    place.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_and_workers_that_are_killed_again_and_again_lose_and_double_nothing_on_postgres() {
    let place = Place::new(Engine::Postgres, "kill-postgres").await;
    kill_again_and_again(&place, true).await;
    place.end().await;
}

/// The processes under test.
struct Crew {
    server: Option<Process>,
    worker: Option<Process>,
    how_server: Setup,
    how_worker: Option<Setup>,
    client: Client,
}

impl Crew {
    fn new(place: &Place, apart: bool) -> Self {
        let how_server = quick(place.setup("server")).with("worker_slots", if apart { 0 } else { 2 });
        let how_worker = apart.then(|| quick(place.setup("worker")).with("worker_slots", 2));
        let (server, url) = how_server.server();
        let worker = how_worker.as_ref().map(Setup::worker);
        Self { server: Some(server), worker, how_server, how_worker, client: Client::new(&url) }
    }

    /// Kills one of them and starts it again.
    fn kill(&mut self, rng: &mut Rng) {
        if let Some(how) = &self.how_worker
            && rng.below(3) > 0
        {
            self.worker.take().unwrap().kill();
            self.worker = Some(how.worker());
            return;
        }
        self.server.take().unwrap().kill();
        let (server, url) = self.how_server.server();
        self.server = Some(server);
        self.client.follow(url);
    }
}

/// Checkpoints after nearly every report, so that the last one is often at the very end of the fit.
fn quick(setup: Setup) -> Setup {
    setup.hasty().with("checkpoint_interval_ms", 10)
}

/// What a finished job came to: every visible point without its time, and the digest of the model file.
type Outcome = (BTreeMap<&'static str, Vec<(i64, String)>>, String);

async fn outcome(client: &Client, job: &Value) -> Outcome {
    let mut series = BTreeMap::new();
    for key in METRICS {
        let points = client.series(job["run_id"].as_str().unwrap(), key).await;
        assert!(!points.is_empty(), "{key} has no points");
        series.insert(key, points.into_iter().map(|(step, _, value)| (step, value)).collect());
    }
    let version = client.get(&format!("/api/v1/models/cells/versions/{}", job["result"]["version"])).await;
    (series, version["model_digest"].as_str().unwrap_or_else(|| panic!("no digest in {version}")).to_owned())
}

async fn kill_again_and_again(place: &Place, apart: bool) {
    let (kills, seed) = (setting("SLIPWAY_KILLS", 12), setting("SLIPWAY_SEED", 1));
    let mut rng = Rng::new(seed);
    let mut crew = Crew::new(place, apart);
    let client = crew.client.clone();

    // given a fit that nobody interrupted
    client.upload("cells", CSV).await;
    let spec = job("cells", 7, 60);
    let first = client.post("/api/v1/jobs", &spec).await;
    let first = client.ended(first["job_id"].as_str().unwrap(), PATIENCE).await;
    assert_eq!(first["state"], "SUCCEEDED", "{first}\n{}", last_lines(&place.log("server")));
    let wanted = outcome(&client, &first).await;

    // when processes are killed while the same job runs again and again, and somebody logs points meanwhile
    let logged = client.post("/api/v1/runs", &json!({ "run_name": "by-hand" })).await["run_id"].as_str().unwrap().to_owned();
    let stop = Arc::new(AtomicBool::new(false));
    let logger = tokio::spawn(log_points(client.clone(), logged.clone(), stop.clone()));
    let mut jobs: Vec<String> = Vec::new();
    for _ in 0..kills {
        if unfinished(&client, &jobs).await < 2 {
            jobs.push(client.post("/api/v1/jobs", &spec).await["job_id"].as_str().unwrap().to_owned());
        }
        wait_for_a_moment(&client, jobs.last().unwrap(), &mut rng).await;
        crew.kill(&mut rng);
    }
    stop.store(true, Ordering::Relaxed);
    let (acknowledged, sent) = logger.await.unwrap();

    // then every job succeeds with the bits of the first
    let mut lost = 0;
    for id in &jobs {
        let ended = client.ended(id, PATIENCE).await;
        assert_eq!(ended["state"], "SUCCEEDED", "{ended}\n{}", last_lines(&place.log("server")));
        assert_eq!(outcome(&client, &ended).await, wanted, "job {id} after {} attempts", ended["attempt_no"]);
        lost += ended["lost"].as_u64().unwrap();
    }
    // and the points by hand are there once each
    let stored: Vec<i64> = client.series(&logged, "by_hand").await.into_iter().map(|(step, _, _)| step).collect();
    let distinct: BTreeSet<i64> = stored.iter().copied().collect();
    assert_eq!(stored.len(), distinct.len(), "a point was doubled");
    assert_eq!(acknowledged.difference(&distinct).count(), 0, "an acknowledged point was lost");
    assert_eq!(distinct.difference(&sent).count(), 0, "a point came from nowhere");
    one_end_each(&client, &jobs).await;
    eprintln!(
        "{kills} kills, seed {seed}: {} jobs, {lost} attempts lost, {} points by hand acknowledged, {} stored",
        jobs.len(),
        acknowledged.len(),
        stored.len()
    );

    // and after an orderly end nothing is left half-way
    crew.server.take().unwrap().stop();
    crew.worker.take().into_iter().for_each(Process::stop);
    let (server, _) = crew.how_server.server();
    server.stop();
    if let Some(how) = &crew.how_worker {
        // a start sweeps; it is over when the worker has logged that it is ready
        let worker = how.worker();
        worker.says("worker is ready").await;
        worker.stop();
    }
    nothing_is_half_way(place, 1 + jobs.len() as i64).await;
}

async fn unfinished(client: &Client, jobs: &[String]) -> usize {
    let mut open = 0;
    for id in jobs.iter().rev().take(3) {
        let job = client.get(&format!("/api/v1/jobs/{id}")).await;
        open += usize::from(matches!(job["state"].as_str(), Some("PENDING" | "RUNNING")));
    }
    open
}

/// Any moment, or one shortly after a job has come to a phase that passes quickly.
async fn wait_for_a_moment(client: &Client, job: &str, rng: &mut Rng) {
    let phase = ["staging", "training", "publishing", "publishing", "", ""][rng.below(6) as usize];
    if !phase.is_empty() {
        let path = format!("/api/v1/jobs/{job}");
        let comes = client
            .until(&path, PATIENCE, |job| (job["state"] == "RUNNING" && job["progress"]["phase"] == phase) || job["ended_at"].is_string());
        // other jobs may keep this one waiting; any moment is as good then
        let _ = tokio::time::timeout(Duration::from_secs(10), comes).await;
        tokio::time::sleep(Duration::from_millis(rng.below(25))).await;
        return;
    }
    tokio::time::sleep(Duration::from_millis(rng.below(2_500))).await;
}

/// Logs batches of points, each point once; a batch without an answer is sent again or given up, as chance has it. Returns the
/// steps that were acknowledged, and all that were sent.
async fn log_points(client: Client, run_id: String, stop: Arc<AtomicBool>) -> (BTreeSet<i64>, BTreeSet<i64>) {
    let (mut acknowledged, mut sent, mut rng) = (BTreeSet::new(), BTreeSet::new(), Rng::new(99));
    let path = format!("/api/v1/runs/{run_id}/metrics");
    for batch in 0.. {
        let steps: Vec<i64> = (batch * 5..batch * 5 + 5).collect();
        let points: Vec<Value> = steps
            .iter()
            .map(|step| json!({ "key": "by_hand", "value": *step as f64 / 7.0, "timestamp": 1_000 + step, "step": step }))
            .collect();
        let body = json!({ "metrics": points });
        sent.extend(&steps);
        loop {
            match client.send(Method::POST, &path, Some(&body)).await {
                Ok((status, _)) if status.is_success() => acknowledged.extend(&steps),
                Ok((status, body)) => panic!("{status} {body}"),
                Err(_) if rng.below(2) == 0 => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    continue;
                }
                Err(_) => {}
            }
            break;
        }
        if stop.load(Ordering::Relaxed) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    (acknowledged, sent)
}

/// I4: the outbox says of each job once that it succeeded, and nothing else that is final.
async fn one_end_each(client: &Client, jobs: &[String]) {
    let mut ends: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut after = 0;
    loop {
        let page = client.get(&format!("/api/v1/events?after={after}")).await;
        let items = page["items"].as_array().unwrap();
        for event in items {
            after = event["seq"].as_i64().unwrap();
            let kind = event["kind"].as_str().unwrap();
            if ["job.succeeded", "job.failed", "job.timed_out", "job.canceled"].contains(&kind) {
                ends.entry(event["entity_id"].as_str().unwrap().to_owned()).or_default().push(kind.to_owned());
            }
        }
        if items.is_empty() {
            break;
        }
    }
    for id in jobs {
        assert_eq!(ends.get(id), Some(&vec!["job.succeeded".to_owned()]), "{id}");
    }
}

/// Looks at tables and folders: no attempt is active, every row that names an object finds it, one version per job, and no file is
/// left on its way.
async fn nothing_is_half_way(place: &Place, jobs: i64) {
    let db = Db::connect(&Options { url: place.database.clone(), max_connections: 2 }).await.unwrap();
    let count = async |sql: &'static str| -> i64 {
        match &db {
            Db::Postgres(pool) => sqlx::query_scalar(sql).fetch_one(pool).await.unwrap(),
            Db::Sqlite { reader, .. } => sqlx::query_scalar(sql).fetch_one(reader).await.unwrap(),
        }
    };
    assert_eq!(count("select count(*) from job_attempts where ended_at is null").await, 0);
    assert_eq!(count("select count(*) from job_records where state <> 'SUCCEEDED'").await, 0);
    assert_eq!(count("select count(*) from model_versions").await, jobs);
    assert_eq!(count("select count(*) from job_attempts where state = 'succeeded'").await, jobs);
    let sql = "select workspace, digest, generation from blobs";
    let blobs: Vec<(String, String, i64)> = match &db {
        Db::Postgres(pool) => sqlx::query_as(sql).fetch_all(pool).await.unwrap(),
        Db::Sqlite { reader, .. } => sqlx::query_as(sql).fetch_all(reader).await.unwrap(),
    };
    assert!(blobs.len() as i64 > jobs, "at least one checkpoint each");
    let objects = slipway::blob::BlobStore::open(&place.artifacts().display().to_string(), &Default::default()).unwrap();
    for (workspace, digest, generation) in blobs {
        let key = slipway::blob::BlobKey::new(&workspace, digest.parse().unwrap(), u32::try_from(generation).unwrap()).unwrap();
        objects.get_bytes(&key, 1 << 30).await.unwrap_or_else(|e| panic!("{digest}: {e}"));
    }
    db.close().await;
    for folder in ["server/spool", "worker/spool", "artifacts/.staging"] {
        let left: Vec<_> = std::fs::read_dir(place.folder.path().join(folder)).into_iter().flatten().map(|e| e.unwrap().path()).collect();
        assert!(left.is_empty(), "{left:?}");
    }
}
