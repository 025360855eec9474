use slipway::domain::model::AliasEventKind;
use slipway::domain::promotion::{Gate, GateResult, Pointer, Step};
use slipway::domain::run::Number;
use slipway::store::alias::{Move, at_time, bump_routing, find, find_view, list_events, routing_revision, shift, steps};
use slipway::store::model::{insert, list};

use super::{OTHER, WS, begin};
use crate::support::db::{ENGINES, START, World};

fn step<'a>(from: Pointer, to: Option<i64>, kind: AliasEventKind, gates: &'a [GateResult]) -> Move<'a> {
    let reverts = (kind == AliasEventKind::Rollback).then_some(from.revision);
    Move {
        model_id: "m1",
        alias: "champion",
        from,
        to,
        kind,
        reverts,
        manifest_digest: Some("sha256:x"),
        gates,
        actor: "me",
        reason: "why",
    }
}

fn at(version: Option<i64>, revision: i64) -> Pointer {
    Pointer { version, revision }
}

#[tokio::test]
async fn an_alias_moves_only_from_where_it_is_and_its_history_grows() {
    for engine in ENGINES {
        let world = World::new(engine).await;
        let mut tx = begin(&world).await;
        insert(&mut tx, WS, "m1", "a", "", &[], "test", START).await.unwrap();
        let gate = Gate::MetricVsChampion { metric: "auc".to_owned(), higher_is_better: true, min_improvement: 0.1 };
        let gates = [GateResult { gate, passed: true, value: Some(Number(0.5)), champion: None }];
        let (promote, rollback, delete) = (AliasEventKind::Promote, AliasEventKind::Rollback, AliasEventKind::Delete);
        assert_eq!(find(&mut tx, WS, "m1", "champion").await.unwrap(), at(None, 0));
        assert_eq!(find_view(&mut tx, WS, "a", "champion").await.unwrap(), None);
        let routing = routing_revision(&mut tx).await.unwrap();
        assert!(shift(&mut tx, WS, &step(at(None, 0), Some(1), promote, &gates), START).await.unwrap());
        assert!(!shift(&mut tx, WS, &step(at(None, 0), Some(2), promote, &[]), START).await.unwrap(), "{engine:?}: it exists now");
        assert!(shift(&mut tx, WS, &step(at(Some(1), 1), Some(2), promote, &[]), START.plus_ms(10)).await.unwrap());
        assert!(!shift(&mut tx, WS, &step(at(Some(1), 1), Some(3), promote, &[]), START).await.unwrap(), "{engine:?}: it moved on");
        assert!(!shift(&mut tx, OTHER, &step(at(Some(2), 2), Some(3), promote, &[]), START).await.unwrap(), "{engine:?}: not theirs");
        assert!(shift(&mut tx, WS, &step(at(Some(2), 2), Some(1), rollback, &[]), START.plus_ms(20)).await.unwrap());
        assert!(shift(&mut tx, WS, &step(at(Some(1), 3), None, delete, &[]), START.plus_ms(30)).await.unwrap());
        assert_eq!(find(&mut tx, WS, "m1", "champion").await.unwrap(), at(None, 4), "{engine:?}: the revision goes on");
        assert!(list(&mut tx, WS, Some("a"), "", 1).await.unwrap()[0].aliases.is_empty());
        assert!(shift(&mut tx, WS, &step(at(None, 4), Some(2), promote, &[]), START.plus_ms(40)).await.unwrap());
        assert_eq!(routing_revision(&mut tx).await.unwrap(), routing + 5, "{engine:?}: once per move");
        bump_routing(&mut tx).await.unwrap();
        assert_eq!(routing_revision(&mut tx).await.unwrap(), routing + 6);

        let view = find_view(&mut tx, WS, "a", "champion").await.unwrap().unwrap();
        assert_eq!((view.version, view.revision, view.updated_at), (Some(2), 5, START.plus_ms(40)));
        assert_eq!(find_view(&mut tx, OTHER, "a", "champion").await.unwrap(), None);
        let all = steps(&mut tx, WS, "m1", "champion").await.unwrap();
        let expected = [(1, promote, Some(1)), (2, promote, Some(2)), (3, rollback, Some(1)), (4, delete, None), (5, promote, Some(2))];
        assert_eq!(all, expected.map(|(revision, kind, to)| Step { revision, kind, to }), "{engine:?}");
        let page = list_events(&mut tx, WS, "m1", "champion", 4, 2).await.unwrap();
        let told: Vec<_> = page.iter().map(|e| (e.revision, e.from_version, e.to_version, e.reverts_revision, e.at)).collect();
        assert_eq!(told, [(3, Some(2), Some(1), Some(2), START.plus_ms(20)), (2, Some(1), Some(2), None, START.plus_ms(10))], "{engine:?}");
        let first = list_events(&mut tx, WS, "m1", "champion", 2, 9).await.unwrap().pop().unwrap();
        assert_eq!((first.gates.as_slice(), first.actor.as_str(), first.reason.as_str()), (&gates[..], "me", "why"));
        assert_eq!(first.manifest_digest.as_deref(), Some("sha256:x"));
        for (ms, expected) in
            [(-1, None), (0, Some((1, Some(1)))), (15, Some((2, Some(2)))), (30, Some((4, None))), (99, Some((5, Some(2))))]
        {
            assert_eq!(at_time(&mut tx, WS, "m1", "champion", START.plus_ms(ms)).await.unwrap(), expected, "{engine:?}: after {ms} ms");
        }
        drop(tx);
        world.end().await;
    }
}
