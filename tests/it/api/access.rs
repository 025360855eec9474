//! Who may do what. The policy table is the expectation: every route is asked with every kind of credentials.

use std::net::Ipv4Addr;

use serde_json::{Value, json};
use slipway::domain::identity::{ApiKey, Caller, Permission, Role};
use slipway::domain::key;
use slipway::http::PolicyRow;
use slipway::store;

use super::client::{Api, Ask, ask, get, post};
use super::given;
use crate::support::db::{ENGINES, Engine, START};

const FAR: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

fn filled(path: &str) -> String {
    path.replace("{version}", "1").replace("{*rest}", "x").replace(['{', '}'], "")
}

async fn status_and_code(api: &Api, ask: &Ask, peer: Ipv4Addr) -> (u16, String) {
    let response = api.raw(ask, peer).await.unwrap();
    let status = response.status().as_u16();
    if response.headers().get("content-type").is_some_and(|v| v == "text/event-stream") {
        return (status, String::new());
    }
    let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
    let problem: Value = serde_json::from_slice(&body).unwrap_or_default();
    (status, problem["code"].as_str().or(problem["error_code"].as_str()).unwrap_or_default().to_owned())
}

#[tokio::test]
async fn every_route_lets_in_whom_its_policy_row_names() {
    for engine in ENGINES {
        let api = Api::new(engine).await;
        let keys = api.world.app.keys();
        let me = Caller::local();
        let expired = keys.create(&me, "expired", Role::Admin, Some(START.plus_ms(1000))).await.unwrap().1;
        let (revoked, secret) = keys.create(&me, "revoked", Role::Admin, None).await.unwrap();
        keys.revoke(&me, &revoked.key_id).await.unwrap();
        api.world.clock.advance_ms(1000);
        let unknown = key::make(&[7; key::ENTROPY]);
        let wrong_secret = {
            let (head, tail) = api.keys.admin.split_at(20);
            format!("{head}{}", tail.chars().rev().collect::<String>())
        };
        let refused = [
            ("an unknown key", unknown),
            ("no key at all", "slw_".to_owned()),
            ("a wrong secret", wrong_secret),
            ("an expired key", expired),
            ("a revoked key", secret),
        ];
        let roles = [
            (Role::Viewer, &api.keys.viewer),
            (Role::Developer, &api.keys.developer),
            (Role::Operator, &api.keys.operator),
            (Role::Admin, &api.keys.admin),
        ];
        assert!(api.policy.len() > 60);
        for row in &api.policy {
            let request = || ask(&row.method, &filled(&row.path));
            let what = format!("{engine:?}: {} {}", row.method, row.path);
            let Permission::AtLeast(needed) = row.permission else {
                let (status, _) = status_and_code(&api, &request(), FAR).await;
                let expected = match (row.method.as_str(), row.path.as_str()) {
                    ("POST", "/api/v1/session") => 415, // whoever signs in brings the key in a body
                    ("DELETE", "/api/v1/session") => 204,
                    _ => 200,
                };
                assert_eq!(status, expected, "{what} is public");
                continue;
            };
            assert_eq!(status_and_code(&api, &request(), FAR).await, told(row, 401, "missing_key"), "{what} without a key");
            for (name, key) in &refused {
                let found = status_and_code(&api, &request().key(key), Ipv4Addr::LOCALHOST).await;
                assert_eq!(found, told(row, 401, "invalid_key"), "{what} with {name}");
            }
            for (role, key) in roles {
                let found = status_and_code(&api, &request().key(key), FAR).await;
                if role < needed {
                    assert_eq!(found, told(row, 403, "permission_denied"), "{what} as {role:?}");
                } else {
                    assert!(found.0 < 500 && found.0 != 401 && found.0 != 403, "{what} as {role:?}: {found:?}");
                }
            }
        }
        api.end().await;
    }
}

/// What the gate answers: its own code, or the one that the dialect of the route has for the status.
fn told(row: &PolicyRow, status: u16, code: &str) -> (u16, String) {
    let dialect = if status == 401 { "UNAUTHENTICATED" } else { "PERMISSION_DENIED" };
    (status, if row.documented { code } else { dialect }.to_owned())
}

