//! Traces beyond what the real client does: repetition, concurrency, pages, other workspaces, broken bytes.

use std::io::Write as _;

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use super::Door;
use crate::support::db::ENGINES;

/// A trace's id, as OpenTelemetry and as MLflow write it.
fn id(n: u32) -> (String, String) {
    (format!("{n:032x}"), format!("tr-{n:032x}"))
}

/// A span of 1 s in a trace, under its root unless it is the root itself.
fn span(trace: u32, span: u32, attributes: Value) -> Value {
    let start = 1_767_225_600_000_000_000_i64 + i64::from(trace) * 1_000_000_000;
    let attributes = attributes.as_object().unwrap().iter().map(|(key, value)| json!({ "key": key, "value": { "stringValue": value } }));
    let mut span = json!({
        "traceId": id(trace).0, "spanId": format!("{span:016x}"), "name": format!("span {span}"), "startTimeUnixNano": start.to_string(),
        "endTimeUnixNano": (start + 1_000_000_000).to_string(), "attributes": attributes.collect::<Vec<_>>(), "status": { "code": 1 },
    });
    if span["spanId"] != "0000000000000001" {
        span["parentSpanId"] = json!("0000000000000001");
    }
    span
}

fn request(spans: &[Value]) -> Value {
    json!({ "resourceSpans": [{ "resource": { "attributes": [{ "key": "service.name", "value": { "stringValue": "gauge" } }] },
        "scopeSpans": [{ "spans": spans }] }] })
}

impl Door {
    async fn export(&self, content_type: &str, encoding: &str, experiment: &str, body: impl Into<Body>) -> (StatusCode, Vec<u8>) {
        let request = Request::builder().method("POST").uri("/v1/traces").header(header::AUTHORIZATION, format!("Bearer {}", self.key));
        let request = request.header(header::CONTENT_TYPE, content_type).header("x-mlflow-experiment-id", experiment);
        self.send(request.header(header::CONTENT_ENCODING, encoding).body(body.into()).unwrap()).await
    }

    async fn spans(&self, spans: &[Value]) -> Value {
        let (status, body) = self.export("application/json", "identity", "0", request(spans).to_string()).await;
        assert_eq!(status, StatusCode::OK, "{}", String::from_utf8_lossy(&body));
        serde_json::from_slice(&body).unwrap()
    }

    async fn v3(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let body = if method == "GET" { Body::empty() } else { Body::from(body.to_string()) };
        let (status, bytes) = self.send(self.request(method, &format!("/api/3.0/mlflow/{path}"), body)).await;
        (status.as_u16(), serde_json::from_slice(&bytes).unwrap())
    }

    async fn start(&self, trace_id: &str, more: Value) -> Value {
        let mut info = json!({ "trace_id": trace_id, "request_time": "2026-01-01T00:00:01.500Z", "execution_duration": "2.250s", "state": "OK",
            "trace_location": { "type": "MLFLOW_EXPERIMENT", "mlflow_experiment": { "experiment_id": "0" } } });
        info.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let (status, answer) = self.v3("POST", "traces", json!({ "trace": { "trace_info": info } })).await;
        assert_eq!(status, 200, "{answer}");
        answer["trace"]["trace_info"].clone()
    }

    async fn search(&self, filter: &str, order: &[&str], size: i64, token: &str) -> (Vec<String>, String) {
        let locations = json!([{ "type": "MLFLOW_EXPERIMENT", "mlflow_experiment": { "experiment_id": "0" } }]);
        let body = json!({ "locations": locations, "filter": filter, "order_by": order, "max_results": size, "page_token": token });
        let (status, answer) = self.v3("POST", "traces/search", body).await;
        assert_eq!(status, 200, "{filter}: {answer}");
        let ids = answer["traces"].as_array().unwrap().iter().map(|info| info["trace_id"].as_str().unwrap().to_owned()).collect();
        (ids, answer["next_page_token"].as_str().unwrap_or_default().to_owned())
    }
}

