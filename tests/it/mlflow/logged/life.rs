use axum::body::Body;
use serde_json::{Value, json};
use slipway::domain::identity::{Caller, Role};

use crate::mlflow::Door;
use crate::support::db::{ENGINES, Engine, START};

const ROOT: &str = "/api/2.0/mlflow-artifacts/artifacts";

impl Door {
    pub async fn ask(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        let (status, bytes) = self.send(self.request(method, &format!("/api/2.0/mlflow/{path}"), body)).await;
        (status.as_u16(), serde_json::from_slice(&bytes).unwrap())
    }

    pub async fn model(&self, body: Value) -> String {
        self.post("logged-models", body).await["model"]["info"]["model_id"].as_str().unwrap().to_owned()
    }

    async fn file(&self, method: &str, path: &str, body: &'static [u8]) -> (u16, Vec<u8>) {
        let (status, bytes) = self.send(self.request(method, &format!("{ROOT}/{path}"), body)).await;
        (status.as_u16(), bytes)
    }
}

#[tokio::test]
async fn a_model_is_made_finalised_tagged_and_deleted() {
    for engine in ENGINES {
        let door = Door::new(engine).await;
        let body = json!({ "experiment_id": "0", "name": "a model", "model_type": "net", "source_run_id": "r",
            "params": [{ "key": "p", "value": "1" }], "tags": [{ "key": "t", "value": "x" }] });
        let made = door.post("logged-models", body).await["model"].clone();
        let id = made["info"]["model_id"].as_str().unwrap().to_owned();
        assert!(id.starts_with("m-") && id.len() == 34, "{id}");
        assert_eq!(
            made,
            json!({ "info": { "model_id": id, "experiment_id": "0", "name": "a model", "creation_timestamp_ms": 1_767_225_600_000_i64,
                "last_updated_timestamp_ms": 1_767_225_600_000_i64, "artifact_uri": format!("mlflow-artifacts:/0/models/{id}/artifacts"),
                "status": "LOGGED_MODEL_PENDING", "model_type": "net", "source_run_id": "r", "tags": [{ "key": "t", "value": "x" }] },
                "data": { "params": [{ "key": "p", "value": "1" }] } })
        );
        let path = format!("logged-models/{id}");
        assert_eq!(door.get(&path).await["model"], made);
        for (status, shown) in [(json!("LOGGED_MODEL_UPLOAD_FAILED"), "LOGGED_MODEL_UPLOAD_FAILED"), (json!(2), "LOGGED_MODEL_READY")] {
            let (code, answer) = door.ask("PATCH", &path, json!({ "model_id": id, "status": status })).await;
            assert_eq!((code, answer["model"]["info"]["status"].as_str()), (200, Some(shown)));
        }
        for status in [json!(0), json!(4), json!("READY"), Value::Null, json!([])] {
            let (code, answer) = door.ask("PATCH", &path, json!({ "status": status })).await;
            assert_eq!((code, answer["error_code"].as_str()), (400, Some("INVALID_PARAMETER_VALUE")), "{status}");
        }
        let tags = json!({ "tags": [{ "key": "t", "value": "y" }, { "key": "u", "value": "1" }, { "key": "u", "value": "2" }] });
        assert_eq!(door.ask("PATCH", &format!("{path}/tags"), tags).await, (200, json!({})));
        assert_eq!(door.ask("DELETE", &format!("{path}/tags/t"), Value::Null).await, (200, json!({})));
        assert_eq!(door.ask("DELETE", &format!("{path}/tags/t"), Value::Null).await.0, 404);
        assert_eq!(door.get(&path).await["model"]["info"]["tags"], json!([{ "key": "u", "value": "2" }]));
        door.post(&format!("{path}/params"), json!({ "params": [{ "key": "q", "value": "2" }, { "key": "p", "value": "1" }] })).await;
        let other = json!({ "params": [{ "key": "z", "value": "2" }, { "key": "p", "value": "other" }] });
        let (code, message) = door.refused(400, &format!("{path}/params"), other).await;
        assert_eq!(code, "INVALID_PARAMETER_VALUE");
        assert!(message.contains("Param with key='p' was already logged with value='1'"), "{message}");
        assert_eq!(door.get(&path).await["model"]["data"]["params"].as_array().unwrap().len(), 2, "all or nothing");

        assert_eq!(door.ask("DELETE", &path, Value::Null).await, (200, json!({})));
        assert_eq!(door.ask("DELETE", &path, Value::Null).await, (200, json!({})), "twice is once");
        assert_eq!(door.try_get(&path).await.0, 404);
        assert_eq!(door.get(&format!("{path}?allow_deleted=true")).await["model"]["info"]["name"], "a model");
        assert_eq!(door.post("logged-models/search", json!({ "experiment_ids": ["0"] })).await, json!({}));
        for (i, kind) in ["created", "finalized", "finalized", "deleted"].into_iter().enumerate() {
            let events = door.world.app.events().list_after(&Caller::local(), 0, 100).await.unwrap();
            let kinds: Vec<_> = events.iter().map(|e| e.kind.clone()).filter(|kind| kind.starts_with("logged_model.")).collect();
            assert_eq!(kinds[i], format!("logged_model.{kind}"));
        }
        door.world.end().await;
    }
}

