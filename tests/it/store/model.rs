use std::collections::BTreeMap;

use serde_json::json;
use slipway::domain::artifact::{Artifact, manifest_digest};
use slipway::domain::model::ModelVersionState;
use slipway::domain::promotion::{Gate, Metrics};
use slipway::domain::run::Number;
use slipway::store::artifact::{list_artifacts, record_blob};
use slipway::store::model::{
    NewModel, NewVersion, delete_tag, delete_version_tag, find_id, find_reference, find_version, insert, insert_version, list,
    list_versions, set_state, set_tag, set_version_tag, update,
};

use super::{OTHER, WS, begin};
use crate::support::db::{ENGINES, START, World};

fn gate() -> Gate {
    Gate::MetricThreshold { metric: "auc".to_owned(), min: Some(0.1), max: None }
}

fn files() -> Vec<Artifact> {
    ["MLmodel", "model.onnx"]
        .map(|path| Artifact { path: path.to_owned(), digest: "sha256:a".to_owned(), size_bytes: 21, media_type: "m".to_owned() })
        .into()
}

#[tokio::test]
async fn models_are_made_once_listed_and_changed() {
    for engine in ENGINES {
        let world = World::new(engine).await;
        let mut tx = begin(&world).await;
        assert!(
            insert(&mut tx, WS, NewModel { id: "m1", name: "a", description: "about", gates: &[gate()], by: "test" }, START).await.unwrap()
        );
        assert!(
            !insert(&mut tx, WS, NewModel { id: "m2", name: "a", description: "again", gates: &[], by: "test" }, START).await.unwrap(),
            "{engine:?}"
        );
        assert!(insert(&mut tx, WS, NewModel { id: "m3", name: "B", description: "", gates: &[], by: "test" }, START).await.unwrap());
        assert!(insert(&mut tx, OTHER, NewModel { id: "m4", name: "a", description: "", gates: &[], by: "test" }, START).await.unwrap());
        assert_eq!(find_id(&mut tx, WS, "a").await.unwrap().as_deref(), Some("m1"));
        assert_eq!(find_id(&mut tx, OTHER, "a").await.unwrap().as_deref(), Some("m4"));
        assert_eq!(find_id(&mut tx, WS, "c").await.unwrap(), None);
        set_tag(&mut tx, "m1", "k", "1").await.unwrap();
        set_tag(&mut tx, "m1", "k", "2").await.unwrap();
        update(&mut tx, WS, "a", "new", &[gate(), gate()], START.plus_ms(9)).await.unwrap();
        let models = list(&mut tx, WS, None, "", 10).await.unwrap();
        assert_eq!(models.iter().map(|m| m.name.as_str()).collect::<Vec<_>>(), ["B", "a"], "{engine:?}: by bytes");
        let a = &models[1];
        assert_eq!(
            (a.description.as_str(), a.gates.len(), a.last_version, a.created_at, a.updated_at),
            ("new", 2, 0, START, START.plus_ms(9))
        );
        assert_eq!(a.tags, BTreeMap::from([("k".to_owned(), "2".to_owned())]));
        assert_eq!(list(&mut tx, WS, Some(""), "", 10).await.unwrap(), [], "{engine:?}: no name is no wildcard");
        assert_eq!(list(&mut tx, WS, Some("a"), "", 10).await.unwrap(), models[1..]);
        assert!(delete_tag(&mut tx, "m1", "k").await.unwrap());
        assert!(!delete_tag(&mut tx, "m1", "k").await.unwrap());
        drop(tx);
        world.end().await;
    }
}

