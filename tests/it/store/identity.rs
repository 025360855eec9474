use slipway::domain::event::NewEvent;
use slipway::domain::identity::{ApiKey, Caller, Role};
use slipway::store::event::{Transition, append, last_seq, list_after, log_transition};
use slipway::store::idempotency::{self, KeyRef, Remembered};
use slipway::store::identity::{count_keys, ensure_workspace, find_key, insert_key, list_keys, revoke_key};

use super::{OTHER, WS, begin};
use crate::support::db::{ENGINES, START, World};

fn key(id: &str, role: Role) -> ApiKey {
    ApiKey {
        key_id: id.to_owned(),
        name: format!("key {id}"),
        role,
        created_by: "test".to_owned(),
        created_at: START,
        expires_at: Some(START.plus_ms(5)),
        revoked_at: None,
    }
}

#[tokio::test]
async fn keys_are_found_listed_and_revoked_once() {
    for engine in ENGINES {
        let world = World::new(engine).await;
        let mut tx = begin(&world).await;
        ensure_workspace(&mut tx, OTHER, START.plus_ms(1)).await.unwrap();
        assert_eq!(count_keys(&mut tx).await.unwrap(), 1, "{engine:?}: the first admin key");
        // in the order of bytes on both engines, whatever the collation of the database
        let ids = ["zA", "zB", "za", "zb"];
        for (id, role) in ids.into_iter().zip([Role::Viewer, Role::Developer, Role::Operator, Role::Admin]) {
            insert_key(&mut tx, WS, &key(id, role), &format!("hash {id}")).await.unwrap();
        }
        insert_key(&mut tx, OTHER, &key("other", Role::Admin), "hash").await.unwrap();
        assert_eq!(count_keys(&mut tx).await.unwrap(), 6);
        assert_eq!(find_key(&mut tx, "zA").await.unwrap(), Some((key("zA", Role::Viewer), WS.to_owned(), "hash zA".to_owned())));
        assert_eq!(find_key(&mut tx, "none").await.unwrap(), None);
        let page: Vec<String> = list_keys(&mut tx, WS, "z", 3).await.unwrap().into_iter().map(|key| key.key_id).collect();
        assert_eq!(page, ids[..3], "{engine:?}");
        let rest: Vec<String> = list_keys(&mut tx, WS, "za", 3).await.unwrap().into_iter().map(|key| key.key_id).collect();
        assert_eq!(rest, ids[3..], "{engine:?}");

        assert!(!revoke_key(&mut tx, OTHER, "zA", START).await.unwrap(), "{engine:?}: not theirs");
        assert!(revoke_key(&mut tx, WS, "zA", START.plus_ms(7)).await.unwrap());
        assert!(!revoke_key(&mut tx, WS, "zA", START.plus_ms(8)).await.unwrap(), "{engine:?}: once");
        assert_eq!(find_key(&mut tx, "zA").await.unwrap().unwrap().0.revoked_at, Some(START.plus_ms(7)));
        tx.commit().await.unwrap();
        let mut tx = begin(&world).await;
        let twice = insert_key(&mut tx, WS, &key("zA", Role::Viewer), "hash").await.unwrap_err();
        assert!(twice.is_unique_violation() && !twice.is_unavailable(), "{engine:?}: {twice}");
        drop(tx);
        world.end().await;
    }
}

