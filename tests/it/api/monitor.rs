//! Watching traffic: how, and what was found.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::client::{Api, ask, get, post};
use super::given;
use crate::support::db::{ENGINES, Engine};

pub async fn story(engine: Engine) -> (Value, BTreeSet<String>) {
    let api = Api::new(engine).await;
    let model = "/api/v1/models/leaving";
    api.tell(get(&format!("{model}/monitor"))).await.refused(404, "model_not_found");
    api.tell(get(&format!("{model}/drift-reports"))).await.refused(404, "model_not_found");
    given::dataset(&api).await;
    given::trained(&api, "leaving", 1).await;
    api.tell(get(&format!("{model}/monitor"))).await.expect(200);
    api.tell(get(&format!("{model}/drift-reports"))).await.expect(200);
    let minute = json!({ "from": "2026-01-01T00:00:00Z", "to": "2026-01-01T00:01:00Z", "store": true });
    api.tell(post(&format!("{model}/monitor/evaluate")).json(minute.clone())).await.refused(409, "no_champion");
    given::promoted(&api, "leaving", 1).await;
    api.tell(post(&format!("{model}/monitor/evaluate")).json(minute.clone())).await.refused(404, "no_traffic");

    let rows: Vec<Value> = (0..600).map(|i| json!({ "height": 100.0 + f64::from(i), "wind": "west" })).collect();
    api.send(post("/v1/models/leaving:predict").json(json!({ "instances": rows }))).await.expect(200);
    let report = api.tell(post(&format!("{model}/monitor/evaluate")).json(minute.clone())).await.expect(200).json();
    assert_eq!((&report["state"], &report["num_rows"], &report["version"]), (&json!("DRIFTED"), &json!(600), &json!(1)));
    let id = report["report_id"].as_str().unwrap();
    let kept = api.tell(get(&format!("{model}/drift-reports/{id}"))).await.expect(200).json();
    assert_eq!(kept, report);
    let listed = api.tell(get(&format!("{model}/drift-reports?version=1&state=DRIFTED"))).await.expect(200).json();
    assert_eq!(listed["items"], json!([report]));
    let again = api.send(post(&format!("{model}/monitor/evaluate")).json(minute)).await.expect(200).json();
    assert_eq!(again["revision"], json!(2), "a second report about the window supersedes the first");
    api.tell(get(&format!("{model}/drift-reports?state=SUPERSEDED"))).await.expect(200);

    api.tell(ask("PUT", &format!("{model}/monitor")).json(json!({ "window_ms": 120_000, "enabled": false }))).await.expect(200);
    for (body, code) in [
        (json!({ "window_ms": 60_001 }), "invalid_window"),
        (json!({ "window_ms": 0 }), "invalid_window"),
        (json!({ "rules": { "nonsense": 1 } }), "invalid_rules"),
        (json!({ "rules": [] }), "invalid_body"),
    ] {
        api.tell(ask("PUT", &format!("{model}/monitor")).json(body)).await.refused(400, code);
    }
    for (from, to) in [("2026-01-02", "2026-01-01"), ("2026-01-01", "2026-06-01"), ("1960-01-01", "2026-01-01")] {
        let span = json!({ "from": format!("{from}T00:00:00Z"), "to": format!("{to}T00:00:00Z") });
        api.tell(post(&format!("{model}/monitor/evaluate")).json(span)).await.refused(400, "invalid_window");
    }
    api.tell(get(&format!("{model}/drift-reports/none"))).await.refused(404, "report_not_found");
    api.tell(get(&format!("{model}/drift-reports?state=BAD"))).await.refused(400, "invalid_query");
    api.tell(get(&format!("{model}/drift-reports?page_token=YQ"))).await.refused(400, "invalid_page_token");
    api.end().await
}

#[tokio::test]
async fn traffic_unlike_the_training_data_is_reported() {
    for engine in ENGINES {
        super::assert_story!("monitor", story(engine).await.0);
    }
}
