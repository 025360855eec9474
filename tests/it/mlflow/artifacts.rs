use axum::body::{Body, to_bytes};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::Door;
use crate::support::db::ENGINES;

const ROOT: &str = "/api/2.0/mlflow-artifacts/artifacts";

async fn put(door: &Door, path: &str, bytes: &'static [u8]) -> u16 {
    door.send(door.request("PUT", &format!("{ROOT}/{path}"), bytes)).await.0.as_u16()
}

async fn fetch(door: &Door, path: &str) -> (u16, Vec<u8>) {
    let (status, body) = door.send(door.request("GET", &format!("{ROOT}/{path}"), Body::empty())).await;
    (status.as_u16(), body)
}

#[tokio::test]
async fn files_go_in_are_listed_come_out_and_are_deleted() {
    for engine in ENGINES {
        let door = Door::new(engine).await;
        let id = door.run(json!({})).await;
        let root = format!("0/{id}/artifacts");
        assert_eq!(put(&door, &format!("{root}/a.txt"), b"alpha").await, 200);
        assert_eq!(put(&door, &format!("{root}/d/e/b%20%C3%BC.bin"), b"beta").await, 200);
        assert_eq!(put(&door, &format!("{root}/d/c"), b"").await, 200);
        assert_eq!(put(&door, &format!("{root}/a.txt"), b"alpha 2").await, 200);
        assert_eq!(fetch(&door, &format!("{root}/a.txt")).await, (200, b"alpha 2".to_vec()));
        assert_eq!(fetch(&door, &format!("{root}/d/e/b%20%C3%BC.bin")).await, (200, b"beta".to_vec()));
        assert_eq!(fetch(&door, &format!("{root}/d/c")).await, (200, Vec::new()));
        assert_eq!(fetch(&door, &format!("{root}/d")).await.0, 404, "a folder is no file");
        assert_eq!(
            door.get(&format!("artifacts/list?run_id={id}")).await,
            json!({ "root_uri": format!("mlflow-artifacts:/{root}"), "files": [
                { "path": "a.txt", "is_dir": false, "file_size": 7 }, { "path": "d", "is_dir": true }] })
        );
        let listed = door.get(&format!("artifacts/list?run_id={id}&path=d")).await;
        assert_eq!(listed["files"], json!([{ "path": "d/c", "is_dir": false, "file_size": 0 }, { "path": "d/e", "is_dir": true }]));
        let (_, body) = door.send(door.request("GET", &format!("{ROOT}?path={root}/d"), Body::empty())).await;
        let listed: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(listed, json!({ "files": [{ "path": "c", "is_dir": false, "file_size": 0 }, { "path": "e", "is_dir": true }] }));
        let (_, body) =
            door.send(door.request("GET", &format!("/get-artifact?run_uuid={id}&path=d/e/b%20%C3%BC.bin"), Body::empty())).await;
        assert_eq!(body, b"beta");

        // what is a file can't be a folder too
        assert_eq!(put(&door, &format!("{root}/a.txt/x"), b"1").await, 400);
        assert_eq!(put(&door, &format!("{root}/d"), b"1").await, 400);

        let (status, _) = door.send(door.request("DELETE", &format!("{ROOT}/{root}/d"), Body::empty())).await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(door.get(&format!("artifacts/list?run_id={id}")).await["files"].as_array().unwrap().len(), 1);
        let (status, _) = door.send(door.request("DELETE", &format!("{ROOT}/{root}/d"), Body::empty())).await;
        assert_eq!(status, StatusCode::NOT_FOUND);
        door.world.end().await;
    }
}

