use serde_json::json;
use slipway::domain::artifact::Artifact;
use slipway::domain::dataset::VersionState;
use slipway::domain::schema::{ColumnSpec, ColumnType, Format, Schema};
use slipway::store::artifact::{add_artifact, find_generation, list_artifacts, record_blob};
use slipway::store::dataset::{
    NewVersion, ensure, find_preview, find_profile, find_ready, find_same, find_schema, find_version, insert_version, list, list_versions,
    next_number, set_state,
};

use super::{OTHER, WS, begin};
use crate::support::db::{ENGINES, START, World};

fn schema() -> Schema {
    Schema { columns: vec![ColumnSpec { name: "höhe\"".to_owned(), r#type: ColumnType::Datetime, nullable: true }] }
}

fn version<'a>(id: &'a str, dataset_id: &'a str, manifest_digest: &'a str, schema: &'a Schema) -> NewVersion<'a> {
    NewVersion {
        id,
        dataset_id,
        format: Format::Jsonl,
        digest: "sha256:d",
        manifest_digest,
        size_bytes: i64::MAX,
        num_rows: 7,
        schema,
        profile_json: r#"[{"mean":0.1}]"#,
        preview_json: r#"[["🚢"]]"#,
        created_by: "test",
    }
}

#[tokio::test]
async fn versions_are_numbered_found_and_change_state_once() {
    for engine in ENGINES {
        let world = World::new(engine).await;
        let mut tx = begin(&world).await;
        assert_eq!(ensure(&mut tx, WS, "tides", "d1", "test", START).await.unwrap(), "d1");
        assert_eq!(ensure(&mut tx, WS, "tides", "d2", "test", START).await.unwrap(), "d1", "{engine:?}: it exists");
        assert_eq!(ensure(&mut tx, OTHER, "tides", "d3", "test", START).await.unwrap(), "d3");
        for (number, (id, manifest)) in (1..).zip([("v1", "m1"), ("v2", "m2"), ("v3", "m3")]) {
            assert_eq!(next_number(&mut tx, "d1", START).await.unwrap(), number);
            insert_version(&mut tx, WS, number, &version(id, "d1", manifest, &schema()), START.plus_ms(number)).await.unwrap();
        }
        let found = find_version(&mut tx, WS, "tides", 2).await.unwrap().unwrap();
        assert_eq!(
            (found.id.as_str(), found.dataset.as_str(), found.version, found.state, found.format, found.digest.as_deref()),
            ("v2", "tides", Some(2), VersionState::Ready, Format::Jsonl, Some("sha256:d"))
        );
        assert_eq!(
            (found.size_bytes, found.num_rows, found.created_at, found.created_by.as_str()),
            (i64::MAX, Some(7), START.plus_ms(2), "test")
        );
        for absent in [0, -1, 4, i64::MIN, i64::MAX] {
            assert_eq!(find_version(&mut tx, WS, "tides", absent).await.unwrap(), None, "{engine:?}: {absent}");
            assert_eq!(find_ready(&mut tx, WS, "tides", Some(absent)).await.unwrap(), None, "{engine:?}: {absent}");
        }
        assert_eq!(find_version(&mut tx, OTHER, "tides", 2).await.unwrap(), None, "{engine:?}");
        assert_eq!(find_schema(&mut tx, WS, "v1").await.unwrap(), schema());
        assert_eq!(find_profile(&mut tx, WS, "v1").await.unwrap(), json!([{ "mean": 0.1 }]));
        assert_eq!(find_preview(&mut tx, WS, "v1").await.unwrap(), json!([["🚢"]]));
        assert!(find_schema(&mut tx, OTHER, "v1").await.is_err(), "{engine:?}");
        assert_eq!(find_same(&mut tx, WS, "tides", "m3").await.unwrap().unwrap().version, Some(3));
        assert_eq!(find_same(&mut tx, OTHER, "tides", "m3").await.unwrap(), None);

        let (ready, archived) = (VersionState::Ready, VersionState::Archived);
        assert!(!set_state(&mut tx, OTHER, "v3", ready, archived, "", START).await.unwrap());
        assert!(!set_state(&mut tx, WS, "v3", archived, ready, "", START).await.unwrap(), "{engine:?}: it is not archived");
        assert!(set_state(&mut tx, WS, "v3", ready, archived, "why", START).await.unwrap());
        assert!(!set_state(&mut tx, WS, "v3", ready, archived, "", START).await.unwrap(), "{engine:?}: somebody was faster");
        assert_eq!(find_version(&mut tx, WS, "tides", 3).await.unwrap().unwrap().message, "why");
        assert_eq!(find_ready(&mut tx, WS, "tides", None).await.unwrap().unwrap().version, Some(2), "{engine:?}: the newest that is ready");
        assert_eq!(find_ready(&mut tx, WS, "tides", Some(3)).await.unwrap(), None);
        let numbers = |rows: Vec<slipway::domain::dataset::DatasetVersion>| rows.iter().map(|v| v.version.unwrap()).collect::<Vec<_>>();
        assert_eq!(numbers(list_versions(&mut tx, WS, "tides", i64::MAX, 2).await.unwrap()), [3, 2], "{engine:?}");
        assert_eq!(numbers(list_versions(&mut tx, WS, "tides", 2, 2).await.unwrap()), [1], "{engine:?}");
        tx.commit().await.unwrap();

        let mut tx = begin(&world).await;
        let same = insert_version(&mut tx, WS, 4, &version("v4", "d1", "m3", &schema()), START).await.unwrap_err();
        assert!(same.is_unique_violation(), "{engine:?}: the same content is one version: {same}");
        drop(tx);
        let mut tx = begin(&world).await;
        let same = insert_version(&mut tx, WS, 3, &version("v4", "d1", "m4", &schema()), START).await.unwrap_err();
        assert!(same.is_unique_violation(), "{engine:?}: {same}");
        drop(tx);
        world.end().await;
    }
}

#[tokio::test]
async fn data_sets_are_listed_by_the_bytes_of_their_names() {
    for engine in ENGINES {
        let world = World::new(engine).await;
        let mut tx = begin(&world).await;
        for name in ["b", "a", "Z", "a-b", "a b", "ä"] {
            ensure(&mut tx, WS, name, &format!("id {name}"), "test", START).await.unwrap();
        }
        let names = |rows: Vec<slipway::domain::dataset::Dataset>| rows.into_iter().map(|d| d.name).collect::<Vec<_>>();
        assert_eq!(names(list(&mut tx, WS, None, "", 10).await.unwrap()), ["Z", "a", "a b", "a-b", "b", "ä"], "{engine:?}");
        assert_eq!(names(list(&mut tx, WS, None, "a b", 2).await.unwrap()), ["a-b", "b"], "{engine:?}");
        assert_eq!(names(list(&mut tx, WS, Some("a"), "", 10).await.unwrap()), ["a"]);
        assert_eq!(names(list(&mut tx, WS, Some(""), "", 10).await.unwrap()), [""; 0], "{engine:?}: no name is no wildcard");
        assert_eq!(names(list(&mut tx, OTHER, None, "", 10).await.unwrap()), [""; 0]);
        drop(tx);
        world.end().await;
    }
}

#[tokio::test]
async fn objects_have_generations_and_files_name_objects_that_exist() {
    for engine in ENGINES {
        let world = World::new(engine).await;
        let mut tx = begin(&world).await;
        assert_eq!(find_generation(&mut tx, WS, "sha256:a").await.unwrap(), 0, "{engine:?}: where it will be stored");
        record_blob(&mut tx, WS, "sha256:a", 3, 10, START).await.unwrap();
        record_blob(&mut tx, WS, "sha256:b", 0, 20, START).await.unwrap();
        record_blob(&mut tx, WS, "sha256:a", 4, 10, START.plus_ms(1)).await.unwrap();
        assert_eq!(find_generation(&mut tx, WS, "sha256:a").await.unwrap(), 4);
        assert_eq!(find_generation(&mut tx, OTHER, "sha256:a").await.unwrap(), 0);
        let file = |path: &str, digest: &str| Artifact {
            path: path.to_owned(),
            digest: digest.to_owned(),
            size_bytes: 10,
            media_type: "text/plain".to_owned(),
        };
        for path in ["model/b", "model/a", "Z"] {
            add_artifact(&mut tx, WS, "run", "r1", &file(path, "sha256:a"), START).await.unwrap();
        }
        add_artifact(&mut tx, WS, "run", "r1", &file("Z", "sha256:b"), START).await.unwrap();
        add_artifact(&mut tx, WS, "model_version", "r1", &file("x", "sha256:a"), START).await.unwrap();
        let expected = [file("Z", "sha256:b"), file("model/a", "sha256:a"), file("model/b", "sha256:a")];
        assert_eq!(list_artifacts(&mut tx, WS, "run", "r1").await.unwrap(), expected, "{engine:?}: the last under a path stays");
        assert_eq!(list_artifacts(&mut tx, OTHER, "run", "r1").await.unwrap(), []);
        let dangling = add_artifact(&mut tx, WS, "run", "r1", &file("y", "sha256:c"), START).await;
        assert!(dangling.is_err(), "{engine:?}: no row names an object that was not stored");
        drop(tx);
        world.end().await;
    }
}