#[tokio::test]
async fn spans_sent_twice_or_in_parts_make_one_trace() {
    for engine in ENGINES {
        let door = Door::new(engine).await;
        let trace = id(7).1;
        door.spans(&[span(7, 2, json!({ "a": "x" }))]).await;
        let (_, answer) = door.v3("GET", &format!("traces/{trace}"), json!({})).await;
        assert_eq!(answer["trace"]["trace_info"]["state"], "IN_PROGRESS");
        let root = span(7, 1, json!({ "mlflow.spanInputs": "hello", "session.id": "s", "mlflow.traceTag.team": "sea" }));
        for _ in 0..2 {
            door.spans(&[root.clone(), span(7, 2, json!({ "a": "y\u{0}" })), span(7, 2, json!({ "a": "z\u{0}" }))]).await;
        }
        let (_, answer) = door.v3("GET", &format!("traces/get?trace_id={trace}"), json!({})).await;
        let (info, spans) = (&answer["trace"]["trace_info"], answer["trace"]["spans"].as_array().unwrap());
        assert_eq!(spans.len(), 2);
        assert_eq!(spans[1]["attributes"][0], json!({ "key": "a", "value": { "string_value": "z\u{fffd}" } }));
        assert_eq!(
            (&info["state"], &info["request_preview"], &info["execution_duration"]),
            (&json!("OK"), &json!("\"hello\""), &json!("1s"))
        );
        assert_eq!(info["trace_metadata"], json!({ "mlflow.trace.session": "s" }));
        let tags = json!({ "team": "sea", "service.name": "gauge", "mlflow.trace.spansLocation": "TRACKING_STORE",
            "mlflow.artifactLocation": format!("mlflow-artifacts:/0/traces/{trace}/artifacts") });
        assert_eq!(info["tags"], tags);

        // what the client tells at the end stays, whatever spans come later
        let told = door.start(&trace, json!({ "tags": { "mlflow.traceName": "n" }, "trace_metadata": { "k": "v" } })).await;
        assert_eq!((&told["request_time"], &told["execution_duration"]), (&json!("2026-01-01T00:00:01.500Z"), &json!("2.250s")));
        door.spans(&[span(7, 3, json!({}))]).await;
        let (_, answer) = door.v3("GET", &format!("traces/{trace}"), json!({})).await;
        let later = &answer["trace"]["trace_info"];
        assert_eq!((&later["request_time"], &later["execution_duration"]), (&told["request_time"], &told["execution_duration"]));
        assert_eq!(later["trace_metadata"], json!({ "k": "v", "mlflow.trace.session": "s", "mlflow.trace.infoFinalized": "true" }));
        door.world.end().await;
    }
}

