//! What a training job is asked to do. One type from the wire to the trainer: the native API takes it, the job row keeps it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Invalid, check_name};

/// A training job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TrainSpec {
    /// Data set to train on.
    pub dataset: String,
    /// Its version; the newest ready one when absent, and then recorded here.
    #[serde(default)]
    pub dataset_version: Option<i64>,
    /// Data set to validate on instead of a part of the training data.
    #[serde(default)]
    pub validation_dataset: Option<String>,
    /// Its version; the newest ready one when absent, and then recorded here.
    #[serde(default)]
    pub validation_dataset_version: Option<i64>,
    /// Column to predict.
    pub target: String,
    /// Columns to predict from; all others when absent.
    #[serde(default)]
    pub features: Option<Vec<String>>,
    /// Experiment that the run belongs to.
    #[serde(default = "default_experiment")]
    pub experiment: String,
    /// Name of the run; made up when absent.
    #[serde(default)]
    pub run_name: Option<String>,
    /// Registered model that receives the result as a new version; none when absent.
    #[serde(default)]
    pub register_as: Option<String>,
    /// The network and how it is fitted.
    #[serde(default)]
    pub network: NetworkSpec,
    /// Preparation of the features.
    #[serde(default)]
    pub preprocessing: PreprocessingSpec,
    /// Logs the running loss after every so many steps; 0 logs at the end of each epoch only, 1000 is
    /// the most.
    #[serde(default = "default_log_every")]
    pub log_every_n_steps: u64,
    /// Failed attempts after which the job fails, 1 to 20.
    #[serde(default = "default_attempts")]
    pub max_failures: u32,
    /// Longest time an attempt may run, in seconds.
    #[serde(default)]
    pub max_duration_seconds: Option<u64>,
}

fn default_experiment() -> String {
    "Default".to_owned()
}

fn default_attempts() -> u32 {
    3
}

fn default_log_every() -> u64 {
    100
}

/// A sequential dense network. Without hidden layers it is linear, logistic or softmax regression.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NetworkSpec {
    /// Hidden layers from the input on; the output layer follows from the loss.
    pub hidden: Vec<LayerSpec>,
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
    /// Stops early when validation does not improve.
    pub early_stopping: Option<EarlyStopping>,
    /// Weights of the classes by label.
    pub class_weights: BTreeMap<String, f64>,
    /// L2 penalty on all kernels.
    pub l2: f64,
    /// Seed of initialisation and shuffling.
    pub seed: u64,
}

impl Default for NetworkSpec {
    /// The reference network: 64 relu, 64 relu, one sigmoid; adam; 10 epochs of batches of 32.
    fn default() -> Self {
        let layer = LayerSpec { units: 64, activation: Activation::Relu };
        Self {
            hidden: vec![layer, layer],
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

/// A dense layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LayerSpec {
    /// Outputs, 1 to 4096.
    pub units: usize,
    /// What follows the sum.
    #[serde(default)]
    pub activation: Activation,
}

/// An activation, named as Keras names it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names are the field's")]
pub enum Activation {
    #[default]
    Relu,
    Tanh,
    Sigmoid,
    Softmax,
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
    /// Epochs without improvement of the validation loss.
    pub patience: usize,
    /// What counts as an improvement.
    #[serde(default)]
    pub min_delta: f64,
    /// Whether the best weights are kept instead of the last.
    #[serde(default)]
    pub restore_best: bool,
}

/// Preparation of the features, which becomes part of the model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PreprocessingSpec {
    /// What takes the place of a missing number.
    pub impute: Impute,
    /// Whether numbers are brought to mean 0 and deviation 1.
    pub standardize: bool,
}

impl Default for PreprocessingSpec {
    fn default() -> Self {
        Self { impute: Impute::Mean, standardize: true }
    }
}

/// What takes the place of a missing number; text takes its most frequent value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Impute {
    /// The mean of the training rows.
    Mean,
    /// Their median.
    Median,
    /// Their most frequent value.
    MostFrequent,
}

