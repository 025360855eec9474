//! Requests made from the API document: for every operation, values that fit, values that do not, and values that mean harm. None
//! may be answered with 5xx, and every refusal of the native API is a problem document.

use std::net::Ipv4Addr;
use std::time::Duration;

use axum::body::to_bytes;
use serde_json::{Map, Value, json};
use slipway::domain::identity::Role;

use super::client::{Api, Ask, ask, post};
use super::given;
use crate::support::db::ENGINES;

/// Requests per operation and engine; `SLIPWAY_TEST_ROUNDS` asks for more.
const ROUNDS: u64 = 60;

/// A small generator (splitmix64), so that a failure is found again by its seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((x ^ (x >> 31)) % sides as u64) as usize
    }

    fn pick<T: Clone>(&mut self, items: &[T]) -> T {
        items[self.roll(items.len())].clone()
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.roll(n) == 0
    }
}

const SEGMENTS: [&str; 26] = [
    "tides",
    "leaving",
    "champion",
    "1",
    "2",
    "0",
    "-1",
    "9223372036854775807",
    "9223372036854775808",
    "1e3",
    "../..",
    "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
    "..%2f",
    "%2e%2e",
    ".",
    "%00",
    "a%00b",
    "%2500",
    "%ff%fe",
    "%F0%9F%9A%A2",
    "a%20b",
    "a%5Cb",
    "%0d%0ax-injected:%201",
    "'%20or%201=1--",
    "%25",
    ";",
];

const TEXTS: [&str; 20] = [
    "",
    " ",
    "tides",
    "leaving",
    "leaves",
    "height",
    "a\0b",
    "\u{202e}evil",
    "\u{fffd}",
    "🚢",
    "' or 1=1 --",
    "${DATABASE_URL}",
    "{{env.X}}",
    "<script>",
    "../../etc/passwd",
    "2026-01-01T00:00:00Z",
    "9999-12-31T23:59:59.999999999Z",
    "0000-01-01T00:00:00+23:59",
    "NaN",
    "-Infinity",
];

fn number(dice: &mut Dice) -> Value {
    let texts = [
        "0",
        "1",
        "-1",
        "2",
        "60000",
        "9223372036854775807",
        "-9223372036854775808",
        "18446744073709551615",
        "1e308",
        "-1e308",
        "5e-324",
        "0.1",
        "65537",
        "4294967296",
        "1e2",
    ];
    serde_json::from_str(dice.pick(&texts)).unwrap()
}

fn text(dice: &mut Dice) -> String {
    match dice.roll(12) {
        0 => "x".repeat(300),
        1 => "é".repeat(7000),
        _ => dice.pick(&TEXTS).to_owned(),
    }
}

fn anything(dice: &mut Dice, depth: usize) -> Value {
    match dice.roll(if depth > 3 { 4 } else { 6 }) {
        0 => Value::Null,
        1 => json!(dice.one_in(2)),
        2 => number(dice),
        3 => json!(text(dice)),
        4 => (0..dice.roll(4)).map(|_| anything(dice, depth + 1)).collect(),
        _ => (0..dice.roll(4)).map(|_| (text(dice), anything(dice, depth + 1))).collect::<Map<_, _>>().into(),
    }
}

/// Makes a value by a schema; now and then one that breaks it.
fn by_schema(dice: &mut Dice, document: &Value, schema: &Value, depth: usize) -> Value {
    if dice.one_in(10) || depth > 6 {
        return anything(dice, depth);
    }
    if let Some(name) = schema["$ref"].as_str() {
        let target = name.trim_start_matches('#').to_owned();
        return by_schema(dice, document, document.pointer(&target).unwrap(), depth);
    }
    for choice in ["oneOf", "anyOf"] {
        if let Some(choices) = schema[choice].as_array() {
            let choice = dice.pick(choices);
            return by_schema(dice, document, &choice, depth + 1);
        }
    }
    if let Some(parts) = schema["allOf"].as_array() {
        let mut whole = Map::new();
        for part in parts {
            if let Value::Object(fields) = by_schema(dice, document, part, depth + 1) {
                whole.extend(fields);
            }
        }
        return whole.into();
    }
    if let Some(values) = schema["enum"].as_array() {
        return dice.pick(values);
    }
    let kind = match &schema["type"] {
        Value::Array(kinds) => dice.pick(kinds).as_str().unwrap_or("null").to_owned(),
        kind => kind.as_str().unwrap_or_default().to_owned(),
    };
    match kind.as_str() {
        "string" if schema["format"] == "date-time" && !dice.one_in(4) => json!("2026-01-01T00:00:30Z"),
        "string" => json!(text(dice)),
        "integer" | "number" => number(dice),
        "boolean" => json!(dice.one_in(2)),
        "array" => (0..dice.roll(4)).map(|_| by_schema(dice, document, &schema["items"], depth + 1)).collect(),
        "object" => {
            let mut made = Map::new();
            let required: Vec<&str> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            for (name, field) in schema["properties"].as_object().into_iter().flatten() {
                let wanted = if required.contains(&name.as_str()) { !dice.one_in(12) } else { dice.one_in(2) };
                if wanted {
                    made.insert(name.clone(), by_schema(dice, document, field, depth + 1));
                }
            }
            if schema.get("additionalProperties").is_some() && dice.one_in(2) {
                made.insert(text(dice), by_schema(dice, document, &schema["additionalProperties"], depth + 1));
            }
            if dice.one_in(12) {
                made.insert(text(dice), anything(dice, depth + 1));
            }
            made.into()
        }
        "null" => Value::Null,
        _ => anything(dice, depth),
    }
}

