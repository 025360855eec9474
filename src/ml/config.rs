//! What to fit: features, target, layers, loss, optimiser and the rules of the run, as plain values.
//!
//! Names and defaults are those that Keras users know. [`FitConfig::check`] settles everything that can be said without
//! looking at the data.

use super::error::FitError;

/// How missing values of a feature are filled. The default is the mean for numbers, the most frequent value for text.
#[derive(Debug, Clone, PartialEq)]
pub enum Impute {
    /// The mean of the training rows (numeric only).
    Mean,
    /// The median of the training rows (numeric only).
    Median,
    /// The most frequent value of the training rows, the smallest of several.
    MostFrequent,
    /// This number (numeric only).
    Number(f32),
    /// This text (text only); a level of its own when the training rows have missing values.
    Text(String),
}

impl Impute {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Mean => "mean",
            Self::Median => "median",
            Self::MostFrequent => "most_frequent",
            Self::Number(_) => "a constant number",
            Self::Text(_) => "a constant text",
        }
    }
}

/// A column that the model reads.
#[derive(Debug, Clone, PartialEq)]
pub struct Feature {
    /// The column's name.
    pub name: String,
    /// How missing values are filled; `None` is the default for the column's kind.
    pub impute: Option<Impute>,
    /// Whether numbers are shifted and scaled to mean 0 and standard deviation 1. Text is always one-hot.
    pub standardise: bool,
}

impl Feature {
    /// Names a feature with the default treatment.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), impute: None, standardise: true }
    }
}

/// The column that the model predicts.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    /// The column's name.
    pub name: String,
    /// The classes in order (the second is the positive one of two); sorted from the data when `None`.
    pub classes: Option<Vec<String>>,
    /// Whether a numeric target is standardised for the fit; the model's answers are in original units either way.
    pub standardise: bool,
}

impl Target {
    /// Names a target with the default treatment.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), classes: None, standardise: false }
    }
}

/// The function after a layer's affine map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// `max(z, 0)`.
    Relu,
    /// The hyperbolic tangent.
    Tanh,
    /// `1 / (1 + exp(-z))`.
    Sigmoid,
    /// `exp(z_j) / Σ exp(z)`.
    Softmax,
    /// `z` itself.
    Linear,
}

/// A fully connected layer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dense {
    /// The number of outputs.
    pub units: usize,
    /// The function after the affine map.
    pub activation: Activation,
    /// Adds `l2 · Σ w²` of the kernel (not the bias) to the loss, as Keras' `regularizers.L2`.
    pub l2: f32,
}

impl Dense {
    /// Describes a layer without a penalty.
    pub fn new(units: usize, activation: Activation) -> Self {
        Self { units, activation, l2: 0.0 }
    }
}

/// What is minimised, a mean over the rows of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// Two classes, one sigmoid output.
    BinaryCrossentropy,
    /// Classes one-hot, one softmax output each.
    CategoricalCrossentropy,
    /// Squared difference, one numeric output.
    Mse,
}

impl Loss {
    /// Names the metric reported beside the loss.
    pub fn metric_name(self) -> &'static str {
        match self {
            Self::BinaryCrossentropy | Self::CategoricalCrossentropy => "accuracy",
            Self::Mse => "mae",
        }
    }

    /// Names the task.
    pub fn task(self) -> &'static str {
        match self {
            Self::BinaryCrossentropy => "binary_classification",
            Self::CategoricalCrossentropy => "multiclass_classification",
            Self::Mse => "regression",
        }
    }
}

/// How gradients move the weights.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Optimiser {
    /// Gradient descent with optional momentum.
    Sgd {
        /// The step size.
        learning_rate: f64,
        /// The part of the last step that is kept, in `[0, 1)`.
        momentum: f64,
        /// Whether the gradient is applied ahead of the momentum step.
        nesterov: bool,
    },
    /// Adam (Kingma and Ba, 2015) in the form that Keras uses.
    Adam {
        /// The step size.
        learning_rate: f64,
        /// Decay of the mean of gradients.
        beta_1: f64,
        /// Decay of the mean of squared gradients.
        beta_2: f64,
        /// Keeps the denominator away from zero.
        epsilon: f64,
    },
}

