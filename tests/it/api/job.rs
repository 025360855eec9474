//! Training jobs: submitted, worked on, cancelled.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use slipway::blob::Digest;

use super::client::{Api, get, post};
use super::given;
use crate::support::db::{ENGINES, Engine};

pub async fn story(engine: Engine) -> (Value, BTreeSet<String>) {
    let api = Api::new(engine).await;
    api.tell(get("/api/v1/jobs")).await.expect(200);
    api.tell(post("/api/v1/jobs").json(given::spec(None, 1))).await.refused(404, "dataset_version_not_found");
    given::dataset(&api).await;
    let job = api.tell(post("/api/v1/jobs").json(given::spec(Some("leaving"), 1))).await.expect(201).json();
    let path = format!("/api/v1/jobs/{}", job["job_id"].as_str().unwrap());
    api.tell(get(&format!("{path}/attempts"))).await.expect(200);
    given::a_worker_works(&api).await;
    let done = api.tell(get(&path)).await.expect(200).json();
    assert_eq!((&done["state"], &done["attempt_no"]), (&json!("SUCCEEDED"), &json!(1)));
    api.send(get(&format!("{path}/attempts"))).await.expect(200);
    api.tell(post(&format!("{path}/cancel"))).await.refused(409, "job_ended");
    let run_path = format!("/api/v1/runs/{}", job["run_id"].as_str().unwrap());
    let run = api.tell(get(&run_path)).await.expect(200).json();
    assert_eq!(run["status"], "FINISHED");
    let files = api.send(get(&format!("{run_path}/artifacts"))).await.expect(200).json();
    let paths: Vec<&str> = files["items"].as_array().unwrap().iter().map(|file| file["path"].as_str().unwrap()).collect();
    let made = ["MLmodel", "evaluation.json", "model.onnx", "reference_profile.json", "signature.json"];
    assert_eq!(paths, made.map(|name| format!("model/{name}")));
    let onnx = api.send(get(&format!("{run_path}/artifacts/content?path=model/model.onnx"))).await.expect(200);
    assert_eq!(files["items"][2]["digest"], Digest::of(&onnx.body).to_string());
    for path in ["", "model", "model/../model/model.onnx", "%2e%2e/slipway.db", "/etc/passwd"] {
        api.send(get(&format!("{run_path}/artifacts/content?path={path}"))).await.refused(404, "artifact_not_found");
    }
    api.send(get(&format!("{run_path}/artifacts/content?path=model%00"))).await.refused(400, "invalid_query");
    api.send(get(&format!("{run_path}/artifacts/content"))).await.refused(400, "invalid_query");
    api.tell(get("/api/v1/runs/none/artifacts")).await.refused(404, "run_not_found");
    api.tell(get("/api/v1/workers")).await.expect(200);

    let waiting = api.send(post("/api/v1/jobs").json(given::spec(None, 2))).await.expect(201).json();
    let cancelled = api.tell(post(&format!("/api/v1/jobs/{}/cancel", waiting["job_id"].as_str().unwrap()))).await.expect(200).json();
    assert_eq!(cancelled["state"], "CANCELED");
    api.tell(get("/api/v1/jobs?state=CANCELED&page_size=1")).await.expect(200);
    api.tell(get("/api/v1/jobs?state=DONE")).await.refused(400, "invalid_query");
    api.tell(get("/api/v1/jobs/none")).await.refused(404, "job_not_found");
    api.tell(get("/api/v1/jobs/none/attempts")).await.refused(404, "job_not_found");
    api.tell(post("/api/v1/jobs/none/cancel")).await.refused(404, "job_not_found");

    let with = |change: Value| {
        let mut spec = given::spec(None, 1);
        spec.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        spec
    };
    for (spec, code) in [
        (with(json!({ "target": "" })), "invalid_spec"),
        (with(json!({ "features": [] })), "invalid_spec"),
        (with(json!({ "network": { "epochs": 0 } })), "invalid_spec"),
        (with(json!({ "network": { "batch_size": 65_537 } })), "invalid_spec"),
        (with(json!({ "network": { "layers": [{ "units": 0 }, { "units": 1, "activation": "sigmoid" }] } })), "invalid_spec"),
        (with(json!({ "network": { "epochs": -1 } })), "invalid_body"),
        (with(json!({ "network": { "optimizer": { "name": "lion" } } })), "invalid_body"),
        (with(json!({ "register_as": "a/b" })), "invalid_name"),
        (with(json!({ "command": "sh" })), "invalid_body"),
        (with(json!({ "target": "depth" })), "invalid_spec"),
        (with(json!({ "features": ["height", "depth"] })), "invalid_spec"),
    ] {
        api.tell(post("/api/v1/jobs").json(spec)).await.refused(400, code);
    }
    for version in [0, -1, 7] {
        let spec = with(json!({ "dataset_version": version }));
        api.tell(post("/api/v1/jobs").json(spec)).await.refused(404, "dataset_version_not_found");
    }
    api.end().await
}

#[tokio::test]
async fn a_job_is_submitted_worked_on_and_cancelled() {
    for engine in ENGINES {
        super::assert_story!("jobs", story(engine).await.0);
    }
}
