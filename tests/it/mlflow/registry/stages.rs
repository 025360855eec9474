//! Stages and the aliases that stand for them move together, by whichever door.

use serde_json::{Value, json};

use super::door;
use crate::mlflow::Door;
use crate::support::db::ENGINES;

async fn transition(door: &Door, version: &str, stage: &str, archive: bool) {
    let body = json!({ "name": "m", "version": version, "stage": stage, "archive_existing_versions": archive });
    door.post("model-versions/transition-stage", body).await;
}

async fn stages(door: &Door, versions: usize) -> Vec<String> {
    let mut found = Vec::new();
    for version in 1..=versions {
        found.push(door.stage_of("m", &version.to_string()).await);
    }
    found
}

async fn pointer(door: &Door, alias: &str) -> Option<i64> {
    door.native("GET", &format!("/models/m/aliases/{alias}"), Value::Null).await.1["version"].as_i64()
}

#[tokio::test]
async fn a_stage_moves_its_alias_with_history() {
    for engine in ENGINES {
        let door = door(engine).await;
        door.registered("m").await;
        for _ in 0..4 {
            door.version("m").await;
        }
        transition(&door, "2", "production", false).await;
        transition(&door, "3", "Production", false).await;
        transition(&door, "1", "Production", false).await;
        assert_eq!(stages(&door, 4).await, ["Production", "Production", "Production", "None"], "{engine:?}: many may be in a stage");
        assert_eq!(pointer(&door, "Production").await, Some(3), "the newest is meant");
        transition(&door, "4", "STAGING", false).await;
        let latest = door.post("registered-models/get-latest-versions", json!({ "name": "m" })).await;
        let latest: Vec<_> = latest["model_versions"].as_array().unwrap().iter().map(|v| (&v["version"], &v["current_stage"])).collect();
        assert_eq!(latest, [(&json!("3"), &json!("Production")), (&json!("4"), &json!("Staging"))], "{engine:?}");
        transition(&door, "4", "Production", true).await;
        assert_eq!(stages(&door, 4).await, ["Archived", "Archived", "Archived", "Production"]);
        assert_eq!((pointer(&door, "Production").await, pointer(&door, "Staging").await), (Some(4), None));
        let (_, history) = door.native("GET", "/models/m/aliases/Production/history", Value::Null).await;
        let moves: Vec<_> =
            history["items"].as_array().unwrap().iter().map(|m| (m["kind"].as_str().unwrap(), m["to_version"].as_i64())).collect();
        assert_eq!(moves, [("PROMOTE", Some(4)), ("PROMOTE", Some(3)), ("PROMOTE", Some(2))], "{engine:?}");

        // what goes leaves the stage to the version before it there
        transition(&door, "2", "Production", false).await;
        door.change("DELETE", "model-versions/delete", json!({ "name": "m", "version": "4" })).await;
        assert_eq!(pointer(&door, "Production").await, Some(2), "{engine:?}");
        transition(&door, "2", "None", false).await;
        assert_eq!(pointer(&door, "Production").await, None);
        for (stage, archive, message) in [
            ("weird", false, "Invalid Model Version stage: weird. Value must be one of None, Staging, Production, Archived."),
            ("None", true, "Model version transition cannot archive existing model versions because 'None' is not an Active stage."),
        ] {
            let body = json!({ "name": "m", "version": "1", "stage": stage, "archive_existing_versions": archive });
            let told = door.refused(400, "model-versions/transition-stage", body).await.1;
            assert!(told.starts_with(message), "{told}");
        }
        let body = json!({ "name": "m", "version": "1", "stage": "None", "archive_existing_versions": "yes" });
        assert!(door.refused(400, "model-versions/transition-stage", body).await.1.starts_with("Invalid value \"yes\" for parameter"));
        let body = json!({ "name": "m", "version": "77", "stage": "None" });
        assert_eq!(door.refused(404, "model-versions/transition-stage", body).await.1, "Model Version (name=m, version=77) not found");
        door.world.end().await;
    }
}

#[tokio::test]
async fn versions_follow_the_alias_of_a_stage() {
    for engine in ENGINES {
        let door = door(engine).await;
        door.registered("m").await;
        for _ in 0..3 {
            door.version("m").await;
        }
        for version in ["1", "2", "3"] {
            door.post("registered-models/alias", json!({ "name": "m", "alias": "Production", "version": version })).await;
        }
        assert_eq!(stages(&door, 3).await, ["Production", "Production", "Production"], "{engine:?}");
        // back to the second: the third is no longer what is meant
        let (status, back) = door.native("POST", "/models/m/aliases/Production/rollback", json!({})).await;
        assert_eq!((status, &back["version"]), (200, &json!(2)), "{back}");
        assert_eq!(stages(&door, 3).await, ["Production", "Production", "Archived"], "{engine:?}");
        door.post("registered-models/alias", json!({ "name": "m", "alias": "Staging", "version": "2" })).await;
        assert_eq!(stages(&door, 3).await, ["Production", "Staging", "Archived"], "{engine:?}: a version is in one stage");
        assert_eq!(pointer(&door, "Production").await, Some(1));
        door.change("DELETE", "registered-models/alias", json!({ "name": "m", "alias": "Production" })).await;
        assert_eq!(stages(&door, 3).await, ["Archived", "Staging", "Archived"], "{engine:?}");
        let kinds = door.kinds().await;
        assert_eq!(kinds.iter().filter(|kind| *kind == "model_version_alias.deleted").count(), 1, "{kinds:?}");
        door.world.end().await;
    }
}
