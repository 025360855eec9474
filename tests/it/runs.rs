//! Metric points are a set: repeated and concurrent batches lose and double nothing, and every double survives.

use std::collections::BTreeMap;

use slipway::domain::identity::Caller;
use slipway::domain::page::PageRequest;
use slipway::domain::run::{MetricPoint, Number, RunStatus};

use crate::support::db::{ENGINES, World};

fn point(key: &str, step: i64, value: f64) -> MetricPoint {
    MetricPoint { key: key.to_owned(), value: Number(value), timestamp: 1_000 + step, step }
}

fn page(size: u32, after: Option<&str>) -> PageRequest {
    PageRequest::parse(Some(size), after).unwrap()
}

#[tokio::test]
async fn a_repeated_batch_adds_nothing_and_every_double_survives() {
    for engine in ENGINES {
        let world = World::new(engine).await;
        let (runs, me) = (world.app.runs(), Caller::local());
        let run = runs.create(&me, "Default", None).await.unwrap();
        let values = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, 0.1, f64::MIN_POSITIVE / 2.0, f64::MAX];
        let points: Vec<_> = (0..).zip(values).map(|(step, value)| point("loss", step, value)).collect();
        for _ in 0..3 {
            runs.log_batch(&me, &run.run_id, &BTreeMap::new(), &points).await.unwrap();
        }
        let mut read = Vec::new();
        let mut token: Option<String> = None;
        loop {
            let part = runs.history(&me, &run.run_id, "loss", &page(2, token.as_deref())).await.unwrap();
            read.extend(part.items);
            token = part.next_page_token;
            if token.is_none() {
                break;
            }
        }
        assert_eq!(read, points, "{engine:?}");
        let latest = runs.get(&me, &run.run_id).await.unwrap().metrics["loss"];
        assert_eq!(latest, Number(f64::MAX), "{engine:?}");
        world.end().await;
    }
}

#[tokio::test]
async fn concurrent_batches_over_the_same_keys_neither_deadlock_nor_lose() {
    for engine in ENGINES {
        let world = World::new(engine).await;
        let me = Caller::local();
        let run = world.app.runs().create(&me, "Default", Some("shared")).await.unwrap();
        let tasks: Vec<_> = (0..8)
            .map(|writer: i64| {
                let (app, id, me) = (world.app.clone(), run.run_id.clone(), me.clone());
                tokio::spawn(async move {
                    for round in 0..5 {
                        // half of the points are sent by every writer, in opposite orders of keys
                        let mut points: Vec<_> = (0..10).map(|k| point(&format!("k{k}"), round, 0.5)).collect();
                        points.extend((0..10).map(|k| point(&format!("k{k}"), 100 + writer * 10 + round, 1.5)));
                        if writer % 2 == 1 {
                            points.reverse();
                        }
                        app.runs().log_batch(&me, &id, &BTreeMap::new(), &points).await.unwrap();
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        for k in 0..10 {
            let read = world.app.runs().history(&me, &run.run_id, &format!("k{k}"), &page(1000, None)).await.unwrap();
            assert_eq!(read.items.len(), 5 + 8 * 5, "{engine:?} k{k}");
        }
        world.end().await;
    }
}

#[tokio::test]
async fn a_finished_run_is_final_and_tells_the_outbox() {
    for engine in ENGINES {
        let world = World::new(engine).await;
        let me = Caller::local();
        let run = world.app.runs().create(&me, "tides", None).await.unwrap();
        let ended = world.app.runs().finish(&me, &run.run_id, RunStatus::Finished).await.unwrap();
        assert_eq!((ended.status, ended.end_time.is_some()), (RunStatus::Finished, true));
        let again = world.app.runs().finish(&me, &run.run_id, RunStatus::Failed).await.unwrap_err();
        assert_eq!(again.code, "invalid_state");
        let kinds: Vec<_> = world.app.events().list_after(&me, 0, 10).await.unwrap().into_iter().map(|e| (e.seq, e.kind)).collect();
        assert_eq!(kinds, [(1, "run.created".to_owned()), (2, "run.finished".to_owned())], "{engine:?}");
        world.end().await;
    }
}