#[tokio::test]
async fn events_are_numbered_without_gaps_per_workspace() {
    for engine in ENGINES {
        let world = World::new(engine).await;
        let mut tx = begin(&world).await;
        let event =
            |n: i64| NewEvent { kind: "run.created", entity: "run", entity_id: format!("r{n}"), payload: serde_json::json!({ "n": n }) };
        let (here, there) = (Caller::local(), Caller::system(OTHER));
        assert_eq!(last_seq(&mut tx, WS).await.unwrap(), 0);
        for n in 1..=3 {
            assert_eq!(append(&mut tx, &here, &event(n), START.plus_ms(n)).await.unwrap(), n);
        }
        assert_eq!(append(&mut tx, &there, &event(1), START).await.unwrap(), 1, "{engine:?}: each counts for itself");
        tx.commit().await.unwrap();
        let mut tx = begin(&world).await;
        assert_eq!(append(&mut tx, &here, &event(4), START).await.unwrap(), 4);
        drop(tx);
        let mut tx = begin(&world).await;
        assert_eq!(append(&mut tx, &here, &event(5), START).await.unwrap(), 4, "{engine:?}: a number that was rolled back is given again");
        let read = list_after(&mut tx, WS, 1, 2).await.unwrap();
        let seen: Vec<_> = read.iter().map(|e| (e.seq, e.entity_id.as_str(), e.actor.as_str(), e.payload["n"].as_i64(), e.at)).collect();
        assert_eq!(seen, [(2, "r2", "local", Some(2), START.plus_ms(2)), (3, "r3", "local", Some(3), START.plus_ms(3))], "{engine:?}");
        assert_eq!((read[0].kind.as_str(), read[0].entity.as_str()), ("run.created", "run"));
        assert_eq!((last_seq(&mut tx, WS).await.unwrap(), last_seq(&mut tx, OTHER).await.unwrap()), (4, 1));
        assert_eq!(list_after(&mut tx, WS, i64::MAX, 10).await.unwrap(), []);
        assert_eq!(list_after(&mut tx, WS, i64::MIN, 10).await.unwrap().len(), 4);
        let change = Transition { entity: "run", id: "r1", from: "A", to: "B", reason: "ü", fence: Some(i64::MAX) };
        log_transition(&mut tx, &here, change, START).await.unwrap();
        log_transition(&mut tx, &here, Transition { fence: None, ..change }, START).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(crate::api::rows_in(&world, "state_transitions").await, 2, "{engine:?}");
        world.end().await;
    }
}

#[tokio::test]
async fn an_idempotency_key_belongs_to_its_reservation() {
    for engine in ENGINES {
        let world = World::new(engine).await;
        let mut tx = begin(&world).await;
        let key = KeyRef { workspace: WS, principal: "p", key: "k" };
        let (first, second) = (START, START.plus_ms(60_000));
        let answer = (201, "application/json".to_owned(), vec![0, 255, 7]);
        assert_eq!(idempotency::find(&mut tx, key).await.unwrap(), None);
        assert!(idempotency::reserve(&mut tx, key, "f", first).await.unwrap());
        assert!(!idempotency::reserve(&mut tx, key, "g", first).await.unwrap(), "{engine:?}");
        for other in [KeyRef { workspace: OTHER, ..key }, KeyRef { principal: "q", ..key }, KeyRef { key: "l", ..key }] {
            assert!(idempotency::reserve(&mut tx, other, "f", first).await.unwrap(), "{engine:?}: {other:?} is another key");
        }
        assert!(!idempotency::take_over(&mut tx, key, "f", second, second).await.unwrap(), "{engine:?}: it was not reserved then");
        assert!(idempotency::take_over(&mut tx, key, "g", first, second).await.unwrap());
        assert!(!idempotency::remember(&mut tx, key, first, &answer).await.unwrap(), "{engine:?}: too late");
        assert!(!idempotency::renew(&mut tx, key, first, second).await.unwrap());
        let third = second.plus_ms(1);
        assert!(idempotency::renew(&mut tx, key, second, third).await.unwrap());
        assert!(idempotency::remember(&mut tx, key, third, &answer).await.unwrap());
        assert!(!idempotency::remember(&mut tx, key, third, &answer).await.unwrap(), "{engine:?}: once");
        idempotency::release(&mut tx, key, third).await.unwrap();
        let kept = Remembered { fingerprint: "g".to_owned(), answer: Some(answer), reserved_at: third };
        assert_eq!(idempotency::find(&mut tx, key).await.unwrap(), Some(kept), "{engine:?}: an answer is not released");
        assert_eq!(idempotency::prune(&mut tx, third).await.unwrap(), 3, "{engine:?}: the three others");
        assert_eq!(idempotency::prune(&mut tx, third.plus_ms(1)).await.unwrap(), 1);
        assert!(idempotency::reserve(&mut tx, key, "f", first).await.unwrap());
        idempotency::release(&mut tx, key, first).await.unwrap();
        assert_eq!(idempotency::find(&mut tx, key).await.unwrap(), None);
        drop(tx);
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn processes_that_start_at_once_make_one_workspace() {
    for engine in ENGINES {
        let world = World::new(engine).await;
        for round in 0..40 {
            let name = format!("fresh-{round}");
            let starts = (0..4).map(|_| {
                let (db, name) = (world.db.clone(), name.clone());
                tokio::spawn(async move {
                    let mut tx = db.begin().await.unwrap();
                    ensure_workspace(&mut tx, &name, START).await?;
                    tx.commit().await
                })
            });
            for made in futures::future::join_all(starts).await {
                made.unwrap().unwrap_or_else(|e| panic!("{engine:?}, round {round}: {e}"));
            }
        }
        world.end().await;
    }
}
