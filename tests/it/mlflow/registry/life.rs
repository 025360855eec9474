//! The life of models, versions and aliases.

use axum::body::Body;
use serde_json::{Value, json};
use slipway::domain::identity::{Caller, Role};

use super::door;
use crate::support::db::ENGINES;

#[tokio::test]
async fn models_are_made_described_renamed_and_deleted() {
    for engine in ENGINES {
        let door = door(engine).await;
        let tags = json!([{ "key": "k", "value": "v" }, { "key": "k", "value": "w" }, { "key": "e" }]);
        let made = door.post("registered-models/create", json!({ "name": "a", "tags": tags, "description": "d" })).await;
        assert_eq!(
            made["registered_model"],
            json!({ "name": "a", "creation_timestamp": 1767225600000i64, "last_updated_timestamp": 1767225600000i64, "user_id": "key:operator",
                "description": "d", "tags": [{ "key": "e", "value": "" }, { "key": "k", "value": "w" }] }),
            "{engine:?}"
        );
        let (code, message) = door.refused(400, "registered-models/create", json!({ "name": "a" })).await;
        assert_eq!((code.as_str(), message.as_str()), ("RESOURCE_ALREADY_EXISTS", "Registered Model (name=a) already exists."));
        for (body, message) in [
            (json!({}), "Missing value for required parameter 'name'. See the API docs for more information about request parameters."),
            (json!({ "name": "a/b" }), "Invalid model name 'a/b'. Names cannot contain '/' or ':'."),
            (
                json!({ "name": "b", "tags": [{ "key": "k", "value": "x".repeat(100_001) }] }),
                "'value' exceeds the maximum length of 100000 characters",
            ),
        ] {
            let told = door.refused(400, "registered-models/create", body).await;
            assert_eq!((told.0.as_str(), told.1.as_str()), ("INVALID_PARAMETER_VALUE", message));
        }
        let (_, native) = door.native("GET", "/models/a", Value::Null).await;
        assert_eq!((&native["description"], &native["tags"]), (&json!("d"), &json!({ "e": "", "k": "w" })), "{engine:?}");

        door.world.clock.advance_ms(5);
        let changed = door.change("PATCH", "registered-models/update", json!({ "name": "a", "description": "new" })).await;
        assert_eq!(changed["registered_model"]["last_updated_timestamp"], 1767225600005i64);
        door.registered("taken").await;
        let (code, _) = door.refused(400, "registered-models/rename", json!({ "name": "a", "new_name": "taken" })).await;
        assert_eq!(code, "RESOURCE_ALREADY_EXISTS");
        door.version("a").await;
        door.post("registered-models/alias", json!({ "name": "a", "alias": "best", "version": "1" })).await;
        door.post("registered-models/rename", json!({ "name": "a", "new_name": "b" })).await;
        assert_eq!(door.try_get("registered-models/get?name=a").await.0, 404);
        let renamed = door.get("registered-models/get?name=b").await;
        assert_eq!(renamed["registered_model"]["aliases"], json!([{ "alias": "best", "version": "1" }]));
        assert_eq!(renamed["registered_model"]["latest_versions"][0]["name"], "b", "{engine:?}");

        door.change("DELETE", "registered-models/delete", json!({ "name": "b" })).await;
        let (status, told) = door.ask("DELETE", "registered-models/delete", json!({ "name": "b" })).await;
        assert_eq!((status, &told["message"]), (404, &json!("Registered Model with name=b not found")));
        let (status, told) = door.try_get("model-versions/get?name=b&version=1").await;
        assert_eq!((status, &told["message"]), (404, &json!("Model Version (name=b, version=1) not found")));
        assert_eq!(door.native("GET", "/models/b", Value::Null).await.0, 404, "{engine:?}");
        let (_, list) = door.native("GET", "/models", Value::Null).await;
        assert_eq!(list["items"].as_array().unwrap().len(), 1);
        // the name is free, and nothing of the old model is left to it
        door.registered("b").await;
        assert_eq!(door.version("b").await, "1");
        assert_eq!(door.get("registered-models/get?name=b").await["registered_model"].get("aliases"), None);
        door.change("DELETE", "registered-models/delete", json!({ "name": "b" })).await;
        let kinds = door.kinds().await;
        let count = |kind: &str| kinds.iter().filter(|known| *known == kind).count();
        assert_eq!([count("registered_model.created"), count("registered_model.renamed"), count("registered_model.deleted")], [3, 1, 2]);
        door.world.end().await;
    }
}

