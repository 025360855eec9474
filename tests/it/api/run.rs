//! Runs that people write by hand: points, params, an end.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::client::{Api, get, post};
use super::given;
use crate::support::db::{ENGINES, Engine};

pub async fn story(engine: Engine) -> (Value, BTreeSet<String>) {
    let api = Api::new(engine).await;
    api.tell(get("/api/v1/experiments")).await.expect(200);
    api.tell(get("/api/v1/runs")).await.expect(200);
    let run = api.tell(post("/api/v1/runs").json(json!({ "experiment": "tides", "run_name": "by hand" }))).await.expect(201).json();
    let path = format!("/api/v1/runs/{}", run["run_id"].as_str().unwrap());
    api.tell(post("/api/v1/runs").json(json!({}))).await.expect(201);
    let batch = json!({
        "params": { "rate": "0.1" },
        "metrics": [
            { "key": "loss", "value": 0.5, "timestamp": 1000, "step": 1 },
            { "key": "loss", "value": "NaN", "timestamp": 2000, "step": 2 },
            { "key": "loss", "value": "-Infinity", "timestamp": -5, "step": -3 },
        ],
    });
    for _ in 0..2 {
        api.tell(post(&format!("{path}/metrics")).json(batch.clone())).await.expect(204);
    }
    api.tell(get(&path)).await.expect(200);
    let page = api.tell(get(&format!("{path}/metrics/loss?page_size=2"))).await.expect(200).json();
    let token = page["next_page_token"].as_str().unwrap();
    let rest = api.tell(get(&format!("{path}/metrics/loss?page_size=2&page_token={token}"))).await.expect(200).json();
    assert_eq!(rest["items"], json!([{ "key": "loss", "value": "NaN", "timestamp": 2000, "step": 2 }]));
    api.tell(get(&format!("{path}/metrics/accuracy"))).await.expect(200);
    api.tell(get("/api/v1/experiments?page_size=1")).await.expect(200);
    api.tell(get(&format!("/api/v1/runs?experiment_id={}", run["experiment_id"].as_str().unwrap()))).await.expect(200);
    api.tell(post(&format!("{path}/end")).json(json!({ "status": "RUNNING" }))).await.refused(400, "invalid_status");
    api.tell(post(&format!("{path}/end")).json(json!({ "status": "FINISHED" }))).await.expect(200);
    api.tell(post(&format!("{path}/end")).json(json!({ "status": "FAILED" }))).await.refused(409, "invalid_state");

    let point = |key: &str| json!({ "metrics": [{ "key": key, "value": 1, "timestamp": 1 }] });
    for (body, code) in [
        (point(""), "invalid_key_name"),
        (point(&"k".repeat(251)), "invalid_key_name"),
        (point("a\0b"), "invalid_body"),
        (json!({ "params": { "p": "x".repeat(6001) } }), "invalid_param_value"),
        (json!({ "metrics": [{ "key": "loss", "value": "high", "timestamp": 1 }] }), "invalid_body"),
        (json!({ "metrics": [{ "key": "loss", "value": 1, "timestamp": 1e30 }] }), "invalid_body"),
        (json!({ "points": [] }), "invalid_body"),
    ] {
        api.send(post(&format!("{path}/metrics")).json(body)).await.refused(400, code);
    }
    api.tell(get("/api/v1/runs/none")).await.refused(404, "run_not_found");
    api.tell(get("/api/v1/runs/none/metrics/loss")).await.refused(404, "run_not_found");
    api.tell(post("/api/v1/runs/none/end").json(json!({ "status": "FAILED" }))).await.refused(404, "run_not_found");
    api.tell(post("/api/v1/runs").json(json!({ "experiment": " x" }))).await.refused(400, "invalid_name");

    given::dataset(&api).await;
    let job = api.send(post("/api/v1/jobs").json(given::spec(None, 1))).await.expect(201).json();
    let owned = format!("/api/v1/runs/{}", job["run_id"].as_str().unwrap());
    api.tell(post(&format!("{owned}/metrics")).json(point("loss"))).await.refused(409, "run_owned_by_job");
    api.tell(post(&format!("{owned}/end")).json(json!({ "status": "FAILED" }))).await.refused(409, "run_owned_by_job");
    api.end().await
}

#[tokio::test]
async fn a_run_takes_points_once_and_ends_once() {
    for engine in ENGINES {
        super::assert_story!("runs", story(engine).await.0);
    }
}
