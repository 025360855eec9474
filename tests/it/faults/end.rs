//! Ends that somebody asks for: a cancel, a limit, an orderly stop; and a database that goes away meanwhile.

use std::time::Duration;

use serde_json::{Value, json};

use super::{CSV, Place, job, lasting};
use crate::support::db::{ENGINES, Engine};
use crate::support::process::{Client, last_lines};

const PATIENCE: Duration = Duration::from_secs(120);
/// More epochs than any test waits for.
const ENDLESS: u64 = 100_000;

fn id(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_else(|| panic!("no {key} in {value}")).to_owned()
}

async fn submit(client: &Client, spec: &Value) -> String {
    id(&client.post("/api/v1/jobs", spec).await, "job_id")
}

/// Waits until the fit has reported something.
async fn trains(client: &Client, job_id: &str) {
    let seen = |job: &Value| job["progress"]["completed"].as_u64().is_some_and(|epochs| epochs > 0);
    client.until(&format!("/api/v1/jobs/{job_id}"), PATIENCE, seen).await;
}

async fn attempts(client: &Client, job_id: &str) -> Vec<Value> {
    client.get(&format!("/api/v1/jobs/{job_id}/attempts")).await["items"].as_array().unwrap().clone()
}

/// Digest of the model and the visible losses of a finished job.
async fn outcome(client: &Client, job: &Value) -> (Value, Vec<(i64, String)>) {
    assert_eq!(job["state"], "SUCCEEDED", "{job}");
    let version = client.get(&format!("/api/v1/models/cells/versions/{}", job["result"]["version"])).await;
    let losses = client.series(&id(job, "run_id"), "loss").await;
    (version["model_digest"].clone(), losses.into_iter().map(|(step, _, value)| (step, value)).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_job_stops_within_a_beat_and_never_succeeds() {
    for engine in ENGINES {
        let place = Place::new(engine, "cancel").await;
        let (server, url) = place.setup("server").hasty().server();
        let client = Client::new(&url);
        client.upload("cells", CSV).await;
        let job_id = submit(&client, &job("cells", 1, ENDLESS)).await;
        trains(&client, &job_id).await;

        let told = client.post(&format!("/api/v1/jobs/{job_id}/cancel"), &json!({})).await;
        assert_eq!((&told["state"], &told["cancel_requested"]), (&json!("RUNNING"), &json!(true)), "{engine:?}");
        let ended = client.ended(&job_id, PATIENCE).await;
        assert_eq!((&ended["state"], &ended["termination_reason"]), (&json!("CANCELED"), &json!("CANCELED_BY_USER")));
        assert_eq!(ended["result"], Value::Null);
        let list = attempts(&client, &job_id).await;
        assert_eq!((list.len(), &list[0]["state"]), (1, &json!("cancelled")));
        assert_eq!(client.get(&format!("/api/v1/runs/{}", id(&ended, "run_id"))).await["status"], "KILLED");
        server.stop();
        place.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_runs_longer_than_it_may_ends_as_timeout() {
    for engine in ENGINES {
        let place = Place::new(engine, "timeout").await;
        let (server, url) = place.setup("server").hasty().server();
        let client = Client::new(&url);
        client.upload("cells", CSV).await;
        let mut spec = job("cells", 1, ENDLESS);
        spec["max_duration_seconds"] = json!(1);
        let job_id = submit(&client, &spec).await;
        let ended = client.ended(&job_id, PATIENCE).await;
        assert_eq!((&ended["state"], &ended["termination_reason"]), (&json!("TIMEOUT"), &json!("MAX_DURATION")), "{engine:?}");
        let list = attempts(&client, &job_id).await;
        assert_eq!((list.len(), &list[0]["state"]), (1, &json!("timed_out")));
        server.stop();
        place.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_goes_on_from_its_checkpoint_after_an_orderly_stop() {
    for engine in ENGINES {
        let place = Place::new(engine, "drain").await;
        let how = place.setup("server").hasty().with("checkpoint_interval_ms", 3_600_000);
        let (server, url) = how.server();
        let client = Client::new(&url);
        client.upload("cells", CSV).await;
        let spec = job("cells", 3, lasting(60));
        let first = submit(&client, &spec).await;
        let wanted = outcome(&client, &client.ended(&first, PATIENCE).await).await;

        // when the server is asked to stop in the middle of the same fit
        let job_id = submit(&client, &spec).await;
        trains(&client, &job_id).await;
        server.stop();
        let (server, url) = how.server();
        client.follow(url);

        // then it is taken up where it was, and comes to the same
        let ended = client.ended(&job_id, PATIENCE).await;
        assert_eq!(outcome(&client, &ended).await, wanted, "{engine:?}");
        assert_eq!((&ended["failures"], &ended["lost"], &ended["attempt_no"]), (&json!(0), &json!(0), &json!(2)));
        let list = attempts(&client, &job_id).await;
        assert_eq!((&list[0]["state"], &list[0]["termination_reason"]), (&json!("failed"), &json!("WORKER_SHUTDOWN")));
        assert!(list[1]["resume_step"].as_u64().unwrap() > 0, "{list:?}");
        server.stop();
        place.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_hears_the_bell_also_after_its_listener_was_cut_off() {
    for engine in ENGINES {
        let place = Place::new(engine, "bell").await;
        // nothing but the bell makes this worker look for work after its start
        let (server, url) = place.setup("server").hasty().with("job_reap_ms", 3_600_000).server();
        let client = Client::new(&url);
        client.upload("cells", CSV).await;
        for seed in 1..=2 {
            let job_id = submit(&client, &job("cells", seed, 1)).await;
            let ended = client.ended(&job_id, PATIENCE).await;
            assert_eq!(ended["state"], "SUCCEEDED", "{engine:?}");
            place.cut_connections().await;
        }
        server.stop();
        place.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_goes_away_is_waited_for() {
    let place = Place::new(Engine::Postgres, "cut").await;
    // a lease as long as in production: the attempt must survive, not be repeated
    let how = place.setup("server").hasty().with("job_lease_ms", 30_000).with("job_self_fence_ms", 20_000);
    let (server, url) = how.server();
    let client = Client::new(&url);
    client.upload("cells", CSV).await;
    let spec = job("cells", 4, 60);
    let first = submit(&client, &spec).await;
    let wanted = outcome(&client, &client.ended(&first, PATIENCE).await).await;

    // when all connections are cut again and again during a fit
    let job_id = submit(&client, &spec).await;
    trains(&client, &job_id).await;
    for _ in 0..5 {
        place.cut_connections().await;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    // then the one attempt brings it to its end
    let ended = client.ended(&job_id, PATIENCE).await;
    assert_eq!(outcome(&client, &ended).await, wanted, "{}", last_lines(&place.log("server")));
    assert_eq!((&ended["attempt_no"], &ended["lost"]), (&json!(1), &json!(0)));
    // and the next job finds its worker
    let next = submit(&client, &spec).await;
    assert_eq!(outcome(&client, &client.ended(&next, PATIENCE).await).await, wanted);
    server.stop();
    place.end().await;
}
