//! The rules of promotion under pressure: one of two wins, nothing unfit passes, damage is noticed, history only grows.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};

use super::client::{Answer, Api, ask, get, post};
use super::given;
use crate::support::db::ENGINES;

const ALIAS: &str = "/api/v1/models/m/aliases/champion";

async fn promote(api: &Api, body: Value) -> Answer {
    api.send(post(ALIAS).json(body)).await
}

async fn history(api: &Api) -> Vec<Value> {
    api.send(get(&format!("{ALIAS}/history?page_size=1000"))).await.expect(200).json()["items"].as_array().unwrap().clone()
}

#[tokio::test]
async fn of_two_promotions_from_the_same_revision_exactly_one_wins() {
    for engine in ENGINES {
        let api = Arc::new(Api::new(engine).await);
        for bytes in [&b"model a"[..], b"model b"] {
            given::version(&api.world, "m", bytes, &[]).await;
        }
        let mut winners = BTreeSet::new();
        let mut points_at = None;
        for revision in 0..100 {
            // the one that the alias does not point at, from two sides, and the other one
            let tasks: Vec<_> = [1, 2]
                .map(|version| {
                    let api = api.clone();
                    tokio::spawn(async move { promote(&api, json!({ "version": version, "expected_revision": revision })).await })
                })
                .into();
            let mut answers = Vec::new();
            for task in tasks {
                answers.push(task.await.unwrap());
            }
            let moved: Vec<&Answer> =
                answers.iter().filter(|answer| answer.status == 200 && answer.json()["revision"] == json!(revision + 1)).collect();
            assert_eq!(moved.len(), 1, "{engine:?} round {revision}: {:?}", answers.iter().map(Answer::json).collect::<Vec<_>>());
            for lost in answers.iter().filter(|answer| answer.status != 200) {
                assert_eq!(lost.code(), "revision_conflict");
            }
            // an alias that points there already does not move, which is the only other success
            let stayed: Vec<Value> = answers.iter().map(Answer::json).filter(|alias| alias["revision"] == json!(revision)).collect();
            assert!(stayed.iter().all(|alias| {
                alias.get("version").is_none_or(|version| Some(version) == points_at.as_ref() || alias.get("code").is_some())
            }));
            points_at = Some(moved[0].json()["version"].clone());
            winners.insert(points_at.as_ref().unwrap().as_i64());
        }
        assert_eq!(winners.len(), 2, "{engine:?}: both have won");
        let moves = history(&api).await;
        assert_eq!(moves.len(), 100, "{engine:?}");
        for pair in moves.windows(2) {
            assert_eq!(pair[0]["from_version"], pair[1]["to_version"], "{engine:?}: each move starts where the one before ended");
            assert_eq!(pair[0]["revision"].as_i64().unwrap(), pair[1]["revision"].as_i64().unwrap() + 1);
        }
        Arc::into_inner(api).unwrap().end().await;
    }
}

