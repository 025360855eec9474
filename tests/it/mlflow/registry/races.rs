//! Many clients at once.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};

use super::door;
use crate::support::db::ENGINES;

#[tokio::test]
async fn versions_made_at_once_have_different_numbers() {
    for engine in ENGINES {
        let door = Arc::new(door(engine).await);
        door.registered("m").await;
        let tasks: Vec<_> = (0..16)
            .map(|_| {
                let door = door.clone();
                tokio::spawn(async move { door.version("m").await.parse::<i64>().unwrap() })
            })
            .collect();
        let mut numbers = BTreeSet::new();
        for task in tasks {
            numbers.insert(task.await.unwrap());
        }
        assert_eq!(numbers, (1..=16).collect(), "{engine:?}");
        Arc::into_inner(door).unwrap().world.end().await;
    }
}

#[tokio::test]
async fn a_model_made_by_many_is_made_once() {
    for engine in ENGINES {
        let door = Arc::new(door(engine).await);
        let tasks: Vec<_> = (0..8)
            .map(|_| {
                let door = door.clone();
                tokio::spawn(async move { door.try_post("registered-models/create", json!({ "name": "m" })).await })
            })
            .collect();
        let mut made = 0;
        for task in tasks {
            let (status, told) = task.await.unwrap();
            made += usize::from(status == 200);
            assert!(status == 200 || told["error_code"] == "RESOURCE_ALREADY_EXISTS", "{engine:?} {told}");
        }
        assert_eq!(made, 1, "{engine:?}");
        Arc::into_inner(door).unwrap().world.end().await;
    }
}

#[tokio::test]
async fn a_logged_model_that_is_registered_many_times_at_once_lists_every_version() {
    for engine in ENGINES {
        let door = Arc::new(door(engine).await);
        let logged = door.post("logged-models", json!({ "experiment_id": "0", "name": "net" })).await;
        let id = logged["model"]["info"]["model_id"].as_str().unwrap().to_owned();
        let tasks: Vec<_> = (0..8)
            .map(|i| {
                let (door, id) = (door.clone(), id.clone());
                tokio::spawn(async move {
                    let name = format!("m{i}");
                    door.registered(&name).await;
                    let new = json!({ "name": name, "source": format!("models:/{id}"), "model_id": id });
                    door.post("model-versions/create", new).await;
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        let found = door.get(&format!("logged-models/{id}")).await;
        let tags = found["model"]["info"]["tags"].as_array().unwrap();
        let listed = tags.iter().find(|tag| tag["key"] == "mlflow.modelVersions").unwrap()["value"].as_str().unwrap();
        let listed: Vec<Value> = serde_json::from_str(listed).unwrap();
        let names: BTreeSet<&str> = listed.iter().map(|version| version["name"].as_str().unwrap()).collect();
        assert_eq!(names.len(), 8, "{engine:?} {names:?}");
        Arc::into_inner(door).unwrap().world.end().await;
    }
}

#[tokio::test]
async fn moves_of_aliases_and_stages_at_once_leave_one_story() {
    for engine in ENGINES {
        let door = Arc::new(door(engine).await);
        door.registered("m").await;
        for _ in 0..4 {
            door.version("m").await;
        }
        let tasks: Vec<_> = (0..24)
            .map(|i| {
                let (door, version) = (door.clone(), (i % 4 + 1).to_string());
                tokio::spawn(async move {
                    let stage = ["Production", "Staging"][i / 4 % 2];
                    match i % 3 {
                        0 => {
                            door.try_post("registered-models/alias", json!({ "name": "m", "alias": "Production", "version": version }))
                                .await
                        }
                        1 => door.try_post("registered-models/alias", json!({ "name": "m", "alias": "best", "version": version })).await,
                        _ => {
                            let body = json!({ "name": "m", "version": version, "stage": stage, "archive_existing_versions": i % 2 == 0 });
                            door.try_post("model-versions/transition-stage", body).await
                        }
                    }
                })
            })
            .collect();
        for task in tasks {
            let (status, told) = task.await.unwrap();
            assert_eq!(status, 200, "{engine:?}: {told}");
        }
        for alias in ["Production", "Staging", "best"] {
            let (_, history) = door.native("GET", &format!("/models/m/aliases/{alias}/history?page_size=1000"), Value::Null).await;
            let moves = history["items"].as_array().unwrap();
            for pair in moves.windows(2) {
                assert_eq!(pair[0]["from_version"], pair[1]["to_version"], "{engine:?} {alias}: each starts where the one before ended");
                assert_eq!(pair[0]["revision"].as_i64().unwrap(), pair[1]["revision"].as_i64().unwrap() + 1);
            }
            let (_, now) = door.native("GET", &format!("/models/m/aliases/{alias}"), Value::Null).await;
            assert_eq!(now["version"].as_i64(), moves.first().and_then(|step| step["to_version"].as_i64()), "{engine:?} {alias}");
            if alias != "best" {
                let mut newest = None;
                for version in 1..=4i64 {
                    if door.stage_of("m", &version.to_string()).await == alias {
                        newest = Some(version);
                    }
                }
                assert_eq!(now["version"].as_i64(), newest, "{engine:?} {alias}: the alias means the newest of its stage");
            }
        }
        Arc::into_inner(door).unwrap().world.end().await;
    }
}