#[tokio::test]
async fn versions_say_where_they_come_from() {
    for engine in ENGINES {
        let door = door(engine).await;
        door.registered("m").await;
        let run = door.run(json!({})).await;
        door.post("runs/log-metric", json!({ "run_id": run, "key": "auc", "value": 0.5, "timestamp": 1 })).await;
        let source = format!("mlflow-artifacts:/0/{run}/artifacts/model");
        let put = |path: &str, text: &'static str| {
            let path = format!("/api/2.0/mlflow-artifacts/artifacts/0/{run}/artifacts/{path}");
            door.send(door.request("PUT", &path, text))
        };
        put("model/MLmodel", "flavors:\n  sklearn:\n    pickled_model: m.pkl\n").await;
        put("model/data/m.pkl", "first").await;
        let body = json!({ "name": "m", "source": source, "run_id": run, "run_link": "http://x", "tags": [{ "key": "k", "value": "v" }] });
        let made = door.post("model-versions/create", body).await["model_version"].clone();
        assert_eq!(
            made,
            json!({ "name": "m", "version": "1", "creation_timestamp": 1767225600000i64, "last_updated_timestamp": 1767225600000i64,
                "user_id": "key:operator", "current_stage": "None", "description": "", "source": source, "run_id": run, "status": "READY",
                "tags": [{ "key": "k", "value": "v" }], "run_link": "http://x" }),
            "{engine:?}"
        );
        // later writes to the run are no part of it
        put("model/data/m.pkl", "second").await;
        let uri = door.get("model-versions/get-download-uri?name=m&version=1").await["artifact_uri"].as_str().unwrap().to_owned();
        let root = uri.strip_prefix("mlflow-artifacts:/").unwrap();
        let (_, listed) = door.send(door.request("GET", &format!("/api/2.0/mlflow-artifacts/artifacts?path={root}"), Body::empty())).await;
        let listed: Value = serde_json::from_slice(&listed).unwrap();
        assert_eq!(listed["files"], json!([{ "path": "MLmodel", "is_dir": false, "file_size": 45 }, { "path": "data", "is_dir": true }]));
        let path = format!("/api/2.0/mlflow-artifacts/artifacts/{root}/data/m.pkl");
        assert_eq!(door.send(door.request("GET", &path, Body::empty())).await.1, b"first", "{engine:?}");
        assert_eq!(door.send(door.request("PUT", &path, "x")).await.0.as_u16(), 404, "it never changes");
        let path = "/model-versions/get-artifact?name=m&version=1&path=data/m.pkl";
        assert_eq!(door.send(door.request("GET", path, Body::empty())).await.1, b"first");
        let (_, native) = door.native("GET", "/models/m/versions/1", Value::Null).await;
        assert_eq!((&native["flavor"], &native["metrics"]), (&json!("sklearn"), &json!({ "auc": 0.5 })));
        assert!(native["unservable"].as_str().unwrap().starts_with("only ONNX models are served"), "{native}");

        for (body, message) in [
            (json!({ "source": source }), "must identify the resource that contains the source"),
            (json!({ "source": "runs:/a/m", "run_id": "b" }), "must identify the resource that contains the source"),
            (json!({ "source": "/tmp/x" }), "To use a local path as a model version source"),
            (json!({ "source": "file:///tmp/x", "run_id": run }), "To use a local path as a model version source"),
            (json!({ "source": "mlflow-artifacts:/0/%2e%2e/x", "run_id": run }), "Please provide an absolute path."),
            (json!({ "source": "https://host/x" }), "'source' cannot use the 'https' scheme"),
            (json!({ "source": "models:/m/1", "run_id": "other" }), "must match the referenced model version"),
            (json!({}), "Missing value for required parameter 'source'"),
        ] {
            let mut body = body;
            body["name"] = json!("m");
            let (code, told) = door.refused(400, "model-versions/create", body).await;
            assert!(code == "INVALID_PARAMETER_VALUE" && told.contains(message), "{told}");
        }
        let (_, told) = door.refused(404, "model-versions/create", json!({ "name": "m", "source": "models:/m/9" })).await;
        assert_eq!(told, "Model Version (name=m, version=9) not found");
        assert_eq!(door.version("m").await, "2", "{engine:?}: refusals take no numbers");

        // a copy has the same files, also when the original is gone
        let copy = door.post("model-versions/create", json!({ "name": "m", "source": "models:/m/1" })).await["model_version"].clone();
        assert_eq!((&copy["version"], &copy["source"], &copy["run_id"]), (&json!("3"), &json!("models:/m/1"), &json!(run)));
        door.change("DELETE", "model-versions/delete", json!({ "name": "m", "version": "1" })).await;
        let path = "/model-versions/get-artifact?name=m&version=3&path=data/m.pkl";
        assert_eq!(door.send(door.request("GET", path, Body::empty())).await.1, b"first");
        let path = format!("/api/2.0/mlflow-artifacts/artifacts/{root}/data/m.pkl");
        assert_eq!(door.send(door.request("GET", &path, Body::empty())).await.0.as_u16(), 404, "{engine:?}: deleted");
        door.world.end().await;
    }
}

