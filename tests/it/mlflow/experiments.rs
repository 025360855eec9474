use serde_json::{Value, json};
use slipway::domain::identity::Caller;
use slipway::store::Db;

use super::Door;
use crate::support::db::{ENGINES, START};

#[tokio::test]
async fn an_experiment_is_made_found_renamed_tagged_deleted_and_restored() {
    for engine in ENGINES {
        let door = Door::new(engine).await;
        let default = door.get("experiments/get?experiment_id=0").await;
        assert_eq!(
            default,
            json!({ "experiment": { "experiment_id": "0", "name": "Default", "artifact_location": "mlflow-artifacts:/0",
                "lifecycle_stage": "active", "creation_time": START.0, "last_update_time": START.0 } })
        );
        let made = door.post("experiments/create", json!({ "name": "tides", "tags": [{ "key": "a", "value": "1" }] })).await;
        let id = made["experiment_id"].as_str().unwrap().to_owned();
        assert_eq!(
            door.refused(400, "experiments/create", json!({ "name": "tides" })).await,
            ("RESOURCE_ALREADY_EXISTS".to_owned(), "Experiment(name=tides) already exists.".to_owned())
        );
        door.world.clock.advance_ms(1000);
        door.post("experiments/update", json!({ "experiment_id": id, "new_name": "waves" })).await;
        door.post("experiments/set-experiment-tag", json!({ "experiment_id": id, "key": "b", "value": "2" })).await;
        door.post("experiments/set-experiment-tag", json!({ "experiment_id": id, "key": "a", "value": "3" })).await;
        let found = door.get("experiments/get-by-name?experiment_name=waves").await;
        assert_eq!(
            found["experiment"],
            json!({ "experiment_id": id, "name": "waves", "artifact_location": format!("mlflow-artifacts:/{id}"),
                "lifecycle_stage": "active", "creation_time": START.0, "last_update_time": START.0 + 1000,
                "tags": [{ "key": "a", "value": "3" }, { "key": "b", "value": "2" }] })
        );
        door.post("experiments/delete-experiment-tag", json!({ "experiment_id": id, "key": "b" })).await;
        let (code, message) = door.refused(404, "experiments/delete-experiment-tag", json!({ "experiment_id": id, "key": "b" })).await;
        assert_eq!((code.as_str(), message), ("RESOURCE_DOES_NOT_EXIST", format!("No tag with name: b in experiment with id {id}")));

        let run = door.run(json!({ "experiment_id": id })).await;
        door.post("experiments/delete", json!({ "experiment_id": id })).await;
        door.refused(404, "experiments/delete", json!({ "experiment_id": id })).await;
        assert_eq!(door.get(&format!("runs/get?run_id={run}")).await["run"]["info"]["lifecycle_stage"], "deleted");
        let set = json!({ "experiment_id": id, "key": "b", "value": "2" });
        assert_eq!(door.refused(400, "experiments/set-experiment-tag", set).await.0, "INVALID_PARAMETER_VALUE");
        assert_eq!(door.refused(400, "runs/create", json!({ "experiment_id": id })).await.0, "INVALID_PARAMETER_VALUE");
        assert_eq!(door.refused(400, "experiments/update", json!({ "experiment_id": id, "new_name": "x" })).await.0, "INVALID_STATE");
        // the name is free again, and the restored one does not take it back
        let second = door.post("experiments/create", json!({ "name": "waves" })).await;
        let (code, _) = door.refused(400, "experiments/restore", json!({ "experiment_id": id })).await;
        assert_eq!(code, "RESOURCE_ALREADY_EXISTS");
        door.post("experiments/delete", json!({ "experiment_id": second["experiment_id"] })).await;
        door.post("experiments/restore", json!({ "experiment_id": id })).await;
        door.refused(404, "experiments/restore", json!({ "experiment_id": id })).await;
        assert_eq!(door.get("experiments/get-by-name?experiment_name=waves").await["experiment"]["experiment_id"], id.as_str());
        assert_eq!(door.get(&format!("runs/get?run_id={run}")).await["run"]["info"]["lifecycle_stage"], "active");
        door.world.end().await;
    }
}

