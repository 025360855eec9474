//! From the words of a job to the configuration of a fit.

use crate::domain::training::{self as spec, TrainSpec};
use crate::ml::{Activation, Column, Dense, EarlyStopping, Feature, FitConfig, FitError, Impute, Loss, Monitor, Optimiser, Table, Target};

/// Completes the spec with what the data says: the features when none are named, and the number of classes.
pub(super) fn config(spec: &TrainSpec, table: &Table) -> Result<FitConfig, FitError> {
    let names: Vec<&str> = match &spec.features {
        Some(names) => names.iter().map(String::as_str).collect(),
        None => table.columns.iter().map(|c| c.name.as_str()).filter(|name| *name != spec.target).collect(),
    };
    let mut features = Vec::with_capacity(names.len());
    for name in names {
        features.push(feature(&spec.preprocessing, name, table.get(name)?));
    }
    if let Some(name) = spec.preprocessing.columns.keys().find(|name| !features.iter().any(|feature| feature.name == **name)) {
        return Err(FitError::UnknownColumn { column: name.clone() });
    }
    let net = &spec.network;
    let loss = match net.loss {
        spec::Loss::BinaryCrossentropy => Loss::BinaryCrossentropy,
        spec::Loss::CategoricalCrossentropy => Loss::CategoricalCrossentropy,
        spec::Loss::Mse => Loss::Mse,
    };
    let mut layers = Vec::new();
    for layer in net.layers() {
        let units = match layer.units {
            Some(units) => units,
            None => classes(table.get(&spec.target)?),
        };
        layers.push(Dense { units, activation: activation(layer.activation), l2: layer.l2.unwrap_or(net.l2) as f32 });
    }
    let mut config = FitConfig::new(features, target(spec), layers, loss, net.epochs);
    config.optimiser = match net.optimizer {
        spec::Optimizer::Sgd { learning_rate, momentum, nesterov } => Optimiser::Sgd { learning_rate, momentum, nesterov },
        spec::Optimizer::Adam { learning_rate } => match Optimiser::adam() {
            Optimiser::Adam { beta_1, beta_2, epsilon, .. } => Optimiser::Adam { learning_rate, beta_1, beta_2, epsilon },
            other => other,
        },
    };
    config.batch_size = net.batch_size;
    config.class_weights = net.class_weights.iter().map(|(label, weight)| (label.clone(), *weight as f32)).collect();
    config.validation_split = if spec.validation_dataset.is_some() { 0.0 } else { net.validation_split };
    config.early_stopping = net.early_stopping.map(|rule| EarlyStopping {
        monitor: match rule.monitor {
            spec::Monitor::ValLoss => Monitor::ValLoss,
            spec::Monitor::ValMetric => Monitor::ValMetric,
            spec::Monitor::Loss => Monitor::Loss,
            spec::Monitor::Metric => Monitor::Metric,
        },
        patience: rule.patience,
        min_delta: rule.min_delta,
        restore_best: rule.restore_best,
    });
    config.seed = net.seed;
    Ok(config)
}

/// What is said for all features goes for numbers; text that is not named itself keeps its own default.
fn feature(spec: &spec::PreprocessingSpec, name: &str, column: &Column) -> Feature {
    let own = spec.columns.get(name).copied().unwrap_or_default();
    let numeric = matches!(column, Column::Numeric(_));
    let impute = own.impute.or(numeric.then_some(spec.impute)).map(|impute| match impute {
        spec::Impute::Mean => Impute::Mean,
        spec::Impute::Median => Impute::Median,
        spec::Impute::MostFrequent => Impute::MostFrequent,
    });
    Feature { impute, standardise: own.standardize.unwrap_or(spec.standardize), ..Feature::new(name) }
}

/// A number is standardised for the fit, which makes learning rates independent of its unit; answers are in the unit.
fn target(spec: &TrainSpec) -> Target {
    Target { standardise: spec.network.loss == spec::Loss::Mse, ..Target::new(&spec.target) }
}

fn activation(activation: spec::Activation) -> Activation {
    match activation {
        spec::Activation::Relu => Activation::Relu,
        spec::Activation::Tanh => Activation::Tanh,
        spec::Activation::Sigmoid => Activation::Sigmoid,
        spec::Activation::Softmax => Activation::Softmax,
        spec::Activation::Linear => Activation::Linear,
    }
}