impl Optimiser {
    /// Returns gradient descent with Keras' defaults: rate 0.01, no momentum.
    pub fn sgd() -> Self {
        Self::Sgd { learning_rate: 0.01, momentum: 0.0, nesterov: false }
    }

    /// Returns Adam with Keras' defaults: rate 0.001, β₁ 0.9, β₂ 0.999, ε 1e-7.
    pub fn adam() -> Self {
        Self::Adam { learning_rate: 1e-3, beta_1: 0.9, beta_2: 0.999, epsilon: 1e-7 }
    }
}

/// The number that early stopping watches. Accuracy should grow, everything else should fall.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Monitor {
    /// Loss of the training rows, as summed over the epoch.
    Loss,
    /// Accuracy or MAE of the training rows.
    Metric,
    /// Loss of the validation rows.
    ValLoss,
    /// Accuracy or MAE of the validation rows.
    ValMetric,
}

/// When to stop before the last epoch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EarlyStopping {
    /// What is watched.
    pub monitor: Monitor,
    /// How many epochs without improvement are allowed before the run stops.
    pub patience: usize,
    /// Smaller changes are no improvement.
    pub min_delta: f64,
    /// Whether the result has the weights of the best epoch rather than the last.
    pub restore_best: bool,
}

/// Everything that determines a fit besides the data.
#[derive(Debug, Clone, PartialEq)]
pub struct FitConfig {
    /// The columns that the model reads, in the order of its inputs.
    pub features: Vec<Feature>,
    /// The column that it predicts.
    pub target: Target,
    /// The layers, output layer last. One layer alone is a linear, logistic or softmax regression.
    pub layers: Vec<Dense>,
    /// What is minimised.
    pub loss: Loss,
    /// How.
    pub optimiser: Optimiser,
    /// Rows per step.
    pub batch_size: usize,
    /// Passes over the training rows.
    pub epochs: usize,
    /// Whether each epoch has its own order of rows.
    pub shuffle: bool,
    /// Factors on the loss of a class's rows; a class without an entry has 1.
    pub class_weights: Vec<(String, f32)>,
    /// The fraction of rows held out for validation, drawn at random by the seed (Keras takes the last rows as they
    /// come, which goes wrong on sorted files). Ignored when a validation table is given.
    pub validation_split: f64,
    /// When to stop early.
    pub early_stopping: Option<EarlyStopping>,
    /// Determines the initial weights, the split and every epoch's order.
    pub seed: u64,
}

impl FitConfig {
    /// Describes a fit with Keras' defaults: Adam, batches of 32, shuffled.
    pub fn new(features: Vec<Feature>, target: Target, layers: Vec<Dense>, loss: Loss, epochs: usize) -> Self {
        Self {
            features,
            target,
            layers,
            loss,
            optimiser: Optimiser::adam(),
            batch_size: 32,
            epochs,
            shuffle: true,
            class_weights: Vec::new(),
            validation_split: 0.0,
            early_stopping: None,
            seed: 0,
        }
    }

    /// Checks what can be said without the data.
    ///
    /// # Errors
    /// [`FitError::InvalidConfig`] naming the field, [`FitError::TargetIsFeature`].
    pub fn check(&self) -> Result<(), FitError> {
        self.check_columns()?;
        self.check_layers()?;
        self.check_optimiser()?;
        require((1..=1 << 20).contains(&self.batch_size), "batch_size", "must be in 1..=1048576")?;
        require((1..=1_000_000).contains(&self.epochs), "epochs", "must be in 1..=1000000")?;
        require((0.0..1.0).contains(&self.validation_split), "validation_split", "must be at least 0 and less than 1")?;
        for (label, weight) in &self.class_weights {
            let field = format!("class_weights.{label}");
            require(weight.is_finite() && *weight >= 0.0, field, "must be a number of at least 0")?;
            require(self.loss != Loss::Mse, "class_weights", "need a classification loss")?;
        }
        if let Some(rule) = &self.early_stopping {
            let ok = rule.min_delta.is_finite() && rule.min_delta >= 0.0;
            require(ok, "early_stopping.min_delta", "must be a number of at least 0")?;
        }
        Ok(())
    }

