//! What stories begin with.

use bytes::Bytes;
use serde_json::{Value, json};
use slipway::blob::{BlobKey, BlobOptions, BlobStore, Digest};
use slipway::domain::artifact::Artifact;
use slipway::domain::identity::DEFAULT_WORKSPACE;
use slipway::domain::promotion::Metrics;
use slipway::domain::run::Number;
use slipway::store;
use tokio::sync::watch;

use super::client::{Api, post};
use crate::support::db::{START, World};

/// Two hundred tides: two columns of numbers, one of text and whether the boat may leave.
pub fn tides() -> Vec<u8> {
    let mut text = String::from("hour,height,wind,leaves\n");
    for i in 0..200 {
        let (hour, height) = (i % 24, f64::from(i * 7 % 40) / 8.0);
        let wind = ["north", "east", "south"][i as usize % 3];
        text.push_str(&format!("{hour},{height},{wind},{}\n", i32::from(height > 2.0)));
    }
    text.into_bytes()
}

pub fn spec(register_as: Option<&str>, seed: u64) -> Value {
    json!({
        "dataset": "tides", "target": "leaves", "features": ["height", "wind"], "register_as": register_as, "log_every_n_steps": 0,
        "network": {
            "layers": [{ "units": 4, "activation": "relu" }, { "units": 1, "activation": "sigmoid" }], "epochs": 3, "batch_size": 16, "seed": seed
        }
    })
}

/// Uploads the tides.
pub async fn dataset(api: &Api) {
    api.send(post("/api/v1/datasets/tides/versions").bytes("text/csv", &tides())).await.expect(201);
}

/// Works on the oldest waiting job as a worker would.
pub async fn a_worker_works(api: &Api) {
    let claim = api.world.app.jobs().claim("worker-1").await.unwrap().expect("a job waits");
    let (_stop, stopped) = watch::channel(false);
    api.world.app.training().execute(claim, stopped).await;
}

/// Trains on the tides and registers what comes out.
pub async fn trained(api: &Api, model: &str, seed: u64) {
    let job = api.send(post("/api/v1/jobs").json(spec(Some(model), seed))).await.expect(201).json();
    a_worker_works(api).await;
    let id = job["job_id"].as_str().unwrap();
    let job = api.send(super::client::get(&format!("/api/v1/jobs/{id}"))).await.json();
    assert_eq!(job["state"], "SUCCEEDED", "{job}");
}

/// Points an alias and lets the server take notice.
pub async fn promoted(api: &Api, model: &str, version: i64) {
    let path = format!("/api/v1/models/{model}/aliases/champion");
    api.send(post(&path).json(json!({ "version": version, "reason": "it is better" }))).await.expect(200);
    api.world.app.serving().reconcile().await.unwrap();
}

/// Registers a version without training: a file of the given bytes and some metrics. Returns its number.
pub async fn version(world: &World, model: &str, bytes: &'static [u8], metrics: &[(&str, f64)]) -> i64 {
    let digest = Digest::of(bytes);
    let blobs = BlobStore::open(&world.folder.join("artifacts").display().to_string(), &BlobOptions::default()).unwrap();
    blobs.put_bytes(DEFAULT_WORKSPACE, 0, Bytes::from_static(bytes)).await.unwrap();
    let mut tx = world.db.begin().await.unwrap();
    let size = bytes.len() as i64;
    store::artifact::record_blob(&mut tx, DEFAULT_WORKSPACE, &digest.to_string(), 0, size, START).await.unwrap();
    let model_id = match store::model::find_id(&mut tx, DEFAULT_WORKSPACE, model).await.unwrap() {
        Some(id) => id,
        None => {
            let new = store::model::NewModel { id: &format!("id-of-{model}"), name: model, description: "", gates: &[], by: "test" };
            store::model::insert(&mut tx, DEFAULT_WORKSPACE, new, START).await.unwrap();
            format!("id-of-{model}")
        }
    };
    let file = Artifact { path: "model.onnx".to_owned(), digest: digest.to_string(), size_bytes: size, media_type: String::new() };
    let metrics: Metrics = metrics.iter().map(|(key, value)| ((*key).to_owned(), Number(*value))).collect();
    let id = uuid::Uuid::new_v4().simple().to_string();
    let new = store::model::NewVersion {
        id: &id,
        model_id: &model_id,
        description: "",
        run_id: None,
        artifacts: std::slice::from_ref(&file),
        model_digest: &file.digest,
        flavor: "onnx",
        unservable: None,
        source: "",
        location: "",
        run_link: "",
        logged_model_id: None,
        signature: &json!({ "inputs": [], "outputs": [] }),
        reference: None,
        dataset_digests: &[],
        metrics: &metrics,
        created_by: "test",
    };
    let number = store::model::insert_version(&mut tx, DEFAULT_WORKSPACE, &new, START).await.unwrap();
    tx.commit().await.unwrap();
    number
}

/// Where the object of some bytes lies.
pub fn object(world: &World, bytes: &[u8]) -> std::path::PathBuf {
    let key = BlobKey::new(DEFAULT_WORKSPACE, Digest::of(bytes), 0).unwrap();
    world.folder.join("artifacts").join(key.to_string())
}

/// Counts the rows of a table.
pub async fn rows_in(world: &World, table: &'static str) -> i64 {
    let sql = sqlx::AssertSqlSafe(format!("select count(*) from {table}"));
    match &world.db {
        store::Db::Postgres(pool) => sqlx::query_scalar(sql).fetch_one(pool).await.unwrap(),
        store::Db::Sqlite { reader, .. } => sqlx::query_scalar(sql).fetch_one(reader).await.unwrap(),
    }
}
