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
        let numeric = matches!(table.get(name)?, Column::Numeric(_));
        let impute = numeric.then_some(match spec.preprocessing.impute {
            spec::Impute::Mean => Impute::Mean,
            spec::Impute::Median => Impute::Median,
            spec::Impute::MostFrequent => Impute::MostFrequent,
        });
        features.push(Feature { impute, standardise: spec.preprocessing.standardize, ..Feature::new(name) });
    }
    let net = &spec.network;
    let l2 = net.l2 as f32;
    let dense = |units, activation| Dense { l2, ..Dense::new(units, activation) };
    let mut layers: Vec<Dense> = net.hidden.iter().map(|layer| dense(layer.units, activation(layer.activation))).collect();
    let (loss, output) = match net.loss {
        spec::Loss::BinaryCrossentropy => (Loss::BinaryCrossentropy, dense(1, Activation::Sigmoid)),
        spec::Loss::CategoricalCrossentropy => {
            (Loss::CategoricalCrossentropy, dense(classes(table.get(&spec.target)?), Activation::Softmax))
        }
        spec::Loss::Mse => (Loss::Mse, dense(1, Activation::Linear)),
    };
    layers.push(output);
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
        monitor: Monitor::ValLoss,
        patience: rule.patience,
        min_delta: rule.min_delta,
        restore_best: rule.restore_best,
    });
    config.seed = net.seed;
    Ok(config)
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