#[tokio::test]
async fn what_can_not_be_is_refused_and_changes_nothing() {
    for engine in ENGINES {
        let door = Door::new(engine).await;
        let long = "x".repeat(501);
        for name in ["a/b", "a:b", "a.b", "a%b", "a\"b", "a'b", "a\0b", &long] {
            assert_eq!(
                door.refused(400, "logged-models", json!({ "experiment_id": "0", "name": name })).await.0,
                "INVALID_PARAMETER_VALUE"
            );
        }
        for body in [
            json!({}),
            json!({ "experiment_id": "0", "params": [{ "value": "x" }] }),
            json!({ "experiment_id": "0", "tags": [{ "key": "x".repeat(256), "value": "x" }] }),
            json!({ "experiment_id": "0", "tags": [{ "key": "x", "value": "\0" }] }),
            json!({ "experiment_id": "0", "params": [{ "key": "x", "value": "1" }, { "key": "x", "value": "2" }] }),
        ] {
            assert_eq!(door.refused(400, "logged-models", body).await.0, "INVALID_PARAMETER_VALUE");
        }
        assert_eq!(door.refused(404, "logged-models", json!({ "experiment_id": "nine" })).await.0, "RESOURCE_DOES_NOT_EXIST");
        assert_eq!(door.post("logged-models/search", json!({ "experiment_ids": ["0"] })).await, json!({}));
        let run = door.run(json!({})).await;
        let metric = json!({ "key": "m", "value": 1, "timestamp": 1, "model_id": "m-none" });
        assert_eq!(door.refused(404, "runs/log-batch", json!({ "run_id": run, "metrics": [metric] })).await.0, "RESOURCE_DOES_NOT_EXIST");
        assert_eq!(
            door.get(&format!("runs/get?run_id={run}")).await["run"]["data"],
            json!({ "tags": [{ "key": "mlflow.runName",
            "value": format!("run-{}", &run[24..]) }] }),
            "{engine:?}: all or nothing"
        );
        for path in ["logged-models/m-none", "logged-models/m%00", "logged-models/m-none/artifacts/directories"] {
            assert_eq!(door.try_get(path).await.0, 404, "{path}");
        }
        door.world.end().await;
    }
}

#[tokio::test]
async fn points_of_models_and_outputs_of_runs_are_sets() {
    for engine in ENGINES {
        let door = Door::new(engine).await;
        let (run, model) = (door.run(json!({})).await, door.model(json!({ "experiment_id": "0" })).await);
        let point = json!({ "key": "acc", "value": "NaN", "timestamp": 5, "step": 2, "model_id": model, "dataset_name": "d" });
        let other = json!({ "key": "acc", "value": 0.5, "timestamp": 4, "step": 1 });
        for _ in 0..2 {
            door.post("runs/log-batch", json!({ "run_id": run, "metrics": [point, other] })).await;
            let mut single = json!({ "run_id": run, "key": "loss", "value": 1, "timestamp": 6, "model_id": model, "dataset_digest": "1" });
            door.post("runs/log-metric", single.clone()).await;
            single["model_id"] = json!("");
            door.post("runs/log-metric", single).await;
            let made = json!({ "run_id": run, "models": [{ "model_id": model, "step": 3 }, { "model_id": "m-elsewhere" }] });
            assert_eq!(door.post("runs/outputs", made).await, json!({}));
            assert_eq!(door.post("runs/log-inputs", json!({ "run_id": run, "models": [{ "model_id": model }] })).await, json!({}));
        }
        assert_eq!(
            door.get(&format!("logged-models/{model}")).await["model"]["data"]["metrics"],
            json!([{ "key": "acc", "value": "NaN", "timestamp": 5, "step": 2, "dataset_name": "d", "model_id": model, "run_id": run },
                { "key": "loss", "value": 1.0, "timestamp": 6, "step": 0, "dataset_digest": "1", "model_id": model, "run_id": run }])
        );
        let answer = door.get(&format!("runs/get?run_id={run}")).await["run"].clone();
        assert_eq!(
            answer["outputs"],
            json!({ "model_outputs": [{ "model_id": "m-elsewhere", "step": 0 }, { "model_id": model, "step": 3 }] })
        );
        assert_eq!(answer["inputs"], json!({ "model_inputs": [{ "model_id": model }] }));
        let found = door.post("runs/search", json!({ "experiment_ids": ["0"] })).await["runs"][0].clone();
        assert_eq!(found["outputs"], answer["outputs"]);
        assert_eq!(
            door.refused(400, "runs/outputs", json!({ "run_id": run, "models": [{ "step": 1 }] })).await.0,
            "INVALID_PARAMETER_VALUE"
        );
        assert_eq!(door.refused(400, "runs/outputs", json!({ "run_id": run })).await.0, "INVALID_PARAMETER_VALUE");
        assert_eq!(
            door.refused(404, "runs/outputs", json!({ "run_id": "x", "models": [{ "model_id": "m" }] })).await.0,
            "RESOURCE_DOES_NOT_EXIST"
        );
        door.world.end().await;
    }
}