    fn check_columns(&self) -> Result<(), FitError> {
        require(!self.features.is_empty(), "features", "must name at least one column")?;
        let mut seen = std::collections::HashSet::new();
        for feature in &self.features {
            if feature.name == self.target.name {
                return Err(FitError::TargetIsFeature { column: feature.name.clone() });
            }
            let field = format!("features.{}", feature.name);
            require(seen.insert(&feature.name), &*field, "is named twice")?;
            if let Some(Impute::Number(value)) = feature.impute {
                require(value.is_finite(), field, "has a constant that is not finite")?;
            }
        }
        if let Some(classes) = &self.target.classes {
            let distinct: std::collections::HashSet<_> = classes.iter().collect();
            require(classes.len() >= 2, "target.classes", "must name at least two classes")?;
            require(distinct.len() == classes.len(), "target.classes", "names a class twice")?;
            require(self.loss != Loss::Mse, "target.classes", "need a classification loss")?;
        }
        let scalable = !self.target.standardise || self.loss == Loss::Mse;
        require(scalable, "target.standardise", "needs the mse loss")
    }

    fn check_layers(&self) -> Result<(), FitError> {
        for (index, layer) in self.layers.iter().enumerate() {
            let units = (1..=65_536).contains(&layer.units);
            require(units, format!("layers[{index}].units"), "must be in 1..=65536")?;
            let l2 = layer.l2.is_finite() && layer.l2 >= 0.0;
            require(l2, format!("layers[{index}].l2"), "must be a number of at least 0")?;
        }
        require(!self.layers.is_empty(), "layers", "must have at least the output layer")?;
        let last = self.layers.len() - 1;
        let output = self.layers[last];
        let fits = match self.loss {
            Loss::BinaryCrossentropy => output.activation == Activation::Sigmoid,
            Loss::CategoricalCrossentropy => output.activation == Activation::Softmax,
            Loss::Mse => output.activation != Activation::Softmax,
        };
        let reason = match self.loss {
            Loss::BinaryCrossentropy => "must be sigmoid for binary_crossentropy",
            Loss::CategoricalCrossentropy => "must be softmax for categorical_crossentropy",
            Loss::Mse => "cannot be softmax for mse",
        };
        require(fits, format!("layers[{last}].activation"), reason)?;
        if self.loss != Loss::CategoricalCrossentropy && output.units != 1 {
            return Err(FitError::OutputUnits { units: output.units, expected: 1 });
        }
        Ok(())
    }

    fn check_optimiser(&self) -> Result<(), FitError> {
        let decay = |value: f64| (0.0..1.0).contains(&value);
        let positive = |value: f64| value.is_finite() && value > 0.0;
        let (learning_rate, rest) = match self.optimiser {
            Optimiser::Sgd { learning_rate, momentum, nesterov } => {
                require(momentum > 0.0 || !nesterov, "optimiser.nesterov", "needs a momentum above 0")?;
                (learning_rate, [("momentum", momentum), ("momentum", momentum)])
            }
            Optimiser::Adam { learning_rate, beta_1, beta_2, epsilon } => {
                require(positive(epsilon), "optimiser.epsilon", "must be a number above 0")?;
                (learning_rate, [("beta_1", beta_1), ("beta_2", beta_2)])
            }
        };
        require(positive(learning_rate), "optimiser.learning_rate", "must be a number above 0")?;
        for (name, value) in rest {
            let field = format!("optimiser.{name}");
            require(decay(value), field, "must be at least 0 and less than 1")?;
        }
        Ok(())
    }
}

fn require(ok: bool, field: impl Into<String>, reason: &str) -> Result<(), FitError> {
    if ok { Ok(()) } else { Err(FitError::config(field, reason)) }
}
