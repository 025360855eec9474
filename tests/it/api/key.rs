//! API keys: made once, shown once, revoked for good.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::client::{Api, ask, get, post};
use crate::support::db::{ENGINES, Engine};

pub async fn story(engine: Engine) -> (Value, BTreeSet<String>) {
    let api = Api::new(engine).await;
    let made = api.tell(post("/api/v1/keys").json(json!({ "name": "ci", "role": "developer" }))).await.expect(201).json();
    let (id, secret) = (made["key_id"].as_str().unwrap(), made["key"].as_str().unwrap());
    api.send(get("/api/v1/datasets").key(secret)).await.expect(200);
    api.send(get("/api/v1/keys").key(secret)).await.refused(403, "permission_denied");
    let first = api.tell(get("/api/v1/keys?page_size=4")).await.expect(200).json();
    let token = first["next_page_token"].as_str().unwrap();
    api.tell(get(&format!("/api/v1/keys?page_size=4&page_token={token}"))).await.expect(200);
    api.tell(ask("DELETE", &format!("/api/v1/keys/{id}"))).await.expect(204);
    api.tell(get("/api/v1/datasets").key(secret)).await.refused(401, "invalid_key");
    api.tell(ask("DELETE", &format!("/api/v1/keys/{id}"))).await.refused(404, "key_not_found");

    let in_an_hour = json!({ "name": "visitor", "role": "viewer", "expires_at": "2026-01-01T01:00:00Z" });
    let made = api.tell(post("/api/v1/keys").json(in_an_hour)).await.expect(201).json();
    let visitor = made["key"].as_str().unwrap();
    api.world.clock.advance_ms(3_600_000 - 1);
    api.send(get("/api/v1/datasets").key(visitor)).await.expect(200);
    api.world.clock.advance_ms(1);
    api.send(get("/api/v1/datasets").key(visitor)).await.refused(401, "invalid_key");

    for (body, code) in [
        (json!({ "name": "late", "role": "viewer", "expires_at": "2026-01-01T01:00:00Z" }), "invalid_expiry"),
        (json!({ "name": "a/b", "role": "viewer" }), "invalid_name"),
        (json!({ "name": "x", "role": "owner" }), "invalid_body"),
        (json!({ "name": "x", "role": "viewer", "workspace": "other" }), "invalid_body"),
        (json!({ "role": "viewer" }), "invalid_body"),
    ] {
        api.tell(post("/api/v1/keys").json(body)).await.refused(400, code);
    }
    api.tell(get("/api/v1/events?limit=1000")).await.expect(200);
    api.end().await
}

#[tokio::test]
async fn a_key_is_shown_once_expires_and_is_revoked_for_good() {
    for engine in ENGINES {
        super::assert_story!("keys", story(engine).await.0);
    }
}
