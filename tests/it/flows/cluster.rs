//! Two servers and two workers on one Postgres and one S3 store behave as one.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{PATIENCE, answers, predict, rows, train};
use crate::faults::{CSV, Place, job, lasting};
use crate::support::db::Engine;
use crate::support::process::{Client, Process, Setup};
use crate::support::s3::S3Server;

const PREDICT: &str = "/v1/models/cells:predict";

fn member(place: &Place, s3: &S3Server, name: &str) -> Setup {
    let setup = place.setup(name).hasty().with("artifact_root", s3.root_url("shared")).with("profile_flush_ms", 200);
    s3.vars().iter().fold(setup, |setup, (name, value)| setup.with(name, value))
}

#[tokio::test(flavor = "multi_thread")]
async fn two_servers_and_two_workers_behave_as_one() {
    let (place, s3) = (Place::new(Engine::Postgres, "cluster").await, S3Server::start());
    // all at once, on a database that has no tables yet
    let mut workers: Vec<(&str, Process)> = ["w1", "w2"].map(|name| (name, member(&place, &s3, name).worker())).into();
    let servers = ["a", "b"].map(|name| member(&place, &s3, name).with("worker_slots", 0));
    let started = servers.map(|setup| std::thread::spawn(move || setup.server()));
    let [(server_a, url_a), (server_b, url_b)] = started.map(|server| server.join().unwrap());
    let (a, b) = (Client::new(&url_a), Client::new(&url_b));

    // every worker is seen from every server
    a.until("/api/v1/workers", PATIENCE, |list| list["items"].as_array().unwrap().len() == 2).await;

    // what one takes in, the other hands out
    let version = a.upload("cells", CSV).await;
    let seen = b.get("/api/v1/datasets/cells/versions/1").await;
    assert_eq!((&seen["digest"], &seen["state"]), (&version["digest"], &json!("READY")));
    let content = b.request(reqwest::Method::GET, "/api/v1/datasets/cells/versions/1/content").send().await.unwrap();
    assert_eq!(content.text().await.unwrap(), CSV);

    // a job submitted to one is worked on elsewhere, and its model is served by both
    train(&a, &[1, 2]).await;
    a.post("/api/v1/models/cells/aliases/champion", &json!({ "version": 1 })).await;
    let begun = Instant::now();
    answers(&b, 1).await;
    let promoted = begun.elapsed();
    answers(&a, 1).await;
    a.post("/api/v1/models/cells/aliases/champion", &json!({ "version": 2 })).await;
    answers(&b, 2).await;
    answers(&a, 2).await;
    let body = json!({ "instances": rows()[..9] });
    assert_eq!(predict(&a, PREDICT, &body).await.unwrap(), predict(&b, PREDICT, &body).await.unwrap());

    // what both have answered is one window
    let before = counted(&a, 2, 0).await;
    for chunk in rows()[..200].chunks(50) {
        predict(&a, PREDICT, &json!({ "instances": chunk })).await.unwrap();
        predict(&b, PREDICT, &json!({ "instances": chunk })).await.unwrap();
    }
    counted(&a, 2, before + 400).await;
    counted(&b, 2, before + 400).await;

    // a rollback on one is seen on the other
    b.post("/api/v1/models/cells/aliases/champion/rollback", &json!({})).await;
    let begun = Instant::now();
    answers(&a, 1).await;
    eprintln!("a promotion was served by the other server after {promoted:?}, a rollback after {:?}", begun.elapsed());

    // a worker that dies is replaced by the other
    let job_id = a.post("/api/v1/jobs", &job("cells", 3, lasting(80))).await["job_id"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/jobs/{job_id}");
    // progress is told before a checkpoint is written: what has grown some times has one behind it
    let completed = |job: &Value| job["progress"]["completed"].as_u64().unwrap_or(0);
    let mut epochs = 0;
    for _ in 0..lasting(3).min(12) {
        epochs = completed(&b.until(&path, PATIENCE, |job| completed(job) > epochs).await);
    }
    let holder = attempts(&b, &job_id).await[0]["worker_id"].as_str().unwrap().to_owned();
    let place_of = workers.iter().position(|(name, _)| std::fs::read_to_string(place.log(name)).unwrap().contains(&holder)).unwrap();
    workers.remove(place_of).1.kill();
    let ended = a.ended(&job_id, PATIENCE).await;
    assert_eq!((&ended["state"], &ended["attempt_no"], &ended["lost"]), (&json!("SUCCEEDED"), &json!(2), &json!(1)), "{ended}");
    let list = attempts(&b, &job_id).await;
    assert_eq!(list[0]["state"], "lost");
    assert!(list[1]["worker_id"] != holder.as_str() && list[1]["resume_step"].as_u64().unwrap() > 0, "{list:?}");

    // an orderly stop of a server loses no request that it has begun
    let before = counted(&b, 1, 0).await;
    let asked = json!({ "instances": rows()[..5] }).to_string();
    let mut open = Vec::new();
    for _ in 0..6 {
        open.push(Slow::begin(&url_a, PREDICT, "application/json", &asked).await);
    }
    open.push(Slow::begin(&url_a, "/api/v1/datasets/late/versions?format=csv", "text/csv", CSV).await);
    server_a.ask_to_stop();
    server_a.says("asked to stop").await;
    for slow in open {
        let answer = slow.finish().await;
        assert!(answer.starts_with("HTTP/1.1 200 ") || answer.starts_with("HTTP/1.1 201 "), "{answer}");
    }
    tokio::task::spawn_blocking(|| server_a.ended()).await.unwrap();
    assert_eq!(b.get("/api/v1/datasets/late/versions/1").await["state"], "READY");
    counted(&b, 1, before + 30).await;
    answers(&b, 1).await;
    server_b.stop();
    workers.into_iter().for_each(|(_, worker)| worker.stop());
    place.end().await;
}

async fn attempts(client: &Client, job_id: &str) -> Vec<Value> {
    client.get(&format!("/api/v1/jobs/{job_id}/attempts")).await["items"].as_array().unwrap().clone()
}

/// Waits until monitoring knows as many rows of a version as wanted, and sees that it knows no more; 0 takes what there is after
/// some flushes.
async fn counted(client: &Client, version: i64, wanted: u64) -> u64 {
    let path = "/api/v1/models/cells/monitor/evaluate";
    let begun = Instant::now();
    loop {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as i64;
        let time = |ms: i64| slipway::domain::time::Timestamp(ms).to_rfc3339();
        let span = json!({ "version": version, "from": time(now - 3_600_000), "to": time(now + 60_000) });
        let (status, report) = client.send(reqwest::Method::POST, path, Some(&span)).await.unwrap();
        let rows = if status.is_success() { report["num_rows"].as_u64().unwrap() } else { 0 };
        if rows >= wanted && wanted > 0 || wanted == 0 && begun.elapsed() > Duration::from_millis(600) {
            assert!(wanted == 0 || rows == wanted, "{rows} rows, not {wanted}");
            return rows;
        }
        assert!(begun.elapsed() < PATIENCE, "{status} {report}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A request whose head the server has read, and whose body it waits for.
struct Slow {
    socket: TcpStream,
    body: String,
}

impl Slow {
    async fn begin(url: &str, path: &str, kind: &str, body: &str) -> Self {
        let host = url.strip_prefix("http://").unwrap();
        let mut socket = TcpStream::connect(host).await.unwrap();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nexpect: 100-continue\r\n\r\n",
            body.len()
        );
        socket.write_all(head.as_bytes()).await.unwrap();
        // the server says so when a handler asks for the body
        let mut line = [0; 25];
        socket.read_exact(&mut line).await.unwrap();
        assert_eq!(&line, b"HTTP/1.1 100 Continue\r\n\r\n");
        Self { socket, body: body.to_owned() }
    }

    async fn finish(mut self) -> String {
        self.socket.write_all(self.body.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        self.socket.read_to_end(&mut answer).await.unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }
}
