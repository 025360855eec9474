//! Data sets: a file becomes an immutable version, the same file the same one.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::client::{Api, get, post};
use crate::support::db::{ENGINES, Engine};

const SMALL: &[u8] = b"hour,height,port\n1,0.5,west\n2,,east\n3,1.5,west\n";

pub async fn story(engine: Engine) -> (Value, BTreeSet<String>) {
    let api = Api::new(engine).await;
    api.tell(get("/api/v1/datasets")).await.expect(200);
    api.tell(get("/api/v1/datasets/tides")).await.refused(404, "dataset_not_found");
    api.tell(get("/api/v1/datasets/tides/versions")).await.refused(404, "dataset_not_found");
    let versions = "/api/v1/datasets/tides/versions";
    api.tell(post(versions).bytes("text/csv", SMALL)).await.expect(201);
    api.tell(post(versions).bytes("text/csv; charset=utf-8", SMALL)).await.expect(200);
    let jsonl = b"{\"hour\": 1, \"height\": 0.5}\n{\"hour\": 2, \"height\": null}\n";
    api.tell(post(versions).bytes("application/jsonl", jsonl)).await.expect(201);
    api.tell(post(&format!("{versions}?format=csv&types=hour:string")).bytes("", SMALL)).await.expect(201);
    api.tell(get("/api/v1/datasets/tides")).await.expect(200);
    let page = api.tell(get(&format!("{versions}?page_size=2"))).await.expect(200).json();
    let token = page["next_page_token"].as_str().unwrap();
    api.tell(get(&format!("{versions}?page_size=2&page_token={token}"))).await.expect(200);
    api.tell(get(&format!("{versions}/1"))).await.expect(200);
    api.tell(get(&format!("{versions}/1/schema"))).await.expect(200);
    api.tell(get(&format!("{versions}/1/profile"))).await.expect(200);
    api.tell(get(&format!("{versions}/1/preview?limit=2"))).await.expect(200);

    let content = api.tell(get(&format!("{versions}/1/content"))).await.expect(200);
    assert_eq!(content.body, SMALL);
    assert_eq!(content.header("content-length"), SMALL.len().to_string());
    assert_eq!(content.header("content-type"), "text/csv");
    assert_eq!(content.header("content-disposition"), "attachment; filename*=UTF-8''tides-v1.csv");
    assert_eq!(content.header("x-content-type-options"), "nosniff");

    api.tell(post(&format!("{versions}/1/archive"))).await.expect(200);
    api.tell(post(&format!("{versions}/1/archive"))).await.refused(409, "invalid_state");
    api.tell(get(&format!("{versions}/1/content"))).await.refused(409, "version_not_ready");
    api.tell(post(&format!("{versions}/1/restore"))).await.expect(200);

    for (path, code) in [
        (format!("{versions}/9"), "dataset_version_not_found"),
        (format!("{versions}/0"), "dataset_version_not_found"),
        (format!("{versions}/-1/schema"), "dataset_version_not_found"),
        ("/api/v1/datasets/other/versions/1/content".to_owned(), "dataset_version_not_found"),
    ] {
        api.tell(get(&path)).await.refused(404, code);
    }
    for (path, code) in [
        (format!("{versions}/one"), "invalid_path"),
        (format!("{versions}/1/preview?limit=0"), "invalid_limit"),
        (format!("{versions}/1/preview?limit=101"), "invalid_limit"),
        (format!("{versions}?page_size=0"), "invalid_page_size"),
        (format!("{versions}?page_size=1001"), "invalid_page_size"),
        (format!("{versions}?page_token=%2F"), "invalid_page_token"),
        (format!("{versions}?size=1"), "invalid_query"),
    ] {
        api.tell(get(&path)).await.refused(400, code);
    }
    for (path, media_type, code) in [
        (versions.to_owned(), "application/octet-stream", "unknown_format"),
        (format!("{versions}?format=xlsx"), "text/csv", "unknown_format"),
        (format!("{versions}?types=hour"), "text/csv", "invalid_types"),
        (format!("{versions}?types=hour:int128"), "text/csv", "invalid_types"),
        (format!("{versions}?types=week:long"), "text/csv", "unknown_column"),
        ("/api/v1/datasets/a%2Fb/versions".to_owned(), "text/csv", "invalid_name"),
        ("/api/v1/datasets/..%2F..%2Fetc/versions".to_owned(), "text/csv", "invalid_name"),
    ] {
        api.tell(post(&path).bytes(media_type, SMALL)).await.refused(400, code);
    }
    let other_case = api.send(post("/api/v1/datasets/Gezeiten%20%C3%BC/versions").bytes("text/csv", SMALL)).await.expect(201);
    assert_eq!(other_case.json()["dataset"], json!("Gezeiten ü"));
    let named = api.send(get("/api/v1/datasets/Gezeiten%20%C3%BC/versions/1/content")).await.expect(200);
    assert_eq!(named.header("content-disposition"), "attachment; filename*=UTF-8''Gezeiten%20%C3%BC-v1.csv");
    api.end().await
}

#[tokio::test]
async fn a_file_becomes_a_version_and_the_same_file_the_same_one() {
    for engine in ENGINES {
        super::assert_story!("datasets", story(engine).await.0);
    }
}

/// The figures are numpy's: `mean`, `std` (ddof 0), and `sorted[ceil(k n / 101) - 1]` for the edges.
#[tokio::test]
async fn a_profile_holds_the_exact_figures() {
    let api = Api::new(Engine::Sqlite).await;
    let file = b"x,s,b\n3.5,a,true\n-1,b,false\n,a,true\n2.25,,true\n10,c,\n2.25,a,false\n";
    api.send(post("/api/v1/datasets/small/versions").bytes("text/csv", file)).await.expect(201);
    let profile = api.send(get("/api/v1/datasets/small/versions/1/profile")).await.expect(200).json();
    let x = &profile["columns"][0];
    assert_eq!((&x["count"], &x["nulls"], &x["distinct"], &x["distinct_is_exact"]), (&json!(6), &json!(1), &json!(4), &json!(true)));
    let n = &x["numeric"];
    assert_eq!((&n["count"], &n["min"], &n["max"], &n["mean"]), (&json!(5), &json!(-1.0), &json!(10.0), &json!(3.4)));
    // np.std([3.5, -1, 2.25, 10, 2.25]) = 3.6214637...
    let std = n["std"].as_f64().unwrap();
    assert!((std - STD).abs() < 1e-14, "{std}");
    assert_eq!((&n["edges"], &n["counts"], &n["sums"]), (&json!([-1.0, 2.25, 3.5]), &json!([1, 2, 1, 1]), &json!([-1.0, 4.5, 3.5, 10.0])));
    assert_eq!(x["categories"]["top"], json!([["2.25", 2], ["-1", 1], ["10", 1], ["3.5", 1]]));
    let s = &profile["columns"][1];
    assert_eq!((&s["nulls"], &s["distinct"], &s["categories"]["top"]), (&json!(1), &json!(3), &json!([["a", 3], ["b", 1], ["c", 1]])));
    let b = &profile["columns"][2];
    assert_eq!((&b["kind"], &b["nulls"], &b["categories"]["top"]), (&json!("boolean"), &json!(1), &json!([["true", 3], ["false", 2]])));
    api.end().await;
}

const STD: f64 = 3.621_463_792_446_364;
