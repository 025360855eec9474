use std::collections::BTreeMap;

use slipway::domain::run::{MetricPoint, Number, RunStatus};
use slipway::domain::schema::{Format, Schema};
use slipway::store::run::{
    NewRun, add_input, ensure_experiment, find, find_seq, history, input_digests, insert, list, list_experiments, set_params, set_status,
    supersede, to_bits,
};
use slipway::store::tracking::metric;
use slipway::store::{Tx, dataset};

use super::{OTHER, WS, begin};
use crate::support::db::{ENGINES, START, World};

const START_OF_TIME: (i64, i64, i64) = (i64::MIN, i64::MIN, i64::MIN);

fn new<'a>(id: &'a str, experiment_id: &'a str) -> NewRun<'a> {
    NewRun { id, experiment_id, name: "by hand", status: RunStatus::Running, user: "me", job_id: None }
}

fn point(key: &str, step: i64, timestamp: i64, value: f64) -> MetricPoint {
    MetricPoint { key: key.to_owned(), value: Number(value), timestamp, step }
}

async fn append(tx: &mut Tx, seq: i64, attempt_no: i64, points: &[MetricPoint]) {
    metric::push(tx, WS, &[(seq, attempt_no, points)]).await.unwrap();
    metric::fold_all(tx, WS).await.unwrap();
}

#[tokio::test]
async fn runs_belong_to_experiments_and_are_listed_newest_first() {
    for engine in ENGINES {
        let world = World::new(engine).await;
        let mut tx = begin(&world).await;
        assert_eq!(ensure_experiment(&mut tx, WS, "tides", "e1", START).await.unwrap().experiment_id, "e1");
        let again = ensure_experiment(&mut tx, WS, "tides", "e2", START.plus_ms(1)).await.unwrap();
        assert_eq!((again.experiment_id.as_str(), again.created_at), ("e1", START), "{engine:?}");
        ensure_experiment(&mut tx, WS, "Storms", "e3", START).await.unwrap();
        ensure_experiment(&mut tx, OTHER, "tides", "e4", START).await.unwrap();
        let names: Vec<_> = list_experiments(&mut tx, WS, "", 9).await.unwrap().into_iter().map(|e| e.name).collect();
        assert_eq!(names, ["Default", "Storms", "tides"], "{engine:?}");
        for (id, experiment) in [("r1", "e1"), ("r2", "e3"), ("r3", "e1")] {
            insert(&mut tx, WS, &new(id, experiment), START).await.unwrap();
        }
        let ids = |rows: Vec<slipway::domain::run::Run>| rows.into_iter().map(|r| r.run_id).collect::<Vec<_>>();
        assert_eq!(ids(list(&mut tx, WS, None, None, 9).await.unwrap()), ["r3", "r2", "r1"]);
        assert_eq!(ids(list(&mut tx, WS, Some("e1"), Some("r3"), 9).await.unwrap()), ["r1"]);
        assert_eq!(ids(list(&mut tx, OTHER, None, None, 9).await.unwrap()), [""; 0]);
        set_status(&mut tx, WS, "r1", RunStatus::Failed, Some(START.plus_ms(5))).await.unwrap();
        set_status(&mut tx, OTHER, "r2", RunStatus::Failed, None).await.unwrap();
        let r1 = find(&mut tx, WS, "r1").await.unwrap().unwrap();
        assert_eq!(
            (r1.status, r1.end_time, r1.user_id.as_str(), r1.run_name.as_str()),
            (RunStatus::Failed, Some(START.plus_ms(5)), "me", "by hand")
        );
        assert_eq!(find(&mut tx, WS, "r2").await.unwrap().unwrap().status, RunStatus::Running, "{engine:?}: not theirs");
        assert_eq!(find(&mut tx, OTHER, "r1").await.unwrap(), None);
        assert_eq!(find_seq(&mut tx, OTHER, "r1").await.unwrap(), None);
        drop(tx);
        world.end().await;
    }
}