impl TrainSpec {
    /// Lists the settings as the params of a run.
    pub fn params(&self) -> BTreeMap<String, String> {
        let net = &self.network;
        let (optimizer, rate, momentum) = match net.optimizer {
            Optimizer::Sgd { learning_rate, momentum, .. } => ("sgd", learning_rate, momentum),
            Optimizer::Adam { learning_rate } => ("adam", learning_rate, 0.0),
        };
        let layers: Vec<String> = net.hidden.iter().map(|l| format!("{}:{}", l.units, wire(&l.activation))).collect();
        let mut params = BTreeMap::from([
            ("dataset".to_owned(), format!("{}/{}", self.dataset, self.dataset_version.unwrap_or(0))),
            ("target".to_owned(), self.target.clone()),
            ("hidden".to_owned(), layers.join(",")),
            ("loss".to_owned(), wire(&net.loss)),
            ("optimizer".to_owned(), optimizer.to_owned()),
            ("learning_rate".to_owned(), rate.to_string()),
            ("batch_size".to_owned(), net.batch_size.to_string()),
            ("epochs".to_owned(), net.epochs.to_string()),
            ("validation_split".to_owned(), net.validation_split.to_string()),
            ("l2".to_owned(), net.l2.to_string()),
            ("seed".to_owned(), net.seed.to_string()),
            ("impute".to_owned(), wire(&self.preprocessing.impute)),
            ("standardize".to_owned(), self.preprocessing.standardize.to_string()),
        ]);
        if optimizer == "sgd" {
            params.insert("momentum".to_owned(), momentum.to_string());
        }
        if let Some(features) = &self.features {
            params.insert("features".to_owned(), features.join(","));
        }
        params
    }

    /// Checks what can be checked without the data.
    pub fn check(&self) -> Result<(), Invalid> {
        check_name("dataset", &self.dataset)?;
        if let Some(validation) = &self.validation_dataset {
            check_name("dataset", validation)?;
        }
        check_name("experiment", &self.experiment)?;
        if let Some(model) = &self.register_as {
            check_name("model", model)?;
        }
        if let Some(run) = &self.run_name {
            check_name("run", run)?;
        }
        let bad = |message: &str| Err(Invalid::new("invalid_spec", message));
        let net = &self.network;
        if self.target.is_empty() || self.features.as_ref().is_some_and(|f| f.is_empty() || f.contains(&self.target)) {
            return bad("target must be a column, and features a non-empty list without it");
        }
        if net.hidden.len() > 32 || net.hidden.iter().any(|layer| layer.units == 0 || layer.units > 4096) {
            return bad("there may be up to 32 hidden layers of 1 to 4096 units");
        }
        if net.batch_size == 0 || net.batch_size > 65_536 || net.epochs == 0 || net.epochs > 100_000 {
            return bad("batch_size must be 1 to 65536 and epochs 1 to 100000");
        }
        if !(0.0..1.0).contains(&net.validation_split) {
            return bad("validation_split must be at least 0 and below 1");
        }
        if !net.l2.is_finite() || net.l2 < 0.0 || net.class_weights.values().any(|w| !w.is_finite() || *w < 0.0) {
            return bad("l2 and class_weights must be finite and not negative");
        }
        let (rate, momentum) = match net.optimizer {
            Optimizer::Sgd { learning_rate, momentum, .. } => (learning_rate, momentum),
            Optimizer::Adam { learning_rate } => (learning_rate, 0.0),
        };
        if !(rate.is_finite() && rate > 0.0 && (0.0..1.0).contains(&momentum)) {
            return bad("learning_rate must be above 0 and momentum at least 0 and below 1");
        }
        if self.validation_dataset.is_none() && self.validation_dataset_version.is_some() {
            return bad("validation_dataset_version needs validation_dataset");
        }
        if self.log_every_n_steps > 1000 {
            return bad("log_every_n_steps must be at most 1000");
        }
        if self.max_failures == 0 || self.max_failures > 20 || self.max_duration_seconds == Some(0) {
            return bad("max_failures must be 1 to 20 and max_duration_seconds at least 1");
        }
        Ok(())
    }
}

/// The name of a unit variant on the wire.
fn wire<T: Serialize>(value: &T) -> String {
    serde_json::to_value(value).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
}