fn classes(column: &Column) -> usize {
    match column {
        Column::Category { levels, .. } => levels.len(),
        Column::Numeric(values) => {
            let mut bits: Vec<u32> = values.iter().filter(|v| !v.is_nan()).map(|v| (v + 0.0).to_bits()).collect();
            bits.sort_unstable();
            bits.dedup();
            bits.len()
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::ml::NamedColumn;

    /// Two features and text, targets of numbers, two classes and three.
    fn table() -> Table {
        let named = |name: &str, column| NamedColumn { name: name.to_owned(), column };
        Table::new(vec![
            named("size", Column::Numeric(vec![1.0, f32::NAN, 3.0, 4.0])),
            named("age", Column::Numeric(vec![30.0, 40.0, 50.0, 60.0])),
            named("colour", Column::from_texts([Some("red"), None, Some("blue"), Some("red")])),
            named("price", Column::Numeric(vec![10.0, 20.0, 30.0, 40.0])),
            named("kind", Column::from_texts([Some("a"), Some("b"), Some("c"), Some("a")])),
            named("grade", Column::Numeric(vec![0.0, -0.0, 2.0, 1.0])),
        ])
        .unwrap()
    }

    fn spec(fields: Value) -> TrainSpec {
        let mut spec = json!({ "dataset": "d", "target": "kind" });
        spec.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let spec: TrainSpec = serde_json::from_value(spec).unwrap();
        spec.check().unwrap();
        spec
    }

    fn compiled(fields: Value) -> FitConfig {
        let config = config(&spec(fields), &table()).unwrap();
        config.check().unwrap();
        config
    }

    #[test]
    fn all_columns_but_the_target_are_features_unless_some_are_named() {
        let names = |config: &FitConfig| config.features.iter().map(|f| f.name.clone()).collect::<Vec<_>>();
        let all = compiled(json!({ "target": "price", "network": { "loss": "mse" } }));
        assert_eq!(names(&all), ["size", "age", "colour", "kind", "grade"]);
        let some = compiled(json!({ "target": "price", "features": ["age", "size"], "network": { "loss": "mse" } }));
        assert_eq!(names(&some), ["age", "size"]);
        assert_eq!(some.target, Target { standardise: true, ..Target::new("price") });
    }

    #[test]
    fn columns_can_be_prepared_each_in_its_own_way() {
        let config = compiled(json!({
            "features": ["size", "age", "colour"],
            "network": { "loss": "categorical_crossentropy" },
            "preprocessing": {
                "impute": "median", "standardize": true,
                "columns": { "age": { "standardize": false }, "size": { "impute": "most_frequent" }, "colour": { "impute": "most_frequent" } },
            },
        }));
        let treatment: Vec<_> = config.features.iter().map(|f| (f.impute.clone(), f.standardise)).collect();
        assert_eq!(treatment, [(Some(Impute::MostFrequent), true), (Some(Impute::Median), false), (Some(Impute::MostFrequent), true)]);
        // What goes for all goes for numbers alone.
        let config = compiled(json!({ "features": ["colour", "age"], "network": { "loss": "categorical_crossentropy" } }));
        assert_eq!((&config.features[0].impute, &config.features[1].impute), (&None, &Some(Impute::Mean)));
    }

    #[test]
    fn a_column_that_is_not_there_is_named() {
        let of = |fields: Value| config(&spec(fields), &table()).unwrap_err().to_string();
        assert!(of(json!({ "features": ["weight"] })).contains("\"weight\""));
        assert!(of(json!({ "preprocessing": { "columns": { "weight": {} } } })).contains("\"weight\""));
        assert!(of(json!({ "target": "weight", "network": { "loss": "categorical_crossentropy" } })).contains("\"weight\""));
    }

    #[test]
    fn layers_take_the_networks_penalty_unless_they_have_their_own() {
        let layers = json!([{ "units": 8, "activation": "tanh", "l2": 0.5 }, { "units": 4 }, { "activation": "softmax", "l2": 0.0 }]);
        let config = compiled(json!({ "network": { "layers": layers, "l2": 0.25, "loss": "categorical_crossentropy" } }));
        let want = [
            Dense { l2: 0.5, ..Dense::new(8, Activation::Tanh) },
            Dense { l2: 0.25, ..Dense::new(4, Activation::Linear) },
            Dense { l2: 0.0, ..Dense::new(3, Activation::Softmax) },
        ];
        assert_eq!(config.layers, want);
    }

    #[test]
    fn the_number_of_classes_is_counted_in_text_and_in_numbers() {
        let units = |target: &str| {
            let network = json!({ "loss": "categorical_crossentropy" });
            compiled(json!({ "target": target, "features": ["age"], "network": network })).layers[2].units
        };
        assert_eq!(units("kind"), 3);
        // Zero has two signs and is one class.
        assert_eq!(units("grade"), 3);
        let wrong = json!({ "features": ["age"], "network": {
            "loss": "categorical_crossentropy", "layers": [{ "units": 5, "activation": "softmax" }] } });
        let fit = crate::ml::Trainer::new(compiled(wrong), &table(), None).map(|_| ());
        assert_eq!(fit, Err(FitError::OutputUnits { units: 5, expected: 3 }));
    }

    #[test]
    fn the_rules_of_the_fit_are_passed_on() {
        let config = compiled(json!({ "network": {
            "loss": "categorical_crossentropy",
            "optimizer": { "name": "sgd", "learning_rate": 0.5, "momentum": 0.9, "nesterov": true },
            "batch_size": 7, "epochs": 3, "seed": 11, "validation_split": 0.25, "class_weights": { "a": 2.0 },
            "early_stopping": { "monitor": "metric", "patience": 4, "min_delta": 0.01, "restore_best": true },
        } }));
        assert_eq!(config.optimiser, Optimiser::Sgd { learning_rate: 0.5, momentum: 0.9, nesterov: true });
        assert_eq!((config.batch_size, config.epochs, config.seed, config.validation_split), (7, 3, 11, 0.25));
        assert_eq!(config.class_weights, [("a".to_owned(), 2.0)]);
        let rule = EarlyStopping { monitor: Monitor::Metric, patience: 4, min_delta: 0.01, restore_best: true };
        assert_eq!((config.early_stopping, config.shuffle), (Some(rule), true));
        let adam =
            compiled(json!({ "network": { "optimizer": { "name": "adam", "learning_rate": 0.5 }, "loss": "categorical_crossentropy" } }));
        assert_eq!(adam.optimiser, Optimiser::Adam { learning_rate: 0.5, beta_1: 0.9, beta_2: 0.999, epsilon: 1e-7 });
        let held =
            compiled(json!({ "validation_dataset": "v", "network": { "loss": "categorical_crossentropy", "validation_split": 0.5 } }));
        assert_eq!(held.validation_split, 0.0);
    }
}
