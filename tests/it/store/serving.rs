use slipway::domain::model::{AliasEventKind, ModelVersionState};
use slipway::domain::promotion::Pointer;
use slipway::store::alias::{Move, shift};
use slipway::store::model::{find_version, set_state};
use slipway::store::serving::{Report, beat, forget_silent, list_routes, list_wanted, report};

use super::{OTHER, WS, begin};
use crate::api;
use crate::support::db::{ENGINES, START, World};

#[tokio::test]
async fn what_aliases_point_at_is_wanted_while_it_may_be_served() {
    for engine in ENGINES {
        let world = World::new(engine).await;
        api::version(&world, "m", b"one", &[]).await;
        api::version(&world, "m", b"two", &[]).await;
        let mut tx = begin(&world).await;
        assert_eq!(list_wanted(&mut tx).await.unwrap(), []);
        for (alias, version) in [("champion", 2), ("canary", 1)] {
            let from = Pointer { version: None, revision: 0 };
            let step = Move {
                model_id: "id-of-m",
                alias,
                from,
                to: Some(version),
                kind: AliasEventKind::Promote,
                reverts: None,
                manifest_digest: None,
                gates: &[],
                actor: "test",
                reason: "",
            };
            assert!(shift(&mut tx, WS, &step, START).await.unwrap());
        }
        let mut wanted = list_wanted(&mut tx).await.unwrap();
        wanted.sort_by(|a, b| a.alias.cmp(&b.alias));
        let told: Vec<_> =
            wanted.iter().map(|w| (w.alias.as_str(), w.version, w.name.as_str(), w.workspace.as_str(), w.generation)).collect();
        assert_eq!(told, [("canary", 1, "m", WS, 0), ("champion", 2, "m", WS, 0)], "{engine:?}");
        let one = find_version(&mut tx, WS, "m", 1).await.unwrap().unwrap();
        assert_eq!((&wanted[0].digest, &wanted[0].version_id), (&one.model_digest, &one.id));
        let states = [ModelVersionState::Ready, ModelVersionState::Deprecated, ModelVersionState::Quarantined];
        for (pair, damaged) in states.windows(2).zip([false, true]) {
            assert!(set_state(&mut tx, WS, &one.id, (pair[0], pair[1]), "", START).await.unwrap());
            let mut wanted = list_wanted(&mut tx).await.unwrap();
            wanted.sort_by(|a, b| a.alias.cmp(&b.alias));
            assert_eq!(wanted.iter().map(|w| w.damaged).collect::<Vec<_>>(), [damaged, false], "{engine:?}: {:?}", pair[1]);
        }
        drop(tx);
        world.end().await;
    }
}

#[tokio::test]
async fn a_server_that_falls_silent_is_forgotten_with_what_it_said() {
    for engine in ENGINES {
        let world = World::new(engine).await;
        api::version(&world, "m", b"one", &[]).await;
        let mut tx = begin(&world).await;
        let said = |version: i64, state: &'static str| Report {
            workspace: WS.to_owned(),
            model_id: "id-of-m".to_owned(),
            version,
            state,
            message: "m".to_owned(),
            labels: "a,b".to_owned(),
        };
        beat(&mut tx, "s1", "host", 1, "http://one", START).await.unwrap();
        beat(&mut tx, "s2", "host", 2, "http://two", START).await.unwrap();
        report(&mut tx, "s1", &[said(1, "FAILED"), said(2, "AVAILABLE")], START).await.unwrap();
        report(&mut tx, "s2", &[said(1, "AVAILABLE")], START).await.unwrap();
        report(&mut tx, "s1", &[said(1, "AVAILABLE")], START).await.unwrap();
        let line =
            |server: &str, url: &str| (server.to_owned(), url.to_owned(), 1, "AVAILABLE".to_owned(), "m".to_owned(), "a,b".to_owned());
        assert_eq!(list_routes(&mut tx, WS, "m").await.unwrap(), [line("s1", "http://one"), line("s2", "http://two")], "{engine:?}");
        assert_eq!(list_routes(&mut tx, OTHER, "m").await.unwrap(), []);
        beat(&mut tx, "s2", "host", 2, "http://two", START.plus_ms(10)).await.unwrap();
        forget_silent(&mut tx, START.plus_ms(10)).await.unwrap();
        assert_eq!(list_routes(&mut tx, WS, "m").await.unwrap(), [line("s2", "http://two")], "{engine:?}");
        drop(tx);
        world.end().await;
    }
}