#[tokio::test]
async fn versions_are_numbered_and_read_back_whole() {
    for engine in ENGINES {
        let world = World::new(engine).await;
        let mut tx = begin(&world).await;
        insert(&mut tx, WS, NewModel { id: "m1", name: "a", description: "", gates: &[], by: "test" }, START).await.unwrap();
        record_blob(&mut tx, WS, "sha256:a", 0, 21, START).await.unwrap();
        let metrics: Metrics =
            [("auc", 0.1 + 0.2), ("nan", f64::NAN), ("inf", f64::NEG_INFINITY)].map(|(k, v)| (k.to_owned(), Number(v))).into();
        let (signature, reference, digests, artifacts) =
            (json!({ "inputs": [1.5] }), json!({ "r": "ü" }), ["sha256:d".to_owned()], files());
        let new = |id: &'static str| NewVersion {
            id,
            model_id: "m1",
            description: "what",
            run_id: Some("run"),
            artifacts: &artifacts,
            model_digest: "sha256:a",
            flavor: "onnx",
            unservable: None,
            source: "runs:/run/model",
            location: "",
            run_link: "",
            logged_model_id: None,
            signature: &signature,
            reference: Some(&reference),
            dataset_digests: &digests,
            metrics: &metrics,
            created_by: "test",
        };
        for (number, id) in (1..).zip(["v1", "v2", "v3"]) {
            assert_eq!(insert_version(&mut tx, WS, &new(id), START.plus_ms(number)).await.unwrap(), number);
        }
        set_version_tag(&mut tx, "v2", "k", "v").await.unwrap();
        let found = find_version(&mut tx, WS, "a", 2).await.unwrap().unwrap();
        assert_eq!((found.id.as_str(), found.version, found.status, found.size_bytes), ("v2", 2, ModelVersionState::Ready, 42));
        assert_eq!(
            (&found.signature, &found.metrics, found.dataset_digests.as_slice()),
            (&signature, &metrics, &digests[..]),
            "{engine:?}"
        );
        assert_eq!(
            (found.manifest_digest, found.flavor.as_str(), found.run_id.as_deref()),
            (manifest_digest(&files()), "onnx", Some("run"))
        );
        assert_eq!((found.tags["k"].as_str(), found.aliases.len(), found.created_at), ("v", 0, START.plus_ms(2)));
        assert_eq!(list_artifacts(&mut tx, WS, "model_version", "v2").await.unwrap(), files());
        assert_eq!(find_reference(&mut tx, WS, "v1").await.unwrap().as_deref(), Some(r#"{"r":"ü"}"#));
        assert_eq!(find_reference(&mut tx, OTHER, "v1").await.unwrap(), None);
        for absent in [0, -1, 4, i64::MIN, i64::MAX] {
            assert_eq!(find_version(&mut tx, WS, "a", absent).await.unwrap(), None, "{engine:?}: {absent} stands for no version");
        }
        assert_eq!(find_version(&mut tx, OTHER, "a", 1).await.unwrap(), None);
        let numbers = |rows: Vec<slipway::domain::model::ModelVersion>| rows.iter().map(|v| v.version).collect::<Vec<_>>();
        assert_eq!(numbers(list_versions(&mut tx, WS, "a", i64::MAX, 2).await.unwrap()), [3, 2]);
        assert_eq!(numbers(list_versions(&mut tx, WS, "a", 2, 2).await.unwrap()), [1]);

        let (ready, deprecated) = (ModelVersionState::Ready, ModelVersionState::Deprecated);
        assert!(!set_state(&mut tx, OTHER, "v1", (ready, deprecated), "", START).await.unwrap());
        assert!(set_state(&mut tx, WS, "v1", (ready, deprecated), "old", START).await.unwrap());
        assert!(!set_state(&mut tx, WS, "v1", (ready, deprecated), "", START).await.unwrap(), "{engine:?}: somebody was faster");
        let v1 = find_version(&mut tx, WS, "a", 1).await.unwrap().unwrap();
        assert_eq!((v1.status, v1.status_message.as_str()), (deprecated, "old"));
        assert!(set_state(&mut tx, WS, "v1", (deprecated, ModelVersionState::Deleted), "", START).await.unwrap());
        assert_eq!(numbers(list_versions(&mut tx, WS, "a", i64::MAX, 9).await.unwrap()), [3, 2], "{engine:?}: deleted ones are not shown");
        assert!(delete_version_tag(&mut tx, "v2", "k").await.unwrap());
        assert!(!delete_version_tag(&mut tx, "v2", "k").await.unwrap());
        drop(tx);
        world.end().await;
    }
}
