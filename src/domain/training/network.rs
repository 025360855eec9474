//! The network of a training job, in the words of Keras.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Invalid, bad};

/// A sequential dense network, described as Keras' `Sequential` of `Dense` layers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NetworkSpec {
    /// All layers from the input on, the output layer last: one sigmoid unit for `binary_crossentropy`, a softmax unit per class
    /// for `categorical_crossentropy`, one linear unit for `mse`. The output layer alone is logistic, softmax or linear
    /// regression. When absent: 64 relu, 64 relu and the output layer of the loss.
    pub layers: Option<Vec<LayerSpec>>,
    /// What is minimised.
    pub loss: Loss,
    /// How.
    pub optimizer: Optimizer,
    /// Rows per step.
    pub batch_size: usize,
    /// Passes over the data.
    pub epochs: usize,
    /// Share of the rows held out for validation, 0 to below 1.
    pub validation_split: f64,
    /// Stops early when a figure does not improve any more.
    pub early_stopping: Option<EarlyStopping>,
    /// Weights of the classes by label.
    pub class_weights: BTreeMap<String, f64>,
    /// L2 penalty `l2 · Σ w²` on the kernel of every layer that has none of its own.
    pub l2: f64,
    /// Seed of initialisation and shuffling.
    pub seed: u64,
}

impl Default for NetworkSpec {
    /// The reference network: 64 relu, 64 relu, one sigmoid; adam; 10 epochs of batches of 32.
    fn default() -> Self {
        Self {
            layers: None,
            loss: Loss::BinaryCrossentropy,
            optimizer: Optimizer::default(),
            batch_size: 32,
            epochs: 10,
            validation_split: 0.2,
            early_stopping: None,
            class_weights: BTreeMap::new(),
            l2: 0.0,
            seed: 0,
        }
    }
}

impl NetworkSpec {
    /// Returns the layers that are meant, the output layer last.
    pub fn layers(&self) -> Vec<LayerSpec> {
        let reference = || {
            let hidden = LayerSpec { units: Some(64), activation: Activation::Relu, l2: None };
            vec![hidden, hidden, self.loss.output()]
        };
        self.layers.clone().unwrap_or_else(reference)
    }
}

/// A dense layer.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LayerSpec {
    /// Outputs, 1 to 4096. May be left out of the output layer for `categorical_crossentropy`: one per class then.
    #[serde(default)]
    pub units: Option<usize>,
    /// What follows the sum; `linear` when absent, as in Keras.
    #[serde(default)]
    pub activation: Activation,
    /// L2 penalty `l2 · Σ w²` on the layer's kernel; the network's when absent.
    #[serde(default)]
    pub l2: Option<f64>,
}

/// An activation, named as Keras names it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names are the field's")]
pub enum Activation {
    Relu,
    Tanh,
    Sigmoid,
    Softmax,
    #[default]
    Linear,
}

/// A loss, named as Keras names it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Loss {
    /// Two classes, one sigmoid output.
    #[default]
    BinaryCrossentropy,
    /// Several classes, a softmax output.
    CategoricalCrossentropy,
    /// Numbers, a linear output.
    Mse,
}

impl Loss {
    /// Returns the output layer that fits the loss.
    fn output(self) -> LayerSpec {
        let (units, activation) = match self {
            Self::BinaryCrossentropy => (Some(1), Activation::Sigmoid),
            Self::CategoricalCrossentropy => (None, Activation::Softmax),
            Self::Mse => (Some(1), Activation::Linear),
        };
        LayerSpec { units, activation, l2: None }
    }
}

/// An optimiser with Keras' defaults.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "name", rename_all = "snake_case", deny_unknown_fields)]
pub enum Optimizer {
    /// Stochastic gradient descent.
    Sgd {
        /// Step size.
        #[serde(default = "rate_sgd")]
        learning_rate: f64,
        /// 0 for plain descent.
        #[serde(default)]
        momentum: f64,
        /// Nesterov's variant.
        #[serde(default)]
        nesterov: bool,
    },
    /// Adam.
    Adam {
        /// Step size.
        #[serde(default = "rate_adam")]
        learning_rate: f64,
    },
}