/// A trace that exists.
const TRACE: &str = "tr-0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a";

/// Asks about things that exist, in the words of their routes.
fn about(method: &str, row_path: &str, ids: &Value) -> String {
    let id = |name: &str| ids[name].as_str().unwrap().to_owned();
    let (name, key) = if row_path.starts_with("/api/v1/datasets") { ("tides", "") } else { ("leaving", "team") };
    let key = if row_path.contains("/metrics/") { "loss" } else { key };
    row_path
        .replace("{name}", name)
        .replace("{model}", "leaving")
        .replace("{version}", "1")
        .replace("{alias}", "champion")
        .replace("{key}", key)
        .replace("{run_id}", &id("run_id"))
        .replace("{model_id}", "m-1")
        .replace("{job_id}", &id("job_id"))
        .replace("{key_id}", &id("key_id"))
        .replace("{report_id}", &id("report_id"))
        .replace("{trace_id}", TRACE)
        .replace("{assessment_id}", "a-1")
        .replace("{*rest}", if method == "POST" { "leaving:predict" } else { "leaving" })
}

fn body(method: &str, path: &str, ids: &Value) -> Option<Value> {
    Some(match (method, path) {
        (_, path) if path.ends_with("/traces/{trace_id}/tags") => json!({ "key": "k", "value": "v" }),
        (_, path) if path.contains("/assessments") => {
            json!({ "assessment": { "assessment_name": "n", "feedback": { "value": 1 } }, "update_mask": "rationale" })
        }
        ("PUT", path) if path.contains("/tags/") => json!({ "value": "x" }),
        ("PUT", path) if path.ends_with("/status") => json!({ "status": "DEPRECATED" }),
        ("PUT", _) => json!({ "enabled": false }),
        ("PATCH", path) if path.ends_with("/logged-models/{model_id}") => json!({ "status": 2 }),
        ("PATCH", _) => json!({ "description": "taken" }),
        ("POST", path) if path.ends_with("/aliases/{alias}") => json!({ "version": 1 }),
        ("POST", path) if path.ends_with("/rollback") => json!({}),
        ("POST", "/api/v1/models/{name}/versions") => json!({ "run_id": ids["run_id"] }),
        ("POST", path) if path.ends_with("/evaluate") => json!({ "from": "2026-01-01T00:00:00Z", "to": "2026-01-01T00:01:00Z" }),
        ("POST", path) if path.ends_with("/metrics") => json!({}),
        ("POST", path) if path.ends_with("/end") => json!({ "status": "FAILED" }),
        ("POST", "/api/v1/jobs") => given::spec(None, 1),
        _ => return None,
    })
}