#[tokio::test]
async fn an_alias_is_the_pointer_of_the_native_api() {
    for engine in ENGINES {
        let door = door(engine).await;
        door.registered("m").await;
        for _ in 0..2 {
            door.version("m").await;
        }
        for version in ["1", "2", "2"] {
            door.post("registered-models/alias", json!({ "name": "m", "alias": "best", "version": version })).await;
        }
        let (_, history) = door.native("GET", "/models/m/aliases/best/history", Value::Null).await;
        let moves: Vec<_> =
            history["items"].as_array().unwrap().iter().map(|m| (&m["kind"], &m["from_version"], &m["to_version"])).collect();
        let (promote, null) = (json!("PROMOTE"), Value::Null);
        assert_eq!(moves, [(&promote, &json!(1), &json!(2)), (&promote, &null, &json!(1))], "{engine:?}: nothing moved the third time");
        let (status, back) = door.native("POST", "/models/m/aliases/best/rollback", json!({})).await;
        assert_eq!((status, &back["version"]), (200, &json!(1)));
        let found = door.get("registered-models/alias?name=m&alias=best").await;
        assert_eq!((&found["model_version"]["version"], &found["model_version"]["aliases"]), (&json!("1"), &json!(["best"])));
        let latest = door.get("registered-models/alias?name=m&alias=Latest").await;
        assert_eq!(latest["model_version"]["version"], "2");
        // a version that can't be served may be pointed at by clients, and is not promoted
        let (status, told) = door.native("POST", "/models/m/aliases/best", json!({ "version": 2 })).await;
        assert_eq!((status, &told["code"]), (409, &json!("version_not_servable")));
        assert_eq!(told["detail"], "version 2 can't be served: its files are not kept by this server");

        for (alias, version, status, message) in [
            ("latest", "1", 400, "'latest' alias name (case insensitive) is reserved."),
            ("v12", "1", 400, "Version alias name 'v12' is reserved."),
            ("a b", "1", 400, "Invalid alias name: 'a b'. Names may only contain alphanumerics, underscores (_), and dashes (-)."),
            ("x", "q", 400, "Parameter 'version' must be an integer, got 'q'."),
            ("x", "9", 404, "Model Version (name=m, version=9) not found"),
        ] {
            let told = door.refused(status, "registered-models/alias", json!({ "name": "m", "alias": alias, "version": version })).await;
            assert_eq!(told.1, message);
        }
        let (status, told) = door.try_get("registered-models/alias?name=m&alias=none").await;
        assert_eq!((status, &told["error_code"]), (400, &json!("INVALID_PARAMETER_VALUE")));
        // deleting the version takes its aliases away, and leaves their history
        door.change("DELETE", "model-versions/delete", json!({ "name": "m", "version": "1" })).await;
        assert_eq!(door.native("GET", "/models/m/aliases/best", Value::Null).await.0, 404);
        let (_, history) = door.native("GET", "/models/m/aliases/best/history", Value::Null).await;
        assert_eq!(history["items"][0]["kind"], "DELETE", "{engine:?}");
        door.change("DELETE", "registered-models/alias", json!({ "name": "m", "alias": "best" })).await;
        let kinds = door.kinds().await;
        assert_eq!(kinds.iter().filter(|kind| kind.starts_with("model_version_alias")).count(), 4, "{kinds:?}");
        door.world.end().await;
    }
}

