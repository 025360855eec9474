use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use serde_json::{Value, json};
use slipway::domain::identity::{Caller, Role};

use super::Door;
use crate::support::db::Engine;

#[tokio::test]
async fn every_spelling_answers_and_refusals_are_in_mlflows_dialect() {
    let mut door = Door::new(Engine::Sqlite).await;
    for prefix in ["/api/2.0", "/api/3.0", "/ajax-api/2.0", "/ajax-api/3.0"] {
        let (status, _) = door.send(door.request("GET", &format!("{prefix}/mlflow/experiments/get?experiment_id=0"), Body::empty())).await;
        assert_eq!(status, StatusCode::OK, "{prefix}");
        let open = Request::builder().uri(format!("{prefix}/mlflow/server-info")).body(Body::empty()).unwrap();
        assert_eq!(door.send(open).await.0, StatusCode::OK);
    }
    for (path, text) in [("/health", "OK"), ("/version", slipway::http::COMPATIBLE_WITH)] {
        let (status, body) = door.send(Request::builder().uri(path).body(Body::empty()).unwrap()).await;
        assert_eq!((status, String::from_utf8(body).unwrap().as_str()), (StatusCode::OK, text));
    }
    let (status, body) = door.send(door.request("GET", "/api/2.0/mlflow/nothing", Body::empty())).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(serde_json::from_slice::<Value>(&body).is_err(), "clients take JSON for an answer of the route");

    let nobody = Request::builder().uri("/api/2.0/mlflow/runs/get?run_id=a").body(Body::empty()).unwrap();
    let (status, body) = door.send(nobody).await;
    let told: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((status, told["error_code"].as_str()), (StatusCode::UNAUTHORIZED, Some("UNAUTHENTICATED")));

    let (_, key) = door.world.app.keys().create(&Caller::local(), "reader", Role::Viewer, None).await.unwrap();
    door.key = key;
    assert_eq!(door.post("runs/search", json!({ "experiment_ids": ["0"] })).await, json!({}));
    assert_eq!(door.post("logged-models/search", json!({ "experiment_ids": ["0"] })).await, json!({}));
    assert_eq!(door.refused(400, "logged-models/search", json!({})).await.0, "INVALID_PARAMETER_VALUE");
    let (code, message) = door.refused(403, "experiments/create", json!({ "name": "x" })).await;
    assert_eq!((code.as_str(), message.as_str()), ("PERMISSION_DENIED", "this needs the role developer, the key has viewer"));
    let put = Request::builder().method("PUT").uri("/api/2.0/mlflow-artifacts/artifacts/0/x/artifacts/a");
    let put = put.header(header::AUTHORIZATION, format!("Bearer {}", door.key)).body(Body::from("x")).unwrap();
    assert_eq!(door.send(put).await.0, StatusCode::FORBIDDEN);
    door.world.end().await;
}

#[tokio::test]
async fn a_body_that_is_no_object_is_refused_once_and_for_all() {
    let door = Door::new(Engine::Sqlite).await;
    for body in
        ["[]", "{", "5", "{\"name\": 1}", "\"{\\\"name\\\": 2}\"", "{\"name\": \"a\", \"tags\": [5]}", "{\"name\": \"a\", \"tags\": {}}"]
    {
        let (status, answer) = door.send(door.request("POST", "/api/2.0/mlflow/experiments/create", body.to_owned())).await;
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        assert_eq!((status.as_u16(), answer["error_code"].as_str()), (400, Some("INVALID_PARAMETER_VALUE")), "{body}");
    }
    let twice = serde_json::to_string(&json!({ "name": "from a string" }).to_string()).unwrap();
    let (status, _) = door.send(door.request("POST", "/api/2.0/mlflow/experiments/create", twice)).await;
    assert_eq!(status, StatusCode::OK, "old clients encode twice");
    door.world.end().await;
}
