//! Whole lives of models: on several processes that share a database and a store, while aliases move under load, and watched.

mod cluster;
mod damage;
mod swaps;
mod watch;

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::faults::{CSV, job};
use crate::support::process::Client;

const PATIENCE: Duration = Duration::from_secs(120);

/// Rows of features in the order of the file.
fn rows() -> Vec<Vec<f64>> {
    let lines = CSV.lines().skip(1);
    lines.map(|line| line.split(',').filter_map(|field| field.parse().ok()).collect()).collect()
}

/// Trains version after version of `cells`, one per seed.
async fn train(client: &Client, seeds: &[u64]) {
    for (version, seed) in (1..).zip(seeds) {
        let submitted = client.post("/api/v1/jobs", &job("cells", *seed, 2)).await;
        let ended = client.ended(submitted["job_id"].as_str().unwrap(), PATIENCE).await;
        assert_eq!((&ended["state"], &ended["result"]["version"]), (&json!("SUCCEEDED"), &json!(version)), "{ended}");
    }
}

/// A prediction: the version that the header names, and the whole body.
async fn predict(client: &Client, path: &str, body: &Value) -> Result<(String, String), String> {
    let response = client.request(Method::POST, path).json(body).send().await.map_err(|e| format!("{e:?}"))?;
    let status = response.status();
    let version = response.headers().get("x-slipway-model-version").and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
    let text = response.text().await.map_err(|e| format!("{e:?}"))?;
    if status.is_success() { Ok((version, text)) } else { Err(format!("{status}: {text}")) }
}

/// Waits until predictions come from a version.
async fn answers(client: &Client, version: i64) {
    let (body, wanted) = (json!({ "instances": rows()[..1] }), version.to_string());
    for _ in 0..2_000 {
        if predict(client, "/v1/models/cells:predict", &body).await.is_ok_and(|(by, _)| by == wanted) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("version {version} does not answer");
}
