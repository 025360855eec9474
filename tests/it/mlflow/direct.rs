//! Files that clients send to the object store, and read from it, themselves.

use axum::body::{Body, to_bytes};
use serde_json::{Value, json};
use slipway::blob::BlobStore;
use slipway::clock::SystemIds;
use slipway::service::{App, Parts};
use std::sync::Arc;
use tower::ServiceExt as _;

use super::Door;
use crate::support::db::{ENGINES, Engine};
use crate::support::s3::S3Server;

const DAY_MS: i64 = 24 * 3600 * 1000;

/// Moves a world's door onto an object store.
async fn door_on(engine: Engine, s3: &S3Server) -> Door {
    let mut door = Door::new(engine).await;
    let world = &door.world;
    let mut config = world.app.config().clone();
    config.direct_transfers = true;
    let blobs = BlobStore::open(&s3.root_url("store"), &s3.options()).unwrap();
    let app = App::new(Parts::new(config, world.db.clone(), blobs, world.clock.clone(), Arc::new(SystemIds)));
    door.router = slipway::http::build(&app, None).unwrap().router;
    door.world.app = app;
    door
}

async fn ask(door: &Door, path: &str, body: Value) -> (u16, Value) {
    let request = door.request("POST", &format!("/api/2.0/mlflow-artifacts/mpu/{path}"), body.to_string());
    let (status, bytes) = door.send(request).await;
    (status.as_u16(), serde_json::from_slice(&bytes).unwrap())
}

async fn signed(door: &Door, path: &str) -> (u16, Value) {
    let request = door.request("GET", &format!("/api/2.0/mlflow-artifacts/presigned/{path}"), Body::empty());
    let (status, bytes) = door.send(request).await;
    (status.as_u16(), serde_json::from_slice(&bytes).unwrap())
}

async fn info(door: &Door) -> Value {
    let response = door.router.clone().oneshot(door.request("GET", "/api/3.0/mlflow/server-info", Body::empty())).await.unwrap();
    serde_json::from_slice(&to_bytes(response.into_body(), usize::MAX).await.unwrap()).unwrap()
}

async fn send(url: &Value, bytes: Vec<u8>) -> u16 {
    reqwest::Client::new().put(url.as_str().unwrap()).body(bytes).send().await.unwrap().status().as_u16()
}

fn parts_left(s3: &S3Server) -> usize {
    fn files(folder: &std::path::Path) -> usize {
        let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
        entries.map(|entry| entry.unwrap().path()).map(|path| if path.is_dir() { files(&path) } else { 1 }).sum()
    }
    files(&s3.bucket_folder().join("store/.parts"))
}

#[tokio::test]
async fn a_folder_lets_clients_send_files_through_the_server() {
    let door = Door::new(Engine::Sqlite).await;
    let run = door.run(json!({})).await;
    let folder = format!("0/{run}/artifacts");
    let (status, told) = ask(&door, &format!("create/{folder}"), json!({ "path": "/home/me/f.bin", "num_parts": 2 })).await;
    assert_eq!((status, told["error_code"].as_str()), (501, Some("NOT_IMPLEMENTED")));
    assert_eq!(told["message"], "Multipart upload is not supported for the current artifact repository");
    let put = door.request("PUT", &format!("/api/2.0/mlflow-artifacts/artifacts/{folder}/f.bin"), "x");
    assert_eq!(door.send(put).await.0, 200);
    assert_eq!(signed(&door, &format!("{folder}/f.bin")).await.0, 501);
    assert_eq!(info(&door).await["multipart_uploads_enabled"], false);
    // what MLflow refuses where files are behind the server is refused here too
    for (path, body, message) in [
        (
            "artifacts/presigned-upload-url",
            json!({ "run_id": run, "path": "a" }),
            "Presigned upload is not supported for proxied artifact storage (artifact URI scheme: mlflow-artifacts)",
        ),
        ("artifacts/presigned-upload-url", json!({ "path": "a" }), "Exactly one of run_id and model_id must be provided."),
        ("artifacts/presigned-download-url", json!({ "run_id": run, "path": "a" }), "Presigned download is not supported for runs"),
        (
            "artifacts/presigned-download-url",
            json!({ "run_id": run, "path": "a", "expiration": 604_801 }),
            "expiration must be between 1 and 604800 seconds (got 604801).",
        ),
    ] {
        let (code, told) = door.refused(400, path, body).await;
        assert_eq!(code, "INVALID_PARAMETER_VALUE");
        assert!(told.starts_with(message), "{told}");
    }
    door.world.end().await;
}