#[tokio::test]
async fn models_of_clients_before_mlflow_3_are_listed_in_a_tag() {
    for engine in ENGINES {
        let door = Door::new(engine).await;
        let run = door.run(json!({})).await;
        let model = |path: &str| {
            json!({ "run_id": run, "artifact_path": path, "utc_time_created": "now", "signature": {},
                "flavors": { "sklearn": { "code": null, "config": { "a": 1 } } } })
            .to_string()
        };
        for path in ["one", "two"] {
            door.post("runs/log-model", json!({ "run_id": run, "model_json": model(path) })).await;
        }
        let tags = door.get(&format!("runs/get?run_id={run}")).await["run"]["data"]["tags"].clone();
        let tag = tags.as_array().unwrap().iter().find(|tag| tag["key"] == "mlflow.log-model.history").unwrap();
        let list: Vec<Value> = serde_json::from_str(tag["value"].as_str().unwrap()).unwrap();
        assert_eq!(list.iter().map(|m| m["artifact_path"].as_str().unwrap()).collect::<Vec<_>>(), ["one", "two"]);
        assert_eq!(list[0]["flavors"], json!({ "sklearn": { "code": null } }));
        assert_eq!((list[0].get("signature"), list[0].get("model_uuid")), (None, Some(&Value::Null)));
        for bad in ["{", "[]", "{\"run_id\": 1}", "{\"artifact_path\": 1, \"flavors\": 1, \"utc_time_created\": 1, \"run_id\": 1}"] {
            assert_eq!(door.refused(400, "runs/log-model", json!({ "run_id": run, "model_json": bad })).await.0, "INVALID_PARAMETER_VALUE");
        }
        door.world.end().await;
    }
}

#[tokio::test]
async fn a_model_keeps_files_of_its_own() {
    for engine in ENGINES {
        let door = Door::new(engine).await;
        let (model, other) = (door.model(json!({ "experiment_id": "0" })).await, door.model(json!({ "experiment_id": "0" })).await);
        let root = format!("0/models/{model}/artifacts");
        assert_eq!(door.file("PUT", &format!("{root}/MLmodel"), b"flavors").await.0, 200);
        assert_eq!(door.file("PUT", &format!("{root}/data/w.bin"), b"123").await.0, 200);
        assert_eq!(door.file("GET", &format!("{root}/MLmodel"), b"").await, (200, b"flavors".to_vec()));
        let path = format!("logged-models/{model}");
        assert_eq!(
            door.get(&format!("{path}/artifacts/directories")).await,
            json!({ "root_uri": format!("mlflow-artifacts:/{root}"),
                "files": [{ "path": "MLmodel", "is_dir": false, "file_size": 7 }, { "path": "data", "is_dir": true }] })
        );
        let below = door.get(&format!("{path}/artifacts/directories?artifact_directory_path=data")).await;
        assert_eq!(below["files"], json!([{ "path": "data/w.bin", "is_dir": false, "file_size": 3 }]));
        let page = |query: &str| door.request("GET", &format!("/ajax-api/2.0/mlflow/{path}/artifacts/files{query}"), Body::empty());
        assert_eq!(door.send(page("?artifact_file_path=data/w.bin")).await.1, b"123");
        assert_eq!(door.send(page("")).await.0, 400);
        for climb in ["../x", "%2e%2e/x", "%252e%252e/x", "a%5cb", "%2fetc", "a%00", "C%3A/x"] {
            assert_eq!(door.file("PUT", &format!("{root}/{climb}"), b"x").await.0, 400, "{climb}");
            assert_eq!(door.send(page(&format!("?artifact_file_path={climb}"))).await.0, 400, "{climb}");
            assert_eq!(door.try_get(&format!("{path}/artifacts/directories?artifact_directory_path={climb}")).await.0, 400, "{climb}");
        }
        // the folder of another model or experiment, one without `models`, and a model that is gone
        for wrong in [format!("1/models/{model}/artifacts/a"), format!("0/{model}/artifacts/a"), "0/models/m-none/artifacts/a".to_owned()] {
            assert_eq!(door.file("PUT", &wrong, b"x").await.0, 404, "{wrong}");
        }
        assert_eq!(door.get(&format!("logged-models/{other}/artifacts/directories")).await.get("files"), None);
        door.ask("DELETE", &path, Value::Null).await;
        assert_eq!(door.file("GET", &format!("{root}/MLmodel"), b"").await.0, 404);
        door.world.end().await;
    }
}

