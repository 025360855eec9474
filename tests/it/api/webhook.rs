//! Webhooks on the native API; the receiver has a name that leads nowhere.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::client::{Api, ask, get, post};
use crate::support::db::{ENGINES, Engine};

pub async fn story(engine: Engine) -> (Value, BTreeSet<String>) {
    let api = Api::new(engine).await;
    let body = json!({ "name": "ci", "url": "https://receiver.invalid/hook", "events": ["registered_model.created", "job.failed"], "secret": "s" });
    let made = api.tell(post("/api/v1/webhooks").json(body)).await.expect(201).json();
    let path = format!("/api/v1/webhooks/{}", made["webhook_id"].as_str().unwrap());
    api.tell(get(&path)).await.expect(200);
    api.tell(get("/api/v1/webhooks")).await.expect(200);
    api.tell(post(&format!("{path}/test")).json(json!({ "event": "job.failed" }))).await.expect(200);
    api.tell(post(&format!("{path}/test")).json(json!({ "event": "job.what" }))).await.refused(400, "invalid_events");

    api.send(post("/api/v1/models").json(json!({ "name": "tides" }))).await.expect(201);
    api.world.app.webhooks().work().await.unwrap();
    let tried = api.tell(get(&format!("{path}/deliveries"))).await.expect(200).json();
    let delivery = format!("{path}/deliveries/{}/replay", tried["items"][0]["delivery_id"].as_str().unwrap());
    api.tell(post(&delivery)).await.refused(409, "invalid_state");
    api.tell(ask("PATCH", &path).json(json!({ "status": "DISABLED", "description": "off for now" }))).await.expect(200);
    api.world.clock.advance_ms(1_000);
    api.world.app.webhooks().work().await.unwrap();
    api.tell(get(&format!("{path}/deliveries"))).await.expect(200);
    api.tell(post(&delivery)).await.expect(200);
    api.tell(post(&format!("{path}/deliveries/none/replay"))).await.refused(404, "delivery_not_found");
    api.tell(ask("DELETE", &path)).await.expect(204);
    api.tell(get(&path)).await.refused(404, "webhook_not_found");

    let events = json!(["run.finished"]);
    for (body, code) in [
        (json!({ "name": "a/b", "url": "https://receiver.invalid/", "events": events }), "invalid_name"),
        (json!({ "name": "a", "url": "http://receiver.invalid/", "events": events }), "invalid_url"),
        (json!({ "name": "a", "url": "https://10.0.0.1/", "events": events }), "invalid_url"),
        (json!({ "name": "a", "url": "https://receiver.invalid/", "events": [] }), "invalid_events"),
        (json!({ "name": "a", "url": "https://receiver.invalid/", "events": events, "secret": "x".repeat(1001) }), "invalid_secret"),
        (
            json!({ "name": "a", "url": "https://receiver.invalid/", "events": events, "description": "x".repeat(1001) }),
            "invalid_description",
        ),
    ] {
        api.send(post("/api/v1/webhooks").json(body)).await.refused(400, code);
    }
    api.end().await
}

#[tokio::test]
async fn a_webhook_is_made_tested_turned_off_and_deleted() {
    for engine in ENGINES {
        super::assert_story!("webhooks", story(engine).await.0);
    }
}