#[tokio::test]
async fn parts_become_a_file_when_they_were_read_back() {
    for engine in ENGINES {
        let s3 = S3Server::start();
        let door = door_on(engine, &s3).await;
        assert_eq!(info(&door).await["multipart_uploads_enabled"], true);
        let run = door.run(json!({})).await;
        let root = format!("0/{run}/artifacts");
        let body = json!({ "path": "/home/me/f.bin", "num_parts": 2 });
        let (status, begun) = ask(&door, &format!("create/{root}/deep"), body).await;
        assert_eq!(status, 200, "{begun}");
        let urls: Vec<&Value> = begun["credentials"].as_array().unwrap().iter().map(|part| &part["url"]).collect();
        assert_eq!((urls.len(), &begun["credentials"][1]["part_number"]), (2, &json!(2)));
        let complete = |numbers: &[i64]| {
            let parts: Vec<Value> = numbers.iter().map(|n| json!({ "part_number": n, "etag": "x", "url": "y" })).collect();
            json!({ "path": "f.bin", "upload_id": begun["upload_id"], "parts": parts })
        };
        let to = format!("complete/{root}/deep");
        assert_eq!(send(urls[1], b"world".to_vec()).await, 200);
        assert_eq!(ask(&door, &to, complete(&[1, 2])).await.0, 400, "the first part is not there");
        assert_eq!(door.get(&format!("artifacts/list?run_id={run}")).await.get("files"), None);
        assert_eq!(send(urls[0], vec![b'h'; 3 << 20]).await, 200);
        for numbers in [&[1_i64][..], &[1, 2, 3], &[1, 1], &[0, 1], &[]] {
            assert_eq!(ask(&door, &to, complete(numbers)).await.0, 400, "{numbers:?}");
        }
        assert_eq!(ask(&door, &format!("complete/{root}"), complete(&[1, 2])).await.0, 404, "another path is another upload");
        assert_eq!(ask(&door, &to, complete(&[2, 1])).await, (200, json!({})));
        assert_eq!(ask(&door, &to, complete(&[1, 2])).await, (200, json!({})), "a retry finds it done");
        assert_eq!(parts_left(&s3), 0);
        let get = door.request("GET", &format!("/api/2.0/mlflow-artifacts/artifacts/{root}/deep/f.bin"), Body::empty());
        let (_, bytes) = door.send(get).await;
        assert_eq!((bytes.len(), &bytes[3 << 20..]), ((3 << 20) + 5, &b"world"[..]));

        let (status, address) = signed(&door, &format!("{root}/deep/f.bin")).await;
        assert_eq!((status, &address["file_size"]), (200, &json!((3 << 20) + 5)));
        let url = address["url"].as_str().unwrap();
        let part = reqwest::Client::new().get(url).header("range", format!("bytes={}-", 3 << 20)).send().await.unwrap();
        assert_eq!((part.status().as_u16(), part.bytes().await.unwrap().as_ref()), (206, &b"world"[..]));
        assert_eq!(reqwest::Client::new().delete(url).send().await.unwrap().status().as_u16(), 403, "signed for reading alone");
        assert_eq!(signed(&door, &format!("{root}/none")).await.0, 404);
        door.world.end().await;
    }
}

#[tokio::test]
async fn what_is_given_up_or_forgotten_leaves_nothing() {
    for engine in ENGINES {
        let s3 = S3Server::start();
        let door = door_on(engine, &s3).await;
        let run = door.run(json!({})).await;
        let root = format!("0/{run}/artifacts");
        let begin = async |path: &str| ask(&door, &format!("create/{root}"), json!({ "path": path, "num_parts": 1 })).await.1;
        let (one, two) = (begin("a").await, begin("b").await);
        for begun in [&one, &two] {
            assert_eq!(send(&begun["credentials"][0]["url"], b"x".to_vec()).await, 200);
        }
        assert_eq!(parts_left(&s3), 2);
        let abort = json!({ "path": "a", "upload_id": one["upload_id"] });
        assert_eq!(ask(&door, &format!("abort/{root}"), abort.clone()).await, (200, json!({})));
        assert_eq!(ask(&door, &format!("abort/{root}"), abort).await, (200, json!({})));
        let complete = json!({ "path": "a", "upload_id": one["upload_id"], "parts": [{ "part_number": 1 }] });
        assert_eq!(ask(&door, &format!("complete/{root}"), complete).await.0, 404);
        assert_eq!(parts_left(&s3), 1);
        // the other one is found a day later, closed, and cleared away the next time
        for _ in 0..2 {
            door.world.app.tidy().await.unwrap();
            assert_eq!(parts_left(&s3), 1, "too early");
        }
        for left in [1, 0] {
            door.world.clock.advance_ms(DAY_MS + 1);
            door.world.app.tidy().await.unwrap();
            assert_eq!(parts_left(&s3), left);
        }
        let complete = json!({ "path": "b", "upload_id": two["upload_id"], "parts": [{ "part_number": 1 }] });
        assert_eq!(ask(&door, &format!("complete/{root}"), complete).await.0, 404);

        for body in [
            json!({}),
            json!({ "path": "" }),
            json!({ "path": "a/.." }),
            json!({ "path": "a", "num_parts": 0 }),
            json!({ "path": "a", "num_parts": 10_001 }),
        ] {
            assert_eq!(ask(&door, &format!("create/{root}"), body.clone()).await.0, 400, "{body}");
        }
        for climb in ["%2e%2e", "%252e%252e", "a%5c.."] {
            assert_eq!(ask(&door, &format!("create/{root}/{climb}"), json!({ "path": "a" })).await.0, 400, "{climb}");
        }
        for path in ["../../x", "C:\\x\\y"] {
            let begun = begin(path).await;
            assert!(begun["credentials"][0]["url"].as_str().unwrap().contains("/store/.parts/default/"), "{begun}");
        }
        assert_eq!(ask(&door, "create/0/none/artifacts", json!({ "path": "a" })).await.0, 404);
        door.world.end().await;
    }
}
