use serde_json::{Value, json};
use slipway::domain::identity::Caller;

use super::Door;
use crate::support::db::{ENGINES, START};

#[tokio::test]
async fn a_run_answers_with_all_that_it_was_told() {
    for engine in ENGINES {
        let door = Door::new(engine).await;
        let id = door
            .run(json!({ "experiment_id": "0", "start_time": "123", "user_id": "u", "run_name": "n", "unknown": 1,
                "tags": [{ "key": "x", "value": "y" }] }))
            .await;
        for (key, value, step) in [("m", json!("NaN"), json!("2")), ("i", json!("Infinity"), json!(0)), ("z", json!(-0.0), json!(7))] {
            door.post("runs/log-metric", json!({ "run_id": id, "key": key, "value": value, "timestamp": "5", "step": step })).await;
        }
        door.post("runs/log-parameter", json!({ "run_id": id, "key": "p", "value": "1" })).await;
        let dataset = json!({ "name": "d", "digest": "x1", "source_type": "local", "source": "{}", "schema": "s" });
        let input = json!({ "dataset": dataset, "tags": [{ "key": "mlflow.data.context", "value": "train" }] });
        for _ in 0..2 {
            door.post("runs/log-inputs", json!({ "run_id": id, "datasets": [input] })).await;
        }
        let run = door.get(&format!("runs/get?run_id={id}")).await;
        assert_eq!(run, door.get(&format!("runs/get?run_uuid={id}")).await);
        assert_eq!(
            run["run"],
            json!({
                "info": { "run_uuid": id, "run_id": id, "experiment_id": "0", "run_name": "n", "user_id": "u", "status": "RUNNING",
                    "start_time": 123, "artifact_uri": format!("mlflow-artifacts:/0/{id}/artifacts"), "lifecycle_stage": "active" },
                "data": {
                    "metrics": [
                        { "key": "i", "value": "Infinity", "timestamp": 5, "step": 0 },
                        { "key": "m", "value": "NaN", "timestamp": 5, "step": 2 },
                        { "key": "z", "value": -0.0, "timestamp": 5, "step": 7 },
                    ],
                    "params": [{ "key": "p", "value": "1" }],
                    "tags": [{ "key": "mlflow.runName", "value": "n" }, { "key": "x", "value": "y" }],
                },
                "inputs": { "dataset_inputs": [input] },
                "outputs": {},
            }),
            "{engine:?}"
        );
        assert!(run["run"]["data"]["metrics"][2]["value"].as_f64().unwrap().is_sign_negative());
        let ended = door.post("runs/update", json!({ "run_id": id, "status": "FINISHED", "end_time": 456, "run_name": "nn" })).await;
        assert_eq!((&ended["run_info"]["status"], &ended["run_info"]["end_time"]), (&json!("FINISHED"), &json!(456)));
        let tags = door.get(&format!("runs/get?run_id={id}")).await["run"]["data"]["tags"].clone();
        assert_eq!(tags[0], json!({ "key": "mlflow.runName", "value": "nn" }));
        let kinds: Vec<_> =
            door.world.app.events().list_after(&Caller::local(), 1, 10).await.unwrap().into_iter().map(|e| e.kind).collect();
        assert_eq!(kinds, ["run.created", "run.finished"]);
        door.world.end().await;
    }
}

