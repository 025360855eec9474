use serde_json::json;
use slipway::domain::monitor::{DriftReport, ReportState};
use slipway::domain::time::Timestamp;
use slipway::store::monitor::{
    Minute, ReportFilter, advance, ensure_all, insert_report, last_revision, list, list_active, list_profiles, list_reports, next_minute,
    prune, put_minute, update,
};

use super::{OTHER, WS, begin};
use crate::api;
use crate::support::db::{ENGINES, START, World};

fn minute<'a>(version_id: &'a str, start: i64, shard: &'a str, seq: i64, rows: i64, profile: &'a [u8]) -> Minute<'a> {
    Minute { version_id, start, shard, seq, rows, profile }
}

async fn version_id(world: &World) -> String {
    api::version(world, "m", b"model", &[]).await;
    let mut tx = begin(world).await;
    let found = slipway::store::model::find_version(&mut tx, WS, "m", 1).await.unwrap().unwrap();
    tx.commit().await.unwrap();
    found.id
}

#[tokio::test]
async fn minutes_are_replaced_by_newer_ones_of_the_same_process_only() {
    for engine in ENGINES {
        let world = World::new(engine).await;
        let id = version_id(&world).await;
        let mut tx = begin(&world).await;
        put_minute(&mut tx, WS, &minute(&id, 60_000, "a", 2, 20, &[0, 255])).await.unwrap();
        put_minute(&mut tx, WS, &minute(&id, 60_000, "a", 1, 10, &[9])).await.unwrap();
        put_minute(&mut tx, WS, &minute(&id, 60_000, "b", 1, 5, &[1])).await.unwrap();
        put_minute(&mut tx, WS, &minute(&id, 0, "a", 3, 1, &[2])).await.unwrap();
        assert_eq!(list_profiles(&mut tx, &id, 0, 120_000).await.unwrap(), [vec![2], vec![0, 255], vec![1]], "{engine:?}");
        assert_eq!(list_profiles(&mut tx, &id, 0, 60_000).await.unwrap(), [vec![2]], "{engine:?}: the end is not part of it");
        let active = list_active(&mut tx, "id-of-m", 0, 120_000).await.unwrap();
        assert_eq!(active, [(id.clone(), 1, 26)], "{engine:?}");
        assert_eq!(next_minute(&mut tx, "id-of-m", 1).await.unwrap(), Some(60_000));
        assert_eq!(next_minute(&mut tx, "id-of-m", 60_001).await.unwrap(), None);
        prune(&mut tx, 60_000).await.unwrap();
        assert_eq!(next_minute(&mut tx, "id-of-m", 0).await.unwrap(), Some(60_000), "{engine:?}");
        drop(tx);
        world.end().await;
    }
}

#[tokio::test]
async fn a_monitor_exists_per_model_and_one_process_advances_it() {
    for engine in ENGINES {
        let world = World::new(engine).await;
        version_id(&world).await;
        let mut tx = begin(&world).await;
        for _ in 0..2 {
            ensure_all(&mut tx, 600_000, START).await.unwrap();
        }
        let found = list(&mut tx, None).await.unwrap();
        assert_eq!(found.len(), 1, "{engine:?}");
        assert_eq!((found[0].workspace.as_str(), found[0].monitor.window_ms, found[0].monitor.enabled), (WS, 600_000, true));
        assert!(list(&mut tx, Some((OTHER, "m"))).await.unwrap().is_empty());
        update(&mut tx, OTHER, "id-of-m", false, 1, &json!({}), START).await.unwrap();
        update(&mut tx, WS, "id-of-m", false, 120_000, &json!({ "min_rows": 7 }), START).await.unwrap();
        assert!(list(&mut tx, None).await.unwrap().is_empty(), "{engine:?}: only what is enabled is scanned");
        let one = list(&mut tx, Some((WS, "m"))).await.unwrap().pop().unwrap().monitor;
        assert_eq!((one.window_ms, one.rules, one.scanned_through), (120_000, json!({ "min_rows": 7 }), Timestamp(0)));
        assert!(advance(&mut tx, "id-of-m", 0, 50).await.unwrap());
        assert!(!advance(&mut tx, "id-of-m", 0, 60).await.unwrap(), "{engine:?}: another was faster");
        assert_eq!(list(&mut tx, Some((WS, "m"))).await.unwrap().pop().unwrap().monitor.scanned_through, Timestamp(50));
        drop(tx);
        world.end().await;
    }
}

#[tokio::test]
async fn reports_are_superseded_filtered_and_paged() {
    for engine in ENGINES {
        let world = World::new(engine).await;
        let id = version_id(&world).await;
        let mut tx = begin(&world).await;
        let report = |start: i64, revision: i64, state: ReportState| DriftReport {
            report_id: None,
            model: "m".to_owned(),
            version: 1,
            window_start: Timestamp(start),
            window_end: Timestamp(start + 10),
            revision,
            state,
            num_rows: 100 + revision,
            report: json!({ "psi": 0.1 }),
            created_at: START,
        };
        assert_eq!(last_revision(&mut tx, &id, 0, 10).await.unwrap(), (0, 0));
        for (report_id, start, revision, state) in [
            ("a", 0, 1, ReportState::Drifted),
            ("b", 0, 2, ReportState::Ok),
            ("c", 10, 1, ReportState::Drifted),
            ("d", 20, 1, ReportState::Ok),
        ] {
            insert_report(&mut tx, WS, "id-of-m", &id, report_id, &report(start, revision, state)).await.unwrap();
        }
        assert_eq!(last_revision(&mut tx, &id, 0, 10).await.unwrap(), (2, 102));
        let ids = async |tx: &mut slipway::store::Tx, filter: ReportFilter<'_>, limit| {
            list_reports(tx, WS, "m", &filter, limit).await.unwrap().into_iter().map(|r| r.report_id.unwrap()).collect::<Vec<_>>()
        };
        let any = ReportFilter::default();
        assert_eq!(ids(&mut tx, any, 9).await, ["d", "c", "b"], "{engine:?}");
        assert_eq!(ids(&mut tx, ReportFilter { after: Some((20, "d")), ..any }, 1).await, ["c"]);
        assert_eq!(ids(&mut tx, ReportFilter { state: Some(ReportState::Superseded), ..any }, 9).await, ["a"]);
        assert_eq!(ids(&mut tx, ReportFilter { state: Some(ReportState::Drifted), ..any }, 9).await, ["c"]);
        assert_eq!(ids(&mut tx, ReportFilter { id: Some("a"), ..any }, 9).await, ["a"]);
        assert_eq!(ids(&mut tx, ReportFilter { version: Some(1), ..any }, 9).await.len(), 3);
        for absent in [0, -1, 2] {
            assert_eq!(ids(&mut tx, ReportFilter { version: Some(absent), ..any }, 9).await, [""; 0], "{engine:?}: version {absent}");
        }
        assert!(list_reports(&mut tx, OTHER, "m", &any, 9).await.unwrap().is_empty());
        let twice = insert_report(&mut tx, WS, "id-of-m", &id, "e", &report(0, 2, ReportState::Ok)).await.unwrap_err();
        assert!(twice.is_unique_violation(), "{engine:?}: {twice}");
        drop(tx);
        world.end().await;
    }
}
