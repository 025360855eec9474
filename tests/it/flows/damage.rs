//! A champion whose stored bytes are damaged: it is put aside, and traffic stays where it is.

use std::path::{Path, PathBuf};

use slipway::domain::identity::Caller;
use slipway::domain::model::ModelVersionState;
use slipway::infer::router::Selector;
use slipway::service::{App, Promotion};

use super::watch::{given_a_champion, train};
use crate::support::db::{ENGINES, World};

fn champion(app: &App) -> Option<i64> {
    app.serving().find(&Caller::local(), "tides", Selector::Default).map(|served| served.version)
}

async fn point(app: &App, alias: &str, version: i64) -> Result<(), &'static str> {
    let promotion = Promotion { version, ..Promotion::default() };
    app.models().promote(&Caller::local(), "tides", alias, &promotion).await.map(drop).map_err(|e| e.code)
}

/// The file of an object in the local store.
fn object(folder: &Path, digest: &str) -> PathBuf {
    let digest = digest.trim_start_matches("sha256:");
    let mut folders = vec![folder.join("artifacts")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            } else if entry.file_name().to_string_lossy().starts_with(digest) {
                return entry.path();
            }
        }
    }
    panic!("there is no object {digest}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_champion_is_put_aside_and_traffic_stays() {
    for engine in ENGINES {
        // given two servers: both serve version 1, one has moved on to version 2
        let world = World::new(engine).await;
        given_a_champion(&world).await;
        train(&world, 2).await;
        let (first, second, me) = (world.app.clone(), world.another(), Caller::local());
        second.serving().reconcile().await.unwrap();
        point(&first, "champion", 2).await.unwrap();
        first.serving().reconcile().await.unwrap();
        assert_eq!((champion(&first), champion(&second)), (Some(2), Some(1)), "{engine:?}");

        // when the bytes of version 2 are damaged before the other has read them
        let version = first.models().get_version(&me, "tides", 2).await.unwrap();
        let file = object(&world.folder, &version.model_digest);
        let right = std::fs::read(&file).unwrap();
        let mut wrong = right.clone();
        wrong[100] ^= 1;
        std::fs::write(&file, wrong).unwrap();
        second.serving().reconcile().await.unwrap();

        // then the version is quarantined, and each server goes on with what it has, however often it looks
        assert_eq!(first.models().get_version(&me, "tides", 2).await.unwrap().status, ModelVersionState::Quarantined);
        for _ in 0..2 {
            first.serving().reconcile().await.unwrap();
            second.serving().reconcile().await.unwrap();
            assert_eq!((champion(&first), champion(&second)), (Some(2), Some(1)), "{engine:?}");
            point(&first, "other", 1).await.unwrap();
        }
        assert_eq!(point(&first, "canary", 2).await, Err("version_not_ready"), "{engine:?}");
        let told = first.serving().replicas(&me, "tides").await.unwrap();
        let failed: Vec<_> = told.iter().filter(|line| line.3 == "FAILED").map(|line| (line.2, line.4.as_str())).collect();
        assert_eq!(failed, [(2, "its stored bytes are damaged")], "{engine:?}: {told:?}");

        // and a repair lets a server that never had it load it
        std::fs::write(&file, right).unwrap();
        first.models().set_state(&me, "tides", 2, ModelVersionState::Ready).await.unwrap();
        second.serving().reconcile().await.unwrap();
        first.serving().reconcile().await.unwrap();
        assert_eq!((champion(&first), champion(&second)), (Some(2), Some(2)), "{engine:?}");
        drop((first, second));
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_trained_again_takes_the_place_of_damaged_bytes() {
    for engine in ENGINES {
        // given a version whose model file has rotted
        let world = World::new(engine).await;
        given_a_champion(&world).await;
        let (app, me) = (world.app.clone(), Caller::local());
        let version = app.models().get_version(&me, "tides", 1).await.unwrap();
        let file = object(&world.folder, &version.model_digest);
        let mut wrong = std::fs::read(&file).unwrap();
        wrong[100] ^= 1;
        std::fs::write(&file, wrong).unwrap();

        // when the same fit makes the same bytes once more
        train(&world, 1).await;

        // then the new version can be promoted, and the old one is right again
        let again = app.models().get_version(&me, "tides", 2).await.unwrap();
        assert_eq!(again.model_digest, version.model_digest, "{engine:?}");
        assert_eq!(point(&app, "champion", 2).await, Ok(()), "{engine:?}");
        assert_eq!(point(&app, "champion", 1).await, Ok(()), "{engine:?}");
        world.end().await;
    }
}