#[tokio::test]
async fn nothing_of_a_workspace_is_seen_or_touched_from_another() {
    for engine in ENGINES {
        let api = Api::new(engine).await;
        given::dataset(&api).await;
        given::trained(&api, "leaving", 1).await;
        given::promoted(&api, "leaving", 1).await;
        api.send(ask("PUT", "/api/v1/models/leaving/tags/team").json(json!({ "value": "a" }))).await.expect(204);
        let rows: Vec<Value> = (0..300).map(|i| json!({ "height": i, "wind": "west" })).collect();
        api.send(post("/v1/models/leaving:predict").json(json!({ "instances": rows }))).await.expect(200);
        let span = json!({ "traceId": TRACE.trim_start_matches("tr-"), "spanId": "0b0b0b0b0b0b0b0b", "name": "n" });
        let spans = json!({ "resourceSpans": [{ "scopeSpans": [{ "spans": [span] }] }] });
        api.send(post("/v1/traces").json(spans)).await.expect(200);
        let span = json!({ "from": "2026-01-01T00:00:00Z", "to": "2026-01-01T00:01:00Z", "store": true });
        let report = api.send(post("/api/v1/models/leaving/monitor/evaluate").json(span)).await.expect(200).json();
        let job = api.send(get("/api/v1/jobs")).await.json()["items"][0].clone();
        let key_id = key::parse(&api.keys.viewer).unwrap();
        let ids = json!({ "run_id": job["run_id"], "job_id": job["job_id"], "key_id": key_id, "report_id": report["report_id"] });
        let before = api.send(get("/api/v1/events?limit=1000")).await.json();

        // a key of another workspace
        let secret = key::make(&[9; key::ENTROPY]);
        let mut tx = api.world.db.begin().await.unwrap();
        store::identity::ensure_workspace(&mut tx, "other", START).await.unwrap();
        let about_key = ApiKey {
            key_id: key::parse(&secret).unwrap().to_owned(),
            name: "stranger".to_owned(),
            role: Role::Admin,
            created_by: "system".to_owned(),
            created_at: START,
            expires_at: None,
            revoked_at: None,
        };
        store::identity::insert_key(&mut tx, "other", &about_key, &key::hash(&secret)).await.unwrap();
        tx.commit().await.unwrap();

        let mut asked = 0;
        for row in api.policy.iter().filter(|row| row.path.contains('{')) {
            let path = about(&row.method, &row.path, &ids);
            let what = format!("{engine:?}: {} {path}", row.method);
            if row.method == "POST" && row.path == "/api/v1/datasets/{name}/versions" {
                continue; // it makes a data set of that name over there
            }
            let mut request = ask(&row.method, &path).key(&secret);
            if row.path.ends_with("/at") {
                request.path.push_str("?time=2026-01-01T00:00:00Z");
            } else if row.path.ends_with("/artifacts/content") {
                request.path.push_str("?path=model.onnx");
            } else if row.path.ends_with("/artifacts/files") {
                request.path.push_str("?artifact_file_path=MLmodel");
            }
            if let Some(body) = body(&row.method, &row.path, &ids) {
                request = request.json(body);
            }
            let answer = api.send(request).await;
            assert_eq!(answer.status, 404, "{what}: {}", String::from_utf8_lossy(&answer.body));
            asked += 1;
        }
        assert!(asked > 40, "{asked}");
        for list in ["datasets", "models", "jobs", "runs", "experiments", "events"] {
            let items = api.send(get(&format!("/api/v1/{list}")).key(&secret)).await.expect(200).json();
            assert_eq!(items["items"], json!([]), "{engine:?}: {list}");
        }
        let keys = api.send(get("/api/v1/keys").key(&secret)).await.expect(200).json();
        assert_eq!(keys["items"].as_array().unwrap().len(), 1, "{engine:?}: its own");
        let not_there = api.send(post("/api/v1/jobs").json(given::spec(None, 1)).key(&secret)).await;
        not_there.refused(404, "dataset_version_not_found");
        assert_eq!(api.send(get("/api/v1/events?limit=1000")).await.json(), before, "{engine:?}: nothing happened here");
        api.end().await;
    }
}

