//! The registry as it is asked: models, versions, tags, aliases, their history.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use slipway::blob::Digest;

use super::client::{Api, ask, get, post};
use super::given;
use crate::support::db::{ENGINES, Engine};

pub async fn story(engine: Engine) -> (Value, BTreeSet<String>) {
    let api = Api::new(engine).await;
    let model = "/api/v1/models/leaving";
    api.tell(get("/api/v1/models")).await.expect(200);
    api.tell(post("/api/v1/models").json(json!({ "name": "leaving", "description": "may the boat leave" }))).await.expect(201);
    api.tell(post("/api/v1/models").json(json!({ "name": "leaving" }))).await.refused(409, "model_exists");
    api.tell(post("/api/v1/models").json(json!({ "name": "../x" }))).await.refused(400, "invalid_name");
    api.tell(get(&format!("{model}/versions"))).await.expect(200);
    api.tell(get(&format!("{model}/versions/0"))).await.refused(404, "model_version_not_found");

    given::dataset(&api).await;
    given::trained(&api, "leaving", 1).await;
    let version = api.tell(get(&format!("{model}/versions/1"))).await.expect(200).json();
    api.tell(get(&format!("{model}/versions/0"))).await.refused(404, "model_version_not_found");
    let files = api.send(get(&format!("{model}/versions/1/artifacts"))).await.expect(200).json();
    assert_eq!((files["items"].as_array().unwrap().len(), &files["items"][2]["path"]), (5, &json!("model.onnx")));
    let onnx = api.send(get(&format!("{model}/versions/1/artifacts/content?path=model.onnx"))).await.expect(200);
    assert_eq!(version["model_digest"], Digest::of(&onnx.body).to_string());
    api.tell(get(&format!("{model}/versions/0/artifacts"))).await.refused(404, "model_version_not_found");
    let by_hand = json!({ "run_id": version["run_id"], "description": "the same again" });
    api.tell(post(&format!("{model}/versions")).json(by_hand)).await.expect(201);
    let nothing = json!({ "run_id": version["run_id"], "path": "elsewhere" });
    api.tell(post(&format!("{model}/versions")).json(nothing)).await.refused(404, "no_model_files");
    api.tell(post(&format!("{model}/versions")).json(json!({ "run_id": "none" }))).await.refused(404, "run_not_found");
    let page = api.tell(get(&format!("{model}/versions?page_size=1"))).await.expect(200).json();
    let token = page["next_page_token"].as_str().unwrap();
    api.tell(get(&format!("{model}/versions?page_size=1&page_token={token}"))).await.expect(200);

    let tag = json!({ "value": "tides" });
    api.tell(ask("PUT", &format!("{model}/tags/team")).json(tag.clone())).await.expect(204);
    api.tell(ask("PUT", &format!("{model}/versions/1/tags/team")).json(tag.clone())).await.expect(204);
    api.tell(ask("PUT", &format!("{model}/versions/0/tags/team")).json(tag)).await.refused(404, "model_version_not_found");
    api.tell(get(model)).await.expect(200);
    api.tell(ask("DELETE", &format!("{model}/tags/team"))).await.expect(204);
    api.tell(ask("DELETE", &format!("{model}/versions/1/tags/team"))).await.expect(204);
    api.tell(ask("DELETE", &format!("{model}/tags/team"))).await.refused(404, "tag_not_found");

    let champion = format!("{model}/aliases/champion");
    api.tell(get(&champion)).await.refused(404, "alias_not_found");
    api.tell(post(&champion).json(json!({ "version": 0 }))).await.refused(404, "model_version_not_found");
    api.tell(post(&champion).json(json!({ "version": 1, "expected_revision": 0, "reason": "the first" }))).await.expect(200);
    api.tell(get(&champion)).await.expect(200);
    api.world.clock.advance_ms(1000);
    api.tell(post(&champion).json(json!({ "version": 2, "expected_revision": 0 }))).await.refused(409, "revision_conflict");
    api.tell(post(&champion).json(json!({ "version": 2, "expected_revision": 1 }))).await.expect(200);
    api.world.clock.advance_ms(1000);
    api.tell(post(&format!("{champion}/rollback")).json(json!({ "reason": "complaints" }))).await.expect(200);
    api.tell(post(&format!("{champion}/rollback")).json(json!({}))).await.refused(409, "nothing_to_roll_back_to");
    let both = json!({ "to_version": 1, "to_time": "2026-01-01T00:00:00Z" });
    api.tell(post(&format!("{champion}/rollback")).json(both)).await.refused(400, "ambiguous_target");
    api.tell(post(&format!("{champion}/rollback")).json(json!({ "to_version": 3 }))).await.refused(409, "not_in_history");
    api.tell(post(&format!("{champion}/rollback")).json(json!({ "to_version": 2 }))).await.expect(200);
    api.tell(post(&format!("{champion}/rollback")).json(json!({ "to_time": "2026-01-01T00:00:00.500Z" }))).await.expect(200);
    api.tell(post(&format!("{champion}/rollback")).json(json!({ "to_time": "2025-12-31T00:00:00Z" }))).await.refused(409, "not_in_history");
    api.tell(get(&format!("{champion}/at?time=2026-01-01T00:00:01.500Z"))).await.expect(200);
    api.tell(get(&format!("{champion}/at?time=2025-12-31T00:00:00Z"))).await.refused(404, "alias_not_found");
    api.tell(get(&format!("{champion}/at?time=yesterday"))).await.refused(400, "invalid_query");
    let page = api.tell(get(&format!("{champion}/history?page_size=3"))).await.expect(200).json();
    let token = page["next_page_token"].as_str().unwrap();
    api.tell(get(&format!("{champion}/history?page_size=3&page_token={token}"))).await.expect(200);

    let status = format!("{model}/versions/1/status");
    api.tell(ask("PUT", &status).json(json!({ "status": "DEPRECATED" }))).await.refused(409, "version_in_use");
    api.tell(ask("PUT", &status).json(json!({ "status": "QUARANTINED" }))).await.refused(409, "invalid_state");
    api.tell(ask("PUT", &status).json(json!({ "status": "GOOD" }))).await.refused(400, "invalid_body");
    api.tell(ask("PUT", &format!("{model}/versions/2/status")).json(json!({ "status": "DEPRECATED" }))).await.expect(200);
    api.tell(post(&champion).json(json!({ "version": 2 }))).await.refused(409, "version_not_ready");
    for state in ["ARCHIVED", "DELETED"] {
        api.tell(ask("PUT", &format!("{model}/versions/2/status")).json(json!({ "status": state }))).await.expect(200);
    }
    api.tell(get(&format!("{model}/versions/2"))).await.refused(404, "model_version_not_found");

    let gates = json!({ "gates": [{ "kind": "metric_threshold", "metric": "eval_accuracy", "min": 2.0 }] });
    api.tell(ask("PATCH", model).json(gates)).await.expect(200);
    api.tell(ask("PATCH", model).json(json!({ "gates": [{ "kind": "metric_threshold", "metric": "x" }] })))
        .await
        .refused(400, "invalid_gate");
    let challenger = format!("{model}/aliases/challenger");
    let refused = api.send(post(&challenger).json(json!({ "version": 1 }))).await.refused(409, "gates_failed").json();
    assert_eq!(refused["gates"][0]["passed"], json!(false));
    let forced = json!({ "version": 1, "override_gates": true });
    api.tell(post(&challenger).json(forced)).await.refused(403, "override_refused");
    let forced = json!({ "version": 1, "override_gates": true, "reason": "the gate is wrong" });
    api.tell(post(&challenger).json(forced.clone()).key(&api.keys.operator)).await.refused(403, "override_refused");
    api.tell(post(&challenger).json(forced)).await.expect(200);
    for bad in ["latest", "v1", "a%20b"] {
        let path = format!("{model}/aliases/{bad}");
        api.tell(post(&path).json(json!({ "version": 1 }))).await.refused(400, "invalid_alias");
    }
    api.tell(ask("DELETE", &format!("{challenger}?expected_revision=7"))).await.refused(409, "revision_conflict");
    api.tell(ask("DELETE", &format!("{challenger}?expected_revision=1&reason=done"))).await.expect(204);
    api.tell(ask("DELETE", &challenger)).await.refused(404, "alias_not_found");
    api.tell(get(&format!("{model}/replicas"))).await.expect(200);
    for path in ["", "/versions", "/versions/1", "/replicas", "/aliases/champion/history"] {
        api.tell(get(&format!("/api/v1/models/none{path}"))).await.expect(404);
    }
    api.end().await
}

#[tokio::test]
async fn a_model_has_versions_tags_and_aliases_with_a_history() {
    for engine in ENGINES {
        super::assert_story!("models", story(engine).await.0);
    }
}
