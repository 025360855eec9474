//! What a job may ask for, and how it is told that it may not.

use serde_json::{Value, json};

use super::*;

/// A spec whose `network` and further fields are given.
fn spec(network: Value, more: Value) -> Result<TrainSpec, String> {
    let mut spec = json!({ "dataset": "d", "target": "y", "network": network });
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    serde_json::from_value(spec).map_err(|e| e.to_string())
}

fn refusal(network: Value, more: Value) -> String {
    let invalid = spec(network, more).unwrap().check().unwrap_err();
    assert_eq!(invalid.code, "invalid_spec");
    invalid.message
}

#[test]
fn the_reference_model_is_what_an_empty_network_means() {
    let spec = spec(json!({}), json!({})).unwrap();
    spec.check().unwrap();
    let layers = json!([
        { "units": 64, "activation": "relu", "l2": null },
        { "units": 64, "activation": "relu", "l2": null },
        { "units": 1, "activation": "sigmoid", "l2": null },
    ]);
    assert_eq!(serde_json::to_value(spec.network.layers()).unwrap(), layers);
    let net = &spec.network;
    assert_eq!((net.loss, net.optimizer, net.batch_size, net.epochs), (Loss::BinaryCrossentropy, Optimizer::default(), 32, 10));
    assert_eq!(spec.params()["layers"], "64:relu,64:relu,1:sigmoid");
}

#[test]
fn the_output_of_the_default_layers_follows_the_loss() {
    for (loss, output) in [("mse", "1:linear"), ("categorical_crossentropy", "classes:softmax")] {
        let spec = spec(json!({ "loss": loss }), json!({})).unwrap();
        spec.check().unwrap();
        assert_eq!(spec.params()["layers"], format!("64:relu,64:relu,{output}"));
    }
}

#[test]
fn layers_are_taken_as_a_keras_user_writes_them() {
    let layers = json!([{ "units": 8, "activation": "tanh", "l2": 0.01 }, { "units": 4 }, { "activation": "softmax" }]);
    let spec = spec(json!({ "layers": layers, "loss": "categorical_crossentropy" }), json!({})).unwrap();
    spec.check().unwrap();
    assert_eq!(spec.params()["layers"], "8:tanh:l2=0.01,4:linear,classes:softmax");
}

#[test]
fn the_last_layer_has_to_fit_the_loss() {
    let last = |loss: &str, layer: Value| refusal(json!({ "loss": loss, "layers": [layer] }), json!({}));
    let binary = "the last layer must be 1 sigmoid unit for binary_crossentropy";
    assert_eq!(last("binary_crossentropy", json!({ "units": 1 })), binary);
    assert_eq!(last("binary_crossentropy", json!({ "units": 2, "activation": "sigmoid" })), binary);
    assert_eq!(last("binary_crossentropy", json!({ "activation": "sigmoid" })), binary);
    let categorical = "the last layer must be softmax with a unit per class for categorical_crossentropy";
    assert_eq!(last("categorical_crossentropy", json!({ "units": 3, "activation": "sigmoid" })), categorical);
    assert_eq!(last("categorical_crossentropy", json!({ "units": 1, "activation": "softmax" })), categorical);
    let mse = "the last layer must be 1 linear unit for mse";
    assert_eq!(last("mse", json!({ "units": 1, "activation": "relu" })), mse);
    assert_eq!(last("mse", json!({ "units": 2 })), mse);
}

#[test]
fn layers_have_bounds() {
    let out = json!({ "units": 1, "activation": "sigmoid" });
    let layers = |layers: Value| refusal(json!({ "layers": layers }), json!({}));
    assert_eq!(layers(json!([])), "layers must have at least the output layer");
    assert_eq!(layers(json!([{ "units": 0 }, out])), "units of a layer must be 1 to 4096");
    assert_eq!(layers(json!([{ "units": 4097 }, out])), "units of a layer must be 1 to 4096");
    assert_eq!(layers(json!([{ "activation": "relu" }, out])), "units may be left out of the output layer alone");
    assert_eq!(layers(json!([{ "units": 4, "l2": -1.0 }, out])), "l2 of a layer must be finite and not negative");
    assert_eq!(
        layers(Value::from(vec![json!({ "units": 1, "activation": "sigmoid" }); 34])),
        "layers may hold up to 32 layers and the output layer"
    );
    let unknown = spec(json!({ "layers": [{ "units": 1, "bias": false }] }), json!({})).unwrap_err();
    assert!(unknown.contains("unknown field `bias`"), "{unknown}");
    let unknown = spec(json!({ "hidden": [] }), json!({})).unwrap_err();
    assert!(unknown.contains("unknown field `hidden`"), "{unknown}");
}

