//! The committed API document is the one that the program makes, and the page that shows it asks nobody else.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use super::client::{Api, get};
use crate::support::db::Engine;

fn operations(document: &Value) -> Vec<(String, String, &Value)> {
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            found.push((method.to_uppercase(), path.clone(), operation));
        }
    }
    found
}

#[test]
fn the_committed_document_is_fresh() {
    let made = slipway::http::openapi().unwrap().to_pretty_json().unwrap() + "\n";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi/slipway.json");
    let committed = std::fs::read_to_string(path).unwrap();
    assert!(committed == made, "openapi/slipway.json is stale: run `make openapi` and commit it");
}

#[tokio::test]
async fn every_operation_says_what_it_takes_and_how_it_fails() {
    let api = Api::new(Engine::Sqlite).await;
    let document = &api.openapi;
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["components"]["securitySchemes"]["api_key"]["scheme"], "bearer");
    let mut ids = BTreeSet::new();
    for (method, path, operation) in operations(document) {
        let id = operation["operationId"].as_str().unwrap();
        assert!(ids.insert(id.to_owned()), "two operations are called {id}");
        assert!(!operation["summary"].as_str().unwrap_or_default().is_empty(), "{id} has no summary");
        let public = operation["security"] == serde_json::json!([{}]);
        let responses = operation["responses"].as_object().unwrap();
        assert!(responses.values().all(|response| !response["description"].as_str().unwrap_or_default().is_empty()), "{id}");
        if !public {
            let kinds = responses["4XX"]["content"].as_object().unwrap();
            let expected = if path.starts_with("/api/") { "application/problem+json" } else { "application/json" };
            assert!(kinds.contains_key(expected), "{method} {path} does not say how it fails");
        }
        let parameters = operation["parameters"].as_array().map(Vec::as_slice).unwrap_or_default();
        let named: BTreeSet<&str> = parameters.iter().filter(|p| p["in"] == "path").filter_map(|p| p["name"].as_str()).collect();
        let wanted: BTreeSet<&str> = path.split(['{', '}']).skip(1).step_by(2).collect();
        assert_eq!(named, wanted, "{method} {path}");
        let takes_key = parameters.iter().any(|p| p["name"] == "Idempotency-Key");
        // whoever signs in has no name yet that a key could belong to
        let remembers = method == "POST" && path.starts_with("/api/") && path != "/api/v1/session";
        assert_eq!(takes_key, remembers, "{method} {path}");
    }
    for row in api.policy.iter().filter(|row| row.documented && !row.path.contains("{*")) {
        let operation = &document["paths"][&row.path][row.method.to_lowercase()];
        assert!(operation.is_object(), "{} {} is not documented", row.method, row.path);
    }
    api.end().await;
}

#[tokio::test]
async fn the_page_may_load_nothing_from_elsewhere() {
    let api = Api::new(Engine::Sqlite).await;
    let mut texts = String::new();
    for (path, media_type) in [
        ("/docs", "text/html; charset=utf-8"),
        ("/docs/app.js", "text/javascript; charset=utf-8"),
        ("/docs/style.css", "text/css; charset=utf-8"),
    ] {
        let answer = api.send(get(path).key("")).await.expect(200);
        assert_eq!(answer.header("content-type"), media_type);
        assert!(answer.header("content-security-policy").starts_with("default-src 'none'; script-src 'self'; style-src 'self';"));
        texts.push_str(std::str::from_utf8(&answer.body).unwrap());
    }
    for foreign in ["http://", "https://", "src=\"//", "innerHTML", "<script>", " onclick", " style="] {
        assert!(!texts.contains(foreign), "the page holds {foreign}");
    }
    let served = api.send(get("/openapi.json").key("")).await.expect(200);
    assert_eq!(served.json(), api.openapi);
    api.end().await;
}

/// Finds the codes that the sources give to errors: the first text in a call of one of the constructors.
fn codes(folder: &Path, found: &mut BTreeSet<String>) {
    const MAKERS: [&str; 8] = [
        "Error::invalid(",
        "Error::conflict(",
        "Error::not_found(",
        "Error::new(",
        "Invalid::new(",
        "Self::new(",
        "Problem::new(",
        "problem(",
    ];
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            codes(&path, found);
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let text = text.split("#[cfg(test)]").next().unwrap();
        for (maker, at) in MAKERS.iter().flat_map(|maker| text.match_indices(maker).map(move |(at, _)| (maker, at))) {
            // the code follows at once, or after the kind or status
            let arguments = text[at + maker.len()..].trim_start();
            let arguments = match arguments.split_once(',') {
                Some((kind, rest)) if kind.starts_with("Kind::") || kind.starts_with("StatusCode::") => rest.trim_start(),
                _ => arguments,
            };
            let Some(literal) = arguments.strip_prefix('"').and_then(|text| text.split('"').next()) else { continue };
            if literal.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_') {
                found.insert(literal.to_owned());
            }
        }
    }
}

#[test]
fn every_code_is_in_the_table_of_the_design_page() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut used = BTreeSet::new();
    for module in ["http", "service", "domain", "data"] {
        codes(&root.join("src").join(module), &mut used);
    }
    assert!(used.len() > 80, "only {} codes were found", used.len());
    let page = std::fs::read_to_string(root.join("docs/api-design.md")).unwrap();
    let listed: BTreeSet<String> =
        page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`')).map(|(code, _)| code.to_owned()).collect();
    let missing: Vec<_> = used.difference(&listed).collect();
    assert!(missing.is_empty(), "docs/api-design.md does not list {missing:?}");
}