#[tokio::test]
async fn pages_upload_small_files() {
    let door = Door::new(Engine::Sqlite).await;
    let run = door.run(json!({})).await;
    let send = |query: &str, body: Vec<u8>| door.request("POST", &format!("/ajax-api/2.0/mlflow/upload-artifact{query}"), body);
    assert_eq!(door.send(send(&format!("?run_uuid={run}&path=a/b.txt"), b"text".to_vec())).await.0, 200);
    let (_, bytes) = door.send(door.request("GET", &format!("/get-artifact?run_id={run}&path=a/b.txt"), Body::empty())).await;
    assert_eq!(bytes, b"text");
    let big = vec![0; (10 << 20) + 1];
    for (query, body) in [
        (String::new(), b"x".to_vec()),
        (format!("?run_uuid={run}"), b"x".to_vec()),
        (format!("?run_uuid={run}&path=a/../b"), b"x".to_vec()),
        (format!("?run_uuid={run}&path=c"), Vec::new()),
        (format!("?run_uuid={run}&path=c"), big),
    ] {
        assert_eq!(door.send(send(&query, body)).await.0, 400, "{query}");
    }
    door.world.end().await;
}

#[tokio::test]
async fn another_workspace_sees_none_of_it() {
    for engine in ENGINES {
        let mut door = Door::new(engine).await;
        let (run, model) = (door.run(json!({})).await, door.model(json!({ "experiment_id": "0", "name": "mine" })).await);
        assert_eq!(door.file("PUT", &format!("0/models/{model}/artifacts/f"), b"x").await.0, 200);
        let stranger = Caller { workspace: "other".to_owned(), ..Caller::local() };
        let mut tx = door.world.db.begin().await.unwrap();
        slipway::store::identity::ensure_workspace(&mut tx, "other", START).await.unwrap();
        tx.commit().await.unwrap();
        let (_, key) = door.world.app.keys().create(&stranger, "other", Role::Admin, None).await.unwrap();
        let mine = std::mem::replace(&mut door.key, key);
        let path = format!("logged-models/{model}");
        for (method, path, body) in [
            ("GET", path.clone(), Value::Null),
            ("GET", format!("{path}?allow_deleted=true"), Value::Null),
            ("GET", format!("{path}/artifacts/directories"), Value::Null),
            ("PATCH", path.clone(), json!({ "status": 2 })),
            ("PATCH", format!("{path}/tags"), json!({ "tags": [{ "key": "a", "value": "b" }] })),
            ("DELETE", format!("{path}/tags/a"), Value::Null),
            ("POST", format!("{path}/params"), json!({ "params": [{ "key": "a", "value": "b" }] })),
            ("DELETE", path.clone(), Value::Null),
            ("POST", "runs/outputs".to_owned(), json!({ "run_id": run, "models": [{ "model_id": model }] })),
        ] {
            assert_eq!(door.ask(method, &path, body).await.0, 404, "{engine:?} {method} {path}");
        }
        assert_eq!(door.file("GET", &format!("0/models/{model}/artifacts/f"), b"").await.0, 404);
        assert_eq!(door.file("PUT", &format!("0/models/{model}/artifacts/f"), b"y").await.0, 404);
        assert_eq!(door.file("DELETE", &format!("0/models/{model}/artifacts/f"), b"").await.0, 404);
        let all = json!({ "experiment_ids": ["0"], "filter": format!("model_id = '{model}'") });
        assert_eq!(door.post("logged-models/search", all.clone()).await, json!({}));
        // not even a point may be put on it from a run of one's own
        let experiment = door.post("experiments/create", json!({ "name": "theirs" })).await["experiment_id"].clone();
        let theirs = door.run(json!({ "experiment_id": experiment })).await;
        let metric = json!({ "run_id": theirs, "key": "m", "value": 1, "timestamp": 1, "model_id": model });
        assert_eq!(door.refused(404, "runs/log-metric", metric).await.0, "RESOURCE_DOES_NOT_EXIST");
        door.key = mine;
        let found = door.post("logged-models/search", all).await;
        assert_eq!(found["models"][0]["info"]["status"], "LOGGED_MODEL_PENDING");
        assert_eq!(found["models"][0]["data"], json!({}));
        door.world.end().await;
    }
}