impl Default for Optimizer {
    fn default() -> Self {
        Self::Adam { learning_rate: rate_adam() }
    }
}

fn rate_sgd() -> f64 {
    0.01
}

fn rate_adam() -> f64 {
    0.001
}

/// When to stop before the last epoch.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EarlyStopping {
    /// What is watched.
    #[serde(default)]
    pub monitor: Monitor,
    /// Epochs without improvement after which the fit ends.
    pub patience: usize,
    /// What counts as an improvement.
    #[serde(default)]
    pub min_delta: f64,
    /// Whether the best weights are kept instead of the last.
    #[serde(default)]
    pub restore_best: bool,
}

/// What early stopping watches. The metric is the accuracy, which should grow, or for `mse` the mean absolute error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Monitor {
    /// Loss of the validation rows.
    #[default]
    ValLoss,
    /// Metric of the validation rows.
    ValMetric,
    /// Loss of the training rows.
    Loss,
    /// Metric of the training rows.
    Metric,
}

impl NetworkSpec {
    pub(super) fn check(&self) -> Result<(), Invalid> {
        self.check_layers()?;
        if self.batch_size == 0 || self.batch_size > 65_536 || self.epochs == 0 || self.epochs > 100_000 {
            return bad("batch_size must be 1 to 65536 and epochs 1 to 100000");
        }
        if !(0.0..1.0).contains(&self.validation_split) {
            return bad("validation_split must be at least 0 and below 1");
        }
        if !is_factor(self.l2) || self.class_weights.values().any(|w| !is_factor(*w)) {
            return bad("l2 and class_weights must be finite and not negative");
        }
        if self.loss == Loss::Mse && !self.class_weights.is_empty() {
            return bad("class_weights need a loss for classes");
        }
        if self.early_stopping.is_some_and(|rule| !(rule.min_delta.is_finite() && rule.min_delta >= 0.0)) {
            return bad("early_stopping.min_delta must be finite and not negative");
        }
        let (rate, momentum, nesterov) = match self.optimizer {
            Optimizer::Sgd { learning_rate, momentum, nesterov } => (learning_rate, momentum, nesterov),
            Optimizer::Adam { learning_rate } => (learning_rate, 0.0, false),
        };
        if !(rate.is_finite() && rate > 0.0 && (0.0..1.0).contains(&momentum)) {
            return bad("learning_rate must be above 0 and momentum at least 0 and below 1");
        }
        if nesterov && momentum == 0.0 {
            return bad("nesterov needs a momentum above 0");
        }
        Ok(())
    }

    fn check_layers(&self) -> Result<(), Invalid> {
        let layers = self.layers();
        let Some((output, hidden)) = layers.split_last() else {
            return bad("layers must have at least the output layer");
        };
        if hidden.len() > 32 {
            return bad("layers may hold up to 32 layers and the output layer");
        }
        if layers.iter().any(|layer| layer.units.is_some_and(|units| !(1..=4096).contains(&units))) {
            return bad("units of a layer must be 1 to 4096");
        }
        if hidden.iter().any(|layer| layer.units.is_none()) {
            return bad("units may be left out of the output layer alone");
        }
        if layers.iter().any(|layer| layer.l2.is_some_and(|l2| !is_factor(l2))) {
            return bad("l2 of a layer must be finite and not negative");
        }
        match (self.loss, output.units, output.activation) {
            (Loss::BinaryCrossentropy, Some(1), Activation::Sigmoid) => Ok(()),
            (Loss::BinaryCrossentropy, ..) => bad("the last layer must be 1 sigmoid unit for binary_crossentropy"),
            (Loss::CategoricalCrossentropy, None | Some(2..), Activation::Softmax) => Ok(()),
            (Loss::CategoricalCrossentropy, ..) => bad("the last layer must be softmax with a unit per class for categorical_crossentropy"),
            (Loss::Mse, Some(1), Activation::Linear) => Ok(()),
            (Loss::Mse, ..) => bad("the last layer must be 1 linear unit for mse"),
        }
    }
}

/// Says whether a penalty or a weight is one that can be computed with, in single precision too.
fn is_factor(value: f64) -> bool {
    value >= 0.0 && (value as f32).is_finite()
}