#[tokio::test]
async fn tokens_are_added_up_over_parts_that_come_apart() {
    for engine in ENGINES {
        let door = Door::new(engine).await;
        let usage = |n: i64| json!({ "input_tokens": n, "output_tokens": 1, "total_tokens": n + 1 }).to_string();
        door.spans(&[span(1, 2, json!({ "mlflow.chat.tokenUsage": usage(5) })), span(1, 3, json!({}))]).await;
        door.spans(&[span(1, 4, json!({ "mlflow.chat.tokenUsage": usage(2) })), span(1, 1, json!({}))]).await;
        let (_, answer) = door.v3("GET", &format!("traces/{}", id(1).1), json!({})).await;
        let sum = &answer["trace"]["trace_info"]["trace_metadata"]["mlflow.trace.tokenUsage"];
        assert_eq!(sum, r#"{"input_tokens": 7, "output_tokens": 2, "total_tokens": 9}"#);
        door.spans(&[span(1, 1, json!({ "mlflow.chat.tokenUsage": usage(70) }))]).await;
        let (_, answer) = door.v3("GET", &format!("traces/{}", id(1).1), json!({})).await;
        let sum = &answer["trace"]["trace_info"]["trace_metadata"]["mlflow.trace.tokenUsage"];
        assert_eq!(sum, r#"{"input_tokens": 70, "output_tokens": 1, "total_tokens": 71}"#, "a root covers what is below it");
        door.world.end().await;
    }
}

#[tokio::test]
async fn writers_at_once_lose_nothing() {
    for engine in ENGINES {
        let door = Door::new(engine).await;
        let batch = |k: u32| (1..=20).map(move |t| span(t, 2 + k, json!({ "k": k.to_string() }))).collect::<Vec<_>>();
        let writes = (0..4).map(|k| {
            let (door, batch) = (&door, batch(k));
            async move {
                door.spans(&batch).await;
                door.start(&id(1 + k).1, json!({})).await;
            }
        });
        futures::future::join_all(writes).await;
        for t in 1..=20 {
            let (_, answer) = door.v3("GET", &format!("traces/get?trace_id={}&allow_partial=true", id(t).1), json!({})).await;
            assert_eq!(answer["trace"]["spans"].as_array().unwrap().len(), 4, "trace {t}");
        }
        door.world.end().await;
    }
}

#[tokio::test]
async fn pages_of_every_order_visit_each_trace_once() {
    for engine in ENGINES {
        let door = Door::new(engine).await;
        for t in 1..=9 {
            let tags = if t % 3 == 0 { json!({}) } else { json!({ "tags": { "depth": (t % 2).to_string() } }) };
            door.start(&format!("tr-{t}"), tags).await;
        }
        door.spans(&[span(3, 1, json!({ "model": "gpt \"4\"", "n": "5" }))]).await;
        for order in
            [vec![], vec!["execution_time DESC"], vec!["tags.depth", "timestamp DESC"], vec!["status", "request_id DESC"], vec!["name"]]
        {
            let (mut seen, mut token) = (Vec::new(), String::new());
            loop {
                let (ids, next) = door.search("", &order, 2, &token).await;
                seen.extend(ids);
                token = next;
                if token.is_empty() {
                    break;
                }
            }
            let (whole, _) = door.search("", &order, 100, "").await;
            assert_eq!(seen, whole, "{order:?}");
            assert_eq!(whole.len(), 10);
        }
        let found = |filter: &'static str| async { door.search(filter, &[], 100, "").await.0.len() };
        assert_eq!(found("span.attributes.model = 'gpt \"4\"'").await, 1);
        assert_eq!(found("span.attributes.model LIKE 'gpt%' AND span.attributes.n = '5'").await, 1);
        assert_eq!(found("span.attributes.none = 'x'").await, 0);
        assert_eq!(found("tags.depth IS NULL AND status = 'OK'").await, 4);
        assert_eq!(found("execution_time > 2249.5 AND execution_time < 2251").await, 9);
        assert_eq!(found("end_time > 0").await, 10);
        let refused = |body: Value| async { door.v3("POST", "traces/search", body).await.0 };
        let place = json!([{ "mlflow_experiment": { "experiment_id": "0" } }]);
        assert_eq!(refused(json!({})).await, 400);
        assert_eq!(refused(json!({ "locations": place, "max_results": 501 })).await, 400);
        assert_eq!(refused(json!({ "locations": place, "page_token": "what" })).await, 400);
        assert_eq!(refused(json!({ "locations": place, "filter": "a = b" })).await, 400);
        let (_, answer) = door
            .v3(
                "POST",
                "traces/calculate-filter-correlation",
                json!({ "experiment_ids": ["0"],
            "filter_string1": "tags.depth = '1'", "filter_string2": "tags.depth IS NOT NULL" }),
            )
            .await;
        assert_eq!((&answer["filter1_count"], &answer["filter2_count"], &answer["joint_count"]), (&json!(3), &json!(6), &json!(3)));
        door.world.end().await;
    }
}

#[tokio::test]
async fn clients_of_version_2_start_and_end_traces() {
    for engine in ENGINES {
        let door = Door::new(engine).await;
        let body = json!({ "experiment_id": "0", "timestamp_ms": 1000, "request_metadata": [{ "key": "m", "value": "1" }], "tags": [] });
        let id = door.post("traces", body).await["trace_info"]["request_id"].as_str().unwrap().to_owned();
        let path = format!("/api/2.0/mlflow/traces/{id}");
        let end = json!({ "timestamp_ms": 3500, "status": "ERROR", "request_metadata": [], "tags": [{ "key": "t", "value": "2" }] });
        let (status, body) = door.send(door.request("PATCH", &path, end.to_string())).await;
        assert_eq!(status, StatusCode::OK, "{}", String::from_utf8_lossy(&body));
        let info = door.get(&format!("traces/{id}/info")).await["trace_info"].clone();
        assert_eq!((&info["execution_time_ms"], &info["status"], &info["timestamp_ms"]), (&json!(2500), &json!("ERROR"), &json!(1000)));
        assert_eq!(info["request_metadata"], json!([{ "key": "m", "value": "1" }]));
        let found = door.get("traces?experiment_ids=0&max_results=5").await;
        assert_eq!(found["traces"][0]["request_id"], json!(id));
        assert_eq!(door.refused(404, "traces", json!({ "experiment_id": "none" })).await.0, "RESOURCE_DOES_NOT_EXIST");
        door.world.end().await;
    }
}

#[tokio::test]
async fn a_whole_file_of_spans_is_handed_out() {
    for engine in ENGINES {
        let door = Door::new(engine).await;
        door.spans(&[span(2, 1, json!({ "k": "v" }))]).await;
        let path = format!("/ajax-api/2.0/mlflow/get-trace-artifact?request_id={}", id(2).1);
        let (status, body) = door.send(door.request("GET", &path, Body::empty())).await;
        assert_eq!(status, StatusCode::OK);
        let file: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(file["spans"][0]["attributes"]["k"], "\"v\"");
        assert_eq!(file["spans"][0]["span_id"], "AAAAAAAAAAE=");
        door.world.end().await;
    }
}

#[tokio::test]
async fn another_workspace_sees_nothing_and_keeps_its_own() {
    for engine in ENGINES {
        let door = Door::new(engine).await;
        door.spans(&[span(1, 1, json!({}))]).await;
        let at = "insert into workspaces (id, name, state, created_at) select 'other', 'other', state, created_at from workspaces where id = 'default'";
        let made = match &door.world.db {
            slipway::store::Db::Postgres(pool) => sqlx::query(at).execute(pool).await.map(|_| ()),
            slipway::store::Db::Sqlite { writer, .. } => sqlx::query(at).execute(writer).await.map(|_| ()),
        };
        made.unwrap();
        let stranger = slipway::domain::identity::Caller::system("other");
        let tracking = door.world.app.tracking();
        let trace = id(1).1;
        assert_eq!(tracking.get_trace_info(&stranger, &trace).await.unwrap_err().code, "trace_not_found");
        assert!(tracking.get_trace_infos(&stranger, std::slice::from_ref(&trace), None).await.unwrap().is_empty());
        assert!(tracking.get_traces(&stranger, std::slice::from_ref(&trace), None).await.unwrap().is_empty());
        assert_eq!(tracking.delete_traces(&stranger, "0", None, None, std::slice::from_ref(&trace)).await.unwrap(), 0);
        assert_eq!(tracking.delete_trace_tag(&stranger, &trace, "service.name").await.unwrap_err().code, "trace_not_found");
        assert_eq!(tracking.get_assessment(&stranger, &trace, "a").await.unwrap_err().code, "trace_not_found");
        let search = slipway::service::TraceSearch { experiments: vec!["0".to_owned()], max_results: 10, ..Default::default() };
        assert!(tracking.search_traces(&stranger, &search).await.unwrap().0.is_empty());
        assert_eq!(tracking.ingest_spans(&stranger, "0", Vec::new()).await.unwrap().ended, Vec::<String>::new());
        let theirs = door.export("application/json", "identity", "none", request(&[span(2, 1, json!({}))]).to_string()).await;
        assert_eq!(theirs.0, StatusCode::NOT_FOUND);
        door.world.end().await;
    }
}

#[tokio::test]
async fn old_traces_go_where_the_settings_say_so() {
    for engine in ENGINES {
        let door = Door::new(engine).await;
        door.spans(&[span(1, 1, json!({})), span(5, 1, json!({}))]).await;
        assert_eq!(door.world.app.tracking().prune_traces().await.unwrap(), 0, "nothing goes by default");
        let mut config = door.world.app.config().clone();
        config.trace_retention_days = 1;
        let app = door.world.another_with(config);
        door.world.clock.advance_ms(86_400_000 + 3_000);
        assert_eq!(app.tracking().prune_traces().await.unwrap(), 1);
        assert_eq!(door.search("", &[], 10, "").await.0, [id(5).1]);
        door.world.end().await;
    }
}

#[tokio::test]
async fn what_is_no_span_is_refused_and_what_can_be_kept_is_kept() {
    for engine in ENGINES {
        let door = Door::new(engine).await;
        let refused = |content_type: &'static str, encoding: &'static str, body: Vec<u8>| {
            let door = &door;
            async move {
                let (status, body) = door.export(content_type, encoding, "0", body).await;
                assert!(serde_json::from_slice::<Value>(&body).unwrap()["error_code"].is_string());
                status.as_u16()
            }
        };
        assert_eq!(refused("text/plain", "identity", b"{}".to_vec()).await, 400);
        assert_eq!(refused("application/json", "zstd", b"{}".to_vec()).await, 400);
        assert_eq!(refused("application/json", "gzip", b"{}".to_vec()).await, 400);
        assert_eq!(refused("application/json", "identity", b"{}".to_vec()).await, 400);
        assert_eq!(refused("application/x-protobuf", "identity", Vec::new()).await, 400);
        let nameless = json!({ "name": "without ids" });
        assert_eq!(refused("application/json", "identity", request(std::slice::from_ref(&nameless)).to_string().into_bytes()).await, 422);
        let answer = door.spans(&[nameless, span(1, 1, json!({}))]).await;
        assert_eq!(answer["partialSuccess"]["rejectedSpans"], "1");
        assert_eq!(door.search("", &[], 10, "").await.0, [id(1).1]);

        // a small body that becomes a large one
        let mut config = door.world.app.config().clone();
        config.trace_body_limit = 10_000;
        let small = Door { router: slipway::http::build(&door.world.another_with(config), None).unwrap().router, ..door };
        let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        bomb.write_all(&[0; 10_001]).unwrap();
        let (status, _) = small.export("application/x-protobuf", "gzip", "0", bomb.finish().unwrap()).await;
        assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
        let (status, _) = small.export("application/json", "identity", "0", vec![b' '; 10_001]).await;
        assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
        small.world.end().await;
    }
}

#[tokio::test]
async fn no_bytes_make_the_server_fail() {
    for engine in ENGINES {
        let door = Door::new(engine).await;
        let mut runner = TestRunner::deterministic();
        let bytes = proptest::collection::vec(proptest::num::u8::ANY, 0..300);
        // a frame around the bytes, so that many of them are taken for a span
        let framed = |inner: &[u8]| {
            let wrap = |bytes: Vec<u8>, number: u8| {
                let length = u16::try_from(bytes.len()).unwrap();
                [vec![number << 3 | 2, u8::try_from(length & 127).unwrap() | 128, u8::try_from(length >> 7).unwrap()], bytes].concat()
            };
            let ids = [[10, 16].as_slice(), &[7; 16], &[18, 8], &[9; 8], inner].concat();
            wrap(wrap(wrap(ids, 2), 2), 1)
        };
        for i in 0..300 {
            let random = bytes.new_tree(&mut runner).unwrap().current();
            let body = if i % 2 == 0 { random } else { framed(&random) };
            let (status, answer) = door.export("application/x-protobuf", "identity", "0", body).await;
            assert!(!status.is_server_error(), "{status}: {}", String::from_utf8_lossy(&answer));
        }
        let (status, _) = door.v3("GET", &format!("traces/get?trace_id=tr-{}&allow_partial=true", "07".repeat(16)), json!({})).await;
        assert!(status == 200 || status == 404);
        door.world.end().await;
    }
}