#[test]
fn numbers_of_the_fit_have_bounds() {
    let network = |network: Value| refusal(network, json!({}));
    assert_eq!(network(json!({ "epochs": 0 })), "batch_size must be 1 to 65536 and epochs 1 to 100000");
    assert_eq!(network(json!({ "validation_split": 1.0 })), "validation_split must be at least 0 and below 1");
    assert_eq!(network(json!({ "l2": 1e300 })), "l2 and class_weights must be finite and not negative");
    assert_eq!(network(json!({ "loss": "mse", "class_weights": { "a": 1 } })), "class_weights need a loss for classes");
    let sgd = |more: Value| json!({ "optimizer": more });
    let rate = "learning_rate must be above 0 and momentum at least 0 and below 1";
    assert_eq!(network(sgd(json!({ "name": "adam", "learning_rate": 0.0 }))), rate);
    assert_eq!(network(sgd(json!({ "name": "sgd", "momentum": 1.0 }))), rate);
    assert_eq!(network(sgd(json!({ "name": "sgd", "nesterov": true }))), "nesterov needs a momentum above 0");
}

#[test]
fn early_stopping_watches_the_validation_loss_unless_it_is_told_otherwise() {
    let rule = |rule: Value, split: f64| json!({ "early_stopping": rule, "validation_split": split });
    let parsed = spec(rule(json!({ "patience": 3 }), 0.2), json!({})).unwrap();
    assert_eq!(parsed.network.early_stopping.unwrap().monitor, Monitor::ValLoss);
    for (text, monitor) in [("val_metric", Monitor::ValMetric), ("loss", Monitor::Loss), ("metric", Monitor::Metric)] {
        let parsed = spec(rule(json!({ "patience": 3, "monitor": text }), 0.2), json!({})).unwrap();
        assert_eq!(parsed.network.early_stopping.unwrap().monitor, monitor);
        assert_eq!(parsed.params()["early_stopping"], format!("{text}:3"));
    }
    let without = refusal(rule(json!({ "patience": 3 }), 0.0), json!({}));
    assert_eq!(without, "early_stopping.monitor needs a validation_split above 0 or a validation_dataset");
    spec(rule(json!({ "patience": 3, "monitor": "loss" }), 0.0), json!({})).unwrap().check().unwrap();
    spec(rule(json!({ "patience": 3 }), 0.0), json!({ "validation_dataset": "v" })).unwrap().check().unwrap();
    let delta = refusal(rule(json!({ "patience": 3, "min_delta": -0.1 }), 0.2), json!({}));
    assert_eq!(delta, "early_stopping.min_delta must be finite and not negative");
}

#[test]
fn single_columns_are_features() {
    let columns = |features: Value, name: &str| json!({ "features": features, "preprocessing": { "columns": { name: { "impute": "median", "standardize": false } } } });
    spec(json!({}), columns(Value::Null, "a")).unwrap().check().unwrap();
    spec(json!({}), columns(json!(["a", "b"]), "a")).unwrap().check().unwrap();
    let other = "preprocessing.columns names \"c\", which is not a feature";
    assert_eq!(refusal(json!({}), columns(json!(["a", "b"]), "c")), other);
    let target = "preprocessing.columns names \"y\", which is not a feature";
    assert_eq!(refusal(json!({}), columns(Value::Null, "y")), target);
    assert_eq!(refusal(json!({}), json!({ "features": ["a", "a"] })), "features must not name a column twice");
    assert_eq!(refusal(json!({}), json!({ "features": ["y"] })), "target must be a column, and features a non-empty list without it");
}