#[tokio::test]
async fn the_owner_of_the_machine_needs_no_key_and_a_page_in_their_browser_gets_nothing() {
    let api = Api::new(Engine::Sqlite).await;
    let local = Ipv4Addr::LOCALHOST;
    for host in ["localhost:8080", "127.0.0.1:8080", "[::1]:8080"] {
        assert_eq!(status_and_code(&api, &get("/api/v1/keys").header("host", host), local).await.0, 200, "{host}");
        let own = get("/api/v1/keys").header("host", host).header("origin", "http://localhost:8080");
        assert_eq!(status_and_code(&api, &own, local).await.0, 200, "{host}");
    }
    for row in api.policy.iter().filter(|row| row.permission != Permission::Public) {
        let request = || ask(&row.method, &filled(&row.path));
        let foreign = told(row, 403, "foreign_origin");
        // a name that was rebound to loopback
        for host in ["evil.example", "evil.example:8080", "localhost.evil.example", "10.0.0.1", ""] {
            let found = status_and_code(&api, &request().header("host", host), local).await;
            assert_eq!(found, foreign, "{} {} with Host {host:?}", row.method, row.path);
        }
        // a page of another site
        for origin in ["https://evil.example", "null", "http://127.0.0.1.evil.example", "http://192.0.2.1"] {
            let found = status_and_code(&api, &request().header("host", "localhost").header("origin", origin), local).await;
            assert_eq!(found, foreign, "{} {} with Origin {origin:?}", row.method, row.path);
        }
        let absolute = ask(&row.method, &format!("http://evil.example{}", filled(&row.path)));
        assert_eq!(status_and_code(&api, &absolute, local).await, foreign, "{} {} by absolute form", row.method, row.path);
        // from another machine
        assert_eq!(status_and_code(&api, &request().header("host", "localhost"), FAR).await.0, 401);
    }
    // what a form of another site can send without asking first
    for media_type in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"] {
        let form = post("/api/v1/models").bytes(media_type, b"{\"name\": \"x\"}");
        let found = status_and_code(&api, &form.clone().header("host", "localhost").header("origin", "https://evil.example"), local).await;
        assert_eq!(found, (403, "foreign_origin".to_owned()));
        assert_eq!(status_and_code(&api, &form.header("host", "localhost"), local).await, (415, "json_expected".to_owned()));
    }
    // no page may read an answer: there are no CORS headers
    let preflight = ask("OPTIONS", "/api/v1/models")
        .header("origin", "https://evil.example")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "authorization");
    let response = api.raw(&preflight, local).await.unwrap();
    assert_eq!(response.status(), 405);
    assert!(!response.headers().keys().any(|name| name.as_str().starts_with("access-control-")));
    api.end().await;
}

#[tokio::test]
async fn credentials_are_taken_in_their_two_forms_and_in_no_other() {
    let api = Api::new(Engine::Sqlite).await;
    let key = api.keys.viewer.clone();
    let with = |name: &str, value: &str| get("/api/v1/datasets").header(name, value);
    assert_eq!(status_and_code(&api, &with("x-api-key", &key), FAR).await.0, 200);
    assert_eq!(status_and_code(&api, &with("authorization", &format!("Bearer {key}")), FAR).await.0, 200);
    let bad = [
        ("authorization", format!("Basic {key}")),
        ("authorization", key.clone()),
        ("authorization", "Bearer ".to_owned()),
        ("x-api-key", "ü".to_owned()),
    ];
    for (name, value) in bad {
        let found = status_and_code(&api, &with(name, &value), Ipv4Addr::LOCALHOST).await;
        assert_eq!(found, (401, "invalid_key".to_owned()), "{name}: {value}");
    }
    let in_the_address = get(&format!("/api/v1/datasets?api_key={key}"));
    assert_eq!(status_and_code(&api, &in_the_address, FAR).await, (401, "missing_key".to_owned()));
    let response = api.raw(&get("/api/v1/datasets"), FAR).await.unwrap();
    assert_eq!(response.headers()["www-authenticate"], "Bearer");
    api.end().await;
}

#[tokio::test]
async fn unknown_paths_and_methods_are_problems_too() {
    let api = Api::new(Engine::Sqlite).await;
    api.send(get("/api/v1/nothing")).await.refused(404, "no_such_route");
    api.send(get("/../../etc/passwd")).await.refused(404, "no_such_route");
    api.send(ask("PUT", "/api/v1/datasets")).await.refused(405, "method_not_allowed");
    for row in &api.policy {
        let allowed: Vec<&str> = api.policy.iter().filter(|other| other.path == row.path).map(|other| other.method.as_str()).collect();
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"] {
            if !allowed.contains(&method) {
                let answer = api.send(ask(method, &filled(&row.path))).await.refused(405, "method_not_allowed");
                assert_eq!(answer.header("allow"), allowed.join(", "), "{method} {}", row.path);
            }
        }
    }
    api.send(ask("HEAD", "/api/v1/datasets")).await.expect(200);
    let answer = api.send(get("/api/v1/datasets")).await;
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    assert_eq!(answer.header("x-request-id").len(), 32);
    api.end().await;
}