#[tokio::test]
async fn a_batch_is_written_whole_or_not_at_all_and_a_repetition_changes_nothing() {
    for engine in ENGINES {
        let door = Door::new(engine).await;
        let id = door.run(json!({})).await;
        let metrics: Vec<Value> =
            (0..900).map(|i| json!({ "key": format!("k{}", i % 30), "value": i, "timestamp": 1000 + i, "step": i / 30 })).collect();
        let params: Vec<Value> = (0..50).map(|i| json!({ "key": format!("p{i}"), "value": "v" })).collect();
        let tags = json!([{ "key": "t", "value": "1" }, { "key": "t", "value": "2" }, { "key": "mlflow.runName", "value": "renamed" }]);
        let batch = json!({ "run_id": id, "metrics": metrics, "params": params, "tags": tags });
        for _ in 0..2 {
            door.post("runs/log-batch", batch.clone()).await;
        }
        let before = door.get(&format!("runs/get?run_id={id}")).await;
        assert_eq!(before["run"]["info"]["run_name"], "renamed");
        assert_eq!(before["run"]["data"]["metrics"][0], json!({ "key": "k0", "value": 870.0, "timestamp": 1870, "step": 29 }));
        assert_eq!(before["run"]["data"]["tags"][1], json!({ "key": "t", "value": "2" }));
        let history = door.get(&format!("metrics/get-history?run_id={id}&metric_key=k7")).await;
        assert_eq!(history["metrics"].as_array().unwrap().len(), 30);

        let bad = [
            (
                json!({ "params": [{ "key": "p1", "value": "other" }], "metrics": [{ "key": "new", "value": 1, "timestamp": 1 }] }),
                "logged='[{'key': 'p1'",
            ),
            (json!({ "params": [{ "key": "q", "value": "1" }, { "key": "q", "value": "1" }] }), "Duplicate parameter keys"),
            (
                json!({ "metrics": [{ "key": "new", "value": 1, "timestamp": 1 }, { "key": "a?", "value": 1, "timestamp": 1 }] }),
                "metrics[1].name",
            ),
            (json!({ "metrics": [{ "key": "new", "value": 1, "timestamp": -1 }] }), "metrics[0].timestamp"),
            (json!({ "metrics": [{ "key": "new", "timestamp": 1 }] }), "Missing value for required parameter 'metrics[0].value'"),
            (json!({ "metrics": [{ "key": "new", "value": "x", "timestamp": 1 }] }), "metrics[0].value"),
            (json!({ "tags": [{ "key": "../x", "value": "1" }] }), "tags[0].key"),
            (json!({ "tags": [{ "key": "x", "value": "a\u{0}b" }] }), "NUL"),
            (json!({ "metrics": vec![json!({ "key": "m", "value": 1, "timestamp": 1 }); 1001] }), "at most 1000 metrics. Got 1001 metrics"),
            (
                json!({ "params": (0..101).map(|i| json!({ "key": format!("q{i}"), "value": "" })).collect::<Vec<_>>() }),
                "at most 100 params",
            ),
        ];
        for (mut body, expected) in bad {
            body["run_id"] = json!(id);
            let (code, message) = door.refused(400, "runs/log-batch", body).await;
            assert!(code == "INVALID_PARAMETER_VALUE" && message.contains(expected), "{message}");
        }
        assert_eq!(door.get(&format!("runs/get?run_id={id}")).await, before, "{engine:?}: nothing of a refused batch is there");
        door.world.end().await;
    }
}