#[tokio::test]
async fn gates_hold_for_clients_and_say_why() {
    for engine in ENGINES {
        let door = door(engine).await;
        door.registered("m").await;
        door.version("m").await;
        let gates = json!({ "gates": [{ "kind": "metric_threshold", "metric": "auc", "min": 0.5 }] });
        assert_eq!(door.native("PATCH", "/models/m", gates).await.0, 200);
        let told = door.refused(400, "registered-models/alias", json!({ "name": "m", "alias": "best", "version": "1" })).await;
        assert_eq!(told.0, "INVALID_STATE");
        assert_eq!(
            told.1,
            "Model Version (name=m, version=1) is refused: 1 of 1 gates failed for version 1: \
             {\"kind\":\"metric_threshold\",\"metric\":\"auc\",\"min\":0.5} (the version has null, the champion null)",
            "{engine:?}"
        );
        let stage = json!({ "name": "m", "version": "1", "stage": "Production" });
        assert_eq!(door.refused(400, "model-versions/transition-stage", stage).await.0, "INVALID_STATE");
        assert_eq!(door.stage_of("m", "1").await, "None", "{engine:?}: a refusal changes nothing");
        assert_eq!(door.get("registered-models/get?name=m").await["registered_model"].get("aliases"), None);
        door.world.end().await;
    }
}

#[tokio::test]
async fn what_serves_is_for_operators_and_other_workspaces_see_nothing() {
    for engine in ENGINES {
        let mut door = door(engine).await;
        door.registered("m").await;
        door.version("m").await;
        let app = door.world.app.clone();
        let operator = std::mem::take(&mut door.key);
        door.key = app.keys().create(&Caller::local(), "developer", Role::Developer, None).await.unwrap().1;
        assert_eq!(door.version("m").await, "2");
        for (method, path, body) in [
            ("POST", "registered-models/alias", json!({ "name": "m", "alias": "a", "version": "1" })),
            ("DELETE", "registered-models/alias", json!({ "name": "m", "alias": "a" })),
            ("POST", "model-versions/transition-stage", json!({ "name": "m", "version": "1", "stage": "Staging" })),
            ("DELETE", "model-versions/delete", json!({ "name": "m", "version": "1" })),
            ("POST", "registered-models/rename", json!({ "name": "m", "new_name": "n" })),
            ("DELETE", "registered-models/delete", json!({ "name": "m" })),
        ] {
            let (status, told) = door.ask(method, path, body).await;
            assert_eq!((status, &told["error_code"]), (403, &json!("PERMISSION_DENIED")), "{path}");
        }
        door.key = operator;
        let elsewhere = Caller { workspace: "elsewhere".to_owned(), ..Caller::local() };
        let registry = app.registry();
        assert_eq!(registry.get_model(&elsewhere, "m").await.unwrap_err().code, "model_not_found", "{engine:?}");
        assert_eq!(registry.get_version(&elsewhere, "m", "1").await.unwrap_err().code, "model_version_not_found");
        assert_eq!(registry.set_alias(&elsewhere, "m", "a", "1").await.unwrap_err().code, "model_version_not_found");
        assert_eq!(registry.delete_model(&elsewhere, "m").await.unwrap_err().code, "model_not_found");
        let everything = slipway::service::RegistrySearch { max_results: 10, ..Default::default() };
        assert!(registry.search_models(&elsewhere, &everything).await.unwrap().0.is_empty());
        assert!(registry.search_versions(&elsewhere, &everything).await.unwrap().0.is_empty());
        assert_eq!(registry.search_versions(&Caller::local(), &everything).await.unwrap().0.len(), 2, "{engine:?}");
        door.world.end().await;
    }
}