fn escaped(text: &str) -> String {
    text.bytes().map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// Makes a request for an operation.
fn request(dice: &mut Dice, document: &Value, method: &str, path: &str, operation: &Value, ids: &[String]) -> Ask {
    let mut target = path.to_owned();
    while let (Some(from), Some(to)) = (target.find('{'), target.find('}')) {
        let segment = if dice.one_in(2) { dice.pick(ids) } else { dice.pick(&SEGMENTS).to_owned() };
        target.replace_range(from..=to, &segment);
    }
    let parameters: Vec<&Value> = operation["parameters"].as_array().into_iter().flatten().collect();
    let mut query = Vec::new();
    for parameter in parameters.iter().filter(|p| p["in"] == "query") {
        if parameter["required"] == true || dice.one_in(2) {
            let value = match by_schema(dice, document, &parameter["schema"], 4) {
                Value::String(text) => text,
                other => other.to_string(),
            };
            query.push(format!("{}={}", parameter["name"].as_str().unwrap(), escaped(&value)));
        }
    }
    if dice.one_in(15) {
        query.push(dice.pick(&["unknown=1", "page_size=1&page_size=2", "%00=1", "%ff", "page_token=AAAA", "=", "&&"]).to_owned());
    }
    if !query.is_empty() {
        target = format!("{target}?{}", query.join("&"));
    }
    let mut made = ask(method, &target);
    if let Some((media_type, content)) = operation["requestBody"]["content"].as_object().and_then(|content| content.iter().next()) {
        let body = if media_type == "application/json" {
            by_schema(dice, document, &content["schema"], 0).to_string().into_bytes()
        } else {
            dice.pick(&[&b"a,b\n1,2\n"[..], b"", b"\0\0\0", b"{\"a\": 1}\n", b"PAR1", b"a\n\"", b"\xff\xfe"]).to_vec()
        };
        made = match dice.roll(14) {
            0 => made.bytes("text/plain", &body),
            1 => made.bytes(media_type, &body[..body.len() / 2]),
            2 => made.bytes(media_type, "[".repeat(5000).as_bytes()),
            3 => made.bytes(media_type, format!("{{\"name\":{}1{}}}", "[".repeat(200), "]".repeat(200)).as_bytes()),
            4 => made.bytes(media_type, b"\xff\xfe\x00"),
            5 => made.bytes("", b""),
            _ => made.bytes(media_type, &body),
        };
    }
    if method == "POST" && dice.one_in(6) {
        made = made.header("idempotency-key", dice.pick(&["a", "b", "c d", "ü"]));
    }
    if dice.one_in(20) {
        made = made.header("last-event-id", dice.pick(&["-1", "9223372036854775807", "x", "9223372036854775808"]));
    }
    made
}

#[tokio::test]
async fn no_request_that_the_document_suggests_is_answered_with_5xx() {
    let rounds = std::env::var("SLIPWAY_TEST_ROUNDS").map_or(ROUNDS, |text| text.parse().unwrap());
    for (engine, seed) in ENGINES.into_iter().zip([rounds, rounds + 1]) {
        let api = Api::new(engine).await;
        given::dataset(&api).await;
        given::trained(&api, "leaving", 1).await;
        given::promoted(&api, "leaving", 1).await;
        let jobs = api.send(super::client::get("/api/v1/jobs")).await.json();
        let ids = ["job_id", "run_id"].map(|name| jobs["items"][0][name].as_str().unwrap().to_owned());
        let ids: Vec<String> = ids.into_iter().chain(["tides", "leaving", "champion", "1", "loss"].map(str::to_owned)).collect();
        let mut dice = Dice(seed);
        let (mut asked, mut refused, mut accepted) = (0, 0, 0);
        for round in 0..rounds {
            for (path, item) in api.openapi["paths"].as_object().unwrap() {
                for (method, operation) in item.as_object().unwrap() {
                    let request = request(&mut dice, &api.openapi, &method.to_uppercase(), path, operation, &ids);
                    // a target that no client could send is none of ours
                    let Ok(response) = api.raw(&request.clone().key(&api.keys.admin), Ipv4Addr::LOCALHOST).await else { continue };
                    asked += 1;
                    let what = || {
                        format!(
                            "{engine:?}, seed {seed}, round {round}: {} {} {}",
                            method,
                            request.path,
                            String::from_utf8_lossy(&request.body)
                        )
                    };
                    let (parts, body) = response.into_parts();
                    assert!(parts.status.as_u16() < 500, "{}: {}", parts.status, what());
                    let media_type = parts.headers.get("content-type").map_or("", |v| v.to_str().unwrap()).to_owned();
                    if media_type == "text/event-stream" {
                        accepted += 1;
                        continue;
                    }
                    let read = tokio::time::timeout(Duration::from_secs(60), to_bytes(body, usize::MAX)).await;
                    let Ok(Ok(body)) = read else { panic!("the answer does not end: {}", what()) };
                    if parts.status.is_client_error() {
                        refused += 1;
                        if path.starts_with("/api/") {
                            let problem: Value = serde_json::from_slice(&body).unwrap_or_else(|e| panic!("{e}: {}", what()));
                            assert_eq!(media_type, "application/problem+json", "{}", what());
                            let code = problem["code"].as_str().unwrap_or_default();
                            assert!(
                                !code.is_empty() && code.bytes().all(|b| b.is_ascii_lowercase() || b == b'_' || b.is_ascii_digit()),
                                "{}",
                                what()
                            );
                        }
                    } else {
                        accepted += 1;
                    }
                }
            }
        }
        println!("{engine:?}: {asked} requests, {accepted} accepted, {refused} refused");
        assert!(accepted > asked / 20 && refused > asked / 5, "{accepted} and {refused} of {asked}: the generator is one-sided");
        // and the server is as well as before
        given::promoted(&api, "leaving", 1).await;
        let rows = json!({ "instances": [{ "height": 0.5, "wind": "north" }] });
        api.send(post("/v1/models/leaving:predict").json(rows)).await.expect(200);
        api.end().await;
    }
}

#[tokio::test]
async fn text_with_nul_is_refused_wherever_text_is_taken() {
    for engine in ENGINES {
        let api = Api::new(engine).await;
        let mut asked = 0;
        for row in api.policy.iter().filter(|row| row.path.starts_with("/api/")) {
            for place in row.path.match_indices('{').map(|(at, _)| at) {
                // NUL in one part of the path, something that fits in the others
                let mut path = row.path.clone();
                let end = path[place..].find('}').unwrap() + place;
                path.replace_range(place..=end, "a%00b");
                let path = path.replace("{version}", "1").replace(['{', '}'], "");
                let answer = api.send(ask(&row.method, &path).json(json!({}))).await;
                assert_eq!(answer.status.as_u16() / 100, 4, "{engine:?}: {} {path}: {}", row.method, answer.status);
                asked += 1;
            }
        }
        assert!(asked > 50, "{asked}");
        for path in ["datasets?page_token=%00", "runs?experiment_id=%00", "models/m/aliases/a/at?time=%00", "events?after=%00"] {
            api.send(super::client::get(&format!("/api/v1/{path}"))).await.refused(400, "invalid_query");
        }
        for (method, path, body) in [
            ("POST", "keys", json!({ "name": "a\0", "role": Role::Viewer })),
            ("POST", "models", json!({ "name": "m", "description": "a\0" })),
            ("POST", "runs", json!({ "experiment": "a\0" })),
            ("POST", "jobs", json!({ "dataset": "a\0", "target": "x" })),
            ("PUT", "models/m/tags/k", json!({ "value": "\0" })),
            ("POST", "models/m/aliases/champion", json!({ "version": 1, "reason": "\0" })),
        ] {
            api.send(ask(method, &format!("/api/v1/{path}")).json(body)).await.refused(400, "invalid_body");
        }
        api.end().await;
    }
}