#[tokio::test]
async fn points_are_a_set_and_later_attempts_hide_what_came_after_their_checkpoint() {
    for engine in ENGINES {
        let world = World::new(engine).await;
        let mut tx = begin(&world).await;
        ensure_experiment(&mut tx, WS, "tides", "e1", START).await.unwrap();
        insert(&mut tx, WS, &new("r1", "e1"), START).await.unwrap();
        let seq = find_seq(&mut tx, WS, "r1").await.unwrap().unwrap();
        let params = |value: &str| BTreeMap::from([("rate".to_owned(), value.to_owned())]);
        set_params(&mut tx, seq, &params("0.1")).await.unwrap();
        set_params(&mut tx, seq, &params("0.2")).await.unwrap();
        let points = [point("loss", 1, 10, 0.9), point("loss", 2, 20, 0.8), point("loss", 3, 30, f64::NAN), point("auc", 1, 10, -0.0)];
        for _ in 0..2 {
            append(&mut tx, seq, 1, &points).await;
        }
        let run = find(&mut tx, WS, "r1").await.unwrap().unwrap();
        assert_eq!(run.params, params("0.2"), "{engine:?}: the last value stays");
        assert_eq!((run.metrics["loss"], run.metrics["auc"]), (Number(f64::NAN), Number(-0.0)), "{engine:?}: to the bit");
        let all = history(&mut tx, seq, "loss", START_OF_TIME, 9).await.unwrap();
        assert_eq!(all, [(1, 10, to_bits(0.9)), (2, 20, to_bits(0.8)), (3, 30, to_bits(f64::NAN))], "{engine:?}");
        assert_eq!(history(&mut tx, seq, "loss", (1, 10, to_bits(0.9)), 1).await.unwrap(), all[1..2], "{engine:?}");

        // the second attempt resumes after step 1 and logs step 2 anew
        supersede(&mut tx, seq, 2, 1).await.unwrap();
        append(&mut tx, seq, 2, &[point("loss", 2, 25, 0.7)]).await;
        let seen = history(&mut tx, seq, "loss", START_OF_TIME, 9).await.unwrap();
        assert_eq!(seen, [(1, 10, to_bits(0.9)), (2, 25, to_bits(0.7))], "{engine:?}");
        assert_eq!(find(&mut tx, WS, "r1").await.unwrap().unwrap().metrics["loss"], Number(0.7));
        // a third starts from nothing: what has no visible point left has no latest value either
        supersede(&mut tx, seq, 3, 0).await.unwrap();
        assert!(find(&mut tx, WS, "r1").await.unwrap().unwrap().metrics.is_empty(), "{engine:?}");
        drop(tx);
        world.end().await;
    }
}

#[tokio::test]
async fn a_run_remembers_what_it_read() {
    for engine in ENGINES {
        let world = World::new(engine).await;
        let mut tx = begin(&world).await;
        ensure_experiment(&mut tx, WS, "tides", "e1", START).await.unwrap();
        insert(&mut tx, WS, &new("r1", "e1"), START).await.unwrap();
        let seq = find_seq(&mut tx, WS, "r1").await.unwrap().unwrap();
        dataset::ensure(&mut tx, WS, "d", "d1", "test", START).await.unwrap();
        for (number, digest) in (1..).zip(["sha256:b", "sha256:a"]) {
            let id = format!("v{number}");
            let version = dataset::NewVersion {
                id: &id,
                dataset_id: "d1",
                format: Format::Csv,
                digest,
                manifest_digest: digest,
                size_bytes: 1,
                num_rows: 1,
                schema: &Schema::default(),
                profile_json: "[]",
                preview_json: "[]",
                created_by: "test",
            };
            dataset::insert_version(&mut tx, WS, number, &version, START).await.unwrap();
            for context in ["training", "validation", "training"] {
                add_input(&mut tx, seq, &id, context).await.unwrap();
            }
        }
        assert_eq!(input_digests(&mut tx, seq).await.unwrap(), ["sha256:a", "sha256:b"], "{engine:?}: each once");
        drop(tx);
        world.end().await;
    }
}