#[tokio::test]
async fn prompts_are_apart_from_models() {
    for engine in ENGINES {
        let door = door(engine).await;
        let prompt = json!([{ "key": "mlflow.prompt.is_prompt", "value": "true" }]);
        door.post("registered-models/create", json!({ "name": "p", "tags": prompt })).await;
        door.registered("m").await;
        for (name, tags, message) in [
            ("p", prompt.clone(), "Prompt (name=p) already exists."),
            ("p", json!([]), "Tried to create a registered model with name 'p', but the name is already taken by a prompt."),
            ("m", prompt.clone(), "Tried to create a prompt with name 'm', but the name is already taken by a registered model."),
        ] {
            let (code, told) = door.refused(400, "registered-models/create", json!({ "name": name, "tags": tags })).await;
            assert!(code == "RESOURCE_ALREADY_EXISTS" && told.starts_with(message), "{told}");
        }
        let body = |source: &str| json!({ "name": "p", "source": source, "tags": prompt });
        let (_, told) = door.refused(400, "model-versions/create", body("other")).await;
        assert_eq!(told, "Invalid prompt source: 'other'. Prompt sources must use an MLflow placeholder.");
        door.post("model-versions/create", body("dummy-source")).await;
        assert_eq!(door.get("model-versions/get-download-uri?name=p&version=1").await["artifact_uri"], "dummy-source");
        let (_, told) = door.refused(400, "model-versions/create", json!({ "name": "m", "source": "models:/p/1" })).await;
        assert!(told.ends_with("Prompt versions cannot be used as model version sources."), "{told}");
        door.post("registered-models/alias", json!({ "name": "p", "alias": "live", "version": "1" })).await;
        door.post("registered-models/set-tag", json!({ "name": "p", "key": "k", "value": "v" })).await;
        door.post("model-versions/set-tag", json!({ "name": "p", "version": "1", "key": "k", "value": "v" })).await;
        door.change("DELETE", "registered-models/delete-tag", json!({ "name": "p", "key": "k" })).await;
        door.change("DELETE", "registered-models/delete-tag", json!({ "name": "p", "key": "k" })).await;
        door.change("DELETE", "model-versions/delete-tag", json!({ "name": "p", "version": "1", "key": "k" })).await;
        door.change("DELETE", "registered-models/alias", json!({ "name": "p", "alias": "live" })).await;
        let told: Vec<String> = door.kinds().await.into_iter().filter(|kind| kind.starts_with("prompt")).collect();
        let expected = [
            "prompt.created",
            "prompt_version.created",
            "prompt_alias.created",
            "prompt_tag.set",
            "prompt_version_tag.set",
            "prompt_tag.deleted",
            "prompt_version_tag.deleted",
            "prompt_alias.deleted",
        ];
        assert_eq!(told, expected, "{engine:?}");
        let (_, models) = door.native("GET", "/models", Value::Null).await;
        assert_eq!(models["items"].as_array().unwrap().len(), 1, "{engine:?}: lists of models have no prompts");
        assert_eq!(door.native("GET", "/models/p/versions/1", Value::Null).await.1["unservable"], "it is a prompt");
        door.world.end().await;
    }
}