#[tokio::test]
async fn experiments_are_searched_in_pages_that_survive_inserts() {
    for engine in ENGINES {
        let door = Door::new(engine).await;
        for name in ["b", "a", "C", "d"] {
            door.world.clock.advance_ms(10);
            door.post("experiments/create", json!({ "name": name, "tags": [{ "key": "letter", "value": name }] })).await;
        }
        let names = |answer: &Value| {
            answer["experiments"].as_array().into_iter().flatten().map(|e| e["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        let search = async |body: Value| door.post("experiments/search", body).await;
        assert_eq!(names(&search(json!({ "max_results": 9 })).await), ["d", "C", "a", "b", "Default"]);
        let by_name = search(json!({ "max_results": 9, "order_by": ["name ASC"] })).await;
        assert_eq!(names(&by_name), ["C", "Default", "a", "b", "d"], "{engine:?}: by bytes");
        for (filter, expected) in [
            ("name = 'a'", &["a"][..]),
            ("attribute.name ILIKE 'c'", &["C"]),
            ("tags.letter != 'a' and name LIKE '_'", &["d", "C", "b"]),
            ("tags.letter IS NULL", &["Default"]),
            ("experiment_id = '0'", &["Default"]),
            ("creation_time < 5", &[]),
        ] {
            assert_eq!(names(&search(json!({ "max_results": 9, "filter": filter })).await), expected, "{filter}");
        }
        let first = search(json!({ "max_results": 2 })).await;
        door.world.clock.advance_ms(10);
        door.post("experiments/create", json!({ "name": "newest" })).await;
        let token = first["next_page_token"].as_str().unwrap();
        let second = search(json!({ "max_results": 2, "page_token": token })).await;
        let third = search(json!({ "max_results": 2, "page_token": second["next_page_token"] })).await;
        assert_eq!([names(&first), names(&second), names(&third)].concat(), ["d", "C", "a", "b", "Default"]);
        assert_eq!(third.get("next_page_token"), None);

        let a = door.get("experiments/get-by-name?experiment_name=a").await["experiment"]["experiment_id"].clone();
        door.post("experiments/delete", json!({ "experiment_id": a })).await;
        assert_eq!(names(&search(json!({ "max_results": 9, "view_type": "DELETED_ONLY" })).await), ["a"]);
        assert_eq!(names(&search(json!({ "max_results": 9, "view_type": 3 })).await).len(), 6);
        assert_eq!(names(&door.get("experiments/search?max_results=9&filter=name%20%3D%20%27b%27").await), ["b"]);
        for body in [json!({}), json!({ "max_results": 50_001 }), json!({ "max_results": 1, "filter": "metrics.a > 1" })] {
            assert_eq!(door.refused(400, "experiments/search", body).await.0, "INVALID_PARAMETER_VALUE");
        }
        door.world.end().await;
    }
}

#[tokio::test]
async fn an_experiment_called_default_before_moves_to_the_id_that_clients_know() {
    let migration = include_str!("../../../migrations/0007_mlflow_tracking.sql");
    let moving = &migration[migration.find("insert into experiments").unwrap()..];
    for engine in ENGINES {
        let door = Door::new(engine).await;
        let sql = async |text: &'static str| match &door.world.db {
            Db::Postgres(pool) => drop(sqlx::raw_sql(text).execute(pool).await.unwrap()),
            Db::Sqlite { writer, .. } => drop(sqlx::raw_sql(text).execute(writer).await.unwrap()),
        };
        sql("delete from experiments where id = '0'").await;
        let (runs, me) = (door.world.app.runs(), Caller::local());
        let run = runs.create(&me, "Default", None).await.unwrap();
        assert_eq!(run.experiment_id.len(), 32, "made as before there was a door");
        sql(moving).await;
        assert_eq!(runs.get(&me, &run.run_id).await.unwrap().experiment_id, "0", "{engine:?}");
        assert_eq!(door.get("experiments/get?experiment_id=0").await["experiment"]["name"], "Default");
        assert_eq!(runs.create(&me, "Default", None).await.unwrap().experiment_id, "0", "the native API means the same experiment");
        door.world.end().await;
    }
}
