//! The serving doors: both protocols answer with the same version and the same figures, and say which.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::client::{Api, get, post};
use super::given;
use crate::support::db::{ENGINES, Engine};

pub async fn story(engine: Engine) -> (Value, BTreeSet<String>) {
    let api = Api::new(engine).await;
    given::dataset(&api).await;
    given::trained(&api, "leaving", 1).await;
    given::trained(&api, "leaving", 2).await;
    api.tell(get("/v1/models/leaving")).await.expect(404);
    api.tell(get("/v2/models/leaving/ready")).await.expect(404);
    given::promoted(&api, "leaving", 1).await;
    api.tell(get("/api/v1/models/leaving/replicas")).await.expect(200);
    for path in ["", "/metadata", "/versions/1", "/labels/champion", "/versions/1/metadata"] {
        api.tell(get(&format!("/v1/models/leaving{path}"))).await.expect(200);
    }
    for path in ["", "/health/live", "/health/ready", "/models/leaving", "/models/leaving/ready"] {
        api.tell(get(&format!("/v2{path}"))).await.expect(200);
    }
    for path in ["/versions/1", "/versions/1/ready"] {
        api.tell(get(&format!("/v2/models/leaving{path}"))).await.expect(200);
    }

    let rows = json!({ "instances": [{ "height": 0.5, "wind": "north" }, { "height": 4.5, "wind": "east" }] });
    let columns = json!({ "inputs": { "height": [[0.5], [4.5]], "wind": [["north"], ["east"]] } });
    let tensors = json!({ "id": "42", "inputs": [
        { "name": "height", "shape": [2, 1], "datatype": "FP32", "data": [0.5, 4.5] },
        { "name": "wind", "shape": [2, 1], "datatype": "BYTES", "data": ["north", "east"] },
    ]});
    let first = api.send(post("/v1/models/leaving:predict").json(rows.clone())).await.expect(200);
    assert_eq!(first.header("x-slipway-model-version"), "1");
    let predictions = first.json()["predictions"].as_array().unwrap().clone();
    assert_eq!(predictions.len(), 2);
    for path in ["/v1/models/leaving/versions/1:predict", "/v1/models/leaving/labels/champion:predict"] {
        assert_eq!(api.send(post(path).json(rows.clone())).await.expect(200).body, first.body);
    }
    let by_columns = api.send(post("/v1/models/leaving:predict").json(columns)).await.expect(200).json();
    let inferred = api.send(post("/v2/models/leaving/infer").json(tensors.clone())).await.expect(200);
    assert_eq!(inferred.header("x-slipway-model-version"), "1");
    let inferred = inferred.json();
    assert_eq!((&inferred["model_name"], &inferred["model_version"], &inferred["id"]), (&json!("leaving"), &json!("1"), &json!("42")));
    for output in inferred["outputs"].as_array().unwrap() {
        let name = output["name"].as_str().unwrap();
        let data = output["data"].as_array().unwrap();
        let by_row: Vec<Value> = predictions.iter().flat_map(|row| flat(row.get(name).unwrap_or(row))).collect();
        assert_eq!(data, &by_row, "{name}");
        let outputs = &by_columns["outputs"];
        assert_eq!(data, &flat(outputs.get(name).unwrap_or(outputs)), "{name}");
    }
    let binary = post("/v2/models/leaving/infer").json(tensors.clone()).header("inference-header-content-length", "20");
    let refused = api.send(binary).await.expect(400).json();
    assert!(refused["error"].as_str().unwrap().contains("binary_data=False"), "{refused}");
    let versioned = api.send(post("/v2/models/leaving/versions/1/infer").json(tensors.clone())).await.expect(200).json();
    assert_eq!(versioned["outputs"], inferred["outputs"]);

    given::promoted(&api, "leaving", 2).await;
    let second = api.send(post("/v1/models/leaving:predict").json(rows.clone())).await.expect(200);
    assert_eq!(second.header("x-slipway-model-version"), "2");
    assert_ne!(second.body, first.body);
    let kept_warm = api.send(post("/v1/models/leaving/versions/1:predict").json(rows.clone())).await.expect(200);
    assert_eq!(kept_warm.body, first.body);

    for (path, body, status) in [
        ("/v1/models/leaving:predict", json!({}), 400),
        ("/v1/models/leaving:predict", json!({ "instances": [] }), 400),
        ("/v1/models/leaving:predict", json!({ "instances": [{ "height": 0.5 }] }), 400),
        ("/v1/models/leaving:predict", json!({ "instances": [{ "height": "high", "wind": "north" }] }), 400),
        ("/v1/models/leaving:classify", json!({}), 400),
        ("/v1/models/leaving/versions/9:predict", rows.clone(), 404),
        ("/v1/models/leaving/versions/x:predict", rows.clone(), 404),
        ("/v1/models/other:predict", rows.clone(), 404),
        ("/v2/models/leaving/infer", json!({ "inputs": [] }), 400),
        ("/v2/models/leaving/versions/9/infer", tensors.clone(), 404),
        ("/v2/models/other/infer", tensors, 404),
    ] {
        api.tell(post(path).json(body)).await.expect(status);
    }
    api.tell(post("/v1/models/leaving:predict").bytes("application/json", b"{\"instances\": [")).await.expect(400);
    api.end().await
}

fn flat(value: &Value) -> Vec<Value> {
    match value {
        Value::Array(items) => items.iter().flat_map(flat).collect(),
        one => vec![one.clone()],
    }
}

#[tokio::test]
async fn both_protocols_answer_with_the_same_version() {
    for engine in ENGINES {
        super::assert_story!("serving", story(engine).await.0);
    }
}