#[tokio::test]
async fn histories_come_whole_in_pages_in_bulk_and_sampled() {
    for engine in ENGINES {
        let door = Door::new(engine).await;
        let (a, b) = (door.run(json!({})).await, door.run(json!({})).await);
        for (id, count) in [(&a, 101), (&b, 3)] {
            let metrics: Vec<Value> = (0..count).map(|i| json!({ "key": "m", "value": i, "timestamp": i, "step": i })).collect();
            door.post("runs/log-batch", json!({ "run_id": id, "metrics": metrics })).await;
        }
        let steps =
            |answer: &Value| answer["metrics"].as_array().into_iter().flatten().map(|m| m["step"].as_i64().unwrap()).collect::<Vec<_>>();
        let all: Vec<i64> = (0..101).collect();
        assert_eq!(steps(&door.get(&format!("metrics/get-history?run_id={a}&metric_key=m")).await), all);
        let (mut paged, mut token) = (Vec::new(), String::new());
        loop {
            let page = door.get(&format!("metrics/get-history?run_id={a}&metric_key=m&max_results=40&page_token={token}")).await;
            paged.extend(steps(&page));
            let Some(next) = page["next_page_token"].as_str() else { break };
            token = next.to_owned();
        }
        assert_eq!(paged, all);
        for query in ["max_results=0", "page_token=!!", "page_token=YQ"] {
            assert_eq!(door.try_get(&format!("metrics/get-history?run_id={a}&metric_key=m&{query}")).await.0, 400, "{query}");
        }
        let bulk = door.get(&format!("metrics/get-history-bulk?run_id={b}&run_id={a}&metric_key=m&max_results=103")).await;
        assert_eq!(bulk["metrics"].as_array().unwrap().len(), 103);
        assert_eq!((&bulk["metrics"][0]["run_id"], &bulk["metrics"][102]["run_id"]), (&json!(a), &json!(b)));
        let sampled =
            async |query: &str| steps(&door.get(&format!("metrics/get-history-bulk-interval?run_ids={a}&metric_key=m&{query}")).await);
        assert_eq!(sampled("max_results=5").await, [0, 25, 50, 75, 100]);
        assert_eq!(sampled("max_results=4&start_step=10&end_step=40").await, [10, 20, 30, 40]);
        assert_eq!(sampled("max_results=1").await, [100]);
        assert_eq!(sampled("max_results=2500").await, all);
        for n in 2..103 {
            let got = sampled(&format!("max_results={n}")).await;
            assert_eq!((got.len(), got[0], got[got.len() - 1]), (n.min(101), 0, 100), "{n}");
        }
        assert_eq!(door.try_get(&format!("metrics/get-history-bulk-interval?run_ids={a}&metric_key=m&start_step=1")).await.0, 400);
        door.world.end().await;
    }
}

#[tokio::test]
async fn a_deleted_run_takes_nothing_and_comes_back() {
    for engine in ENGINES {
        let door = Door::new(engine).await;
        let id = door.run(json!({ "tags": [{ "key": "t", "value": "1" }] })).await;
        for _ in 0..2 {
            door.post("runs/delete", json!({ "run_id": id })).await;
        }
        for (path, body) in [
            ("runs/log-metric", json!({ "key": "m", "value": 1, "timestamp": 1 })),
            ("runs/log-parameter", json!({ "key": "m", "value": "1" })),
            ("runs/set-tag", json!({ "key": "m", "value": "1" })),
            ("runs/delete-tag", json!({ "key": "t" })),
            ("runs/update", json!({ "status": "FINISHED" })),
            ("runs/log-batch", json!({})),
            ("runs/log-inputs", json!({})),
        ] {
            let mut body = body;
            body["run_id"] = json!(id);
            let (code, message) = door.refused(400, path, body.clone()).await;
            let expected = format!("The run {id} must be in the 'active' state. Current state is deleted.");
            assert_eq!((code.as_str(), message), ("INVALID_PARAMETER_VALUE", expected), "{path}");
            body["run_id"] = json!("nope");
            let (code, message) = door.refused(404, path, body).await;
            assert_eq!((code.as_str(), message.as_str()), ("RESOURCE_DOES_NOT_EXIST", "Run with id=nope not found"), "{path}");
        }
        door.post("runs/restore", json!({ "run_id": id })).await;
        door.post("runs/delete-tag", json!({ "run_id": id, "key": "t" })).await;
        let (code, _) = door.refused(404, "runs/delete-tag", json!({ "run_id": id, "key": "t" })).await;
        assert_eq!(code, "RESOURCE_DOES_NOT_EXIST");
        assert_eq!(door.refused(400, "runs/update", json!({ "run_id": id, "status": "BOGUS" })).await.0, "INVALID_PARAMETER_VALUE");
        assert_eq!(door.post("runs/update", json!({ "run_id": id, "status": 5 })).await["run_info"]["status"], "KILLED");
        let reopened = door.post("runs/update", json!({ "run_id": id, "status": "RUNNING" })).await;
        assert_eq!(reopened["run_info"]["status"], "RUNNING");
        assert_eq!(reopened["run_info"]["start_time"], START.0);
        door.world.end().await;
    }
}
