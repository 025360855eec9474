//! What a training job is asked to do. One type from the wire to the trainer: the native API takes it, the job row keeps it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::schema::Schema;
use super::{Invalid, check_name};

mod network;
#[cfg(test)]
mod tests;

pub use network::{Activation, EarlyStopping, LayerSpec, Loss, Monitor, NetworkSpec, Optimizer};

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

/// Preparation of the features, which becomes part of the model. Text is always one-hot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PreprocessingSpec {
    /// What takes the place of a missing number.
    pub impute: Impute,
    /// Whether numbers are brought to mean 0 and deviation 1.
    pub standardize: bool,
    /// What is different for single features, by name.
    pub columns: BTreeMap<String, ColumnSpec>,
}

impl Default for PreprocessingSpec {
    fn default() -> Self {
        Self { impute: Impute::Mean, standardize: true, columns: BTreeMap::new() }
    }
}

/// Preparation of one feature; what is absent is as for all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ColumnSpec {
    /// What takes the place of a missing value. Text knows `most_frequent` alone.
    pub impute: Option<Impute>,
    /// Whether numbers are brought to mean 0 and deviation 1.
    pub standardize: Option<bool>,
}

/// What takes the place of a missing value; text takes its most frequent one whatever is said for all features.
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
        let units = |units: Option<usize>| units.map_or_else(|| "classes".to_owned(), |n| n.to_string());
        let penalty = |l2: Option<f64>| l2.map_or_else(String::new, |l2| format!(":l2={l2}"));
        let layer = |l: &LayerSpec| format!("{}:{}{}", units(l.units), wire(&l.activation), penalty(l.l2));
        let layers: Vec<String> = net.layers().iter().map(layer).collect();
        let mut params = BTreeMap::from([
            ("dataset".to_owned(), format!("{}/{}", self.dataset, self.dataset_version.unwrap_or(0))),
            ("target".to_owned(), self.target.clone()),
            ("layers".to_owned(), layers.join(",")),
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
        if let Some(rule) = net.early_stopping {
            params.insert("early_stopping".to_owned(), format!("{}:{}", wire(&rule.monitor), rule.patience));
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
        self.check_columns()?;
        self.network.check()?;
        if self.validation_dataset.is_none() && self.validation_dataset_version.is_some() {
            return bad("validation_dataset_version needs validation_dataset");
        }
        let validates = self.validation_dataset.is_some() || self.network.validation_split > 0.0;
        let monitor = self.network.early_stopping.map(|rule| rule.monitor);
        if matches!(monitor, Some(Monitor::ValLoss | Monitor::ValMetric)) && !validates {
            return bad("early_stopping.monitor needs a validation_split above 0 or a validation_dataset");
        }
        if self.log_every_n_steps > 1000 {
            return bad("log_every_n_steps must be at most 1000");
        }
        if self.max_failures == 0 || self.max_failures > 20 || self.max_duration_seconds == Some(0) {
            return bad("max_failures must be 1 to 20 and max_duration_seconds at least 1");
        }
        Ok(())
    }

    /// Checks that a data set has the columns that are named.
    pub fn check_against(&self, dataset: &str, schema: &Schema) -> Result<(), Invalid> {
        let named = self.features.iter().flatten().chain(self.preprocessing.columns.keys()).chain([&self.target]);
        match named.into_iter().find(|name| !schema.columns.iter().any(|column| column.name == **name)) {
            Some(name) => bad(format!("data set {dataset:?} has no column {name:?}")),
            None if self.features.is_none() && schema.columns.len() < 2 => {
                bad(format!("data set {dataset:?} has no column beside the target"))
            }
            None => Ok(()),
        }
    }

    fn check_columns(&self) -> Result<(), Invalid> {
        let features = self.features.as_deref();
        if self.target.is_empty() || features.is_some_and(|f| f.is_empty() || f.contains(&self.target)) {
            return bad("target must be a column, and features a non-empty list without it");
        }
        let distinct: BTreeSet<&String> = features.unwrap_or_default().iter().collect();
        if features.is_some_and(|f| distinct.len() < f.len()) {
            return bad("features must not name a column twice");
        }
        let is_feature = |name: &String| *name != self.target && (features.is_none() || distinct.contains(name));
        match self.preprocessing.columns.keys().find(|name| !is_feature(name)) {
            Some(name) => bad(format!("preprocessing.columns names {name:?}, which is not a feature")),
            None => Ok(()),
        }
    }
}

fn bad(message: impl Into<String>) -> Result<(), Invalid> {
    Err(Invalid::new("invalid_spec", message))
}

/// The name of a unit variant on the wire.
fn wire<T: Serialize>(value: &T) -> String {
    serde_json::to_value(value).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
}