#[tokio::test]
async fn no_path_leads_out_of_its_run() {
    for engine in ENGINES {
        let door = Door::new(engine).await;
        let (mine, other) = (door.run(json!({})).await, door.run(json!({})).await);
        assert_eq!(put(&door, &format!("0/{other}/artifacts/secret"), b"s").await, 200);
        let climbs =
            ["%2e%2e/secret", "%252e%252e/secret", "a/%2E%2E/b", "a%5c..%5cb", "%2fetc%2fpasswd", "a//b", "a%00", "C%3A/x", "./a", "%23"];
        for path in climbs {
            let full = format!("0/{mine}/artifacts/{path}");
            assert_eq!(put(&door, &full, b"x").await, 400, "{path}");
            assert_eq!(fetch(&door, &full).await.0, 400, "{path}");
            let (status, _) = door.send(door.request("DELETE", &format!("{ROOT}/{full}"), Body::empty())).await;
            assert_eq!(status, StatusCode::BAD_REQUEST, "{path}");
            assert_eq!(door.try_get(&format!("artifacts/list?run_id={mine}&path={path}")).await.0, 400, "{path}");
        }
        // another experiment in the path, no run, a run that is not there, a root that is not the run's
        for path in [format!("1/{mine}/artifacts/a"), "0/a".to_owned(), "0/none/artifacts/a".to_owned(), format!("{mine}/artifacts/a")] {
            assert_eq!(put(&door, &path, b"x").await, 404, "{path}");
        }
        assert_eq!(put(&door, &format!("0/{mine}/artifacts"), b"x").await, 400);
        let files = door.get(&format!("artifacts/list?run_id={mine}")).await;
        assert_eq!(files.get("files"), None, "{engine:?}: nothing was stored");
        door.world.end().await;
    }
}

async fn part(door: &Door, path: &str, headers: &[(&str, &str)]) -> (u16, Option<String>, Vec<u8>) {
    let mut request = door.request("GET", path, Body::empty());
    for (name, value) in headers {
        request.headers_mut().append(HeaderName::try_from(*name).unwrap(), HeaderValue::try_from(*value).unwrap());
    }
    let response = door.router.clone().oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let range = response.headers().get("content-range").map(|value| value.to_str().unwrap().to_owned());
    let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap().to_vec();
    (status, range, bytes)
}

#[tokio::test]
async fn a_part_of_a_file_is_handed_out_at_every_door() {
    for engine in ENGINES {
        let door = Door::new(engine).await;
        let id = door.run(json!({})).await;
        assert_eq!(put(&door, &format!("0/{id}/artifacts/a.txt"), b"0123456789").await, 200);
        assert_eq!(put(&door, &format!("0/{id}/artifacts/empty"), b"").await, 200);
        let etag = format!("\"{}\"", slipway::blob::Digest::of(b"0123456789"));
        let paths = [
            format!("{ROOT}/0/{id}/artifacts/a.txt"),
            format!("/get-artifact?run_id={id}&path=a.txt"),
            format!("/api/v1/runs/{id}/artifacts/content?path=a.txt"),
        ];
        for path in &paths {
            let answer = |status: u16, range: &str, bytes: &[u8]| (status, Some(range.to_owned()), bytes.to_vec());
            assert_eq!(part(&door, path, &[("range", "bytes=2-4")]).await, answer(206, "bytes 2-4/10", b"234"), "{path}");
            assert_eq!(part(&door, path, &[("range", "bytes=-3")]).await, answer(206, "bytes 7-9/10", b"789"));
            assert_eq!(part(&door, path, &[("range", "bytes=0-")]).await, answer(206, "bytes 0-9/10", b"0123456789"));
            let matching = [("range", "bytes=9-9"), ("if-range", etag.as_str())];
            assert_eq!(part(&door, path, &matching).await, answer(206, "bytes 9-9/10", b"9"));
            let whole = (200, None, b"0123456789".to_vec());
            assert_eq!(part(&door, path, &[("range", "bytes=9-9"), ("if-range", "\"other\"")]).await, whole);
            assert_eq!(part(&door, path, &[("range", "bytes=1-2,4-5")]).await, whole);
            let (status, range, body) = part(&door, path, &[("range", "bytes=10-")]).await;
            let told: Value = serde_json::from_slice(&body).unwrap();
            assert_eq!((status, range.as_deref()), (416, Some("bytes */10")));
            assert!(told["code"] == "range_not_satisfiable" || told["error_code"] == "BAD_REQUEST", "{told}");
        }
        assert_eq!(part(&door, &format!("{ROOT}/0/{id}/artifacts/empty"), &[("range", "bytes=0-")]).await.0, 416);

        // no part of a damaged object is handed out
        assert_eq!(put(&door, &format!("0/{id}/artifacts/b"), b"abcdefgh").await, 200);
        let hex = slipway::blob::Digest::of(b"abcdefgh").hex();
        let object = door.world.folder.join(format!("artifacts/default/blobs/{}/{hex}.0", &hex[..2]));
        std::fs::write(object, b"abcdefgX").unwrap();
        assert_eq!(part(&door, &format!("{ROOT}/0/{id}/artifacts/b"), &[("range", "bytes=0-1")]).await.0, 400);
        door.world.end().await;
    }
}