#[tokio::test]
async fn without_an_expected_revision_every_promotion_is_told_the_truth() {
    for engine in ENGINES {
        let api = Arc::new(Api::new(engine).await);
        for _ in 0..4 {
            given::version(&api.world, "m", b"model", &[]).await;
        }
        let tasks: Vec<_> = (1..=4)
            .map(|version| {
                let api = api.clone();
                tokio::spawn(async move { promote(&api, json!({ "version": version })).await.expect(200).json() })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        let moves = history(&api).await;
        assert_eq!(moves.len(), 4, "{engine:?}");
        let to: BTreeSet<i64> = moves.iter().map(|step| step["to_version"].as_i64().unwrap()).collect();
        assert_eq!(to, BTreeSet::from([1, 2, 3, 4]), "{engine:?}");
        let alias = api.send(get(ALIAS)).await.json();
        assert_eq!(alias["version"], moves[0]["to_version"]);
        Arc::into_inner(api).unwrap().end().await;
    }
}

#[tokio::test]
async fn a_version_that_fails_a_gate_does_not_pass_and_is_told_why() {
    for engine in ENGINES {
        let api = Api::new(engine).await;
        given::version(&api.world, "m", b"one", &[("auc", 0.9)]).await;
        given::version(&api.world, "m", b"two", &[("auc", 0.905)]).await;
        given::version(&api.world, "m", b"three", &[("auc", 0.95)]).await;
        given::version(&api.world, "m", b"four", &[]).await;
        let gates = json!({ "gates": [
            { "kind": "metric_threshold", "metric": "auc", "min": 0.8, "max": 1.0 },
            { "kind": "metric_vs_champion", "metric": "auc", "min_improvement": 0.01 },
        ]});
        api.send(ask("PATCH", "/api/v1/models/m").json(gates)).await.expect(200);
        promote(&api, json!({ "version": 1 })).await.expect(200);
        let refused = promote(&api, json!({ "version": 2 })).await.refused(409, "gates_failed").json();
        let told: Vec<_> = refused["gates"].as_array().unwrap().iter().map(|g| (&g["passed"], &g["value"], &g["champion"])).collect();
        let (yes, no, null) = (json!(true), json!(false), Value::Null);
        assert_eq!(told, [(&yes, &json!(0.905), &null), (&no, &json!(0.905), &json!(0.9))], "{engine:?}");
        assert_eq!(refused["detail"], "1 of 2 gates failed for version 2");
        let unmeasured = promote(&api, json!({ "version": 4 })).await.refused(409, "gates_failed").json();
        assert_eq!((&unmeasured["gates"][0]["value"], &unmeasured["gates"][0]["passed"]), (&null, &no));
        assert_eq!(api.send(get(ALIAS)).await.json()["revision"], json!(1), "{engine:?}: a refusal moves nothing");
        promote(&api, json!({ "version": 3 })).await.expect(200);
        let moves = history(&api).await;
        assert_eq!(moves[0]["gates"][1]["champion"], json!(0.9), "{engine:?}: what the gates said is part of the history");
        // a rollback asks no gate
        let back = api.send(post(&format!("{ALIAS}/rollback")).json(json!({}))).await.expect(200).json();
        assert_eq!(back["version"], json!(1));
        let infinite = br#"{"gates": [{"kind": "metric_threshold", "metric": "auc", "min": 1e999}]}"#;
        api.send(ask("PATCH", "/api/v1/models/m").bytes("application/json", infinite)).await.expect(400);
        api.end().await;
    }
}

#[tokio::test]
async fn damaged_bytes_are_refused_quarantined_and_the_alias_stays() {
    for engine in ENGINES {
        let api = Api::new(engine).await;
        given::version(&api.world, "m", b"good model", &[]).await;
        given::version(&api.world, "m", b"model to be damaged", &[]).await;
        given::version(&api.world, "m", b"model to be lost", &[]).await;
        for version in [2, 1] {
            promote(&api, json!({ "version": version })).await.expect(200);
        }
        let file = given::object(&api.world, b"model to be damaged");
        make_writable(&file);
        std::fs::write(&file, b"model to be dbmaged").unwrap();
        let refused = promote(&api, json!({ "version": 2 })).await.refused(409, "version_quarantined").json();
        assert!(refused["detail"].as_str().unwrap().contains("version 2"), "{refused}");
        let lost = given::object(&api.world, b"model to be lost");
        std::fs::remove_file(&lost).unwrap();
        promote(&api, json!({ "version": 3 })).await.refused(409, "version_quarantined");
        for version in [2, 3] {
            let found = api.send(get(&format!("/api/v1/models/m/versions/{version}"))).await.json();
            assert_eq!(found["status"], "QUARANTINED", "{engine:?}");
            promote(&api, json!({ "version": version })).await.refused(409, "version_not_ready");
        }
        api.send(post(&format!("{ALIAS}/rollback")).json(json!({}))).await.refused(409, "nothing_to_roll_back_to");
        api.send(post(&format!("{ALIAS}/rollback")).json(json!({ "to_version": 2 }))).await.refused(409, "version_not_ready");
        let alias = api.send(get(ALIAS)).await.json();
        assert_eq!((&alias["version"], &alias["revision"]), (&json!(1), &json!(2)), "{engine:?}: traffic stays");
        let told = api.send(get("/api/v1/events?limit=1000")).await.json();
        let quarantined = told["items"].as_array().unwrap().iter().filter(|e| e["payload"]["to"] == "QUARANTINED").count();
        assert_eq!(quarantined, 2, "{engine:?}");

        // still damaged: it does not become ready; repaired, it does
        let status = "/api/v1/models/m/versions/2/status";
        api.send(ask("PUT", status).json(json!({ "status": "READY" }))).await.refused(409, "version_quarantined");
        std::fs::write(&file, b"model to be damaged").unwrap();
        api.send(ask("PUT", status).json(json!({ "status": "READY" }))).await.expect(200);
        promote(&api, json!({ "version": 2 })).await.expect(200);
        api.end().await;
    }
}

fn make_writable(file: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600)).unwrap();
}

#[tokio::test]
async fn a_rollback_goes_to_the_version_before_to_a_version_or_to_a_time() {
    for engine in ENGINES {
        let api = Api::new(engine).await;
        for _ in 0..4 {
            given::version(&api.world, "m", b"model", &[]).await;
        }
        for version in 1..=4 {
            promote(&api, json!({ "version": version })).await.expect(200);
            api.world.clock.advance_ms(60_000);
        }
        let rollback = async |body: Value| api.send(post(&format!("{ALIAS}/rollback")).json(body)).await;
        assert_eq!(rollback(json!({})).await.expect(200).json()["version"], json!(3), "{engine:?}");
        assert_eq!(rollback(json!({})).await.expect(200).json()["version"], json!(2), "{engine:?}: further back, never forth");
        assert_eq!(rollback(json!({ "to_version": 4 })).await.expect(200).json()["version"], json!(4), "{engine:?}");
        assert_eq!(rollback(json!({ "to_time": "2026-01-01T00:00:30Z" })).await.expect(200).json()["version"], json!(1), "{engine:?}");
        rollback(json!({ "to_version": 1 })).await.refused(409, "already_current");
        rollback(json!({ "expected_revision": 1 })).await.refused(409, "revision_conflict");
        let moves = history(&api).await;
        let told: Vec<_> =
            moves.iter().map(|m| (m["kind"].as_str().unwrap(), m["to_version"].as_i64(), m["reverts_revision"].as_i64())).collect();
        assert_eq!(
            told[..4],
            [
                ("ROLLBACK", Some(1), Some(7)),
                ("ROLLBACK", Some(4), told[1].2),
                ("ROLLBACK", Some(2), Some(3)),
                ("ROLLBACK", Some(3), Some(4))
            ],
            "{engine:?}"
        );
        // deleting keeps the history, and the revision goes on
        api.send(ask("DELETE", ALIAS)).await.expect(204);
        api.send(get(ALIAS)).await.refused(404, "alias_not_found");
        rollback(json!({})).await.refused(404, "alias_not_found");
        assert_eq!(history(&api).await.len(), 9, "{engine:?}");
        assert_eq!(promote(&api, json!({ "version": 2, "expected_revision": 9 })).await.expect(200).json()["revision"], json!(10));
        api.end().await;
    }
}
