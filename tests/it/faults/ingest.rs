//! Logging by many at once while servers and databases die: what was acknowledged is there, and nothing is there twice, to the bit.
//! `SLIPWAY_KILLS` sets how often, `SLIPWAY_SEED` when.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use slipway::domain::run::Number;

use super::Place;
use crate::support::db::Engine;
use crate::support::postgres::Cluster;
use crate::support::process::{Client, last_lines};
use crate::support::rng::{Rng, setting};
use crate::support::s3::Folder;

const LOGGERS: i64 = 8;
const KEYS: i64 = 6;
/// What JSON has no numbers for, what other formats lose, and an ordinary one.
const VALUES: [f64; 6] = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, f64::MIN_POSITIVE / 3.0, 0.1];

#[tokio::test(flavor = "multi_thread")]
async fn points_of_many_loggers_survive_kills_once_each_on_sqlite() {
    let place = Place::new(Engine::Sqlite, "ingest-sqlite").await;
    kill_servers(&place).await;
    place.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn points_of_many_loggers_survive_kills_once_each_on_postgres() {
    let place = Place::new(Engine::Postgres, "ingest-postgres").await;
    kill_servers(&place).await;
    place.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn points_of_two_servers_survive_crashes_of_postgres_once_each() {
    let Some(cluster) = Cluster::start() else {
        eprintln!("the programs of Postgres are not on this machine: its crash is not tested");
        return;
    };
    let place = Place { folder: Folder::new("ingest-crash"), database: cluster.url(), drop_database: None };
    let (first, url) = place.setup("first").with("worker_slots", 0).server();
    let (second, other) = place.setup("second").with("worker_slots", 0).server();
    let clients = [Client::new(&url), Client::new(&other)];
    let crowd = Crowd::start(&clients).await;
    let mut rng = Rng::new(setting("SLIPWAY_SEED", 1));
    for _ in 0..setting("SLIPWAY_KILLS", 12).div_ceil(4) {
        tokio::time::sleep(Duration::from_millis(300 + rng.below(700))).await;
        tokio::task::block_in_place(|| cluster.crash());
    }
    crowd.check(&place).await;
    first.stop();
    second.stop();
}

async fn kill_servers(place: &Place) {
    let how = place.setup("server").with("worker_slots", 0);
    let (server, url) = how.server();
    let client = Client::new(&url);
    let crowd = Crowd::start(std::slice::from_ref(&client)).await;
    let mut rng = Rng::new(setting("SLIPWAY_SEED", 1));
    let mut server = Some(server);
    for _ in 0..setting("SLIPWAY_KILLS", 12) {
        tokio::time::sleep(Duration::from_millis(100 + rng.below(600))).await;
        server.take().into_iter().for_each(|server| server.kill());
        let (next, url) = how.server();
        client.follow(url);
        server = Some(next);
    }
    crowd.check(place).await;
    server.take().into_iter().for_each(|server| server.stop());
}

/// Step, timestamp and bits by run and key.
type Sent = BTreeMap<(String, String), BTreeSet<(i64, i64, u64)>>;

/// Loggers at work.
struct Crowd {
    client: Client,
    stop: Arc<AtomicBool>,
    loggers: Vec<tokio::task::JoinHandle<(Sent, usize)>>,
}

impl Crowd {
    async fn start(clients: &[Client]) -> Self {
        let mut runs = Vec::new();
        for _ in 0..2 {
            runs.push(clients[0].post("/api/v1/runs", &json!({})).await["run_id"].as_str().unwrap().to_owned());
        }
        let stop = Arc::new(AtomicBool::new(false));
        let logger = |n: i64| {
            let client = clients[n as usize % clients.len()].clone();
            tokio::spawn(log(client, runs.clone(), n, stop.clone()))
        };
        let loggers = (0..LOGGERS).map(logger).collect();
        Self { client: clients[0].clone(), stop, loggers }
    }

    /// Lets the loggers finish what they are at, and compares what is stored with what was acknowledged.
    async fn check(self, place: &Place) {
        self.stop.store(true, Ordering::Relaxed);
        let (mut sent, mut batches) = (Sent::new(), 0);
        for logger in self.loggers {
            let (theirs, count) = logger.await.unwrap_or_else(|e| panic!("{e}\n{}", last_lines(&place.log("server"))));
            theirs.into_iter().for_each(|(key, points)| sent.entry(key).or_default().extend(points));
            batches += count;
        }
        let mut stored = 0;
        for ((run, key), points) in sent {
            let expected: Vec<_> = points.iter().map(|(step, at, bits)| (*step, *at, shown(*bits))).collect();
            let mut found = self.client.series(&run, &key).await;
            // equal steps and timestamps come by their bits as signed numbers
            found.sort();
            let mut expected = expected;
            expected.sort();
            assert_eq!(found, expected, "{run} {key}");
            stored += expected.len();
        }
        eprintln!("{batches} batches acknowledged, {stored} points there once each");
    }
}

fn shown(bits: u64) -> String {
    serde_json::to_value(Number(f64::from_bits(bits))).unwrap().to_string()
}

/// Logs batches through both doors until it is told to stop. Each is sent until it is acknowledged, and some once more: an
/// acknowledgement may get lost.
async fn log(client: Client, runs: Vec<String>, n: i64, stop: Arc<AtomicBool>) -> (Sent, usize) {
    let (mut sent, mut rng, mut batches) = (Sent::new(), Rng::new(n as u64), 0);
    while !stop.load(Ordering::Relaxed) {
        let run = &runs[rng.below(runs.len() as u64) as usize];
        let round = batches as i64;
        let mut points: Vec<(String, f64, i64)> = (0..KEYS).map(|k| (format!("k{k}"), VALUES[(k + round) as usize % 6], round)).collect();
        // half of the points are sent by everybody
        points.extend((0..KEYS).map(|k| (format!("k{k}"), (n * KEYS + k) as f64 / 7.0, round)));
        if n % 2 == 1 {
            points.reverse();
        }
        for (key, value, step) in &points {
            sent.entry((run.clone(), key.clone())).or_default().insert((*step, 1_000 + step, value.to_bits()));
        }
        let metrics: Vec<Value> = points
            .iter()
            .map(|(key, value, step)| json!({ "key": key, "value": Number(*value), "timestamp": 1_000 + step, "step": step }))
            .collect();
        let (path, body) = match rng.below(2) {
            0 => (format!("/api/v1/runs/{run}/metrics"), json!({ "metrics": metrics })),
            _ => ("/api/2.0/mlflow/runs/log-batch".to_owned(), json!({ "run_id": run, "metrics": metrics })),
        };
        deliver(&client, &path, &body).await;
        if rng.below(4) == 0 {
            deliver(&client, &path, &body).await;
        }
        batches += 1;
    }
    (sent, batches)
}

/// Sends until it is acknowledged; only what may be tried again may fail.
async fn deliver(client: &Client, path: &str, body: &Value) {
    loop {
        match client.send(Method::POST, path, Some(body)).await {
            Ok((status, _)) if status.is_success() => return,
            Ok((status, answer)) => assert!(status.as_u16() == 429 || status.as_u16() == 503, "{status} {answer}"),
            Err(_) => {}
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
