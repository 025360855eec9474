//! ONNX models that clients register are served as our own are, whatever happens to their model meanwhile.

use prost::Message as _;
use serde_json::{Value, json};
use slipway::domain::identity::Caller;
use slipway::infer::router::Selector;
use slipway::infer::tensor::{Tensor, TensorData};
use slipway::ml::onnx::proto::{
    DimensionProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto, TensorShapeProto, TensorTypeProto, TypeProto,
    ValueInfoProto,
};

use super::door;
use crate::mlflow::Door;
use crate::support::db::ENGINES;

/// A model that adds `n` to what it is given.
fn adds(n: f32, op: &str) -> Vec<u8> {
    let value = |name: &str| {
        let axis = |dim_value| DimensionProto { dim_value, ..DimensionProto::default() };
        let shape = TensorShapeProto { dim: vec![axis(None), axis(Some(1))] };
        let tensor_type = Some(TensorTypeProto { elem_type: 1, shape: Some(shape) });
        let of_type = TypeProto { tensor_type, ..TypeProto::default() };
        ValueInfoProto { name: name.to_owned(), r#type: Some(of_type), ..ValueInfoProto::default() }
    };
    let n = TensorProto { name: "n".to_owned(), data_type: 1, dims: vec![1], float_data: vec![n], ..TensorProto::default() };
    let node = NodeProto {
        input: vec!["x".to_owned(), "n".to_owned()],
        output: vec!["y".to_owned()],
        op_type: op.to_owned(),
        ..NodeProto::default()
    };
    let graph =
        GraphProto { node: vec![node], initializer: vec![n], input: vec![value("x")], output: vec![value("y")], ..GraphProto::default() };
    let opset_import = vec![OperatorSetIdProto { domain: String::new(), version: 17 }];
    ModelProto { ir_version: 8, graph: Some(graph), opset_import, ..ModelProto::default() }.encode_to_vec()
}

/// Registers what a run left in its folder `model`; returns the version's number.
async fn given(door: &Door, model: &str, file: &str, bytes: Vec<u8>) -> String {
    let run = door.run(json!({})).await;
    let path = format!("/api/2.0/mlflow-artifacts/artifacts/0/{run}/artifacts/model/{file}");
    assert_eq!(door.send(door.request("PUT", &path, bytes)).await.0.as_u16(), 200);
    let source = format!("runs:/{run}/model");
    let made = door.post("model-versions/create", json!({ "name": model, "source": source, "run_id": run })).await;
    made["model_version"]["version"].as_str().unwrap().to_owned()
}

async fn point(door: &Door, model: &str, version: &str) {
    door.post("registered-models/alias", json!({ "name": model, "alias": "champion", "version": version })).await;
    door.world.app.serving().reconcile().await.unwrap();
}

/// What the champion of a model makes of 1; none when nothing answers.
async fn answer(door: &Door, model: &str) -> Option<f32> {
    let serving = door.world.app.serving();
    let served = serving.find(&Caller::local(), model, Selector::Default)?;
    let input = Tensor::new(vec![1, 1], TensorData::Fp32(vec![1.0])).unwrap();
    let output = serving.predict(&served, vec![input], &[0]).await.unwrap().remove(0);
    let TensorData::Fp32(values) = output.data else { panic!("{:?}", output.data) };
    values.first().copied()
}

#[tokio::test]
async fn a_bare_model_file_is_served_promoted_and_rolled_back() {
    for engine in ENGINES {
        let door = door(engine).await;
        door.registered("m").await;
        assert_eq!(given(&door, "m", "model.onnx", adds(1.0, "Add")).await, "1");
        assert_eq!(given(&door, "m", "model.onnx", adds(2.0, "Add")).await, "2");
        let (_, native) = door.native("GET", "/models/m/versions/1", Value::Null).await;
        assert_eq!((&native["flavor"], &native["unservable"]), (&json!("onnx"), &Value::Null), "{engine:?}");
        assert_eq!(native["signature"]["inputs"], json!([{ "name": "x", "datatype": "FP32", "shape": [-1, 1] }]));
        point(&door, "m", "1").await;
        assert_eq!(answer(&door, "m").await, Some(2.0), "{engine:?}");
        point(&door, "m", "2").await;
        assert_eq!(answer(&door, "m").await, Some(3.0));
        let (status, _) = door.native("POST", "/models/m/aliases/champion/rollback", json!({})).await;
        door.world.app.serving().reconcile().await.unwrap();
        assert_eq!((status, answer(&door, "m").await), (200, Some(2.0)), "{engine:?}");
        door.world.end().await;
    }
}

#[tokio::test]
async fn what_can_not_be_served_says_so_and_traffic_stays() {
    for engine in ENGINES {
        let door = door(engine).await;
        door.registered("m").await;
        given(&door, "m", "model.onnx", adds(1.0, "Add")).await;
        point(&door, "m", "1").await;
        given(&door, "m", "model.onnx", adds(1.0, "Einsum")).await;
        given(&door, "m", "model.onnx", b"no model".to_vec()).await;
        given(&door, "m", "MLmodel", b"flavors:\n  onnx:\n    data: lost.onnx\n".to_vec()).await;
        for (version, why) in [("2", "unsupported_ops: "), ("3", "invalid_model: "), ("4", "the file \"lost.onnx\" that its MLmodel names")]
        {
            let (_, native) = door.native("GET", &format!("/models/m/versions/{version}"), Value::Null).await;
            assert_eq!((&native["status"], &native["flavor"]), (&json!("READY"), &json!("onnx")), "{engine:?}");
            assert!(native["unservable"].as_str().unwrap().starts_with(why), "{native}");
            point(&door, "m", version).await;
            assert_eq!(answer(&door, "m").await, Some(2.0), "{engine:?}: {version}");
            let (_, replicas) = door.native("GET", "/models/m/replicas", Value::Null).await;
            let line = &replicas["items"][0];
            assert_eq!((&line["version"], &line["state"]), (&json!(version.parse::<i64>().unwrap()), &json!("FAILED")), "{replicas}");
            assert!(line["message"].as_str().unwrap().starts_with(why), "{line}");
        }
        door.world.end().await;
    }
}

#[tokio::test]
async fn a_model_is_renamed_deleted_and_made_anew_while_it_is_served() {
    for engine in ENGINES {
        let door = door(engine).await;
        let reconcile = || async { door.world.app.serving().reconcile().await.unwrap() };
        door.registered("m").await;
        given(&door, "m", "model.onnx", adds(1.0, "Add")).await;
        point(&door, "m", "1").await;
        door.post("registered-models/rename", json!({ "name": "m", "new_name": "n" })).await;
        reconcile().await;
        assert_eq!((answer(&door, "m").await, answer(&door, "n").await), (None, Some(2.0)), "{engine:?}: under its new name");
        door.registered("m").await;
        given(&door, "m", "model.onnx", adds(10.0, "Add")).await;
        point(&door, "m", "1").await;
        assert_eq!((answer(&door, "m").await, answer(&door, "n").await), (Some(11.0), Some(2.0)));
        for (model, number) in [("m", 100.0), ("n", 200.0)] {
            door.change("DELETE", "registered-models/delete", json!({ "name": model })).await;
            door.registered(model).await;
            given(&door, model, "model.onnx", adds(number, "Add")).await;
            reconcile().await;
            let serving = door.world.app.serving();
            assert!(serving.find(&Caller::local(), model, Selector::Version(1)).is_none(), "{engine:?}: the old version is gone at once");
            point(&door, model, "1").await;
            assert_eq!(answer(&door, model).await, Some(number + 1.0), "{engine:?}");
        }
        door.change("DELETE", "model-versions/delete", json!({ "name": "m", "version": "1" })).await;
        reconcile().await;
        assert_eq!(answer(&door, "m").await, None, "{engine:?}");
        door.world.end().await;
    }
}

#[tokio::test]
async fn damaged_bytes_stop_an_alias_from_moving() {
    for engine in ENGINES {
        let door = door(engine).await;
        door.registered("m").await;
        let bytes = adds(1.0, "Add");
        given(&door, "m", "model.onnx", bytes.clone()).await;
        let digest = slipway::blob::Digest::of(&bytes);
        let key = slipway::blob::BlobKey::new(&Caller::local().workspace, digest, 0).unwrap();
        std::fs::remove_file(door.world.folder.join("artifacts").join(key.to_string())).unwrap();
        let told = door.refused(400, "registered-models/alias", json!({ "name": "m", "alias": "champion", "version": "1" })).await;
        assert!(told.0 == "INVALID_STATE" && told.1.contains("damaged"), "{told:?}");
        let found = door.get("model-versions/get?name=m&version=1").await["model_version"].clone();
        assert_eq!(found["status"], "FAILED_REGISTRATION", "{engine:?}");
        assert!(found["status_message"].as_str().unwrap().starts_with("QUARANTINED: model.onnx"), "{found}");
        door.world.end().await;
    }
}
